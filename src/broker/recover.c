/*
 * broker/recover.c
 *		After a failure: runs are held, or remembered when their execution ends, and
 *		resumed later.
 *
 *		fail_step ───── on_error: hold ──> step_held; the run is at rest
 *		end_execution ── not completed ──> DECIDE_STOP: a copy of the run is at rest
 *
 *		at rest ── step_resumed, execution_redriven ──> resume_run
 *		             ├ its task is rendered and enqueued again
 *		             ├ its child execution is resumed
 *		             └ the items of its iterator that have not completed start again
 *
 * A run at rest keeps its step_started, and its arrivals hold its input.  The number
 * of its attempts never falls, so that what a worker reports of an earlier attempt is
 * known as late; new attempts are counted from attempts_before on.
 */
#include "common/common.h"

#include "broker/input.h"
#include "broker/internal.h"

#define ATTEMPTS_BEFORE	"attempts_before"

/* Finds the context of a run; an empty object when it has none. */
static void
run_context(const Run *run, JsonbValue *context)
{
	JsonBuilder empty;

	if (run->context != NULL)
	{
		json_from_jsonb(run->context, context);
		return;
	}
	json_begin_object(&empty);
	json_end_object(&empty, context);
}

/* Returns an integer of the context of a run; 0: it is not there. */
static int64
context_int(const Run *run, const char *key)
{
	JsonbValue	context;
	int64		number;

	run_context(run, &context);
	return json_get_int(&context, key, &number) ? number : 0;
}

/* Returns how many attempts a run had made before it was given new ones. */
int
attempts_before(const Run *run)
{
	if (run->is_task || run->attempts_before > 0 || run->attempts == 0)
		return run->attempts_before;
	return (int) context_int(run, ATTEMPTS_BEFORE);
}

/* Adds that number to the context of a run that is no task. */
void
add_attempts_before(const Run *run, JsonBuilder *context)
{
	if (run->attempts_before > 0)
		json_add_int(context, ATTEMPTS_BEFORE, run->attempts_before);
}

/* Gives a run new attempts, counted from those it has made. */
static void
renew_attempts(Run *run)
{
	JsonBuilder builder;
	JsonbValue	context;

	run->attempts_before = run->attempts;
	run_context(run, &context);
	json_begin_object(&builder);
	json_add_members(&builder, &context);
	add_attempts_before(run, &builder);
	json_end_object(&builder, &context);
	run->context = json_to_jsonb(&context);
}

/* ---------------------------------------------------------------------------
 * Runs come to rest
 * ---------------------------------------------------------------------------
 */

/* Returns the one arrival that stands for all of a run: its input and its lineage. */
static List *
single_arrival(BrokerState *state, Run *run, const JsonbValue *input, int64 event_id)
{
	Arrival    *arrival = palloc0(sizeof(Arrival));

	arrival->from = -1;
	arrival->visit = 1;
	arrival->event_id = event_id;
	arrival->lineage = lineage_of(state, run);
	arrival->has_data = input != NULL;
	if (input != NULL)
		arrival->data = *input;
	return list_make1(arrival);
}

/*
 * Brings a run to rest.  A task becomes a run without a task: the input it was given
 * becomes its arrival, and of its context there remains the result that it was to save.
 */
static void
rest(BrokerState *state, Run *run)
{
	const Step *step = &state->playbook->steps[run->step];
	JsonBuilder builder;
	JsonbValue	context;
	JsonbValue	input;
	JsonbValue	value;
	bool		has_input = run_input(run, &input);

	if (run->arrivals == NIL)
		run->arrivals = single_arrival(state, run, has_input ? &input : NULL,
									   run->started_event_id != 0 ?
									   run->started_event_id : state->last_event_id);
	if (!run->is_task)
		return;
	run_context(run, &context);
	json_begin_object(&builder);
	if (has_input)
		json_add(&builder, "data", &input);
	if ((is_open_step(step) || step->kind == STEP_SQL) && json_get(&context, "this", &value))
		json_add(&builder, "this", &value);
	json_end_object(&builder, &context);
	run->context = json_to_jsonb(&context);
	run->attempts = ended_lease(run);
	run->lost = 0;
	run->is_task = false;
	run->type = NULL;
}

/* Returns whether a failure holds its run instead of failing the execution. */
bool
holds_failure(BrokerState *state, const Run *run, const StepFailure *failure)
{
	/* a client fails for good what is held; the transitions of what is skipped do not */
	if (run->state == RUN_HELD && failure->kind == FAILURE_CLIENT)
		return false;
	switch (state->playbook->steps[run->step].on_error)
	{
		case ON_ERROR_HOLD:
			return true;
		case ON_ERROR_DEFAULT:
			return state->values.holds_by_default(state->values.arg);
		default:
			return false;
	}
}

/* Holds a run that has failed: it stays live until it is resumed, skipped or failed. */
void
hold_run(BrokerState *state, Run *run, const StepFailure *failure)
{
	Event	   *event;
	JsonBuilder builder;
	JsonbValue	meta;

	if (run->is_task && run->stored)
		decision_add(state, DECIDE_CLOSE, run);
	if (run->is_task)
	{
		rest(state, run);
		run->stored = false;
		run->kept = false;
	}
	else
		rest(state, run);
	event = emit(state, EVENT_STEP_HELD, &state->playbook->steps[run->step], run->visit,
				 failure->parent);
	event->error = failure->error;
	if (failure->envelope != NULL)
		event->result = json_to_jsonb(failure->envelope);
	json_begin_object(&builder);
	json_add_text(&builder, "kind", failure_name(failure->kind));
	if (failure->tried != NULL)
		json_add(&builder, "transitions", failure->tried);
	json_end_object(&builder, &meta);
	event->meta = json_to_jsonb(&meta);
	run->state = RUN_HELD;
	run->at_once = false;
	run->restart = false;
	decision_add(state, DECIDE_KEEP, run);
}

/*
 * Remembers a live run of an execution that ends without being completed, for a
 * redrive; failed: it is the one that failed.
 */
void
stop_run(BrokerState *state, Run *run, bool failed)
{
	Run		   *stopped = palloc(sizeof(Run));

	*stopped = *run;
	stopped->arrivals = list_copy(run->arrivals);
	stopped->failed = failed || run->state == RUN_HELD;
	if (failed || run->state != RUN_WAITING)
	{
		rest(state, stopped);
		stopped->state = RUN_HELD;
		stopped->at_once = false;
	}
	stopped->restart = false;
	decision_add(state, DECIDE_STOP, stopped);
}

/* ---------------------------------------------------------------------------
 * Runs are resumed
 * ---------------------------------------------------------------------------
 */

/*
 * Lays an input over that of a run at rest: what transitions gave to it, and (its context)
 * what it began with, which counts where it does not begin anew.
 */
static void
lay_input(BrokerState *state, Run *run, const JsonbValue *input, int64 cause)
{
	JsonbValue	below;
	JsonbValue	context;
	JsonbValue	value;
	JsonbValue *all = palloc(sizeof(JsonbValue));
	JsonBuilder builder;

	if (input == NULL)
		return;
	all_arrivals(state, run);
	input_of_arrivals(run->arrivals, &below);
	input_overlay(&below, input, all);
	run->arrivals = single_arrival(state, run, all, cause);
	run->rewritten = true;
	if (!run_input(run, &below) || !json_is_object(&below))
		return;
	run_context(run, &context);
	input_overlay(&below, input, &value);
	json_begin_object(&builder);
	json_add_members(&builder, &context);
	json_add(&builder, "data", &value);
	json_end_object(&builder, &context);
	run->context = json_to_jsonb(&context);
}

/* Opens a run again; its timeout begins anew. */
static void
reopen(BrokerState *state, Run *run)
{
	renew_attempts(run);
	run->timeout = context_int(run, "timeout");
	open_run(state, run);
}

/* Decides that a child of a reopened run is resumed; 0: all that its worker started. */
static void
redrive_child(BrokerState *state, Run *run, int64 execution_id)
{
	ChildStart *child = palloc0(sizeof(ChildStart));

	child->execution_id = execution_id;
	child->parent_event_id = run->started_event_id;
	child->item = -1;
	decision_add(state, DECIDE_REDRIVE_CHILD, run)->child = child;
}

/* Returns the child of a run at rest that can be resumed; 0: there is none. */
static int64
resumable_child(BrokerState *state, const Run *run, int64 cause)
{
	int64		child = context_int(run, "child_execution_id");

	return child == 0 || state->values.child_gone(state->values.arg, child, cause) ? 0 : child;
}

/*
 * Returns whether a run at rest, whose task is done, can go on waiting for what its
 * worker has started: all children that are not done can be resumed.
 */
static bool
can_await_spawned(BrokerState *state, const Run *run, int64 cause)
{
	return !state->values.spawned_gone(state->values.arg, state->execution_id,
										 run->started_event_id, cause);
}

/* Opens a wait again that was withdrawn: it ends at the time that it was to end. */
static void
reopen_wait(BrokerState *state, Run *run)
{
	JsonbValue	context;
	TimestampTz until;
	char	   *text;
	char	   *error = NULL;

	run_context(run, &context);
	text = json_get_text(&context, "until");
	run->timeout = context_int(run, "timeout");
	run->state = RUN_AWAITING;
	run->deadline = 0;
	if (text != NULL && moment_parse(text, NULL, &until, &error))
		run->deadline = until;
	if (run->timeout > 0 &&
		(run->deadline == 0 || state->time + run->timeout < run->deadline))
		run->deadline = state->time + run->timeout;
	decision_add(state, DECIDE_KEEP, run);
}

/* Saves again what the children or the statement of a run have done. */
static void
resume_save(BrokerState *state, Run *run, const JsonbValue *envelope)
{
	const Step *step = &state->playbook->steps[run->step];
	int			attempts = run->attempts;
	JsonbValue	input;
	Scope		scope;

	scope_init(&scope, state, step, run, state->now);
	if (run_input(run, &input))
		scope.input = &input;
	start_save(state, run, step, &scope, envelope);
	run->attempts = attempts;
	run->attempts_before = attempts;
	run->max_attempts += attempts;
}

/*
 * Gives a run at rest new attempts, which settle() begins.  What its children or its
 * items have completed stays, unless it begins anew.  A child that has compensated,
 * or had not begun, is replaced by another one; if a worker had started it, by another
 * attempt of the task.
 * input: is laid over that of the run, or NULL.
 */
static void
resume_run(BrokerState *state, Run *run, const JsonbValue *input, bool anew, int64 cause)
{
	const Step *step = &state->playbook->steps[run->step];
	JsonbValue	context;
	JsonbValue	envelope;
	int64		child;
	bool		saved;

	lay_input(state, run, input, cause);
	run_context(run, &context);
	saved = json_get(&context, "this", &envelope);
	if (run->started_event_id == 0)
	{
		run->state = RUN_WAITING;
		run->at_once = true;
	}
	else if (saved && step->saves == NULL && (is_open_step(step) || step->kind == STEP_SQL))
	{
		if (step->save_action != NULL)
			resume_save(state, run, &envelope);
		else
		{
			reopen(state, run);
			conclude_saved(state, run, &envelope, cause);
		}
	}
	else if (saved && step->kind == STEP_ACTION && can_await_spawned(state, run, cause))
	{
		reopen(state, run);
		redrive_child(state, run, 0);
	}
	else if (!anew && !run->failed && step->kind == STEP_WAIT)
		reopen_wait(state, run);
	else if (!anew && !saved && step->kind == STEP_ITERATOR)
	{
		reopen(state, run);
		end_attempt(state, run, resume_iterator(state, run, cause));
	}
	else if (!anew && !saved && step->kind == STEP_PLAYBOOK &&
			 (child = resumable_child(state, run, cause)) != 0)
	{
		reopen(state, run);
		redrive_child(state, run, child);
	}
	else
	{
		if (step->kind != STEP_ACTION)
			run->attempts++;	/* that of a task is counted already */
		renew_attempts(run);
		run->restart = true;
	}
}

/* Finds the input that an event gives to the runs it resumes; false: it gives none. */
static bool
given_input(const Event *event, JsonbValue *input)
{
	JsonbValue	context;

	if (event->context == NULL)
		return false;
	json_from_jsonb(event->context, &context);
	return json_get(&context, "data", input) && json_is_object(input);
}

/* step_resumed: resumes a held run; with another input it begins anew. */
void
resume_by_event(BrokerState *state, Run *run, const Event *event)
{
	JsonbValue	input;
	bool		given = given_input(event, &input);

	run->failed = true;
	resume_run(state, run, given ? &input : NULL, given, event->event_id);
}

/*
 * execution_redriven: resumes the runs that the end of the execution has stopped.  An
 * input is for those that failed, or for all where none did, also those that wait.
 */
void
redrive_runs(BrokerState *state, const Event *event)
{
	List	   *runs = list_copy(state->runs);
	bool		any_failed = false;
	JsonbValue	input;
	bool		given = given_input(event, &input);
	ListCell   *lc;

	decision_add(state, DECIDE_REDRIVE, NULL)->drive = state->drive;
	foreach(lc, runs)
		any_failed = any_failed || ((Run *) lfirst(lc))->failed;
	foreach(lc, runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->state == RUN_HELD)
			resume_run(state, run, given && run->failed == any_failed ? &input : NULL, false,
					   event->event_id);
		else
		{
			lay_input(state, run, given && !any_failed ? &input : NULL, event->event_id);
			run->changed = true;
		}
	}
}
