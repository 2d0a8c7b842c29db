/*
 * broker/iteration_start.c
 *		An attempt of an iterator begins: its items are found, and the first start.
 *
 *		collection ─ where, order_by, limit, chunk ─> iterator_started with the items
 *		    as many as may be in flight ──> start (iteration.c)
 *		    the others ──> wait in noetl.item
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/internal.h"
#include "broker/iteration.h"

/* How many items are in flight, unless the iterator names a concurrency */
#define ASYNC_CONCURRENCY		8
#define DISTRIBUTED_CONCURRENCY	1000

/*
 * An evaluation starts so many items of iterators together, and one of each further
 * iterator: each takes some kilobytes until the evaluation has been written.
 */
#define MOST_STARTED			50000

/* Renders a count; without a template it is "otherwise". */
static bool
render_count(const TemplateDoc *doc, Scope *scope, const char *what, int minimum,
			 int otherwise, int *count, SourceError *error)
{
	JsonbValue	value;

	*count = otherwise;
	return doc == NULL ||
		(template_doc_render(doc, &scope->template, &value, error) &&
		 iterator_count(&value, what, minimum, otherwise, count, error));
}

/*
 * Renders the mode: whether items are in flight side by side.  Without a mode, and with
 * an unknown one, they are not, as where a worker goes through them.
 */
static bool
render_mode(const TemplateDoc *doc, Scope *scope, bool *parallel, SourceError *error)
{
	static const char *const modes[] = {"async", "parallel", "distributed"};
	JsonbValue	value;

	*parallel = false;
	if (doc == NULL)
		return true;
	if (!template_doc_render(doc, &scope->template, &value, error))
		return false;
	for (int i = 0; i < lengthof(modes); i++)
		if (value.type == jbvString && value.val.string.len == strlen(modes[i]) &&
			pg_strncasecmp(value.val.string.val, modes[i], value.val.string.len) == 0)
			*parallel = true;
	return true;
}

/* Finds how many items are in flight at once. */
static bool
render_concurrency(Iteration *iteration, Scope *scope, SourceError *error)
{
	const IteratorSpec *spec = iteration->spec;
	bool		parallel;
	int			otherwise = spec->body->kind == STEP_PLAYBOOK ?
		ASYNC_CONCURRENCY : DISTRIBUTED_CONCURRENCY;

	iteration->concurrency = 1;
	if (!render_mode(spec->mode, scope, &parallel, error))
		return false;
	if (!parallel || spec->body->kind == STEP_SQL)
		return true;
	return render_count(spec->concurrency, scope, "concurrency", 1, otherwise,
						&iteration->concurrency, error);
}

/* Lets an iterator begin with no more items than an evaluation may start. */
static void
bound_concurrency(Iteration *iteration)
{
	BrokerState *state = iteration->state;

	iteration->concurrency = Max(1, Min(iteration->concurrency,
										MOST_STARTED - state->items_started));
	state->items_started += Min(iteration->concurrency, iteration->total);
}

/*
 * Finds the items: the collection, filtered, sorted, limited and chunked.
 * False and *error when a template raises or the collection holds no list.
 */
static bool
find_items(Iteration *iteration, Scope *scope, IteratorItems *items, SourceError *error)
{
	const IteratorSpec *spec = iteration->spec;
	IteratorQuery query;
	JsonbValue	collection;
	int			limit;
	int			chunk;
	bool		rendered;

	scope->template.refuse_missing = true;
	rendered = template_doc_render(spec->collection, &scope->template, &collection, error);
	scope->template.refuse_missing = false;
	if (!rendered ||
		!render_count(spec->limit, scope, "limit", 0, -1, &limit, error) ||
		!render_count(spec->chunk, scope, "chunk", 1, 0, &chunk, error) ||
		!render_concurrency(iteration, scope, error))
		return false;
	memset(&query, 0, sizeof(query));
	query.collection = &collection;
	query.element = spec->element;
	query.step = iteration->step->name;
	query.where = spec->where;
	query.order_by = spec->order_by;
	query.limit = limit;
	query.chunk = chunk;
	return iterator_items(&query, &scope->template, items, error);
}

/* Emits step_started with the first attempt, and iterator_started with each. */
static void
emit_started(Iteration *iteration, const IteratorItems *items)
{
	BrokerState *state = iteration->state;
	Run		   *run = iteration->run;
	Event	   *event;
	JsonBuilder builder;
	JsonBuilder list;
	JsonbValue	value;

	if (run->started_event_id == 0)
		(void) emit_step_started(state, run, &iteration->input);
	event = emit(state, EVENT_ITERATOR_STARTED, iteration->step, run->visit, run->started_event_id);
	iteration->since = event->event_id;
	json_begin_array(&list);
	for (int i = 0; i < items->count; i++)
		json_push(&list, &items->values[i]);
	json_end_array(&list, &value);
	json_begin_object(&builder);
	json_add(&builder, "collection", &value);
	json_add_int(&builder, "total", iteration->total);
	json_add_int(&builder, "concurrency", iteration->concurrency);
	json_end_object(&builder, &value);
	event->context = json_to_jsonb(&value);
}

/*
 * Starts as many items as may be in flight; the others are left for later.
 * Items that end when they start make room for others.  Returns the end of the
 * attempt, if all of them fail or one failure ends it.
 */
static AttemptEnd
start_items(Iteration *iteration, const IteratorItems *items)
{
	BrokerState *state = iteration->state;
	int			first = Min(iteration->total, iteration->concurrency);
	AttemptEnd	end = {NULL, false};
	Decision   *decision;

	iteration->items = items;
	iteration->progress.started = first;
	for (int i = 0; i < first; i++)
	{
		ItemEnd		item;

		CHECK_FOR_INTERRUPTS();
		memset(&item, 0, sizeof(item));
		if (iteration_start_item(iteration, i, &items->values[i], &item))
			continue;
		if (item.parent == 0)
			item.parent = state->last_event_id;
		end = iteration_item_ended(iteration, item);
		if (end.event != NULL)
			return end;
	}
	first = iteration->progress.started;
	if (first == iteration->total)
		return end;
	decision = decision_add(state, DECIDE_ADD_ITEMS, iteration->run);
	decision->first_item = first;
	decision->nitems = iteration->total - first;
	decision->items = items->values + first;
	return end;
}

/*
 * Renders what an attempt of an iterator begins with: its input, its items and
 * its timeout.  False when that fails the run.
 */
static bool
prepare_iterator(Iteration *iteration, Scope *scope, const JsonbValue *transition_input,
				 IteratorItems *items)
{
	const Step *step = iteration->step;
	Run		   *run = iteration->run;
	FailureKind kind = FAILURE_COLLECTION;
	SourceError error;
	bool		rendered;

	memset(&error, 0, sizeof(error));
	scope->input = transition_input;
	scope->template.needs = NEEDS_VALUES;
	rendered = assemble_input(step, scope, transition_input, &iteration->input, &error);
	scope->members = &iteration->input;
	if (rendered && find_items(iteration, scope, items, &error))
	{
		if (timeout_render(step->timeout, &scope->template, &run->timeout, &error))
			return true;
		kind = FAILURE_TEMPLATE;
	}
	fail_start(iteration->state, run, kind, scope_error_text(&error), transition_input);
	return false;
}

/*
 * Starts an attempt of an iterator.  Returns the end of the attempt where the
 * collection is empty or no item can be started.
 */
AttemptEnd
start_iterator(BrokerState *state, Run *run, const JsonbValue *transition_input)
{
	AttemptEnd	none = {NULL, false};
	Iteration	iteration;
	IteratorItems items;
	Scope		scope;

	memset(&iteration, 0, sizeof(iteration));
	iteration.state = state;
	iteration.run = run;
	iteration.step = &state->playbook->steps[run->step];
	iteration.spec = iteration.step->iterator;
	scope_init(&scope, state, iteration.step, run, state->now);
	if (!prepare_iterator(&iteration, &scope, transition_input, &items))
		return none;
	run->max_attempts = retry_max_attempts(iteration.step->retry, &scope.template);
	iteration.total = items.count;
	bound_concurrency(&iteration);
	emit_started(&iteration, &items);
	run->state = RUN_OPEN;
	if (iteration.total == 0)
	{
		iteration_store_context(&iteration);
		return iteration_complete(&iteration, iteration.since);
	}
	if (iteration.spec->body->kind == STEP_PLAYBOOK)
		iteration.catalog_id = pin_child(state, iteration.spec->body, &scope);
	iteration_store_context(&iteration);
	open_run(state, run);
	return start_items(&iteration, &items);
}
