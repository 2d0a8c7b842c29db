/*
 * broker/node_id.c
 *		Node ids: "<execution>:<step>[:<visit>]", followed by "[<index>]" for an
 *		item of an iterator.
 */
#include "common/common.h"

#include "utils/builtins.h"

#include "broker/node_id.h"

/* The longest part of a node id that is a number, with what stands before and after it. */
#define NUMBER_LENGTH	24

/*
 * Returns the node id of a visit of a step, or of an item of it; item -1: none.
 * The first visit keeps the short form, so that it reads like the playbook.
 */
char *
node_id_make(int64 execution_id, const char *step, int visit, int item)
{
	size_t		length = strlen(step);
	char	   *id = palloc(3 * NUMBER_LENGTH + length + 1);
	char	   *end = id;

	/* every event and every task has a node id: printf would be too slow */
	end += pg_lltoa(execution_id, end);
	*end++ = ':';
	memcpy(end, step, length + 1);
	end += length;
	if (visit > 1)
		end += snprintf(end, NUMBER_LENGTH, ":%d", visit);
	if (item >= 0)
		(void) snprintf(end, NUMBER_LENGTH, "[%d]", item);
	return id;
}

/*
 * Returns what follows "<execution>:<step>" in a node id; NULL when the id does
 * not begin like that.
 */
static const char *
node_id_rest(const char *node_id, int64 execution_id, const char *step)
{
	char		number[24];
	size_t		length;

	if (node_id == NULL || step == NULL)
		return NULL;
	length = pg_lltoa(execution_id, number);
	if (strncmp(node_id, number, length) != 0 || node_id[length] != ':')
		return NULL;
	node_id += length + 1;
	length = strlen(step);
	return strncmp(node_id, step, length) == 0 ? node_id + length : NULL;
}

/* Returns the visit that the rest of a node id names. */
static int
visit_of(const char *rest)
{
	if (rest == NULL)
		return 0;
	if (*rest == '\0' || *rest == '[')
		return 1;
	return *rest == ':' ? atoi(rest + 1) : 0;
}

/* Returns the item of an iterator that the rest of a node id names. */
static int
item_of(const char *rest)
{
	const char *bracket;

	if (rest == NULL || (*rest != '[' && *rest != ':'))
		return -1;
	bracket = strchr(rest, '[');
	return bracket != NULL ? Max(atoi(bracket + 1), 0) : -1;
}

/*
 * Returns the visit that a node id names; 0: none, as clients may choose node
 * ids of another form.
 */
int
node_id_visit(const char *node_id, int64 execution_id, const char *step)
{
	return visit_of(node_id_rest(node_id, execution_id, step));
}

/* Finds the visit and the item (-1: none) that a node id names. */
void
node_id_parse(const char *node_id, int64 execution_id, const char *step, int *visit, int *item)
{
	const char *rest = node_id_rest(node_id, execution_id, step);

	*visit = visit_of(rest);
	*item = item_of(rest);
}

/* Returns the item of an iterator that a node id names; -1: none. */
int
node_id_item(const char *node_id, int64 execution_id, const char *step)
{
	return item_of(node_id_rest(node_id, execution_id, step));
}
