/*
 * engine/lookup.c
 *		Answers to the broker's questions about the past of an execution.
 */
#include "common/common.h"

#include "pgtime.h"
#include "utils/builtins.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "engine/save_session.h"

/* ValueSource.tasks */
static List *
tasks(void *arg)
{
	ValueContext *context = (ValueContext *) arg;

	return store_load_tasks(context->store, context->execution_id, context->state->playbook,
							context->with_action);
}

/* ValueSource.newest_visit */
static int
newest_visit(void *arg, const Step *step, int after)
{
	ValueContext *context = (ValueContext *) arg;

	return store_newest_visit(context->store, context->execution_id, step->name, after);
}

/* ValueSource.arrivals */
static List *
arrivals(void *arg, const Run *run)
{
	ValueContext *context = (ValueContext *) arg;

	return store_more_arrivals(context->store, context->execution_id, run,
							   context->state->playbook);
}

/* ValueSource.step_value */
static void
step_value(void *arg, const Step *step, int visit, int64 before, StepValue *value)
{
	ValueContext *context = (ValueContext *) arg;
	ValueQuery	query;

	memset(&query, 0, sizeof(query));
	query.step_name = step->name;
	query.visit = visit;
	query.highest = step->parallel;
	query.decided = context->catching_up;
	query.until = before != 0 ? id_time(before) : DT_NOEND;
	store_step_value(context->store, context->execution_id, &query, value);
}

/* ValueSource.event_meta */
static bool
event_meta(void *arg, int64 event_id, JsonbValue *meta, int64 *catalog_id)
{
	ValueContext *context = (ValueContext *) arg;
	Event		event;

	if (!store_get_event(context->store, context->execution_id, event_id, &event))
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
step_maps(void *arg, int64 since)
{
	ValueContext *context = (ValueContext *) arg;

	return store_step_maps(context->store, context->execution_id, context->state->path, since,
						   DT_NOEND);
}

/* ValueSource.workload */
static bool
workload(void *arg, JsonbValue *workload)
{
	ValueContext *context = (ValueContext *) arg;

	if (!context->workload_known)
	{
		context->workload_exists = store_get_workload(context->store,
													  context->execution_id,
													  &context->workload);
		context->workload_known = true;
	}
	*workload = context->workload;
	return context->workload_exists;
}

/* ValueSource.progress */
static void
progress(void *arg, const char *step_name, int visit, int64 since,
		 IterationProgress *progress)
{
	ValueContext *context = (ValueContext *) arg;

	store_iteration_progress(context->store, context->execution_id, step_name, visit, since,
							 progress);
}

/* ValueSource.iteration_results */
static List *
iteration_results(void *arg, const char *step_name, int visit, int64 since)
{
	ValueContext *context = (ValueContext *) arg;

	return store_iteration_results(context->store, context->execution_id, step_name, visit,
								   since, DT_NOEND);
}

/* ValueSource.waiting_item */
static bool
waiting_item(void *arg, const char *step_name, int visit, int index, JsonbValue *item)
{
	ValueContext *context = (ValueContext *) arg;

	return store_get_item(context->store, context->execution_id, step_name, visit, index,
						  item);
}

/* ValueSource.find_playbook */
static int64
find_playbook(void *arg, const char *path, int version)
{
	int64		catalog_id;

	return catalog_find(path, version, DT_NOEND, &catalog_id) ? catalog_id : 0;
}

/* ValueSource.add_playbook */
static int64
add_playbook(void *arg, const char *content, const char *path, char **error)
{
	return catalog_add(content, path, error);
}

/* ValueSource.refuses_playbook: by the role of the execution, whoever decides on it. */
static char *
refuses_playbook(void *arg, int64 catalog_id)
{
	ValueContext *context = (ValueContext *) arg;
	const char *path;
	int			version;

	if (catalog_may_execute(catalog_id, context->state->started_by) ||
		!catalog_describe(catalog_id, &path, &version))
		return NULL;
	return psprintf(CATALOG_EXECUTE_REFUSED, path);
}

/*
 * ValueSource.child_value.  The events of another execution may be in another
 * partition, so another store reads them.
 */
static bool
child_value(void *arg, int64 execution_id, const char *step_name, JsonbValue *value)
{
	Store	   *store = store_open(InvalidOid);
	StepValue	found;
	ValueQuery	query;

	memset(&query, 0, sizeof(query));
	query.step_name = step_name;
	query.until = DT_NOEND;
	store_step_value(store, execution_id, &query, &found);
	if (found.found)
		result_value(&found.envelope, value);
	store_close(store);
	return found.found;
}

/* ValueSource.child_last_step */
static const char *
child_last_step(void *arg, int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	child;
	char	   *name = NULL;

	if (store_get_execution(store, execution_id, &child))
		name = store_last_step(store, execution_id, playbook_get(child.catalog_id));
	store_close(store);
	return name;
}

/* ValueSource.start_meta: finds the meta of the execution_start; false: it has none. */
bool
engine_start_meta(Store *store, int64 execution_id, JsonbValue *meta)
{
	Event		start;

	if (!store_start_event(store, execution_id, &start) || start.meta == NULL)
		return false;
	json_from_jsonb(start.meta, meta);
	return true;
}

/* ValueSource.start_meta */
static bool
start_meta(void *arg, JsonbValue *meta)
{
	ValueContext *context = (ValueContext *) arg;

	return engine_start_meta(context->store, context->execution_id, meta);
}

/* ValueSource.has_children */
static bool
has_children(void *arg, int64 parent_event_id)
{
	ValueContext *context = (ValueContext *) arg;

	return store_running_children(context->store, context->execution_id, parent_event_id) != NIL;
}

/* ValueSource.child_item */
static bool
child_item(void *arg, int64 execution_id, JsonbValue *item)
{
	Store	   *store = store_open(InvalidOid);
	bool		found = store_child_item(store, execution_id, item);

	store_close(store);
	return found;
}

/* ValueSource.child_attempt */
static int
child_attempt(void *arg, int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	int			attempt = store_child_attempt(store, execution_id);

	store_close(store);
	return attempt;
}

/* ValueSource.child_gone */
static bool
child_gone(void *arg, int64 execution_id, int64 before)
{
	Store	   *store = store_open(InvalidOid);
	bool		gone = store_cannot_resume(store, execution_id, before);

	store_close(store);
	return gone;
}

/* ValueSource.spawned_gone */
static bool
spawned_gone(void *arg, int64 execution_id, int64 parent_event_id, int64 before)
{
	Store	   *store = store_open(InvalidOid);
	List	   *children = store_unfinished_children(store, execution_id, parent_event_id);
	bool		gone = false;
	ListCell   *lc;

	foreach(lc, children)
		gone = gone ||
			store_cannot_resume(store, ((Execution *) lfirst(lc))->execution_id, before);
	store_close(store);
	return gone;
}

/* ValueSource.new_execution_id */
static int64
next_execution_id(void *arg)
{
	return new_execution_id();
}

/* ValueSource.allows_visit */
static bool
allows_visit(void *arg, int visit, int limit)
{
	return visit <= (limit > 0 ? limit : SETTING(max_visits));
}

/* ValueSource.allows_depth */
static bool
allows_depth(void *arg, int depth)
{
	return depth <= SETTING(max_depth);
}

/* ValueSource.holds_by_default */
static bool
holds_by_default(void *arg)
{
	return SETTING(on_error) == ON_ERROR_SETTING_HOLD;
}

/* ValueSource.event_context */
static bool
event_context(void *arg, int64 event_id, JsonbValue *context)
{
	ValueContext *values = (ValueContext *) arg;
	Event		event;

	if (!store_get_event(values->store, values->execution_id, event_id, &event) ||
		event.context == NULL)
		return false;
	json_from_jsonb(event.context, context);
	return true;
}

/* ValueSource.event_result */
static bool
event_result(void *arg, int64 event_id, JsonbValue *result)
{
	ValueContext *values = (ValueContext *) arg;
	Event		event;

	if (!store_get_event(values->store, values->execution_id, event_id, &event) ||
		event.result == NULL)
		return false;
	json_from_jsonb(event.result, result);
	return true;
}

/* ValueSource.item_states */
static ItemState *
item_states(void *arg, const char *step_name, int visit, int64 since, int64 before, int total)
{
	ValueContext *values = (ValueContext *) arg;

	return store_item_states(values->store, values->execution_id, step_name, visit, since,
							 before, total);
}

/* ValueSource.kept_signal */
static bool
kept_signal(void *arg, const char *name, int64 after, Event *event)
{
	ValueContext *context = (ValueContext *) arg;
	int64		event_id;

	return store_next_signal(context->store, context->execution_id, name, after, &event_id) &&
		store_get_event(context->store, context->execution_id, event_id, event);
}

/* ValueSource.signal_known */
static bool
signal_known(void *arg, const char *id)
{
	ValueContext *context = (ValueContext *) arg;

	return store_signal_known(context->store, context->execution_id, id);
}

/* Reads a time; without an offset it is one of the role's time zone (engine/engine.h). */
bool
engine_moment(Oid role, const char *text, TimestampTz now, TimestampTz *moment, char **error)
{
	const char *name = save_settings_value("TimeZone", role);

	return moment_parse_at(text, name == NULL ? NULL : pg_tzset(name), now, moment, error);
}

/* ValueSource.moment */
static bool
moment(void *arg, const char *text, TimestampTz now, TimestampTz *moment, char **error)
{
	return engine_moment(((ValueContext *) arg)->state->started_by, text, now, moment, error);
}

/* ValueSource.completions */
static List *
completions(void *arg)
{
	ValueContext *context = (ValueContext *) arg;

	return store_completions(context->store, context->execution_id, context->state->playbook,
							 DT_NOEND);
}

/* Sets the members of a ValueSource whose answers never change. */
void
engine_set_constant_lookups(ValueSource *source)
{
	source->child_item = child_item;
	source->child_attempt = child_attempt;
	source->child_gone = child_gone;
	source->spawned_gone = spawned_gone;
}

/* Prepares *values for an evaluation. */
void
values_init(ValueContext *values, Store *store, BrokerState *state, bool catching_up)
{
	static const ValueSource source = {
		.tasks = tasks,
		.newest_visit = newest_visit,
		.arrivals = arrivals,
		.step_value = step_value,
		.event_meta = event_meta,
		.step_maps = step_maps,
		.workload = workload,
		.progress = progress,
		.iteration_results = iteration_results,
		.waiting_item = waiting_item,
		.find_playbook = find_playbook,
		.add_playbook = add_playbook,
		.refuses_playbook = refuses_playbook,
		.child_value = child_value,
		.child_last_step = child_last_step,
		.start_meta = start_meta,
		.has_children = has_children,
		.new_execution_id = next_execution_id,
		.allows_visit = allows_visit,
		.allows_depth = allows_depth,
		.holds_by_default = holds_by_default,
		.event_context = event_context,
		.event_result = event_result,
		.completions = completions,
		.item_states = item_states,
		.kept_signal = kept_signal,
		.signal_known = signal_known,
		.moment = moment,
		.save = evaluate_save
	};

	memset(values, 0, sizeof(ValueContext));
	values->source = source;
	engine_set_constant_lookups(&values->source);
	values->source.arg = values;
	values->store = store;
	values->execution_id = state->execution_id;
	values->state = state;
	values->catching_up = catching_up;
}
