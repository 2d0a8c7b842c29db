/*
 * loop.c
 *		The worker: leases tasks, executes them, reports how they ended, waits when
 *		there is nothing to do.
 *
 * A finished result outlives the session: it is reported again in the next one, under
 * the same worker_id, and the server tells whether the lease still holds.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "broker.h"
#include "conninfo.h"
#include "events.h"
#include "executor.h"
#include "heartbeat.h"
#include "job.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "signals.h"
#include "worker.h"

#define WAIT_SECONDS 5
#define WAIT_SECONDS_ONCE 1
#define UNREACHABLE_SECONDS_ONCE 60	/* --once is for scripts: it must end */
#define MAX_TRIES 10			/* of a statement that may succeed later */
#define MAX_BACKOFF_SECONDS 30
#define KEEP_RESULT_BYTES (1024 * 1024)

typedef enum NextStep
{
	STEP_AGAIN,
	STEP_FINISHED,
	STEP_FATAL
} NextStep;

static bool gave_up = false;	/* --once, and the broker stayed away for too long */
static bool has_leased = false; /* a lease has succeeded: the set-up is right */
static double trouble_since = 0;	/* of the worker's own; 0: none */
static double trouble_delay = 0;

/* Sleeps also while the worker is being stopped, but not beyond its grace. */
static void
back_off(double seconds, bool patient)
{
	double		until = monotonic_now() + seconds;

	while (monotonic_now() < until && !(patient ? stop_overdue() : stopping()))
		task_wait(NULL, NULL, 0, fmin(until, monotonic_now() + 0.5));
}

/* Pauses, ever longer, after trouble that is the worker's own. */
static void
pause_for_trouble(void)
{
	if (trouble_since == 0)
		trouble_since = monotonic_now();
	trouble_delay = trouble_delay == 0 ? 0.2 : fmin(trouble_delay * 2, MAX_BACKOFF_SECONDS);
	if (options.once && monotonic_now() - trouble_since > UNREACHABLE_SECONDS_ONCE)
	{
		gave_up = true;
		log_line(LOG_ALWAYS, "giving up after %d seconds", UNREACHABLE_SECONDS_ONCE);
		return;
	}
	back_off(trouble_delay, false);
}

/* Forgets the trouble, because something has succeeded. */
static void
end_trouble(void)
{
	trouble_since = 0;
	trouble_delay = 0;
}

/*
 * Makes sure there is a session, however long that takes; with --once it gives up
 * after a while.  With a result in hand the caller is patient: a request to stop then
 * ends the waiting only when the grace is over.  Returns false when the worker is to
 * end.
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
		delay = fmin(delay * 2, patient ? 5 : MAX_BACKOFF_SECONDS);
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
 * Changes an outcome that the server does not accept so that it may.  Returns false
 * when there is nothing to change: the error is not one of the values.
 */
static bool
repair_outcome(Task *task, Outcome *out, bool *rewritten)
{
	char	   *error;

	if (!db_error_is_of_nul() && outcome_inline_attached(out))
	{
		log_task(task, LOG_DETAIL, "stored as text: %s", db_message());
		return true;
	}
	if (!db_error_is_of_data() || *rewritten)
		return false;
	*rewritten = true;
	if (out->kind == OUTCOME_DONE)
		db_refuse_result(out);
	else
	{
		error = xstrdup(out->error.data);
		outcome_fail(out, "%s", error);
		free(error);
	}
	return true;
}

/*
 * Tells the server how the task ended, through lost sessions and passing errors.  A
 * result that the server does not accept becomes a failure, so that the execution
 * does not hang; an error that is not of the result never does.  The last task of a
 * batch leases the next one in the same round trip; not after a lost session, because
 * it is not known then whether that has happened already.
 */
static DbStatus
report(Task *task, Outcome *out, TaskList *list, TaskList *next)
{
	DbStatus	status = DB_GONE;
	bool		last = list->next + 1 == list->count;
	bool		repeated = false;
	bool		rewritten = false;

	for (int tries = 0; tries < MAX_TRIES; tries++)
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
		if (status == DB_ERROR && !db_error_is_passing() && repair_outcome(task, out, &rewritten))
			continue;
		log_task(task, LOG_DETAIL, "reporting again: %s", db_message());
		back_off(status == DB_ERROR && db_error_is_passing() ? 0.02 * (tries + 1) :
				 fmin(0.05 * (1 << tries), 5), true);
	}
	return status;
}

/* Puts an abandoned task back into the queue. */
static void
give_back(Task *task)
{
	DbStatus	status = DB_GONE;

	if (db_connected())
	{
		/* whoever comes next goes on where they end; afterwards they would be too late */
		events_flush(task);
		status = db_release(task);
	}
	if (status == DB_OK)
		log_task(task, LOG_NORMAL, "%s given back", task->type);
	else
		log_task(task, LOG_ALWAYS, "%s could not be given back%s%s", task->type,
				 status == DB_ERROR ? ": " : "",
				 status == DB_ERROR ? db_message() : "");
}

/* Logs how a task ended. */
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
		log_task(task, LOG_NORMAL, "%s failed %.0f ms, attempt %s: %s", task->type, ms,
				 task->attempt, out->error.data);
	else if (strcmp(task->attempt, "1") != 0)
		log_task(task, LOG_NORMAL, "%s ok %.0f ms, attempt %s", task->type, ms, task->attempt);
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
		pause_for_trouble();
		return;
	}
	db_send_started(task);
	job_begin(&job, task, false);
	if (job_run(&job) != OUTCOME_ABORTED)
	{
		status = report(task, out, list, next);
		log_outcome(task, out, status, monotonic_now() - begin);
		if (status != DB_OK && status != DB_REFUSED)
			give_back(task);
		else
			end_trouble();
	}
	else if (task->abort == ABORT_LEASE_LOST)
		log_task(task, LOG_NORMAL, "%s stopped: the lease was lost or the execution"
				 " cancelled", task->type);
	else
	{
		give_back(task);
		if (task->abort == ABORT_TROUBLE)
			pause_for_trouble();
	}
	job_end(&job);
	events_end(task);
	if (out->result.size > KEEP_RESULT_BYTES)
		sb_free(&out->result);
	if (out->attached.size > KEEP_RESULT_BYTES)
		sb_free(&out->attached);
}

/*
 * Executes a batch in order; the tasks that were leased together with the last report
 * replace it.  When the worker is to stop, the rest of the batch is given back.
 */
static void
run_list(TaskList *list)
{
	TaskList	next = {0};

	heartbeat_set(list);
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
	heartbeat_set(NULL);
	db_settle();
	task_list_free(list);
	*list = next;
}

/*
 * Decides what follows an error of a statement that belongs to no task.  Before the
 * first lease it shows a wrong set-up and is fatal.  Later the session is opened
 * anew, after a pause: an error is no reason to exit.
 */
static NextStep
after_error(const char *what)
{
	if (db_error_is_passing())
	{
		log_line(trouble_since == 0 ? LOG_ALWAYS : LOG_DETAIL, "could not %s: %s", what,
				 db_message());
		pause_for_trouble();
		return STEP_AGAIN;
	}
	log_line(LOG_ALWAYS, "could not %s: %s", what, db_message());
	if (!has_leased)
	{
		if (strcmp(db_sqlstate(), "3F000") == 0)
			log_line(LOG_ALWAYS, "is the extension noetl installed in this database?");
		return STEP_FATAL;
	}
	db_close();
	pause_for_trouble();
	return STEP_AGAIN;
}

/*
 * Waits in the server.  When it wakes the worker again and again at once although
 * there is nothing to lease, the worker pauses.
 */
static NextStep
wait_for_work(double seconds)
{
	static int	hasty = 0;
	double		begin = monotonic_now();

	if (db_wait_for_work(seconds) == DB_ERROR)
		return after_error("wait for work");
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

		if (status == DB_ERROR)
			return after_error("look into the queue");
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
	if (status == DB_ERROR)
		return after_error("lease");
	if (status != DB_OK)
		return STEP_AGAIN;
	has_leased = true;
	if (list->count > 0)
	{
		idle_since = 0;
		return STEP_AGAIN;
	}
	end_trouble();
	if (idle_since == 0)
		idle_since = monotonic_now();
	return be_idle(idle_since);
}

/*
 * Opens the first session.  A server that is absent is waited for, with --once not
 * for long; one that refuses this client is fatal: returns false.
 */
static bool
connect_first(void)
{
	double		delay = 0.1;
	double		begin = monotonic_now();
	double		limit = options.wait_for_server >= 0 ? options.wait_for_server :
		options.once ? UNREACHABLE_SECONDS_ONCE : HUGE_VAL;

	while (!db_open())
	{
		bool		first = delay <= 0.1;

		if (!server_is_absent(db_message()) || monotonic_now() - begin >= limit || stopping())
		{
			log_line(LOG_ALWAYS, "could not connect to the broker: %s", db_message());
			return false;
		}
		notify_state("STATUS=Waiting for the server");
		log_line(first ? LOG_ALWAYS : LOG_DETAIL, "waiting for the server: %s", db_message());
		back_off(fmin(delay, fmax(begin + limit - monotonic_now(), 0.01)), false);
		delay = fmin(delay * 2, MAX_BACKOFF_SECONDS);
	}
	if (delay > 0.1)
		log_line(LOG_NORMAL, "connected");
	return true;
}

/* Reads the options again, between two leases. */
static void
reload(void)
{
	notify_reloading();
	if (reload_options())
	{
		db_use_options();
		log_line(LOG_ALWAYS, "read %s again", options.config);
	}
	notify_state("READY=1");
}

/* Runs the worker from the first session to the exit code. */
int
run_worker(void)
{
	TaskList	list = {0};
	NextStep	step = STEP_AGAIN;
	char	   *types;

	heartbeat_init();
	events_init();
	notify_init();
	if (!connect_first())
		return stopping() ? 0 : 1;
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
	notify_state("READY=1\nSTATUS=Working as %s", options.name);
	while (step == STEP_AGAIN && !gave_up && !stopping())
	{
		if (reload_wanted())
			reload();
		if (list.count == 0)
			step = next_tasks(&list);
		else
			run_list(&list);
	}
	notify_state("STOPPING=1\nSTATUS=Stopping");
	if (list.count > 0)
		run_list(&list);
	shutdown_executors();
	db_close();
	db_set_types(NULL);
	return step == STEP_FATAL || gave_up ? 1 : 0;
}
