/*
 * playbook/task_action.c
 *		The action of a task that a worker starts itself: what a worker
 *		iterator does for each item.
 *
 * The rules are those by which playbook/step.c compiles an action and
 * broker/action.c renders it, applied to JSON: such a task is only known as a part
 * of another task's action.
 */
#include "common/common.h"

#include "utils/formatting.h"

#include "playbook/internal.h"
#include "playbook/task_action.h"

/* Returns whether a key of a task is a layer of its input. */
static bool
is_layer(const char *key, const char *type)
{
	return key_in(key, step_input_keys) &&
		!(strcmp(key, "params") == 0 && strcmp(type, "http") == 0);
}

/*
 * Adds the members of a map that belong to the action, rendered, but not those
 * of "left_out".  False and *error when a template raises.
 */
static bool
add_rendered(JsonBuilder *builder, const JsonbValue *map, const char *type,
			 const char *const *left_out, const TemplateScope *scope,
			 SourceError *error)
{
	JsonbIterator *it = json_walk(map);
	JsonbValue	key;
	JsonbValue	value;
	char	   *name;

	while (json_next_member(&it, &key, &value))
	{
		name = pnstrdup(key.val.string.val, key.val.string.len);
		/* an empty "save" would hide a "sink" from the worker */
		if (key_in(name, left_out) || is_layer(name, type) ||
			(value.type == jbvNull && strcmp(name, "save") == 0))
			continue;
		/* on_error steers a step, and the items of an iterator */
		if (!(strcmp(type, "iterator") == 0 && strcmp(name, "on_error") == 0) &&
			!key_is_forwarded(name))
			continue;
		if (!key_is_raw(name, type) && !key_is_code(name) &&
			!template_render_value(&value, scope, &value, error))
			return false;
		json_add_n(builder, key.val.string.val, key.val.string.len, &value);
	}
	return true;
}

/*
 * Returns the type of a task, lower-cased, or NULL; *tool: the map of its
 * tool, or null.
 */
static char *
task_type(const JsonbValue *task, JsonbValue *tool)
{
	char	   *type = json_get_text(task, "type");

	if (!json_get(task, "tool", tool))
		json_null(tool);
	if (type == NULL && tool->type == jbvString)
		type = json_get_text(task, "tool");
	if (type == NULL)
		type = json_get_text(tool, "kind");
	return type != NULL ? asc_tolower(type, strlen(type)) : NULL;
}

/* A scope in which the members of the task's input are names. */
typedef struct InputScope
{
	TemplateScope template;
	const TemplateScope *outer;
	const JsonbValue *names;	/* of the item, which win */
	JsonbValue	input;			/* an object */
	JsonbValue	rows;			/* data of the task that are a list; else null */
} InputScope;

/* Finds a name of the item, then of the input, then of the outer scope. */
static TemplateBinding
input_lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	InputScope *scope = (InputScope *) arg;

	if (!json_get_n(scope->names, name, length, value) &&
		json_get_n(&scope->input, name, length, value))
		return TEMPLATE_VALUE;
	return scope->outer->lookup(scope->outer->arg, name, length, value);
}

/* Finds the envelope of a step; lookup() has found its value in the outer scope. */
static TemplateBinding
input_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	InputScope *scope = (InputScope *) arg;

	return scope->outer->envelope(scope->outer->arg, name, length, value);
}

/*
 * Renders the layers of the input, the highest first, each with the members of what
 * is above it as names, and lays scope->input over all.  Leaves out those that "above"
 * (or NULL) has, too.  The rendered layers are added to the action.  False and
 * *error when a template raises.
 */
static bool
render_input(const JsonbValue *map, const JsonbValue *above, const char *type,
			 InputScope *scope, JsonBuilder *action, SourceError *error)
{
	for (int i = STEP_INPUT_KEYS - 1; i >= 0; i--)
	{
		JsonBuilder builder;
		JsonbValue	layer;
		TemplateDoc *doc;

		if (!is_layer(step_input_keys[i], type) ||
			(above != NULL && json_get(above, step_input_keys[i], &layer)) ||
			!json_get(map, step_input_keys[i], &layer))
			continue;
		doc = template_doc_compile(&layer, error);
		if (doc != NULL && strcmp(type, "python") == 0)
			template_doc_read_json(doc);
		if (doc == NULL || !template_doc_render(doc, &scope->template, &layer, error))
			return false;
		json_add(action, step_input_keys[i], &layer);
		if (layer.type == jbvNull)
			continue;
		if (json_is_array(&layer) && strcmp(step_input_keys[i], "data") == 0)
			scope->rows = layer;
		json_begin_object(&builder);
		if (json_is_object(&layer))
			json_add_members(&builder, &layer);
		else
			json_add(&builder, "input", &layer);
		json_add_members(&builder, &scope->input);
		json_end_object(&builder, &scope->input);
	}
	return true;
}

/* Returns whether a task has a setting of a kind beside its input. */
static bool
has_setting(const JsonbValue *task, const char *type, SqlSetting kind)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;
	bool		found = false;

	if (!json_is_object(task))
		return false;
	it = json_walk(task);
	while (json_next_member(&it, &key, &value))
		found |= key_sql_setting(pnstrdup(key.val.string.val, key.val.string.len), type) == kind;
	return found;
}

/*
 * Adds settings of an SQL task that are written as members of its input, of each kind
 * that it does not have.  False and *error when a template raises.
 */
static bool
lift_settings(const JsonbValue *task, const JsonbValue *tool, const char *type,
			  const TemplateScope *scope, JsonBuilder *builder, SourceError *error)
{
	for (SqlSetting kind = SETTING_CREDENTIAL; kind <= SETTING_COMMAND; kind++)
	{
		if (has_setting(task, type, kind) || has_setting(tool, type, kind) ||
			(kind == SETTING_DATABASE && strcmp(type, "postgres") == 0 &&
			 (has_setting(task, type, SETTING_CREDENTIAL) ||
			  has_setting(tool, type, SETTING_CREDENTIAL))))
			continue;
		for (int i = 0; i < STEP_INPUT_KEYS; i++)
		{
			JsonbIterator *it;
			JsonbValue	layer;
			JsonbValue	key;
			JsonbValue	value;

			if ((kind != SETTING_DATABASE && strcmp(step_input_keys[i], "data") == 0) ||
				!json_get(task, step_input_keys[i], &layer) || !json_is_object(&layer))
				continue;
			it = json_walk(&layer);
			while (json_next_member(&it, &key, &value))
			{
				char	   *name = pnstrdup(key.val.string.val, key.val.string.len);

				if (key_sql_setting(name, type) != kind)
					continue;
				if (!key_is_code(name) &&
					!template_render_value(&value, scope, &value, error))
					return false;
				json_add_n(builder, key.val.string.val, key.val.string.len, &value);
			}
		}
	}
	return true;
}

/*
 * Builds the action of a task that is written as a map of a playbook.  False
 * and *error when a template raises or the task has no type.
 */
bool
task_action(const JsonbValue *task, const TemplateScope *outer, const JsonbValue *names,
			const JsonbValue *input, JsonbValue *action, SourceError *error)
{
	static const char *const tool_keys[] = {"kind", NULL};
	JsonBuilder builder;
	JsonbValue	tool;
	InputScope	scope;
	char	   *type = task_type(task, &tool);

	if (type == NULL)
	{
		memset(error, 0, sizeof(SourceError));
		error->sqlerrcode = ERRCODE_INVALID_PARAMETER_VALUE;
		error->message = "the task has no type";
		error->hint = "Write: type: python (or http, postgres ...).";
		return false;
	}
	memset(&scope, 0, sizeof(scope));
	scope.template = *outer;
	scope.template.left = NULL;
	scope.template.lookup = input_lookup;
	scope.template.envelope = input_envelope;
	scope.template.arg = &scope;
	scope.outer = outer;
	scope.names = names;
	scope.input = *input;
	json_begin_object(&builder);
	if (!render_input(task, NULL, type, &scope, &builder, error) ||
		(json_is_object(&tool) &&
		 !render_input(&tool, task, type, &scope, &builder, error)) ||
		(json_is_object(&tool) &&
		 !add_rendered(&builder, &tool, type, tool_keys, &scope.template, error)) ||
		!add_rendered(&builder, task, type, type_keys, &scope.template, error) ||
		!lift_settings(task, &tool, type, &scope.template, &builder, error))
		return false;
	json_add_text(&builder, "type", type);
	json_add(&builder, "data", json_is_array(&scope.rows) && strcmp(type, "save") == 0 &&
			 !json_get(task, "save", &tool) && !json_get(task, "sink", &tool) ?
			 &scope.rows : &scope.input);
	json_end_object(&builder, action);
	return true;
}
