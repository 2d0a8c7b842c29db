/*
 * low_water.h
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
 * Ready rows lie in the index by type, then priority, then id; each type and
 * priority has a mark of its own.  What one backend finds is true for all, and
 * shared with them.  In case a row was made ready below it by
 * hand, everything is scanned again now and then.
 */
#ifndef NOETL_LOW_WATER_H
#define NOETL_LOW_WATER_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

/* One look at the ready rows, of any number of types and priorities. */
typedef struct LowWaterScan
{
	Relation	queue;
	uint64		number;
	bool		clean;			/* its transaction has hidden no rows before */
} LowWaterScan;

/* Below and above all priorities. */
#define NO_PRIORITY			((int64) PG_INT32_MIN - 1)
#define NO_PRIORITY_ABOVE	((int64) PG_INT32_MAX + 1)

/*
 * The highest priority below another that the index lately had entries of, so
 * that nobody has to wade to it; NO_PRIORITY: the index has to be asked.
 */
extern int64 low_water_priority(const char *type, int64 below);

/* Before a scan takes its snapshot. */
extern void low_water_open(LowWaterScan *scan, Relation queue);
/* The queue_id to begin at. */
extern int64 low_water_begin(LowWaterScan *scan, const char *type, int priority);
/* first_ready: the smallest ready id that was seen from there on, 0: none is. */
extern void low_water_end(LowWaterScan *scan, const char *type, int priority,
						  int64 first_ready);
/* leased: this transaction now holds rows that it no longer sees as ready. */
extern void low_water_close(LowWaterScan *scan, bool leased);
/* This transaction has changed or removed rows that may be ready otherwise. */
extern void low_water_hidden(void);

/*
 * Where the runs of an execution can begin in the index that they are loaded by:
 * its finished tasks lie below.  Rows are added, and go, under the execution's
 * lock, and a row that becomes ready again takes a new id, so whoever loads them
 * all under that lock knows the smallest; nothing appears below it later, unless
 * the transaction fails, so it is believed from the commit on.
 */
extern int64 run_mark_begin(Relation queue, int64 execution_id);
/* first: the smallest id that was seen, 0 when there was none. */
extern void run_mark_end(int64 execution_id, int64 first);

/*
 * The same for an index on a time, of which everything up to now is read again
 * and again.  Times lie in the future when they are written, so what has been
 * read to its end a moment ago stays empty.  Everything is read whenever that is
 * cheap, and otherwise as often as is affordable: for stragglers, and for times
 * that somebody has changed by hand.
 */
typedef struct TimeMark
{
	TimestampTz begin;			/* 0: the beginning */
	TimestampTz next_full;		/* 0: at once */
	TimestampTz scan_began;
	bool		full;
} TimeMark;

extern TimestampTz time_mark_begin(TimeMark *mark);
/* emptied: the scan found nothing that is still there. */
extern void time_mark_end(TimeMark *mark, bool emptied);

#endif							/* NOETL_LOW_WATER_H */
