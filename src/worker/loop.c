/*
 * loop.c
 *		Lease, execute, report; wait when there is nothing to do.
 *
 * A finished result outlives the connection: it is reported again after a
 * reconnect, under the same worker_id, and the server tells whether the
 * lease still holds.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define WAIT_SECONDS 5
#define WAIT_SECONDS_ONCE 1
#define UNREACHABLE_SECONDS_ONCE 60	/* --once is for scripts: it must end */
#define MAX_TRIES 10			/* of a statement that may succeed later */
#define KEEP_RESULT_BYTES (1024 * 1024)

typedef enum NextStep
{
	STEP_AGAIN,
	STEP_FINISHED,
	STEP_FATAL
} NextStep;

static bool gave_up = false;	/* the broker stayed away for too long */

/* Sleeps also while the worker is being stopped, but not beyond its grace. */
static void
back_off(double seconds, bool patient)
{
	double		until = monotonic_now() + seconds;

	while (monotonic_now() < until && !(patient ? stop_overdue() : stopping()))
		task_wait(NULL, NULL, 0, fmin(until, monotonic_now() + 0.5));
}

/*
 * Makes sure there is a connection, however long that takes (but see above
 * for --once).  With a result in hand the caller is patient: a request to
 * stop then only ends the waiting when the grace is over.  False: the worker
 * is to end.
 */
static bool
ensure_connection(const TaskList *list, bool patient)
{
	double		delay = 0.1;
	double		begin = monotonic_now();

	if (db_connected())
		return true;
	log_line(LOG_ALWAYS, "connection to the broker lost: %s", db_message());
	while (!gave_up && !(patient ? stop_overdue() : stopping()))
	{
		if (db_open())
		{
			log_line(LOG_ALWAYS, "connected again");
			if (db_release_unknown(list) == DB_ERROR)
				log_line(LOG_DETAIL, "could not look for lost leases: %s", db_message());
			if (db_connected())
				return true;
		}
		log_line(LOG_DETAIL, "%s", db_message());
		back_off(delay, patient);
		delay = fmin(delay * 2, 5);
		if (options.once && monotonic_now() - begin > UNREACHABLE_SECONDS_ONCE)
		{
			gave_up = true;
			log_line(LOG_ALWAYS, "the broker is away for too long");
		}
	}
	return false;
}

/* One attempt to tell the server how the task ended. */
static DbStatus
send_outcome(const Task *task, const Outcome *out, TaskList *next)
{
	const char *json = out->result.len > 0 ? out->result.data : "null";
	const char *attached = out->attached.len > 0 ? out->attached.data : NULL;

	if (out->kind == OUTCOME_FAILED)
		return db_fail(task, out->error.data, out->result.len > 0 ? json : NULL, attached);
	if (next != NULL)
		return db_complete_and_lease(task, json, attached, next);
	return db_complete(task, json, attached);
}

/*
 * Tells the server how the task ended, through lost connections and passing
 * errors.  A result that the server does not accept becomes a failure, so
 * that the execution does not hang.  The last task of a batch leases the
 * next one in the same round trip; not after a loss, because then nobody
 * knows whether that has happened already.
 */
static DbStatus
report(Task *task, Outcome *out, TaskList *list, TaskList *next)
{
	DbStatus	status = DB_GONE;
	bool		last = list->next + 1 == list->count;
	bool		repeated = false;

	for (int tries = 0; tries < MAX_TRIES;)
	{
		bool		lease = last && !repeated && !stopping();

		if (!ensure_connection(list, true))
			return DB_GONE;
		db_send_started(task);
		events_flush(task);
		status = send_outcome(task, out, lease ? next : NULL);
		if (status == DB_OK || status == DB_REFUSED)
			return status;
		repeated = true;
		if (status == DB_GONE)
			continue;
		tries++;
		if (db_error_is_passing())
			back_off(0.02 * tries, true);
		else if (outcome_inline_attached(out))
			log_task(task, LOG_DETAIL, "stored as text: %s", db_message());
		else if (out->kind == OUTCOME_DONE)
			outcome_fail(out, "the database refused the result: %s", db_message());
		else
			break;
	}
	return status;
}

/* Puts an abandoned task back into the queue. */
static void
give_back(Task *task)
{
	DbStatus	status = DB_GONE;

	if (db_connected())
		status = db_release(task);
	if (status == DB_OK)
		log_task(task, LOG_NORMAL, "%s given back", task->type);
	else
		log_task(task, LOG_ALWAYS, "%s could not be given back%s%s", task->type,
				 status == DB_ERROR ? ": " : "",
				 status == DB_ERROR ? db_message() : "");
}

/* The progress line. */
static void
log_outcome(const Task *task, const Outcome *out, DbStatus status, double took)
{
	double		ms = took * 1000;

	if (status == DB_REFUSED)
		log_task(task, LOG_NORMAL,
				 "%s dropped %.0f ms: already reported, or the lease was lost", task->type, ms);
	else if (status != DB_OK)
		log_task(task, LOG_ALWAYS, "%s could not be reported: %s", task->type, db_message());
	else if (out->kind == OUTCOME_FAILED)
		log_task(task, LOG_NORMAL, "%s failed %.0f ms: %s", task->type, ms, out->error.data);
	else
		log_task(task, LOG_NORMAL, "%s ok %.0f ms", task->type, ms);
}

/* Executes one task and reports how it ended. */
static void
run_task(Task *task, TaskList *list, TaskList *next)
{
	static Job	job;
	Outcome    *out = &job.out;
	double		begin = monotonic_now();
	DbStatus	status;

	if (find_executor(task->type) == NULL)
	{
		give_back(task);
		return;
	}
	db_send_started(task);
	job_begin(&job, task, false);
	if (job_run(&job) != OUTCOME_ABORTED)
	{
		status = report(task, out, list, next);
		log_outcome(task, out, status, monotonic_now() - begin);
	}
	else if (task->abort == ABORT_LEASE_LOST)
		log_task(task, LOG_NORMAL, "%s stopped: the lease was lost or the execution"
				 " cancelled", task->type);
	else
		give_back(task);
	job_end(&job);
	events_end(task);
	if (out->result.size > KEEP_RESULT_BYTES)
		sb_free(&out->result);
	if (out->attached.size > KEEP_RESULT_BYTES)
		sb_free(&out->attached);
}

/*
 * Executes a batch in order; what was leased together with the last report
 * takes its place.  When the worker is to stop, the rest is given back.
 */
static void
run_list(TaskList *list)
{
	TaskList	next = {0};

	set_heartbeat(list);
	for (; list->next < list->count; list->next++)
	{
		Task	   *task = &list->tasks[list->next];

		if (task->lost)
			log_task(task, LOG_NORMAL, "%s not started: the lease was lost", task->type);
		else if (stopping() || gave_up)
			give_back(task);
		else
			run_task(task, list, &next);
	}
	set_heartbeat(NULL);
	db_settle();
	task_list_free(list);
	*list = next;
}

/* Lets executors free what only a busy worker should hold. */
static void
idle_executors(void)
{
	const Executor *executor;

	for (int i = 0; (executor = executor_at(i)) != NULL; i++)
	{
		if (executor->idle != NULL)
			executor->idle();
	}
}

/*
 * Sleeps in the server.  Should it wake us again and again at once although
 * there is nothing for us, slow down instead of spinning.
 */
static NextStep
wait_for_work(double seconds)
{
	static int	hasty = 0;
	double		begin = monotonic_now();
	DbStatus	status = db_wait_for_work(seconds);

	if (status == DB_ERROR && !db_error_is_passing())
	{
		log_line(LOG_ALWAYS, "could not wait for work: %s", db_message());
		return STEP_FATAL;
	}
	hasty = monotonic_now() - begin < 0.005 ? hasty + 1 : 0;
	if (hasty > 3)
		pause_for(fmin(0.002 * hasty, 0.2));
	return STEP_AGAIN;
}

/* Nothing was leased: end, or wait. */
static NextStep
be_idle(double idle_since)
{
	double		seconds = options.once ? WAIT_SECONDS_ONCE : WAIT_SECONDS;

	idle_executors();
	if (options.once)
	{
		bool		left;
		DbStatus	status = db_work_left(&left);

		if (status == DB_ERROR && !db_error_is_passing())
		{
			log_line(LOG_ALWAYS, "could not look into the queue: %s", db_message());
			return STEP_FATAL;
		}
		if (status == DB_OK && !left)
			return STEP_FINISHED;
	}
	if (options.idle_timeout > 0)
	{
		double		left = idle_since + options.idle_timeout - monotonic_now();

		if (left <= 0)
			return STEP_FINISHED;
		seconds = fmin(seconds, left);
	}
	return db_connected() ? wait_for_work(seconds) : STEP_AGAIN;
}

/* Leases tasks, or waits for some. */
static NextStep
next_tasks(TaskList *list)
{
	static double idle_since = 0;
	DbStatus	status;

	if (!ensure_connection(list, false))
		return STEP_AGAIN;
	status = db_lease(list);
	if (status == DB_ERROR && db_error_is_passing())
		pause_for(0.2);
	else if (status == DB_ERROR)
	{
		log_line(LOG_ALWAYS, "could not lease: %s", db_message());
		if (strcmp(db_sqlstate(), "3F000") == 0)
			log_line(LOG_ALWAYS, "is the extension noetl installed in this database?");
		return STEP_FATAL;
	}
	if (status != DB_OK)
		return STEP_AGAIN;
	if (list->count > 0)
	{
		idle_since = 0;
		return STEP_AGAIN;
	}
	if (idle_since == 0)
		idle_since = monotonic_now();
	return be_idle(idle_since);
}

/* The worker's life, from the first connection to the exit code. */
int
run_worker(void)
{
	TaskList	list = {0};
	NextStep	step = STEP_AGAIN;
	char	   *types;

	if (!db_open())
	{
		log_line(LOG_ALWAYS, "could not connect to the broker: %s", db_message());
		return 1;
	}
	types = choose_types();
	if (types == NULL || strcmp(types, "{}") == 0)
	{
		free(types);
		db_close();
		return 1;
	}
	db_set_types(types);
	db_announce();
	log_line(LOG_NORMAL, "worker %s executes %s", options.name, types);
	free(types);
	while (step == STEP_AGAIN && !gave_up && !stopping())
	{
		if (list.count == 0)
			step = next_tasks(&list);
		else
			run_list(&list);
	}
	if (list.count > 0)
		run_list(&list);
	shutdown_executors();
	db_close();
	db_set_types(NULL);
	return step == STEP_FATAL || gave_up ? 1 : 0;
}
