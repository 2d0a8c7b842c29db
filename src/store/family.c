/*
 * store/family.c
 *		How large the families of executions are: noetl.family; and whether one has been
 *		kept long enough.
 *
 * Counting every start would be a bottleneck, so a sample of the children is noted,
 * chosen by their ids, each with the number of children that it stands for.
 */
#include "common/common.h"

#include "catalog/pg_type.h"

#include "store/sql.h"
#include "store/store.h"

/* What is known of a family. */
typedef struct FamilySize
{
	int64		started;
	int64		live;
} FamilySize;

/* SqlRow: reads the size of a family. */
static void
read_size(void *arg, HeapTuple row, TupleDesc desc)
{
	FamilySize *size = (FamilySize *) arg;

	size->started = DatumGetInt64(sql_column(row, desc, 1));
	size->live = DatumGetInt64(sql_column(row, desc, 2));
}

/*
 * Notes a child of the sample, which stands for "weight" children, and estimates
 * how many children of the family were started and how many of them run.
 */
void
store_note_family(int64 root, int64 execution_id, int weight, int64 *started, int64 *live)
{
	static SqlStatement insert = {
		"INSERT INTO noetl.family (root_id, execution_id, weight) VALUES ($1, $2, $3)", 3,
		{INT8OID, INT8OID, INT4OID}, NULL
	};
	static SqlStatement count = {
		"SELECT pg_catalog.sum(f.weight), pg_catalog.sum(f.weight) FILTER"
		"  (WHERE e.status OPERATOR(pg_catalog.=) 'RUNNING')"
		" FROM noetl.family AS f LEFT JOIN noetl.execution AS e"
		"  ON e.execution_id OPERATOR(pg_catalog.=) f.execution_id"
		" WHERE f.root_id OPERATOR(pg_catalog.=) $1", 1, {INT8OID}, NULL
	};
	Datum		values[] = {
		Int64GetDatum(root), Int64GetDatum(execution_id), Int32GetDatum(weight)
	};
	FamilySize	size = {0, 0};

	(void) sql_execute_kept(&insert, values, false, NULL, NULL);
	(void) sql_execute_kept(&count, values, false, read_size, &size);
	*started = size.started;
	*live = size.live;
}

/*
 * Forgets the families whose topmost execution is over; leaves what another session
 * is forgetting.
 */
void
store_forget_families(void)
{
	(void) sql_execute("DELETE FROM noetl.family AS f WHERE f.ctid"
					   " OPERATOR(pg_catalog.=) ANY (ARRAY("
					   "  SELECT d.ctid FROM noetl.family AS d WHERE NOT EXISTS"
					   "   (SELECT FROM noetl.execution AS e"
					   "     WHERE e.execution_id OPERATOR(pg_catalog.=) d.root_id"
					   "       AND e.status OPERATOR(pg_catalog.=) 'RUNNING')"
					   "  FOR UPDATE OF d SKIP LOCKED))", 0, NULL, NULL, NULL, NULL, NULL);
}

/* Returns whether a family has been kept long enough (store/store.h). */
bool
store_family_expired(Datum *values, const char *nulls)
{
	Oid			types[] = {INT8OID, TEXTOID, INTERVALOID};

	return sql_execute("SELECT WHERE noetl.family_expired($1, $2, $3)", 3, types, values, nulls,
					   NULL, NULL) > 0;
}
