/*
 * store/low_water.c
 *		The low-water marks of ready tasks.  store/low_water.h defines them and
 *		proves that they are correct.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#if PG_VERSION_NUM < 170000
#include "storage/sinvaladt.h"
#endif
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "store/full_scan.h"
#include "store/low_water.h"
#include "store/storage.h"

/* A mark is raised when it gains at least this many ids, */
#define MIN_GAIN			64
/* and lock holders are asked for at most this often. */
#define MIN_INTERVAL_US		INT64CONST(5000)
/* A transaction that has held the lock this long is late. */
#define LATE_US				INT64CONST(100000)
/* At most this many late transactions are watched for one kind. */
#define WATCHED				8
/* A rescan that has not ended after this time is left to another backend. */
#define RESCAN_US			INT64CONST(1000000)
/* With more priorities than these, probing the index is cheaper. */
#define FEW_PRIORITIES		4

/* What this backend knows of the tasks of one kind. */
typedef struct LowWater
{
	char		type[NAMEDATALEN];
	int64		priority;
	int64		mark;			/* no ready row is below */
	int64		candidate;		/* F; 0: none */
	VirtualTransactionId *holders;	/* H */
	int			nholders;
	TimestampTz taken_at;		/* when the candidate was noted */
	TimestampTz touched;		/* when H was noted or checked last */
	uint64		adopting;		/* the scan before which all of H had ended */
	TimestampTz scan_began;
	bool		scanning_all;	/* the scan reads all entries of the kind */
	uint64		rescanning;		/* number of the rescan that the scan makes; 0: none */
	TimestampTz next_full_scan;
	uint64		last_scan;		/* the last scan of this kind */
	uint64		looked_after;	/* the scan before which watched ones were checked */
	TimestampTz known_until;	/* until then the index counts as having entries */
	struct SharedMark *shared;	/* or NULL */
	uint64		claim;			/* shared->claim when the mark was found */
	uint64		lowered;		/* shared->lowered when the mark was read */
} LowWater;

/* How many kinds a backend knows; a further one replaces the oldest. */
#define LOW_WATERS			32

static struct
{
	Oid			storage;		/* of the queue that the marks are about */
	int			nkinds;
	LowWater	kinds[LOW_WATERS];
	LocalTransactionId hidden_in;	/* the last transaction that hid rows */
	VirtualTransactionId self;	/* the current one, when it has changed the queue */
	uint64		scans;
}			low_water;

/* A late transaction: its rows may appear from the base on. */
typedef struct Watched
{
	VirtualTransactionId transaction;
	int64		base;
} Watched;

/* The mark of a kind, for all backends. */
typedef struct SharedMark
{
	LWLock		lock;			/* guards all that follows, apart from "used" */
	uint64		claim;			/* counts the kinds that have had this place */
	Oid			database;
	Oid			storage;
	char		type[NAMEDATALEN];
	int64		priority;
	int64		mark;
	uint64		lowered;		/* counts what makes marks and candidates void */
	TimestampTz next_full_scan;
	TimestampTz candidate_taken;	/* when any backend noted a candidate last */
	int			nwatched;
	Watched		watched[WATCHED];
	TimestampTz watched_at;		/* when the watched ones were checked last */
	uint64		rescan;			/* number of the rescan that is necessary; 0: none */
	int64		rescan_from;
	TimestampTz rescan_claimed; /* when a backend began it; 0: none has */
	pg_atomic_uint64 used;		/* when a scan read it last */
} SharedMark;

#define SHARED_MARKS		64

typedef struct SharedMarks
{
	LWLock		places;			/* held while a place is given to a kind */
	pg_atomic_uint64 rescans;	/* how many have become necessary so far */
	pg_atomic_uint32 watched;	/* how many transactions are, for all kinds */
	pg_atomic_uint64 additions; /* how many times one came to be watched */
	SharedMark	marks[SHARED_MARKS];
} SharedMarks;

#define SHARED_MARKS_NAME	"noetl low-water marks"

static SharedMarks *shared_marks = NULL;

/* ---------------------------------------------------------------------------
 * Lock holders
 * ---------------------------------------------------------------------------
 */

/* Returns the number of the current transaction within this backend. */
static LocalTransactionId
current_transaction(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/*
 * Returns whether a lock holder is a vacuum, which holds a conflicting lock but
 * adds no rows.  The process must still be in that very transaction: the
 * virtual transaction of a prepared transaction names a process that may do
 * anything by now.
 */
static bool
is_vacuum(const VirtualTransactionId *holder)
{
#if PG_VERSION_NUM >= 170000
	PGPROC	   *process = ProcNumberGetProc(holder->procNumber);
	bool		there = process != NULL && process->vxid.lxid == holder->localTransactionId;
#else
	PGPROC	   *process = BackendIdGetProc(holder->backendId);
	bool		there = process != NULL && process->lxid == holder->localTransactionId;
#endif

	return there && (process->statusFlags & (PROC_IN_VACUUM | PROC_IS_AUTOVACUUM)) != 0;
}

/* Returns the other transactions that may make rows of the queue appear. */
static VirtualTransactionId *
current_holders(Relation queue, int *count)
{
	LOCKTAG		tag;
	VirtualTransactionId *holders;
	int			kept = 0;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, RelationGetRelid(queue));
	holders = GetLockConflicts(&tag, ShareLock, count);
	for (int i = 0; i < *count; i++)
		if (!is_vacuum(&holders[i]))
			holders[kept++] = holders[i];
	*count = kept;
	return holders;
}

/* Returns whether a list contains a transaction. */
static bool
is_among(VirtualTransactionId transaction, const VirtualTransactionId *list, int count)
{
	for (int i = 0; i < count; i++)
		if (VirtualTransactionIdEquals(list[i], transaction))
			return true;
	return false;
}

/* ---------------------------------------------------------------------------
 * Shared marks
 * ---------------------------------------------------------------------------
 */

/* Initializes a new area; all locks are of one tranche. */
static void
initialize_shared_marks(void *area)
{
	SharedMarks *shared = (SharedMarks *) area;
	int			tranche = LWLockNewTrancheId();

	LWLockInitialize(&shared->places, tranche);
	pg_atomic_init_u64(&shared->rescans, 0);
	pg_atomic_init_u32(&shared->watched, 0);
	pg_atomic_init_u64(&shared->additions, 0);
	for (int i = 0; i < SHARED_MARKS; i++)
	{
		LWLockInitialize(&shared->marks[i].lock, tranche);
		pg_atomic_init_u64(&shared->marks[i].used, 0);
	}
}

/* Locks the shared mark of a kind, if it has one, and returns it. */
static SharedMark *
lock_shared(const LowWater *kind)
{
	if (kind->shared != NULL)
		LWLockAcquire(&kind->shared->lock, LW_EXCLUSIVE);
	return kind->shared;
}

/* Unlocks what lock_shared returned. */
static void
unlock_shared(SharedMark *shared)
{
	if (shared != NULL)
		LWLockRelease(&shared->lock);
}

/*
 * A watched transaction has ended: makes a rescan necessary, and marks and
 * candidates of other backends void.  The caller holds the lock.
 */
static void
watched_ended(SharedMark *shared, int which)
{
	int64		base = shared->watched[which].base;

	shared->watched[which] = shared->watched[--shared->nwatched];
	pg_atomic_fetch_sub_u32(&shared_marks->watched, 1);
	shared->rescan_from = shared->rescan == 0 ? base : Min(shared->rescan_from, base);
	shared->rescan = pg_atomic_add_fetch_u64(&shared_marks->rescans, 1);
	shared->rescan_claimed = 0;
	shared->lowered++;
}

/*
 * Notes the end of this transaction (store/low_water.h).  The end of a prepared
 * transaction is found by look_after_watched.
 */
void
low_water_transaction_ended(XactEvent event, void *arg)
{
	bool		watched = VirtualTransactionIdIsValid(low_water.self) &&
		shared_marks != NULL && pg_atomic_read_u32(&shared_marks->watched) > 0;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; i < SHARED_MARKS && watched && event != XACT_EVENT_PREPARE; i++)
	{
		SharedMark *shared = &shared_marks->marks[i];

		if (shared->nwatched == 0)
			continue;
		LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
		for (int j = shared->nwatched - 1; j >= 0; j--)
			if (VirtualTransactionIdEquals(shared->watched[j].transaction, low_water.self))
				watched_ended(shared, j);
		LWLockRelease(&shared->lock);
	}
	SetInvalidVirtualTransactionId(low_water.self);
}

/* Finds or makes the shared marks, once per backend; NULL when no room is left. */
static void
attach_shared_marks(void)
{
	static bool tried = false;

	if (tried)
		return;
	tried = true;
	shared_marks = shared_area_attach(SHARED_MARKS_NAME, sizeof(SharedMarks),
									  initialize_shared_marks);
	if (shared_marks == NULL)
		return;
	LWLockRegisterTranche(shared_marks->places.tranche, SHARED_MARKS_NAME);
	RegisterXactCallback(low_water_transaction_ended, NULL);
}

/* Returns whether a shared mark is the one of a kind. */
static bool
is_mark_of(const SharedMark *shared, const LowWater *kind)
{
	return shared->database == MyDatabaseId && shared->storage == low_water.storage &&
		shared->priority == kind->priority && strcmp(shared->type, kind->type) == 0;
}

/*
 * Returns the place of a kind, or the one that has not been used for the longest
 * time.  The caller holds the lock of the places, so no place changes its kind.
 */
static SharedMark *
find_place(const LowWater *kind)
{
	SharedMark *oldest = &shared_marks->marks[0];

	for (int i = 0; i < SHARED_MARKS; i++)
	{
		SharedMark *place = &shared_marks->marks[i];

		if (is_mark_of(place, kind))
			return place;
		if (pg_atomic_read_u64(&place->used) < pg_atomic_read_u64(&oldest->used))
			oldest = place;
	}
	return oldest;
}

/* Gives a place to a kind, without a mark; the caller holds both locks. */
static void
claim_place(SharedMark *place, const LowWater *kind)
{
	place->claim++;
	place->database = MyDatabaseId;
	place->storage = low_water.storage;
	strlcpy(place->type, kind->type, NAMEDATALEN);
	place->priority = kind->priority;
	place->mark = 0;
	place->next_full_scan = 0;
	pg_atomic_fetch_sub_u32(&shared_marks->watched, place->nwatched);
	place->nwatched = 0;
	place->rescan = 0;
}

/* Sets the shared mark of a kind; NULL when there is no shared memory. */
static void
share_kind(LowWater *kind)
{
	SharedMark *place;

	attach_shared_marks();
	kind->shared = NULL;
	if (shared_marks == NULL)
		return;
	LWLockAcquire(&shared_marks->places, LW_EXCLUSIVE);
	place = find_place(kind);
	LWLockAcquire(&place->lock, LW_EXCLUSIVE);
	if (!is_mark_of(place, kind))
		claim_place(place, kind);
	pg_atomic_write_u64(&place->used, GetCurrentTimestamp());
	kind->claim = place->claim;
	kind->lowered = place->lowered;
	LWLockRelease(&place->lock);
	LWLockRelease(&shared_marks->places);
	kind->shared = place;
}

/*
 * Makes the mark of the backend and the shared one equal.  The higher one is
 * kept, unless the shared one has been lowered since this backend read it, or
 * (lower) the backend's own is to replace it.  The caller holds the lock.
 */
static void
exchange(LowWater *kind, bool lower)
{
	SharedMark *shared = kind->shared;

	if (shared == NULL)
		return;
	if (shared->claim != kind->claim)
	{
		/* transactions that are not watched any more may have left rows */
		kind->shared = NULL;
		kind->mark = kind->candidate = 0;
		return;
	}
	if (lower)
	{
		shared->mark = kind->mark;
		shared->lowered++;
	}
	else if (shared->lowered != kind->lowered)
	{
		kind->mark = shared->mark;
		kind->candidate = 0;
	}
	kind->lowered = shared->lowered;
	kind->mark = shared->mark = Max(kind->mark, shared->mark);
	kind->next_full_scan = shared->next_full_scan;
}

/* ---------------------------------------------------------------------------
 * Before a scan
 * ---------------------------------------------------------------------------
 */

/* Forgets all marks when the queue was truncated or made anew. */
static void
forget_other_queue(Relation queue)
{
	if (low_water.storage == relation_storage(queue))
		return;
	low_water.storage = relation_storage(queue);
	low_water.nkinds = 0;
}

/*
 * Makes rescans necessary for watched transactions that have ended, which are
 * those that are not among the lock holders.  additions: how many were watched
 * when the holders were asked for.  Returns false, and does nothing, when
 * another has come to be watched since then: it may hold the lock without being
 * among the holders.
 */
static bool
look_after_watched(LowWater *kind, const VirtualTransactionId *holders, int count,
				   uint64 additions)
{
	SharedMark *shared = lock_shared(kind);
	VirtualTransactionId self;
	bool		done;

	GET_VXID_FROM_PGPROC(self, *MyProc);
	done = shared->claim == kind->claim &&
		pg_atomic_read_u64(&shared_marks->additions) == additions;
	if (done)
	{
		for (int i = shared->nwatched - 1; i >= 0; i--)
			if (!VirtualTransactionIdEquals(shared->watched[i].transaction, self) &&
				!is_among(shared->watched[i].transaction, holders, count))
				watched_ended(shared, i);
		shared->watched_at = GetCurrentTimestamp();
	}
	unlock_shared(shared);
	return done;
}

/* Watches a transaction; false when too many are watched.  The caller holds the lock. */
static bool
watch(SharedMark *shared, VirtualTransactionId transaction)
{
	Watched    *watched;

	if (shared->nwatched == WATCHED)
		return false;
	watched = &shared->watched[shared->nwatched++];
	watched->transaction = transaction;
	watched->base = shared->mark;
	pg_atomic_fetch_add_u32(&shared_marks->watched, 1);
	pg_atomic_fetch_add_u64(&shared_marks->additions, 1);
	return true;
}

/*
 * Returns whether all of the transactions are watched.  late: those that are
 * not are watched from now on, as far as there is room.
 */
static bool
all_watched(LowWater *kind, const VirtualTransactionId *transactions, int count, bool late)
{
	SharedMark *shared = lock_shared(kind);
	bool		all = shared->claim == kind->claim;

	for (int i = 0; i < count && all; i++)
	{
		bool		watched = false;

		for (int j = 0; j < shared->nwatched && !watched; j++)
			watched = VirtualTransactionIdEquals(shared->watched[j].transaction,
												 transactions[i]);
		all = watched || (late && watch(shared, transactions[i]));
	}
	unlock_shared(shared);
	return all;
}

/*
 * Returns whether all of H have ended, apart from those that are watched.
 * holders: who holds the lock now.  late: those of H that still hold it are
 * watched from now on.
 */
static bool
holders_ended(LowWater *kind, const VirtualTransactionId *holders, int count, bool late)
{
	VirtualTransactionId left[WATCHED];
	int			nleft = 0;

	for (int i = 0; i < kind->nholders; i++)
	{
		if (!is_among(kind->holders[i], holders, count))
			continue;
		if (nleft == WATCHED)
			return false;
		left[nleft++] = kind->holders[i];
	}
	return nleft == 0 || (kind->shared != NULL && all_watched(kind, left, nleft, late));
}

/*
 * Begins a scan (store/low_water.h).  The lock table is asked at most once, and
 * only when a kind has a candidate or watched transactions to check.
 */
void
low_water_open(LowWaterScan *scan, Relation queue, bool closely)
{
	TimestampTz now = GetCurrentTimestamp();
	VirtualTransactionId *holders = NULL;
	uint64		additions = 0;
	int			count = 0;

	forget_other_queue(queue);
	scan->queue = queue;
	scan->number = ++low_water.scans;
	scan->again = scan->behind = false;
	scan->clean = low_water.hidden_in != current_transaction();
	for (int i = 0; i < low_water.nkinds; i++)
	{
		LowWater   *kind = &low_water.kinds[i];
		SharedMark *shared = kind->shared;
		bool		watching = shared != NULL && shared->nwatched > 0 &&
			(closely || now - shared->watched_at >= MIN_INTERVAL_US || now < shared->watched_at);
		bool		trying = kind->candidate != 0 && now - kind->touched >= MIN_INTERVAL_US;

		if (!watching && !trying)
			continue;
		if (holders == NULL)
		{
			additions = shared_marks == NULL ? 0 : pg_atomic_read_u64(&shared_marks->additions);
			pg_read_barrier();
			holders = current_holders(queue, &count);
			INJECTION("low-water-holders");
		}
		if (watching && look_after_watched(kind, holders, count, additions))
			kind->looked_after = scan->number;
		if (!trying)
			continue;
		if (holders_ended(kind, holders, count, now - kind->taken_at >= LATE_US))
			kind->adopting = scan->number;
		kind->touched = now;
	}
	if (holders != NULL)
		pfree(holders);
	scan->rescans = shared_marks == NULL ? 0 : pg_atomic_read_u64(&shared_marks->rescans);
}

/* ---------------------------------------------------------------------------
 * The scan of a kind
 * ---------------------------------------------------------------------------
 */

/* Returns what this backend knows of a kind, or NULL. */
static LowWater *
find_kind(const char *type, int64 priority)
{
	for (int i = 0; i < low_water.nkinds; i++)
		if (low_water.kinds[i].priority == priority &&
			strcmp(low_water.kinds[i].type, type) == 0)
			return &low_water.kinds[i];
	return NULL;
}

/* Returns whether the index has lately had entries of a kind without a fair_key. */
static bool
is_known(const LowWater *kind, TimestampTz now)
{
	return now < kind->known_until && kind->known_until - now <= FULL_SCAN_US &&
		kind->priority > NO_PRIORITY;
}

/*
 * Returns the next lower priority that this backend knows (store/low_water.h).
 * With many known priorities it returns NO_PRIORITY, and the caller probes.
 */
int64
low_water_priority(const char *type, int64 below)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		best = NO_PRIORITY;
	int			known = 0;

	for (int i = 0; i < low_water.nkinds; i++)
	{
		const LowWater *kind = &low_water.kinds[i];

		if (!is_known(kind, now) || strcmp(kind->type, type) != 0)
			continue;
		known++;
		if (kind->priority < below && kind->priority > best)
			best = kind->priority;
	}
	return known <= FEW_PRIORITIES ? best : NO_PRIORITY;
}

/* Returns the next type that this backend knows (store/low_water.h). */
const char *
low_water_next_type(const char *after, bool included, Oid collation)
{
	TimestampTz now = GetCurrentTimestamp();
	const char *best = NULL;

	for (int i = 0; i < low_water.nkinds; i++)
	{
		const char *type = low_water.kinds[i].type;
		int			order;

		if (!is_known(&low_water.kinds[i], now))
			continue;
		order = varstr_cmp(type, strlen(type), after, strlen(after), collation);
		if ((order > 0 || (order == 0 && included)) &&
			(best == NULL ||
			 varstr_cmp(type, strlen(type), best, strlen(best), collation) < 0))
			best = type;
	}
	return best;
}

/*
 * Returns a place for a new kind, if need be that of the kind that was scanned
 * the longest ago; NULL when the type's name is too long for one.
 */
static LowWater *
add_kind(const char *type, int64 priority)
{
	LowWater   *kind = &low_water.kinds[0];

	if (strlen(type) >= NAMEDATALEN)
		return NULL;
	if (low_water.nkinds < LOW_WATERS)
		kind = &low_water.kinds[low_water.nkinds++];
	else
		for (int i = 1; i < LOW_WATERS; i++)
			if (low_water.kinds[i].last_scan < kind->last_scan)
				kind = &low_water.kinds[i];
	strlcpy(kind->type, type, NAMEDATALEN);
	kind->priority = priority;
	kind->mark = kind->candidate = 0;
	kind->next_full_scan = kind->known_until = 0;
	kind->rescanning = 0;
	share_kind(kind);
	return kind;
}

/* Returns whether it is time to read all entries of a kind. */
static bool
is_full_scan_due(TimestampTz next_full_scan, TimestampTz now)
{
	return now >= next_full_scan || next_full_scan - now > FULL_SCAN_US * FULL_SCAN_SHARE;
}

/*
 * Returns whether a scan can be the rescan that is necessary: it began after
 * the end of the watched transaction, its transaction has hidden no rows, and no
 * other backend is making the rescan.
 */
static bool
can_rescan(const LowWaterScan *scan, const SharedMark *shared, TimestampTz now)
{
	return shared->rescan != 0 && shared->rescan <= scan->rescans && scan->clean &&
		(now - shared->rescan_claimed >= RESCAN_US || now < shared->rescan_claimed);
}

/* Notes whether a scan from the mark may miss rows of watched transactions. */
static void
note_missing(LowWaterScan *scan, const LowWater *kind)
{
	const SharedMark *shared = kind->shared;

	if (shared->rescan != 0 && kind->rescanning == 0)
		scan->behind = true;
	if (scan->behind || (shared->nwatched > 0 && kind->looked_after != scan->number))
		scan->again = true;
}

/*
 * Reads the shared mark, which takes only a shared lock.  Returns false when
 * something has to be written: the backend's own mark is higher, or a full scan
 * or a rescan has to be claimed.
 */
static bool
read_shared(LowWaterScan *scan, LowWater *kind)
{
	SharedMark *shared = kind->shared;
	bool		readable;

	if (shared == NULL)
		return false;
	pg_atomic_write_u64(&shared->used, kind->scan_began);
	LWLockAcquire(&shared->lock, LW_SHARED);
	readable = shared->claim == kind->claim &&
		(shared->mark >= kind->mark || shared->lowered != kind->lowered) &&
		!is_full_scan_due(shared->next_full_scan, kind->scan_began) &&
		!can_rescan(scan, shared, kind->scan_began);
	if (readable)
	{
		if (shared->lowered != kind->lowered)
			kind->candidate = 0;
		kind->lowered = shared->lowered;
		kind->mark = shared->mark;
		kind->next_full_scan = shared->next_full_scan;
		kind->scanning_all = false;
		kind->rescanning = 0;
		note_missing(scan, kind);
	}
	LWLockRelease(&shared->lock);
	return readable;
}

/*
 * Returns where the scan of a kind starts.  A full scan, or a rescan, that is
 * due is claimed, so that no other backend makes it too.  The caller holds the
 * lock.
 */
static int64
claim_scan(LowWaterScan *scan, LowWater *kind)
{
	SharedMark *shared = kind->shared;
	TimestampTz now = kind->scan_began;
	int64		begin = kind->mark;

	kind->rescanning = 0;
	kind->scanning_all = is_full_scan_due(kind->next_full_scan, now);
	if (shared != NULL)
	{
		if (kind->scanning_all)
			shared->next_full_scan = now + FULL_SCAN_US;
		if (can_rescan(scan, shared, now))
		{
			kind->rescanning = shared->rescan;
			shared->rescan_claimed = now;
			begin = Min(begin, shared->rescan_from);
		}
		note_missing(scan, kind);
	}
	return kind->scanning_all ? PG_INT64_MIN : begin;
}

/* Begins the scan of a kind (store/low_water.h). */
int64
low_water_begin(LowWaterScan *scan, const char *type, int64 priority)
{
	LowWater   *kind = find_kind(type, priority);
	SharedMark *locked;
	int64		begin;

	if (kind == NULL)
		kind = add_kind(type, priority);
	if (kind == NULL)
		return PG_INT64_MIN;
	kind->last_scan = scan->number;
	kind->scan_began = GetCurrentTimestamp();
	if (kind->scan_began >= kind->known_until ||
		kind->known_until - kind->scan_began > FULL_SCAN_US)
		kind->known_until = kind->scan_began + FULL_SCAN_US;
	if (read_shared(scan, kind))
		return kind->mark;
	locked = lock_shared(kind);
	exchange(kind, false);
	begin = claim_scan(scan, kind);
	unlock_shared(locked);
	return begin;
}

/* Returns whether a candidate was noted less than the interval ago. */
static bool
is_candidate_recent(const SharedMark *shared, TimestampTz now)
{
	return now >= shared->candidate_taken && now - shared->candidate_taken < MIN_INTERVAL_US;
}

/*
 * Returns whether this backend may note a candidate.  One backend in an
 * interval is enough, since asking for the lock holders is not cheap.
 */
static bool
is_my_turn(LowWater *kind)
{
	TimestampTz now = GetCurrentTimestamp();
	SharedMark *locked;
	bool		mine;

	/* mostly it is recent, which can be seen without the lock */
	if (kind->shared != NULL && is_candidate_recent(kind->shared, now))
		return false;
	locked = lock_shared(kind);
	mine = locked == NULL || !is_candidate_recent(locked, now);
	if (mine && locked != NULL)
		locked->candidate_taken = now;
	unlock_shared(locked);
	return mine;
}

/* Notes F and H. */
static void
take_candidate(LowWater *kind, Relation queue, int64 candidate)
{
	int			count = 0;
	VirtualTransactionId *holders = current_holders(queue, &count);

	if (kind->holders != NULL)
		pfree(kind->holders);
	kind->holders = MemoryContextAlloc(TopMemoryContext,
									   Max(count, 1) * sizeof(VirtualTransactionId));
	memcpy(kind->holders, holders, count * sizeof(VirtualTransactionId));
	pfree(holders);
	kind->nholders = count;
	kind->candidate = candidate;
	kind->taken_at = kind->touched = GetCurrentTimestamp();
}

/* Raises the mark to the candidate, or to the row before it that the scan saw. */
static void
adopt_candidate(LowWater *kind, int64 first_ready)
{
	/* another backend may have found a higher one meanwhile */
	kind->mark = Max(kind->mark, first_ready == 0 ? kind->candidate :
					 Min(kind->candidate, first_ready));
	kind->candidate = 0;
	exchange(kind, false);
}

/*
 * Ends a full scan or a rescan: lowers the mark to a ready row that the scan
 * saw below it.  A rescan that has become necessary meanwhile stays necessary.
 */
static void
end_claimed_scan(LowWater *kind, int64 first_ready)
{
	exchange(kind, false);
	if (first_ready != 0 && first_ready < kind->mark)
	{
		kind->mark = first_ready;
		exchange(kind, true);
	}
	if (kind->scanning_all)
		kind->next_full_scan = next_full_scan_time(kind->scan_began, FULL_SCAN_US);
	if (kind->shared != NULL)
	{
		kind->shared->next_full_scan = kind->next_full_scan;
		if (kind->shared->rescan == kind->rescanning)
			kind->shared->rescan = 0;
	}
	kind->scanning_all = false;
	kind->rescanning = 0;
}

/* Ends the scan of a kind (store/low_water.h). */
void
low_water_end(LowWaterScan *scan, const char *type, int64 priority, int64 first_ready)
{
	LowWater   *kind = find_kind(type, priority);
	bool		adopting;
	bool		claimed;

	if (kind == NULL)
		return;
	adopting = kind->candidate != 0 && kind->adopting == scan->number && scan->clean;
	claimed = (kind->scanning_all || kind->rescanning != 0) && kind->last_scan == scan->number;
	if (adopting)
		INJECTION("low-water-adopt");
	if (adopting || claimed)
	{
		SharedMark *locked = lock_shared(kind);

		if (adopting)
			adopt_candidate(kind, first_ready);
		if (claimed)
			end_claimed_scan(kind, first_ready);
		unlock_shared(locked);
	}
	/* F must not miss rows that this transaction has taken away before */
	if (scan->clean && kind->candidate == 0 && first_ready > kind->mark + MIN_GAIN &&
		is_my_turn(kind))
		take_candidate(kind, scan->queue, first_ready);
}

/* Ends a scan (store/low_water.h). */
void
low_water_close(LowWaterScan *scan, bool leased)
{
	if (leased)
		low_water_hidden();
}

/* Notes that this transaction takes an id (store/low_water.h). */
void
low_water_added(void)
{
	attach_shared_marks();
	GET_VXID_FROM_PGPROC(low_water.self, *MyProc);
}

/* Notes that this transaction hides rows (store/low_water.h). */
void
low_water_hidden(void)
{
	low_water_added();
	low_water.hidden_in = current_transaction();
}
