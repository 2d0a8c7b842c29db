/*
 * store/deferred.c
 *		Rows that a store keeps back.
 */
#include "common/common.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "store/deferred.h"
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

/* Returns whether rows may be inserted together: nothing wants them one by one. */
static bool
takes_batches(const StoreTable *table)
{
	const TupleConstr *constraints = RelationGetDescr(table->relation)->constr;

	return table->result_rel->ri_TrigDesc == NULL && table->statement == NULL &&
		(constraints == NULL || !constraints->has_generated_stored);
}

/* Makes the slots in which events are kept back; they live as long as the table. */
static void
make_batch(Store *store, StoreTable *table)
{
	TupleTableSlot *slot = table->insert_slot;
	MemoryContext old = MemoryContextSwitchTo(store->estate->es_query_cxt);

	table->batch = palloc(EVENT_BATCH * sizeof(TupleTableSlot *));
	for (int i = 0; i < EVENT_BATCH; i++)
		table->batch[i] = MakeSingleTupleTableSlot(slot->tts_tupleDescriptor, slot->tts_ops);
	MemoryContextSwitchTo(old);
}

/* Does what the executor does for each row before it is stored. */
static void
check_row(Store *store, StoreTable *table, TupleTableSlot *slot)
{
	if (table->relation->rd_att->constr != NULL)
		ExecConstraints(table->result_rel, slot, store->estate);
	if (table->relation->rd_rel->relispartition)
		ExecPartitionCheck(table->result_rel, slot, store->estate, true);
}

/* Inserts the first n rows of the batch at once. */
static void
insert_batch(Store *store, StoreTable *table, int n)
{
	for (int i = 0; i < n; i++)
		check_row(store, table, table->batch[i]);
	table_multi_insert(table->relation, table->batch, n, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < n && table->result_rel->ri_NumIndices > 0; i++)
		(void) ExecInsertIndexTuples(table->result_rel, table->batch[i], store->estate,
									 false, false, NULL, NIL
#if PG_VERSION_NUM >= 160000
									 ,false
#endif
			);
}

/* Writes the events that are kept back. */
static void
write_events(Store *store)
{
	StoreTable *table = &store->tables[REL_EVENT];
	int			n = table->nbatch;

	if (table->relation == NULL || n == 0)
		return;
	store_open_indexes(store, table);
	table->nbatch = 0;
	if (n == 1)
		ExecSimpleRelationInsert(table->result_rel, store->estate, table->batch[0]);
	else
		insert_batch(store, table, n);
	for (int i = 0; i < n; i++)
		ExecClearTuple(table->batch[i]);
	ResetPerTupleExprContext(store->estate);
}

/* Keeps the event in the insert slot back, or writes it when it cannot be. */
void
deferred_add_event(Store *store, StoreTable *table)
{
	TupleTableSlot *slot = table->insert_slot;

	if (!takes_batches(table))
	{
		store_write_insert(store, table);
		return;
	}
	store_set_defaults(store, table);
	if (table->batch == NULL)
		make_batch(store, table);
	if (table->nbatch == EVENT_BATCH)
		write_events(store);
	/* the filled slot joins the batch, an empty one takes its place */
	table->insert_slot = table->batch[table->nbatch];
	table->batch[table->nbatch++] = slot;
	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
}

/* ---------------------------------------------------------------------------
 * Tasks
 * ---------------------------------------------------------------------------
 */

/* A task that is kept back. */
typedef struct DeferredTask
{
	HeapTuple	row;
	int64		queue_id;
	int			priority;
	int64		place;			/* queue_place() */
} DeferredTask;

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
	task->row = ExecCopySlotHeapTuple(slot);
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

	ExecClearTuple(slot);
	heap_deform_tuple(task->row, slot->tts_tupleDescriptor, slot->tts_values,
					  slot->tts_isnull);
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
