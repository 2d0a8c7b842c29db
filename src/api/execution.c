/*
 * api/execution.c
 *		noetl.execute() and noetl.cancel(): functions that store events about an
 *		execution as a whole; and the check before those that tell about one.
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/unchecked.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_execute);
PG_FUNCTION_INFO_V1(noetl_debounce);
PG_FUNCTION_INFO_V1(noetl_cancel);
PG_FUNCTION_INFO_V1(noetl_of_own_execution);
PG_FUNCTION_INFO_V1(noetl_acts_for);
PG_FUNCTION_INFO_V1(noetl_may_read);

/* Adds a jsonb argument to the context of a start, unless it is null. */
static void
add_jsonb_argument(FunctionCallInfo fcinfo, int argument, JsonBuilder *builder, const char *member)
{
	JsonbValue	value;

	if (PG_ARGISNULL(argument))
		return;
	json_from_jsonb(PG_GETARG_JSONB_P(argument), &value);
	json_add(builder, member, &value);
}

/* Adds a text argument to the context of a start, unless it is null. */
static void
add_text_argument(FunctionCallInfo fcinfo, int argument, JsonBuilder *builder, const char *member)
{
	if (!PG_ARGISNULL(argument))
		json_add_text(builder, member, text_to_cstring(PG_GETARG_TEXT_PP(argument)));
}

/* Returns whether a text argument, which is not null, is a word. */
static bool
argument_is(FunctionCallInfo fcinfo, int argument, const char *word)
{
	return strcmp(text_to_cstring(PG_GETARG_TEXT_PP(argument)), word) == 0;
}

/* Begins the context of a start with the path argument. */
static void
begin_context(FunctionCallInfo fcinfo, JsonBuilder *builder)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the path of a playbook must not be null")));
	json_begin_object(builder);
	add_text_argument(fcinfo, 0, builder, "path");
}

/*
 * Stores an execution_start with a context.  Returns the execution_id, of the
 * execution that has the key of the start if that one is to be returned.
 */
static int64
start_execution(JsonBuilder *builder)
{
	JsonbValue	value;
	Event		event;
	Store	   *store;

	json_end_object(builder, &value);
	memset(&event, 0, sizeof(event));
	event.event_type = event_type_name(EVENT_EXECUTION_START);
	event.context = json_to_jsonb(&value);
	store = store_open(InvalidOid);
	(void) engine_ingest(store, &event);
	store_close(store);
	return event.execution_id;
}

/*
 * noetl.execute(path, parameters, version, merge, key, on_conflict, run_at, labels,
 * priority): stores an execution_start; returns the execution_id.
 */
Datum
noetl_execute(PG_FUNCTION_ARGS)
{
	JsonBuilder builder;

	arguments_check(fcinfo, 9);
	begin_context(fcinfo, &builder);
	add_jsonb_argument(fcinfo, 1, &builder, "workload");
	if (!PG_ARGISNULL(2))
		json_add_int(&builder, "version", PG_GETARG_INT32(2));
	if (!PG_ARGISNULL(3) && PG_GETARG_BOOL(3))
		json_add_bool(&builder, "merge", true);
	add_text_argument(fcinfo, 4, &builder, "key");
	if (!PG_ARGISNULL(4) || (!PG_ARGISNULL(5) && !argument_is(fcinfo, 5, "return")))
		add_text_argument(fcinfo, 5, &builder, "on_conflict");
	if (!PG_ARGISNULL(6))
		json_add_text(&builder, "run_at", time_to_text(PG_GETARG_TIMESTAMPTZ(6), NULL));
	add_jsonb_argument(fcinfo, 7, &builder, "labels");
	if (!PG_ARGISNULL(8))
		json_add_int(&builder, "priority", PG_GETARG_INT32(8));
	PG_RETURN_INT64(start_execution(&builder));
}

/*
 * noetl.debounce(path, key, delay, parameters, max_wait): stores an execution_start
 * for a later time, or puts off the scheduled execution that has the key; returns
 * the execution_id.
 */
Datum
noetl_debounce(PG_FUNCTION_ARGS)
{
	JsonBuilder builder;
	JsonbValue	value;
	int64		delay;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key and delay must not be null")));
	delay = span_argument(fcinfo, 2, "delay");
	begin_context(fcinfo, &builder);
	add_jsonb_argument(fcinfo, 3, &builder, "workload");
	add_text_argument(fcinfo, 1, &builder, "key");
	json_add_text(&builder, "on_conflict", "debounce");
	if (!PG_ARGISNULL(4))
	{
		int64		max_wait = span_argument(fcinfo, 4, "max_wait");

		delay = Min(delay, max_wait);
		json_float(&value, (double) max_wait / USECS_PER_SEC);
		json_add(&builder, "max_wait", &value);
	}
	json_add_text(&builder, "run_at", time_to_text(GetCurrentTimestamp() + delay, NULL));
	PG_RETURN_INT64(start_execution(&builder));
}

/*
 * Cancels an execution after the compensations of what it has completed; returns false
 * when it is over.
 */
static bool
cancel_and_undo(int64 execution_id, const char *reason)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;

	engine_begin_recovery(store, execution_id, &execution);
	if (execution.running)
		engine_undo(store, &execution, reason, NULL);
	store_close(store);
	return execution.running;
}

/*
 * noetl.cancel(execution_id, reason, undo): stores an execution_cancelled, or (undo) an
 * execution_undo; returns false when the execution is over.
 */
Datum
noetl_cancel(PG_FUNCTION_ARGS)
{
	Event		event;
	Execution	execution;
	Store	   *store;
	bool		found;
	bool		over;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	memset(&event, 0, sizeof(event));
	event.execution_id = PG_GETARG_INT64(0);
	event.event_type = event_type_name(EVENT_EXECUTION_CANCELLED);
	if (!PG_ARGISNULL(1))
		event.error = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(2) && PG_GETARG_BOOL(2))
		PG_RETURN_BOOL(cancel_and_undo(event.execution_id, event.error));
	store = store_open(InvalidOid);
	engine_lock(event.execution_id);
	found = store_get_execution(store, event.execution_id, &execution);
	if (found)
		engine_check_owner(&execution);
	over = found && !execution.running;
	if (!over)
		(void) engine_ingest(store, &event);
	store_close(store);
	PG_RETURN_BOOL(!over);
}

/*
 * noetl.status(execution_id) and others that tell about one execution: checks the
 * right of the current role, and returns what the function with "_unchecked" after
 * its name says, which runs as the owner of the tables.
 */
Datum
noetl_of_own_execution(PG_FUNCTION_ARGS)
{
	engine_check_owner_of(PG_GETARG_INT64(0));
	return call_unchecked(fcinfo);
}

/* noetl.acts_for(role): whether the current role may act for an execution of a role. */
Datum
noetl_acts_for(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(engine_acts_for(PG_GETARG_OID(0)));
}

/* noetl.may_read(execution_id): whether the current role may read the execution's rows. */
Datum
noetl_may_read(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(engine_may_read(PG_GETARG_INT64(0)));
}
