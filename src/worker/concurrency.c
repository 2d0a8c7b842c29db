/*
 * concurrency.c
 *		How many tasks a worker executes at the same time: --concurrency is the number
 *		of all, and TYPE=N for types, separated by commas.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "concurrency.h"
#include "options.h"
#include "tool.h"
#include "wait.h"

/* The limit of a type */
typedef struct Limit
{
	const char *type;
	int			count;
} Limit;

static Limit *limits = NULL;
static int	nlimits = 0;

/* Reads a number of tasks; returns 0 for other text. */
static int
read_count(const char *text)
{
	char	   *end;
	long		count = strtol(text, &end, 10);

	return end != text && *end == '\0' && count >= 1 && count <= MAX_CONCURRENCY ? (int) count : 0;
}

/* Adds TYPE=N. */
static bool
add_limit(const char *part)
{
	const char *mark = strchr(part, '=');
	char	   *type;
	int			count = mark != NULL ? read_count(mark + 1) : 0;

	if (count == 0)
		return false;
	type = xstrdup(part);
	type[mark - part] = '\0';
	limits = xrealloc(limits, sizeof(Limit) * (size_t) (nlimits + 1));
	limits[nlimits++] = (Limit) {type, count};
	return find_executor(type) != NULL;
}

/* Reads --concurrency; returns false, with *error, when it is wrong. */
bool
concurrency_init(StringBuf *error)
{
	char	   *copy = xstrdup(options.concurrency);
	char	   *save = NULL;
	char	   *part = copy != NULL ? strtok_r(copy, ", ", &save) : NULL;
	bool		ok = copy == NULL || part != NULL;

	options.slots = 1;
	if (part != NULL)
	{
		options.slots = read_count(part);
		ok = options.slots > 0;
	}
	while (ok && part != NULL && (part = strtok_r(NULL, ", ", &save)) != NULL)
		ok = add_limit(part);
	free(copy);
	if (!ok)
		sb_printf(error, "--concurrency must be N or N,TYPE=N,... with numbers from 1 to %d and known"
				  " types, not \"%s\"", MAX_CONCURRENCY, options.concurrency);
	return ok;
}

/* Returns how many tasks of a type may be executed at the same time. */
int
concurrency_of(const char *type)
{
	const Tool *tool = tool_of_type(type);
	int			count = options.slots;

	for (int i = 0; i < nlimits; i++)
	{
		if (strcmp(limits[i].type, type) == 0)
			count = limits[i].count;
	}
	return tool != NULL && tool->concurrency < count ? tool->concurrency : count;
}
