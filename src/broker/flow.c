/*
 * broker/flow.c
 *		Steps start and end; branches leave them, arrive and join.
 *
 *		complete_step ── transitions ──> arrive: a run waits at each target
 *		     ^                              │
 *		     │ routers, skipped steps       v
 *		     └───────── start_run <────── settle: which of them can start?
 *		                    │
 *		                    └─ actions: step_started and a queue row
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/internal.h"
#include "broker/input.h"
#include "broker/retry.h"
#include "broker/scope.h"
#include "playbook/playbook.h"

/* ---------------------------------------------------------------------------
 * Arrivals and joins
 * ---------------------------------------------------------------------------
 */

/* The live run of a step: there is never more than one. */
Run *
live_run(BrokerState *state, int step)
{
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->step == step && run_is_live(run))
			return run;
	}
	return NULL;
}

/* A router that begins the execution says nothing: it is only a list. */
bool
is_silent_entry(const Playbook *playbook, const Step *step)
{
	return step->index == playbook->entry && step->kind == STEP_ROUTER &&
		step->when == NULL && step->pass == NULL;
}

/* Which visit an arrival at an idle step begins; 0: it comes too late. */
static int
next_visit(BrokerState *state, const Step *step)
{
	StepValue  *value;

	if (!step->cyclic && step->join != JOIN_ANY)
		return 1;
	value = scope_step_value(state, step->index);
	if (!value->found)
		return is_silent_entry(state->playbook, step) ? 2 : 1;
	return step->cyclic ? value->visit + 1 : 0;
}

/* A branch reaches a step: a new run waits there, or it joins the one there is. */
void
arrive(BrokerState *state, const Departure *departure, int from, int64 event_id)
{
	const Step *step = &state->playbook->steps[departure->step];
	Run		   *run = live_run(state, departure->step);
	Arrival    *arrival;

	if (run == NULL)
	{
		int			visit = next_visit(state, step);

		if (visit == 0)
			return;
		run = run_make(departure->step, visit, RUN_WAITING);
		state->runs = lappend(state->runs, run);
	}
	else if (run->state != RUN_WAITING)
		return;

	arrival = palloc0(sizeof(Arrival));
	arrival->from = from;
	arrival->event_id = event_id;
	arrival->has_data = departure->has_data;
	arrival->data = departure->data;
	run->arrivals = lappend(run->arrivals, arrival);
	run->changed = true;
}

/*
 * Which departures will find no place: their step is running already, or it
 * took the first arrival and wants no other.  Noted in meta, where the log
 * would otherwise promise a step that never starts.
 */
static void
note_coalesced(BrokerState *state, const List *departures, JsonBuilder *meta)
{
	JsonBuilder names;
	JsonbValue	value;
	bool		any = false;
	ListCell   *lc;

	foreach(lc, departures)
	{
		const Step *step = &state->playbook->steps[((Departure *) lfirst(lc))->step];
		Run		   *run = live_run(state, step->index);

		if (run != NULL ? run->state == RUN_WAITING : next_visit(state, step) > 0)
			continue;
		if (!any)
			json_begin_array(&names);
		any = true;
		json_string(&value, step->name);
		json_push(&names, &value);
	}
	if (any)
	{
		json_end_array(&names, &value);
		json_add(meta, "coalesced", &value);
	}
}

/* Can a waiting run start, or may another branch still come? */
static bool
can_start(BrokerState *state, const Run *waiting)
{
	const Playbook *playbook = state->playbook;
	const Step *step = &playbook->steps[waiting->step];
	ListCell   *lc;

	if (step->join == JOIN_ANY && step->kind != STEP_END)
		return true;
	foreach(lc, state->runs)
	{
		const Run  *other = (Run *) lfirst(lc);
		const Step *at = &playbook->steps[other->step];

		if (other == waiting || !run_is_live(other))
			continue;
		if (step->kind == STEP_END)
		{
			if (other->state != RUN_WAITING || at->kind != STEP_END)
				return false;
			continue;
		}
		if (other->state == RUN_WAITING && at->component >= step->component)
			continue;
		if (playbook_reaches(playbook, other->step, waiting->step))
			return false;
	}
	return true;
}

/* The first waiting run that can start, in the order in which they arrived. */
static Run *
next_to_start(BrokerState *state)
{
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->state == RUN_WAITING && can_start(state, run))
			return run;
	}
	return NULL;
}

/* ---------------------------------------------------------------------------
 * Steps
 * ---------------------------------------------------------------------------
 */

/* See broker_internal.h. */
bool
is_open_step(const Step *step)
{
	return step->kind == STEP_PLAYBOOK || step->kind == STEP_ITERATOR;
}

/* The input an action was given, or what an open run was started with. */
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

/* See broker_internal.h. */
void
open_run(BrokerState *state, Run *run)
{
	run->state = RUN_OPEN;
	run->deadline = run->timeout > 0 ? state->time + run->timeout : 0;
	decide(state, DECIDE_KEEP, run);
}

/* A run is consumed; what is stored of it goes.  The list stays short. */
static void
end_run(BrokerState *state, Run *run)
{
	if (run->is_task && run->stored)
		decide(state, DECIDE_CLOSE, run);
	else if (!run->is_task && (run->stored || run->kept))
		decide(state, DECIDE_FORGET, run);
	run->state = RUN_ENDED;
	state->runs = list_delete_ptr(state->runs, run);
}

/* Sends the taken branches on their way. */
static void
depart(BrokerState *state, const List *departures, int from, int64 event_id)
{
	ListCell   *lc;

	foreach(lc, departures)
		arrive(state, (Departure *) lfirst(lc), from, event_id);
}

/* meta of the event that ends a step. */
static Jsonb *
completion_meta(BrokerState *state, const TransitionOutcome *outcome,
				bool skipped)
{
	JsonBuilder meta;
	JsonbValue	value;

	if (!outcome->recorded && !skipped)
		return NULL;
	json_begin_object(&meta);
	if (skipped)
		json_add_bool(&meta, "skipped", true);
	if (outcome->recorded)
		json_add(&meta, "transitions", &outcome->meta);
	note_coalesced(state, outcome->departures, &meta);
	json_end_object(&meta, &value);
	return json_to_jsonb(&value);
}

/* A run ends well: its transitions are evaluated and its branches sent off. */
void
complete_step(BrokerState *state, Run *run, const Completion *completion)
{
	const Step *step = &state->playbook->steps[run->step];
	TransitionOutcome outcome;
	JsonbValue	value;
	Scope		scope;
	int64		released_by = completion->parent;
	Jsonb	   *meta;

	result_value(completion->envelope, &value);
	scope_set_step_value(state, run->step, run->visit,
						 completion->parent, completion->envelope);
	scope_init(&scope, state, step, run->visit, state->now);
	scope.result = &value;
	scope.envelope = completion->envelope;
	scope.input = completion->input;
	scope.error = completion->error;
	transitions_evaluate(&step->next, &scope, &outcome);
	if (outcome.departures == NIL && outcome.error != NULL)
	{
		fail_step(state, run, completion->parent, FAILURE_TRANSITION,
				  outcome.error, completion->envelope, completion->input,
				  outcome.recorded ? &outcome.meta : NULL);
		return;
	}

	end_run(state, run);
	meta = completion_meta(state, &outcome, completion->type == EVENT_STEP_SKIPPED);
	if (completion->announced)
	{
		if (meta != NULL)
			decide(state, DECIDE_ANNOTATE, NULL)->meta = meta;
	}
	else if (!completion->silent)
	{
		Event	   *event = emit(state, completion->type, step, run->visit,
								 completion->parent);

		event->meta = meta;
		event->error = completion->error;
		if (completion->write_result)
			event->result = json_to_jsonb(completion->envelope);
		released_by = event->event_id;
	}
	depart(state, outcome.departures, run->step, released_by);
}

/* on_error: continue — the failure is the step's value. */
static void
continue_after_error(BrokerState *state, Run *run, int64 parent,
					 const char *error, const JsonbValue *input)
{
	Completion	completion;
	JsonBuilder builder;
	JsonbValue	envelope;

	json_begin_object(&builder);
	json_add_text(&builder, "status", "error");
	json_add_text(&builder, "error", error);
	json_end_object(&builder, &envelope);
	memset(&completion, 0, sizeof(completion));
	completion.type = EVENT_STEP_COMPLETED;
	completion.parent = parent;
	completion.envelope = &envelope;
	completion.write_result = true;
	completion.input = input;
	completion.error = error;
	complete_step(state, run, &completion);
}

/*
 * A run failed for good: on_error decides whether the execution does too.
 * tried: what became of each entry of "next", when that is what failed.
 */
void
fail_step(BrokerState *state, Run *run, int64 parent, FailureKind kind,
		  const char *error, const JsonbValue *envelope, const JsonbValue *input,
		  const JsonbValue *tried)
{
	const Step *step = &state->playbook->steps[run->step];
	TransitionOutcome outcome;
	JsonBuilder meta;
	JsonbValue	value;
	JsonbValue	none;
	Event	   *event;

	if (step->on_error == ON_ERROR_CONTINUE && kind < FAILURE_TRANSITION)
	{
		continue_after_error(state, run, parent, error, input);
		return;
	}

	json_null(&none);
	if (envelope == NULL)
		envelope = &none;
	memset(&outcome, 0, sizeof(outcome));
	scope_set_step_value(state, run->step, run->visit, parent, envelope);
	if (step->on_error == ON_ERROR_HANDLER && kind != FAILURE_MAX_VISITS)
	{
		Scope		scope;

		result_value(envelope, &value);
		scope_init(&scope, state, step, run->visit, state->now);
		scope.result = &value;
		scope.envelope = envelope;
		scope.input = input;
		scope.error = error;
		transitions_evaluate(&step->on_error_next, &scope, &outcome);
	}
	end_run(state, run);
	event = emit(state, EVENT_STEP_FAILED, step, run->visit, parent);
	event->error = error;
	event->result = json_to_jsonb(envelope);
	json_begin_object(&meta);
	json_add_text(&meta, "kind", failure_name(kind));
	if (tried != NULL)
		json_add(&meta, "transitions", tried);
	if (outcome.recorded)
		json_add(&meta, tried != NULL ? "on_error" : "transitions", &outcome.meta);
	json_end_object(&meta, &value);
	event->meta = json_to_jsonb(&value);

	if (outcome.departures != NIL)
		depart(state, outcome.departures, run->step, event->event_id);
	else
		fail_execution(state, step, error, event->event_id);
}

/* See broker_internal.h. */
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

/* What else is in the envelope of a step's value, or null. */
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
 * See broker_internal.h.  The member "_steps" tells whoever renders with these
 * values which of them are those of steps, and what came with them.
 */
void
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

/* See broker_internal.h. */
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

/* See broker_internal.h. */
void
add_iterator_names(const JsonbValue *envelope, JsonBuilder *builder)
{
	JsonbValue	value;

	if (json_get(envelope, "data", &value))
		json_add(builder, "results", &value);
	if (json_get(envelope, "total_iterations", &value))
		json_add(builder, "count", &value);
}

/* See broker_internal.h. */
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
		decide(state, DECIDE_FORGET, run);
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
	decide(state, DECIDE_ENQUEUE, run);
}

/* See broker_internal.h. */
int64
released_by(const Run *run)
{
	int64		newest = 0;
	ListCell   *lc;

	foreach(lc, run->arrivals)
		newest = Max(newest, ((Arrival *) lfirst(lc))->event_id);
	return newest;
}

/* step_started and a queue row. */
static void
start_action(BrokerState *state, Run *run, const JsonbValue *transition_input)
{
	const Step *step = &state->playbook->steps[run->step];
	SourceError error;
	Scope		scope;
	Event	   *event;

	memset(&error, 0, sizeof(error));
	scope_init(&scope, state, step, run->visit, state->now);
	if (!prepare_action(state, run, step, &scope, transition_input, &error))
	{
		fail_step(state, run, released_by(run), FAILURE_TEMPLATE,
				  scope_error_text(&error), NULL, transition_input, NULL);
		return;
	}
	if (run->stored)
		decide(state, DECIDE_FORGET, run);
	event = emit(state, EVENT_STEP_STARTED, step, run->visit, released_by(run));
	run->started_event_id = event->event_id;
	run->released_by = event->parent_event_id;
	run->state = RUN_QUEUED;
	run->is_task = true;
	run->stored = false;
	decide(state, DECIDE_ENQUEUE, run);
}

/* "when" and "pass": shall the step run at all?  False and *error when asking raises. */
static bool
is_skipped(const Step *step, Scope *scope, bool *skipped, char **error)
{
	bool		holds;

	*skipped = false;
	if (step->when != NULL)
	{
		if (!condition_holds(step->when, scope, &holds, error))
			return false;
		*skipped = !holds;
	}
	if (!*skipped && step->pass != NULL)
	{
		if (!condition_holds(step->pass, scope, &holds, error))
			return false;
		*skipped = holds;
	}
	return true;
}

/* See broker_internal.h. */
void
start_run(BrokerState *state, Run *run)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	JsonbValue	input;
	JsonbValue	none;
	Completion	completion;
	bool		skipped;
	char	   *error;

	if (!state->values.allows_visit(state->values.arg, run->visit, step->max_visits))
	{
		fail_step(state, run, released_by(run), FAILURE_MAX_VISITS,
				  psprintf("step visited more than %d times", run->visit - 1),
				  NULL, NULL, NULL);
		return;
	}
	input_of_arrivals(run->arrivals, &input);
	scope_init(&scope, state, step, run->visit, state->now);
	scope.input = &input;
	if (!is_skipped(step, &scope, &skipped, &error))
	{
		fail_step(state, run, released_by(run), FAILURE_CONDITION, error, NULL, &input,
				  NULL);
		return;
	}
	if (step->kind == STEP_END && !skipped)
	{
		complete_execution(state, step, released_by(run));
		return;
	}
	if (step->kind == STEP_ACTION && !skipped)
	{
		start_action(state, run, &input);
		return;
	}
	if (step->kind == STEP_SAVE && !skipped)
	{
		start_save_step(state, run, &input);
		return;
	}
	if (is_open_step(step) && !skipped)
	{
		if (step->kind == STEP_PLAYBOOK)
			start_playbook(state, run, &input);
		else
			start_iterator(state, run, &input);
		return;
	}
	json_null(&none);
	memset(&completion, 0, sizeof(completion));
	completion.type = skipped ? EVENT_STEP_SKIPPED : EVENT_STEP_COMPLETED;
	completion.parent = released_by(run);
	completion.envelope = &none;
	completion.write_result = true;
	completion.input = &input;
	complete_step(state, run, &completion);
}

/*
 * After every change: start what can start, keep what must wait, and see
 * whether anything is left.
 */
void
settle(BrokerState *state)
{
	Run		   *run;
	ListCell   *lc;
	bool		live = false;

	while (!state->finished && (run = next_to_start(state)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		start_run(state, run);
	}
	if (state->finished)
		return;
	foreach(lc, state->runs)
	{
		run = (Run *) lfirst(lc);
		if (run->state == RUN_WAITING && run->changed)
			decide(state, DECIDE_KEEP, run);
		live = live || run_is_live(run);
	}
	if (!live)
		complete_execution(state, NULL, state->last_event_id);
}
