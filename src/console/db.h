/*
 * db.h
 *		Questions to the database, as the role of the session.
 */
#ifndef CONSOLE_DB_H
#define CONSOLE_DB_H

#include <libpq-fe.h>

#include "http.h"
#include "session.h"

/*
 * Runs a statement with nparams texts (NULL: null) and returns its rows, or NULL:
 * then request->error says why.  Pages read in read-only transactions; db_begin()
 * starts one that may write, db_end() commits it or rolls it back.
 */
extern PGresult *db_query(Request *request, const char *sql, int nparams,...);
extern PGresult *db_query_array(Request *request, const char *sql, int nparams,
								const char *const *params);
extern bool db_begin(Request *request);
extern bool db_end(Request *request, bool commit);

/* A value, or NULL for null and where there is no such row. */
extern const char *db_value(const PGresult *rows, int row, int column);
/* The value's text, or "". */
extern const char *db_text(const PGresult *rows, int row, int column);
/* Whether a boolean is true. */
extern bool db_true(const PGresult *rows, int row, int column);

#endif							/* CONSOLE_DB_H */
