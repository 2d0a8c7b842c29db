/*
 * loop.c
 *		The worker: leases tasks, executes them, reports how they ended, waits when
 *		there is nothing to do.
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
#include "loop.h"
#include "notify.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "worker.h"

#define WAIT_SECONDS 5
#define WAIT_SECONDS_ONCE 1
#define KEEP_PROCESSES_SECONDS 60
#define UNREACHABLE_SECONDS_ONCE 60	/* --once is for scripts: it must end */
#define MAX_BACKOFF_SECONDS 30
#define KEEP_RESULT_BYTES (1024 * 1024)

static bool has_leased = false; /* a lease has succeeded: the set-up is right */
static double idle_since = 0;	/* 0: it is not */

/*
 * Reports how a task of a list ended.  The last one is told of at once, and brings the
 * next tasks; the others do not wait for the answer.
 */
static void
tell_broker(Task *task, Outcome *out, double took, TaskList *list, TaskList *next)
{
	bool		is_last = list->next + 1 == list->count;
	DbStatus	status;

	if (!is_last && report_ahead(task, out, took))
		return;
	report_settle(list, true);
	status = report_outcome(task, out, list, is_last ? next : NULL);
	report_log(task, out, status, took);
	if (status != DB_OK && status != DB_REFUSED)
		report_give_back(task);
	else
		report_end_trouble();
	task->told = true;
}

/* Executes one task and reports how it ended. */
static void
run_task(Task *task, TaskList *list, TaskList *next)
{
	static Job	job;
	Outcome    *out = &job.out;
	double		begin = monotonic_now();

	if (find_executor(task->type) == NULL)
	{
		report_give_back(task);
		task->told = true;
		report_pause();
		return;
	}
	db_send_started(task);
	job_begin(&job, task, false);
	if (job_run(&job) != OUTCOME_ABORTED)
		tell_broker(task, out, monotonic_now() - begin, list, next);
	else if (task->abort == ABORT_LEASE_LOST)
	{
		log_task(task, LOG_NORMAL, "%s stopped: the lease was lost or the execution"
				 " cancelled", task->type);
		task->told = true;
	}
	else
	{
		report_give_back(task);
		task->told = true;
		if (task->abort == ABORT_TROUBLE)
			report_pause();
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

		report_settle(list, false);
		if (!task->lost && !stopping() && !report_gave_up())
		{
			run_task(task, list, &next);
			continue;
		}
		if (task->lost)
			log_task(task, LOG_NORMAL, "%s not started: the lease was lost", task->type);
		else
			report_give_back(task);
		task->told = true;
	}
	report_settle(list, true);
	heartbeat_set(NULL);
	task_list_free(list);
	*list = next;
}

/* Logs an error of a statement, and what the server advises. */
static void
log_error(int level, const char *what)
{
	log_line(level, "could not %s: %s", what, db_message());
	if (*db_hint() != '\0')
		log_line(level, "hint: %s", db_hint());
}

/*
 * Decides what follows an error of a statement that belongs to no task.  Before the
 * first lease it shows a wrong set-up and is fatal.  Later the session is opened
 * anew, after a pause: an error is no reason to exit.  An extension that is being
 * updated is waited for, but with --once.
 */
NextStep
loop_after_error(const char *what)
{
	bool		other_release = db_error_is_of_release();

	if (db_error_is_passing() && !(other_release && options.once && !has_leased))
	{
		log_error(!report_in_trouble() ? LOG_ALWAYS : LOG_DETAIL, what);
		if (other_release)
			db_close();
		report_pause();
		if (other_release)
			(void) db_open();
		return STEP_AGAIN;
	}
	log_error(LOG_ALWAYS, what);
	if (!has_leased)
	{
		if (strcmp(db_sqlstate(), "3F000") == 0)
			log_line(LOG_ALWAYS, "is the extension noetl installed in this database?");
		return STEP_FATAL;
	}
	db_close();
	report_pause();
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
		return loop_after_error("wait for work");
	hasty = monotonic_now() - begin < 0.005 ? hasty + 1 : 0;
	if (hasty > 3)
		pause_for(fmin(0.002 * hasty, 0.2));
	return STEP_AGAIN;
}

/* Nothing was leased, and nothing is executed: end, or wait. */
NextStep
loop_be_idle(void)
{
	double		seconds = options.once ? WAIT_SECONDS_ONCE : WAIT_SECONDS;

	report_end_trouble();
	if (idle_since == 0)
		idle_since = monotonic_now();
	/* processes of a pool are kept for the next tasks */
	if (options.slots == 1 || monotonic_now() - idle_since > KEEP_PROCESSES_SECONDS)
		idle_executors();
	if (options.once)
	{
		bool		left;
		DbStatus	status = db_work_left(&left);

		if (status == DB_ERROR && db_error_is_ours() && !db_error_is_passing())
		{
			/* without this right it would never end */
			log_line(LOG_ALWAYS, "could not look into the queue: %s", db_message());
			return STEP_FATAL;
		}
		if (status == DB_ERROR)
			return loop_after_error("look into the queue");
		if (status == DB_OK && !left)
		{
			db_log_left();
			return STEP_FINISHED;
		}
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

/* Notes that a lease has succeeded, and given so many tasks. */
void
loop_has_leased(int count)
{
	has_leased = true;
	if (count > 0)
		idle_since = 0;
}

/* Leases tasks, or waits for some. */
static NextStep
next_tasks(TaskList *list)
{
	DbStatus	status;

	if (!report_connect(list, false))
		return STEP_AGAIN;
	status = db_lease(list);
	if (status == DB_ERROR)
		return loop_after_error("lease");
	if (status != DB_OK)
		return STEP_AGAIN;
	loop_has_leased(list->count);
	return list->count > 0 ? STEP_AGAIN : loop_be_idle();
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
		report_back_off(fmin(delay, fmax(begin + limit - monotonic_now(), 0.01)), false);
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
	db_init();
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
	if (options.slots > 1)
		pool_init();
	notify_state("READY=1\nSTATUS=Working as %s", options.name);
	while (step == STEP_AGAIN && !report_gave_up() && !stopping())
	{
		if (reload_wanted())
			reload();
		if (options.slots > 1)
			step = pool_turn();
		else if (list.count == 0)
			step = next_tasks(&list);
		else
			run_list(&list);
	}
	notify_state("STOPPING=1\nSTATUS=Stopping");
	if (options.slots > 1)
		pool_end();
	if (list.count > 0)
		run_list(&list);
	shutdown_executors();
	db_close();
	db_set_types(NULL);
	return step == STEP_FATAL || report_gave_up() ? 1 : 0;
}
