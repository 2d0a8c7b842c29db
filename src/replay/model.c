/*
 * replay/model.c
 *		The rows of an execution in memory, as decisions make them.
 *
 * A decision changes ModelRows as it changes rows of tables (engine/evaluate.c).
 * An evaluation reads them as it reads tables: in the order of the index, and as
 * copies of its own.
 */
#include "common/common.h"

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "replay/internal.h"

/* ---------------------------------------------------------------------------
 * The model as a whole
 * ---------------------------------------------------------------------------
 */

/* For qsort_arg: by the names of steps, in the order of an index. */
static int
compare_names(const void *a, const void *b, void *arg)
{
	const Step *steps = (const Step *) arg;
	const char *left = steps[*(const int *) a].name;
	const char *right = steps[*(const int *) b].name;

	return varstr_cmp(left, strlen(left), right, strlen(right), DEFAULT_COLLATION_OID);
}

/* Returns, for each step, the place of its name in the order of the indexes. */
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

/* Creates a hash table in CurrentMemoryContext. */
static HTAB *
make_table(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		control = {0};

	control.keysize = keysize;
	control.entrysize = entrysize;
	control.hcxt = CurrentMemoryContext;
	return hash_create(name, 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Creates an empty model in CurrentMemoryContext. */
Model *
model_create(const Playbook *playbook)
{
	Model	   *model = palloc0(sizeof(Model));

	model->memory = CurrentMemoryContext;
	model->playbook = playbook;
	model->limited = playbook->nlimits > 0;
	model->rows = make_table("noetl replayed rows", sizeof(ModelKey), sizeof(ModelRow));
	model->leftovers = make_table("noetl replayed leftovers", sizeof(ModelKey),
								  sizeof(ModelLeftover));
	model->children = make_table("noetl replayed children", sizeof(int64),
								 sizeof(ModelChild));
	model->rank = rank_names(playbook);
	model->values = palloc0(sizeof(ModelValue) * playbook->nsteps);
	return model;
}

/* Returns a key; the struct has no padding. */
static ModelKey
make_key(int step, int visit, int item)
{
	ModelKey	key;

	key.step = step;
	key.visit = visit;
	key.item = item;
	return key;
}

/* Returns the row of a run or an item, or NULL. */
ModelRow *
model_find(const Model *model, int step, int visit, int item)
{
	ModelKey	key = make_key(step, visit, item);

	return (ModelRow *) hash_search(model->rows, &key, HASH_FIND, NULL);
}

/* Returns the leftover of a run or an item, or NULL. */
ModelLeftover *
model_find_leftover(const Model *model, int step, int visit, int item)
{
	ModelKey	key = make_key(step, visit, item);

	return (ModelLeftover *) hash_search(model->leftovers, &key, HASH_FIND, NULL);
}

/* Returns a child whose end the log has not told yet, or NULL. */
ModelChild *
model_find_child(const Model *model, int64 execution_id)
{
	return (ModelChild *) hash_search(model->children, &execution_id, HASH_FIND, NULL);
}

/* Forgets a child. */
void
model_remove_child(Model *model, int64 execution_id)
{
	(void) hash_search(model->children, &execution_id, HASH_REMOVE, NULL);
}

/* Returns the row of a visit of a step in noetl.run, or NULL. */
ModelRow *
model_find_run(const Model *model, int step, int visit)
{
	ModelRow   *row = model_find(model, step, visit, -1);

	return row == NULL || row->run.is_task ? NULL : row;
}

/* ---------------------------------------------------------------------------
 * Rows are read
 * ---------------------------------------------------------------------------
 */

/* Returns a copy of a run, which an evaluation may change. */
static Run *
copy_run(ModelRow *row)
{
	Run		   *run = palloc(sizeof(Run));

	*run = row->run;
	/* tables do not keep them */
	run->arrivals = run->is_task ? NIL : list_copy(run->arrivals);
	run->lineage = NULL;
	run->released_by = 0;
	run->child_execution_id = 0;
	if (!run->is_task)
	{
		run->timeout = 0;
		run->attempts_before = 0;	/* its context says it */
	}
	run->stored = true;
	run->kept = false;
	run->changed = false;
	run->handle = row;
	return run;
}

/* Returns copies of the runs, in the order in which the tables give them. */
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

/* Returns a copy of the task of an item, or NULL. */
Run *
model_load_item(const Model *model, int step, int visit, int item)
{
	ModelRow   *row = model_find_run(model, step, visit) == NULL ? NULL :
		model_find(model, step, visit, item);

	return row == NULL ? NULL : copy_run(row);
}

/* ---------------------------------------------------------------------------
 * Questions of the decision core that rows answer
 * ---------------------------------------------------------------------------
 */

/* Finds the workload of the execution; false: it has none. */
bool
model_workload(const Model *model, JsonbValue *workload)
{
	if (model->workload == NULL)
		return false;
	json_from_jsonb(model->workload, workload);
	return true;
}

/* Returns the row of an open iterator, or NULL. */
static ModelRow *
find_iterator(const Model *model, const char *step_name, int visit)
{
	return model_find_run(model, playbook_find_step(model->playbook, step_name,
													strlen(step_name)), visit);
}

/* Finds how far an iterator has come since an event (ValueSource.progress). */
void
model_progress(const Model *model, const char *step_name, int visit, int64 since,
			   IterationProgress *progress)
{
	const ModelRow *row = find_iterator(model, step_name, visit);

	memset(progress, 0, sizeof(IterationProgress));
	if (row != NULL && row->since == since)
		*progress = row->progress;
}

/* Finds an item of an iterator that has not started; false: there is none. */
bool
model_waiting_item(const Model *model, const char *step_name, int visit, int index,
				   JsonbValue *item)
{
	const ModelRow *row = find_iterator(model, step_name, visit);
	JsonbValue	list;
	int			place;

	if (row == NULL || row->items == NULL || (place = model_item_place(row, index)) < 0)
		return false;
	json_from_jsonb(row->items, &list);
	*item = *getIthJsonbValueFromContainer(list.val.binary.data, place);
	return true;
}

/* Returns the first signal of a name after an event that no wait has taken, or NULL. */
const ModelSignal *
model_kept_signal(const Model *model, const char *name, int64 after)
{
	ListCell   *lc;

	foreach(lc, model->signals)
	{
		const ModelSignal *signal = (ModelSignal *) lfirst(lc);

		if (!signal->row.taken && signal->event_id > after &&
			strcmp(signal->row.name, name) == 0)
			return signal;
	}
	return NULL;
}

/* ---------------------------------------------------------------------------
 * Rows are written
 * ---------------------------------------------------------------------------
 */

/* Copies a document, which then outlives the evaluation; NULL stays NULL. */
static Jsonb *
keep_jsonb(const Jsonb *jsonb)
{
	return jsonb == NULL ? NULL :
		(Jsonb *) DatumGetPointer(datumCopy(PointerGetDatum(jsonb), false, -1));
}

/* Returns the list that the row of a step belongs to; NULL for the row of an item. */
static List **
list_of(Model *model, const ModelRow *row)
{
	if (row->key.item >= 0)
		return NULL;
	return row->run.is_task ? &model->tasks : &model->runs;
}

/* Inserts a row into its list, in the order of the index. */
static void
list_row(Model *model, ModelRow *row)
{
	List	  **list = list_of(model, row);
	MemoryContext old = MemoryContextSwitchTo(model->memory);
	int			place;

	if (list != NULL)
	{
		place = list_length(*list);
		while (place > 0 &&
			   model->rank[((ModelRow *) list_nth(*list, place - 1))->key.step] >
			   model->rank[row->key.step])
			place--;
		*list = list_insert_nth(*list, place, row);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Clears what a run points to in the memory of its evaluation, which ends before the
 * model does.  The caller copies what rows keep; "type" is that of a playbook.
 */
static void
forget_evaluation(Run *run)
{
	run->arrivals = NIL;
	run->lineage = NULL;
	run->compensates = NULL;
	run->context = NULL;
	run->worker_id = NULL;
	run->action = NULL;
	run->limits = NULL;
	run->fair_key = NULL;
	run->handle = NULL;
}

/* Creates the row of a run. */
static ModelRow *
add_row(Model *model, Run *run)
{
	ModelKey	key = make_key(run->step, run->visit, run->item);
	ModelRow   *row;
	bool		found;

	row = (ModelRow *) hash_search(model->rows, &key, HASH_ENTER, &found);
	if (found)
		elog(ERROR, "a run has two rows");
	memset(row, 0, sizeof(ModelRow));
	row->key = key;
	row->run = *run;
	forget_evaluation(&row->run);
	row->parent_execution_id = model->execution.parent_execution_id;
	row->memory = AllocSetContextCreate(model->memory, "noetl replayed row",
										ALLOCSET_SMALL_SIZES);
	list_row(model, row);
	run->handle = row;
	return row;
}

/* Deletes a row; what it points to lasts until the decisions on this event are applied. */
static void
remove_row(Model *model, ModelRow *row)
{
	List	  **list = list_of(model, row);

	if (list != NULL)
		*list = list_delete_ptr(*list, row);
	MemoryContextSetParent(row->memory, CurrentMemoryContext);
	(void) hash_search(model->rows, &row->key, HASH_REMOVE, NULL);
}

/* Replaces the row of a run that has ended by a leftover: a worker may hold it. */
static void
leave_task(Model *model, ModelRow *row, bool revoked)
{
	ModelLeftover *leftover;

	leftover = (ModelLeftover *) hash_search(model->leftovers, &row->key, HASH_ENTER, NULL);
	leftover->started_event_id = row->run.started_event_id;
	leftover->revoked = revoked;
	remove_row(model, row);
}

/* Copies a lineage, which then outlives the evaluation; NULL stays NULL. */
static const int *
keep_lineage(const Playbook *playbook, const int *lineage)
{
	int		   *copy;

	if (lineage == NULL)
		return NULL;
	copy = palloc(sizeof(int) * playbook->ntracked);
	memcpy(copy, lineage, sizeof(int) * playbook->ntracked);
	return copy;
}

/* Copies the arrivals that the row of a waiting run does not have yet. */
static void
keep_arrivals(const Playbook *playbook, ModelRow *row, const Run *run)
{
	for (int i = list_length(row->run.arrivals); i < list_length(run->arrivals); i++)
	{
		Arrival    *arrival = palloc(sizeof(Arrival));

		*arrival = *(Arrival *) list_nth(run->arrivals, i);
		if (arrival->has_data)
			json_from_jsonb(json_to_jsonb(&arrival->data), &arrival->data);
		arrival->lineage = keep_lineage(playbook, arrival->lineage);
		row->run.arrivals = lappend(row->run.arrivals, arrival);
	}
}

/*
 * Returns the event from which on the ends of an iterator's items count: its
 * iterator_started, or the event that resumed it; 0: it is no iterator.
 */
static int64
context_since(const Jsonb *context)
{
	JsonbValue	value;
	int64		since;
	int64		resumed = 0;

	if (context == NULL)
		return 0;
	json_from_jsonb(context, &value);
	(void) json_get_int(&value, "resumed", &resumed);
	return json_get_int(&value, "since", &since) ? Max(since, resumed) : 0;
}

/* DECIDE_KEEP: stores a run in noetl.run. */
static void
put_run(Model *model, const BrokerState *state, Run *run)
{
	ModelRow   *row = run->stored ? (ModelRow *) run->handle : add_row(model, run);
	MemoryContext old = MemoryContextSwitchTo(row->memory);
	int64		since = context_since(run->context);

	if (!run->stored)
		row->created_at = state->now;
	row->run.state = run->state;
	row->run.started_event_id = run->started_event_id;
	row->run.attempts = run->attempts;
	row->run.available_at = run->available_at;
	row->run.deadline = run->deadline;
	row->run.timeout = run->timeout;
	row->run.context = keep_jsonb(run->context);
	if (run->rewritten)
		row->run.arrivals = NIL;
	keep_arrivals(model->playbook, row, run);
	if (since != row->since)
		memset(&row->progress, 0, sizeof(IterationProgress));
	row->since = since;
	run->stored = true;
	MemoryContextSwitchTo(old);
}

/* DECIDE_ENQUEUE: stores a run in noetl.queue. */
static void
enqueue(Model *model, Run *run)
{
	ModelRow   *row;
	MemoryContext old;

	run->is_task = true;
	row = add_row(model, run);
	old = MemoryContextSwitchTo(row->memory);
	row->run.action = keep_jsonb(run->action);
	row->run.limits = keep_jsonb(run->limits);
	row->run.fair_key = run->fair_key == NULL ? NULL : pstrdup(run->fair_key);
	row->run.context = keep_jsonb(run->context);
	keep_arrivals(model->playbook, row, run);
	MemoryContextSwitchTo(old);
}

/* DECIDE_ADD_ITEMS: stores the items of an iterator that start later. */
static void
add_items(ModelRow *row, const Decision *decision)
{
	MemoryContext old = MemoryContextSwitchTo(row->memory);
	JsonBuilder list;
	JsonbValue	value;

	json_begin_array(&list);
	for (int i = 0; i < decision->nitems; i++)
		json_push(&list, &decision->items[i]);
	json_end_array(&list, &value);
	row->items = json_to_jsonb(&value);
	row->first_item = decision->first_item;
	row->indexes = NULL;
	if (decision->indexes != NULL)
	{
		row->indexes = palloc_extended(sizeof(int) * decision->nitems, MCXT_ALLOC_HUGE);
		memcpy(row->indexes, decision->indexes, sizeof(int) * decision->nitems);
	}
	row->next_item = 0;
	row->end_item = decision->nitems;
	MemoryContextSwitchTo(old);
}

/* Returns the index of the item at a place of an iterator's list. */
int
model_item_index(const ModelRow *row, int place)
{
	return row->indexes != NULL ? row->indexes[place] : row->first_item + place;
}

/* Returns the place of an item that still waits; -1: it does not. */
int
model_item_place(const ModelRow *row, int index)
{
	int			low = row->next_item;
	int			high = row->end_item - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			found = model_item_index(row, middle);

		if (found == index)
			return middle;
		if (found < index)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* DECIDE_STOP: keeps a copy of a run; of a task it has the arrivals that led to it. */
static void
keep_stopped(Model *model, const Run *run)
{
	MemoryContext old = MemoryContextSwitchTo(model->memory);
	const ModelRow *row = model_find(model, run->step, run->visit, -1);
	ModelRow	copy;
	Run			source = *run;
	Run		   *stopped = palloc(sizeof(Run));

	if (row != NULL && row->run.is_task && row->run.arrivals != NIL)
		source.arrivals = row->run.arrivals;
	memset(&copy, 0, sizeof(copy));
	keep_arrivals(model->playbook, &copy, &source);
	*stopped = *run;
	forget_evaluation(stopped);
	stopped->arrivals = copy.run.arrivals;
	stopped->context = keep_jsonb(run->context);
	stopped->stored = false;
	stopped->kept = false;
	model->stopped = lappend(model->stopped, stopped);
	MemoryContextSwitchTo(old);
}

/* Returns copies of the runs that the end of the execution has stopped. */
List *
model_stopped_runs(const Model *model)
{
	List	   *runs = NIL;
	ListCell   *lc;

	foreach(lc, model->stopped)
	{
		Run		   *run = palloc(sizeof(Run));

		*run = *(Run *) lfirst(lc);
		run->arrivals = list_copy(run->arrivals);
		runs = lappend(runs, run);
	}
	return runs;
}

/* DECIDE_REDRIVE: the execution runs again; tasks that were left are deleted. */
static void
redrive_execution(Model *model, const Event *event, const Decision *decision)
{
	HASH_SEQ_STATUS all;
	ModelLeftover *leftover;

	model->status = NULL;
	model->error = NULL;
	model->result = NULL;
	model->ended_at = 0;
	model->stopped = NIL;
	model->stopped_signals = NIL;
	model->execution.drive = decision->drive;
	if (model->timeout != 0)
		model->execution.deadline = event->created_at + model->timeout;
	hash_seq_init(&all, model->leftovers);
	while ((leftover = (ModelLeftover *) hash_seq_search(&all)) != NULL)
		(void) hash_search(model->leftovers, &leftover->key, HASH_REMOVE, NULL);
}

/* DECIDE_START_CHILD, DECIDE_ADOPT: notes a child. */
static void
add_child(Model *model, const Run *run, const ChildStart *start)
{
	ModelChild *child;

	child = (ModelChild *) hash_search(model->children, &start->execution_id, HASH_ENTER, NULL);
	child->key = make_key(run->step, run->visit, start->item);
	child->parent_event_id = start->parent_event_id;
}

/* DECIDE_ABANDON: withdraws the children and items of an open run. */
static void
abandon(Model *model, ModelRow *open, const Decision *decision)
{
	HASH_SEQ_STATUS all;
	ModelChild *child;
	ModelRow   *row;

	open->items = NULL;
	open->next_item = open->end_item = 0;
	hash_seq_init(&all, model->children);
	while ((child = (ModelChild *) hash_seq_search(&all)) != NULL)
		if (child->key.step == open->key.step && child->key.visit == open->key.visit)
			model_remove_child(model, child->execution_id);
	hash_seq_init(&all, model->rows);
	while ((row = (ModelRow *) hash_seq_search(&all)) != NULL)
	{
		if (row->key.item < 0 || row->key.step != open->key.step ||
			row->key.visit != open->key.visit)
			continue;
		if (decision->leave)
			leave_task(model, row, decision->revoke);
		else
			remove_row(model, row);
	}
}

/* Notes a signal that is kept, or whose id is, in the order of the event ids. */
void
model_keep_signal(Model *model, const SignalRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(model->memory);
	ModelSignal *signal = palloc0(sizeof(ModelSignal));
	int			place = list_length(model->signals);

	signal->event_id = row->event_id;
	signal->row = *row;
	signal->row.name = pstrdup(row->name);
	if (row->id != NULL)
		signal->row.id = pstrdup(row->id);
	while (place > 0 &&
		   ((ModelSignal *) list_nth(model->signals, place - 1))->event_id > signal->event_id)
		place--;
	model->signals = list_insert_nth(model->signals, place, signal);
	MemoryContextSwitchTo(old);
}

/* DECIDE_KEEP_SIGNAL: a signal is kept, or its id. */
static void
keep_signal(Model *model, const Decision *decision)
{
	SignalRow	row = {decision->event->event_id, decision->event->node_name,
	decision->event->signal_id, decision->taken};

	model_keep_signal(model, &row);
}

/* DECIDE_TAKE_SIGNAL: a signal is taken; without an id nothing is left of it. */
static void
take_signal(Model *model, int64 event_id)
{
	ListCell   *lc;

	foreach(lc, model->signals)
	{
		ModelSignal *signal = (ModelSignal *) lfirst(lc);

		if (signal->event_id != event_id)
			continue;
		signal->row.taken = true;
		if (signal->row.id == NULL)
			model->signals = foreach_delete_current(model->signals, lc);
		return;
	}
}

/* DECIDE_FINISH: ends the execution. */
static void
finish_execution(Model *model, const BrokerState *state, const Event *event,
				 const Decision *decision)
{
	MemoryContext old = MemoryContextSwitchTo(model->memory);
	HASH_SEQ_STATUS all;
	ModelRow   *row;

	model->status = decision->status;
	model->error = decision->error == NULL ? NULL : pstrdup(decision->error);
	model->result = keep_jsonb(decision->result);
	model->ended_at = event != NULL && event_type_is_terminal(event->type) ?
		event->created_at : state->time;
	model->execution.paused = 0;
	model->paused_until = 0;
	model->stopped_signals = model->signals;
	model->signals = NIL;
	MemoryContextSwitchTo(old);
	/* the log does not say which tasks were leased: all may be leftovers */
	hash_seq_init(&all, model->rows);
	while ((row = (ModelRow *) hash_seq_search(&all)) != NULL)
		leave_task(model, row, decision->revoke);
}

/* Gives a row the number of its step in another version, in the new table of rows. */
static void
migrate_row(Model *model, const ModelRow *old, const Migration *migration)
{
	ModelKey	key = old->key;
	ModelRow   *row;
	MemoryContext caller;

	key.step = migrate_step(migration, old->key.step);
	if (key.step < 0)
		elog(ERROR, "step %d has no place in the new version", old->key.step);
	row = (ModelRow *) hash_search(model->rows, &key, HASH_ENTER, NULL);
	*row = *old;
	row->key = key;
	row->run.step = key.step;
	caller = MemoryContextSwitchTo(row->memory);
	row->run.arrivals = migrate_arrivals(migration, row->run.arrivals);
	MemoryContextSwitchTo(caller);
	list_row(model, row);
}

/* Gives all rows the numbers of another version of the playbook. */
void
model_migrate(Model *model, const Migration *migration)
{
	MemoryContext caller = MemoryContextSwitchTo(model->memory);
	HTAB	   *rows = model->rows;
	List	   *steps = list_concat_copy(model->tasks, model->runs);
	HASH_SEQ_STATUS all;
	ModelRow   *row;
	ModelChild *child;
	ListCell   *lc;

	model->playbook = migration->to;
	model->rank = rank_names(migration->to);
	model->rows = make_table("noetl replayed rows", sizeof(ModelKey), sizeof(ModelRow));
	model->tasks = NIL;
	model->runs = NIL;
	foreach(lc, steps)
		migrate_row(model, (ModelRow *) lfirst(lc), migration);
	hash_seq_init(&all, rows);
	while ((row = (ModelRow *) hash_seq_search(&all)) != NULL)
		if (row->key.item >= 0)
			migrate_row(model, row, migration);
	hash_seq_init(&all, model->children);
	while ((child = (ModelChild *) hash_seq_search(&all)) != NULL)
		child->key.step = migrate_step(migration, child->key.step);
	hash_destroy(rows);
	MemoryContextSwitchTo(caller);
}

/* Applies a decision to the model. */
void
model_apply(Model *model, const BrokerState *state, const Event *event,
			const Decision *decision, const Run *own)
{
	Run		   *run = decision->run;
	ModelRow   *row = run == NULL ? NULL : (ModelRow *) run->handle;

	switch (decision->kind)
	{
		case DECIDE_KEEP:
			put_run(model, state, run);
			break;
		case DECIDE_FORGET:
			run->stored = false;
			remove_row(model, row);
			break;
		case DECIDE_ABANDON:
			abandon(model, row, decision);
			break;
		case DECIDE_ADD_ITEMS:
			add_items(row, decision);
			break;
		case DECIDE_TAKE_ITEM:
			row->next_item = model_item_place(row, decision->first_item) + 1;
			break;
		case DECIDE_STOP:
			keep_stopped(model, run);
			break;
		case DECIDE_REDRIVE:
			redrive_execution(model, event, decision);
			break;
		case DECIDE_REDRIVE_CHILD:
			if (decision->child->execution_id != 0)
				add_child(model, run, decision->child);
			break;
		case DECIDE_START_CHILD:
		case DECIDE_ADOPT:
			add_child(model, run, decision->child);
			break;
		case DECIDE_ENQUEUE:
			enqueue(model, run);
			break;
		case DECIDE_LEASE:
			row->run.state = RUN_LEASED;
			row->run.attempts = run->attempts;
			break;
		case DECIDE_RETRY:
			row->run.state = run->state;
			row->run.attempts = run->attempts;
			row->run.lost = run->lost;
			row->run.available_at = run->available_at;
			break;
		case DECIDE_CLOSE:
			/* at the end, finish_execution() sees to the tasks of other workers */
			if (!state->finished || run == own || !run->stored)
				remove_row(model, row);
			break;
		case DECIDE_COMPENSATE:
			model->compensated = true;
			model->execution.deadline = 0;
			break;
		case DECIDE_FINISH:
			finish_execution(model, state, event, decision);
			break;
		case DECIDE_KEEP_SIGNAL:
			keep_signal(model, decision);
			break;
		case DECIDE_TAKE_SIGNAL:
			take_signal(model, decision->event->event_id);
			break;
		case DECIDE_REVOKE:
		case DECIDE_EMIT:
		case DECIDE_IGNORE:
		case DECIDE_LOCATE:
		case DECIDE_ANNOTATE:
			break;
	}
}

/* ---------------------------------------------------------------------------
 * What events tell
 * ---------------------------------------------------------------------------
 */

/*
 * Notes where the value of a step is: that of the newest event counts, of a
 * parallel step that of the visit with the highest number since one was carried.
 */
static void
note_value(Model *model, int step, const Event *event)
{
	ModelValue *value = &model->values[step];

	if (!event_type_carries_value(event->type) || event->item_in_node_id ||
		value->created_at >= event->created_at ||
		(model->playbook->steps[step].parallel && Max(event->visit, 1) < value->visit &&
		 event->type != EVENT_STEP_CARRIED))
		return;
	value->created_at = event->created_at;
	value->event_id = event->event_id;
	value->visit = Max(event->visit, 1);
}

/* Notes how far an iterator has come, which the end of each item says. */
static void
note_progress(Model *model, int step, const Event *event)
{
	ModelRow   *row;

	if (!event->progress.found)
		return;
	row = model_find_run(model, step, event->visit);
	if (row != NULL && row->since != 0 && event->event_id > row->since)
		row->progress = event->progress;
}

/* Notes what an event says by itself, whatever is decided on it. */
void
model_note_event(Model *model, const Event *event)
{
	int			step;

	if (event->type == EVENT_EXECUTION_ADOPTED)
	{
		model->execution.parent_execution_id = event->parent_execution_id;
		model->execution.parent_event_id = event->parent_event_id;
		model->execution.item = event->has_index ? event->current_index : -1;
	}
	if (event->result == NULL || event->node_name == NULL)
		return;
	step = playbook_find_step(model->playbook, event->node_name, strlen(event->node_name));
	if (step < 0)
		return;
	note_value(model, step, event);
	note_progress(model, step, event);
}
