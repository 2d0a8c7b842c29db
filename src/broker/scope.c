/*
 * broker/scope.c
 *		The names that templates of a playbook see.
 *
 * The first of these groups that has the name gives the value:
 *
 *		names inside an item of an iterator
 *		result this data input args error …   of the step at hand
 *		execution_id job workload work context results
 *		members of the input, in strings of the step itself; of an item, then of
 *											  the input of the iterator
 *		steps                                 value of the newest visit of each
 *											  that the run descends from, if there
 *											  are parallel visits; else of the newest
 *		keys of the workload
 *		path version, names of workbook tasks
 *
 * A value is loaded when a template asks for it, and not before.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/broker.h"
#include "broker/input.h"
#include "broker/left.h"

typedef struct KnownValue
{
	int			step;
	int			visit;			/* of a parallel step; 0: the newest */
	StepValue	value;
} KnownValue;

/* Returns what is known of a visit of a step (0: the newest), or NULL. */
static KnownValue *
find_known(const BrokerState *state, int step, int visit)
{
	ListCell   *lc;

	foreach(lc, state->known)
	{
		KnownValue *known = (KnownValue *) lfirst(lc);

		if (known->step == step && known->visit == visit)
			return known;
	}
	return NULL;
}

/* Adds a visit of a step (0: the newest), of which nothing is known yet. */
static KnownValue *
add_known(BrokerState *state, int step, int visit)
{
	KnownValue *known = palloc0(sizeof(KnownValue));

	known->step = step;
	known->visit = visit;
	state->known = lappend(state->known, known);
	return known;
}

/* Returns the value of a visit (0: the newest) that ended before an event. */
static StepValue *
visit_value(BrokerState *state, int index, int visit, int64 before)
{
	KnownValue *known = find_known(state, index, visit);

	if (known != NULL)
		return &known->value;
	known = add_known(state, index, visit);
	state->values.step_value(state->values.arg, &state->playbook->steps[index], visit,
							 before, &known->value);
	if (known->value.found)
		result_value(&known->value.envelope, &known->value.value);
	return &known->value;
}

/*
 * Returns the value of the newest visit of a step that has ended.  Values do not
 * change while one event is evaluated, except by scope_set_step_value().
 */
StepValue *
scope_step_value(BrokerState *state, int step)
{
	StepValue  *newest = visit_value(state, step, 0, 0);
	ListCell   *lc;

	if (!state->playbook->steps[step].parallel)
		return newest;
	foreach(lc, state->known)
	{
		KnownValue *known = (KnownValue *) lfirst(lc);

		/* the visit of a value that is not found is 0 */
		if (known->step == step && known->value.visit > newest->visit)
			newest = &known->value;
	}
	return newest;
}

/*
 * Returns the value of a step as the run of a scope sees it: itself, once it has
 * ended; else the newest visit that it descends from; else the newest there is.
 */
static StepValue *
seen_value(Scope *scope, int index)
{
	BrokerState *state = scope->state;
	const Step *step = &state->playbook->steps[index];
	Run		   *run = scope->run;
	KnownValue *own;
	StepValue  *value;
	int			visit;

	if (step->tracked < 0 || run == NULL)
		return scope_step_value(state, index);
	own = run->step == index ? find_known(state, index, run->visit) : NULL;
	if (own != NULL && own->value.found)
		return &own->value;
	visit = lineage_visit(lineage_of(state, run), step);
	if (visit > 0)
	{
		value = visit_value(state, index, visit, lineage_before(state, run));
		if (value->found)
			return value;
	}
	return scope_step_value(state, index);
}

/* Notes the value of a visit under a key of find_known(). */
static void
note_value(BrokerState *state, int step, int key, int visit, int64 event_id,
		   const JsonbValue *envelope)
{
	KnownValue *known = find_known(state, step, key);

	if (known == NULL)
		known = add_known(state, step, key);
	known->value.found = true;
	known->value.visit = visit;
	known->value.event_id = event_id;
	known->value.envelope = *envelope;
	result_value(envelope, &known->value.value);
}

/* Notes the value of a visit that has ended: it need not be read back. */
void
scope_set_step_value(BrokerState *state, int step, int visit, int64 event_id,
					 const JsonbValue *envelope)
{
	note_value(state, step, state->playbook->steps[step].parallel ? visit : 0, visit, event_id,
			   envelope);
}

/* Notes the value of a visit that is the newest from now on, whatever came before. */
void
scope_set_newest_value(BrokerState *state, int step, int visit, int64 event_id,
					   const JsonbValue *envelope)
{
	scope_set_step_value(state, step, visit, event_id, envelope);
	note_value(state, step, 0, visit, event_id, envelope);
}

/* Builds "job": {"id", "uuid", "execution_id", "node_id"} of the step at hand. */
static void
build_job(Scope *scope, JsonbValue *value)
{
	JsonBuilder builder;
	int64		id = scope->state->execution_id;

	json_begin_object(&builder);
	json_add_id(&builder, "id", id);
	json_add_id(&builder, "uuid", id);
	json_add_id(&builder, "execution_id", id);
	if (scope->step != NULL)
		json_add_text(&builder, "node_id",
					  node_id_make(id, scope->step->name,
								   scope->run != NULL ? scope->run->visit : 1, -1));
	json_end_object(&builder, value);
}

/* Builds "results": the value of every step that has one, or its envelope, by name. */
static void
build_results(Scope *scope, bool envelopes, JsonbValue *value)
{
	const Playbook *playbook = scope->state->playbook;
	JsonBuilder builder;

	json_begin_object(&builder);
	for (int i = 0; i < playbook->nwritten; i++)
	{
		StepValue  *step;

		CHECK_FOR_INTERRUPTS();
		step = seen_value(scope, i);
		if (step->found)
			json_add(&builder, playbook->steps[i].name,
					 envelopes ? &step->envelope : &step->value);
	}
	json_end_object(&builder, value);
}

/* Finds the envelopes of all values in "results", by name of the step. */
void
scope_envelopes(Scope *scope, JsonbValue *value)
{
	build_results(scope, true, value);
}

/* Finds a name that exists only while a retry policy is asked. */
static TemplateBinding
lookup_retry(Scope *scope, const char *name, int length, JsonbValue *value)
{
	if (name_is(name, length, "result") || name_is(name, length, "response"))
	{
		*value = *scope->response;
		return TEMPLATE_STEP_VALUE;
	}
	if (name_is(name, length, "status_code"))
		return result_status_code(scope->response, value) ?
			TEMPLATE_VALUE : TEMPLATE_UNDEFINED;
	if (name_is(name, length, "success"))
	{
		json_bool(value, scope->success);
		return TEMPLATE_VALUE;
	}
	if (name_is(name, length, "attempt"))
	{
		json_int(value, scope->attempt);
		return TEMPLATE_VALUE;
	}
	if (name_is(name, length, "data"))
	{
		result_value(scope->response, value);
		return TEMPLATE_STEP_VALUE;
	}
	if (name_is(name, length, "error"))
	{
		json_string(value, scope->error);
		return TEMPLATE_VALUE;
	}
	return TEMPLATE_UNKNOWN;
}

/*
 * Returns whether a name is that of the step whose templates are evaluated, or
 * "step", which means the same.
 */
static bool
is_own_step(const Scope *scope, const char *name, int length)
{
	return scope->step != NULL &&
		(name_is(name, length, scope->step->name) || name_is(name, length, "step"));
}

/* Returns the names that hide others (broker/scope.h). */
const JsonbValue *
scope_names(Scope *scope)
{
	if (scope->names == NULL && scope->item != NULL)
	{
		JsonbValue *names = palloc(sizeof(JsonbValue));

		iterator_item_names(scope->item, names);
		scope->names = names;
	}
	return scope->names;
}

/* Finds a name that hides others; of an item mostly without building all its names. */
static bool
lookup_names(Scope *scope, const char *name, int length, JsonbValue *value)
{
	if (scope->names == NULL && scope->item != NULL)
	{
		if (name_is(name, length, scope->item->element))
		{
			*value = *scope->item->item;
			return true;
		}
		if (!iterator_has_name(scope->item, name, length))
			return false;
	}
	return scope_names(scope) != NULL && json_get_n(scope->names, name, length, value);
}

/* Finds a name that exists only while a step's own templates are evaluated. */
static TemplateBinding
lookup_own(Scope *scope, const char *name, int length, JsonbValue *value)
{
	if (lookup_names(scope, name, length, value))
		return TEMPLATE_VALUE;
	if (scope->is_retry)
	{
		TemplateBinding binding = lookup_retry(scope, name, length, value);

		if (binding != TEMPLATE_UNKNOWN)
			return binding;
	}
	if (scope->result != NULL && name_is(name, length, "result"))
	{
		*value = *scope->result;
		return TEMPLATE_STEP_VALUE;
	}
	if (scope->envelope != NULL && name_is(name, length, "this"))
	{
		*value = *scope->envelope;
		return TEMPLATE_STEP_VALUE;
	}
	if (scope->error != NULL && name_is(name, length, "error"))
	{
		json_string(value, scope->error);
		return TEMPLATE_VALUE;
	}
	if (scope->is_save && scope->result != NULL &&
		(name_is(name, length, "data") || is_own_step(scope, name, length)))
	{
		*value = *scope->result;
		return TEMPLATE_STEP_VALUE;
	}
	if (scope->input != NULL && scope_name_is_input(name, length))
	{
		*value = *scope->input;
		return scope->template.needs == NEEDS_NAMES && scope->left_members != NIL ?
			TEMPLATE_LATER : TEMPLATE_VALUE;
	}
	return TEMPLATE_UNKNOWN;
}

/* Finds a name that every template of the execution sees. */
static TemplateBinding
lookup_common(Scope *scope, const char *name, int length, JsonbValue *value)
{
	BrokerState *state = scope->state;

	if (name_is(name, length, "execution_id"))
	{
		json_id(value, state->execution_id);
		return TEMPLATE_VALUE;
	}
	if (name_is(name, length, "job"))
	{
		build_job(scope, value);
		return TEMPLATE_VALUE;
	}
	if (scope_name_is_workload(name, length))
	{
		if (scope->template.needs == NEEDS_NAMES && workload_is_left(scope))
			return TEMPLATE_LATER;
		return state->values.workload(state->values.arg, value) ?
			TEMPLATE_VALUE : TEMPLATE_UNDEFINED;
	}
	if (name_is(name, length, "results"))
	{
		build_results(scope, false, value);
		return TEMPLATE_STEP_VALUES;
	}
	return TEMPLATE_UNKNOWN;
}

/*
 * Finds the value of a workbook task, by a name that no step has: that of the
 * newest step that uses the task.  *found stays NULL when none of them has
 * run.  False: there is no such task.
 */
static bool
find_task_value(Scope *scope, const char *name, int length, StepValue **found)
{
	const Playbook *playbook = scope->state->playbook;
	bool		is_task = false;

	*found = NULL;
	for (int i = 0; i < playbook->nsteps; i++)
	{
		const Step *step = &playbook->steps[i];
		StepValue  *known;

		if (step->task_name == NULL || !name_is(name, length, step->task_name))
			continue;
		is_task = true;
		known = seen_value(scope, i);
		if (known->found && (*found == NULL || known->event_id >= (*found)->event_id))
			*found = known;
	}
	return is_task;
}

/*
 * Finds the value of a name for the template engine, in the order that the
 * head of this file lists.
 */
static TemplateBinding
scope_lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	Scope	   *scope = (Scope *) arg;
	BrokerState *state = scope->state;
	TemplateBinding binding;
	JsonbValue	workload;
	StepValue  *task;
	int			step;

	binding = lookup_own(scope, name, length, value);
	if (binding != TEMPLATE_UNKNOWN)
		return binding;
	binding = lookup_common(scope, name, length, value);
	if (binding != TEMPLATE_UNKNOWN)
		return binding;

	if (scope->members != NULL && json_get_n(scope->members, name, length, value))
		return scope->template.needs == NEEDS_NAMES &&
			left_has(scope->left_members, name, length) ? TEMPLATE_LATER : TEMPLATE_VALUE;
	if (scope->outer != NULL && json_get_n(scope->outer, name, length, value))
		return TEMPLATE_VALUE;

	step = playbook_find_step(state->playbook, name, length);
	if (step >= 0)
	{
		StepValue  *known = seen_value(scope, step);

		if (!known->found)
			return TEMPLATE_UNDEFINED;
		*value = known->value;
		return TEMPLATE_STEP_VALUE;
	}

	if (state->values.workload(state->values.arg, &workload) &&
		json_get_n(&workload, name, length, value))
		return scope->template.needs == NEEDS_NAMES &&
			workload_key_is_left(scope, name, length) ? TEMPLATE_LATER : TEMPLATE_VALUE;

	if (name_is(name, length, "path"))
	{
		json_string(value, state->path);
		return TEMPLATE_VALUE;
	}
	if (name_is(name, length, "version"))
	{
		json_int(value, state->version);
		return TEMPLATE_VALUE;
	}
	if (!find_task_value(scope, name, length, &task))
		return word_in(name, length, playbook_worker_names) ? TEMPLATE_LATER : TEMPLATE_UNKNOWN;
	if (task == NULL)
		return TEMPLATE_UNDEFINED;
	*value = task->value;
	return TEMPLATE_STEP_VALUE;
}

/* Finds the envelope in which the value of a step came: no other value of the name has one. */
static TemplateBinding
scope_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	Scope	   *scope = (Scope *) arg;
	const JsonbValue *envelope = NULL;
	StepValue  *known = NULL;
	int			step = playbook_find_step(scope->state->playbook, name, length);

	if (name_is(name, length, "result") ||
		(scope->is_save && scope->result != NULL && is_own_step(scope, name, length)))
		envelope = scope->envelope;
	else if (step >= 0)
		known = seen_value(scope, step);
	else
		(void) find_task_value(scope, name, length, &known);
	if (known != NULL && known->found)
		envelope = &known->envelope;
	if (envelope == NULL)
		return TEMPLATE_UNDEFINED;
	*value = *envelope;
	return TEMPLATE_VALUE;
}

/*
 * Finds a name for the templates of a workload, which see the execution itself and
 * the start parameters.
 */
static TemplateBinding
workload_lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	Scope	   *scope = (Scope *) arg;

	if (name_is(name, length, "execution_id") || name_is(name, length, "job"))
		return lookup_common(scope, name, length, value);
	if (scope_name_is_workload(name, length))
	{
		*value = *scope->members;
		return TEMPLATE_VALUE;
	}
	if (json_get_n(scope->members, name, length, value))
		return TEMPLATE_VALUE;
	if (name_is(name, length, "path"))
	{
		json_string(value, scope->state->path);
		return TEMPLATE_VALUE;
	}
	if (name_is(name, length, "version"))
	{
		json_int(value, scope->state->version);
		return TEMPLATE_VALUE;
	}
	return word_in(name, length, playbook_worker_names) ? TEMPLATE_LATER : TEMPLATE_UNKNOWN;
}

/*
 * TemplateScope.identify: the execution and the run.  A template that sees neither a
 * step nor a run belongs to the execution as a whole.
 */
static void
scope_identify(void *arg, StringInfo buf)
{
	const Scope *scope = arg;

	appendStringInfo(buf, INT64_FORMAT "/%s/%d/%d", scope->state->execution_id,
					 scope->step != NULL ? scope->step->name : "",
					 scope->run != NULL ? scope->run->visit : 0,
					 scope->run != NULL ? scope->run->item : -1);
}

/*
 * Has the templates of a compensation see the value of what it compensates: of the log,
 * unless it has completed in this evaluation.
 */
static void
see_compensated(Scope *scope)
{
	BrokerState *state = scope->state;
	int			index = scope->step->compensates;
	StepValue  *value = NULL;
	ListCell   *lc;

	foreach(lc, state->completions)
	{
		const StepCompletion *done = (StepCompletion *) lfirst(lc);

		if (done->step != index || done->visit != scope->run->visit)
			continue;
		value = palloc0(sizeof(StepValue));
		value->found = true;
		value->envelope = *done->envelope;
		result_value(&value->envelope, &value->value);
	}
	if (value == NULL)
		value = visit_value(state, index, scope->run->visit, 0);
	if (!value->found)
		return;
	scope->result = &value->value;
	scope->envelope = &value->envelope;
}

/*
 * Returns whether a name, or its member, would hand a string of the input on that is left
 * to the worker of the step: outside of the action that has it nobody renders it any more.
 */
static bool
hands_on_left(Scope *scope, const char *name, int length, const char *member, int member_length)
{
	JsonbValue	value;
	bool		in_action = scope->layers != NULL;	/* left_members says what is left there */

	if (lookup_own(scope, name, length, &value) == TEMPLATE_VALUE)
		return !in_action && scope->input != NULL && scope_name_is_input(name, length) &&
			json_is_object(scope->input) && json_is_object(&value) &&
			value.val.binary.data == scope->input->val.binary.data &&
			input_is_left(scope, scope->input, member, member_length);
	if (lookup_common(scope, name, length, &value) != TEMPLATE_UNKNOWN)
		return false;
	if (scope->members != NULL && json_get_n(scope->members, name, length, &value))
		return !in_action && input_is_left(scope, scope->members, name, length);
	return scope->outer != NULL && input_is_left(scope, scope->outer, name, length);
}

/* TemplateScope.left: of the names of workers, the workload and its keys. */
static TemplateLeft
scope_left(void *arg, const char *name, int length, const char *member, int member_length)
{
	Scope	   *scope = arg;
	TemplateNeeds needs = scope->template.needs;
	TemplateBinding binding;
	JsonbValue	value;

	scope->template.needs = NEEDS_NAMES;
	binding = scope_lookup(scope, name, length, &value);
	scope->template.needs = needs;
	if (binding == TEMPLATE_VALUE && hands_on_left(scope, name, length, member, member_length))
		return LEFT_VALUE;
	if (binding != TEMPLATE_LATER)
		return LEFT_NOTHING;
	if (word_in(name, length, playbook_worker_names))
		return LEFT_NAME;
	if (member != NULL && scope_name_is_workload(name, length) &&
		!workload_key_is_left(scope, pnstrdup(member, member_length), member_length))
		return LEFT_NOTHING;
	return LEFT_VALUE;
}

/* Begins a scope for templates of a step; the caller adds what only it knows. */
void
scope_init(Scope *scope, BrokerState *state, const Step *step, Run *run,
		   TimestampTz now)
{
	memset(scope, 0, sizeof(Scope));
	scope->state = state;
	scope->step = step;
	scope->run = run;
	scope->template.lookup = scope_lookup;
	scope->template.envelope = scope_envelope;
	scope->template.arg = scope;
	scope->template.now = now;
	scope->template.identify = scope_identify;
	scope->template.identify_arg = scope;
	if (state->playbook->uses_worker_names)
		scope->template.left = scope_left;
	if (step != NULL && step->compensates >= 0 && run != NULL)
		see_compensated(scope);
}

/*
 * Gives the input to a scope of a step without an action.  One that is empty hides no key
 * of the workload that is called like it.
 */
void
scope_give_input(Scope *scope, const JsonbValue *input)
{
	static const char *const names[] = {"data", "input", "args"};
	const ValueSource *values = &scope->state->values;
	JsonbValue	workload;
	JsonbValue	value;

	if (JsonContainerSize(input->val.binary.data) == 0 &&
		values->workload(values->arg, &workload))
		for (int i = 0; i < lengthof(names); i++)
			if (json_get(&workload, names[i], &value))
				return;
	scope->input = input;
}

/*
 * Renders the defaults of a workload: *defaults is an object.  Their templates see
 * the execution, the start parameters, and those defaults that stand before them or
 * contain no template.  False and *error when a template raises.
 */
bool
workload_defaults(BrokerState *state, TimestampTz now, const JsonbValue *parameters,
				  JsonbValue *defaults, SourceError *error)
{
	const TemplateDoc *doc = state->playbook->workload;
	JsonBuilder builder;
	JsonbValue	seen;
	Scope		scope;

	json_begin_object(&builder);
	for (int i = 0; doc != NULL && doc->kind == DOC_OBJECT && i < doc->count; i++)
		if (doc->children[i]->kind == DOC_CONSTANT)
			json_add_n(&builder, doc->keys[i].val.string.val, doc->keys[i].val.string.len,
					   &doc->children[i]->value);
	json_end_object(&builder, defaults);
	if (doc == NULL)
		return true;
	if (doc->kind == DOC_CONSTANT)
	{
		*defaults = doc->value;
		return true;
	}
	scope_init(&scope, state, NULL, NULL, now);
	scope.template.lookup = workload_lookup;
	scope.template.envelope = NULL;
	scope.template.left = NULL;
	scope.template.needs = NEEDS_NAMES;
	for (int i = 0; i < doc->count; i++)
	{
		const JsonbValue *key = &doc->keys[i];
		JsonbValue	value;

		if (doc->children[i]->kind == DOC_CONSTANT)
			continue;
		input_overlay(defaults, parameters, &seen);
		scope.members = &seen;
		if (!template_doc_render(doc->children[i], &scope.template, &value, error))
			return false;
		json_begin_object(&builder);
		json_add_members(&builder, defaults);
		json_add_n(&builder, key->val.string.val, key->val.string.len, &value);
		json_end_object(&builder, defaults);
	}
	return true;
}

/*
 * Finds the value of one name, for queue.context.  *is_step: it is the value of a
 * step, which came in *envelope (or null).
 */
TemplateBinding
scope_name(Scope *scope, const char *name, JsonbValue *value, JsonbValue *envelope,
		   bool *is_step)
{
	TemplateBinding binding = scope_lookup(scope, name, strlen(name), value);

	*is_step = binding == TEMPLATE_STEP_VALUE;
	if (*is_step && scope_envelope(scope, name, strlen(name), envelope) != TEMPLATE_VALUE)
		json_null(envelope);
	return binding;
}

/*
 * Returns an error message with its place in the playbook, in the form in
 * which registration reports errors.
 */
char *
scope_error_text(const SourceError *error)
{
	if (error->line > 0)
		return psprintf("%s (line %d, column %d)",
						error->message, error->line, error->column);
	return pstrdup(error->message);
}
