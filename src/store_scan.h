/*
 * store_scan.h
 *		Index scans, as store.c and store_replay.c use them.
 */
#ifndef NOETL_STORE_SCAN_H
#define NOETL_STORE_SCAN_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "store.h"

typedef struct StoreScan
{
	Relation	index;
	IndexScanDesc scan;
	ScanDirection direction;
	TupleTableSlot *slot;
} StoreScan;

/* Equality on a bigint column of an index. */
static inline void
key_int64(ScanKey key, AttrNumber attribute, int64 value)
{
	ScanKeyInit(key, attribute, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(value));
}

/* Equality on a text column of an index, in the index's own collation. */
static inline void
key_text(ScanKey key, AttrNumber attribute, Oid collation, const char *value)
{
	ScanKeyEntryInitialize(key, 0, attribute, BTEqualStrategyNumber, InvalidOid,
						   collation, F_TEXTEQ, CStringGetTextDatum(value));
}

/* Starts an index scan; keys may still be filled in with the open index. */
static inline void
scan_open(StoreScan *scan, Store *store, StoreTable *table, StoreRelation index,
		  Snapshot snapshot, int nkeys, ScanDirection direction)
{
	scan->index = index_open(store_index(index), AccessShareLock);
#if PG_VERSION_NUM >= 180000
	scan->scan = index_beginscan(table->relation, scan->index, snapshot, NULL, nkeys, 0);
#else
	scan->scan = index_beginscan(table->relation, scan->index, snapshot, nkeys, 0);
#endif
	scan->direction = direction;
	scan->slot = table->scan_slot;
}

/* The next row, in the table's scan slot. */
static inline bool
scan_next(StoreScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(scan->scan, scan->direction, scan->slot);
}

/* Ends a scan; the slot keeps its row until the next one. */
static inline void
scan_close(StoreScan *scan)
{
	index_endscan(scan->scan);
	index_close(scan->index, AccessShareLock);
}

#endif							/* NOETL_STORE_SCAN_H */
