/*
 * store/run_low_water.h
 *		Where the queue rows of an execution's runs can begin.
 */
#ifndef NOETL_STORE_RUN_LOW_WATER_H
#define NOETL_STORE_RUN_LOW_WATER_H

#include "utils/relcache.h"

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

#endif							/* NOETL_STORE_RUN_LOW_WATER_H */
