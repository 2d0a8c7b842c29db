/*
 * store/queue.c
 *		Tasks: what decisions and workers do with rows of noetl.queue.
 *
 * Workers lease rows without the execution's lock.  So the queue is read with a
 * fresh MVCC snapshot, and a row is locked before it is changed.
 */
#include "common/common.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "playbook/playbook.h"
#include "store/deferred.h"
#include "store/leaf.h"
#include "store/low_water.h"
#include "store/pause_row.h"
#include "store/place.h"
#include "store/queue_row.h"
#include "store/ready_news.h"
#include "store/run_low_water.h"
#include "store/table.h"

/* So many tasks of an execution are read where only some are asked for */
#define SOME_TASKS		8

/* ---------------------------------------------------------------------------
 * For decisions
 * ---------------------------------------------------------------------------
 */

/*
 * Opens a scan of the tasks of an execution's steps (item -1), from the low-water
 * mark on, or of one item of its iterators.
 */
static void
run_scan_open(QueueScan *scan, Store *store, int64 execution_id, int item)
{
	ScanKeyData keys[3];
	int64		begin = item >= 0 ? PG_INT64_MIN :
		run_low_water_begin(store_table(store, REL_QUEUE)->relation, execution_id);

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	if (item >= 0)
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(item));
	else
		ScanKeyEntryInitialize(&keys[1], SK_ISNULL | SK_SEARCHNULL, 2, InvalidStrategy,
							   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(begin));
	queue_scan_open(scan, store, REL_QUEUE_RUN_IDX, keys, 3);
}

/* Returns whether the row in the scan slot is of a step. */
static bool
is_of_step(const QueueScan *scan, const char *node_name)
{
	text	   *name = DatumGetTextPP(slot_column(scan->slot, QUEUE_COL_NODE_NAME));

	return strlen(node_name) == VARSIZE_ANY_EXHDR(name) &&
		memcmp(node_name, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0;
}

/* Returns the visit of a step that the row in the scan slot is of. */
static int
row_visit(const QueueScan *scan, int64 execution_id, const char *node_name)
{
	return Max(node_id_visit(slot_text(scan->slot, QUEUE_COL_NODE_ID), execution_id,
							 node_name), 1);
}

/* Returns whether a worker (NULL: nobody) has leased the row in the scan slot. */
static bool
is_held_by(const QueueScan *scan, const char *worker_id)
{
	return worker_id != NULL && !slot_attisnull(scan->slot, QUEUE_COL_WORKER_ID) &&
		strcmp(slot_text(scan->slot, QUEUE_COL_WORKER_ID), worker_id) == 0;
}

/*
 * Returns the live task of an item of a visit of an iterator (0: of the oldest
 * visit that has one) as a run, or NULL.
 */
Run *
store_load_item(Store *store, int64 execution_id, const Playbook *playbook,
				const char *node_name, int visit, int item)
{
	QueueScan	scan;
	Run		   *oldest = NULL;

	run_scan_open(&scan, store, execution_id, item);
	while (queue_scan_next(&scan))
	{
		Run		   *run = is_of_step(&scan, node_name) ?
			queue_read_run(scan.slot, execution_id, playbook, node_name) : NULL;

		if (run != NULL && (visit == 0 || run->visit == visit) &&
			(oldest == NULL || run->visit < oldest->visit))
			oldest = run;
	}
	queue_scan_close(&scan);
	return oldest;
}

/*
 * Withdraws the tasks of the items of a visit of an iterator.  The rows are read first and then
 * locked one by one.
 */
void
store_abandon_items(Store *store, int64 execution_id, const char *node_name, int visit,
					bool leave, bool revoke)
{
	QueueScan	scan;
	ScanKeyData keys[2];
	List	   *rows = NIL;
	ListCell   *lc;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT4GE, Int32GetDatum(0));
	queue_scan_open(&scan, store, REL_QUEUE_RUN_IDX, keys, 2);
	while (queue_scan_next(&scan))
	{
		QueueRow   *row;

		if (!is_of_step(&scan, node_name) ||
			row_visit(&scan, execution_id, node_name) != visit)
			continue;
		row = palloc(sizeof(QueueRow));
		queue_read_row(scan.slot, row);
		rows = lappend(rows, row);
	}
	queue_scan_close(&scan);
	foreach(lc, rows)
	{
		const QueueRow *row = (QueueRow *) lfirst(lc);
		StoreTable *table = store_table(store, REL_QUEUE);

		CHECK_FOR_INTERRUPTS();
		if (!queue_lock_place(store, row->place))
			continue;
		if (!leave || slot_attisnull(table->scan_slot, QUEUE_COL_WORKER_ID))
			store_write_delete(store, table, table->scan_slot);
		else if (revoke)
		{
			slot_set_text(queue_new_version(table), QUEUE_COL_STATUS, "cancelled");
			queue_write_version(store, table);
		}
	}
}

/* Writes another version, and perhaps another name of its step, into the locked row of a task. */
static void
migrate_row(Store *store, const QueueRow *row, const Playbook *to, const JsonbValue *map)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	TupleTableSlot *new = queue_new_version(table);
	const char *name = json_get_text(map, row->node_name);
	int			visit = Max(node_id_visit(row->node_id, row->execution_id, row->node_name), 1);
	int			step;

	slot_set(new, QUEUE_COL_CATALOG_ID, Int64GetDatum(to->catalog_id));
	if (name != NULL)
	{
		slot_set_text(new, QUEUE_COL_NODE_ID,
					  node_id_make(row->execution_id, name, visit, row->item));
		slot_set_text(new, QUEUE_COL_NODE_NAME, name);
	}
	else
		name = row->node_name;
	slot_set_null(new, QUEUE_COL_VISIT);
	step = playbook_find_step(to, name, strlen(name));
	if (step >= 0 && row->item < 0 && step_counts_visits(&to->steps[step]))
		slot_set(new, QUEUE_COL_VISIT, Int32GetDatum(visit));
	queue_write_version(store, table);
}

/*
 * Writes another version of the playbook into the tasks of an execution.  The rows are
 * read first and then locked one by one.
 */
void
store_migrate_tasks(Store *store, int64 execution_id, const Playbook *to, const JsonbValue *map)
{
	QueueScan	scan;
	ScanKeyData key;
	List	   *rows = NIL;
	ListCell   *lc;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	queue_scan_open(&scan, store, REL_QUEUE_RUN_IDX, &key, 1);
	while (queue_scan_next(&scan))
	{
		QueueRow   *row = palloc(sizeof(QueueRow));

		queue_read_row(scan.slot, row);
		rows = lappend(rows, row);
	}
	queue_scan_close(&scan);
	foreach(lc, rows)
	{
		CHECK_FOR_INTERRUPTS();
		if (queue_lock_row(store, ((QueueRow *) lfirst(lc))->queue_id))
			migrate_row(store, (QueueRow *) lfirst(lc), to, map);
	}
}

/*
 * Returns the newest visit of a step, after another one, that has a live task; 0: none has.
 * Visits that have ended are mostly not newer than "after", so their entries are not read.
 */
int
store_newest_visit(Store *store, int64 execution_id, const char *step_name, int after)
{
	Relation	index = store_open_index(store, REL_QUEUE_VISIT_IDX);
	QueueScan	scan;
	ScanKeyData keys[3];
	int			visit = 0;

	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, index->rd_indcollation[1], step_name);
	ScanKeyInit(&keys[2], 3, BTGreaterStrategyNumber, F_INT4GT, Int32GetDatum(after));
	queue_scan_open(&scan, store, REL_QUEUE_VISIT_IDX, keys, 3);
	while (visit == 0 && queue_scan_next(&scan))
		if (queue_is_live(scan.slot))
			visit = DatumGetInt32(slot_column(scan.slot, QUEUE_COL_VISIT));
	queue_scan_close(&scan);
	return visit;
}

/* Reads one task of an execution as a run; NULL: it is none of its live ones. */
static Run *
load_task(Store *store, int64 execution_id, const Playbook *playbook, const RunQuery *query)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	QueueRow	row;

	if (query->task_id == 0 || !store_get_task(store, query->task_id, &row) ||
		row.execution_id != execution_id || row.item >= 0)
		return NULL;
	return queue_read_run(table->scan_slot, execution_id, playbook, query->with_action);
}

/* What is read of an execution's live tasks. */
typedef struct RunLoad
{
	int64		execution_id;
	const Playbook *playbook;
	const RunQuery *query;
	List	   *runs;
	int64		first;			/* the smallest queue_id; 0: there is no row */
	bool		found;			/* the task that is asked for */
} RunLoad;

/* Appends the task in a slot. */
static void
load_run(RunLoad *load, TupleTableSlot *slot)
{
	Run		   *run = queue_read_run(slot, load->execution_id, load->playbook,
									 load->query->with_action);

	if (load->first == 0)
		load->first = DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID));
	if (run == NULL)
		return;
	load->runs = lappend(load->runs, run);
	load->found = load->found || run->queue_id == load->query->task_id;
}

/* An execution with more tasks is loaded by a scan of the index. */
#define FEW_TASKS		16

/* Returns whether the scan slot has a row that was read under its execution's lock. */
static bool
is_locked_task(const Store *store, const StoreTable *table, ItemPointerData tid)
{
	TupleTableSlot *slot = table->scan_slot;

	return ItemPointerIsValid(&store->locked_task) &&
		ItemPointerEquals(unconstify(ItemPointerData *, &store->locked_task), &tid) &&
		store->locked_command == GetCurrentCommandId(false) &&
		!TTS_EMPTY(slot) && ItemPointerEquals(&slot->tts_tid, &tid);
}

/*
 * Appends the live tasks from where the index has their entries, as far as that is known.
 * Returns false when the index is to be scanned.  Mostly there is one entry, of the row
 * that has just been read: a later version would have another one, or differ from it in
 * nothing that a run is read from.
 */
static bool
recall_runs(Store *store, RunLoad *load)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	Relation	index = store_open_index(store, REL_QUEUE_RUN_IDX);
	int64		begin = run_low_water_begin(table->relation, load->execution_id);
	LeafEntry	entries[FEW_TASKS];
	Snapshot	snapshot;
	int			count;

	deferred_write(store, REL_QUEUE);
	count = leaf_read_all(index, load->execution_id, begin, entries, FEW_TASKS);
	if (count == 1 && is_locked_task(store, table, entries[0].tid))
	{
		load_run(load, table->scan_slot);
		return true;
	}
	if (count < 0)
		return false;
	CommandCounterIncrement();
	/* before the page is read: of what the snapshot shows it has the entries */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	count = leaf_read_all(index, load->execution_id, begin, entries, FEW_TASKS);
	for (int i = 0; i < count; i++)
		if (store_fetch_entry(table, entries[i].tid, snapshot))
			load_run(load, table->scan_slot);
	UnregisterSnapshot(snapshot);
	return count >= 0;
}

/*
 * Returns the live tasks of an execution's steps (Run *), under its lock, or some of them.
 * *more: there are others.
 */
List *
queue_load_runs(Store *store, int64 execution_id, const Playbook *playbook,
				const RunQuery *query, bool *more)
{
	RunLoad		load = {execution_id, playbook, query, NIL, 0, false};
	QueueScan	scan;

	*more = false;
	if (!recall_runs(store, &load))
	{
		run_scan_open(&scan, store, execution_id, -1);
		while (!*more && queue_scan_next(&scan))
		{
			if (load.first == 0)
				leaf_note(scan.scan, execution_id);
			load_run(&load, scan.slot);
			*more = query->some && list_length(load.runs) == SOME_TASKS;
		}
		queue_scan_close(&scan);
	}
	run_low_water_end(execution_id, load.first);
	if (*more && !load.found)
	{
		Run		   *run = load_task(store, execution_id, playbook, query);

		if (run != NULL)
			load.runs = lappend(load.runs, run);
	}
	return load.runs;
}

/*
 * Reads the task of a visit of a step, or of an item of its iterator, whatever its
 * status.  Without a visit all visits are looked at: the oldest counts, first among
 * those that the worker has leased.
 */
bool
store_find_task(Store *store, int64 execution_id, const TaskQuery *query, QueueRow *row)
{
	QueueScan	scan;
	int			best = 0;
	bool		best_is_held = false;

	run_scan_open(&scan, store, execution_id, query->item);
	while ((query->visit == 0 || best == 0) && queue_scan_next(&scan))
	{
		bool		held;
		int			visit;

		if (!is_of_step(&scan, query->node_name))
			continue;
		visit = row_visit(&scan, execution_id, query->node_name);
		if (query->visit != 0 && visit != query->visit)
			continue;
		held = is_held_by(&scan, query->worker_id);
		if (best != 0 && (held != best_is_held ? best_is_held : visit > best))
			continue;
		best = visit;
		best_is_held = held;
		queue_read_row(scan.slot, row);
	}
	queue_scan_close(&scan);
	return best != 0;
}

/* Takes the slots that a task needs; it is ready if it has all of them, else blocked. */
static bool
take_slots(Store *store, TupleTableSlot *slot, Run *run)
{
	if (limit_keep(store, DatumGetInt64(slot->tts_values[QUEUE_COL_EXECUTION_ID - 1]),
				   run->limits, &run->slot_of))
	{
		slot_set(slot, QUEUE_COL_SLOT_OF, Int64GetDatum(run->slot_of));
		slot_set_text(slot, QUEUE_COL_STATUS, "queued");
		return true;
	}
	store->slots_taken = limit_take(store, run->queue_id,
									DatumGetInt64(slot->tts_values[QUEUE_COL_EXECUTION_ID - 1]),
									run->limits);
	if (store->slots_taken < JB_ROOT_COUNT(run->limits))
		return false;
	slot_set_text(slot, QUEUE_COL_STATUS, "queued");
	return true;
}

/* Inserts the task of a run at the end of the queue, or keeps it back. */
void
store_enqueue(Store *store, const BrokerState *state, Run *run)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	TupleTableSlot *slot = table->insert_slot;

	store_fill_task(slot, state, run);
	store_place_task(slot);
	run->queue_id = DatumGetInt64(slot->tts_values[QUEUE_COL_QUEUE_ID - 1]);
	/* the execution may fail in this very evaluation: then the row goes again */
	run->handle = NULL;
	if (!pause_row_if(store, slot) &&
		(run->limits == NULL || take_slots(store, slot, run)) &&
		deferred_add_task(store, table))
		return;
	store_write_insert(store, table);
	store->slots_taken = 0;
	run->handle = queue_note_place(slot);
}

/*
 * Has this session written rows since it read that of a run?  A statement of the execution
 * may lease, release or pause tasks, and time may make them ready.
 */
static bool
may_have_moved(const Run *run)
{
	return run->handle != NULL && !queue_place_is_current((TaskPlace *) run->handle);
}

/*
 * Returns where the row of a run is.  A row that was kept back when the run got
 * it is found by its id.
 */
static ItemPointerData
place_of(Store *store, Run *run)
{
	QueueRow	row;

	if (may_have_moved(run))
		return queue_newest_place(store_table(store, REL_QUEUE), (TaskPlace *) run->handle);
	if (run->handle != NULL)
		return ((TaskPlace *) run->handle)->tid;
	if (!store_get_task(store, run->queue_id, &row))
		store_row_missing(REL_QUEUE, run->queue_id);
	return row.place;
}

/* Locks the newest version of a run's row, which must exist. */
static StoreTable *
lock_run(Store *store, Run *run)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	ItemPointerData tid = place_of(store, run);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (!store_lock_row(table, &tid, snapshot, false, NULL))
		store_row_missing(REL_QUEUE, run->queue_id);
	UnregisterSnapshot(snapshot);
	return table;
}

/*
 * Deletes the row of a task that has one limit and its slot, if it is still as it was read;
 * the slot is left to the task that follows.
 */
static bool
close_limited(Store *store, int64 execution_id, const Run *run, ItemPointer tid)
{
	TM_FailureData failure;

	if (run->one_limit == NULL ||
		table_tuple_delete(store_table(store, REL_QUEUE)->relation, tid,
						   GetCurrentCommandId(true), SnapshotAny, InvalidSnapshot, true,
						   &failure, false) != TM_Ok)
		return false;
	run_low_water_closed(execution_id, run->queue_id);
	limit_leave(execution_id, run->slot_of != 0 ? run->slot_of : run->queue_id, run->one_limit);
	return true;
}

/*
 * Deletes the row of a task that has ended.  When the table has no triggers, the
 * row is deleted without being locked first; if its worker has extended the lease
 * meanwhile, the newer version is deleted.
 */
void
store_close_task(Store *store, int64 execution_id, Run *run)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	ItemPointerData tid;
	TM_FailureData failure;
	TM_Result	result;

	if (run->handle == NULL && deferred_drop_task(store, run->queue_id))
	{
		if (run->limits != NULL)
			limit_free(store, run->slot_of != 0 ? run->slot_of : run->queue_id);
		return;
	}
	if (!run->stored)
		CommandCounterIncrement();	/* this command has inserted the row */
	if (run->worker_id == NULL)
	{
		/* the row may be ready */
		low_water_hidden();
		ready_news_add(table->relation);
	}
	tid = place_of(store, run);
	/* who hands out slots of limits may have given the row another queue_id */
	if (table->result_rel->ri_TrigDesc != NULL || run->limits != NULL || may_have_moved(run) ||
		(run->limited && !close_limited(store, execution_id, run, &tid)))
	{
		table = lock_run(store, run);
		store_write_delete(store, table, table->scan_slot);
		return;
	}
	if (run->limited)
		return;
	do
	{
		result = table_tuple_delete(table->relation, &tid, GetCurrentCommandId(true),
									SnapshotAny, InvalidSnapshot, true, &failure, false);
		if (result == TM_Ok)
		{
			run_low_water_closed(execution_id, run->queue_id);
			return;
		}
		tid = failure.ctid;
	} while (result == TM_Updated);
	store_row_missing(REL_QUEUE, run->queue_id);
}

/*
 * Puts a task back into the queue: ready now, or at run->available_at.  An attempt
 * that goes on after its lease was lost keeps its deadline.  lease_until is set to
 * the deadline then, since the reaper searches by lease_until.
 */
void
store_retry_task(Store *store, Run *run)
{
	StoreTable *table = lock_run(store, run);
	TupleTableSlot *new = queue_new_version(table);

	queue_make_ready(new);
	slot_set(new, QUEUE_COL_ATTEMPTS, Int32GetDatum(run->attempts));
	slot_set(new, QUEUE_COL_LOST_LEASES, Int32GetDatum(run->lost));
	run->one_limit = NULL;
	run->slot_of = 0;
	if (run->state == RUN_RETRY)
	{
		slot_set_text(new, QUEUE_COL_STATUS, "retry");
		slot_set(new, QUEUE_COL_AVAILABLE_AT, TimestampTzGetDatum(run->available_at));
	}
	else
	{
		queue_set_time(new, QUEUE_COL_LEASE_UNTIL, run->deadline);
		queue_set_time(new, QUEUE_COL_DEADLINE, run->deadline);
		(void) pause_row_if(store, new);
	}
	queue_write_version(store, table);
}

/* Marks a task as leased by a worker that reported its start without a lease. */
void
store_lease_task(Store *store, Run *run, TimestampTz lease_until)
{
	StoreTable *table = lock_run(store, run);

	queue_set_lease(queue_new_version(table), run->worker_id, run->attempts, lease_until,
			  run->deadline, GetCurrentTimestamp());
	queue_write_version(store, table);
}

/* Marks a task as cancelled, which its worker is told at the next heartbeat. */
void
store_revoke_task(Store *store, Run *run)
{
	StoreTable *table = lock_run(store, run);

	slot_set_text(queue_new_version(table), QUEUE_COL_STATUS, "cancelled");
	queue_write_version(store, table);
}

/* ---------------------------------------------------------------------------
 * For workers
 * ---------------------------------------------------------------------------
 */

/* Reads a task; returns false when it has no row. */
bool
store_get_task(Store *store, int64 queue_id, QueueRow *row)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	QueueScan	scan;
	ScanKeyData key;
	bool		found;

	if (place_fetch(table, queue_id))
	{
		queue_read_row(table->scan_slot, row);
		return true;
	}
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(queue_id));
	queue_scan_open(&scan, store, REL_QUEUE_PKEY, &key, 1);
	found = queue_scan_next(&scan);
	if (found)
		queue_read_row(scan.slot, row);
	queue_scan_close(&scan);
	return found;
}

/* Returns the execution of a task that was leased lately (store/store.h). */
int64
store_recall_execution(Store *store, int64 queue_id)
{
	return place_execution(store_table(store, REL_QUEUE), queue_id);
}

/* Notes that the row in the scan slot was read under the lock (store/store.h). */
void
store_note_locked_task(Store *store)
{
	TupleTableSlot *slot = store_table(store, REL_QUEUE)->scan_slot;

	if (TTS_EMPTY(slot))
		return;
	store->locked_task = slot->tts_tid;
	store->locked_command = GetCurrentCommandId(false);
}

/*
 * Returns whether a row that was read is still the newest version.  Visits the
 * row without an index scan.
 */
bool
store_task_unchanged(Store *store, const QueueRow *row)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	ItemPointerData tid = row->place;

	return table_tuple_fetch_row_version(table->relation, &tid, SnapshotSelf,
										 table->scan_slot) &&
		DatumGetInt64(slot_column(table->scan_slot, QUEUE_COL_QUEUE_ID)) == row->queue_id;
}

/* Deletes all rows of an execution, which are read first and then locked one by one. */
void
store_delete_tasks(Store *store, int64 execution_id)
{
	QueueScan	scan;
	ScanKeyData key;
	List	   *places = NIL;
	ListCell   *lc;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	queue_scan_open(&scan, store, REL_QUEUE_RUN_IDX, &key, 1);
	while (queue_scan_next(&scan))
		places = lappend(places, queue_copy_tid(scan.slot));
	queue_scan_close(&scan);
	foreach(lc, places)
	{
		StoreTable *table = store_table(store, REL_QUEUE);

		if (queue_lock_place(store, *(ItemPointer) lfirst(lc)))
			store_write_delete(store, table, table->scan_slot);
	}
}

/* Reads a task and locks its row, without waiting (store/store.h). */
bool
store_try_task(Store *store, int64 queue_id, QueueRow *row)
{
	if (!queue_try_row(store, queue_id))
		return false;
	queue_read_row(store_table(store, REL_QUEUE)->scan_slot, row);
	return true;
}

/* Deletes a row whatever its status; returns false when it is gone. */
bool
store_delete_task(Store *store, int64 queue_id)
{
	StoreTable *table = store_table(store, REL_QUEUE);

	if (!queue_lock_row(store, queue_id))
		return false;
	store_write_delete(store, table, table->scan_slot);
	return true;
}

/*
 * Locks a row and reads it; returns false unless the worker holds its lease.  Raises
 * when the current role may not use the lease.
 */
static bool
lock_leased(Store *store, int64 queue_id, const char *worker_id, LeaseCheck check,
			QueueRow *row)
{
	if (!queue_lock_row(store, queue_id))
		return false;
	queue_read_row(store_table(store, REL_QUEUE)->scan_slot, row);
	if (strcmp(row->status, "leased") != 0 || row->worker_id == NULL ||
		strcmp(row->worker_id, worker_id) != 0)
		return false;
	check(store, row);
	return true;
}

/* Extends a lease; returns false when it is lost or the deadline has passed. */
bool
store_extend_lease(Store *store, int64 queue_id, const char *worker_id,
				   LeaseCheck check, TimestampTz lease_until, TimestampTz now)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	QueueRow	row;

	if (!lock_leased(store, queue_id, worker_id, check, &row) ||
		(row.deadline != 0 && row.deadline <= now))
		return false;
	queue_extend_lease(queue_new_version(table), worker_id, row.attempts, lease_until,
			  row.deadline, now);
	queue_write_version(store, table);
	return true;
}

/* Makes a leased row ready again, without counting the attempt. */
bool
store_release_task(Store *store, int64 queue_id, const char *worker_id, LeaseCheck check)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	TupleTableSlot *new;
	QueueRow	row;

	if (!lock_leased(store, queue_id, worker_id, check, &row))
		return false;
	new = queue_new_version(table);
	queue_make_ready(new);
	slot_set(new, QUEUE_COL_ATTEMPTS, Int32GetDatum(Max(row.attempts - 1, 0)));
	(void) pause_row_if(store, new);
	queue_write_version(store, table);
	return true;
}
