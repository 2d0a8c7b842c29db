/*
 * store/fair_window.h
 *		All ready tasks with a fair_key of one type and priority, when they are few.
 *
 * Whose turn it is is found by a walk through queue_fair_idx, from key to key.  The walk
 * meets entries of tasks that were leased, and marks them as dead.  As long as an old
 * snapshot keeps them, it meets them again and again, and between one ready task and the
 * next there may be thousands.
 *
 * These tasks have another index, by id (queue_fair_id_idx).  A scan of that starts at the
 * low-water mark (store/low_water.h; tasks with a key are kinds of their own) and meets
 * nearly none of them.  So where a walk meets too many, the ready tasks are read by id, and
 * the next key is found among them in memory.  Where the tasks are too many for that, they
 * lie close together in the order of the keys, too.
 */
#ifndef NOETL_STORE_FAIR_WINDOW_H
#define NOETL_STORE_FAIR_WINDOW_H

#include "store/fair.h"

/* The tasks, in the caller's memory context. */
typedef struct FairWindow FairWindow;

/*
 * Reads all ready tasks of a type and a priority; the slot is of the queue.  Returns NULL
 * when they are too many.  *skipped is set when a recent lease was skipped.
 */
extern FairWindow *fair_window_read(const FairScan *scan, const char *type, int priority,
									TupleTableSlot *slot, bool *skipped);

/*
 * Says where the next task is looked for: by the key, compared as the strategy says, and
 * behind an id.
 */
extern void fair_window_seek(FairWindow *window, StrategyNumber strategy, const char *key,
							 int64 after);

/*
 * Fetches the task with the smallest key, and then id, into the slot.  Sets the key and the
 * id, and goes on behind them.  Returns false when there is none.
 */
extern bool fair_window_next(FairWindow *window, TupleTableSlot *slot, char *key, int64 *id);

#endif							/* NOETL_STORE_FAIR_WINDOW_H */
