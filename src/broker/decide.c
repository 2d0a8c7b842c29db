/*
 * broker/decide.c
 *		The decision core: (playbook, state of an execution, event) -> decisions.
 *
 *		event ──> find_run: the run that the event is about and may speak for
 *		            │
 *		            v
 *		        end_attempt ── retry policy repeats it ──> action_retry
 *		            │ completed             │ failed
 *		            v                       v
 *		        complete_step          fail_step ──> execution_failed, step_held
 *		            │ transitions           │ on_error
 *		            v                       v
 *		        arrivals ──> settle: start every waiting run that nothing live
 *		            ^          │      can still reach; when nothing is live,
 *		            │ routers  │      execution_complete
 *		            └──────────┘
 *
 * Conditions, inputs and actions that raise become events of the execution.
 */
#include "common/common.h"

#include "broker/input.h"
#include "broker/internal.h"

/* Decides that the incoming event has no effect, and says why. */
static void
ignore(BrokerState *state, const char *reason)
{
	decision_add(state, DECIDE_IGNORE, NULL)->reason = reason;
}

/* Starts the first branch of an execution. */
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
		JsonbValue	input;
		Run		   *run = run_make(entry->index, 1, RUN_OPEN);

		json_null(&none);
		state->runs = lappend(state->runs, run);
		memset(&completion, 0, sizeof(completion));
		completion.type = EVENT_STEP_COMPLETED;
		completion.parent = event->event_id;
		completion.envelope = &none;
		input_of_arrivals(NIL, &input);
		completion.input = &input;
		completion.silent = true;
		complete_step(state, run, &completion);
	}
	else
		arrive(state, &departure, NULL, event->event_id);
	settle(state);
}

/* Returns why an event may not speak for a run; NULL: it may. */
static const char *
stale_reason(const Run *run, const Event *event)
{
	int			attempt = event->attempt;

	if (event->type == EVENT_STEP_RESUMED)
		return run->state == RUN_HELD ? NULL : "the step is not held";
	if (run->state == RUN_HELD && !event_type_sent_by(event->type, SENT_BY_CLIENT))
		return "the step is held";
	if (run->state == RUN_WAITING)
		return event->type == EVENT_STEP_SKIPPED ? NULL : "the step has not started";
	if (run->state == RUN_AWAITING && !event_type_sent_by(event->type, SENT_BY_CLIENT))
		return "the step waits for time or a signal";
	if (!run->is_task && !event_type_sent_by(event->type, SENT_BY_CLIENT))
		return "its work is done by other executions or tasks";
	if (run->state == RUN_LEASED)
	{
		if (event_is_reaped(event, REAPED_QUEUE))
			return "a worker has leased the step";
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
	if (run->state == RUN_RETRY && run->available_at > event->created_at &&
		(event->worker_id != NULL || !event_type_sent_by(event->type, SENT_BY_CLIENT)))
		return "this attempt is over";
	if (run->state == RUN_QUEUED && run->attempts > 0 && event->worker_id != NULL)
		return "the lease was lost";
	return NULL;
}

/* A client ends a step itself, without an action event of a worker. */
static void
end_step_by_client(BrokerState *state, Run *run, const Event *event)
{
	Completion	completion;
	JsonbValue	envelope;
	JsonbValue	input;
	bool		has_input = run_input(run, &input);

	if (event->result != NULL)
		json_from_jsonb(event->result, &envelope);
	else
		json_null(&envelope);
	if (event->type == EVENT_STEP_FAILED)
	{
		StepFailure failure = {FAILURE_CLIENT, event->event_id,
			event->error != NULL ? event->error : "the step failed",
		&envelope, has_input ? &input : NULL, NULL};

		fail_step(state, run, &failure);
		return;
	}
	memset(&completion, 0, sizeof(completion));
	completion.announced = event_type_sent_by(event->type, SENT_BY_CLIENT);
	completion.type = completion.announced ? event->type : EVENT_STEP_COMPLETED;
	completion.parent = event->event_id;
	completion.envelope = &envelope;
	if (has_input)
		completion.input = &input;
	complete_step(state, run, &completion);
}

/*
 * Returns the live visit of a step that an event is about: the one that it names,
 * else the oldest that its worker has leased, else the oldest.  NULL: there is none.
 */
static Run *
find_visit(BrokerState *state, const Step *step, const Event *event)
{
	Run		   *oldest = NULL;
	ListCell   *lc;

	if (event->visit > 0 || event->worker_id == NULL || !step->revisited)
		return live_run(state, step->index, event->visit);
	all_runs(state);
	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->step == step->index && run->state == RUN_LEASED && run->worker_id != NULL &&
			strcmp(run->worker_id, event->worker_id) == 0 &&
			(oldest == NULL || run->visit < oldest->visit))
			oldest = run;
	}
	return oldest != NULL ? oldest : live_run(state, step->index, 0);
}

/*
 * Returns the run that an event is about: of a step, or of one of the items
 * that the broker goes through for it.  NULL: *reason says why the event has
 * no effect.
 */
static Run *
find_run(BrokerState *state, const Step *step, const Event *event, const char **reason)
{
	int			item = step->kind == STEP_ITERATOR ? event->item : -1;
	Run		   *run = item >= 0 && state->item != NULL ?
		live_run(state, step->index, state->item->visit) : find_visit(state, step, event);

	if (run == NULL)
		*reason = live_run(state, step->index, 0) != NULL ?
			"another visit of the step is running" : "the step is not running";
	else if (item < 0)
		*reason = stale_reason(run, event);
	else if (state->item == NULL || run->state != RUN_OPEN)
		*reason = "the item is not running";
	else
	{
		run = state->item;
		*reason = stale_reason(run, event);
	}
	return *reason == NULL ? run : NULL;
}

/*
 * Makes an execution that a worker has started on behalf of its step a child
 * of the run.  Items that are tasks have none: the end of a child with an
 * index would be taken for the end of that item.
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
	decision_add(state, DECIDE_ADOPT, run)->child = child;
}

/*
 * Decides on an event about one step: finds its run and does what the event
 * says.
 */
static void
decide_run_event(BrokerState *state, const Event *event)
{
	const Step *step;
	Run		   *run;
	int			index;
	const char *reason = NULL;
	AttemptEnd	attempt;

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
		decision_add(state, DECIDE_LOCATE, run);

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
				decision_add(state, DECIDE_LEASE, run);
			}
			return;
		case EVENT_STEP_RESUMED:
			resume_by_event(state, run, event);
			break;
		case EVENT_ACTION_COMPLETED:
		case EVENT_ACTION_ERROR:
			attempt.event = event;
			attempt.success = event->type == EVENT_ACTION_COMPLETED;
			end_attempt(state, run, attempt);
			break;
		default:
			if (run->item >= 0)
			{
				ignore(state, "only action events end an item");
				return;
			}
			if (run->state == RUN_OPEN)
				decision_add(state, DECIDE_ABANDON, run);
			end_step_by_client(state, run, event);
			break;
	}
	settle(state);
}

/*
 * Returns how long an open run was allowed to take, in microseconds; 0:
 * without limit.
 */
static int64
run_timeout(const Run *run)
{
	JsonbValue	context;
	int64		us;

	json_from_jsonb(run->context, &context);
	return json_get_int(&context, "timeout", &us) ? us : 0;
}

/*
 * Decides on an open run whose time has come: its next attempt begins, its wait
 * ends, or it times out.  A run that is over, or is a task, has no effect.
 */
void
broker_run_due(BrokerState *state, int step, int visit)
{
	Run		   *run = live_run(state, step, visit);
	Event	   *event;

	if (state->finished || run == NULL || run->is_task ||
		(run->state != RUN_OPEN && run->state != RUN_RETRY && run->state != RUN_AWAITING))
		return;
	if (run->state == RUN_RETRY)
		run->restart = true;
	else if (run->state == RUN_AWAITING)
		end_wait_by_time(state, run);
	else
	{
		AttemptEnd	attempt = {NULL, false};

		event = emit(state, EVENT_ACTION_ERROR, &state->playbook->steps[step], run->visit,
					 run->started_event_id);
		event->error = timeout_error(run_timeout(run));
		event->reaped = REAPED_TIMEOUT;
		event->meta = event_attempt_meta(run->attempts + 1, REAPED_TIMEOUT);
		decision_add(state, DECIDE_ABANDON, run);
		attempt.event = event;
		end_attempt(state, run, attempt);
	}
	settle(state);
}

/*
 * Returns the open run that a child was started for; NULL: it is over.  Open runs are no
 * tasks, and all of them are known.
 */
static Run *
find_parent_run(BrokerState *state, const ChildEnd *end)
{
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->state == RUN_OPEN && run->started_event_id == end->parent_event_id)
			return run;
	}
	return NULL;
}

/*
 * Decides on the end of a child execution.  The end of one that nothing waits for
 * any more has no effect.
 */
void
broker_child_ended(BrokerState *state, const ChildEnd *end)
{
	Run		   *run = find_parent_run(state, end);

	if (state->finished || run == NULL)
		return;
	switch (state->playbook->steps[run->step].kind)
	{
		case STEP_ITERATOR:
			end_attempt(state, run, item_child_ended(state, run, end));
			break;
		case STEP_PLAYBOOK:
			end_attempt(state, run, playbook_child_ended(state, run, end));
			break;
		case STEP_ACTION:
			if (state->values.has_children(state->values.arg, run->started_event_id))
				return;
			complete_spawned(state, run);
			break;
		default:
			return;
	}
	settle(state);
}

/* A signal has come; one that has come before has no effect. */
static void
decide_signal(BrokerState *state, const Event *event)
{
	if (event->node_name == NULL)
		ignore(state, "the signal has no name");
	else if (event->signal_id != NULL &&
			 state->values.signal_known(state->values.arg, event->signal_id))
		ignore(state, "a signal with this id has come before");
	else if (receive_signal(state, event))
		settle(state);
}

/* A client ends the whole execution. */
static void
end_by_client(BrokerState *state, const Event *event)
{
	end_execution(state, event_type_status(event->type), event->error, event->result,
		   event->type == EVENT_EXECUTION_CANCELLED ||
		   event_is_reaped(event, REAPED_TIMEOUT));
}

/*
 * Somebody wants the execution undone, or its time is over: it ends, after the
 * compensations of what it has completed.
 */
static void
decide_undo(BrokerState *state, const Event *event)
{
	bool		timed_out = event_is_reaped(event, REAPED_TIMEOUT);
	ExecutionOutcome outcome = {timed_out ? EVENT_EXECUTION_FAILED : EVENT_EXECUTION_CANCELLED,
	event->error, event->result};

	if (compensating(state))
		ignore(state, "the execution is compensating");
	else if (compensate(state, &outcome, event->event_id))
		settle(state);
	else
		conclude_execution(state, &outcome, event->event_id, NULL);
}

/* Moves the time of the execution on to that of an event. */
static void
set_time(BrokerState *state, const Event *event)
{
	state->now = event->created_at;
	state->time = Max(state->time, event->created_at);
	state->last_event_id = Max(state->last_event_id, event->event_id);
}

/* Fails an execution that cannot begin, for this reason. */
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
	end_execution(state, "FAILED", failure->error, failure->result, false);
}

/* Decides on one stored event.  Its effect is appended to state->decisions. */
void
broker_decide(BrokerState *state, const Event *event)
{
	set_time(state, event);

	if (event->type == EVENT_EXECUTION_START)
	{
		if (!state->finished && !event->forked)
			begin_execution(state, event);
	}
	else if (event->type == EVENT_EXECUTION_FORKED)
	{
		arrive_by_fork(state, event);
		settle(state);
	}
	else if (event->type == EVENT_EXECUTION_REDRIVEN)
	{
		redrive_runs(state, event);
		settle(state);
	}
	else if (!event_type_has_effect(event->type))
		return;
	else if (state->finished)
		ignore(state, "the execution is over");
	else if (event_type_is_terminal(event->type))
		end_by_client(state, event);
	else if (event->type == EVENT_EXECUTION_MIGRATED)
	{
		migrate_state(state, event);
		settle(state);
	}
	else if (event->type == EVENT_EXECUTION_UNDO)
		decide_undo(state, event);
	else if (event->type == EVENT_SIGNAL)
		decide_signal(state, event);
	else
		decide_run_event(state, event);
}
