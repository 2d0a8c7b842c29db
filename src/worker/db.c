/*
 * db.c
 *		The connection to the broker: one function per call of the contract.
 *
 * The server takes the action apart (it has the JSON parser): an action comes
 * either as it is, for executors that parse it themselves, or flattened into
 * netstrings.  Only the children of "data" are not followed deeper: it holds
 * values, not settings.  Executors with deep_fields get those as well, and of
 * the bodies of requests as much as a form needs.
 *
 *		{"command": "ls", "env": {"A": "1"}}
 *			-> 9:1scommand,2:ls,5:1oenv,0:,7:2senv.A,1:1,
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define NETSTRING(x) "octet_length(convert_to(" x ", 'UTF8')) || ':' || " x " || ','"

/*
 * raw, deep: the parameters with the types whose action is not taken apart,
 * and whose action is taken apart further
 */
#define TASK_COLUMNS(raw, deep) \
	"SELECT q.queue_id, q.execution_id, coalesce(q.node_id, ''),\n" \
	" coalesce(q.node_name, ''), q.node_type, q.attempts, q.action ->> 'timeout',\n" \
	" CASE WHEN q.node_type = ANY (" raw "::text[]) THEN q.action::text ELSE (\n" \
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
	"   ELSE f.depth < 3 AND f.path NOT LIKE 'data.%' END)\n" \
	" SELECT string_agg(" NETSTRING("l.label") " || " NETSTRING("l.text") ", '')\n" \
	" FROM (SELECT f.depth || CASE jsonb_typeof(f.value) WHEN 'null' THEN '0'\n" \
	"   ELSE left(jsonb_typeof(f.value), 1) END || f.path AS label,\n" \
	"  CASE WHEN jsonb_typeof(f.value) = 'null' OR\n" \
	"   jsonb_typeof(f.value) IN ('object', 'array') AND\n" \
	"   q.node_type <> ALL (" deep "::text[]) THEN ''\n" \
	"   ELSE f.value #>> '{}' END AS text\n" \
	"  FROM f WHERE f.depth > 0) l) END,\n" \
	" extract(epoch FROM q.deadline - clock_timestamp())\n"

/* A result, with what is attached to it in its place */
#define RESULT(result, attached) \
	"CASE WHEN " attached "::text IS NULL THEN " result "::jsonb" \
	" ELSE jsonb_set(" result "::jsonb, '{data,data}', " attached "::jsonb) END"

typedef enum StatementId
{
	LEASE, COMPLETE, COMPLETE_AND_LEASE, FAIL, HEARTBEAT, RELEASE,
	RELEASE_UNKNOWN, STARTED, INTERVAL_SECONDS, WORK_LEFT, STATEMENT_COUNT
} StatementId;

static const struct
{
	const char *name;
	const char *sql;
}			statements[STATEMENT_COUNT] =
{
	[LEASE] = {"lease", TASK_COLUMNS("$5", "$6")
	"FROM noetl.lease($1::text, $2::int, $3::interval, $4::text[]) q"},
	[COMPLETE] = {"complete", "SELECT noetl.complete($1::bigint, "
	RESULT("$2", "$4") ", $3::text)"},
	[COMPLETE_AND_LEASE] = {"complete_and_lease", TASK_COLUMNS("$7", "$8")
	"FROM noetl.complete_and_lease($1::bigint, " RESULT("$2", "$9") ", $3::text, $4::int,"
	" $5::interval, $6::text[]) q"},
	[FAIL] = {"fail", "SELECT noetl.fail($1::bigint, $2::text, $3::text, "
	RESULT("$4", "$5") ")"},
	[HEARTBEAT] = {"heartbeat",
		"SELECT t.id, noetl.heartbeat(t.id, $2::text, $3::interval)"
	" FROM unnest($1::bigint[]) t(id)"},
	[RELEASE] = {"release", "SELECT noetl.release($1::bigint, $2::text)"},
	[RELEASE_UNKNOWN] = {"release_unknown",
		"SELECT q.queue_id, noetl.release(q.queue_id, $1::text)"
		" FROM noetl.queue q WHERE q.worker_id = $1 AND q.status = 'leased'"
	" AND q.queue_id <> ALL ($2::bigint[])"},
	[STARTED] = {"started",
		"INSERT INTO noetl.event"
		" (execution_id, event_type, node_name, node_id, worker_id, meta)"
		" VALUES ($1, 'action_started', $2, $3, $4,"
	" jsonb_build_object('queue_id', $5::bigint, 'attempt', $6::int))"},
	[INTERVAL_SECONDS] = {"interval_seconds",
	"SELECT extract(epoch FROM $1::interval)"},
	[WORK_LEFT] = {"work_left",
		"SELECT EXISTS (SELECT FROM noetl.queue WHERE node_type = ANY ($1::text[])"
	" AND status IN ('queued', 'retry', 'leased'))"}
};

/* What user settings must not change under the worker's own statements */
static const char session_settings[] =
"SET search_path = pg_catalog, pg_temp;"
"SET jit = off;"
"SET plan_cache_mode = force_generic_plan;"
"SET default_transaction_isolation = 'read committed';"
"SET statement_timeout = 0;"
"SET idle_session_timeout = 0";

static PGconn *conn = NULL;
static bool prepared[STATEMENT_COUNT];
static Task *starting = NULL;	/* its action_started is on the way */
static char *types_array = NULL;
static StringBuf raw_array;		/* the types with raw_action, with deep_fields */
static StringBuf deep_array;
static char lease_text[32];
static char batch_text[16];
static StringBuf message;
static char sqlstate[6];
static bool lease_lost = false;

/* object_not_in_prerequisite_state */
#define LEASE_LOST_STATE "55000"

/*
 * The server's NOTICE and WARNING go to our log.  complete_and_lease warns of
 * a lost lease, because its rows are those of the next lease.
 */
static void
take_notice(void *arg, const PGresult *notice)
{
	const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY);
	const char *state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);

	(void) arg;
	if (state != NULL && strcmp(state, LEASE_LOST_STATE) == 0)
		lease_lost = true;
	else
		log_line(LOG_NORMAL, "%s: %s", severity != NULL ? severity : "NOTICE",
				 text != NULL ? text : "");
}

/* Keeps the reason of a failure for the caller, who knows what it means. */
static void
remember_error(const PGresult *result)
{
	const char *state = result != NULL ?
		PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *text = result != NULL ?
		PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	if (text == NULL)
		text = result != NULL ? PQresultErrorMessage(result) : PQerrorMessage(conn);
	sb_reset(&message);
	sb_str(&message, text[0] != '\0' ? text : "connection lost");
	while (message.len > 0 && message.data[message.len - 1] == '\n')
		message.data[--message.len] = '\0';
	snprintf(sqlstate, sizeof(sqlstate), "%s", state != NULL ? state : "");
}

/* The text of the last error. */
const char *
db_message(void)
{
	return message.data != NULL ? message.data : "";
}

/* The SQLSTATE of the last error. */
const char *
db_sqlstate(void)
{
	return sqlstate;
}

/*
 * Can the same statement succeed a little later?  True for serialization
 * failures, lack of resources, locks and cancelled statements.
 */
bool
db_error_is_passing(void)
{
	static const char *const classes[] = {"40", "53", "55", "57", "58"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/* Is there a connection, as far as we know? */
bool
db_connected(void)
{
	return conn != NULL;
}

/* Gives the connection up; prepared statements go with it. */
void
db_close(void)
{
	if (conn != NULL)
		PQfinish(conn);
	conn = NULL;
	memset(prepared, 0, sizeof(prepared));
	if (starting != NULL)
		starting->started = false;
	starting = NULL;
}

/* Connects once; false, with db_message(), when that fails. */
bool
db_open(void)
{
	char		application[80];
	const char *const keys[] = {
		"connect_timeout", "keepalives_idle", "tcp_user_timeout",
		"fallback_application_name", "dbname", "client_encoding", NULL
	};
	const char *const values[] = {
		"10", "30", "30000", application, options.conninfo, "UTF8", NULL
	};
	PGresult   *result;
	bool		ok;

	db_close();
	snprintf(application, sizeof(application), "noetl-worker %s", options.name);
	conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(conn) != CONNECTION_OK)
	{
		remember_error(NULL);
		db_close();
		return false;
	}
	PQsetNoticeReceiver(conn, take_notice, NULL);
	result = PQexec(conn, session_settings);
	ok = PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!ok)
	{
		remember_error(result);
		db_close();
	}
	PQclear(result);
	return ok;
}

/* Appends a type to what becomes a text[] literal. */
static void
add_type(StringBuf *array, const Executor *executor)
{
	sb_printf(array, "%s%s", array->len > 0 ? "," : "{", executor->type);
}

/* Sets what to lease, once it is known what can be executed. */
void
db_set_types(const char *array)
{
	const Executor *executor;

	free(types_array);
	types_array = xstrdup(array);
	sb_reset(&raw_array);
	sb_reset(&deep_array);
	for (int i = 0; (executor = executor_at(i)) != NULL; i++)
	{
		if (executor->raw_action)
			add_type(&raw_array, executor);
		if (executor->deep_fields)
			add_type(&deep_array, executor);
	}
	sb_str(&raw_array, raw_array.len > 0 ? "}" : "{}");
	sb_str(&deep_array, deep_array.len > 0 ? "}" : "{}");
	snprintf(lease_text, sizeof(lease_text), "%d s", options.lease);
	snprintf(batch_text, sizeof(batch_text), "%d", options.batch);
}

/* Is this failure one of the connection, not of the statement? */
static bool
connection_failed(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQstatus(conn) == CONNECTION_BAD || state == NULL)
		return true;
	return strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0;
}

/*
 * Judges a result and frees it unless it is good.  A lost connection is
 * closed here, so that everyone sees it at db_connected().
 */
static DbStatus
judge(PGresult **result)
{
	ExecStatusType status = PQresultStatus(*result);
	bool		gone;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return DB_OK;
	gone = connection_failed(*result);
	remember_error(*result);
	PQclear(*result);
	*result = NULL;
	if (gone)
		db_close();
	return gone ? DB_GONE : DB_ERROR;
}

/*
 * Reads the answer to the action_started that was sent without waiting.
 * That it failed is worth a line, not the task.
 */
static DbStatus
finish_started(void)
{
	DbStatus	status = DB_OK;
	PGresult   *result;
	Task	   *task = starting;

	while (conn != NULL && starting != NULL &&
		   (result = PQgetResult(conn)) != NULL)
	{
		status = judge(&result);
		PQclear(result);
		if (status == DB_ERROR)
			log_task(task, LOG_NORMAL, "action_started was refused: %s", db_message());
	}
	starting = NULL;
	return conn == NULL ? DB_GONE : DB_OK;
}

/* Waits for an outstanding action_started: its task is about to be freed. */
void
db_settle(void)
{
	if (conn != NULL)
		finish_started();
}

/* Prepares a statement at its first use on this connection. */
static DbStatus
prepare(StatementId id)
{
	PGresult   *result;
	DbStatus	status = finish_started();

	if (status != DB_OK || prepared[id])
		return status;
	result = PQprepare(conn, statements[id].name, statements[id].sql, 0, NULL);
	status = judge(&result);
	PQclear(result);
	prepared[id] = status == DB_OK;
	return status;
}

/* Runs a statement; on DB_OK the caller owns *result. */
static DbStatus
run(StatementId id, int nparams, const char *const *params, PGresult **result)
{
	DbStatus	status = prepare(id);

	*result = NULL;
	if (status != DB_OK)
		return status;
	*result = PQexecPrepared(conn, statements[id].name, nparams, params,
							 NULL, NULL, 0);
	return judge(result);
}

/* Runs a statement that answers one boolean. */
static DbStatus
run_boolean(StatementId id, int nparams, const char *const *params)
{
	PGresult   *result;
	DbStatus	status = run(id, nparams, params, &result);

	if (status == DB_OK && (PQntuples(result) != 1 ||
							PQgetvalue(result, 0, 0)[0] != 't'))
		status = DB_REFUSED;
	PQclear(result);
	return status;
}

/*
 * Sends action_started and does not wait: the task can begin meanwhile, and
 * whatever is sent next on this connection comes after it anyway.
 */
void
db_send_started(Task *task)
{
	const char *const params[] = {
		task->execution_id, task->step, task->node_id, options.name,
		task->queue_id, task->attempt
	};

	if (task->started || prepare(STARTED) != DB_OK)
		return;
	if (PQsendQueryPrepared(conn, statements[STARTED].name, 6, params,
							NULL, NULL, 0) == 1 && PQflush(conn) >= 0)
	{
		starting = task;
		task->started = true;
	}
}

/* Copies leased rows into tasks. */
static void
read_tasks(const PGresult *result, TaskList *list)
{
	int			count = PQntuples(result);

	list->tasks = count > 0 ? xcalloc((size_t) count, sizeof(Task)) : NULL;
	list->count = count;
	list->next = 0;
	for (int i = 0; i < count; i++)
	{
		Task	   *task = &list->tasks[i];
		const Executor *executor;
		char	   *action;

		task->queue_id = xstrdup(PQgetvalue(result, i, 0));
		task->execution_id = xstrdup(PQgetvalue(result, i, 1));
		task->node_id = xstrdup(PQgetvalue(result, i, 2));
		task->step = xstrdup(PQgetvalue(result, i, 3));
		task->type = xstrdup(PQgetvalue(result, i, 4));
		task->attempt = xstrdup(PQgetvalue(result, i, 5));
		task->timeout = PQgetisnull(result, i, 6) ? NULL :
			xstrdup(PQgetvalue(result, i, 6));
		action = PQgetisnull(result, i, 7) ? NULL :
			xstrdup(PQgetvalue(result, i, 7));
		executor = find_executor(task->type);
		if (executor != NULL && executor->raw_action)
			task->action = action;
		else
		{
			task->field_data = action;
			task_parse_fields(task);
		}
		if (!PQgetisnull(result, i, 8))
			task->deadline = monotonic_now() + strtod(PQgetvalue(result, i, 8), NULL);
	}
}

/* Leases the next tasks. */
DbStatus
db_lease(TaskList *list)
{
	const char *const params[] = {
		options.name, batch_text, lease_text, types_array, raw_array.data,
		deep_array.data
	};
	PGresult   *result;
	DbStatus	status = run(LEASE, 6, params, &result);

	if (status == DB_OK)
		read_tasks(result, list);
	PQclear(result);
	return status;
}

/* Stores a result; DB_REFUSED when the lease is lost. */
DbStatus
db_complete(const Task *task, const char *json, const char *attached)
{
	const char *const params[] = {task->queue_id, json, options.name, attached};

	return run_boolean(COMPLETE, 4, params);
}

/*
 * Stores a result and leases the next tasks in one round trip; DB_REFUSED
 * when the lease was lost, and then the next tasks are leased nevertheless.
 */
DbStatus
db_complete_and_lease(const Task *task, const char *json, const char *attached,
					  TaskList *list)
{
	const char *const params[] = {
		task->queue_id, json, options.name, batch_text, lease_text, types_array,
		raw_array.data, deep_array.data, attached
	};
	PGresult   *result;
	DbStatus	status;

	lease_lost = false;
	status = run(COMPLETE_AND_LEASE, 9, params, &result);
	if (status == DB_OK)
		read_tasks(result, list);
	PQclear(result);
	return status == DB_OK && lease_lost ? DB_REFUSED : status;
}

/* Reports a failure; DB_REFUSED when the lease is lost. */
DbStatus
db_fail(const Task *task, const char *error, const char *json, const char *attached)
{
	const char *const params[] = {
		task->queue_id, error, options.name, json, attached
	};

	return run_boolean(FAIL, 5, params);
}

/* Writes the ids of tasks not yet finished as a bigint[] literal. */
static void
id_array(const TaskList *list, StringBuf *array)
{
	sb_str(array, "{");
	for (int i = list->next; i < list->count; i++)
		sb_printf(array, "%s%s", i > list->next ? "," : "", list->tasks[i].queue_id);
	sb_str(array, "}");
}

/* Marks the task that the server no longer grants us. */
static void
mark_lost(TaskList *list, const char *queue_id)
{
	for (int i = list->next; i < list->count; i++)
	{
		if (strcmp(list->tasks[i].queue_id, queue_id) == 0)
			list->tasks[i].lost = true;
	}
}

/* Renews the leases of all unfinished tasks; sets Task.lost where refused. */
DbStatus
db_heartbeat(TaskList *list)
{
	StringBuf	ids = {0};
	const char *params[] = {NULL, options.name, lease_text};
	PGresult   *result;
	DbStatus	status;

	id_array(list, &ids);
	params[0] = ids.data;
	status = run(HEARTBEAT, 3, params, &result);
	for (int i = 0; status == DB_OK && i < PQntuples(result); i++)
	{
		if (PQgetvalue(result, i, 1)[0] != 't')
			mark_lost(list, PQgetvalue(result, i, 0));
	}
	if (status == DB_ERROR)
		log_line(LOG_ALWAYS, "heartbeat failed: %s", db_message());
	PQclear(result);
	sb_free(&ids);
	return status;
}

/* Gives a task back, so that it need not wait for its lease to run out. */
DbStatus
db_release(const Task *task)
{
	const char *const params[] = {task->queue_id, options.name};

	return run_boolean(RELEASE, 2, params);
}

/*
 * Gives back what is leased to us without our knowing: the connection broke
 * while the answer was on its way.
 */
DbStatus
db_release_unknown(const TaskList *list)
{
	StringBuf	ids = {0};
	const char *params[] = {options.name, NULL};
	PGresult   *result;
	DbStatus	status;

	id_array(list, &ids);
	params[1] = ids.data;
	status = run(RELEASE_UNKNOWN, 2, params, &result);
	if (status == DB_OK && PQntuples(result) > 0)
		log_line(LOG_NORMAL, "gave back %d task(s) whose lease was lost on the way",
				 PQntuples(result));
	PQclear(result);
	sb_free(&ids);
	return status;
}

/* Lets the server read a timeout like "5 minutes". */
DbStatus
db_interval_seconds(const char *text, double *seconds)
{
	const char *const params[] = {text};
	PGresult   *result;
	DbStatus	status = run(INTERVAL_SECONDS, 1, params, &result);

	if (status == DB_OK)
		*seconds = strtod(PQgetvalue(result, 0, 0), NULL);
	PQclear(result);
	return status;
}

/* Is there any task of our types, due or not, that is not finished? */
DbStatus
db_work_left(bool *left)
{
	const char *const params[] = {types_array};
	DbStatus	status = run_boolean(WORK_LEFT, 1, params);

	*left = status != DB_REFUSED;
	return status == DB_REFUSED ? DB_OK : status;
}

/* Asks the server to end the running statement. */
static void
cancel_statement(void)
{
	PGcancel   *cancel = PQgetCancel(conn);
	char		error[256];

	if (cancel != NULL)
		PQcancel(cancel, error, sizeof(error));
	PQfreeCancel(cancel);
}

/*
 * Sleeps in the server until a task may be due.  Asynchronous, because a
 * signal has to end it at once.
 */
DbStatus
db_wait_for_work(double seconds)
{
	char		timeout[32];
	const char *const params[] = {timeout, types_array};
	DbStatus	status = finish_started();
	bool		cancelled = false;
	PGresult   *result;

	snprintf(timeout, sizeof(timeout), "%.3f s", seconds);
	if (status != DB_OK)
		return status;
	if (PQsendQueryParams(conn, "CALL noetl.wait_for_work($1::interval, $2::text[], NULL)",
						  2, NULL, params, NULL, NULL, 0) != 1)
	{
		remember_error(NULL);
		db_close();
		return DB_GONE;
	}
	while (conn != NULL && PQisBusy(conn))
	{
		struct pollfd fd = {.fd = PQsocket(conn),.events = POLLIN};

		if (stopping() && !cancelled)
		{
			cancel_statement();
			cancelled = true;
		}
		task_wait(NULL, &fd, 1, 0);
		if (fd.revents != 0 && PQconsumeInput(conn) == 0)
			break;
	}
	while (conn != NULL && (result = PQgetResult(conn)) != NULL)
	{
		status = judge(&result);
		PQclear(result);
	}
	return cancelled && status == DB_ERROR ? DB_OK : status;
}
