/*
 * wake.c
 *		Waking idle workers, and the procedure in which they wait.
 */
#include "noetl.h"

#include "access/xact.h"
#include "commands/async.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#if PG_VERSION_NUM < 170000
#include "storage/sinvaladt.h"
#endif
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#endif

#include "reaper.h"
#include "store.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(noetl_wait_for_work);

/* How long an overdue timer that others are busy with may be slept over */
#define BUSY_TIMER_MS			200
/* However long the wait, look at the clock this often */
#define LONGEST_SLEEP_MS		(60 * 60 * 1000)

/* In place of a type: whoever waits, for new timers */
#define TIMER_HASH				2

/* Tasks of one type. */
typedef struct Noted
{
	uint32		type_hash;		/* 0: any; or TIMER_HASH */
	int			tasks;
} Noted;

/* What this transaction has made ready. */
static struct
{
	Noted	   *types;
	int			capacity;
	int			count;
	bool		callback;
}			noted;

/* Spreads wake-ups over the waiters. */
static uint32 wake_turn = 0;

/* The tag waiters for a type hold. */
static void
waiter_tag(LOCKTAG *tag, uint32 type_hash)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, type_hash, LOCK_CLASS_WAITERS);
}

/* Odd: 0 is the tag of those who take any type, and there is TIMER_HASH. */
static uint32
type_hash(const char *type)
{
	return DatumGetUInt32(hash_any((const unsigned char *) type, strlen(type))) | 1;
}

/* The process behind a virtual transaction, or NULL. */
static PGPROC *
waiter_process(const VirtualTransactionId *vxid)
{
#if PG_VERSION_NUM >= 170000
	return ProcNumberGetProc(vxid->procNumber);
#else
	return BackendIdGetProc(vxid->backendId);
#endif
}

/* Wakes up to "tasks" of those who hold a tag; returns how many. */
static int
wake_holders(uint32 hash, int tasks)
{
	LOCKTAG		tag;
	VirtualTransactionId *holders;
	int			count = 0;
	int			woken = 0;

	waiter_tag(&tag, hash);
	holders = GetLockConflicts(&tag, ExclusiveLock, &count);
	if (count > 0 && wake_turn == 0)
		wake_turn = (uint32) MyProcPid;
	for (int i = 0; i < count && woken < tasks; i++)
	{
		PGPROC	   *process = waiter_process(&holders[(wake_turn + i) % count]);

		if (process == NULL)
			continue;
		SetLatch(&process->procLatch);
		woken++;
	}
	wake_turn += Max(woken, 1);
	return woken;
}

/* After commit the rows are visible: now somebody may look. */
static void
wake_waiters(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		for (int i = 0; i < noted.count; i++)
		{
			int			left = noted.types[i].tasks;

			if (left > 0 && noted.types[i].type_hash != 0)
				left -= wake_holders(noted.types[i].type_hash, left);
			if (left > 0 && noted.types[i].type_hash != TIMER_HASH)
				(void) wake_holders(0, left);
		}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		noted.count = 0;
}

/* The entry of a hash, with the callback that will read it. */
static Noted *
note(uint32 hash)
{
	int			i;

	if (!noted.callback)
	{
		RegisterXactCallback(wake_waiters, NULL);
		noted.callback = true;
	}
	for (i = 0; i < noted.count; i++)
		if (noted.types[i].type_hash == hash)
			break;
	if (i == noted.count)
	{
		if (noted.count == noted.capacity)
		{
			int			capacity = Max(16, noted.capacity * 2);

			noted.types = noted.types == NULL ?
				MemoryContextAlloc(TopMemoryContext, capacity * sizeof(Noted)) :
				repalloc(noted.types, capacity * sizeof(Noted));
			noted.capacity = capacity;
		}
		noted.types[i].type_hash = hash;
		noted.types[i].tasks = 0;
		noted.count++;
	}
	return &noted.types[i];
}

/* See wake.h. */
void
wake_for_timer(TimestampTz when)
{
	note(TIMER_HASH)->tasks = 1;
}

/* See wake.h. */
void
wake_at_commit(const char *type)
{
	note(type == NULL ? 0 : type_hash(type))->tasks++;
	/* said again it is sent once, and a savepoint may have taken the first back */
	if (noetl_notify)
		Async_Notify("noetl_queue", "");
}

/* See wake.h. */
void
wake_not_needed(const char *type)
{
	uint32		hash = type_hash(type);

	for (int i = 0; i < noted.count; i++)
		if (noted.types[i].type_hash == hash && noted.types[i].tasks > 0)
			noted.types[i].tasks--;
}

/* ---------------------------------------------------------------------------
 * Waiting
 * ---------------------------------------------------------------------------
 */

typedef struct Waiter
{
	int			ntypes;
	char	  **types;
	TimestampTz deadline;
} Waiter;

/* Takes or gives back one of the tags. */
static void
hold_tag(uint32 hash, bool waiting)
{
	LOCKTAG		tag;

	waiter_tag(&tag, hash);
	if (waiting)
		(void) LockAcquire(&tag, ShareLock, true, false);
	else
		(void) LockRelease(&tag, ShareLock, true);
}

/* Enters or leaves the list of those who wait. */
static void
set_waiting(const Waiter *waiter, bool waiting)
{
	hold_tag(TIMER_HASH, waiting);
	for (int i = 0; i < Max(waiter->ntypes, 1); i++)
		hold_tag(waiter->ntypes == 0 ? 0 : type_hash(waiter->types[i]), waiting);
}

/*
 * Is there something to lease?  What has become due is made ready on the way.
 * *until: when to look again at the latest.
 */
static bool
work_is_due(const Waiter *waiter, TimestampTz *until)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz timer;
	Store	   *store;
	bool		ready;
	bool		timed;

	(void) reaper_run(0, false);
	store = store_open(InvalidOid);
	ready = store_any_ready(store, waiter->ntypes, waiter->types);
	timed = !ready && store_next_timer(store, &timer);
	store_close(store);
	*until = waiter->deadline;
	if (timed)
	{
		timer = Max(timer, now + BUSY_TIMER_MS * INT64CONST(1000));
		*until = Min(*until, timer);
	}
	return ready;
}

/*
 * Sleeps until work is due or the time is over.  Every look is a transaction
 * of its own, so that no snapshot is held while sleeping.
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
							 Min((until - now) / 1000 + 1, LONGEST_SLEEP_MS),
							 PG_WAIT_EXTENSION);
		CHECK_FOR_INTERRUPTS();
	}
}

/* The array of types, copied to where it survives commits. */
static void
copy_types(ArrayType *array, Waiter *waiter)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	waiter->types = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			waiter->types[waiter->ntypes++] = TextDatumGetCString(elements[i]);
}

/* A CALL outside a transaction block may commit; anything else may not sleep. */
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

/* CALL noetl.wait_for_work(timeout, types, due) */
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
	if (!PG_ARGISNULL(1))
		copy_types(PG_GETARG_ARRAYTYPE_P(1), &waiter);
	waiter.deadline = DT_NOEND;
	if (!PG_ARGISNULL(0))
		waiter.deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
																  TimestampTzGetDatum(GetCurrentTimestamp()),
																  PG_GETARG_DATUM(0)));
	MemoryContextSwitchTo(old);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	set_waiting(&waiter, true);
	PG_TRY();
	{
		value = BoolGetDatum(sleep_for_work(&waiter));
	}
	PG_FINALLY();
	{
		set_waiting(&waiter, false);
		MemoryContextDelete(memory);
	}
	PG_END_TRY();
	SPI_finish();

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "wait_for_work must return a row");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &value, &isnull)));
}
