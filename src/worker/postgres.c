/*
 * postgres.c
 *		Tasks of type postgres: SQL in the database the task names.
 *
 * A text is sent as it is: the server finds its statements and executes them in one
 * transaction.  Every statement gives one member of the result:
 *
 *		{"status": "success", "data": {"command_0": {"status": "success",
 *		 "rows": [{...}], "row_count": 1, "columns": ["a"], "message": "SELECT 1"}}}
 *
 * Everything is asynchronous, because the lease is renewed meanwhile.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "events.h"
#include "executor.h"
#include "log.h"
#include "options.h"
#include "postgres_target.h"

#define MAX_RESULT_BYTES (256u * 1024 * 1024)
#define MAX_NOTICE_BYTES (1024 * 1024)	/* in the log, of one task */
#define CONNECT_SECONDS 15		/* for one attempt */
#define UNREACHABLE_SECONDS 30	/* before a task fails for it */

/* Types whose text is JSON already (pg_type.h is a header of the server) */
#define BOOLOID 16
#define INT8OID 20
#define INT2OID 21
#define INT4OID 23
#define OIDOID 26
#define JSONOID 114
#define FLOAT4OID 700
#define FLOAT8OID 701
#define NUMERICOID 1700
#define JSONBOID 3802

/* The last connection is kept: the next task often wants the same */
static PGconn *conn = NULL;
static StringBuf conn_target;
static ConninfoSource conn_source;
static bool conn_pooled = false;	/* the next task gets a new one */
static const Task *current = NULL;
static size_t noticed = 0;		/* bytes of notices of the current task */

/* The progress of the statements of one task */
typedef struct Progress
{
	StringBuf	data;			/* members command_0, command_1, … */
	int			statements;		/* completed */
	long long	rows;			/* of the running statement */
	bool		in_rows;
	bool		failed;
	bool		lost;			/* the connection broke */
	char		sqlstate[6];
	StringBuf	details;		/* members of the failed result */
	StringBuf	error;
	StringBuf	saved;			/* rows that a save has returned; empty: none */
} Progress;

/* Writes the server's notices into the log, with the task's name, up to a bound. */
static void
log_notice(void *arg, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	(void) arg;
	if (noticed > MAX_NOTICE_BYTES)
		return;
	log_task(current, LOG_NORMAL, "| %s: %s", severity != NULL ? severity : "NOTICE",
			 text != NULL ? text : "");
	noticed += text != NULL ? strlen(text) + 1 : 1;
	if (noticed > MAX_NOTICE_BYTES)
		log_task(current, LOG_NORMAL, "| [notices beyond %d bytes are not shown]",
				 MAX_NOTICE_BYTES);
}

/* Closes the kept connection. */
void
postgres_disconnect(void)
{
	if (conn != NULL)
		PQfinish(conn);
	conn = NULL;
	sb_free(&conn_target);
}

/* Cancels the running statement and closes the connection. */
static void
cancel_and_disconnect(void)
{
	PGcancel   *cancel = conn != NULL ? PQgetCancel(conn) : NULL;
	char		error[256];

	if (cancel != NULL)
		PQcancel(cancel, error, sizeof(error));
	PQfreeCancel(cancel);
	postgres_disconnect();
}

/* Tells whether the text of a type is JSON already. */
static bool
is_json_literal(Oid type, const char *text)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case JSONOID:
		case JSONBOID:
			return true;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return strspn(text, "0123456789+-.eE") == strlen(text);
		default:
			return false;
	}
}

/* Writes one value of a row. */
static void
write_value(StringBuf *json, const PGresult *result, int row, int column)
{
	const char *text = PQgetvalue(result, row, column);
	size_t		len = (size_t) PQgetlength(result, row, column);
	Oid			type = PQftype(result, column);

	if (PQgetisnull(result, row, column))
		sb_str(json, "null");
	else if (type == BOOLOID)
		sb_str(json, text[0] == 't' ? "true" : "false");
	else if (is_json_literal(type, text))
		sb_add(json, text, len);
	else
		json_string(json, text, len);
}

/* Begins the member of a statement in the result. */
static void
open_statement(Progress *p)
{
	sb_printf(&p->data, "%s\"command_%d\":{\"status\":\"success\",\"rows\":[",
			  p->statements > 0 ? "," : "", p->statements);
	p->rows = 0;
	p->in_rows = true;
}

/* Ends the member of a statement, whose number of rows is known now. */
static void
close_statement(Progress *p, const PGresult *result)
{
	const char *affected = PQcmdTuples((PGresult *) result);

	if (PQresultStatus(result) == PGRES_COMMAND_OK && affected[0] != '\0')
		p->rows = atoll(affected);
	sb_printf(&p->data, "],\"row_count\":%lld,\"columns\":[", p->rows);
	for (int i = 0; i < PQnfields(result); i++)
	{
		const char *name = PQfname(result, i);

		sb_str(&p->data, i > 0 ? "," : "");
		json_string(&p->data, name, strlen(name));
	}
	sb_str(&p->data, "]");
	json_member(&p->data, "message", PQcmdStatus((PGresult *) result));
	sb_str(&p->data, "}");
	p->statements++;
	p->in_rows = false;
}

/* Appends rows as JSON objects. */
static void
write_rows(Progress *p, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++)
	{
		sb_str(&p->data, p->rows++ > 0 ? ",{" : "{");
		for (int i = 0; i < PQnfields(result); i++)
		{
			const char *name = PQfname(result, i);

			sb_str(&p->data, i > 0 ? "," : "");
			json_string(&p->data, name, strlen(name));
			sb_str(&p->data, ":");
			write_value(&p->data, result, row, i);
		}
		sb_str(&p->data, "}");
	}
}

/* Makes an error that the server has not reported the failure of the task. */
static void
fail_locally(Progress *p, const char *text)
{
	if (p->failed)
		return;
	p->failed = true;
	sb_printf(&p->error, "%s (command_%d)", text, p->statements);
}

/*
 * Describes an error of the server: what it is, where in the command, what the server
 * says beside it.  The position counts characters from 1.
 */
static void
describe_error(Progress *p, const char *command, const PGresult *result)
{
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	int			left = position != NULL ? atoi(position) - 1 : 0;
	int			line = 1;

	for (const char *c = command; left > 0 && *c != '\0'; c++)
	{
		left -= ((unsigned char) *c & 0xC0) != 0x80;
		line += *c == '\n';
	}
	sb_printf(&p->error, "%s (SQLSTATE %s, command_%d", text != NULL ? text : "unknown error",
			  PQresultErrorField(result, PG_DIAG_SQLSTATE), p->statements);
	if (position != NULL)
		sb_printf(&p->error, ", line %d, at character %s", line, position);
	sb_str(&p->error, ")");
	if (detail != NULL)
		sb_printf(&p->error, "; detail: %s", detail);
	if (hint != NULL)
		sb_printf(&p->error, "; hint: %s", hint);
}

/* Makes an error of the server, with its details, the failure of the task. */
static void
fail_from_server(Progress *p, const char *command, const PGresult *result)
{
	static const struct
	{
		const char *key;
		int			code;
	}			fields[] = {
		{"sqlstate", PG_DIAG_SQLSTATE}, {"message", PG_DIAG_MESSAGE_PRIMARY},
		{"detail", PG_DIAG_MESSAGE_DETAIL}, {"hint", PG_DIAG_MESSAGE_HINT},
		{"position", PG_DIAG_STATEMENT_POSITION}, {"context", PG_DIAG_CONTEXT}
	};
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	p->lost = p->lost || state == NULL || PQstatus(conn) == CONNECTION_BAD ||
		strncmp(state, "57P0", 4) == 0;
	if (p->failed)
		return;
	p->failed = true;
	if (state == NULL)
		sb_str(&p->error, "the connection to the database was lost");
	else
		describe_error(p, command, result);
	snprintf(p->sqlstate, sizeof(p->sqlstate), "%s", state != NULL ? state : "");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_member(&p->details, fields[i].key, PQresultErrorField(result, fields[i].code));
}

/* Adds one result; returns false when the connection cannot be used any more. */
static bool
take_result(Progress *p, const char *command, const PGresult *result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_SINGLE_TUPLE:
		case PGRES_TUPLES_OK:
			if (!p->in_rows)
				open_statement(p);
			write_rows(p, result);
			if (PQresultStatus(result) == PGRES_TUPLES_OK)
				close_statement(p, result);
			break;
		case PGRES_COMMAND_OK:
			open_statement(p);
			close_statement(p, result);
			break;
		case PGRES_EMPTY_QUERY:
			break;
		case PGRES_COPY_IN:
			PQputCopyEnd(conn, "there is no data for COPY FROM STDIN in a postgres task");
			break;
		case PGRES_COPY_OUT:
		case PGRES_COPY_BOTH:
			fail_locally(p, "COPY TO STDOUT is not possible in a postgres task");
			return false;
		default:
			fail_from_server(p, command, result);
			break;
	}
	if (p->data.len > MAX_RESULT_BYTES)
	{
		fail_locally(p, "the result is larger than 256 MB");
		return false;
	}
	return true;
}

/* Waits for the socket; returns false when the task is to be abandoned. */
static bool
wait_for_socket(Task *task, short events, double until)
{
	struct pollfd fd = {.fd = PQsocket(conn),.events = events};

	return task_wait(task, &fd, 1, until);
}

/*
 * Waits until libpq has the next result of what was sent.  *usable becomes false
 * when the connection breaks.  Returns false when the task is to be abandoned; the
 * connection is closed then.
 */
static bool
await_result(Task *task, bool *usable)
{
	int			unsent = PQflush(conn);

	while (*usable && (unsent > 0 || PQisBusy(conn)))
	{
		if (!wait_for_socket(task, unsent > 0 ? POLLIN | POLLOUT : POLLIN, 0))
		{
			cancel_and_disconnect();
			return false;
		}
		*usable = PQconsumeInput(conn) == 1;
		unsent = *usable ? PQflush(conn) : 0;
	}
	return true;
}

/* Takes all results of a text that was sent, if it was. */
static OutcomeKind
take_results(Task *task, const char *text, bool usable, Progress *p)
{
	PGresult   *result;

	while (usable && !p->lost)
	{
		if (!await_result(task, &usable))
			return OUTCOME_ABORTED;
		result = PQgetResult(conn);
		if (result == NULL)
			break;
		usable = take_result(p, text, result) && usable;
		PQclear(result);
	}
	if (!usable && !p->failed)
	{
		p->lost = true;
		fail_locally(p, "the connection to the database was lost");
	}
	if (!usable || p->lost)
		cancel_and_disconnect();
	return p->failed ? OUTCOME_FAILED : OUTCOME_DONE;
}

/*
 * Sends one text and takes all its results.  Single-row mode keeps one row at a time
 * in memory, so that the limit of the size holds before the memory is full.
 */
static OutcomeKind
run_text(Task *task, const char *text, Progress *p)
{
	bool		usable = PQsendQuery(conn, text) == 1;

	PQsetSingleRowMode(conn);
	return take_results(task, text, usable, p);
}

/* Runs a statement that is not the task's, without adding to the result. */
static OutcomeKind
run_quietly(Task *task, const char *text, Progress *p)
{
	size_t		len = p->data.len;
	int			statements = p->statements;
	OutcomeKind kind = run_text(task, text, p);

	p->data.len = len;
	p->statements = statements;
	return kind;
}

/*
 * Finds out whether a pooler is in between, as the broker's session does.  Then the
 * connection is not kept: what cleans its session would reach other clients.
 */
static OutcomeKind
find_pooler(Task *task)
{
	bool		usable = PQsendQuery(conn, "SELECT pg_catalog.pg_backend_pid()") == 1;
	PGresult   *result;

	conn_pooled = options.pooler == POOLER_YES;
	while (usable)
	{
		if (!await_result(task, &usable))
			return OUTCOME_ABORTED;
		result = PQgetResult(conn);
		if (result == NULL)
			break;
		if (PQntuples(result) == 1 && options.pooler == POOLER_AUTO)
			conn_pooled = atoi(PQgetvalue(result, 0, 0)) != PQbackendPID(conn);
		PQclear(result);
	}
	return PQstatus(conn) == CONNECTION_OK ? OUTCOME_DONE : OUTCOME_FAILED;
}

/* Makes one attempt to connect, without blocking. */
static OutcomeKind
connect_once(Task *task, const Target *target, StringBuf *error)
{
	double		until = monotonic_now() + CONNECT_SECONDS;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;
	OutcomeKind kind;

	postgres_disconnect();
	conn = conninfo_connect(target->conninfo.data, target->source);
	while (PQstatus(conn) != CONNECTION_BAD && state != PGRES_POLLING_OK)
	{
		if (!wait_for_socket(task, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
		{
			postgres_disconnect();
			return OUTCOME_ABORTED;
		}
		state = PQconnectPoll(conn);
		if (state == PGRES_POLLING_FAILED || monotonic_now() >= until)
			break;
	}
	if (state == PGRES_POLLING_OK)
	{
		PQsetnonblocking(conn, 1);
		PQsetNoticeReceiver(conn, log_notice, NULL);
		sb_str(&conn_target, target->conninfo.data);
		conn_source = target->source;
		kind = find_pooler(task);
		if (kind != OUTCOME_FAILED)
			return kind;
	}
	sb_reset(error);
	sb_str(error, PQstatus(conn) == CONNECTION_BAD ? PQerrorMessage(conn) : "timeout expired");
	while (error->len > 0 && error->data[error->len - 1] == '\n')
		error->data[--error->len] = '\0';
	postgres_disconnect();
	return OUTCOME_FAILED;
}

/*
 * Ends what a task has left in the session of the kept connection, such as locks, which
 * others may wait for.  Nobody waits for the answer: the next task takes it.
 */
static void
sweep_session(void)
{
	if (conn != NULL && !conn_pooled &&
		(PQsendQuery(conn, "DISCARD ALL") != 1 || PQflush(conn) < 0))
		postgres_disconnect();
}

/*
 * Gets a connection to the target: the kept one, once its session has been swept, or a
 * new one.  Nothing has been executed yet, so the task waits for a server that restarts.
 */
static OutcomeKind
connect_target(Task *task, const Target *target, Outcome *out)
{
	StringBuf	error = {0};
	double		give_up = monotonic_now() + UNREACHABLE_SECONDS;
	double		delay = 0.1;
	OutcomeKind kind = OUTCOME_FAILED;

	if (conn != NULL && !conn_pooled && conn_source == target->source &&
		strcmp(conn_target.data, target->conninfo.data) == 0)
	{
		Progress	sweep = {0};

		kind = take_results(task, "", true, &sweep);
		sb_free(&sweep.data);
		sb_free(&sweep.error);
		sb_free(&sweep.details);
	}
	while (kind == OUTCOME_FAILED)
	{
		kind = connect_once(task, target, &error);
		if (kind != OUTCOME_FAILED)
			break;
		if (!server_is_absent(error.data) || monotonic_now() + delay > give_up)
		{
			outcome_fail(out, "could not connect to the database: %s", error.data);
			break;
		}
		for (double until = monotonic_now() + delay;
			 kind == OUTCOME_FAILED && monotonic_now() < until;)
		{
			if (!task_wait(task, NULL, 0, until))
				kind = OUTCOME_ABORTED;
		}
		delay = fmin(delay * 2, 3);
	}
	sb_free(&error);
	return kind;
}

/* Tells whether the command of a task is what a save of rows or values has become. */
static bool
is_save(const Task *task)
{
	const char *session = task_field(task, "session");

	return session != NULL && strcmp(session, "save") == 0;
}

/* Tells whether the rows that a save returns are the result of the task. */
static bool
wants_saved_rows(const Task *task)
{
	return is_save(task) && task_field(task, "returns") != NULL;
}

/*
 * Takes the rows that a save has returned from the setting that the block of its
 * statement leaves them in, before the transaction ends.
 */
static OutcomeKind
take_saved_rows(Task *task, Progress *p)
{
	static const char query[] = "SELECT pg_catalog.current_setting('noetl_save.rows')";
	bool		usable = PQsendQuery(conn, query) == 1;
	PGresult   *result;

	while (usable)
	{
		if (!await_result(task, &usable))
			return OUTCOME_ABORTED;
		result = PQgetResult(conn);
		if (result == NULL)
			break;
		if (PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "wanted") != 0)
			sb_str(&p->saved, PQgetvalue(result, 0, 0));
		PQclear(result);
	}
	if (usable && p->saved.len <= MAX_RESULT_BYTES)
		return OUTCOME_DONE;
	p->lost = !usable;
	fail_locally(p, usable ? "the result is larger than 256 MB" :
				 "the connection to the database was lost");
	return OUTCOME_FAILED;
}

/*
 * Runs all commands once, in one transaction or each in its own.  What dates and
 * intervals in the values of a save mean does not depend on the database's settings.
 */
static OutcomeKind
run_all(Task *task, const Commands *commands, bool together, Progress *p)
{
	OutcomeKind kind = OUTCOME_DONE;
	bool		rows = together && wants_saved_rows(task);

	events_hold(together);
	if (together)
		kind = run_quietly(task, "BEGIN", p);
	if (together && kind == OUTCOME_DONE && is_save(task))
		kind = run_quietly(task, "SET LOCAL datestyle = 'ISO, MDY';"
						   " SET LOCAL intervalstyle = 'postgres'", p);
	if (rows && kind == OUTCOME_DONE)
		kind = run_quietly(task, "SET LOCAL noetl_save.rows = 'wanted'", p);
	for (int i = 0; kind == OUTCOME_DONE && i < commands->count; i++)
		kind = run_text(task, commands->texts[i], p);
	if (rows && kind == OUTCOME_DONE)
		kind = take_saved_rows(task, p);
	if (together && kind == OUTCOME_DONE)
		kind = run_quietly(task, "COMMIT", p);
	events_hold(false);
	if (kind == OUTCOME_DONE && PQtransactionStatus(conn) != PQTRANS_IDLE)
	{
		fail_locally(p, "the commands leave a transaction open");
		kind = OUTCOME_FAILED;
	}
	/* closing the connection is the surest way to roll back */
	if (conn != NULL && PQtransactionStatus(conn) != PQTRANS_IDLE)
		postgres_disconnect();
	return kind;
}

/* Frees what an attempt has collected, before the next one. */
static void
reset_progress(Progress *p)
{
	sb_free(&p->data);
	sb_free(&p->details);
	sb_free(&p->error);
	sb_free(&p->saved);
	memset(p, 0, sizeof(*p));
}

/*
 * Runs the commands, and once more when
 *	- a command of the list cannot run inside a transaction: nothing of the
 *	  list has happened then, and now each command has its own transaction;
 *	- the connection broke: as after a lost lease, a task may be executed twice.
 */
static OutcomeKind
run_commands(Task *task, const Commands *commands, const Target *target,
			 Progress *p, Outcome *out)
{
	bool		together = commands->count > 1 || is_save(task);
	bool		again = false;
	OutcomeKind kind;

	for (;;)
	{
		kind = connect_target(task, target, out);
		if (kind != OUTCOME_DONE)
			return kind;
		kind = run_all(task, commands, together, p);
		if (kind == OUTCOME_FAILED && together && strcmp(p->sqlstate, "25001") == 0)
			together = false;
		else if (kind == OUTCOME_FAILED && p->lost && !again)
			again = true;
		else
			return kind;
		log_task(task, LOG_NORMAL, "%s: executing it again%s", p->error.data,
				 p->lost ? "" : ", each command in its own transaction");
		reset_progress(p);
	}
}

/* Writes the outcome of the statements; of a save, the rows that it returns. */
static void
write_outcome(const Task *task, const Progress *p, const Commands *commands, Outcome *out)
{
	StringBuf  *json = &out->result;

	sb_reset(json);
	if (!p->failed && wants_saved_rows(task))
	{
		sb_add(json, p->saved.data != NULL ? p->saved.data : "", p->saved.len);
		return;
	}
	if (!p->failed)
	{
		sb_str(json, "{\"status\":\"success\",\"data\":{");
		sb_add(json, p->data.data != NULL ? p->data.data : "", p->data.len);
		sb_str(json, "}}");
		return;
	}
	sb_reset(&out->error);
	sb_str(&out->error, p->error.data);
	if (strcmp(p->sqlstate, "25001") == 0 && commands->count == 1)
		sb_str(&out->error, "; give the statements as a list (commands) to run"
			   " each in its own transaction");
	sb_str(json, "{");
	json_member(json, "status", "error");
	json_member(json, "error", out->error.data);
	sb_printf(json, ",\"command\":%d,\"connection_lost\":%s", p->statements,
			  p->lost ? "true" : "false");
	if (p->details.len > 0)
	{
		sb_str(json, ",");
		sb_add(json, p->details.data, p->details.len);
	}
	sb_str(json, "}");
}

/* Executes one task. */
OutcomeKind
postgres_execute(Task *task, Outcome *out)
{
	Commands	commands = {0};
	Progress	progress = {0};
	Target		target = {0};
	OutcomeKind kind = find_commands(task, &commands, out);

	current = task;
	noticed = 0;
	sb_str(&target.conninfo, "");
	if (kind == OUTCOME_DONE && !find_target(task, &target, out))
		kind = OUTCOME_FAILED;
	if (kind == OUTCOME_DONE)
	{
		kind = run_commands(task, &commands, &target, &progress, out);
		if (kind == OUTCOME_DONE || progress.failed)
			write_outcome(task, &progress, &commands, out);
	}
	sweep_session();
	current = NULL;
	free_commands(&commands);
	reset_progress(&progress);
	sb_free(&target.conninfo);
	return kind;
}
