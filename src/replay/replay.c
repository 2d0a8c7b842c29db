/*
 * replay/replay.c
 *		The SQL functions verify() and rebuild(): an execution is decided again,
 *		event by event, from its log.
 *
 * Events that clients and workers sent are decided on.  Events that the broker
 * emitted must be emitted again, in the same order.  An emitted event recalls its
 * counterpart in the log and takes over its id and time:
 *
 *		execution_start ─ decide ─> step_started ≡ ┐
 *		step_started <───────────────── recalled ──┘
 *		action_completed ─ decide ─> step_completed ≡, step_started ≡ …
 *
 * An event that was stored while the broker was off was decided on later, so the
 * events that follow from it may be much later in the log.  The broker also decides
 * on the end of a child and on the passing of time, which are no events: the first
 * event that followed shows where that was.
 *
 * The log does not say which worker held a lease.  It says which events had an
 * effect: the sender of such an event is assumed to have held the lease.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"
#include "engine/engine.h"
#include "replay/internal.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_verify);
PG_FUNCTION_INFO_V1(noetl_rebuild);

/* ---------------------------------------------------------------------------
 * The beginning
 * ---------------------------------------------------------------------------
 */

/* Returns how many ancestors an execution has, also when their rows are missing. */
static int
count_ancestors(Store *store, int64 parent_id)
{
	int			depth = 0;

	while (parent_id != 0)
	{
		Execution	parent;
		Event		start;

		CHECK_FOR_INTERRUPTS();
		if (store_get_execution(store, parent_id, &parent))
			return depth + parent.depth + 1;
		if (!store_start_event(store, parent_id, &start))
			break;
		depth++;
		parent_id = start.parent_execution_id;
	}
	return depth;
}

/* Returns the role that started an execution, by its start and its row, if there is one. */
static Oid
started_by(Store *store, const Event *start)
{
	Execution	row;

	if (!store_get_execution(store, start->execution_id, &row))
		row.started_by = InvalidOid;
	return engine_started_by(start, row.started_by);
}

/*
 * Creates the model of an execution from its execution_start, whose settings are in
 * force from now on (XX.
 */
static void
begin_model(Replay *replay, const Event *start)
{
	Model	   *model = model_create(playbook_get(start->catalog_id));
	Execution  *execution = &model->execution;
	Store	   *others = store_open(InvalidOid);	/* the partition may be another one */

	replay->model = model;
	model->started_at = start->created_at;
	execution->execution_id = start->execution_id;
	execution->catalog_id = start->catalog_id;
	execution->parent_execution_id = start->parent_execution_id;
	if (start->parent_execution_id != 0)
		execution->parent_event_id = start->parent_event_id;
	execution->depth = count_ancestors(others, start->parent_execution_id);
	execution->item = start->has_index ? start->current_index : -1;
	execution->started_by = started_by(others, start);
	execution->settings = start->settings != NULL ? *start->settings : default_settings;
	settings_in_force = &execution->settings;
	engine_fill_terms(execution, start);
	if (!execution->scheduled)
		execution->deadline = engine_deadline(start);
	replay->start = *start;
	model->key = start->terms == NULL ? NULL : start->terms->key;
	execution->drive = 1;
	model->timeout = engine_deadline(start) != 0 ? engine_deadline(start) - start->created_at : 0;
	if (!catalog_describe(start->catalog_id, &execution->path, &execution->version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("playbook with catalog_id " INT64_FORMAT " does not exist",
						start->catalog_id),
				 errdetail("Execution " INT64_FORMAT " was started from it.",
						   start->execution_id),
				 errhint("Restore its row in noetl.catalog.")));
	store_close(others);
}

/* ---------------------------------------------------------------------------
 * Deciding again
 * ---------------------------------------------------------------------------
 */

/* Fills in the state that every evaluation begins with. */
static void
begin_evaluation(Replay *replay, BrokerState *state)
{
	const Execution *execution = &replay->model->execution;

	memset(state, 0, sizeof(BrokerState));
	state->playbook = replay->model->playbook;
	state->execution_id = execution->execution_id;
	state->parent_execution_id = execution->parent_execution_id;
	state->path = execution->path;
	state->version = execution->version;
	state->depth = execution->depth;
	state->priority = execution->priority;
	state->started_by = execution->started_by;
	state->drive = execution->drive;
	state->notes_started = replay->until != 0;
	past_init(replay, state);
}

/* Notes what a run began with: the input that transitions gave, and which visits it sees. */
static void
note_beginning(Replay *replay, BrokerState *state, Run *run)
{
	const int  *lineage = lineage_of(state, run);
	MemoryContext old = MemoryContextSwitchTo(replay->model->memory);
	JsonbValue	input;

	input_of_arrivals(run->arrivals, &input);
	replay->given = json_to_jsonb(&input);
	replay->sees = lineage_meta(state->playbook, lineage);
	MemoryContextSwitchTo(old);
}

/*
 * Does so if an emitted event is the last one that is followed: its run has begun with it,
 * and may have ended together with it.
 */
static void
note_started(Replay *replay, BrokerState *state, const Event *emitted)
{
	ListCell   *lc;

	if (replay->until == 0 || emitted->event_id != replay->until)
		return;
	foreach(lc, state->started)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->visit == emitted->visit && emitted->node_name != NULL &&
			strcmp(state->playbook->steps[run->step].name, emitted->node_name) == 0)
			note_beginning(replay, state, run);
	}
}

/* Returns the step that an event is about; -1: none. */
static int
event_step(const Replay *replay, const Event *event)
{
	return event->node_name == NULL ? -1 :
		playbook_find_step(replay->model->playbook, event->node_name,
						   strlen(event->node_name));
}

/*
 * Returns the run that an event is about, or NULL.  A task gets the lease that the
 * sender of the event must have had.
 */
static Run *
lend_lease(const Replay *replay, BrokerState *state, const Event *event)
{
	int			step = event_step(replay, event);
	Run		   *own = state->item;
	ListCell   *lc;

	foreach(lc, state->runs)
		if (own == NULL && ((Run *) lfirst(lc))->step == step &&
			((Run *) lfirst(lc))->visit == event->visit)
			own = (Run *) lfirst(lc);
	if (own == NULL || !own->is_task)
		return own;
	if (own->state != RUN_LEASED && event->type != EVENT_ACTION_STARTED &&
		!event_is_reaped(event, REAPED_QUEUE))
	{
		own->state = RUN_LEASED;
		own->attempts++;
	}
	if (own->state == RUN_LEASED)
		own->worker_id = event->worker_id;
	return own;
}

/* Returns whether an execution that a worker has started became a child, by its log. */
static bool
was_adopted(const Replay *replay, const ChildStart *child)
{
	Store	   *store = store_open(InvalidOid);	/* the partition may be another one */
	LogPlace   *places;
	int64		count;
	bool		adopted = false;

	places = store_list_log(store, child->execution_id, &count);
	for (int64 i = 0; i < count && !adopted; i++)
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		adopted = store_get_event(store, child->execution_id, places[i].event_id, &event) &&
			event.type == EVENT_EXECUTION_ADOPTED &&
			event.parent_execution_id == replay->execution_id &&
			event.parent_event_id == child->parent_event_id;
	}
	store_close(store);
	return adopted;
}

/* Compares the decisions with the log and applies them to the model. */
static void
follow_decisions(Replay *replay, BrokerState *state, const Event *event, const Run *own)
{
	ListCell   *lc;

	foreach(lc, state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (decision->kind == DECIDE_IGNORE)
			replay_event_vain(replay, event, decision->reason);
		if (replay->broken != NULL)
			return;
		if (decision->kind != DECIDE_EMIT)
			continue;
		replay_compare_event(replay, decision->event);
		note_started(replay, state, decision->event);
	}
	foreach(lc, state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);

		if (decision->kind == DECIDE_EMIT)
			model_note_event(replay->model, decision->event->recalled);
		else if (decision->kind != DECIDE_ADOPT || was_adopted(replay, decision->child))
			model_apply(replay->model, state, event, decision, own);
	}
}

/* Decides on the execution_start again. */
static void
decide_start(Replay *replay, BrokerState *state, const Event *event)
{
	Model	   *model = replay->model;
	Jsonb	   *workload = NULL;
	const char *error = event->refused != NULL ? event->refused :
		engine_render_workload(state, event, &workload);

	if (error != NULL)
	{
		broker_refuse(state, event, error);
		return;
	}
	model->workload = MemoryContextAlloc(model->memory, VARSIZE(workload));
	memcpy(model->workload, workload, VARSIZE(workload));
	broker_decide(state, event);
}

/* Has the model go on with another version; *migration stays for the decision. */
static void
migrate_model(Replay *replay, const Event *event, Migration *migration)
{
	Execution  *execution = &replay->model->execution;
	JsonbValue	context;
	int64		catalog_id = 0;
	const char *path;
	List	   *signals;
	ListCell   *lc;

	json_null(&context);
	if (event->context != NULL)
		json_from_jsonb(event->context, &context);
	(void) json_get_int(&context, "catalog_id", &catalog_id);
	if (!catalog_describe(catalog_id, &path, &execution->version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("playbook with catalog_id " INT64_FORMAT " does not exist", catalog_id),
				 errdetail("Execution " INT64_FORMAT " was migrated to it.",
						   replay->execution_id),
				 errhint("Restore its row in noetl.catalog.")));
	execution->catalog_id = catalog_id;
	migration_init(migration, event, replay->model->playbook, playbook_get(catalog_id));
	model_migrate(replay->model, migration);
	past_find_values(replay);
	if (migration->from->takes_signals == migration->to->takes_signals)
		return;
	replay->model->signals = NIL;
	signals = !migration->to->takes_signals ? NIL :
		store_logged_signals(replay->store, replay->execution_id, event->created_at);
	foreach(lc, signals)
		model_keep_signal(replay->model, (SignalRow *) lfirst(lc));
}

/* Decides again on an event of a client or a worker. */
static void
decide_again(Replay *replay, const Event *event)
{
	BrokerState state;
	Migration	migration;
	Run		   *own = NULL;

	if ((replay->model->status != NULL) != (event->type == EVENT_EXECUTION_REDRIVEN))
	{
		replay_event_vain(replay, event, replay->model->status != NULL ?
						  "the execution is over" : "the execution runs");
		return;
	}
	model_note_event(replay->model, event);
	if (event->type == EVENT_EXECUTION_MIGRATED)
		migrate_model(replay, event, &migration);
	begin_evaluation(replay, &state);
	state.migration = event->type == EVENT_EXECUTION_MIGRATED ? &migration : NULL;
	replay->next_own = Max(replay->next_own, replay->here + 1);
	if (event->type == EVENT_EXECUTION_START)
		decide_start(replay, &state, event);
	else if (event->type == EVENT_EXECUTION_REDRIVEN)
	{
		state.drive++;
		state.runs = model_stopped_runs(replay->model);
		replay->model->signals = replay->model->stopped_signals;
		broker_decide(&state, event);
	}
	else
	{
		state.runs = model_load_runs(replay->model);
		if (event->item >= 0)
			state.item = model_load_item(replay->model, event_step(replay, event),
										 event->visit, event->item);
		own = lend_lease(replay, &state, event);
		/* a run that is skipped while it waits has no earlier event */
		if (own != NULL && event->event_id == replay->until)
			note_beginning(replay, &state, own);
		broker_decide(&state, event);
	}
	if (replay->broken == NULL)
		follow_decisions(replay, &state, event, own);
}

/* Decides again on the beginning of a scheduled execution. */
static void
decide_due(Replay *replay, const Event *due)
{
	Execution  *execution = &replay->model->execution;
	BrokerState state;
	Event		rescheduled;
	Event		begin;

	if (replay->rescheduled != 0)
		replay_get_event(replay, replay->rescheduled, &rescheduled);
	engine_begin_event(&begin, &replay->start, replay->rescheduled != 0 ? &rescheduled : NULL,
					   due);
	execution->scheduled = false;
	execution->deadline = engine_deadline(&begin);
	replay->model->started_at = begin.created_at;
	begin_evaluation(replay, &state);
	replay->next_own = Max(replay->next_own, replay->here + 1);
	decide_start(replay, &state, &begin);
	if (replay->broken == NULL)
		follow_decisions(replay, &state, &begin, NULL);
}

/*
 * Follows the time of a scheduled execution: it is put off, or it has come.  Returns
 * whether an event is about that.
 */
static bool
follow_schedule(Replay *replay, const Event *event)
{
	if (!replay->model->execution.scheduled || replay->model->status != NULL)
		return false;
	if (event->type == EVENT_EXECUTION_DUE)
		decide_due(replay, event);
	else if (event->type == EVENT_EXECUTION_RESCHEDULED && event->terms != NULL)
	{
		replay->model->execution.run_at =
			engine_follow_rescheduled(replay->model->execution.run_at, event);
		replay->rescheduled = event->event_id;
	}
	else
		return false;
	return true;
}

/* Notes that an execution is paused, or is not any more, if an event is about that. */
static void
follow_pause(Replay *replay, const Event *event)
{
	Execution  *execution = &replay->model->execution;
	JsonbValue	meta;
	const char *until;

	if (event->ignored || replay->model->status != NULL ||
		(event->type != EVENT_EXECUTION_PAUSED && event->type != EVENT_EXECUTION_RESUMED))
		return;
	execution->paused = 0;
	replay->model->paused_until = 0;
	if (event->type == EVENT_EXECUTION_RESUMED)
		return;
	execution->paused = event->event_id;
	if (event->meta == NULL)
		return;
	json_from_jsonb(event->meta, &meta);
	until = json_get_text(&meta, "until");
	if (until != NULL)
		replay->model->paused_until = time_from_text(until);
}

/* Returns whether the broker decided on an event. */
static bool
was_decided(const Replay *replay, const Event *event)
{
	return event_type_is_decided(event->type) &&
		!(event->type == EVENT_EXECUTION_START && engine_is_scheduled(event)) &&
		!event->ignored &&
		!(replay->any_pending &&
		  store_is_pending(replay->store, event->execution_id, event->created_at,
						   event->event_id));
}

/* ---------------------------------------------------------------------------
 * Decisions without an event
 * ---------------------------------------------------------------------------
 */

/* Returns whether an event is the first that followed from the end of a child; fills in *end. */
static bool
tells_child_end(const Replay *replay, const ModelRow *row, const Event *event, ChildEnd *end)
{
	const ModelChild *child;

	if ((event->type != EVENT_ACTION_COMPLETED && event->type != EVENT_ACTION_ERROR &&
		 event->type != EVENT_ITERATION_COMPLETED && event->type != EVENT_ITERATION_FAILED) ||
		event->ended_child == 0 || event->parent_event_id != row->run.started_event_id)
		return false;
	child = model_find_child(replay->model, event->ended_child);
	if (child == NULL || child->key.step != row->key.step ||
		child->key.visit != row->key.visit)
		return false;
	memset(end, 0, sizeof(ChildEnd));
	end->execution_id = event->ended_child;
	end->parent_event_id = child->parent_event_id;
	end->item = child->key.item;
	end->completed = event->type == EVENT_ACTION_COMPLETED ||
		event->type == EVENT_ITERATION_COMPLETED;
	end->result = event->result;
	end->error = event->error;
	return true;
}

/*
 * Returns whether an event is the first that followed from the end of the last child
 * that a run's worker has started; fills in *end.
 */
static bool
tells_spawned_end(const Replay *replay, const ModelRow *row, const Event *event, ChildEnd *end)
{
	JsonbValue	context;
	int64		event_id;

	if (replay->model->playbook->steps[row->key.step].kind != STEP_ACTION ||
		(event->type != EVENT_STEP_COMPLETED && event->type != EVENT_STEP_FAILED &&
		 event->type != EVENT_STEP_HELD) ||
		row->run.context == NULL)
		return false;
	json_from_jsonb(row->run.context, &context);
	if (!json_get_int(&context, "event_id", &event_id) || event->parent_event_id != event_id)
		return false;
	memset(end, 0, sizeof(ChildEnd));
	end->parent_event_id = row->run.started_event_id;
	return true;
}

/* Returns whether an event is the first that followed from the due time of a run. */
static bool
tells_run_due(const Replay *replay, const ModelRow *row, const Event *event)
{
	bool		is_statement =
		replay->model->playbook->steps[row->key.step].kind == STEP_SQL;
	int64		released_by = 0;
	ListCell   *lc;

	if (row->run.state == RUN_OPEN)
		return event->type == EVENT_ACTION_ERROR && event_is_reaped(event, REAPED_TIMEOUT);
	if (row->run.state == RUN_AWAITING)
		return event->parent_event_id == row->run.started_event_id &&
			(event->type == EVENT_STEP_COMPLETED ? event->ended_by != NULL :
			 (event->type == EVENT_STEP_FAILED || event->type == EVENT_STEP_HELD) &&
			 event->failure != NULL && strcmp(event->failure, REAPED_TIMEOUT) == 0);
	foreach(lc, row->run.arrivals)
		released_by = Max(released_by, ((Arrival *) lfirst(lc))->event_id);
	switch (event->type)
	{
		case EVENT_ACTION_STARTED:
		case EVENT_ITERATOR_STARTED:
		case EVENT_SAVE_COMPLETED:
		case EVENT_SAVE_FAILED:
			return event->parent_event_id == row->run.started_event_id;
		case EVENT_ACTION_COMPLETED:
		case EVENT_ACTION_ERROR:
			return is_statement && event->worker_id == NULL &&
				event->parent_event_id == row->run.started_event_id;
		case EVENT_STEP_FAILED:
		case EVENT_STEP_HELD:
		case EVENT_STEP_COMPLETED:
			return event->parent_event_id == released_by;
		default:
			return false;
	}
}

/*
 * Decides again on the end of a child or on the passing of time, if an event is
 * the first that followed from it.  Returns whether it is.
 */
static bool
decide_message(Replay *replay, const Event *event)
{
	int			step = event_step(replay, event);
	ModelRow   *row = step < 0 ? NULL : model_find_run(replay->model, step, event->visit);
	BrokerState state;
	ChildEnd	end;
	bool		child_ended;

	if (row == NULL || row->run.state == RUN_WAITING || row->run.state == RUN_HELD ||
		event->ignored)
		return false;
	child_ended = row->run.state == RUN_OPEN &&
		(tells_child_end(replay, row, event, &end) ||
		 tells_spawned_end(replay, row, event, &end));
	if (!child_ended && (event->item >= 0 || !tells_run_due(replay, row, event)))
		return false;

	begin_evaluation(replay, &state);
	state.now = event->created_at;
	state.time = event->created_at - 1;
	state.last_event_id = event->event_id - 1;
	state.runs = model_load_runs(replay->model);
	replay->next_own = Max(replay->next_own, replay->here);
	if (child_ended)
	{
		model_remove_child(replay->model, end.execution_id);
		replay->children_over = true;
		broker_child_ended(&state, &end);
		replay->children_over = false;
	}
	else
		broker_run_due(&state, step, row->key.visit);
	if (replay->broken == NULL && !replay->places[replay->here].recalled)
		replay_event_vain(replay, event, "nothing led to it");
	if (replay->broken == NULL)
		follow_decisions(replay, &state, NULL, NULL);
	return true;
}

/* ---------------------------------------------------------------------------
 * The whole log
 * ---------------------------------------------------------------------------
 */

/*
 * Reads an event of the list of places.  Raises when a user has deleted it since
 * the list was made, which the execution lock does not prevent.
 */
void
replay_get_event(const Replay *replay, int64 event_id, Event *event)
{
	if (!store_get_event(replay->store, replay->execution_id, event_id, event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("event " INT64_FORMAT " of execution " INT64_FORMAT " has been deleted",
						event_id, replay->execution_id),
				 errhint("Retry when the event log is not being changed.")));
}

/* Creates the model; a log that does not begin with an execution_start is broken. */
static void
begin_log(Replay *replay, const Event *event)
{
	if (event->type == EVENT_EXECUTION_START)
		begin_model(replay, event);
	else
		replay_break(replay, "The log does not begin with an execution_start.",
					 psprintf(INT64_FORMAT, event->event_id),
					 json_text_object("event_type", event_type_name(EVENT_EXECUTION_START)),
					 json_text_object("event_type", event->event_type));
}

/* Returns whether the event up to which the log is decided again has followed. */
static bool
until_reached(const Replay *replay)
{
	for (int64 i = replay->here; i < Max(replay->next_own, replay->here + 1); i++)
		if (replay->places[i].event_id == replay->until)
			return true;
	return false;
}

/* Decides the whole log again; stops where the log cannot be followed. */
static void
walk_log(Replay *replay)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl replayed event",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;

	for (replay->here = 0; replay->here < replay->count && replay->broken == NULL;
		 replay->here++)
	{
		const LogPlace *place = &replay->places[replay->here];
		Event		event;

		CHECK_FOR_INTERRUPTS();
		if (place->recalled)
			continue;
		if (replay->here > 0)
			MemoryContextSwitchTo(memory);
		replay_get_event(replay, place->event_id, &event);
		if (replay->here == 0)
		{
			begin_log(replay, &event);
			MemoryContextSwitchTo(memory);
		}
		if (replay->broken == NULL)
			follow_pause(replay, &event);
		if (replay->broken == NULL && !follow_schedule(replay, &event) &&
			!decide_message(replay, &event))
		{
			if (was_decided(replay, &event))
				decide_again(replay, &event);
			else if (!event_type_has_effect(event.type) && !event.ignored)
				model_note_event(replay->model, &event);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		if (replay->until != 0 && until_reached(replay))
			break;
	}
	MemoryContextDelete(memory);
}

/*
 * Leaves events out that were stored while the triggers were off: the broker has not
 * decided on them.  They are differences, as there should be none.
 */
static void
leave_undecided(Replay *replay)
{
	int64		kept = 0;

	for (int64 i = 0; i < replay->count; i++)
	{
		if (!replay->places[i].undecided)
			replay->places[kept++] = replay->places[i];
		else
			comparison_report(replay->comparison, "event",
							  psprintf(INT64_FORMAT, replay->places[i].event_id),
							  NULL,
							  json_text_object("undecided", "stored while the triggers were off"));
	}
	replay->undecided = replay->count - kept;
	replay->count = kept;
}

/*
 * Locks an execution and decides its log again until an event (0: the last one) has
 * followed.  The settings of the execution are in force from then on.
 */
static void
replay_log(Replay *replay, int64 execution_id, Comparison *comparison, int64 until)
{
	memset(replay, 0, sizeof(Replay));
	replay->until = until;
	engine_lock_for_replay(execution_id);
	replay->store = store_open(InvalidOid);
	replay->execution_id = execution_id;
	replay->comparison = comparison;
	replay->places = store_list_log(replay->store, execution_id, &replay->count);
	if (replay->count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " has no event log", execution_id)));
	leave_undecided(replay);
	replay->any_pending = store_any_pending(replay->store, execution_id);
	walk_log(replay);
}

/* Does the same; the settings that were in force before are so again (replay/internal.h). */
void
replay_until(Replay *replay, int64 execution_id, Comparison *comparison, int64 until)
{
	const Settings *outer = settings_in_force;

	PG_TRY();
	{
		replay_log(replay, execution_id, comparison, until);
	}
	PG_FINALLY();
	{
		settings_in_force = outer;
	}
	PG_END_TRY();
}

/* Raises: the log cannot be followed. */
void
replay_raise_broken(const Replay *replay)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("execution " INT64_FORMAT " does not follow from its event log",
					replay->execution_id),
			 errdetail_internal("%s", replay->broken),
			 errhint("Nothing was changed. Events may have been removed or altered, or a setting that decisions depend on, such as noetl.max_visits, may have been another one when they were written.")));
}

/* Returns the open run that waits for a child, or NULL. */
static ModelRow *
waiting_run(const Replay *replay, const ModelChild *child)
{
	ModelRow   *row = model_find_run(replay->model, child->key.step, child->key.visit);

	return row != NULL && row->run.state == RUN_OPEN &&
		row->run.started_event_id == child->parent_event_id ? row : NULL;
}

/* Returns whether a worker started a child; of such children the end of the last counts. */
static bool
is_spawned(const Replay *replay, const ModelChild *child)
{
	return replay->model->playbook->steps[child->key.step].kind == STEP_ACTION;
}

/* For list_sort: in the order in which the children were started. */
static int
compare_children(const ListCell *a, const ListCell *b)
{
	int64		left = ((const ModelChild *) lfirst(a))->execution_id;
	int64		right = ((const ModelChild *) lfirst(b))->execution_id;

	return left < right ? -1 : left > right;
}

/* Returns the children (ModelChild *) that an open run waits for. */
static List *
awaited_children(const Replay *replay)
{
	List	   *children = NIL;
	HASH_SEQ_STATUS all;
	ModelChild *child;

	hash_seq_init(&all, replay->model->children);
	while ((child = (ModelChild *) hash_seq_search(&all)) != NULL)
	{
		ModelRow   *row = waiting_run(replay, child);
		Execution	execution;

		CHECK_FOR_INTERRUPTS();
		if (row == NULL)
			continue;
		children = lappend(children, child);
		if (is_spawned(replay, child) && !row->settled)
			row->settled = store_get_execution(replay->store, child->execution_id,
											   &execution) && execution.running;
	}
	list_sort(children, compare_children);
	return children;
}

/*
 * Reports children that are over although the log does not say so: their parent
 * could not be told while its row was missing.  Ends that are pending are none of them.
 * Returns what to tell it (ChildEnd *).
 */
static List *
unheard_children(Replay *replay)
{
	List	   *ends = NIL;
	List	   *children = awaited_children(replay);
	ListCell   *lc;

	foreach(lc, children)
	{
		const ModelChild *child = (ModelChild *) lfirst(lc);
		const Step *step = &replay->model->playbook->steps[child->key.step];
		ModelRow   *row = waiting_run(replay, child);
		ChildEnd   *end = palloc(sizeof(ChildEnd));
		ExecutionEnd ended;
		JsonBuilder builder;
		JsonbValue	value;

		if (row->settled || !store_get_end(replay->store, child->execution_id, &ended) ||
			store_is_pending(replay->store, replay->execution_id, ended.ended_at,
							 -child->execution_id))
			continue;
		row->settled = is_spawned(replay, child);
		engine_describe_end(&ended.execution, ended.status, ended.result, ended.error, 0, end);
		ends = lappend(ends, end);
		json_begin_object(&builder);
		json_add_id(&builder, "child_execution_id", child->execution_id);
		json_add_text(&builder, "status", ended.status);
		json_end_object(&builder, &value);
		comparison_report(replay->comparison, "event",
						  node_key(replay->execution_id,
								   node_id_make(replay->execution_id, step->name,
												child->key.visit, child->key.item)),
						  json_to_jsonb(&value), NULL);
	}
	return ends;
}

/* ---------------------------------------------------------------------------
 * SQL
 * ---------------------------------------------------------------------------
 */

/* Comparison.report: puts a row into the result set. */
static void
return_difference(void *arg, const char *relation, const char *key,
				  const Jsonb *expected, const Jsonb *found)
{
	ReturnSetInfo *info = (ReturnSetInfo *) arg;
	Datum		values[4];
	bool		nulls[4] = {false, false, expected == NULL, found == NULL};

	values[0] = CStringGetTextDatum(relation);
	values[1] = CStringGetTextDatum(key);
	values[2] = PointerGetDatum(expected);
	values[3] = PointerGetDatum(found);
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* Returns the differences and changes nothing. */
static Datum
verify(FunctionCallInfo fcinfo)
{
	int64		execution_id = PG_GETARG_INT64(0);
	Comparison	comparison;
	Replay		replay;

	engine_check_owner_of(execution_id);
	memset(&comparison, 0, sizeof(comparison));
	comparison.report = return_difference;
	comparison.arg = rows_begin(fcinfo);
	replay_log(&replay, execution_id, &comparison, 0);
	if (replay.broken == NULL && replay.model != NULL)
	{
		compare_tables(replay.store, replay.model, &comparison);
		(void) unheard_children(&replay);
	}
	store_close(replay.store);
	/* one statement may verify many executions; nothing was changed */
	engine_unlock(execution_id);
	return (Datum) 0;
}

/* Changes the rows and returns how many differed. */
static Datum
rebuild(FunctionCallInfo fcinfo)
{
	int64		execution_id = PG_GETARG_INT64(0);
	Comparison	comparison;
	Replay		replay;
	List	   *ends = NIL;
	ListCell   *lc;
	int			enqueued;

	engine_check_owner_of(execution_id);
	memset(&comparison, 0, sizeof(comparison));
	replay_log(&replay, execution_id, &comparison, 0);
	engine_check_snapshot(replay.store, execution_id);
	if (replay.broken != NULL)
		replay_raise_broken(&replay);
	comparison.differences = 0;
	comparison.repair = true;
	if (replay.model != NULL)
	{
		compare_tables(replay.store, replay.model, &comparison);
		ends = unheard_children(&replay);
	}
	store_close(replay.store);
	CommandCounterIncrement();
	foreach(lc, ends)
		(void) engine_decide_child_end(execution_id, (ChildEnd *) lfirst(lc));
	if (replay.undecided > 0)
		comparison.differences += engine_take_up(execution_id, &enqueued);
	if (comparison.differences > 0)
		wake_at_commit(NULL);
	PG_RETURN_INT64(comparison.differences);
}

/*
 * Calls a function that compares tables by the settings of an execution; those that were
 * in force before are so again afterwards, also after an error.
 */
static Datum
call_by_own_settings(Datum (*function) (FunctionCallInfo fcinfo), FunctionCallInfo fcinfo)
{
	const Settings *outer = settings_in_force;
	volatile Datum result = (Datum) 0;

	PG_TRY();
	{
		result = function(fcinfo);
	}
	PG_FINALLY();
	{
		settings_in_force = outer;
	}
	PG_END_TRY();
	return result;
}

/* noetl.verify(execution_id): returns the differences and changes nothing. */
Datum
noetl_verify(PG_FUNCTION_ARGS)
{
	return call_by_own_settings(verify, fcinfo);
}

/* noetl.rebuild(execution_id): changes the rows and returns how many differed. */
Datum
noetl_rebuild(PG_FUNCTION_ARGS)
{
	return call_by_own_settings(rebuild, fcinfo);
}
