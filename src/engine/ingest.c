/*
 * engine/ingest.c
 *		Events made inside the server, and what follows the storing of any event.
 */
#include "common/common.h"

#include "utils/builtins.h"

#include "engine/in_flight.h"
#include "engine/internal.h"
#include "wakeup/wakeup.h"

/*
 * Decides on an event that has been stored, or notes it in noetl.pending: when
 * the broker is off, or when decisions on the execution are being written.  Returns
 * the number of tasks that are enqueued.
 */
int
event_stored(Store *store, const Event *event, uint64 number)
{
	EvaluationFrame *frame = frame_find_writing(event->execution_id);

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
	if (noetl_broker && frame == NULL)
		return evaluate_event(store, event, number == prepared_events);
	if (event_type_is_decided(event->type) &&
		!(event_type_is_terminal(event->type) && event->ignored))
	{
		store_insert_pending(store, event);
		if (noetl_broker)
			frame->interrupted = true;
	}
	return 0;
}

/*
 * Decides on the rows in flight that are stored.  A row that is neither stored
 * nor can arrive any more was suppressed by a user's trigger, and is forgotten.
 */
void
settle_rows_in_flight(void)
{
	RowInFlight row;
	int			place = 0;

	while (in_flight_get(place, &row))
	{
		Store	   *store = store_open(InvalidOid);
		Event		event;
		bool		stored = store_get_event(store, row.execution_id, row.event_id, &event);

		if (stored || !in_flight_may_arrive(&row))
		{
			in_flight_remove(place);
			if (stored)
				(void) event_stored(store, &event, row.number);
			place = 0;
		}
		else
			place++;
		store_close(store);
	}
}

/* Prepares an event, stores it and decides on it; false: it is stored already. */
bool
ingest_counting(Store *store, Event *event, int *enqueued)
{
	uint64		number;

	if (!prepare_event(store, event, event->result != NULL, false))
		return false;
	number = prepared_events;
	if (event->meta == NULL)
		event->meta = event->annotation;
	else if (event->annotation != NULL)
		event->meta = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
														 PointerGetDatum(event->meta),
														 PointerGetDatum(event->annotation)));
	write_own_event(store, event);
	*enqueued = event_stored(store, event, number);
	return true;
}

/* The same without the number of tasks. */
bool
engine_ingest(Store *store, Event *event)
{
	int			enqueued;

	return ingest_counting(store, event, &enqueued);
}
