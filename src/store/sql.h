/*
 * store/sql.h
 *		SQL statements of this room, which run as the owner of the tables.
 */
#ifndef NOETL_STORE_SQL_H
#define NOETL_STORE_SQL_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"

#define SQL_MOST_ARGS	7

/* A statement whose plan the session keeps. */
typedef struct SqlStatement
{
	const char *text;
	int			nargs;
	Oid			types[SQL_MOST_ARGS];
	SPIPlanPtr	plan;			/* NULL: not made yet */
} SqlStatement;

/* Receives a row that a statement returns; the caller's memory context is current. */
typedef void (*SqlRow) (void *arg, HeapTuple row, TupleDesc desc);

/*
 * Executes a statement; calls "receive" (NULL: nothing) with each row that it
 * returns.  Returns the number of rows.
 */
extern uint64 sql_execute(const char *text, int nargs, Oid *types, Datum *values,
						  const char *nulls, SqlRow receive, void *arg);

/*
 * Does the same with a plan that is kept.  newest: the statement sees all that is
 * committed, whatever the isolation level.
 */
extern uint64 sql_execute_kept(SqlStatement *statement, Datum *values, bool newest,
							   SqlRow receive, void *arg);

/* Returns a column of a row; NULL is 0. */
extern Datum sql_column(HeapTuple row, TupleDesc desc, int column);

/* SqlRow: appends the first column, a bigint, to a list (List ** of int64 *). */
extern void sql_add_id(void *arg, HeapTuple row, TupleDesc desc);

/* Sets argument "number" (from 0) of a statement to a text; a NULL pointer is NULL. */
extern void sql_set_text(Datum *values, char *nulls, int number, const char *text);

#endif							/* NOETL_STORE_SQL_H */
