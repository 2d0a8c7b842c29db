/*
 * store_lease.c
 *		Leasing: which tasks are ready, and those that are leased as they come
 *		into being.
 *
 * Who completes a task and leases the next in one call mostly gets the one that
 * the first has made ready.  While a call has said that it will lease, tasks are
 * kept back, and the lease writes those it takes as leased at once: one version
 * of the row instead of two, and no entry in the index of ready rows.  Whoever
 * looks at the queue meanwhile has them written first.
 */
#include "noetl.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "low_water.h"
#include "store.h"
#include "store_internal.h"
#include "store_queue.h"
#include "store_slot.h"

/* ---------------------------------------------------------------------------
 * Tasks that are not written yet
 * ---------------------------------------------------------------------------
 */

/* One of them. */
typedef struct DeferredTask
{
	HeapTuple	row;
	int64		queue_id;
	int			priority;
} DeferredTask;

/* See store.h.  Triggers would see rows come and change; they shall. */
void
store_defer_tasks(Store *store)
{
	Deferred   *deferred = store_deferred(store);

	if (store_table(store, REL_QUEUE)->result_rel->ri_TrigDesc == NULL)
		deferred->memory = CurrentMemoryContext;
}

/* See store_queue.h. */
bool
queue_defer(Store *store, StoreTable *table)
{
	Deferred   *deferred = store_deferred(store);
	TupleTableSlot *slot = table->insert_slot;
	MemoryContext old;
	DeferredTask *task;

	if (deferred->memory == NULL)
		return false;
	ExecStoreVirtualTuple(slot);
	old = MemoryContextSwitchTo(deferred->memory);
	task = palloc(sizeof(DeferredTask));
	task->row = ExecCopySlotHeapTuple(slot);
	task->queue_id = DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID));
	task->priority = DatumGetInt32(slot_column(slot, QUEUE_COL_PRIORITY));
	deferred->tasks = lappend(deferred->tasks, task);
	MemoryContextSwitchTo(old);
	return true;
}

/* See store_queue.h. */
bool
queue_forget(Store *store, int64 queue_id)
{
	Deferred   *deferred = store_deferred(store);
	ListCell   *lc;

	foreach(lc, deferred->tasks)
		if (((DeferredTask *) lfirst(lc))->queue_id == queue_id)
		{
			deferred->tasks = list_delete_ptr(deferred->tasks, lfirst(lc));
			return true;
		}
	return false;
}

/* Fills the insert slot from a task that was kept back. */
static TupleTableSlot *
fill_slot(StoreTable *table, const DeferredTask *task)
{
	TupleTableSlot *slot = table->insert_slot;

	ExecClearTuple(slot);
	heap_deform_tuple(task->row, slot->tts_tupleDescriptor, slot->tts_values,
					  slot->tts_isnull);
	return ExecStoreVirtualTuple(slot);
}

/* See store_internal.h. */
void
queue_write_deferred(Store *store)
{
	Deferred   *deferred = store_deferred(store);
	StoreTable *table;
	List	   *tasks = deferred->tasks;
	ListCell   *lc;

	if (tasks == NIL)
		return;
	deferred->tasks = NIL;
	table = store_table(store, REL_QUEUE);
	foreach(lc, tasks)
	{
		(void) fill_slot(table, (DeferredTask *) lfirst(lc));
		store_write_insert(store, table);
	}
}

/* Which of two tasks is to be leased first. */
static int
compare_deferred(const ListCell *a, const ListCell *b)
{
	const DeferredTask *left = (const DeferredTask *) lfirst(a);
	const DeferredTask *right = (const DeferredTask *) lfirst(b);

	if (left->priority != right->priority)
		return left->priority > right->priority ? -1 : 1;
	return left->queue_id < right->queue_id ? -1 : left->queue_id > right->queue_id;
}

/* ---------------------------------------------------------------------------
 * Ready rows
 * ---------------------------------------------------------------------------
 */

/*
 * Ready rows, highest priority first.  Of priority 0 the scan begins at the
 * low-water mark, so the index is read in three ranges.
 */
typedef struct ReadyScan
{
	QueueScan	scan;
	int			range;			/* 0: above, 1: priority 0, 2: below */
	int64		mark;
	int64		first_ready;	/* of priority 0 */
} ReadyScan;

/* Moves on to a range of priorities. */
static void
ready_scan_range(ReadyScan *ready, int range)
{
	static const StrategyNumber strategies[] = {
		BTGreaterStrategyNumber, BTEqualStrategyNumber, BTLessStrategyNumber
	};
	static const RegProcedure functions[] = {F_INT4GT, F_INT4EQ, F_INT4LT};
	ScanKeyData keys[2];

	ready->range = range;
	ScanKeyInit(&keys[0], 1, strategies[range], functions[range], Int32GetDatum(0));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(range == 1 ? ready->mark : PG_INT64_MIN));
	index_rescan(ready->scan.scan, keys, 2, NULL, 0);
}

/* Begins at the highest priority. */
static void
ready_scan_open(ReadyScan *ready, Store *store)
{
	ScanKeyData keys[2];

	ready->mark = low_water_begin(store_table(store, REL_QUEUE)->relation);
	ready->first_ready = 0;
	memset(keys, 0, sizeof(keys));
	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT4GT, Int32GetDatum(0));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(PG_INT64_MIN));
	queue_scan_begin(&ready->scan, store, REL_QUEUE_READY_IDX, keys, 2);
	ready->range = 0;
}

/* The next ready row. */
static bool
ready_scan_next(ReadyScan *ready)
{
	while (!queue_scan_next(&ready->scan))
	{
		if (ready->range == 2)
			return false;
		ready_scan_range(ready, ready->range + 1);
	}
	if (ready->range == 1 && ready->first_ready == 0)
		ready->first_ready =
			DatumGetInt64(slot_column(ready->scan.slot, QUEUE_COL_QUEUE_ID));
	return true;
}

/* Ends the scan and tells what it saw, if it came so far. */
static void
ready_scan_close(ReadyScan *ready, bool leased)
{
	queue_scan_close(&ready->scan);
	if (ready->range > 0)
		low_water_end(ready->scan.table->relation, ready->first_ready, leased);
}

/* Is this row's type among those asked for? */
static bool
type_wanted(TupleTableSlot *slot, int ntypes, char **types)
{
	text	   *type;
	bool		wanted = ntypes == 0;

	if (wanted)
		return true;
	type = DatumGetTextPP(slot_column(slot, QUEUE_COL_NODE_TYPE));
	for (int i = 0; i < ntypes && !wanted; i++)
		wanted = strlen(types[i]) == VARSIZE_ANY_EXHDR(type) &&
			memcmp(types[i], VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type)) == 0;
	return wanted;
}

/*
 * When the attempt that a lease begins, or goes on with, has to be over; 0: it
 * has all the time it wants.
 */
static TimestampTz
attempt_deadline(TupleTableSlot *slot, TimestampTz now)
{
	TimestampTz deadline = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
	int64		timeout;

	if (deadline != 0)
		return deadline;
	timeout = queue_read_timeout(slot);
	return timeout > 0 ? now + timeout : 0;
}

/* ---------------------------------------------------------------------------
 * Leasing
 * ---------------------------------------------------------------------------
 */

/* A lease that is being made. */
typedef struct Leasing
{
	Store	   *store;
	StoreTable *table;
	const LeaseRequest *request;
	TimestampTz now;
	int			leased;
} Leasing;

/* Has it all that was asked for? */
static bool
is_full(const Leasing *leasing)
{
	return leasing->leased >= leasing->request->max_tasks;
}

/* The type of the task in a slot. */
static const char *
type_in(TupleTableSlot *slot)
{
	return slot_text(slot, QUEUE_COL_NODE_TYPE);
}

/* The first task that was kept back, if it comes before the row; NULL: any. */
static DeferredTask *
next_deferred(const Leasing *leasing, TupleTableSlot *row)
{
	List	   *tasks = store_deferred(leasing->store)->tasks;
	ListCell   *lc;

	foreach(lc, tasks)
	{
		DeferredTask *task = (DeferredTask *) lfirst(lc);
		TupleTableSlot *slot;

		if (row != NULL)
		{
			int			priority = DatumGetInt32(slot_column(row, QUEUE_COL_PRIORITY));

			if (task->priority < priority ||
				(task->priority == priority && task->queue_id >
				 DatumGetInt64(slot_column(row, QUEUE_COL_QUEUE_ID))))
				return NULL;
		}
		slot = fill_slot(leasing->table, task);
		if (type_wanted(slot, leasing->request->ntypes, leasing->request->types))
			return task;
	}
	return NULL;
}

/* Writes tasks that come before the row as leased. */
static void
lease_deferred(Leasing *leasing, TupleTableSlot *row)
{
	Deferred   *deferred = store_deferred(leasing->store);
	const LeaseRequest *request = leasing->request;
	DeferredTask *task;

	while (!is_full(leasing) && (task = next_deferred(leasing, row)) != NULL)
	{
		TupleTableSlot *slot = fill_slot(leasing->table, task);

		deferred->tasks = list_delete_ptr(deferred->tasks, task);
		queue_set_lease(slot, request->worker_id, 1, leasing->now + request->lease_us,
						attempt_deadline(slot, leasing->now), leasing->now);
		store_write_insert(leasing->store, leasing->table);
		if (request->taken != NULL)
			request->taken(type_in(slot));
		request->callback(request->arg, slot);
		leasing->leased++;
	}
}

/* May the row in the scan slot be leased now? */
static bool
may_lease(const Leasing *leasing, TupleTableSlot *slot)
{
	TimestampTz deadline;

	if (!type_wanted(slot, leasing->request->ntypes, leasing->request->types) ||
		DatumGetTimestampTz(slot_column(slot, QUEUE_COL_AVAILABLE_AT)) > leasing->now)
		return false;
	/* what is overdue is the reaper's */
	deadline = attempt_deadline(slot, leasing->now);
	return deadline == 0 || deadline > leasing->now;
}

/* Leases the row in the scan slot; false: it is gone, or (*held) somebody has it. */
static bool
lease_row(Leasing *leasing, QueueScan *scan, bool *held)
{
	ItemPointerData tid = scan->slot->tts_tid;
	const LeaseRequest *request = leasing->request;

	if (!store_lock_row(scan->table, &tid, scan->snapshot, true, held))
		return false;
	queue_set_lease(queue_new_version(scan->table), request->worker_id,
					DatumGetInt32(slot_column(scan->slot, QUEUE_COL_ATTEMPTS)) + 1,
					leasing->now + request->lease_us,
					attempt_deadline(scan->slot, leasing->now), leasing->now);
	queue_write_version(leasing->store, scan->table);
	request->callback(request->arg, scan->table->insert_slot);
	leasing->leased++;
	return true;
}

/* See store.h. */
int
store_lease(Store *store, const LeaseRequest *request, bool *more, bool *locked)
{
	ReadyScan	ready;
	Leasing		leasing;
	bool		any = false;
	bool		held;

	*more = false;
	*locked = false;
	leasing.store = store;
	leasing.table = store_table(store, REL_QUEUE);
	leasing.request = request;
	leasing.now = GetCurrentTimestamp();
	leasing.leased = 0;
	list_sort(store_deferred(store)->tasks, compare_deferred);
	ready_scan_open(&ready, store);
	while (!*more && ready_scan_next(&ready))
	{
		if (!may_lease(&leasing, ready.scan.slot))
			continue;
		lease_deferred(&leasing, ready.scan.slot);
		if (is_full(&leasing))
			*more = true;
		else if (lease_row(&leasing, &ready.scan, &held))
			any = true;
		else
			*locked = *locked || held;
	}
	ready_scan_close(&ready, any);
	lease_deferred(&leasing, NULL);
	return leasing.leased;
}

/* See store.h. */
bool
store_any_ready(Store *store, int ntypes, char **types)
{
	ReadyScan	ready;
	bool		found = false;

	queue_write_deferred(store);
	ready_scan_open(&ready, store);
	while (!found && ready_scan_next(&ready))
		found = type_wanted(ready.scan.slot, ntypes, types);
	ready_scan_close(&ready, false);
	return found;
}
