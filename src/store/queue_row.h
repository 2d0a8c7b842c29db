/*
 * store/queue_row.h
 *		Scans of the queue and new versions of its rows, for store_queue.c and
 *		store_lease.c.
 */
#ifndef NOETL_STORE_QUEUE_ROW_H
#define NOETL_STORE_QUEUE_ROW_H

#include "access/relscan.h"
#include "access/skey.h"

#include "store/store.h"

/* A scan of the queue under a snapshot of its own. */
typedef struct QueueScan
{
	StoreTable *table;
	Relation	index;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;
} QueueScan;

/* Starts a scan; everything committed up to now, and all of our own, is seen. */
extern void queue_scan_open(QueueScan *scan, Store *store, StoreRelation index,
							ScanKey keys, int nkeys);
/* The next row in index order. */
extern bool queue_scan_next(QueueScan *scan);
extern void queue_scan_close(QueueScan *scan);

/* Starts a new version of the row in the scan slot. */
extern TupleTableSlot *queue_new_version(StoreTable *table);
/* Writes the new version over the row in the scan slot. */
extern void queue_write_version(Store *store, StoreTable *table);
/* Sets the columns of a lease; it ends with the attempt it is for. */
extern void queue_set_lease(TupleTableSlot *new, const char *worker_id, int attempts,
							TimestampTz lease_until, TimestampTz deadline,
							TimestampTz now);
/* The timeout of a row in microseconds; 0: none. */
extern int64 queue_read_timeout(TupleTableSlot *slot);
/* Where a row is, for later changes. */
extern ItemPointer queue_copy_tid(TupleTableSlot *slot);
/* Keeps the row in the insert slot back; false: it is to be written now. */
extern bool queue_defer(Store *store, StoreTable *table);
/* A row that was kept back shall not be written; false: it has been. */
extern bool queue_forget(Store *store, int64 queue_id);

#endif							/* NOETL_STORE_QUEUE_ROW_H */
