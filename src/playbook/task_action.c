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
		if (key_in(name, left_out))
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

/*
 * Puts together the input: its layers in order of increasing precedence, then
 * "above".
 */
static void
assemble_data(const JsonbValue *action, const char *type, const JsonbValue *above,
			  JsonbValue *data)
{
	JsonBuilder builder;
	JsonbValue	layer;

	json_begin_object(&builder);
	for (int i = 0; step_input_keys[i] != NULL; i++)
	{
		const char *key = step_input_keys[i];

		if ((strcmp(key, "params") == 0 && strcmp(type, "http") == 0) ||
			!json_get(action, key, &layer))
			continue;
		if (json_is_object(&layer))
			json_add_members(&builder, &layer);
		else if (layer.type != jbvNull)
			json_add(&builder, "input", &layer);
	}
	json_add_members(&builder, above);
	json_end_object(&builder, data);
}

/*
 * Builds the action of a task that is written as a map of a playbook.  False
 * and *error when a template raises or the task has no type.
 */
bool
task_action(const JsonbValue *task, const TemplateScope *scope, const JsonbValue *input,
			JsonbValue *action, SourceError *error)
{
	static const char *const tool_keys[] = {"kind", NULL};
	JsonBuilder builder;
	JsonbValue	tool;
	JsonbValue	data;
	char	   *type = task_type(task, &tool);

	if (type == NULL)
	{
		memset(error, 0, sizeof(SourceError));
		error->sqlerrcode = ERRCODE_INVALID_PARAMETER_VALUE;
		error->message = "the task has no type";
		error->hint = "Write: type: python (or http, postgres ...).";
		return false;
	}
	json_begin_object(&builder);
	if (json_is_object(&tool) && !add_rendered(&builder, &tool, type, tool_keys, scope, error))
		return false;
	if (!add_rendered(&builder, task, type, type_keys, scope, error))
		return false;
	json_end_object(&builder, action);
	assemble_data(action, type, input, &data);
	json_begin_object(&builder);
	json_add_members(&builder, action);
	json_add_text(&builder, "type", type);
	json_add(&builder, "data", &data);
	json_end_object(&builder, action);
	return true;
}
