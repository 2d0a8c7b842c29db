/*
 * db_sql.c
 *		The statements that the worker sends to the broker.
 *
 * The server takes the action apart, because it has the JSON parser: an action is
 * returned either as it is (ACTION_JSON) or flattened into netstrings.  Members of
 * "data" are not taken apart deeper: they are values, not settings; a map that says
 * where a script is has headers at the fourth level.  For ACTION_DEEP_FIELDS members
 * of "data" are, and bodies of requests as far as a form needs it.
 *
 *		{"command": "ls", "env": {"A": "1"}}
 *			-> 9:1scommand,2:ls,5:1oenv,0:,7:2senv.A,1:1,
 */
#include <stddef.h>

#include "db.h"

#define NETSTRING(x) "octet_length(convert_to(" x ", 'UTF8')) || ':' || " x " || ','"

/* Tasks whose templates the worker has rendered need the names in them */
#define NEEDS_NAMES \
	"(q.node_type IN ('iterator', 'save') OR q.action ?| '{save,sink}')"

/* The members of a context that say where strings are which the worker renders */
#define LEFT_MEMBERS "'{_left_action,_left_context}'"

/*
 * Is there something that only this worker can render: strings that the broker has
 * left, or parts that are still raw and mention the environment?
 */
#define IS_LEFT \
	"coalesce(q.context ?| " LEFT_MEMBERS " OR (q.context IS NOT NULL AND CASE" \
	" WHEN q.node_type IN ('iterator', 'save') THEN strpos(q.action::text, 'env') > 0" \
	" WHEN q.action ?| '{save,sink}'" \
	" THEN strpos(concat(q.action -> 'save', q.action -> 'sink'), 'env') > 0 END), false)"

/*
 * The columns of a task.  raw and deep are the parameters with the types of
 * ACTION_JSON and of ACTION_DEEP_FIELDS.
 */
#define TASK_COLUMNS(raw, deep) \
	"SELECT q.queue_id, q.execution_id, coalesce(q.node_id, ''),\n" \
	" coalesce(q.node_name, ''), q.node_type, q.attempts, q.action ->> 'timeout',\n" \
	" CASE WHEN q.node_type = ANY (" raw "::text[]) OR " IS_LEFT " THEN q.action::text ELSE (\n" \
	" WITH RECURSIVE f(depth, path, value) AS (\n" \
	"  SELECT 0, '', q.action\n" \
	"  UNION ALL\n" \
	"  SELECT f.depth + 1, CASE f.depth WHEN 0 THEN '' ELSE f.path || '.' END || e.key, e.value\n" \
	"  FROM f, LATERAL (\n" \
	"   SELECT o.key, o.value FROM jsonb_each(\n" \
	"    CASE jsonb_typeof(f.value) WHEN 'object' THEN f.value ELSE '{}' END) o\n" \
	"   UNION ALL\n" \
	"   SELECT (a.n - 1)::text, a.value FROM jsonb_array_elements(\n" \
	"    CASE jsonb_typeof(f.value) WHEN 'array' THEN f.value ELSE '[]' END)\n" \
	"    WITH ORDINALITY a(value, n)) e\n" \
	"  WHERE CASE WHEN q.node_type = ANY (" deep "::text[])\n" \
	"   THEN f.depth < 4 AND NOT (jsonb_typeof(f.value) = 'object'\n" \
	"    AND f.path ~ '^(data[.])?(payload|body|json)[.]')\n" \
	"   ELSE (f.depth < 3 OR f.path = 'script.source.headers')\n" \
	"    AND f.path NOT LIKE 'data.%' END)\n" \
	" SELECT string_agg(" NETSTRING("l.label") " || " NETSTRING("l.text") ", '')\n" \
	" FROM (SELECT f.depth || CASE jsonb_typeof(f.value) WHEN 'null' THEN '0'\n" \
	"   ELSE left(jsonb_typeof(f.value), 1) END || f.path AS label,\n" \
	"  CASE WHEN jsonb_typeof(f.value) = 'null' OR\n" \
	"   jsonb_typeof(f.value) IN ('object', 'array') AND\n" \
	"   q.node_type <> ALL (" deep "::text[]) THEN ''\n" \
	"   ELSE f.value #>> '{}' END AS text\n" \
	"  FROM f WHERE f.depth > 0) l) END,\n" \
	" extract(epoch FROM q.deadline - clock_timestamp()),\n" \
	" CASE WHEN " NEEDS_NAMES " OR " IS_LEFT " THEN coalesce(q.context, '{}')::text\n" \
	"  WHEN q.node_type = 'python' THEN q.context::text END,\n" \
	" coalesce(q.action -> 'save', q.action -> 'sink')::text,\n" \
	" CASE WHEN " NEEDS_NAMES " THEN coalesce(q.action -> 'data', '{}')::text END,\n" \
	" q.current_index, q.catalog_id, " IS_LEFT "\n"

/* The rest of what TASK_COLUMNS reads, for a task that is not in the queue */
#define UNQUEUED(execution_id, node_id, step) \
	execution_id "::bigint AS execution_id, " node_id "::text AS node_id, " \
	step "::text AS node_name, 1 AS attempts, NULL::timestamptz AS deadline," \
	" NULL::jsonb AS context, NULL::integer AS current_index, NULL::bigint AS catalog_id"

/* The value of a result: the data of {"status": ..., "data": value}, else all of it */
#define VALUE_OF(envelope) \
	"CASE WHEN jsonb_typeof(" envelope ") = 'object' AND " envelope " ? 'status' AND " \
	envelope " ? 'data' THEN " envelope " -> 'data' ELSE " envelope " END"

/* A result, with the attached value at data.data */
#define RESULT(result, attached) \
	"CASE WHEN " attached "::text IS NULL THEN " result "::jsonb" \
	" ELSE jsonb_set(" result "::jsonb, '{data,data}', " attached "::jsonb) END"

/* ---------------------------------------------------------------------------
 * Who the worker is
 * ---------------------------------------------------------------------------
 */

static const char may_announce_sql[] =
"SELECT coalesce(has_function_privilege("
"to_regprocedure('noetl.announce(text, text[], jsonb)'), 'EXECUTE'), false)";

static const char announce_sql[] =
"SELECT noetl.announce($1::text, $2::text[],"
" jsonb_build_object('host', $3::text, 'version', $4::text, 'process', $5::int,"
" 'slots', $6::int))";

/* ---------------------------------------------------------------------------
 * The queue: one statement for each call of the contract
 * ---------------------------------------------------------------------------
 */

static const char lease_sql[] =
TASK_COLUMNS("$5", "$6")
"FROM noetl.lease($1::text, $2::int, $3::interval, $4::text[]) q";

static const char complete_sql[] =
"SELECT noetl.complete($1::bigint, "
RESULT("$2", "$4") ", $3::text)";

static const char complete_and_lease_sql[] =
TASK_COLUMNS("$7", "$8")
"FROM noetl.complete_and_lease($1::bigint, " RESULT("$2", "$9") ", $3::text, $4::int,"
" $5::interval, $6::text[]) q";

static const char fail_sql[] =
"SELECT noetl.fail($1::bigint, $2::text, $3::text, "
RESULT("$4", "$5") ")";

static const char heartbeat_sql[] =
"SELECT t.id, noetl.heartbeat(t.id, $2::text, $3::interval)"
" FROM unnest($1::bigint[]) t(id)";

static const char release_sql[] =
"SELECT noetl.release($1::bigint, $2::text)";

static const char release_unknown_sql[] =
"SELECT q.queue_id, noetl.release(q.queue_id, $1::text)"
" FROM noetl.queue q WHERE q.worker_id = $1 AND q.status = 'leased'"
" AND q.queue_id <> ALL ($2::bigint[])";

static const char work_left_sql[] =
"SELECT EXISTS (SELECT FROM noetl.queue WHERE node_type = ANY ($1::text[])"
" AND status IN ('queued', 'retry', 'leased', 'paused'))";

static const char work_of_others_sql[] =
"SELECT string_agg(q.n || ' of type ' || q.node_type, ', ' ORDER BY q.node_type)"
" FROM (SELECT node_type, count(*) AS n FROM noetl.queue WHERE node_type <> ALL ($1::text[])"
" AND status IN ('queued', 'retry', 'leased', 'paused') GROUP BY node_type) q";

/* ---------------------------------------------------------------------------
 * Events
 * ---------------------------------------------------------------------------
 */

/* db_send_started() may send it without settings: names are qualified */
static const char started_sql[] =
"INSERT INTO noetl.event"
" (execution_id, event_type, node_name, node_id, worker_id, meta)"
" VALUES ($1, 'action_started', $2, $3, $4,"
" pg_catalog.jsonb_build_object('queue_id', $5::bigint::text, 'attempt', $6::int))";

static const char events_sql[] =
"INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id,"
" current_index, current_item, context, result, error, meta)"
" SELECT $1::bigint, e.event_type, $2::text, $3::text, $4::text,"
" e.current_index, e.current_item, e.context, CASE WHEN e.event_type IN"
" ('iteration_completed', 'iteration_failed') THEN coalesce(e.result, 'null')"
" ELSE e.result END, e.error,"
" jsonb_build_object('attempt', $6::int) || coalesce(e.meta, '{}')"
" FROM jsonb_to_recordset($5::jsonb) AS e(event_type text, current_index integer,"
" current_item jsonb, context jsonb, result jsonb, error text, meta jsonb)";

/* ---------------------------------------------------------------------------
 * Rendering what the broker has left, and iterators
 * ---------------------------------------------------------------------------
 */

/* The row of the lease with the rendered action; its context comes beside it */
static const char render_left_sql[] =
TASK_COLUMNS("$8", "$9")
" , l.context::text FROM (SELECT rendered_action AS action,"
" rendered_context - " LEFT_MEMBERS "::text[] AS context"
" FROM noetl.render_left($1::jsonb, $2::jsonb, $3::jsonb) OFFSET 0) l, LATERAL ("
"SELECT 0 AS queue_id, " UNQUEUED("$5", "$6", "$7") ","
" $4::text AS node_type, l.action) q";

/* One row for each task in the body of an iterator */
static const char iterator_sql[] =
"SELECT lower(coalesce(s.a ->> 'mode', 'sequential')), s.a ->> 'concurrency',"
" coalesce(lower(s.a ->> 'on_error') = 'continue', false), s.a ->> 'element',"
" CASE WHEN s.a ->> 'is_loop' = 'true' THEN coalesce(s.a -> 'data', '{}') ELSE '{}' END::text,"
" ($2::jsonb || $3::jsonb"
"  || CASE WHEN $4::text IS NULL THEN '{}' ELSE jsonb_build_object('_item',"
"   jsonb_build_object('_loop', $3::jsonb -> '_loop', $4::text, $3::jsonb -> $4::text)) END"
"  || CASE WHEN $4::text IS NOT NULL AND s.a -> 'data' = '{}' THEN '{}'"
"   ELSE jsonb_build_object('data', s.a -> 'data', 'input', s.a -> 'data', 'args', s.a -> 'data') END"
" )::text, t.task::text, t.task ->> 'name', coalesce(lower(t.task ->> 'type') = 'iterator', false)"
" FROM (SELECT $1::jsonb AS a) s, LATERAL jsonb_array_elements("
" CASE jsonb_typeof(s.a -> 'task') WHEN 'array' THEN s.a -> 'task'"
"  ELSE jsonb_build_array(s.a -> 'task') END) WITH ORDINALITY t(task, n) ORDER BY t.n";

/* The items, with what has become of them before the task was given back or lost */
static const char items_sql[] =
"SELECT i.item::text, i.names::text, d.failed, d.value::text, d.error"
" FROM noetl.iterator_items($1::jsonb, $2::jsonb, $3::text) i"
" LEFT JOIN noetl.items_done($4::bigint, $5::text) d ON d.index = i.index"
" ORDER BY i.index";

/* The tasks of one body for some items; a program sees the names of the item as its input */
static const char render_sql[] =
TASK_COLUMNS("$8", "$9")
" , (q.action -> 'retry')::text"
" FROM (SELECT n.n AS queue_id, " UNQUEUED("$5", "$6", "$7") ","
" a.a ->> 'type' AS node_type, CASE a.a ->> 'type' WHEN 'python' THEN a.a || jsonb_build_object('data',"
"  (n.names - 'parent' - $7::text) || (a.a -> 'data')) ELSE a.a END AS action"
" FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY n(names, n), LATERAL ("
"  SELECT noetl.task_action($1::jsonb, $2::jsonb, n.names, $4::jsonb) AS a"
"  OFFSET 0) a OFFSET 0) q ORDER BY q.queue_id";

/* ---------------------------------------------------------------------------
 * Values and saves
 * ---------------------------------------------------------------------------
 */

/* The result as the server reads it, and its value */
static const char value_sql[] =
"SELECT e.e::text, (" VALUE_OF("e.e") ")::text"
" FROM (SELECT " RESULT("$1", "$2") " AS e) e";

/* What a task asks to save, once its value is known; returned rows are not used */
static const char save_sql[] =
TASK_COLUMNS("$11", "$12")
" , q.data::text, q.summary::text"
" FROM (SELECT s.index AS queue_id, " UNQUEUED("$8", "$9", "$10") ","
" s.type AS node_type, s.action - 'returns' AS action, s.data, s.summary"
" FROM noetl.save_tasks($1::jsonb, $2::jsonb, $3::jsonb"
"  || jsonb_build_object('result', $5::jsonb, 'this', $4::jsonb, 'data', $5::jsonb,"
"   'input', $6::jsonb, 'args', $6::jsonb)"
"  || CASE WHEN $7::boolean THEN jsonb_build_object('results', $5::jsonb,"
"   'count', jsonb_array_length($5::jsonb)) ELSE '{}' END) s OFFSET 0) q"
" ORDER BY q.queue_id";

/* A step that does nothing but save; its own keys may be the save */
static const char save_step_sql[] =
TASK_COLUMNS("$7", "$8")
" , q.data::text, q.summary::text"
" FROM (SELECT s.index AS queue_id, " UNQUEUED("$4", "$5", "$6") ","
" s.type AS node_type, s.action, s.data, s.summary"
" FROM (SELECT $1::jsonb AS a, coalesce($1::jsonb -> 'save', $1::jsonb -> 'sink') AS save,"
"  $2::jsonb || $3::jsonb AS c) w, LATERAL noetl.save_tasks("
" coalesce(w.save, w.a - 'type' - CASE w.a ->> 'tool' WHEN 'save' THEN 'tool' ELSE 'type' END),"
" w.c, CASE WHEN w.save IS NULL THEN NULL WHEN w.c ? 'result' THEN"
"  jsonb_build_object('result', w.c -> 'result', 'this', w.c -> 'this',"
"   'data', w.c -> 'result', 'input', w.c -> 'data', 'args', w.c -> 'data')"
"  ELSE jsonb_build_object('data', w.a -> 'data', 'input', w.a -> 'data', 'args', w.a -> 'data')"
" END) s OFFSET 0) q"
" ORDER BY q.queue_id";

/* ---------------------------------------------------------------------------
 * Attempts and times
 * ---------------------------------------------------------------------------
 */

static const char retry_sql[] =
"SELECT noetl.retry_delay($1::jsonb, $2::jsonb, $3::jsonb, $4::int,"
" $5::boolean, $6::text, $7::jsonb)";

static const char interval_seconds_sql[] =
"SELECT extract(epoch FROM $1::interval)";

const Statement db_statements[STATEMENT_COUNT] = {
	[MAY_ANNOUNCE] = {"may_announce", may_announce_sql},
	[ANNOUNCE] = {"announce", announce_sql},
	[LEASE] = {"lease", lease_sql},
	[COMPLETE] = {"complete", complete_sql},
	[COMPLETE_AND_LEASE] = {"complete_and_lease", complete_and_lease_sql},
	[FAIL] = {"fail", fail_sql},
	[HEARTBEAT] = {"heartbeat", heartbeat_sql},
	[RELEASE] = {"release", release_sql},
	[RELEASE_UNKNOWN] = {"release_unknown", release_unknown_sql},
	[WORK_LEFT] = {"work_left", work_left_sql},
	[WORK_OF_OTHERS] = {"work_of_others", work_of_others_sql},
	[STARTED] = {"started", started_sql},
	[EVENTS] = {"events", events_sql},
	[RENDER_LEFT] = {"render_left", render_left_sql},
	[ITERATOR] = {"iterator", iterator_sql},
	[ITEMS] = {"items", items_sql},
	[RENDER] = {"render", render_sql},
	[VALUE] = {"value", value_sql},
	[SAVE] = {"save", save_sql},
	[SAVE_STEP] = {"save_step", save_step_sql},
	[RETRY] = {"retry", retry_sql},
	[INTERVAL_SECONDS] = {"interval_seconds", interval_seconds_sql}
};
