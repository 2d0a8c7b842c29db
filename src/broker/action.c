/*
 * broker/action.c
 *		Tasks for workers: what a worker gets to do, and with which values.
 *
 *		step ── templates ──> queue.action (with "data": the input)
 *		names that the worker will render ──> queue.context
 */
#include "common/common.h"

#include "broker/input.h"
#include "broker/internal.h"
#include "broker/left.h"

/* Returns whether other executions or tasks do the work of a step. */
bool
is_open_step(const Step *step)
{
	return step->kind == STEP_PLAYBOOK || step->kind == STEP_ITERATOR;
}

/* Puts together the input of a task; layers (or NULL) gets its layers as rendered. */
static bool
render_layers(const Step *task, Scope *scope, const JsonbValue *transition_input,
			  JsonbValue *layers, JsonbValue *input, SourceError *error)
{
	if (scope->input == NULL)
		scope->input = transition_input;
	if (task->compensates >= 0 && layers == NULL)
		layers = palloc(sizeof(JsonbValue) * (task->input.count + 1));
	if (!input_render(&task->input, scope, transition_input, layers, input, error))
		return false;
	/* what a compensation has itself is laid over the input of the step */
	for (int i = 0; task->compensates >= 0 && i < task->input.count; i++)
		if (json_is_object(&layers[i]))
			input_overlay(input, &layers[i], input);
	return true;
}

/*
 * Puts together the input of an action or child: the step's own, and that of the
 * transition above it.  False and *error when a template raises.
 */
bool
assemble_input(const Step *task, Scope *scope, const JsonbValue *transition_input,
			   JsonbValue *input, SourceError *error)
{
	return render_layers(task, scope, transition_input, NULL, input, error);
}

/*
 * Returns what becomes the member "data" of an action: the input, but for rows that a
 * step of type save has beside its type.
 */
static const JsonbValue *
action_data(const Step *task, const Scope *scope, const JsonbValue *layers)
{
	const TemplateDoc *action = task->action;
	const JsonbValue *rows = task->input.count > 0 ? &layers[task->input.count - 1] : scope->input;

	if (strcmp(task->type, "save") != 0 || !json_is_array(rows))
		return scope->input;
	for (int i = 0; i < action->count; i++)
		if (word_is(action->keys[i].val.string.val, action->keys[i].val.string.len, "save") ||
			word_is(action->keys[i].val.string.val, action->keys[i].val.string.len, "sink"))
			return scope->input;
	return rows;
}

/*
 * Renders the object that becomes queue.action.  Its strings see the members of
 * the input as names; what is part of the input is there already, as "layers".
 */
static bool
render_action(const Step *task, Scope *scope, const JsonbValue *layers, JsonbValue *result,
			  SourceError *error)
{
	const TemplateDoc *action = task->action;
	bool		is_iterator = strcmp(task->type, "iterator") == 0;
	JsonBuilder builder;

	json_begin_object(&builder);
	for (int i = 0; i < action->count; i++)
	{
		const JsonbValue *key = &action->keys[i];
		JsonbValue	value;
		int			layer = 0;

		while (layer < task->input.count && task->input.layers[layer] != action->children[i])
			layer++;
		scope->template.refuse_missing = is_iterator &&
			word_is(key->val.string.val, key->val.string.len, "collection");
		if (layer < task->input.count)
			value = layers[layer];
		else if (!template_doc_render(action->children[i], &scope->template, &value, error))
			return false;
		json_add_n(&builder, key->val.string.val, key->val.string.len, &value);
	}
	scope->template.refuse_missing = false;
	json_add(&builder, "data", action_data(task, scope, layers));
	json_end_object(&builder, result);
	return true;
}

/* Finds what is in the envelope of a step's value besides "data"; null: nothing. */
static void
rest_of_envelope(const JsonbValue *envelope, JsonbValue *rest)
{
	JsonBuilder builder;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	json_null(rest);
	if (!json_is_object(envelope) || !json_get(envelope, "status", &value) ||
		!json_get(envelope, "data", &value))
		return;
	json_begin_object(&builder);
	it = JsonbIteratorInit(envelope->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		if (key.val.string.len != strlen("data") ||
			memcmp(key.val.string.val, "data", strlen("data")) != 0)
			json_add_n(&builder, key.val.string.val, key.val.string.len, &value);
	}
	json_end_object(&builder, rest);
}

/* The members of queue.context that say what its other members are. */
typedef struct ContextNotes
{
	JsonBuilder steps;			/* "_steps" */
	JsonBuilder missing;		/* "_undefined" */
	JsonBuilder places;			/* of the workload's strings that are left */
	bool		any_step;
	List	   *added;			/* names (char *) that have been added, or are hidden */
} ContextNotes;

/* Adds "_results": what came with each of the values in "results" besides the value. */
static void
add_result_envelopes(Scope *scope, JsonBuilder *builder)
{
	JsonBuilder rests;
	JsonbValue	envelopes;
	JsonbValue	key;
	JsonbValue	value;
	JsonbIterator *it;

	scope_envelopes(scope, &envelopes);
	json_begin_object(&rests);
	it = json_walk(&envelopes);
	while (json_next_member(&it, &key, &value))
	{
		JsonbValue	rest;

		rest_of_envelope(&value, &rest);
		if (rest.type != jbvNull)
			json_add_n(&rests, key.val.string.val, key.val.string.len, &rest);
	}
	json_end_object(&rests, &value);
	json_add(builder, "_results", &value);
}

/* Adds the value of one name that the worker needs. */
static void
add_root(const Step *task, char *name, Scope *scope, JsonBuilder *builder,
		 ContextNotes *notes)
{
	JsonbValue	value;
	JsonbValue	envelope;
	bool		is_step;
	TemplateBinding binding;

	if (left_has(notes->added, name, strlen(name)))
		return;
	notes->added = lappend(notes->added, name);
	if (scope->step != NULL && strcmp(name, scope->step->name) == 0)
		json_add_text(builder, "_self", scope->step->name);
	binding = scope_name(scope, name, &value, &envelope, &is_step);
	if (binding == TEMPLATE_UNDEFINED)
	{
		json_string(&value, name);
		json_push(&notes->missing, &value);
		return;
	}
	if (binding == TEMPLATE_UNKNOWN || binding == TEMPLATE_LATER)
		return;
	json_add(builder, name, &value);
	if (binding == TEMPLATE_STEP_VALUES)
		add_result_envelopes(scope, builder);
	if (scope->state->playbook->uses_worker_names)
		left_in_name(task, scope, name, &notes->places);
	if (!is_step)
		return;
	notes->any_step = true;
	rest_of_envelope(&envelope, &value);
	json_add(&notes->steps, name, &value);
}

/* Adds a note that is a list, unless it is empty. */
static void
add_list(JsonBuilder *builder, const char *key, JsonBuilder *list)
{
	JsonbValue	value;

	json_end_array(list, &value);
	if (JsonContainerSize(value.val.binary.data) > 0)
		json_add(builder, key, &value);
}

#define TURNS 4

/*
 * Returns when a name is added, so that what is left in its value is rendered before
 * what refers to it: the workload, its keys, members of the input, the input.
 */
static int
turn_of(const Scope *scope, const char *name)
{
	int			length = strlen(name);

	return scope_name_is_workload(name, length) ? 0 :
		scope_name_is_input(name, length) ? 3 :
		left_has(scope->left_members, name, length) ? 2 : 1;
}

/*
 * Adds the values of the names that raw parts of a task refer to, and of "more", but for
 * those of "hidden", which the caller gives another value.
 * "_steps" says which of them are values of steps, and what else came with each;
 * "_results" what came with those in "results"; "_undefined" which are known but have
 * no value yet; "_self" is the name of the step itself, by which its saves know the
 * result; "_left_context" and "_left_action" are the places of strings that only the
 * worker can render.
 */
static void
add_raw_roots(const Step *task, Scope *scope, const List *more, const List *hidden,
			  JsonBuilder *builder)
{
	TemplateNeeds needs = scope->template.needs;
	ContextNotes notes;
	JsonbValue	value;
	List	   *names = NIL;
	ListCell   *lc;

	memset(&notes, 0, sizeof(notes));
	notes.added = list_copy(hidden);
	json_begin_object(&notes.steps);
	json_begin_array(&notes.missing);
	json_begin_array(&notes.places);
	scope->template.needs = NEEDS_NOTHING;
	for (int i = 0; i < task->nraw_roots; i++)
		names = lappend(names, task->raw_roots[i]);
	names = list_concat(names, more);
	for (int turn = 0; turn < TURNS; turn++)
		foreach(lc, names)
			if (turn_of(scope, (char *) lfirst(lc)) == turn)
				add_root(task, (char *) lfirst(lc), scope, builder, &notes);
	scope->template.needs = needs;
	json_end_object(&notes.steps, &value);
	if (notes.any_step)
		json_add(builder, "_steps", &value);
	add_list(builder, "_undefined", &notes.missing);
	add_list(builder, "_left_context", &notes.places);
	if (scope_names(scope) != NULL)
		json_add_members(builder, scope->names);
}

/*
 * Renders a priority: that of a task, else of the step around it, else of the
 * execution.  False and *error when a template raises.
 */
bool
render_priority(const BrokerState *state, const Step *task, const Step *step,
				const TemplateScope *scope, int *priority, SourceError *error)
{
	bool		given;

	if (!priority_render(&task->priority, scope, priority, &given, error))
		return false;
	if (!given && step != NULL && step != task &&
		!priority_render(&step->priority, scope, priority, &given, error))
		return false;
	if (!given)
		*priority = state->priority;
	return true;
}

/*
 * Renders when a task has its turn: its priority and its fairness.  What an iterator says
 * holds for the tasks of its items.
 */
static bool
render_turn(const BrokerState *state, Run *run, const Step *task, Scope *scope,
			SourceError *error)
{
	const Step *step = &state->playbook->steps[run->step];
	const FairnessSpec *fairness = task->fairness != NULL ? task->fairness :
		step->fairness != NULL ? step->fairness : state->playbook->fairness;

	return render_priority(state, task, step, &scope->template, &run->priority, error) &&
		fairness_render(fairness, &scope->template, &run->fair_key, &run->fair_weight, error);
}

/*
 * Renders how long a task may wait for its first lease; what an iterator says holds for
 * each of its items.  False and *error when the template raises.
 */
static bool
render_queue_timeout(const BrokerState *state, Run *run, const Step *task, Scope *scope,
					 SourceError *error)
{
	const TemplateDoc *doc = task->queue_timeout != NULL ? task->queue_timeout :
		state->playbook->steps[run->step].queue_timeout;

	return timeout_render(doc, &scope->template, &run->queue_timeout, error);
}

/* Renders the limits of a task; those of an iterator hold for the tasks of its items. */
static bool
render_limits(const BrokerState *state, Run *run, const Step *task, Scope *scope,
			  SourceError *error)
{
	const Step *limited = task->nlimits > 0 ? task : &state->playbook->steps[run->step];

	return limits_render(limited->limits, limited->nlimits, &scope->template, &run->limits,
						 error);
}

/*
 * Renders the action, the timeout and the context of a task into its run.  False
 * and *error when a template raises.
 */
bool
prepare_action(BrokerState *state, Run *run, const Step *task, Scope *scope,
			   const JsonbValue *transition_input, SourceError *error)
{
	JsonBuilder builder;
	JsonbValue	input;
	JsonbValue	value;
	JsonbValue	places;
	List	   *left = NIL;
	JsonbValue *layers = palloc(sizeof(JsonbValue) * (task->input.count + 1));
	bool		rendered;

	json_null(&places);
	scope->template.needs = NEEDS_NAMES;
	if (!render_layers(task, scope, transition_input, layers, &input, error))
		return false;
	scope->input = &input;
	scope->layers = layers;
	scope->above = transition_input;
	if (state->playbook->uses_worker_names)
		left_in_input(task, scope, &input);
	scope->members = &input;
	rendered = render_action(task, scope, layers, &value, error) &&
		timeout_render(task->timeout, &scope->template, &run->timeout, error);
	if (rendered)
	{
		run->action = json_to_jsonb(&value);
		if (state->playbook->uses_worker_names)
			left = left_in_action(task, scope, &value, &places);
	}
	run->context = NULL;
	if (rendered && (task->nraw_roots > 0 || json_is_array(&places) ||
					 (task->saves != NULL && scope_names(scope) != NULL)))
	{
		json_begin_object(&builder);
		add_raw_roots(task, scope, left, NIL, &builder);
		if (json_is_array(&places) && JsonContainerSize(places.val.binary.data) > 0)
			json_add(&builder, "_left_action", &places);
		json_end_object(&builder, &value);
		run->context = json_to_jsonb(&value);
	}
	rendered = rendered && render_queue_timeout(state, run, task, scope, error) &&
		render_limits(state, run, task, scope, error) &&
		render_turn(state, run, task, scope, error);
	run->max_attempts = retry_max_attempts(task->retry, &scope->template);
	scope->input = NULL;
	scope->members = NULL;
	scope->left_members = NIL;
	scope->layers = NULL;
	scope->above = NULL;
	return rendered;
}

/* Adds the names under which a save sees the results of all items. */
void
add_iterator_names(const JsonbValue *envelope, JsonBuilder *builder)
{
	JsonbValue	value;

	if (json_get(envelope, "data", &value))
		json_add(builder, "results", &value);
	if (json_get(envelope, "total_iterations", &value))
		json_add(builder, "count", &value);
}

/*
 * Enqueues a task of type save, of the run itself or of one of its items, that
 * saves what its children have done.
 */
void
start_save(BrokerState *state, Run *run, const Step *task, Scope *scope,
		   const JsonbValue *envelope)
{
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	input;
	SourceError error;
	bool		has_input = run_input(run, &input);
	List	   *hidden = list_make2("result", "this");

	memset(&error, 0, sizeof(error));
	if (!template_doc_render(task->save_action, &scope->template, &value, &error))
		elog(ERROR, "a save action is not constant");
	json_begin_object(&builder);
	json_add_members(&builder, &value);
	if (has_input)
		json_add(&builder, "data", &input);
	json_end_object(&builder, &value);
	run->action = json_to_jsonb(&value);

	if (task->kind == STEP_ITERATOR)
		hidden = lappend(lappend(hidden, "results"), "count");
	if (has_input)
		hidden = lappend(hidden, "data");
	if (run->child_execution_id != 0)
		hidden = lappend(hidden, "child_execution_id");
	json_begin_object(&builder);
	add_raw_roots(task, scope, NIL, hidden, &builder);
	if (task->kind == STEP_ITERATOR)
		add_iterator_names(envelope, &builder);
	if (has_input)
		json_add(&builder, "data", &input);
	result_value(envelope, &value);
	json_add(&builder, "result", &value);
	json_add(&builder, "this", envelope);
	if (run->child_execution_id != 0)
		json_add_id(&builder, "child_execution_id", run->child_execution_id);
	json_end_object(&builder, &value);
	run->context = json_to_jsonb(&value);

	if (!run->is_task && (run->stored || run->kept))
		decision_add(state, DECIDE_FORGET, run);
	if (run->released_by == 0)
		run->released_by = released_by(run);
	run->stored = false;
	run->kept = false;
	run->is_task = true;
	run->type = "save";
	run->attempts = 0;
	run->attempts_before = 0;
	run->lost = 0;
	run->queue_timeout = 0;
	run->limits = NULL;
	memset(&error, 0, sizeof(error));
	if (!timeout_render(task->timeout, &scope->template, &run->timeout, &error))
		run->timeout = 0;
	run->max_attempts = retry_max_attempts(task->retry, &scope->template);
	if (!render_turn(state, run, task, scope, &error))
	{
		run->priority = state->priority;
		run->fair_key = NULL;
	}
	run->state = RUN_QUEUED;
	decision_add(state, DECIDE_ENQUEUE, run);
}

/*
 * Starts a run whose work is a task: step_started, unless it is resumed, and a row of
 * the queue.
 */
void
start_action(BrokerState *state, Run *run, const JsonbValue *transition_input)
{
	const Step *step = &state->playbook->steps[run->step];
	SourceError error;
	Scope		scope;

	memset(&error, 0, sizeof(error));
	scope_init(&scope, state, step, run, state->now);
	if (!prepare_action(state, run, step, &scope, transition_input, &error))
	{
		fail_start(state, run, FAILURE_TEMPLATE, scope_error_text(&error), transition_input);
		return;
	}
	run->max_attempts += run->attempts_before;
	if (run->stored)
		decision_add(state, DECIDE_FORGET, run);
	if (run->started_event_id == 0)
	{
		JsonbValue	input;

		run->is_task = true;
		(void) emit_step_started(state, run, run_input(run, &input) ? &input : NULL);
	}
	else
		run->released_by = released_by(run);
	run->state = RUN_QUEUED;
	run->is_task = true;
	run->stored = false;
	decision_add(state, DECIDE_ENQUEUE, run);
}
