/*
 * replay_model.c
 *		The rows of an execution in memory, as decisions make them.
 *
 * What event.c and store.c do with a decision in tables is done here to a
 * ModelRow, which is read back as the tables are: in the order of the index
 * and as a fresh copy for each evaluation.
 */
#include "noetl.h"

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "json.h"
#include "replay.h"

/* For qsort_arg: steps in the order of the names in an index. */
static int
compare_names(const void *a, const void *b, void *arg)
{
	const Step *steps = (const Step *) arg;
	const char *left = steps[*(const int *) a].name;
	const char *right = steps[*(const int *) b].name;

	return varstr_cmp(left, strlen(left), right, strlen(right), DEFAULT_COLLATION_OID);
}

/* The place of each step where the tables' indexes sort by name. */
static int *
rank_names(const Playbook *playbook)
{
	int		   *sorted = palloc(sizeof(int) * playbook->nsteps);
	int		   *rank = palloc(sizeof(int) * playbook->nsteps);

	for (int i = 0; i < playbook->nsteps; i++)
		sorted[i] = i;
	qsort_arg(sorted, playbook->nsteps, sizeof(int), compare_names, playbook->steps);
	for (int i = 0; i < playbook->nsteps; i++)
		rank[sorted[i]] = i;
	pfree(sorted);
	return rank;
}

/* An execution of which nothing is known yet, in CurrentMemoryContext. */
Model *
model_create(const Playbook *playbook)
{
	Model	   *model = palloc0(sizeof(Model));
	HASHCTL		control = {0};

	model->memory = CurrentMemoryContext;
	model->playbook = playbook;
	control.keysize = sizeof(ModelKey);
	control.entrysize = sizeof(ModelRow);
	control.hcxt = CurrentMemoryContext;
	model->rows = hash_create("noetl replay", 64, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	model->rank = rank_names(playbook);
	model->values = palloc0(sizeof(ModelValue) * playbook->nsteps);
	return model;
}

/* See replay.h. */
ModelRow *
model_find(const Model *model, int step, int visit, int item)
{
	ModelKey	key;

	key.step = step;
	key.visit = visit;
	key.item = item;
	return (ModelRow *) hash_search(model->rows, &key, HASH_FIND, NULL);
}

/* A run for one evaluation, which may change it as it likes. */
static Run *
copy_run(ModelRow *row)
{
	Run		   *run = palloc(sizeof(Run));

	*run = row->run;
	run->arrivals = list_copy(run->arrivals);
	run->stored = true;
	run->changed = false;
	run->handle = row;
	return run;
}

/* See replay.h. */
List *
model_load_runs(const Model *model)
{
	List	   *runs = NIL;
	ListCell   *lc;

	foreach(lc, model->tasks)
		runs = lappend(runs, copy_run((ModelRow *) lfirst(lc)));
	foreach(lc, model->runs)
		runs = lappend(runs, copy_run((ModelRow *) lfirst(lc)));
	return runs;
}

/* A document that outlives the evaluation. */
static Jsonb *
keep_jsonb(const Jsonb *jsonb)
{
	return jsonb == NULL ? NULL :
		(Jsonb *) DatumGetPointer(datumCopy(PointerGetDatum(jsonb), false, -1));
}

/* The list a row is in. */
static List **
list_of(Model *model, const ModelRow *row)
{
	return row->run.state == RUN_WAITING || row->run.state == RUN_OPEN ?
		&model->runs : &model->tasks;
}

/* Into its list, where the index would show it. */
static void
list_row(Model *model, ModelRow *row)
{
	List	  **list = list_of(model, row);
	MemoryContext old = MemoryContextSwitchTo(model->memory);
	int			place = list_length(*list);

	while (place > 0 &&
		   model->rank[((ModelRow *) list_nth(*list, place - 1))->key.step] >
		   model->rank[row->key.step])
		place--;
	*list = list_insert_nth(*list, place, row);
	MemoryContextSwitchTo(old);
}

/* A new row for a run. */
static ModelRow *
add_row(Model *model, Run *run)
{
	ModelKey	key;
	ModelRow   *row;
	bool		found;

	key.step = run->step;
	key.visit = run->visit;
	key.item = run->item;
	row = (ModelRow *) hash_search(model->rows, &key, HASH_ENTER, &found);
	if (found)
		elog(ERROR, "a run has two rows");
	row->run = *run;
	row->run.arrivals = NIL;
	row->run.worker_id = NULL;
	row->memory = AllocSetContextCreate(model->memory, "noetl replayed row",
										ALLOCSET_SMALL_SIZES);
	row->created_at = 0;
	row->leftover = false;
	row->found = false;
	list_row(model, row);
	run->handle = row;
	return row;
}

/* A row goes. */
static void
remove_row(Model *model, ModelRow *row)
{
	List	  **list = list_of(model, row);

	*list = list_delete_ptr(*list, row);
	MemoryContextDelete(row->memory);
	(void) hash_search(model->rows, &row->key, HASH_REMOVE, NULL);
}

/* Keeps the arrivals that a waiting run did not have yet. */
static void
keep_arrivals(ModelRow *row, const Run *run)
{
	MemoryContext old = MemoryContextSwitchTo(row->memory);

	for (int i = list_length(row->run.arrivals); i < list_length(run->arrivals); i++)
	{
		Arrival    *arrival = palloc(sizeof(Arrival));

		*arrival = *(Arrival *) list_nth(run->arrivals, i);
		if (arrival->has_data)
			json_from_jsonb(json_to_jsonb(&arrival->data), &arrival->data);
		row->run.arrivals = lappend(row->run.arrivals, arrival);
	}
	MemoryContextSwitchTo(old);
}

/* DECIDE_WAIT */
static void
put_run(Model *model, const BrokerState *state, Run *run)
{
	ModelRow   *row = run->stored ? (ModelRow *) run->handle : add_row(model, run);

	if (!run->stored)
		row->created_at = state->now;
	keep_arrivals(row, run);
}

/* DECIDE_ENQUEUE */
static void
enqueue(Model *model, Run *run)
{
	ModelRow   *row = add_row(model, run);
	MemoryContext old = MemoryContextSwitchTo(row->memory);

	row->run.action = keep_jsonb(run->action);
	row->run.context = keep_jsonb(run->context);
	MemoryContextSwitchTo(old);
}

/* DECIDE_FINISH */
static void
finish_execution(Model *model, const BrokerState *state, const Event *event,
				 const Decision *decision)
{
	MemoryContext old = MemoryContextSwitchTo(model->memory);

	model->status = decision->status;
	model->error = decision->error == NULL ? NULL : pstrdup(decision->error);
	model->result = keep_jsonb(decision->result);
	model->ended_at = event_type_is_terminal(event->type) ?
		event->created_at : state->time;
	model->revoked = event->type == EVENT_EXECUTION_CANCELLED;
	MemoryContextSwitchTo(old);
}

/* See replay.h. */
void
model_apply(Model *model, const BrokerState *state, const Event *event,
			const Decision *decision, const Run *own, TimestampTz available_at)
{
	Run		   *run = decision->run;
	ModelRow   *row = run == NULL ? NULL : (ModelRow *) run->handle;

	switch (decision->kind)
	{
		case DECIDE_WAIT:
			put_run(model, state, run);
			break;
		case DECIDE_UNWAIT:
			remove_row(model, row);
			break;
		case DECIDE_ENQUEUE:
			enqueue(model, run);
			break;
		case DECIDE_LEASE:
			row->run.state = RUN_LEASED;
			row->run.attempts = run->attempts;
			break;
		case DECIDE_RETRY:
			row->run.state = available_at > event->created_at ? RUN_RETRY : RUN_QUEUED;
			row->run.attempts = run->attempts;
			row->run.available_at = available_at;
			break;
		case DECIDE_CLOSE:
			/* what was withdrawn at the end may have been leased in truth */
			if (!state->finished || run == own || !run->stored)
				remove_row(model, row);
			break;
		case DECIDE_FINISH:
			finish_execution(model, state, event, decision);
			break;
		case DECIDE_REVOKE:
		case DECIDE_EMIT:
		case DECIDE_IGNORE:
		case DECIDE_LOCATE:
		case DECIDE_ANNOTATE:
			break;
	}
}

/* See replay.h. */
void
model_finished(Model *model)
{
	ListCell   *lc;

	foreach(lc, model->tasks)
		((ModelRow *) lfirst(lc))->leftover = true;
}

/* See replay.h.  The newest by time counts, as in store_step_value(). */
void
model_note_value(Model *model, const Event *event)
{
	ModelValue *value;
	int			step;

	if (event->result == NULL || event->node_name == NULL ||
		!event_type_sets_value(event->type))
		return;
	step = playbook_find_step(model->playbook, event->node_name, strlen(event->node_name));
	if (step < 0 || model->values[step].created_at >= event->created_at)
		return;
	value = &model->values[step];
	value->created_at = event->created_at;
	value->event_id = event->event_id;
	value->visit = Max(node_id_visit(event->node_id, event->execution_id,
									 event->node_name), 1);
}
