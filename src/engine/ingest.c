/*
 * engine/ingest.c
 *		Events made inside the server, and what follows the storing of any event.
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "engine/internal.h"
#include "wakeup/wakeup.h"

/*
 * Decides on an event that has been stored, or notes it in noetl.pending: when
 * the broker is off, when decisions on the execution are being written, or when a trigger
 * of a user has sent it while an earlier event of the execution is being stored.  Returns
 * the number of tasks that are enqueued.
 */
int
event_stored(Store *store, const Event *event, uint64 number)
{
	EvaluationFrame *frame = frame_find_writing(event->execution_id);
	RowInFlight *coming = frame == NULL ? in_flight_coming(event->execution_id) : NULL;

	wake_changed();
	if (event->type == EVENT_EXECUTION_START)
	{
		execution_insert(store, event, InvalidOid);
		if (engine_is_scheduled(event))
		{
			if (TIMESTAMP_IS_NOEND(event->terms->run_at))
				limit_await_start(store, event);
			return 0;			/* nothing is decided before its time */
		}
		if (event->forked && limit_of_executions(event->catalog_id))
			limit_take_at_start(store, event);
	}
	if (noetl_broker && frame == NULL && coming == NULL)
		return evaluate_event(store, event, number == prepared_events);
	if (event_type_is_decided(event->type) &&
		!(event_type_is_terminal(event->type) && event->ignored))
	{
		if (noetl_broker && frame != NULL)
			frame->interrupted = true;
		else if (noetl_broker)
		{
			coming->interrupted = true;
			/* a trigger of a user may suppress the row: then nobody else comes by */
			wake_for_timer(GetCurrentTimestamp());
		}
		store_insert_pending(store, event);
	}
	return 0;
}

/*
 * Decides on an event that was in flight, and then on what has come meanwhile.  Returns
 * the number of tasks that are enqueued.
 */
int
decide_row(Store *store, const Event *event, const RowInFlight *row)
{
	int			enqueued = event_stored(store, event, row->number);

	if (row->interrupted)
		enqueued += evaluate_pending(store, event->execution_id);
	return enqueued;
}

/*
 * Decides on the rows in flight that are stored.  A row that is neither stored
 * nor can arrive any more was suppressed by a user's trigger, and is forgotten.
 */
void
settle_rows_in_flight(bool by_trigger)
{
	RowInFlight row;
	int			place = 0;

	while (in_flight_get(place, &row))
	{
		int			depth = DatumGetInt32(pg_trigger_depth(NULL)) - (by_trigger ? 1 : 0);
		Store	   *store = store_open(InvalidOid);
		Event		event;
		bool		stored = store_get_event(store, row.execution_id, row.event_id, &event);

		if (stored || !in_flight_may_arrive(&row, depth))
		{
			in_flight_remove(place);
			if (stored)
				(void) decide_row(store, &event, &row);
			place = 0;
		}
		else
			place++;
		store_close(store);
	}
}

/* Stores an event that has been prepared; *row says what has come meanwhile. */
void
store_prepared(Store *store, const Event *event, RowInFlight *row)
{
	memset(row, 0, sizeof(RowInFlight));
	in_flight_add(event, prepared_events);
	write_own_event(store, event);
	(void) in_flight_take(event->execution_id, event->event_id, row);
}

/* Prepares an event, stores it and decides on it; false: it is stored already. */
bool
ingest_counting(Store *store, Event *event, int *enqueued)
{
	RowInFlight row;

	settle_rows_in_flight(false);
	if (!prepare_event(store, event, event->result != NULL, false))
		return false;
	if (event->meta == NULL)
		event->meta = event->annotation;
	else if (event->annotation != NULL)
		event->meta = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
														 PointerGetDatum(event->meta),
														 PointerGetDatum(event->annotation)));
	store_prepared(store, event, &row);
	*enqueued = decide_row(store, event, &row);
	return true;
}

/* The same without the number of tasks. */
bool
engine_ingest(Store *store, Event *event)
{
	int			enqueued;

	return ingest_counting(store, event, &enqueued);
}
