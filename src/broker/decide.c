/*
 * broker/decide.c
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
#include "common/common.h"

#include <math.h>

#include "broker/internal.h"
#include "broker/input.h"
#include "broker/retry.h"
#include "broker/scope.h"
#include "playbook/playbook.h"

/* Decides that the incoming event has no effect, and says why. */
static void
ignore(BrokerState *state, const char *reason)
{
	decide(state, DECIDE_IGNORE, NULL)->reason = reason;
}

/* The first branch of an execution. */
static void
begin_execution(BrokerState *state, const Event *event)
{
	const Step *entry = &state->playbook->steps[state->playbook->entry];
	Departure	departure;

	memset(&departure, 0, sizeof(departure));
	departure.step = entry->index;
	if (is_silent_entry(state->playbook, entry))
	{
		Completion	completion;
		JsonbValue	none;
		Run		   *run = run_make(entry->index, 1, RUN_OPEN);

		json_null(&none);
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

/* Why an event may not speak for a run, or NULL. */
static const char *
stale_reason(const Run *run, const Event *event)
{
	int			attempt = event->attempt;

	if (event->visit > 0 && event->visit != run->visit)
		return "another visit of the step is running";
	if (run->state == RUN_WAITING)
		return "the step has not started";
	if (!run->is_task && !event_type_sent_by(event->type, SENT_BY_CLIENT))
		return "its work is done by other executions or tasks";
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

/* The next attempt of an open run begins. */
static void
restart_run(BrokerState *state, Run *run)
{
	const Step *step = &state->playbook->steps[run->step];
	JsonbValue	input;

	input_of_arrivals(run->arrivals, &input);
	if (step->kind == STEP_PLAYBOOK)
		start_playbook(state, run, &input);
	else if (step->kind == STEP_SAVE)
		start_save_step(state, run, &input);
	else
		start_iterator(state, run, &input);
}

/* action_retry, and the row back into the queue; an open run begins again. */
static void
retry_run(BrokerState *state, Run *run, const Step *step, const Event *event,
		  int attempt, double delay)
{
	Event	   *retry = emit_item(state, EVENT_ACTION_RETRY, step, run->visit, run->item,
								  event->event_id);
	JsonBuilder builder;
	JsonbValue	value;

	if (retry->recalled != NULL)
		delay = retry->recalled->delay;
	json_begin_object(&builder);
	json_add_int(&builder, "attempt", attempt);
	json_add_int(&builder, "max_attempts", run->max_attempts);
	json_float(&value, delay);
	json_add(&builder, "delay", &value);
	json_end_object(&builder, &value);
	retry->meta = json_to_jsonb(&value);
	run->attempts = attempt;
	run->available_at = event->created_at + (int64) rint(delay * USECS_PER_SEC);
	run->worker_id = NULL;
	if (run->is_task)
	{
		run->state = delay > 0 ? RUN_RETRY : RUN_QUEUED;
		decide(state, DECIDE_RETRY, run);
	}
	else if (delay > 0 || step->kind == STEP_SAVE)
	{
		run->state = RUN_RETRY;	/* a save that fails at once must not loop here */
		decide(state, DECIDE_KEEP, run);
	}
	else
		restart_run(state, run);
}

/*
 * A task that only saves what children have done: the step's result is not
 * the save's.
 */
static bool
saved_result(const Run *run, const Step *task, JsonbValue *envelope, int64 *child)
{
	JsonbValue	context;

	*child = 0;
	if (!run->is_task || !is_open_step(task) || run->context == NULL)
		return false;
	json_from_jsonb(run->context, &context);
	(void) json_get_int(&context, "child_execution_id", child);
	return json_get(&context, "this", envelope);
}

/* What follows from an attempt that is not repeated. */
static void
conclude(BrokerState *state, Run *run, const Step *step, const Event *event, bool success,
		 FailureKind kind, const char *error, const JsonbValue *envelope, const JsonbValue *input)
{
	const Step *task = run->item >= 0 ? step->iterator->body : step;
	JsonbValue	saved;
	int64		child;
	bool		was_save = saved_result(run, task, &saved, &child);
	Completion	completion;

	if (run->item >= 0)
	{
		Run		   *iterator = live_run(state, run->step);

		decide(state, DECIDE_CLOSE, run);
		run->state = RUN_ENDED;
		end_item(state, iterator, run->item, success, was_save ? &saved : envelope, error,
				 child, event->event_id);
		return;
	}
	if (!success)
	{
		fail_step(state, run, event->event_id, kind, error, envelope, input, NULL);
		return;
	}
	if (step->kind == STEP_ACTION &&
		state->values.has_children(state->values.arg, run->started_event_id))
	{
		run->attempts = ended_attempt(run) - 1;
		await_spawned(state, run, event, envelope, input);
		return;
	}
	if (!run->is_task && step->save_action != NULL)
	{
		Scope		scope;

		scope_init(&scope, state, step, run->visit, state->now);
		scope.input = input;
		start_save(state, run, step, &scope, envelope);
		return;
	}
	memset(&completion, 0, sizeof(completion));
	completion.type = EVENT_STEP_COMPLETED;
	completion.parent = event->event_id;
	completion.envelope = was_save ? &saved : envelope;
	completion.write_result = was_save || step->kind == STEP_SAVE;
	completion.input = input;
	complete_step(state, run, &completion);
}

/* Is the attempt that the scope is about to be repeated? */
static RetryVerdict
ask_policy(const BrokerState *state, const Run *run, const Step *task, Scope *scope,
		   double *delay)
{
	RetryAttempt attempt;

	attempt.scope = &scope->template;
	attempt.number = scope->attempt;
	attempt.success = scope->success;
	attempt.luck = state->jitter;
	return retry_decide(task->retry, &attempt, run->max_attempts, delay);
}

/* See broker_internal.h. */
void
end_attempt(BrokerState *state, Run *run, const Event *event, bool success)
{
	const Step *step = &state->playbook->steps[run->step];
	const Step *task = run->item >= 0 ? step->iterator->body : step;
	Scope		scope;
	JsonbValue	envelope;
	JsonbValue	input;
	JsonbValue	saved;
	bool		has_input = run_input(run, &input);
	double		delay = 0;
	RetryVerdict verdict;
	FailureKind kind = event_is_reaped(event, REAPED_TIMEOUT) ? FAILURE_TIMED_OUT : FAILURE_ACTION;
	const char *error = event->error;
	bool		expired = event_is_reaped(event, REAPED_LEASE);

	if (event->result != NULL)
		json_from_jsonb(event->result, &envelope);
	else
		json_null(&envelope);
	if (!success && error == NULL)
		error = "the action failed";

	scope_init(&scope, state, step, run->visit, state->now);
	scope.is_retry = true;
	scope.response = &envelope;
	scope.envelope = &envelope;
	scope.success = success;
	scope.error = error;
	scope.attempt = ended_attempt(run);
	scope.input = has_input ? &input : NULL;
	if (!run->is_task)
		run->max_attempts = retry_max_attempts(task->retry, &scope.template);
	if (expired)
		verdict = scope.attempt < run->max_attempts ? RETRY_YES : RETRY_EXHAUSTED;
	else if (step->kind == STEP_SAVE)
		verdict = RETRY_NO;		/* it has not done anything yet */
	else
		verdict = ask_policy(state, run, task, &scope, &delay);
	if (success && verdict == RETRY_NO && task->saves != NULL &&
		!save_attempt(state, run, &envelope, scope.input, event->event_id, &saved, &error))
	{
		success = false;
		kind = FAILURE_SAVE;
		scope.success = false;
		scope.error = error;
		verdict = ask_policy(state, run, task, &scope, &delay);
	}

	if (verdict == RETRY_YES)
	{
		if (!expired)
			run->deadline = 0;
		retry_run(state, run, step, event, scope.attempt, delay);
		return;
	}
	if (success && verdict == RETRY_EXHAUSTED)
	{
		success = false;
		kind = FAILURE_RETRY_EXHAUSTED;
		error = psprintf("retry_when still holds after %d attempts", scope.attempt);
	}
	conclude(state, run, step, event, success, kind, error,
			 success && step->kind == STEP_SAVE ? &saved : &envelope, scope.input);
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
				  &envelope, run_input(run, &input) ? &input : NULL, NULL);
		return;
	}
	memset(&completion, 0, sizeof(completion));
	completion.announced = event_type_sent_by(event->type, SENT_BY_CLIENT);
	completion.type = completion.announced ? event->type : EVENT_STEP_COMPLETED;
	completion.parent = event->event_id;
	completion.envelope = &envelope;
	if (run_input(run, &input))
		completion.input = &input;
	complete_step(state, run, &completion);
}

/*
 * The run that an event is about: of a step, or of one of the items that the
 * broker goes through for it.  NULL: *reason says why the event has no effect.
 */
static Run *
find_run(BrokerState *state, const Step *step, const Event *event, const char **reason)
{
	Run		   *run = live_run(state, step->index);
	int			item = step->kind == STEP_ITERATOR ? event->item : -1;

	if (run == NULL)
		*reason = "the step is not running";
	else if (item < 0)
		*reason = stale_reason(run, event);
	else if (state->item == NULL || run->state != RUN_OPEN ||
			 state->item->visit != run->visit)
		*reason = "the item is not running";
	else
	{
		run = state->item;
		*reason = stale_reason(run, event);
	}
	return *reason == NULL ? run : NULL;
}

/*
 * The worker has started an execution on behalf of its step.  The end of a
 * child that has an index would be taken for the end of that item.
 */
static void
adopt(BrokerState *state, Run *run, const Event *event)
{
	ChildStart *child;

	if (run->item >= 0)
	{
		ignore(state, "an item that is a task does not wait for executions");
		return;
	}
	child = palloc0(sizeof(ChildStart));
	child->execution_id = event->started_child;
	child->parent_event_id = run->started_event_id;
	child->item = event->has_index ? event->current_index : -1;
	decide(state, DECIDE_ADOPT, run)->child = child;
}

/* An event about one step: find its run and do what the event says. */
static void
decide_run_event(BrokerState *state, const Event *event)
{
	const Step *step;
	Run		   *run;
	int			index;
	const char *reason = NULL;

	index = event->node_name == NULL ? -1 :
		playbook_find_step(state->playbook, event->node_name, strlen(event->node_name));
	if (index < 0)
	{
		ignore(state, "the playbook has no such step");
		return;
	}
	step = &state->playbook->steps[index];
	run = find_run(state, step, event, &reason);
	if (run == NULL)
	{
		ignore(state, reason);
		return;
	}

	if (event->parent_event_id == 0 || event->visit <= 0)
		decide(state, DECIDE_LOCATE, run);

	switch (event->type)
	{
		case EVENT_CHILD_SPAWNED:
			adopt(state, run, event);
			return;
		case EVENT_ACTION_STARTED:
			if (run->state != RUN_LEASED)
			{
				if (run->timeout > 0 && run->deadline == 0)
					run->deadline = event->created_at + run->timeout;
				run->attempts++;
				run->worker_id = event->worker_id;
				run->state = RUN_LEASED;
				decide(state, DECIDE_LEASE, run);
			}
			return;
		case EVENT_ACTION_COMPLETED:
			end_attempt(state, run, event, true);
			break;
		case EVENT_ACTION_ERROR:
			end_attempt(state, run, event, false);
			break;
		default:
			if (run->item >= 0)
			{
				ignore(state, "only action events end an item");
				return;
			}
			if (run->state == RUN_OPEN)
				decide(state, DECIDE_ABANDON, run);
			end_step_by_client(state, run, event);
			break;
	}
	settle(state);
}

/* How long an open run was allowed to take. */
static int64
run_timeout(const Run *run)
{
	JsonbValue	context;
	int64		us;

	json_from_jsonb(run->context, &context);
	return json_get_int(&context, "timeout", &us) ? us : 0;
}

/* See broker.h. */
void
broker_run_due(BrokerState *state, int step)
{
	Run		   *run = live_run(state, step);
	Event	   *event;
	JsonBuilder builder;
	JsonbValue	value;

	if (state->finished || run == NULL || run->is_task ||
		(run->state != RUN_OPEN && run->state != RUN_RETRY))
		return;
	if (run->state == RUN_RETRY)
		restart_run(state, run);
	else
	{
		event = emit(state, EVENT_ACTION_ERROR, &state->playbook->steps[step], run->visit,
					 run->started_event_id);
		event->error = timeout_error(run_timeout(run));
		event->reaped = REAPED_TIMEOUT;
		json_begin_object(&builder);
		json_add_int(&builder, "attempt", run->attempts + 1);
		json_add_bool(&builder, REAPED_TIMEOUT, true);
		json_add_text(&builder, "kind", REAPED_TIMEOUT);
		json_end_object(&builder, &value);
		event->meta = json_to_jsonb(&value);
		decide(state, DECIDE_ABANDON, run);
		end_attempt(state, run, event, false);
	}
	settle(state);
}

/* A client ends the whole execution. */
static void
end_by_client(BrokerState *state, const Event *event)
{
	finish(state, event_type_status(event->type), event->error, event->result,
		   event->type == EVENT_EXECUTION_CANCELLED ||
		   event_is_reaped(event, REAPED_TIMEOUT));
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

	if (event->type == EVENT_EXECUTION_START)
	{
		if (!state->finished)
			begin_execution(state, event);
	}
	else if (!event_type_has_effect(event->type))
		return;
	else if (state->finished)
		ignore(state, "the execution is over");
	else if (event_type_is_terminal(event->type))
		end_by_client(state, event);
	else
		decide_run_event(state, event);
}
