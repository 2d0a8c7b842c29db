/*
 * broker/compensate.c
 *		What an execution has completed is compensated before it fails, or before it
 *		is cancelled by somebody who wants it undone.
 *
 *		step_completed {compensate: {data}} …
 *		execution_failed to be emitted ─> execution_compensating {status, error, result,
 *		    │                                   steps: [{step, visit, event_id}, …]}
 *		    │                                     │ the newest completion first
 *		    │     step_started of <step>.compensate {compensating, number, failed}
 *		    │     step_completed, step_failed ────┘ the next one
 *		    v
 *		execution_failed {compensating, compensation_failed}
 *
 * A compensation is a step that no transition leads to, with the visit of what it
 * compensates.  So its tasks, attempts and events are those of any step.  The log says
 * all that is needed to go on: the meta of its step_started leads to the plan.
 */
#include "common/common.h"

#include "broker/internal.h"

/* Returns whether a completion of a run is one that can be compensated. */
bool
is_compensable(BrokerState *state, const Run *run, const Completion *completion)
{
	return state->playbook->steps[run->step].compensation >= 0 &&
		completion->type == EVENT_STEP_COMPLETED && completion->error == NULL;
}

/* Finds what a compensation will need: {"data": the input of the run}. */
static void
compensable(const Completion *completion, JsonbValue *value)
{
	JsonBuilder builder;

	json_begin_object(&builder);
	if (completion->input != NULL)
		json_add(&builder, "data", completion->input);
	json_end_object(&builder, value);
}

/* Adds to the meta of step_completed what its compensation will need. */
void
add_compensable(const Completion *completion, JsonBuilder *meta)
{
	JsonbValue	value;

	compensable(completion, &value);
	json_add(meta, "compensate", &value);
}

/* Remembers a completion, whose event is not in the log yet. */
void
note_completion(BrokerState *state, const Run *run, const Completion *completion,
				int64 event_id)
{
	StepCompletion *done = palloc0(sizeof(StepCompletion));
	JsonbValue *envelope;

	done->step = run->step;
	done->visit = run->visit;
	done->event_id = event_id;
	compensable(completion, &done->compensate);
	envelope = palloc(sizeof(JsonbValue));
	*envelope = *completion->envelope;
	done->envelope = envelope;
	state->completions = lappend(state->completions, done);
}

/*
 * Returns whether compensations of the execution are being done.  Nothing else is live
 * then, so one run that is known tells it.
 */
bool
compensating(const BrokerState *state)
{
	ListCell   *lc;

	foreach(lc, state->runs)
		if (state->playbook->steps[((Run *) lfirst(lc))->step].compensates >= 0)
			return true;
	return false;
}

/* For list_sort: the newest completion first. */
static int
compare_completions(const ListCell *a, const ListCell *b)
{
	int64		left = ((const StepCompletion *) lfirst(a))->event_id;
	int64		right = ((const StepCompletion *) lfirst(b))->event_id;

	return left > right ? -1 : left < right;
}

/* Returns the completions (StepCompletion *) to compensate, the newest first. */
static List *
completions(BrokerState *state)
{
	List	   *all;
	List	   *distinct = NIL;
	int64		last = 0;
	ListCell   *lc;

	if (state->playbook->nwritten == state->playbook->nsteps)
		return NIL;
	all = list_concat(list_copy(state->completions),
					  state->values.completions(state->values.arg));
	list_sort(all, compare_completions);
	foreach(lc, all)
	{
		StepCompletion *done = (StepCompletion *) lfirst(lc);

		/* the log may have an event of this evaluation when it is decided again */
		if (done->event_id != last)
			distinct = lappend(distinct, done);
		last = done->event_id;
	}
	return distinct;
}

/* Withdraws all that is live; an execution that compensates is not redriven. */
static void
stop_all(BrokerState *state)
{
	ListCell   *lc;

	all_runs(state);
	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (!run_is_live(run))
			continue;
		if (run->state == RUN_OPEN)
			decision_add(state, DECIDE_ABANDON, run);
		if (run->is_task)
			decision_add(state, DECIDE_CLOSE, run);
		else if (run->stored || run->kept)
			decision_add(state, DECIDE_FORGET, run);
		run->state = RUN_ENDED;
	}
	state->runs = NIL;
}

/* Returns the meta of execution_compensating: how the execution ends, and the plan. */
static Jsonb *
plan_meta(BrokerState *state, const ExecutionOutcome *outcome, const List *done)
{
	JsonBuilder meta;
	JsonBuilder steps;
	JsonbValue	value;
	ListCell   *lc;

	json_begin_array(&steps);
	foreach(lc, done)
	{
		const StepCompletion *completion = (StepCompletion *) lfirst(lc);
		JsonBuilder entry;

		json_begin_object(&entry);
		json_add_text(&entry, "step", state->playbook->steps[completion->step].name);
		json_add_int(&entry, "visit", completion->visit);
		json_add_id(&entry, "event_id", completion->event_id);
		json_end_object(&entry, &value);
		json_push(&steps, &value);
	}
	json_begin_object(&meta);
	json_add_text(&meta, "status", event_type_status(outcome->type));
	if (outcome->error != NULL)
		json_add_text(&meta, "error", outcome->error);
	if (outcome->result != NULL)
	{
		json_from_jsonb(outcome->result, &value);
		json_add(&meta, "result", &value);
	}
	json_end_array(&steps, &value);
	json_add(&meta, "steps", &value);
	json_end_object(&meta, &value);
	return json_to_jsonb(&value);
}

/* Finds meta.compensate of a completion: of this evaluation, or of the log. */
static bool
find_compensable(BrokerState *state, int64 event_id, JsonbValue *value)
{
	JsonbValue	meta;
	ListCell   *lc;

	foreach(lc, state->completions)
		if (((StepCompletion *) lfirst(lc))->event_id == event_id)
		{
			*value = ((StepCompletion *) lfirst(lc))->compensate;
			return true;
		}
	return state->values.event_meta(state->values.arg, event_id, &meta, NULL) &&
		json_get(&meta, "compensate", value);
}

/* Adds a run that compensates one completion; settle() starts it. */
static void
add_run(BrokerState *state, int step, int visit, int64 completion, Jsonb *meta, int64 cause)
{
	Run		   *run = run_make(step, visit, RUN_WAITING);
	Arrival    *arrival = palloc0(sizeof(Arrival));
	JsonbValue	compensate;

	arrival->from = -1;
	arrival->visit = 1;
	arrival->event_id = cause;
	arrival->has_data = find_compensable(state, completion, &compensate) &&
		json_get(&compensate, "data", &arrival->data) && json_is_object(&arrival->data);
	run->at_once = true;
	run->changed = true;
	run->arrivals = list_make1(arrival);
	run->compensates = meta;
	state->runs = lappend(state->runs, run);
}

/* Returns the meta of the step_started of a compensation. */
static Jsonb *
run_meta(int64 event_id, int number, const JsonbValue *failed)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_id(&builder, "compensating", event_id);
	json_add_int(&builder, "number", number);
	if (failed != NULL)
		json_add(&builder, "failed", failed);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Ends the execution as its plan says. */
static void
conclude(BrokerState *state, int64 event_id, const JsonbValue *plan, const JsonbValue *failed,
		 int64 cause)
{
	ExecutionOutcome outcome = {EVENT_EXECUTION_FAILED};
	char	   *status = json_get_text(plan, "status");
	JsonBuilder meta;
	JsonbValue	value;

	if (status != NULL && strcmp(status, "CANCELLED") == 0)
		outcome.type = EVENT_EXECUTION_CANCELLED;
	outcome.error = json_get_text(plan, "error");
	if (json_get(plan, "result", &value))
		outcome.result = json_to_jsonb(&value);
	json_begin_object(&meta);
	json_add_id(&meta, "compensating", event_id);
	if (failed != NULL)
		json_add(&meta, "compensation_failed", failed);
	json_end_object(&meta, &value);
	conclude_execution(state, &outcome, cause, json_to_jsonb(&value));
}

/*
 * Begins a compensation of a plan, from a number on; after the last one the execution
 * ends.  failed: the names of those that have failed, or NULL.
 */
static void
compensate_next(BrokerState *state, int64 event_id, const JsonbValue *plan, int number,
				const JsonbValue *failed, int64 cause)
{
	JsonbValue	steps;
	JsonbValue *entry;
	char	   *name;
	int64		visit = 1;
	int64		completion = 0;
	int			step;

	while (json_get(plan, "steps", &steps) &&
		   (entry = getIthJsonbValueFromContainer(steps.val.binary.data, number)) != NULL)
	{
		name = json_get_text(entry, "step");
		step = name == NULL ? -1 : playbook_find_step(state->playbook, name, strlen(name));
		number++;
		if (step < 0 || state->playbook->steps[step].compensation < 0)
			continue;
		(void) json_get_int(entry, "visit", &visit);
		(void) json_get_int(entry, "event_id", &completion);
		add_run(state, state->playbook->steps[step].compensation, (int) visit, completion,
				run_meta(event_id, number, failed), cause);
		return;
	}
	conclude(state, event_id, plan, failed, cause);
}

/*
 * Begins to compensate what the execution has completed: it ends with this outcome
 * afterwards.  Returns false when there is nothing to compensate.
 */
bool
compensate(BrokerState *state, const ExecutionOutcome *outcome, int64 parent)
{
	List	   *done = completions(state);
	Event	   *event;
	JsonbValue	plan;

	if (done == NIL)
		return false;
	stop_all(state);
	event = emit(state, EVENT_EXECUTION_COMPENSATING, NULL, 0, parent);
	event->error = outcome->error;
	event->meta = plan_meta(state, outcome, done);
	decision_add(state, DECIDE_COMPENSATE, NULL);
	state->compensating = event;
	json_from_jsonb(event->meta, &plan);
	compensate_next(state, event->event_id, &plan, 0, NULL, event->event_id);
	return true;
}

/* Finds the plan that a compensation belongs to. */
static bool
find_plan(BrokerState *state, int64 event_id, JsonbValue *plan)
{
	if (state->compensating == NULL || state->compensating->event_id != event_id)
		return state->values.event_meta(state->values.arg, event_id, plan, NULL);
	json_from_jsonb(state->compensating->meta, plan);
	return true;
}

/* Returns the list of failed compensations with one more. */
static JsonbValue *
add_failed(BrokerState *state, const Run *run, const JsonbValue *failed)
{
	const Step *step = &state->playbook->steps[state->playbook->steps[run->step].compensates];
	JsonbValue *list = palloc(sizeof(JsonbValue));
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_array(&builder);
	for (uint32 i = 0; failed != NULL && i < JsonContainerSize(failed->val.binary.data); i++)
		json_push(&builder, getIthJsonbValueFromContainer(failed->val.binary.data, i));
	json_string(&value, run->visit == 1 ? step->name : psprintf("%s:%d", step->name, run->visit));
	json_push(&builder, &value);
	json_end_array(&builder, list);
	return list;
}

/* A compensation has ended: the next one follows, or the end of the execution. */
void
compensation_ended(BrokerState *state, const Run *run, bool success, int64 cause)
{
	JsonbValue	meta;
	JsonbValue	plan;
	JsonbValue	value;
	JsonbValue *failed = NULL;
	int64		event_id = 0;
	int64		number = 0;

	if (run->compensates != NULL)
		json_from_jsonb(run->compensates, &meta);
	else if (!state->values.event_meta(state->values.arg, run->started_event_id, &meta, NULL))
		json_null(&meta);
	(void) json_get_int(&meta, "compensating", &event_id);
	(void) json_get_int(&meta, "number", &number);
	if (json_get(&meta, "failed", &value))
		failed = &value;
	if (!success)
		failed = add_failed(state, run, failed);
	if (!find_plan(state, event_id, &plan))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the event log of execution " INT64_FORMAT
						" lacks the plan of its compensations", state->execution_id),
				 errdetail("Event execution_compensating, or the step_started that leads to it, has been deleted."),
				 errhint("End the execution with noetl.cancel().")));
	compensate_next(state, event_id, &plan, (int) number, failed, cause);
}
