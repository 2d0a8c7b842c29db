/*
 * store/sql.c
 *		SQL statements of this room, which run as the owner of the tables.
 *
 * They are for tables that are seldom read or written.  Tables of every step are
 * read by index scans (store/table.h), which cost less.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "store/sql.h"
#include "store/store.h"

/* The user to return to. */
typedef struct Caller
{
	Oid			user;
	int			context;
	MemoryContext memory;
} Caller;

/* Connects to SPI as the owner of the tables. */
static void
begin_as_owner(Caller *caller)
{
	caller->memory = CurrentMemoryContext;
	GetUserIdAndSecContext(&caller->user, &caller->context);
	SetUserIdAndSecContext(store_owner(), caller->context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/*
 * Hands over the rows that a statement has returned, and goes back to the caller's
 * user; an error does so by itself.  Returns the number of rows.
 */
static uint64
end_as_owner(const Caller *caller, int code, SqlRow receive, void *arg)
{
	uint64		rows = SPI_processed;

	if (code < 0)
		elog(ERROR, "could not execute a statement of noetl: %s", SPI_result_code_string(code));
	for (uint64 i = 0; i < rows && receive != NULL && SPI_tuptable != NULL; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(caller->memory);

		receive(arg, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	SetUserIdAndSecContext(caller->user, caller->context);
	return rows;
}

/* Executes a statement (store/sql.h). */
uint64
sql_execute(const char *text, int nargs, Oid *types, Datum *values, const char *nulls,
			SqlRow receive, void *arg)
{
	Caller		caller;
	int			code;

	begin_as_owner(&caller);
	code = SPI_execute_with_args(text, nargs, types, values, nulls, false, 0);
	return end_as_owner(&caller, code, receive, arg);
}

/* Returns the plan of a statement, made once per session. */
static SPIPlanPtr
plan_of(SqlStatement *statement)
{
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->text, statement->nargs, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement of noetl: %s",
				 SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	return statement->plan;
}

/* Executes a statement with a plan that is kept (store/sql.h). */
uint64
sql_execute_kept(SqlStatement *statement, Datum *values, bool newest, SqlRow receive, void *arg)
{
	Caller		caller;
	SPIPlanPtr	plan;
	int			code;

	begin_as_owner(&caller);
	plan = plan_of(statement);
	code = SPI_execute_snapshot(plan, values, NULL,
								newest ? GetLatestSnapshot() : InvalidSnapshot,
								InvalidSnapshot, false, true, 0);
	return end_as_owner(&caller, code, receive, arg);
}

/* Returns a column of a row; NULL is 0. */
Datum
sql_column(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);

	return isnull ? (Datum) 0 : value;
}

/* SqlRow: appends the first column, a bigint, to a list (List ** of int64 *). */
void
sql_add_id(void *arg, HeapTuple row, TupleDesc desc)
{
	List	  **ids = (List **) arg;
	int64	   *id = palloc(sizeof(int64));

	*id = DatumGetInt64(sql_column(row, desc, 1));
	*ids = lappend(*ids, id);
}

/* Sets an argument of a statement to a text; a NULL pointer is NULL. */
void
sql_set_text(Datum *values, char *nulls, int number, const char *text)
{
	nulls[number] = text == NULL ? 'n' : ' ';
	values[number] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}
