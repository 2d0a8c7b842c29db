/*
 * task.c
 *		A leased task: its fields, its outcome, who executes it.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

static const Executor *const executors[] = {
	&python_executor, &postgres_executor, &shell_executor, &http_executor,
	&duckdb_executor, &iterator_executor, &save_executor
};

#define EXECUTOR_COUNT ((int) (sizeof(executors) / sizeof(executors[0])))

/* The one place that maps a task type to its file. */
const Executor *
find_executor(const char *type)
{
	for (int i = 0; i < EXECUTOR_COUNT; i++)
	{
		if (strcmp(executors[i]->type, type) == 0)
			return executors[i];
	}
	return NULL;
}

/* For who has something to do with every executor; NULL behind the last. */
const Executor *
executor_at(int index)
{
	return index < EXECUTOR_COUNT ? executors[index] : NULL;
}

/* Can this machine execute tasks of that type?  Asked once. */
bool
executor_usable(const Executor *executor)
{
	static signed char known[EXECUTOR_COUNT];	/* 0: not yet asked */
	int			i = 0;

	while (executors[i] != executor)
		i++;
	if (known[i] == 0)
		known[i] = executor->available == NULL || executor->available() ? 1 : -1;
	return known[i] > 0;
}

/* The end of everything that executors have started. */
void
shutdown_executors(void)
{
	for (int i = 0; i < EXECUTOR_COUNT; i++)
	{
		if (executors[i]->shutdown != NULL)
			executors[i]->shutdown();
	}
}

/*
 * Decides which types to lease, as a text[] literal.  A type that was asked
 * for and cannot be executed is fatal (returns NULL); one that was not asked
 * for is left to other workers.
 */
char *
choose_types(void)
{
	StringBuf	array = {0};
	char	   *wanted = xstrdup(options.types);
	char	   *save = NULL;

	sb_str(&array, "{");
	for (int i = 0; wanted == NULL && i < EXECUTOR_COUNT; i++)
	{
		const Executor *executor = executors[i];

		if (executor_usable(executor))
			sb_printf(&array, "%s%s", array.len > 1 ? "," : "", executor->type);
		else
			log_line(executor == &duckdb_executor ? LOG_DETAIL : LOG_ALWAYS,
					 "tasks of type %s are left to other workers", executor->type);
	}
	for (char *name = wanted != NULL ? strtok_r(wanted, ", ", &save) : NULL;
		 name != NULL; name = strtok_r(NULL, ", ", &save))
	{
		const Executor *executor = find_executor(name);

		if (executor == NULL)
			log_line(LOG_ALWAYS, "unknown task type \"%s\" in --types", name);
		if (executor == NULL || !executor_usable(executor))
		{
			free(wanted);
			sb_free(&array);
			return NULL;
		}
		sb_printf(&array, "%s%s", array.len > 1 ? "," : "", executor->type);
	}
	free(wanted);
	sb_str(&array, "}");
	return array.data;
}

/* Appends one netstring; an absent text is an empty one. */
void
add_netstring(StringBuf *sb, const char *text, size_t len)
{
	sb_printf(sb, "%zu:", len);
	sb_add(sb, text != NULL ? text : "", len);
	sb_str(sb, ",");
}

/*
 * Takes one netstring ("5:hello,") off the front and terminates it in place.
 * Lengths, not separators, because values may contain any character.
 */
char *
take_netstring(char **cursor)
{
	char	   *text;
	unsigned long len = strtoul(*cursor, &text, 10);

	if (*text != ':' || strnlen(text + 1, len + 1) != len + 1 ||
		text[1 + len] != ',')
		return NULL;
	text++;
	text[len] = '\0';
	*cursor = text + len + 1;
	return text;
}

/*
 * Splits the server's flattened action into fields: pairs of netstrings, of
 * which the first is depth, type and path ("2scommands.0").
 */
void
task_parse_fields(Task *task)
{
	char	   *cursor = task->field_data;
	int			size = 0;

	while (cursor != NULL && *cursor != '\0')
	{
		char	   *path = take_netstring(&cursor);
		char	   *text = path != NULL ? take_netstring(&cursor) : NULL;

		if (text == NULL || strlen(path) < 2)
			break;
		if (task->nfields == size)
		{
			size = size > 0 ? size * 2 : 16;
			task->fields = xrealloc(task->fields, sizeof(Field) * (size_t) size);
		}
		task->fields[task->nfields++] = (Field) {
			.depth = path[0] - '0',.type = path[1],.path = path + 2,.text = text
		};
	}
}

/* Returns the scalar at a path, NULL when absent, null or a container. */
const char *
task_field(const Task *task, const char *path)
{
	for (int i = 0; i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];

		if (strcmp(field->path, path) == 0)
			return strchr("snb", field->type) != NULL ? field->text : NULL;
	}
	return NULL;
}

/*
 * Walks over a value that may be one scalar or a list of them, because
 * commands are written both ways.  False behind the last one; an item that
 * is no scalar gives a NULL text.
 */
bool
task_list(const Task *task, const char *path, int index, const char **text)
{
	char		item[128];

	*text = task_field(task, path);
	if (*text != NULL)
		return index == 0;
	snprintf(item, sizeof(item), "%s.%d", path, index);
	for (int i = 0; i < task->nfields; i++)
	{
		if (strcmp(task->fields[i].path, item) == 0)
		{
			*text = task_field(task, item);
			return true;
		}
	}
	return false;
}

/* Value of one base64 digit, -1 for what is none. */
static int
base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int) (found - digits) : -1;
}

/* Decodes base64 with line breaks; NULL when it is not base64. */
static char *
base64_decode(const char *in)
{
	char	   *out = xmalloc(strlen(in) / 4 * 3 + 4);
	size_t		len = 0;
	unsigned int bits = 0;
	int			have = 0;

	for (; *in != '\0' && *in != '='; in++)
	{
		int			digit = base64_digit(*in);

		if (digit < 0 && strchr(" \t\r\n", *in) != NULL)
			continue;
		if (digit < 0)
		{
			free(out);
			return NULL;
		}
		bits = (bits << 6 | (unsigned int) digit) & 0xFFFFFF;
		have += 6;
		if (have >= 8)
		{
			have -= 8;
			out[len++] = (char) (bits >> have & 0xFF);
		}
	}
	out[len] = '\0';
	return out;
}

/*
 * Finds program text under a key or, encoded, under key_b64 / key_base64:
 * playbooks encode what their templates must not touch.  False with a failed
 * outcome when the encoding is broken; true with NULL when there is none.
 */
bool
task_text_or_base64(const Task *task, const char *path, char **text, Outcome *out)
{
	static const char *const suffixes[] = {"_b64", "_base64"};
	const char *found = task_field(task, path);

	*text = xstrdup(found);
	for (int i = 0; *text == NULL && i < 2; i++)
	{
		char		key[64];

		snprintf(key, sizeof(key), "%s%s", path, suffixes[i]);
		found = task_field(task, key);
		if (found == NULL)
			continue;
		*text = base64_decode(found);
		if (*text == NULL)
		{
			outcome_fail(out, "%s is not valid base64", key);
			return false;
		}
	}
	return true;
}

/*
 * Ends the result so far with a value that somebody else wrote and calls
 * JSON.  It travels by itself: pasted into the result it could pretend to be
 * more than one value.  The server puts it at data.data, where the result has
 * null.
 */
void
outcome_attach(Outcome *out, const char *text, size_t len)
{
	sb_reset(&out->attached);
	sb_add(&out->attached, text, len);
	out->attached_at = out->result.len;
	sb_str(&out->result, "null");
}

/*
 * Makes the attached text a string inside the result: the server has said
 * that it is no JSON.  False when nothing is attached.
 */
bool
outcome_inline_attached(Outcome *out)
{
	StringBuf	result = {0};
	size_t		rest = out->attached_at + strlen("null");

	if (out->attached.len == 0)
		return false;
	sb_add(&result, out->result.data, out->attached_at);
	json_string(&result, out->attached.data, out->attached.len);
	sb_add(&result, out->result.data + rest, out->result.len - rest);
	sb_free(&out->result);
	out->result = result;
	sb_free(&out->attached);
	return true;
}

/* Fills in a failure whose details are no more than its message. */
OutcomeKind
outcome_fail(Outcome *out, const char *fmt,...)
{
	va_list		args;
	char	   *message;

	va_start(args, fmt);
	if (vasprintf(&message, fmt, args) < 0)
		message = xstrdup("out of memory");
	va_end(args);
	sb_reset(&out->error);
	sb_str(&out->error, message);
	free(message);
	sb_reset(&out->result);
	sb_reset(&out->attached);
	sb_str(&out->result, "{");
	json_member(&out->result, "status", "error");
	json_member(&out->result, "error", out->error.data);
	sb_str(&out->result, "}");
	out->kind = OUTCOME_FAILED;
	return OUTCOME_FAILED;
}

/* Empties an outcome but keeps its memory for the next task. */
void
outcome_reset(Outcome *out)
{
	sb_reset(&out->error);
	sb_reset(&out->result);
	sb_reset(&out->attached);
	out->kind = OUTCOME_DONE;
}

/* Gives the memory of an outcome back. */
void
outcome_free(Outcome *out)
{
	sb_free(&out->error);
	sb_free(&out->result);
	sb_free(&out->attached);
}

/* Frees what belongs to a task. */
void
task_free(Task *task)
{
	free(task->queue_id);
	free(task->execution_id);
	free(task->node_id);
	free(task->step);
	free(task->type);
	free(task->attempt);
	free(task->timeout);
	free(task->action);
	free(task->field_data);
	free(task->fields);
	free(task->context);
	free(task->save);
	free(task->input);
	free(task->retry);
	memset(task, 0, sizeof(*task));
}

/* Frees what one answer of the server became. */
void
task_list_free(TaskList *list)
{
	for (int i = 0; i < list->count; i++)
		task_free(&list->tasks[i]);
	free(list->tasks);
	memset(list, 0, sizeof(*list));
}
