/*
 * events.c
 *		What a task tells of its progress: iterations, saves.
 *
 * Events are collected and stored a few at a time: those of a fast iterator
 * would otherwise cost more than its work.  Those of a slow one do not wait
 * longer than a moment, because task_wait() looks after them.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define FLUSH_SECONDS 0.25
#define FLUSH_BYTES (256 * 1024)
#define RETRY_SECONDS 1.0

static StringBuf pending;		/* a JSON list, not yet closed */
static double due = 0;

/* Adds a member that is JSON already. */
static void
add_json(const char *key, const char *json)
{
	if (json == NULL)
		return;
	sb_printf(&pending, ",\"%s\":", key);
	sb_str(&pending, json);
}

/* Notes an event of a task; everything but its type may be absent. */
void
events_add(const Task *task, const char *type, const char *item, const char *context,
		   const char *result, const char *error)
{
	sb_str(&pending, pending.len > 0 ? ",{" : "[{");
	json_member(&pending, "event_type", type);
	if (task->index >= 0)
		sb_printf(&pending, ",\"current_index\":%d", task->index);
	add_json("current_item", item);
	add_json("context", context);
	add_json("result", result);
	json_member(&pending, "error", error);
	sb_str(&pending, "}");
	if (due == 0)
		due = monotonic_now() + FLUSH_SECONDS;
	if (pending.len > FLUSH_BYTES)
		due = monotonic_now();
}

/* When what was collected wants to be stored; 0: there is nothing. */
double
events_due(void)
{
	return due;
}

/*
 * Stores what was collected.  Without a connection it stays; what the server
 * refuses is worth a line, not the task.
 */
void
events_flush(const Task *task)
{
	DbStatus	status = DB_GONE;

	if (pending.len == 0)
		return;
	while (task->outer != NULL)
		task = task->outer;
	sb_str(&pending, "]");
	if (db_connected())
		status = db_store_events(task, pending.data);
	if (status == DB_GONE || (status == DB_ERROR && db_error_is_passing()))
	{
		pending.data[--pending.len] = '\0';
		due = monotonic_now() + RETRY_SECONDS;
		return;
	}
	if (status == DB_ERROR)
		log_task(task, LOG_ALWAYS, "events were refused: %s", db_message());
	if (pending.size > FLUSH_BYTES * 4)
		sb_free(&pending);
	else
		sb_reset(&pending);
	due = 0;
}

/*
 * The task has ended, or is somebody else's now: what cannot be stored at once
 * is forgotten, as it would look like the next task's.
 */
void
events_end(const Task *task)
{
	events_flush(task);
	if (pending.len > 0)
		log_task(task, LOG_ALWAYS, "events were lost with the connection");
	sb_reset(&pending);
	due = 0;
}
