/*
 * store/message.c
 *		Messages for whoever waits for a name and a key: noetl.message; and the
 *		waits that are found by them.
 *
 * Messages belong to no execution.  Senders and waits that open take turns by the
 * lock of the name and the key (engine/message.c), so the rows are read with a
 * fresh MVCC snapshot.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/table.h"

/* ---------------------------------------------------------------------------
 * Waits
 * ---------------------------------------------------------------------------
 */

/* Returns a snapshot of all that is committed, and of what this transaction has done. */
static Snapshot
fresh_snapshot(void)
{
	CommandCounterIncrement();
	return RegisterSnapshot(GetLatestSnapshot());
}

/* Adds the executions of waits with a key: those for one signal, or for several. */
static List *
add_waiting(Store *store, List *executions, const char *key, const char *name)
{
	StoreTable *table = store_table(store, REL_RUN);
	Snapshot	snapshot = fresh_snapshot();
	StoreScan	scan;
	ScanKeyData keys[2];

	store_scan_open(&scan, store, table, REL_RUN_SIGNAL_IDX, snapshot, 2,
					ForwardScanDirection);
	store_key_text(&keys[0], 1, scan.index->rd_indcollation[0], key);
	if (name != NULL)
		store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], name);
	else
		ScanKeyEntryInitialize(&keys[1], SK_ISNULL | SK_SEARCHNULL, 2, InvalidStrategy,
							   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	index_rescan(scan.scan, keys, 2, NULL, 0);
	while (store_scan_next(&scan))
	{
		int64	   *id = palloc(sizeof(int64));

		*id = DatumGetInt64(slot_column(scan.slot, RUN_EXECUTION_ID));
		executions = lappend(executions, id);
	}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	return executions;
}

/* For list_sort: by id. */
static int
compare_ids(const ListCell *a, const ListCell *b)
{
	int64		left = *(int64 *) lfirst(a);
	int64		right = *(int64 *) lfirst(b);

	return left < right ? -1 : left > right;
}

/* Returns the executions that may wait for a signal (store/store.h). */
List *
store_waiting_executions(Store *store, const char *name, const char *key)
{
	List	   *executions = add_waiting(store, NIL, key, name);

	executions = add_waiting(store, executions, key, NULL);
	list_sort(executions, compare_ids);
	return executions;
}

/* ---------------------------------------------------------------------------
 * Messages
 * ---------------------------------------------------------------------------
 */

/* Inserts a message. */
void
store_insert_message(Store *store, const Message *message)
{
	StoreTable *table = store_table(store, REL_MESSAGE);
	TupleTableSlot *slot = table->insert_slot;

	slot_begin(slot);
	slot_set(slot, MESSAGE_ID, Int64GetDatum(message->message_id));
	slot_set_text(slot, MESSAGE_NAME, message->name);
	slot_set_text(slot, MESSAGE_KEY, message->key);
	slot_set_jsonb(slot, MESSAGE_DATA, message->data);
	slot_set_text(slot, MESSAGE_SENDERS_ID, message->id);
	slot_set(slot, MESSAGE_SENT_BY, ObjectIdGetDatum(message->sent_by));
	slot_set(slot, MESSAGE_SENT_AT, TimestampTzGetDatum(message->sent_at));
	slot_set(slot, MESSAGE_EXPIRES_AT, TimestampTzGetDatum(message->expires_at));
	slot_set(slot, MESSAGE_TAKEN, BoolGetDatum(message->taken));
	store_write_insert(store, table);
}

/* Reads a message; the texts are copied. */
static void
read_message(TupleTableSlot *slot, Message *message)
{
	message->message_id = DatumGetInt64(slot_column(slot, MESSAGE_ID));
	message->name = slot_text(slot, MESSAGE_NAME);
	message->key = slot_text(slot, MESSAGE_KEY);
	message->data = slot_jsonb(slot, MESSAGE_DATA);
	message->id = slot_text(slot, MESSAGE_SENDERS_ID);
	message->sent_by = DatumGetObjectId(slot_column(slot, MESSAGE_SENT_BY));
	message->sent_at = DatumGetTimestampTz(slot_column(slot, MESSAGE_SENT_AT));
	message->expires_at = DatumGetTimestampTz(slot_column(slot, MESSAGE_EXPIRES_AT));
	message->taken = DatumGetBool(slot_column(slot, MESSAGE_TAKEN));
	message->place = slot->tts_tid;
}

/* Returns the roles that have sent kept messages: one probe for each. */
List *
store_message_senders(Store *store, const char *name, const char *key)
{
	StoreTable *table = store_table(store, REL_MESSAGE);
	Snapshot	snapshot = fresh_snapshot();
	List	   *senders = NIL;
	Oid			last = InvalidOid;
	StoreScan	scan;
	ScanKeyData keys[3];

	store_scan_open(&scan, store, table, REL_MESSAGE_KEPT_IDX, snapshot, 3,
					ForwardScanDirection);
	store_key_text(&keys[0], 1, scan.index->rd_indcollation[0], key);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], name);
	for (;;)
	{
		ScanKeyInit(&keys[2], 3, BTGreaterStrategyNumber, F_OIDGT, ObjectIdGetDatum(last));
		index_rescan(scan.scan, keys, 3, NULL, 0);
		if (!store_scan_next(&scan))
			break;
		last = DatumGetObjectId(slot_column(scan.slot, MESSAGE_SENT_BY));
		senders = lappend_oid(senders, last);
	}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	return senders;
}

/* Finds the first kept message of a role after another one (store/store.h). */
bool
store_next_message(Store *store, const char *name, const char *key, Oid sent_by, int64 after,
				   Message *message)
{
	StoreTable *table = store_table(store, REL_MESSAGE);
	Snapshot	snapshot = fresh_snapshot();
	TimestampTz now = GetCurrentTimestamp();
	bool		found = false;
	StoreScan	scan;
	ScanKeyData keys[4];

	store_scan_open(&scan, store, table, REL_MESSAGE_KEPT_IDX, snapshot, 4,
					ForwardScanDirection);
	store_key_text(&keys[0], 1, scan.index->rd_indcollation[0], key);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], name);
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(sent_by));
	ScanKeyInit(&keys[3], 4, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	index_rescan(scan.scan, keys, 4, NULL, 0);
	while (!found && store_scan_next(&scan))
		if (DatumGetTimestampTz(slot_column(scan.slot, MESSAGE_EXPIRES_AT)) > now)
		{
			read_message(scan.slot, message);
			found = true;
		}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Locks a message that was found; returns false when another wait has taken it. */
bool
store_lock_message(Store *store, Message *message)
{
	StoreTable *table = store_table(store, REL_MESSAGE);
	Snapshot	snapshot = fresh_snapshot();
	ItemPointerData place = message->place;
	bool		locked = store_lock_row(table, &place, snapshot, false, NULL);

	UnregisterSnapshot(snapshot);
	return locked && !DatumGetBool(slot_column(table->scan_slot, MESSAGE_TAKEN));
}

/* Takes the message that store_lock_message() has locked just now. */
void
store_take_message(Store *store)
{
	StoreTable *table = store_table(store, REL_MESSAGE);
	TupleTableSlot *slot = table->insert_slot;

	if (slot_attisnull(table->scan_slot, MESSAGE_SENDERS_ID))
	{
		store_write_delete(store, table, table->scan_slot);
		return;
	}
	slot_begin_version(slot, table->scan_slot);
	slot_set(slot, MESSAGE_TAKEN, BoolGetDatum(true));
	ExecStoreVirtualTuple(slot);
	store_write_update(store, table, table->scan_slot, slot);
}

/* Returns whether a role has sent a message with this id (store/store.h). */
bool
store_message_known(Store *store, const char *name, const char *key, Oid sent_by,
					const char *id)
{
	StoreTable *table = store_table(store, REL_MESSAGE);
	Snapshot	snapshot = fresh_snapshot();
	bool		found;
	StoreScan	scan;
	ScanKeyData keys[4];

	store_scan_open(&scan, store, table, REL_MESSAGE_ID_IDX, snapshot, 4,
					ForwardScanDirection);
	store_key_text(&keys[0], 1, scan.index->rd_indcollation[0], key);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], name);
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(sent_by));
	store_key_text(&keys[3], 4, scan.index->rd_indcollation[3], id);
	index_rescan(scan.scan, keys, 4, NULL, 0);
	found = store_scan_next(&scan);
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Deletes messages that nobody needs any more, at most "limit" (store/store.h). */
void
store_sweep_messages(Store *store, int limit)
{
	StoreTable *table = store_table(store, REL_MESSAGE);
	Snapshot	snapshot = fresh_snapshot();
	StoreScan	scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(GetCurrentTimestamp()));
	store_scan_open(&scan, store, table, REL_MESSAGE_EXPIRES_IDX, snapshot, 1,
					ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (limit-- > 0 && store_scan_next(&scan))
	{
		ItemPointerData place = scan.slot->tts_tid;

		if (store_lock_row(table, &place, snapshot, true, NULL))
			store_write_delete(store, table, table->scan_slot);
	}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
}
