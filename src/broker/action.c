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

/*
 * Puts together the input of an action or child: the step's own, and that of the
 * transition above it.  False and *error when a template raises.
 */
bool
assemble_input(const Step *task, Scope *scope, const JsonbValue *transition_input,
			   JsonbValue *input, SourceError *error)
{
	JsonbValue	own;

	if (scope->input == NULL)
		scope->input = transition_input;
	if (!input_render(&task->input, scope, &own, error))
		return false;
	input_overlay(&own, transition_input, input);
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
 * "_steps" says which of them are values of steps, and what else came with each.
 */
static void
add_raw_roots(const Step *task, Scope *scope, JsonBuilder *builder)
{
	JsonBuilder steps;
	JsonbValue	value;
	bool		any_step = false;

	for (int i = 0; i < task->nraw_roots; i++)
	{
		JsonbValue	envelope;
		bool		is_step;

		if (!scope_name(scope, task->raw_roots[i], &value, &envelope, &is_step))
			continue;
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
	bool		rendered;

	scope->template.keep_unknown = true;
	if (!assemble_input(task, scope, transition_input, &input, error))
		return false;
	scope->input = &input;
	rendered = template_doc_render(task->action, &scope->template, &value, error) &&
		timeout_render(task->timeout, &scope->template, &run->timeout, error);
	if (rendered)
	{
		json_begin_object(&builder);
		json_add_members(&builder, &value);
		json_add(&builder, "data", &input);
		json_end_object(&builder, &value);
		run->action = json_to_jsonb(&value);
	}
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
		json_add_int(&builder, "child_execution_id", run->child_execution_id);
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
