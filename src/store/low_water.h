/*
 * store/low_water.h
 *		Where ready rows of the queue can begin.
 *
 * A lease looks for the smallest queue_id that is ready.  Below it the index
 * holds what was ready once; as long as somebody's old snapshot keeps those
 * entries from being removed, every lease would read them all again.  So a
 * backend remembers a mark below which no ready row exists or can appear.
 *
 * How it knows.  Ids come from a sequence, and whoever takes one holds
 * RowExclusiveLock on the queue from before that until it ends.  Let F be the
 * first ready row that a scan saw, and H all who held that lock after the
 * scan.  Whoever has taken an id below F without being visible yet is in H.
 * Once all of H have ended, a second scan sees whatever they left; the mark is
 * the smaller of F and what that scan finds first.  Rows that become ready
 * again take new ids (store_queue.c), so nothing appears below the mark later.
 *
 * Someone may be in H for minutes.  Who is late is watched: the mark is raised
 * nevertheless, and once he has ended a scan that begins after that looks again
 * from where the mark was; should it find something, the mark comes down to it.
 *
 * Ready rows lie in the index by type, then priority, then id; each type and
 * priority has a mark of its own.  What one backend finds is true for all, and
 * shared with them.  In case a row was made ready below it by
 * hand, everything is scanned again now and then.
 */
#ifndef NOETL_STORE_LOW_WATER_H
#define NOETL_STORE_LOW_WATER_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

/* One look at the ready rows, of any number of types and priorities. */
typedef struct LowWaterScan
{
	Relation	queue;
	uint64		number;
	bool		clean;			/* its transaction has hidden no rows before */
	bool		again;			/* whoever finds nothing looks again, closely */
	uint64		rescans;		/* that were necessary when it began */
} LowWaterScan;

/* Below and above all priorities. */
#define NO_PRIORITY			((int64) PG_INT32_MIN - 1)
#define NO_PRIORITY_ABOVE	((int64) PG_INT32_MAX + 1)

/*
 * The highest priority below another that the index lately had entries of, so
 * that nobody has to wade to it; NO_PRIORITY: the index has to be asked.
 */
extern int64 low_water_priority(const char *type, int64 below);

/*
 * Before a scan takes its snapshot.  closely: whether somebody late has ended is
 * asked at once, and not only now and then.
 */
extern void low_water_open(LowWaterScan *scan, Relation queue, bool closely);
/* The queue_id to begin at. */
extern int64 low_water_begin(LowWaterScan *scan, const char *type, int priority);
/* first_ready: the smallest ready id that was seen from there on, 0: none is. */
extern void low_water_end(LowWaterScan *scan, const char *type, int priority,
						  int64 first_ready);
/* leased: this transaction now holds rows that it no longer sees as ready. */
extern void low_water_close(LowWaterScan *scan, bool leased);
/* This transaction has added rows, and holds the lock until it ends. */
extern void low_water_added(void);
/* This transaction has changed or removed rows that may be ready otherwise. */
extern void low_water_hidden(void);

#endif							/* NOETL_STORE_LOW_WATER_H */
