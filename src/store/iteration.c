/*
 * store/iteration.c
 *		Reads and writes for iterators and child executions.
 *
 * The newest event that ended an item says how far an iterator has come.  It is
 * the last one in the index on results, however many results there are.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/place.h"
#include "store/table.h"

/* ---------------------------------------------------------------------------
 * Items that have not started
 * ---------------------------------------------------------------------------
 */

/* Fills in the row of an item. */
void
store_fill_item(TupleTableSlot *slot, int64 execution_id, const char *step_name,
				int visit, int index, JsonbValue *item)
{
	slot_begin(slot);
	slot_set_id(slot, ITEM_EXECUTION_ID, execution_id);
	slot_set_text(slot, ITEM_STEP_NAME, step_name);
	slot_set(slot, ITEM_VISIT, Int32GetDatum(visit));
	slot_set(slot, ITEM_INDEX, Int32GetDatum(index));
	slot_set_jsonb(slot, ITEM_ITEM, json_to_jsonb(item));
}

/* Inserts items that start later, each in memory that is freed after it. */
void
store_add_items(Store *store, int64 execution_id, const char *step_name, int visit,
				int first, const int *indexes, int count, JsonbValue *items)
{
	StoreTable *table = store_table(store, REL_ITEM);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl items",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		store_fill_item(table->insert_slot, execution_id, step_name, visit,
						indexes != NULL ? indexes[i] : first + i, &items[i]);
		store_write_insert(store, table);
		ExecClearTuple(table->insert_slot);
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

/*
 * Opens a scan of the items of a visit of a step, from "index" on or (one) of that
 * item.
 */
static void
scan_items(StoreScan *scan, Store *store, int64 execution_id, const char *step_name,
		   int visit, int index, bool one)
{
	StoreTable *table = store_table(store, REL_ITEM);
	ScanKeyData keys[4];

	store_scan_open(scan, store, table, REL_ITEM_PKEY, SnapshotSelf, 4, ForwardScanDirection);
	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, scan->index->rd_indcollation[1], step_name);
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(visit));
	ScanKeyInit(&keys[3], 4, one ? BTEqualStrategyNumber : BTGreaterEqualStrategyNumber,
				one ? F_INT4EQ : F_INT4GE, Int32GetDatum(index));
	index_rescan(scan->scan, keys, 4, NULL, 0);
}

/* Reads an item that has not started; returns false when there is no such row. */
bool
store_get_item(Store *store, int64 execution_id, const char *step_name, int visit, int index,
			   JsonbValue *item)
{
	StoreScan	scan;
	bool		found;

	scan_items(&scan, store, execution_id, step_name, visit, index, true);
	found = store_scan_next(&scan);
	if (found)
		json_from_jsonb(slot_jsonb(scan.slot, ITEM_ITEM), item);
	store_scan_close(&scan);
	return found;
}

/* Deletes the items that a scan finds, and closes it. */
static void
delete_found(Store *store, StoreScan *scan)
{
	StoreTable *table = store_table(store, REL_ITEM);

	while (store_scan_next(scan))
		store_write_delete(store, table, scan->slot);
	store_scan_close(scan);
}

/* Deletes one item of a step. */
void
store_delete_item(Store *store, int64 execution_id, const char *step_name, int visit,
				  int index)
{
	StoreScan	scan;

	CommandCounterIncrement();
	scan_items(&scan, store, execution_id, step_name, visit, index, true);
	delete_found(store, &scan);
}

/* Deletes all items of a step. */
void
store_delete_items(Store *store, int64 execution_id, const char *step_name, int visit)
{
	StoreScan	scan;

	CommandCounterIncrement();
	scan_items(&scan, store, execution_id, step_name, visit, 0, false);
	delete_found(store, &scan);
}

/* ---------------------------------------------------------------------------
 * Items that have ended
 * ---------------------------------------------------------------------------
 */

/* An attempt of an iterator: of a visit of a step, begun with an event. */
typedef struct IterationKey
{
	int64		execution_id;
	const char *step_name;
	int			visit;
	int64		since;
} IterationKey;

/*
 * Reads the event in a slot and returns whether it ends an item of an iteration.
 * Only events with the broker's counters count.
 */
static bool
read_item_end(TupleTableSlot *slot, const IterationKey *key, Event *event)
{
	memset(event, 0, sizeof(Event));
	event->type = event_type_of(slot_text(slot, EVENT_COL_EVENT_TYPE), NULL);
	event->event_id = DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID));
	if ((event->type != EVENT_ITERATION_COMPLETED && event->type != EVENT_ITERATION_FAILED) ||
		event->event_id <= key->since)
		return false;
	event->execution_id = key->execution_id;
	event->node_name = key->step_name;
	event->node_id = slot_text(slot, EVENT_COL_NODE_ID);
	event->meta = slot_jsonb(slot, EVENT_COL_META);
	event_parse(event);
	return event->progress.found && event->visit == key->visit && !event->ignored;
}

/* Opens a scan of the result-bearing events of a step since another event. */
static void
scan_results(StoreScan *scan, Store *store, const IterationKey *key,
			 ScanDirection direction)
{
	StoreTable *table = store_event_table(store, key->execution_id);
	ScanKeyData keys[3];

	store_scan_open(scan, store, table, REL_EVENT_RESULT_IDX, SnapshotSelf, 3, direction);
	store_key_int64(&keys[0], 1, key->execution_id);
	store_key_text(&keys[1], 2, scan->index->rd_indcollation[1], key->step_name);
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(id_time(key->since)));
	index_rescan(scan->scan, keys, 3, NULL, 0);
}

/* Reads the counters of the newest event that ended an item. */
void
store_iteration_progress(Store *store, int64 execution_id, const char *step_name, int visit,
						 int64 since, IterationProgress *progress)
{
	IterationKey key = {execution_id, step_name, visit, since};
	StoreScan	scan;

	memset(progress, 0, sizeof(IterationProgress));
	scan_results(&scan, store, &key, BackwardScanDirection);
	while (!progress->found && store_scan_next(&scan))
	{
		Event		event;

		if (read_item_end(scan.slot, &key, &event))
			*progress = event.progress;
	}
	store_scan_close(&scan);
}

/* Returns the results of the items that ended, in the order of the log. */
List *
store_iteration_results(Store *store, int64 execution_id, const char *step_name, int visit,
						int64 since, TimestampTz until)
{
	IterationKey key = {execution_id, step_name, visit, since};
	StoreScan	scan;
	List	   *results = NIL;

	scan_results(&scan, store, &key, ForwardScanDirection);
	while (store_scan_next(&scan))
	{
		IterationResult *result;
		Event		event;

		if (DatumGetTimestampTz(slot_column(scan.slot, EVENT_COL_CREATED_AT)) > until)
			break;
		if (!read_item_end(scan.slot, &key, &event))
			continue;
		result = palloc0(sizeof(IterationResult));
		result->index = DatumGetInt32(slot_column(scan.slot, EVENT_COL_CURRENT_INDEX));
		result->failed = event.type == EVENT_ITERATION_FAILED;
		json_from_jsonb(slot_jsonb(scan.slot, EVENT_COL_RESULT), &result->value);
		result->error = slot_text(scan.slot, EVENT_COL_ERROR);
		result->child_execution_id = event.ended_child;
		results = lappend(results, result);
	}
	store_scan_close(&scan);
	return results;
}

/* Notes what an event says of an item. */
static void
note_item(const Event *event, ItemState *state)
{
	switch (event->type)
	{
		case EVENT_ITERATION_STARTED:
		case EVENT_CHILD_SPAWNED:
			state->attempts++;
			if (event->started_child != 0)
				state->child_execution_id = event->started_child;
			break;
		case EVENT_ACTION_ERROR:
			/* a lost lease has no action_retry */
			state->attempts += event_is_reaped(event, REAPED_LEASE) ? 1 : 0;
			break;
		case EVENT_ACTION_RETRY:
			state->attempts++;
			break;
		case EVENT_ACTION_COMPLETED:
			state->done = event->event_id;
			break;
		case EVENT_ITERATION_COMPLETED:
			state->completed = true;
			break;
		default:
			break;
	}
}

/*
 * Returns what the log says of the items of an iterator between two events: a scan of
 * these events, of which those about items are read whole.
 */
ItemState *
store_item_states(Store *store, int64 execution_id, const char *step_name, int visit,
				  int64 since, int64 before, int total)
{
	ItemState  *states = palloc_extended(sizeof(ItemState) * Max(total, 1),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl item states",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData keys[3];

	store_key_int64(&keys[0], 1, execution_id);
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(since));
	ScanKeyInit(&keys[2], 2, BTLessStrategyNumber, F_INT8LT, Int64GetDatum(before));
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 3, ForwardScanDirection);
	index_rescan(scan.scan, keys, 3, NULL, 0);
	while (store_scan_next(&scan))
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(memory);
		store_read_event_head(scan.slot, &event);
		if (event.has_index && event.node_name != NULL &&
			strcmp(event.node_name, step_name) == 0)
		{
			store_read_event(scan.slot, &event);
			if (!event.ignored && event.visit == visit && event.item >= 0 && event.item < total &&
				(event.type != EVENT_ITERATION_COMPLETED || event.progress.found))
				note_item(&event, &states[event.item]);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	store_scan_close(&scan);
	MemoryContextDelete(memory);
	return states;
}

/*
 * Returns the newest event that gave the step of a task new attempts with another input
 * (step_resumed), with which its items begin anew; 0: there is none.
 */
static int64
find_begun_anew(Store *store, const QueueRow *row)
{
	StoreTable *table = store_event_table(store, row->execution_id);
	StoreScan	scan;
	ScanKeyData keys[2];
	int64		found = 0;

	store_key_int64(&keys[0], 1, row->execution_id);
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(row->event_id));
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 2, BackwardScanDirection);
	index_rescan(scan.scan, keys, 2, NULL, 0);
	while (found == 0 && store_scan_next(&scan))
	{
		CHECK_FOR_INTERRUPTS();
		if (event_type_of(slot_text(scan.slot, EVENT_COL_EVENT_TYPE), NULL) == EVENT_STEP_RESUMED &&
			!slot_attisnull(scan.slot, EVENT_COL_NODE_ID) &&
			strcmp(slot_text(scan.slot, EVENT_COL_NODE_ID), row->node_id) == 0 &&
			slot_jsonb(scan.slot, EVENT_COL_CONTEXT) != NULL)
			found = DatumGetInt64(slot_column(scan.slot, EVENT_COL_EVENT_ID));
	}
	store_scan_close(&scan);
	return found;
}

/*
 * Reads the end of an item that a worker reported in the current attempt of a task, or
 * in one before the step was given new attempts, since another event; returns false when
 * an event is another one.  *earlier: it is of such an attempt.
 */
static bool
read_worker_item(TupleTableSlot *slot, const IterationKey *key, const QueueRow *row,
				 int64 anew, WorkerItem *item, bool *earlier)
{
	EventType	type = event_type_of(slot_text(slot, EVENT_COL_EVENT_TYPE), NULL);
	Jsonb	   *meta;
	JsonbValue	value;
	JsonbValue	ignored;
	int64		attempt;

	if ((type != EVENT_ITERATION_COMPLETED && type != EVENT_ITERATION_FAILED) ||
		slot_attisnull(slot, EVENT_COL_CURRENT_INDEX) ||
		DatumGetInt64(slot_column(slot, EVENT_COL_PARENT_EVENT_ID)) != key->since)
		return false;
	meta = slot_jsonb(slot, EVENT_COL_META);
	if (meta == NULL)
		return false;
	json_from_jsonb(meta, &value);
	if (!json_get_int(&value, "iterator_attempt", &attempt) ||
		json_get(&value, "ignored", &ignored))
		return false;
	*earlier = attempt <= row->attempts_before;
	if (*earlier ? DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID)) < anew :
		attempt != Max(row->attempts - row->lost, 1))
		return false;
	item->index = DatumGetInt32(slot_column(slot, EVENT_COL_CURRENT_INDEX));
	item->failed = type == EVENT_ITERATION_FAILED;
	item->value = slot_jsonb(slot, EVENT_COL_RESULT);
	item->error = slot_text(slot, EVENT_COL_ERROR);
	item->item = slot_jsonb(slot, EVENT_COL_CURRENT_ITEM);
	return true;
}

/* Returns the items of a leased task that need not be done (store/store.h). */
List *
store_worker_items(Store *store, const QueueRow *row)
{
	IterationKey key = {row->execution_id, row->node_name, 0, row->event_id};
	int64		anew = row->attempts_before > 0 ? find_begun_anew(store, row) : 0;
	StoreScan	scan;
	Bitmapset  *seen = NULL;
	List	   *items = NIL;

	scan_results(&scan, store, &key, BackwardScanDirection);
	while (store_scan_next(&scan))
	{
		WorkerItem	item;
		bool		earlier;

		CHECK_FOR_INTERRUPTS();
		if (!read_worker_item(scan.slot, &key, row, anew, &item, &earlier) ||
			item.index < 0 || bms_is_member(item.index, seen))
			continue;
		seen = bms_add_member(seen, item.index);
		if (earlier && item.failed)
			continue;
		items = lappend(items, palloc(sizeof(WorkerItem)));
		*(WorkerItem *) llast(items) = item;
	}
	store_scan_close(&scan);
	return items;
}

/* ---------------------------------------------------------------------------
 * Children
 * ---------------------------------------------------------------------------
 */

/* A walk through the children of an execution. */
typedef struct ChildScan
{
	StoreScan	scan;
	int64		parent_event_id;	/* only those that it started; 0: all */
	bool		open;
} ChildScan;

/* Begins a walk through the children of an execution. */
static void
child_scan_open(ChildScan *children, Store *store, int64 execution_id, int64 parent_event_id)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	ScanKeyData key;

	children->parent_event_id = parent_event_id;
	/* an index without an entry has its first page only */
	children->open = !place_few_pages(REL_EXECUTION_PARENT_IDX, 1);
	if (!children->open)
		return;
	store_key_int64(&key, 1, execution_id);
	store_scan_open(&children->scan, store, table, REL_EXECUTION_PARENT_IDX, SnapshotSelf, 1,
					ForwardScanDirection);
	index_rescan(children->scan.scan, &key, 1, NULL, 0);
}

/* Goes to the next child; false: there is none, and the walk is over. */
static bool
child_scan_next(ChildScan *children)
{
	while (children->open && store_scan_next(&children->scan))
		if (children->parent_event_id == 0 || children->parent_event_id ==
			DatumGetInt64(slot_column(children->scan.slot, EXECUTION_PARENT_EVENT_ID)))
			return true;
	if (children->open)
		store_scan_close(&children->scan);
	children->open = false;
	return false;
}

/* Returns the running children of an execution (store/store.h). */
List *
store_running_children(Store *store, int64 execution_id, int64 parent_event_id)
{
	ChildScan	children;
	List	   *running = NIL;

	child_scan_open(&children, store, execution_id, parent_event_id);
	while (child_scan_next(&children))
	{
		int64	   *child;

		if (!slot_attisnull(children.scan.slot, EXECUTION_ENDED_AT))
			continue;
		child = palloc(sizeof(int64));
		*child = DatumGetInt64(slot_column(children.scan.slot, EXECUTION_ID));
		running = lappend(running, child);
	}
	return running;
}

/* Returns the children of an execution that have not completed (store/store.h). */
List *
store_unfinished_children(Store *store, int64 execution_id, int64 parent_event_id)
{
	ChildScan	children;
	List	   *unfinished = NIL;

	child_scan_open(&children, store, execution_id, parent_event_id);
	while (child_scan_next(&children))
	{
		Execution  *child;

		if (strcmp(slot_text(children.scan.slot, EXECUTION_STATUS), "COMPLETED") == 0)
			continue;
		child = palloc(sizeof(Execution));
		store_read_execution(children.scan.slot, child);
		unfinished = lappend(unfinished, child);
	}
	return unfinished;
}

/* Writes a parent into the row of an execution, which must exist. */
void
store_adopt_execution(Store *store, int64 execution_id, int64 parent_execution_id,
					  int64 parent_event_id, int item)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	ScanKeyData key;
	TupleTableSlot *new;

	CommandCounterIncrement();
	store_key_int64(&key, 1, execution_id);
	if (!store_fetch_first(store, table, REL_EXECUTION_PKEY, SnapshotSelf, &key, 1,
						   ForwardScanDirection))
		store_row_missing(REL_EXECUTION, execution_id);
	new = table->insert_slot;
	slot_begin_version(new, table->scan_slot);
	slot_set_id(new, EXECUTION_PARENT_ID, parent_execution_id);
	slot_set_id(new, EXECUTION_PARENT_EVENT_ID, parent_event_id);
	if (item >= 0)
		slot_set(new, EXECUTION_CURRENT_INDEX, Int32GetDatum(item));
	ExecStoreVirtualTuple(new);
	store_write_update(store, table, table->scan_slot, new);
}

/* Reads the item that a child was started for from the child's execution_start. */
bool
store_child_item(Store *store, int64 execution_id, JsonbValue *item)
{
	Event		start;

	if (!store_start_event(store, execution_id, &start) || start.current_item == NULL)
		return false;
	json_from_jsonb(start.current_item, item);
	return true;
}

/* Returns the attempt that started a child, from the child's execution_start. */
int
store_child_attempt(Store *store, int64 execution_id)
{
	Event		start;

	return store_start_event(store, execution_id, &start) ? start.attempt : 0;
}
