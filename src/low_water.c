/*
 * low_water.c
 *		Where ready rows of the queue can begin; low_water.h says how that is
 *		known.
 */
#include "noetl.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#if PG_VERSION_NUM < 170000
#include "storage/sinvaladt.h"
#endif
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "low_water.h"

/* A mark is worth raising by this many ids … */
#define MIN_GAIN			64
/* … and looked after this often */
#define MIN_INTERVAL_US		INT64CONST(5000)
/* Everything is scanned again this often, or less often if that takes long */
#define FULL_SCAN_US		INT64CONST(10000000)
#define FULL_SCAN_SHARE		200
/* A timer index that is read in less time is read in full every time */
#define CHEAP_SCAN_US		INT64CONST(1000)
/* Transactions that set a timer are expected to end within this time */
#define TIMER_SLACK_US		INT64CONST(1000000)

static struct
{
	Oid			storage;		/* of the queue the mark is about */
	int64		mark;			/* no ready row is below */
	int64		candidate;		/* F; 0: none */
	bool		adopting;		/* H had ended before the running scan began */
	VirtualTransactionId *holders;	/* H */
	int			nholders;
	TimestampTz touched;		/* when the candidate was taken or looked at */
	TimestampTz scan_began;
	bool		scanning_all;
	TimestampTz next_full_scan;
	LocalTransactionId leased_in;	/* the transaction that leased last */
}			low_water;

/* Changes when the queue is truncated, rewritten or made anew. */
static Oid
storage_of(Relation queue)
{
#if PG_VERSION_NUM >= 160000
	return queue->rd_locator.relNumber;
#else
	return queue->rd_node.relNode;
#endif
}

/* The current transaction; its own uncommitted leases hide rows from it. */
static LocalTransactionId
current_transaction(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* Vacuum holds a lock of the kind that is looked for, and adds no rows. */
static bool
is_vacuum(const VirtualTransactionId *holder)
{
#if PG_VERSION_NUM >= 170000
	PGPROC	   *process = ProcNumberGetProc(holder->procNumber);
#else
	PGPROC	   *process = BackendIdGetProc(holder->backendId);
#endif

	return process != NULL &&
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

/* Have all of H ended? */
static bool
holders_ended(Relation queue)
{
	int			count = 0;
	VirtualTransactionId *now = current_holders(queue, &count);
	bool		ended = true;

	for (int i = 0; i < count && ended; i++)
		for (int j = 0; j < low_water.nholders && ended; j++)
			ended = !VirtualTransactionIdEquals(now[i], low_water.holders[j]);
	pfree(now);
	return ended;
}

/* When to read everything again: it shall cost no more than its share. */
static TimestampTz
next_full(TimestampTz began, int64 interval)
{
	TimestampTz now = GetCurrentTimestamp();

	return now + Max(interval, (now - began) * FULL_SCAN_SHARE);
}

/* See low_water.h. */
int64
low_water_begin(Relation queue)
{
	TimestampTz now = GetCurrentTimestamp();

	if (low_water.storage != storage_of(queue))
	{
		low_water.storage = storage_of(queue);
		low_water.mark = low_water.candidate = 0;
	}
	low_water.scan_began = now;
	low_water.scanning_all = now >= low_water.next_full_scan ||
		low_water.next_full_scan - now > FULL_SCAN_US * FULL_SCAN_SHARE;
	low_water.adopting = false;
	if (low_water.candidate != 0 && now - low_water.touched >= MIN_INTERVAL_US)
	{
		low_water.adopting = holders_ended(queue);
		low_water.touched = now;
	}
	return low_water.scanning_all ? 0 : low_water.mark;
}

/* Takes F and H. */
static void
take_candidate(Relation queue, int64 candidate)
{
	int			count = 0;
	VirtualTransactionId *holders = current_holders(queue, &count);

	if (low_water.holders != NULL)
		pfree(low_water.holders);
	low_water.holders = MemoryContextAlloc(TopMemoryContext,
										   Max(count, 1) * sizeof(VirtualTransactionId));
	memcpy(low_water.holders, holders, count * sizeof(VirtualTransactionId));
	pfree(holders);
	low_water.nholders = count;
	low_water.candidate = candidate;
	low_water.touched = GetCurrentTimestamp();
}

/* See low_water.h. */
void
low_water_end(Relation queue, int64 first_ready, bool leased)
{
	LocalTransactionId transaction = current_transaction();
	bool		clean = low_water.leased_in != transaction;

	if (leased)
		low_water.leased_in = transaction;
	/* what this transaction has leased before is ready again if it fails */
	if (low_water.adopting && clean)
	{
		low_water.mark = first_ready == 0 ? low_water.candidate :
			Min(low_water.candidate, first_ready);
		low_water.candidate = 0;
	}
	low_water.adopting = false;
	if (low_water.scanning_all)
	{
		if (first_ready != 0)
			low_water.mark = Min(low_water.mark, first_ready);
		low_water.next_full_scan = next_full(low_water.scan_began, FULL_SCAN_US);
		low_water.scanning_all = false;
	}

	/* what this transaction has leased before would be missing from F */
	if (clean && low_water.candidate == 0 &&
		first_ready > low_water.mark + MIN_GAIN)
		take_candidate(queue, first_ready);
}

/* ---------------------------------------------------------------------------
 * Runs of executions
 * ---------------------------------------------------------------------------
 */

typedef struct RunMark
{
	int64		execution_id;
	int64		mark;			/* no queue row of its runs is below */
	TimestampTz next_full;		/* when all is read again, lest somebody meddled */
} RunMark;

#define RUN_MARKS			1024

static struct
{
	Oid			storage;		/* of the queue the marks are about */
	RunMark		marks[RUN_MARKS];
	RunMark	   *seen;			/* by this transaction */
	int			nseen;
	int			capacity;
}			run_marks;

/* Where the mark of an execution is kept. */
static RunMark *
run_mark_place(int64 execution_id)
{
	return &run_marks.marks[hash_bytes_uint32((uint32) execution_id ^
											  (uint32) (execution_id >> 32)) % RUN_MARKS];
}

/* What was seen through our own changes is true once they are committed. */
static void
run_marks_decided(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		for (int i = 0; i < run_marks.nseen; i++)
			*run_mark_place(run_marks.seen[i].execution_id) = run_marks.seen[i];
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		run_marks.nseen = 0;
}

/* A part of the changes is taken back: which marks came of it is not known. */
static void
run_marks_doubted(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		run_marks.nseen = 0;
}

/* See low_water.h. */
int64
run_mark_begin(Relation queue, int64 execution_id)
{
	RunMark    *place = run_mark_place(execution_id);

	if (run_marks.storage != storage_of(queue))
	{
		memset(run_marks.marks, 0, sizeof(run_marks.marks));
		run_marks.nseen = 0;
		run_marks.storage = storage_of(queue);
	}
	if (place->execution_id != execution_id || GetCurrentTimestamp() >= place->next_full)
		return PG_INT64_MIN;
	return place->mark;
}

/* See low_water.h. */
void
run_mark_end(int64 execution_id, int64 first)
{
	const RunMark *place = run_mark_place(execution_id);
	bool		known = place->execution_id == execution_id;
	TimestampTz now = GetCurrentTimestamp();
	RunMark    *seen;

	if (first == 0 || (known && first == place->mark && now < place->next_full))
		return;
	if (run_marks.nseen == run_marks.capacity)
	{
		if (run_marks.capacity == 0)
		{
			RegisterXactCallback(run_marks_decided, NULL);
			RegisterSubXactCallback(run_marks_doubted, NULL);
			run_marks.capacity = 64;
			run_marks.seen = MemoryContextAlloc(TopMemoryContext,
												run_marks.capacity * sizeof(RunMark));
		}
		else
			run_marks.nseen = 0;	/* enough is known of one transaction */
	}
	seen = &run_marks.seen[run_marks.nseen++];
	seen->execution_id = execution_id;
	seen->mark = first;
	seen->next_full = known && now < place->next_full ? place->next_full : now + FULL_SCAN_US;
}

/* ---------------------------------------------------------------------------
 * Times
 * ---------------------------------------------------------------------------
 */

/* See low_water.h. */
TimestampTz
time_mark_begin(TimeMark *mark)
{
	mark->scan_began = GetCurrentTimestamp();
	mark->full = mark->begin == 0 || mark->begin > mark->scan_began ||
		mark->scan_began >= mark->next_full;
	return mark->full ? DT_NOBEGIN : mark->begin;
}

/* See low_water.h. */
void
time_mark_end(TimeMark *mark, bool emptied)
{
	if (emptied)
		mark->begin = mark->scan_began - TIMER_SLACK_US;
	if (!mark->full)
		return;
	mark->next_full = 0;
	if (emptied && GetCurrentTimestamp() - mark->scan_began >= CHEAP_SCAN_US)
		mark->next_full = next_full(mark->scan_began, 0);
}
