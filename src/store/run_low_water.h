/*
 * store/run_low_water.h
 *		The low-water mark of an execution's runs: a queue_id below which the
 *		execution has no row in the queue.
 *
 * The index that the runs of an execution are loaded by holds entries of its
 * finished tasks below the mark.  Rows of an execution are added and removed
 * under the execution's lock, and a row that becomes ready again takes a new
 * id.  So a transaction that loads all of them under that lock knows the smallest
 * id.  No row appears below it later, unless that transaction removes rows and
 * rolls back.  Therefore a mark is used only after the transaction that found it
 * has committed.  Each backend keeps its own marks.
 */
#ifndef NOETL_STORE_RUN_LOW_WATER_H
#define NOETL_STORE_RUN_LOW_WATER_H

#include "utils/relcache.h"

/*
 * Returns the queue_id at which a scan of an execution's runs starts;
 * PG_INT64_MIN when no mark is known or a full scan is due.
 */
extern int64 run_low_water_begin(Relation queue, int64 execution_id);

/*
 * Ends a scan that has read all runs under the execution's lock.  first: the
 * smallest queue_id that it has seen, 0 for none.
 */
extern void run_low_water_end(int64 execution_id, int64 first);

/*
 * Notes that this transaction has deleted a row of an execution, under the execution's
 * lock.  If it was the smallest one, the next scan need not read its entry.
 */
extern void run_low_water_closed(int64 execution_id, int64 queue_id);

#endif							/* NOETL_STORE_RUN_LOW_WATER_H */
