/*
 * db_sql.c
 *		The statements that the worker sends to the broker.
 */
#include <stddef.h>

#include "db.h"

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

/* The columns of a task; fields_of_action() takes its action apart. */
#define TASK_COLUMNS \
	"SELECT q.queue_id, q.execution_id, coalesce(q.node_id, ''),\n" \
	" coalesce(q.node_name, ''), q.node_type, q.attempts, q.action ->> 'timeout',\n" \
	" q.action::text, extract(epoch FROM q.deadline - clock_timestamp()),\n" \
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

/* The members of an item's input that are names: all but what hides them */
#define MEMBERS(input, names) \
	"CASE WHEN " names "::jsonb <> '{}' AND jsonb_typeof((" input ")::jsonb) = 'object' THEN " \
	"(" input ")::jsonb - '{workload,work,context,results,execution_id,job}'::text[] ELSE '{}' END"

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
" 'slots', $6::int, 'application',"
" CASE WHEN NOT $7::boolean THEN current_setting('application_name') END))";

/* ---------------------------------------------------------------------------
 * The queue: one statement for each call of the contract
 * ---------------------------------------------------------------------------
 */

static const char lease_sql[] =
TASK_COLUMNS
"FROM noetl.lease($1::text, $2::int, $3::interval, $4::text[]) q";

static const char complete_sql[] =
"SELECT noetl.complete($1::bigint, "
RESULT("$2", "$4") ", $3::text)";

static const char complete_and_lease_sql[] =
TASK_COLUMNS
"FROM noetl.complete_and_lease($1::bigint, " RESULT("$2", "$7") ", $3::text, $4::int,"
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

/*
 * db_send_started() may send it without settings: names are qualified.  Its commit
 * does not wait for the disk; that of the task's end, which comes after it, waits for
 * both.
 */
static const char started_sql[] =
"INSERT INTO noetl.event"
" (execution_id, event_type, node_name, node_id, worker_id, meta)"
" SELECT $1::bigint, 'action_started', $2::text, $3::text, $4::text,"
" pg_catalog.jsonb_build_object('queue_id', $5::bigint::text, 'attempt', $6::int)"
" FROM pg_catalog.set_config('synchronous_commit', 'off', true)";

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
TASK_COLUMNS
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

/* The items, with what has become of those that need not be done, if they are the same */
static const char items_sql[] =
"SELECT i.item::text, i.names::text, d.failed, d.value::text, d.error"
" FROM noetl.iterator_items($1::jsonb, $2::jsonb, $3::text) i"
" LEFT JOIN noetl.items_done($4::bigint, $5::text) d ON d.index = i.index"
"  AND (d.item IS NULL OR d.item = i.item)"
" ORDER BY i.index";

/* The tasks of one body for some items; a program sees the names of the item as its input */
static const char render_sql[] =
TASK_COLUMNS
" , (q.action -> 'retry')::text, CASE WHEN q.action ? 'retry' THEN (q.action -> 'data')::text END"
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
TASK_COLUMNS
" , q.data::text, q.summary::text"
" FROM (SELECT s.index AS queue_id, " UNQUEUED("$8", "$9", "$10") ","
" s.type AS node_type, s.action - 'returns' AS action, s.data, s.summary"
" FROM noetl.save_tasks($1::jsonb, $2::jsonb, " MEMBERS("$6", "$3") " || $3::jsonb"
"  || jsonb_build_object('result', $5::jsonb, 'this', $4::jsonb, 'data', $5::jsonb,"
"   'input', $6::jsonb, 'args', $6::jsonb)"
"  || CASE WHEN $7::boolean THEN jsonb_build_object('results', $5::jsonb,"
"   'count', jsonb_array_length($5::jsonb)) ELSE '{}' END) s OFFSET 0) q"
" ORDER BY q.queue_id";

/* A step that does nothing but save; its own keys may be the save */
static const char save_step_sql[] =
TASK_COLUMNS
" , q.data::text, q.summary::text"
" FROM (SELECT s.index AS queue_id, " UNQUEUED("$4", "$5", "$6") ","
" s.type AS node_type, s.action, s.data, s.summary"
" FROM (SELECT $1::jsonb AS a, coalesce($1::jsonb -> 'save', $1::jsonb -> 'sink') AS save,"
"  $2::jsonb || " MEMBERS("$1::jsonb -> 'data'", "$3") " || $3::jsonb AS c) w,"
" LATERAL noetl.save_tasks("
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
"SELECT noetl.retry_delay($1::jsonb, $2::jsonb, " MEMBERS("$8", "$3")
" || jsonb_build_object('input', $8::jsonb, 'args', $8::jsonb) || $3::jsonb,"
" $4::int, $5::boolean, $6::text, $7::jsonb)";

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
