/*
 * api/execution.c
 *		noetl.execute() and noetl.cancel(): functions that store events about an
 *		execution as a whole; and the check before those that tell about one.
 */
#include "common/common.h"

#include "utils/builtins.h"

#include "api/unchecked.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_execute);
PG_FUNCTION_INFO_V1(noetl_cancel);
PG_FUNCTION_INFO_V1(noetl_of_own_execution);
PG_FUNCTION_INFO_V1(noetl_acts_for);
PG_FUNCTION_INFO_V1(noetl_may_read);

/*
 * noetl.execute(path, parameters, version, merge): stores an execution_start;
 * returns the execution_id.
 */
Datum
noetl_execute(PG_FUNCTION_ARGS)
{
	Event		event;
	JsonBuilder builder;
	JsonbValue	value;
	Store	   *store;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the path of a playbook must not be null")));
	json_begin_object(&builder);
	json_add_text(&builder, "path", text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!PG_ARGISNULL(1))
	{
		json_from_jsonb(PG_GETARG_JSONB_P(1), &value);
		json_add(&builder, "workload", &value);
	}
	if (!PG_ARGISNULL(2))
		json_add_int(&builder, "version", PG_GETARG_INT32(2));
	if (!PG_ARGISNULL(3) && PG_GETARG_BOOL(3))
		json_add_bool(&builder, "merge", true);
	json_end_object(&builder, &value);

	memset(&event, 0, sizeof(event));
	event.event_type = event_type_name(EVENT_EXECUTION_START);
	event.context = json_to_jsonb(&value);
	store = store_open(InvalidOid);
	(void) engine_ingest(store, &event);
	store_close(store);
	PG_RETURN_INT64(event.execution_id);
}

/*
 * noetl.cancel(execution_id, reason): stores an execution_cancelled; returns false
 * when the execution is over.
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
