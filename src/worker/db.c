/*
 * db.c
 *		The connection to the broker.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "log.h"
#include "options.h"
#include "signals.h"
#include "wait.h"

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
	result = PQprepare(conn, db_statements[id].name, db_statements[id].sql, 0, NULL);
	status = judge(&result);
	PQclear(result);
	prepared[id] = status == DB_OK;
	return status;
}

/*
 * Did the last statement warn of a lost lease?  Asking forgets it.
 */
bool
db_lease_was_lost(void)
{
	bool		lost = lease_lost;

	lease_lost = false;
	return lost;
}

/* Runs a statement; on DB_OK the caller owns *result. */
DbStatus
db_run(StatementId id, int nparams, const char *const *params, PGresult **result)
{
	DbStatus	status = prepare(id);

	*result = NULL;
	if (status != DB_OK)
		return status;
	*result = PQexecPrepared(conn, db_statements[id].name, nparams, params,
							 NULL, NULL, 0);
	return judge(result);
}

/* Runs a statement that answers one boolean. */
DbStatus
db_run_boolean(StatementId id, int nparams, const char *const *params)
{
	PGresult   *result;
	DbStatus	status = db_run(id, nparams, params, &result);

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
	if (PQsendQueryPrepared(conn, db_statements[STARTED].name, 6, params,
							NULL, NULL, 0) == 1 && PQflush(conn) >= 0)
	{
		starting = task;
		task->started = true;
	}
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
	const char *const params[] = {timeout, db_types()};
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
