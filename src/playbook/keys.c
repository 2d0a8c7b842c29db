/*
 * playbook/keys.c
 *		The keys of a playbook's maps: which there are, and what they are for.
 */
#include "common/common.h"

#include "playbook/keys.h"
#include "playbook/playbook.h"

const char *const step_input_keys[STEP_INPUT_KEYS + 1] = {
	"input", "payload", "with", "args", "params", "data", NULL
};

const char *const target_input_keys[TARGET_INPUT_KEYS + 1] = {
	"input", "payload", "with", "args", "data", NULL
};

const char *const control_keys[] = {
	"step", "desc", "description", "next", "type", "when", "pass", "result",
	"return", "join", "next_mode", "on_error", "max_visits", "timeout_action",
	"on_lost", "queue_timeout", "limits", "fairness", "compensate", NULL
};

const char *const common_keys[] = {
	"tool", "retry", "args", "with", "input", "payload", "params", "data",
	"timeout", "save", "sink", "priority", "limits", "fairness", "code", "command", "commands",
	"statement", "method", "endpoint", "headers", NULL
};

const char *const action_keys[] = {
	"auth", "body", "chunk", "code_b64", "command_b64", "commands_b64",
	"collection", "content", "count", "credential", "credentials", "date",
	"direction", "element", "env", "file", "files", "input_data", "iterator",
	"join_on", "key", "keys", "limit", "loop", "mode", "name", "notes", "order_by",
	"path", "project_id", "provider", "query", "queries", "runtime", "sake",
	"script", "sql", "source", "storage", "table", "target", "task", "tasks",
	"test", "text", "time", "timeouts", "tools", "url", "version", "where",
	"width", NULL
};

const char *const action_marks[] = {
	"code", "code_b64", "command", "commands", "command_b64", "sql", "query",
	"statement", "url", "endpoint", "script", NULL
};

const char *const target_keys[] = {
	"step", "when", "then", "else", "condition", "input", "payload", "with",
	"args", "data", NULL
};

const char *const retry_keys[] = {
	"max_attempts", "initial_delay", "retry_delay", "backoff_multiplier",
	"max_delay", "jitter", "retry_when", "stop_when", NULL
};

const char *const wait_keys[] = {
	"for", "until", "signal", "key", "accept", "timeout", "on_error", "when", "pass", "next",
	"next_mode", "result", "return", "join", "max_visits", "step", "name", "type", "tool",
	"desc", "description", "input", "payload", "with", "args", "params", "data",
	"retry", "save", "sink", "form", "task", "compensate", NULL
};

const char *const save_keys_known[] = {
	"storage", "tool", "type", "kind", "data", "args", "table", "mode", "key", "keys",
	"statement", "params", "commands", "command", "sql", "auth", "credential",
	"credentials", "url", "method", "headers", "payload", "body", "json", "form",
	"endpoint", "database", "format", "path", "file", "name", "options", NULL
};

const char *const limit_keys[] = {
	"name", "key", "concurrency", "rate", "on_limit", NULL
};

const char *const fairness_keys[] = {"key", "weight", NULL};

const char *const loop_keys[] = {
	"collection", "data", "in", "element", "iterator", "where", "filter", "order_by",
	"limit", "chunk", "mode", "concurrency", "on_error", "task", NULL
};

const char *const document_keys[] = {
	"apiVersion", "kind", "metadata", "workload", "workbook", "tasks", "workflow",
	"steps", "name", "path", "version", "description", "labels", "timeout", "limits",
	"priority", "fairness", "tests", NULL
};

const char *const test_keys[] = {
	"name", "description", "parameters", "stubs", "at", "expect", NULL
};

const char *const expect_keys[] = {
	"status", "result", "error", "steps", "not_steps", "tasks", NULL
};

const char *const expect_step_keys[] = {
	"status", "visits", "attempts", "result", "error", NULL
};

const char *const action_types[] = {
	"python", "postgres", "shell", "http", "duckdb", "iterator", "save", "playbook",
	"workbook", "wait", "noop", "start", "end", "route", "router", "sql", "snowflake",
	"secrets",
	"secret", "container", "script", "transfer", "gcs", "nats", "ducklake", NULL
};

const char *const graph_keys[] = {
	"step", "next", "next_mode", "join", NULL
};

const char *const type_keys[] = {"type", "tool", NULL};

const char *const whole_step_keys[] = {
	"when", "pass", "result", "return", "on_error", "max_visits", "timeout",
	"on_lost", "queue_timeout", "limits", "priority", "fairness", "desc", "description",
	"compensate", NULL
};

const char *const loop_frame_keys[] = {
	"step", "next", "next_mode", "join", "loop", NULL
};

const IteratorKey iterator_keys[ITERATOR_KEYS] = {
	{"collection", {"collection", "data", "in", NULL}},
	{"element", {"element", "iterator", NULL}},
	{"where", {"where", "filter", NULL}},
	{"order_by", {"order_by", NULL}},
	{"limit", {"limit", NULL}},
	{"chunk", {"chunk", NULL}},
	{"mode", {"mode", NULL}},
	{"concurrency", {"concurrency", NULL}},
	{"on_error", {"on_error", NULL}},
};

const char *const statement_keys[] = {"statement", "command", "query", "sql", NULL};

const char *const storage_keys[] = {"storage", "tool", "type", NULL};

const char *const storage_kind_keys[] = {"kind", "type", "tool", "storage", "name", NULL};

const char *const connection_keys[] = {
	"auth", "credential", "credentials", "connection", "connection_string",
	"conninfo", "dsn", "url", "database_url", "host", "port", "user", "username",
	"password", "dbname", "database", "sslmode", "db_host", "db_port", "db_user",
	"db_password", "db_name", "db_sslmode", NULL
};

/* What a task of type postgres or duckdb is told to do, and where. */
static const char *const command_keys[] = {
	"command", "commands", "sql", "query", "code", "command_b64", "commands_b64",
	"sql_b64", "query_b64", "code_b64", "script", NULL
};
static const char *const target_database_keys[] = {
	"db_host", "db_port", "db_user", "db_password", "db_name", "db_sslmode", "dsn",
	"connection_string", "conninfo", "database", NULL
};
static const char *const credential_keys[] = {
	"auth", "credential", "credentials", NULL
};

const char *const playbook_worker_names[] = {
	"env", "secret", "secrets", "credential", "credentials", "keychain", NULL
};

/* Keys of an action that the worker renders, and more of an iterator's. */
static const char *const raw_keys[] = {"retry", "save", "sink", NULL};
static const char *const iterator_raw_keys[] = {"task", "where", "order_by", NULL};

/* Types whose steps the broker itself completes. */
static const char *const control_types[] = {
	"", "start", "end", "route", "router", "noop", NULL
};

/* Returns whether a list contains a key. */
bool
key_in(const char *key, const char *const *list)
{
	return word_in(key, strlen(key), list);
}

/* Returns whether a key of a step reaches the worker. */
bool
key_is_forwarded(const char *key)
{
	return !key_in(key, control_keys);
}

/* Returns whether the value of a key is program text, in which braces mean nothing. */
bool
key_is_code(const char *key)
{
	return strncmp(key, "code", 4) == 0;
}

/*
 * Returns whether the value of a key of an action is left as written: its names
 * exist only when the worker renders it.
 */
bool
key_is_raw(const char *key, const char *action_type)
{
	return key_in(key, raw_keys) ||
		(strcmp(action_type, "iterator") == 0 && key_in(key, iterator_raw_keys));
}

/*
 * Returns which setting of an SQL task a key is.  A step may write settings as members
 * of its input; they count where the step has no setting of that kind itself.
 */
SqlSetting
key_sql_setting(const char *key, const char *action_type)
{
	bool		duckdb = strcmp(action_type, "duckdb") == 0;

	if (!duckdb && strcmp(action_type, "postgres") != 0)
		return SETTING_NONE;
	if (key_in(key, command_keys))
		return SETTING_COMMAND;
	if (key_in(key, credential_keys))
		return SETTING_CREDENTIAL;
	if (key_in(key, target_database_keys) && duckdb == (strcmp(key, "database") == 0))
		return SETTING_DATABASE;
	return SETTING_NONE;
}

/* Returns whether the broker itself completes steps of a type. */
bool
type_is_control(const char *type)
{
	return key_in(type, control_types);
}
