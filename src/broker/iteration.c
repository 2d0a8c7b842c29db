/*
 * broker/iteration.c
 *		Steps that are iterators: a child execution or a task for each item.
 *
 *		start_iterator ─> iterator_started (iteration_start.c)
 *		    item ends ──> iteration_completed | iteration_failed, with how far
 *		                  the iterator has come in meta; the next item starts
 *		    last one ───> iterator_completed with the results by index
 *
 * The log is the only counter: the newest event that ended an item says how
 * many items have started and ended, so that no row is updated for each item.
 * Context of an open run: {"data": input, "total": …, "concurrency": …,
 * "since": its iterator_started, "catalog_id": the playbook of all items or 0,
 * "timeout": microseconds}.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/internal.h"
#include "broker/iteration.h"

/* ---------------------------------------------------------------------------
 * State
 * ---------------------------------------------------------------------------
 */

/* Writes what an iterator has to remember into the context of its run. */
void
iteration_store_context(Iteration *iteration)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add(&builder, "data", &iteration->input);
	json_add_int(&builder, "total", iteration->total);
	json_add_int(&builder, "concurrency", iteration->concurrency);
	json_add_int(&builder, "since", iteration->since);
	json_add_int(&builder, "catalog_id", iteration->catalog_id);
	json_add_int(&builder, "timeout", iteration->run->timeout);
	if (iteration->resumed != 0)
	{
		json_add_int(&builder, "resumed", iteration->resumed);
		json_add_int(&builder, "started", iteration->base.started);
		json_add_int(&builder, "done", iteration->base.done);
		json_add(&builder, "todo", &iteration->todo);
	}
	add_attempts_before(iteration->run, &builder);
	json_end_object(&builder, &value);
	iteration->run->context = json_to_jsonb(&value);
}

/* Returns an integer of the run's context; 0: it is not there. */
static int64
context_int(const Iteration *iteration, const char *key)
{
	int64		number;

	return json_get_int(&iteration->context, key, &number) ? number : 0;
}

/*
 * Reads an iterator under way: its context, and from the log how far it has
 * come.
 */
void
iteration_open(Iteration *iteration, BrokerState *state, Run *run)
{
	memset(iteration, 0, sizeof(Iteration));
	iteration->state = state;
	iteration->run = run;
	iteration->step = &state->playbook->steps[run->step];
	iteration->spec = iteration->step->iterator;
	json_from_jsonb(run->context, &iteration->context);
	json_null(&iteration->input);
	(void) json_get(&iteration->context, "data", &iteration->input);
	iteration->total = (int) context_int(iteration, "total");
	iteration->concurrency = (int) context_int(iteration, "concurrency");
	iteration->since = context_int(iteration, "since");
	iteration->catalog_id = context_int(iteration, "catalog_id");
	iteration->resumed = context_int(iteration, "resumed");
	iteration->base.started = iteration->resumed != 0 ?
		(int) context_int(iteration, "started") :
		Min(iteration->total, iteration->concurrency);
	iteration->base.done = (int) context_int(iteration, "done");
	if (!json_get(&iteration->context, "todo", &iteration->todo))
		json_null(&iteration->todo);
	state->values.progress(state->values.arg, iteration->step->name, run->visit,
						   Max(iteration->since, iteration->resumed), &iteration->progress);
	if (!iteration->progress.found)
		iteration->progress = iteration->base;
}

/*
 * Returns the index of the item that starts as the n-th: of all items in their order, or,
 * after the iterator was resumed, of those that waited then.
 */
static int
index_of_start(const Iteration *iteration, int n)
{
	int			left = n - iteration->base.started;
	JsonbIterator *it;
	JsonbValue	range;

	if (iteration->resumed == 0)
		return n;
	it = json_walk(&iteration->todo);
	while (json_next_element(&it, &range))
	{
		double		first = 0;
		double		last = -1;

		(void) json_number(getIthJsonbValueFromContainer(range.val.binary.data, 0), &first);
		(void) json_number(getIthJsonbValueFromContainer(range.val.binary.data, 1), &last);
		if (left <= (int) (last - first))
			return (int) first + left;
		left -= (int) (last - first) + 1;
	}
	return -1;
}

/* ---------------------------------------------------------------------------
 * Items
 * ---------------------------------------------------------------------------
 */

/* Fills in the scope of an item's templates, which refers to *names. */
static void
item_scope(const Iteration *iteration, int index, const JsonbValue *item,
		   ItemScope *names, Scope *scope)
{
	memset(names, 0, sizeof(ItemScope));
	names->element = iteration->spec->element;
	names->step = iteration->step->name;
	names->index = index;
	names->count = iteration->total;
	names->item = item;
	names->chunked = iteration->spec->chunk != NULL;
	scope_init(scope, iteration->state, iteration->step, iteration->run,
			   iteration->state->now);
	scope->item = names;
	scope->input = &iteration->input;
	scope->outer = &iteration->input;
}

/*
 * Has the templates of a scope see the names inside the item that a task does, without
 * what else is in the context of its queue row, which would hide names of the scope, and
 * the input of the iterator.  *names and *outer hold them.
 */
void
see_item(const Run *run, Scope *scope, JsonbValue *names, JsonbValue *outer)
{
	const Run  *iterator = live_run(scope->state, run->step, run->visit);
	ItemScope	item;
	JsonBuilder builder;
	JsonbValue	context;
	JsonbValue	key;
	JsonbValue	value;
	JsonbIterator *it;

	if (iterator != NULL && run_input(iterator, outer))
		scope->outer = outer;
	if (run->context == NULL)
		return;
	memset(&item, 0, sizeof(item));
	item.element = scope->step->iterator->element;
	item.step = scope->step->name;
	item.chunked = scope->step->iterator->chunk != NULL;
	json_from_jsonb(run->context, &context);
	json_begin_object(&builder);
	it = json_walk(&context);
	while (json_next_member(&it, &key, &value))
	{
		const char *name = pnstrdup(key.val.string.val, key.val.string.len);

		if (strcmp(name, item.element) == 0 ||
			iterator_has_name(&item, name, key.val.string.len))
			json_add(&builder, name, &value);
	}
	json_end_object(&builder, names);
	scope->names = names;
}

/*
 * Builds what is laid over the input of each item: the iterator's own input,
 * where the step itself is done for each item.  A nested task sees that input
 * under its names (data, input, args), and its members as names.
 */
static void
item_input(const Iteration *iteration, JsonbValue *input)
{
	JsonBuilder builder;

	json_begin_object(&builder);
	if (iteration->spec->is_loop)
		json_add_members(&builder, &iteration->input);
	json_end_object(&builder, input);
}

/*
 * Emits iteration_started and returns it. child_execution_id: the child that
 * is the item; 0: none.
 */
static Event *
emit_item_started(const Iteration *iteration, int index, const JsonbValue *item,
				  int64 child_execution_id)
{
	Event	   *event = emit_item(iteration->state, EVENT_ITERATION_STARTED, iteration->step,
								  iteration->run->visit, index, iteration->since);
	JsonBuilder builder;
	JsonbValue	value;

	event->current_item = json_to_jsonb(item);
	json_begin_object(&builder);
	json_add_int(&builder, "index", index);
	json_add(&builder, "item", item);
	if (child_execution_id != 0)
		json_add_id(&builder, "child_execution_id", child_execution_id);
	json_end_object(&builder, &value);
	event->context = json_to_jsonb(&value);
	return event;
}

/*
 * Starts the child execution of an item.  False and *error when it cannot be
 * started.
 */
static bool
start_item_child(Iteration *iteration, int index, const JsonbValue *item, Scope *scope,
				 char **error)
{
	const Step *body = iteration->spec->body;
	JsonbValue	none;
	JsonBuilder builder;
	ChildStart *child;

	json_begin_object(&builder);
	json_end_object(&builder, &none);
	child = prepare_child(iteration->state, body, scope, &none, iteration->catalog_id, error);
	if (child == NULL)
	{
		(void) emit_item_started(iteration, index, item, 0);
		return false;
	}
	child->attempt = iteration->run->attempts + 1;
	child->item = index;
	child->current_item = json_to_jsonb(item);
	child->parent_event_id = iteration->run->started_event_id;
	(void) emit_item_started(iteration, index, item, child->execution_id);
	decision_add(iteration->state, DECIDE_START_CHILD, iteration->run)->child = child;
	return true;
}

/* Enqueues the task of an item.  False and *error when its templates raise. */
static bool
start_item_task(Iteration *iteration, int index, const JsonbValue *item, Scope *scope,
				char **error)
{
	const Step *body = iteration->spec->body;
	Run		   *task = run_make(iteration->run->step, iteration->run->visit, RUN_QUEUED);
	JsonbValue	input;
	SourceError failure;
	bool		prepared;

	task->item = index;
	task->type = body->type;
	task->started_event_id = iteration->run->started_event_id;
	item_input(iteration, &input);
	memset(&failure, 0, sizeof(failure));
	prepared = prepare_action(iteration->state, task, body, scope, &input, &failure);
	if (iteration->states != NULL)
	{
		task->attempts = task->attempts_before = iteration->states[index].attempts;
		task->max_attempts += task->attempts_before;
	}
	task->released_by = emit_item_started(iteration, index, item, 0)->event_id;
	if (!prepared)
	{
		*error = scope_error_text(&failure);
		return false;
	}
	decision_add(iteration->state, DECIDE_ENQUEUE, task);
	return true;
}

/* Executes the statement that is an item; *end says how that ended. */
static void
execute_item(Iteration *iteration, int index, const JsonbValue *item, Scope *scope,
			 ItemEnd *end)
{
	Event	   *started = emit_item_started(iteration, index, item, 0);
	JsonbValue	input;

	item_input(iteration, &input);
	execute_sql_item(iteration->state, iteration->run, iteration->spec->body, scope, &input,
					 started->event_id,
					 iteration->states != NULL ? iteration->states[index].done : 0, end);
}

/*
 * Starts one item.  False when it ends at once: *end says how, but for an item that
 * fails to start not which event ended it.
 */
bool
iteration_start_item(Iteration *iteration, int index, const JsonbValue *item, ItemEnd *end)
{
	StepKind	kind = iteration->spec->body->kind;
	Scope		scope;
	ItemScope	names;
	char	   *error = NULL;

	end->index = index;
	end->success = false;
	end->child_execution_id = 0;
	item_scope(iteration, index, item, &names, &scope);
	if (kind == STEP_SQL)
	{
		execute_item(iteration, index, item, &scope, end);
		return false;
	}
	if (kind == STEP_PLAYBOOK ? start_item_child(iteration, index, item, &scope, &error) :
		start_item_task(iteration, index, item, &scope, &error))
		return true;
	end->error = error;
	return false;
}

/* Returns whether other items start after one that has ended. */
static bool
goes_on_after(const Iteration *iteration, bool success)
{
	return success || iteration->spec->continues || iteration->spec->holds;
}

/*
 * Counts the end of an item and emits iteration_completed or iteration_failed.
 * Returns the item that starts in its place; -1: none.
 */
static int
emit_item_ended(Iteration *iteration, const ItemEnd *end)
{
	IterationProgress *progress = &iteration->progress;
	Event	   *event;
	JsonBuilder builder;
	JsonbValue	null;
	JsonbValue	meta;
	int			next = -1;

	json_null(&null);
	progress->done++;
	if (!end->success)
		progress->failed++;
	if (progress->started < iteration->total && goes_on_after(iteration, end->success))
		next = index_of_start(iteration, progress->started++);
	event = emit_item(iteration->state,
					  end->success ? EVENT_ITERATION_COMPLETED : EVENT_ITERATION_FAILED,
					  iteration->step, iteration->run->visit, end->index, end->parent);
	event->result = json_to_jsonb(end->success ? end->value : &null);
	event->error = end->success ? NULL : end->error;
	event->progress = *progress;
	event->progress.found = true;
	event->ended_child = end->child_execution_id;
	json_begin_object(&builder);
	json_add_int(&builder, "started", progress->started);
	json_add_int(&builder, "done", progress->done);
	json_add_int(&builder, "failed", progress->failed);
	json_add_int(&builder, "total", iteration->total);
	if (end->child_execution_id != 0)
		json_add_id(&builder, "child_execution_id", end->child_execution_id);
	json_end_object(&builder, &meta);
	event->meta = json_to_jsonb(&meta);
	return next;
}

/* ---------------------------------------------------------------------------
 * The end of an iterator
 * ---------------------------------------------------------------------------
 */

/*
 * Returns the results of items whose end this evaluation has emitted: the log
 * does not have them yet.
 */
static List *
unwritten_results(const Iteration *iteration)
{
	List	   *results = NIL;
	ListCell   *lc;

	foreach(lc, iteration->state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);
		const Event *event = decision->event;
		IterationResult *result;

		if (decision->kind != DECIDE_EMIT || !event->progress.found ||
			event->visit != iteration->run->visit ||
			strcmp(event->node_name, iteration->step->name) != 0)
			continue;
		result = palloc0(sizeof(IterationResult));
		result->index = event->current_index;
		result->failed = event->type == EVENT_ITERATION_FAILED;
		json_from_jsonb(event->result, &result->value);
		result->error = event->error;
		result->child_execution_id = event->ended_child;
		results = lappend(results, result);
	}
	return results;
}

/* Returns the results in the order of the items; NULL where an item has none. */
static IterationResult **
results_by_index(const Iteration *iteration)
{
	ValueSource *values = &iteration->state->values;
	Size		size = sizeof(IterationResult *) * Max(iteration->total, 1);
	IterationResult **by_index = palloc_extended(size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	List	   *results = values->iteration_results(values->arg, iteration->step->name,
													iteration->run->visit, iteration->since);
	ListCell   *lc;

	results = list_concat(results, unwritten_results(iteration));
	foreach(lc, results)
	{
		IterationResult *result = (IterationResult *) lfirst(lc);

		if (result->index >= 0 && result->index < iteration->total)
			by_index[result->index] = result;
	}
	return by_index;
}

/* Returns whether the list of all results stays within the bound of a value. */
static bool
results_fit(const Iteration *iteration, IterationResult **results)
{
	int64		size = 0;

	for (int i = 0; i < iteration->total; i++)
	{
		const JsonbValue *value = results[i] != NULL ? &results[i]->value : NULL;

		size += sizeof(JEntry);
		if (value != NULL && value->type == jbvBinary)
			size += value->val.binary.len;
		else if (value != NULL && value->type == jbvString)
			size += value->val.string.len;
	}
	return size <= SETTING(template_max_output);
}

/* Adds "errors": {index, message} of every item that failed. */
static void
add_errors(const Iteration *iteration, IterationResult **results, JsonBuilder *builder)
{
	JsonBuilder list;
	JsonbValue	value;

	if (iteration->progress.failed == 0)
		return;
	json_begin_array(&list);
	for (int i = 0; i < iteration->total; i++)
	{
		JsonBuilder entry;

		if (results[i] == NULL || !results[i]->failed)
			continue;
		json_begin_object(&entry);
		json_add_int(&entry, "index", i);
		json_add_text(&entry, "message", results[i]->error != NULL ? results[i]->error : "");
		json_end_object(&entry, &value);
		json_push(&list, &value);
	}
	json_end_array(&list, &value);
	json_add(builder, "errors", &value);
}

/*
 * Builds the result of the iterator: {status, data: results by index,
 * total_iterations, child_executions, errors}.  It is an envelope, like that
 * of a worker, so that the value of the step is the list.
 */
static void
build_result(const Iteration *iteration, JsonbValue *result)
{
	IterationResult **results = results_by_index(iteration);
	JsonBuilder builder;
	JsonBuilder list;
	JsonbValue	null;
	JsonbValue	value;

	json_null(&null);
	json_begin_object(&builder);
	json_add_text(&builder, "status", "success");
	if (results_fit(iteration, results))
	{
		json_begin_array(&list);
		for (int i = 0; i < iteration->total; i++)
			json_push(&list, results[i] != NULL ? &results[i]->value : &null);
		json_end_array(&list, &value);
		json_add(&builder, "data", &value);
	}
	else
	{
		/* too large for one value: the events of the items keep them */
		JsonBuilder reference;

		json_begin_object(&reference);
		json_add_id(&reference, "execution_id", iteration->state->execution_id);
		json_add_text(&reference, "node_name", iteration->step->name);
		json_add_id(&reference, "parent_event_id", iteration->since);
		json_end_object(&reference, &value);
		json_add(&builder, "data", &null);
		json_add(&builder, "data_reference", &value);
	}
	json_add_int(&builder, "total_iterations", iteration->total);
	if (iteration->spec->body->kind == STEP_PLAYBOOK)
	{
		json_begin_array(&list);
		for (int i = 0; i < iteration->total; i++)
		{
			json_id(&value, results[i] != NULL ? results[i]->child_execution_id : 0);
			json_push(&list, results[i] != NULL && results[i]->child_execution_id != 0 ?
					  &value : &null);
		}
		json_end_array(&list, &value);
		json_add(&builder, "child_executions", &value);
	}
	add_errors(iteration, results, &builder);
	json_end_object(&builder, result);
}

/* Emits iterator_completed after the last item; returns the end of the attempt. */
AttemptEnd
iteration_complete(Iteration *iteration, int64 parent)
{
	BrokerState *state = iteration->state;
	Run		   *run = iteration->run;
	AttemptEnd	end = {NULL, true};
	JsonbValue	result;
	Event	   *event;

	build_result(iteration, &result);
	event = emit(state, EVENT_ITERATOR_COMPLETED, iteration->step, run->visit, parent);
	event->result = json_to_jsonb(&result);
	end.event = event;
	return end;
}

/*
 * Abandons an iterator of which an item has failed; returns the end of the
 * attempt.  The log has no other event for it than that of the item.
 */
static AttemptEnd
fail_iterator(Iteration *iteration, const char *error, int64 parent)
{
	BrokerState *state = iteration->state;
	Event	   *failure = palloc0(sizeof(Event));
	AttemptEnd	end = {failure, false};

	failure->type = EVENT_ACTION_ERROR;
	failure->execution_id = state->execution_id;
	failure->event_id = parent;
	failure->created_at = state->time;
	failure->error = error;
	failure->item = -1;
	decision_add(state, DECIDE_ABANDON, iteration->run);
	return end;
}

/*
 * Finds the item that is started next: among all items when the iterator
 * begins, else in noetl.item, which gives it up.
 */
static void
next_item(const Iteration *iteration, int index, JsonbValue *item)
{
	ValueSource *values = &iteration->state->values;

	if (iteration->items != NULL)
	{
		*item = iteration->items->values[index];
		if (iteration->resumed != 0)
			decision_add(iteration->state, DECIDE_TAKE_ITEM, iteration->run)->first_item = index;
		return;
	}
	if (values->waiting_item(values->arg, iteration->step->name, iteration->run->visit,
							 index, item))
		decision_add(iteration->state, DECIDE_TAKE_ITEM, iteration->run)->first_item = index;
	else
		json_null(item);
}

/*
 * Ends an item, starts the one that may start now, and ends the attempt of the
 * iterator after the last.  Items that end when they start end here too, in a
 * loop, as there may be many.
 */
AttemptEnd
iteration_item_ended(Iteration *iteration, ItemEnd end)
{
	BrokerState *state = iteration->state;
	AttemptEnd	none = {NULL, false};
	JsonbValue	item;

	for (;;)
	{
		int			next;

		CHECK_FOR_INTERRUPTS();
		next = emit_item_ended(iteration, &end);
		end.parent = state->last_event_id;
		if (!goes_on_after(iteration, end.success))
			return fail_iterator(iteration, psprintf("item %d: %s", end.index, end.error),
								 end.parent);
		if (next < 0)
			break;
		next_item(iteration, next, &item);
		if (iteration_start_item(iteration, next, &item, &end))
			break;
	}
	if (iteration->progress.done < iteration->total)
		return none;
	if (iteration->spec->holds && iteration->progress.failed > 0)
		return fail_iterator(iteration, psprintf("%d of %d items failed",
												 iteration->progress.failed,
												 iteration->total), end.parent);
	return iteration_complete(iteration, end.parent);
}

/* Ends an item of an open iterator; returns the end of the iterator's attempt. */
AttemptEnd
end_item(BrokerState *state, Run *run, const ItemEnd *end)
{
	Iteration	iteration;

	iteration_open(&iteration, state, run);
	return iteration_item_ended(&iteration, *end);
}

/*
 * Emits action_completed for an item whose child is done and not saved yet;
 * returns the id of the event.
 */
static int64
emit_child_completed(const Iteration *iteration, const ChildEnd *end, const JsonbValue *value)
{
	const Run  *run = iteration->run;
	Event	   *event = emit_item(iteration->state, EVENT_ACTION_COMPLETED, iteration->step,
								  run->visit, end->item, run->started_event_id);
	JsonBuilder builder;
	JsonbValue	meta;

	event->result = json_to_jsonb(value);
	json_begin_object(&builder);
	json_add_id(&builder, "child_execution_id", end->execution_id);
	json_end_object(&builder, &meta);
	event->meta = json_to_jsonb(&meta);
	return event->event_id;
}

/* Finds the item that a child was started for; null where its start names none. */
static void
child_item(BrokerState *state, const ChildEnd *end, JsonbValue *item)
{
	if (!state->values.child_item(state->values.arg, end->execution_id, item))
		json_null(item);
}

/* Saves what the child of an item has done, which decides how the item ends. */
static AttemptEnd
save_child(Iteration *iteration, const ChildEnd *end, const JsonbValue *envelope)
{
	BrokerState *state = iteration->state;
	Run		   *run = run_make(iteration->run->step, iteration->run->visit, RUN_OPEN);
	Scope		scope;
	ItemScope	names;
	JsonbValue	current;
	JsonbValue	value;
	JsonbValue	saved;
	ItemEnd		item;

	memset(&item, 0, sizeof(item));
	item.index = run->item = end->item;
	item.value = envelope;
	item.child_execution_id = end->execution_id;
	child_item(state, end, &current);
	item_scope(iteration, end->item, &current, &names, &scope);
	result_value(envelope, &value);
	scope.result = &value;
	scope.envelope = envelope;
	item.success = execute_saves(state, run, iteration->spec->body, &scope,
								 emit_child_completed(iteration, end, envelope), &saved,
								 &item.error);
	item.parent = state->last_event_id;
	return iteration_item_ended(iteration, item);
}

/* Has a worker save what the child of an item has done; the item ends after that. */
static void
enqueue_child_save(Iteration *iteration, const ChildEnd *end, const JsonbValue *envelope)
{
	BrokerState *state = iteration->state;
	const Run  *run = iteration->run;
	Run		   *task = run_make(run->step, run->visit, RUN_QUEUED);
	Scope		scope;
	ItemScope	names;
	JsonbValue	item;

	child_item(state, end, &item);
	item_scope(iteration, end->item, &item, &names, &scope);
	task->item = end->item;
	task->started_event_id = run->started_event_id;
	task->released_by = emit_child_completed(iteration, end, envelope);
	task->child_execution_id = end->execution_id;
	start_save(state, task, iteration->spec->body, &scope, envelope);
}

/*
 * Returns whether a child belongs to the attempt that is under way.  A child that
 * was busy when its attempt failed ends later, and the next attempt may have
 * begun; and whoever starts an execution may name any parent, with any item or none.
 * An attempt that goes on after the end of the execution may have children of the
 * attempt that had failed before, where only its repetition was still to come.
 */
static bool
is_current_item(const Iteration *iteration, const ChildEnd *end)
{
	const Run  *run = iteration->run;
	const ValueSource *values = &iteration->state->values;

	if (end->item < 0 || end->item >= iteration->total)
		return false;
	if (values->child_attempt(values->arg, end->execution_id) == run->attempts + 1)
		return true;
	return iteration->resumed != 0 &&
		values->item_states(values->arg, iteration->step->name, run->visit, iteration->since,
							iteration->resumed, iteration->total)[end->item].child_execution_id ==
		end->execution_id;
}

/*
 * The child of an item has ended: ends the item, or saves what the child has done
 * first.  Returns the end of the iterator's attempt.
 */
AttemptEnd
item_child_ended(BrokerState *state, Run *run, const ChildEnd *end)
{
	const Step *body = state->playbook->steps[run->step].iterator->body;
	const TemplateDoc *return_step;
	AttemptEnd	none = {NULL, false};
	Iteration	iteration;
	JsonbValue	current;
	JsonbValue	value;
	ItemScope	names;
	ItemEnd		item;
	Scope		scope;

	/* an execution that the task of an item starts is no item, whatever its start says */
	if (body->kind != STEP_PLAYBOOK)
		return none;
	iteration_open(&iteration, state, run);
	if (!is_current_item(&iteration, end))
		return none;
	json_null(&current);
	return_step = body->child->return_step;
	if (return_step != NULL && return_step->kind != DOC_CONSTANT)
		child_item(state, end, &current);
	item_scope(&iteration, end->item, &current, &names, &scope);
	child_result(state, &scope, body, end, &value);
	if (end->completed && body->saves != NULL)
		return save_child(&iteration, end, &value);
	if (end->completed && body->save_action != NULL)
	{
		enqueue_child_save(&iteration, end, &value);
		return none;
	}
	memset(&item, 0, sizeof(item));
	item.index = end->item;
	item.success = end->completed;
	item.value = &value;
	item.error = end->error;
	item.child_execution_id = end->execution_id;
	item.parent = run->started_event_id;
	return iteration_item_ended(&iteration, item);
}
