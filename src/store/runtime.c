/*
 * store/runtime.c
 *		What workers have asked for: noetl.runtime.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/sql.h"
#include "store/store.h"

/* SqlRow: reads a time; NULL is 0. */
static void
read_time(void *arg, HeapTuple row, TupleDesc desc)
{
	*(TimestampTz *) arg = DatumGetTimestampTz(sql_column(row, desc, 1));
}

/*
 * Finds when a worker has last asked for tasks of a type, as workers announce it: to
 * the minute.  Returns false when none has that is known of.  Reads as the owner.
 */
bool
store_last_asked(const char *type, TimestampTz *when)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(type)};

	*when = 0;
	(void) sql_execute("SELECT pg_catalog.max(t.value::timestamptz)"
					   " FROM noetl.runtime AS r, LATERAL pg_catalog.jsonb_each_text("
					   "  CASE pg_catalog.jsonb_typeof(r.capabilities"
					   "    OPERATOR(pg_catalog.->) 'types')"
					   "  WHEN 'object' THEN r.capabilities OPERATOR(pg_catalog.->) 'types'"
					   "  ELSE '{}' END) AS t"
					   " WHERE t.key OPERATOR(pg_catalog.=) '*'"
					   "  OR t.key OPERATOR(pg_catalog.=) pg_catalog.left($1, 200)",
					   1, types, values, NULL, read_time, when);
	return *when != 0;
}
