/*
 * engine/lock.c
 *		The execution lock: one session at a time decides on an execution.
 *
 * It is a heavyweight lock on the execution's id and belongs to no row of a
 * table, so that taking it leaves no dead row behind.  A transaction that takes
 * the locks of several executions takes a child's before its parent's.
 *
 * The server's table of heavyweight locks is small.  A transaction that holds
 * most_locks() of them locks the rows of further executions FOR UPDATE instead:
 * such a lock is in the header of the row.  Both kinds exclude each other:
 *
 * 1. Whoever locks an execution takes the heavyweight lock first, also in order
 *	  to lock the row.  With the row locked, the heavyweight lock is released.
 * 2. A transaction says in shared memory that it locks rows, before it locks the
 *	  first one, and until other transactions see that it has ended.
 * 3. Whoever has taken a heavyweight lock looks into shared memory.  While any
 *	  transaction locks rows, the holder of the heavyweight lock locks the row
 *	  too, if another transaction may have locked it, and so waits for that one.
 *
 * If B takes the heavyweight lock of an execution after A has released it with
 * the row locked, B sees what A has said in shared memory: releasing and taking
 * a heavyweight lock are memory barriers.  If B does not see it any more, A has
 * ended, and B sees what A has written.  If B has taken the heavyweight lock
 * before A, A waits for B as ever.  A transaction that holds the lock of a row
 * never waits for the heavyweight lock of that execution, whose holder may wait
 * for the row.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/builtins.h"

#include "engine/internal.h"

/* Heavyweight locks of executions that this transaction has taken, or fewer */
static int	locks = 0;

/* What all backends know: how many transactions lock rows. */
typedef struct RowLockers
{
	pg_atomic_uint32 count;
} RowLockers;

/* NULL: there is no shared memory for it, so anybody may lock rows */
static RowLockers *row_lockers = NULL;
static bool row_lockers_attached = false;

/* Does this transaction lock rows? */
static bool locks_rows = false;

/* Returns the number of this session's transaction. */
LocalTransactionId
own_local_transaction(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* ---------------------------------------------------------------------------
 * Transactions that lock rows
 * ---------------------------------------------------------------------------
 */

/* Initializes the shared counter. */
static void
initialize_row_lockers(void *area)
{
	pg_atomic_init_u32(&((RowLockers *) area)->count, 0);
}

/*
 * XactCallback: says that this transaction locks rows no more, when others see that
 * it has ended.  The lock of a row would outlive the preparation of a transaction, and
 * the shared memory does not outlive a restart of the server.
 */
static void
end_row_locks(XactEvent event, void *arg)
{
	if (!locks_rows)
		return;
	if (event == XACT_EVENT_PRE_PREPARE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("cannot PREPARE a transaction that has decided on so many executions"),
				 errdetail("It has locked rows of noetl.execution, besides %d executions.", locks),
				 errhint("Report on fewer executions in one transaction, or increase max_locks_per_transaction.")));
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	locks_rows = false;
	if (row_lockers != NULL)
		pg_atomic_fetch_sub_u32(&row_lockers->count, 1);
}

/* Finds the shared counter, once in a session. */
static void
attach_row_lockers(void)
{
	if (row_lockers_attached)
		return;
	row_lockers = shared_area_attach("noetl row lockers", sizeof(RowLockers),
									 initialize_row_lockers);
	RegisterXactCallback(end_row_locks, NULL);
	row_lockers_attached = true;
}

/* Says that this transaction locks rows from now on. */
static void
begin_row_locks(void)
{
	if (locks_rows)
		return;
	locks_rows = true;
	if (row_lockers != NULL)
		pg_atomic_fetch_add_u32(&row_lockers->count, 1);
}

/* Returns whether any transaction may have locked rows. */
static bool
any_row_locks(void)
{
	return row_lockers == NULL || pg_atomic_read_u32(&row_lockers->count) > 0;
}

/* ---------------------------------------------------------------------------
 * The lock
 * ---------------------------------------------------------------------------
 */

/* Fills in the lock tag of an execution. */
static void
execution_lock_tag(LOCKTAG *tag, int64 execution_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (execution_id >> 32),
						 (uint32) execution_id, LOCK_CLASS_EXECUTION);
}

/* Returns whether this session holds a heavyweight lock. */
static bool
is_held(const LOCKTAG *tag)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, ExclusiveLock, false);
#else
	return LockHeldByMe(tag, ExclusiveLock);
#endif
}

/*
 * Returns how many heavyweight locks of executions one transaction takes: at least as
 * many as the server's lock table has room for in each transaction.
 */
static int
most_locks(void)
{
	return Max(max_locks_per_xact, max_locks_per_xact * MaxBackends / 16);
}

/* Returns whether this transaction has taken as many heavyweight locks as it may. */
static bool
has_most_locks(void)
{
	static LocalTransactionId transaction = 0;
	LocalTransactionId current = own_local_transaction();

	if (transaction != current)
		locks = 0;
	transaction = current;
	return locks >= most_locks();
}

/*
 * Takes the lock of an execution; wait false: unless another transaction holds it.
 * Returns whether this transaction holds it.
 */
static bool
take(int64 execution_id, bool wait)
{
	bool		many = has_most_locks();
	LOCKTAG		tag;
	LockAcquireResult result;

	attach_row_lockers();
	execution_lock_tag(&tag, execution_id);
	if (many && !is_held(&tag) && store_row_holder(execution_id) == ROW_OWN)
		return true;
	INJECTION("execution-lock");
	result = LockAcquire(&tag, ExclusiveLock, false, !wait);
	if (result != LOCKACQUIRE_OK)
		return result != LOCKACQUIRE_NOT_AVAIL;
	if (many)
		begin_row_locks();
	if (many || (any_row_locks() && store_row_holder(execution_id) == ROW_DOUBTFUL))
	{
		RowHolder	holder = store_lock_row_of(execution_id, wait);

		if (holder == ROW_DOUBTFUL || (many && holder == ROW_OWN))
		{
			(void) LockRelease(&tag, ExclusiveLock, false);
			return holder == ROW_OWN;
		}
	}
	locks++;
	return true;
}

/* Takes the lock of an execution; waits for the transaction that holds it. */
void
engine_lock(int64 execution_id)
{
	(void) take(execution_id, true);
}

/* Takes the lock unless another transaction holds it; returns whether it did. */
bool
execution_trylock(int64 execution_id)
{
	return take(execution_id, false);
}

/*
 * Releases the lock, if it is a heavyweight one; the caller must not have changed the
 * execution.
 */
void
engine_unlock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	if (!is_held(&tag))
		return;
	(void) LockRelease(&tag, ExclusiveLock, false);
	if (!is_held(&tag))
		locks--;
}

/*
 * Returns whether an execution is known to be over.  A committed end is final, unless
 * somebody redrives the execution: that tells children itself that had not completed.
 */
bool
execution_is_over(Store *store, int64 execution_id)
{
	Execution	execution;

	return store_get_execution(store, execution_id, &execution) && !execution.running;
}

/*
 * Returns whether a row of an execution is in flight that is stored or can still be: one that
 * a user's trigger has suppressed is not.
 */
static bool
is_in_flight(int64 execution_id)
{
	RowInFlight row;
	bool		found = false;

	for (int place = 0; !found && in_flight_get(place, &row); place++)
	{
		Store	   *store;

		if (row.execution_id != execution_id)
			continue;
		store = store_open(InvalidOid);
		found = in_flight_may_arrive(&row, DatumGetInt32(pg_trigger_depth(NULL))) ||
			store_event_exists(store, execution_id, row.event_id);
		store_close(store);
	}
	return found;
}

/*
 * Takes the lock; raises when this session is deciding on the execution.  A
 * user's trigger can call replay while decisions are half written, or while a row
 * is in flight.
 */
void
engine_lock_for_replay(int64 execution_id)
{
	engine_lock(execution_id);
	if (is_in_flight(execution_id) || frame_find(execution_id) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("execution " INT64_FORMAT " is being decided on", execution_id),
				 errhint("Call this function outside of triggers of noetl's tables.")));
}
