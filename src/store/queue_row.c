/*
 * store/queue_row.c
 *		Rows of noetl.queue: scans, reading, locking, and filling new versions.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "playbook/playbook.h"
#include "store/deferred.h"
#include "store/low_water.h"
#include "store/queue_row.h"
#include "store/table.h"

/* ---------------------------------------------------------------------------
 * Scans
 * ---------------------------------------------------------------------------
 */

/*
 * Opens a scan with a fresh snapshot.  Tasks that are kept back are written
 * first.
 */
void
queue_scan_open(QueueScan *scan, Store *store, StoreRelation index,
				ScanKey keys, int nkeys)
{
	deferred_write(store, REL_QUEUE);
	CommandCounterIncrement();
	scan->table = store_table(store, REL_QUEUE);
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan->index = store_open_index(store, index);
	scan->scan = index_scan_begin(scan->table->relation, scan->index, scan->snapshot, nkeys);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
	scan->slot = scan->table->scan_slot;
}

/* Fetches the next row into the scan slot; returns false at the end. */
bool
queue_scan_next(QueueScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

/* Closes a scan; the slot keeps its row. */
void
queue_scan_close(QueueScan *scan)
{
	index_endscan(scan->scan);
	UnregisterSnapshot(scan->snapshot);
}

/* ---------------------------------------------------------------------------
 * Reading
 * ---------------------------------------------------------------------------
 */

/* Returns an interval of a row in microseconds; 0: none. */
static int64
read_interval(TupleTableSlot *slot, QueueColumn column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);
	int64		us;

	return !isnull && timeout_of_interval(DatumGetIntervalP(value), &us) ? us : 0;
}

/* Returns the timeout of a row in microseconds; 0: none. */
int64
queue_read_timeout(TupleTableSlot *slot)
{
	return read_interval(slot, QUEUE_COL_TIMEOUT);
}

/*
 * Returns how long a row may wait for its first lease, in microseconds; 0: without
 * limit, or it has been leased before.
 */
int64
queue_read_wait(TupleTableSlot *slot)
{
	if (slot_attisnull(slot, QUEUE_COL_QUEUE_TIMEOUT) ||
		slot_attisnull(slot, QUEUE_COL_DEADLINE) ||
		DatumGetInt32(slot_column(slot, QUEUE_COL_ATTEMPTS)) > 0 ||
		(strcmp(slot_text(slot, QUEUE_COL_STATUS), "queued") != 0 &&
		 strcmp(slot_text(slot, QUEUE_COL_STATUS), "blocked") != 0))
		return 0;
	return read_interval(slot, QUEUE_COL_QUEUE_TIMEOUT);
}

/* Reads the columns that the callers of queue functions need. */
void
queue_read_row(TupleTableSlot *slot, QueueRow *row)
{
	slot_getallattrs(slot);
	row->queue_id = DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID));
	row->execution_id = DatumGetInt64(slot_column(slot, QUEUE_COL_EXECUTION_ID));
	row->node_id = slot_text(slot, QUEUE_COL_NODE_ID);
	row->node_name = slot_text(slot, QUEUE_COL_NODE_NAME);
	row->node_type = slot_text(slot, QUEUE_COL_NODE_TYPE);
	row->status = slot_text(slot, QUEUE_COL_STATUS);
	row->worker_id = slot_text(slot, QUEUE_COL_WORKER_ID);
	row->leased_by = DatumGetObjectId(slot_column(slot, QUEUE_COL_LEASED_BY));
	row->attempts = DatumGetInt32(slot_column(slot, QUEUE_COL_ATTEMPTS));
	row->lost = DatumGetInt32(slot_column(slot, QUEUE_COL_LOST_LEASES));
	row->attempts_before = DatumGetInt32(slot_column(slot, QUEUE_COL_ATTEMPTS_BEFORE));
	row->max_attempts = DatumGetInt32(slot_column(slot, QUEUE_COL_MAX_ATTEMPTS));
	row->event_id = DatumGetInt64(slot_column(slot, QUEUE_COL_EVENT_ID));
	row->item = slot_attisnull(slot, QUEUE_COL_CURRENT_INDEX) ? -1 :
		DatumGetInt32(slot_column(slot, QUEUE_COL_CURRENT_INDEX));
	row->lease_until = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_LEASE_UNTIL));
	row->place = slot->tts_tid;
	row->timeout = queue_read_timeout(slot);
	row->deadline = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
	row->queue_timeout = queue_read_wait(slot);
}

/* Returns a copy of where a row is. */
ItemPointer
queue_copy_tid(TupleTableSlot *slot)
{
	ItemPointer tid = palloc(sizeof(ItemPointerData));

	*tid = slot->tts_tid;
	return tid;
}

/* How many versions of rows this session has written, of any execution. */
static uint64 versions_written = 0;

/* Returns where a row is, for the run that it is of. */
TaskPlace *
queue_note_place(TupleTableSlot *slot)
{
	TaskPlace  *place = palloc(sizeof(TaskPlace));

	place->tid = slot->tts_tid;
	place->written = versions_written;
	return place;
}

/* Returns whether the session has written nothing since then (store/queue_row.h). */
bool
queue_place_is_current(const TaskPlace *place)
{
	return place->written == versions_written;
}

/* Returns where the newest version of a row is (store/queue_row.h). */
ItemPointerData
queue_newest_place(StoreTable *table, const TaskPlace *place)
{
	ItemPointerData tid = place->tid;
	Snapshot	snapshot;
	TableScanDesc scan;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan_tid(table->relation, snapshot);
	table_tuple_get_latest_tid(scan, &tid);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	return tid;
}

/*
 * Sets the state of a run from the status of its row; returns false for a status
 * of a row that is not a live run.
 */
static bool
run_state(const char *status, RunState *state)
{
	if (strcmp(status, "queued") == 0 || strcmp(status, "blocked") == 0 ||
		strcmp(status, "paused") == 0)
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
 * Reads the large columns of a task: its action and, for a task that saves the
 * results of children, its context.
 */
static void
load_payload(TupleTableSlot *slot, const Playbook *playbook, Run *run)
{
	const Step *step = &playbook->steps[run->step];

	run->action = slot_jsonb(slot, QUEUE_COL_ACTION);
	run->timeout = queue_read_timeout(slot);
	run->deadline = queue_read_wait(slot) > 0 ? 0 :
		DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
	if (step->kind == STEP_PLAYBOOK || step->kind == STEP_ITERATOR || step->kind == STEP_SQL)
		run->context = slot_jsonb(slot, QUEUE_COL_CONTEXT);
}

/* Returns whether a row is of a live run, or of one that was (store/queue_row.h). */
bool
queue_is_live(TupleTableSlot *slot)
{
	RunState	state;

	return run_state(slot_text(slot, QUEUE_COL_STATUS), &state);
}

/* Returns a live row as a run, or NULL (store/queue_row.h). */
Run *
queue_read_run(TupleTableSlot *slot, int64 execution_id, const Playbook *playbook,
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
	run->lost = DatumGetInt32(slot_column(slot, QUEUE_COL_LOST_LEASES));
	run->max_attempts = DatumGetInt32(slot_column(slot, QUEUE_COL_MAX_ATTEMPTS));
	run->attempts_before = DatumGetInt32(slot_column(slot, QUEUE_COL_ATTEMPTS_BEFORE));
	run->worker_id = slot_text(slot, QUEUE_COL_WORKER_ID);
	run->available_at = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_AVAILABLE_AT));
	run->limited = !slot_attisnull(slot, QUEUE_COL_LIMITS);
	if (run->limited)
		limit_read_holder(slot, run);
	if (with_action != NULL && strcmp(name, with_action) == 0)
		load_payload(slot, playbook, run);
	run->handle = queue_note_place(slot);
	return run;
}

/* Returns where the task in a slot stands among others (store/queue_row.h). */
int64
queue_place(TupleTableSlot *slot, int priority)
{
	int64		place;

	if (noetl_priority_age == 0)
		return -(int64) priority;
	place = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_CREATED_AT));
	/* priorities of rows that were written by hand have no bounds */
	priority = Max(Min(priority, HIGHEST_PRIORITY), -HIGHEST_PRIORITY);
	return place - priority * (int64) noetl_priority_age * 1000;
}

/* ---------------------------------------------------------------------------
 * New versions
 * ---------------------------------------------------------------------------
 */

/* Locks a version of a queue row (store/table.h). */
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

/*
 * Finds a row and locks its newest version; returns false when it is gone.  skip: do not
 * wait for who has locked it; false is returned then, too.
 */
static bool
lock_row(Store *store, int64 queue_id, bool skip)
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
		found = store_lock_row(scan.table, &tid, scan.snapshot, skip, NULL);
	}
	queue_scan_close(&scan);
	return found;
}

/* Finds a row and locks its newest version; returns false when it is gone. */
bool
queue_lock_row(Store *store, int64 queue_id)
{
	return lock_row(store, queue_id, false);
}

/* Does the same unless somebody else has locked the row (store/queue_row.h). */
bool
queue_try_row(Store *store, int64 queue_id)
{
	return lock_row(store, queue_id, true);
}

/* Locks the newest version of a row that was read at a place (store/queue_row.h). */
bool
queue_lock_place(Store *store, ItemPointerData place)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		found = store_lock_row(store_table(store, REL_QUEUE), &place, snapshot, false,
									   NULL);

	UnregisterSnapshot(snapshot);
	return found;
}

/* Begins a new version of the row in the scan slot, and returns the insert slot. */
TupleTableSlot *
queue_new_version(StoreTable *table)
{
	slot_begin_version(table->insert_slot, table->scan_slot);
	return table->insert_slot;
}

/* Writes the new version over the row in the scan slot. */
void
queue_write_version(Store *store, StoreTable *table)
{
	if (!table->insert_slot->tts_isnull[QUEUE_COL_SLOT_OF - 1] &&
		!limit_is_held(TextDatumGetCString(table->insert_slot->tts_values[QUEUE_COL_STATUS - 1])))
		slot_set_null(table->insert_slot, QUEUE_COL_SLOT_OF);
	versions_written++;
	ExecStoreVirtualTuple(table->insert_slot);
	store_write_update(store, table, table->scan_slot, table->insert_slot);
}

/* ---------------------------------------------------------------------------
 * Filling
 * ---------------------------------------------------------------------------
 */

/*
 * Fills in until when a task may wait for its first lease.  The reaper searches by
 * lease_until.
 */
static void
fill_wait(TupleTableSlot *slot, const Run *run)
{
	TimestampTz until = run->wait_until;

	slot_set(slot, QUEUE_COL_QUEUE_TIMEOUT,
			 IntervalPGetDatum(timeout_to_interval(run->queue_timeout)));
	queue_set_time(slot, QUEUE_COL_DEADLINE, until);
	queue_set_time(slot, QUEUE_COL_LEASE_UNTIL, until);
}

/* Fills in the row of a task, without its queue_id. */
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
	slot_set(slot, QUEUE_COL_ATTEMPTS, Int32GetDatum(run->attempts));
	if (run->attempts_before > 0)
		slot_set(slot, QUEUE_COL_ATTEMPTS_BEFORE, Int32GetDatum(run->attempts_before));
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
	else if (step_counts_visits(step))
		slot_set(slot, QUEUE_COL_VISIT, Int32GetDatum(run->visit));
	if (run->timeout != 0)
		slot_set(slot, QUEUE_COL_TIMEOUT,
				 IntervalPGetDatum(timeout_to_interval(run->timeout)));
	slot_set(slot, QUEUE_COL_LOST_LEASES, Int32GetDatum(run->lost));
	if (run->queue_timeout != 0)
		fill_wait(slot, run);
	if (run->fair_key != NULL)
	{
		slot_set_text(slot, QUEUE_COL_FAIR_KEY, run->fair_key);
		if (run->fair_weight != 1)
			slot_set(slot, QUEUE_COL_FAIR_WEIGHT, Float4GetDatum((float4) run->fair_weight));
	}
	if (run->limits != NULL)
	{
		slot_set(slot, QUEUE_COL_LIMITS, PointerGetDatum(run->limits));
		slot_set_text(slot, QUEUE_COL_STATUS, "blocked");
	}
}

/* Returns a new queue_id, which is larger than all others of this node. */
int64
store_next_queue_id(void)
{
	low_water_added();
	return queue_id_at(nextval_internal(store_relation(REL_QUEUE_SEQ), false), noetl_node_id);
}

/* Gives a task a queue_id behind all others. */
void
store_place_task(TupleTableSlot *slot)
{
	slot_set(slot, QUEUE_COL_QUEUE_ID, Int64GetDatum(store_next_queue_id()));
}

/* Makes the new version ready, with a new queue_id. */
void
queue_make_ready(TupleTableSlot *new)
{
	slot_set(new, QUEUE_COL_QUEUE_ID, Int64GetDatum(store_next_queue_id()));
	slot_set_text(new, QUEUE_COL_STATUS,
				  new->tts_isnull[QUEUE_COL_LIMITS - 1] ? "queued" : "blocked");
	slot_set_null(new, QUEUE_COL_AVAILABLE_AT);
	slot_set_null(new, QUEUE_COL_LEASE_UNTIL);
	slot_set_null(new, QUEUE_COL_WORKER_ID);
	slot_set_null(new, QUEUE_COL_LEASED_BY);
	slot_set_null(new, QUEUE_COL_DEADLINE);
}

/* Sets a time; 0 is stored as NULL. */
void
queue_set_time(TupleTableSlot *new, QueueColumn column, TimestampTz when)
{
	if (when != 0)
		slot_set(new, column, TimestampTzGetDatum(when));
	else
		slot_set_null(new, column);
}

/* Makes the new version leased.  The lease ends with its attempt at the latest. */
void
queue_set_lease(TupleTableSlot *new, const char *worker_id, int attempts,
		  TimestampTz lease_until, TimestampTz deadline, TimestampTz now)
{
	slot_set(new, QUEUE_COL_LEASED_BY, ObjectIdGetDatum(GetUserId()));
	queue_extend_lease(new, worker_id, attempts, lease_until, deadline, now);
}

/* Makes the new version leased, by the role that it names already. */
void
queue_extend_lease(TupleTableSlot *new, const char *worker_id, int attempts,
				   TimestampTz lease_until, TimestampTz deadline, TimestampTz now)
{
	if (deadline != 0)
		lease_until = lease_until != 0 ? Min(lease_until, deadline) : deadline;
	slot_set_text(new, QUEUE_COL_STATUS, "leased");
	slot_set_null(new, QUEUE_COL_PAUSED_BY);
	slot_set_text(new, QUEUE_COL_WORKER_ID, worker_id);
	slot_set(new, QUEUE_COL_ATTEMPTS, Int32GetDatum(attempts));
	slot_set(new, QUEUE_COL_LAST_HEARTBEAT, TimestampTzGetDatum(now));
	queue_set_time(new, QUEUE_COL_LEASE_UNTIL, lease_until);
	queue_set_time(new, QUEUE_COL_DEADLINE, deadline);
}
