/*
 * store/queue_row.h
 *		Rows of noetl.queue, for the files of this room: scans, reading, locking,
 *		and filling new versions.
 */
#ifndef NOETL_STORE_QUEUE_ROW_H
#define NOETL_STORE_QUEUE_ROW_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"

#include "store/table.h"

/* A scan of the queue with a snapshot of its own. */
typedef struct QueueScan
{
	StoreTable *table;
	Relation	index;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;		/* the table's scan slot */
} QueueScan;

/*
 * Opens a scan that sees everything that is committed, and all changes of this
 * transaction.  Writes the tasks that are kept back.
 */
extern void queue_scan_open(QueueScan *scan, Store *store, StoreRelation index,
							ScanKey keys, int nkeys);
/* Fetches the next row in the order of the index; returns false at the end. */
extern bool queue_scan_next(QueueScan *scan);
extern void queue_scan_close(QueueScan *scan);

/* Reads the columns that the callers of queue functions need. */
extern void queue_read_row(TupleTableSlot *slot, QueueRow *row);
/*
 * Returns a live row as a run, with its action if it is of step with_action;
 * NULL when the playbook has no such step or the row's status is not of a run.
 */
extern Run *queue_read_run(TupleTableSlot *slot, int64 execution_id, const Playbook *playbook,
						   const char *with_action);
/* Returns whether a row's status is of a run. */
extern bool queue_is_live(TupleTableSlot *slot);
/*
 * Returns the live tasks of an execution's steps (Run *), under its lock, or some of them.
 * *more: there are others.
 */
extern List *queue_load_runs(Store *store, int64 execution_id, const Playbook *playbook,
							 const RunQuery *query, bool *more);
/* Returns the timeout of a row in microseconds; 0: none. */
extern int64 queue_read_timeout(TupleTableSlot *slot);
/*
 * Returns how long a row may wait for its first lease, in microseconds; 0: without
 * limit, or it has been leased before.
 */
extern int64 queue_read_wait(TupleTableSlot *slot);
/* Returns a copy of where a row is, by which it is found again. */
extern ItemPointer queue_copy_tid(TupleTableSlot *slot);

/* Where the row of a run was read: the handle of a run with a task. */
typedef struct TaskPlace
{
	ItemPointerData tid;
	uint64		written;		/* how many versions this session had written then */
} TaskPlace;

/* Returns where a row is, for the run that it is of. */
extern TaskPlace *queue_note_place(TupleTableSlot *slot);

/*
 * Returns whether this session has written no version of any row since a place was noted,
 * so that the row can have newer versions of others only.
 */
extern bool queue_place_is_current(const TaskPlace *place);

/* Returns where the newest version is that this transaction sees of the row at a place. */
extern ItemPointerData queue_newest_place(StoreTable *table, const TaskPlace *place);

/*
 * Finds a row and locks its newest version, which is in the scan slot then;
 * returns false when it is gone.
 */
extern bool queue_lock_row(Store *store, int64 queue_id);

/*
 * The same without waiting: returns false also when somebody else has locked the row, or
 * has written it just now.
 */
extern bool queue_try_row(Store *store, int64 queue_id);

/*
 * Does the same with a row that was read at a place in this statement, whatever its
 * queue_id is now.
 */
extern bool queue_lock_place(Store *store, ItemPointerData place);

/*
 * Returns where the task in a slot stands among others: the smaller the earlier.  By its
 * priority; when tasks age, noetl.priority_age of waiting is worth a step of priority.
 */
extern int64 queue_place(TupleTableSlot *slot, int priority);

/* Begins a new version of the row in the scan slot, and returns the insert slot. */
extern TupleTableSlot *queue_new_version(StoreTable *table);
/* Writes the new version over the row in the scan slot. */
extern void queue_write_version(Store *store, StoreTable *table);

/*
 * Makes the new version ready, with a new queue_id behind all ready rows; blocked if it
 * has limits, of which it then has to get slots.
 */
extern void queue_make_ready(TupleTableSlot *new);
/*
 * Makes the new version leased, by the current role; a lease ends with its attempt's
 * deadline (0: none).
 */
extern void queue_set_lease(TupleTableSlot *new, const char *worker_id, int attempts,
							TimestampTz lease_until, TimestampTz deadline,
							TimestampTz now);
/* The same, by the role that the row names already. */
extern void queue_extend_lease(TupleTableSlot *new, const char *worker_id, int attempts,
							   TimestampTz lease_until, TimestampTz deadline,
							   TimestampTz now);
/* Sets a time; 0 is stored as NULL. */
extern void queue_set_time(TupleTableSlot *new, QueueColumn column, TimestampTz when);

#endif							/* NOETL_STORE_QUEUE_ROW_H */
