/*
 * api/queue.c
 *		The functions workers call: lease, heartbeat, complete, fail, release;
 *		and enqueue_next, which does whatever is due (reaper.c).
 *
 * A lease belongs to (worker_id, attempt).  Whoever wants to end a task takes
 * the execution's lock first and looks at the row again under it, so that a
 * lease that was lost cannot slip through.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/announce.h"
#include "engine/engine.h"
#include "store/store.h"
#include "playbook/playbook.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_enqueue_next);
PG_FUNCTION_INFO_V1(noetl_lease);
PG_FUNCTION_INFO_V1(noetl_heartbeat);
PG_FUNCTION_INFO_V1(noetl_complete);
PG_FUNCTION_INFO_V1(noetl_fail);
PG_FUNCTION_INFO_V1(noetl_release);
PG_FUNCTION_INFO_V1(noetl_complete_and_lease);

/* A busy backend looks at the timers this often */
#define TIMER_INTERVAL_US	INT64CONST(250000)
/* A lease that finds only rows that others have taken looks this often */
#define LEASE_TRIES		3

/* noetl.enqueue_next(execution_id) */
Datum
noetl_enqueue_next(PG_FUNCTION_ARGS)
{
	int64		execution_id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	int64		enqueued;

	/* who asks by name may have set a time by hand, or committed late */
	store_read_all_timers();
	enqueued = event_catch_up(execution_id);
	enqueued += reaper_run(execution_id, true);
	PG_RETURN_INT64(enqueued);
}

/* ---------------------------------------------------------------------------
 * Leasing
 * ---------------------------------------------------------------------------
 */

/* A worker's name; without one nobody could tell whose the lease is. */
static char *
worker_argument(FunctionCallInfo fcinfo, int argument)
{
	char	   *worker_id;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("worker_id must not be null")));
	worker_id = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (worker_id[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("worker_id must not be empty")));
	return worker_id;
}

/* An interval in microseconds; NULL: the default lease. */
static int64
lease_argument(FunctionCallInfo fcinfo, int argument)
{
	int64		us;

	if (PG_ARGISNULL(argument))
		return DEFAULT_LEASE_US;
	if (!timeout_of_interval(PG_GETARG_INTERVAL_P(argument), &us))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a lease must be longer than zero and shorter than a century")));
	return us;
}

/* The types a worker takes; NULL or empty: any. */
static void
types_argument(FunctionCallInfo fcinfo, int argument, LeaseRequest *request)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(argument))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	request->types = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			request->types[request->ntypes++] = TextDatumGetCString(elements[i]);
}

/* LeasedRow: into the result set. */
static void
return_row(void *arg, TupleTableSlot *slot)
{
	wake_timer(DatumGetTimestampTz(slot_column(slot, QUEUE_COL_LEASE_UNTIL)));
	tuplestore_puttupleslot((Tuplestorestate *) arg, slot);
}

/* Is it time for this backend to look after timers? */
static bool
timers_wanted(bool idle)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (!idle && now - last < TIMER_INTERVAL_US && now >= last)
		return false;
	last = now;
	return true;
}

/* Looks after them on the way to something else. */
static int
run_timers(Store *store)
{
	store_write_deferred(store);
	return reaper_run(0, false);
}

/*
 * Leases up to max_tasks.  A backend that finds nothing, or has not done so for
 * a while, looks after retries and expired leases on the way.
 */
static void
lease(Store *store, LeaseRequest *request)
{
	int			wanted = request->max_tasks;
	bool		more = false;
	bool		skipped = false;

	if (timers_wanted(false))
		(void) run_timers(store);
	for (int try = 0; try < LEASE_TRIES && wanted > 0; try++)
	{
		int			leased;

		request->max_tasks = wanted;
		request->look_closely = try > 0;
		leased = store_lease(store, request, &more, &skipped);
		wanted -= leased;
		if (leased > 0)
			break;
		if (!skipped && !(try == 0 && timers_wanted(true) && run_timers(store) > 0))
			break;
	}
	if (more)
		wake_at_commit(NULL);
}

/* Fills a request from arguments (max_tasks, lease, types) and leases. */
static void
lease_by_arguments(FunctionCallInfo fcinfo, Store *store, const char *worker_id, int first)
{
	LeaseRequest request;

	memset(&request, 0, sizeof(request));
	request.worker_id = worker_id;
	request.max_tasks = PG_ARGISNULL(first) ? 1 : PG_GETARG_INT32(first);
	request.lease_us = lease_argument(fcinfo, first + 1);
	types_argument(fcinfo, first + 2, &request);
	request.callback = return_row;
	request.arg = rows_begin(fcinfo)->setResult;
	request.taken = wake_not_needed;
	if (request.max_tasks > 0)
		lease(store, &request);
}

/* Notes for which types (an argument) a worker has asked. */
static void
announce(FunctionCallInfo fcinfo, const char *worker_id, int argument)
{
	bool		any_type = PG_ARGISNULL(argument) ||
		ARR_NDIM(PG_GETARG_ARRAYTYPE_P(argument)) == 0;

	announce_lease(worker_id, any_type ? (Datum) 0 : PG_GETARG_DATUM(argument), any_type);
}

/* noetl.lease(worker_id, max_tasks, lease, types) */
Datum
noetl_lease(PG_FUNCTION_ARGS)
{
	char	   *worker_id = worker_argument(fcinfo, 0);
	Store	   *store = store_open(InvalidOid);

	lease_by_arguments(fcinfo, store, worker_id, 1);
	store_close(store);
	announce(fcinfo, worker_id, 3);
	return (Datum) 0;
}

/* noetl.heartbeat(queue_id, worker_id, extend) */
Datum
noetl_heartbeat(PG_FUNCTION_ARGS)
{
	char	   *worker_id = worker_argument(fcinfo, 1);
	int64		extend = lease_argument(fcinfo, 2);
	TimestampTz now = GetCurrentTimestamp();
	Store	   *store;
	bool		held;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	store = store_open(InvalidOid);
	held = store_extend_lease(store, PG_GETARG_INT64(0), worker_id, now + extend, now);
	store_close(store);
	if (held)
		wake_timer(now + extend);	/* it may end sooner than it would have */
	PG_RETURN_BOOL(held);
}

/* Does the worker still hold this row, be it in vain? */
static bool
holds(const QueueRow *row, const char *worker_id)
{
	return row->worker_id != NULL && strcmp(row->worker_id, worker_id) == 0 &&
		(strcmp(row->status, "leased") == 0 || strcmp(row->status, "cancelled") == 0);
}

/* A task given back after its execution ended has no place in the queue. */
static bool
release_task(Store *store, int64 queue_id, const char *worker_id)
{
	QueueRow	row;
	Execution	execution;

	if (!store_get_task(store, queue_id, &row))
		return false;
	execution_lock(row.execution_id);
	if (store_get_execution(store, row.execution_id, &execution) && execution.running)
		return store_release_task(store, queue_id, worker_id);
	if (store_get_task(store, queue_id, &row) && holds(&row, worker_id))
		(void) store_delete_task(store, queue_id);
	return false;
}

/* noetl.release(queue_id, worker_id) */
Datum
noetl_release(PG_FUNCTION_ARGS)
{
	char	   *worker_id = worker_argument(fcinfo, 1);
	Store	   *store;
	bool		released;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	store = store_open(InvalidOid);
	released = release_task(store, PG_GETARG_INT64(0), worker_id);
	store_close(store);
	if (released)
		wake_at_commit(NULL);
	PG_RETURN_BOOL(released);
}

/* ---------------------------------------------------------------------------
 * Ending a task
 * ---------------------------------------------------------------------------
 */

/* Is the time over that the attempt had?  A worker may find out before us. */
static bool
is_overdue(const QueueRow *row)
{
	return row->deadline != 0 && row->deadline <= GetCurrentTimestamp();
}

/* Reports the end of a leased task.  False: the lease was lost. */
static bool
end_task(Store *store, int64 queue_id, const char *worker_id, EventType type,
		 Jsonb *result, const char *error)
{
	QueueRow	row;
	bool		held = false;

	if (store_get_task(store, queue_id, &row))
	{
		execution_lock(row.execution_id);
		held = (store_task_unchanged(store, &row) || store_get_task(store, queue_id, &row)) &&
			holds(&row, worker_id);
	}
	if (held)
		task_event_ingest(store, &row, type, result, error,
						 type == EVENT_ACTION_ERROR && is_overdue(&row) ?
						 REAPED_TIMEOUT : NULL);
	return held && strcmp(row.status, "cancelled") != 0;
}

/* The same as all that a function does. */
static bool
end_one_task(int64 queue_id, const char *worker_id, EventType type,
			 Jsonb *result, const char *error)
{
	Store	   *store = store_open(InvalidOid);
	bool		held = end_task(store, queue_id, worker_id, type, result, error);

	store_close(store);
	return held;
}

/* noetl.complete(queue_id, result, worker_id) */
Datum
noetl_complete(PG_FUNCTION_ARGS)
{
	char	   *worker_id = worker_argument(fcinfo, 2);

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(end_one_task(PG_GETARG_INT64(0), worker_id,
								EVENT_ACTION_COMPLETED,
								PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1), NULL));
}

/* noetl.fail(queue_id, error, worker_id, result) */
Datum
noetl_fail(PG_FUNCTION_ARGS)
{
	char	   *worker_id = worker_argument(fcinfo, 2);

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(end_one_task(PG_GETARG_INT64(0), worker_id,
								EVENT_ACTION_ERROR,
								PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3),
								PG_ARGISNULL(1) ? NULL :
								text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

/* noetl.complete_and_lease(queue_id, result, worker_id, max_tasks, lease, types) */
Datum
noetl_complete_and_lease(PG_FUNCTION_ARGS)
{
	char	   *worker_id = worker_argument(fcinfo, 2);
	Store	   *store = store_open(InvalidOid);

	store_defer_tasks(store);
	if (!PG_ARGISNULL(0) &&
		!end_task(store, PG_GETARG_INT64(0), worker_id, EVENT_ACTION_COMPLETED,
				  PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1), NULL))
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("worker \"%s\" has lost its lease", worker_id),
				 errdetail("Task " INT64_FORMAT " was not completed.",
						   PG_GETARG_INT64(0))));
	lease_by_arguments(fcinfo, store, worker_id, 3);
	store_close(store);
	announce(fcinfo, worker_id, 5);
	return (Datum) 0;
}
