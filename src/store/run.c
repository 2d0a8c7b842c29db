/*
 * store/run.c
 *		Runs without a task, which wait or are open: noetl.run.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/array.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/arrival.h"
#include "store/place.h"
#include "store/queue_row.h"
#include "store/table.h"

/* Where a stored row is, for later deletion. */
static ItemPointer
store_copy_tid(TupleTableSlot *slot)
{
	ItemPointer tid = palloc(sizeof(ItemPointerData));

	*tid = slot->tts_tid;
	return tid;
}

/* Reads the arrivals of runs that their rows have no room for. */
static void
complete_arrivals(Store *store, int64 execution_id, const List *runs, const Playbook *playbook)
{
	ListCell   *lc;

	foreach(lc, runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (!run->more_arrivals)
			continue;
		run->arrivals = list_concat(run->arrivals,
									store_more_arrivals(store, execution_id, run, playbook));
		run->stored_arrivals = list_length(run->arrivals);
		run->more_arrivals = false;
	}
}

/* Returns an execution's live runs: those with a task, then those without. */
List *
store_query_runs(Store *store, int64 execution_id, const Playbook *playbook,
				 const RunQuery *query, bool *more)
{
	StoreTable *table;
	List	   *runs = queue_load_runs(store, execution_id, playbook, query, more);
	StoreScan	scan;
	ScanKeyData key;

	if (place_few_pages(REL_RUN, 0))
		return runs;
	table = store_table(store, REL_RUN);
	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_RUN_PKEY, SnapshotSelf, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
	{
		char	   *name = slot_text(scan.slot, RUN_STEP_NAME);
		char	   *state = slot_text(scan.slot, RUN_STATE);
		Run		   *run = run_make(-1, 1, RUN_WAITING);

		run->step = playbook_find_step(playbook, name, strlen(name));
		if (run->step < 0)
			continue;
		run->visit = DatumGetInt32(slot_column(scan.slot, RUN_VISIT));
		run->state = strcmp(state, "waiting") == 0 ? RUN_WAITING :
			strcmp(state, "open") == 0 ? RUN_OPEN :
			strcmp(state, "held") == 0 ? RUN_HELD :
			strcmp(state, "awaiting") == 0 ? RUN_AWAITING : RUN_RETRY;
		run->started_event_id = DatumGetInt64(slot_column(scan.slot, RUN_EVENT_ID));
		run->attempts = DatumGetInt32(slot_column(scan.slot, RUN_ATTEMPTS));
		if (run->state == RUN_RETRY)
			run->available_at = DatumGetTimestampTz(slot_column(scan.slot, RUN_DUE_AT));
		else
			run->deadline = DatumGetTimestampTz(slot_column(scan.slot, RUN_DUE_AT));
		run->context = slot_jsonb(scan.slot, RUN_CONTEXT);
		run->stored = true;
		run->arrivals = arrivals_read(slot_jsonb(scan.slot, RUN_ARRIVALS), playbook);
		run->stored_arrivals = list_length(run->arrivals);
		run->more_arrivals = run->stored_arrivals >= ROW_ARRIVALS;
		run->handle = store_copy_tid(scan.slot);
		runs = lappend(runs, run);
	}
	store_scan_close(&scan);
	if (!query->some)
		complete_arrivals(store, execution_id, runs, playbook);
	return runs;
}

/* Returns all of them (store/store.h). */
List *
store_load_runs(Store *store, int64 execution_id, const Playbook *playbook)
{
	RunQuery	query = {NULL, false, 0};
	bool		more;

	return store_query_runs(store, execution_id, playbook, &query, &more);
}

/* Returns the tasks of an execution's steps (store/store.h). */
List *
store_load_tasks(Store *store, int64 execution_id, const Playbook *playbook,
				 const char *with_action)
{
	RunQuery	query = {with_action, false, 0};
	bool		more;

	return queue_load_runs(store, execution_id, playbook, &query, &more);
}

/*
 * Fetches a row again from where it was read.  The caller has held the
 * execution's lock since then, so the row has no newer version.
 */
static void
store_fetch_by_tid(StoreTable *table, ItemPointer tid)
{
	if (!table_tuple_fetch_row_version(table->relation, tid, SnapshotAny,
									   table->scan_slot))
		store_row_missing(REL_RUN, 0);
	ExecMaterializeSlot(table->scan_slot);
}

/* Fills in the signals that a run waits for, and their key. */
static void
fill_signals(TupleTableSlot *slot, const Run *run)
{
	JsonbValue	context;
	JsonbValue	names;
	JsonbValue	name;
	JsonbIterator *it;
	ArrayBuildState *array = NULL;

	slot_set_null(slot, RUN_SIGNALS);
	slot_set_null(slot, RUN_SIGNAL_KEY);
	if (run->state != RUN_AWAITING)
		return;
	json_from_jsonb(run->context, &context);
	if (!json_get(&context, "signals", &names))
		return;
	it = json_walk(&names);
	while (json_next_element(&it, &name))
		array = accumArrayResult(array,
								 PointerGetDatum(cstring_to_text_with_len(name.val.string.val,
																		  name.val.string.len)),
								 false, TEXTOID, CurrentMemoryContext);
	if (array != NULL)
		slot_set(slot, RUN_SIGNALS, makeArrayResult(array, CurrentMemoryContext));
	slot_set_text(slot, RUN_SIGNAL_KEY, json_get_text(&context, "key"));
}

/* Fills in the columns of a run that change while it lives. */
static void
fill_state(TupleTableSlot *slot, const Run *run, const Playbook *playbook)
{
	slot_set_jsonb(slot, RUN_ARRIVALS, arrivals_write(run->arrivals, playbook));
	slot_set_text(slot, RUN_STATE, run->state == RUN_WAITING ? "waiting" :
				  run->state == RUN_OPEN ? "open" :
				  run->state == RUN_HELD ? "held" :
				  run->state == RUN_AWAITING ? "awaiting" : "retry");
	slot_set_id(slot, RUN_EVENT_ID, run->started_event_id);
	slot_set(slot, RUN_ATTEMPTS, Int32GetDatum(run->attempts));
	slot_set_jsonb(slot, RUN_CONTEXT, run->context);
	if (run_due_at(run) != 0)
		slot_set(slot, RUN_DUE_AT, TimestampTzGetDatum(run_due_at(run)));
	else
		slot_set_null(slot, RUN_DUE_AT);
	fill_signals(slot, run);
}

/* Fills in the row of a run without a task. */
void
store_fill_run(TupleTableSlot *slot, int64 execution_id, const Run *run,
			   const Playbook *playbook, TimestampTz created_at)
{
	slot_begin(slot);
	slot_set_id(slot, RUN_EXECUTION_ID, execution_id);
	slot_set_text(slot, RUN_STEP_NAME, playbook->steps[run->step].name);
	slot_set(slot, RUN_VISIT, Int32GetDatum(run->visit));
	slot_set(slot, RUN_CREATED_AT, TimestampTzGetDatum(created_at));
	fill_state(slot, run, playbook);
}

/*
 * Returns whether the row of a run stays as it is: the run waits, and the row has no room
 * for the branches that have arrived.
 */
static bool
is_unchanged(const Run *run)
{
	return run->stored && !run->rewritten && run->state == RUN_WAITING &&
		run->stored_arrivals >= ROW_ARRIVALS;
}

/* Inserts the row of a run, or updates it where it was loaded from. */
void
store_put_run(Store *store, int64 execution_id, Run *run,
			  const Playbook *playbook, TimestampTz now)
{
	StoreTable *table = store_table(store, REL_RUN);
	TupleTableSlot *slot = table->insert_slot;
	bool		unchanged = is_unchanged(run);

	if (run->stored && run->rewritten && run->stored_arrivals >= ROW_ARRIVALS)
		arrivals_delete(store, execution_id, playbook->steps[run->step].name, run->visit);
	arrivals_add(store, execution_id, run, playbook);
	if (unchanged)
		return;
	if (run->stored)
	{
		CommandCounterIncrement();
		store_fetch_by_tid(table, run->handle);
		slot_begin_version(slot, table->scan_slot);
		fill_state(slot, run, playbook);
		ExecStoreVirtualTuple(slot);
		store_write_update(store, table, table->scan_slot, slot);
	}
	else
	{
		store_fill_run(slot, execution_id, run, playbook, now);
		store_write_insert(store, table);
	}
	run->stored = true;
	run->changed = false;
	run->handle = store_copy_tid(slot);
}

/* Deletes the row of a run where it was loaded from. */
void
store_delete_run(Store *store, Run *run)
{
	StoreTable *table = store_table(store, REL_RUN);

	CommandCounterIncrement();
	store_fetch_by_tid(table, run->handle);
	if (run->stored_arrivals >= ROW_ARRIVALS)
		arrivals_delete(store, DatumGetInt64(slot_column(table->scan_slot, RUN_EXECUTION_ID)),
						slot_text(table->scan_slot, RUN_STEP_NAME),
						DatumGetInt32(slot_column(table->scan_slot, RUN_VISIT)));
	store_write_delete(store, table, table->scan_slot);
	run->stored = false;
}
