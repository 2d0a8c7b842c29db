/*
 * simulate/past.c
 *		Answers to the questions of the decision core about an execution in memory.
 *
 * The catalog is only read.  An inline playbook is compiled and kept for the play; a
 * playbook that is not registered, or that the current role may not read, is called
 * all the same where a step has a stub for it.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#include "catalog/catalog.h"
#include "engine/engine.h"
#include "simulate/internal.h"

/* ValueSource.step_value */
static void
past_step_value(void *arg, const Step *step, int visit, int64 before, StepValue *value)
{
	const Event *event = log_value((SimExecution *) arg, step, visit, before);

	memset(value, 0, sizeof(StepValue));
	if (event == NULL)
		return;
	value->found = true;
	value->visit = Max(event->visit, 1);
	value->event_id = event->event_id;
	value->parent_event_id = event->parent_event_id;
	json_from_jsonb(event->result, &value->envelope);
}

/* ValueSource.event_meta */
static bool
past_event_meta(void *arg, int64 event_id, JsonbValue *meta, int64 *catalog_id)
{
	const Event *event = log_find((SimExecution *) arg, event_id);

	if (event == NULL)
		return false;
	if (catalog_id != NULL)
		*catalog_id = event->catalog_id;
	if (event->meta == NULL)
		return false;
	json_from_jsonb(event->meta, meta);
	return true;
}

/* ValueSource.workload */
static bool
past_workload(void *arg, JsonbValue *workload)
{
	return model_workload(((SimExecution *) arg)->model, workload);
}

/* ValueSource.progress */
static void
past_progress(void *arg, const char *step_name, int visit, int64 since,
			  IterationProgress *progress)
{
	model_progress(((SimExecution *) arg)->model, step_name, visit, since, progress);
}

/* ValueSource.iteration_results */
static List *
past_iteration_results(void *arg, const char *step_name, int visit, int64 since)
{
	const SimExecution *execution = (SimExecution *) arg;
	List	   *results = NIL;

	for (int i = execution->nevents - 1; i >= 0 && execution->events[i]->event_id > since; i--)
	{
		const Event *event = execution->events[i];
		IterationResult *result;

		if ((event->type != EVENT_ITERATION_COMPLETED && event->type != EVENT_ITERATION_FAILED) ||
			!event->progress.found || event->visit != visit || event->result == NULL ||
			strcmp(event->node_name, step_name) != 0)
			continue;
		result = palloc0(sizeof(IterationResult));
		result->index = event->current_index;
		result->failed = event->type == EVENT_ITERATION_FAILED;
		json_from_jsonb(event->result, &result->value);
		result->error = event->error;
		result->child_execution_id = event->ended_child;
		results = lcons(result, results);
	}
	return results;
}

/* ValueSource.completions */
static List *
past_completions(void *arg)
{
	const SimExecution *execution = (SimExecution *) arg;
	const Playbook *playbook = execution->playbook;
	List	   *list = NIL;

	for (int i = execution->nevents - 1; i >= 0; i--)
	{
		const Event *event = execution->events[i];
		StepCompletion *done;
		JsonbValue	meta;
		int			step = event->type != EVENT_STEP_COMPLETED || event->node_name == NULL ? -1 :
			playbook_find_step(playbook, event->node_name, strlen(event->node_name));

		if (step < 0 || playbook->steps[step].compensation < 0 || event->ignored ||
			event->meta == NULL)
			continue;
		done = palloc0(sizeof(StepCompletion));
		json_from_jsonb(event->meta, &meta);
		done->step = step;
		done->visit = Max(event->visit, 1);
		done->event_id = event->event_id;
		if (json_get(&meta, "compensate", &done->compensate))
			list = lappend(list, done);
	}
	return list;
}

/* ValueSource.waiting_item */
static bool
past_waiting_item(void *arg, const char *step_name, int visit, int index, JsonbValue *item)
{
	return model_waiting_item(((SimExecution *) arg)->model, step_name, visit, index, item);
}

/* Notes a playbook of the play; returns its catalog_id, which is negative. */
static int64
add_playbook(Simulation *simulation, Playbook *playbook, const char *path,
			 const char *problem, const char *content)
{
	MemoryContext old = MemoryContextSwitchTo(simulation->memory);
	SimPlaybook *added = palloc0(sizeof(SimPlaybook));

	added->playbook = playbook;
	added->path = pstrdup(path);
	added->problem = problem == NULL ? NULL : pstrdup(problem);
	added->content = content == NULL ? NULL : pstrdup(content);
	simulation->playbooks = lappend(simulation->playbooks, added);
	MemoryContextSwitchTo(old);
	return -list_length(simulation->playbooks);
}

/* Returns whether a stub stands for some child of an execution. */
static bool
has_child_stub(const SimExecution *execution)
{
	for (int i = 0; i < execution->playbook->nsteps; i++)
	{
		const Step *step = &execution->playbook->steps[i];
		JsonbValue	stub;

		if ((step->kind == STEP_PLAYBOOK ||
			 (step->kind == STEP_ITERATOR && step->iterator->body->kind == STEP_PLAYBOOK)) &&
			stub_find(execution, step, &stub))
			return true;
	}
	return false;
}

/* ValueSource.find_playbook */
static int64
past_find_playbook(void *arg, const char *path, int version)
{
	SimExecution *execution = (SimExecution *) arg;
	int64		catalog_id;

	if (!catalog_find(path, version, DT_NOEND, &catalog_id))
		return has_child_stub(execution) ?
			add_playbook(execution->simulation, NULL, path,
						 psprintf("playbook \"%s\" is not registered", path), NULL) : 0;
	if (pg_class_aclcheck(catalog_relation(), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return add_playbook(execution->simulation, NULL, path,
							psprintf("role \"%s\" may not read playbook \"%s\": give the step a stub",
									 GetUserNameFromId(GetUserId(), false), path), NULL);
	return catalog_id;
}

/* ValueSource.add_playbook: compiles a playbook that is part of another, once. */
static int64
past_add_playbook(void *arg, const char *content, const char *path, char **error)
{
	Simulation *simulation = ((SimExecution *) arg)->simulation;
	Playbook   *playbook;
	ListCell   *lc;

	foreach(lc, simulation->playbooks)
	{
		const SimPlaybook *known = (SimPlaybook *) lfirst(lc);

		if (known->content != NULL && strcmp(known->path, path) == 0 &&
			strcmp(known->content, content) == 0)
			return -(foreach_current_index(lc) + 1);
	}
	playbook = catalog_compile_inline(content, error);
	if (playbook == NULL)
		return 0;
	MemoryContextSetParent(playbook->context, simulation->memory);
	playbook->catalog_id = add_playbook(simulation, playbook, path, NULL, content);
	return playbook->catalog_id;
}

/* ValueSource.refuses_playbook */
static char *
past_refuses_playbook(void *arg, int64 catalog_id)
{
	const char *path;
	int			version;

	if (catalog_id < 0 || catalog_may_execute(catalog_id, GetUserId()) ||
		!catalog_describe(catalog_id, &path, &version))
		return NULL;
	return psprintf(CATALOG_EXECUTE_REFUSED, path);
}

/* Returns the playbook of a child (simulate/internal.h). */
const Playbook *
past_playbook(Simulation *simulation, int64 catalog_id, const char **path, int *version,
			  const char **problem)
{
	const SimPlaybook *known;

	*problem = NULL;
	if (catalog_id > 0)
	{
		if (catalog_describe(catalog_id, path, version))
			return playbook_get(catalog_id);
		*problem = "the playbook has been deleted";
		return NULL;
	}
	known = (SimPlaybook *) list_nth(simulation->playbooks, (int) -catalog_id - 1);
	*path = known->path;
	*version = 1;
	*problem = known->problem;
	return known->playbook;
}

/* Returns a child execution that is simulated, or NULL. */
static const SimExecution *
find_execution(void *arg, int64 execution_id)
{
	const SimChild *child = execution_find_child(((SimExecution *) arg)->simulation,
												 execution_id);

	return child == NULL ? NULL : child->execution;
}

/* ValueSource.child_value */
static bool
past_child_value(void *arg, int64 execution_id, const char *step_name, JsonbValue *value)
{
	const SimExecution *child = find_execution(arg, execution_id);
	int			step;
	const Event *event;
	JsonbValue	envelope;

	if (child == NULL)
		return false;
	step = playbook_find_step(child->playbook, step_name, strlen(step_name));
	event = step < 0 ? NULL : log_value(child, &child->playbook->steps[step], 0, 0);
	if (event == NULL)
		return false;
	json_from_jsonb(event->result, &envelope);
	result_value(&envelope, value);
	return true;
}

/* ValueSource.child_last_step */
static const char *
past_child_last_step(void *arg, int64 execution_id)
{
	const SimExecution *child = find_execution(arg, execution_id);

	for (int i = child == NULL ? -1 : child->nevents - 1; i >= 0; i--)
	{
		const Event *event = child->events[i];
		int			step;

		if (event->type != EVENT_STEP_COMPLETED)
			continue;
		step = playbook_find_step(child->playbook, event->node_name, strlen(event->node_name));
		if (step >= 0 && child->playbook->steps[step].kind != STEP_ROUTER &&
			child->playbook->steps[step].kind != STEP_NOOP)
			return event->node_name;
	}
	return NULL;
}

/* ValueSource.start_meta */
static bool
past_start_meta(void *arg, JsonbValue *meta)
{
	const SimExecution *execution = (SimExecution *) arg;

	if (execution->start_meta == NULL)
		return false;
	json_from_jsonb(execution->start_meta, meta);
	return true;
}

/* ValueSource.has_children: simulated workers start none. */
static bool
past_has_children(void *arg, int64 parent_event_id)
{
	return false;
}

/* ValueSource.child_item */
static bool
past_child_item(void *arg, int64 execution_id, JsonbValue *item)
{
	const SimChild *child = execution_find_child(((SimExecution *) arg)->simulation,
												 execution_id);

	if (child == NULL || child->start.current_item == NULL)
		return false;
	json_from_jsonb(child->start.current_item, item);
	return true;
}

/* ValueSource.child_attempt */
static int
past_child_attempt(void *arg, int64 execution_id)
{
	const SimChild *child = execution_find_child(((SimExecution *) arg)->simulation,
												 execution_id);

	return child == NULL ? 0 : child->start.attempt;
}

/* ValueSource.child_gone: nothing is resumed in a simulation. */
static bool
past_child_gone(void *arg, int64 execution_id, int64 before)
{
	return false;
}

/* ValueSource.spawned_gone: nor has a simulated worker started children. */
static bool
past_spawned_gone(void *arg, int64 execution_id, int64 parent_event_id, int64 before)
{
	return false;
}

/* ValueSource.new_execution_id: small numbers, the same in every play. */
static int64
past_new_execution_id(void *arg)
{
	return ++((SimExecution *) arg)->simulation->next_execution_id;
}

/* ValueSource.allows_visit */
static bool
past_allows_visit(void *arg, int visit, int limit)
{
	return visit <= (limit > 0 ? limit : SETTING(max_visits));
}

/* ValueSource.allows_depth */
static bool
past_allows_depth(void *arg, int depth)
{
	return depth <= SETTING(max_depth);
}

/* ValueSource.holds_by_default */
static bool
past_holds_by_default(void *arg)
{
	return SETTING(on_error) == ON_ERROR_SETTING_HOLD;
}

/* ValueSource.event_context */
static bool
past_event_context(void *arg, int64 event_id, JsonbValue *context)
{
	const Event *event = log_find((SimExecution *) arg, event_id);

	if (event == NULL || event->context == NULL)
		return false;
	json_from_jsonb(event->context, context);
	return true;
}

/* ValueSource.event_result */
static bool
past_event_result(void *arg, int64 event_id, JsonbValue *result)
{
	const Event *event = log_find((SimExecution *) arg, event_id);

	if (event == NULL || event->result == NULL)
		return false;
	json_from_jsonb(event->result, result);
	return true;
}

/* ValueSource.item_states: asked when an iterator is resumed, which nobody does in a play. */
static ItemState *
past_item_states(void *arg, const char *step_name, int visit, int64 since, int64 before,
				 int total)
{
	elog(ERROR, "nothing is redriven in a simulation");
	return NULL;
}

/* ValueSource.kept_signal */
static bool
past_kept_signal(void *arg, const char *name, int64 after, Event *event)
{
	const SimExecution *execution = (SimExecution *) arg;
	const ModelSignal *signal = model_kept_signal(execution->model, name, after);

	if (signal == NULL)
		return false;
	*event = *log_find(execution, signal->event_id);
	return true;
}

/* ValueSource.signal_known: signals of stubs have no ids. */
static bool
past_signal_known(void *arg, const char *id)
{
	return false;
}

/* ValueSource.moment */
static bool
past_moment(void *arg, const char *text, TimestampTz now, TimestampTz *moment, char **error)
{
	return engine_moment(GetUserId(), text, now, moment, error);
}

/* Makes the log of an execution answer the broker's questions. */
void
past_answers(SimExecution *execution, ValueSource *source)
{
	static const ValueSource answers = {
		.step_value = past_step_value,
		.event_meta = past_event_meta,
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
		.child_item = past_child_item,
		.child_attempt = past_child_attempt,
		.child_gone = past_child_gone,
		.spawned_gone = past_spawned_gone,
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
		.save = statement_save
	};

	*source = answers;
	source->arg = execution;
}
