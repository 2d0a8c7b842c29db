/*
 * engine/triggers.c
 *		The way of an event: normalised, stored, decided upon.
 *
 *		INSERT INTO noetl.event            noetl.complete() …
 *		  │ BEFORE ROW trigger               │ event_ingest
 *		  v                                  v
 *		prepare: lock the execution, ids, time, status, node   (event_prepare.c)
 *		  │ the row is stored
 *		  v AFTER ROW trigger, or BEFORE ROW of the next row of the statement
 *		decide: load state, broker_decide, write the decisions (decide_event)
 *
 * Many rows in one statement are as many statements: each is decided upon
 * before the next is prepared.  What the broker itself writes passes the
 * triggers untouched: only events that the BEFORE trigger has registered are
 * decided upon.
 */
#include "common/common.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "engine/in_flight.h"
#include "engine/execution.h"
#include "engine/task_event.h"
#include "broker/broker.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_event_before);
PG_FUNCTION_INFO_V1(noetl_event_after);

/* ---------------------------------------------------------------------------
 * Decisions being written
 * ---------------------------------------------------------------------------
 */

static Writing *writing = NULL;

/* See event_internal.h. */
Writing *
frame_of(int64 execution_id)
{
	Writing    *found = writing;

	while (found != NULL && found->execution_id != execution_id)
		found = found->outer;
	return found;
}

/* See event_internal.h. */
Writing *
writing_on(int64 execution_id)
{
	Writing    *found = frame_of(execution_id);

	return found != NULL && !found->draining ? found : NULL;
}

/* The trigger data of one of our own triggers, or an error. */
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

/* The event of the broker's own making that is being written right now. */
static const Event *own_event = NULL;

/* Is it this row?  Users' triggers may insert others meanwhile. */
static bool
is_own_write(TupleTableSlot *slot)
{
	bool		isnull;

	return own_event != NULL &&
		DatumGetInt64(slot_getattr(slot, EVENT_COL_EXECUTION_ID, &isnull)) == own_event->execution_id &&
		DatumGetInt64(slot_getattr(slot, EVENT_COL_EVENT_ID, &isnull)) == own_event->event_id;
}

static void decide_registered(void);

/* BEFORE INSERT ON noetl.event FOR EACH ROW */
Datum
noetl_event_before(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, TRIGGER_EVENT_BEFORE,
										"noetl.event_before");
	Store	   *store;
	Event		event;
	bool		prepared;
	HeapTuple	tuple;

	if (is_own_write(trigger->tg_trigslot))
		return PointerGetDatum(trigger->tg_trigtuple);
	store_read_event_head(trigger->tg_trigslot, &event);
	if (event_is_history(&event))
		return PointerGetDatum(trigger->tg_trigtuple);
	if (event.type == EVENT_EXECUTION_START || event.type == EVENT_ITERATION_STARTED)
	{
		/* the context names a playbook or a child; the rest stays as it is */
		event.context = slot_jsonb(trigger->tg_trigslot, EVENT_COL_CONTEXT);
	}

	decide_registered();
	store = store_open(RelationGetRelid(trigger->tg_relation));
	prepared = prepare_event(store, &event,
							 !slot_attisnull(trigger->tg_trigslot, EVENT_COL_RESULT));
	store_close(store);
	if (!prepared)
		return PointerGetDatum(NULL);
	tuple = prepared_tuple(trigger, &event);
	registered_add(event.execution_id, event.event_id, prepared_events);
	return PointerGetDatum(tuple);
}

/* ---------------------------------------------------------------------------
 * After: decide
 * ---------------------------------------------------------------------------
 */

/* See event_internal.h. */
void
write_own_event(Store *store, const Event *event)
{
	const Event *outer = own_event;

	own_event = event;
	PG_TRY();
	{
		store_insert_event(store, event);
	}
	PG_FINALLY();
	{
		own_event = outer;
	}
	PG_END_TRY();
}

/* The step a decision is about. */
static const char *
step_name(const BrokerState *state, const Decision *decision)
{
	return state->playbook->steps[decision->run->step].name;
}

/* Workers of which type may take a task. */
static const char *
task_type(const BrokerState *state, const Run *run)
{
	return run->type != NULL ? run->type : state->playbook->steps[run->step].type;
}

/* An open run ends before its work is done. */
static void
abandon_run(Store *store, const BrokerState *state, const Decision *decision)
{
	const char *name = step_name(state, decision);

	if (state->playbook->steps[decision->run->step].kind == STEP_ITERATOR)
	{
		store_delete_items(store, state->execution_id, name);
		store_abandon_items(store, state->execution_id, name, decision->leave,
							decision->revoke);
	}
	cancel_children(store, state->execution_id, decision->run->started_event_id);
}

/* Writes one decision; returns the number of tasks that are enqueued by it. */
static int
write_decision(Store *store, BrokerState *state, const Event *event,
			   const Decision *decision)
{
	int			enqueued = 0;

	switch (decision->kind)
	{
		case DECIDE_EMIT:
			write_own_event(store, decision->event);
			break;
		case DECIDE_KEEP:
			store_put_run(store, state->execution_id, decision->run,
						  state->playbook, state->now);
			if (run_due_at(decision->run) != 0)
				wake_for_timer(run_due_at(decision->run));
			break;
		case DECIDE_ABANDON:
			abandon_run(store, state, decision);
			break;
		case DECIDE_ADD_ITEMS:
			store_add_items(store, state->execution_id, step_name(state, decision),
							decision->first_item, decision->nitems, decision->items);
			break;
		case DECIDE_TAKE_ITEM:
			store_delete_item(store, state->execution_id, step_name(state, decision),
							  decision->first_item);
			break;
		case DECIDE_START_CHILD:
			enqueued = child_start(state, decision->child);
			break;
		case DECIDE_ADOPT:
			adopt_child(state, decision->child);
			break;
		case DECIDE_FORGET:
			store_delete_run(store, decision->run);
			break;
		case DECIDE_ENQUEUE:
			store_enqueue(store, state, decision->run);
			wake_at_commit(task_type(state, decision->run));
			enqueued = 1;
			break;
		case DECIDE_LEASE:
			store_lease_task(store, decision->run,
							 decision->run->worker_id == NULL ? 0 :
							 event->created_at + DEFAULT_LEASE_US);
			wake_timer(event->created_at + DEFAULT_LEASE_US);
			if (decision->run->deadline != 0)
				wake_timer(decision->run->deadline);
			break;
		case DECIDE_RETRY:
			store_retry_task(store, decision->run);
			if (decision->run->state == RUN_RETRY)
				wake_timer(decision->run->available_at);
			wake_at_commit(task_type(state, decision->run));
			break;
		case DECIDE_CLOSE:
			store_close_task(store, decision->run);
			break;
		case DECIDE_REVOKE:
			store_revoke_task(store, decision->run);
			break;
		case DECIDE_FINISH:
			store_finish_execution(store, state->execution_id, decision->status,
								   decision->error, decision->result,
								   event != NULL && event_type_is_terminal(event->type) ?
								   event->created_at : state->time);
			break;
		case DECIDE_IGNORE:
			store_annotate_event(store, state->execution_id, event->event_id,
								 meta_text("ignored", decision->reason));
			break;
		case DECIDE_LOCATE:
			store_locate_event(store, state->execution_id, event->event_id,
							   &state->playbook->steps[decision->run->step],
							   decision->run);
			break;
		case DECIDE_ANNOTATE:
			store_annotate_event(store, state->execution_id, event->event_id,
								 decision->meta);
			break;
	}
	return enqueued;
}

/* What came up while decisions were being written, and what that leads to. */
static int
drain(Store *store, Writing *frame)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl child ends",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	int			enqueued = 0;
	int			next = 0;

	frame->draining = true;
	writing = frame;
	PG_TRY();
	{
		for (;;)
		{
			CHECK_FOR_INTERRUPTS();
			if (frame->interrupted)
			{
				frame->interrupted = false;
				enqueued += decide_pending(store, frame->execution_id);
			}
			else if (next < list_length(frame->messages))
				enqueued += decide_child_end(frame->execution_id,
											 list_nth(frame->messages, next++));
			else
				break;
			MemoryContextReset(memory);
		}
	}
	PG_FINALLY();
	{
		writing = frame->outer;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return enqueued;
}

/*
 * What came up is done in one loop of the outermost evaluation of the
 * execution, however long the chain of what leads to what.
 */
static int
settle_frame(Store *store, Writing *here)
{
	Writing    *outer = frame_of(here->execution_id);
	ListCell   *lc;

	if (outer == NULL)
		return here->interrupted || here->messages != NIL ? drain(store, here) : 0;
	outer->interrupted = outer->interrupted || here->interrupted;
	foreach(lc, here->messages)
		add_message(outer, (ChildEnd *) lfirst(lc));
	return 0;
}

/* The decision that the execution is over, or NULL. */
static const Decision *
end_of_execution(const BrokerState *state)
{
	ListCell   *lc;

	foreach(lc, state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);

		if (decision->kind == DECIDE_FINISH)
			return decision;
	}
	return NULL;
}

/*
 * An end that a client sent while the broker was off, or that a save has caused,
 * comes too late when the execution ends by an earlier event.
 */
static void
ignore_pending_end(Store *store, int64 execution_id)
{
	int64		event_id = store_pending_end(store, execution_id);

	if (event_id != 0)
		store_annotate_event(store, execution_id, event_id,
							 meta_text("ignored", "the execution is over"));
}

/* Everything the broker wants done, in its order. */
static int
write_decisions(Store *store, BrokerState *state, const Execution *execution,
				const Event *event)
{
	const ValueContext *values = (ValueContext *) state->values.arg;
	const Decision *end;
	Writing		here;
	ListCell   *lc;

	memset(&here, 0, sizeof(here));
	here.execution_id = state->execution_id;
	here.interrupted = values->interrupted;
	here.messages = values->messages;
	if (state->finished && (values->catching_up || values->interrupted))
		ignore_pending_end(store, state->execution_id);
	here.time = state->time;
	here.last_event_id = state->last_event_id;
	here.memory = CurrentMemoryContext;
	here.outer = writing;
	writing = &here;
	PG_TRY();
	{
		foreach(lc, state->decisions)
		{
			Decision   *decision = (Decision *) lfirst(lc);

			CHECK_FOR_INTERRUPTS();
			here.enqueued += write_decision(store, state, event, decision);
		}
	}
	PG_FINALLY();
	{
		writing = here.outer;
	}
	PG_END_TRY();
	here.enqueued += settle_frame(store, &here);
	end = end_of_execution(state);
	if (end != NULL && execution->parent_execution_id != 0)
		here.enqueued += tell_parent(execution, end, state->time);
	return here.enqueued;
}

/* See event_internal.h. */
bool
evaluate_save(void *arg, List *requests, struct SaveError *error)
{
	ValueContext *values = (ValueContext *) arg;
	BrokerState *state = values->state;
	uint64		prepared = prepared_events;
	Writing		here;
	bool		saved;
	int64		last_event_id;
	TimestampTz last_time;
	bool		own;

	/* what is kept back is not the statements' to write, nor to roll back */
	store_write_deferred(values->store);
	memset(&here, 0, sizeof(here));
	here.execution_id = state->execution_id;
	here.time = state->time;
	here.last_event_id = state->last_event_id;
	here.memory = CurrentMemoryContext;
	here.outer = writing;
	writing = &here;
	PG_TRY();
	{
		saved = save_execute(requests, state->started_by, error);
	}
	PG_FINALLY();
	{
		writing = here.outer;
	}
	PG_END_TRY();
	if (!saved)
		return false;
	values->interrupted = values->interrupted || here.interrupted;
	values->messages = list_concat(values->messages, here.messages);
	/* what is emitted from now on follows what the statements have inserted */
	if (prepared != prepared_events &&
		store_last_event(values->store, state->execution_id, 0, &last_event_id,
						 &last_time, &own))
	{
		state->time = Max(state->time, last_time);
		state->last_event_id = Max(state->last_event_id, last_event_id);
	}
	return true;
}

/*
 * A task that was in flight when its execution ended is over when its worker
 * reports; the event itself is stored as ignored.
 */
static void
drop_late_task(Store *store, const Event *event)
{
	QueueRow	row;

	if ((event->type == EVENT_ACTION_COMPLETED || event->type == EVENT_ACTION_ERROR) &&
		event->node_name != NULL &&
		store_find_task(store, event->execution_id, event->node_name,
						event->item, &row) &&
		(event->worker_id == NULL || row.worker_id == NULL ||
		 strcmp(event->worker_id, row.worker_id) == 0))
		(void) store_delete_task(store, row.queue_id);
}

/*
 * What every evaluation begins with.  newest: no event of the execution is
 * newer than the one that is decided on.
 */
static void
begin_evaluation(BrokerState *state, ValueContext *values, Store *store,
				 const Execution *execution, bool newest)
{
	bool		own;

	memset(state, 0, sizeof(BrokerState));
	state->playbook = playbook_get(execution->catalog_id);
	state->execution_id = execution->execution_id;
	state->parent_execution_id = execution->parent_execution_id;
	state->path = execution->path;
	state->version = execution->version;
	state->depth = execution->depth;
	state->started_by = execution->started_by;
	state->jitter = retry_jitter();
	values_init(values, store, state, !newest);
	state->values = values->source;
	if (!newest)
	{
		(void) store_last_event(store, execution->execution_id, 0, &state->last_event_id,
								&state->time, &own);
		state->time = Max(state->time, GetCurrentTimestamp());
	}
}

/* See event_internal.h. */
int
decide_event(Store *store, const Event *event, bool newest)
{
	BrokerState state;
	Execution	execution;
	ValueContext values;
	char	   *error = NULL;

	if (!event_type_is_decided(event->type))
		return 0;
	if (!store_get_execution(store, event->execution_id, &execution))
		elog(ERROR, "execution " INT64_FORMAT " has vanished", event->execution_id);
	if (!execution.running)
	{
		if (event->type != EVENT_EXECUTION_START && !event->ignored)
			store_annotate_event(store, event->execution_id, event->event_id,
								 meta_text("ignored", "the execution is over"));
		drop_late_task(store, event);
		return 0;
	}
	if (event->ignored)
		return 0;

	begin_evaluation(&state, &values, store, &execution, newest);
	if (event->type == EVENT_EXECUTION_START)
		error = execution_make_workload(store, &state, event);
	else
	{
		state.runs = store_load_runs(store, event->execution_id, state.playbook,
									 event->node_name);
		if (event->node_name != NULL && event->item >= 0)
			state.item = store_load_item(store, event->execution_id, state.playbook,
										 event->node_name, event->item);
	}
	if (error != NULL)
		broker_refuse(&state, event, error);
	else
		broker_decide(&state, event);
	return write_decisions(store, &state, &execution, event);
}

/*
 * The state of an execution that is decided on without an event of its own;
 * takes its lock.  False: it is over.
 */
static bool
begin_without_event(BrokerState *state, ValueContext *values, Store *store,
					int64 execution_id, Execution *execution)
{
	execution_lock(execution_id);
	if (!store_get_execution(store, execution_id, execution) || !execution->running)
		return false;
	if (store_any_pending(store, execution_id))
	{
		(void) decide_pending(store, execution_id);
		CommandCounterIncrement();
		if (!store_get_execution(store, execution_id, execution) || !execution->running)
			return false;
	}
	event_check_snapshot(store, execution_id);
	begin_evaluation(state, values, store, execution, false);
	state->now = state->time + 1;	/* the time of the event that tells of it */
	state->runs = store_load_runs(store, execution_id, state->playbook, NULL);
	return true;
}

/* See event_internal.h. */
int
decide_child_end(int64 execution_id, const ChildEnd *end)
{
	Store	   *store = store_open(InvalidOid);
	BrokerState state;
	Execution	execution;
	ValueContext values;
	int			enqueued = 0;

	if (begin_without_event(&state, &values, store, execution_id, &execution))
	{
		state.time = Max(state.time, end->time);
		state.now = state.time + 1;
		broker_child_ended(&state, end);
		enqueued = write_decisions(store, &state, &execution, NULL);
	}
	store_close(store);
	return enqueued;
}

/* See event.h. */
int
event_run_due(int64 execution_id, const char *step_name)
{
	Store	   *store = store_open(InvalidOid);
	BrokerState state;
	Execution	execution;
	ValueContext values;
	int			step;
	int			enqueued = 0;

	if (begin_without_event(&state, &values, store, execution_id, &execution))
	{
		step = playbook_find_step(state.playbook, step_name, strlen(step_name));
		if (step >= 0)
			broker_run_due(&state, step);
		enqueued = write_decisions(store, &state, &execution, NULL);
	}
	store_close(store);
	return enqueued;
}

/* What follows the storing of an event, decided now or noted for later. */
static void
event_stored(Store *store, const Event *event, uint64 number)
{
	Writing    *others = writing_on(event->execution_id);

	if (event->type == EVENT_EXECUTION_START)
		execution_insert(store, event, NULL);
	if (noetl_broker && others == NULL)
		(void) decide_event(store, event, number == prepared_events);
	else if (event_type_is_decided(event->type) &&
			 !(event_type_is_terminal(event->type) && event->ignored))
	{
		store_insert_pending(store, event);
		if (noetl_broker)
			others->interrupted = true;
	}
}

/*
 * Decides on rows that are stored but whose AFTER trigger has not come yet.
 * What is neither stored nor in flight was suppressed by somebody's trigger.
 */
static void
decide_registered(void)
{
	Registered	entry;
	int			place = 0;

	while (registered_get(place, &entry))
	{
		Store	   *store = store_open(InvalidOid);
		Event		event;
		bool		stored = store_get_event(store, entry.execution_id,
											 entry.event_id, &event);

		if (stored || !registered_in_flight(&entry))
		{
			registered_remove(place);
			if (stored)
				event_stored(store, &event, entry.number);
			place = 0;
		}
		else
			place++;
		store_close(store);
	}
}

/* AFTER INSERT ON noetl.event FOR EACH ROW */
Datum
noetl_event_after(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, TRIGGER_EVENT_AFTER,
										"noetl.event_after");
	TupleTableSlot *slot = trigger->tg_trigslot;
	bool		isnull;
	Registered	entry;
	Event		event;
	Store	   *store;

	if (!registered_take(DatumGetInt64(slot_getattr(slot, EVENT_COL_EXECUTION_ID, &isnull)),
						 DatumGetInt64(slot_getattr(slot, EVENT_COL_EVENT_ID, &isnull)),
						 &entry))
		return PointerGetDatum(NULL);
	store_read_event(slot, &event);
	store = store_open(RelationGetRelid(trigger->tg_relation));
	event_stored(store, &event, entry.number);
	store_close(store);
	return PointerGetDatum(NULL);
}

/* See event.h. */
bool
event_ingest(Store *store, Event *event)
{
	uint64		number;

	if (!prepare_event(store, event, event->result != NULL))
		return false;
	number = prepared_events;
	if (event->meta == NULL)
		event->meta = event->annotation;
	else if (event->annotation != NULL)
		event->meta = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
														 PointerGetDatum(event->meta),
														 PointerGetDatum(event->annotation)));
	write_own_event(store, event);
	event_stored(store, event, number);
	return true;
}

/* See event_internal.h. */
int
decide_pending(Store *store, int64 execution_id)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext,
												 "noetl pending event",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	int64		event_id;
	int			enqueued = 0;

	while (store_take_pending(store, execution_id, &event_id))
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		if (event_id == 0)
			cancel_child(execution_id);
		else if (store_get_event(store, execution_id, event_id, &event))
			enqueued += decide_event(store, &event, false);
		CommandCounterIncrement();
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return enqueued;
}

/* The same for one execution, unless somebody else is at it. */
static int
catch_up_execution(int64 execution_id)
{
	Store	   *store;
	int			enqueued;

	if (!execution_trylock(execution_id))
		return 0;
	store = store_open(InvalidOid);
	enqueued = decide_pending(store, execution_id);
	store_close(store);
	return enqueued;
}

/* See event.h. */
int
event_catch_up(int64 execution_id)
{
	int64		next = PG_INT64_MIN;
	int			enqueued = 0;

	if (execution_id != 0)
	{
		execution_lock(execution_id);
		return catch_up_execution(execution_id);
	}
	for (;;)
	{
		Store	   *store = store_open(InvalidOid);
		bool		found = store_next_pending(store, &next);

		store_close(store);
		if (!found)
			break;
		enqueued += catch_up_execution(next);
	}
	return enqueued;
}
