/*
 * broker/left.c
 *		Strings of an action that only the worker can render.
 *
 *		args: {host: "{{ env.HOST | default('h') }}"}
 *			-> queue.context._left_action: [["args", "host"], ["data", "host"]]
 *
 * A string is left where the playbook itself has written the template: text that
 * came as data never is, whatever it looks like.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/broker.h"
#include "broker/left.h"

typedef struct Search
{
	Scope	   *scope;			/* NULL: the names of workers alone tell */
	JsonBuilder *places;		/* or NULL */
	List	   *names;			/* that the strings refer to */
	bool		found;
} Search;

/* Returns whether a name is one that only a worker has. */
static bool
only_worker_has(Scope *scope, const TemplateNameInfo *info)
{
	JsonbValue	value;

	if (scope == NULL)
		return word_in(info->name, info->length, playbook_worker_names);
	return scope->template.lookup(scope->template.arg, info->name, info->length,
								  &value) == TEMPLATE_LATER;
}

/* Notes a string, if it is left; the path to it is a list of texts. */
static void
note_string(Search *search, const TemplateDoc *doc, const JsonbValue *value,
			const List *path)
{
	TemplateNameInfo info;
	bool		left = false;
	ListCell   *lc;
	JsonBuilder builder;
	JsonbValue	place;

	if (value->type != jbvString || doc->value.val.string.len != value->val.string.len ||
		memcmp(doc->value.val.string.val, value->val.string.val, value->val.string.len) != 0)
		return;
	for (int i = 0; template_name(doc->template, i, &info); i++)
		left = left || (info.free && only_worker_has(search->scope, &info));
	if (!left)
		return;
	search->found = true;
	for (int i = 0; template_name(doc->template, i, &info); i++)
		if (info.free)
			search->names = lappend(search->names, pstrdup(info.name));
	if (search->places == NULL)
		return;
	json_begin_array(&builder);
	foreach(lc, path)
	{
		JsonbValue	step;

		json_string(&step, (char *) lfirst(lc));
		json_push(&builder, &step);
	}
	json_end_array(&builder, &place);
	json_push(search->places, &place);
}

/* Searches a document and what it was rendered to, side by side. */
static void
search_doc(Search *search, const TemplateDoc *doc, const JsonbValue *value, List *path)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (doc->kind == DOC_TEMPLATE && doc->template != NULL)
		note_string(search, doc, value, path);
	for (int i = 0; doc->kind == DOC_OBJECT && i < doc->count; i++)
	{
		const JsonbValue *key = &doc->keys[i];
		JsonbValue	member;

		if (json_get_n(value, key->val.string.val, key->val.string.len, &member))
			search_doc(search, doc->children[i], &member,
					   lappend(list_copy(path), pnstrdup(key->val.string.val,
														 key->val.string.len)));
	}
	for (int i = 0; doc->kind == DOC_ARRAY && i < doc->count; i++)
		if (json_is_array(value) && i < JsonContainerSize(value->val.binary.data))
			search_doc(search, doc->children[i],
					   getIthJsonbValueFromContainer(value->val.binary.data, i),
					   lappend(list_copy(path), psprintf("%d", i)));
}

/* Searches a member of an input in a layer that may have given it. */
static void
search_layer(Search *search, const TemplateDoc *layer, const JsonbValue *key,
			 const JsonbValue *member, List *path)
{
	const char *name = key->val.string.val;
	int			length = key->val.string.len;

	for (int i = 0; layer->kind == DOC_OBJECT && i < layer->count; i++)
		if (layer->keys[i].val.string.len == length &&
			memcmp(layer->keys[i].val.string.val, name, length) == 0)
			search_doc(search, layer->children[i], member, path);
	/* a layer that is no map is the member "input" */
	if (layer->kind != DOC_OBJECT && word_is(name, length, "input"))
		search_doc(search, layer, member, path);
}

/* Searches a member of an input in what transitions give to a step. */
static void
search_transitions(Search *search, const Playbook *playbook, int step, const JsonbValue *key,
				   const JsonbValue *member, List *path)
{
	ListCell   *lc;

	foreach(lc, playbook->arrivals[step])
	{
		const InputLayers *input = (InputLayers *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < input->count; i++)
			search_layer(search, input->layers[i], key, member, path);
	}
}

/*
 * Returns whether the workload has strings that only the worker can render: then
 * what refers to the workload is left to the worker, too.
 */
bool
workload_is_left(Scope *scope)
{
	BrokerState *state = scope->state;
	const Playbook *playbook = state->playbook;
	Search		search = {NULL};
	JsonbValue	workload;

	if (!playbook->uses_worker_names || playbook->workload == NULL)
		return false;
	if (state->workload_left == 0)
	{
		if (state->values.workload(state->values.arg, &workload))
			search_doc(&search, playbook->workload, &workload, NIL);
		state->workload_left = search.found ? 1 : -1;
	}
	return state->workload_left > 0;
}

/* Returns whether one key of the workload has such strings. */
bool
workload_key_is_left(Scope *scope, const char *name, int length)
{
	const TemplateDoc *doc = scope->state->playbook->workload;
	Search		search = {NULL};
	JsonbValue	workload;
	JsonbValue	member;

	if (!workload_is_left(scope) ||
		!scope->state->values.workload(scope->state->values.arg, &workload))
		return false;
	for (int i = 0; doc->kind == DOC_OBJECT && i < doc->count; i++)
		if (word_is(doc->keys[i].val.string.val, doc->keys[i].val.string.len, name) &&
			json_get_n(&workload, name, length, &member))
			search_doc(&search, doc->children[i], &member, NIL);
	return search.found;
}

/*
 * Returns which layer of a task has given a member of its input; -1: what stands above
 * the layers, as the transition.
 */
static int
giver_of(const Step *task, const Scope *scope, const JsonbValue *key)
{
	const char *name = key->val.string.val;
	int			length = key->val.string.len;
	JsonbValue	member;
	bool		is_above = scope->above != NULL &&
		json_get_n(scope->above, name, length, &member);

	for (int i = task->input.count - 1; i >= 0; i--)
	{
		const JsonbValue *layer = &scope->layers[i];

		/* a compensation lays its own maps over the input of the step */
		if (json_is_object(layer) ?
			json_get_n(layer, name, length, &member) && (!is_above || task->compensates >= 0) :
			layer->type != jbvNull && word_is(name, length, "input") && !is_above)
			return i;
	}
	return -1;
}

/*
 * Searches the input of a task, each member where it comes from; its strings do not see
 * the input as a whole.
 */
static void
search_input(Search *search, const Step *task, const JsonbValue *input, List *path)
{
	const Playbook *playbook = search->scope->state->playbook;
	const JsonbValue *members = search->scope->members;
	List	   *left = search->scope->left_members;
	JsonbIterator *it = json_walk(input);
	JsonbValue	key;
	JsonbValue	member;

	search->scope->members = NULL;
	search->scope->left_members = NIL;
	while (json_next_member(&it, &key, &member))
	{
		List	   *place = lappend(list_copy(path), pnstrdup(key.val.string.val,
														   key.val.string.len));
		int			layer = giver_of(task, search->scope, &key);

		if (layer >= 0)
			search_layer(search, task->input.layers[layer], &key, &member, place);
		else
			search_transitions(search, playbook, task->index, &key, &member, place);
	}
	search->scope->members = members;
	search->scope->left_members = left;
}

/* Searches what a layer may have given of an input: one member, or (NULL) all of them. */
static void
search_given(Search *search, const TemplateDoc *layer, const JsonbValue *input,
			 const char *member, int length)
{
	JsonbValue	value;

	for (int i = 0; layer->kind == DOC_OBJECT && i < layer->count; i++)
	{
		const char *name = layer->keys[i].val.string.val;

		if ((member == NULL || (layer->keys[i].val.string.len == length &&
								memcmp(name, member, length) == 0)) &&
			json_get_n(input, name, layer->keys[i].val.string.len, &value))
			search_doc(search, layer->children[i], &value, NIL);
	}
	if (layer->kind != DOC_OBJECT && (member == NULL || word_is(member, length, "input")) &&
		json_get(input, "input", &value))
		search_doc(search, layer, &value, NIL);
}

/* The same of all layers. */
static void
search_layers(Search *search, const InputLayers *layers, const JsonbValue *input,
			  const char *member, int length)
{
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < layers->count; i++)
		search_given(search, layers->layers[i], input, member, length);
}

/*
 * Returns whether an input of the step of a scope, or one of its members, has strings that
 * are left (broker/left.h).
 */
bool
input_is_left(Scope *scope, const JsonbValue *input, const char *member, int length)
{
	const Step *step = scope->step;
	Search		search = {scope};
	TemplateNeeds needs = scope->template.needs;
	ListCell   *lc;

	if (step == NULL || !json_is_object(input))
		return false;
	scope->template.needs = NEEDS_NAMES;
	search_layers(&search, &step->input, input, member, length);
	if (step->iterator != NULL)
		search_layers(&search, &step->iterator->body->input, input, member, length);
	foreach(lc, scope->state->playbook->arrivals[step->index])
		search_layers(&search, lfirst(lc), input, member, length);
	scope->template.needs = needs;
	return search.found;
}

/*
 * Notes in scope->left_members which members of the input of a task, as it was put
 * together, have strings that are left: what refers to them is left, too.
 */
void
left_in_input(const Step *task, Scope *scope, const JsonbValue *input)
{
	JsonBuilder builder;
	Search		search = {scope, &builder};
	JsonbValue	places;
	JsonbValue	place;
	JsonbIterator *it;

	json_begin_array(&builder);
	search_input(&search, task, input, NIL);
	json_end_array(&builder, &places);
	it = json_walk(&places);
	while (json_next_element(&it, &place))
	{
		JsonbValue *key = getIthJsonbValueFromContainer(place.val.binary.data, 0);

		if (key != NULL)
			scope->left_members = lappend(scope->left_members,
										  pnstrdup(key->val.string.val, key->val.string.len));
	}
}

/*
 * Finds the strings of an action, as it was rendered, that are left to the worker.
 * *places: the paths of these strings.  Returns the names that they refer to, and
 * that the worker does not have (char *).
 */
List *
left_in_action(const Step *task, Scope *scope, const JsonbValue *action, JsonbValue *places)
{
	JsonBuilder builder;
	Search		search = {scope, &builder};
	JsonbValue	value;
	List	   *known = NIL;
	ListCell   *lc;

	json_begin_array(&builder);
	for (int i = 0; i < task->action->count; i++)
	{
		const TemplateDoc *doc = task->action->children[i];
		const JsonbValue *key = &task->action->keys[i];
		const JsonbValue *members = scope->members;
		List	   *left = scope->left_members;

		if (!json_get_n(action, key->val.string.val, key->val.string.len, &value))
			continue;
		for (int j = 0; j < task->input.count; j++)
			if (task->input.layers[j] == doc)
			{
				scope->members = NULL;
				scope->left_members = NIL;
			}
		search_doc(&search, doc, &value,
				   list_make1(pnstrdup(key->val.string.val, key->val.string.len)));
		scope->members = members;
		scope->left_members = left;
	}
	if (json_get(action, "data", &value) && json_is_object(&value))
		search_input(&search, task, &value, list_make1("data"));
	else if (task->input.count > 0)
		search_doc(&search, task->input.layers[task->input.count - 1], &value,
				   list_make1("data"));
	json_end_array(&builder, places);
	foreach(lc, search.names)
	{
		char	   *name = (char *) lfirst(lc);

		if (!word_in(name, strlen(name), playbook_worker_names))
			known = lappend(known, name);
	}
	return known;
}

/* Returns whether a list of names has one. */
bool
left_has(const List *names, const char *name, int length)
{
	ListCell   *lc;

	foreach(lc, names)
		if (word_is(name, length, (char *) lfirst(lc)))
			return true;
	return false;
}

/*
 * Adds the paths of the strings that are left in the value of a name, if it means the
 * workload, one of its keys, the input or a member of it: what hides these is data.
 */
void
left_in_name(const Step *task, Scope *scope, const char *name, JsonBuilder *places)
{
	const TemplateDoc *doc = scope->state->playbook->workload;
	int			length = strlen(name);
	Search		search = {NULL, places};
	TemplateNeeds needs = scope->template.needs;
	TemplateBinding binding;
	JsonbValue	workload;
	JsonbValue	value;

	scope->template.needs = NEEDS_NAMES;
	binding = scope->template.lookup(scope->template.arg, name, length, &value);
	if (binding == TEMPLATE_LATER && scope_name_is_input(name, length))
	{
		search.scope = scope;
		search_input(&search, task, scope->input, list_make1(pstrdup(name)));
	}
	else if (binding == TEMPLATE_LATER && !scope_name_is_workload(name, length) &&
			 left_has(scope->left_members, name, length))
	{
		JsonBuilder input;
		JsonbValue	object;

		json_begin_object(&input);
		json_add(&input, name, &value);
		json_end_object(&input, &object);
		search.scope = scope;
		search_input(&search, task, &object, NIL);
	}
	else if (binding == TEMPLATE_LATER &&
			 scope->state->values.workload(scope->state->values.arg, &workload))
	{
		if (scope_name_is_workload(name, length))
			search_doc(&search, doc, &workload, list_make1(pstrdup(name)));
		for (int i = 0; doc->kind == DOC_OBJECT && i < doc->count; i++)
			if (word_is(doc->keys[i].val.string.val, doc->keys[i].val.string.len, name) &&
				json_get(&workload, name, &value))
				search_doc(&search, doc->children[i], &value, list_make1(pstrdup(name)));
	}
	scope->template.needs = needs;
}
