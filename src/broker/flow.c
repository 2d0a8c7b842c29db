/*
 * broker/flow.c
 *		Steps end; branches leave them.
 *
 *		complete_step ── transitions ──> arrive: a run waits at each target
 *		fail_step ──┬─ on_error ───────> arrive, as above, or the run is held
 *		            └─ unhandled ──────> the execution fails
 *
 * How branches join is said in broker/join.c; runs that wait are started in
 * broker/settle.c.
 */
#include "common/common.h"

#include "broker/internal.h"

/* Returns whether some entry of a list has a condition. */
bool
has_conditions(const TransitionList *list)
{
	for (int i = 0; i < list->count; i++)
		if (list->entries[i].when != NULL)
			return true;
	return false;
}

/* Finds the input that a run was started with; false: it has none. */
bool
run_input(const Run *run, JsonbValue *input)
{
	const Jsonb *source = run->is_task ? run->action : run->context;
	JsonbValue	object;

	if (source == NULL)
		return false;
	json_from_jsonb(source, &object);
	return json_get(&object, "data", input);
}

/*
 * Returns the meta of step_started: in "sees" which visits of parallel steps the run
 * descends from, and in "input" what the mapping of an end may ask for later.  NULL: neither.
 */
static Jsonb *
started_meta(BrokerState *state, Run *run, const JsonbValue *input)
{
	const Step *step = &state->playbook->steps[run->step];
	const int  *lineage = lineage_of(state, run);
	JsonBuilder builder;
	JsonbValue	meta;

	if (!step->is_end || (step->result == NULL && step->save_data == NULL) ||
		input == NULL || JsonContainerSize(input->val.binary.data) == 0)
		return lineage_meta(state->playbook, lineage);
	json_begin_object(&builder);
	lineage_write(state->playbook, lineage, &builder);
	json_add(&builder, "input", input);
	json_end_object(&builder, &meta);
	return json_to_jsonb(&meta);
}

/*
 * Emits step_started of a run with this input (or NULL) and returns it; the run refers to
 * it from now on.
 */
Event *
emit_step_started(BrokerState *state, Run *run, const JsonbValue *input)
{
	Event	   *event = emit(state, EVENT_STEP_STARTED, &state->playbook->steps[run->step],
							 run->visit, released_by(run));

	event->meta = run->compensates != NULL ? run->compensates : started_meta(state, run, input);
	run->started_event_id = event->event_id;
	run->started_in = event->catalog_id;
	run->released_by = event->parent_event_id;
	return event;
}

/* Opens a run whose work is not a task of its own; its timeout begins. */
void
open_run(BrokerState *state, Run *run)
{
	run->state = RUN_OPEN;
	run->deadline = run->timeout > 0 ? state->time + run->timeout : 0;
	decision_add(state, DECIDE_KEEP, run);
}

/*
 * Begins an attempt of a run whose work the database does itself, at once: the first
 * emits step_started.  The context of the run has its input.
 */
void
begin_own_work(BrokerState *state, Run *run, const JsonbValue *input)
{
	JsonBuilder builder;
	JsonbValue	context;

	if (run->started_event_id == 0)
		(void) emit_step_started(state, run, input);
	json_begin_object(&builder);
	json_add(&builder, "data", input);
	add_attempts_before(run, &builder);
	json_end_object(&builder, &context);
	run->context = json_to_jsonb(&context);
	run->state = RUN_OPEN;
}

/* Ends a run: it leaves the list of runs, and what is stored of it is deleted. */
static void
end_run(BrokerState *state, Run *run)
{
	if (run->is_task && run->stored)
		decision_add(state, DECIDE_CLOSE, run);
	else if (!run->is_task && (run->stored || run->kept))
		decision_add(state, DECIDE_FORGET, run);
	run->state = RUN_ENDED;
	state->runs = list_delete_ptr(state->runs, run);
	if (state->playbook->steps[run->step].is_end)
	{
		state->end_run = run;
		state->end_input = NULL;
	}
}

/* Sends the branches that transitions have taken to their steps. */
static void
depart(BrokerState *state, const List *departures, Run *source, int64 event_id)
{
	ListCell   *lc;

	foreach(lc, departures)
		arrive(state, (Departure *) lfirst(lc), source, event_id);
}

/* Returns the meta of the event that ends a step; NULL: none. */
static Jsonb *
completion_meta(BrokerState *state, Run *run, const TransitionOutcome *outcome,
				const Completion *completion)
{
	bool		skipped = completion->type == EVENT_STEP_SKIPPED;
	bool		plain = !skipped && completion->ended_by == NULL &&
		!is_compensable(state, run, completion);
	JsonBuilder meta;
	JsonbValue	value;

	if (plain && !outcome->recorded)
		return NULL;
	if (plain && outcome->record != NULL && !any_dropped(state, outcome->departures, run))
		return outcome->record;
	json_begin_object(&meta);
	if (completion->ended_by != NULL)
		json_add_text(&meta, "ended_by", completion->ended_by);
	if (skipped)
		json_add_bool(&meta, "skipped", true);
	if (outcome->recorded)
		json_add(&meta, "transitions", &outcome->meta);
	if (is_compensable(state, run, completion))
		add_compensable(completion, &meta);
	note_dropped(state, outcome->departures, run, &meta);
	json_end_object(&meta, &value);
	return json_to_jsonb(&value);
}

/*
 * Ends a run well: its transitions are evaluated and its branches leave.  It fails
 * instead when a transition raises and none is taken.
 */
void
complete_step(BrokerState *state, Run *run, const Completion *completion)
{
	const Step *step = &state->playbook->steps[run->step];
	TransitionOutcome outcome;
	JsonbValue	value;
	Scope		scope;
	int64		release = completion->parent;
	Jsonb	   *meta;

	result_value(completion->envelope, &value);
	scope_set_step_value(state, run->step, run->visit,
						 completion->parent, completion->envelope);
	scope_init(&scope, state, step, run, state->now);
	scope.result = &value;
	scope.envelope = completion->envelope;
	if (completion->silent)
		scope_give_input(&scope, completion->input);
	else
		scope.input = completion->input;
	scope.error = completion->error;
	transitions_evaluate(&step->next, &scope, &outcome);
	if (!outcome.taken && outcome.error != NULL)
	{
		StepFailure failure = {FAILURE_TRANSITION, completion->parent, outcome.error,
		completion->envelope, completion->input, outcome.recorded ? &outcome.meta : NULL};

		fail_step(state, run, &failure);
		return;
	}

	end_run(state, run);
	if (step->is_end && completion->input != NULL)
	{
		JsonbValue *input = palloc(sizeof(JsonbValue));

		*input = *completion->input;
		state->end_input = input;
	}
	meta = completion_meta(state, run, &outcome, completion);
	if (completion->announced)
	{
		if (meta != NULL)
			decision_add(state, DECIDE_ANNOTATE, NULL)->meta = meta;
	}
	else if (!completion->silent)
	{
		Event	   *event = emit(state, completion->type, step, run->visit,
								 completion->parent);

		event->meta = meta;
		event->error = completion->error;
		if (completion->write_result)
			event->result = json_to_jsonb(completion->envelope);
		release = event->event_id;
	}
	else if (has_conditions(&step->next))
	{
		/* until execution_complete tells of it, execution_start keeps it */
		state->entry_tried = palloc(sizeof(JsonbValue));
		*state->entry_tried = outcome.meta;
		decision_add(state, DECIDE_ANNOTATE, NULL)->meta = meta;
	}
	if (is_compensable(state, run, completion))
		note_completion(state, run, completion, release);
	depart(state, outcome.departures, run, release);
	if (step->compensates >= 0)
		compensation_ended(state, run, true, release);
}

/* A compensation has failed for good: the next one follows. */
static void
fail_compensation(BrokerState *state, Run *run, const StepFailure *failure)
{
	Event	   *event;

	end_run(state, run);
	event = emit(state, EVENT_STEP_FAILED, &state->playbook->steps[run->step], run->visit,
				 failure->parent);
	event->error = failure->error;
	if (failure->envelope != NULL)
		event->result = json_to_jsonb(failure->envelope);
	event->meta = json_text_object("kind", failure_name(failure->kind));
	compensation_ended(state, run, false, event->event_id);
}

/* on_error: continue.  The run ends well, and the failure is the step's value. */
static void
continue_after_error(BrokerState *state, Run *run, const StepFailure *failure)
{
	Completion	completion;
	JsonBuilder builder;
	JsonbValue	envelope;

	json_begin_object(&builder);
	json_add_text(&builder, "status", "error");
	json_add_text(&builder, "error", failure->error);
	json_end_object(&builder, &envelope);
	memset(&completion, 0, sizeof(completion));
	completion.type = EVENT_STEP_COMPLETED;
	completion.parent = failure->parent;
	completion.envelope = &envelope;
	completion.write_result = true;
	completion.input = failure->input;
	completion.error = failure->error;
	if (state->playbook->steps[run->step].kind == STEP_WAIT &&
		failure->kind == FAILURE_TIMED_OUT)
		completion.ended_by = ENDED_BY_TIMEOUT;
	complete_step(state, run, &completion);
}

/* on_error: transitions.  Evaluates them in a scope that knows of the failure. */
static void
evaluate_handlers(BrokerState *state, Run *run, const StepFailure *failure,
				  const JsonbValue *envelope, TransitionOutcome *outcome)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	JsonbValue	value;

	result_value(envelope, &value);
	scope_init(&scope, state, step, run, state->now);
	scope.result = &value;
	scope.envelope = envelope;
	scope.input = failure->input;
	scope.error = failure->error;
	transitions_evaluate(&step->on_error_next, &scope, outcome);
}

/* Returns the meta of step_failed: what failed, and which transitions were tried. */
static Jsonb *
failure_meta(BrokerState *state, Run *run, const StepFailure *failure,
			 const TransitionOutcome *handlers)
{
	JsonBuilder meta;
	JsonbValue	value;

	json_begin_object(&meta);
	json_add_text(&meta, "kind", failure_name(failure->kind));
	if (failure->tried != NULL)
		json_add(&meta, "transitions", failure->tried);
	if (handlers->recorded)
		json_add(&meta, failure->tried != NULL ? "on_error" : "transitions", &handlers->meta);
	note_dropped(state, handlers->departures, run, &meta);
	json_end_object(&meta, &value);
	return json_to_jsonb(&value);
}

/*
 * Ends a run that failed for good: on_error decides whether its step is held or goes
 * on, whether a handler takes over, or whether the execution fails.
 */
void
fail_step(BrokerState *state, Run *run, const StepFailure *failure)
{
	const Step *step = &state->playbook->steps[run->step];
	const JsonbValue *envelope = failure->envelope;
	TransitionOutcome handlers;
	JsonbValue	none;
	Event	   *event;

	if (step->compensates >= 0)
	{
		fail_compensation(state, run, failure);
		return;
	}

	if (step->on_error == ON_ERROR_CONTINUE && failure->kind < FAILURE_TRANSITION)
	{
		continue_after_error(state, run, failure);
		return;
	}

	if (holds_failure(state, run, failure))
	{
		hold_run(state, run, failure);
		return;
	}

	json_null(&none);
	if (envelope == NULL)
		envelope = &none;
	memset(&handlers, 0, sizeof(handlers));
	scope_set_step_value(state, run->step, run->visit, failure->parent, envelope);
	if (step->on_error == ON_ERROR_HANDLER && failure->kind != FAILURE_MAX_VISITS)
		evaluate_handlers(state, run, failure, envelope, &handlers);
	if (!handlers.taken)
		stop_run(state, run, true);
	end_run(state, run);
	event = emit(state, EVENT_STEP_FAILED, step, run->visit, failure->parent);
	event->error = failure->error;
	event->result = json_to_jsonb(envelope);
	event->meta = failure_meta(state, run, failure, &handlers);
	if (handlers.taken)
		depart(state, handlers.departures, run, event->event_id);
	else
		fail_execution(state, step, failure->error, event->event_id);
}

/* Ends a run that could not be started with its input (or NULL). */
void
fail_start(BrokerState *state, Run *run, FailureKind kind, const char *error,
		   const JsonbValue *input)
{
	StepFailure failure = {kind, released_by(run), error, NULL, input, NULL};

	fail_step(state, run, &failure);
}
