/*
 * executors.c
 *		The task types: the table, and tools after it.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "log.h"
#include "options.h"
#include "tool.h"

static const Executor executors[] = {
	{
		.type = "python",
		.form = ACTION_JSON,
		.available = python_available,
		.execute = python_execute,
		.idle = python_idle,
		.shutdown = python_shutdown
	},
	{
		.type = "postgres",
		.form = ACTION_FIELDS,
		.execute = postgres_execute,
		.idle = postgres_disconnect,
		.shutdown = postgres_disconnect
	},
	{
		.type = "shell",
		.form = ACTION_FIELDS,
		.execute = shell_execute
	},
	{
		.type = "http",
		.form = ACTION_DEEP_FIELDS,
		.available = http_available,
		.execute = http_execute,
		.idle = http_disconnect,
		.shutdown = http_shutdown
	},
	{
		.type = "duckdb",
		.form = ACTION_FIELDS,
		.is_optional = true,
		.available = duckdb_available,
		.execute = duckdb_execute
	},
	{
		.type = "iterator",
		.form = ACTION_JSON,
		.execute = iterator_execute,
		.idle = iterator_stop_helpers,
		.shutdown = iterator_stop_helpers
	},
	{
		.type = "save",
		.form = ACTION_JSON,
		.execute = save_execute
	}
};

static char reason[300] = "";	/* why the type that was asked for last cannot be used */

#define EXECUTOR_COUNT ((int) (sizeof(executors) / sizeof(executors[0])))

/* Returns how many types there are: those of the table, and tools. */
static int
executor_count(void)
{
	return EXECUTOR_COUNT + tool_count();
}

/* Returns a type by its number. */
static const Executor *
executor_at(int index)
{
	return index < EXECUTOR_COUNT ? &executors[index] : &tool_at(index - EXECUTOR_COUNT)->executor;
}

/* Returns the row of a task type, NULL when this program has none. */
const Executor *
find_executor(const char *type)
{
	for (int i = 0; i < executor_count(); i++)
	{
		if (strcmp(executor_at(i)->type, type) == 0)
			return executor_at(i);
	}
	return NULL;
}

/*
 * Tells whether this machine can execute tasks of a type.  The executor is asked
 * once in the life of the process.
 */
bool
executor_usable(const Executor *executor)
{
	static signed char known[EXECUTOR_COUNT];	/* 0: not yet asked */
	signed char *answer = &known[0];

	if (executor->available == NULL)
		return true;
	answer += executor - executors;
	if (*answer == 0)
		reason[0] = '\0';
	if (*answer == 0)
		*answer = executor->available() ? 1 : -1;
	return *answer > 0;
}

/* Notes why the executor that is asked cannot be used, without secrets. */
void
executor_set_reason(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
}

/* Lets the executors free what only a busy worker should hold. */
void
idle_executors(void)
{
	for (int i = 0; i < EXECUTOR_COUNT; i++)
	{
		if (executors[i].idle != NULL)
			executors[i].idle();
	}
}

/* Ends everything that executors have started. */
void
shutdown_executors(void)
{
	for (int i = 0; i < EXECUTOR_COUNT; i++)
	{
		if (executors[i].shutdown != NULL)
			executors[i].shutdown();
	}
	tools_stop();
}

/* Appends a type to a text[] literal that is still open. */
static void
add_type(StringBuf *array, const Executor *executor)
{
	sb_printf(array, "%s%s", array->len > 1 ? "," : "", executor->type);
}

/* Adds every type that this machine can execute. */
static void
choose_all(StringBuf *array)
{
	for (int i = 0; i < executor_count(); i++)
	{
		const Executor *executor = executor_at(i);

		if (executor_usable(executor))
			add_type(array, executor);
		else
			log_line(executor->is_optional ? LOG_DETAIL : LOG_ALWAYS,
					 "tasks of type %s are left to other workers%s%s", executor->type,
					 reason[0] != '\0' ? ": " : "", reason);
	}
}

/* Adds the types of a list; false, with a line in the log, when one is unusable. */
static bool
choose_listed(StringBuf *array, const char *list)
{
	char	   *copy = xstrdup(list);
	char	   *save = NULL;
	bool		ok = true;

	for (char *name = strtok_r(copy, ", ", &save); ok && name != NULL;
		 name = strtok_r(NULL, ", ", &save))
	{
		const Executor *executor = find_executor(name);

		if (executor == NULL)
			log_line(LOG_ALWAYS, "unknown task type \"%s\" in --types", name);
		else if (!executor_usable(executor))
			log_line(LOG_ALWAYS, "this machine cannot execute tasks of type \"%s\"%s%s", name,
					 reason[0] != '\0' ? ": " : "", reason);
		else
			add_type(array, executor);
		ok = executor != NULL && executor_usable(executor);
	}
	free(copy);
	return ok;
}

/*
 * Returns the types to lease as a text[] literal: those of --types, else all
 * that this machine can execute.  NULL when a type of --types cannot be executed.
 */
char *
choose_types(void)
{
	StringBuf	array = {0};

	sb_str(&array, "{");
	if (options.types == NULL)
		choose_all(&array);
	else if (!choose_listed(&array, options.types))
	{
		sb_free(&array);
		return NULL;
	}
	sb_str(&array, "}");
	if (array.len == 2)
		log_line(LOG_ALWAYS, "there is no task type in --types");
	return array.data;
}
