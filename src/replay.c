/*
 * replay.c
 *		The SQL functions verify() and rebuild(): an execution is decided again,
 *		event by event, from its log.
 *
 * Of the log, what clients and workers sent is decided on; what the broker
 * wrote must come out of that again, in the same order, and lends the decisions
 * its ids and times:
 *
 *		execution_start ─ decide ─> step_started ≡ ┐
 *		step_started <───────────────── recalled ──┘
 *		action_completed ─ decide ─> step_completed ≡, step_started ≡ …
 *
 * An event that was stored while the broker was off was decided on later, so
 * what follows from it may stand far behind it.
 *
 * The log does not say who held a lease.  It says which events counted: the
 * sender of one is taken to have held the lease then.
 */
#include "noetl.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "catalog_store.h"
#include "event_internal.h"
#include "execution.h"
#include "json.h"
#include "replay.h"
#include "rows.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(noetl_verify);
PG_FUNCTION_INFO_V1(noetl_rebuild);

typedef struct Replay
{
	Store	   *store;
	int64		execution_id;
	Model	   *model;			/* NULL: the log does not begin with a start */
	Comparison *comparison;
	LogPlace   *places;
	int64		count;
	int64		here;			/* place of the event that is decided on */
	int64		next_own;		/* before it nothing is left to be recalled */
	bool		any_pending;
	List	   *recalled;		/* Event *, of this evaluation */
	const char *broken;			/* why it cannot go on, or NULL */
} Replay;

/* ---------------------------------------------------------------------------
 * The past, as it was
 * ---------------------------------------------------------------------------
 */

/* ValueSource.step_value: what the log held up to this event. */
static void
past_step_value(void *arg, const char *step_name, StepValue *value)
{
	Replay	   *replay = (Replay *) arg;
	Model	   *model = replay->model;
	int			step = playbook_find_step(model->playbook, step_name, strlen(step_name));
	ModelValue *place = &model->values[step];
	Event		event;

	memset(value, 0, sizeof(StepValue));
	if (place->created_at == 0)
		return;
	if (!store_get_event(replay->store, replay->execution_id, place->event_id, &event))
		elog(ERROR, "event " INT64_FORMAT " has vanished", place->event_id);
	value->found = true;
	value->visit = place->visit;
	value->event_id = place->event_id;
	json_from_jsonb(event.result, &value->envelope);
}

/* ValueSource.workload */
static bool
past_workload(void *arg, JsonbValue *workload)
{
	Model	   *model = ((Replay *) arg)->model;

	if (model->workload == NULL)
		return false;
	json_from_jsonb(model->workload, workload);
	return true;
}

/* Nothing after this can be understood. */
static void
break_off(Replay *replay, const char *reason, const char *key,
		  const Jsonb *expected, const Jsonb *found)
{
	if (replay->broken != NULL)
		return;
	replay->broken = MemoryContextStrdup(replay->model == NULL ? CurrentMemoryContext :
										 replay->model->memory, reason);
	comparison_report(replay->comparison, "event", key, expected, found);
}

/* Is this the event that was emitted then? */
static bool
is_recalled(const Event *emitted, const Event *logged)
{
	return strcmp(emitted->event_type, logged->event_type) == 0 &&
		logged->node_id != NULL && strcmp(emitted->node_id, logged->node_id) == 0 &&
		(event_type_is_terminal(emitted->type) ||
		 emitted->parent_event_id == logged->parent_event_id) &&
		!event_is_ignored(logged);
}

/* BrokerState.recall: an emitted event gets its id and time from the log. */
static void
recall(void *arg, Event *event)
{
	Replay	   *replay = (Replay *) arg;
	JsonBuilder builder;
	JsonbValue	value;

	for (int64 i = Max(replay->next_own, replay->here + 1);
		 i < replay->count && replay->broken == NULL; i++)
	{
		Event	   *logged = palloc(sizeof(Event));

		CHECK_FOR_INTERRUPTS();
		if (store_get_event(replay->store, replay->execution_id,
							replay->places[i].event_id, logged) &&
			is_recalled(event, logged))
		{
			event->event_id = logged->event_id;
			event->created_at = logged->created_at;
			replay->places[i].recalled = true;
			replay->next_own = i + 1;
			replay->recalled = lappend(replay->recalled, logged);
			return;
		}
	}
	json_begin_object(&builder);
	json_add_text(&builder, "event_type", event->event_type);
	json_add_text(&builder, "node_id", event->node_id);
	json_add_int(&builder, "parent_event_id", event->parent_event_id);
	json_end_object(&builder, &value);
	break_off(replay, psprintf("Event " INT64_FORMAT " leads to %s of %s, which the log does not have.",
							   replay->places[replay->here].event_id,
							   event->event_type, event->node_id),
			  psprintf("after " INT64_FORMAT, replay->places[replay->here].event_id),
			  json_to_jsonb(&value), NULL);
}

/* ---------------------------------------------------------------------------
 * What came out, compared with the log
 * ---------------------------------------------------------------------------
 */

typedef struct EventDifference
{
	JsonBuilder expected;
	JsonBuilder found;
	bool		any;
} EventDifference;

/* Notes a text column that differs. */
static void
differ_text(EventDifference *difference, const char *column, const char *expected,
			const char *found)
{
	JsonbValue	value;

	if (expected == NULL ? found == NULL :
		found != NULL && strcmp(expected, found) == 0)
		return;
	difference->any = true;
	json_null(&value);
	if (expected != NULL)
		json_string(&value, expected);
	json_add(&difference->expected, column, &value);
	json_null(&value);
	if (found != NULL)
		json_string(&value, found);
	json_add(&difference->found, column, &value);
}

/* The same for an id, of which 0 is none. */
static void
differ_id(EventDifference *difference, const char *column, int64 expected, int64 found)
{
	differ_text(difference, column,
				expected == 0 ? NULL : psprintf(INT64_FORMAT, expected),
				found == 0 ? NULL : psprintf(INT64_FORMAT, found));
}

/* The same for a document. */
static void
differ_jsonb(EventDifference *difference, const char *column, Jsonb *expected, Jsonb *found)
{
	JsonbValue	value;

	if (expected == NULL ? found == NULL :
		found != NULL && compareJsonbContainers(&expected->root, &found->root) == 0)
		return;
	difference->any = true;
	json_null(&value);
	if (expected != NULL)
		json_from_jsonb(expected, &value);
	json_add(&difference->expected, column, &value);
	json_null(&value);
	if (found != NULL)
		json_from_jsonb(found, &value);
	json_add(&difference->found, column, &value);
}

/* meta of an action_retry without the delay, which luck had a part in. */
static Jsonb *
without_delay(Jsonb *meta)
{
	return meta == NULL ? NULL :
		DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, PointerGetDatum(meta),
										   CStringGetTextDatum("delay")));
}

/* An event of the broker must say what it would say today. */
static void
compare_event(Replay *replay, const Event *emitted, const Event *logged)
{
	bool		retry = emitted->type == EVENT_ACTION_RETRY;
	EventDifference difference;
	JsonbValue	expected;
	JsonbValue	found;

	difference.any = false;
	json_begin_object(&difference.expected);
	json_begin_object(&difference.found);
	if (!event_type_is_terminal(emitted->type))
		differ_id(&difference, "parent_event_id", emitted->parent_event_id,
				  logged->parent_event_id);
	differ_id(&difference, "parent_execution_id", emitted->parent_execution_id,
			  logged->parent_execution_id);
	differ_id(&difference, "catalog_id", emitted->catalog_id, logged->catalog_id);
	differ_text(&difference, "node_name", emitted->node_name, logged->node_name);
	differ_text(&difference, "node_type", emitted->node_type, logged->node_type);
	differ_text(&difference, "status", emitted->status, logged->status);
	differ_text(&difference, "error", emitted->error, logged->error);
	differ_jsonb(&difference, "result", emitted->result, logged->result);
	differ_jsonb(&difference, "meta", retry ? without_delay(emitted->meta) : emitted->meta,
				 retry ? without_delay(logged->meta) : logged->meta);
	json_end_object(&difference.expected, &expected);
	json_end_object(&difference.found, &found);
	if (difference.any)
		comparison_report(replay->comparison, "event",
						  psprintf(INT64_FORMAT, logged->event_id),
						  json_to_jsonb(&expected), json_to_jsonb(&found));
}

/* An event that counted, says the log, but should have had no effect. */
static void
report_ignored(Replay *replay, const Event *event, const char *reason)
{
	JsonBuilder builder;
	JsonbValue	expected;
	JsonbValue	found;

	json_from_jsonb(meta_text("ignored", reason), &found);
	json_begin_object(&builder);
	json_add(&builder, "meta", &found);
	json_end_object(&builder, &expected);
	json_null(&found);
	if (event->meta != NULL)
		json_from_jsonb(event->meta, &found);
	json_begin_object(&builder);
	json_add(&builder, "meta", &found);
	json_end_object(&builder, &found);
	break_off(replay, psprintf("Event " INT64_FORMAT " (%s of %s) should have been without effect: %s.",
							   event->event_id, event->event_type,
							   event->node_name == NULL ? "the execution" : event->node_name,
							   reason),
			  psprintf(INT64_FORMAT, event->event_id),
			  json_to_jsonb(&expected), json_to_jsonb(&found));
}

/* ---------------------------------------------------------------------------
 * Deciding again
 * ---------------------------------------------------------------------------
 */

/* How many ancestors an execution has, whether or not their rows are there. */
static int
count_ancestors(Store *store, int64 parent_id)
{
	int			depth = 0;

	while (parent_id != 0)
	{
		Execution	parent;
		LogPlace   *places;
		int64		count;
		Event		start;

		CHECK_FOR_INTERRUPTS();
		if (store_get_execution(store, parent_id, &parent))
			return depth + parent.depth + 1;
		places = store_list_log(store, parent_id, &count);
		if (count == 0 ||
			!store_get_event(store, parent_id, places[0].event_id, &start))
			break;
		depth++;
		parent_id = start.parent_execution_id;
	}
	return depth;
}

/* The row of noetl.execution, from the event that started it. */
static void
begin_model(Replay *replay, const Event *start)
{
	Model	   *model = model_create(playbook_get(start->catalog_id));
	Execution  *execution = &model->execution;
	JsonbValue	meta;

	replay->model = model;
	model->started_at = start->created_at;
	execution->execution_id = start->execution_id;
	execution->catalog_id = start->catalog_id;
	execution->parent_execution_id = start->parent_execution_id;
	if (start->parent_execution_id != 0)
		execution->parent_event_id = start->parent_event_id;
	execution->depth = count_ancestors(replay->store, start->parent_execution_id);
	execution->item = start->has_index ? start->current_index : -1;
	if (!catalog_describe(start->catalog_id, &execution->path, &execution->version))
		elog(ERROR, "playbook " INT64_FORMAT " has vanished", start->catalog_id);
	if (start->meta != NULL)
	{
		json_from_jsonb(start->meta, &meta);
		execution->started_by = json_get_text(&meta, "started_by");
	}
	if (execution->started_by == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the log of execution " INT64_FORMAT " does not say who started it",
						start->execution_id),
				 errdetail("Its execution_start event has no \"started_by\" in its meta.")));
}

/* What the broker is told about the execution. */
static void
begin_state(Replay *replay, BrokerState *state)
{
	const Execution *execution = &replay->model->execution;

	memset(state, 0, sizeof(BrokerState));
	state->playbook = replay->model->playbook;
	state->execution_id = execution->execution_id;
	state->parent_execution_id = execution->parent_execution_id;
	state->path = execution->path;
	state->version = execution->version;
	state->values.step_value = past_step_value;
	state->values.workload = past_workload;
	state->values.arg = replay;
	state->recall = recall;
	state->recall_arg = replay;
	replay->recalled = NIL;
}

/* The run an event is about gets the lease that its sender must have had. */
static Run *
lend_lease(const Replay *replay, const List *runs, const Event *event)
{
	int			step = event->node_name == NULL ? -1 :
		playbook_find_step(replay->model->playbook, event->node_name,
						   strlen(event->node_name));
	ListCell   *lc;

	foreach(lc, runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->step != step || !run_is_live(run))
			continue;
		if ((run->state == RUN_QUEUED || run->state == RUN_RETRY) &&
			event->type != EVENT_ACTION_STARTED)
		{
			run->state = RUN_LEASED;
			run->attempts++;
		}
		if (run->state == RUN_LEASED)
			run->worker_id = event->worker_id;
		return run;
	}
	return NULL;
}

/* When the attempt after an action_retry is due. */
static TimestampTz
due_time(const Event *event, const Event *retry)
{
	JsonbValue	meta;
	JsonbValue	value;
	double		delay = 0;

	if (retry->meta != NULL)
	{
		json_from_jsonb(retry->meta, &meta);
		if (json_get(&meta, "delay", &value))
			(void) json_number(&value, &delay);
	}
	return event->created_at + (int64) rint(delay * USECS_PER_SEC);
}

/* Compares what was decided with the log, and does it. */
static void
follow_decisions(Replay *replay, const BrokerState *state, const Event *event, const Run *own)
{
	TimestampTz available_at = 0;
	int			emitted = 0;
	ListCell   *lc;

	foreach(lc, state->decisions)
	{
		const Decision *decision = (Decision *) lfirst(lc);
		const Event *logged;

		if (decision->kind == DECIDE_IGNORE)
			report_ignored(replay, event, decision->reason);
		if (replay->broken != NULL)
			return;
		if (decision->kind != DECIDE_EMIT)
			continue;
		logged = (Event *) list_nth(replay->recalled, emitted++);
		compare_event(replay, decision->event, logged);
		model_note_value(replay->model, logged);
		if (logged->type == EVENT_ACTION_RETRY)
			available_at = due_time(event, logged);
	}
	foreach(lc, state->decisions)
		model_apply(replay->model, state, event, (Decision *) lfirst(lc), own, available_at);
	if (state->finished)
		model_finished(replay->model);
}

/* The first event of an execution. */
static void
decide_start(Replay *replay, BrokerState *state, const Event *event)
{
	Model	   *model = replay->model;
	Jsonb	   *workload = NULL;
	char	   *error = execution_render_workload(state, event, &workload);

	if (error != NULL)
	{
		broker_refuse(state, event, error);
		return;
	}
	model->workload = MemoryContextAlloc(model->memory, VARSIZE(workload));
	memcpy(model->workload, workload, VARSIZE(workload));
	broker_decide(state, event);
}

/* An event of a client or a worker. */
static void
decide_again(Replay *replay, const Event *event)
{
	BrokerState state;
	Run		   *own = NULL;

	if (replay->model->status != NULL)
	{
		report_ignored(replay, event, "the execution is over");
		return;
	}
	model_note_value(replay->model, event);
	begin_state(replay, &state);
	if (event->type == EVENT_EXECUTION_START)
		decide_start(replay, &state, event);
	else
	{
		state.runs = model_load_runs(replay->model);
		own = lend_lease(replay, state.runs, event);
		broker_decide(&state, event);
	}
	if (replay->broken == NULL)
		follow_decisions(replay, &state, event, own);
}

/* Is there anything to decide on? */
static bool
was_decided(const Replay *replay, const Event *event)
{
	return (event->type == EVENT_EXECUTION_START || event_has_effect(event->type)) &&
		!event_is_ignored(event) &&
		!(replay->any_pending &&
		  store_is_pending(replay->store, event->execution_id, event->created_at,
						   event->event_id));
}

/* The model of an execution, by its log; stops where the log makes no sense. */
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
		MemoryContextSwitchTo(memory);
		if (!store_get_event(replay->store, replay->execution_id, place->event_id, &event))
			elog(ERROR, "event " INT64_FORMAT " has vanished", place->event_id);
		if (replay->here == 0)
		{
			MemoryContextSwitchTo(old);
			if (event.type == EVENT_EXECUTION_START)
				begin_model(replay, &event);
			else
				break_off(replay, "The log does not begin with an execution_start.",
						  psprintf(INT64_FORMAT, event.event_id),
						  meta_text("event_type", event_type_name(EVENT_EXECUTION_START)),
						  meta_text("event_type", event.event_type));
			MemoryContextSwitchTo(memory);
		}
		if (replay->broken == NULL && was_decided(replay, &event))
			decide_again(replay, &event);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
}

/* Decides everything again; the caller holds the execution's lock. */
static void
replay_execution(Replay *replay, int64 execution_id, Comparison *comparison)
{
	memset(replay, 0, sizeof(Replay));
	replay->store = store_open(InvalidOid);
	replay->execution_id = execution_id;
	replay->comparison = comparison;
	replay->places = store_list_log(replay->store, execution_id, &replay->count);
	if (replay->count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " has no event log", execution_id)));
	replay->any_pending = store_any_pending(replay->store, execution_id);
	walk_log(replay);
}

/* ---------------------------------------------------------------------------
 * SQL
 * ---------------------------------------------------------------------------
 */

/* Comparison.report: a row of the result set. */
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

/* noetl.verify(execution_id) */
Datum
noetl_verify(PG_FUNCTION_ARGS)
{
	int64		execution_id = PG_GETARG_INT64(0);
	Comparison	comparison;
	Replay		replay;

	memset(&comparison, 0, sizeof(comparison));
	comparison.report = return_difference;
	comparison.arg = rows_begin(fcinfo);
	execution_lock(execution_id);
	replay_execution(&replay, execution_id, &comparison);
	if (replay.broken == NULL)
		store_compare(replay.store, replay.model, &comparison);
	store_close(replay.store);
	/* nothing was changed, and many executions may be looked at in one go */
	execution_unlock(execution_id);
	return (Datum) 0;
}

/* noetl.rebuild(execution_id) */
Datum
noetl_rebuild(PG_FUNCTION_ARGS)
{
	int64		execution_id = PG_GETARG_INT64(0);
	Comparison	comparison;
	Replay		replay;

	memset(&comparison, 0, sizeof(comparison));
	execution_lock(execution_id);
	replay_execution(&replay, execution_id, &comparison);
	if (replay.broken != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " does not follow from its event log",
						execution_id),
				 errdetail_internal("%s", replay.broken),
				 errhint("Nothing was changed. Events may have been removed or altered, or a setting that decisions depend on, such as noetl.max_visits, may have been another one when they were written.")));
	comparison.differences = 0;
	comparison.repair = true;
	store_compare(replay.store, replay.model, &comparison);
	store_close(replay.store);
	if (comparison.differences > 0)
		wake_at_commit(NULL);
	PG_RETURN_INT64(comparison.differences);
}
