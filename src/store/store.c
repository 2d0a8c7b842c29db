/*
 * store/store.c
 *		Every read and write of a table of the extension (the queue's are in
 *		store_queue.c; how tables are opened and written, in store_table.c).
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/id.h"
#include "store/store.h"
#include "store/internal.h"
#include "store/slot.h"

/* Columns of noetl.pending */
enum
{
	PENDING_EXECUTION_ID = 1, PENDING_CREATED_AT, PENDING_EVENT_ID
};

/* ---------------------------------------------------------------------------
 * Scans
 * ---------------------------------------------------------------------------
 */

/* Equality on a bigint column of an index. */
void
store_key_int64(ScanKey key, AttrNumber attribute, int64 value)
{
	ScanKeyInit(key, attribute, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(value));
}

/* Equality on a text column of an index, in the index's own collation. */
void
store_key_text(ScanKey key, AttrNumber attribute, Oid collation, const char *value)
{
	ScanKeyEntryInitialize(key, 0, attribute, BTEqualStrategyNumber, InvalidOid,
						   collation, F_TEXTEQ, CStringGetTextDatum(value));
}

/* Starts an index scan; keys may still be filled in with the open index. */
void
store_scan_open(StoreScan *scan, Store *store, StoreTable *table, StoreRelation index,
		  Snapshot snapshot, int nkeys, ScanDirection direction)
{
	if (index == REL_EVENT_PKEY || index == REL_EVENT_RESULT_IDX)
		store_write_events(store);
	scan->index = store_open_index(store, index);
#if PG_VERSION_NUM >= 180000
	scan->scan = index_beginscan(table->relation, scan->index, snapshot, NULL, nkeys, 0);
#else
	scan->scan = index_beginscan(table->relation, scan->index, snapshot, nkeys, 0);
#endif
	scan->direction = direction;
	scan->slot = table->scan_slot;
}

/* The next row, in the table's scan slot. */
bool
store_scan_next(StoreScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(scan->scan, scan->direction, scan->slot);
}

/* Ends a scan; the slot keeps its row until the next one. */
void
store_scan_close(StoreScan *scan)
{
	index_endscan(scan->scan);
}

/* The first row that an index finds, in the scan slot; false: there is none. */
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

/* Finds the single row with a bigint primary key. */
static bool
fetch_by_id(Store *store, StoreTable *table, StoreRelation index, int64 id)
{
	ScanKeyData key;

	store_key_int64(&key, 1, id);
	return store_fetch_first(store, table, index, SnapshotSelf, &key, 1, ForwardScanDirection);
}

/* ---------------------------------------------------------------------------
 * execution, workload
 * ---------------------------------------------------------------------------
 */

/*
 * Executions that were read lately.  A row version never changes; whether it is
 * still the newest is seen where it lies, without going through the index.
 */
#define KNOWN_EXECUTIONS	64

typedef struct KnownExecution
{
	Oid			relid;
	TransactionId xmin;
	ItemPointerData place;
	Execution	execution;
} KnownExecution;

static KnownExecution known_executions[KNOWN_EXECUTIONS];

/* Where an execution is remembered. */
static KnownExecution *
known_execution(int64 execution_id)
{
	return &known_executions[hash_bytes_uint32((uint32) execution_id ^
											   (uint32) (execution_id >> 32)) % KNOWN_EXECUTIONS];
}

/* Who wrote the row in a slot. */
static TransactionId
slot_xmin(TupleTableSlot *slot)
{
	bool		free_tuple;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &free_tuple);
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);

	if (free_tuple)
		heap_freetuple(tuple);
	return xmin;
}

/* Is it remembered, and is that version still the newest? */
static bool
recall_execution(StoreTable *table, int64 execution_id, Execution *execution)
{
	KnownExecution *known = known_execution(execution_id);
	ItemPointerData tid = known->place;

	if (known->relid != table->relid || known->execution.execution_id != execution_id ||
		!table_tuple_fetch_row_version(table->relation, &tid, SnapshotSelf, table->scan_slot) ||
		DatumGetInt64(slot_column(table->scan_slot, EXECUTION_ID)) != execution_id ||
		slot_xmin(table->scan_slot) != known->xmin)
		return false;
	*execution = known->execution;
	execution->path = pstrdup(known->execution.path);
	return true;
}

/* Remembers the version in the scan slot. */
static void
remember_execution(StoreTable *table, const Execution *execution)
{
	KnownExecution *known = known_execution(execution->execution_id);
	char	   *path = MemoryContextStrdup(TopMemoryContext, execution->path);

	if (OidIsValid(known->relid))
		pfree(unconstify(char *, known->execution.path));
	known->relid = table->relid;
	known->xmin = slot_xmin(table->scan_slot);
	known->place = table->scan_slot->tts_tid;
	known->execution = *execution;
	known->execution.path = path;
}

/* See store.h. */
bool
store_get_execution(Store *store, int64 execution_id, Execution *execution)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *slot = table->scan_slot;
	char	   *status;

	if (recall_execution(table, execution_id, execution))
		return true;
	if (!fetch_by_id(store, table, REL_EXECUTION_PKEY, execution_id))
		return false;
	execution->execution_id = execution_id;
	execution->catalog_id = DatumGetInt64(slot_column(slot, EXECUTION_CATALOG_ID));
	execution->parent_execution_id = DatumGetInt64(slot_column(slot, EXECUTION_PARENT_ID));
	execution->parent_event_id = DatumGetInt64(slot_column(slot, EXECUTION_PARENT_EVENT_ID));
	execution->path = slot_text(slot, EXECUTION_PATH);
	execution->version = DatumGetInt32(slot_column(slot, EXECUTION_VERSION));
	status = slot_text(slot, EXECUTION_STATUS);
	execution->running = strcmp(status, "RUNNING") == 0;
	execution->depth = DatumGetInt32(slot_column(slot, EXECUTION_DEPTH));
	execution->item = slot_attisnull(slot, EXECUTION_CURRENT_INDEX) ? -1 :
		DatumGetInt32(slot_column(slot, EXECUTION_CURRENT_INDEX));
	execution->started_by = DatumGetObjectId(slot_column(slot, EXECUTION_STARTED_BY));
	execution->started_at = DatumGetTimestampTz(slot_column(slot, EXECUTION_STARTED_AT));
	execution->deadline = DatumGetTimestampTz(slot_column(slot, EXECUTION_DEADLINE));
	remember_execution(table, execution);
	return true;
}

/* See store_internal.h. */
void
store_fill_execution(TupleTableSlot *slot, const Execution *execution,
					 TimestampTz started_at)
{
	slot_begin(slot);
	slot_set_id(slot, EXECUTION_ID, execution->execution_id);
	slot_set_id(slot, EXECUTION_CATALOG_ID, execution->catalog_id);
	slot_set_id(slot, EXECUTION_PARENT_ID, execution->parent_execution_id);
	slot_set_id(slot, EXECUTION_PARENT_EVENT_ID, execution->parent_event_id);
	slot_set_text(slot, EXECUTION_PATH, execution->path);
	slot_set(slot, EXECUTION_VERSION, Int32GetDatum(execution->version));
	slot_set_text(slot, EXECUTION_STATUS, "RUNNING");
	slot_set(slot, EXECUTION_STARTED_AT, TimestampTzGetDatum(started_at));
	slot_set(slot, EXECUTION_DEPTH, Int32GetDatum(execution->depth));
	if (execution->item >= 0)
		slot_set(slot, EXECUTION_CURRENT_INDEX, Int32GetDatum(execution->item));
	slot_set(slot, EXECUTION_STARTED_BY, ObjectIdGetDatum(execution->started_by));
	if (execution->deadline != 0)
		slot_set(slot, EXECUTION_DEADLINE, TimestampTzGetDatum(execution->deadline));
}

/* See store.h. */
void
store_insert_execution(Store *store, const Execution *execution,
					   TimestampTz started_at)
{
	StoreTable *table = store_table(store, REL_EXECUTION);

	store_fill_execution(table->insert_slot, execution, started_at);
	store_write_insert(store, table);
}

/* See store_internal.h. */
void
store_fill_end(TupleTableSlot *slot, const char *status, const char *error,
			   const Jsonb *result, TimestampTz ended_at)
{
	slot_set_text(slot, EXECUTION_STATUS, status);
	slot_set_text(slot, EXECUTION_ERROR, error);
	slot_set_jsonb(slot, EXECUTION_RESULT, result);
	slot_set(slot, EXECUTION_ENDED_AT, TimestampTzGetDatum(ended_at));
	slot_set_null(slot, EXECUTION_DEADLINE);
}

/* See store.h. */
bool
store_get_end(Store *store, int64 execution_id, Execution *execution,
			  const char **status, Jsonb **result, const char **error)
{
	TupleTableSlot *slot = store_table(store, REL_EXECUTION)->scan_slot;

	if (!store_get_execution(store, execution_id, execution) || execution->running)
		return false;
	*status = slot_text(slot, EXECUTION_STATUS);
	*result = slot_jsonb(slot, EXECUTION_RESULT);
	*error = slot_text(slot, EXECUTION_ERROR);
	return true;
}

/* See store.h. */
void
store_finish_execution(Store *store, int64 execution_id, const char *status,
					   const char *error, const Jsonb *result,
					   TimestampTz ended_at)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *new;

	CommandCounterIncrement();
	if (!fetch_by_id(store, table, REL_EXECUTION_PKEY, execution_id))
		elog(ERROR, "execution " INT64_FORMAT " has vanished", execution_id);
	new = table->insert_slot;
	slot_begin_version(new, table->scan_slot);
	store_fill_end(new, status, error, result, ended_at);
	ExecStoreVirtualTuple(new);
	store_write_update(store, table, table->scan_slot, new);
}

/* See store.h. */
bool
store_get_workload(Store *store, int64 execution_id, JsonbValue *workload)
{
	StoreTable *table = store_table(store, REL_WORKLOAD);

	if (!fetch_by_id(store, table, REL_WORKLOAD_PKEY, execution_id))
		return false;
	json_from_jsonb(slot_jsonb(table->scan_slot, WORKLOAD_DATA), workload);
	return true;
}

/* See store_internal.h. */
void
store_fill_workload(TupleTableSlot *slot, int64 execution_id, TimestampTz created_at,
					const Jsonb *data)
{
	slot_begin(slot);
	slot_set_id(slot, WORKLOAD_EXECUTION_ID, execution_id);
	slot_set(slot, WORKLOAD_CREATED_AT, TimestampTzGetDatum(created_at));
	slot_set_jsonb(slot, WORKLOAD_DATA, data);
}

/* See store.h. */
void
store_insert_workload(Store *store, int64 execution_id, TimestampTz created_at,
					  Jsonb *data)
{
	StoreTable *table = store_table(store, REL_WORKLOAD);

	store_fill_workload(table->insert_slot, execution_id, created_at, data);
	store_write_insert(store, table);
}

/* ---------------------------------------------------------------------------
 * event
 * ---------------------------------------------------------------------------
 */

/* See store.h. */
void
store_read_event(TupleTableSlot *slot, Event *event)
{
	store_read_event_head(slot, event);
	event->context = slot_jsonb(slot, EVENT_COL_CONTEXT);
	event->result = slot_jsonb(slot, EVENT_COL_RESULT);
	event->meta = slot_jsonb(slot, EVENT_COL_META);
	event_parse(event);
}

/* See store.h. */
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

/* See store.h. */
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
	store_defer_event(store, table);
}

/*
 * The newest event under a snapshot, in the scan slot.  An index scan reads all
 * of a page that its keys allow: from a known event on, that is little.
 */
static bool
fetch_last_event(Store *store, int64 execution_id, int64 since, Snapshot snapshot)
{
	StoreTable *table = store_event_table(store, execution_id);
	ScanKeyData keys[2];

	store_key_int64(&keys[0], 1, execution_id);
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(since));
	return (since > 0 && store_fetch_first(store, table, REL_EVENT_PKEY, snapshot, keys, 2,
										   BackwardScanDirection)) ||
		store_fetch_first(store, table, REL_EVENT_PKEY, snapshot, keys, 1,
						  BackwardScanDirection);
}

/* See store.h. */
bool
store_last_event(Store *store, int64 execution_id, int64 since, int64 *event_id,
				 TimestampTz *created_at, bool *own)
{
	TupleTableSlot *slot;
	bool		isnull;
	HeapTuple	tuple;
	bool		free_tuple;

	if (!fetch_last_event(store, execution_id, since, SnapshotSelf))
		return false;
	slot = store_table(store, REL_EVENT)->scan_slot;
	*event_id = DatumGetInt64(slot_getattr(slot, EVENT_COL_EVENT_ID, &isnull));
	*created_at = DatumGetTimestampTz(slot_getattr(slot, EVENT_COL_CREATED_AT, &isnull));
	tuple = ExecFetchSlotHeapTuple(slot, false, &free_tuple);
	*own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	if (free_tuple)
		heap_freetuple(tuple);
	return true;
}

/* See store.h. */
int64
store_last_event_in_snapshot(Store *store, int64 execution_id)
{
	if (!fetch_last_event(store, execution_id, 0, GetTransactionSnapshot()))
		return 0;
	return DatumGetInt64(slot_column(store_table(store, REL_EVENT)->scan_slot,
								EVENT_COL_EVENT_ID));
}

/* A row by execution_id and a second bigint, in the scan slot. */
static bool
store_fetch_by_pair(Store *store, StoreTable *table, StoreRelation index,
			  int64 execution_id, int64 event_id)
{
	ScanKeyData keys[2];

	store_key_int64(&keys[0], 1, execution_id);
	store_key_int64(&keys[1], 2, event_id);
	return store_fetch_first(store, table, index, SnapshotSelf, keys, 2, ForwardScanDirection);
}

/* One event by its key, in the scan slot. */
static bool
fetch_event(Store *store, int64 execution_id, int64 event_id)
{
	return store_fetch_by_pair(store, store_event_table(store, execution_id), REL_EVENT_PKEY,
						 execution_id, event_id);
}

/* See store.h. */
bool
store_event_exists(Store *store, int64 execution_id, int64 event_id)
{
	return fetch_event(store, execution_id, event_id);
}

/* See store.h. */
bool
store_get_event(Store *store, int64 execution_id, int64 event_id, Event *event)
{
	if (!fetch_event(store, execution_id, event_id))
		return false;
	store_read_event(store_table(store, REL_EVENT)->scan_slot, event);
	return true;
}

/* See store.h. */
bool
store_start_event(Store *store, int64 execution_id, Event *event)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData key;
	bool		found = false;

	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 1,
					ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (!found && store_scan_next(&scan))
	{
		store_read_event_head(scan.slot, event);
		found = event->type == EVENT_EXECUTION_START;
	}
	if (found)
	{
		store_read_event(scan.slot, event);
		event->current_item = slot_jsonb(scan.slot, EVENT_COL_CURRENT_ITEM);
	}
	store_scan_close(&scan);
	return found;
}

/* Begins a new version of a stored event; the old one is in the scan slot. */
static TupleTableSlot *
begin_event_version(Store *store, int64 execution_id, int64 event_id)
{
	StoreTable *table;

	store_write_events(store);
	CommandCounterIncrement();
	if (!fetch_event(store, execution_id, event_id))
		elog(ERROR, "event " INT64_FORMAT " has vanished", event_id);
	table = store_table(store, REL_EVENT);
	slot_begin_version(table->insert_slot, table->scan_slot);
	return table->insert_slot;
}

/* Writes the new version. */
static void
write_event_version(Store *store)
{
	StoreTable *table = store_table(store, REL_EVENT);

	ExecStoreVirtualTuple(table->insert_slot);
	store_write_update(store, table, table->scan_slot, table->insert_slot);
}

/* See store.h. */
void
store_annotate_event(Store *store, int64 execution_id, int64 event_id,
					 const Jsonb *meta)
{
	TupleTableSlot *new = begin_event_version(store, execution_id, event_id);
	Jsonb	   *old = slot_jsonb(store_table(store, REL_EVENT)->scan_slot, EVENT_COL_META);
	Datum		merged = PointerGetDatum(meta);

	if (old != NULL && JB_ROOT_IS_OBJECT(old))
		merged = DirectFunctionCall2(jsonb_concat, PointerGetDatum(old), merged);
	slot_set(new, EVENT_COL_META, merged);
	write_event_version(store);
}

/* See store.h. */
void
store_locate_event(Store *store, int64 execution_id, int64 event_id,
				   const Step *step, const Run *run)
{
	TupleTableSlot *new = begin_event_version(store, execution_id, event_id);

	slot_set_text(new, EVENT_COL_NODE_ID,
				  node_id_make(execution_id, step->name, run->visit, run->item));
	slot_set_text(new, EVENT_COL_NODE_TYPE, step->type);
	if (new->tts_isnull[EVENT_COL_PARENT_EVENT_ID - 1])
		slot_set_id(new, EVENT_COL_PARENT_EVENT_ID, run->started_event_id);
	write_event_version(store);
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
	event->event_id = DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID));
	event->created_at = DatumGetTimestampTz(slot_column(slot, EVENT_COL_CREATED_AT));
	event->node_name = step_name;
	event->node_id = slot_text(slot, EVENT_COL_NODE_ID);
	event->meta = slot_jsonb(slot, EVENT_COL_META);
	event_parse(event);
	return event_sets_value(event);
}

/* See store.h. */
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

/* See store.h. */
void
store_step_value(Store *store, int64 execution_id, const char *step_name,
				 bool decided, StepValue *value)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData keys[2];

	memset(value, 0, sizeof(StepValue));
	store_scan_open(&scan, store, table, REL_EVENT_RESULT_IDX, SnapshotSelf, 2,
			  BackwardScanDirection);
	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], step_name);
	index_rescan(scan.scan, keys, 2, NULL, 0);
	while (!value->found && store_scan_next(&scan))
	{
		Event		event;

		if (!read_value_event(scan.slot, execution_id, step_name, &event) ||
			(decided &&
			 store_is_pending(store, execution_id, event.created_at, event.event_id)))
			continue;
		value->found = true;
		value->visit = Max(event.visit, 1);
		value->event_id = event.event_id;
		json_from_jsonb(slot_jsonb(scan.slot, EVENT_COL_RESULT), &value->envelope);
	}
	store_scan_close(&scan);
}

/* ---------------------------------------------------------------------------
 * run
 * ---------------------------------------------------------------------------
 */

/* noetl.run.arrivals as it is stored. */
static Jsonb *
write_arrivals(const List *arrivals, const Playbook *playbook)
{
	JsonBuilder list;
	JsonbValue	value;
	ListCell   *lc;

	json_begin_array(&list);
	foreach(lc, arrivals)
	{
		const Arrival *arrival = (Arrival *) lfirst(lc);
		JsonBuilder entry;

		json_begin_object(&entry);
		if (arrival->from >= 0)
			json_add_text(&entry, "from", playbook->steps[arrival->from].name);
		json_add_int(&entry, "event_id", arrival->event_id);
		if (arrival->has_data)
			json_add(&entry, "data", &arrival->data);
		json_end_object(&entry, &value);
		json_push(&list, &value);
	}
	json_end_array(&list, &value);
	return json_to_jsonb(&value);
}

/* The reverse of write_arrivals. */
static List *
read_arrivals(const Jsonb *stored, const Playbook *playbook)
{
	List	   *arrivals = NIL;
	JsonbValue	list;
	int			n;

	json_from_jsonb(stored, &list);
	n = json_is_array(&list) ? JsonContainerSize(list.val.binary.data) : 0;
	for (int i = 0; i < n; i++)
	{
		JsonbValue *entry = getIthJsonbValueFromContainer(list.val.binary.data, i);
		Arrival    *arrival = palloc0(sizeof(Arrival));
		char	   *from = json_get_text(entry, "from");

		arrival->from = from == NULL ? -1 :
			playbook_find_step(playbook, from, strlen(from));
		json_get_int(entry, "event_id", &arrival->event_id);
		arrival->has_data = json_get(entry, "data", &arrival->data);
		arrivals = lappend(arrivals, arrival);
	}
	return arrivals;
}

/* Where a stored row is, for later deletion. */
static ItemPointer
store_copy_tid(TupleTableSlot *slot)
{
	ItemPointer tid = palloc(sizeof(ItemPointerData));

	*tid = slot->tts_tid;
	return tid;
}

/* See store.h. */
List *
store_load_runs(Store *store, int64 execution_id, const Playbook *playbook,
				const char *with_action)
{
	StoreTable *table = store_table(store, REL_RUN);
	List	   *runs = NIL;
	StoreScan	scan;
	ScanKeyData key;

	store_queue_load_runs(store, execution_id, playbook, with_action, &runs);

	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_RUN_PKEY, SnapshotSelf, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
	{
		char	   *name = slot_text(scan.slot, RUN_STEP_NAME);
		char	   *state = slot_text(scan.slot, RUN_STATE);
		Run		   *run = run_make(-1, 1, RUN_WAITING);

		run->step = playbook_find_step(playbook, name, strlen(name));
		if (run->step < 0)
			continue;
		run->visit = DatumGetInt32(slot_column(scan.slot, RUN_VISIT));
		run->state = strcmp(state, "waiting") == 0 ? RUN_WAITING :
			strcmp(state, "open") == 0 ? RUN_OPEN : RUN_RETRY;
		run->started_event_id = DatumGetInt64(slot_column(scan.slot, RUN_EVENT_ID));
		run->attempts = DatumGetInt32(slot_column(scan.slot, RUN_ATTEMPTS));
		if (run->state == RUN_RETRY)
			run->available_at = DatumGetTimestampTz(slot_column(scan.slot, RUN_DUE_AT));
		else
			run->deadline = DatumGetTimestampTz(slot_column(scan.slot, RUN_DUE_AT));
		run->context = slot_jsonb(scan.slot, RUN_CONTEXT);
		run->stored = true;
		run->arrivals = read_arrivals(slot_jsonb(scan.slot, RUN_ARRIVALS), playbook);
		run->handle = store_copy_tid(scan.slot);
		runs = lappend(runs, run);
	}
	store_scan_close(&scan);
	return runs;
}

/* Reads a row again by its place; only holders of the lock move it. */
static void
store_fetch_by_tid(StoreTable *table, ItemPointer tid)
{
	if (!table_tuple_fetch_row_version(table->relation, tid, SnapshotAny,
									   table->scan_slot))
		elog(ERROR, "row of \"%s\" has vanished",
			 RelationGetRelationName(table->relation));
	ExecMaterializeSlot(table->scan_slot);
}

/* The columns of a run that change while it lives. */
static void
fill_state(TupleTableSlot *slot, const Run *run, const Playbook *playbook)
{
	slot_set_jsonb(slot, RUN_ARRIVALS, write_arrivals(run->arrivals, playbook));
	slot_set_text(slot, RUN_STATE, run->state == RUN_WAITING ? "waiting" :
				  run->state == RUN_OPEN ? "open" : "retry");
	slot_set_id(slot, RUN_EVENT_ID, run->started_event_id);
	slot_set(slot, RUN_ATTEMPTS, Int32GetDatum(run->attempts));
	slot_set_jsonb(slot, RUN_CONTEXT, run->context);
	if (run_due_at(run) != 0)
		slot_set(slot, RUN_DUE_AT, TimestampTzGetDatum(run_due_at(run)));
	else
		slot_set_null(slot, RUN_DUE_AT);
}

/* See store_internal.h. */
void
store_fill_run(TupleTableSlot *slot, int64 execution_id, const Run *run,
			   const Playbook *playbook, TimestampTz created_at)
{
	slot_begin(slot);
	slot_set_id(slot, RUN_EXECUTION_ID, execution_id);
	slot_set_text(slot, RUN_STEP_NAME, playbook->steps[run->step].name);
	slot_set(slot, RUN_VISIT, Int32GetDatum(run->visit));
	slot_set(slot, RUN_CREATED_AT, TimestampTzGetDatum(created_at));
	fill_state(slot, run, playbook);
}

/* See store.h. */
void
store_put_run(Store *store, int64 execution_id, Run *run,
			  const Playbook *playbook, TimestampTz now)
{
	StoreTable *table = store_table(store, REL_RUN);
	TupleTableSlot *slot = table->insert_slot;

	if (run->stored)
	{
		CommandCounterIncrement();
		store_fetch_by_tid(table, run->handle);
		slot_begin_version(slot, table->scan_slot);
		fill_state(slot, run, playbook);
		ExecStoreVirtualTuple(slot);
		store_write_update(store, table, table->scan_slot, slot);
	}
	else
	{
		store_fill_run(slot, execution_id, run, playbook, now);
		store_write_insert(store, table);
	}
	run->stored = true;
	run->changed = false;
	run->handle = store_copy_tid(slot);
}

/* See store.h. */
void
store_delete_run(Store *store, Run *run)
{
	StoreTable *table = store_table(store, REL_RUN);

	CommandCounterIncrement();
	store_fetch_by_tid(table, run->handle);
	store_write_delete(store, table, table->scan_slot);
	run->stored = false;
}

/* ---------------------------------------------------------------------------
 * pending
 * ---------------------------------------------------------------------------
 */

/* See store.h. */
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

/* The oldest row of an execution, in the scan slot. */
static bool
fetch_pending(Store *store, int64 execution_id)
{
	return fetch_by_id(store, store_table(store, REL_PENDING), REL_PENDING_PKEY,
					   execution_id);
}

/* See store.h. */
bool
store_take_pending(Store *store, int64 execution_id, int64 *event_id)
{
	StoreTable *table = store_table(store, REL_PENDING);

	CommandCounterIncrement();
	if (!fetch_pending(store, execution_id))
		return false;
	*event_id = DatumGetInt64(slot_column(table->scan_slot, PENDING_EVENT_ID));
	store_write_delete(store, table, table->scan_slot);
	return true;
}

/* See store.h. */
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

/* See store.h.  Nearly always the table is empty: one look at its size then. */
bool
store_any_pending(Store *store, int64 execution_id)
{
	Relation	pending = table_open(store_relation(REL_PENDING), AccessShareLock);
	bool		empty = RelationGetNumberOfBlocks(pending) == 0;

	table_close(pending, AccessShareLock);
	return !empty && fetch_pending(store, execution_id);
}

/* See store.h. */
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

		if (!fetch_event(store, execution_id, event_id))
			continue;
		store_read_event_head(store_table(store, REL_EVENT)->scan_slot, &event);
		if (event_type_is_terminal(event.type))
			found = event_id;
	}
	store_scan_close(&scan);
	return found;
}
