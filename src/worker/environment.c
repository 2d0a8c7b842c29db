/*
 * environment.c
 *		The environment of the worker.
 *
 * Libraries read the environment by themselves: libpq completes every connection from
 * PG* variables, and what SQL in DuckDB loads does so too.  So these variables and the
 * credentials are taken out of the environment of this process at its start.  What
 * may use them asks for them here.  Variables that demand encryption stay.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "options.h"
#include "strbuf.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static char **all = NULL;		/* NULL: nothing has been hidden yet */

/* Tells whether a variable ("NAME=value") is hidden. */
static bool
is_hidden(const char *variable)
{
	static const char *const shown[] = {
		"PGSSLMODE=", "PGSSLROOTCERT=", "PGSSLCRL=", "PGSSLCRLDIR=",
		"PGSSLMINPROTOCOLVERSION=", "PGSSLMAXPROTOCOLVERSION=",
		"PGCHANNELBINDING=", "PGREQUIREAUTH="
	};

	if (strncmp(variable, "NOETL_AUTH_", strlen("NOETL_AUTH_")) == 0)
		return true;
	if (strncmp(variable, "PG", 2) != 0)
		return false;
	for (size_t i = 0; i < LENGTH(shown); i++)
	{
		if (strncmp(variable, shown[i], strlen(shown[i])) == 0)
			return false;
	}
	return true;
}

/* Takes what is to be hidden out of the environment of this process. */
void
environment_hide(void)
{
	size_t		count = 0;
	size_t		kept = 0;
	char	  **rest;

	while (environ[count] != NULL)
		count++;
	rest = xcalloc(count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++)
	{
		if (!is_hidden(environ[i]))
			rest[kept++] = environ[i];
	}
	all = environ;
	environ = rest;
}

/* Returns the whole environment that the process was started with. */
char **
environment_all(void)
{
	return all != NULL ? all : environ;
}

/* Returns the value of a variable, also of a hidden one; NULL when there is none. */
const char *
environment_value(const char *name)
{
	size_t		len = strlen(name);

	for (char **variable = environment_all(); *variable != NULL; variable++)
	{
		if (strncmp(*variable, name, len) == 0 && (*variable)[len] == '=')
			return *variable + len + 1;
	}
	return NULL;
}

/* Adds the variables that a list of names (comma separated; or NULL) has to an object. */
static void
add_variables(StringBuf *json, const char *list)
{
	while (list != NULL && *list != '\0')
	{
		size_t		len = strcspn(list, ", ");
		char	   *name = xmalloc(len + 1);
		const char *value;

		memcpy(name, list, len);
		name[len] = '\0';
		value = len > 0 ? environment_value(name) : NULL;
		if (value != NULL)
			json_member(json, name, value);
		free(name);
		list += len;
		list += strspn(list, ", ");
	}
}

/* Tells whether a list of names (comma separated; or NULL) has a name. */
static bool
list_has(const char *list, const char *name)
{
	while (list != NULL && *list != '\0')
	{
		size_t		len = strcspn(list, ", ");

		if (len > 0 && len == strlen(name) && strncmp(list, name, len) == 0)
			return true;
		list += len;
		list += strspn(list, ", ");
	}
	return false;
}

/* Tells whether templates see a variable. */
bool
environment_shows(const char *name)
{
	return list_has(options.pass_env, name) || list_has(options.env, name);
}

/*
 * Writes the names that templates see of this worker: {"env": {...}} with the
 * variables that --env and --pass-env name and that are set.
 */
void
environment_names(StringBuf *json)
{
	StringBuf	variables = {0};

	sb_str(&variables, "{");
	add_variables(&variables, options.pass_env);
	add_variables(&variables, options.env);
	sb_printf(json, "{\"env\":%s}}", variables.data);
	sb_free(&variables);
}
