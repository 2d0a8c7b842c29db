/*
 * store/scan.c
 *		Index scans of a store's tables.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/deferred.h"
#include "store/leaf.h"
#include "store/table.h"

/* Sets a key: equality on a bigint column of an index. */
void
store_key_int64(ScanKey key, AttrNumber attribute, int64 value)
{
	ScanKeyInit(key, attribute, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(value));
}

/* Sets a key: equality on a text column of an index, in the index's collation. */
void
store_key_text(ScanKey key, AttrNumber attribute, Oid collation, const char *value)
{
	ScanKeyEntryInitialize(key, 0, attribute, BTEqualStrategyNumber, InvalidOid,
						   collation, F_TEXTEQ, CStringGetTextDatum(value));
}

/* Begins a scan of an index, whose keys index_rescan() sets. */
IndexScanDesc
index_scan_begin(Relation table, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(table, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(table, index, snapshot, nkeys, 0);
#endif
}

/* Opens a scan.  Events that are kept back are written before noetl.event is read. */
void
store_scan_open(StoreScan *scan, Store *store, StoreTable *table, StoreRelation index,
		  Snapshot snapshot, int nkeys, ScanDirection direction)
{
	if (index == REL_EVENT_PKEY || index == REL_EVENT_RESULT_IDX)
		deferred_write(store, REL_EVENT);
	scan->index = store_open_index(store, index);
	scan->scan = index_scan_begin(table->relation, scan->index, snapshot, nkeys);
	scan->direction = direction;
	scan->slot = table->scan_slot;
}

/* Fetches the next row into the scan slot; returns false when there is none. */
bool
store_scan_next(StoreScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(scan->scan, scan->direction, scan->slot);
}

/* Closes a scan; the slot keeps its row until the next scan of the table. */
void
store_scan_close(StoreScan *scan)
{
	index_endscan(scan->scan);
}

/* Fetches the first row that an index finds; returns false when there is none. */
bool
store_fetch_first(Store *store, StoreTable *table, StoreRelation index,
			Snapshot snapshot, ScanKey keys, int nkeys, ScanDirection direction)
{
	StoreScan	scan;
	bool		found;

	store_scan_open(&scan, store, table, index, snapshot, nkeys, direction);
	index_rescan(scan.scan, keys, nkeys, NULL, 0);
	found = store_scan_next(&scan);
	if (found)
		ExecMaterializeSlot(scan.slot);
	store_scan_close(&scan);
	return found;
}

/* Fetches the version that an entry of an index leads to (store/table.h). */
bool
store_fetch_entry(StoreTable *table, ItemPointerData tid, Snapshot snapshot)
{
	IndexFetchTableData *fetch = table_index_fetch_begin(table->relation);
	bool		call_again = false;
	bool		all_dead;
	bool		found = table_index_fetch_tuple(fetch, &tid, snapshot, table->scan_slot,
												&call_again, &all_dead);

	table_index_fetch_end(fetch);
	return found;
}

/* Fetches the row with a bigint primary key; returns false when there is none. */
bool
store_fetch_by_id(Store *store, StoreTable *table, StoreRelation index, int64 id)
{
	ScanKeyData key;

	store_key_int64(&key, 1, id);
	return store_fetch_first(store, table, index, SnapshotSelf, &key, 1, ForwardScanDirection);
}
