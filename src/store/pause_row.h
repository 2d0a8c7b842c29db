/*
 * store/pause_row.h
 *		Rows of noetl.queue that are paused, for the files of this room.
 */
#ifndef NOETL_STORE_PAUSE_ROW_H
#define NOETL_STORE_PAUSE_ROW_H

#include "store/queue_row.h"

/* Returns whether nothing is paused, as far as this backend knows. */
extern bool pause_none(void);

/* Makes the new version of a row paused because of a pause. */
extern void pause_row(TupleTableSlot *new, int64 pause_id);

/*
 * Does so if the task, which is filled in as ready, is to be paused; returns whether
 * it is.
 */
extern bool pause_row_if(Store *store, TupleTableSlot *new);

/* Makes the new version of a paused row ready, behind all ready rows. */
extern void resume_row(TupleTableSlot *new);

/* Pauses at most "limit" ready rows of a scan; returns how many. */
extern int	pause_rows(Store *store, QueueScan *scan, int64 pause_id, int limit);

/* Forgets a pause that is over if no task of it can be left. */
extern void pause_forget_end(int64 pause_id);

#endif							/* NOETL_STORE_PAUSE_ROW_H */
