/*
 * wakeup/wakeup.c
 *		Idle workers are woken when a transaction commits work for them.
 */
#include "common/common.h"

#include <limits.h>

#include "access/xact.h"
#include "commands/async.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#if PG_VERSION_NUM < 170000
#include "storage/sinvaladt.h"
#endif
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "wakeup/wakeup.h"

/* In place of the hash of a type: the tag that every waiter holds, for timers */
#define TIMER_HASH				2
/* A session looks for those who wait for any event this often at most */
#define CHANGES_EVERY_MS		100

/* How many tasks of one type are ready. */
typedef struct Noted
{
	uint32		type_hash;		/* 0: any type; or TIMER_HASH */
	int			tasks;
} Noted;

/* What this transaction has made ready; read when it commits. */
static struct
{
	Noted	   *types;
	int			capacity;
	int			count;
	TimestampTz timer;			/* the earliest time that will be due; 0: none */
	int64	   *ends;			/* executions that have ended */
	int			ends_capacity;
	int			nends;
	bool		changed;		/* an event was stored */
	bool		callback;
}			noted;

/* Spreads wake-ups over the waiters: where to begin in the list of holders. */
static uint32 wake_turn = 0;

/* Fills in the lock tag that waiters for a type hold. */
static void
waiter_tag(LOCKTAG *tag, uint32 type_hash)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, type_hash, LOCK_CLASS_WAITERS);
}

/* Returns the hash of a type.  It is odd: 0 and TIMER_HASH have other meanings. */
static uint32
type_hash(const char *type)
{
	return DatumGetUInt32(hash_any((const unsigned char *) type, strlen(type))) | 1;
}

/* Returns the process behind a virtual transaction, or NULL. */
static PGPROC *
waiter_process(const VirtualTransactionId *vxid)
{
#if PG_VERSION_NUM >= 170000
	return ProcNumberGetProc(vxid->procNumber);
#else
	return BackendIdGetProc(vxid->backendId);
#endif
}

/* Fills in the lock tag that those hold who wait for the end of an execution. */
static void
end_tag(LOCKTAG *tag, int64 execution_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (execution_id >> 32),
						 (uint32) execution_id, LOCK_CLASS_ENDS);
}

/* Fills in the lock tag that those hold who wait for an event of any execution. */
static void
changes_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, 0, LOCK_CLASS_CHANGES);
}

/* Wakes all sessions that hold a tag. */
static void
wake_all(const LOCKTAG *tag)
{
	VirtualTransactionId *holders;
	int			count = 0;

	holders = GetLockConflicts(tag, ExclusiveLock, &count);
	for (int i = 0; i < count; i++)
	{
		PGPROC	   *process = waiter_process(&holders[i]);

		if (process != NULL)
			SetLatch(&process->procLatch);
	}
	pfree(holders);
}

/* Wakes the sessions that wait for the end of an execution. */
static void
wake_for_end(int64 execution_id)
{
	LOCKTAG		tag;

	end_tag(&tag, execution_id);
	wake_all(&tag);
}

/*
 * Wakes the sessions that wait for any event, unless this session has looked for them
 * a moment ago: they read what has changed no sooner than such a moment later.
 */
static void
wake_for_changes(void)
{
	static TimestampTz looked_at = 0;
	TimestampTz now = GetCurrentTimestamp();
	LOCKTAG		tag;

	if (now >= looked_at && now - looked_at < CHANGES_EVERY_MS * INT64CONST(1000))
		return;
	looked_at = now;
	changes_tag(&tag);
	wake_all(&tag);
}

/* Wakes up to "tasks" of the sessions that hold a tag; returns how many. */
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

/*
 * XactCallback: wakes waiters after commit, when they can see the rows, and
 * forgets what was noted.  Tasks of unknown type, if nobody waits for any type,
 * wake all who wait.
 */
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
				left -= wake_holders(0, left);
			if (left > 0 && noted.types[i].type_hash == 0)
				(void) wake_holders(TIMER_HASH, INT_MAX);
		}
	for (int i = 0; event == XACT_EVENT_COMMIT && i < noted.nends; i++)
		wake_for_end(noted.ends[i]);
	if (event == XACT_EVENT_COMMIT && noted.changed)
		wake_for_changes();
	if (event == XACT_EVENT_COMMIT && noted.timer != 0)
		timer_expect(noted.timer);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
	{
		noted.count = 0;
		noted.timer = 0;
		noted.nends = 0;
		noted.changed = false;
	}
}

/* Registers the callback, once in a session. */
static void
ensure_callback(void)
{
	if (noted.callback)
		return;
	RegisterXactCallback(wake_waiters, NULL);
	noted.callback = true;
}

/* Returns the entry of a hash, a new one if need be. */
static Noted *
note(uint32 hash)
{
	int			i;

	ensure_callback();
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

/* Wakes one waiter of any type at commit, because of a new due time. */
void
wake_for_timer(TimestampTz when)
{
	note(TIMER_HASH)->tasks = 1;
	wake_timer(when);
}

/* Tells the timer process at commit of a time that will be due. */
void
wake_timer(TimestampTz when)
{
	ensure_callback();
	if (noted.timer == 0 || when < noted.timer)
		noted.timer = when;
}

/* Wakes those who wait for the end of an execution at commit. */
void
wake_at_end(int64 execution_id)
{
	ensure_callback();
	if (noted.nends == noted.ends_capacity)
	{
		int			capacity = Max(16, noted.ends_capacity * 2);

		noted.ends = noted.ends == NULL ?
			MemoryContextAlloc(TopMemoryContext, capacity * sizeof(int64)) :
			repalloc_huge(noted.ends, capacity * sizeof(int64));
		noted.ends_capacity = capacity;
	}
	noted.ends[noted.nends++] = execution_id;
}

/* Wakes those who wait for an event of any execution at commit. */
void
wake_changed(void)
{
	ensure_callback();
	noted.changed = true;
}

/* Enters this session into those who wait for an event of any execution. */
void
wake_begin_waiting_for_changes(void)
{
	LOCKTAG		tag;

	changes_tag(&tag);
	(void) LockAcquire(&tag, ShareLock, true, false);
}

/* Takes this session out of them. */
void
wake_end_waiting_for_changes(void)
{
	LOCKTAG		tag;

	changes_tag(&tag);
	(void) LockRelease(&tag, ShareLock, true);
}

/* Enters this session into those who wait for the end of an execution. */
void
wake_begin_waiting_for_end(int64 execution_id)
{
	LOCKTAG		tag;

	end_tag(&tag, execution_id);
	(void) LockAcquire(&tag, ShareLock, true, false);
}

/* Takes this session out of them. */
void
wake_end_waiting_for_end(int64 execution_id)
{
	LOCKTAG		tag;

	end_tag(&tag, execution_id);
	(void) LockRelease(&tag, ShareLock, true);
}

/* Wakes a waiter for a task of a type (NULL: of any type) at commit. */
void
wake_at_commit(const char *type)
{
	note(type == NULL ? 0 : type_hash(type))->tasks++;
	/* a repeated NOTIFY is sent once; rolling back a savepoint can undo the first */
	if (noetl_notify)
		Async_Notify("noetl_queue", "");
}

/* Takes one wake_at_commit() back. */
void
wake_not_needed(const char *type)
{
	uint32		hash = type_hash(type);

	for (int i = 0; i < noted.count; i++)
		if (noted.types[i].type_hash == hash && noted.types[i].tasks > 0)
			noted.types[i].tasks--;
}

/* The tags that this session holds. */
static struct
{
	uint32		hashes[1 + MOST_WAITED];
	int			count;
}			held;

/* Takes the lock tag of a hash, for the session. */
static void
hold_tag(uint32 hash)
{
	LOCKTAG		tag;

	if (held.count == lengthof(held.hashes))
		elog(ERROR, "too many types to wait for");
	waiter_tag(&tag, hash);
	(void) LockAcquire(&tag, ShareLock, true, false);
	held.hashes[held.count++] = hash;
}

/* Enters this session into the waiters for the types. */
void
wake_begin_waiting(int ntypes, char **types)
{
	hold_tag(TIMER_HASH);
	for (int i = 0; i < Max(ntypes, 1); i++)
		hold_tag(ntypes == 0 ? 0 : type_hash(types[i]));
}

/* Takes this session out of the waiters; releases the tags that it holds. */
void
wake_end_waiting(void)
{
	LOCKTAG		tag;

	while (held.count > 0)
	{
		waiter_tag(&tag, held.hashes[--held.count]);
		(void) LockRelease(&tag, ShareLock, true);
	}
}
