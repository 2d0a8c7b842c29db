/*
 * replay/compare_tables.c
 *		The log read as a whole; rows compared with what it says, and replaced.
 *
 * Each expected row is written into the insert slot of its table, by the same
 * functions that write new rows, and compared column by column with the row
 * that was found.  What the log cannot know (places in the queue, leases) is
 * not among the columns.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "replay/replay.h"
#include "store/store.h"

/* ---------------------------------------------------------------------------
 * The log
 * ---------------------------------------------------------------------------
 */

/* For qsort: by time, which never stands still in an execution. */
static int
compare_places(const void *a, const void *b)
{
	TimestampTz left = ((const LogPlace *) a)->created_at;
	TimestampTz right = ((const LogPlace *) b)->created_at;

	return left < right ? -1 : left > right;
}

/*
 * See replay.h.  The index has the order of ids, which clients may choose; so
 * the places, not the events, are kept and sorted.
 */
LogPlace *
store_list_log(Store *store, int64 execution_id, int64 *count)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData key;
	int64		capacity = 64;
	LogPlace   *places = palloc(sizeof(LogPlace) * capacity);
	bool		sorted = true;

	*count = 0;
	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
	{
		LogPlace   *place;

		if (*count == capacity)
		{
			capacity *= 2;
			places = repalloc_huge(places, sizeof(LogPlace) * capacity);
		}
		place = &places[*count];
		place->event_id = DatumGetInt64(slot_column(scan.slot, EVENT_COL_EVENT_ID));
		place->created_at = DatumGetTimestampTz(slot_column(scan.slot, EVENT_COL_CREATED_AT));
		place->recalled = false;
		if (*count > 0 && place->created_at < place[-1].created_at)
			sorted = false;
		(*count)++;
	}
	store_scan_close(&scan);
	if (!sorted)
		qsort(places, *count, sizeof(LogPlace), compare_places);
	return places;
}

/* ---------------------------------------------------------------------------
 * Rows
 * ---------------------------------------------------------------------------
 */

/* The columns of each table that the log determines; 0 ends a list. */
static const int execution_columns[] = {
	EXECUTION_CATALOG_ID, EXECUTION_PARENT_ID, EXECUTION_PARENT_EVENT_ID,
	EXECUTION_PATH, EXECUTION_VERSION, EXECUTION_STATUS, EXECUTION_STARTED_AT,
	EXECUTION_ENDED_AT, EXECUTION_RESULT, EXECUTION_ERROR, EXECUTION_DEPTH,
	EXECUTION_CURRENT_INDEX, EXECUTION_STARTED_BY, EXECUTION_DEADLINE, 0
};
static const int workload_columns[] = {WORKLOAD_CREATED_AT, WORKLOAD_DATA, 0};
static const int run_columns[] = {
	RUN_VISIT, RUN_STATE, RUN_ARRIVALS, RUN_CREATED_AT, RUN_EVENT_ID, RUN_ATTEMPTS,
	RUN_DUE_AT, RUN_CONTEXT, 0
};
static const int item_columns[] = {ITEM_ITEM, 0};
static const int queue_columns[] = {
	QUEUE_COL_CATALOG_ID, QUEUE_COL_NODE_ID, QUEUE_COL_NODE_TYPE, QUEUE_COL_ACTION,
	QUEUE_COL_CONTEXT, QUEUE_COL_STATUS, QUEUE_COL_PRIORITY, QUEUE_COL_ATTEMPTS,
	QUEUE_COL_MAX_ATTEMPTS, QUEUE_COL_AVAILABLE_AT, QUEUE_COL_CREATED_AT,
	QUEUE_COL_PARENT_EXECUTION_ID, QUEUE_COL_PARENT_EVENT_ID, QUEUE_COL_EVENT_ID,
	QUEUE_COL_TIMEOUT, 0
};

/* One table in the course of a comparison. */
typedef struct Side
{
	Store	   *store;
	StoreTable *table;
	const char *name;
	const int  *columns;
	Comparison *comparison;
} Side;

/* Opens a table for comparison. */
static void
side_open(Side *side, Store *store, StoreRelation which, const char *name,
		  const int *columns, Comparison *comparison)
{
	side->store = store;
	side->table = store_table(store, which);
	side->name = name;
	side->columns = columns;
	side->comparison = comparison;
}

/* See replay.h. */
void
comparison_report(Comparison *comparison, const char *relation, const char *key,
				  const Jsonb *expected, const Jsonb *found)
{
	comparison->differences++;
	if (comparison->report != NULL)
		comparison->report(comparison->arg, relation, key, expected, found);
}

/* A column as a member of an object; NULL is null. */
static void
add_column(JsonBuilder *builder, Form_pg_attribute attribute, Datum value, bool isnull)
{
	char		buffer[MAXDATELEN + 1];
	JsonbValue	member;
	Oid			output;
	bool		varlena;

	if (isnull)
		json_null(&member);
	else
		switch (attribute->atttypid)
		{
			case INT4OID:
				json_int(&member, DatumGetInt32(value));
				break;
			case INT8OID:
				json_int(&member, DatumGetInt64(value));
				break;
			case JSONBOID:
				json_from_jsonb(DatumGetJsonbP(value), &member);
				break;
			case TIMESTAMPTZOID:
				JsonEncodeDateTime(buffer, value, TIMESTAMPTZOID, NULL);
				json_string(&member, pstrdup(buffer));
				break;
			default:
				getTypeOutputInfo(attribute->atttypid, &output, &varlena);
				json_string(&member, OidOutputFunctionCall(output, value));
				break;
		}
	json_add(builder, NameStr(attribute->attname), &member);
}

/* Is a column the same in both slots? */
static bool
same_column(Form_pg_attribute attribute, TupleTableSlot *expected, TupleTableSlot *found)
{
	int			i = attribute->attnum - 1;
	bool		isnull;
	Datum		value = slot_getattr(found, attribute->attnum, &isnull);
	TypeCacheEntry *type;

	if (isnull || expected->tts_isnull[i])
		return isnull == expected->tts_isnull[i];
	type = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR_FINFO);
	return DatumGetBool(FunctionCall2Coll(&type->eq_opr_finfo, attribute->attcollation,
										  expected->tts_values[i], value));
}

/*
 * The columns of the expected row (found: of the row that is there) as an
 * object: all, or those in which they differ.
 */
static Jsonb *
describe(const Side *side, bool found, bool different)
{
	TupleDesc	desc = RelationGetDescr(side->table->relation);
	TupleTableSlot *slot = found ? side->table->scan_slot : side->table->insert_slot;
	JsonBuilder builder;
	JsonbValue	value;

	if (found)
		slot_getallattrs(slot);
	json_begin_object(&builder);
	for (const int *column = side->columns; *column != 0; column++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, *column - 1);

		if (!different ||
			!same_column(attribute, side->table->insert_slot, side->table->scan_slot))
			add_column(&builder, attribute, slot->tts_values[*column - 1],
					   slot->tts_isnull[*column - 1]);
	}
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Is the row in the scan slot as the one in the insert slot? */
static bool
same_row(const Side *side)
{
	TupleDesc	desc = RelationGetDescr(side->table->relation);

	for (const int *column = side->columns; *column != 0; column++)
		if (!same_column(TupleDescAttr(desc, *column - 1), side->table->insert_slot,
						 side->table->scan_slot))
			return false;
	return true;
}

/* The row that was found is to be as the expected one. */
static void
compare_row(const Side *side, const char *key)
{
	StoreTable *table = side->table;

	if (same_row(side))
		return;
	comparison_report(side->comparison, side->name, key, describe(side, false, true),
					  describe(side, true, true));
	if (side->comparison->repair)
	{
		ExecStoreVirtualTuple(table->insert_slot);
		store_write_update(side->store, table, table->scan_slot, table->insert_slot);
	}
}

/* There is no row where one is expected. */
static void
row_missing(const Side *side, const char *key)
{
	comparison_report(side->comparison, side->name, key, describe(side, false, false), NULL);
	if (side->comparison->repair)
		store_write_insert(side->store, side->table);
}

/* There is a row where none is expected. */
static void
row_extra(const Side *side, const char *key)
{
	comparison_report(side->comparison, side->name, key, NULL, describe(side, true, false));
	if (side->comparison->repair)
		store_write_delete(side->store, side->table, side->table->scan_slot);
}

/* ---------------------------------------------------------------------------
 * execution, workload, run
 * ---------------------------------------------------------------------------
 */

/* An id as a key. */
static char *
id_text(int64 id)
{
	return psprintf(INT64_FORMAT, id);
}

/* The single row with a bigint primary key. */
static bool
find_by_id(const Side *side, StoreRelation index, int64 id)
{
	ScanKeyData key;

	store_key_int64(&key, 1, id);
	return store_fetch_first(side->store, side->table, index, SnapshotSelf, &key, 1,
							 ForwardScanDirection);
}

/* noetl.execution */
static void
compare_execution(Store *store, const Model *model, Comparison *comparison)
{
	int64		id = model->execution.execution_id;
	Side		side;

	side_open(&side, store, REL_EXECUTION, "execution", execution_columns, comparison);
	store_fill_execution(side.table->insert_slot, &model->execution, model->started_at);
	if (model->status != NULL)
		store_fill_end(side.table->insert_slot, model->status, model->error,
					   model->result, model->ended_at);
	if (find_by_id(&side, REL_EXECUTION_PKEY, id))
		compare_row(&side, id_text(id));
	else
		row_missing(&side, id_text(id));
}

/* noetl.workload */
static void
compare_workload(Store *store, const Model *model, Comparison *comparison)
{
	int64		id = model->execution.execution_id;
	Side		side;
	bool		found;

	side_open(&side, store, REL_WORKLOAD, "workload", workload_columns, comparison);
	found = find_by_id(&side, REL_WORKLOAD_PKEY, id);
	if (model->workload == NULL)
	{
		if (found)
			row_extra(&side, id_text(id));
		return;
	}
	store_fill_workload(side.table->insert_slot, id, model->started_at, model->workload);
	if (found)
		compare_row(&side, id_text(id));
	else
		row_missing(&side, id_text(id));
}

/*
 * The expected row of noetl.run into the insert slot.  How long a run may still
 * wait for what its worker has started depends on when that leased the task: it
 * is taken over from the row that is there (NULL: none), else granted anew.
 */
static void
fill_run(const Side *side, const Model *model, const ModelRow *row, TupleTableSlot *found)
{
	TupleTableSlot *slot = side->table->insert_slot;

	store_fill_run(slot, model->execution.execution_id, &row->run, model->playbook,
				   row->created_at);
	if (row->run.state != RUN_OPEN ||
		model->playbook->steps[row->key.step].kind != STEP_ACTION)
		return;
	if (found != NULL)
		slot->tts_values[RUN_DUE_AT - 1] =
			slot_getattr(found, RUN_DUE_AT, &slot->tts_isnull[RUN_DUE_AT - 1]);
	else if (row->run.timeout > 0)
		slot_set(slot, RUN_DUE_AT,
				 TimestampTzGetDatum(row->created_at + row->run.timeout));
}

/* noetl.run */
static void
compare_runs(Store *store, Model *model, Comparison *comparison)
{
	Side		side;
	StoreScan	scan;
	ScanKeyData key;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ListCell   *lc;

	side_open(&side, store, REL_RUN, "run", run_columns, comparison);
	store_key_int64(&key, 1, model->execution.execution_id);
	store_scan_open(&scan, store, side.table, REL_RUN_PKEY, snapshot, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
	{
		char	   *name = slot_text(scan.slot, RUN_STEP_NAME);
		int			step = playbook_find_step(model->playbook, name, strlen(name));
		ModelRow   *row = step < 0 ? NULL : model_find_run(model, step);

		if (row == NULL)
			row_extra(&side, name);
		else
		{
			row->found = true;
			fill_run(&side, model, row, scan.slot);
			compare_row(&side, name);
		}
	}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	foreach(lc, model->runs)
	{
		ModelRow   *row = (ModelRow *) lfirst(lc);

		if (row->found)
			continue;
		fill_run(&side, model, row, NULL);
		row_missing(&side, model->playbook->steps[row->key.step].name);
	}
}

/* ---------------------------------------------------------------------------
 * item
 * ---------------------------------------------------------------------------
 */

/* "step[7]" */
static char *
item_key(const char *step_name, int index)
{
	return psprintf("%s[%d]", step_name, index);
}

/* An expected row of noetl.item into the insert slot. */
static void
fill_item(const Side *side, const Model *model, const ModelRow *row, int index)
{
	JsonbValue	list;

	json_from_jsonb(row->items, &list);
	store_fill_item(side->table->insert_slot, model->execution.execution_id,
					model->playbook->steps[row->key.step].name, index,
					getIthJsonbValueFromContainer(list.val.binary.data,
												  index - row->first_item));
}

/* Items that are expected before one that was found, or at the end, but are not there. */
static void
items_missing(const Side *side, const Model *model, ModelRow *row, int until)
{
	for (; row->next_item < Min(until, row->end_item); row->next_item++)
	{
		fill_item(side, model, row, row->next_item);
		row_missing(side, item_key(model->playbook->steps[row->key.step].name,
								   row->next_item));
	}
}

/* The row in the scan slot; they come in the order of their index. */
static void
compare_item(const Side *side, const Model *model)
{
	char	   *name = slot_text(side->table->scan_slot, ITEM_STEP_NAME);
	int			index = DatumGetInt32(slot_column(side->table->scan_slot, ITEM_INDEX));
	int			step = playbook_find_step(model->playbook, name, strlen(name));
	ModelRow   *row = step < 0 ? NULL : model_find_run(model, step);

	if (row == NULL || row->items == NULL || index < row->next_item ||
		index >= row->end_item)
	{
		row_extra(side, item_key(name, index));
		return;
	}
	items_missing(side, model, row, index);
	fill_item(side, model, row, index);
	compare_row(side, item_key(name, index));
	row->next_item = index + 1;
}

/* noetl.item */
static void
compare_items(Store *store, Model *model, Comparison *comparison)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl replayed item",
												 ALLOCSET_DEFAULT_SIZES);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Side		side;
	StoreScan	scan;
	ScanKeyData key;
	ListCell   *lc;

	side_open(&side, store, REL_ITEM, "item", item_columns, comparison);
	store_key_int64(&key, 1, model->execution.execution_id);
	store_scan_open(&scan, store, side.table, REL_ITEM_PKEY, snapshot, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		compare_item(&side, model);
		MemoryContextSwitchTo(old);
		ExecClearTuple(side.table->insert_slot);
		MemoryContextReset(memory);
	}
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	MemoryContextDelete(memory);
	foreach(lc, model->runs)
		items_missing(&side, model, (ModelRow *) lfirst(lc), PG_INT32_MAX);
}

/* ---------------------------------------------------------------------------
 * queue
 * ---------------------------------------------------------------------------
 */

/* See replay.h. */
const char *
node_key(int64 execution_id, const char *node_id)
{
	char	   *prefix = psprintf(INT64_FORMAT ":", execution_id);

	return strncmp(node_id, prefix, strlen(prefix)) == 0 ?
		node_id + strlen(prefix) : node_id;
}

/* The same of an expected row. */
static const char *
row_key(const Model *model, const ModelRow *row)
{
	int64		id = model->execution.execution_id;

	return node_key(id, node_id_make(id, model->playbook->steps[row->key.step].name,
									 row->key.visit, row->key.item));
}

/* How many attempts have failed so far. */
static int
failed_attempts(const Run *run)
{
	return run->state == RUN_LEASED ? run->attempts - 1 : run->attempts;
}

/*
 * The expected row into the insert slot.  Its status is the one a rebuilt row
 * gets; the lease of the row that is there (NULL: none) is taken over if it
 * can be one of this task.
 */
static void
fill_task(const Side *side, const Model *model, const ModelRow *row, TupleTableSlot *found)
{
	TupleTableSlot *slot = side->table->insert_slot;
	const Run  *run = &row->run;
	bool		delayed = run->state == RUN_RETRY &&
		run->available_at > GetCurrentTimestamp();
	int			failed = failed_attempts(run);
	BrokerState state;

	memset(&state, 0, sizeof(state));
	state.playbook = model->playbook;
	state.execution_id = model->execution.execution_id;
	state.parent_execution_id = row->parent_execution_id;
	store_fill_task(slot, &state, run);
	slot_set(slot, QUEUE_COL_ATTEMPTS, Int32GetDatum(failed));
	if (run->state == RUN_RETRY)
	{
		slot_set_text(slot, QUEUE_COL_STATUS, "retry");
		slot_set(slot, QUEUE_COL_AVAILABLE_AT, TimestampTzGetDatum(run->available_at));
	}
	if (found != NULL)
	{
		char	   *status = slot_text(found, QUEUE_COL_STATUS);
		int			attempts = DatumGetInt32(slot_column(found, QUEUE_COL_ATTEMPTS));
		bool		queued = strcmp(status, "queued") == 0 && attempts == failed;
		bool		leased = strcmp(status, "leased") == 0 &&
			(attempts == failed || attempts == failed + 1);

		if ((queued || leased) && !delayed)
		{
			slot_set_text(slot, QUEUE_COL_STATUS, status);
			slot_set(slot, QUEUE_COL_ATTEMPTS, Int32GetDatum(attempts));
			slot->tts_values[QUEUE_COL_AVAILABLE_AT - 1] =
				slot_getattr(found, QUEUE_COL_AVAILABLE_AT,
							 &slot->tts_isnull[QUEUE_COL_AVAILABLE_AT - 1]);
		}
	}
}

/* Whose row is in the scan slot?  False: nobody's. */
static bool
read_key(const Side *side, const Model *model, ModelKey *key)
{
	TupleTableSlot *slot = side->table->scan_slot;
	char	   *name = slot_text(slot, QUEUE_COL_NODE_NAME);

	key->step = playbook_find_step(model->playbook, name, strlen(name));
	key->visit = node_id_visit(slot_text(slot, QUEUE_COL_NODE_ID),
							   model->execution.execution_id, name);
	key->item = slot_attisnull(slot, QUEUE_COL_CURRENT_INDEX) ? -1 :
		DatumGetInt32(slot_column(slot, QUEUE_COL_CURRENT_INDEX));
	return key->step >= 0;
}

/* Is the row in the scan slot one of a run that has ended, in vain in a worker's hands? */
static bool
is_leftover(const Side *side, const Model *model, const ModelKey *key)
{
	TupleTableSlot *slot = side->table->scan_slot;
	ModelLeftover *leftover = model_find_leftover(model, key->step, key->visit, key->item);

	return leftover != NULL &&
		strcmp(slot_text(slot, QUEUE_COL_STATUS),
			   leftover->revoked ? "cancelled" : "leased") == 0 &&
		DatumGetInt64(slot_column(slot, QUEUE_COL_EVENT_ID)) == leftover->started_event_id;
}

/*
 * Is the row in the scan slot as it should be?  If not, *row is the one that it
 * should be, which is in the insert slot then, or NULL: it should not be there.
 */
static bool
task_is_right(const Side *side, const Model *model, ModelRow **row)
{
	ModelKey	key;

	*row = NULL;
	if (!read_key(side, model, &key))
		return false;
	*row = model_find(model, key.step, key.visit, key.item);
	if (*row != NULL && (!(*row)->run.is_task || (*row)->found))
		*row = NULL;			/* a second row of a task is one too many */
	if (*row != NULL)
	{
		fill_task(side, model, *row, side->table->scan_slot);
		if (same_row(side))
		{
			(*row)->found = true;
			return true;
		}
	}
	return is_leftover(side, model, &key);
}

/* Puts a task back into the queue, behind all the others. */
static void
insert_task(const Side *side, const Model *model, const ModelRow *row)
{
	fill_task(side, model, row, NULL);
	store_place_task(side->table->insert_slot);
	store_write_insert(side->store, side->table);
}

/*
 * The row in the scan slot is not as it should be.  It is not corrected but
 * replaced: whoever has leased it would not know what has changed.
 */
static void
compare_task(const Side *side, const Model *model, Snapshot snapshot)
{
	ModelRow   *row;
	ItemPointerData tid = side->table->scan_slot->tts_tid;
	const char *key;

	if (task_is_right(side, model, &row))
		return;
	/* workers change rows without the lock of the execution: look again */
	if (side->comparison->repair &&
		(!store_lock_row(side->table, &tid, snapshot, false, NULL) ||
		 task_is_right(side, model, &row)))
		return;
	key = node_key(model->execution.execution_id,
				   slot_text(side->table->scan_slot, QUEUE_COL_NODE_ID));
	if (row == NULL)
	{
		row_extra(side, key);
		return;
	}
	row->found = true;
	comparison_report(side->comparison, side->name, key, describe(side, false, true),
					  describe(side, true, true));
	if (side->comparison->repair)
	{
		store_write_delete(side->store, side->table, side->table->scan_slot);
		insert_task(side, model, row);
	}
}

/* For list_sort: in the order in which they were begun. */
static int
compare_tasks(const ListCell *a, const ListCell *b)
{
	const ModelRow *left = (ModelRow *) lfirst(a);
	const ModelRow *right = (ModelRow *) lfirst(b);

	if (left->run.started_event_id != right->run.started_event_id)
		return left->run.started_event_id < right->run.started_event_id ? -1 : 1;
	return left->key.item - right->key.item;
}

/* Expected rows of noetl.queue that were not found. */
static List *
missing_tasks(const Model *model)
{
	List	   *missing = NIL;
	HASH_SEQ_STATUS all;
	ModelRow   *row;

	hash_seq_init(&all, model->rows);
	while ((row = (ModelRow *) hash_seq_search(&all)) != NULL)
		if (row->run.is_task && !row->found)
			missing = lappend(missing, row);
	list_sort(missing, compare_tasks);
	return missing;
}

/* noetl.queue */
static void
compare_queue(Store *store, Model *model, Comparison *comparison)
{
	Side		side;
	StoreScan	scan;
	ScanKeyData key;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	List	   *missing;
	ListCell   *lc;

	side_open(&side, store, REL_QUEUE, "queue", queue_columns, comparison);
	store_key_int64(&key, 1, model->execution.execution_id);
	store_scan_open(&scan, store, side.table, REL_QUEUE_RUN_IDX, snapshot, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
		compare_task(&side, model, snapshot);
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);

	missing = missing_tasks(model);
	foreach(lc, missing)
	{
		ModelRow   *row = (ModelRow *) lfirst(lc);

		fill_task(&side, model, row, NULL);
		comparison_report(comparison, side.name, row_key(model, row),
						  describe(&side, false, false), NULL);
		if (comparison->repair)
			insert_task(&side, model, row);
	}
}

/* See replay.h. */
void
store_compare(Store *store, Model *model, Comparison *comparison)
{
	CommandCounterIncrement();
	compare_execution(store, model, comparison);
	compare_workload(store, model, comparison);
	compare_runs(store, model, comparison);
	compare_items(store, model, comparison);
	compare_queue(store, model, comparison);
}
