/*
 * api/signal.c
 *		noetl.signal() and noetl.send(): what ends waits.
 */
#include "common/common.h"

#include "utils/timestamp.h"

#include "api/arguments.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_signal);
PG_FUNCTION_INFO_V1(noetl_send);

/* The longest time for which a message is kept: ten years, in microseconds. */
#define LONGEST_KEEP	(INT64CONST(3653) * USECS_PER_DAY)

/* Returns a jsonb argument, or NULL. */
static Jsonb *
jsonb_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : PG_GETARG_JSONB_P(argument);
}

/* Raises when an argument that must be given is null. */
static void
require(FunctionCallInfo fcinfo, int argument, const char *what)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the %s of a signal must not be null", what)));
}

/* noetl.signal(execution_id, name, data, id): whether the signal has ended a wait. */
Datum
noetl_signal(PG_FUNCTION_ARGS)
{
	SignalRequest request;

	require(fcinfo, 0, "execution");
	require(fcinfo, 1, "name");
	request.name = text_argument(fcinfo, 1);
	request.key = NULL;
	request.data = jsonb_argument(fcinfo, 2);
	request.id = text_argument(fcinfo, 3);
	PG_RETURN_BOOL(engine_signal(PG_GETARG_INT64(0), &request));
}

/* noetl.send(name, key, data, keep, id): how many executions took the signal. */
Datum
noetl_send(PG_FUNCTION_ARGS)
{
	SignalRequest request;
	int64		keep_us = 0;

	require(fcinfo, 0, "name");
	require(fcinfo, 1, "key");
	request.name = text_argument(fcinfo, 0);
	request.key = text_argument(fcinfo, 1);
	request.data = jsonb_argument(fcinfo, 2);
	request.id = text_argument(fcinfo, 4);
	if (!PG_ARGISNULL(3))
	{
		const Interval *keep = PG_GETARG_INTERVAL_P(3);
		bool		none = keep->time == 0 && keep->day == 0 && keep->month == 0;

		if (!none && (!timeout_of_interval(keep, &keep_us) || keep_us > LONGEST_KEEP))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("keep must not be negative or longer than ten years"),
					 errhint("Without keep, a signal that nobody waits for is not kept.")));
	}
	PG_RETURN_INT64(engine_send(&request, keep_us));
}
