/*
 * db.c
 *		The session with the broker's database.
 *
 * Nothing here blocks without end: every statement has a time limit in the server
 * and, a little longer, in this process; an answer that does not come ends the
 * session.  A session that is lost or broken is closed and the caller sees DB_GONE.
 *
 * A session is one of two kinds.  A direct one keeps its settings and its prepared
 * statements.  Behind a pooler that gives each transaction another session of the
 * server neither would last, and the settings would reach other clients: there
 * each statement is sent with its settings in a transaction of its own, in one
 * round trip.  A pooler is noticed by the process number that it invents.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conninfo.h"
#include "db.h"
#include "log.h"
#include "options.h"
#include "signals.h"
#include "wait.h"

/* An answer may be that much later than the limit of the statement */
#define ANSWER_MARGIN_SECONDS 5

/* Answers that nobody waits for are looked at so long after the last was sent */
#define LOOK_SECONDS 0.05

/* What settings of the user must not change under the worker's own statements */
static const char session_settings[] =
"SET search_path = pg_catalog, pg_temp;"
"SET jit = off;"
"SET row_security = on;"
"SET plan_cache_mode = force_generic_plan;"
"SET default_transaction_isolation = 'read committed';"
"SET default_transaction_read_only = off;"
"SET idle_session_timeout = 0;"
"SET statement_timeout = %d000";

/* The same behind a pooler, inside a transaction */
static const char begin_statement[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
static const char local_settings[] =
"SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"
" pg_catalog.set_config('jit', 'off', true),"
" pg_catalog.set_config('row_security', 'on', true),"
" pg_catalog.set_config('statement_timeout', $1, true)";

static PGconn *conn = NULL;
static bool pooled = false;
static bool prepared_was_lost = false;	/* by a pooler that was not noticed */
static bool prepared[STATEMENT_COUNT];

/* Statements that were sent, each a transaction of its own, whose answers are to come */
typedef struct Sent
{
	DbAnswered	answered;
	Task	   *task;
} Sent;

static Sent sent[DB_MAX_SENT];	/* a ring */
static int	sent_first = 0;
static int	sent_count = 0;
static double sent_at = 0;		/* the last of them */
static StringBuf message;
static StringBuf hint;
static char sqlstate[6];
static bool lease_lost = false;
static double waits_since = 0;	/* monotonic seconds; 0: no answer is awaited */

/* object_not_in_prerequisite_state */
#define LEASE_LOST_STATE "55000"

/*
 * Writes the server's notices and warnings into the log.  complete_and_lease()
 * warns of a lost lease, because its rows are those of the next lease.
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

/* Keeps the text and the SQLSTATE of a failure for the caller. */
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
	text = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
	sb_reset(&hint);
	sb_str(&hint, text != NULL ? text : "");
}

/* Returns the text of the last error. */
const char *
db_message(void)
{
	return message.data != NULL ? message.data : "";
}

/* Returns what the server advises about the last error; empty when that is nothing. */
const char *
db_hint(void)
{
	return hint.data != NULL ? hint.data : "";
}

/* Returns the SQLSTATE of the last error; empty when it has none. */
const char *
db_sqlstate(void)
{
	return sqlstate;
}

/* Tells whether the SQLSTATE of the last error is of one of some classes. */
static bool
error_is_of_class(const char *const *classes, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/*
 * Tells whether the statement that failed last can succeed a little later: after
 * serialization failures, lack of resources, locks and cancelled statements.
 */
bool
db_error_is_passing(void)
{
	static const char *const classes[] = {"08", "25", "40", "53", "55", "57", "58"};

	return error_is_of_class(classes, sizeof(classes) / sizeof(classes[0]));
}

/*
 * Tells whether the last error may be that library and extension are of different
 * releases.  A session keeps the library with which it began.
 */
bool
db_error_is_of_release(void)
{
	return strcmp(sqlstate, "55000") == 0;
}

/*
 * Tells whether the values that were sent caused the last error: data exceptions
 * and exceeded limits.  Only these may fail a task.  Of some limits the server says
 * nothing better than this text, which it never translates.
 */
bool
db_error_is_of_data(void)
{
	static const char *const classes[] = {"22", "54"};
	static const char too_large[] = "invalid memory alloc request size";

	return error_is_of_class(classes, sizeof(classes) / sizeof(classes[0])) ||
		(strcmp(sqlstate, "XX000") == 0 &&
		 strncmp(db_message(), too_large, strlen(too_large)) == 0);
}

/* Tells whether the last error is what jsonb says of the character NUL. */
bool
db_error_is_of_nul(void)
{
	return strcmp(sqlstate, "22P05") == 0;
}

/*
 * Tells whether the last error says something of this worker or of its session and
 * nothing of a task: passing errors, missing rights, a missing or foreign schema.  A
 * statement that took too long is not one: templates of the task made it slow.
 */
bool
db_error_is_ours(void)
{
	static const char *const states[] = {"42501", "42883", "42P01", "3F000"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
	{
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	}
	return db_error_is_passing() && strcmp(sqlstate, "57014") != 0 &&
		strcmp(sqlstate, LEASE_LOST_STATE) != 0;
}

/* Tells whether a session is open, as far as this process knows. */
bool
db_connected(void)
{
	return conn != NULL;
}

/* Tells whether the session is one of a pooler's. */
bool
db_pooled(void)
{
	return pooled;
}

/* Takes the first of the statements that were sent off the ring. */
static Sent
next_sent(void)
{
	Sent		first = sent[sent_first];

	sent_first = (sent_first + 1) % DB_MAX_SENT;
	sent_count--;
	return first;
}

/* Closes the session; prepared statements go with it, and answers that were to come. */
void
db_close(void)
{
	if (conn != NULL)
		PQfinish(conn);
	conn = NULL;
	memset(prepared, 0, sizeof(prepared));
	while (sent_count > 0)
	{
		Sent		lost = next_sent();

		lost.answered(lost.task, DB_GONE);
	}
}

/* Closes the session with a text for db_message(). */
static void
lose_session(const char *text)
{
	sb_reset(&message);
	sb_str(&message, text);
	sqlstate[0] = '\0';
	db_close();
}

/* Returns when an answer to what is sent now is overdue. */
static double
answer_deadline(void)
{
	return monotonic_now() + options.statement_timeout + ANSWER_MARGIN_SECONDS;
}

/* Returns since when an answer is awaited, 0 when none is. */
double
db_waits_since(void)
{
	return waits_since;
}

/*
 * Waits until libpq has the next result.  Returns false when the time is over; the
 * session is closed then.
 */
static bool
await_result(double until)
{
	for (double begin = monotonic_now();;)
	{
		int			unsent = PQflush(conn);
		struct pollfd fd = {.fd = PQsocket(conn),.events = POLLIN};

		if (unsent == 0 && !PQisBusy(conn))
			return true;
		if (unsent < 0 || fd.fd < 0)
			return true;		/* PQgetResult() returns the error */
		if (monotonic_now() >= until)
		{
			lose_session("the server did not answer in time");
			return false;
		}
		if (unsent > 0)
			fd.events |= POLLOUT;
		waits_since = begin;
		task_wait(NULL, &fd, 1, until);
		waits_since = 0;
		if (fd.revents != 0 && PQconsumeInput(conn) == 0)
			return true;
	}
}

/* Tells whether a failure is one of the session, not of the statement. */
static bool
session_failed(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQstatus(conn) == CONNECTION_BAD || state == NULL)
		return true;
	if (strcmp(state, "26000") == 0 || strcmp(state, "42P05") == 0)
	{
		/* a prepared statement is missing or there already: another session */
		prepared_was_lost = true;
		return true;
	}
	return strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0 ||
		strcmp(state, "25P02") == 0;
}

/*
 * Judges a result and frees it unless it is good.  A session that is lost is
 * closed here, so that everyone sees it at db_connected().
 */
static DbStatus
judge(PGresult **result)
{
	ExecStatusType status = PQresultStatus(*result);
	bool		gone;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return DB_OK;
	gone = session_failed(*result);
	remember_error(*result);
	PQclear(*result);
	*result = NULL;
	if (gone)
		db_close();
	return gone ? DB_GONE : DB_ERROR;
}

/* Takes all results of one statement; *result is the first, if it is good. */
static DbStatus
collect(PGresult **result, double until)
{
	DbStatus	status = DB_OK;
	PGresult   *next;

	*result = NULL;
	while (conn != NULL && await_result(until) && (next = PQgetResult(conn)) != NULL)
	{
		DbStatus	judged = judge(&next);

		if (judged != DB_OK)
			status = judged;
		if (*result == NULL && status == DB_OK)
			*result = next;
		else
			PQclear(next);
	}
	if (conn == NULL)
		status = DB_GONE;
	if (status != DB_OK)
	{
		PQclear(*result);
		*result = NULL;
	}
	return status;
}

/* Reports what libpq could not even send as a lost session. */
static DbStatus
not_sent(void)
{
	remember_error(NULL);
	db_close();
	return DB_GONE;
}

/* Runs a text without parameters; on DB_OK the caller owns *result. */
static DbStatus
run_text(const char *text, PGresult **result)
{
	*result = NULL;
	if (PQsendQuery(conn, text) != 1)
		return not_sent();
	return collect(result, answer_deadline());
}

/*
 * Finds out whether a pooler is in between: the process number that the client was
 * told at the beginning is not that of the server process.  A prepared statement that
 * was lost shows one too, whatever --pooler says.
 */
static DbStatus
find_pooler(void)
{
	PGresult   *result;
	DbStatus	status;

	pooled = options.pooler == POOLER_YES || prepared_was_lost;
	if (options.pooler == POOLER_NO || pooled)
		return DB_OK;
	status = run_text("SELECT pg_catalog.pg_backend_pid()", &result);
	if (status == DB_OK)
		pooled = PQntuples(result) == 1 && atoi(PQgetvalue(result, 0, 0)) != PQbackendPID(conn);
	PQclear(result);
	return status;
}

/* Opens a session, one attempt; returns false, with db_message(), on failure. */
bool
db_open(void)
{
	char		application[80];
	char		settings[sizeof(session_settings) + 16];
	const char *const keys[] = {
		"connect_timeout", "keepalives_idle", "tcp_user_timeout",
		"fallback_application_name", "dbname", "client_encoding", NULL
	};
	const char *const values[] = {
		"10", "30", "30000", application, options.conninfo, "UTF8", NULL
	};
	PGresult   *result = NULL;
	DbStatus	status;

	db_close();
	snprintf(application, sizeof(application), "noetl-worker %s", options.name);
	conn = conninfo_open(keys, values);
	if (PQstatus(conn) != CONNECTION_OK)
	{
		remember_error(NULL);
		db_close();
		return false;
	}
	PQsetNoticeReceiver(conn, take_notice, NULL);
	PQsetnonblocking(conn, 1);
	status = find_pooler();
	if (status == DB_OK && !pooled)
	{
		snprintf(settings, sizeof(settings), session_settings, options.statement_timeout);
		status = run_text(settings, &result);
		PQclear(result);
	}
	if (status != DB_OK)
		db_close();
	return status == DB_OK;
}

/*
 * Takes the results of a pipeline of commands; *result is that of the one with the
 * number `wanted`, and the status that of the first that failed.
 */
static DbStatus
collect_pipeline(int commands, int wanted, PGresult **result, double until)
{
	DbStatus	status = DB_OK;

	for (int i = 0; conn != NULL && i <= commands; i++)
	{
		PGresult   *next;

		/* the results of one command, which NULL ends; then that of the sync */
		while (conn != NULL && await_result(until) && (next = PQgetResult(conn)) != NULL)
		{
			ExecStatusType kind = PQresultStatus(next);
			bool		passed_over = kind == PGRES_PIPELINE_SYNC ||
				kind == PGRES_PIPELINE_ABORTED;

			if (!passed_over && status == DB_OK)
				status = judge(&next);
			if (i == wanted && !passed_over && status == DB_OK)
				*result = next;
			else
				PQclear(next);
			if (kind == PGRES_PIPELINE_SYNC)
				break;
		}
	}
	return conn == NULL ? DB_GONE : status;
}

/* Takes the answer to the first of the statements that were sent. */
static void
take_answer(void)
{
	PGresult   *result = NULL;
	DbStatus	status = collect_pipeline(1, 0, &result, answer_deadline());

	if (conn == NULL)
		return;					/* db_close() has said so */
	if (status == DB_OK && PQresultStatus(result) == PGRES_TUPLES_OK &&
		(PQntuples(result) != 1 || PQgetvalue(result, 0, 0)[0] != 't'))
		status = DB_REFUSED;
	PQclear(result);
	if (status == DB_GONE)
		db_close();
	else
	{
		Sent		first = next_sent();

		first.answered(first.task, status);
	}
}

/* Ends the pipeline, once nothing is on the way. */
static void
end_pipeline(void)
{
	if (conn != NULL && sent_count == 0 && PQpipelineStatus(conn) != PQ_PIPELINE_OFF &&
		PQexitPipelineMode(conn) != 1)
		(void) not_sent();
}

/*
 * Waits for the answers to all statements that were sent, because another statement is
 * to be run or their tasks are about to be freed.
 */
DbStatus
db_settle(void)
{
	while (conn != NULL && sent_count > 0)
		take_answer();
	end_pipeline();
	return conn == NULL ? DB_GONE : DB_OK;
}

/* Returns when answers are to be looked at; 0: none is to come. */
static double
look_due(void)
{
	return conn != NULL && sent_count > 0 ? sent_at + LOOK_SECONDS : 0;
}

/* Takes the answers that have come, without waiting for more. */
static void
look_at_answers(Task *task)
{
	(void) task;
	if (conn != NULL && PQconsumeInput(conn) == 0)
		db_close();
	while (conn != NULL && sent_count > 0 && PQflush(conn) == 0 && !PQisBusy(conn))
		take_answer();
	end_pipeline();
	sent_at = monotonic_now();
}

static const WaitHook look_hook = {
	.due = look_due,
	.run = look_at_answers,
	.with_task_only = true
};

/* Adds the hook that looks at answers while a task is executed. */
void
db_init(void)
{
	wait_add_hook(&look_hook);
}

/* Prepares a statement at its first use in this session. */
static DbStatus
prepare(StatementId id)
{
	PGresult   *result;
	DbStatus	status;

	if (prepared[id])
		return DB_OK;
	if (PQsendPrepare(conn, db_statements[id].name, db_statements[id].sql, 0, NULL) != 1)
		return not_sent();
	status = collect(&result, answer_deadline());
	PQclear(result);
	prepared[id] = status == DB_OK;
	return status;
}

/* Tells whether the last statement warned of a lost lease, and forgets it. */
bool
db_lease_was_lost(void)
{
	bool		lost = lease_lost;

	lease_lost = false;
	return lost;
}

/* Runs a statement that the session keeps prepared. */
static DbStatus
run_prepared(StatementId id, int nparams, const char *const *params, PGresult **result)
{
	DbStatus	status = prepare(id);

	if (status != DB_OK)
		return status;
	if (PQsendQueryPrepared(conn, db_statements[id].name, nparams, params,
							NULL, NULL, 0) != 1)
		return not_sent();
	return collect(result, answer_deadline());
}

/* Ends the transaction that a failed statement has left open. */
static void
roll_back(void)
{
	PGresult   *result;
	StringBuf	text = message;
	char		state[sizeof(sqlstate)];

	if (conn == NULL || PQtransactionStatus(conn) == PQTRANS_IDLE)
		return;
	/* the first error is the one to tell */
	memcpy(state, sqlstate, sizeof(state));
	memset(&message, 0, sizeof(message));
	(void) run_text("ROLLBACK", &result);
	PQclear(result);
	sb_free(&message);
	message = text;
	memcpy(sqlstate, state, sizeof(state));
}

/* Runs a statement with its settings in a transaction, in one round trip. */
static DbStatus
run_in_transaction(StatementId id, int nparams, const char *const *params, PGresult **result)
{
	char		timeout[16];
	const char *const settings[] = {timeout};
	DbStatus	status;

	snprintf(timeout, sizeof(timeout), "%ds", options.statement_timeout);
	if (PQenterPipelineMode(conn) != 1 ||
		PQsendQueryParams(conn, begin_statement, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
		PQsendQueryParams(conn, local_settings, 1, NULL, settings, NULL, NULL, 0) != 1 ||
		PQsendQueryParams(conn, db_statements[id].sql, nparams, NULL, params, NULL, NULL, 0) != 1 ||
		PQsendQueryParams(conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) != 1 ||
		PQpipelineSync(conn) != 1)
		return not_sent();
	status = collect_pipeline(4, 2, result, answer_deadline());
	if (conn != NULL && PQexitPipelineMode(conn) != 1)
		status = not_sent();
	if (status != DB_OK)
	{
		PQclear(*result);
		*result = NULL;
		roll_back();
	}
	return conn == NULL ? DB_GONE : status;
}

/*
 * Runs a statement; on DB_OK the caller owns *result.  A session that is left in a
 * transaction is broken: it is closed.
 */
DbStatus
db_run(StatementId id, int nparams, const char *const *params, PGresult **result)
{
	DbStatus	status = db_settle();

	*result = NULL;
	if (status == DB_OK)
		status = pooled ? run_in_transaction(id, nparams, params, result) :
			run_prepared(id, nparams, params, result);
	if (conn != NULL && PQtransactionStatus(conn) != PQTRANS_IDLE)
	{
		db_close();
		if (status != DB_OK)
			status = DB_GONE;
	}
	return status;
}

/* Runs a statement that answers one boolean; DB_REFUSED: it is false. */
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
 * Sends a statement without waiting for its answer, of which answered() is told: DB_GONE
 * when it is not known whether the server has done it.  Answers come in the order of the
 * statements; what is run next in this session comes after them anyway.  Behind a pooler
 * one is on the way at a time.  Returns false when it was not sent.
 */
bool
db_send(StatementId id, int nparams, const char *const *params, DbAnswered answered, Task *task)
{
	const Statement *statement = &db_statements[id];
	int			ok;

	if ((sent_count > 0 && (pooled || !prepared[id])) && db_settle() != DB_OK)
		return false;
	if (conn == NULL || (!pooled && prepare(id) != DB_OK))
		return false;
	if (sent_count == DB_MAX_SENT)
		take_answer();
	if (conn == NULL || (sent_count == 0 && PQenterPipelineMode(conn) != 1))
		return false;
	ok = pooled ?
		PQsendQueryParams(conn, statement->sql, nparams, NULL, params, NULL, NULL, 0) :
		PQsendQueryPrepared(conn, statement->name, nparams, params, NULL, NULL, 0);
	if (ok != 1 || PQpipelineSync(conn) != 1)
	{
		(void) not_sent();
		return false;
	}
	sent[(sent_first + sent_count++) % DB_MAX_SENT] = (Sent) {answered, task};
	sent_at = monotonic_now();
	return true;
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
 * Runs CALL noetl.wait_for_work(), which sleeps in the server until a task may be
 * due.  A request to stop cancels it.  A procedure that commits must be a statement
 * of its own; it needs no settings.
 */
DbStatus
db_run_wait(const char *const *params)
{
	DbStatus	status = db_settle();
	double		until = answer_deadline();
	bool		cancelled = false;
	PGresult   *result;

	if (status != DB_OK)
		return status;
	if (PQsendQueryParams(conn, "CALL noetl.wait_for_work($1::interval, $2::text[], NULL)",
						  2, NULL, params, NULL, NULL, 0) != 1)
		return not_sent();
	while (!cancelled && PQisBusy(conn) && monotonic_now() < until)
	{
		struct pollfd fd = {.fd = PQsocket(conn),.events = POLLIN};

		if (PQflush(conn) > 0)
			fd.events |= POLLOUT;
		if (stopping())
		{
			cancel_statement();
			cancelled = true;
			break;
		}
		task_wait(NULL, &fd, 1, until);
		if (fd.revents != 0 && PQconsumeInput(conn) == 0)
			break;
	}
	status = collect(&result, until);
	PQclear(result);
	return cancelled && status == DB_ERROR ? DB_OK : status;
}
