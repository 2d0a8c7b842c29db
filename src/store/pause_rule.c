/*
 * store/pause_rule.c
 *		noetl.paused, pause_rule and pause_end are written, by SQL (store/pause.h).
 */
#include "common/common.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "store/id.h"
#include "store/pause_row.h"
#include "store/queue_row.h"
#include "store/sql.h"

/*
 * Executes a statement; returns the first column, a bigint, of its rows (int64 *).
 */
static List *
execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	List	   *ids = NIL;

	(void) sql_execute(sql, nargs, types, values, nulls, sql_add_id, &ids);
	return ids;
}

/* Notes that an execution is paused, until when (0: for ever). */
void
store_note_pause(int64 execution_id, TimestampTz until)
{
	Oid			types[] = {INT8OID, TIMESTAMPTZOID};
	Datum		values[] = {Int64GetDatum(execution_id), TimestampTzGetDatum(until)};

	(void) execute("WITH again AS (DELETE FROM noetl.pause_end AS e"
				   "  WHERE e.pause_id OPERATOR(pg_catalog.=) $1)"
				   " INSERT INTO noetl.paused AS p (execution_id, until) VALUES ($1, $2)"
				   " ON CONFLICT (execution_id) DO UPDATE SET until = excluded.until",
				   2, types, values, until == 0 ? " n" : NULL);
	store_pauses_changed();
}

/* Returns the executions whose pause ends by itself now (store/pause.h). */
List *
store_due_pauses(int64 execution_id, int limit)
{
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(execution_id), Int32GetDatum(limit)};

	if (!store_pause_may_end())
		return NIL;
	return execute("SELECT p.execution_id FROM noetl.paused AS p"
				   " WHERE p.until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"
				   "   AND ($1 OPERATOR(pg_catalog.=) 0 OR p.execution_id OPERATOR(pg_catalog.=) $1)"
				   " ORDER BY p.until LIMIT $2", 2, types, values, NULL);
}

/* Notes that the pause of an execution is over. */
void
store_end_pause(int64 execution_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(execution_id)};

	(void) execute("WITH ended AS (DELETE FROM noetl.paused AS p"
				   "  WHERE p.execution_id OPERATOR(pg_catalog.=) $1)"
				   " INSERT INTO noetl.pause_end AS e (pause_id) VALUES ($1)"
				   " ON CONFLICT (pause_id) DO UPDATE SET horizon = NULL,"
				   "  ended_at = excluded.ended_at", 1, types, values, NULL);
	store_pauses_changed();
}

/* Inserts a rule for a kind of tasks, or changes the one that there is; returns its id. */
int64
store_put_rule(const PauseKind *kind, const char *reason, TimestampTz until)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, OIDOID, TIMESTAMPTZOID};
	Datum		values[5];
	char		nulls[] = "     ";
	List	   *ids;

	sql_set_text(values, nulls, 0, kind->path);
	sql_set_text(values, nulls, 1, kind->type);
	sql_set_text(values, nulls, 2, reason);
	values[3] = ObjectIdGetDatum(GetUserId());
	values[4] = TimestampTzGetDatum(until);
	if (until == 0)
		nulls[4] = 'n';
	ids = execute("INSERT INTO noetl.pause_rule AS r"
				  " (pause_id, path, type, reason, paused_by, paused_at, until)"
				  " VALUES (noetl.next_id(), $1, $2, $3, $4::pg_catalog.regrole,"
				  "  pg_catalog.clock_timestamp(), $5)"
				  " ON CONFLICT ((coalesce(path, '')), (coalesce(type, ''))) DO UPDATE"
				  " SET reason = excluded.reason, until = excluded.until,"
				  "  paused_by = excluded.paused_by"
				  " RETURNING pause_id", 5, types, values, nulls);
	store_pauses_changed();
	return *(int64 *) linitial(ids);
}

/* Deletes the rules for a kind (NULL: for any); returns how many there were. */
int
store_end_rules(const PauseKind *kind)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[2];
	char		nulls[] = "  ";
	List	   *ids;

	sql_set_text(values, nulls, 0, kind->path);
	sql_set_text(values, nulls, 1, kind->type);
	ids = execute("WITH ended AS (DELETE FROM noetl.pause_rule AS r"
				  "  WHERE ($1 IS NULL OR r.path OPERATOR(pg_catalog.=) $1)"
				  "    AND ($2 IS NULL OR r.type OPERATOR(pg_catalog.=) $2)"
				  "  RETURNING r.pause_id)"
				  " INSERT INTO noetl.pause_end (pause_id) SELECT e.pause_id FROM ended AS e"
				  " RETURNING pause_id", 2, types, values, nulls);
	if (ids != NIL)
		store_pauses_changed();
	return list_length(ids);
}

/* Deletes the rules whose time has come; leaves those that another session deletes. */
void
store_end_due_rules(void)
{
	if (execute("WITH ended AS (DELETE FROM noetl.pause_rule AS r"
				"  WHERE r.pause_id OPERATOR(pg_catalog.=) ANY (ARRAY("
				"   SELECT d.pause_id FROM noetl.pause_rule AS d"
				"    WHERE d.until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"
				"    FOR UPDATE SKIP LOCKED))"
				"  RETURNING r.pause_id)"
				" INSERT INTO noetl.pause_end (pause_id) SELECT e.pause_id FROM ended AS e"
				" RETURNING pause_id", 0, NULL, NULL, NULL) != NIL)
		store_pauses_changed();
}

/*
 * Notes the horizon of a pause that has been over for a second.  The transaction that ends
 * the pause never does: until it commits, others find the pause.  No snapshot tells the next
 * transaction id while those that run have the newest ids.
 */
static void
note_horizon(int64 pause_id)
{
	Oid			types[] = {INT8OID, XID8OID};
	Datum		values[] = {Int64GetDatum(pause_id),
		FullTransactionIdGetDatum(ReadNextFullTransactionId())};

	if (execute("SELECT d.pause_id FROM noetl.pause_end AS d"
				" WHERE d.pause_id OPERATOR(pg_catalog.=) $1"
				"   AND (d.horizon IS NULL OR d.horizon OPERATOR(pg_catalog.>) $2)"
				"   AND d.ended_at OPERATOR(pg_catalog.<)"
				"       (pg_catalog.transaction_timestamp() OPERATOR(pg_catalog.-)"
				"        '1 s'::pg_catalog.interval)"
				" FOR UPDATE SKIP LOCKED", 2, types, values, NULL) == NIL)
		return;
	values[1] = FullTransactionIdGetDatum(ReadNextFullTransactionId());
	(void) execute("UPDATE noetl.pause_end AS e SET horizon = $2"
				   " WHERE e.pause_id OPERATOR(pg_catalog.=) $1", 2, types, values, NULL);
}

/*
 * Forgets a pause that is over if no task of it can be left.  The first call that comes
 * a second after the end notes the horizon, a later one deletes the row.
 */
void
pause_forget_end(int64 pause_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(pause_id)};

	if (execute("DELETE FROM noetl.pause_end AS e"
				" WHERE e.pause_id OPERATOR(pg_catalog.=) ANY (ARRAY("
				"  SELECT d.pause_id FROM noetl.pause_end AS d"
				"   WHERE d.pause_id OPERATOR(pg_catalog.=) $1"
				"     AND d.horizon OPERATOR(pg_catalog.<=)"
				"         pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())"
				"   FOR UPDATE SKIP LOCKED))"
				" AND NOT EXISTS (SELECT FROM noetl.queue AS q"
				"  WHERE q.status OPERATOR(pg_catalog.=) 'paused'"
				"    AND q.paused_by OPERATOR(pg_catalog.=) $1)"
				" RETURNING e.pause_id", 1, types, values, NULL) != NIL)
		store_pauses_changed();
	else
		note_horizon(pause_id);
}

/* Pauses ready tasks of a kind because of a rule (store/pause.h). */
int
store_park_kind(Store *store, const PauseKind *kind, int64 pause_id, int limit)
{
	Oid			types[] = {TEXTOID, TEXTOID, INT4OID};
	Datum		values[3];
	char		nulls[] = "   ";
	List	   *ids;
	ListCell   *lc;
	int			parked = 0;

	sql_set_text(values, nulls, 0, kind->path);
	sql_set_text(values, nulls, 1, kind->type);
	values[2] = Int32GetDatum(limit);
	ids = execute("SELECT q.queue_id FROM noetl.queue AS q"
				  "  JOIN noetl.execution AS x ON x.execution_id OPERATOR(pg_catalog.=) q.execution_id"
				  " WHERE q.status OPERATOR(pg_catalog.=) 'queued'"
				  "   AND x.path OPERATOR(pg_catalog.=) $1"
				  "   AND ($2 IS NULL OR q.node_type OPERATOR(pg_catalog.=) $2)"
				  " LIMIT $3", 3, types, values, nulls);
	foreach(lc, ids)
	{
		QueueScan	scan;
		ScanKeyData key;

		store_key_int64(&key, 1, *(int64 *) lfirst(lc));
		queue_scan_open(&scan, store, REL_QUEUE_PKEY, &key, 1);
		parked += pause_rows(store, &scan, pause_id, 1);
		queue_scan_close(&scan);
	}
	return parked;
}
