/*
 * bgworker/worker.c
 *		The process that does what is due in one database.
 *
 * Before a worker looks for what is due it sets the time of its slot to "never";
 * afterwards it lowers the time to what will be due next.  A transaction that
 * commits in between lowers it too, so nothing is missed.  It sleeps until that very
 * time; what is overdue because a session is busy with it delays nothing else.
 */
#include "common/common.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#endif

#include "engine/engine.h"
#include "bgworker/bgworker.h"
#include "wakeup/wakeup.h"

/*
 * How long to leave what is overdue to the session that is busy with it: at first, and
 * at most; each time twice as long
 */
#define SHORTEST_BUSY_US	INT64CONST(5000)
#define LONGEST_BUSY_US		INT64CONST(200000)
/* After a portion of what is due the worker sleeps so many times as long as it took */
#define PAUSE			3
#define LONGEST_PAUSE_US	INT64CONST(1000000)
/* How often to look where transactions can be prepared: COMMIT PREPARED tells nobody */
#define PREPARED_US		INT64CONST(30000000)
/* How often noetl.maintain() is called: when it had to leave something, and at the latest */
#define MAINTAIN_AGAIN_US	INT64CONST(60000000)
#define MAINTAIN_US		INT64CONST(3600000000)

/* What one look at the database has found. */
typedef struct Look
{
	bool		done;			/* something was written */
	bool		overdue;		/* others are busy with something, or it has failed before */
	TimestampTz next;			/* when something else will be due; if a portion is left,
								 * after a pause, so that others have the processors and
								 * the disk */
} Look;

/* Notes when something will be due next, and whether something is due now. */
static void
look_ahead(Look *look)
{
	Store	   *store = store_open(InvalidOid);
	TimestampTz now = GetCurrentTimestamp();
	int64		pending = PG_INT64_MIN;

	if (!store_next_timer(store, DT_NOBEGIN, &look->next))
		look->next = TIMER_NEVER;
	else if (look->next <= now)
	{
		look->overdue = true;
		if (!store_next_timer(store, now, &look->next))
			look->next = TIMER_NEVER;
	}
	if (store_next_pending(store, &pending))
		look->overdue = true;
	if (max_prepared_xacts > 0)
		look->next = Min(look->next, now + PREPARED_US);
	store_close(store);
}

/* Does what noetl.enqueue_next() does, in a transaction of its own. */
static void
do_what_is_due(Look *look)
{
	TimestampTz began = GetCurrentTimestamp();

	look->done = false;
	look->overdue = false;
	look->next = TIMER_NEVER;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "noetl.enqueue_next()");
	if (noetl_broker && OidIsValid(get_extension_oid("noetl", true)))
	{
		bool		more;

		store_read_all_timers();
		(void) engine_reap(0, true, &more);
		look->done = TransactionIdIsValid(GetTopTransactionIdIfAny());
		if (more)
		{
			TimestampTz now = GetCurrentTimestamp();

			look->next = now + Min((now - began) * PAUSE, LONGEST_PAUSE_US);
		}
		else
			look_ahead(look);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * Calls noetl.maintain(), within the worker's transaction.  Returns when it is to
 * be called again: at once after it has done something, as it works in portions.
 */
static TimestampTz
call_maintain(void)
{
	TimestampTz next = GetCurrentTimestamp() + MAINTAIN_US;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT FROM noetl.retention LIMIT 1", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read noetl.retention");
	if (SPI_processed == 0)
		next = TIMER_NEVER;		/* noetl.retain() tells when that changes */
	else
	{
		bool		isnull;
		Datum		removed;

		if (SPI_execute("SELECT bool_or(action <> 'postponed'),"
						" bool_or(action = 'postponed') IS TRUE FROM noetl.maintain()",
						false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not call noetl.maintain()");
		removed = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		if (!isnull && DatumGetBool(removed))
			next = GetCurrentTimestamp();
		else if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2,
											&isnull)))
			next = GetCurrentTimestamp() + MAINTAIN_AGAIN_US;
	}
	SPI_finish();
	return next;
}

/*
 * Calls noetl.maintain() in a transaction of its own, if it is due.  An error is
 * logged; the next try is an hour later.
 */
static void
maintain(TimerSlot *slot)
{
	MemoryContext memory = CurrentMemoryContext;
	TimestampTz now = GetCurrentTimestamp();
	volatile TimestampTz next = now + MAINTAIN_US;

	if (slot->maintain > now)
		return;
	/* a session may reset it meanwhile */
	slot->maintain = now + MAINTAIN_US;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "noetl.maintain()");
	PG_TRY();
	{
		if (!OidIsValid(get_extension_oid("noetl", true)))
			next = TIMER_NEVER;
		else if (noetl_broker)
			next = call_maintain();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	if (slot->maintain == now + MAINTAIN_US)
		slot->maintain = next;
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * Sleeps until a time, at most as long as a worker lingers: the clock may jump.
 * Another process can end the sleep by setting the latch.
 */
static void
sleep_until(TimestampTz when)
{
	TimestampTz us = Min(when - GetCurrentTimestamp(), TIMER_LINGER_US);

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Max(us / 1000 + 1, 1), PG_WAIT_EXTENSION);
}

/* The main function of a worker; arg: the number of its slot. */
void
noetl_timer_worker(Datum arg)
{
	TimerSlot  *slot = &timer_shared->slots[DatumGetInt32(arg)];
	int64		busy = SHORTEST_BUSY_US;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(slot->database, InvalidOid, 0);

	for (;;)
	{
		TimestampTz next;
		Look		look;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		timer_set_due(slot, TIMER_NEVER);
		do_what_is_due(&look);
		maintain(slot);
		if (look.overdue && look.done)
			continue;
		next = Min(look.next, Max(slot->maintain, GetCurrentTimestamp() + LONGEST_BUSY_US));
		if (look.overdue)
			next = Min(next, GetCurrentTimestamp() +
					   (timer_shared->crowded ? LONGEST_BUSY_US : busy));
		busy = look.overdue ? Min(busy * 2, LONGEST_BUSY_US) : SHORTEST_BUSY_US;
		timer_lower_due(slot, next);
		next = timer_due(slot);
		if (next > GetCurrentTimestamp() + TIMER_LINGER_US || timer_shared->crowded)
			break;
		sleep_until(next);
	}
	slot->done = true;
	proc_exit(0);
}
