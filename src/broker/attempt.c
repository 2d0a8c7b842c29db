/*
 * broker/attempt.c
 *		An attempt has ended: the retry policy is asked, and what it does not
 *		repeat ends its run, or its item.
 *
 *		end_attempt ── repeated ──> action_retry; a task goes back into the
 *		     │                      queue, an open run is marked for settle()
 *		     ├── lease lost ──────> a task goes back into the queue, as the same
 *		     │                      attempt
 *		     ├── of an item ──────> end_item(), which may end the attempt of the
 *		     │                      iterator: then that is asked, too
 *		     └── of a run ────────> complete_step() or fail_step()
 */
#include "common/common.h"

#include <math.h>

#include "broker/internal.h"

/* Returns which lease has just ended: a run without lease was driven by hand. */
int
ended_lease(const Run *run)
{
	return run->state == RUN_LEASED ? Max(run->attempts, 1) : run->attempts + 1;
}

/* Returns which attempt has just ended, as the retry policy counts: without lost leases. */
static int
ended_attempt(const Run *run)
{
	return Max(ended_lease(run) - run->lost, 1);
}

/*
 * Returns whether what a step does is kept when its saves in the database fail: what children,
 * items or a statement have done is not done again.
 */
static bool
keeps_work(const Step *step)
{
	return is_open_step(step) || step->kind == STEP_SQL;
}

/* Notes what a run has done whose saves have failed: further attempts are about these. */
static void
note_work_done(Run *run, const JsonbValue *envelope)
{
	JsonBuilder builder;
	JsonbValue	context;

	json_begin_object(&builder);
	if (run->context != NULL)
	{
		json_from_jsonb(run->context, &context);
		json_add_members(&builder, &context);
	}
	json_add(&builder, "this", envelope);
	json_end_object(&builder, &context);
	run->context = json_to_jsonb(&context);
}

/*
 * Begins an attempt of a run whose work has been done, if it has: only its saves are left
 * (broker/internal.h).
 */
bool
resume_after_work(BrokerState *state, Run *run)
{
	const Step *step = &state->playbook->steps[run->step];
	AttemptEnd	end = {NULL, true};
	JsonbValue	context;
	JsonbValue	envelope;
	Event	   *done;

	if (!keeps_work(step) || run->context == NULL || run->started_event_id == 0)
		return false;
	json_from_jsonb(run->context, &context);
	if (!json_get(&context, "this", &envelope))
		return false;
	done = palloc0(sizeof(Event));
	done->type = EVENT_ACTION_COMPLETED;
	done->execution_id = state->execution_id;
	done->event_id = run->started_event_id;
	done->created_at = state->time;
	done->item = -1;
	done->result = json_to_jsonb(&envelope);
	run->state = RUN_OPEN;
	end.event = done;
	end_attempt(state, run, end);
	return true;
}

/* Returns what an attempt does: the step, or what its iterator does for an item. */
static const Step *
task_of(const BrokerState *state, const Run *run)
{
	const Step *step = &state->playbook->steps[run->step];

	return run->item >= 0 ? step->iterator->body : step;
}

/*
 * Emits action_retry and has the attempt repeated after a delay in seconds.  A
 * task goes back into the queue.  An open run begins again: when its time comes,
 * or when settle() finds it marked.  saved: its saves have failed.
 */
static void
retry_run(BrokerState *state, Run *run, const Event *event, double delay, bool saved)
{
	const Step *step = &state->playbook->steps[run->step];
	Event	   *retry = emit_item(state, EVENT_ACTION_RETRY, step, run->visit, run->item,
								  event->event_id);
	JsonBuilder builder;
	JsonbValue	value;

	if (retry->recalled != NULL)
		delay = retry->recalled->delay;
	json_begin_object(&builder);
	json_add_int(&builder, "attempt", ended_attempt(run));
	json_add_int(&builder, "max_attempts", run->max_attempts);
	json_float(&value, delay);
	json_add(&builder, "delay", &value);
	json_end_object(&builder, &value);
	retry->meta = json_to_jsonb(&value);
	run->attempts = ended_lease(run);
	run->available_at = event->created_at + (int64) rint(delay * USECS_PER_SEC);
	run->worker_id = NULL;
	if (run->is_task)
	{
		run->state = delay > 0 ? RUN_RETRY : RUN_QUEUED;
		decision_add(state, DECIDE_RETRY, run);
	}
	else if (delay > 0 || saved || step->kind == STEP_SAVE || step->kind == STEP_SQL)
	{
		run->state = RUN_RETRY; /* SQL that fails at once must not loop here */
		decision_add(state, DECIDE_KEEP, run);
	}
	else
		run->restart = true;
}

/*
 * Puts a task whose lease was lost back into the queue.  The attempt goes on, and its
 * deadline stays; the lease is counted, so that its former holder is told apart from
 * the next one.
 */
static void
requeue_run(BrokerState *state, Run *run)
{
	run->attempts = ended_lease(run);
	run->lost++;
	run->available_at = 0;
	run->worker_id = NULL;
	run->state = RUN_QUEUED;
	decision_add(state, DECIDE_RETRY, run);
}

/*
 * Finds the result that a task saved which does nothing but save what children
 * or a statement have done: the result of its step is not what the save returned.
 * False: the task is another one.
 */
static bool
saved_result(const Run *run, const Step *task, JsonbValue *envelope, int64 *child)
{
	JsonbValue	context;

	*child = 0;
	if (!run->is_task || (!is_open_step(task) && task->kind != STEP_SQL) || run->context == NULL)
		return false;
	json_from_jsonb(run->context, &context);
	(void) json_get_int(&context, "child_execution_id", child);
	return json_get(&context, "this", envelope);
}

/* Ends an item whose attempt is not repeated; returns the end of the iterator's. */
static AttemptEnd
conclude_item(BrokerState *state, Run *run, const AttemptOutcome *outcome)
{
	JsonbValue	saved;
	JsonbValue	value;
	ItemEnd		item;

	memset(&item, 0, sizeof(item));
	item.index = run->item;
	item.success = outcome->success;
	item.error = outcome->error;
	item.parent = outcome->event->event_id;
	result_value(saved_result(run, task_of(state, run), &saved, &item.child_execution_id) ?
				 &saved : outcome->envelope, &value);
	item.value = &value;
	decision_add(state, DECIDE_CLOSE, run);
	run->state = RUN_ENDED;
	return end_item(state, live_run(state, run->step, run->visit), &item);
}

/* Ends a run whose attempt is not repeated, unless work follows from the attempt. */
static void
conclude_run(BrokerState *state, Run *run, const AttemptOutcome *outcome)
{
	const Step *step = &state->playbook->steps[run->step];
	JsonbValue	saved;
	int64		child;
	bool		was_save = saved_result(run, step, &saved, &child);
	Completion	completion;

	if (!outcome->success)
	{
		StepFailure failure = {outcome->kind, outcome->event->event_id, outcome->error,
		outcome->envelope, outcome->input, NULL};

		fail_step(state, run, &failure);
		return;
	}
	if (step->kind == STEP_ACTION &&
		state->values.has_children(state->values.arg, run->started_event_id))
	{
		run->attempts = ended_attempt(run) - 1;
		run->lost = 0;
		await_spawned(state, run, outcome);
		return;
	}
	if (!run->is_task && step->save_action != NULL)
	{
		Scope		scope;

		scope_init(&scope, state, step, run, state->now);
		scope.input = outcome->input;
		start_save(state, run, step, &scope, outcome->envelope);
		return;
	}
	memset(&completion, 0, sizeof(completion));
	completion.type = EVENT_STEP_COMPLETED;
	completion.parent = outcome->event->event_id;
	completion.envelope = was_save ? &saved : outcome->envelope;
	completion.write_result = was_save || step->kind == STEP_SAVE;
	completion.input = outcome->input;
	complete_step(state, run, &completion);
}

/*
 * Ends a run at rest that has nothing left to do but a save, where the step has none for a
 * worker in the version that the execution goes on with (broker/internal.h): the database
 * saves, or nobody.
 */
void
conclude_saved(BrokerState *state, Run *run, const JsonbValue *envelope, int64 cause)
{
	const Step *step = &state->playbook->steps[run->step];
	AttemptOutcome outcome;
	Completion	completion;
	Event		event;
	JsonbValue	input;
	JsonbValue	saved;

	memset(&event, 0, sizeof(event));
	event.event_id = cause;
	memset(&outcome, 0, sizeof(outcome));
	outcome.event = &event;
	outcome.success = true;
	outcome.envelope = envelope;
	if (run_input(run, &input))
		outcome.input = &input;
	if (step->saves != NULL && !save_attempt(state, run, &outcome, &saved, &outcome.error))
	{
		StepFailure failure = {FAILURE_SAVE, cause, outcome.error, envelope, outcome.input, NULL};

		fail_step(state, run, &failure);
		return;
	}
	memset(&completion, 0, sizeof(completion));
	completion.type = EVENT_STEP_COMPLETED;
	completion.parent = cause;
	completion.envelope = envelope;
	completion.write_result = true;
	completion.input = outcome.input;
	complete_step(state, run, &completion);
}

/*
 * Asks the retry policy about the attempt that a scope knows of.  *policy_error: why it
 * could not be asked, or NULL.
 */
static RetryVerdict
ask_policy(const BrokerState *state, const Run *run, Scope *scope, double *delay,
		   const char **policy_error)
{
	RetryAttempt attempt;
	RetryVerdict verdict;
	SourceError error;

	attempt.scope = &scope->template;
	attempt.number = scope->attempt;
	attempt.success = scope->success;
	attempt.jitter = state->jitter;
	verdict = retry_decide(task_of(state, run)->retry, &attempt,
						   run->max_attempts - attempts_before(run), delay, &error);
	*policy_error = error.message != NULL ? scope_error_text(&error) : NULL;
	return verdict;
}

/*
 * Returns whether a run goes on although no worker has ended its attempt: a task whose
 * lease was lost does, until that has happened too often.  The retry policy has no say.
 */
static RetryVerdict
judge_lost(const BrokerState *state, const Run *run, AttemptOutcome *outcome)
{
	const Step *step = &state->playbook->steps[run->step];

	if (event_is_reaped(outcome->event, REAPED_QUEUE))
	{
		outcome->kind = FAILURE_QUEUE_TIMEOUT;
		return RETRY_NO;
	}
	outcome->kind = FAILURE_LEASE_EXPIRED;
	return run->is_task && run->lost < outcome->event->max_lost &&
		!step->fails_when_lost && !task_of(state, run)->fails_when_lost ? RETRY_YES : RETRY_NO;
}

/*
 * Returns whether an attempt is repeated, and *delay after how many seconds.  An
 * attempt that is not repeated is saved, and that may fail it: then the policy
 * is asked again.
 */
static RetryVerdict
judge(BrokerState *state, Run *run, AttemptOutcome *outcome, JsonbValue *saved, double *delay)
{
	const Step *step = &state->playbook->steps[run->step];
	const Step *task = task_of(state, run);
	RetryVerdict verdict;
	Scope		scope;
	JsonbValue	earlier;
	JsonbValue	names;
	JsonbValue	outer;
	int64		child;

	*delay = 0;
	if (event_is_reaped(outcome->event, REAPED_LEASE) ||
		event_is_reaped(outcome->event, REAPED_QUEUE))
		return judge_lost(state, run, outcome);
	scope_init(&scope, state, step, run, state->now);
	scope.is_retry = true;
	scope.response = outcome->envelope;
	scope.envelope = outcome->envelope;
	scope.success = outcome->success;
	scope.error = outcome->error;
	scope.attempt = ended_attempt(run) - attempts_before(run);
	scope.input = outcome->input;
	scope.members = outcome->input;
	if (run->item >= 0)
		see_item(run, &scope, &names, &outer);
	if (!run->is_task)
		run->max_attempts = retry_max_attempts(task->retry, &scope.template) +
			attempts_before(run);
	if (step->kind == STEP_SAVE)
		verdict = RETRY_NO;		/* it has not saved anything yet */
	else
		verdict = ask_policy(state, run, &scope, delay, &outcome->policy_error);
	/* a worker that has saved already had its task from another version */
	if (outcome->success && verdict == RETRY_NO && task->saves != NULL &&
		!saved_result(run, task, &earlier, &child) &&
		!save_attempt(state, run, outcome, saved, &outcome->error))
	{
		outcome->success = false;
		outcome->kind = FAILURE_SAVE;
		if (run->item < 0 && keeps_work(step))
			note_work_done(run, outcome->envelope);
		scope.success = false;
		scope.error = outcome->error;
		verdict = ask_policy(state, run, &scope, delay, &outcome->policy_error);
	}
	return verdict;
}

/* Fills in what is known of an attempt that an event has ended. */
static void
outcome_init(AttemptOutcome *outcome, const AttemptEnd *end, JsonbValue *envelope)
{
	const Event *event = end->event;

	memset(outcome, 0, sizeof(AttemptOutcome));
	outcome->event = event;
	outcome->success = end->success;
	outcome->kind = event_is_reaped(event, REAPED_TIMEOUT) ?
		FAILURE_TIMED_OUT : FAILURE_ACTION;
	outcome->error = event->error;
	if (!outcome->success && outcome->error == NULL)
		outcome->error = "the action failed";
	if (event->result != NULL)
		json_from_jsonb(event->result, envelope);
	else
		json_null(envelope);
	outcome->envelope = envelope;
}

/* Ends one attempt; returns the end of the iterator's, if this was an item's. */
static AttemptEnd
end_one_attempt(BrokerState *state, Run *run, const AttemptEnd *end)
{
	const Step *step = &state->playbook->steps[run->step];
	AttemptEnd	next = {NULL, false};
	AttemptOutcome outcome;
	JsonbValue	envelope;
	JsonbValue	input;
	JsonbValue	saved;
	double		delay;
	RetryVerdict verdict;
	int			since;

	outcome_init(&outcome, end, &envelope);
	if (run_input(run, &input))
		outcome.input = &input;
	verdict = judge(state, run, &outcome, &saved, &delay);
	if (verdict == RETRY_YES)
	{
		if (event_is_reaped(end->event, REAPED_LEASE))
			requeue_run(state, run);
		else
		{
			run->deadline = 0;
			retry_run(state, run, end->event, delay, outcome.kind == FAILURE_SAVE);
		}
		return next;
	}
	if (outcome.success && verdict == RETRY_EXHAUSTED)
	{
		outcome.success = false;
		outcome.kind = FAILURE_RETRY_EXHAUSTED;
		outcome.error = psprintf("retry_when still holds after %d attempts",
								 ended_attempt(run));
	}
	if (outcome.success && step->kind == STEP_SAVE)
		outcome.envelope = &saved;
	since = list_length(state->decisions);
	if (run->item >= 0)
		next = conclude_item(state, run, &outcome);
	else
		conclude_run(state, run, &outcome);
	if (outcome.policy_error != NULL)
		record_condition_error(state, step, since, "retry_error", outcome.policy_error);
	return next;
}

/*
 * Repeats an attempt of a run or of an item that has ended, or ends the run.  The
 * last item of an iterator also ends the attempt of the iterator's run.
 */
void
end_attempt(BrokerState *state, Run *run, AttemptEnd end)
{
	while (end.event != NULL)
	{
		end = end_one_attempt(state, run, &end);
		if (end.event != NULL)
			run = live_run(state, run->step, run->visit);
	}
}
