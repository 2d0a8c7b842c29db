/*
 * api/wait.c
 *		noetl.wait_for_work(): the procedure in which idle workers sleep.
 */
#include "common/common.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "api/arguments.h"
#include "api/sleep.h"
#include "engine/engine.h"
#include "store/store.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_wait_for_work);

/* How long to leave an overdue timer to the session that is busy with it */
#define BUSY_TIMER_MS			200

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
	int64		next = PG_INT64_MIN;

	(void) engine_reap(0, false, &more);
	store = store_open(InvalidOid);
	ready = store_any_ready(store, waiter->ntypes, waiter->types);
	timed = !ready && store_next_timer(store, DT_NOBEGIN, &timer);
	if (!ready && noetl_broker && store_next_pending(store, &next))
	{
		/* its execution is busy */
		timed = true;
		timer = now;
	}
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
 * look is a transaction of its own, so that no snapshot is held while sleeping, and
 * what it has taken of memory is freed: a wait may last for ever.
 */
static bool
sleep_for_work(const Waiter *waiter)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl look",
												 ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		TimestampTz until;
		bool		due;

		ResetLatch(MyLatch);
		PushActiveSnapshot(GetTransactionSnapshot());	/* none survives a commit */
		due = work_is_due(waiter, &until);
		PopActiveSnapshot();
		MemoryContextSwitchTo(old);
		SPI_commit();
		MemoryContextReset(memory);
		if (due || GetCurrentTimestamp() >= waiter->deadline)
			return due;
		(void) sleep_until(until);
	}
}

/* CALL noetl.wait_for_work(timeout, types, due): sets due. */
Datum
noetl_wait_for_work(PG_FUNCTION_ARGS)
{
	Waiter		waiter;
	NullableDatum due = {0};

	sleep_require_nonatomic(fcinfo, "noetl.wait_for_work",
							"While it slept, the transaction would keep dead rows from being removed.");
	waiter.ntypes = text_array_argument(fcinfo, 1, &waiter.types);
	if (waiter.ntypes > MOST_WAITED)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("noetl.wait_for_work() waits for at most %d types", MOST_WAITED),
				 errhint("Wait for tasks of any type: types => NULL.")));
	waiter.deadline = sleep_deadline(fcinfo, 0);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		wake_begin_waiting(waiter.ntypes, waiter.types);
		due.value = BoolGetDatum(sleep_for_work(&waiter));
	}
	PG_FINALLY();
	{
		wake_end_waiting();
	}
	PG_END_TRY();
	SPI_finish();
	return sleep_result(fcinfo, &due);
}
