/*
 * api/wait.c
 *		noetl.wait_for_work(): the procedure in which idle workers sleep.
 */
#include "common/common.h"

#include "access/twophase.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "api/arguments.h"
#include "engine/engine.h"
#include "store/store.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_wait_for_work);

/* How long to leave an overdue timer to the session that is busy with it */
#define BUSY_TIMER_MS			200
/* The longest sleep before the clock, which may jump, is read again */
#define LONGEST_SLEEP_MS		(30 * 1000)
/* ... and where transactions can be prepared: COMMIT PREPARED wakes nobody */
#define PREPARED_SLEEP_MS		1000

/* A session that waits for work. */
typedef struct Waiter
{
	int			ntypes;
	char	  **types;
	TimestampTz deadline;
} Waiter;

/*
 * Runs the timers and returns whether a task is ready.  *until: when to look again
 * at the latest.
 */
static bool
work_is_due(const Waiter *waiter, TimestampTz *until)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz timer;
	Store	   *store;
	bool		ready;
	bool		timed;
	bool		more;

	(void) engine_reap(0, false, &more);
	store = store_open(InvalidOid);
	ready = store_any_ready(store, waiter->ntypes, waiter->types);
	timed = !ready && store_next_timer(store, &timer);
	store_close(store);
	*until = more ? now : waiter->deadline;
	if (timed && !more)
	{
		timer = Max(timer, now + BUSY_TIMER_MS * INT64CONST(1000));
		*until = Min(*until, timer);
	}
	return ready;
}

/*
 * Sleeps until work is due or the time is over; returns whether work is due.  Each
 * look is a transaction of its own, so that no snapshot is held while sleeping.
 */
static bool
sleep_for_work(const Waiter *waiter)
{
	for (;;)
	{
		TimestampTz until;
		TimestampTz now;
		bool		due;

		ResetLatch(MyLatch);
		PushActiveSnapshot(GetTransactionSnapshot());	/* none survives a commit */
		due = work_is_due(waiter, &until);
		PopActiveSnapshot();
		SPI_commit();
		now = GetCurrentTimestamp();
		if (due || now >= waiter->deadline)
			return due;
		if (until > now)
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min((until - now) / 1000 + 1,
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
				 errmsg("noetl.wait_for_work() cannot run inside a transaction block"),
				 errdetail("While it slept, the transaction would keep dead rows from being removed."),
				 errhint("CALL it outside of a transaction.")));
}

/* CALL noetl.wait_for_work(timeout, types, due): sets due. */
Datum
noetl_wait_for_work(PG_FUNCTION_ARGS)
{
	MemoryContext memory;
	MemoryContext old;
	Waiter		waiter;
	TupleDesc	desc;
	Datum		value;
	bool		isnull = false;

	require_nonatomic(fcinfo);
	memset(&waiter, 0, sizeof(waiter));
	memory = AllocSetContextCreate(TopMemoryContext, "noetl waiter",
								   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(memory);
	waiter.ntypes = text_array_argument(fcinfo, 1, &waiter.types);
	if (waiter.ntypes > MOST_WAITED)
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(memory);
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("noetl.wait_for_work() waits for at most %d types", MOST_WAITED),
				 errhint("Wait for tasks of any type: types => NULL.")));
	}
	waiter.deadline = DT_NOEND;
	if (!PG_ARGISNULL(0))
	{
		Datum		now = TimestampTzGetDatum(GetCurrentTimestamp());

		waiter.deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, now,
																  PG_GETARG_DATUM(0)));
	}
	MemoryContextSwitchTo(old);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		wake_begin_waiting(waiter.ntypes, waiter.types);
		value = BoolGetDatum(sleep_for_work(&waiter));
	}
	PG_FINALLY();
	{
		wake_end_waiting();
		MemoryContextDelete(memory);
	}
	PG_END_TRY();
	SPI_finish();

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "wait_for_work must return a row");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &value, &isnull)));
}
