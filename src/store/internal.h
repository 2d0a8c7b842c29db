/*
 * store/internal.h
 *		Open tables and indexes, and scans of tables that only holders of the
 *		execution lock change, for the files of the store.
 */
#ifndef NOETL_STORE_INTERNAL_H
#define NOETL_STORE_INTERNAL_H

#include "access/relscan.h"
#include "access/skey.h"

#include "store/store.h"

typedef struct StoreScan
{
	Relation	index;
	IndexScanDesc scan;
	ScanDirection direction;
	TupleTableSlot *slot;
} StoreScan;

/* Equality on a bigint column of an index. */
extern void store_key_int64(ScanKey key, AttrNumber attribute, int64 value);
/* Equality on a text column of an index, in the index's own collation. */
extern void store_key_text(ScanKey key, AttrNumber attribute, Oid collation,
						   const char *value);
/* Starts an index scan; keys may still be filled in with the open index. */
extern void store_scan_open(StoreScan *scan, Store *store, StoreTable *table,
							StoreRelation index, Snapshot snapshot, int nkeys,
							ScanDirection direction);
/* The next row, in the table's scan slot. */
extern bool store_scan_next(StoreScan *scan);
/* Ends a scan; the slot keeps its row until the next one. */
extern void store_scan_close(StoreScan *scan);
/* The first row that an index finds, in the scan slot; false: there is none. */
extern bool store_fetch_first(Store *store, StoreTable *table, StoreRelation index,
							  Snapshot snapshot, ScanKey keys, int nkeys,
							  ScanDirection direction);
/* The event partition of an execution, when the caller did not name it. */
extern StoreTable *store_event_table(Store *store, int64 execution_id);
/* Tasks that are not written yet; memory NULL: all are, at once. */
typedef struct Deferred
{
	MemoryContext memory;
	List	   *tasks;
} Deferred;

extern Deferred *store_deferred(Store *store);
/* Writes the tasks, or the events, that have been kept back. */
extern void queue_write_deferred(Store *store);
extern void store_write_events(Store *store);
/* Stores the event in the insert slot: later, together with others, if it can. */
extern void store_defer_event(Store *store, StoreTable *table);
/* An index for scans; it stays open as long as the store. */
extern Relation store_open_index(Store *store, StoreRelation which);

/*
 * Locks the newest version of a queue row and leaves it in the scan slot.
 * False when the row is gone, or (skip) when somebody else holds it.
 */
extern bool store_lock_row(StoreTable *table, ItemPointer tid, Snapshot snapshot,
						   bool skip, bool *held);

#endif							/* NOETL_STORE_INTERNAL_H */
