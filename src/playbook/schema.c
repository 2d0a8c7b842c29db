/*
 * playbook/schema.c
 *		The JSON Schema of playbooks, for editors.
 *
 * Which keys there are is taken from the compiler's own tables (playbook/keys.h),
 * so a key that the compiler comes to know is in the schema at once.  The table
 * here says only what the values of keys look like; a key without an entry takes
 * any value.  The schema accepts every document that noetl.register() accepts, and
 * so says less than noetl.validate().
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "playbook/keys.h"
#include "playbook/playbook.h"

/* What the values of a key look like, in one kind of map or (NULL) in all. */
typedef struct KeyShape
{
	const char *map;
	const char *key;
	const char *shape;			/* members of a schema object */
} KeyShape;

#define TEXT_OR(types)	"\"type\": [\"string\", " types "]"
#define REF(name)		"\"$ref\": \"#/definitions/" name "\""
#define ABOUT(text)		"\"description\": \"" text "\""
/* The description of a reference stands beside it: draft 7 ignores its siblings. */
#define SEE(name, text)	"\"allOf\": [{" REF(name) "}], " ABOUT(text)

static const KeyShape shapes[] = {
	{"document", "apiVersion", "\"examples\": [\"noetl.io/v1\"]"},
	{"document", "kind", "\"type\": [\"string\", \"null\"], \"examples\": [\"Playbook\"]"},
	{"document", "metadata", "\"type\": [\"object\", \"null\"], "
	ABOUT("name, path, version, description, labels")},
	{"document", "path", TEXT_OR("\"number\", \"boolean\", \"null\"") ", "
	ABOUT("The path in the catalog")},
	{"document", "labels", ABOUT("Labels of all executions")},
	{"document", "workload", ABOUT("Defaults of the parameters; rendered once, at the start")},
	{"document", "workbook", SEE("workbook", "Named tasks, which steps of type workbook refer to")},
	{"document", "tasks", SEE("workbook", "Another name of workbook")},
	{"document", "workflow", SEE("workflow",
	"The steps; the first, or \\\"start\\\", is the entry")},
	{"document", "steps", ABOUT("Another name of workflow")},
	{"document", "timeout", SEE("duration", "How long an execution may take")},
	{"document", "tests",
	ABOUT("What noetl.test() plays: name, parameters, stubs, at, expect")},
	{"step", "step", "\"type\": [\"string\", \"number\", \"boolean\"], "
	ABOUT("The name of the step")},
	{"step", "name", ABOUT("The name of the step, or of the task of a step of type workbook")},
	{"step", "type", SEE("type", "Who does the step")},
	{"step", "tool", "\"anyOf\": [{" REF("type") "}, "
	"{\"type\": \"object\"}, {\"type\": \"array\"}]"},
	{"step", "next", SEE("next", "What comes after the step")},
	{"step", "next_mode", "\"enum\": [\"inclusive\", \"exclusive\", null], "
	ABOUT("exclusive: the first entry that matches only")},
	{"step", "join", "\"enum\": [\"each\", \"all\", \"any\", null], "
	ABOUT("Whether the step starts for each arrival, after all of them, or at the first")},
	{"step", "on_error",
	ABOUT("What a failure does: fail, continue, hold, {step: handler}, or a list like next")},
	{"step", "on_lost", "\"enum\": [\"requeue\", \"fail\", null], "
	ABOUT("What the loss of the worker does")},
	{"step", "compensate", "\"anyOf\": [{\"type\": \"null\"}, {" REF("step") "}], "
	ABOUT("The task that undoes the step before its execution fails")},
	{"step", "max_visits", TEXT_OR("\"integer\", \"null\"") ", "
	ABOUT("How often the step may run in an execution")},
	{"step", "retry", SEE("retry", "When and how often a failed attempt is made again")},
	{"step", "timeout", SEE("duration", "How long an attempt may take, from its first lease")},
	{"step", "queue_timeout", SEE("duration", "How long the task may wait for a worker")},
	{"document", "limits", SEE("limits", "How many executions may run at the same time, or begin")},
	{"step", "limits", SEE("limits", "How many tasks may be under way at the same time, or begin")},
	{"limit", "name", TEXT_OR("\"number\", \"boolean\"") ", "
	ABOUT("All playbooks that use the name share the limit")},
	{"limit", "key", ABOUT("Each value has the limit for itself; a template")},
	{"limit", "concurrency", "\"type\": [\"integer\", \"null\"], \"minimum\": 1"},
	{"limit", "rate", "\"type\": [\"object\", \"null\"], \"required\": [\"limit\", \"per\"], "
	ABOUT("limit: so many may begin; per: second, minute, hour, day or a span of time; burst: so many at once")},
	{"limit", "on_limit", "\"enum\": [\"wait\", \"skip\", \"cancel_oldest\", \"cancel_newest\", null]"},
	{"step", "priority",
	ABOUT("Tasks of a higher priority are handed out first; -100 to 100, or a template")},
	{"document", "priority",
	ABOUT("The priority of executions whose start gives them none")},
	{"step", "fairness", SEE("fairness", "Tasks of the same priority have their turn key by key")},
	{"document", "fairness", SEE("fairness", "The fairness of steps that have none")},
	{"fairness", "key", ABOUT("Each value has its turn; a template")},
	{"fairness", "weight", TEXT_OR("\"number\", \"null\"") ", "
	ABOUT("How many turns the key has in a round; 1")},
	{"step", "save", SEE("save", "Where the result is stored")},
	{"step", "sink", SEE("save", "Another name of save")},
	{"step", "loop", SEE("loop", "The step is done for each item of a list")},
	{"step", "code", ABOUT("Program text; it is never rendered")},
	{"step", "statement", ABOUT("SQL of a step of type sql; :name stands for a parameter")},
	{"target", "step", ABOUT("The name of a step")},
	{"target", "then", SEE("targets", "The steps that follow if the condition is true")},
	{"target", "else", SEE("targets", "The steps that follow if it is not")},
	{"retry", "max_attempts", TEXT_OR("\"number\", \"null\"") ", \"default\": 3"},
	{"retry", "initial_delay", SEE("duration", "The delay after the first failed attempt")},
	{"retry", "retry_delay", SEE("duration", "Another name of initial_delay")},
	{"retry", "max_delay", SEE("duration", "No delay is longer")},
	{"retry", "backoff_multiplier", TEXT_OR("\"number\", \"null\"") ", \"default\": 2"},
	{"retry", "jitter", "\"default\": true"},
	{"retry", "retry_when", SEE("condition", "Another attempt is made if this is true")},
	{"retry", "stop_when", SEE("condition", "No other attempt is made if this is true")},
	{"loop", "mode", "\"examples\": [\"sequential\", \"async\", \"parallel\", \"distributed\"]"},
	{"loop", "concurrency", ABOUT("How many items are under way at the same time")},
	{"loop", "task", ABOUT("What is done for each item")},
	{"save", "storage", "\"examples\": [\"event\", \"postgres\", \"duckdb\", \"http\"]"},
	{"save", "mode",
	"\"examples\": [\"append\", \"insert\", \"overwrite\", \"update\", "
	"\"upsert\"]"},
	{NULL, "when", SEE("condition", "Nothing happens unless this is true")},
	{NULL, "condition", SEE("condition", "Another name of when")},
	{NULL, "pass", SEE("condition", "The step is skipped if this is true")},
	{NULL, "desc", ABOUT("For people")},
	{NULL, "description", ABOUT("For people")},
	{NULL, NULL, NULL}
};

/* Parts of the schema that are no map of keys. */
static const char fixed_definitions[] =
"\"condition\": {\"description\": \"A Jinja2 expression, with or without braces, or a value\"},"
"\"duration\": {\"type\": [\"number\", \"string\", \"null\"],"
" \"description\": \"Seconds, the text of an interval, or a template\"},"
"\"limits\": {\"anyOf\": [{\"type\": \"null\"}, {\"$ref\": \"#/definitions/limit\"},"
" {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/limit\"}}]},"
"\"name\": {\"type\": [\"string\", \"number\", \"boolean\"]},"
"\"workflow\": {\"type\": [\"array\", \"null\"], \"items\": {\"$ref\": \"#/definitions/step\"}},"
"\"workbook\": {\"type\": [\"array\", \"object\", \"null\"]},"
"\"targets\": {\"anyOf\": [{\"type\": \"null\"}, {\"$ref\": \"#/definitions/name\"},"
" {\"$ref\": \"#/definitions/target\"},"
" {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/targets\"}}]},"
"\"next\": {\"anyOf\": [{\"$ref\": \"#/definitions/targets\"},"
" {\"type\": \"object\", \"properties\": {\"spec\": {\"type\": \"object\"},"
" \"arcs\": {\"$ref\": \"#/definitions/targets\"}}}]},";

/* A map of keys: its name in the schema, and the tables of the keys it has. */
typedef struct KeyMap
{
	const char *map;
	const char *other;			/* what it may be instead of an object */
	const char *const *keys[6];
} KeyMap;

static const KeyMap maps[] = {
	{"step", NULL, {control_keys, type_keys, common_keys, action_keys, wait_keys, NULL}},
	{"target", NULL, {target_keys, NULL}},
	{"limit", NULL, {limit_keys, NULL}},
	{"fairness", "\"null\"", {fairness_keys, NULL}},
	{"retry", "\"boolean\", \"number\", \"string\", \"null\"", {retry_keys, NULL}},
	{"loop", "\"null\"", {loop_keys, NULL}},
	{"save", "\"array\", \"string\", \"number\", \"boolean\", \"null\"", {save_keys_known, NULL}},
	{NULL, NULL, {NULL}}
};

/* Returns what the values of a key look like; "" when they may be anything. */
static const char *
shape_of(const char *map, const char *key)
{
	for (const KeyShape *shape = shapes; shape->key != NULL; shape++)
		if ((shape->map == NULL || strcmp(shape->map, map) == 0) && strcmp(shape->key, key) == 0)
			return shape->shape;
	return "";
}

/* Appends the properties of a map; a key that several tables have comes once. */
static void
append_properties(StringInfo schema, const char *map, const char *const *const *tables)
{
	bool		first = true;

	appendStringInfoString(schema, "\"properties\": {");
	for (int i = 0; tables[i] != NULL; i++)
		for (int j = 0; tables[i][j] != NULL; j++)
		{
			bool		seen = false;

			for (int k = 0; k < i && !seen; k++)
				seen = key_in(tables[i][j], tables[k]);
			if (seen)
				continue;
			appendStringInfo(schema, "%s\"%s\": {%s}", first ? "" : ", ", tables[i][j],
							 shape_of(map, tables[i][j]));
			first = false;
		}
	appendStringInfoChar(schema, '}');
}

/* Appends a list of words, as the examples of a type. */
static void
append_types(StringInfo schema)
{
	appendStringInfoString(schema, "\"type\": {\"type\": [\"string\", \"number\", \"boolean\", \"null\"], "
						   "\"examples\": [");
	for (int i = 0; action_types[i] != NULL; i++)
		appendStringInfo(schema, "%s\"%s\"", i == 0 ? "" : ", ", action_types[i]);
	appendStringInfoString(schema, "]}");
}

/* Returns the JSON Schema (draft 7) of playbooks. */
Jsonb *
playbook_schema(void)
{
	const char *const *const document[] = {document_keys, NULL};
	StringInfoData schema;

	initStringInfo(&schema);
	appendStringInfoString(&schema, "{\"$schema\": \"http://json-schema.org/draft-07/schema#\", "
						   "\"title\": \"NoETL playbook\", \"type\": \"object\", "
						   "\"anyOf\": [{\"required\": [\"workflow\"]}, "
						   "{\"required\": [\"steps\"], \"properties\": "
						   "{\"steps\": {" REF("workflow") "}}}], ");
	append_properties(&schema, "document", document);
	appendStringInfo(&schema, ", \"definitions\": {%s", fixed_definitions);
	append_types(&schema);
	for (const KeyMap *map = maps; map->map != NULL; map++)
	{
		appendStringInfo(&schema, ", \"%s\": {\"type\": [\"object\"%s%s], ", map->map,
						 map->other == NULL ? "" : ", ", map->other == NULL ? "" : map->other);
		append_properties(&schema, map->map, map->keys);
		appendStringInfoChar(&schema, '}');
	}
	appendStringInfoString(&schema, "}}");
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(schema.data)));
}
