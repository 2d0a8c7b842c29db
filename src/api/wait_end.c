/*
 * api/wait_end.c
 *		noetl.wait_for_execution(): the procedure in which a client sleeps until an
 *		execution is over.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "storage/latch.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

#include "api/sleep.h"
#include "engine/engine.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_wait_for_execution);

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
 * it is over; *outcome is then its status, and else null.
 */
static bool
is_over(int64 execution_id, MemoryContext memory, NullableDatum *outcome)
{
	bool		running;

	if (!store_is_running(execution_id, &running))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " does not exist", execution_id),
				 errhint("Its transaction may not have committed: start it and wait for it in two statements.")));
	engine_check_owner_of(execution_id);
	if (!running)
		outcome->value = outcome_of(execution_id, memory);
	outcome->isnull = running;
	return !running;
}

/*
 * Sleeps until an execution is over or a time has come; *outcome is as is_over() left it.
 * Each look is a transaction of its own, so that no snapshot is held while sleeping.
 */
static void
sleep_until_over(int64 execution_id, TimestampTz deadline, MemoryContext memory,
				 NullableDatum *outcome)
{
	for (;;)
	{
		bool		over;

		ResetLatch(MyLatch);
		PushActiveSnapshot(GetTransactionSnapshot());	/* none survives a commit */
		over = is_over(execution_id, memory, outcome);
		PopActiveSnapshot();
		SPI_commit();
		if (over || GetCurrentTimestamp() >= deadline)
			return;
		(void) sleep_until(deadline);
	}
}

/* CALL noetl.wait_for_execution(execution_id, timeout, outcome): sets outcome. */
Datum
noetl_wait_for_execution(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int64		execution_id;
	TimestampTz deadline;
	NullableDatum outcome = {0};

	sleep_require_nonatomic(fcinfo, "noetl.wait_for_execution",
							"An execution that this transaction has started cannot go on before it commits.");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the execution to wait for must not be null")));
	execution_id = PG_GETARG_INT64(0);
	deadline = sleep_deadline(fcinfo, 1);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		wake_begin_waiting_for_end(execution_id);
		sleep_until_over(execution_id, deadline, caller, &outcome);
	}
	PG_FINALLY();
	{
		wake_end_waiting_for_end(execution_id);
	}
	PG_END_TRY();
	SPI_finish();
	return sleep_result(fcinfo, &outcome);
}
