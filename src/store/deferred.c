/*
 * store/deferred.c
 *		Rows that a store keeps back.
 */
#include "common/common.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "store/deferred.h"
#include "store/index.h"
#include "store/queue_row.h"
#include "store/table.h"

/* Returns whether rows of any table are kept back. */
bool
deferred_any(const Store *store)
{
	return store->deferred_tasks != NIL || store->tables[REL_EVENT].nbatch > 0;
}

/* Writes all rows that are kept back (store/store.h). */
void
store_write_deferred(Store *store)
{
	deferred_write(store, REL_EVENT);
	deferred_write(store, REL_QUEUE);
}

/* ---------------------------------------------------------------------------
 * Events
 * ---------------------------------------------------------------------------
 */

/* More than one evaluation usually writes. */
#define EVENT_BATCH			16

/* Makes the slots in which events are kept back; they live as long as the table. */
static void
make_batch(Store *store, StoreTable *table)
{
	TupleTableSlot *slot = table->insert_slot;
	MemoryContext old = MemoryContextSwitchTo(store->estate->es_query_cxt);

	table->batch = palloc(EVENT_BATCH * sizeof(TupleTableSlot *));
	table->batch_indexes = palloc(EVENT_BATCH * sizeof(IndexSet));
	for (int i = 0; i < EVENT_BATCH; i++)
		table->batch[i] = MakeSingleTupleTableSlot(slot->tts_tupleDescriptor, slot->tts_ops);
	MemoryContextSwitchTo(old);
}

/* Writes the events that are kept back.  Their constraints have been checked. */
static void
write_events(Store *store)
{
	StoreTable *table = &store->tables[REL_EVENT];
	int			n = table->nbatch;

	if (table->relation == NULL || n == 0)
		return;
	table->nbatch = 0;
	if (n == 1)
		simple_table_tuple_insert(table->relation, table->batch[0]);
	else
		table_multi_insert(table->relation, table->batch, n, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < n; i++)
	{
		index_form_keys(store, table, table->batch[i], table->batch_indexes[i]);
		index_add_row(store, table, table->batch[i], table->batch_indexes[i], false);
	}
	event_note_stored(table, table->batch[n - 1]);
	for (int i = 0; i < n; i++)
		ExecClearTuple(table->batch[i]);
	ResetPerTupleExprContext(store->estate);
}

/* Keeps the event in the insert slot back, or writes it when it cannot be. */
void
deferred_add_event(Store *store, StoreTable *table)
{
	TupleTableSlot *slot = table->insert_slot;
	IndexSet	indexes;

	if (!store_is_plain(table))
	{
		store_write_insert(store, table);
		return;
	}
	store_set_defaults(store, table);
	ExecStoreVirtualTuple(slot);
	store_check_row(store, table, slot);
	indexes = index_find(store, table, slot);
	ExecMaterializeSlot(slot);
	if (table->batch == NULL)
		make_batch(store, table);
	if (table->nbatch == EVENT_BATCH)
		write_events(store);
	/* the filled slot joins the batch, an empty one takes its place */
	table->insert_slot = table->batch[table->nbatch];
	table->batch_indexes[table->nbatch] = indexes;
	table->batch[table->nbatch++] = slot;
}

/* ---------------------------------------------------------------------------
 * Tasks
 * ---------------------------------------------------------------------------
 */

/* A task that is kept back. */
typedef struct DeferredTask
{
	Datum	   *values;
	bool	   *isnull;
	int64		queue_id;
	int			priority;
	int64		place;			/* queue_place() */
} DeferredTask;

/* Copies the row in a slot, into the current memory context. */
static void
copy_row(DeferredTask *task, TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;

	task->values = palloc(desc->natts * sizeof(Datum));
	task->isnull = palloc(desc->natts * sizeof(bool));
	memcpy(task->isnull, slot->tts_isnull, desc->natts * sizeof(bool));
	for (int i = 0; i < desc->natts; i++)
		task->values[i] = task->isnull[i] || TupleDescAttr(desc, i)->attbyval ?
			slot->tts_values[i] :
			datumCopy(slot->tts_values[i], false, TupleDescAttr(desc, i)->attlen);
}

/*
 * Keeps tasks back from now on (store/store.h).  Not when the queue has
 * triggers: they are to see the row ready first and then leased.
 */
void
store_defer_tasks(Store *store)
{
	if (store_table(store, REL_QUEUE)->result_rel->ri_TrigDesc == NULL)
		store->deferred_memory = CurrentMemoryContext;
}

/* Keeps the task in the insert slot back; returns false when it is to be written. */
bool
deferred_add_task(Store *store, StoreTable *table)
{
	TupleTableSlot *slot = table->insert_slot;
	MemoryContext old;
	DeferredTask *task;

	if (store->deferred_memory == NULL)
		return false;
	store_set_defaults(store, table);
	ExecStoreVirtualTuple(slot);
	old = MemoryContextSwitchTo(store->deferred_memory);
	task = palloc(sizeof(DeferredTask));
	copy_row(task, slot);
	task->queue_id = DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID));
	task->priority = DatumGetInt32(slot_column(slot, QUEUE_COL_PRIORITY));
	task->place = queue_place(slot, task->priority);
	store->deferred_tasks = lappend(store->deferred_tasks, task);
	MemoryContextSwitchTo(old);
	return true;
}

/* Drops a task that is kept back; returns false when there is no such task. */
bool
deferred_drop_task(Store *store, int64 queue_id)
{
	ListCell   *lc;

	foreach(lc, store->deferred_tasks)
		if (((DeferredTask *) lfirst(lc))->queue_id == queue_id)
		{
			store->deferred_tasks = list_delete_ptr(store->deferred_tasks, lfirst(lc));
			return true;
		}
	return false;
}

/* Fills the insert slot from a task. */
static TupleTableSlot *
fill_slot(StoreTable *table, const DeferredTask *task)
{
	TupleTableSlot *slot = table->insert_slot;
	int			natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, task->values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, task->isnull, natts * sizeof(bool));
	return ExecStoreVirtualTuple(slot);
}

/* Writes the tasks that are kept back, as ready. */
static void
write_tasks(Store *store)
{
	List	   *tasks = store->deferred_tasks;
	StoreTable *table;
	ListCell   *lc;

	if (tasks == NIL)
		return;
	store->deferred_tasks = NIL;
	table = store_table(store, REL_QUEUE);
	foreach(lc, tasks)
	{
		(void) fill_slot(table, (DeferredTask *) lfirst(lc));
		store_write_insert(store, table);
	}
}

/* For list_sort: by their places, then the smallest queue_id. */
static int
compare_tasks(const ListCell *a, const ListCell *b)
{
	const DeferredTask *left = (const DeferredTask *) lfirst(a);
	const DeferredTask *right = (const DeferredTask *) lfirst(b);

	if (left->priority != right->priority)
		return left->place < right->place ? -1 : 1;
	return left->queue_id < right->queue_id ? -1 : left->queue_id > right->queue_id;
}

/* Puts the tasks into the order in which they are leased. */
void
deferred_sort_tasks(Store *store)
{
	list_sort(store->deferred_tasks, compare_tasks);
}

/* Returns whether a task is to be leased before a row of the queue. */
static bool
comes_before(const DeferredTask *task, TupleTableSlot *row)
{
	int			priority = DatumGetInt32(slot_column(row, QUEUE_COL_PRIORITY));

	return task->priority != priority ? task->place < queue_place(row, priority) :
		task->queue_id <= DatumGetInt64(slot_column(row, QUEUE_COL_QUEUE_ID));
}

/* Takes the first task that is wanted and comes before a row (store/deferred.h). */
TupleTableSlot *
deferred_take_task(Store *store, TupleTableSlot *row, TaskFilter wanted, const void *arg)
{
	StoreTable *table = &store->tables[REL_QUEUE];
	ListCell   *lc;

	foreach(lc, store->deferred_tasks)
	{
		DeferredTask *task = (DeferredTask *) lfirst(lc);

		if (row != NULL && !comes_before(task, row))
			return NULL;
		if (wanted(arg, fill_slot(table, task)))
		{
			store->deferred_tasks = list_delete_ptr(store->deferred_tasks, task);
			return table->insert_slot;
		}
	}
	return NULL;
}

/* ---------------------------------------------------------------------------
 * The hook
 * ---------------------------------------------------------------------------
 */

/* Writes the rows of a table that are kept back. */
void
deferred_write(Store *store, StoreRelation which)
{
	if (which == REL_EVENT)
		write_events(store);
	else if (which == REL_QUEUE)
		write_tasks(store);
}
