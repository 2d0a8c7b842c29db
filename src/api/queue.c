/*
 * api/queue.c
 *		The functions that workers call: lease, heartbeat, complete, fail, release;
 *		and enqueue_next, which does whatever is due.
 *
 * A lease belongs to (worker_id, attempt).  A function that ends a task takes the
 * execution lock and then reads the row again, so that a lease that was lost
 * meanwhile does not count.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/announce.h"
#include "api/arguments.h"
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

/* A session that leases without pause runs the timers this often */
#define TIMER_INTERVAL_US	INT64CONST(250000)
/* ... and leaves the timers alone as many times as long as it has run them */
#define TIMER_SHARE			20
#define LONGEST_INTERVAL_US	INT64CONST(20000000)
/* How often a lease scans the queue when it finds only rows that others have taken */
#define LEASE_TRIES		3

/* noetl.enqueue_next(execution_id): returns the number of tasks that become ready. */
Datum
noetl_enqueue_next(PG_FUNCTION_ARGS)
{
	int64		execution_id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	int64		enqueued;
	int			ready;
	bool		more;

	if (execution_id != 0)
		engine_check_owner_of(execution_id);
	/* the caller may have set a time by hand: no timer is skipped */
	store_read_all_timers();
	if (execution_id == 0)
		ready = engine_take_up_all();
	else
		(void) engine_take_up(execution_id, &ready);
	enqueued = ready;
	if (execution_id != 0)
		enqueued += engine_catch_up(execution_id);
	enqueued += engine_reap(execution_id, true, &more);
	PG_RETURN_INT64(enqueued);
}

/* ---------------------------------------------------------------------------
 * Leasing
 * ---------------------------------------------------------------------------
 */

/* Returns the worker_id argument; raises when it is null or empty. */
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

/* Returns an interval argument in microseconds; NULL: the default lease. */
static int64
lease_argument(FunctionCallInfo fcinfo, int argument)
{
	int64		us;

	if (PG_ARGISNULL(argument))
		return ENGINE_DEFAULT_LEASE_US;
	if (!timeout_of_interval(PG_GETARG_INTERVAL_P(argument), &us))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a lease must be longer than zero and shorter than a century")));
	return us;
}

/* LeasedRow: puts the row into the result set. */
static void
return_row(void *arg, TupleTableSlot *slot, TimestampTz lease_until)
{
	wake_timer(lease_until);
	tuplestore_puttupleslot((Tuplestorestate *) arg, slot);
}

/* When this session runs the timers next, though it is not idle */
static TimestampTz next_timers = 0;

/* Is it time for this session to run the timers, though it has tasks of its own? */
static bool
timers_wanted(void)
{
	TimestampTz now = GetCurrentTimestamp();

	return now >= next_timers || now < next_timers - LONGEST_INTERVAL_US;
}

/*
 * Runs the timers; returns the number of tasks that become ready.  What is due belongs to
 * others, so a session that has tasks of its own spends a small share of its time on it,
 * however slow that is.
 */
static int
run_timers(Store *store)
{
	TimestampTz began = GetCurrentTimestamp();
	TimestampTz now;
	bool		more;
	int			ready;

	store_write_deferred(store);
	ready = engine_reap(0, false, &more);
	now = GetCurrentTimestamp();
	next_timers = now + Min(Max(TIMER_INTERVAL_US, (now - began) * TIMER_SHARE),
							LONGEST_INTERVAL_US);
	return ready;
}

/*
 * Leases up to max_tasks.  Runs the timers when there is nothing to lease, and
 * afterwards if this session has not done so for a while: what is due belongs to
 * others, the lease is the caller's own.
 */
static void
lease(Store *store, LeaseRequest *request)
{
	int			wanted = request->max_tasks;
	const char *more = NULL;
	bool		skipped = false;
	bool		timed = false;

	for (int try = 0; try < LEASE_TRIES && wanted > 0; try++)
	{
		int			leased;

		request->max_tasks = wanted;
		request->look_closely = try > 0;
		leased = store_lease(store, request, &more, &skipped);
		wanted -= leased;
		if (leased > 0)
			break;
		if (skipped)
			continue;
		if (timed || run_timers(store) == 0)
			break;
		timed = true;
	}
	if (more != NULL)
		wake_at_commit(more);
	if (timers_wanted())
		(void) run_timers(store);
}

/* Leases by the arguments max_tasks, lease and types, which begin at "first". */
static void
lease_by_arguments(FunctionCallInfo fcinfo, Store *store, const char *worker_id, int first)
{
	LeaseRequest request;

	memset(&request, 0, sizeof(request));
	request.worker_id = worker_id;
	request.max_tasks = PG_ARGISNULL(first) ? 1 : PG_GETARG_INT32(first);
	request.lease_us = lease_argument(fcinfo, first + 1);
	request.ntypes = text_array_argument(fcinfo, first + 2, &request.types);
	if (request.ntypes > MOST_WAITED)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a lease is of at most %d types", MOST_WAITED),
				 errhint("Lease tasks of any type: types => NULL.")));
	request.callback = return_row;
	request.arg = rows_begin_stored(fcinfo);
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
	held = store_extend_lease(store, PG_GETARG_INT64(0), worker_id, engine_check_lease,
							  now + extend, now);
	store_close(store);
	if (held)
		wake_timer(now + extend);	/* the new end may be earlier than the old one */
	PG_RETURN_BOOL(held);
}

/* Returns whether the worker holds this row, also when the execution is over. */
static bool
holds(const QueueRow *row, const char *worker_id)
{
	return row->worker_id != NULL && strcmp(row->worker_id, worker_id) == 0 &&
		(strcmp(row->status, "leased") == 0 || strcmp(row->status, "cancelled") == 0);
}

/*
 * Gives a task back to the queue.  The task of an execution that is over is
 * deleted instead.  Returns the type of the task if it is ready again, or NULL.
 */
static const char *
release_task(Store *store, int64 queue_id, const char *worker_id)
{
	QueueRow	row;
	Execution	execution;

	if (!store_get_task(store, queue_id, &row))
		return NULL;
	engine_lock(row.execution_id);
	if (store_get_execution(store, row.execution_id, &execution) && execution.running)
		return store_release_task(store, queue_id, worker_id, engine_check_lease) ?
			row.node_type : NULL;
	if (store_get_task(store, queue_id, &row) && holds(&row, worker_id))
	{
		engine_check_lease(store, &row);
		(void) store_delete_task(store, queue_id);
	}
	return NULL;
}

/* noetl.release(queue_id, worker_id) */
Datum
noetl_release(PG_FUNCTION_ARGS)
{
	char	   *worker_id = worker_argument(fcinfo, 1);
	Store	   *store;
	const char *released;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	store = store_open(InvalidOid);
	released = release_task(store, PG_GETARG_INT64(0), worker_id);
	if (released != NULL)
		wake_at_commit(released);
	store_close(store);
	PG_RETURN_BOOL(released != NULL);
}

/* ---------------------------------------------------------------------------
 * Ending a task
 * ---------------------------------------------------------------------------
 */

/* Returns whether the attempt has exceeded its timeout; the worker may report before the reaper. */
static bool
is_overdue(const QueueRow *row)
{
	return row->deadline != 0 && row->deadline <= GetCurrentTimestamp();
}

/*
 * Reads a task under the lock of its execution; returns false when it is gone.  Which
 * execution that is tells the row, or, before it is read, what the session remembers.
 */
static bool
read_locked_task(Store *store, int64 queue_id, QueueRow *row)
{
	int64		remembered = store_recall_execution(store, queue_id);

	if (remembered != 0)
		engine_lock(remembered);
	if (!store_get_task(store, queue_id, row))
		return false;
	if (row->execution_id == remembered)
		return true;
	engine_lock(row->execution_id);
	return store_task_unchanged(store, row) || store_get_task(store, queue_id, row);
}

/* Stores the end of a leased task; returns false when the lease was lost. */
static bool
end_task(Store *store, int64 queue_id, const char *worker_id, EventType type,
		 Jsonb *result, const char *error)
{
	QueueRow	row;
	bool		held = read_locked_task(store, queue_id, &row) && holds(&row, worker_id);

	if (held)
	{
		engine_check_lease(store, &row);
		store_note_locked_task(store);
		engine_ingest_task_event(store, &row, type, result, error,
								 type == EVENT_ACTION_ERROR && is_overdue(&row) ?
								 REAPED_TIMEOUT : NULL);
	}
	return held && strcmp(row.status, "cancelled") != 0;
}

/* Does the same with a store of its own. */
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
	/* a slot that waits for nobody needs no other store, which would write what is deferred */
	if (limit_any_touched())
		limit_forget_calm(store);
	engine_settle_limits();
	lease_by_arguments(fcinfo, store, worker_id, 3);
	store_close(store);
	announce(fcinfo, worker_id, 5);
	return (Datum) 0;
}
