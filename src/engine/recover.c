/*
 * engine/recover.c
 *		Steps and executions go on after a failure.
 *
 * Each request becomes an event: step_resumed, step_skipped or execution_redriven.
 * The events are the broker's own, so that nobody else can send them.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "engine/internal.h"
#include "wakeup/wakeup.h"

/* Returns the meta of an event that somebody asked for: {by, reason, drive}. */
static Jsonb *
request_meta(const char *reason, int drive)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "by", GetUserNameFromId(GetUserId(), false));
	if (reason != NULL)
		json_add_text(&builder, "reason", reason);
	if (drive > 0)
		json_add_int(&builder, "drive", drive);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Returns {"data": input}, or NULL when no input is given. */
static Jsonb *
input_context(Jsonb *input)
{
	JsonBuilder builder;
	JsonbValue	value;

	if (input == NULL)
		return NULL;
	json_begin_object(&builder);
	json_from_jsonb(input, &value);
	json_add(&builder, "data", &value);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Fills in an event about a visit of a step. */
static void
describe_step(Event *event, EventType type, const Execution *execution, const Step *step,
			  int visit)
{
	memset(event, 0, sizeof(Event));
	event->event_type = event_type_name(type);
	event->execution_id = execution->execution_id;
	event->node_name = step->name;
	event->node_id = node_id_make(execution->execution_id, step->name, visit, -1);
	event->node_type = step->type[0] != '\0' ? step->type : "router";
}

/* Prepares an event and stores it without deciding on it. */
void
request_store(Store *store, Event *event)
{
	RowInFlight row;

	if (!prepare_event(store, event, event->result != NULL, false))
		elog(ERROR, "an event with a new id is stored already");
	store_prepared(store, event, &row);
	if (row.interrupted)
		wake_for_timer(GetCurrentTimestamp());
	event_parse(event);
}

/* Has the held run of a step go on; returns the children to be set going again. */
List *
engine_resume_step(Store *store, const Execution *execution, const Step *step, int visit,
				   const RecoverRequest *request)
{
	Event		event;

	describe_step(&event, EVENT_STEP_RESUMED, execution, step, visit);
	event.context = input_context(request->input);
	event.meta = request_meta(request->reason, 0);
	request_store(store, &event);
	return evaluate_resumed(store, &event, execution, NIL);
}

/* Has an execution that is over go on; returns the children to be set going again. */
List *
engine_redrive(Store *store, const Execution *execution, List *runs, const List *signals,
			   const RecoverRequest *request)
{
	Event		event;
	ListCell   *lc;

	describe_execution(&event, EVENT_EXECUTION_REDRIVEN, execution);
	event.context = input_context(request->input);
	event.meta = request_meta(request->reason, execution->drive + 1);
	request_store(store, &event);
	foreach(lc, signals)
		store_keep_signal(store, execution->execution_id, (SignalRow *) lfirst(lc));
	return evaluate_resumed(store, &event, execution, runs);
}

/* Has a running execution go on with another version (engine/engine.h). */
void
engine_migrate(Store *store, const Execution *execution, int64 catalog_id, int version,
			   Jsonb *map)
{
	Event		event;
	JsonBuilder builder;
	JsonbValue	value;

	describe_execution(&event, EVENT_EXECUTION_MIGRATED, execution);
	json_begin_object(&builder);
	json_add_id(&builder, "catalog_id", catalog_id);
	json_add_int(&builder, "version", version);
	json_from_jsonb(map, &value);
	json_add(&builder, "step_map", &value);
	json_end_object(&builder, &value);
	event.context = json_to_jsonb(&value);
	/* by its result it is found when the names in older events are read */
	event.result = JB_ROOT_COUNT(map) > 0 ? map : NULL;
	event.meta = request_meta(NULL, 0);
	request_store(store, &event);
	(void) evaluate_resumed(store, &event, execution, NIL);
}

/* Has an execution end after the compensations of what it has completed (engine/engine.h). */
void
engine_undo(Store *store, const Execution *execution, const char *error, const char *reaped)
{
	Event		event;
	JsonBuilder builder;
	JsonbValue	value;

	describe_execution(&event, EVENT_EXECUTION_UNDO, execution);
	event.error = error;
	if (reaped == NULL)
		event.meta = request_meta(NULL, 0);
	else
	{
		event.meta = event_attempt_meta(0, reaped);
		json_begin_object(&builder);
		json_add_text(&builder, "reason", error);
		json_end_object(&builder, &value);
		event.result = json_to_jsonb(&value);
	}
	request_store(store, &event);
	(void) evaluate_resumed(store, &event, execution, NIL);
}

/* Completes a live run of a step with a value in place of its work. */
void
engine_skip_step(Store *store, const Execution *execution, const Step *step, int visit,
				 Jsonb *value, const char *reason)
{
	Event		event;

	describe_step(&event, EVENT_STEP_SKIPPED, execution, step, visit);
	event.result = value;
	event.meta = request_meta(reason, 0);
	(void) engine_ingest(store, &event);
}

/*
 * Takes the lock of an execution that a function is going to change, and reads the
 * execution; raises unless it exists and the current role may act for it.
 */
void
request_begin(Store *store, int64 execution_id, Execution *execution)
{
	engine_lock_for_replay(execution_id);
	if (!store_get_execution(store, execution_id, execution))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " does not exist", execution_id)));
	engine_check_owner(execution);
}

/* Takes the lock of an execution that somebody wants to go on (engine/engine.h). */
void
engine_begin_recovery(Store *store, int64 execution_id, Execution *execution)
{
	request_begin(store, execution_id, execution);
	if (!noetl_broker)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing goes on while noetl.broker is off"),
				 errhint("Set noetl.broker = on.")));
	if (store_any_pending(store, execution_id))
	{
		(void) evaluate_pending(store, execution_id);
		CommandCounterIncrement();
		execution_get(store, execution_id, execution);
	}
	engine_check_snapshot(store, execution_id);
}

/* Cancels a running execution that nothing waits for any more (engine/engine.h). */
void
engine_end_orphan(int64 execution_id, bool wait)
{
	Store	   *store;
	Execution	execution;
	bool		orphan;

	if (wait)
	{
		/* the parent may have gone on while this transaction waited */
		engine_lock(execution_id);
		store = store_open(InvalidOid);
		orphan = store_get_execution(store, execution_id, &execution) &&
			execution.parent_execution_id != 0 &&
			execution_is_over(store, execution.parent_execution_id);
		store_close(store);
		if (!orphan)
			return;
	}
	else if (!execution_trylock(execution_id))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("execution " INT64_FORMAT " is busy", execution_id),
				 errdetail("It is a child execution that is being cancelled."),
				 errhint("Try again in a moment.")));
	child_cancel(execution_id);
	CommandCounterIncrement();
}

/* Returns {"forked": {execution_id, event_id}}. */
static Jsonb *
fork_meta(int64 execution_id, int64 event_id)
{
	JsonBuilder builder;
	JsonBuilder inner;
	JsonbValue	value;

	json_begin_object(&inner);
	json_add_id(&inner, "execution_id", execution_id);
	json_add_id(&inner, "event_id", event_id);
	json_end_object(&inner, &value);
	json_begin_object(&builder);
	json_add(&builder, "forked", &value);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Stores the execution_start of a forked execution; returns its id. */
static int64
start_forked(Store *store, const ForkRequest *request)
{
	Event		event;
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "path", request->path);
	json_add_int(&builder, "version", request->version);
	json_from_jsonb(request->parameters, &value);
	json_add(&builder, "workload", &value);
	if (request->labels != NULL)
	{
		json_from_jsonb(request->labels, &value);
		json_add(&builder, "labels", &value);
	}
	json_add_int(&builder, "priority", request->priority);
	json_end_object(&builder, &value);
	memset(&event, 0, sizeof(event));
	event.event_type = event_type_name(EVENT_EXECUTION_START);
	event.context = json_to_jsonb(&value);
	event.meta = fork_meta(request->source, request->source_event);
	(void) engine_ingest(store, &event);
	return event.execution_id;
}

/* Starts an execution in the middle of another; returns its id. */
int64
engine_fork(const ForkRequest *request)
{
	Store	   *store = store_open(InvalidOid);
	int64		execution_id = start_forked(store, request);
	Execution	execution;
	Event		event;
	ListCell   *lc;

	execution_get(store, execution_id, &execution);
	if (!execution.running)
	{
		store_close(store);
		return execution_id;
	}
	foreach(lc, request->values)
	{
		const CarriedValue *carried = (CarriedValue *) lfirst(lc);

		describe_step(&event, EVENT_STEP_CARRIED, &execution, carried->step,
					  carried->value.visit);
		event.result = json_to_jsonb(&carried->value.envelope);
		event.meta = fork_meta(request->source, carried->value.event_id);
		request_store(store, &event);
	}
	describe_execution(&event, EVENT_EXECUTION_FORKED, &execution);
	event.context = request->context;
	event.meta = fork_meta(request->source, request->source_event);
	request_store(store, &event);
	(void) evaluate_resumed(store, &event, &execution, NIL);
	store_close(store);
	return execution_id;
}
