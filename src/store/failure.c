/*
 * store/failure.c
 *		Executions that the reaper could not finish: noetl.reaper_failure.
 *
 * The table is nearly always empty.  It is read often and written rarely, so it
 * is read directly and written by SQL.
 */
#include "common/common.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/sql.h"
#include "store/store.h"

/* Columns of noetl.reaper_failure */
#define FAILURE_EXECUTION_ID	1
#define FAILURE_NEXT_TRY_AT		7

/* Orders entries by execution_id. */
static int
compare_failures(const ListCell *a, const ListCell *b)
{
	const ReaperFailure *left = (ReaperFailure *) lfirst(a);
	const ReaperFailure *right = (ReaperFailure *) lfirst(b);

	return left->execution_id < right->execution_id ? -1 :
		left->execution_id > right->execution_id;
}

/* Reads the rows of the table. */
static List *
read_failures(Relation relation)
{
	List	   *failures = NIL;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		ReaperFailure *failure = palloc0(sizeof(ReaperFailure));

		failure->execution_id = DatumGetInt64(slot_column(slot, FAILURE_EXECUTION_ID));
		failure->next_try_at = DatumGetTimestampTz(slot_column(slot, FAILURE_NEXT_TRY_AT));
		failures = lappend(failures, failure);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	list_sort(failures, compare_failures);
	return failures;
}

/*
 * Returns what is recorded (ReaperFailure * with execution_id and next_try_at),
 * ordered by execution_id.
 */
List *
reaper_failures(void)
{
	Oid			relid = get_relname_relid("reaper_failure", get_namespace_oid("noetl", true));
	Relation	relation;
	List	   *failures;

	if (!OidIsValid(relid))
		return NIL;
	relation = table_open(relid, AccessShareLock);
	failures = RelationGetNumberOfBlocks(relation) == 0 ? NIL : read_failures(relation);
	table_close(relation, AccessShareLock);
	return failures;
}

/* Returns the entry of an execution, or NULL. */
const ReaperFailure *
reaper_failure_find(const List *failures, int64 execution_id)
{
	int			from = 0;
	int			to = list_length(failures);

	while (from < to)
	{
		int			middle = from + (to - from) / 2;
		const ReaperFailure *failure = (ReaperFailure *) list_nth(failures, middle);

		if (failure->execution_id == execution_id)
			return failure;
		if (failure->execution_id < execution_id)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

/*
 * Records a failure, and puts the next try off: by 1 s, then by twice as long as
 * before, up to ten minutes.  The caller holds the lock of the execution.
 */
void
reaper_failure_record(const ReaperFailure *failure)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum		values[] = {
		Int64GetDatum(failure->execution_id),
		CStringGetTextDatum(failure->sqlstate),
		CStringGetTextDatum(failure->error)
	};

	(void) sql_execute("INSERT INTO noetl.reaper_failure AS f"
							" (execution_id, failures, sqlstate, error, next_try_at)"
							" VALUES ($1, 1, $2, $3, pg_catalog.clock_timestamp()"
							"  OPERATOR(pg_catalog.+) '1 s'::pg_catalog.interval)"
							" ON CONFLICT (execution_id) DO UPDATE"
							" SET failures = f.failures OPERATOR(pg_catalog.+) 1,"
							"  sqlstate = excluded.sqlstate, error = excluded.error,"
							"  last_at = excluded.last_at,"
							"  next_try_at = excluded.last_at OPERATOR(pg_catalog.+)"
							"   ('1 s'::pg_catalog.interval OPERATOR(pg_catalog.*)"
							"   LEAST(600.0::pg_catalog.float8, pg_catalog.power(2.0::pg_catalog.float8,"
							"    LEAST(f.failures, 20)::pg_catalog.float8)))",
							3, types, values, NULL, NULL, NULL);
}

/* Deletes the record of an execution. */
void
reaper_failure_forget(int64 execution_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(execution_id)};

	(void) sql_execute("DELETE FROM noetl.reaper_failure"
							" WHERE execution_id OPERATOR(pg_catalog.=) $1",
							1, types, values, NULL, NULL, NULL);
}

/* Deletes the records of executions that are over; returns how many. */
int64
reaper_failures_clean(void)
{
	return (int64) sql_execute("DELETE FROM noetl.reaper_failure AS f"
							" WHERE f.next_try_at OPERATOR(pg_catalog.<)"
							"  (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"
							"   '1 min'::pg_catalog.interval)"
							" AND NOT EXISTS (SELECT FROM noetl.execution AS e"
							"  WHERE e.execution_id OPERATOR(pg_catalog.=) f.execution_id"
							"  AND e.ended_at IS NULL)",
							0, NULL, NULL, NULL, NULL, NULL);
}
