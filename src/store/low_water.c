/*
 * store/low_water.c
 *		Where ready rows of the queue can begin; low_water.h says how that is
 *		known.
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
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "store/full_scan.h"
#include "store/low_water.h"

/* A mark is worth raising by this many ids … */
#define MIN_GAIN			64
/* … and looked after this often */
#define MIN_INTERVAL_US		INT64CONST(5000)
/* Who has held the lock this long … */
#define LATE_US				INT64CONST(100000)
/* … is watched, unless there are more of them */
#define WATCHED				8
/* A scan for what a late one left is left to another after this time */
#define RESCAN_US			INT64CONST(1000000)
/* It is cheaper to ask the index for priorities than to try so many */
#define FEW_PRIORITIES		4

/* What is known of the tasks of one type and priority. */
typedef struct LowWater
{
	char		type[NAMEDATALEN];	/* of the tasks */
	int			priority;
	int64		mark;			/* no ready row is below */
	int64		candidate;		/* F; 0: none */
	VirtualTransactionId *holders;	/* H */
	int			nholders;
	TimestampTz taken_at;		/* when the candidate was taken */
	TimestampTz touched;		/* the same, or looked at */
	uint64		adopting;		/* the scan before which H had ended */
	TimestampTz scan_began;
	bool		scanning_all;
	uint64		rescanning;		/* for this; 0: no */
	TimestampTz next_full_scan;
	uint64		last_scan;		/* that asked for it */
	uint64		looked_after;	/* those who are watched, before this scan */
	TimestampTz known_until;	/* that the index has entries of it */
	struct SharedMark *shared;	/* or NULL */
	uint64		claim;			/* while it is still about this kind */
	uint64		lowered;		/* as of that */
} LowWater;

/* More kinds of tasks than this come and go without a mark. */
#define LOW_WATERS			32

static struct
{
	Oid			storage;		/* of the queue the marks are about */
	int			nkinds;
	LowWater	kinds[LOW_WATERS];
	LocalTransactionId hidden_in;	/* the transaction that hid rows last */
	VirtualTransactionId self;	/* that has changed the queue, until it ends */
	uint64		scans;
}			low_water;

/* One that is late: its rows may appear from there on. */
typedef struct Watched
{
	VirtualTransactionId transaction;
	int64		base;
} Watched;

/*
 * A mark is true for everybody, so what one backend finds all may use.  There is
 * room for a little shared memory without preloading; should there be none left,
 * each backend does with its own marks, and nobody is watched.
 */
typedef struct SharedMark
{
	slock_t		mutex;
	uint64		claim;			/* changes when it is given to another kind */
	Oid			database;
	Oid			storage;
	char		type[NAMEDATALEN];
	int			priority;
	int64		mark;
	uint64		lowered;		/* how often it came down: what was known is void */
	TimestampTz next_full_scan;
	TimestampTz candidate_taken;	/* by whichever backend */
	int			nwatched;
	Watched		watched[WATCHED];
	TimestampTz watched_at;
	uint64		rescan;			/* somebody watched has ended; 0: nothing to do */
	int64		rescan_from;
	TimestampTz rescan_claimed;
	TimestampTz used;
} SharedMark;

#define SHARED_MARKS		64

typedef struct SharedMarks
{
	pg_atomic_uint64 rescans;	/* how many have become necessary so far */
	pg_atomic_uint32 watched;	/* how many are, of all kinds */
	pg_atomic_uint64 additions; /* how many have been so far */
	SharedMark	marks[SHARED_MARKS];
} SharedMarks;

static SharedMarks *shared_marks = NULL;

/* The current transaction; its own uncommitted changes hide rows from it. */
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
 * Vacuum holds a lock of the kind that is looked for, and adds no rows.  The
 * process must still be in that very transaction: a prepared one has the number
 * of a process that may have become anything since.
 */
static bool
is_vacuum(const VirtualTransactionId *holder)
{
#if PG_VERSION_NUM >= 170000
	PGPROC	   *process = ProcNumberGetProc(holder->procNumber);
	LocalTransactionId transaction = process != NULL ? process->vxid.lxid : InvalidLocalTransactionId;
#else
	PGPROC	   *process = BackendIdGetProc(holder->backendId);
	LocalTransactionId transaction = process != NULL ? process->lxid : InvalidLocalTransactionId;
#endif

	return transaction == holder->localTransactionId && process != NULL &&
		(process->statusFlags & (PROC_IN_VACUUM | PROC_IS_AUTOVACUUM)) != 0;
}

/* Who may be about to make rows appear in the queue. */
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

/* Is it among them? */
static bool
is_among(VirtualTransactionId transaction, const VirtualTransactionId *list, int count)
{
	for (int i = 0; i < count; i++)
		if (VirtualTransactionIdEquals(list[i], transaction))
			return true;
	return false;
}

/* Prepares them. */
static void
initialize_shared_marks(void *area)
{
	SharedMarks *shared = (SharedMarks *) area;

	pg_atomic_init_u64(&shared->rescans, 0);
	pg_atomic_init_u32(&shared->watched, 0);
	pg_atomic_init_u64(&shared->additions, 0);
	for (int i = 0; i < SHARED_MARKS; i++)
		SpinLockInit(&shared->marks[i].mutex);
}

/* One that was watched has ended; the mutex is held. */
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
 * Our own transaction has ended: should it be watched, others need not find out.
 * That of a prepared one they have to.
 */
static void
transaction_ended(XactEvent event, void *arg)
{
	bool		watched = VirtualTransactionIdIsValid(low_water.self) &&
		pg_atomic_read_u32(&shared_marks->watched) > 0;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; i < SHARED_MARKS && watched && event != XACT_EVENT_PREPARE; i++)
	{
		SharedMark *shared = &shared_marks->marks[i];

		if (shared->nwatched == 0)
			continue;
		SpinLockAcquire(&shared->mutex);
		for (int j = shared->nwatched - 1; j >= 0; j--)
			if (VirtualTransactionIdEquals(shared->watched[j].transaction, low_water.self))
				watched_ended(shared, j);
		SpinLockRelease(&shared->mutex);
	}
	SetInvalidVirtualTransactionId(low_water.self);
}

/* Finds or makes the shared marks, once per backend; NULL: there is no room. */
static void
attach_shared_marks(void)
{
	static bool tried = false;

	if (tried)
		return;
	tried = true;
	shared_marks = shared_area_attach("noetl low-water marks", sizeof(SharedMarks),
									  initialize_shared_marks);
	if (shared_marks != NULL)
		RegisterXactCallback(transaction_ended, NULL);
}

/* Is this the mark of the kind? */
static bool
is_mark_of(const SharedMark *shared, const LowWater *kind)
{
	return shared->database == MyDatabaseId && shared->storage == low_water.storage &&
		shared->priority == kind->priority && strcmp(shared->type, kind->type) == 0;
}

/* Finds the shared mark of a kind, or takes the place that was used the longest ago. */
static void
share_kind(LowWater *kind)
{
	SharedMark *place;

	attach_shared_marks();
	kind->shared = NULL;
	if (shared_marks == NULL)
		return;
	/* places are given away under this lock only */
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	place = &shared_marks->marks[0];
	for (int i = 0; i < SHARED_MARKS; i++)
	{
		if (is_mark_of(&shared_marks->marks[i], kind))
		{
			place = &shared_marks->marks[i];
			break;
		}
		if (shared_marks->marks[i].used < place->used)
			place = &shared_marks->marks[i];
	}
	SpinLockAcquire(&place->mutex);
	if (!is_mark_of(place, kind))
	{
		place->claim++;
		place->database = MyDatabaseId;
		place->storage = low_water.storage;
		strcpy(place->type, kind->type);
		place->priority = kind->priority;
		place->mark = 0;
		place->next_full_scan = 0;
		pg_atomic_fetch_sub_u32(&shared_marks->watched, place->nwatched);
		place->nwatched = 0;
		place->rescan = 0;
	}
	place->used = GetCurrentTimestamp();
	kind->claim = place->claim;
	kind->lowered = place->lowered;
	SpinLockRelease(&place->mutex);
	LWLockRelease(AddinShmemInitLock);
	kind->shared = place;
}

/* Exchanges what is known: the higher mark is true, unless (lower) it must come down. */
static void
exchange(LowWater *kind, bool lower)
{
	SharedMark *shared = kind->shared;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->mutex);
	if (shared->claim != kind->claim)
	{
		/* whom nobody watches any more may have left something behind */
		kind->shared = NULL;
		kind->mark = kind->candidate = 0;
	}
	else
	{
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
		shared->used = kind->scan_began;
	}
	SpinLockRelease(&shared->mutex);
}

/* A queue that was truncated or made anew begins its ids where it likes. */
static void
forget_other_queue(Relation queue)
{
	if (low_water.storage == shared_area_subject(queue))
		return;
	low_water.storage = shared_area_subject(queue);
	low_water.nkinds = 0;
}

/*
 * Looks after those who are watched.  Of whom has ended, the rows are to be looked
 * for by a scan that begins later; whatever others are about to say of the mark is
 * void.  False: some have come after the holders were asked for, who may be missing
 * among them.
 */
static bool
look_after_watched(LowWater *kind, const VirtualTransactionId *holders, int count,
				   uint64 additions)
{
	SharedMark *shared = kind->shared;
	VirtualTransactionId self;
	bool		done;

	GET_VXID_FROM_PGPROC(self, *MyProc);
	SpinLockAcquire(&shared->mutex);
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
	SpinLockRelease(&shared->mutex);
	return done;
}

/* Are these watched, or (late) are they from now on? */
static bool
all_watched(LowWater *kind, const VirtualTransactionId *transactions, int count, bool late)
{
	SharedMark *shared = kind->shared;
	bool		all = true;

	SpinLockAcquire(&shared->mutex);
	for (int i = 0; i < count && all; i++)
	{
		bool		watched = false;

		for (int j = 0; j < shared->nwatched && !watched; j++)
			watched = VirtualTransactionIdEquals(shared->watched[j].transaction,
												 transactions[i]);
		if (watched)
			continue;
		all = late && shared->claim == kind->claim && shared->nwatched < WATCHED;
		if (all)
		{
			shared->watched[shared->nwatched].transaction = transactions[i];
			shared->watched[shared->nwatched++].base = shared->mark;
			pg_atomic_fetch_add_u32(&shared_marks->watched, 1);
			pg_atomic_fetch_add_u64(&shared_marks->additions, 1);
		}
	}
	all = all && shared->claim == kind->claim;
	SpinLockRelease(&shared->mutex);
	return all;
}

/*
 * Have all of H ended, apart from those who are watched?  holders: who holds the
 * lock at the moment; late: who of H still does is watched from now on.
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

/* See low_water.h. */
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
	scan->again = false;
	/* what this transaction has taken away before is ready again if it fails */
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

/* Where the kind is kept; NULL: nowhere. */
static LowWater *
find_kind(const char *type, int priority)
{
	for (int i = 0; i < low_water.nkinds; i++)
		if (low_water.kinds[i].priority == priority &&
			strcmp(low_water.kinds[i].type, type) == 0)
			return &low_water.kinds[i];
	return NULL;
}

/* See low_water.h. */
int64
low_water_priority(const char *type, int64 below)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		best = NO_PRIORITY;
	int			known = 0;

	for (int i = 0; i < low_water.nkinds; i++)
	{
		const LowWater *kind = &low_water.kinds[i];

		if (now >= kind->known_until || kind->known_until - now > FULL_SCAN_US ||
			strcmp(kind->type, type) != 0)
			continue;
		known++;
		if (kind->priority < below && kind->priority > best)
			best = kind->priority;
	}
	return known <= FEW_PRIORITIES ? best : NO_PRIORITY;
}

/* Makes a place for a kind: that which was not asked for the longest. */
static LowWater *
add_kind(const char *type, int priority)
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
	strcpy(kind->type, type);
	kind->priority = priority;
	kind->mark = kind->candidate = 0;
	kind->next_full_scan = kind->known_until = 0;
	kind->rescanning = 0;
	share_kind(kind);
	return kind;
}

/*
 * Is all to be read again, or from where on after somebody late has ended?  Only
 * one of us does it.
 */
static int64
claim_scan(LowWaterScan *scan, LowWater *kind)
{
	SharedMark *shared = kind->shared;
	TimestampTz now = kind->scan_began;
	int64		begin = kind->mark;

	kind->rescanning = 0;
	if (shared != NULL)
		SpinLockAcquire(&shared->mutex);
	kind->scanning_all = now >= kind->next_full_scan ||
		kind->next_full_scan - now > FULL_SCAN_US * FULL_SCAN_SHARE;
	if (shared != NULL && shared->claim == kind->claim)
	{
		if (kind->scanning_all)
			shared->next_full_scan = now + FULL_SCAN_US;
		/* what this transaction has taken away would be missing */
		if (shared->rescan != 0 && shared->rescan <= scan->rescans && scan->clean &&
			(now - shared->rescan_claimed >= RESCAN_US || now < shared->rescan_claimed))
		{
			kind->rescanning = shared->rescan;
			shared->rescan_claimed = now;
			begin = Min(begin, shared->rescan_from);
		}
		if ((shared->nwatched > 0 && kind->looked_after != scan->number) ||
			(shared->rescan != 0 && kind->rescanning == 0))
			scan->again = true;
	}
	if (shared != NULL)
		SpinLockRelease(&shared->mutex);
	return kind->scanning_all ? PG_INT64_MIN : begin;
}

/* See low_water.h. */
int64
low_water_begin(LowWaterScan *scan, const char *type, int priority)
{
	LowWater   *kind = find_kind(type, priority);

	if (kind == NULL)
		kind = add_kind(type, priority);
	if (kind == NULL)
		return PG_INT64_MIN;
	kind->last_scan = scan->number;
	kind->scan_began = GetCurrentTimestamp();
	if (kind->scan_began >= kind->known_until ||
		kind->known_until - kind->scan_began > FULL_SCAN_US)
		kind->known_until = kind->scan_began + FULL_SCAN_US;
	exchange(kind, false);
	return claim_scan(scan, kind);
}

/* One backend at a time is enough to raise the mark: to know H is not cheap. */
static bool
is_my_turn(LowWater *kind)
{
	SharedMark *shared = kind->shared;
	TimestampTz now = GetCurrentTimestamp();
	bool		mine;

	if (shared == NULL)
		return true;
	SpinLockAcquire(&shared->mutex);
	mine = now - shared->candidate_taken >= MIN_INTERVAL_US || now < shared->candidate_taken;
	if (mine)
		shared->candidate_taken = now;
	SpinLockRelease(&shared->mutex);
	return mine;
}

/* Takes F and H. */
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

/* The scan that was claimed is done; another late one may have ended meanwhile. */
static void
end_scan(LowWater *kind)
{
	SharedMark *shared = kind->shared;

	if (kind->scanning_all)
		kind->next_full_scan = next_full_scan_time(kind->scan_began, FULL_SCAN_US);
	if (shared != NULL)
		SpinLockAcquire(&shared->mutex);
	if (shared != NULL && shared->claim == kind->claim)
	{
		shared->next_full_scan = kind->next_full_scan;
		if (shared->rescan == kind->rescanning)
			shared->rescan = 0;
	}
	if (shared != NULL)
		SpinLockRelease(&shared->mutex);
	kind->scanning_all = false;
	kind->rescanning = 0;
}

/* See low_water.h. */
void
low_water_end(LowWaterScan *scan, const char *type, int priority, int64 first_ready)
{
	LowWater   *kind = find_kind(type, priority);

	if (kind == NULL)
		return;
	if (kind->candidate != 0 && kind->adopting == scan->number && scan->clean)
	{
		/* another may have found a higher one meanwhile */
		kind->mark = Max(kind->mark, first_ready == 0 ? kind->candidate :
						 Min(kind->candidate, first_ready));
		kind->candidate = 0;
		exchange(kind, false);
	}
	if ((kind->scanning_all || kind->rescanning != 0) && kind->last_scan == scan->number)
	{
		exchange(kind, false);
		if (first_ready != 0 && first_ready < kind->mark)
		{
			kind->mark = first_ready;
			exchange(kind, true);
		}
		end_scan(kind);
	}
	/* what this transaction has taken away before would be missing from F */
	if (scan->clean && kind->candidate == 0 && first_ready > kind->mark + MIN_GAIN &&
		is_my_turn(kind))
		take_candidate(kind, scan->queue, first_ready);
}

/* See low_water.h. */
void
low_water_close(LowWaterScan *scan, bool leased)
{
	if (leased)
		low_water_hidden();
}

/* See low_water.h. */
void
low_water_added(void)
{
	attach_shared_marks();
	GET_VXID_FROM_PGPROC(low_water.self, *MyProc);
}

/* See low_water.h. */
void
low_water_hidden(void)
{
	low_water_added();
	low_water.hidden_in = current_transaction();
}
