/*
 * store/event.c
 *		Events: noetl.event.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/deferred.h"
#include "store/leaf.h"
#include "store/queue_row.h"
#include "store/storage.h"
#include "store/table.h"

/* Reads a row with its payloads, and parses them. */
void
store_read_event(TupleTableSlot *slot, Event *event)
{
	store_read_event_head(slot, event);
	event->context = slot_jsonb(slot, EVENT_COL_CONTEXT);
	event->result = slot_jsonb(slot, EVENT_COL_RESULT);
	event->meta = slot_jsonb(slot, EVENT_COL_META);
	event_parse(event);
}

/* Reads the small columns of a row.  Nothing is detoasted or parsed. */
void
store_read_event_head(TupleTableSlot *slot, Event *event)
{
	memset(event, 0, sizeof(Event));
	event->execution_id = DatumGetInt64(slot_column(slot, EVENT_COL_EXECUTION_ID));
	event->event_id = DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID));
	event->parent_event_id = DatumGetInt64(slot_column(slot, EVENT_COL_PARENT_EVENT_ID));
	event->parent_execution_id = DatumGetInt64(slot_column(slot, EVENT_COL_PARENT_EXECUTION_ID));
	event->catalog_id = DatumGetInt64(slot_column(slot, EVENT_COL_CATALOG_ID));
	event->created_at = DatumGetTimestampTz(slot_column(slot, EVENT_COL_CREATED_AT));
	event->event_type = slot_text(slot, EVENT_COL_EVENT_TYPE);
	event->node_id = slot_text(slot, EVENT_COL_NODE_ID);
	event->node_name = slot_text(slot, EVENT_COL_NODE_NAME);
	event->node_type = slot_text(slot, EVENT_COL_NODE_TYPE);
	event->status = slot_text(slot, EVENT_COL_STATUS);
	event->error = slot_text(slot, EVENT_COL_ERROR);
	event->has_index = !slot_attisnull(slot, EVENT_COL_CURRENT_INDEX);
	event->current_index = DatumGetInt32(slot_column(slot, EVENT_COL_CURRENT_INDEX));
	event->worker_id = slot_text(slot, EVENT_COL_WORKER_ID);
	if (event->event_type != NULL)
		event->type = event_type_of(event->event_type, event->status);
}

/*
 * Fills in the row of an event; the store may write it later, together with
 * others.
 */
void
store_insert_event(Store *store, const Event *event)
{
	StoreTable *table = store_event_table(store, event->execution_id);
	TupleTableSlot *slot = table->insert_slot;

	slot_begin(slot);
	slot_set_id(slot, EVENT_COL_EXECUTION_ID, event->execution_id);
	slot_set_id(slot, EVENT_COL_EVENT_ID, event->event_id);
	slot_set_id(slot, EVENT_COL_PARENT_EVENT_ID, event->parent_event_id);
	slot_set_id(slot, EVENT_COL_PARENT_EXECUTION_ID, event->parent_execution_id);
	slot_set_id(slot, EVENT_COL_CATALOG_ID, event->catalog_id);
	slot_set(slot, EVENT_COL_CREATED_AT, TimestampTzGetDatum(event->created_at));
	slot_set_text(slot, EVENT_COL_EVENT_TYPE, event->event_type);
	slot_set_text(slot, EVENT_COL_NODE_ID, event->node_id);
	slot_set_text(slot, EVENT_COL_NODE_NAME, event->node_name);
	slot_set_text(slot, EVENT_COL_NODE_TYPE, event->node_type);
	slot_set_text(slot, EVENT_COL_STATUS, event->status);
	slot_set_jsonb(slot, EVENT_COL_CONTEXT, event->context);
	slot_set_jsonb(slot, EVENT_COL_RESULT, event->result);
	slot_set_jsonb(slot, EVENT_COL_META, event->meta);
	slot_set_text(slot, EVENT_COL_ERROR, event->error);
	if (event->has_index)
		slot_set(slot, EVENT_COL_CURRENT_INDEX, Int32GetDatum(event->current_index));
	slot_set_jsonb(slot, EVENT_COL_CURRENT_ITEM, event->current_item);
	slot_set_text(slot, EVENT_COL_WORKER_ID, event->worker_id);
	deferred_add_event(store, table);
}

/*
 * The last events that this session has stored, by a hash of their execution's id.  What a
 * transaction has stored that is rolled back is forgotten.
 */
#define STORED_EVENTS	64

typedef struct StoredEvent
{
	Oid			storage;		/* of the table; InvalidOid: nothing is known */
	int64		execution_id;
	int64		event_id;
	TimestampTz created_at;
	ItemPointerData tid;
} StoredEvent;

static StoredEvent stored_events[STORED_EVENTS];

/* Returns the entry for an execution. */
static StoredEvent *
stored_event(int64 execution_id)
{
	return &stored_events[hash_bytes_uint32((uint32) execution_id ^
											(uint32) (execution_id >> 32)) % STORED_EVENTS];
}

/* Transaction callback: forgets what may be rolled back. */
static void
forget_stored(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		memset(stored_events, 0, sizeof(stored_events));
}

/* Subtransaction callback: the same. */
static void
forget_stored_in_sub(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		memset(stored_events, 0, sizeof(stored_events));
}

/* Notes the event in a slot, which has been stored (store/deferred.h). */
void
event_note_stored(StoreTable *table, TupleTableSlot *slot)
{
	static bool registered = false;
	int64		execution_id = DatumGetInt64(slot_column(slot, EVENT_COL_EXECUTION_ID));
	StoredEvent *stored = stored_event(execution_id);

	if (!registered)
	{
		RegisterXactCallback(forget_stored, NULL);
		RegisterSubXactCallback(forget_stored_in_sub, NULL);
		registered = true;
	}
	stored->storage = relation_storage(table->relation);
	stored->execution_id = execution_id;
	stored->event_id = DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID));
	stored->created_at = DatumGetTimestampTz(slot_column(slot, EVENT_COL_CREATED_AT));
	stored->tid = slot->tts_tid;
}

/*
 * Finds when the event was created that an entry of the primary key leads to, if this
 * session has stored it.
 */
static bool
event_recall(const StoreTable *table, int64 execution_id, LeafEntry *entry,
			 TimestampTz *created_at)
{
	StoredEvent *stored = stored_event(execution_id);

	if (stored->storage != relation_storage(table->relation) ||
		stored->execution_id != execution_id || stored->event_id != entry->id ||
		!ItemPointerEquals(&stored->tid, &entry->tid))
		return false;
	*created_at = stored->created_at;
	return true;
}

/* Fetches the event that an entry of the primary key leads to; false: it is not visible. */
static bool
fetch_by_entry(StoreTable *table, int64 execution_id, const LeafEntry *entry, Snapshot snapshot)
{
	return store_fetch_entry(table, entry->tid, snapshot) &&
		DatumGetInt64(slot_column(table->scan_slot, EVENT_COL_EXECUTION_ID)) == execution_id &&
		DatumGetInt64(slot_column(table->scan_slot, EVENT_COL_EVENT_ID)) == entry->id;
}

/* Reads the last entry of an execution, if it is known where it is. */
static bool
last_entry(Store *store, int64 execution_id, LeafEntry *entry)
{
	deferred_write(store, REL_EVENT);
	return leaf_read_last(store_open_index(store, REL_EVENT_PKEY), execution_id, entry);
}

/* Fetches the event with the largest id from "since" on, backwards. */
static bool
scan_last_event(Store *store, StoreTable *table, int64 execution_id, int64 since,
				Snapshot snapshot)
{
	ScanKeyData keys[2];
	StoreScan	scan;
	bool		found;

	store_key_int64(&keys[0], 1, execution_id);
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(since));
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, snapshot, since > 0 ? 2 : 1,
					BackwardScanDirection);
	index_rescan(scan.scan, keys, since > 0 ? 2 : 1, NULL, 0);
	found = store_scan_next(&scan);
	if (found)
	{
		leaf_note(scan.scan, execution_id);
		ExecMaterializeSlot(scan.slot);
	}
	store_scan_close(&scan);
	return found;
}

/*
 * Fetches the newest event that a snapshot sees; returns false when there is none.
 * entry: the last one of the execution, or NULL when it is not known.
 * An index scan reads all entries of a page that match its keys.  A key on an
 * event that is known to exist leaves few of them.
 */
static bool
fetch_last_event(Store *store, int64 execution_id, int64 since, const LeafEntry *entry,
				 Snapshot snapshot)
{
	StoreTable *table = store_event_table(store, execution_id);

	return (entry != NULL && fetch_by_entry(table, execution_id, entry, snapshot)) ||
		(since > 0 && scan_last_event(store, table, execution_id, since, snapshot)) ||
		scan_last_event(store, table, execution_id, 0, snapshot);
}

/* Finds the newest event of an execution (store/store.h). */
bool
store_last_event(Store *store, int64 execution_id, int64 since, int64 *event_id,
				 TimestampTz *created_at, bool *own)
{
	StoreTable *table = store_event_table(store, execution_id);
	TupleTableSlot *slot = table->scan_slot;
	LeafEntry	entry;
	bool		known = last_entry(store, execution_id, &entry);
	HeapTuple	tuple;
	bool		free_tuple;

	*own = false;
	if (known && !IsolationUsesXactSnapshot() &&
		event_recall(table, execution_id, &entry, created_at))
	{
		*event_id = entry.id;
		return true;
	}
	if (!fetch_last_event(store, execution_id, since, known ? &entry : NULL, SnapshotSelf))
		return false;
	*event_id = DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID));
	*created_at = DatumGetTimestampTz(slot_column(slot, EVENT_COL_CREATED_AT));
	tuple = ExecFetchSlotHeapTuple(slot, false, &free_tuple);
	*own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	if (free_tuple)
		heap_freetuple(tuple);
	return true;
}

/* Returns the newest event that the transaction's snapshot sees, or 0. */
int64
store_last_event_in_snapshot(Store *store, int64 execution_id)
{
	if (!fetch_last_event(store, execution_id, 0, NULL, GetTransactionSnapshot()))
		return 0;
	return DatumGetInt64(slot_column(store_table(store, REL_EVENT)->scan_slot,
								EVENT_COL_EVENT_ID));
}

/* Fetches an event; returns false when it is not stored. */
static bool
fetch_event(Store *store, int64 execution_id, int64 event_id)
{
	ScanKeyData keys[2];

	store_key_int64(&keys[0], 1, execution_id);
	store_key_int64(&keys[1], 2, event_id);
	return store_fetch_first(store, store_event_table(store, execution_id), REL_EVENT_PKEY,
							 SnapshotSelf, keys, 2, ForwardScanDirection);
}

/* Returns whether an event is stored. */
bool
store_event_exists(Store *store, int64 execution_id, int64 event_id)
{
	return fetch_event(store, execution_id, event_id);
}

/* Reads an event; returns false when it is not stored. */
bool
store_get_event(Store *store, int64 execution_id, int64 event_id, Event *event)
{
	if (!fetch_event(store, execution_id, event_id))
		return false;
	store_read_event(store_table(store, REL_EVENT)->scan_slot, event);
	return true;
}

/* Reads an event without its large columns; returns false when it is not stored. */
bool
store_get_event_head(Store *store, int64 execution_id, int64 event_id, Event *event)
{
	if (!fetch_event(store, execution_id, event_id))
		return false;
	store_read_event_head(store_table(store, REL_EVENT)->scan_slot, event);
	return true;
}

/*
 * Reads the execution_start of an execution, scanning its events by id until it
 * comes.
 */
bool
store_start_event(Store *store, int64 execution_id, Event *event)
{
	LogScan		log;
	bool		found = false;

	log_scan_open(&log, store, execution_id, ForwardScanDirection);
	while (!found && log_scan_next(&log, event))
		found = event->type == EVENT_EXECUTION_START;
	if (found)
	{
		store_read_event(log.scan.slot, event);
		event->current_item = slot_jsonb(log.scan.slot, EVENT_COL_CURRENT_ITEM);
	}
	log_scan_close(&log);
	return found;
}

/* Reads the newest execution_rescheduled of an execution; false: there is none. */
bool
store_last_rescheduled(Store *store, int64 execution_id, Event *event)
{
	LogScan		log;
	bool		found = false;

	log_scan_open(&log, store, execution_id, BackwardScanDirection);
	while (!found && log_scan_next(&log, event) && event->type != EVENT_EXECUTION_START)
		found = event->type == EVENT_EXECUTION_RESCHEDULED;
	if (found)
		store_read_event(log.scan.slot, event);
	log_scan_close(&log);
	return found;
}

/*
 * Begins a new version of a stored event, and returns its slot.  Raises an error
 * when the event is missing.
 */
TupleTableSlot *
store_begin_event_version(Store *store, int64 execution_id, int64 event_id)
{
	StoreTable *table;

	deferred_write(store, REL_EVENT);
	CommandCounterIncrement();
	if (!fetch_event(store, execution_id, event_id))
		store_row_missing(REL_EVENT, event_id);
	table = store_table(store, REL_EVENT);
	slot_begin_version(table->insert_slot, table->scan_slot);
	return table->insert_slot;
}

/* Writes the new version of an event. */
void
store_write_event_version(Store *store)
{
	StoreTable *table = store_table(store, REL_EVENT);

	ExecStoreVirtualTuple(table->insert_slot);
	store_write_update(store, table, table->scan_slot, table->insert_slot);
}

/* Merges members into the meta of a stored event. */
void
store_annotate_event(Store *store, int64 execution_id, int64 event_id,
					 const Jsonb *meta)
{
	TupleTableSlot *new = store_begin_event_version(store, execution_id, event_id);
	Jsonb	   *old = slot_jsonb(store_table(store, REL_EVENT)->scan_slot, EVENT_COL_META);
	Datum		merged = PointerGetDatum(meta);

	if (old != NULL && JB_ROOT_IS_OBJECT(old))
		merged = DirectFunctionCall2(jsonb_concat, PointerGetDatum(old), merged);
	slot_set(new, EVENT_COL_META, merged);
	store_write_event_version(store);
}

/* Writes the node of a run, and its parent event, into a stored event. */
void
store_locate_event(Store *store, int64 execution_id, int64 event_id,
				   const Step *step, const Run *run)
{
	TupleTableSlot *new = store_begin_event_version(store, execution_id, event_id);

	slot_set_text(new, EVENT_COL_NODE_ID,
				  node_id_make(execution_id, step->name, run->visit, run->item));
	slot_set_text(new, EVENT_COL_NODE_TYPE, step->type);
	if (new->tts_isnull[EVENT_COL_PARENT_EVENT_ID - 1])
		slot_set_id(new, EVENT_COL_PARENT_EVENT_ID, run->started_event_id);
	store_write_event_version(store);
}

/*
 * Reads as much of a result-bearing event of a step as tells whether it sets the
 * step's value, and returns whether it does.
 */
static bool
read_value_event(TupleTableSlot *slot, int64 execution_id, const char *step_name, Event *event)
{
	memset(event, 0, sizeof(Event));
	event->type = event_type_of(slot_text(slot, EVENT_COL_EVENT_TYPE), NULL);
	if (!event_type_carries_value(event->type))
		return false;
	event->execution_id = execution_id;
	if (slot_attisnull(slot, EVENT_COL_CATALOG_ID))
		return false;			/* it has not been decided on (store/undecided.c) */
	event->event_id = DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID));
	event->created_at = DatumGetTimestampTz(slot_column(slot, EVENT_COL_CREATED_AT));
	event->node_name = step_name;
	event->node_id = slot_text(slot, EVENT_COL_NODE_ID);
	event->meta = slot_jsonb(slot, EVENT_COL_META);
	event_parse(event);
	return event_sets_value(event);
}

/* Reads the value that an event sets. */
static void
read_value(TupleTableSlot *slot, const Event *event, StepValue *value)
{
	value->found = true;
	value->visit = Max(event->visit, 1);
	value->event_id = event->event_id;
	value->parent_event_id = DatumGetInt64(slot_column(slot, EVENT_COL_PARENT_EVENT_ID));
	json_from_jsonb(slot_jsonb(slot, EVENT_COL_RESULT), &value->envelope);
}

/*
 * Returns when the visit began whose value an event sets: at its step_started, to
 * which parents lead.  A visit without one began when it ended, or was carried.  What
 * ended before that is of an earlier visit, or of what had the step's name before.
 * DT_NOBEGIN: the parents that a client gave do not tell.
 */
static TimestampTz
visit_begun_at(Store *store, const Event *value)
{
	int64		event_id = value->event_id;
	bool		ends_step = false;
	Event		event;

	while (event_id != 0 && store_get_event(store, value->execution_id, event_id, &event))
	{
		CHECK_FOR_INTERRUPTS();
		if (event.node_name == NULL || strcmp(event.node_name, value->node_name) != 0 ||
			event.visit != value->visit)
			return ends_step ? value->created_at : DT_NOBEGIN;
		if (event.type == EVENT_STEP_STARTED)
			return event.created_at;
		ends_step = event_id == value->event_id &&
			(event.type == EVENT_STEP_COMPLETED || event.type == EVENT_STEP_SKIPPED ||
			 event.type == EVENT_STEP_FAILED || event.type == EVENT_STEP_CARRIED);
		event_id = event.parent_event_id;
	}
	return DT_NOBEGIN;
}

/*
 * Reads the newest value of a step or of one of its visits, scanning its
 * result-bearing events backwards.  The visit with the highest number is found
 * when what comes before it began.
 */
void
store_step_value(Store *store, int64 execution_id, const ValueQuery *query,
				 StepValue *value)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData keys[3];
	int			nkeys = query->until == DT_NOEND ? 2 : 3;
	TimestampTz begun_at = DT_NOEND;

	memset(value, 0, sizeof(StepValue));
	store_scan_open(&scan, store, table, REL_EVENT_RESULT_IDX, SnapshotSelf, nkeys,
			  BackwardScanDirection);
	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], query->step_name);
	ScanKeyInit(&keys[2], 3, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(query->until));
	index_rescan(scan.scan, keys, nkeys, NULL, 0);
	while (store_scan_next(&scan))
	{
		Event		event;

		if (!read_value_event(scan.slot, execution_id, query->step_name, &event) ||
			(query->decided &&
			 store_is_pending(store, execution_id, event.created_at, event.event_id)))
			continue;
		if (value->found && event.created_at < begun_at)
			break;
		if ((query->visit != 0 && query->visit != Max(event.visit, 1)) ||
			(value->found && Max(event.visit, 1) <= value->visit))
			continue;
		read_value(scan.slot, &event, value);
		if (query->visit != 0 || !query->highest)
			break;
		begun_at = visit_begun_at(store, &event);
	}
	store_scan_close(&scan);
}

/*
 * Returns the maps of steps of migrations (store/store.h).  A migration that renames steps
 * has a result, so it is among the result-bearing events, under the path of the playbook.
 */
List *
store_step_maps(Store *store, int64 execution_id, const char *path, int64 since,
				TimestampTz until)
{
	StoreScan	scan;
	ScanKeyData keys[4];
	List	   *maps = NIL;

	store_scan_open(&scan, store, store_event_table(store, execution_id),
					REL_EVENT_RESULT_IDX, SnapshotSelf, 4, ForwardScanDirection);
	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], path);
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(id_time(since)));
	ScanKeyInit(&keys[3], 3, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(until));
	index_rescan(scan.scan, keys, 4, NULL, 0);
	while (store_scan_next(&scan))
	{
		Event		event;
		JsonbValue	context;
		JsonbValue *map = palloc(sizeof(JsonbValue));

		store_read_event_head(scan.slot, &event);
		if (event.type != EVENT_EXECUTION_MIGRATED || event.event_id <= since)
			continue;
		store_read_event(scan.slot, &event);
		if (event.ignored || event.context == NULL)
			continue;
		json_from_jsonb(event.context, &context);
		if (json_get(&context, "step_map", map))
			maps = lappend(maps, map);
	}
	store_scan_close(&scan);
	return maps;
}
