/*
 * api/sleep.c
 *		What the procedures share in which a session sleeps (api/sleep.h).
 */
#include "common/common.h"

#include "access/twophase.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"

#include "api/sleep.h"

/* The longest sleep before the clock, which may jump, is read again */
#define LONGEST_SLEEP_MS		(30 * 1000)
/* ... and where transactions can be prepared: COMMIT PREPARED wakes nobody */
#define PREPARED_SLEEP_MS		1000

/* Raises unless a procedure may commit (api/sleep.h). */
void
sleep_require_nonatomic(FunctionCallInfo fcinfo, const char *procedure, const char *reason)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("%s() cannot run inside a transaction block", procedure),
				 errdetail("%s", reason),
				 errhint("CALL it outside of a transaction.")));
}

/* Returns when a sleep ends (api/sleep.h). */
TimestampTz
sleep_deadline(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(GetCurrentTimestamp()),
												   PG_GETARG_DATUM(argument)));
}

/* Sleeps until a time at the latest (api/sleep.h). */
bool
sleep_until(TimestampTz until)
{
	long		longest = max_prepared_xacts > 0 ? PREPARED_SLEEP_MS : LONGEST_SLEEP_MS;
	TimestampTz now = GetCurrentTimestamp();
	int			events = 0;

	if (until > now)
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						   Min((until - now) / 1000 + 1, longest), PG_WAIT_EXTENSION);
	CHECK_FOR_INTERRUPTS();
	return (events & WL_LATCH_SET) != 0;
}

/* Returns the row of a procedure (api/sleep.h). */
Datum
sleep_result(FunctionCallInfo fcinfo, NullableDatum *outcome)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a procedure with an INOUT argument must return a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &outcome->value,
													 &outcome->isnull));
}
