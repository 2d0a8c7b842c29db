/*
 * replay/compare_tables.c
 *		The rows of an execution, compared with the model and replaced.
 *
 * Each expected row is filled in by the functions that fill new rows, and compared
 * column by column with the row that is there (store/compare.h).  Columns that the
 * log does not determine, such as leases, are not compared.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "replay/internal.h"

/* ---------------------------------------------------------------------------
 * One row
 * ---------------------------------------------------------------------------
 */

/* The columns of each table that the log determines; 0 ends a list. */
static const int execution_columns[] = {
	EXECUTION_CATALOG_ID, EXECUTION_PARENT_ID, EXECUTION_PARENT_EVENT_ID,
	EXECUTION_PATH, EXECUTION_VERSION, EXECUTION_STATUS, EXECUTION_STARTED_AT,
	EXECUTION_ENDED_AT, EXECUTION_RESULT, EXECUTION_ERROR, EXECUTION_DEPTH,
	EXECUTION_CURRENT_INDEX, EXECUTION_STARTED_BY, EXECUTION_DEADLINE,
	EXECUTION_LABELS, EXECUTION_PRIORITY, EXECUTION_RUN_AT, EXECUTION_SCHEDULE,
	EXECUTION_SETTINGS, EXECUTION_DRIVE,
	EXECUTION_PAUSED, 0
};
static const int workload_columns[] = {WORKLOAD_CREATED_AT, WORKLOAD_DATA, 0};
static const int run_columns[] = {
	RUN_VISIT, RUN_STATE, RUN_ARRIVALS, RUN_CREATED_AT, RUN_EVENT_ID, RUN_ATTEMPTS,
	RUN_DUE_AT, RUN_CONTEXT, RUN_SIGNALS, RUN_SIGNAL_KEY, 0
};
static const int signal_columns[] = {SIGNAL_NAME, SIGNAL_ID, SIGNAL_TAKEN, 0};
static const int arrival_columns[] = {ARRIVAL_ARRIVAL, 0};
static const int item_columns[] = {ITEM_ITEM, 0};
static const int queue_columns[] = {
	QUEUE_COL_CATALOG_ID, QUEUE_COL_NODE_ID, QUEUE_COL_NODE_TYPE, QUEUE_COL_ACTION,
	QUEUE_COL_CONTEXT, QUEUE_COL_STATUS, QUEUE_COL_PRIORITY, QUEUE_COL_ATTEMPTS,
	QUEUE_COL_MAX_ATTEMPTS, QUEUE_COL_AVAILABLE_AT, QUEUE_COL_CREATED_AT,
	QUEUE_COL_PARENT_EXECUTION_ID, QUEUE_COL_PARENT_EVENT_ID, QUEUE_COL_EVENT_ID,
	QUEUE_COL_TIMEOUT, QUEUE_COL_LOST_LEASES, QUEUE_COL_QUEUE_TIMEOUT, QUEUE_COL_ATTEMPTS_BEFORE,
	QUEUE_COL_LIMITS, QUEUE_COL_FAIR_KEY, QUEUE_COL_FAIR_WEIGHT, QUEUE_COL_VISIT, 0
};

/* One table in the course of a comparison. */
typedef struct Side
{
	StoreRows	rows;
	const char *name;
	Comparison *comparison;
} Side;

/* Opens a table for comparison. */
static void
side_open(Side *side, Store *store, StoreRelation which, const char *name,
		  const int *columns, Comparison *comparison)
{
	store_rows_open(&side->rows, store, which, columns);
	side->name = name;
	side->comparison = comparison;
}

/* Reports a difference; either side may be missing. */
void
comparison_report(Comparison *comparison, const char *relation, const char *key,
				  const Jsonb *expected, const Jsonb *found)
{
	comparison->differences++;
	if (comparison->report != NULL)
		comparison->report(comparison->arg, relation, key, expected, found);
}

/* Compares the found row with the expected one; repairs it if that is asked for. */
static void
compare_row(const Side *side, const char *key)
{
	if (store_rows_equal(&side->rows))
		return;
	comparison_report(side->comparison, side->name, key,
					  store_rows_describe(&side->rows, false, true),
					  store_rows_describe(&side->rows, true, true));
	if (side->comparison->repair)
		store_rows_update(&side->rows);
}

/* Reports that the expected row is missing; writes it if that is asked for. */
static void
row_missing(const Side *side, const char *key)
{
	comparison_report(side->comparison, side->name, key,
					  store_rows_describe(&side->rows, false, false), NULL);
	if (side->comparison->repair)
		store_rows_insert(&side->rows);
}

/* Reports a row that should not be there; deletes it if that is asked for. */
static void
row_extra(const Side *side, const char *key)
{
	comparison_report(side->comparison, side->name, key, NULL,
					  store_rows_describe(&side->rows, true, false));
	if (side->comparison->repair)
		store_rows_delete(&side->rows);
}

/* ---------------------------------------------------------------------------
 * execution, workload, run
 * ---------------------------------------------------------------------------
 */

/* Returns an id as a key. */
static char *
id_text(int64 id)
{
	return psprintf(INT64_FORMAT, id);
}

/* Compares the row of noetl.execution. */
static void
compare_execution(Store *store, const Model *model, Comparison *comparison)
{
	int64		id = model->execution.execution_id;
	Side		side;

	side_open(&side, store, REL_EXECUTION, "execution", execution_columns, comparison);
	store_fill_execution(side.rows.expected, &model->execution, model->started_at);
	if (model->status != NULL)
		store_fill_end(side.rows.expected, model->status, model->error,
					   model->result, model->ended_at);
	if (store_rows_find(&side.rows, REL_EXECUTION_PKEY, id))
	{
		/* when an execution with limits begins is not a matter of its log alone */
		if (model->limited)
			side.rows.expected->tts_values[EXECUTION_RUN_AT - 1] =
				slot_getattr(side.rows.found, EXECUTION_RUN_AT,
							 &side.rows.expected->tts_isnull[EXECUTION_RUN_AT - 1]);
		compare_row(&side, id_text(id));
	}
	else
		row_missing(&side, id_text(id));
}

/* Compares the row of noetl.workload. */
static void
compare_workload(Store *store, const Model *model, Comparison *comparison)
{
	int64		id = model->execution.execution_id;
	Side		side;
	bool		found;

	side_open(&side, store, REL_WORKLOAD, "workload", workload_columns, comparison);
	found = store_rows_find(&side.rows, REL_WORKLOAD_PKEY, id);
	if (model->workload == NULL)
	{
		if (found)
			row_extra(&side, id_text(id));
		return;
	}
	store_fill_workload(side.rows.expected, id, model->started_at, model->workload);
	if (found)
		compare_row(&side, id_text(id));
	else
		row_missing(&side, id_text(id));
}

/* Returns {"until": time}; time 0: null. */
static Jsonb *
describe_pause(TimestampTz until)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_null(&value);
	json_begin_object(&builder);
	if (until == 0)
		json_add(&builder, "until", &value);
	else
		json_add_text(&builder, "until", time_to_text(until, "UTC"));
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Compares the row of noetl.paused. */
static void
compare_pause(const Model *model, Comparison *comparison)
{
	int64		id = model->execution.execution_id;
	bool		paused = model->execution.paused != 0;
	TimestampTz until;
	bool		found = store_find_pause(id, &until);

	if (found == paused && (!paused || until == model->paused_until))
		return;
	comparison_report(comparison, "paused", id_text(id),
					  paused ? describe_pause(model->paused_until) : NULL,
					  found ? describe_pause(until) : NULL);
	if (!comparison->repair)
		return;
	if (paused)
		store_note_pause(id, model->paused_until);
	else
		store_end_pause(id);
}

/* Returns the object {"execution_id": id}. */
static Jsonb *
describe_key_holder(int64 execution_id)
{
	return json_text_object("execution_id", id_text(execution_id));
}

/* Returns whether an execution has been redriven. */
static bool
was_redriven(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	bool		redriven = store_get_execution(store, execution_id, &execution) &&
		execution.drive > 1;

	store_close(store);
	return redriven;
}

/*
 * Compares the row of noetl.start_key.  The key of an execution is its own, or that
 * of one that was started, or redriven, later.
 */
static void
compare_start_key(const Model *model, Comparison *comparison)
{
	StartKey	key = {model->execution.path, model->key, model->execution.started_by};
	int64		holder = 0;
	bool		found;

	if (model->key == NULL)
		return;
	found = store_find_key(&key, false, &holder);
	if (found && (holder >= model->execution.execution_id || was_redriven(holder)))
		return;
	comparison_report(comparison, "start_key", model->key,
					  describe_key_holder(model->execution.execution_id),
					  found ? describe_key_holder(holder) : NULL);
	if (comparison->repair)
		store_give_key(&key, model->execution.execution_id);
}

/*
 * Fills in the expected row of noetl.run.  The due time of a run that waits for
 * children of its worker depends on the lease, which the log does not have.  It is
 * taken over from the row that is there (found); without one the timeout starts
 * again.
 */
static void
fill_run(const Side *side, const Model *model, const ModelRow *row, TupleTableSlot *found)
{
	TupleTableSlot *slot = side->rows.expected;

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

/* Returns a node id without its execution. */
const char *
node_key(int64 execution_id, const char *node_id)
{
	char	   *prefix = psprintf(INT64_FORMAT ":", execution_id);

	return strncmp(node_id, prefix, strlen(prefix)) == 0 ?
		node_id + strlen(prefix) : node_id;
}

/* Returns the key of a visit of a step, or of one of its items (else -1). */
static const char *
visit_key(const char *step_name, int visit, int item)
{
	return node_key(0, node_id_make(0, step_name, visit, item));
}

/* Returns the key of an expected row of noetl.run or noetl.queue. */
static const char *
row_key(const Model *model, const ModelRow *row)
{
	return visit_key(model->playbook->steps[row->key.step].name, row->key.visit,
					 row->key.item);
}

/* Compares the rows of noetl.run. */
static void
compare_runs(Store *store, Model *model, Comparison *comparison)
{
	Side		side;
	ListCell   *lc;

	side_open(&side, store, REL_RUN, "run", run_columns, comparison);
	store_rows_scan(&side.rows, REL_RUN_PKEY, model->execution.execution_id);
	while (store_rows_next(&side.rows))
	{
		char	   *name = slot_text(side.rows.found, RUN_STEP_NAME);
		int			step = playbook_find_step(model->playbook, name, strlen(name));
		int			visit = DatumGetInt32(slot_column(side.rows.found, RUN_VISIT));
		ModelRow   *row = step < 0 ? NULL : model_find_run(model, step, visit);
		const char *key = visit_key(name, visit, -1);

		if (row == NULL)
			row_extra(&side, key);
		else
		{
			row->found = true;
			fill_run(&side, model, row, side.rows.found);
			compare_row(&side, key);
		}
	}
	store_rows_end_scan(&side.rows);
	foreach(lc, model->runs)
	{
		ModelRow   *row = (ModelRow *) lfirst(lc);

		if (row->found)
			continue;
		fill_run(&side, model, row, NULL);
		row_missing(&side, row_key(model, row));
	}
}

/* ---------------------------------------------------------------------------
 * arrival
 * ---------------------------------------------------------------------------
 */

/* Returns the key of an arrival. */
static const char *
arrival_key(const char *step_name, int visit, int number)
{
	return psprintf("%s, branch %d", visit_key(step_name, visit, -1), number);
}

/* Reports expected arrivals, up to a number, that are not there. */
static void
arrivals_missing(const Side *side, const Model *model, ModelRow *row, int until)
{
	for (; row->next_arrival < Min(until, list_length(row->run.arrivals)); row->next_arrival++)
	{
		store_fill_arrival(side->rows.expected, model->execution.execution_id, &row->run,
						   row->next_arrival, list_nth(row->run.arrivals, row->next_arrival),
						   model->playbook);
		row_missing(side, arrival_key(model->playbook->steps[row->key.step].name,
									  row->key.visit, row->next_arrival));
	}
}

/* Compares the row of an arrival that was found; rows come in the order of their number. */
static void
compare_arrival(const Side *side, const Model *model)
{
	char	   *name = slot_text(side->rows.found, ARRIVAL_STEP_NAME);
	int			visit = DatumGetInt32(slot_column(side->rows.found, ARRIVAL_VISIT));
	int			number = DatumGetInt32(slot_column(side->rows.found, ARRIVAL_NUMBER));
	int			step = playbook_find_step(model->playbook, name, strlen(name));
	ModelRow   *row = step < 0 ? NULL : model_find_run(model, step, visit);

	if (row == NULL || number < row->next_arrival || number >= list_length(row->run.arrivals))
	{
		row_extra(side, arrival_key(name, visit, number));
		return;
	}
	arrivals_missing(side, model, row, number);
	store_fill_arrival(side->rows.expected, model->execution.execution_id, &row->run, number,
					   list_nth(row->run.arrivals, number), model->playbook);
	compare_row(side, arrival_key(name, visit, number));
	row->next_arrival = number + 1;
}

/* Compares the rows of noetl.arrival. */
static void
compare_arrivals(Store *store, Model *model, Comparison *comparison)
{
	Side		side;
	ListCell   *lc;

	side_open(&side, store, REL_ARRIVAL, "arrival", arrival_columns, comparison);
	foreach(lc, model->runs)
		((ModelRow *) lfirst(lc))->next_arrival = ROW_ARRIVALS;
	store_rows_scan(&side.rows, REL_ARRIVAL_PKEY, model->execution.execution_id);
	while (store_rows_next(&side.rows))
		compare_arrival(&side, model);
	store_rows_end_scan(&side.rows);
	foreach(lc, model->runs)
		arrivals_missing(&side, model, (ModelRow *) lfirst(lc), PG_INT32_MAX);
}

/* ---------------------------------------------------------------------------
 * item
 * ---------------------------------------------------------------------------
 */

/* Fills in an expected row of noetl.item. */
static void
fill_item(const Side *side, const Model *model, const ModelRow *row, int place)
{
	JsonbValue	list;

	json_from_jsonb(row->items, &list);
	store_fill_item(side->rows.expected, model->execution.execution_id,
					model->playbook->steps[row->key.step].name, row->key.visit,
					model_item_index(row, place),
					getIthJsonbValueFromContainer(list.val.binary.data, place));
}

/* Reports expected items, up to a place in the list, that are not there. */
static void
items_missing(const Side *side, const Model *model, ModelRow *row, int until)
{
	for (; row->next_item < Min(until, row->end_item); row->next_item++)
	{
		fill_item(side, model, row, row->next_item);
		row_missing(side, visit_key(model->playbook->steps[row->key.step].name,
									row->key.visit,
									model_item_index(row, row->next_item)));
	}
}

/* Compares the row of an item that was found; rows come in the order of their index. */
static void
compare_item(const Side *side, const Model *model)
{
	char	   *name = slot_text(side->rows.found, ITEM_STEP_NAME);
	int			visit = DatumGetInt32(slot_column(side->rows.found, ITEM_VISIT));
	int			index = DatumGetInt32(slot_column(side->rows.found, ITEM_INDEX));
	int			step = playbook_find_step(model->playbook, name, strlen(name));
	ModelRow   *row = step < 0 ? NULL : model_find_run(model, step, visit);
	int			place;

	if (row == NULL || row->items == NULL || (place = model_item_place(row, index)) < 0)
	{
		row_extra(side, visit_key(name, visit, index));
		return;
	}
	items_missing(side, model, row, place);
	fill_item(side, model, row, place);
	compare_row(side, visit_key(name, visit, index));
	row->next_item = place + 1;
}

/* Compares the rows of noetl.item. */
static void
compare_items(Store *store, Model *model, Comparison *comparison)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl replayed item",
												 ALLOCSET_DEFAULT_SIZES);
	Side		side;
	ListCell   *lc;

	side_open(&side, store, REL_ITEM, "item", item_columns, comparison);
	store_rows_scan(&side.rows, REL_ITEM_PKEY, model->execution.execution_id);
	while (store_rows_next(&side.rows))
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		compare_item(&side, model);
		MemoryContextSwitchTo(old);
		ExecClearTuple(side.rows.expected);
		MemoryContextReset(memory);
	}
	store_rows_end_scan(&side.rows);
	MemoryContextDelete(memory);
	foreach(lc, model->runs)
		items_missing(&side, model, (ModelRow *) lfirst(lc), PG_INT32_MAX);
}

/* ---------------------------------------------------------------------------
 * queue
 * ---------------------------------------------------------------------------
 */

/* Returns how many attempts of a run have failed. */
static int
failed_attempts(const Run *run)
{
	return run->state == RUN_LEASED ? run->attempts - 1 : run->attempts;
}

/*
 * Fills in an expected row of noetl.queue, with the status that a rebuilt row gets.
 * The lease of the row that is there (found; NULL: none) is taken over if it can
 * belong to this task.
 */
static void
fill_task(const Side *side, const Model *model, const ModelRow *row, TupleTableSlot *found)
{
	TupleTableSlot *slot = side->rows.expected;
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
	/* rows of an earlier release have none of the visits, or all of them */
	if (found != NULL && !step_counts_visits(&model->playbook->steps[run->step]))
		slot->tts_values[QUEUE_COL_VISIT - 1] =
			slot_getattr(found, QUEUE_COL_VISIT, &slot->tts_isnull[QUEUE_COL_VISIT - 1]);
	if (found != NULL)
	{
		char	   *status = slot_text(found, QUEUE_COL_STATUS);
		int			attempts = DatumGetInt32(slot_column(found, QUEUE_COL_ATTEMPTS));
		bool		queued = attempts == failed &&
			(strcmp(status, "queued") == 0 || strcmp(status, "paused") == 0 ||
			 (run->limits != NULL && strcmp(status, "blocked") == 0));
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

/* Reads the key of the found row of noetl.queue; false: the step does not exist. */
static bool
read_key(const Side *side, const Model *model, ModelKey *key)
{
	TupleTableSlot *slot = side->rows.found;
	char	   *name = slot_text(slot, QUEUE_COL_NODE_NAME);

	key->step = playbook_find_step(model->playbook, name, strlen(name));
	key->visit = node_id_visit(slot_text(slot, QUEUE_COL_NODE_ID),
							   model->execution.execution_id, name);
	key->item = slot_attisnull(slot, QUEUE_COL_CURRENT_INDEX) ? -1 :
		DatumGetInt32(slot_column(slot, QUEUE_COL_CURRENT_INDEX));
	return key->step >= 0;
}

/*
 * Returns whether the found row is the task of a run that has ended, which a
 * worker may still hold.
 */
static bool
is_leftover(const Side *side, const Model *model, const ModelKey *key)
{
	TupleTableSlot *slot = side->rows.found;
	ModelLeftover *leftover = model_find_leftover(model, key->step, key->visit, key->item);

	return leftover != NULL &&
		strcmp(slot_text(slot, QUEUE_COL_STATUS),
			   leftover->revoked ? "cancelled" : "leased") == 0 &&
		DatumGetInt64(slot_column(slot, QUEUE_COL_EVENT_ID)) == leftover->started_event_id;
}

/*
 * Returns whether the found row is as it should be.  If not, *row is the row that it
 * should be, and is filled in as the expected one; NULL: it should not be there.
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
		*row = NULL;			/* the task has another row already */
	if (*row != NULL)
	{
		fill_task(side, model, *row, side->rows.found);
		if (store_rows_equal(&side->rows))
		{
			(*row)->found = true;
			return true;
		}
	}
	return is_leftover(side, model, &key);
}

/*
 * Lets the wait for the first lease begin again, unless the log says that the task has
 * been leased.
 */
static void
begin_wait(const Side *side, const ModelRow *row)
{
	TupleTableSlot *slot = side->rows.expected;
	TimestampTz until = GetCurrentTimestamp() + row->run.queue_timeout;

	if (row->run.queue_timeout == 0 || row->run.attempts > 0)
		return;
	slot_set(slot, QUEUE_COL_DEADLINE, TimestampTzGetDatum(until));
	slot_set(slot, QUEUE_COL_LEASE_UNTIL, TimestampTzGetDatum(until));
}

/* Inserts a task at the end of the queue. */
static void
insert_task(const Side *side, const Model *model, const ModelRow *row)
{
	fill_task(side, model, row, NULL);
	begin_wait(side, row);
	store_place_task(side->rows.expected);
	store_rows_insert(&side->rows);
}

/*
 * Compares the row of a task that was found.  A row that is not as it should be is
 * replaced by a new one, because the worker that has leased it would not learn of
 * a change.
 */
static void
compare_task(Side *side, const Model *model)
{
	ModelRow   *row;
	const char *key;

	if (task_is_right(side, model, &row))
		return;
	/* workers change rows without the execution lock: read the row again */
	if (side->comparison->repair &&
		(!store_rows_lock(&side->rows) ||
		 task_is_right(side, model, &row)))
		return;
	key = node_key(model->execution.execution_id,
				   slot_text(side->rows.found, QUEUE_COL_NODE_ID));
	if (row == NULL)
	{
		row_extra(side, key);
		return;
	}
	row->found = true;
	comparison_report(side->comparison, side->name, key,
					  store_rows_describe(&side->rows, false, true),
					  store_rows_describe(&side->rows, true, true));
	if (side->comparison->repair)
	{
		store_rows_delete(&side->rows);
		insert_task(side, model, row);
	}
}

/* For list_sort: in the order in which the runs began. */
static int
compare_tasks(const ListCell *a, const ListCell *b)
{
	const ModelRow *left = (ModelRow *) lfirst(a);
	const ModelRow *right = (ModelRow *) lfirst(b);

	if (left->run.started_event_id != right->run.started_event_id)
		return left->run.started_event_id < right->run.started_event_id ? -1 : 1;
	return left->key.item - right->key.item;
}

/* Returns the expected rows of noetl.queue (ModelRow *) that were not found. */
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

/* Compares the rows of noetl.queue. */
static void
compare_queue(Store *store, Model *model, Comparison *comparison)
{
	Side		side;
	List	   *missing;
	ListCell   *lc;

	side_open(&side, store, REL_QUEUE, "queue", queue_columns, comparison);
	store_rows_scan(&side.rows, REL_QUEUE_RUN_IDX, model->execution.execution_id);
	while (store_rows_next(&side.rows))
		compare_task(&side, model);
	store_rows_end_scan(&side.rows);

	missing = missing_tasks(model);
	foreach(lc, missing)
	{
		ModelRow   *row = (ModelRow *) lfirst(lc);

		fill_task(&side, model, row, NULL);
		comparison_report(comparison, side.name, row_key(model, row),
						  store_rows_describe(&side.rows, false, false), NULL);
		if (comparison->repair)
			insert_task(&side, model, row);
	}
}

/* ---------------------------------------------------------------------------
 * signal
 * ---------------------------------------------------------------------------
 */

/* Returns the signal of an event, or NULL. */
static ModelSignal *
find_signal(const Model *model, int64 event_id)
{
	ListCell   *lc;

	foreach(lc, model->signals)
		if (((ModelSignal *) lfirst(lc))->event_id == event_id)
			return (ModelSignal *) lfirst(lc);
	return NULL;
}

/* Compares the rows of noetl.signal. */
static void
compare_signals(Store *store, Model *model, Comparison *comparison)
{
	int64		execution_id = model->execution.execution_id;
	Side		side;
	ListCell   *lc;

	side_open(&side, store, REL_SIGNAL, "signal", signal_columns, comparison);
	store_rows_scan(&side.rows, REL_SIGNAL_PKEY, execution_id);
	while (store_rows_next(&side.rows))
	{
		int64		event_id = DatumGetInt64(slot_column(side.rows.found, SIGNAL_EVENT_ID));
		ModelSignal *signal = find_signal(model, event_id);

		if (signal == NULL)
		{
			row_extra(&side, id_text(event_id));
			continue;
		}
		signal->found = true;
		store_fill_signal(side.rows.expected, execution_id, &signal->row);
		compare_row(&side, id_text(event_id));
	}
	store_rows_end_scan(&side.rows);
	foreach(lc, model->signals)
	{
		ModelSignal *signal = (ModelSignal *) lfirst(lc);

		if (signal->found)
			continue;
		store_fill_signal(side.rows.expected, execution_id, &signal->row);
		row_missing(&side, id_text(signal->event_id));
	}
}

/* Checks that the tasks have the slots of their limits that they need. */
static void
compare_slots(Store *store, const Model *model, Comparison *comparison)
{
	int64		execution_id = model->execution.execution_id;
	List	   *problems = limit_problems(execution_id);
	ListCell   *lc;

	foreach(lc, problems)
		comparison_report(comparison, "slot", node_key(execution_id, (char *) lfirst(lc)),
						  NULL, NULL);
	if (comparison->repair && problems != NIL)
		limit_repair(store, execution_id);
}

/* Compares every row of the execution with the model. */
void
compare_tables(Store *store, Model *model, Comparison *comparison)
{
	CommandCounterIncrement();
	compare_execution(store, model, comparison);
	compare_workload(store, model, comparison);
	compare_start_key(model, comparison);
	compare_pause(model, comparison);
	compare_runs(store, model, comparison);
	compare_arrivals(store, model, comparison);
	compare_items(store, model, comparison);
	compare_queue(store, model, comparison);
	compare_slots(store, model, comparison);
	compare_signals(store, model, comparison);
}
