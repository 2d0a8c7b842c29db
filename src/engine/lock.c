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

#include "engine/in_flight.h"
#include "engine/internal.h"

/* Fills in the lock tag of an execution. */
static void
execution_lock_tag(LOCKTAG *tag, int64 execution_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (execution_id >> 32),
						 (uint32) execution_id, LOCK_CLASS_EXECUTION);
}

/* Takes the lock of an execution; waits for the transaction that holds it. */
void
engine_lock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* Takes the lock unless another transaction holds it; returns whether it did. */
bool
execution_trylock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Releases the lock; the caller must not have changed the execution. */
void
engine_unlock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	(void) LockRelease(&tag, ExclusiveLock, false);
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
