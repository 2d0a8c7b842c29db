/*
 * api/execution.c
 *		noetl.execute() and noetl.cancel(): functions that store events about an
 *		execution as a whole.
 */
#include "common/common.h"

#include "utils/builtins.h"

#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_execute);
PG_FUNCTION_INFO_V1(noetl_cancel);

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
	over = store_get_execution(store, event.execution_id, &execution) &&
		!execution.running;
	if (!over)
		(void) engine_ingest(store, &event);
	store_close(store);
	PG_RETURN_BOOL(!over);
}
