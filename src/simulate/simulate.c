/*
 * simulate/simulate.c
 *		noetl.simulate(): an execution of a playbook is played in memory.
 *
 * Nothing is written, no task reaches a worker and no statement is executed, so that
 * it works on a hot standby too.
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"
#include "simulate/internal.h"

PG_FUNCTION_INFO_V1(noetl_simulate);

/* SimRequest.tell: puts a row into the result set. */
static void
return_row(void *arg, const SimRow *row)
{
	ReturnSetInfo *info = (ReturnSetInfo *) arg;
	Datum		values[6];
	bool		nulls[6] = {false, false, false, row->step == NULL, row->status == NULL, false};

	values[0] = Int32GetDatum((int32) tuplestore_tuple_count(info->setResult) + 1);
	values[1] = TimestampTzGetDatum(row->at);
	values[2] = CStringGetTextDatum(row->event_type);
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(row->step);
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(row->status);
	values[5] = JsonbPGetDatum(row->data);
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/*
 * noetl.simulate(content, parameters, stubs, at): a row for each event and each task of
 * an execution.  Raises the error of noetl.register() for an invalid playbook.
 */
Datum
noetl_simulate(PG_FUNCTION_ARGS)
{
	text	   *content = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	Jsonb	   *parameters = PG_ARGISNULL(1) ? empty_object() : PG_GETARG_JSONB_P(1);
	SimRequest	request;
	SimOutcome	outcome;
	char	   *error;

	memset(&request, 0, sizeof(request));
	if (content == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the content of a playbook must not be null")));
	request.playbook = compile_for_play(content, NULL);
	request.parameters = parameters;
	if (PG_ARGISNULL(2))
		json_from_jsonb(empty_object(), &request.stubs);
	else
		json_from_jsonb(PG_GETARG_JSONB_P(2), &request.stubs);
	request.at = PG_ARGISNULL(3) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(3);
	if (!JB_ROOT_IS_OBJECT(parameters))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the parameters of an execution must be a JSON object")));
	if (!simulation_may_begin(request.at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a simulation must begin before the year 10000")));
	error = stub_check(request.playbook, &request.stubs);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", error),
				 errhint("Stubs are {\"step\": result, …}; a step of a called playbook is \"step/step\".")));
	request.arg = rows_begin(fcinfo);
	request.tell = return_row;
	simulation_play(&request, &outcome);
	return (Datum) 0;
}
