/*
 * replay/redrive_all.c
 *		The SQL functions redrive_all(), retry_all() and cancel_all(): they resume,
 *		or cancel, many executions in one statement.
 *
 * Each execution is taken on in a subtransaction: one that fails is reported and does
 * not concern the others.
 */
#include "common/common.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

#include "replay/internal.h"
#include "replay/redrive.h"

PG_FUNCTION_INFO_V1(noetl_redrive_all);
PG_FUNCTION_INFO_V1(noetl_retry_all);
PG_FUNCTION_INFO_V1(noetl_cancel_all);

/* What is done with each execution; returns whether anything was done. */
typedef bool (*BulkWork) (int64 execution_id);

/* Which executions are meant, by the conditions that all of the functions share. */
#define SELECT_EXECUTIONS \
	"SELECT x.execution_id, x.started_by::pg_catalog.oid FROM noetl.execution AS x" \
	" WHERE ($4 IS NULL OR x.labels OPERATOR(pg_catalog.@>) $4)" \
	" AND (x.path OPERATOR(pg_catalog.=) $1 OR ($1 IS NULL AND x.parent_execution_id IS NULL))"
#define IN_ORDER " ORDER BY x.execution_id"

/* A held step whose failure is meant, that is the newest one. */
#define HELD_STEP \
	"EXISTS (SELECT FROM noetl.run AS r" \
	" LEFT JOIN LATERAL noetl.held_since(r.execution_id, r.step_name, r.visit) AS e ON true" \
	" WHERE r.execution_id OPERATOR(pg_catalog.=) x.execution_id" \
	" AND r.state OPERATOR(pg_catalog.=) 'held'" \
	" AND ($2 IS NULL OR e.error OPERATOR(pg_catalog.~~) $2)" \
	" AND ($3 IS NULL OR e.created_at OPERATOR(pg_catalog.>=) $3))"

static const char *const failed_executions = SELECT_EXECUTIONS
" AND x.status OPERATOR(pg_catalog.=) 'FAILED'"
" AND ($2 IS NULL OR x.error OPERATOR(pg_catalog.~~) $2)"
" AND ($3 IS NULL OR x.ended_at OPERATOR(pg_catalog.>=) $3)" IN_ORDER;

static const char *const held_executions = SELECT_EXECUTIONS
" AND x.status OPERATOR(pg_catalog.=) 'RUNNING' AND " HELD_STEP IN_ORDER;

static const char *const live_executions = SELECT_EXECUTIONS
" AND (x.status OPERATOR(pg_catalog.=) 'RUNNING' OR x.status OPERATOR(pg_catalog.=) 'SCHEDULED')"
" AND ($2 IS NULL OR " HELD_STEP ")"
" AND ($2 IS NOT NULL OR $3 IS NULL OR x.started_at OPERATOR(pg_catalog.>=) $3)" IN_ORDER;

/* ---------------------------------------------------------------------------
 * Which executions
 * ---------------------------------------------------------------------------
 */

/* Runs a query as the owner of the tables; its rows are in SPI_tuptable. */
static void
select_as_owner(FunctionCallInfo fcinfo, const char *query)
{
	Oid			types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, JSONBOID};
	Datum		values[4];
	char		nulls[4];
	Oid			user;
	int			context;

	for (int i = 0; i < 4; i++)
	{
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(store_owner(), context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_execute_with_args(query, 4, types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "executions could not be selected");
	SetUserIdAndSecContext(user, context);
}

/* Returns the executions (int64 *) that are meant and are the current role's to act for. */
static List *
find_executions(FunctionCallInfo fcinfo, const char *query, int max)
{
	MemoryContext memory = CurrentMemoryContext;
	List	   *ids = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	select_as_owner(fcinfo, query);
	for (uint64 i = 0; i < SPI_processed && list_length(ids) < max; i++)
	{
		bool		isnull;
		HeapTuple	row = SPI_tuptable->vals[i];
		int64		id = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		Oid			role = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
		MemoryContext old;

		if (!engine_acts_for(role))
			continue;
		old = MemoryContextSwitchTo(memory);
		ids = lappend(ids, palloc(sizeof(int64)));
		*(int64 *) llast(ids) = id;
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return ids;
}

/* ---------------------------------------------------------------------------
 * What is done
 * ---------------------------------------------------------------------------
 */

/* BulkWork: resumes an execution that is over. */
static bool
redrive_work(int64 execution_id)
{
	Recovery	recovery;

	memset(&recovery, 0, sizeof(recovery));
	redrive(&recovery, execution_id);
	return recovery.redriven != NIL;
}

/* BulkWork: gives the held steps of an execution new attempts. */
static bool
retry_work(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	Recovery	recovery;

	memset(&recovery, 0, sizeof(recovery));
	engine_begin_recovery(store, execution_id, &execution);
	store_close(store);
	return execution.running && retry_held(&recovery, execution_id, -1) > 0;
}

/* BulkWork: cancels an execution. */
static bool
cancel_work(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	Event		event;

	engine_lock(execution_id);
	if (!store_get_execution(store, execution_id, &execution) || !execution.running)
	{
		store_close(store);
		return false;
	}
	memset(&event, 0, sizeof(event));
	event.execution_id = execution_id;
	event.event_type = event_type_name(EVENT_EXECUTION_CANCELLED);
	(void) engine_ingest(store, &event);
	store_close(store);
	return true;
}

/* Does the work for one execution in a subtransaction; warns and returns false if it fails. */
static bool
do_one(BulkWork work, int64 execution_id)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		done = work(execution_id);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(memory);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(error);
		ereport(WARNING,
				(errmsg("execution " INT64_FORMAT " was left as it is: %s", execution_id,
						error->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	return done;
}

/* Puts an id into the result set. */
static void
return_id(ReturnSetInfo *result, int64 id)
{
	Datum		value = Int64GetDatum(id);
	bool		isnull = false;

	tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
}

/* Raises an error for arguments by which no execution could be meant. */
static void
check_arguments(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(3) && !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(3)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("labels must be a JSON object"),
				 errhint("Executions that have all of them are meant: '{\"team\": \"billing\"}'.")));
	if (!PG_ARGISNULL(4) && PG_GETARG_INT32(4) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must not be negative")));
}

/*
 * Does the work for the executions that the arguments mean, "max" of them, and returns
 * their ids; dry_run: only returns them.
 */
static Datum
do_all(FunctionCallInfo fcinfo, const char *query, BulkWork work)
{
	ReturnSetInfo *result = rows_begin(fcinfo);
	int			max = PG_ARGISNULL(4) ? PG_INT32_MAX : PG_GETARG_INT32(4);
	bool		dry_run = PG_ARGISNULL(5) || PG_GETARG_BOOL(5);
	List	   *ids;
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl bulk execution",
												 ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	check_arguments(fcinfo);
	ids = find_executions(fcinfo, query, max);
	foreach(lc, ids)
	{
		int64		id = *(int64 *) lfirst(lc);
		MemoryContext old;
		bool		done;

		CHECK_FOR_INTERRUPTS();
		if (dry_run)
		{
			return_id(result, id);
			continue;
		}
		old = MemoryContextSwitchTo(memory);
		done = do_one(work, id);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		if (done)
			return_id(result, id);
	}
	MemoryContextDelete(memory);
	return (Datum) 0;
}

/* noetl.redrive_all(path, error_like, since, labels, max, dry_run): of failed executions. */
Datum
noetl_redrive_all(PG_FUNCTION_ARGS)
{
	return do_all(fcinfo, failed_executions, redrive_work);
}

/* noetl.retry_all(path, error_like, since, labels, max, dry_run): of those with held steps. */
Datum
noetl_retry_all(PG_FUNCTION_ARGS)
{
	return do_all(fcinfo, held_executions, retry_work);
}

/* noetl.cancel_all(path, error_like, since, labels, max, dry_run): of live executions. */
Datum
noetl_cancel_all(PG_FUNCTION_ARGS)
{
	return do_all(fcinfo, live_executions, cancel_work);
}
