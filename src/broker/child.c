/*
 * broker/child.c
 *		Steps that are child executions.
 *
 *		start_playbook ──> step_started (again: action_started), the run is open,
 *		      ^            DECIDE_START_CHILD
 *		      │                                     │
 *		      │ settle                              v the child ends
 *		end_attempt <── action_completed / action_error <── playbook_child_ended
 *
 * Context of an open run: {"data": its input, "child_execution_id": …,
 * "timeout": microseconds}.  A run whose task is done while executions that its
 * worker started still run: {"data": …, "this": its result, "event_id":
 * action_completed, "timeout": microseconds}.
 */
#include "common/common.h"

#include <limits.h>

#include "broker/internal.h"

/* Returns a rendered path or version as text; NULL: the value is null. */
static char *
rendered_text(const JsonbValue *value)
{
	Jsonb	   *jsonb;

	if (value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	jsonb = json_to_jsonb(value);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/*
 * Renders an optional document as text; *text is NULL when there is none.  False
 * and *error when it raises.
 */
static bool
render_text(const TemplateDoc *doc, Scope *scope, char **text, char **error)
{
	JsonbValue	value;
	SourceError failure;

	*text = NULL;
	if (doc == NULL)
		return true;
	memset(&failure, 0, sizeof(failure));
	if (!template_doc_render(doc, &scope->template, &value, &failure))
	{
		*error = scope_error_text(&failure);
		return false;
	}
	*text = rendered_text(&value);
	return true;
}

/* Reads the version that a step names; 0: the newest.  False and *error for others. */
static bool
parse_version(const char *text, int *version, char **error)
{
	char	   *end;
	long		number;

	*version = 0;
	if (text == NULL || text[0] == '\0' || pg_strcasecmp(text, "latest") == 0)
		return true;
	number = strtol(text, &end, 10);
	if (*end != '\0' || number < 1 || number > INT_MAX)
	{
		*error = psprintf("the version of a playbook must be a number from 1, or \"latest\", not \"%s\"",
						  text);
		return false;
	}
	*version = (int) number;
	return true;
}

/*
 * Registers the playbook that is written in a task, under a path that no user can
 * give: that of its parent and the task.  Returns its catalog_id; 0 and *error:
 * there is none.
 */
static int64
add_inline(BrokerState *state, const Step *task, const char *content, char **error)
{
	char	   *path = psprintf("%s%c%s", state->path, PLAYBOOK_INLINE_MARK, task->name);

	if (strlen(path) > PLAYBOOK_MAX_PATH)
	{
		*error = psprintf("the path of the inline playbook would have more than %d bytes",
						  PLAYBOOK_MAX_PATH);
		return 0;
	}
	return state->values.add_playbook(state->values.arg, content, path, error);
}

/*
 * Returns the catalog_id of the playbook that a task calls, or registers the one
 * that is written in the task itself; 0 and *error: there is none.
 */
static int64
find_child_playbook(BrokerState *state, const Step *task, Scope *scope, char **error)
{
	const ChildSpec *spec = task->child;
	char	   *path;
	char	   *version_text;
	char	   *content;
	int			version;
	int64		catalog_id;

	if (!render_text(spec->path, scope, &path, error) ||
		!render_text(spec->content, scope, &content, error) ||
		!render_text(spec->version, scope, &version_text, error) ||
		!parse_version(version_text, &version, error))
		return 0;
	if (content != NULL)
		return add_inline(state, task, content, error);
	if (path == NULL || path[0] == '\0')
	{
		*error = pstrdup("the path of the playbook is empty");
		return 0;
	}
	catalog_id = state->values.find_playbook(state->values.arg, path, version);
	if (catalog_id == 0)
		*error = version > 0 ?
			psprintf("playbook \"%s\" version %d is not registered", path, version) :
			psprintf("playbook \"%s\" is not registered", path);
	return catalog_id;
}

/*
 * Returns the catalog_id of the playbook that a task calls, when its templates
 * cannot name another one for another item; else 0.
 */
int64
pin_child(BrokerState *state, const Step *task, Scope *scope)
{
	const ChildSpec *spec = task->child;
	char	   *error;

	if ((spec->path != NULL && spec->path->kind != DOC_CONSTANT) ||
		(spec->content != NULL && spec->content->kind != DOC_CONSTANT) ||
		(spec->version != NULL && spec->version->kind != DOC_CONSTANT))
		return 0;
	return find_child_playbook(state, task, scope, &error);
}

/*
 * Returns the child that a task calls, with its input; NULL and *error when it
 * cannot be started.  pinned: its catalog_id where that is known, else 0.
 */
ChildStart *
prepare_child(BrokerState *state, const Step *task, Scope *scope,
			  const JsonbValue *transition_input, int64 pinned, char **error)
{
	ChildStart *child = palloc0(sizeof(ChildStart));
	JsonbValue	input;
	SourceError failure;

	memset(&failure, 0, sizeof(failure));
	scope->template.needs = NEEDS_VALUES;
	if (!assemble_input(task, scope, transition_input, &input, &failure))
	{
		*error = scope_error_text(&failure);
		return NULL;
	}
	child->input = json_to_jsonb(&input);
	child->catalog_id = pinned;
	scope->input = &input;
	scope->members = &input;
	if (!timeout_render(task->timeout, &scope->template, &child->timeout, &failure) ||
		!render_priority(state, task, scope->step, &scope->template, &child->priority,
						 &failure))
	{
		*error = scope_error_text(&failure);
		return NULL;
	}
	if (child->catalog_id == 0)
		child->catalog_id = find_child_playbook(state, task, scope, error);
	scope->input = NULL;
	scope->members = NULL;
	if (child->catalog_id == 0)
		return NULL;
	*error = state->values.refuses_playbook(state->values.arg, child->catalog_id);
	if (*error != NULL)
		return NULL;
	if (!state->values.allows_depth(state->values.arg, state->depth + 1))
	{
		*error = psprintf("noetl.max_depth does not allow child playbooks to nest deeper than %d",
						  state->depth);
		return NULL;
	}
	child->execution_id = state->values.new_execution_id(state->values.arg);
	child->item = -1;
	return child;
}

/*
 * Starts an attempt of a step that is a child execution: the first emits
 * step_started, the others action_started.
 */
void
start_playbook(BrokerState *state, Run *run, const JsonbValue *transition_input)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	ChildStart *child;
	Event	   *event;
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	input;
	char	   *error;

	scope_init(&scope, state, step, run, state->now);
	scope.input = transition_input;
	run->max_attempts = retry_max_attempts(step->retry, &scope.template);
	child = prepare_child(state, step, &scope, transition_input, 0, &error);
	if (child == NULL)
	{
		fail_start(state, run, FAILURE_PLAYBOOK, error, transition_input);
		return;
	}
	run->timeout = child->timeout;	/* of the step, not of the child */
	child->timeout = 0;
	json_begin_object(&builder);
	json_add_id(&builder, "child_execution_id", child->execution_id);
	json_end_object(&builder, &value);
	json_from_jsonb(child->input, &input);
	if (run->started_event_id == 0)
		event = emit_step_started(state, run, &input);
	else
		event = emit(state, EVENT_ACTION_STARTED, step, run->visit, run->started_event_id);
	event->context = json_to_jsonb(&value);
	child->parent_event_id = run->started_event_id;

	json_begin_object(&builder);
	json_add(&builder, "data", &input);
	json_add_id(&builder, "child_execution_id", child->execution_id);
	json_add_int(&builder, "timeout", run->timeout);
	add_attempts_before(run, &builder);
	json_end_object(&builder, &value);
	run->context = json_to_jsonb(&value);
	open_run(state, run);
	decision_add(state, DECIDE_START_CHILD, run)->child = child;
}

/*
 * Finds the result of a child execution as its parent sees it.  Where the child
 * completed without a result, the value of its return_step counts, which is rendered in a
 * scope of the task, else that of the last step that completed with an action.
 */
void
child_result(BrokerState *state, Scope *scope, const Step *task, const ChildEnd *end,
			 JsonbValue *result)
{
	char	   *name;
	char	   *error;
	const char *last;

	json_null(result);
	if (end->result != NULL)
		json_from_jsonb(end->result, result);
	if (!end->completed || result->type != jbvNull)
		return;
	if (render_text(task->child->return_step, scope, &name, &error) && name != NULL &&
		state->values.child_value(state->values.arg, end->execution_id, name, result) &&
		result->type != jbvNull)
		return;
	last = state->values.child_last_step(state->values.arg, end->execution_id);
	if (last == NULL ||
		!state->values.child_value(state->values.arg, end->execution_id, last, result))
		json_null(result);
}

/* Returns whether a child is that of the attempt under way. */
static bool
is_current_child(const Run *run, const ChildEnd *end)
{
	JsonbValue	context;
	int64		child;

	if (run->context == NULL)
		return false;
	json_from_jsonb(run->context, &context);
	return json_get_int(&context, "child_execution_id", &child) &&
		child == end->execution_id;
}

/*
 * Emits what happened to a child as an event of its step; returns the end of the
 * attempt.  A child of an earlier attempt has no effect.
 */
AttemptEnd
playbook_child_ended(BrokerState *state, Run *run, const ChildEnd *end)
{
	const Step *step = &state->playbook->steps[run->step];
	AttemptEnd	attempt = {NULL, end->completed};
	Event	   *event;
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	input;
	Scope		scope;

	if (!is_current_child(run, end))
		return attempt;
	scope_init(&scope, state, step, run, state->now);
	if (run_input(run, &input))
		scope.input = scope.members = &input;
	event = emit(state, end->completed ? EVENT_ACTION_COMPLETED : EVENT_ACTION_ERROR,
				 step, run->visit, run->started_event_id);
	child_result(state, &scope, step, end, &value);
	event->result = json_to_jsonb(&value);
	event->error = end->completed ? NULL : end->error;
	json_begin_object(&builder);
	json_add_int(&builder, "attempt", run->attempts + 1);
	json_add_id(&builder, "child_execution_id", end->execution_id);
	json_end_object(&builder, &value);
	event->meta = json_to_jsonb(&value);
	attempt.event = event;
	return attempt;
}

/* Opens a run whose task is done while executions that its worker started run. */
void
await_spawned(BrokerState *state, Run *run, const AttemptOutcome *outcome)
{
	JsonBuilder builder;
	JsonbValue	value;

	decision_add(state, DECIDE_CLOSE, run);
	json_begin_object(&builder);
	if (outcome->input != NULL)
		json_add(&builder, "data", outcome->input);
	json_add(&builder, "this", outcome->envelope);
	json_add_int(&builder, "event_id", outcome->event->event_id);
	json_add_int(&builder, "timeout", run->timeout);
	json_end_object(&builder, &value);
	run->context = json_to_jsonb(&value);
	run->is_task = false;
	run->stored = false;
	run->available_at = 0;
	run->state = RUN_OPEN;
	decision_add(state, DECIDE_KEEP, run);
}

/* Completes a run after the last of the executions that its worker started. */
void
complete_spawned(BrokerState *state, Run *run)
{
	Completion	completion;
	JsonbValue	context;
	JsonbValue	envelope;
	JsonbValue	input;

	json_from_jsonb(run->context, &context);
	if (!json_get(&context, "this", &envelope))
		json_null(&envelope);
	memset(&completion, 0, sizeof(completion));
	completion.type = EVENT_STEP_COMPLETED;
	(void) json_get_int(&context, "event_id", &completion.parent);
	completion.envelope = &envelope;
	if (run_input(run, &input))
		completion.input = &input;
	complete_step(state, run, &completion);
}
