/*
 * broker/execution_end.c
 *		The end of an execution, which is the last of the decisions on it.
 */
#include "common/common.h"

#include "broker/input.h"
#include "broker/internal.h"

/*
 * Abandons an open run, or a leased one, as its execution ends: workers may finish
 * what they have leased, unless it is revoked.
 */
static void
abandon(BrokerState *state, Run *run, bool revoke)
{
	Decision   *decision = decision_add(state, DECIDE_ABANDON, run);

	decision->leave = true;
	decision->revoke = revoke;
}

/*
 * Ends the execution with a status.  Queued work is withdrawn; leased work may
 * finish in vain, or is revoked.  Runs are not live any more.
 */
void
end_execution(BrokerState *state, const char *status, const char *error,
	   Jsonb *result, bool revoke)
{
	Decision   *decision;
	ListCell   *lc;
	bool		stopped = strcmp(status, "COMPLETED") != 0;

	all_runs(state);
	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (stopped && run_is_live(run) && state->playbook->steps[run->step].compensates < 0)
			stop_run(state, run, false);
		switch (run->state)
		{
			case RUN_QUEUED:
			case RUN_RETRY:
			case RUN_WAITING:
			case RUN_HELD:
			case RUN_OPEN:
			case RUN_AWAITING:
				if (run->state == RUN_OPEN)
					abandon(state, run, revoke);
				if (run->is_task)
					decision_add(state, DECIDE_CLOSE, run);
				else if (run->stored || run->kept)
					decision_add(state, DECIDE_FORGET, run);
				run->state = RUN_ENDED;
				break;
			case RUN_LEASED:
				/* leased by hand, without a name: there is no worker to be told */
				if (run->worker_id == NULL)
					decision_add(state, DECIDE_CLOSE, run);
				else if (revoke)
					decision_add(state, DECIDE_REVOKE, run);
				if (revoke)
					abandon(state, run, true);
				run->state = RUN_CANCELLED;
				break;
			case RUN_CANCELLED:
			case RUN_ENDED:
				break;
		}
	}
	state->finished = true;
	decision = decision_add(state, DECIDE_FINISH, NULL);
	decision->status = status;
	decision->revoke = revoke;
	decision->error = error;
	decision->result = result;
}

/* Returns the meta of an event that ends a later drive than the first; else "meta". */
static Jsonb *
with_drive(BrokerState *state, Jsonb *meta)
{
	JsonBuilder builder;
	JsonbValue	value;

	if (state->drive <= 1)
		return meta;
	json_begin_object(&builder);
	if (meta != NULL)
	{
		json_from_jsonb(meta, &value);
		json_add_members(&builder, &value);
	}
	json_add_int(&builder, "drive", state->drive);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Ends the execution with an event of the broker's; meta: of that event, or NULL. */
void
conclude_execution(BrokerState *state, const ExecutionOutcome *outcome, int64 parent,
				   Jsonb *meta)
{
	Event	   *event = emit(state, outcome->type, NULL, 0, parent);

	event->error = outcome->error;
	event->result = outcome->result;
	event->meta = with_drive(state, meta);
	end_execution(state, event_type_status(outcome->type), event->error, event->result,
				  outcome->type == EVENT_EXECUTION_CANCELLED);
}

/*
 * Fails the execution because of a step whose failure nothing handles, after the
 * compensations of what it has completed.
 */
void
fail_execution(BrokerState *state, const Step *step, const char *reason,
			   int64 parent)
{
	ExecutionOutcome outcome = {EVENT_EXECUTION_FAILED};
	JsonBuilder builder;
	JsonbValue	result;

	json_begin_object(&builder);
	json_add_text(&builder, "failed_step", step->name);
	json_add_text(&builder, "reason", reason);
	json_end_object(&builder, &result);
	outcome.result = json_to_jsonb(&result);
	outcome.error = psprintf("execution failed at step %s: %s", step->name, reason);
	if (!compensate(state, &outcome, parent))
		conclude_execution(state, &outcome, parent, NULL);
}

/*
 * Returns the run of an end that has completed as an ordinary step, or was skipped,
 * perhaps long ago: what descends from it is known.
 */
static Run *
ended_run(BrokerState *state, const Step *end)
{
	const StepValue *value = scope_step_value(state, end->index);
	Run		   *run = state->end_run;

	if (run == NULL || run->step != end->index)
	{
		run = run_make(end->index, value->visit, RUN_ENDED);
		run->started_event_id = value->parent_event_id;
	}
	return run;
}

/* Returns whether a value is that of a step that has failed, as its step_failed says. */
static bool
is_failure(BrokerState *state, const StepValue *value)
{
	JsonbValue	meta;
	JsonbValue	kind;

	return state->values.event_meta(state->values.arg, value->event_id, &meta, NULL) &&
		json_get(&meta, "kind", &kind);
}

/*
 * Returns the first of the ends that have completed as ordinary steps, or were skipped with
 * a value, else the first that has failed; NULL: none has run.
 */
static const Step *
completed_end(BrokerState *state)
{
	const Playbook *playbook = state->playbook;
	const Step *failed = NULL;

	for (int i = Max(playbook->end, 0); playbook->end >= 0 && i < playbook->nwritten; i++)
	{
		const Step *step = &playbook->steps[i];
		const StepValue *value;

		if (!step->is_end)
			continue;
		value = scope_step_value(state, i);
		if (value->found && !is_failure(state, value))
			return step;
		if (value->found && failed == NULL)
			failed = step;
	}
	return failed;
}

/* Finds the input that a run of an end had; an empty object, where it had none. */
static void
end_input(BrokerState *state, const Run *run, JsonbValue *input)
{
	JsonbValue	meta;

	if (run == state->end_run && state->end_input != NULL)
		*input = *state->end_input;
	else if (run->started_event_id == 0 ||
			 !state->values.event_meta(state->values.arg, run->started_event_id, &meta, NULL) ||
			 !json_get(&meta, "input", input))
		input_of_arrivals(run->arrivals, input);
}

/*
 * Finds the result of the execution: the mapping of its end, or what its end
 * returned.  An end without work that was skipped has the value that it was given.
 * False and *error when the mapping raises.
 */
static bool
final_result(BrokerState *state, const Step *end, Run *run, JsonbValue *result,
			 SourceError *error)
{
	StepValue  *value = NULL;
	Scope		scope;
	JsonbValue	input;

	json_null(result);
	if (end == NULL)
		return true;
	scope_init(&scope, state, end, run, state->now);
	if (end->kind != STEP_END || run->state == RUN_ENDED)
	{
		value = scope_step_value(state, end->index);
		scope.result = &value->value;
		scope.envelope = &value->envelope;
		*result = value->value;
		if (end->kind == STEP_END)
			return true;
	}
	if (end->result == NULL && end->save_data == NULL)
		return true;
	end_input(state, run, &input);
	scope_give_input(&scope, &input);
	scope.members = &input;
	if (end->result != NULL)
		return template_doc_render(end->result, &scope.template, result, error);
	scope.is_save = strcmp(end->type, "save") != 0;
	return template_doc_render(end->save_data, &scope.template, result, error);
}

/*
 * Finds what became of the conditions of an entry that has no event of its own;
 * false: there are none.
 */
static bool
entry_transitions(BrokerState *state, JsonbValue *tried)
{
	const Step *entry = &state->playbook->steps[state->playbook->entry];
	JsonbValue	meta;

	if (!is_silent_entry(state->playbook, entry) || !has_conditions(&entry->next))
		return false;
	if (state->entry_tried != NULL)
	{
		*tried = *state->entry_tried;
		return true;
	}
	return state->values.start_meta(state->values.arg, &meta) &&
		json_get(&meta, "transitions", tried);
}

/* Returns the meta of execution_complete, or NULL; endless: no end was reached. */
static Jsonb *
completion_meta(BrokerState *state, bool endless)
{
	JsonBuilder meta;
	JsonbValue	value;
	bool		tried = entry_transitions(state, &value);

	if (!endless && !tried)
		return NULL;
	json_begin_object(&meta);
	if (endless)
		json_add_text(&meta, "reason",
					  state->playbook->end < 0 ? "no_end" : "no_transition");
	if (tried)
		json_add(&meta, "transitions", &value);
	json_end_object(&meta, &value);
	return json_to_jsonb(&value);
}

/*
 * Holds an end without work whose mapping has raised, if its failures are held; returns
 * whether it does.
 */
static bool
hold_end(BrokerState *state, Run *run, const char *error, int64 parent)
{
	StepFailure failure = {FAILURE_TEMPLATE, parent, error, NULL, NULL, NULL};

	if (!holds_failure(state, run, &failure))
		return false;
	hold_run(state, run, &failure);
	return true;
}

/*
 * Completes the execution, of which nothing is live any more.  run: that of the
 * end that was reached, or NULL: then the end's value counts, if it has run as an
 * ordinary step or was skipped.  A mapping that raises fails the execution, or the end
 * is held.
 */
void
complete_execution(BrokerState *state, Run *run, int64 parent)
{
	const Playbook *playbook = state->playbook;
	const Step *end = run != NULL ? &playbook->steps[run->step] : NULL;
	JsonbValue	result;
	JsonBuilder meta;
	JsonbValue	value;
	SourceError error;
	Event	   *event;

	if (end == NULL && (end = completed_end(state)) != NULL)
		run = ended_run(state, end);

	memset(&error, 0, sizeof(error));
	if (!final_result(state, end, run, &result, &error))
	{
		char	   *text = scope_error_text(&error);

		if (end->kind == STEP_END && hold_end(state, run, text, parent))
			return;
		if (end->kind == STEP_END)	/* another step has its own event already */
		{
			event = emit(state, EVENT_STEP_FAILED, end, 1, parent);
			event->error = text;
			json_begin_object(&meta);
			json_add_text(&meta, "kind", failure_name(FAILURE_TEMPLATE));
			json_end_object(&meta, &value);
			event->meta = json_to_jsonb(&value);
			parent = event->event_id;
		}
		fail_execution(state, end, text, parent);
		return;
	}

	event = emit(state, EVENT_EXECUTION_COMPLETE, NULL, 0, parent);
	if (end != NULL)
		event->node_name = end->name;
	event->meta = with_drive(state, completion_meta(state, end == NULL));
	event->result = json_to_jsonb(&result);
	end_execution(state, "COMPLETED", NULL, event->result, false);
}
