/*
 * api/retention.c
 *		What the SQL functions about retention need of C.
 */
#include "common/common.h"

#include "fmgr.h"

#include "store/store.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_exclude_range);
PG_FUNCTION_INFO_V1(noetl_expect_maintenance);

/*
 * noetl.expect_maintenance(): wakes the timer process when the transaction
 * commits; it looks at noetl.retention then.
 */
Datum
noetl_expect_maintenance(PG_FUNCTION_ARGS)
{
	wake_timer(TIMER_MAINTAIN);
	PG_RETURN_VOID();
}

/*
 * noetl.exclude_range(partition, since, until, constraint_name): adds a CHECK that
 * the partition has no events of executions from "since" to before "until".
 */
Datum
noetl_exclude_range(PG_FUNCTION_ARGS)
{
	store_exclude_range(PG_GETARG_OID(0), PG_GETARG_INT64(1), PG_GETARG_INT64(2),
						NameStr(*PG_GETARG_NAME(3)));
	PG_RETURN_VOID();
}
