/*
 * store/queue.c
 *		Reads and writes of noetl.queue.
 *
 * Workers lease rows without the execution's lock, so the queue is read with
 * a fresh MVCC snapshot, and a row is locked before it is changed.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/low_water.h"
#include "store/run_low_water.h"
#include "store/internal.h"
#include "store/queue_row.h"
#include "store/slot.h"
#include "store/due_low_water.h"
#include "playbook/playbook.h"

/* See store_queue.h. */
void
queue_scan_open(QueueScan *scan, Store *store, StoreRelation index,
				ScanKey keys, int nkeys)
{
	queue_write_deferred(store);
	CommandCounterIncrement();
	scan->table = store_table(store, REL_QUEUE);
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan->index = store_open_index(store, index);
#if PG_VERSION_NUM >= 180000
	scan->scan = index_beginscan(scan->table->relation, scan->index,
								 scan->snapshot, NULL, nkeys, 0);
#else
	scan->scan = index_beginscan(scan->table->relation, scan->index,
								 scan->snapshot, nkeys, 0);
#endif
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
	scan->slot = scan->table->scan_slot;
}

/* See store_queue.h. */
bool
queue_scan_next(QueueScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

/* See store_queue.h. */
void
queue_scan_close(QueueScan *scan)
{
	index_endscan(scan->scan);
	UnregisterSnapshot(scan->snapshot);
}

/* See store_queue.h. */
int64
queue_read_timeout(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, QUEUE_COL_TIMEOUT, &isnull);
	int64		us;

	return !isnull && timeout_of_interval(DatumGetIntervalP(value), &us) ? us : 0;
}

/* The columns queue functions need. */
static void
read_row(TupleTableSlot *slot, QueueRow *row)
{
	row->queue_id = DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID));
	row->execution_id = DatumGetInt64(slot_column(slot, QUEUE_COL_EXECUTION_ID));
	row->node_id = slot_text(slot, QUEUE_COL_NODE_ID);
	row->node_name = slot_text(slot, QUEUE_COL_NODE_NAME);
	row->node_type = slot_text(slot, QUEUE_COL_NODE_TYPE);
	row->status = slot_text(slot, QUEUE_COL_STATUS);
	row->worker_id = slot_text(slot, QUEUE_COL_WORKER_ID);
	row->attempts = DatumGetInt32(slot_column(slot, QUEUE_COL_ATTEMPTS));
	row->max_attempts = DatumGetInt32(slot_column(slot, QUEUE_COL_MAX_ATTEMPTS));
	row->event_id = DatumGetInt64(slot_column(slot, QUEUE_COL_EVENT_ID));
	row->item = slot_attisnull(slot, QUEUE_COL_CURRENT_INDEX) ? -1 :
		DatumGetInt32(slot_column(slot, QUEUE_COL_CURRENT_INDEX));
	row->lease_until = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_LEASE_UNTIL));
	row->place = slot->tts_tid;
	row->timeout = queue_read_timeout(slot);
	row->deadline = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
}

/* See store_internal.h. */
bool
store_lock_row(StoreTable *table, ItemPointer tid, Snapshot snapshot, bool skip,
			   bool *held)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(table->relation, tid, snapshot, table->scan_slot,
							  GetCurrentCommandId(false), LockTupleExclusive,
							  skip ? LockWaitSkip : LockWaitBlock,
							  skip ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
							  &failure);
	if (held != NULL)
		*held = result == TM_WouldBlock;
	return result == TM_Ok;
}

/* Finds a row by queue_id and locks its newest version. */
static bool
lock_by_id(Store *store, int64 queue_id)
{
	QueueScan	scan;
	ScanKeyData key;
	ItemPointerData tid;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(queue_id));
	queue_scan_open(&scan, store, REL_QUEUE_PKEY, &key, 1);
	found = queue_scan_next(&scan);
	if (found)
	{
		tid = scan.slot->tts_tid;
		found = store_lock_row(scan.table, &tid, scan.snapshot, false, NULL);
	}
	queue_scan_close(&scan);
	return found;
}

/* See store_queue.h. */
TupleTableSlot *
queue_new_version(StoreTable *table)
{
	slot_begin_version(table->insert_slot, table->scan_slot);
	return table->insert_slot;
}

/* See store_queue.h. */
void
queue_write_version(Store *store, StoreTable *table)
{
	ExecStoreVirtualTuple(table->insert_slot);
	store_write_update(store, table, table->scan_slot, table->insert_slot);
}

/* A place at the end of the queue. */
static Datum
next_position(void)
{
	low_water_added();
	return Int64GetDatum(nextval_internal(store_relation(REL_QUEUE_SEQ), false));
}

/* Makes a row ready again, behind all that wait already. */
static void
make_ready(TupleTableSlot *new)
{
	slot_set(new, QUEUE_COL_QUEUE_ID, next_position());
	slot_set_text(new, QUEUE_COL_STATUS, "queued");
	slot_set_null(new, QUEUE_COL_AVAILABLE_AT);
	slot_set_null(new, QUEUE_COL_LEASE_UNTIL);
	slot_set_null(new, QUEUE_COL_WORKER_ID);
	slot_set_null(new, QUEUE_COL_DEADLINE);
}

/* Sets a time for which 0 means NULL. */
static void
set_time(TupleTableSlot *new, QueueColumn column, TimestampTz when)
{
	if (when != 0)
		slot_set(new, column, TimestampTzGetDatum(when));
	else
		slot_set_null(new, column);
}

/* ---------------------------------------------------------------------------
 * For decisions
 * ---------------------------------------------------------------------------
 */

/* See store_queue.h. */
ItemPointer
queue_copy_tid(TupleTableSlot *slot)
{
	ItemPointer tid = palloc(sizeof(ItemPointerData));

	*tid = slot->tts_tid;
	return tid;
}

/* The state of a run by the status of its row; false: it is none any more. */
static bool
run_state(const char *status, RunState *state)
{
	if (strcmp(status, "queued") == 0)
		*state = RUN_QUEUED;
	else if (strcmp(status, "leased") == 0)
		*state = RUN_LEASED;
	else if (strcmp(status, "retry") == 0)
		*state = RUN_RETRY;
	else
		return false;
	return true;
}

/*
 * Scans the runs of an execution (item -1), from where they can begin, or those
 * of one item of its iterators.
 */
static void
run_scan_open(QueueScan *scan, Store *store, int64 execution_id, int item)
{
	ScanKeyData keys[3];
	int64		begin = item >= 0 ? PG_INT64_MIN :
		run_mark_begin(store_table(store, REL_QUEUE)->relation, execution_id);

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	if (item >= 0)
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(item));
	else
		ScanKeyEntryInitialize(&keys[1], SK_ISNULL | SK_SEARCHNULL, 2, InvalidStrategy,
							   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(begin));
	queue_scan_open(scan, store, REL_QUEUE_RUN_IDX, keys, 3);
}

/* The visit of a step that the row in the scan slot is of. */
static int
row_visit(const QueueScan *scan, int64 execution_id, const char *node_name)
{
	return Max(node_id_visit(slot_text(scan->slot, QUEUE_COL_NODE_ID), execution_id,
							 node_name), 1);
}

/* Is the row in the scan slot one of this step? */
static bool
is_of_step(const QueueScan *scan, const char *node_name)
{
	text	   *name = DatumGetTextPP(slot_column(scan->slot, QUEUE_COL_NODE_NAME));

	return strlen(node_name) == VARSIZE_ANY_EXHDR(name) &&
		memcmp(node_name, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0;
}

/* Has this worker leased the row in the scan slot?  NULL: nobody asks. */
static bool
is_held_by(const QueueScan *scan, const char *worker_id)
{
	const char *holder;

	if (worker_id == NULL || slot_attisnull(scan->slot, QUEUE_COL_WORKER_ID))
		return false;
	holder = slot_text(scan->slot, QUEUE_COL_WORKER_ID);
	return strcmp(holder, worker_id) == 0;
}

/*
 * What a task was given to do; of one that only saves what children have done
 * also what they have done.
 */
static void
load_payload(TupleTableSlot *slot, const Playbook *playbook, Run *run)
{
	const Step *step = &playbook->steps[run->step];

	run->action = slot_jsonb(slot, QUEUE_COL_ACTION);
	run->timeout = queue_read_timeout(slot);
	run->deadline = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
	if (step->kind == STEP_PLAYBOOK || step->kind == STEP_ITERATOR)
		run->context = slot_jsonb(slot, QUEUE_COL_CONTEXT);
}

/* A live row as a run; NULL: its step or status is none that counts. */
static Run *
read_run(TupleTableSlot *slot, int64 execution_id, const Playbook *playbook,
		 const char *with_action)
{
	char	   *name = slot_text(slot, QUEUE_COL_NODE_NAME);
	char	   *node_id = slot_text(slot, QUEUE_COL_NODE_ID);
	Run		   *run = run_make(playbook_find_step(playbook, name, strlen(name)), 1, RUN_QUEUED);

	if (run->step < 0 ||
		!run_state(slot_text(slot, QUEUE_COL_STATUS), &run->state))
		return NULL;
	run->visit = Max(node_id_visit(node_id, execution_id, name), 1);
	if (!slot_attisnull(slot, QUEUE_COL_CURRENT_INDEX))
		run->item = DatumGetInt32(slot_column(slot, QUEUE_COL_CURRENT_INDEX));
	run->stored = true;
	run->is_task = true;
	run->queue_id = DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID));
	run->type = slot_text(slot, QUEUE_COL_NODE_TYPE);
	run->started_event_id = DatumGetInt64(slot_column(slot, QUEUE_COL_EVENT_ID));
	run->attempts = DatumGetInt32(slot_column(slot, QUEUE_COL_ATTEMPTS));
	run->max_attempts = DatumGetInt32(slot_column(slot, QUEUE_COL_MAX_ATTEMPTS));
	run->worker_id = slot_text(slot, QUEUE_COL_WORKER_ID);
	run->available_at = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_AVAILABLE_AT));
	if (with_action != NULL && strcmp(name, with_action) == 0)
		load_payload(slot, playbook, run);
	run->handle = queue_copy_tid(slot);
	return run;
}

/* See store.h. */
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
			read_run(scan.slot, execution_id, playbook, node_name) : NULL;

		if (run != NULL && (visit == 0 || run->visit == visit) &&
			(oldest == NULL || run->visit < oldest->visit))
			oldest = run;
	}
	queue_scan_close(&scan);
	return oldest;
}

/* See store.h. */
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
		read_row(scan.slot, row);
		rows = lappend(rows, row);
	}
	queue_scan_close(&scan);
	foreach(lc, rows)
	{
		const QueueRow *row = (QueueRow *) lfirst(lc);
		StoreTable *table = store_table(store, REL_QUEUE);

		CHECK_FOR_INTERRUPTS();
		if (!lock_by_id(store, row->queue_id))
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

/* See store.h. */
void
store_queue_load_runs(Store *store, int64 execution_id,
					  const Playbook *playbook, const char *with_action,
					  List **runs)
{
	QueueScan	scan;
	int64		first = 0;

	run_scan_open(&scan, store, execution_id, -1);
	while (queue_scan_next(&scan))
	{
		Run		   *run = read_run(scan.slot, execution_id, playbook, with_action);

		if (first == 0)
			first = DatumGetInt64(slot_column(scan.slot, QUEUE_COL_QUEUE_ID));
		if (run != NULL)
			*runs = lappend(*runs, run);
	}
	queue_scan_close(&scan);
	run_mark_end(execution_id, first);
}

/* See store.h. */
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
		read_row(scan.slot, row);
	}
	queue_scan_close(&scan);
	return best != 0;
}

/* See store_internal.h. */
void
store_fill_task(TupleTableSlot *slot, const BrokerState *state, const Run *run)
{
	const Step *step = &state->playbook->steps[run->step];

	slot_begin(slot);
	slot_set(slot, QUEUE_COL_EXECUTION_ID, Int64GetDatum(state->execution_id));
	slot_set(slot, QUEUE_COL_CATALOG_ID, Int64GetDatum(state->playbook->catalog_id));
	slot_set_text(slot, QUEUE_COL_NODE_ID,
			 node_id_make(state->execution_id, step->name, run->visit, run->item));
	slot_set_text(slot, QUEUE_COL_NODE_NAME, step->name);
	slot_set_text(slot, QUEUE_COL_NODE_TYPE, run->type != NULL ? run->type : step->type);
	slot_set(slot, QUEUE_COL_ACTION, PointerGetDatum(run->action));
	if (run->context != NULL)
		slot_set(slot, QUEUE_COL_CONTEXT, PointerGetDatum(run->context));
	slot_set_text(slot, QUEUE_COL_STATUS, "queued");
	slot_set(slot, QUEUE_COL_PRIORITY, Int32GetDatum(run->priority));
	slot_set(slot, QUEUE_COL_ATTEMPTS, Int32GetDatum(0));
	slot_set(slot, QUEUE_COL_MAX_ATTEMPTS, Int32GetDatum(run->max_attempts));
	slot_set(slot, QUEUE_COL_CREATED_AT,
			   TimestampTzGetDatum(id_time(run->started_event_id)));
	if (state->parent_execution_id != 0)
		slot_set(slot, QUEUE_COL_PARENT_EXECUTION_ID,
				   Int64GetDatum(state->parent_execution_id));
	slot_set(slot, QUEUE_COL_PARENT_EVENT_ID, Int64GetDatum(run->released_by));
	slot_set(slot, QUEUE_COL_EVENT_ID, Int64GetDatum(run->started_event_id));
	if (run->item >= 0)
		slot_set(slot, QUEUE_COL_CURRENT_INDEX, Int32GetDatum(run->item));
	if (run->timeout != 0)
		slot_set(slot, QUEUE_COL_TIMEOUT,
				 IntervalPGetDatum(timeout_to_interval(run->timeout)));
}

/* See store_internal.h. */
void
store_place_task(TupleTableSlot *slot)
{
	slot_set(slot, QUEUE_COL_QUEUE_ID, next_position());
}

/* See store.h. */
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
	if (queue_defer(store, table))
		return;
	store_write_insert(store, table);
	run->handle = queue_copy_tid(slot);
}

/* Where the row of a run is; one that was kept back has to be looked for. */
static ItemPointerData
place_of(Store *store, Run *run)
{
	QueueRow	row;

	if (run->handle != NULL)
		return *(ItemPointer) run->handle;
	if (!store_get_task(store, run->queue_id, &row))
		elog(ERROR, "queue row " INT64_FORMAT " has vanished", run->queue_id);
	return row.place;
}

/* Locks the row of a run that was loaded; it cannot be gone. */
static StoreTable *
lock_run(Store *store, Run *run)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	ItemPointerData tid = place_of(store, run);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (!store_lock_row(table, &tid, snapshot, false, NULL))
		elog(ERROR, "queue row " INT64_FORMAT " has vanished", run->queue_id);
	UnregisterSnapshot(snapshot);
	return table;
}

/*
 * A finished task leaves the table.  Without triggers to serve, the row is
 * deleted in one go, following it when its worker has just extended the lease.
 */
void
store_close_task(Store *store, Run *run)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	ItemPointerData tid;
	TM_FailureData failure;
	TM_Result	result;

	if (run->handle == NULL && queue_forget(store, run->queue_id))
		return;
	if (!run->stored)
		CommandCounterIncrement();	/* enqueued a moment ago */
	if (run->worker_id == NULL)
		low_water_hidden();		/* it was ready, perhaps */
	tid = place_of(store, run);
	if (table->result_rel->ri_TrigDesc != NULL)
	{
		table = lock_run(store, run);
		store_write_delete(store, table, table->scan_slot);
		return;
	}
	do
	{
		result = table_tuple_delete(table->relation, &tid, GetCurrentCommandId(true),
									SnapshotAny, InvalidSnapshot, true, &failure, false);
		if (result == TM_Ok)
			return;
		tid = failure.ctid;
	} while (result == TM_Updated);
	elog(ERROR, "queue row " INT64_FORMAT " has vanished", run->queue_id);
}

/*
 * Back into the queue: now, or when its time has come.  An attempt that goes on
 * after its lease was lost keeps its deadline; for the reaper, which looks for
 * leases that end, lease_until is then the same.
 */
void
store_retry_task(Store *store, Run *run)
{
	StoreTable *table = lock_run(store, run);
	TupleTableSlot *new = queue_new_version(table);

	make_ready(new);
	slot_set(new, QUEUE_COL_ATTEMPTS, Int32GetDatum(run->attempts));
	if (run->state == RUN_RETRY)
	{
		slot_set_text(new, QUEUE_COL_STATUS, "retry");
		slot_set(new, QUEUE_COL_AVAILABLE_AT, TimestampTzGetDatum(run->available_at));
	}
	else
	{
		set_time(new, QUEUE_COL_LEASE_UNTIL, run->deadline);
		set_time(new, QUEUE_COL_DEADLINE, run->deadline);
	}
	queue_write_version(store, table);
}

/* See store_queue.h. */
void
queue_set_lease(TupleTableSlot *new, const char *worker_id, int attempts,
		  TimestampTz lease_until, TimestampTz deadline, TimestampTz now)
{
	if (deadline != 0)
		lease_until = lease_until != 0 ? Min(lease_until, deadline) : deadline;
	slot_set_text(new, QUEUE_COL_STATUS, "leased");
	slot_set_text(new, QUEUE_COL_WORKER_ID, worker_id);
	slot_set(new, QUEUE_COL_ATTEMPTS, Int32GetDatum(attempts));
	slot_set(new, QUEUE_COL_LAST_HEARTBEAT, TimestampTzGetDatum(now));
	set_time(new, QUEUE_COL_LEASE_UNTIL, lease_until);
	set_time(new, QUEUE_COL_DEADLINE, deadline);
}

/* A worker said action_started without asking for a lease. */
void
store_lease_task(Store *store, Run *run, TimestampTz lease_until)
{
	StoreTable *table = lock_run(store, run);

	queue_set_lease(queue_new_version(table), run->worker_id, run->attempts, lease_until,
			  run->deadline, GetCurrentTimestamp());
	queue_write_version(store, table);
}

/* Tells the holder of a lease, at its next heartbeat, that it works in vain. */
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

/* See store.h. */
bool
store_get_task(Store *store, int64 queue_id, QueueRow *row)
{
	QueueScan	scan;
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(queue_id));
	queue_scan_open(&scan, store, REL_QUEUE_PKEY, &key, 1);
	found = queue_scan_next(&scan);
	if (found)
		read_row(scan.slot, row);
	queue_scan_close(&scan);
	return found;
}

/* See store.h. */
bool
store_task_unchanged(Store *store, const QueueRow *row)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	ItemPointerData tid = row->place;

	return table_tuple_fetch_row_version(table->relation, &tid, SnapshotSelf,
										 table->scan_slot) &&
		DatumGetInt64(slot_column(table->scan_slot, QUEUE_COL_QUEUE_ID)) == row->queue_id;
}

/* See store.h. */
bool
store_delete_task(Store *store, int64 queue_id)
{
	StoreTable *table = store_table(store, REL_QUEUE);

	if (!lock_by_id(store, queue_id))
		return false;
	store_write_delete(store, table, table->scan_slot);
	return true;
}

/* Locks a row if the worker still holds its lease. */
static bool
lock_leased(Store *store, int64 queue_id, const char *worker_id, QueueRow *row)
{
	if (!lock_by_id(store, queue_id))
		return false;
	read_row(store_table(store, REL_QUEUE)->scan_slot, row);
	return strcmp(row->status, "leased") == 0 && row->worker_id != NULL &&
		strcmp(row->worker_id, worker_id) == 0;
}

/* See store.h. */
bool
store_extend_lease(Store *store, int64 queue_id, const char *worker_id,
				   TimestampTz lease_until, TimestampTz now)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	QueueRow	row;

	if (!lock_leased(store, queue_id, worker_id, &row) ||
		(row.deadline != 0 && row.deadline <= now))
		return false;
	queue_set_lease(queue_new_version(table), worker_id, row.attempts, lease_until,
			  row.deadline, now);
	queue_write_version(store, table);
	return true;
}

/* See store.h. */
bool
store_release_task(Store *store, int64 queue_id, const char *worker_id)
{
	StoreTable *table = store_table(store, REL_QUEUE);
	TupleTableSlot *new;
	QueueRow	row;

	if (!lock_leased(store, queue_id, worker_id, &row))
		return false;
	new = queue_new_version(table);
	make_ready(new);
	slot_set(new, QUEUE_COL_ATTEMPTS, Int32GetDatum(Max(row.attempts - 1, 0)));
	queue_write_version(store, table);
	return true;
}

/* Where due times can begin, in each of the two timer indexes. */
static TimeMark retry_mark;
static TimeMark expiry_mark;

/* See store.h. */
void
store_queue_read_all_timers(void)
{
	retry_mark.next_full = expiry_mark.next_full = 0;
}

/* Scans a timer index from its mark up to now. */
static void
timer_scan_open(QueueScan *scan, Store *store, StoreRelation index, TimeMark *mark)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(time_mark_begin(mark)));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(GetCurrentTimestamp()));
	queue_scan_open(scan, store, index, keys, 2);
}

/* See store.h. */
int
store_promote_due(Store *store, int64 execution_id, int limit)
{
	QueueScan	scan;
	int			promoted = 0;
	bool		emptied = true;

	timer_scan_open(&scan, store, REL_QUEUE_RETRY_IDX, &retry_mark);
	while (queue_scan_next(&scan))
	{
		ItemPointerData tid = scan.slot->tts_tid;

		if (promoted >= limit ||
			(execution_id != 0 && execution_id !=
			 DatumGetInt64(slot_column(scan.slot, QUEUE_COL_EXECUTION_ID))) ||
			!store_lock_row(scan.table, &tid, scan.snapshot, true, NULL))
		{
			emptied = false;
			if (promoted >= limit)
				break;
			continue;
		}
		make_ready(queue_new_version(scan.table));
		queue_write_version(store, scan.table);
		promoted++;
	}
	queue_scan_close(&scan);
	/* our own promotions may yet be rolled back */
	time_mark_end(&retry_mark, emptied && promoted == 0);
	return promoted;
}

/* The smallest time in a timer index. */
static bool
first_time(Store *store, StoreRelation index, const TimeMark *mark,
		   QueueColumn attribute, TimestampTz *when)
{
	QueueScan	scan;
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(mark->begin == 0 ? DT_NOBEGIN : mark->begin));
	queue_scan_open(&scan, store, index, &key, 1);
	found = queue_scan_next(&scan);
	if (found)
		*when = DatumGetTimestampTz(slot_column(scan.slot, attribute));
	queue_scan_close(&scan);
	return found;
}

/* See store.h. */
bool
store_queue_next_timer(Store *store, TimestampTz *when)
{
	TimestampTz retry;
	TimestampTz expiry;
	bool		has_retry = first_time(store, REL_QUEUE_RETRY_IDX, &retry_mark,
									   QUEUE_COL_AVAILABLE_AT, &retry);
	bool		has_expiry = first_time(store, REL_QUEUE_LEASE_IDX, &expiry_mark,
										QUEUE_COL_LEASE_UNTIL, &expiry);

	if (has_retry)
		*when = has_expiry ? Min(retry, expiry) : retry;
	else if (has_expiry)
		*when = expiry;
	return has_retry || has_expiry;
}

/* See store.h. */
List *
store_expired_leases(Store *store, int64 execution_id, int limit)
{
	QueueScan	scan;
	List	   *rows = NIL;
	bool		emptied = true;

	timer_scan_open(&scan, store, REL_QUEUE_LEASE_IDX, &expiry_mark);
	while (list_length(rows) < limit && queue_scan_next(&scan))
	{
		QueueRow   *row = palloc(sizeof(QueueRow));

		emptied = false;
		read_row(scan.slot, row);
		if (execution_id == 0 || execution_id == row->execution_id)
			rows = lappend(rows, row);
	}
	queue_scan_close(&scan);
	time_mark_end(&expiry_mark, emptied);
	return rows;
}
