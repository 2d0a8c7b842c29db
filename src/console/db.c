/*
 * db.c
 *		Questions to the database, as the role of the session.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"

/* Keeps what a failed statement says, as HTML. */
static void
keep_error(Request *request, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	resetPQExpBuffer(&request->error);
	request->denied = code && strcmp(code, "42501") == 0;
	html(&request->error, "<p><b>%s</b></p>",
		 message ? message : PQerrorMessage(request->session->conn));
	if (detail)
		html(&request->error, "<p>%s</p>", detail);
	if (hint)
		html(&request->error, "<p>%s</p>", hint);
	if (code)
		html(&request->error, "<p class=\"note\">SQLSTATE %s</p>", code);
}

/* Restores the connection after the server was away; the settings are lost with it. */
static bool
still_connected(Request *request)
{
	if (PQstatus(request->session->conn) == CONNECTION_OK)
		return true;
	session_end(request->session);
	resetPQExpBuffer(&request->error);
	request->denied = false;
	html(&request->error, "<p><b>The connection to the database is lost.</b></p>"
		 "<p><a href=\"/login\">Log in</a> again.</p>");
	return false;
}

/* Runs a statement with an array of parameters (db.h). */
PGresult *
db_query_array(Request *request, const char *sql, int nparams, const char *const *params)
{
	PGresult   *result;
	ExecStatusType status;

	if (!still_connected(request))
		return NULL;
	result = PQexecParams(request->session->conn, sql, nparams, NULL, params, NULL, NULL, 0);
	status = PQresultStatus(result);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return result;
	keep_error(request, result);
	PQclear(result);
	still_connected(request);
	return NULL;
}

/* Runs a statement with nparams texts (db.h). */
PGresult *
db_query(Request *request, const char *sql, int nparams,...)
{
	const char **params = xcalloc(nparams, sizeof(*params));
	PGresult   *rows;
	va_list		args;

	va_start(args, nparams);
	for (int i = 0; i < nparams; i++)
		params[i] = va_arg(args, const char *);
	va_end(args);
	rows = db_query_array(request, sql, nparams, params);
	free(params);
	return rows;
}

/* Runs a statement that returns nothing. */
static bool
run(Request *request, const char *sql)
{
	PGresult   *result = db_query_array(request, sql, 0, NULL);

	PQclear(result);
	return result != NULL;
}

/* Begins a transaction that may write. */
bool
db_begin(Request *request)
{
	return run(request, "BEGIN READ WRITE");
}

/* Ends a transaction; returns whether what was asked for was done. */
bool
db_end(Request *request, bool commit)
{
	PQExpBufferData error = request->error;
	bool		done;

	if (commit)
		return run(request, "COMMIT");
	/* what has failed is worth more than what ROLLBACK says */
	initPQExpBuffer(&request->error);
	done = run(request, "ROLLBACK");
	termPQExpBuffer(&request->error);
	request->error = error;
	return done;
}

/* Returns a value, or NULL. */
const char *
db_value(const PGresult *rows, int row, int column)
{
	if (row >= PQntuples(rows) || PQgetisnull(rows, row, column))
		return NULL;
	return PQgetvalue(rows, row, column);
}

/* Returns the text of a value, or "". */
const char *
db_text(const PGresult *rows, int row, int column)
{
	const char *value = db_value(rows, row, column);

	return value ? value : "";
}

/* Returns whether a boolean is true. */
bool
db_true(const PGresult *rows, int row, int column)
{
	return db_text(rows, row, column)[0] == 't';
}
