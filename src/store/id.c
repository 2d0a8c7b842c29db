/*
 * store/id.c
 *		New execution ids.
 *
 * Ids follow the clock while it goes forward, and grow by one when it does not.
 * The newest id of all sessions stands in shared memory.  What survives a restart
 * is noetl.id_seq: the millisecond up to which ids may have been given.  It is
 * moved on once a second, and the first id after a restart is beyond it.
 *
 * An id is written here without its node: millisecond << 12 | number.
 */
#include "common/common.h"

#include "access/xact.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "store/id.h"
#include "store/store.h"

/* How far the sequence is moved beyond the clock */
#define RESERVE_MS			1000
/* Sequences that the shared area remembers; others are looked at by each session */
#define KNOWN_SEQUENCES		64
/* Name of the shared area and of its lock */
#define SHARED_IDS_NAME		"noetl ids"

typedef struct SharedIds
{
	pg_atomic_uint64 newest;
	LWLock		lock;			/* guards what follows */
	int			nknown;
	struct
	{
		Oid			database;
		Oid			sequence;
	}			known[KNOWN_SEQUENCES]; /* "newest" is beyond them */
} SharedIds;

static SharedIds *shared = NULL;

/* Of this session: */
static Oid	own_sequence = InvalidOid;
static int64 reserved = 0;		/* ids of earlier milliseconds can be given */

/* Initialises a new shared area. */
static void
initialize_ids(void *area)
{
	SharedIds  *ids = (SharedIds *) area;

	pg_atomic_init_u64(&ids->newest, 0);
	LWLockInitialize(&ids->lock, LWLockNewTrancheId());
}

/*
 * Returns whether a session has noted that "newest" lies beyond the sequence; if
 * none has, the caller raises "newest" and notes it.
 */
static bool
is_known(Oid sequence)
{
	bool		found = false;

	LWLockAcquire(&shared->lock, LW_SHARED);
	for (int i = 0; i < shared->nknown && !found; i++)
		found = shared->known[i].database == MyDatabaseId &&
			shared->known[i].sequence == sequence;
	LWLockRelease(&shared->lock);
	return found;
}

/* Notes that "newest" is beyond the sequence. */
static void
note_known(Oid sequence)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (shared->nknown < KNOWN_SEQUENCES)
	{
		shared->known[shared->nknown].database = MyDatabaseId;
		shared->known[shared->nknown].sequence = sequence;
		shared->nknown++;
	}
	LWLockRelease(&shared->lock);
}

/* Takes or releases the lock on the sequence, which is held for a moment only. */
static void
lock_sequence(bool take)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, LOCK_CLASS_IDS);
	if (take)
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
	else
		(void) LockRelease(&tag, ExclusiveLock, false);
}

/* Sets the sequence as the owner of the tables. */
static void
set_sequence(Oid sequence, int64 value)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(store_owner(), context | SECURITY_LOCAL_USERID_CHANGE);
	(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(value));
	SetUserIdAndSecContext(user, context);
}

/*
 * Moves the sequence beyond "ms", if it is not; sets "reserved".  Returns what
 * the sequence was at before.
 */
static int64
reserve(Oid sequence, int64 ms)
{
	int64		before;

	lock_sequence(true);
	before = nextval_internal(sequence, false);
	if (before <= ms)
		set_sequence(sequence, ms + RESERVE_MS);
	reserved = before <= ms ? ms + RESERVE_MS : before;
	lock_sequence(false);
	return before;
}

/* Makes "newest" at least as large as an id. */
static void
raise_newest(uint64 id)
{
	uint64		newest = pg_atomic_read_u64(&shared->newest);

	while (newest < id)
		if (pg_atomic_compare_exchange_u64(&shared->newest, &newest, id))
			break;
}

/* Returns the next id: that of the clock, or the newest plus one. */
static uint64
take_next(uint64 clock)
{
	uint64		newest = pg_atomic_read_u64(&shared->newest);
	uint64		next;

	do
		next = Max(clock, newest + 1);
	while (!pg_atomic_compare_exchange_u64(&shared->newest, &newest, next));
	return next;
}

/* Prepares this session for a sequence. */
static void
meet_sequence(Oid sequence)
{
	static bool tried = false;

	if (!tried)
	{
		shared = shared_area_attach(SHARED_IDS_NAME, sizeof(SharedIds), initialize_ids);
		if (shared != NULL)
			LWLockRegisterTranche(shared->lock.tranche, SHARED_IDS_NAME);
	}
	tried = true;
	reserved = 0;
	if (shared != NULL && !is_known(sequence))
	{
		raise_newest((uint64) reserve(sequence, -1) << 12);
		note_known(sequence);
	}
	own_sequence = sequence;
}

/* Returns a new execution id; the door says what it promises. */
int64
new_execution_id(void)
{
	Oid			sequence = store_relation(REL_ID_SEQ);
	int64		ms = time_to_id_ms(GetCurrentTimestamp());
	uint64		id;

	if (sequence != own_sequence)
		meet_sequence(sequence);
	if (shared == NULL)
	{
		/* no room for the shared area: a millisecond for each id */
		lock_sequence(true);
		ms = Max(ms, nextval_internal(sequence, false));
		set_sequence(sequence, ms);
		lock_sequence(false);
		return execution_id_at(ms, noetl_node_id, 0);
	}
	id = take_next((uint64) ms << 12);
	while ((int64) (id >> 12) >= reserved)
	{
		int64		before = reserve(sequence, (int64) (id >> 12));

		if (before <= (int64) (id >> 12) + 2 * RESERVE_MS)
			break;
		/* somebody has set the sequence, such as pg_restore: ids go on from there */
		raise_newest((uint64) before << 12);
		id = take_next((uint64) ms << 12);
	}
	return execution_id_at((int64) (id >> 12), noetl_node_id, (int64) (id & 4095));
}
