/*
 * broker.c
 *		The decision core: (playbook, state of an execution, event) -> decisions.
 *
 *		event ──> which run is meant? is the sender entitled to speak for it?
 *		            │ completed             │ failed
 *		            v                       v
 *		        complete_step            retry? ── yes ─> action_retry
 *		            │   transitions         │ no
 *		            │<──── on_error ── fail_step ──> execution_failed
 *		            v
 *		        arrivals ──> settle: start every waiting run that nothing live
 *		            ^          │      can still reach; when nothing is live,
 *		            │ routers  │      execution_complete
 *		            └──────────┘
 *
 * Conditions, inputs and actions that raise become events of the execution.
 */
#include "noetl.h"

#include <limits.h>

#include "miscadmin.h"

#include "broker.h"
#include "ids.h"
#include "input.h"
#include "json.h"
#include "retry.h"
#include "scope.h"
#include "transition.h"

/* What is said about a run when it ends well. */
typedef struct Completion
{
	EventType	type;			/* step_completed or step_skipped */
	int64		parent;			/* the event that ended it */
	const JsonbValue *envelope; /* its result */
	bool		write_result;	/* the emitted event carries the result: no
								 * action_completed does */
	bool		silent;			/* the entry router: no event */
	bool		announced;		/* the client sent step_completed itself */
	const JsonbValue *input;
	const char *error;			/* on_error: continue */
} Completion;

/* Why a run failed; step_failed.meta.kind says it by name. */
typedef enum FailureKind
{
	FAILURE_ACTION,
	FAILURE_RETRY_EXHAUSTED,
	FAILURE_CLIENT,
	FAILURE_CONDITION,
	FAILURE_TEMPLATE,
	/* a step cannot go on after these, whatever on_error says */
	FAILURE_TRANSITION,
	FAILURE_MAX_VISITS
} FailureKind;

static const char *const failure_names[] = {
	"action_error", "retry_exhausted", "client", "condition_error",
	"template_error", "transition_error", "max_visits"
};

static void complete_step(BrokerState *state, Run *run, const Completion *completion);
static void fail_step(BrokerState *state, Run *run, int64 parent,
					  FailureKind kind, const char *error,
					  const JsonbValue *envelope, const JsonbValue *input);

/* ---------------------------------------------------------------------------
 * Names, decisions
 * ---------------------------------------------------------------------------
 */

/* The first visit keeps the short form, so that it reads like the playbook. */
char *
node_id_make(int64 execution_id, const char *step, int visit)
{
	if (visit <= 1)
		return psprintf(INT64_FORMAT ":%s", execution_id, step);
	return psprintf(INT64_FORMAT ":%s:%d", execution_id, step, visit);
}

/* Node ids of other makers (or none) name no visit. */
int
node_id_visit(const char *node_id, int64 execution_id, const char *step)
{
	char		prefix[32];
	size_t		length;

	if (node_id == NULL)
		return 0;
	snprintf(prefix, sizeof(prefix), INT64_FORMAT ":", execution_id);
	length = strlen(prefix);
	if (strncmp(node_id, prefix, length) != 0)
		return 0;
	node_id += length;
	length = strlen(step);
	if (strncmp(node_id, step, length) != 0)
		return 0;
	node_id += length;
	if (*node_id == '\0')
		return 1;
	return *node_id == ':' ? atoi(node_id + 1) : 0;
}

/* Decided runs stay in the list, so that store.c can still see them. */
bool
run_is_live(const Run *run)
{
	return run->state != RUN_ENDED && run->state != RUN_CANCELLED;
}

/* Appends a decision of a kind; the caller fills in the rest. */
static Decision *
decide(BrokerState *state, DecisionKind kind, Run *run)
{
	Decision   *decision = palloc0(sizeof(Decision));

	decision->kind = kind;
	decision->run = run;
	state->decisions = lappend(state->decisions, decision);
	return decision;
}

/* Decides that the incoming event has no effect, and says why. */
static void
ignore(BrokerState *state, const char *reason)
{
	decide(state, DECIDE_IGNORE, NULL)->reason = reason;
}

/* The word for a step's kind in event.node_type. */
static const char *
node_type_of(const Step *step)
{
	if (step->type[0] != '\0')
		return step->type;
	return step->kind == STEP_END ? "end" : "router";
}

/* A follow-up event, a microsecond after the newest. */
static Event *
emit(BrokerState *state, EventType type, const Step *step, int visit,
	 int64 parent)
{
	Event	   *event = palloc0(sizeof(Event));
	bool		unused;

	event->type = type;
	event->event_type = event_type_name(type);
	event->status = status_normalise(NULL, event->event_type, &unused);
	event->execution_id = state->execution_id;
	event->parent_execution_id = state->parent_execution_id;
	event->catalog_id = state->playbook->catalog_id;
	event->parent_event_id = parent;
	event->created_at = state->time + 1;
	event->event_id = Max(state->last_event_id + 1, event_id_at(event->created_at));
	if (step != NULL)
	{
		event->node_name = step->name;
		event->node_id = node_id_make(state->execution_id, step->name, visit);
		event->node_type = node_type_of(step);
	}
	else
	{
		event->node_name = state->path;
		event->node_id = psprintf(INT64_FORMAT, state->execution_id);
		event->node_type = "playbook";
	}
	state->time = event->created_at;
	state->last_event_id = event->event_id;
	decide(state, DECIDE_EMIT, NULL)->event = event;
	return event;
}

/* ---------------------------------------------------------------------------
 * The end of an execution
 * ---------------------------------------------------------------------------
 */

/* Nothing may go on: queued work is withdrawn, leased work may finish in vain. */
static void
finish(BrokerState *state, const char *status, const char *error,
	   Jsonb *result, bool revoke)
{
	Decision   *decision;
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		switch (run->state)
		{
			case RUN_QUEUED:
			case RUN_RETRY:
				decide(state, DECIDE_CLOSE, run);
				run->state = RUN_ENDED;
				break;
			case RUN_WAITING:
			case RUN_OPEN:
				if (run->stored)
					decide(state, DECIDE_UNWAIT, run);
				run->state = RUN_ENDED;
				break;
			case RUN_LEASED:
				if (revoke)
					decide(state, DECIDE_REVOKE, run);
				run->state = RUN_CANCELLED;
				break;
			case RUN_CANCELLED:
			case RUN_ENDED:
				break;
		}
	}
	state->finished = true;
	decision = decide(state, DECIDE_FINISH, NULL);
	decision->status = status;
	decision->error = error;
	decision->result = result;
}

/* A step failed for good and nobody handles it. */
static void
fail_execution(BrokerState *state, const Step *step, const char *reason,
			   int64 parent)
{
	Event	   *event = emit(state, EVENT_EXECUTION_FAILED, NULL, 0, parent);
	JsonBuilder builder;
	JsonbValue	result;

	json_begin_object(&builder);
	json_add_text(&builder, "failed_step", step->name);
	json_add_text(&builder, "reason", reason);
	json_end_object(&builder, &result);
	event->result = json_to_jsonb(&result);
	event->error = psprintf("execution failed at step %s: %s", step->name, reason);
	finish(state, "FAILED", event->error, event->result, false);
}

/*
 * The result of the execution: the mapping of its end, or what its end
 * returned.  False and *error when the mapping raises.
 */
static bool
final_result(BrokerState *state, const Step *end, JsonbValue *result,
			 SourceError *error)
{
	StepValue  *value = NULL;
	Scope		scope;

	json_null(result);
	if (end == NULL)
		return true;
	scope_init(&scope, state, end, 1, state->now);
	if (end->kind != STEP_END)
	{
		value = scope_step_value(state, end->index);
		if (!value->found)
			return true;
		scope.result = &value->value;
		scope.envelope = &value->envelope;
		*result = value->value;
	}
	if (end->result == NULL)
		return true;
	return template_doc_render(end->result, &scope.template, result, error);
}

/* Nothing is live any more.  "end" is the end that was reached, or NULL. */
static void
complete_execution(BrokerState *state, const Step *end, int64 parent)
{
	const Playbook *playbook = state->playbook;
	JsonbValue	result;
	JsonBuilder meta;
	JsonbValue	value;
	SourceError error;
	Event	   *event;

	if (end == NULL && playbook->end >= 0 &&
		playbook->steps[playbook->end].kind != STEP_END &&
		scope_step_value(state, playbook->end)->found)
		end = &playbook->steps[playbook->end];

	memset(&error, 0, sizeof(error));
	if (!final_result(state, end, &result, &error))
	{
		char	   *text = scope_error_text(&error);

		event = emit(state, EVENT_STEP_FAILED, end, 1, parent);
		event->error = text;
		json_begin_object(&meta);
		json_add_text(&meta, "kind", failure_names[FAILURE_TEMPLATE]);
		json_end_object(&meta, &value);
		event->meta = json_to_jsonb(&value);
		fail_execution(state, end, text, event->event_id);
		return;
	}

	event = emit(state, EVENT_EXECUTION_COMPLETE, NULL, 0, parent);
	if (end != NULL)
		event->node_name = end->name;
	else
	{
		json_begin_object(&meta);
		json_add_text(&meta, "reason",
					  playbook->end < 0 ? "no_end" : "no_transition");
		json_end_object(&meta, &value);
		event->meta = json_to_jsonb(&value);
	}
	event->result = json_to_jsonb(&result);
	finish(state, "COMPLETED", NULL, event->result, false);
}

/* ---------------------------------------------------------------------------
 * Arrivals and joins
 * ---------------------------------------------------------------------------
 */

/* The live run of a step: there is never more than one. */
static Run *
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

/* Which visit an arrival at an idle step begins; 0: it comes too late. */
static int
next_visit(BrokerState *state, const Step *step)
{
	StepValue  *value;

	if (!step->cyclic && !step->join_any)
		return 1;
	value = scope_step_value(state, step->index);
	if (!value->found)
		return 1;
	return step->cyclic ? value->visit + 1 : 0;
}

/* A branch reaches a step: a new run waits there, or it joins the one there is. */
static void
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
		run = palloc0(sizeof(Run));
		run->step = departure->step;
		run->visit = visit;
		run->state = RUN_WAITING;
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

	if (step->join_any && step->kind != STEP_END)
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

/* The first waiting run that can start, in the order of the graph. */
static Run *
next_to_start(BrokerState *state)
{
	const Step *steps = state->playbook->steps;
	Run		   *first = NULL;
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->state != RUN_WAITING)
			continue;
		if (first != NULL &&
			(steps[first->step].component < steps[run->step].component ||
			 (steps[first->step].component == steps[run->step].component &&
			  first->step < run->step)))
			continue;
		if (can_start(state, run))
			first = run;
	}
	return first;
}

/* ---------------------------------------------------------------------------
 * Steps
 * ---------------------------------------------------------------------------
 */

/* The input an action was given. */
static bool
run_input(const Run *run, JsonbValue *input)
{
	JsonbValue	action;

	if (run->action == NULL)
		return false;
	json_from_jsonb(run->action, &action);
	return json_get(&action, "data", input);
}

/* A run is consumed; what is stored of it goes. */
static void
end_run(BrokerState *state, Run *run)
{
	if (run->stored)
		decide(state, run->state == RUN_WAITING || run->state == RUN_OPEN ?
			   DECIDE_UNWAIT : DECIDE_CLOSE, run);
	run->state = RUN_ENDED;
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
static void
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
				  outcome.error, completion->envelope, completion->input);
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

/* A run failed for good: on_error decides whether the execution does too. */
static void
fail_step(BrokerState *state, Run *run, int64 parent, FailureKind kind,
		  const char *error, const JsonbValue *envelope, const JsonbValue *input)
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
	json_add_text(&meta, "kind", failure_names[kind]);
	if (outcome.recorded)
		json_add(&meta, "transitions", &outcome.meta);
	json_end_object(&meta, &value);
	event->meta = json_to_jsonb(&value);

	if (outcome.departures != NIL)
		depart(state, outcome.departures, run->step, event->event_id);
	else
		fail_execution(state, step, error, event->event_id);
}

/* Renders what the worker will get.  False and *error when a template raises. */
static bool
prepare_action(BrokerState *state, Run *run, const JsonbValue *transition_input,
			   SourceError *error)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	JsonBuilder builder;
	JsonbValue	own;
	JsonbValue	input;
	JsonbValue	action;

	scope_init(&scope, state, step, run->visit, state->now);
	scope.template.keep_unknown = true;
	scope.input = transition_input;
	if (!input_render(&step->input, &scope, &own, error))
		return false;
	input_overlay(&own, transition_input, &input);
	scope.input = &input;
	if (!template_doc_render(step->action, &scope.template, &action, error))
		return false;
	json_begin_object(&builder);
	json_add_members(&builder, &action);
	json_add(&builder, "data", &input);
	json_end_object(&builder, &action);
	run->action = json_to_jsonb(&action);

	run->context = NULL;
	if (step->nraw_roots > 0)
	{
		json_begin_object(&builder);
		for (int i = 0; i < step->nraw_roots; i++)
			if (scope_name(&scope, step->raw_roots[i], &own))
				json_add(&builder, step->raw_roots[i], &own);
		json_end_object(&builder, &own);
		run->context = json_to_jsonb(&own);
	}
	run->max_attempts = retry_max_attempts(step->retry, &scope);
	run->priority = step->priority;
	return true;
}

/* The arrival that let a join go: the newest. */
static int64
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
	Event	   *event;

	memset(&error, 0, sizeof(error));
	if (!prepare_action(state, run, transition_input, &error))
	{
		fail_step(state, run, released_by(run), FAILURE_TEMPLATE,
				  scope_error_text(&error), NULL, transition_input);
		return;
	}
	if (run->stored)
		decide(state, DECIDE_UNWAIT, run);
	event = emit(state, EVENT_STEP_STARTED, step, run->visit, released_by(run));
	run->started_event_id = event->event_id;
	run->released_by = event->parent_event_id;
	run->state = RUN_QUEUED;
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

/* How often a step may run. */
static int
visit_limit(const Step *step)
{
	return step->max_visits > 0 ? step->max_visits : noetl_max_visits;
}

/* A run whose join is complete begins; what needs no worker also ends here. */
static void
start_run(BrokerState *state, Run *run)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	JsonbValue	input;
	JsonbValue	none;
	Completion	completion;
	bool		skipped;
	char	   *error;

	if (run->visit > visit_limit(step))
	{
		fail_step(state, run, released_by(run), FAILURE_MAX_VISITS,
				  psprintf("step visited more than %d times", visit_limit(step)),
				  NULL, NULL);
		return;
	}
	input_of_arrivals(run->arrivals, &input);
	scope_init(&scope, state, step, run->visit, state->now);
	scope.input = &input;
	if (!is_skipped(step, &scope, &skipped, &error))
	{
		fail_step(state, run, released_by(run), FAILURE_CONDITION, error, NULL, &input);
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
static void
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
			decide(state, DECIDE_WAIT, run);
		live = live || run_is_live(run);
	}
	if (!live)
		complete_execution(state, NULL, state->last_event_id);
}

/* ---------------------------------------------------------------------------
 * Incoming events
 * ---------------------------------------------------------------------------
 */

/* The first branch of an execution. */
static void
begin_execution(BrokerState *state, const Event *event)
{
	const Step *entry = &state->playbook->steps[state->playbook->entry];
	Departure	departure;

	memset(&departure, 0, sizeof(departure));
	departure.step = entry->index;
	if (entry->kind == STEP_ROUTER && entry->when == NULL && entry->pass == NULL)
	{
		Completion	completion;
		JsonbValue	none;
		Run		   *run = palloc0(sizeof(Run));

		json_null(&none);
		run->step = entry->index;
		run->visit = 1;
		run->state = RUN_OPEN;
		state->runs = lappend(state->runs, run);
		memset(&completion, 0, sizeof(completion));
		completion.type = EVENT_STEP_COMPLETED;
		completion.parent = event->event_id;
		completion.envelope = &none;
		completion.silent = true;
		complete_step(state, run, &completion);
	}
	else
		arrive(state, &departure, -1, event->event_id);
	settle(state);
}

/* The attempt a worker says it speaks of; 0: it does not say. */
static int
event_attempt(const Event *event)
{
	JsonbValue	meta;
	int64		attempt;

	if (event->meta == NULL)
		return 0;
	json_from_jsonb(event->meta, &meta);
	if (!json_get_int(&meta, "attempt", &attempt) || attempt < 0 || attempt > INT_MAX)
		return 0;
	return (int) attempt;
}

/* Why an event may not speak for a run, or NULL. */
static const char *
stale_reason(const Run *run, const Step *step, const Event *event)
{
	int			visit = node_id_visit(event->node_id, event->execution_id, step->name);
	int			attempt = event_attempt(event);

	if (visit > 0 && visit != run->visit)
		return "another visit of the step is running";
	if (run->state == RUN_WAITING)
		return "the step has not started";
	if (run->state == RUN_LEASED)
	{
		if (event->worker_id != NULL && run->worker_id != NULL &&
			strcmp(event->worker_id, run->worker_id) != 0)
			return "another worker holds the lease";
		if (attempt > 0 && attempt < run->attempts)
			return "a later attempt is running";
		return NULL;
	}
	if (attempt > 0 && attempt <= run->attempts)
		return "this attempt is over";
	if (event->type == EVENT_ACTION_STARTED)
		return NULL;
	if (run->state == RUN_RETRY && run->available_at > event->created_at)
		return "this attempt is over";
	if (run->state == RUN_QUEUED && run->attempts > 0 && event->worker_id != NULL)
		return "the lease was lost";
	return NULL;
}

/* Which attempt has just ended: an unleased run was driven by hand. */
static int
ended_attempt(const Run *run)
{
	return run->state == RUN_LEASED ? Max(run->attempts, 1) : run->attempts + 1;
}

/* action_retry, and the row back into the queue. */
static void
retry_run(BrokerState *state, Run *run, const Step *step, const Event *event,
		  int attempt, double delay)
{
	Event	   *retry = emit(state, EVENT_ACTION_RETRY, step, run->visit, event->event_id);
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_int(&builder, "attempt", attempt);
	json_add_int(&builder, "max_attempts", run->max_attempts);
	json_float(&value, delay);
	json_add(&builder, "delay", &value);
	json_end_object(&builder, &value);
	retry->meta = json_to_jsonb(&value);
	run->attempts = attempt;
	run->available_at = event->created_at + (int64) (delay * USECS_PER_SEC);
	run->state = delay > 0 ? RUN_RETRY : RUN_QUEUED;
	run->worker_id = NULL;
	decide(state, DECIDE_RETRY, run);
}

/* Did the reaper write this event for a lease that ran out? */
static bool
is_lease_expiry(const Event *event)
{
	JsonbValue	meta;
	JsonbValue	flag;

	if (event->meta == NULL)
		return false;
	json_from_jsonb(event->meta, &meta);
	return json_get(&meta, "lease_expired", &flag) &&
		flag.type == jbvBool && flag.val.boolean;
}

/* An attempt ended, well or not: retry, fail or complete. */
static void
end_attempt(BrokerState *state, Run *run, const Step *step, const Event *event,
			bool success)
{
	Scope		scope;
	Completion	completion;
	JsonbValue	envelope;
	JsonbValue	input;
	bool		has_input = run_input(run, &input);
	double		delay = 0;
	RetryVerdict verdict;
	const char *error = event->error;

	if (event->result != NULL)
		json_from_jsonb(event->result, &envelope);
	else
		json_null(&envelope);
	if (!success && error == NULL)
		error = "the action failed";

	scope_init(&scope, state, step, run->visit, state->now);
	scope.is_retry = true;
	scope.response = &envelope;
	scope.success = success;
	scope.error = error;
	scope.attempt = ended_attempt(run);
	scope.input = has_input ? &input : NULL;
	if (is_lease_expiry(event))
		verdict = scope.attempt < run->max_attempts ? RETRY_YES : RETRY_EXHAUSTED;
	else
		verdict = retry_decide(step->retry, &scope, run->max_attempts, &delay);

	if (verdict == RETRY_YES)
		retry_run(state, run, step, event, scope.attempt, delay);
	else if (!success)
		fail_step(state, run, event->event_id, FAILURE_ACTION, error, &envelope,
				  scope.input);
	else if (verdict == RETRY_EXHAUSTED)
		fail_step(state, run, event->event_id, FAILURE_RETRY_EXHAUSTED,
				  psprintf("retry_when still holds after %d attempts", scope.attempt),
				  &envelope, scope.input);
	else
	{
		memset(&completion, 0, sizeof(completion));
		completion.type = EVENT_STEP_COMPLETED;
		completion.parent = event->event_id;
		completion.envelope = &envelope;
		completion.input = scope.input;
		complete_step(state, run, &completion);
	}
}

/* A client ends a step itself, without a worker's action event. */
static void
end_step_by_client(BrokerState *state, Run *run, const Event *event)
{
	Completion	completion;
	JsonbValue	envelope;
	JsonbValue	input;

	if (event->result != NULL)
		json_from_jsonb(event->result, &envelope);
	else
		json_null(&envelope);
	if (event->type == EVENT_STEP_FAILED)
	{
		fail_step(state, run, event->event_id, FAILURE_CLIENT,
				  event->error != NULL ? event->error : "the step failed",
				  &envelope, run_input(run, &input) ? &input : NULL);
		return;
	}
	memset(&completion, 0, sizeof(completion));
	completion.type = event->type;
	completion.parent = event->event_id;
	completion.envelope = &envelope;
	completion.announced = event->type != EVENT_STEP_RESULT;
	if (run_input(run, &input))
		completion.input = &input;
	complete_step(state, run, &completion);
}

/* An event about one step: find its run and do what the event says. */
static void
decide_run_event(BrokerState *state, const Event *event)
{
	const Step *step;
	Run		   *run;
	int			index;
	const char *stale;

	index = event->node_name == NULL ? -1 :
		playbook_find_step(state->playbook, event->node_name, strlen(event->node_name));
	if (index < 0)
	{
		ignore(state, "the playbook has no such step");
		return;
	}
	step = &state->playbook->steps[index];
	run = live_run(state, index);
	stale = run == NULL ? "the step is not running" : stale_reason(run, step, event);
	if (stale != NULL)
	{
		ignore(state, stale);
		return;
	}

	switch (event->type)
	{
		case EVENT_ACTION_STARTED:
			if (run->state != RUN_LEASED)
			{
				run->attempts++;
				run->worker_id = event->worker_id;
				run->state = RUN_LEASED;
				decide(state, DECIDE_LEASE, run);
			}
			return;
		case EVENT_ACTION_COMPLETED:
			end_attempt(state, run, step, event, true);
			break;
		case EVENT_ACTION_ERROR:
			end_attempt(state, run, step, event, false);
			break;
		default:
			end_step_by_client(state, run, event);
			break;
	}
	settle(state);
}

/* A client ends the whole execution. */
static void
end_by_client(BrokerState *state, const Event *event)
{
	const char *status = event->type == EVENT_EXECUTION_COMPLETE ? "COMPLETED" :
		event->type == EVENT_EXECUTION_FAILED ? "FAILED" : "CANCELLED";

	finish(state, status, event->error, event->result,
		   event->type == EVENT_EXECUTION_CANCELLED);
}

/* Takes the event's place in the execution's time. */
static void
set_time(BrokerState *state, const Event *event)
{
	state->now = event->created_at;
	state->time = Max(state->time, event->created_at);
	state->last_event_id = Max(state->last_event_id, event->event_id);
}

/* See broker.h. */
void
broker_refuse(BrokerState *state, const Event *event, const char *reason)
{
	Event	   *failure;
	JsonBuilder builder;
	JsonbValue	result;

	set_time(state, event);
	failure = emit(state, EVENT_EXECUTION_FAILED, NULL, 0, event->event_id);
	json_begin_object(&builder);
	json_add_text(&builder, "reason", reason);
	json_end_object(&builder, &result);
	failure->result = json_to_jsonb(&result);
	failure->error = psprintf("execution could not start: %s", reason);
	finish(state, "FAILED", failure->error, failure->result, false);
}

/* See broker.h. */
void
broker_decide(BrokerState *state, const Event *event)
{
	set_time(state, event);

	switch (event->type)
	{
		case EVENT_EXECUTION_START:
			if (!state->finished)
				begin_execution(state, event);
			return;
		case EVENT_EXECUTION_COMPLETE:
		case EVENT_EXECUTION_FAILED:
		case EVENT_EXECUTION_CANCELLED:
			if (state->finished)
				ignore(state, "the execution is over");
			else
				end_by_client(state, event);
			return;
		case EVENT_ACTION_STARTED:
		case EVENT_ACTION_COMPLETED:
		case EVENT_ACTION_ERROR:
		case EVENT_STEP_RESULT:
		case EVENT_STEP_COMPLETED:
		case EVENT_STEP_FAILED:
		case EVENT_STEP_SKIPPED:
			if (state->finished)
				ignore(state, "the execution is over");
			else
				decide_run_event(state, event);
			return;
		case EVENT_STEP_STARTED:
		case EVENT_ACTION_RETRY:
		case EVENT_SAVE:
		case EVENT_ITERATION:
		case EVENT_OTHER:
			return;
	}
}
