/*
 * store/due.c
 *		What becomes due outside of the queue: deadlines of executions, timeouts
 *		and retries of steps that are open.
 *
 * Whoever looks holds no lock of any execution yet, so the tables are read with
 * a fresh MVCC snapshot; what is found is looked at again under the lock.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/internal.h"
#include "store/slot.h"
#include "store/due_low_water.h"

/* An index whose first column is a time. */
typedef struct TimerIndex
{
	StoreRelation table;
	StoreRelation index;
	int			column;			/* of the table: the time */
	TimeMark	mark;			/* where due times can begin */
} TimerIndex;

static TimerIndex executions = {
	REL_EXECUTION, REL_EXECUTION_DEADLINE_IDX, EXECUTION_DEADLINE
};

static TimerIndex runs = {
	REL_RUN, REL_RUN_DUE_IDX, RUN_DUE_AT
};

/* Called with each row; false: enough. */
typedef bool (*TimerRow) (void *arg, TupleTableSlot *slot);

/* Hands the rows of [from, to] to the callback, earliest first. */
static void
timer_scan(Store *store, const TimerIndex *timer, TimestampTz from, TimestampTz to,
		   TimerRow callback, void *arg)
{
	StoreTable *table = store_table(store, timer->table);
	Relation	index = store_open_index(store, timer->index);
	Snapshot	snapshot;
	IndexScanDesc scan;
	ScanKeyData keys[2];

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
#if PG_VERSION_NUM >= 180000
	scan = index_beginscan(table->relation, index, snapshot, NULL, 2, 0);
#else
	scan = index_beginscan(table->relation, index, snapshot, 2, 0);
#endif
	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(to));
	index_rescan(scan, keys, 2, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, table->scan_slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!callback(arg, table->scan_slot))
			break;
	}
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* What is due, of one execution or of all (0). */
typedef struct DueRows
{
	int64		execution_id;
	int			limit;
	bool		any;
	List	   *rows;
} DueRows;

/* TimerRow: notes the execution. */
static bool
note_execution(void *arg, TupleTableSlot *slot)
{
	DueRows    *due = (DueRows *) arg;
	int64	   *id;

	due->any = true;
	if (list_length(due->rows) >= due->limit)
		return false;
	id = palloc(sizeof(int64));
	*id = DatumGetInt64(slot_column(slot, EXECUTION_ID));
	if (due->execution_id == 0 || due->execution_id == *id)
		due->rows = lappend(due->rows, id);
	return true;
}

/* See store.h. */
List *
store_due_executions(Store *store, int64 execution_id, int limit)
{
	DueRows		due;
	TimestampTz from = time_mark_begin(&executions.mark);

	memset(&due, 0, sizeof(due));
	due.execution_id = execution_id;
	due.limit = limit;
	timer_scan(store, &executions, from, GetCurrentTimestamp(), note_execution, &due);
	time_mark_end(&executions.mark, !due.any);
	return due.rows;
}

/* TimerRow: notes the run. */
static bool
note_run(void *arg, TupleTableSlot *slot)
{
	DueRows    *due = (DueRows *) arg;
	DueRun	   *run;

	due->any = true;
	if (list_length(due->rows) >= due->limit)
		return false;
	run = palloc(sizeof(DueRun));
	run->execution_id = DatumGetInt64(slot_column(slot, RUN_EXECUTION_ID));
	run->step_name = slot_text(slot, RUN_STEP_NAME);
	run->visit = DatumGetInt32(slot_column(slot, RUN_VISIT));
	if (due->execution_id == 0 || due->execution_id == run->execution_id)
		due->rows = lappend(due->rows, run);
	return true;
}

/* See store.h. */
List *
store_due_runs(Store *store, int64 execution_id, int limit)
{
	DueRows		due;
	TimestampTz from = time_mark_begin(&runs.mark);

	memset(&due, 0, sizeof(due));
	due.execution_id = execution_id;
	due.limit = limit;
	timer_scan(store, &runs, from, GetCurrentTimestamp(), note_run, &due);
	time_mark_end(&runs.mark, !due.any);
	return due.rows;
}

/* See store.h. */
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

/* The earliest time in an index. */
typedef struct FirstTime
{
	int			column;
	bool		found;
	TimestampTz when;
} FirstTime;

/* TimerRow: the first is all we want to know. */
static bool
note_time(void *arg, TupleTableSlot *slot)
{
	FirstTime  *first = (FirstTime *) arg;

	first->found = true;
	first->when = DatumGetTimestampTz(slot_column(slot, first->column));
	return false;
}

/* Moves *when forward to the first time of an index. */
static bool
earlier(Store *store, const TimerIndex *timer, bool found, TimestampTz *when)
{
	FirstTime	first = {timer->column, false, 0};

	timer_scan(store, timer, timer->mark.begin == 0 ? DT_NOBEGIN : timer->mark.begin,
			   found ? *when : DT_NOEND, note_time, &first);
	if (first.found)
		*when = first.when;
	return found || first.found;
}

/* See store.h. */
bool
store_next_timer(Store *store, TimestampTz *when)
{
	bool		found = store_queue_next_timer(store, when);

	found = earlier(store, &executions, found, when);
	return earlier(store, &runs, found, when);
}

/* See store.h. */
void
store_read_all_timers(void)
{
	store_queue_read_all_timers();
	executions.mark.next_full = 0;
	runs.mark.next_full = 0;
}
