/*
 * fields.c
 *		Taking the action of a task apart.
 *
 * The action is JSON that the server has written, so that it is known to be right.
 * Members of "data" are not taken apart: they are values, not settings; a map that says
 * where a script is has headers at the fourth level.  For ACTION_DEEP_FIELDS members of
 * "data" are, and bodies of requests as far as a form needs it.
 *
 *		{"command": "ls", "env": {"A": "1"}}
 *			-> 1 s command ls, 1 o env, 2 s env.A 1
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "json_read.h"
#include "netstring.h"

#define MAX_DEPTH 4

/* A walk over the action, which collects the fields of one depth */
typedef struct Walk
{
	StringBuf  *fields;
	StringBuf	path;
	StringBuf	label;
	StringBuf	text;
	int			wanted;			/* depth */
	bool		deep;
} Walk;

/* Returns the letter of the type of a value. */
static char
type_of(const char *p)
{
	static const char first[] = "\"{[ntf";
	static const char letters[] = "soa0bb";
	const char *found = *p != '\0' ? strchr(first, *p) : NULL;

	return found != NULL ? letters[found - first] : 'n';
}

/* Tells whether a path is that of an environment variable, whose value is text. */
static bool
is_variable(const char *path)
{
	return strncmp(path, "env.", 4) == 0;
}

/* Adds a field. */
static void
add_field(Walk *walk, const char *p, const char *end)
{
	char		type = type_of(p);

	sb_reset(&walk->label);
	sb_printf(&walk->label, "%d%c", walk->wanted, type);
	sb_add(&walk->label, walk->path.data, walk->path.len);
	sb_reset(&walk->text);
	if (type == 's')
		(void) json_read_string(p, &walk->text);
	else if (type != '0' && (walk->deep || strchr("oa", type) == NULL ||
							 (walk->wanted == 2 && is_variable(walk->path.data))))
		sb_add(&walk->text, p, (size_t) (end - p));
	add_netstring(walk->fields, walk->label.data, walk->label.len);
	add_netstring(walk->fields, walk->text.data, walk->text.len);
}

/* Tells whether a path is of something inside a body of a request. */
static bool
is_in_body(const char *path)
{
	static const char *const bodies[] = {"payload.", "body.", "json."};

	if (strncmp(path, "data.", 5) == 0)
		path += 5;
	for (int i = 0; i < 3; i++)
	{
		if (strncmp(path, bodies[i], strlen(bodies[i])) == 0)
			return true;
	}
	return false;
}

/* Tells whether a container at the path is taken apart. */
static bool
is_taken_apart(const Walk *walk, char type, int depth)
{
	const char *path = walk->path.data != NULL ? walk->path.data : "";

	if (type != 'o' && type != 'a')
		return false;
	if (walk->deep)
		return depth < MAX_DEPTH && !(type == 'o' && is_in_body(path));
	return (depth < MAX_DEPTH - 1 || strcmp(path, "script.source.headers") == 0) &&
		strncmp(path, "data.", 5) != 0;
}

static void walk_value(Walk *walk, const char *p, const char *end, int depth);

/* Walks over the members of an object or a list, which begins at p. */
static void
walk_members(Walk *walk, const char *p, int depth)
{
	bool		is_object = *p == '{';
	size_t		len = walk->path.len;

	p = json_skip_space(p + 1);
	for (int i = 0; *p != '\0' && *p != '}' && *p != ']'; i++)
	{
		const char *end;

		if (depth > 0)
			sb_str(&walk->path, ".");
		if (!is_object)
			sb_printf(&walk->path, "%d", i);
		else if ((p = json_read_string(p, &walk->path)) != NULL)
			p = json_skip_space(json_skip_space(p) + 1);
		if (p == NULL)
			return;
		end = json_end_of_value(p);
		walk_value(walk, p, end, depth + 1);
		walk->path.len = len;
		if (walk->path.data != NULL)
			walk->path.data[len] = '\0';
		p = json_skip_space(end);
		p = *p == ',' ? json_skip_space(p + 1) : p;
	}
}

/* Walks over a value at a depth as far as the wanted one. */
static void
walk_value(Walk *walk, const char *p, const char *end, int depth)
{
	if (depth == walk->wanted)
		add_field(walk, p, end);
	else if (is_taken_apart(walk, type_of(p), depth))
		walk_members(walk, p, depth);
}

/*
 * Takes an action apart.  Returns pairs of netstrings, of which the first is depth, type
 * and path, in the order of their depth, as task_parse_fields() reads them.  To be freed.
 */
char *
fields_of_action(const char *action, bool deep)
{
	StringBuf	fields = {0};
	Walk		walk = {.fields = &fields,.deep = deep};

	sb_str(&fields, "");
	action = json_skip_space(action);
	for (walk.wanted = 1; walk.wanted <= MAX_DEPTH; walk.wanted++)
		walk_value(&walk, action, json_end_of_value(action), 0);
	sb_free(&walk.path);
	sb_free(&walk.label);
	sb_free(&walk.text);
	return fields.data;
}
