/*
 * task.c
 *		A task: its fields, and its memory.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstring.h"
#include "task.h"

/*
 * Splits what fields_of_action() has made of the action into fields: pairs of
 * netstrings, the first of which is depth, type and path ("2scommands.0").
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

		if (text == NULL)
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

/*
 * Returns the values that the program of a python task may ask for, as JSON; NULL:
 * none.  The context of a task inside another has more than that, so it is left out
 * where the program has no word for it.
 */
const char *
task_program_context(const Task *task)
{
	static const char *const words[] = {
		"context", "\"code_b64\"", "\"code_base64\"", "\"script\"", "\"file\""
	};

	if (strcmp(task->type, "python") != 0 || task->action == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strstr(task->action, words[i]) != NULL)
			return task->outer_context != NULL ? task->outer_context : task->context;
	}
	return NULL;
}

/* Abandons a task, and the tasks around it, because this worker cannot execute it. */
void
task_set_trouble(Task *task)
{
	for (; task != NULL; task = task->outer)
	{
		if (task->abort == ABORT_NONE)
			task->abort = ABORT_TROUBLE;
	}
}

/*
 * Ends an attempt of a task.  Neither what is said about the attempt nor the next one has
 * its limits: of time, of progress and of lines.
 */
void
task_end_attempt(Task *task)
{
	task->deadline = 0;
	task->told_at = 0;
	task->logged = 0;
}

/* Frees what belongs to a task. */
void
task_free(Task *task)
{
	free(task->queue_id);
	free(task->execution_id);
	free(task->catalog_id);
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
	free(task->retry_input);
	free(task->retry);
	memset(task, 0, sizeof(*task));
}

/* Frees the tasks of a lease. */
void
task_list_free(TaskList *list)
{
	for (int i = 0; i < list->count; i++)
		task_free(&list->tasks[i]);
	free(list->tasks);
	memset(list, 0, sizeof(*list));
}
