/*
 * engine/reaper.c
 *		What the passing of time makes due: retries, expired leases, timeouts of
 *		steps and of executions, scheduled executions, schedules.
 *
 * Sessions that lease tasks call the reaper now and then, noetl.enqueue_next() and
 * the timer process call it every time.  Whatever is due becomes an event in the
 * log of its execution, and the broker decides on it as on an event of a worker.
 *
 * What is due belongs to others than the caller, so each execution is taken on in
 * a subtransaction with a limit of time (limited.c).  What fails is recorded in
 * noetl.reaper_failure, and the execution is left alone for a while.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "playbook/playbook.h"
#include "wakeup/wakeup.h"

/* Executions that one call takes on when it has been asked to */
#define REAPER_BATCH	1000
/*
 * Executions that a session takes on while it passes by: no more subtransactions
 * than PostgreSQL keeps in shared memory, lest other sessions' snapshots get slow
 */
#define PASSING_BATCH	32
/* Executions of a schedule that such a session starts at once */
#define PASSING_STARTS	50
/* Such a session begins nothing more so long after it has begun the first thing */
#define PASSING_TIME_US	INT64CONST(25000)

/* Has lock_ancestors() met a lock of another session?  Set back by reap_one() */
static bool met_lock = false;

/* Takes the lock of an execution unless another session holds it. */
static bool
lock_one(int64 execution_id)
{
	if (execution_trylock(execution_id))
		return true;
	met_lock = true;
	return false;
}

/*
 * Locks an execution and those of its ancestors that its end concerns.  It never
 * waits: this transaction may hold the locks of many executions.  Returns false
 * when another session holds one of the locks, and when a statement of the execution
 * itself calls, whose decisions are not written yet, or a trigger while an event of the
 * execution is being stored.  *execution of one that does not exist says that it does not
 * run.
 */
static bool
lock_ancestors(Store *store, int64 execution_id, Execution *execution)
{
	Execution	ancestor;

	memset(execution, 0, sizeof(Execution));
	if (frame_find_writing(execution_id) != NULL || in_flight_coming(execution_id) != NULL ||
		!lock_one(execution_id))
		return false;
	if (!store_get_execution(store, execution_id, execution))
		return true;
	ancestor = *execution;
	while (ancestor.parent_execution_id != 0)
	{
		if (execution_is_over(store, ancestor.parent_execution_id))
			break;
		if (!lock_one(ancestor.parent_execution_id))
			return false;
		if (!store_get_execution(store, ancestor.parent_execution_id, &ancestor))
			break;
	}
	return true;
}

/*
 * Does the same, and returns false as well when the broker is off and undecided
 * events come first.
 */
static bool
lock_family(Store *store, int64 execution_id, Execution *execution)
{
	memset(execution, 0, sizeof(Execution));
	if (!lock_one(execution_id) ||
		(!noetl_broker && store_any_pending(store, execution_id)))
		return false;
	return lock_ancestors(store, execution_id, execution);
}

/* Returns why nobody has leased a task in time, as far as workers say what they ask for. */
static char *
queue_timeout_error(const QueueRow *row)
{
	double		seconds = (double) row->queue_timeout / USECS_PER_SEC;
	TimestampTz asked;

	if (strcmp(row->status, "blocked") == 0)
		return psprintf("not leased within %.15g seconds: a limit has had no room for it", seconds);
	if (!store_last_asked(row->node_type, &asked))
		return psprintf("not leased within %.15g seconds: no worker has asked for tasks of type \"%s\"",
						seconds, row->node_type);
	if (asked < row->deadline - row->queue_timeout)
		return psprintf("not leased within %.15g seconds: no worker has asked for tasks of type \"%s\" since %s",
						seconds, row->node_type, timestamptz_to_str(asked));
	return psprintf("not leased within %.15g seconds: workers that ask for tasks of type \"%s\" have not come to it",
					seconds, row->node_type);
}

/*
 * Takes back a lease that has expired, or ends an attempt, or a wait for the first
 * lease, that has exceeded its timeout.  Returns whether the task is ready for another
 * worker.  The row is locked before the lease is looked at: a heartbeat that has not
 * committed yet may have extended it.
 */
static bool
reap_lease(Store *store, const QueueRow *due)
{
	QueueRow	row;
	TaskQuery	query;
	Execution	execution;
	TimestampTz now = GetCurrentTimestamp();

	if (!lock_family(store, due->execution_id, &execution) ||
		!store_try_task(store, due->queue_id, &row) ||
		row.lease_until == 0 || row.lease_until > now)
		return false;
	if (!execution.running || strcmp(row.status, "cancelled") == 0)
	{
		(void) store_delete_task(store, row.queue_id);
		return false;
	}
	if (row.queue_timeout != 0 && store_keep_back(store, &row))
		return false;
	if (row.queue_timeout != 0)
	{
		row.attempts++;			/* the lease that did not come */
		engine_ingest_task_event(store, &row, EVENT_ACTION_ERROR, NULL,
								 queue_timeout_error(&row), REAPED_QUEUE);
	}
	else if (row.deadline != 0 && row.deadline <= now)
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

/* Returns the timeout of an execution, which begins anew with each drive. */
static int64
execution_timeout(Store *store, const Execution *execution)
{
	Event		start;

	if (execution->drive > 1 && store_start_event(store, execution->execution_id, &start))
		return engine_deadline(&start) - start.created_at;
	return execution->deadline - execution->started_at;
}

/* Ends an execution that has exceeded its timeout, if it still runs. */
static void
reap_execution(Store *store, int64 execution_id)
{
	Execution	execution;
	const Playbook *playbook;
	Event		event;
	JsonBuilder builder;
	JsonbValue	value;

	if (!lock_family(store, execution_id, &execution) || !execution.running ||
		execution.deadline == 0 || execution.deadline > GetCurrentTimestamp())
		return;
	playbook = playbook_get(execution.catalog_id);
	if (playbook->nwritten < playbook->nsteps)
	{
		/* it compensates what it has completed */
		engine_undo(store, &execution, timeout_error(execution_timeout(store, &execution)),
					REAPED_TIMEOUT);
		return;
	}
	describe_execution(&event, EVENT_EXECUTION_FAILED, &execution);
	event.error = timeout_error(execution_timeout(store, &execution));
	json_begin_object(&builder);
	json_add_text(&builder, "reason", event.error);
	json_end_object(&builder, &value);
	event.result = json_to_jsonb(&value);
	event.meta = event_attempt_meta(0, REAPED_TIMEOUT);
	(void) engine_ingest(store, &event);
}

/* Ends the pause of an execution whose time has come; returns how many tasks get ready. */
static int
reap_pause(Store *store, int64 execution_id)
{
	Execution	execution;

	return lock_family(store, execution_id, &execution) ?
		pause_end_by_time(store, &execution) : 0;
}

/* Begins a scheduled execution whose time has come; returns the number of tasks. */
static int
reap_start(Store *store, int64 execution_id)
{
	Execution	execution;

	if (!lock_family(store, execution_id, &execution) || !execution.scheduled ||
		execution.run_at > GetCurrentTimestamp())
		return 0;
	if (limit_of_executions(execution.catalog_id) &&
		!limit_execution_has_slots(execution_id,
								   playbook_get(execution.catalog_id)->nlimits))
	{
		start_await_at_its_time(store, &execution);
		return 0;
	}
	return start_begin(store, &execution);
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

/* ---------------------------------------------------------------------------
 * One thing after the other, each in a limited subtransaction
 * ---------------------------------------------------------------------------
 */

/* What one call of the reaper has to do, and how far it has come. */
typedef struct Reaping
{
	int64		execution_id;	/* 0: of all executions */
	bool		asked;
	TimestampTz until;			/* nothing more is begun after this time; 0: nothing has begun */
	int			room;			/* how many more executions this call may take on */
	bool		more;			/* something was left to the next call */
	int			ready;			/* tasks that have become ready */
	List	   *failures;		/* ReaperFailure * of executions that wait */
} Reaping;

/* LimitedWork's argument: one thing that is due. */
typedef struct DueThing
{
	void	   *what;
	int			ready;
	bool		asked;
	bool		more;			/* part of it is left */
} DueThing;

/* LimitedWork: makes retries ready. */
static void
promote_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;
	Store	   *store = store_open(InvalidOid);

	thing->ready = store_promote_due(store, *(int64 *) thing->what, REAPER_BATCH, wake_at_commit);
	store_close(store);
}

/* LimitedWork: ends an execution. */
static void
execution_work(void *arg)
{
	Store	   *store = store_open(InvalidOid);

	reap_execution(store, *(int64 *) ((DueThing *) arg)->what);
	store_close(store);
}

/* LimitedWork: looks at the limits whose time has come; slots are handed out at its end. */
static void
limit_work(void *arg)
{
	Store	   *store = store_open(InvalidOid);

	(void) limit_touch_due(((DueThing *) arg)->asked ? REAPER_BATCH : PASSING_BATCH);
	store_close(store);
}

/* LimitedWork: ends the pause of an execution. */
static void
pause_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;
	Store	   *store = store_open(InvalidOid);

	thing->ready = reap_pause(store, *(int64 *) thing->what);
	store_close(store);
}

/* LimitedWork: makes tasks ready whose pause is over. */
static void
resume_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;
	Store	   *store = store_open(InvalidOid);

	store_end_due_rules();
	thing->ready = store_resume_tasks(store, REAPER_BATCH, wake_at_commit);
	thing->more = thing->ready >= REAPER_BATCH;
	store_close(store);
}

/* LimitedWork: begins a scheduled execution. */
static void
start_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;
	Store	   *store = store_open(InvalidOid);

	thing->ready = reap_start(store, *(int64 *) thing->what);
	store_close(store);
}

/* LimitedWork: does what is due of a schedule. */
static void
schedule_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;

	thing->ready = schedule_fire(*(int64 *) thing->what,
								 thing->asked ? REAPER_BATCH : PASSING_STARTS, &thing->more);
}

/* LimitedWork: ends an open step, or starts its next attempt. */
static void
run_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;
	Store	   *store = store_open(InvalidOid);

	thing->ready = reap_run(store, (DueRun *) thing->what);
	store_close(store);
}

/* LimitedWork: takes a lease back, or ends an attempt. */
static void
lease_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;
	Store	   *store = store_open(InvalidOid);

	thing->ready = reap_lease(store, (QueueRow *) thing->what) ? 1 : 0;
	store_close(store);
}

/* LimitedWork: decides on the pending events of an execution nobody is busy with. */
static void
pending_work(void *arg)
{
	DueThing   *thing = (DueThing *) arg;
	int64		execution_id = *(int64 *) thing->what;
	Store	   *store = store_open(InvalidOid);
	Execution	execution;

	if (lock_ancestors(store, execution_id, &execution))
		thing->ready = evaluate_pending(store, execution_id);
	store_close(store);
}

/*
 * Does one thing unless its execution is to wait, or this call has done enough.
 * An error of an execution that the caller has named is the caller's.
 */
static void
reap_one(Reaping *reaping, int64 execution_id, LimitedWork work, void *what)
{
	DueThing	thing = {what, 0, reaping->asked, false};
	const ReaperFailure *failure;
	TimestampTz now = GetCurrentTimestamp();

	CHECK_FOR_INTERRUPTS();
	if (reaping->execution_id != 0)
	{
		work(&thing);
		reaping->ready += thing.ready;
		return;
	}
	failure = reaper_failure_find(reaping->failures, execution_id);
	if (limited_must_wait(execution_id) ||
		(failure != NULL && failure->next_try_at > now))
		return;
	if (reaping->until == 0)
		reaping->until = now + PASSING_TIME_US;
	if (reaping->room <= 0 || now > reaping->until)
	{
		reaping->more = true;
		return;
	}
	reaping->room--;
	met_lock = false;
	if (limited_run(execution_id, reaping->asked, work, &thing))
	{
		reaping->ready += thing.ready;
		reaping->more = reaping->more || thing.more;
		if (failure != NULL)
			reaper_failure_forget(execution_id);
	}
	/* a session that holds many locks keeps nobody from what is due of others */
	if (met_lock)
		reaping->room++;
}

/*
 * Decides on events that wait, for the most on requests to cancel a child.  Leaves at
 * least "reserved" of this call's executions for what else is due.
 */
static void
reap_pending(Reaping *reaping, int reserved)
{
	int64		next = PG_INT64_MIN;

	while (!reaping->more && reaping->room >= reserved)
	{
		Store	   *store = store_open(InvalidOid);
		bool		found = store_next_pending(store, &next);
		int64		execution_id = next;

		store_close(store);
		if (!found)
			break;
		reap_one(reaping, execution_id, pending_work, &execution_id);
	}
}

/* Prepares a call of the reaper. */
static void
begin_reaping(Reaping *reaping, int64 execution_id, bool asked)
{
	memset(reaping, 0, sizeof(Reaping));
	reaping->execution_id = execution_id;
	reaping->asked = asked;
	reaping->until = asked ? DT_NOEND : 0;
	reaping->room = asked ? REAPER_BATCH : PASSING_BATCH;
	if (execution_id == 0)
		reaping->failures = reaper_failures();
}

/*
 * Does what is due, of one execution or of all (0).  If nothing is due, it begins no
 * limited work: the alarm of a limit stays set when the work is done, and would wake the
 * session out of its wait for work, again and again.
 */
int
engine_reap(int64 execution_id, bool asked, bool *more)
{
	Reaping		reaping;
	Store	   *store;
	List	   *leases;
	List	   *executions;
	List	   *starts;
	List	   *schedules;
	List	   *runs;
	List	   *pauses;
	ListCell   *lc;
	int			batch;
	bool		retries;
	bool		limits;

	*more = false;
	if (limited_is_running())
		return 0;				/* called by what the reaper does itself */
	begin_reaping(&reaping, execution_id, asked);
	batch = REAPER_BATCH + list_length(reaping.failures);
	if (asked && execution_id == 0)
	{
		if (reaping.failures != NIL)
			(void) reaper_failures_clean();
		reap_pending(&reaping, noetl_broker ? reaping.room / 2 : 0);
	}
	store = store_open(InvalidOid);
	retries = store_any_retry_due(store);
	store_close(store);
	if (retries)
		reap_one(&reaping, 0, promote_work, &reaping.execution_id);
	if (execution_id == 0 && store_resuming())
		reap_one(&reaping, 0, resume_work, NULL);
	store = store_open(InvalidOid);
	leases = store_expired_leases(store, execution_id, batch);
	executions = store_due_executions(store, execution_id, batch);
	limits = store_any_limit_due(store);
	starts = noetl_broker || asked ? store_due_starts(store, execution_id, batch) : NIL;
	schedules = (noetl_broker || asked) && execution_id == 0 ?
		store_due_schedules(store, batch) : NIL;
	runs = noetl_broker || asked ? store_due_runs(store, execution_id, batch) : NIL;
	store_close(store);
	INJECTION("reap");
	if (limits)
		reap_one(&reaping, 0, limit_work, NULL);
	pauses = store_due_pauses(execution_id, batch);
	foreach(lc, pauses)
		reap_one(&reaping, *(int64 *) lfirst(lc), pause_work, lfirst(lc));
	foreach(lc, executions)
		reap_one(&reaping, *(int64 *) lfirst(lc), execution_work, lfirst(lc));
	foreach(lc, starts)
		reap_one(&reaping, *(int64 *) lfirst(lc), start_work, lfirst(lc));
	foreach(lc, schedules)
		reap_one(&reaping, -*(int64 *) lfirst(lc), schedule_work, lfirst(lc));
	foreach(lc, runs)
		reap_one(&reaping, ((DueRun *) lfirst(lc))->execution_id, run_work, lfirst(lc));
	foreach(lc, leases)
		reap_one(&reaping, ((QueueRow *) lfirst(lc))->execution_id, lease_work, lfirst(lc));
	if (noetl_broker && execution_id == 0)
		reap_pending(&reaping, 0);
	*more = reaping.more;
	return reaping.ready;
}
