/*
 * replay/history.c
 *		What the log answers to the broker's questions when it decides again.
 *
 * Every answer is the one that the first decision was given.  Values are those up
 * to the event that is decided on.  The ids of child executions and their playbooks
 * are those that the following events, or the child's own log, name.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "catalog/catalog.h"
#include "engine/engine.h"
#include "replay/internal.h"
#include "broker/broker.h"

/*
 * Finds the value of a visit that ended before an event (0: before the current
 * one).  The model does not keep the values of earlier visits.
 */
static void
past_visit_value(Replay *replay, const Step *step, int visit, int64 before, StepValue *value)
{
	ValueQuery	query;

	memset(&query, 0, sizeof(query));
	query.step_name = step->name;
	query.visit = visit;
	query.highest = step->parallel;
	query.until = replay->places[replay->here].created_at;
	if (before != 0)
		query.until = Min(query.until, id_time(before));
	store_step_value(replay->store, replay->execution_id, &query, value);
}

/* ValueSource.event_meta */
static bool
past_event_meta(void *arg, int64 event_id, JsonbValue *meta, int64 *catalog_id)
{
	Replay	   *replay = (Replay *) arg;
	Event		event;

	if (!store_get_event(replay->store, replay->execution_id, event_id, &event))
		return false;
	if (catalog_id != NULL)
		*catalog_id = event.catalog_id;
	if (event.meta == NULL)
		return false;
	json_from_jsonb(event.meta, meta);
	return true;
}

/* ValueSource.step_maps */
static List *
past_step_maps(void *arg, int64 since)
{
	Replay	   *replay = (Replay *) arg;

	return store_step_maps(replay->store, replay->execution_id, replay->model->execution.path,
						   since, replay->places[replay->here].created_at);
}

/* ValueSource.step_value */
static void
past_step_value(void *arg, const Step *step, int visit, int64 before, StepValue *value)
{
	Replay	   *replay = (Replay *) arg;
	ModelValue *place;
	Event		event;

	memset(value, 0, sizeof(StepValue));
	/* a step of another version has no index here */
	if (visit > 0 || step->index < 0)
	{
		past_visit_value(replay, step, visit, before, value);
		return;
	}
	place = &replay->model->values[step->index];
	if (place->created_at == 0)
		return;
	replay_get_event(replay, place->event_id, &event);
	value->found = true;
	value->visit = place->visit;
	value->event_id = place->event_id;
	value->parent_event_id = event.parent_event_id;
	json_from_jsonb(event.result, &value->envelope);
}

/* ValueSource.workload */
static bool
past_workload(void *arg, JsonbValue *workload)
{
	return model_workload(((Replay *) arg)->model, workload);
}

/* ValueSource.progress */
static void
past_progress(void *arg, const char *step_name, int visit, int64 since,
			  IterationProgress *progress)
{
	model_progress(((Replay *) arg)->model, step_name, visit, since, progress);
}

/* ValueSource.iteration_results: up to the newest event that replay has reached. */
static List *
past_iteration_results(void *arg, const char *step_name, int visit, int64 since)
{
	Replay	   *replay = (Replay *) arg;
	TimestampTz until = Max(replay->places[replay->here].created_at,
							replay->places[Max(replay->next_own, 1) - 1].created_at);

	return store_iteration_results(replay->store, replay->execution_id, step_name, visit,
								   since, until);
}

/* ValueSource.waiting_item */
static bool
past_waiting_item(void *arg, const char *step_name, int visit, int index, JsonbValue *item)
{
	return model_waiting_item(((Replay *) arg)->model, step_name, visit, index, item);
}

/* Returns the child that an event says the broker has started; 0: none. */
static int64
started_child(const Event *event)
{
	return event->type == EVENT_STEP_STARTED || event->type == EVENT_ACTION_STARTED ||
		event->type == EVENT_CHILD_SPAWNED ? event->started_child : 0;
}

/* ValueSource.new_execution_id: the id of the next child that the log names. */
static int64
past_new_execution_id(void *arg)
{
	Replay	   *replay = (Replay *) arg;

	for (int64 i = replay->next_own; i < replay->count; i++)
	{
		Event		event;
		int64		child;

		CHECK_FOR_INTERRUPTS();
		replay_get_event(replay, replay->places[i].event_id, &event);
		child = started_child(&event);
		if (child != 0)
			return child;
	}
	return 0;
}

/*
 * Reads the event that is recalled next, or (after: how many) one after that, if
 * it follows the event before it at once.  Returns false otherwise, as for an event
 * that was decided on later.
 */
static bool
event_after(Replay *replay, int after, Event *event)
{
	int64		i = replay->next_own + after;

	return i > 0 && i < replay->count &&
		replay->places[i].created_at == replay->places[i - 1].created_at + 1 &&
		store_get_event(replay->store, replay->execution_id, replay->places[i].event_id, event);
}

/* Reads the event that is recalled next, if it follows the current event at once. */
static bool
next_event(Replay *replay, Event *event)
{
	return event_after(replay, 0, event);
}

/* Returns the playbook of the child that is started next; 0: there is none. */
static int64
next_child_playbook(Replay *replay)
{
	Event		event;
	int64		child;
	int64		catalog_id = 0;

	if (!next_event(replay, &event))
		return 0;
	child = started_child(&event);
	if (child != 0)
	{
		/* the log of the child may be in another partition */
		Store	   *store = store_open(InvalidOid);

		if (store_start_event(store, child, &event))
			catalog_id = event.catalog_id;
		store_close(store);
	}
	return catalog_id;
}

/*
 * ValueSource.find_playbook: the version that was the newest then.  If the child
 * was started, its log names the version.
 */
static int64
past_find_playbook(void *arg, const char *path, int version)
{
	Replay	   *replay = (Replay *) arg;
	int64		catalog_id = next_child_playbook(replay);
	Event		event;
	TimestampTz before = DT_NOEND;

	if (catalog_id != 0)
		return catalog_id;
	if (next_event(replay, &event))
		before = event.created_at;
	return catalog_find(path, version, before, &catalog_id) ? catalog_id : 0;
}

/* ValueSource.add_playbook: adds nothing; the first decision has added it. */
static int64
past_add_playbook(void *arg, const char *content, const char *path, char **error)
{
	int64		catalog_id = next_child_playbook((Replay *) arg);

	return catalog_id != 0 ? catalog_id : catalog_look_up(content, path, error);
}

/*
 * ValueSource.refuses_playbook: by the next event, or that after the start of an
 * item, because rights on the playbook may have changed since then.
 */
static char *
past_refuses_playbook(void *arg, int64 catalog_id)
{
	Replay	   *replay = (Replay *) arg;
	Event		event;
	int			version;
	const char *path;
	char	   *refusal;

	if (!next_event(replay, &event) || started_child(&event) != 0)
		return NULL;
	if (event.error == NULL && !event_after(replay, 1, &event))
		return NULL;
	if (event.error == NULL || !catalog_describe(catalog_id, &path, &version))
		return NULL;
	refusal = psprintf(CATALOG_EXECUTE_REFUSED, path);
	return strcmp(event.error, refusal) == 0 ? refusal : NULL;
}

/*
 * ValueSource.child_value: unknown here.  The event that told of the child's end
 * already has the value as its result.
 */
static bool
past_child_value(void *arg, int64 execution_id, const char *step_name, JsonbValue *value)
{
	return false;
}

/* ValueSource.child_last_step: unknown here, for the same reason. */
static const char *
past_child_last_step(void *arg, int64 execution_id)
{
	return NULL;
}

/* ValueSource.start_meta */
static bool
past_start_meta(void *arg, JsonbValue *meta)
{
	Replay	   *replay = (Replay *) arg;

	return engine_start_meta(replay->store, replay->execution_id, meta);
}

/*
 * ValueSource.has_children.  Without running children the consequences follow the
 * event at once; otherwise they followed the end of the last child.
 */
static bool
past_has_children(void *arg, int64 parent_event_id)
{
	Replay	   *replay = (Replay *) arg;
	HASH_SEQ_STATUS all;
	ModelChild *child;
	bool		any = false;
	Event		event;

	if (replay->children_over)
		return false;
	hash_seq_init(&all, replay->model->children);
	while ((child = (ModelChild *) hash_seq_search(&all)) != NULL)
		any = any || child->parent_event_id == parent_event_id;
	return any && !next_event(replay, &event);
}

/*
 * ValueSource.allows_visit: by the next event, because noetl.max_visits may have
 * been another one then.
 */
static bool
past_allows_visit(void *arg, int visit, int limit)
{
	Event		event;

	if (visit == 1 || limit > 0)
		return visit <= Max(limit, 1);
	if (!next_event((Replay *) arg, &event))
		return visit <= SETTING(max_visits);
	return event.failure == NULL || strcmp(event.failure, VISITED_TOO_OFTEN) != 0;
}

/* ValueSource.allows_depth: by the next event, like allows_visit. */
static bool
past_allows_depth(void *arg, int depth)
{
	Event		event;

	return next_event((Replay *) arg, &event) ? started_child(&event) != 0 :
		depth <= SETTING(max_depth);
}

/* ValueSource.holds_by_default: by the next event, as the setting may have changed. */
static bool
past_holds_by_default(void *arg)
{
	Event		event;

	return next_event((Replay *) arg, &event) ? event.type == EVENT_STEP_HELD :
		SETTING(on_error) == ON_ERROR_SETTING_HOLD;
}

/* ValueSource.event_context */
static bool
past_event_context(void *arg, int64 event_id, JsonbValue *context)
{
	Replay	   *replay = (Replay *) arg;
	Event		event;

	if (!store_get_event(replay->store, replay->execution_id, event_id, &event) ||
		event.context == NULL)
		return false;
	json_from_jsonb(event.context, context);
	return true;
}

/* ValueSource.event_result */
static bool
past_event_result(void *arg, int64 event_id, JsonbValue *result)
{
	Replay	   *replay = (Replay *) arg;
	Event		event;

	if (!store_get_event(replay->store, replay->execution_id, event_id, &event) ||
		event.result == NULL)
		return false;
	json_from_jsonb(event.result, result);
	return true;
}

/*
 * Finds anew where the values of the steps are in the log, up to the current event: the
 * playbook has changed.
 */
void
past_find_values(Replay *replay)
{
	Model	   *model = replay->model;

	model->values = MemoryContextAllocZero(model->memory,
										   sizeof(ModelValue) * model->playbook->nsteps);
	for (int i = 0; i < model->playbook->nsteps; i++)
	{
		StepValue	value;
		ValueQuery	query;
		Event		event;

		memset(&query, 0, sizeof(query));
		query.step_name = model->playbook->steps[i].name;
		query.highest = model->playbook->steps[i].parallel;
		query.until = replay->places[replay->here].created_at;
		store_step_value(replay->store, replay->execution_id, &query, &value);
		if (!value.found)
			continue;
		replay_get_event(replay, value.event_id, &event);
		model->values[i].created_at = event.created_at;
		model->values[i].event_id = value.event_id;
		model->values[i].visit = value.visit;
	}
}

/* ValueSource.completions */
static List *
past_completions(void *arg)
{
	Replay	   *replay = (Replay *) arg;

	return store_completions(replay->store, replay->execution_id, replay->model->playbook,
							 replay->places[replay->here].created_at);
}

/* ValueSource.item_states */
static ItemState *
past_item_states(void *arg, const char *step_name, int visit, int64 since, int64 before,
				 int total)
{
	Replay	   *replay = (Replay *) arg;

	return store_item_states(replay->store, replay->execution_id, step_name, visit, since,
							 before, total);
}

/* ValueSource.kept_signal */
static bool
past_kept_signal(void *arg, const char *name, int64 after, Event *event)
{
	Replay	   *replay = (Replay *) arg;
	const ModelSignal *signal = model_kept_signal(replay->model, name, after);

	if (signal == NULL)
		return false;
	replay_get_event(replay, signal->event_id, event);
	return true;
}

/* ValueSource.signal_known */
static bool
past_signal_known(void *arg, const char *id)
{
	Replay	   *replay = (Replay *) arg;
	ListCell   *lc;

	foreach(lc, replay->model->signals)
	{
		const ModelSignal *signal = (ModelSignal *) lfirst(lc);

		if (signal->row.id != NULL && strcmp(signal->row.id, id) == 0)
			return true;
	}
	return false;
}

/* ValueSource.moment: a wait takes the time from its step_started, if it began. */
static bool
past_moment(void *arg, const char *text, TimestampTz now, TimestampTz *moment, char **error)
{
	Replay	   *replay = (Replay *) arg;

	return engine_moment(replay->model->execution.started_by, text, now, moment, error);
}

/* Finds what the event that ended an attempt says of the statement's failure. */
static void
recall_error(const Event *event, SaveError *error)
{
	JsonbValue	result;
	int64		position;

	json_null(&result);
	if (event->result != NULL)
		json_from_jsonb(event->result, &result);
	error->message = event->error;
	error->timed_out = event_is_reaped(event, REAPED_TIMEOUT);
	error->sqlstate = json_get_text(&result, "sqlstate");
	error->primary = json_get_text(&result, "message");
	error->detail = json_get_text(&result, "detail");
	error->hint = json_get_text(&result, "hint");
	if (json_get_int(&result, "position", &position))
		error->position = (int) position;
}

/* Finds what the statement of a step returned, by the event that ended its attempt. */
static void
recall_rows(const Event *event, SaveRequest *request)
{
	JsonbValue	result;

	if (event->result == NULL)
		return;
	json_from_jsonb(event->result, &result);
	request->returns = json_get(&result, "data", &request->returned);
	(void) json_get_int(&result, "row_count", &request->rows);
}

/* The statement of a step: executes nothing; the log says how the attempt ended. */
static bool
past_statement(Replay *replay, SaveRequest *request, SaveError *error)
{
	for (int64 i = replay->next_own; i < replay->count; i++)
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		if (!store_get_event(replay->store, replay->execution_id,
							 replay->places[i].event_id, &event) ||
			(event.type != EVENT_ACTION_COMPLETED && event.type != EVENT_ACTION_ERROR) ||
			event.worker_id != NULL || event.ignored || event.node_id == NULL ||
			strcmp(event.node_id, request->node_id) != 0)
			continue;
		if (event.type == EVENT_ACTION_COMPLETED)
		{
			recall_rows(&event, request);
			return true;
		}
		recall_error(&event, error);
		return false;
	}
	error->message = "the log does not say how the statement ended";
	return false;
}

/* ValueSource.save: saves nothing; the log says how the saves ended. */
static bool
past_save(void *arg, List *requests, SaveError *error)
{
	Replay	   *replay = (Replay *) arg;
	SaveRequest *request = (SaveRequest *) linitial(requests);
	int			done = 0;

	if (request->node_id != NULL)
		return past_statement(replay, request, error);
	for (int64 i = replay->next_own; i < replay->count && done < list_length(requests); i++)
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		if (!store_get_event(replay->store, replay->execution_id,
							 replay->places[i].event_id, &event) ||
			!event.save.found || event.worker_id != NULL)
			continue;
		if (event.type == EVENT_SAVE_FAILED)
		{
			error->message = event.error;
			error->sqlstate = event.save.sqlstate;
			error->number = Min(event.save.number, list_length(requests) - 1);
			return false;
		}
		request = (SaveRequest *) list_nth(requests, done++);
		request->rows = event.save.rows;
		request->returns = request->wants_rows && event.result != NULL;
		if (request->returns)
			json_from_jsonb(event.result, &request->returned);
	}
	return true;
}

/* Returns whether an event of the log is the one that is emitted again. */
static bool
is_recalled(const Event *emitted, const Event *logged)
{
	return strcmp(emitted->event_type, logged->event_type) == 0 &&
		logged->node_id != NULL && strcmp(emitted->node_id, logged->node_id) == 0 &&
		(event_type_is_terminal(emitted->type) ||
		 emitted->parent_event_id == logged->parent_event_id) &&
		!logged->ignored;
}

/*
 * BrokerState.recall: returns the next event of the log that is like the emitted
 * one.  Returns NULL and reports when there is none.
 */
static const Event *
past_recall(void *arg, const Event *event)
{
	Replay	   *replay = (Replay *) arg;

	for (int64 i = replay->next_own; i < replay->count && replay->broken == NULL; i++)
	{
		Event	   *logged = palloc(sizeof(Event));

		CHECK_FOR_INTERRUPTS();
		if (store_get_event(replay->store, replay->execution_id,
							replay->places[i].event_id, logged) &&
			is_recalled(event, logged))
		{
			replay->places[i].recalled = true;
			replay->next_own = i + 1;
			return logged;
		}
	}
	replay_event_missing(replay, event);
	return NULL;
}

/* Makes the log, up to the current event, answer the broker's questions. */
void
past_init(Replay *replay, BrokerState *state)
{
	static const ValueSource source = {
		.step_value = past_step_value,
		.event_meta = past_event_meta,
		.step_maps = past_step_maps,
		.workload = past_workload,
		.progress = past_progress,
		.iteration_results = past_iteration_results,
		.waiting_item = past_waiting_item,
		.find_playbook = past_find_playbook,
		.add_playbook = past_add_playbook,
		.refuses_playbook = past_refuses_playbook,
		.child_value = past_child_value,
		.child_last_step = past_child_last_step,
		.start_meta = past_start_meta,
		.has_children = past_has_children,
		.new_execution_id = past_new_execution_id,
		.allows_visit = past_allows_visit,
		.allows_depth = past_allows_depth,
		.holds_by_default = past_holds_by_default,
		.event_context = past_event_context,
		.event_result = past_event_result,
		.completions = past_completions,
		.item_states = past_item_states,
		.kept_signal = past_kept_signal,
		.signal_known = past_signal_known,
		.moment = past_moment,
		.save = past_save
	};

	state->values = source;
	engine_set_constant_lookups(&state->values);
	state->values.arg = replay;
	state->recall = past_recall;
	state->recall_arg = replay;
}
