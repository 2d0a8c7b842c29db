/*
 * api/wait_change.c
 *		noetl.wait_for_change(): the procedure in which a session sleeps until
 *		something has happened to any execution.
 */
#include "common/common.h"

#include "access/transam.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "api/sleep.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_wait_for_change);

/* Returns how many transactions that have written have ended on this server. */
static uint64
transactions_ended(void)
{
	uint64		count;

	LWLockAcquire(ProcArrayLock, LW_SHARED);
#if PG_VERSION_NUM >= 170000
	count = TransamVariables->xactCompletionCount;
#else
	count = ShmemVariableCache->xactCompletionCount;
#endif
	LWLockRelease(ProcArrayLock);
	return count;
}

/*
 * Sleeps until the session is woken, which it returns, or a time has come.  Others set
 * the latch, too: where no transaction has ended, none has woken it.
 */
static bool
sleep_until_woken(TimestampTz deadline, uint64 ended)
{
	while (GetCurrentTimestamp() < deadline)
	{
		if (!sleep_until(deadline))
			continue;
		ResetLatch(MyLatch);
		if (transactions_ended() != ended)
			return true;
		SPI_commit();			/* the next transaction takes what it was woken for */
	}
	return false;
}

/*
 * CALL noetl.wait_for_change(timeout, changed): sets changed to whether the session was
 * woken before the time was over.  It reads nothing, and so holds no snapshot.
 */
Datum
noetl_wait_for_change(PG_FUNCTION_ARGS)
{
	TimestampTz deadline;
	NullableDatum changed = {0};
	uint64		ended;

	sleep_require_nonatomic(fcinfo, "noetl.wait_for_change",
							"While it slept, the transaction would keep dead rows from being removed.");
	deadline = sleep_deadline(fcinfo, 0);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		ended = transactions_ended();
		ResetLatch(MyLatch);
		wake_begin_waiting_for_changes();
		SPI_commit();
		changed.value = BoolGetDatum(sleep_until_woken(deadline, ended));
	}
	PG_FINALLY();
	{
		wake_end_waiting_for_changes();
	}
	PG_END_TRY();
	SPI_finish();
	return sleep_result(fcinfo, &changed);
}
