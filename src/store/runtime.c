/*
 * store/runtime.c
 *		What workers have asked for: noetl.runtime.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/store.h"

/*
 * Finds when a worker has last asked for tasks of a type, as workers announce it: to
 * the minute.  Returns false when none has that is known of.  Reads as the owner.
 */
bool
store_last_asked(const char *type, TimestampTz *when)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(type)};
	Oid			user;
	int			context;
	int			code;
	bool		isnull;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(store_owner(), context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	code = SPI_execute_with_args("SELECT pg_catalog.max(t.value::timestamptz)"
								 " FROM noetl.runtime AS r, LATERAL pg_catalog.jsonb_each_text("
								 "  CASE pg_catalog.jsonb_typeof(r.capabilities"
								 "    OPERATOR(pg_catalog.->) 'types')"
								 "  WHEN 'object' THEN r.capabilities OPERATOR(pg_catalog.->) 'types'"
								 "  ELSE '{}' END) AS t"
								 " WHERE t.key OPERATOR(pg_catalog.=) '*'"
								 "  OR t.key OPERATOR(pg_catalog.=) pg_catalog.left($1, 200)",
								 1, types, values, NULL, false, 0);
	if (code < 0 || SPI_processed != 1)
		elog(ERROR, "could not read noetl.runtime: %s", SPI_result_code_string(code));
	*when = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
											  1, &isnull));
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return !isnull;
}
