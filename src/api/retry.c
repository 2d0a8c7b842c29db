/*
 * api/retry.c
 *		noetl.retry_delay(): the retry of a task inside another task, for the worker
 *		that does both.
 */
#include "common/common.h"

#include "utils/float.h"

#include "api/arguments.h"
#include "api/names_scope.h"
#include "broker/broker.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_retry_delay);

/* Returns the names that a retry policy sees: of the attempt, over those of the item. */
static Jsonb *
attempt_names(Jsonb *names, const JsonbValue *response, const RetryAttempt *attempt,
			  char *error)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_from_jsonb(names, &value);
	json_add_members(&builder, &value);
	json_add(&builder, "result", response);
	json_add(&builder, "response", response);
	json_add(&builder, "this", response);
	json_add_text(&builder, "error", error);
	json_add_bool(&builder, "success", attempt->success);
	json_add_int(&builder, "attempt", attempt->number);
	result_value(response, &value);
	json_add(&builder, "data", &value);
	if (!result_status_code(response, &value))
		json_null(&value);
	json_add(&builder, "status_code", &value);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/*
 * noetl.retry_delay(policy jsonb, context jsonb, names jsonb, attempt integer,
 *		success boolean, error text, result jsonb)
 *
 * Returns the seconds until the next attempt.  Infinity: the policy asks for one but
 * no attempt is left.  Null: the policy asks for none.
 */
Datum
noetl_retry_delay(PG_FUNCTION_ARGS)
{
	NamesScope	scope;
	JsonbValue	written;
	JsonbValue	response;
	RetryPolicy *policy;
	RetryAttempt attempt;
	SourceError error;
	double		delay;

	for (int i = 0; i < 5; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	json_null(&response);
	if (!PG_ARGISNULL(6))
		json_from_jsonb(PG_GETARG_JSONB_P(6), &response);
	attempt.scope = &scope.template;
	attempt.number = PG_GETARG_INT32(3);
	attempt.success = PG_GETARG_BOOL(4);
	attempt.jitter = engine_jitter();
	names_scope_init(&scope, PG_GETARG_JSONB_P(1),
					 attempt_names(PG_GETARG_JSONB_P(2), &response, &attempt,
								   text_argument(fcinfo, 5)),
					 true);
	json_from_jsonb(PG_GETARG_JSONB_P(0), &written);
	if (!retry_from_json(&written, &policy, &error))
		template_raise(&error);
	switch (retry_decide(policy, &attempt, retry_max_attempts(policy, &scope.template), &delay,
						 &error))
	{
		case RETRY_YES:
			PG_RETURN_FLOAT8(delay);
		case RETRY_EXHAUSTED:
			PG_RETURN_FLOAT8(get_float8_infinity());
		case RETRY_NO:
			break;
	}
	PG_RETURN_NULL();
}
