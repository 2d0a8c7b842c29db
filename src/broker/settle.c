/*
 * broker/settle.c
 *		Runs that can start are started, one after the other, until none is left.
 *
 *		arrivals ──> a run waits ── nothing live reaches it ──> it starts
 *		     ^                                                    │
 *		     └── branches <── routers, skipped steps, failures ───┘
 *
 * Everything else that is decided leaves waiting runs and marked runs behind;
 * this loop is the only place that starts them.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/input.h"
#include "broker/internal.h"

/*
 * Evaluates "when" and "pass": *skipped says whether the step is not done.
 * False and *error when "when" raises.  A "pass" that raises counts as false, and
 * *pass_error says why.
 */
static bool
find_skipped(const Step *step, Scope *scope, bool *skipped, char **pass_error, char **error)
{
	bool		holds;

	*skipped = false;
	*pass_error = NULL;
	if (step->when != NULL)
	{
		if (!condition_holds(step->when, scope, &holds, error))
			return false;
		*skipped = !holds;
	}
	if (!*skipped && step->pass != NULL)
	{
		if (condition_holds(step->pass, scope, &holds, pass_error))
			*skipped = holds;
	}
	return true;
}

/*
 * Notes in the first event of a step that was emitted since the list of decisions had a
 * length why a condition of the step, such as "pass", could not be evaluated.
 */
void
record_condition_error(BrokerState *state, const Step *step, int since, const char *key,
					   const char *error)
{
	for (int i = since; i < list_length(state->decisions); i++)
	{
		const Decision *decision = (Decision *) list_nth(state->decisions, i);
		JsonBuilder builder;
		JsonbValue	value;

		if (decision->kind != DECIDE_EMIT || decision->event->node_name == NULL ||
			strcmp(decision->event->node_name, step->name) != 0)
			continue;
		json_begin_object(&builder);
		if (decision->event->meta != NULL)
		{
			json_from_jsonb(decision->event->meta, &value);
			json_add_members(&builder, &value);
		}
		json_add_text(&builder, key, error);
		json_end_object(&builder, &value);
		decision->event->meta = json_to_jsonb(&value);
		return;
	}
}

/* Begins an attempt of a run; what ends at once is ended here. */
static void
begin_attempt(BrokerState *state, Run *run, const JsonbValue *input)
{
	if (resume_after_work(state, run))
		return;
	switch (state->playbook->steps[run->step].kind)
	{
		case STEP_ACTION:
			start_action(state, run, input);
			break;
		case STEP_PLAYBOOK:
			start_playbook(state, run, input);
			break;
		case STEP_SAVE:
			end_attempt(state, run, start_save_step(state, run, input));
			break;
		case STEP_SQL:
			end_attempt(state, run, start_sql_step(state, run, input));
			break;
		case STEP_ITERATOR:
			end_attempt(state, run, start_iterator(state, run, input));
			break;
		case STEP_WAIT:
			start_wait(state, run, input);
			break;
		case STEP_ROUTER:
		case STEP_NOOP:
		case STEP_END:
			elog(ERROR, "step %d has no attempts", run->step);
	}
}

/* Completes a run that has nothing to do. */
static void
complete_idle(BrokerState *state, Run *run, const JsonbValue *input, bool skipped)
{
	Completion	completion;
	JsonbValue	none;

	json_null(&none);
	memset(&completion, 0, sizeof(completion));
	completion.type = skipped ? EVENT_STEP_SKIPPED : EVENT_STEP_COMPLETED;
	completion.parent = released_by(run);
	completion.envelope = &none;
	completion.write_result = true;
	completion.input = input;
	complete_step(state, run, &completion);
}

/* Starts a run; a step that needs no worker also ends here. */
static void
start_run(BrokerState *state, Run *run)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	JsonbValue	input;
	bool		skipped;
	char	   *error;
	char	   *pass_error;
	int			since = list_length(state->decisions);

	all_arrivals(state, run);
	if (state->notes_started)
		state->started = lappend(state->started, run);
	if (step->compensates < 0 &&
		!state->values.allows_visit(state->values.arg, run->visit, step->max_visits))
	{
		fail_start(state, run, FAILURE_MAX_VISITS,
				   psprintf("step visited more than %d times", run->visit - 1), NULL);
		return;
	}
	input_of_arrivals(run->arrivals, &input);
	scope_init(&scope, state, step, run, state->now);
	scope.input = &input;
	scope.members = &input;
	if (!find_skipped(step, &scope, &skipped, &pass_error, &error))
		fail_start(state, run, FAILURE_CONDITION, error, &input);
	else if (skipped || step->kind == STEP_ROUTER || step->kind == STEP_NOOP)
		complete_idle(state, run, &input, skipped);
	else if (step->kind == STEP_END)
		complete_execution(state, run, released_by(run));
	else
		begin_attempt(state, run, &input);
	if (pass_error != NULL)
		record_condition_error(state, step, since, "pass_error", pass_error);
}

/* Begins the next attempt of an open run. */
static void
restart_run(BrokerState *state, Run *run)
{
	JsonbValue	input;

	run->restart = false;
	run->attempts_before = attempts_before(run);
	all_arrivals(state, run);
	input_of_arrivals(run->arrivals, &input);
	begin_attempt(state, run, &input);
}

/* Returns whether the execution has a live run. */
static bool
any_live(BrokerState *state)
{
	ListCell   *lc;

	foreach(lc, state->runs)
		if (run_is_live((Run *) lfirst(lc)))
			return true;
	if (!state->more_tasks)
		return false;
	all_runs(state);
	return any_live(state);
}

/*
 * Starts what can start, keeps what must wait, and completes the execution when
 * nothing is live any more.  Comes after every change.
 */
void
settle(BrokerState *state)
{
	Run		   *run;
	ListCell   *lc;

	while (!state->finished && (run = next_to_start(state)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (run->restart)
			restart_run(state, run);
		else
			start_run(state, run);
	}
	if (state->finished)
		return;
	foreach(lc, state->runs)
	{
		run = (Run *) lfirst(lc);
		if (run->state == RUN_WAITING && run->changed)
			decision_add(state, DECIDE_KEEP, run);
	}
	if (any_live(state))
		return;
	complete_execution(state, NULL, state->last_event_id);
	if (!state->finished)
		settle(state);			/* its mapping has failed: it compensates */
}
