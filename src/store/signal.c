/*
 * store/signal.c
 *		Signals of an execution that no wait has taken, and ids of signals:
 *		noetl.signal.
 *
 * What a signal brings is in its event.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/table.h"

/* Fills in the row of a signal (store/compare.h). */
void
store_fill_signal(TupleTableSlot *slot, int64 execution_id, const SignalRow *row)
{
	slot_begin(slot);
	slot_set(slot, SIGNAL_EXECUTION_ID, Int64GetDatum(execution_id));
	slot_set(slot, SIGNAL_EVENT_ID, Int64GetDatum(row->event_id));
	slot_set_text(slot, SIGNAL_NAME, row->name);
	slot_set_text(slot, SIGNAL_ID, row->id);
	slot_set(slot, SIGNAL_TAKEN, BoolGetDatum(row->taken));
}

/* Inserts a signal. */
void
store_keep_signal(Store *store, int64 execution_id, const SignalRow *row)
{
	StoreTable *table = store_table(store, REL_SIGNAL);

	store_fill_signal(table->insert_slot, execution_id, row);
	store_write_insert(store, table);
}

/* Fetches a signal into the scan slot; raises when it is not there. */
static void
fetch_signal(Store *store, StoreTable *table, int64 execution_id, int64 event_id)
{
	ScanKeyData keys[2];

	CommandCounterIncrement();
	store_key_int64(&keys[0], 1, execution_id);
	store_key_int64(&keys[1], 2, event_id);
	if (!store_fetch_first(store, table, REL_SIGNAL_PKEY, SnapshotSelf, keys, 2,
						   ForwardScanDirection))
		store_row_missing(REL_SIGNAL, event_id);
}

/* Notes that a kept signal is taken; a row without an id is not needed any more. */
void
store_take_signal(Store *store, int64 execution_id, int64 event_id)
{
	StoreTable *table = store_table(store, REL_SIGNAL);
	TupleTableSlot *slot = table->insert_slot;

	fetch_signal(store, table, execution_id, event_id);
	if (slot_attisnull(table->scan_slot, SIGNAL_ID))
	{
		store_write_delete(store, table, table->scan_slot);
		return;
	}
	slot_begin_version(slot, table->scan_slot);
	slot_set(slot, SIGNAL_TAKEN, BoolGetDatum(true));
	ExecStoreVirtualTuple(slot);
	store_write_update(store, table, table->scan_slot, slot);
}

/* Deletes all signals of an execution, which is over. */
void
store_forget_signals(Store *store, int64 execution_id)
{
	StoreTable *table = store_table(store, REL_SIGNAL);
	ScanKeyData key;

	store_key_int64(&key, 1, execution_id);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		CommandCounterIncrement();
		if (!store_fetch_first(store, table, REL_SIGNAL_PKEY, SnapshotSelf, &key, 1,
							   ForwardScanDirection))
			return;
		store_write_delete(store, table, table->scan_slot);
	}
}

/* Finds the first kept signal of a name after an event; returns false when there is none. */
bool
store_next_signal(Store *store, int64 execution_id, const char *name, int64 after,
				  int64 *event_id)
{
	StoreTable *table = store_table(store, REL_SIGNAL);
	StoreScan	scan;
	ScanKeyData keys[3];
	bool		found;

	store_scan_open(&scan, store, table, REL_SIGNAL_KEPT_IDX, SnapshotSelf, 3,
					ForwardScanDirection);
	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], name);
	ScanKeyInit(&keys[2], 3, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	index_rescan(scan.scan, keys, 3, NULL, 0);
	found = store_scan_next(&scan);
	if (found)
		*event_id = DatumGetInt64(slot_column(scan.slot, SIGNAL_EVENT_ID));
	store_scan_close(&scan);
	return found;
}

/* Returns whether a signal with an id has come. */
bool
store_signal_known(Store *store, int64 execution_id, const char *id)
{
	StoreTable *table = store_table(store, REL_SIGNAL);
	StoreScan	scan;
	ScanKeyData keys[2];
	bool		found;

	store_scan_open(&scan, store, table, REL_SIGNAL_ID_IDX, SnapshotSelf, 2,
					ForwardScanDirection);
	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], id);
	index_rescan(scan.scan, keys, 2, NULL, 0);
	found = store_scan_next(&scan);
	store_scan_close(&scan);
	return found;
}
