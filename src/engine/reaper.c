/*
 * engine/reaper.c
 *		What the passing of time makes due: retries, expired leases, timeouts of
 *		steps and of executions.
 *
 * Sessions that lease tasks call the reaper now and then, noetl.enqueue_next() and
 * the timer process call it every time.  Whatever is due becomes an event in the
 * log of its execution, and the broker decides on it as on an event of a worker.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "engine/internal.h"
#include "playbook/playbook.h"
#include "wakeup/wakeup.h"

/* Rows that one call takes on, of each kind */
#define REAPER_BATCH	1000

/*
 * Locks an execution and all of its ancestors, which its end concerns.  It never
 * waits: this transaction may hold the locks of many executions.  Returns false
 * when another session holds one of the locks, or when the broker is off and
 * undecided events come first.  *execution of one that does not exist says that it
 * does not run.
 */
static bool
lock_family(Store *store, int64 execution_id, Execution *execution)
{
	Execution	ancestor;

	memset(execution, 0, sizeof(Execution));
	if (!execution_trylock(execution_id) ||
		(!noetl_broker && store_any_pending(store, execution_id)))
		return false;
	if (!store_get_execution(store, execution_id, execution))
		return true;
	ancestor = *execution;
	while (ancestor.parent_execution_id != 0)
	{
		if (!execution_trylock(ancestor.parent_execution_id))
			return false;
		if (!store_get_execution(store, ancestor.parent_execution_id, &ancestor))
			break;
	}
	return true;
}

/*
 * Takes back a lease that has expired, or ends an attempt that has exceeded its
 * timeout.  Returns whether the task is ready for another worker.
 */
static bool
reap_lease(Store *store, const QueueRow *due)
{
	QueueRow	row;
	TaskQuery	query;
	Execution	execution;
	TimestampTz now = GetCurrentTimestamp();

	if (!lock_family(store, due->execution_id, &execution) ||
		!store_get_task(store, due->queue_id, &row) ||
		row.lease_until == 0 || row.lease_until > now)
		return false;
	if (!execution.running || strcmp(row.status, "cancelled") == 0)
	{
		(void) store_delete_task(store, row.queue_id);
		return false;
	}
	if (row.deadline != 0 && row.deadline <= now)
	{
		if (strcmp(row.status, "leased") != 0)
			row.attempts++;		/* no worker leased it in time */
		engine_ingest_task_event(store, &row, EVENT_ACTION_ERROR, NULL,
								 timeout_error(row.timeout), REAPED_TIMEOUT);
	}
	else if (strcmp(row.status, "leased") == 0)
		engine_ingest_task_event(store, &row, EVENT_ACTION_ERROR, NULL,
								 "lease expired", REAPED_LEASE);
	else
		return false;
	query.node_name = row.node_name;
	query.visit = node_id_visit(row.node_id, row.execution_id, row.node_name);
	query.item = row.item;
	query.worker_id = NULL;
	return store_find_task(store, row.execution_id, &query, &row) &&
		strcmp(row.status, "queued") == 0;
}

/* Ends an execution that has exceeded its timeout, if it still runs. */
static void
reap_execution(Store *store, int64 execution_id)
{
	Execution	execution;
	Event		event;
	JsonBuilder builder;
	JsonbValue	value;

	if (!lock_family(store, execution_id, &execution) || !execution.running ||
		execution.deadline == 0 || execution.deadline > GetCurrentTimestamp())
		return;
	memset(&event, 0, sizeof(event));
	event.execution_id = execution_id;
	event.event_type = event_type_name(EVENT_EXECUTION_FAILED);
	event.node_name = execution.path;
	event.node_type = "playbook";
	event.error = timeout_error(execution.deadline - execution.started_at);
	json_begin_object(&builder);
	json_add_text(&builder, "reason", event.error);
	json_end_object(&builder, &value);
	event.result = json_to_jsonb(&value);
	event.meta = task_event_meta(REAPED_TIMEOUT, 0);
	(void) engine_ingest(store, &event);
}

/*
 * Ends an open step that has exceeded its timeout, or starts its next attempt.
 * Returns the number of tasks that are enqueued.
 */
static int
reap_run(Store *store, const DueRun *due)
{
	Execution	execution;

	if (!lock_family(store, due->execution_id, &execution) || !execution.running ||
		!store_run_is_due(store, due))
		return 0;
	return evaluate_run_due(due->execution_id, due->step_name, due->visit);
}

/* Does what is due, of one execution or of all (0). */
int
engine_reap(int64 execution_id, bool asked)
{
	Store	   *store = store_open(InvalidOid);
	int			ready = store_promote_due(store, execution_id, REAPER_BATCH);
	List	   *leases = store_expired_leases(store, execution_id, REAPER_BATCH);
	List	   *executions = store_due_executions(store, execution_id, REAPER_BATCH);
	List	   *runs = noetl_broker || asked ?
		store_due_runs(store, execution_id, REAPER_BATCH) : NIL;
	ListCell   *lc;

	store_close(store);
	for (int i = 0; i < ready; i++)
		wake_at_commit(NULL);
	foreach(lc, executions)
	{
		CHECK_FOR_INTERRUPTS();
		store = store_open(InvalidOid);
		reap_execution(store, *(int64 *) lfirst(lc));
		store_close(store);
	}
	foreach(lc, runs)
	{
		CHECK_FOR_INTERRUPTS();
		store = store_open(InvalidOid);
		ready += reap_run(store, (DueRun *) lfirst(lc));
		store_close(store);
	}
	foreach(lc, leases)
	{
		CHECK_FOR_INTERRUPTS();
		store = store_open(InvalidOid);
		if (reap_lease(store, (QueueRow *) lfirst(lc)))
			ready++;
		store_close(store);
	}
	return ready;
}
