/*
 * api/wait_end.c
 *		noetl.wait_for_execution(): the procedure in which a client sleeps until an
 *		execution is over.
 */
#include "common/common.h"

#include "access/twophase.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "engine/engine.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_wait_for_execution);

/* The longest sleep before the clock, which may jump, is read again */
#define LONGEST_SLEEP_MS		(30 * 1000)
/* ... and where transactions can be prepared: COMMIT PREPARED wakes nobody */
#define PREPARED_SLEEP_MS		1000

/* Returns what noetl.status() says of an execution, in a memory context. */
static Datum
outcome_of(int64 execution_id, MemoryContext memory)
{
	Oid			types[] = {INT8OID};
	MemoryContext old;
	Datum		status;

	status = OidFunctionCall1(LookupFuncName(list_make2(makeString("noetl"), makeString("status")),
											 1, types, false),
							  Int64GetDatum(execution_id));
	old = MemoryContextSwitchTo(memory);
	status = PointerGetDatum(DatumGetJsonbPCopy(status));
	MemoryContextSwitchTo(old);
	return status;
}

/*
 * Looks at an execution, which must exist and be the current role's.  Returns whether
 * it is over; *outcome is then its status.
 */
static bool
is_over(int64 execution_id, MemoryContext memory, Datum *outcome)
{
	bool		running;

	if (!store_is_running(execution_id, &running))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " does not exist", execution_id),
				 errhint("Its transaction may not have committed: start it and wait for it in two statements.")));
	engine_check_owner_of(execution_id);
	if (!running)
		*outcome = outcome_of(execution_id, memory);
	return !running;
}

/*
 * Sleeps until an execution is over or a time has come; returns whether it is over.
 * Each look is a transaction of its own, so that no snapshot is held while sleeping.
 */
static bool
sleep_until_over(int64 execution_id, TimestampTz deadline, MemoryContext memory, Datum *outcome)
{
	for (;;)
	{
		bool		over;
		TimestampTz now;

		ResetLatch(MyLatch);
		PushActiveSnapshot(GetTransactionSnapshot());	/* none survives a commit */
		over = is_over(execution_id, memory, outcome);
		PopActiveSnapshot();
		SPI_commit();
		now = GetCurrentTimestamp();
		if (over || now >= deadline)
			return over;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min((deadline - now) / 1000 + 1,
							 max_prepared_xacts > 0 ? PREPARED_SLEEP_MS : LONGEST_SLEEP_MS),
						 PG_WAIT_EXTENSION);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Raises unless the caller is a CALL outside of a transaction block, which may commit. */
static void
require_nonatomic(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("noetl.wait_for_execution() cannot run inside a transaction block"),
				 errdetail("An execution that this transaction has started cannot go on before it commits."),
				 errhint("CALL it outside of a transaction.")));
}

/* Returns when a call has to return; a timeout of null: never. */
static TimestampTz
deadline_of(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(GetCurrentTimestamp()),
												   PG_GETARG_DATUM(1)));
}

/* CALL noetl.wait_for_execution(execution_id, timeout, outcome): sets outcome. */
Datum
noetl_wait_for_execution(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int64		execution_id;
	TimestampTz deadline;
	TupleDesc	desc;
	Datum		outcome = (Datum) 0;
	bool		isnull;

	require_nonatomic(fcinfo);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the execution to wait for must not be null")));
	execution_id = PG_GETARG_INT64(0);
	deadline = deadline_of(fcinfo);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		wake_begin_waiting_for_end(execution_id);
		isnull = !sleep_until_over(execution_id, deadline, caller, &outcome);
	}
	PG_FINALLY();
	{
		wake_end_waiting_for_end(execution_id);
	}
	PG_END_TRY();
	SPI_finish();

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "wait_for_execution must return a row");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &outcome, &isnull)));
}
