/*
 * store/schedule.c
 *		Schedules: noetl.schedule.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/sql.h"
#include "store/store.h"

#define MOST_ARGS	13

/* What read_schedule() reads, in its order */
#define SCHEDULE_COLUMNS \
	"s.schedule_id, s.name, s.path, s.cron, s.time_zone, s.overlap, s.catch_up," \
	" s.parameters, s.labels," \
	" (pg_catalog.date_part('epoch', s.jitter) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8," \
	" s.enabled, s.owner, s.next_at, s.last_at, s.queued_at, s.last_execution_id, s.error"

/* A statement with its arguments. */
typedef struct Statement
{
	const char *sql;
	int			nargs;
	Oid			types[MOST_ARGS];
	Datum		values[MOST_ARGS];
	char		nulls[MOST_ARGS];
} Statement;

/* Adds an argument. */
static void
add_arg(Statement *statement, Oid type, Datum value, bool isnull)
{
	int			n = statement->nargs++;

	statement->types[n] = type;
	statement->values[n] = value;
	statement->nulls[n] = isnull ? 'n' : ' ';
}

/* Adds a text argument; a NULL pointer is NULL. */
static void
add_text(Statement *statement, const char *value)
{
	add_arg(statement, TEXTOID, value == NULL ? (Datum) 0 : CStringGetTextDatum(value),
			value == NULL);
}

/* Adds an id or a time; 0 is NULL. */
static void
add_int64(Statement *statement, Oid type, int64 value)
{
	add_arg(statement, type, Int64GetDatum(value), value == 0);
}

/* Returns a copy of a jsonb column of a row, or NULL. */
static Jsonb *
jsonb_column(HeapTuple row, TupleDesc desc, int column)
{
	Datum		value = sql_column(row, desc, column);

	return value == (Datum) 0 ? NULL : DatumGetJsonbPCopy(value);
}

/* SqlRow: reads a schedule. */
static void
read_schedule(void *arg, HeapTuple row, TupleDesc desc)
{
	Schedule   *schedule = (Schedule *) arg;

	memset(schedule, 0, sizeof(Schedule));
	schedule->id = DatumGetInt64(sql_column(row, desc, 1));
	schedule->name = SPI_getvalue(row, desc, 2);
	schedule->path = SPI_getvalue(row, desc, 3);
	schedule->cron = SPI_getvalue(row, desc, 4);
	schedule->time_zone = SPI_getvalue(row, desc, 5);
	schedule->overlap = SPI_getvalue(row, desc, 6);
	schedule->catch_up = SPI_getvalue(row, desc, 7);
	schedule->parameters = jsonb_column(row, desc, 8);
	schedule->labels = jsonb_column(row, desc, 9);
	schedule->jitter = DatumGetInt64(sql_column(row, desc, 10));
	schedule->enabled = DatumGetBool(sql_column(row, desc, 11));
	schedule->owner = DatumGetObjectId(sql_column(row, desc, 12));
	schedule->next_at = DatumGetTimestampTz(sql_column(row, desc, 13));
	schedule->last_at = DatumGetTimestampTz(sql_column(row, desc, 14));
	schedule->queued_at = DatumGetTimestampTz(sql_column(row, desc, 15));
	schedule->last_execution_id = DatumGetInt64(sql_column(row, desc, 16));
	schedule->error = SPI_getvalue(row, desc, 17);
}

/*
 * Executes a statement.  Returns the number of rows; reads the row that it returns
 * into *schedule, which may be NULL when it returns none.
 */
static uint64
execute_statement(Statement *statement, Schedule *schedule)
{
	return sql_execute(statement->sql, statement->nargs, statement->types, statement->values,
					   statement->nulls, read_schedule, schedule);
}

/* Reads a schedule; returns false when there is none. */
bool
store_get_schedule(const char *name, Schedule *schedule)
{
	Statement	statement = {
		"SELECT " SCHEDULE_COLUMNS " FROM noetl.schedule AS s"
		" WHERE s.name OPERATOR(pg_catalog.=) $1"
	};

	add_text(&statement, name);
	return execute_statement(&statement, schedule) > 0;
}

/* Reads a schedule and locks it (store/schedule.h). */
bool
store_lock_schedule(int64 schedule_id, Schedule *schedule)
{
	Statement	statement = {
		"SELECT " SCHEDULE_COLUMNS " FROM noetl.schedule AS s"
		" WHERE s.schedule_id OPERATOR(pg_catalog.=) $1 FOR UPDATE SKIP LOCKED"
	};

	add_int64(&statement, INT8OID, schedule_id);
	return execute_statement(&statement, schedule) > 0;
}

/* Writes what noetl.schedule() sets (store/schedule.h). */
void
store_put_schedule(const Schedule *schedule)
{
	Statement	statement = {
		"INSERT INTO noetl.schedule AS s (name, path, cron, time_zone, overlap, catch_up,"
		"  parameters, labels, jitter, enabled, owner, next_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
		"  ($9 OPERATOR(pg_catalog.||) ' us')::pg_catalog.interval, $10, $11, $12)"
		" ON CONFLICT (name) DO UPDATE SET path = excluded.path, cron = excluded.cron,"
		"  time_zone = excluded.time_zone, overlap = excluded.overlap,"
		"  catch_up = excluded.catch_up, parameters = excluded.parameters,"
		"  labels = excluded.labels, jitter = excluded.jitter, enabled = excluded.enabled,"
		"  next_at = excluded.next_at, updated_at = pg_catalog.clock_timestamp(),"
		"  queued_at = CASE WHEN excluded.enabled"
		"    AND excluded.overlap OPERATOR(pg_catalog.=) 'queue' THEN s.queued_at END"
		" WHERE s.owner OPERATOR(pg_catalog.=) excluded.owner"
	};

	add_text(&statement, schedule->name);
	add_text(&statement, schedule->path);
	add_text(&statement, schedule->cron);
	add_text(&statement, schedule->time_zone);
	add_text(&statement, schedule->overlap);
	add_text(&statement, schedule->catch_up);
	add_arg(&statement, JSONBOID, PointerGetDatum(schedule->parameters), false);
	add_arg(&statement, JSONBOID, PointerGetDatum(schedule->labels), schedule->labels == NULL);
	add_text(&statement, psprintf(INT64_FORMAT, schedule->jitter));
	add_arg(&statement, BOOLOID, BoolGetDatum(schedule->enabled), false);
	add_arg(&statement, REGROLEOID, ObjectIdGetDatum(schedule->owner), false);
	add_int64(&statement, TIMESTAMPTZOID, schedule->next_at);
	if (execute_statement(&statement, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("another role has just made the schedule \"%s\"", schedule->name)));
}

/* Writes what a start changes (store/schedule.h). */
void
store_advance_schedule(const Schedule *schedule)
{
	Statement	statement = {
		"UPDATE noetl.schedule AS s SET next_at = $2, last_at = $3, queued_at = $4,"
		" last_execution_id = $5, error = $6"
		" WHERE s.schedule_id OPERATOR(pg_catalog.=) $1"
	};

	add_int64(&statement, INT8OID, schedule->id);
	add_int64(&statement, TIMESTAMPTZOID, schedule->next_at);
	add_int64(&statement, TIMESTAMPTZOID, schedule->last_at);
	add_int64(&statement, TIMESTAMPTZOID, schedule->queued_at);
	add_int64(&statement, INT8OID, schedule->last_execution_id);
	add_text(&statement, schedule->error);
	(void) execute_statement(&statement, NULL);
}

/* Deletes a schedule; returns false when there is none. */
bool
store_delete_schedule(const char *name)
{
	Statement	statement = {
		"DELETE FROM noetl.schedule AS s WHERE s.name OPERATOR(pg_catalog.=) $1"
	};

	add_text(&statement, name);
	return execute_statement(&statement, NULL) > 0;
}
