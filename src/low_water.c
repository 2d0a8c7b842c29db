/*
 * low_water.c
 *		Where ready rows of the queue can begin; low_water.h says how that is
 *		known.
 */
#include "noetl.h"

#include "access/xact.h"
#include "miscadmin.h"
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

#include "full_scan.h"
#include "low_water.h"
#include "shared_area.h"

/* A mark is worth raising by this many ids … */
#define MIN_GAIN			64
/* … and looked after this often */
#define MIN_INTERVAL_US		INT64CONST(5000)
/* It is cheaper to ask the index for priorities than to try so many */
#define FEW_PRIORITIES		4

/* What is known of the tasks of one type and priority. */
typedef struct LowWater
{
	char		type[NAMEDATALEN];	/* of the tasks; empty: the place is free */
	int			priority;
	int64		mark;			/* no ready row is below */
	int64		candidate;		/* F; 0: none */
	VirtualTransactionId *holders;	/* H */
	int			nholders;
	TimestampTz touched;		/* when the candidate was taken or looked at */
	uint64		adopting;		/* the scan before which H had ended */
	TimestampTz scan_began;
	bool		scanning_all;
	TimestampTz next_full_scan;
	uint64		last_scan;		/* that asked for it */
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
	LowWater	kinds[LOW_WATERS];
	LocalTransactionId hidden_in;	/* the transaction that hid rows last */
	uint64		scans;
}			low_water;

/*
 * A mark is true for everybody, so what one backend finds all may use.  There is
 * room for a little shared memory without preloading; should there be none left,
 * each backend does with its own marks.
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
	TimestampTz used;
} SharedMark;

#define SHARED_MARKS		64

static SharedMark *shared_marks = NULL;

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

/* Have all of H ended?  now: who holds the lock at the moment. */
static bool
holders_ended(const LowWater *kind, const VirtualTransactionId *now, int count)
{
	for (int i = 0; i < count; i++)
		for (int j = 0; j < kind->nholders; j++)
			if (VirtualTransactionIdEquals(now[i], kind->holders[j]))
				return false;
	return true;
}

/* Prepares them. */
static void
initialize_shared_marks(void *area)
{
	for (int i = 0; i < SHARED_MARKS; i++)
		SpinLockInit(&((SharedMark *) area)[i].mutex);
}

/* Finds or makes the shared marks, once per backend; NULL: there is no room. */
static void
attach_shared_marks(void)
{
	static bool tried = false;

	if (!tried)
		shared_marks = shared_area_attach("noetl low-water marks",
										  SHARED_MARKS * sizeof(SharedMark),
										  initialize_shared_marks);
	tried = true;
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
	place = &shared_marks[0];
	for (int i = 0; i < SHARED_MARKS; i++)
	{
		if (is_mark_of(&shared_marks[i], kind))
		{
			place = &shared_marks[i];
			break;
		}
		if (shared_marks[i].used < place->used)
			place = &shared_marks[i];
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
	}
	place->used = GetCurrentTimestamp();
	kind->claim = place->claim;
	kind->lowered = place->lowered;
	SpinLockRelease(&place->mutex);
	LWLockRelease(AddinShmemInitLock);
	kind->shared = place;
}

/*
 * Exchanges what is known: the higher mark is true, and the later full scan is
 * due.  lower: it has turned out that the mark must come down.
 */
static void
exchange(LowWater *kind, bool lower)
{
	SharedMark *shared = kind->shared;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->mutex);
	if (shared->claim != kind->claim)
		kind->shared = NULL;
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
		kind->next_full_scan = shared->next_full_scan =
			Max(kind->next_full_scan, shared->next_full_scan);
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
	for (int i = 0; i < LOW_WATERS; i++)
	{
		low_water.kinds[i].type[0] = '\0';
		low_water.kinds[i].candidate = 0;
	}
}

/* See low_water.h. */
void
low_water_open(LowWaterScan *scan, Relation queue)
{
	TimestampTz now = GetCurrentTimestamp();
	VirtualTransactionId *holders = NULL;
	int			count = 0;

	forget_other_queue(queue);
	scan->queue = queue;
	scan->number = ++low_water.scans;
	/* what this transaction has taken away before is ready again if it fails */
	scan->clean = low_water.hidden_in != current_transaction();
	for (int i = 0; i < LOW_WATERS; i++)
	{
		LowWater   *kind = &low_water.kinds[i];

		if (kind->candidate == 0 || now - kind->touched < MIN_INTERVAL_US)
			continue;
		if (holders == NULL)
			holders = current_holders(queue, &count);
		if (holders_ended(kind, holders, count))
			kind->adopting = scan->number;
		kind->touched = now;
	}
	if (holders != NULL)
		pfree(holders);
}

/* Where the kind is kept; NULL: nowhere. */
static LowWater *
find_kind(const char *type, int priority)
{
	for (int i = 0; i < LOW_WATERS; i++)
		if (low_water.kinds[i].priority == priority && low_water.kinds[i].type[0] != '\0' &&
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

	for (int i = 0; i < LOW_WATERS; i++)
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

	if (type[0] == '\0' || strlen(type) >= NAMEDATALEN)
		return NULL;
	for (int i = 0; i < LOW_WATERS; i++)
	{
		LowWater   *other = &low_water.kinds[i];

		if (other->type[0] == '\0' || other->last_scan < kind->last_scan)
			kind = other;
		if (kind->type[0] == '\0')
			break;
	}
	strcpy(kind->type, type);
	kind->priority = priority;
	kind->mark = kind->candidate = 0;
	kind->next_full_scan = kind->known_until = 0;
	share_kind(kind);
	return kind;
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
	kind->scanning_all = kind->scan_began >= kind->next_full_scan ||
		kind->next_full_scan - kind->scan_began > FULL_SCAN_US * FULL_SCAN_SHARE;
	return kind->scanning_all ? PG_INT64_MIN : kind->mark;
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
	kind->touched = GetCurrentTimestamp();
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
	if (kind->scanning_all && kind->last_scan == scan->number)
	{
		kind->next_full_scan = next_full_scan_time(kind->scan_began, FULL_SCAN_US);
		kind->scanning_all = false;
		exchange(kind, false);
		if (first_ready != 0 && first_ready < kind->mark)
		{
			kind->mark = first_ready;
			exchange(kind, true);
		}
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
low_water_hidden(void)
{
	low_water.hidden_in = current_transaction();
}
