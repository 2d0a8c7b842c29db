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
	return input_render(&task->input, scope, transition_input, layers, input, error);
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
	json_add(&builder, "data", scope->input);
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

/*
 * Adds the values of the names that raw parts of a task refer to.  The member
 * "_steps" says which of them are values of steps, and what else came with each;
 * "_undefined" which are known but have no value yet; "_self" is the name of the
 * step itself, by which its saves know the result.
 */
static void
add_raw_roots(const Step *task, Scope *scope, JsonBuilder *builder)
{
	JsonBuilder steps;
	JsonbValue	value;
	bool		any_step = false;
	JsonBuilder missing;
	bool		any_missing = false;

	for (int i = 0; i < task->nraw_roots; i++)
	{
		JsonbValue	envelope;
		bool		is_step;

		if (scope->step != NULL && strcmp(task->raw_roots[i], scope->step->name) == 0)
			json_add_text(builder, "_self", scope->step->name);
		switch (scope_name(scope, task->raw_roots[i], &value, &envelope, &is_step))
		{
			case TEMPLATE_UNKNOWN:
			case TEMPLATE_LATER:
				continue;
			case TEMPLATE_UNDEFINED:
				if (!any_missing)
					json_begin_array(&missing);
				any_missing = true;
				json_string(&value, task->raw_roots[i]);
				json_push(&missing, &value);
				continue;
			default:
				break;
		}
		json_add(builder, task->raw_roots[i], &value);
		if (!is_step)
			continue;
		if (!any_step)
			json_begin_object(&steps);
		any_step = true;
		rest_of_envelope(&envelope, &value);
		json_add(&steps, task->raw_roots[i], &value);
	}
	if (any_step)
	{
		json_end_object(&steps, &value);
		json_add(builder, "_steps", &value);
	}
	if (any_missing)
	{
		json_end_array(&missing, &value);
		json_add(builder, "_undefined", &value);
	}
	if (scope->names != NULL)
		json_add_members(builder, scope->names);
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
	JsonbValue *layers = palloc(sizeof(JsonbValue) * (task->input.count + 1));
	bool		rendered;

	scope->template.needs = NEEDS_NAMES;
	if (!render_layers(task, scope, transition_input, layers, &input, error))
		return false;
	scope->input = &input;
	scope->members = &input;
	rendered = render_action(task, scope, layers, &value, error) &&
		timeout_render(task->timeout, &scope->template, &run->timeout, error);
	if (rendered)
		run->action = json_to_jsonb(&value);
	run->context = NULL;
	if (rendered && (task->nraw_roots > 0 || (task->saves != NULL && scope->names != NULL)))
	{
		json_begin_object(&builder);
		add_raw_roots(task, scope, &builder);
		json_end_object(&builder, &value);
		run->context = json_to_jsonb(&value);
	}
	run->max_attempts = retry_max_attempts(task->retry, &scope->template);
	run->priority = state->playbook->steps[run->step].priority;
	scope->input = NULL;
	scope->members = NULL;
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

	memset(&error, 0, sizeof(error));
	if (!template_doc_render(task->save_action, &scope->template, &value, &error))
		elog(ERROR, "a save action is not constant");
	json_begin_object(&builder);
	json_add_members(&builder, &value);
	if (has_input)
		json_add(&builder, "data", &input);
	json_end_object(&builder, &value);
	run->action = json_to_jsonb(&value);

	json_begin_object(&builder);
	add_raw_roots(task, scope, &builder);
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
	memset(&error, 0, sizeof(error));
	if (!timeout_render(task->timeout, &scope->template, &run->timeout, &error))
		run->timeout = 0;
	run->max_attempts = retry_max_attempts(task->retry, &scope->template);
	run->priority = state->playbook->steps[run->step].priority;
	run->state = RUN_QUEUED;
	decision_add(state, DECIDE_ENQUEUE, run);
}

/* Starts a run whose work is a task: step_started and a row of the queue. */
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
	if (run->stored)
		decision_add(state, DECIDE_FORGET, run);
	(void) emit_step_started(state, run);
	run->state = RUN_QUEUED;
	run->is_task = true;
	run->stored = false;
	decision_add(state, DECIDE_ENQUEUE, run);
}
