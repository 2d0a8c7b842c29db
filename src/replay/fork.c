/*
 * replay/fork.c
 *		The SQL function fork(): a new execution from the middle of another.
 *
 *		log of the source ─ decided again up to the run ─> its input, what it sees
 *		                                                      │
 *		execution_start ─ step_carried, one for each value ─ execution_forked
 *
 * The log of the new execution is complete: it has the values of the steps that had
 * completed in the source, and says where they come from.  Steps that migrations of the
 * source have renamed since the run have their new names there.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog/catalog.h"
#include "engine/engine.h"
#include "replay/internal.h"
#include "broker/broker.h"

PG_FUNCTION_INFO_V1(noetl_fork);

/* Returns whether an event is one that a run of a step may begin with. */
static bool
may_begin_run(EventType type)
{
	return type == EVENT_STEP_STARTED || type == EVENT_STEP_COMPLETED ||
		type == EVENT_STEP_SKIPPED || type == EVENT_STEP_FAILED || type == EVENT_STEP_HELD;
}

/*
 * Finds the first event of a run of a step: of the visit, or (0) of the newest.  Raises
 * when the step has not run.
 */
static void
find_beginning(Store *store, const Execution *source, const char *step_name, int visit,
			   Event *found)
{
	int64		count;
	LogPlace   *places = store_list_log(store, source->execution_id, &count);
	int			best = 0;

	for (int64 i = 0; i < count; i++)
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		if (!store_get_event(store, source->execution_id, places[i].event_id, &event) ||
			event.ignored || event.node_name == NULL || !may_begin_run(event.type) ||
			strcmp(event.node_name, step_name) != 0 ||
			(visit != 0 ? Max(event.visit, 1) != visit || best != 0 :
			 Max(event.visit, 1) <= best))
			continue;
		best = Max(event.visit, 1);
		*found = event;
	}
	if (best == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 visit != 0 ?
				 errmsg("step \"%s\" of execution " INT64_FORMAT " has no visit %d", step_name,
						source->execution_id, visit) :
				 errmsg("step \"%s\" of execution " INT64_FORMAT " has not run", step_name,
						source->execution_id)));
}

/* ---------------------------------------------------------------------------
 * Names
 * ---------------------------------------------------------------------------
 */

/*
 * Returns the maps of steps (JsonbValue *) between the version that a run began with and
 * the one of the new execution, the oldest first.
 */
static List *
maps_since(Store *store, const Execution *source, const Event *beginning, int64 catalog_id)
{
	if (beginning->catalog_id == catalog_id)
		return NIL;
	return store_step_maps(store, source->execution_id, source->path, beginning->event_id,
						   DT_NOEND);
}

/* Returns the key of a map of steps that stands for a new name; NULL: there is none. */
static const char *
mapped_from(const JsonbValue *map, const char *name)
{
	JsonbIterator *it = json_walk(map);
	JsonbValue	key;
	JsonbValue	value;

	while (json_next_member(&it, &key, &value))
		if (value.type == jbvString && value.val.string.len == (int) strlen(name) &&
			memcmp(value.val.string.val, name, value.val.string.len) == 0)
			return pnstrdup(key.val.string.val, key.val.string.len);
	return NULL;
}

/* Returns what a step of the new version was called in the older one; NULL: it was none. */
static const char *
old_name(const List *maps, const char *name)
{
	for (int i = list_length(maps) - 1; i >= 0; i--)
	{
		const JsonbValue *map = (JsonbValue *) list_nth(maps, i);
		const char *from = mapped_from(map, name);

		if (from != NULL)
			name = from;
		else if (json_get_text(map, name) != NULL)
			return NULL;		/* its namesake has got another name */
	}
	return name;
}

/* Gives the steps of "sees", {step: visit}, their new names. */
static void
rename_seen(const List *maps, JsonbValue *sees)
{
	JsonBuilder builder;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	if (maps == NIL || !json_is_object(sees))
		return;
	it = json_walk(sees);
	json_begin_object(&builder);
	while (json_next_member(&it, &key, &value))
		json_add(&builder, migrate_name(maps, pnstrdup(key.val.string.val, key.val.string.len)),
				 &value);
	json_end_object(&builder, sees);
}

/* ---------------------------------------------------------------------------
 * What the new execution begins with
 * ---------------------------------------------------------------------------
 */

/*
 * Returns the context of execution_forked: the step, the input that transitions have
 * given to the run, and which visits it sees: *sees, {step: visit} or null, has the names
 * that the steps had then.
 */
static Jsonb *
fork_context(const Event *beginning, const List *maps, JsonbValue *sees)
{
	Comparison	comparison;
	Replay		replay;
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	renamed;

	memset(&comparison, 0, sizeof(comparison));
	replay_until(&replay, beginning->execution_id, &comparison, beginning->event_id);
	if (replay.broken != NULL)
		replay_raise_broken(&replay);
	json_begin_object(&builder);
	json_add_text(&builder, "step", migrate_name(maps, beginning->node_name));
	if (replay.given != NULL)
	{
		json_from_jsonb(replay.given, &value);
		json_add(&builder, "data", &value);
	}
	json_null(sees);
	if (replay.sees != NULL)
	{
		json_from_jsonb(replay.sees, &value);
		if (json_get(&value, "sees", sees))
		{
			renamed = *sees;
			rename_seen(maps, &renamed);
			json_add(&builder, "sees", &renamed);
		}
	}
	json_end_object(&builder, &value);
	store_close(replay.store);
	return json_to_jsonb(&value);
}

/* Returns the parameters of the new execution: the source's workload, and others over it. */
static Jsonb *
fork_parameters(Store *store, const Execution *source, Jsonb *parameters)
{
	JsonbValue	workload;
	JsonbValue	above;

	if (!store_get_workload(store, source->execution_id, &workload))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " has never begun", source->execution_id)));
	if (parameters != NULL)
	{
		json_from_jsonb(parameters, &above);
		json_merge(&workload, &above, false, &workload);
	}
	return json_to_jsonb(&workload);
}

/*
 * Returns the values (CarriedValue *) that the steps of a playbook had before an event: of
 * the visits that its run sees, else the newest.
 */
static List *
values_before(Store *store, const Event *beginning, const JsonbValue *sees,
			  const Playbook *playbook, const List *maps)
{
	List	   *values = NIL;

	for (int i = 0; i < playbook->nwritten; i++)
	{
		CarriedValue *carried = palloc0(sizeof(CarriedValue));
		ValueQuery	query;
		int64		visit = 0;

		memset(&query, 0, sizeof(query));
		query.step_name = old_name(maps, playbook->steps[i].name);
		if (query.step_name == NULL)
			continue;
		if (json_is_object(sees))
			(void) json_get_int(sees, query.step_name, &visit);
		query.visit = (int) visit;
		query.highest = playbook->steps[i].parallel;
		query.until = beginning->created_at - 1;
		store_step_value(store, beginning->execution_id, &query, &carried->value);
		carried->step = &playbook->steps[i];
		if (carried->value.found)
			values = lappend(values, carried);
	}
	return values;
}

/*
 * noetl.fork(execution_id, from_step, parameters, version, visit): starts an execution
 * in the middle of the playbook, with the values that a run of another one saw; returns
 * its id.
 */
Datum
noetl_fork(PG_FUNCTION_ARGS)
{
	Store	   *store;
	Execution	source;
	Event		beginning = {0};
	ForkRequest request;
	const Playbook *playbook;
	const char *name;
	List	   *maps;
	JsonbValue	sees;
	int			step;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("execution and step must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	memset(&request, 0, sizeof(request));
	store = store_open(InvalidOid);
	engine_begin_recovery(store, PG_GETARG_INT64(0), &source);
	find_beginning(store, &source, name, PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4), &beginning);
	request.source = source.execution_id;
	request.source_event = beginning.event_id;
	request.path = source.path;
	request.version = PG_ARGISNULL(3) ? source.version : PG_GETARG_INT32(3);
	if (!PG_ARGISNULL(2) && !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(2)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameters must be a JSON object")));
	request.parameters = fork_parameters(store, &source,
										 PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	request.labels = store_get_labels(store, source.execution_id);
	request.priority = source.priority;
	if (request.version < 1 ||
		!catalog_find(request.path, request.version, DT_NOEND, &request.catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("playbook \"%s\" version %d is not registered", request.path,
						request.version)));
	maps = maps_since(store, &source, &beginning, request.catalog_id);
	request.context = fork_context(&beginning, maps, &sees);
	name = migrate_name(maps, name);
	playbook = playbook_get(request.catalog_id);
	step = playbook_find_step(playbook, name, strlen(name));
	if (step < 0 || step >= playbook->nwritten)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version %d of playbook \"%s\" has no step \"%s\"", request.version,
						request.path, name)));
	request.values = values_before(store, &beginning, &sees, playbook, maps);
	store_close(store);
	PG_RETURN_INT64(engine_fork(&request));
}
