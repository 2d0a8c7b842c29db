/*
 * store/due.c
 *		What becomes due: retries and ends of leases in the queue, deadlines of
 *		executions, timeouts and retries of open steps.
 *
 * The callers hold no execution's lock yet.  So the tables are read with a fresh
 * MVCC snapshot, and callers check a row again under the lock.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/deferred.h"
#include "store/due_low_water.h"
#include "store/pause_row.h"
#include "store/queue_row.h"
#include "store/table.h"

/* An index whose first column is a time. */
typedef struct TimerIndex
{
	StoreRelation table;
	StoreRelation index;
	int			column;			/* of the table: the time */
	DueLowWater mark;			/* where due times can begin */
} TimerIndex;

static TimerIndex retries = {
	REL_QUEUE, REL_QUEUE_RETRY_IDX, QUEUE_COL_AVAILABLE_AT
};

static TimerIndex leases = {
	REL_QUEUE, REL_QUEUE_LEASE_IDX, QUEUE_COL_LEASE_UNTIL
};

static TimerIndex executions = {
	REL_EXECUTION, REL_EXECUTION_DEADLINE_IDX, EXECUTION_DEADLINE
};

static TimerIndex starts = {
	REL_EXECUTION, REL_EXECUTION_RUN_AT_IDX, EXECUTION_RUN_AT
};

static TimerIndex runs = {
	REL_RUN, REL_RUN_DUE_IDX, RUN_DUE_AT
};

static TimerIndex paces = {
	REL_LIMIT_PACE, REL_LIMIT_PACE_DUE_IDX, LIMIT_PACE_DUE_AT
};

static TimerIndex schedules = {
	REL_SCHEDULE, REL_SCHEDULE_NEXT_IDX, SCHEDULE_NEXT_AT
};

/* Not among the timers: nothing is due until an execution ends. */
static TimerIndex queued_schedules = {
	REL_SCHEDULE, REL_SCHEDULE_QUEUED_IDX, SCHEDULE_QUEUED_AT
};

static TimerIndex *const timers[] = {
	&retries, &leases, &executions, &starts, &runs, &schedules, &paces
};

/* ---------------------------------------------------------------------------
 * Scans
 * ---------------------------------------------------------------------------
 */

/* Sets the keys of a scan that reads the times from "from" to "to". */
static void
timer_keys(ScanKey keys, TimestampTz from, TimestampTz to)
{
	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(to));
}

/* Called with each row; returns false to end the scan. */
typedef bool (*TimerRow) (void *arg, TupleTableSlot *slot);

/* Calls a function with the rows from "from" to "to", the earliest first. */
static void
timer_scan(Store *store, const TimerIndex *timer, TimestampTz from, TimestampTz to,
		   TimerRow callback, void *arg)
{
	StoreTable *table = store_table(store, timer->table);
	Snapshot	snapshot;
	StoreScan	scan;
	ScanKeyData keys[2];

	deferred_write(store, timer->table);
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	store_scan_open(&scan, store, table, timer->index, snapshot, 2, ForwardScanDirection);
	timer_keys(keys, from, to);
	index_rescan(scan.scan, keys, 2, NULL, 0);
	while (store_scan_next(&scan))
		if (!callback(arg, scan.slot))
			break;
	store_scan_close(&scan);
	UnregisterSnapshot(snapshot);
}

/* Rows that are due, of one execution or of all (0). */
typedef struct DueRows
{
	Store	   *store;
	int64		execution_id;
	int			limit;
	bool		any;			/* a row was seen */
	List	   *rows;
} DueRows;

/* Returns the rows of a timer that are due, in the form that a function notes. */
static List *
due_rows(Store *store, TimerIndex *timer, int64 execution_id, int limit, TimerRow note)
{
	DueRows		due;
	TimestampTz from = due_low_water_begin(&timer->mark);

	memset(&due, 0, sizeof(due));
	due.store = store;
	due.execution_id = execution_id;
	due.limit = limit;
	timer_scan(store, timer, from, GetCurrentTimestamp(), note, &due);
	due_low_water_end(&timer->mark, !due.any);
	return due.rows;
}

/* Notes that a row was seen; returns false when enough rows are noted. */
static bool
note_row(DueRows *due)
{
	due->any = true;
	return list_length(due->rows) < due->limit;
}

/* Returns whether rows of an execution are wanted. */
static bool
is_wanted(const DueRows *due, int64 execution_id)
{
	return due->execution_id == 0 || due->execution_id == execution_id;
}

/* TimerRow: notes that a row was seen, and ends the scan. */
static bool
note_any(void *arg, TupleTableSlot *slot)
{
	((DueRows *) arg)->any = true;
	return false;
}

/* Returns whether a timer has a row that is due. */
static bool
any_due(Store *store, TimerIndex *timer)
{
	DueRows		due;

	memset(&due, 0, sizeof(due));
	timer_scan(store, timer, due_low_water_begin(&timer->mark), GetCurrentTimestamp(),
			   note_any, &due);
	due_low_water_end(&timer->mark, !due.any);
	return due.any;
}

/* ---------------------------------------------------------------------------
 * The queue
 * ---------------------------------------------------------------------------
 */

/* Returns whether the time of a retry has come (store/store.h). */
bool
store_any_retry_due(Store *store)
{
	return any_due(store, &retries);
}

/* Makes retries that are due ready (store/store.h). */
int
store_promote_due(Store *store, int64 execution_id, int limit, void (*ready) (const char *type))
{
	QueueScan	scan;
	ScanKeyData keys[2];
	int			promoted = 0;
	bool		emptied = true;

	timer_keys(keys, due_low_water_begin(&retries.mark), GetCurrentTimestamp());
	queue_scan_open(&scan, store, REL_QUEUE_RETRY_IDX, keys, 2);
	while (queue_scan_next(&scan))
	{
		ItemPointerData tid = scan.slot->tts_tid;
		bool		paused;

		if (promoted >= limit ||
			(execution_id != 0 && execution_id !=
			 DatumGetInt64(slot_column(scan.slot, QUEUE_COL_EXECUTION_ID))) ||
			(execution_id == 0 && limit_is_locked(scan.slot)) ||
			!store_lock_row(scan.table, &tid, scan.snapshot, true, NULL))
		{
			emptied = false;
			if (promoted >= limit)
				break;
			continue;
		}
		queue_make_ready(queue_new_version(scan.table));
		paused = pause_row_if(store, scan.table->insert_slot);
		queue_write_version(store, scan.table);
		if (!paused)
			ready(slot_text(scan.table->insert_slot, QUEUE_COL_NODE_TYPE));
		promoted++;
	}
	queue_scan_close(&scan);
	/* the rows that were made ready are due again if this transaction rolls back */
	due_low_water_end(&retries.mark, emptied && promoted == 0);
	return promoted;
}

/* TimerRow: notes a row of the queue. */
static bool
note_lease(void *arg, TupleTableSlot *slot)
{
	DueRows    *due = (DueRows *) arg;
	QueueRow   *row;

	if (!note_row(due))
		return false;
	row = palloc(sizeof(QueueRow));
	queue_read_row(slot, row);
	if (is_wanted(due, row->execution_id))
		due->rows = lappend(due->rows, row);
	return true;
}

/* Returns the rows whose lease has run out (store/store.h). */
List *
store_expired_leases(Store *store, int64 execution_id, int limit)
{
	return due_rows(store, &leases, execution_id, limit, note_lease);
}

/* ---------------------------------------------------------------------------
 * Executions and runs
 * ---------------------------------------------------------------------------
 */

/* TimerRow: notes an execution. */
static bool
note_execution(void *arg, TupleTableSlot *slot)
{
	DueRows    *due = (DueRows *) arg;
	int64	   *id;

	if (!note_row(due))
		return false;
	id = palloc(sizeof(int64));
	*id = DatumGetInt64(slot_column(slot, EXECUTION_ID));
	if (is_wanted(due, *id))
		due->rows = lappend(due->rows, id);
	return true;
}

/* Returns the executions whose deadline has passed (store/store.h). */
List *
store_due_executions(Store *store, int64 execution_id, int limit)
{
	return due_rows(store, &executions, execution_id, limit, note_execution);
}

/* Returns the scheduled executions whose run_at has come (store/store.h). */
List *
store_due_starts(Store *store, int64 execution_id, int limit)
{
	return due_rows(store, &starts, execution_id, limit, note_execution);
}

/* TimerRow: notes a schedule. */
static bool
note_schedule(void *arg, TupleTableSlot *slot)
{
	DueRows    *due = (DueRows *) arg;
	int64	   *id;

	if (!note_row(due))
		return false;
	id = palloc(sizeof(int64));
	*id = DatumGetInt64(slot_column(slot, SCHEDULE_ID));
	due->rows = lappend(due->rows, id);
	return true;
}

/*
 * TimerRow: notes a schedule whose start has waited for an execution that is over.  The
 * others would use up what a session takes on while it passes by.
 */
static bool
note_queued_schedule(void *arg, TupleTableSlot *slot)
{
	Execution	last;

	if (!DatumGetBool(slot_column(slot, SCHEDULE_ENABLED)) ||
		(store_get_execution(((DueRows *) arg)->store,
							 DatumGetInt64(slot_column(slot, SCHEDULE_LAST_EXECUTION_ID)),
							 &last) && last.running))
		return true;
	return note_schedule(arg, slot);
}

/* Returns the schedules for which something may be to be done (store/store.h). */
List *
store_due_schedules(Store *store, int limit)
{
	List	   *due;

	if (RelationGetNumberOfBlocks(store_table(store, REL_SCHEDULE)->relation) == 0)
		return NIL;
	due = due_rows(store, &schedules, 0, limit, note_schedule);
	due_low_water_reset(&queued_schedules.mark);
	return list_concat(due, due_rows(store, &queued_schedules, 0, limit,
									  note_queued_schedule));
}

/* Returns whether it is time to look at a limit (store/store.h). */
bool
store_any_limit_due(Store *store)
{
	return RelationGetNumberOfBlocks(store_table(store, REL_LIMIT_PACE)->relation) != 0 &&
		any_due(store, &paces);
}

/* TimerRow: notes a run. */
static bool
note_run(void *arg, TupleTableSlot *slot)
{
	DueRows    *due = (DueRows *) arg;
	DueRun	   *run;

	if (!note_row(due))
		return false;
	run = palloc(sizeof(DueRun));
	run->execution_id = DatumGetInt64(slot_column(slot, RUN_EXECUTION_ID));
	run->step_name = slot_text(slot, RUN_STEP_NAME);
	run->visit = DatumGetInt32(slot_column(slot, RUN_VISIT));
	if (is_wanted(due, run->execution_id))
		due->rows = lappend(due->rows, run);
	return true;
}

/* Returns the open runs that are due (store/store.h). */
List *
store_due_runs(Store *store, int64 execution_id, int limit)
{
	return due_rows(store, &runs, execution_id, limit, note_run);
}

/* Returns whether a run is still due (store/store.h). */
bool
store_run_is_due(Store *store, const DueRun *run)
{
	StoreTable *table = store_table(store, REL_RUN);
	StoreScan	scan;
	ScanKeyData keys[3];
	TimestampTz due_at = 0;

	store_scan_open(&scan, store, table, REL_RUN_PKEY, SnapshotSelf, 3, ForwardScanDirection);
	store_key_int64(&keys[0], 1, run->execution_id);
	store_key_text(&keys[1], 2, scan.index->rd_indcollation[1], run->step_name);
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(run->visit));
	index_rescan(scan.scan, keys, 3, NULL, 0);
	if (store_scan_next(&scan))
		due_at = DatumGetTimestampTz(slot_column(scan.slot, RUN_DUE_AT));
	store_scan_close(&scan);
	return due_at != 0 && due_at <= GetCurrentTimestamp();
}

/* ---------------------------------------------------------------------------
 * The next time
 * ---------------------------------------------------------------------------
 */

/* The first time in an index. */
typedef struct FirstTime
{
	int			column;
	bool		found;
	TimestampTz when;
} FirstTime;

/* TimerRow: notes the time of the first row, and ends the scan. */
static bool
note_time(void *arg, TupleTableSlot *slot)
{
	FirstTime  *first = (FirstTime *) arg;

	first->found = true;
	first->when = DatumGetTimestampTz(slot_column(slot, first->column));
	return false;
}

/* Finds when anything is due next (store/store.h). */
bool
store_next_timer(Store *store, TimestampTz after, TimestampTz *when)
{
	bool		found = store_next_pause_end(when) && *when > after;

	for (int i = 0; i < lengthof(timers); i++)
	{
		FirstTime	first = {timers[i]->column, false, 0};
		TimestampTz from = due_low_water_first(&timers[i]->mark);

		if (after != DT_NOBEGIN)
			from = Max(from, after + 1);
		/* only an earlier time than the one that is known is of interest */
		timer_scan(store, timers[i], from, found ? *when : DT_NOEND, note_time, &first);
		if (first.found)
			*when = first.when;
		found = found || first.found;
	}
	return found;
}

/* Makes the next scans of all timers full ones (store/store.h). */
void
store_read_all_timers(void)
{
	for (int i = 0; i < lengthof(timers); i++)
		due_low_water_reset(&timers[i]->mark);
}
