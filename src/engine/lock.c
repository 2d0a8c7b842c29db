/*
 * engine/lock.c
 *		The execution lock: one session at a time decides on an execution.
 *
 * It is a heavyweight lock on the execution's id and belongs to no row of a
 * table, so that taking it leaves no dead row behind.  A transaction that takes
 * the locks of several executions takes a child's before its parent's.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"

#include "engine/in_flight.h"
#include "engine/internal.h"

/* Locks of executions that this transaction holds, or nearly: as count_lock() counts */
static int	locks = 0;

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

/* Fills in the lock tag of an execution. */
static void
execution_lock_tag(LOCKTAG *tag, int64 execution_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (execution_id >> 32),
						 (uint32) execution_id, LOCK_CLASS_EXECUTION);
}

/*
 * Counts a lock that this transaction has taken, and warns, once, before the lock
 * table of the server is full.
 */
static void
count_lock(void)
{
	static LocalTransactionId transaction = 0;
	LocalTransactionId current = own_local_transaction();

	if (transaction != current)
		locks = 0;
	transaction = current;
	if (++locks == max_locks_per_xact * MaxBackends / 2)
		ereport(WARNING,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("this transaction holds the locks of %d executions", locks),
				 errdetail("The lock table of the server has room for little more than twice as many locks, of all transactions."),
				 errhint("Report on fewer executions in one transaction, or increase max_locks_per_transaction.")));
}

/* Takes the lock of an execution; waits for the transaction that holds it. */
void
engine_lock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	if (LockAcquire(&tag, ExclusiveLock, false, false) != LOCKACQUIRE_ALREADY_HELD)
		count_lock();
}

/* Takes the lock unless another transaction holds it; returns whether it did. */
bool
execution_trylock(int64 execution_id)
{
	LOCKTAG		tag;
	LockAcquireResult result;

	execution_lock_tag(&tag, execution_id);
	result = LockAcquire(&tag, ExclusiveLock, false, true);
	if (result == LOCKACQUIRE_OK)
		count_lock();
	return result != LOCKACQUIRE_NOT_AVAIL;
}

/* Releases the lock; the caller must not have changed the execution. */
void
engine_unlock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	(void) LockRelease(&tag, ExclusiveLock, false);
	locks--;
}

/* Releases the lock however often the current subtransaction has taken it. */
void
engine_release(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
#if PG_VERSION_NUM >= 170000
	while (LockHeldByMe(&tag, ExclusiveLock, false))
#else
	while (LockHeldByMe(&tag, ExclusiveLock))
#endif
		if (!LockRelease(&tag, ExclusiveLock, false))
			break;
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
 * Takes the lock; raises when this session is deciding on the execution.  A
 * user's trigger can call replay while decisions are half written, or while a row
 * is in flight.
 */
void
engine_lock_for_replay(int64 execution_id)
{
	engine_lock(execution_id);
	if (in_flight_any(execution_id) || frame_find(execution_id) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("execution " INT64_FORMAT " is being decided on", execution_id),
				 errhint("Call this function outside of triggers of noetl's tables.")));
}
