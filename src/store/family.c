/*
 * store/family.c
 *		How large the families of executions are: noetl.family.
 *
 * Counting every start would be a bottleneck, so a sample of the children is noted,
 * chosen by their ids, each with the number of children that it stands for.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "store/store.h"

/* Returns a column of the row that SPI has found; NULL counts as 0. */
static int64
count_of(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column,
									  &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/*
 * Notes a child of the sample, which stands for "weight" children, and estimates
 * how many children of the family were started and how many of them run.
 */
void
store_note_family(int64 root, int64 execution_id, int weight, int64 *started, int64 *live)
{
	Oid			types[] = {INT8OID, INT8OID, INT4OID};
	Datum		values[] = {
		Int64GetDatum(root), Int64GetDatum(execution_id), Int32GetDatum(weight)
	};
	Oid			user;
	int			context;
	int			code;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(store_owner(), context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	code = SPI_execute_with_args("INSERT INTO noetl.family (root_id, execution_id, weight)"
								 " VALUES ($1, $2, $3)", 3, types, values, NULL, false, 0);
	if (code >= 0)
		code = SPI_execute_with_args("SELECT pg_catalog.sum(f.weight), pg_catalog.sum(f.weight) FILTER"
									 "  (WHERE e.status OPERATOR(pg_catalog.=) 'RUNNING')"
									 " FROM noetl.family AS f LEFT JOIN noetl.execution AS e"
									 "  ON e.execution_id OPERATOR(pg_catalog.=) f.execution_id"
									 " WHERE f.root_id OPERATOR(pg_catalog.=) $1",
									 1, types, values, NULL, false, 0);
	if (code < 0 || SPI_processed != 1)
		elog(ERROR, "could not count a family: %s", SPI_result_code_string(code));
	*started = count_of(1);
	*live = count_of(2);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

/* Forgets the families whose topmost execution is over. */
void
store_forget_families(void)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(store_owner(), context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	(void) SPI_execute("DELETE FROM noetl.family AS f WHERE NOT EXISTS"
					   " (SELECT FROM noetl.execution AS e"
					   "  WHERE e.execution_id OPERATOR(pg_catalog.=) f.root_id"
					   "  AND e.status OPERATOR(pg_catalog.=) 'RUNNING')", false, 0);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}
