/*
 * save/save.c
 *		A save in any of its forms becomes tasks.
 *
 * The storage of a save is written in many ways, all of which mean the same:
 *
 *		storage: postgres			storage: {kind: postgres, table: t, …}
 *		tool: postgres				storage: {type: …}, {tool: …}
 *		type: postgres				save: event
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/formatting.h"

#include "save/save.h"

/* Adds every member of a map but those with some keys. */
static void
add_members_without(JsonBuilder *builder, const JsonbValue *map, const char *const *keys)
{
	JsonbIterator *it = json_walk(map);
	JsonbValue	key;
	JsonbValue	value;

	while (json_next_member(&it, &key, &value))
		if (!word_in(key.val.string.val, key.val.string.len, keys))
			json_add_n(builder, key.val.string.val, key.val.string.len, &value);
}

/*
 * Sets *value to the first of some members that exists and is not null; false
 * when there is none.
 */
static bool
first_given(const JsonbValue *map, const char *const *keys, JsonbValue *value)
{
	for (; *keys != NULL; keys++)
		if (json_get(map, *keys, value) && value->type != jbvNull)
			return true;
	return false;
}

/*
 * Sets *flat to a save as a flat map: the members of a storage map are below
 * those of the save itself, and the name of the storage is the member
 * "storage". False and *error for an invalid save.
 */
static bool
flatten(const JsonbValue *save, JsonbValue *flat, SourceError *error)
{
	static const char *const names[] = {"storage", "tool", "type", NULL};
	static const char *const inner[] = {"kind", "type", "tool", "storage", "name", NULL};
	JsonBuilder builder;
	JsonbValue	storage;
	JsonbValue	name;
	bool		named;

	if (save->type == jbvString)
		storage = *save;
	else if (!json_is_object(save))
		return source_error(error, "a save must be a map",
							"Write: save: {storage: postgres, table: …, data: …}.");
	else if (!first_given(save, names, &storage))
		json_null(&storage);
	named = storage.type == jbvString;
	if (named)
		name = storage;
	else if (json_is_object(&storage))
		named = first_given(&storage, inner, &name);
	else if (storage.type != jbvNull)
		return source_error(error, "the storage of a save must be a name or a map",
							"Use event, postgres, duckdb or http.");
	json_begin_object(&builder);
	if (json_is_object(&storage))
		add_members_without(&builder, &storage, inner);
	if (json_is_object(save))
		add_members_without(&builder, save, names);
	if (named)
		json_add(&builder, "storage", &name);
	json_end_object(&builder, flat);
	return true;
}

/* ---------------------------------------------------------------------------
 * Rendering
 * ---------------------------------------------------------------------------
 */

/* A scope in which the parameters of a statement are names, too. */
typedef struct ParamScope
{
	TemplateScope template;
	const TemplateScope *outer;
	JsonbValue	params;
} ParamScope;

/* Looks a name up among the parameters, then in the scope outside. */
static TemplateBinding
param_lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	ParamScope *scope = (ParamScope *) arg;

	if (word_is(name, length, "params"))
	{
		*value = scope->params;
		return TEMPLATE_VALUE;
	}
	if (json_get_n(&scope->params, name, length, value))
		return TEMPLATE_VALUE;
	return scope->outer->lookup(scope->outer->arg, name, length, value);
}

/* Looks the envelope of a step up in the scope outside. */
static TemplateBinding
param_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	ParamScope *scope = (ParamScope *) arg;

	return scope->outer->envelope(scope->outer->arg, name, length, value);
}

/*
 * Renders a flat save; its statement or commands last, because they may name the
 * parameters.
 */
static bool
render_save(const JsonbValue *flat, const TemplateScope *outer, JsonbValue *settings,
			SourceError *error)
{
	static const char *const late_keys[] = {"statement", "commands", "command", "sql", NULL};
	static const char *const params_keys[] = {"params", "data", "args", NULL};
	JsonBuilder builder;
	JsonbValue	late;
	JsonbValue	rest;
	ParamScope	scope;

	json_begin_object(&builder);
	add_members_without(&builder, flat, late_keys);
	json_end_object(&builder, &rest);
	if (!template_render_value(&rest, outer, settings, error))
		return false;
	memset(&scope, 0, sizeof(scope));
	scope.outer = outer;
	scope.template = *outer;
	scope.template.lookup = param_lookup;
	if (outer->envelope != NULL)
		scope.template.envelope = param_envelope;
	scope.template.arg = &scope;
	if (!first_given(settings, params_keys, &scope.params))
		json_null(&scope.params);
	json_begin_object(&builder);
	json_add_members(&builder, settings);
	for (int i = 0; late_keys[i] != NULL; i++)
	{
		if (!json_get(flat, late_keys[i], &late))
			continue;
		if (!template_render_value(&late, &scope.template, &late, error))
			return false;
		json_add(&builder, late_keys[i], &late);
	}
	json_end_object(&builder, settings);
	return true;
}

/* ---------------------------------------------------------------------------
 * Tasks
 * ---------------------------------------------------------------------------
 */

/* Returns the task type of a storage, or NULL for an unknown name. */
char *
save_storage_type(const char *name)
{
	static const struct
	{
		const char *name;
		char	   *type;
	}			known[] = {
		{"event", "event"}, {"event_log", "event"}, {"events", "event"},
		{"postgres", "postgres"}, {"postgresql", "postgres"}, {"pg", "postgres"},
		{"duckdb", "duckdb"}, {"http", "http"}, {"https", "http"}
	};

	for (int i = 0; i < lengthof(known); i++)
		if (pg_strcasecmp(name, known[i].name) == 0)
			return known[i].type;
	return NULL;
}

/*
 * Sets the type of the task of a rendered save; false and *error when the
 * storage is unknown.
 */
static bool
find_type(const JsonbValue *settings, SaveTask *task, SourceError *error)
{
	JsonbValue	member;
	char	   *name = json_get_text(settings, "storage");

	if (name == NULL && (json_get(settings, "table", &member) ||
						 json_get(settings, "statement", &member)))
		return source_error(error, "the save names no storage",
							"Write: storage: postgres (or duckdb).");
	task->type = save_storage_type(name != NULL ? name : "event");
	if (task->type == NULL)
		return source_error(error, psprintf("unknown storage \"%s\"", name),
							"Use event, postgres, duckdb or http.");
	return true;
}

/* Returns the number of rows of the data. */
static int
count_rows(const JsonbValue *data)
{
	if (json_is_array(data))
		return JsonContainerSize(data->val.binary.data);
	return data->type == jbvNull ? 0 : 1;
}

/*
 * Builds the action of a task: the settings that are neither those of the save
 * itself nor its data.  "session": "save" has the worker execute the command with
 * the settings that the broker gives its own saves; "returns": "rows" says that the
 * rows which it returns are the value of a step that only saves.
 */
static void
build_action(const JsonbValue *settings, SaveTask *task)
{
	static const char *const own[] = {
		"storage", "table", "mode", "key", "keys", "statement", "params",
		"data", "args", NULL
	};
	static const char *const own_http[] = {"storage", "data", "args", NULL};
	static const char *const bodies[] = {"payload", "body", "json", "form", NULL};
	bool		http = strcmp(task->type, "http") == 0;
	JsonBuilder builder;
	JsonbValue	member;

	json_begin_object(&builder);
	if (strcmp(task->type, "event") == 0)
		json_add(&builder, "data", &task->data);
	else
		add_members_without(&builder, settings, http ? own_http : own);
	if (http && !json_get(settings, "method", &member))
		json_add_text(&builder, "method", "POST");
	if (http && task->data.type != jbvNull && !first_given(settings, bodies, &member))
		json_add(&builder, "payload", &task->data);
	if (task->sql != NULL)
	{
		json_add_text(&builder, "command", task->sql);
		if (strcmp(task->type, "postgres") == 0)
			json_add_text(&builder, "session", "save");
		if (task->stated)
			json_add_text(&builder, "returns", "rows");
	}
	json_end_object(&builder, &task->action);
}

/* Returns whether a save is nothing but commands for a database. */
static bool
has_commands(const JsonbValue *settings)
{
	static const char *const commands[] = {"commands", "command", "sql", NULL};
	static const char *const others[] = {"table", "statement", NULL};
	JsonbValue	value;

	return first_given(settings, commands, &value) && !first_given(settings, others, &value);
}

/* Returns one save as a task; NULL and *error when the save is invalid. */
static SaveTask *
save_task(const JsonbValue *save, const TemplateScope *scope, SourceError *error)
{
	static const char *const keys[] = {"params", "data", "args", NULL};
	SaveTask   *task = palloc0(sizeof(SaveTask));
	JsonbValue	flat;
	JsonbValue	settings;
	JsonbValue	statement;

	if (!flatten(save, &flat, error))
		return NULL;
	if (scope == NULL)
		settings = flat;
	else if (!render_save(&flat, scope, &settings, error))
		return NULL;
	if (!find_type(&settings, task, error))
		return NULL;
	task->table = json_get_text(&settings, "table");
	task->stated = strcmp(task->type, "http") != 0 && strcmp(task->type, "event") != 0 &&
		json_get(&settings, "statement", &statement) && statement.type != jbvNull;
	if (!first_given(&settings, task->stated ? keys : keys + 1, &task->data))
		json_null(&task->data);
	task->rows = count_rows(&task->data);
	if ((strcmp(task->type, "postgres") == 0 || strcmp(task->type, "duckdb") == 0) &&
		!has_commands(&settings) &&
		!save_statements(&settings, &task->data, strcmp(task->type, "duckdb") == 0,
						 &task->sql, error))
		return NULL;
	build_action(&settings, task);
	return task;
}

/*
 * Sets *tasks to the tasks of a save in any of its forms; false and *error
 * when a save is invalid.
 */
bool
save_tasks(const JsonbValue *save, const TemplateScope *scope, List **tasks,
		   SourceError *error)
{
	JsonbIterator *it;
	JsonbValue	element;
	SaveTask   *task;

	*tasks = NIL;
	if (save->type == jbvNull || (save->type == jbvBool && !save->val.boolean))
		return true;
	if (!json_is_array(save))
	{
		task = save_task(save, scope, error);
		if (task != NULL)
			*tasks = list_make1(task);
		return task != NULL;
	}
	it = json_walk(save);
	while (json_next_element(&it, &element))
	{
		task = save_task(&element, scope, error);
		if (task == NULL)
			return false;
		*tasks = lappend(*tasks, task);
	}
	return true;
}
