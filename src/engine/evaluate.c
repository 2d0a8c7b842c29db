/*
 * engine/evaluate.c
 *		A decision is made on one event, on the end of a child or on the passing
 *		of time, and is written.
 *
 *		state of the execution ── broker_decide ──> list of decisions ──> tables
 */
#include "common/common.h"

#include "access/xact.h"
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "broker/broker.h"
#include "catalog/catalog.h"
#include "engine/internal.h"
#include "wakeup/wakeup.h"

/* ---------------------------------------------------------------------------
 * Decisions are written
 * ---------------------------------------------------------------------------
 */

/* The event of the broker's own that is being stored, or NULL. */
static const Event *own_event = NULL;

/*
 * Returns whether the row of a trigger is the event that write_own_event() is storing.  The row
 * of another event can be one that a user's trigger inserts meanwhile.
 */
bool
is_own_event(TupleTableSlot *slot)
{
	return own_event != NULL &&
		DatumGetInt64(slot_column(slot, EVENT_COL_EXECUTION_ID)) == own_event->execution_id &&
		DatumGetInt64(slot_column(slot, EVENT_COL_EVENT_ID)) == own_event->event_id;
}

/* Stores an event that the broker emits; the triggers leave it as it is. */
void
write_own_event(Store *store, const Event *event)
{
	const Event *outer = own_event;

	own_event = event;
	PG_TRY();
	{
		store_insert_event(store, event);
		wake_changed();
	}
	PG_FINALLY();
	{
		own_event = outer;
	}
	PG_END_TRY();
}

/* Returns the name of the step that a decision is about. */
static const char *
step_name(const BrokerState *state, const Decision *decision)
{
	return state->playbook->steps[decision->run->step].name;
}

/* Returns the type of the workers that may take a task. */
static const char *
task_type(const BrokerState *state, const Run *run)
{
	return run->type != NULL ? run->type : state->playbook->steps[run->step].type;
}

/* Lets the time begin in which a task has to be leased, if there is such a time. */
static void
begin_wait(const BrokerState *state, Run *run)
{
	if (run->queue_timeout == 0)
		return;
	run->wait_until = state->time + run->queue_timeout;
	wake_for_timer(run->wait_until);
}

/* Withdraws what was begun for an open run that ends before its work is done. */
static void
abandon_run(Store *store, const BrokerState *state, const Decision *decision)
{
	const char *name = step_name(state, decision);

	if (state->playbook->steps[decision->run->step].kind == STEP_ITERATOR)
	{
		store_delete_items(store, state->execution_id, name, decision->run->visit);
		store_abandon_items(store, state->execution_id, name, decision->run->visit,
							decision->leave, decision->revoke);
	}
	child_cancel_all(store, state->execution_id, decision->run->started_event_id);
}

/* Has an execution that was over run again; its timeout begins anew. */
static void
redrive_execution(Store *store, const BrokerState *state, const Event *event, int drive)
{
	Event		start;
	TimestampTz deadline = 0;

	if (start_read(store, state->execution_id, &start))
		deadline = engine_deadline(&start);
	if (state->playbook->nlimits > 0)
	{
		Execution	execution;

		execution_get(store, state->execution_id, &execution);
		limit_take_again(store, &execution, &start);
	}
	if (deadline != 0)
	{
		deadline += event->created_at - start.created_at;
		wake_for_timer(deadline);
	}
	store_redrive_execution(store, state->execution_id, drive, deadline);
	store_delete_tasks(store, state->execution_id);
}

/*
 * Stores a run that waits or is open.  A wait that messages may be kept for is noted
 * until the decisions are written.
 */
static void
keep_run(Store *store, const BrokerState *state, Run *run, EvaluationFrame *frame)
{
	JsonbValue	context;
	OpenedWait *wait;

	store_put_run(store, state->execution_id, run, state->playbook, state->now);
	if (run_due_at(run) != 0)
		wake_for_timer(run_due_at(run));
	if (run->state != RUN_AWAITING)
		return;
	json_from_jsonb(run->context, &context);
	if (json_get_text(&context, "key") == NULL)
		return;
	wait = palloc(sizeof(OpenedWait));
	wait->key = json_get_text(&context, "key");
	if (json_get(&context, "signals", &wait->names))
		frame->opened = lappend(frame->opened, wait);
}

/* Stores a signal that no wait has taken, or that has an id. */
static void
keep_signal(Store *store, const BrokerState *state, const Decision *decision)
{
	SignalRow	row = {decision->event->event_id, decision->event->node_name,
	decision->event->signal_id, decision->taken};

	store_keep_signal(store, state->execution_id, &row);
}

/* Ends the execution: nobody's signals are kept for it, and who waits for it is woken. */
static void
finish(Store *store, const BrokerState *state, const Event *event, const Decision *decision)
{
	store_finish_execution(store, state->execution_id, decision->status, decision->error,
						   decision->result,
						   event != NULL && event_type_is_terminal(event->type) ?
						   event->created_at : state->time);
	if (state->playbook->takes_signals)
		store_forget_signals(store, state->execution_id);
	if (state->playbook->nlimits > 0)
		limit_free_execution(state->execution_id);
	wake_at_end(state->execution_id);
}

/* Writes the lease of a task that an event says has been started. */
static void
lease_task(Store *store, const Event *event, Run *run)
{
	TimestampTz until = event->created_at + ENGINE_DEFAULT_LEASE_US;

	store_lease_task(store, run, run->worker_id == NULL ? 0 : until);
	wake_timer(until);
	if (run->deadline != 0)
		wake_timer(run->deadline);
}

/* Writes that a task is to be done again. */
static void
retry_task(Store *store, const BrokerState *state, Run *run)
{
	store_retry_task(store, run);
	if (run->state == RUN_RETRY)
		wake_timer(run->available_at);
	wake_at_commit(task_type(state, run));
}

/* Writes into the event that was decided on what has come out about it. */
static void
note_on_event(Store *store, const BrokerState *state, const Event *event,
			  const Decision *decision)
{
	if (decision->kind == DECIDE_LOCATE)
		store_locate_event(store, state->execution_id, event->event_id,
						   &state->playbook->steps[decision->run->step], decision->run);
	else
		store_annotate_event(store, state->execution_id, event->event_id,
							 decision->kind == DECIDE_ANNOTATE ? decision->meta :
							 json_text_object("ignored", decision->reason));
}

/* Writes one decision; returns the number of tasks that it enqueues. */
static int
write_decision(Store *store, BrokerState *state, const Event *event,
			   const Decision *decision, EvaluationFrame *frame)
{
	int			enqueued = 0;

	switch (decision->kind)
	{
		case DECIDE_EMIT:
			write_own_event(store, decision->event);
			break;
		case DECIDE_KEEP:
			keep_run(store, state, decision->run, frame);
			break;
		case DECIDE_ABANDON:
			abandon_run(store, state, decision);
			break;
		case DECIDE_ADD_ITEMS:
			store_add_items(store, state->execution_id, step_name(state, decision),
							decision->run->visit, decision->first_item, decision->indexes,
							decision->nitems, decision->items);
			break;
		case DECIDE_TAKE_ITEM:
			store_delete_item(store, state->execution_id, step_name(state, decision),
							  decision->run->visit, decision->first_item);
			break;
		case DECIDE_START_CHILD:
			enqueued = child_start(state, decision->child);
			break;
		case DECIDE_ADOPT:
			child_adopt(state, decision->child);
			break;
		case DECIDE_FORGET:
			store_delete_run(store, decision->run);
			break;
		case DECIDE_ENQUEUE:
			begin_wait(state, decision->run);
			store_enqueue(store, state, decision->run);
			wake_at_commit(task_type(state, decision->run));
			enqueued = 1;
			break;
		case DECIDE_LEASE:
			lease_task(store, event, decision->run);
			break;
		case DECIDE_RETRY:
			retry_task(store, state, decision->run);
			break;
		case DECIDE_CLOSE:
			store_close_task(store, state->execution_id, decision->run);
			break;
		case DECIDE_REVOKE:
			store_revoke_task(store, decision->run);
			break;
		case DECIDE_STOP:		/* the log tells of it */
		case DECIDE_REDRIVE_CHILD:	/* evaluate_resumed()'s caller does it */
			break;
		case DECIDE_REDRIVE:
			redrive_execution(store, state, event, decision->drive);
			break;
		case DECIDE_COMPENSATE:
			store_end_timeout(store, state->execution_id);
			break;
		case DECIDE_FINISH:
			finish(store, state, event, decision);
			break;
		case DECIDE_KEEP_SIGNAL:
			keep_signal(store, state, decision);
			break;
		case DECIDE_TAKE_SIGNAL:
			store_take_signal(store, state->execution_id, decision->event->event_id);
			break;
		case DECIDE_IGNORE:
		case DECIDE_LOCATE:
		case DECIDE_ANNOTATE:
			note_on_event(store, state, event, decision);
			break;
	}
	return enqueued;
}

/* Returns the decision that ends the execution, or NULL. */
static const Decision *
end_of_execution(const BrokerState *state)
{
	ListCell   *lc;

	foreach(lc, state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);

		if (decision->kind == DECIDE_FINISH)
			return decision;
	}
	return NULL;
}

/*
 * Marks a pending event that would end an execution which an earlier event ends.
 * A client sent it while the broker was off, or a save has caused it.
 */
static void
ignore_pending_end(Store *store, int64 execution_id)
{
	int64		event_id = store_pending_end(store, execution_id);

	if (event_id != 0)
		store_annotate_event(store, execution_id, event_id,
							 json_text_object("ignored", "the execution is over"));
}

/*
 * Writes all decisions of an evaluation, in their order, and does what came up
 * while they were written.  Returns the number of tasks that are enqueued.
 */
static int
write_decisions(Store *store, BrokerState *state, const Execution *execution,
				const Event *event)
{
	const ValueContext *values = (ValueContext *) state->values.arg;
	const Decision *end;
	EvaluationFrame frame;
	ListCell   *lc;

	if (state->finished && (values->catching_up || values->interrupted))
		ignore_pending_end(store, state->execution_id);
	frame_push(&frame, state);
	frame.interrupted = values->interrupted;
	frame.child_ends = values->child_ends;
	PG_TRY();
	{
		foreach(lc, state->decisions)
		{
			Decision   *decision = (Decision *) lfirst(lc);

			CHECK_FOR_INTERRUPTS();
			frame.enqueued += write_decision(store, state, event, decision, &frame);
		}
	}
	PG_FINALLY();
	{
		frame_pop(&frame);
	}
	PG_END_TRY();
	frame.enqueued += frame_settle(store, &frame);
	end = end_of_execution(state);
	if (end != NULL)
		schedule_ended(execution);
	if (end == NULL && frame.opened != NIL)
		message_offer(execution, frame.opened);
	if (end != NULL && execution->parent_execution_id != 0)
		frame.enqueued += child_tell_parent(execution, end, state->time);
	return frame.enqueued;
}

/*
 * ValueSource.save: executes the saves of a task.  What the statements do to the
 * execution that is decided on is noted, and decided on when its decisions are
 * written.  Returns false and sets *error when a save fails.
 */
bool
evaluate_save(void *arg, List *requests, struct SaveError *error)
{
	ValueContext *values = (ValueContext *) arg;
	BrokerState *state = values->state;
	uint64		prepared = prepared_events;
	EvaluationFrame frame;
	volatile bool saved = false;
	int64		last_event_id;
	TimestampTz last_time;
	bool		own;

	/* rows that the store keeps back must not be part of the subtransaction */
	store_write_deferred(values->store);
	frame_push(&frame, state);
	PG_TRY();
	{
		saved = save_execute(requests, state->started_by, error);
	}
	PG_FINALLY();
	{
		frame_pop(&frame);
	}
	PG_END_TRY();
	if (!saved)
		return false;
	values->interrupted = values->interrupted || frame.interrupted;
	values->child_ends = list_concat(values->child_ends, frame.child_ends);
	/* events that are emitted from now on follow those that the statements inserted */
	if (prepared != prepared_events &&
		store_last_event(values->store, state->execution_id, 0, &last_event_id,
						 &last_time, &own))
	{
		state->time = Max(state->time, last_time);
		state->last_event_id = Max(state->last_event_id, last_event_id);
	}
	return true;
}

/* ---------------------------------------------------------------------------
 * Decisions are made
 * ---------------------------------------------------------------------------
 */

/*
 * Deletes the task of an execution that is over when its worker reports.  The
 * task was in flight at the end; the report is stored as ignored.
 */
static void
drop_late_task(Store *store, const Event *event)
{
	TaskQuery	query = {event->node_name, event->visit, event->item, event->worker_id};
	QueueRow	row = {0};

	if ((event->type == EVENT_ACTION_COMPLETED || event->type == EVENT_ACTION_ERROR) &&
		event->node_name != NULL &&
		store_find_task(store, event->execution_id, &query, &row) &&
		(event->worker_id == NULL || row.worker_id == NULL ||
		 strcmp(event->worker_id, row.worker_id) == 0))
		(void) store_delete_task(store, row.queue_id);
}

/* Returns a random number, uniform in [0, 1), which the pure core cannot draw itself. */
double
engine_jitter(void)
{
#if PG_VERSION_NUM >= 150000
	return pg_prng_double(&pg_global_prng_state);
#else
	return (double) random() / ((double) MAX_RANDOM_VALUE + 1);
#endif
}

/*
 * Fills in the state that every evaluation begins with; the settings of the
 * execution are in force from now on (decide_by_own_settings).  newest: no event of the
 * execution is newer than the one that is decided on.
 */
static void
begin_evaluation(BrokerState *state, ValueContext *values, Store *store,
				 const Execution *execution, bool newest)
{
	bool		own;

	memset(state, 0, sizeof(BrokerState));
	settings_in_force = &execution->settings;
	state->playbook = playbook_get(execution->catalog_id);
	state->execution_id = execution->execution_id;
	state->parent_execution_id = execution->parent_execution_id;
	state->path = execution->path;
	state->version = execution->version;
	state->depth = execution->depth;
	state->priority = execution->priority;
	state->started_by = execution->started_by;
	state->drive = execution->drive;
	state->jitter = engine_jitter();
	values_init(values, store, state, !newest);
	state->values = values->source;
	if (!newest)
	{
		(void) store_last_event(store, execution->execution_id, 0, &state->last_event_id,
								&state->time, &own);
		state->time = Max(state->time, GetCurrentTimestamp());
	}
}

/*
 * Loads the live runs of the execution that is decided on: of many tasks only some, among
 * them the one that an event is about (task_id; 0: none).  with_action as in RunQuery.
 */
static void
load_runs(BrokerState *state, ValueContext *values, const char *with_action, int64 task_id)
{
	RunQuery	query = {with_action, true, task_id};
	ListCell   *lc;

	values->with_action = with_action;
	state->runs = store_query_runs(values->store, state->execution_id, state->playbook, &query,
								   &state->more_tasks);
	foreach(lc, state->runs)
		if (state->more_tasks && ((Run *) lfirst(lc))->is_task)
			state->first_tasks = lappend(state->first_tasks, lfirst(lc));
}

/* What is decided on: an event, the end of a child, or the time of an open run. */
typedef struct Occasion
{
	int64		execution_id;
	Store	   *store;			/* of the event */
	const Event *event;
	bool		newest;			/* no event of the execution is newer */
	const ChildEnd *child_end;
	bool		was_pending;	/* so what is pending comes after it */
	const char *step_name;		/* of the run */
	int			visit;
} Occasion;

/* Decides on a stored event; returns the number of tasks that are enqueued. */
static int
decide_event(const Occasion *occasion)
{
	Store	   *store = occasion->store;
	const Event *event = occasion->event;
	bool		newest = occasion->newest;
	BrokerState state;
	Execution	execution;
	ValueContext values;
	char	   *error = NULL;

	if (!event_type_is_decided(event->type))
		return 0;
	if (event->type == EVENT_EXECUTION_REDRIVEN || event->type == EVENT_STEP_RESUMED ||
		event->type == EVENT_EXECUTION_FORKED || event->type == EVENT_EXECUTION_UNDO ||
		event->type == EVENT_EXECUTION_MIGRATED)
	{
		/* a superuser has inserted it: its effect is more than the event */
		if (!event->ignored)
			store_annotate_event(store, event->execution_id, event->event_id,
								 json_text_object("ignored",
												  "only a function has executions go on"));
		return 0;
	}
	if (!newest || !prepared_execution(event->execution_id, &execution))
		execution_get(store, event->execution_id, &execution);
	if (!execution.running)
	{
		if (event->type != EVENT_EXECUTION_START && !event->ignored)
			store_annotate_event(store, event->execution_id, event->event_id,
								 json_text_object("ignored", "the execution is over"));
		drop_late_task(store, event);
		return 0;
	}
	if (event->ignored)
		return 0;

	begin_evaluation(&state, &values, store, &execution, newest);
	if (event->type == EVENT_EXECUTION_START)
		error = event->refused != NULL ? pstrdup(event->refused) :
			execution_make_workload(store, &state, event);
	else
	{
		load_runs(&state, &values, event->node_name, event->task_id);
		if (event->node_name != NULL && event->item >= 0)
			state.item = store_load_item(store, event->execution_id, state.playbook,
										 event->node_name, event->visit, event->item);
	}
	if (error != NULL)
		broker_refuse(&state, event, error);
	else
		broker_decide(&state, event);
	return write_decisions(store, &state, &execution, event);
}

/*
 * Keeps the signals that the log has, or forgets them: only a version with waits needs
 * them.
 */
static void
migrate_signals(Store *store, int64 execution_id, const Migration *migration)
{
	List	   *signals;
	ListCell   *lc;

	if (migration->from->takes_signals == migration->to->takes_signals)
		return;
	if (!migration->to->takes_signals)
	{
		store_forget_signals(store, execution_id);
		return;
	}
	signals = store_logged_signals(store, execution_id, DT_NOEND);
	foreach(lc, signals)
		store_keep_signal(store, execution_id, (SignalRow *) lfirst(lc));
}

/*
 * Loads the state of an execution that goes on with another version, and writes that
 * version into its rows.  The slots that it has as an execution stay until its end, or
 * are given up if the version has no limits of executions.
 */
static void
load_migrated(Store *store, BrokerState *state, const Event *event, Migration *migration)
{
	JsonbValue	context;
	int64		catalog_id = 0;
	int64		version = 0;
	ListCell   *lc;

	json_from_jsonb(event->context, &context);
	(void) json_get_int(&context, "catalog_id", &catalog_id);
	(void) json_get_int(&context, "version", &version);
	migration_init(migration, event, state->playbook, playbook_get(catalog_id));
	state->runs = store_load_runs(store, event->execution_id, state->playbook);
	migrate_runs(migration, state->runs);
	store_migrate_execution(store, event->execution_id, catalog_id, (int) version);
	store_migrate_tasks(store, event->execution_id, migration->to, &migration->map);
	migrate_signals(store, event->execution_id, migration);
	/* finish() would not look for them */
	if (state->playbook->nlimits > 0 && migration->to->nlimits == 0)
		limit_free_execution(event->execution_id);
	foreach(lc, state->runs)
		if (((Run *) lfirst(lc))->is_task)
			((Run *) lfirst(lc))->handle = NULL;	/* its row has a new version */
	state->playbook = migration->to;
	state->version = (int) version;
	state->migration = migration;
}

/* Does what evaluate_resumed() does; leaves the settings of the execution in force. */
static List *
decide_resumed(Store *store, const Event *event, const Execution *execution, List *runs)
{
	BrokerState state;
	ValueContext values;
	Migration	migration;
	List	   *children = NIL;
	ListCell   *lc;

	begin_evaluation(&state, &values, store, execution, true);
	if (event->type == EVENT_EXECUTION_MIGRATED)
		load_migrated(store, &state, event, &migration);
	else if (event->type == EVENT_EXECUTION_REDRIVEN)
	{
		state.drive++;
		state.runs = runs;
	}
	else
		load_runs(&state, &values, event->node_name, 0);
	broker_decide(&state, event);
	(void) write_decisions(store, &state, execution, event);
	foreach(lc, state.decisions)
		if (((Decision *) lfirst(lc))->kind == DECIDE_REDRIVE_CHILD)
			children = lappend(children, ((Decision *) lfirst(lc))->child);
	return children;
}

/*
 * Decides on a stored event that has runs of an execution go on: step_resumed, or (runs)
 * execution_redriven with the runs that the end has stopped.  Returns the child
 * executions (ChildStart *) that the caller has to set going again.
 */
List *
evaluate_resumed(Store *store, const Event *event, const Execution *execution, List *runs)
{
	const Settings *outer = settings_in_force;
	List	   *volatile children = NIL;

	PG_TRY();
	{
		children = decide_resumed(store, event, execution, runs);
	}
	PG_FINALLY();
	{
		settings_in_force = outer;
	}
	PG_END_TRY();
	return children;
}

/*
 * Fills in the state of an execution that is decided on without an event of its
 * own; takes its lock.  Pending events are decided on first, unless what is decided on was
 * one of them.  Returns false when the execution is over.
 */
static bool
begin_without_event(BrokerState *state, ValueContext *values, Store *store,
					int64 execution_id, bool was_pending, Execution *execution)
{
	engine_lock(execution_id);
	if (!store_get_execution(store, execution_id, execution) || !execution->running)
		return false;
	if (!was_pending && store_any_pending(store, execution_id))
	{
		(void) evaluate_pending(store, execution_id);
		CommandCounterIncrement();
		if (!store_get_execution(store, execution_id, execution) || !execution->running)
			return false;
	}
	engine_check_snapshot(store, execution_id);
	begin_evaluation(state, values, store, execution, false);
	state->now = state->time + 1;	/* the time of the first event that is emitted */
	load_runs(state, values, NULL, 0);
	return true;
}

/* Decides, for the parent execution, on the end of a child. */
static int
decide_child_end(const Occasion *occasion)
{
	int64		execution_id = occasion->execution_id;
	const ChildEnd *end = occasion->child_end;
	Store	   *store = store_open(InvalidOid);
	BrokerState state;
	Execution	execution;
	ValueContext values;
	int			enqueued = 0;

	if (begin_without_event(&state, &values, store, execution_id, occasion->was_pending,
							&execution))
	{
		state.time = Max(state.time, end->time);
		state.now = state.time + 1;
		broker_child_ended(&state, end);
		enqueued = write_decisions(store, &state, &execution, NULL);
	}
	store_close(store);
	return enqueued;
}

/*
 * Returns whether an execution that this session decides on has a wait that a signal will
 * end, once its decisions are written: by what has been decided so far, as its tables are
 * older.  Such a wait is not there for the next signal.
 */
static bool
claim_wait(Store *store, EvaluationFrame *frame, const Event *signal)
{
	BrokerState state = *frame->state;
	MemoryContext old;
	ValueContext values;
	Run		   *run;

	values_init(&values, store, &state, true);
	state.values = values.source;
	/* what the runs remember lasts as long as they do */
	old = MemoryContextSwitchTo(frame->memory);
	run = state.finished ? NULL : broker_find_wait(&state, signal);
	if (run != NULL)
		frame_claim(frame, run);
	MemoryContextSwitchTo(old);
	return run != NULL;
}

/* Returns whether the execution of a signal has a wait that the signal would end. */
static int
would_take(const Occasion *occasion)
{
	EvaluationFrame *frame = frame_find_writing(occasion->event->execution_id);
	Store	   *store = store_open(InvalidOid);
	BrokerState state;
	Execution	execution;
	ValueContext values;
	bool		taken;

	if (frame != NULL)
		taken = claim_wait(store, frame, occasion->event);
	else
		taken = begin_without_event(&state, &values, store, occasion->event->execution_id, false,
									&execution) &&
			broker_find_wait(&state, occasion->event) != NULL;
	store_close(store);
	return taken;
}

/* Decides on the time of an open run that has come. */
static int
decide_run_due(const Occasion *occasion)
{
	int64		execution_id = occasion->execution_id;
	const char *step_name = occasion->step_name;
	Store	   *store = store_open(InvalidOid);
	BrokerState state;
	Execution	execution;
	ValueContext values;
	int			step;
	int			enqueued = 0;

	if (begin_without_event(&state, &values, store, execution_id, false, &execution))
	{
		step = playbook_find_step(state.playbook, step_name, strlen(step_name));
		if (step >= 0)
			broker_run_due(&state, step, occasion->visit);
		enqueued = write_decisions(store, &state, &execution, NULL);
	}
	store_close(store);
	return enqueued;
}

/*
 * Decides, by the settings of the execution; those that were in force before are
 * in force again afterwards, also after an error.  Returns what "decide" does.
 */
static int
decide_by_own_settings(int (*decide) (const Occasion *occasion), const Occasion *occasion)
{
	const Settings *outer = settings_in_force;
	volatile int enqueued = 0;

	PG_TRY();
	{
		enqueued = decide(occasion);
	}
	PG_FINALLY();
	{
		settings_in_force = outer;
	}
	PG_END_TRY();
	return enqueued;
}

/* Decides on a stored event; returns the number of tasks that are enqueued. */
int
evaluate_event(Store *store, const Event *event, bool newest)
{
	Occasion	occasion = {.store = store, .event = event, .newest = newest};

	return decide_by_own_settings(decide_event, &occasion);
}

/* Decides, for the parent execution, on the end of a child. */
int
engine_decide_child_end(int64 execution_id, const ChildEnd *end)
{
	Occasion	occasion = {.execution_id = execution_id, .child_end = end};

	return decide_by_own_settings(decide_child_end, &occasion);
}

/* Does the same where the end of the child was pending. */
int
evaluate_pending_child_end(int64 execution_id, const ChildEnd *end)
{
	Occasion	occasion = {
		.execution_id = execution_id, .child_end = end, .was_pending = true
	};

	return decide_by_own_settings(decide_child_end, &occasion);
}

/* Decides on the time of an open run that has come. */
int
evaluate_run_due(int64 execution_id, const char *step_name, int visit)
{
	Occasion	occasion = {
		.execution_id = execution_id, .step_name = step_name, .visit = visit
	};

	return decide_by_own_settings(decide_run_due, &occasion);
}

/*
 * Returns whether an execution has a wait that a signal would end (engine/internal.h).
 */
bool
evaluate_would_take(const Event *signal)
{
	Occasion	occasion = {.event = signal};

	return decide_by_own_settings(would_take, &occasion) != 0;
}
