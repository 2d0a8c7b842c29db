/*
 * events.c
 *		Events that a task has stored while it is executed: iterations, saves.
 *
 * Events are collected and stored some at a time: those of a fast iterator would
 * otherwise cost more than its work.  A hook of task_wait() stores those of a slow
 * one after a moment.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "events.h"
#include "log.h"
#include "options.h"
#include "wait.h"

#define FLUSH_SECONDS 0.25
#define FLUSH_BYTES (256 * 1024)
#define RETRY_SECONDS 1.0

static StringBuf pending;		/* a JSON list, not yet closed */
static double due = 0;
static bool held = false;

/* Adds a member that is JSON already; NULL adds none. */
static void
add_json(const char *key, const char *json)
{
	if (json == NULL)
		return;
	sb_printf(&pending, ",\"%s\":", key);
	sb_str(&pending, json);
}

/* Collects an event of a task; everything but its type may be NULL. */
void
events_add(const Task *task, const char *type, const char *item, const char *context,
		   const char *result, const char *error, const char *meta)
{
	sb_str(&pending, pending.len > 0 ? ",{" : "[{");
	json_member(&pending, "event_type", type);
	if (task->index >= 0)
		sb_printf(&pending, ",\"current_index\":%d", task->index);
	add_json("current_item", item);
	add_json("context", context);
	add_json("result", result);
	add_json("meta", meta);
	json_member(&pending, "error", error);
	sb_str(&pending, "}");
	if (due == 0)
		due = monotonic_now() + FLUSH_SECONDS;
	if (pending.len > FLUSH_BYTES)
		due = monotonic_now();
}

/*
 * Exchanges what has been collected with what is kept of another task: a process that
 * has several tasks collects for one at a time.
 */
void
events_exchange(StringBuf *kept)
{
	StringBuf	other = *kept;

	*kept = pending;
	pending = other;
	due = pending.len > 0 ? monotonic_now() : 0;
}

/*
 * Stores what has been collected.  It stays collected while there is no session;
 * what the server refuses becomes a line in the log and does not fail the task.
 */
void
events_flush(Task *task)
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
 * Stores what has been collected, because the task has ended or its lease is lost.
 * What cannot be stored at once is dropped: it must not become the next task's.
 */
void
events_end(Task *task)
{
	events_flush(task);
	if (pending.len > 0)
		log_task(task, LOG_ALWAYS, "events were lost with the connection");
	sb_reset(&pending);
	due = 0;
}

/*
 * Has task_wait() store nothing while the task has a transaction of its own: behind a
 * pooler both sessions may want the same connections of the server, and workers would
 * wait for each other.
 */
void
events_hold(bool hold)
{
	held = hold;
}

/* Returns when collected events are to be stored; 0: there are none. */
static double
flush_due(void)
{
	return held ? 0 : due;
}

static const WaitHook hook = {
	.due = flush_due,
	.run = events_flush,
	.with_task_only = true
};

/* Adds the hook. */
void
events_init(void)
{
	wait_add_hook(&hook);
}
