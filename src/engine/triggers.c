/*
 * engine/triggers.c
 *		The two triggers of noetl.event.
 *
 *		INSERT INTO noetl.event            noetl.complete() …
 *		  │ BEFORE ROW trigger               │ engine_ingest
 *		  v                                  v
 *		prepare: lock the execution, ids, time, status, node   (prepare.c)
 *		  │ the row is stored
 *		  v AFTER ROW trigger, or BEFORE ROW of the next row of the statement
 *		decide: load state, broker_decide, write the decisions (evaluate.c)
 *
 * Many rows in one statement are as many statements: each row is decided on
 * before the next one is prepared.  What the broker writes passes the triggers
 * unchanged: only rows that the BEFORE trigger has put in flight are decided on.
 */
#include "common/common.h"

#include "commands/trigger.h"
#include "utils/rel.h"

#include "engine/internal.h"

PG_FUNCTION_INFO_V1(noetl_event_before);
PG_FUNCTION_INFO_V1(noetl_event_after);

/*
 * Returns the trigger data of one of the two triggers; raises when the function
 * was called in another way.
 */
static TriggerData *
trigger_data(FunctionCallInfo fcinfo, TriggerEvent timing, const char *name)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		(trigger->tg_event & TRIGGER_EVENT_TIMINGMASK) != timing ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s() may only be a row trigger on INSERT INTO noetl.event", name)));
	return trigger;
}

/*
 * BEFORE INSERT ON noetl.event FOR EACH ROW: decides on the rows in flight,
 * prepares the new row and puts it in flight.  Suppresses a row whose event_id is
 * stored already.
 */
Datum
noetl_event_before(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, TRIGGER_EVENT_BEFORE,
										"noetl.event_before");
	Store	   *store;
	Event		event;
	bool		prepared;
	bool		chosen;
	HeapTuple	tuple;

	if (is_own_event(trigger->tg_trigslot))
		return PointerGetDatum(trigger->tg_trigtuple);
	store_read_event_head(trigger->tg_trigslot, &event);
	if (event_is_history(&event))
		return PointerGetDatum(trigger->tg_trigtuple);
	if (event.type == EVENT_EXECUTION_START || event.type == EVENT_ITERATION_STARTED ||
		event.type == EVENT_SIGNAL)
	{
		/* the context names a playbook, a child, or the id of a signal */
		event.context = slot_jsonb(trigger->tg_trigslot, EVENT_COL_CONTEXT);
	}
	if (event.type == EVENT_EXECUTION_START || event_type_is_terminal(event.type))
		event.meta = slot_jsonb(trigger->tg_trigslot, EVENT_COL_META);
	if (event_type_is_about_run(event.type) && !event_type_has_effect(event.type))
	{
		/* meta names the attempt; of other events it is read when they are decided on */
		event.meta = slot_jsonb(trigger->tg_trigslot, EVENT_COL_META);
	}

	settle_rows_in_flight(true);
	chosen = event.event_id != 0;
	store = store_open(RelationGetRelid(trigger->tg_relation));
	prepared = prepare_event(store, &event,
							 !slot_attisnull(trigger->tg_trigslot, EVENT_COL_RESULT), true);
	store_close(store);
	if (!prepared)
		return PointerGetDatum(NULL);
	tuple = prepared_tuple(trigger, &event);
	/* an id that the client has chosen need not be the newest: 0 is no event's number */
	in_flight_add(&event, chosen ? 0 : prepared_events);
	return PointerGetDatum(tuple);
}

/* AFTER INSERT ON noetl.event FOR EACH ROW: decides on a row that is in flight. */
Datum
noetl_event_after(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, TRIGGER_EVENT_AFTER,
										"noetl.event_after");
	TupleTableSlot *slot = trigger->tg_trigslot;
	bool		isnull;
	RowInFlight row;
	Event		event;
	Store	   *store;

	if (!in_flight_take(DatumGetInt64(slot_getattr(slot, EVENT_COL_EXECUTION_ID, &isnull)),
						DatumGetInt64(slot_getattr(slot, EVENT_COL_EVENT_ID, &isnull)),
						&row))
		return PointerGetDatum(NULL);
	store_read_event(slot, &event);
	store = store_open(RelationGetRelid(trigger->tg_relation));
	(void) decide_row(store, &event, &row);
	store_close(store);
	return PointerGetDatum(NULL);
}
