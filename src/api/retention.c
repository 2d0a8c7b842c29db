/*
 * api/retention.c
 *		What the SQL functions about retention need of C.
 */
#include "common/common.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/hsearch.h"

#include "store/store.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_exclude_range);
PG_FUNCTION_INFO_V1(noetl_expect_maintenance);
PG_FUNCTION_INFO_V1(noetl_relatives_expired);

/* What a statement knows of a family. */
typedef struct KnownFamily
{
	int64		topmost;		/* the key */
	bool		expired;
} KnownFamily;

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

/* Returns the topmost ancestor of an execution that has a row. */
static int64
topmost_ancestor(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	Execution	parent;

	if (store_get_execution(store, execution_id, &execution))
		while (execution.parent_execution_id != 0 &&
			   store_get_execution(store, execution.parent_execution_id, &parent))
		{
			CHECK_FOR_INTERRUPTS();
			execution = parent;
			execution_id = parent.execution_id;
		}
	store_close(store);
	return execution_id;
}

/* Returns what the statement that calls a function knows of families. */
static HTAB *
known_families(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		HASHCTL		control;

		memset(&control, 0, sizeof(control));
		control.keysize = sizeof(int64);
		control.entrysize = sizeof(KnownFamily);
		control.hcxt = fcinfo->flinfo->fn_mcxt;
		fcinfo->flinfo->fn_extra = hash_create("families of executions", 256, &control,
											   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	return (HTAB *) fcinfo->flinfo->fn_extra;
}

/*
 * noetl.relatives_expired(of_execution, change_path, change_keep): returns whether the
 * whole family of an execution has been kept long enough.  A family is read once for all
 * its members.
 */
Datum
noetl_relatives_expired(PG_FUNCTION_ARGS)
{
	int64		topmost;
	KnownFamily *family;
	bool		found;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	topmost = topmost_ancestor(PG_GETARG_INT64(0));
	family = hash_search(known_families(fcinfo), &topmost, HASH_FIND, NULL);
	if (family == NULL)
	{
		Datum		values[] = {Int64GetDatum(topmost), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
		char		nulls[] = {' ', PG_ARGISNULL(1) ? 'n' : ' ', PG_ARGISNULL(2) ? 'n' : ' '};
		bool		expired = store_family_expired(values, nulls);

		family = hash_search(known_families(fcinfo), &topmost, HASH_ENTER, &found);
		family->expired = expired;
	}
	PG_RETURN_BOOL(family->expired);
}
