/*
 * store/pending.c
 *		Events that wait for their decision: noetl.pending.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/place.h"
#include "store/table.h"

/* Columns of noetl.pending */
enum
{
	PENDING_EXECUTION_ID = 1, PENDING_CREATED_AT, PENDING_EVENT_ID
};

/* Inserts a pending event. */
void
store_insert_pending(Store *store, const Event *event)
{
	StoreTable *table = store_table(store, REL_PENDING);
	TupleTableSlot *slot = table->insert_slot;

	slot_begin(slot);
	slot_set(slot, PENDING_EXECUTION_ID, Int64GetDatum(event->execution_id));
	slot_set(slot, PENDING_CREATED_AT, TimestampTzGetDatum(event->created_at));
	slot_set(slot, PENDING_EVENT_ID, Int64GetDatum(event->event_id));
	store_write_insert(store, table);
}

/* Returns whether an event is pending. */
bool
store_is_pending(Store *store, int64 execution_id, TimestampTz created_at, int64 event_id)
{
	StoreTable *table = store_table(store, REL_PENDING);
	StoreScan	scan;
	ScanKeyData keys[3];
	bool		found;

	store_key_int64(&keys[0], 1, execution_id);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
				TimestampTzGetDatum(created_at));
	store_key_int64(&keys[2], 3, event_id);
	store_scan_open(&scan, store, table, REL_PENDING_PKEY, SnapshotSelf, 3, ForwardScanDirection);
	index_rescan(scan.scan, keys, 3, NULL, 0);
	found = store_scan_next(&scan);
	store_scan_close(&scan);
	return found;
}

/* Fetches the oldest row of an execution; returns false when there is none. */
static bool
fetch_pending(Store *store, int64 execution_id)
{
	return !place_few_pages(REL_PENDING, 0) &&
		store_fetch_by_id(store, store_table(store, REL_PENDING), REL_PENDING_PKEY, execution_id);
}

/* Deletes the oldest pending event of an execution (store/store.h). */
bool
store_take_pending(Store *store, int64 execution_id, int64 *event_id, TimestampTz *created_at)
{
	StoreTable *table = store_table(store, REL_PENDING);

	CommandCounterIncrement();
	if (!fetch_pending(store, execution_id))
		return false;
	*event_id = DatumGetInt64(slot_column(table->scan_slot, PENDING_EVENT_ID));
	*created_at = DatumGetTimestampTz(slot_column(table->scan_slot, PENDING_CREATED_AT));
	store_write_delete(store, table, table->scan_slot);
	return true;
}

/* Finds the next execution after *execution_id that has pending events. */
bool
store_next_pending(Store *store, int64 *execution_id)
{
	StoreTable *table = store_table(store, REL_PENDING);
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(*execution_id));
	if (!store_fetch_first(store, table, REL_PENDING_PKEY, SnapshotSelf, &key, 1,
					 ForwardScanDirection))
		return false;
	*execution_id = DatumGetInt64(slot_column(table->scan_slot, PENDING_EXECUTION_ID));
	return true;
}

/*
 * Returns whether an execution has pending events.  The table is nearly always
 * empty, which its size tells without an index scan.
 */
bool
store_any_pending(Store *store, int64 execution_id)
{
	return fetch_pending(store, execution_id);
}

/* Returns the pending event that ends the execution, or 0. */
int64
store_pending_end(Store *store, int64 execution_id)
{
	StoreTable *table;
	StoreScan	scan;
	ScanKeyData key;
	int64		found = 0;

	if (!store_any_pending(store, execution_id))
		return 0;
	table = store_table(store, REL_PENDING);
	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_PENDING_PKEY, SnapshotSelf, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (found == 0 && store_scan_next(&scan))
	{
		int64		event_id = DatumGetInt64(slot_column(scan.slot, PENDING_EVENT_ID));
		Event		event;

		if (store_get_event_head(store, execution_id, event_id, &event) &&
			event_type_is_terminal(event.type))
			found = event_id;
	}
	store_scan_close(&scan);
	return found;
}
