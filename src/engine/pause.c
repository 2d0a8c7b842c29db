/*
 * engine/pause.c
 *		Executions are paused and resumed, with all that they have started.
 *
 * Only the log and the row of the execution itself say that it is paused.  Whether a
 * task is to be paused is found by going up from its execution (store/pause.h), so
 * children that are started meanwhile are paused, too.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "engine/internal.h"
#include "wakeup/wakeup.h"

/* Tasks that the statement itself pauses or makes ready; the rest is left to leases */
#define TASKS_AT_ONCE	10000

/*
 * Returns the meta of an event: the asking role, the reason, and the end; due: time
 * has.
 */
static Jsonb *
pause_meta(const char *reason, TimestampTz until, bool due)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	if (due)
		json_add_bool(&builder, "due", true);
	else
		json_add_text(&builder, "by", GetUserNameFromId(GetUserId(), false));
	if (reason != NULL)
		json_add_text(&builder, "reason", reason);
	if (until != 0)
		json_add_text(&builder, "until", time_to_text(until, "UTC"));
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Stores an event about an execution as a whole; returns its id. */
static int64
store_event(Store *store, const Execution *execution, EventType type, Jsonb *meta)
{
	Event		event;

	describe_execution(&event, type, execution);
	event.meta = meta;
	request_store(store, &event);
	return event.event_id;
}

/* Pauses ready tasks of an execution and its descendants, at most "room" of both. */
static void
park_tree(Store *store, int64 execution_id, int64 pause_id, int *room)
{
	List	   *children;
	ListCell   *lc;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	*room -= 1 + store_park_execution(store, execution_id, pause_id, *room);
	children = store_running_children(store, execution_id, 0);
	foreach(lc, children)
	{
		if (*room <= 0)
			break;
		park_tree(store, *(int64 *) lfirst(lc), pause_id, room);
	}
}

/* Locks an execution that is to be paused or resumed; raises unless the caller may. */
static void
begin(Store *store, int64 execution_id, Execution *execution)
{
	request_begin(store, execution_id, execution);
	engine_check_snapshot(store, execution_id);
}

/* Pauses an execution (engine/engine.h). */
bool
engine_pause(int64 execution_id, const char *reason, TimestampTz until)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	int			room = TASKS_AT_ONCE;
	int64		event_id;

	begin(store, execution_id, &execution);
	if (execution.running)
	{
		event_id = store_event(store, &execution, EVENT_EXECUTION_PAUSED,
							   pause_meta(reason, until, false));
		store_pause_execution(store, execution_id, event_id);
		store_note_pause(execution_id, until);
		park_tree(store, execution_id, execution_id, &room);
		if (until != 0)
			wake_for_timer(until);
	}
	store_close(store);
	return execution.running;
}

/* Ends the pause of an execution, whose lock is held; returns how many tasks get ready. */
static int
resume(Store *store, const Execution *execution, const char *reason, bool due)
{
	(void) store_event(store, execution, EVENT_EXECUTION_RESUMED, pause_meta(reason, 0, due));
	store_pause_execution(store, execution->execution_id, 0);
	store_end_pause(execution->execution_id);
	wake_for_timer(GetCurrentTimestamp());
	return store_resume_tasks(store, TASKS_AT_ONCE, wake_at_commit);
}

/* Ends the pause of an execution (engine/engine.h). */
bool
engine_resume(int64 execution_id, const char *reason)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;

	begin(store, execution_id, &execution);
	if (execution.paused != 0)
		(void) resume(store, &execution, reason, false);
	store_close(store);
	return execution.paused != 0;
}

/*
 * Ends the pause of an execution whose lock is held, if its time has come; returns how
 * many tasks get ready.
 */
int
pause_end_by_time(Store *store, const Execution *execution)
{
	TimestampTz until;

	if (!store_find_pause(execution->execution_id, &until) || until == 0 ||
		until > GetCurrentTimestamp())
		return 0;
	if (execution->paused == 0)
	{
		store_end_pause(execution->execution_id);	/* a leftover */
		return 0;
	}
	return resume(store, execution, NULL, true);
}

/* Pauses a kind of tasks (engine/engine.h). */
int64
engine_pause_tasks(const PauseKind *kind, const char *reason, TimestampTz until)
{
	Store	   *store = store_open(InvalidOid);
	int64		pause_id = store_put_rule(kind, reason, until);

	if (kind->path != NULL)
		(void) store_park_kind(store, kind, pause_id, TASKS_AT_ONCE);
	if (until != 0)
		wake_for_timer(until);
	store_close(store);
	return pause_id;
}

/* Ends the pauses of a kind of tasks (engine/engine.h). */
int
engine_resume_tasks(const PauseKind *kind)
{
	Store	   *store = store_open(InvalidOid);
	int			ended = store_end_rules(kind);

	if (ended > 0)
	{
		(void) store_resume_tasks(store, TASKS_AT_ONCE, wake_at_commit);
		wake_at_commit(NULL);
		wake_for_timer(GetCurrentTimestamp());
	}
	store_close(store);
	return ended;
}
