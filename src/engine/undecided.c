/*
 * engine/undecided.c
 *		Events that were stored while the triggers of noetl.event were off, by a
 *		superuser's session_replication_role, DISABLE TRIGGER or a subscription.
 *
 * Such a row has no catalog_id (store/undecided.c).  It is taken up as if it were
 * inserted now: it gets the time of its decision, and meta.stored_at keeps its own.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "engine/internal.h"

/* Executions that one call takes up */
#define TAKE_UP_BATCH	1000

/* Lays what is to be noted over the meta of an event: annotation, stored_at. */
static void
note_stored_at(Event *event, TimestampTz stored_at)
{
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	annotation;

	json_begin_object(&builder);
	if (event->meta != NULL)
	{
		json_from_jsonb(event->meta, &value);
		json_add_members(&builder, &value);
	}
	if (event->annotation != NULL)
	{
		json_from_jsonb(event->annotation, &annotation);
		json_add_members(&builder, &annotation);
	}
	json_add_text(&builder, "stored_at", moment_text(stored_at));
	json_end_object(&builder, &value);
	event->meta = json_to_jsonb(&value);
}

/*
 * Takes up one event of an execution whose lock is held.  Returns false when it has to
 * stay as it is: its execution has not started, or is started by somebody else.
 */
static bool
take_up_event(Store *store, int64 execution_id, int64 event_id, int *enqueued)
{
	Event		event = {0};
	TimestampTz stored_at;

	if (!store_get_event(store, execution_id, event_id, &event) || event.catalog_id != 0)
		return false;
	stored_at = event.created_at;
	if (!prepare_stored_event(store, &event))
		return false;
	note_stored_at(&event, stored_at);
	store_take_up_event(store, &event);
	event_parse(&event);
	/* another event may have a larger id */
	*enqueued += event_stored(store, &event, 0);
	return true;
}

/*
 * Decides on the events of an execution that were stored while the triggers were off,
 * oldest first.  Returns how many there were, and *enqueued the number of tasks that are
 * enqueued.
 */
int
engine_take_up(int64 execution_id, int *enqueued)
{
	List	   *events = store_undecided_events(execution_id);
	ListCell   *lc;
	int			taken = 0;

	*enqueued = 0;
	if (events == NIL)
		return 0;
	engine_lock(execution_id);
	if (frame_find_writing(execution_id) != NULL)
		return 0;
	foreach(lc, events)
	{
		Store	   *store = store_open(InvalidOid);

		CHECK_FOR_INTERRUPTS();
		if (take_up_event(store, execution_id, *(int64 *) lfirst(lc), enqueued))
			taken++;
		store_close(store);
		CommandCounterIncrement();
	}
	return taken;
}

/* LimitedWork's argument: an execution. */
typedef struct TakingUp
{
	int64		execution_id;
	int			enqueued;
} TakingUp;

/* LimitedWork: takes up the events of one execution. */
static void
take_up_work(void *arg)
{
	TakingUp   *taking = (TakingUp *) arg;

	(void) engine_take_up(taking->execution_id, &taking->enqueued);
}

/*
 * Does the same for all executions.  What fails is recorded in noetl.reaper_failure,
 * and stays as it is.  Returns the number of tasks that are enqueued.
 */
int
engine_take_up_all(void)
{
	List	   *executions = store_undecided_executions(TAKE_UP_BATCH);
	ListCell   *lc;
	int			enqueued = 0;

	foreach(lc, executions)
	{
		TakingUp	taking = {*(int64 *) lfirst(lc), 0};

		if (!limited_must_wait(taking.execution_id) &&
			limited_run(taking.execution_id, true, take_up_work, &taking))
			enqueued += taking.enqueued;
	}
	return enqueued;
}
