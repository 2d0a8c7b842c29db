/*
 * store/low_water.h
 *		The low-water mark of ready tasks: a queue_id below which no ready row of
 *		the queue exists or can appear.
 *
 * A lease takes the ready row with the smallest queue_id.  Below that row the
 * index of ready rows holds entries of rows that were ready once.  As long as
 * an old snapshot keeps those entries from being removed, a scan that starts at
 * the beginning reads all of them again.  A scan that starts at the low-water
 * mark reads none of them.
 *
 * Ready rows lie in the index by type, then priority, then queue_id.  A type
 * and a priority together are a kind of tasks; each kind has its own mark.
 *
 * How a mark is raised
 *
 * Ids come from a sequence.  A transaction that takes an id holds
 * RowExclusiveLock on the queue from before it takes the id until it ends.  A
 * row that becomes ready again takes a new id (store/queue_row.c).  A backend
 * raises the mark in four steps:
 *
 *	1. A scan from the old mark sees F, the first ready row: the candidate.
 *	2. After that scan the backend notes H, all transactions that hold
 *	   RowExclusiveLock on the queue: the lock holders.
 *	3. The backend goes on with other work until every transaction of H has
 *	   ended.
 *	4. A second scan from the old mark, with a snapshot taken after step 3, sees
 *	   its own first ready row.  The new mark is the smaller one of F and that
 *	   row.
 *
 * No ready row appears below the new mark.  A transaction that takes an id
 * after step 2 takes one above F.  A transaction that took an id below F either
 * is in H or had ended before step 2.  Both have ended when step 4 takes its
 * snapshot, so the second scan sees the rows that they left.  The same holds
 * for a transaction that took away a ready row below F and rolled back, because
 * it held the same lock.  A transaction does not see the rows that it took away
 * itself.  So a scan neither gives a candidate nor raises a mark when its own
 * transaction has changed or removed rows of the queue before (LowWaterScan.clean).
 *
 * Late transactions
 *
 * A transaction of H may stay open for minutes.  One that still holds the lock
 * after a tenth of a second is late.  It is watched: shared memory notes the
 * transaction and its base, the mark at that time.  The mark is raised without
 * waiting for a watched transaction.  When a watched transaction has ended, a
 * rescan becomes necessary: one scan, with a snapshot taken after that end,
 * starts at the base.  If that scan sees a ready row below the mark, the mark
 * is lowered to that row.
 *
 * Shared marks
 *
 * A mark that one backend has found is true for all backends, so marks are kept
 * in shared memory.  When no shared memory is left, each backend keeps its own
 * marks, waits for every transaction of H and watches none.
 *
 * A user may make a row below the mark ready by hand.  To find such rows the
 * whole index is read at intervals (store/full_scan.h).
 */
#ifndef NOETL_STORE_LOW_WATER_H
#define NOETL_STORE_LOW_WATER_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

/* One scan of the ready rows, of any number of kinds. */
typedef struct LowWaterScan
{
	Relation	queue;
	uint64		number;			/* counts the scans of this backend */
	bool		clean;			/* its transaction has hidden no rows before */
	bool		again;			/* rows may be missing: a closer scan sees them */
	uint64		rescans;		/* how many were necessary when it began */
} LowWaterScan;

/* One below and one above all priorities. */
#define NO_PRIORITY			((int64) PG_INT32_MIN - 1)
#define NO_PRIORITY_ABOVE	((int64) PG_INT32_MAX + 1)
/* Tasks with a fair_key are kinds of their own, which count as of this priority. */
#define FAIR_KIND(priority)	((int64) (priority) - (INT64CONST(1) << 40))

/*
 * Returns the highest priority below "below" of which this backend has lately
 * seen index entries of the type, or NO_PRIORITY.  The index may hold entries
 * of priorities in between, so the caller has to probe that gap.
 */
extern int64 low_water_priority(const char *type, int64 below);

/*
 * Returns the first type after "after" (or that type itself, if "included") of which this
 * backend has lately seen index entries, in the order of a collation; NULL: there is none.
 * The index may hold entries of types in between, so the caller has to probe that gap.
 */
extern const char *low_water_next_type(const char *after, bool included, Oid collation);

/*
 * Begins a scan.  Must be called before the scan takes its snapshot.  closely:
 * watched transactions are checked now, even if they were checked a moment ago.
 */
extern void low_water_open(LowWaterScan *scan, Relation queue, bool closely);

/*
 * Returns the queue_id at which the scan of a kind starts; PG_INT64_MIN when it
 * reads all entries of the kind.  Sets scan->again when rows of a watched
 * transaction may be missing.
 */
extern int64 low_water_begin(LowWaterScan *scan, const char *type, int64 priority);

/*
 * Ends the scan of a kind.  first_ready: the smallest ready queue_id that the
 * scan has seen, 0 when it has read the kind to its end and seen none.  Raises
 * or lowers the mark, or notes a candidate.
 */
extern void low_water_end(LowWaterScan *scan, const char *type, int64 priority,
						  int64 first_ready);

/* Ends a scan.  leased: the caller's transaction has leased rows that it saw. */
extern void low_water_close(LowWaterScan *scan, bool leased);

/*
 * Notes that this transaction takes an id for a row of the queue.  The caller
 * holds RowExclusiveLock on the queue and keeps it until the transaction ends.
 */
extern void low_water_added(void);

/* Notes that this transaction changes or removes rows that may be ready. */
extern void low_water_hidden(void);

#endif							/* NOETL_STORE_LOW_WATER_H */
