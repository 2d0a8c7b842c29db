/*
 * supervisor.c
 *		Several databases: --connect given several times.
 *
 * Each database has a worker process of its own, so that one which hangs, restarts or
 * is full disturbs the others not at all, and the system's scheduler is fair between
 * them.  This process starts them, hands signals on, and starts one that has failed
 * again, after a pause that grows.  The workers die with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"
#include "conninfo.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "signals.h"
#include "wait.h"
#include "worker.h"

#define MAX_PAUSE_SECONDS 30
#define STEADY_SECONDS 60		/* a worker that has lived so long is not failing */

typedef struct Worker
{
	Child		child;
	int			number;			/* of its --connect, from 1 */
	bool		ended;			/* it is not to be started again */
	int			code;			/* its exit code then */
	int			failures;		/* in a row */
	double		started_at;
	double		start_at;		/* when it is to be started */
} Worker;

/* Names the database of a worker without its password. */
static const char *
database_of(const Worker *worker)
{
	static StringBuf text;
	PQconninfoOption *parts = PQconninfoParse(options.connections[worker->number - 1], NULL);

	sb_reset(&text);
	sb_printf(&text, "database %d", worker->number);
	for (PQconninfoOption *part = parts; part != NULL && part->keyword != NULL; part++)
	{
		if (part->val != NULL && (strcmp(part->keyword, "host") == 0 ||
								  strcmp(part->keyword, "port") == 0 ||
								  strcmp(part->keyword, "dbname") == 0))
			sb_printf(&text, " %s=%s", part->keyword, part->val);
	}
	PQconninfoFree(parts);
	return text.data;
}

/* Starts a worker; tries again later when that is not possible. */
static void
start_worker(Worker *worker)
{
	static const char *const env[] = {"NOTIFY_SOCKET", "", NULL};
	StringBuf	option = {0};
	ChildSpec	spec = {.env = env,.shares_output = true,.inherits_environment = true};

	sb_printf(&option, "%s=%d", CONNECTION_OPTION, worker->number);
	spec.argv = own_command(option.data);
	worker->started_at = monotonic_now();
	if (child_start(&worker->child, &spec))
		worker->start_at = 0;
	else
	{
		log_line(LOG_ALWAYS, "could not start the worker of %s: %s", database_of(worker),
				 strerror(errno));
		worker->start_at = monotonic_now() + 1;
	}
	free((void *) spec.argv);
	sb_free(&option);
}

/* Decides what follows the end of a worker. */
static void
after_end(Worker *worker)
{
	int			status = worker->child.status;
	bool		steady = monotonic_now() - worker->started_at > STEADY_SECONDS;
	double		pause;

	worker->code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	worker->ended = worker->code == 0 || worker->code == 2 || stopping() || options.once;
	if (worker->ended)
		return;
	worker->failures = steady ? 1 : worker->failures + 1;
	pause = fmin(pow(2, fmin(worker->failures - 1, 10)), MAX_PAUSE_SECONDS);
	worker->start_at = monotonic_now() + pause;
	log_line(LOG_ALWAYS, "the worker of %s %s; the next one starts in %.0f s",
			 database_of(worker), child_fate(&worker->child), pause);
}

/* Hands a signal to all workers. */
static void
signal_all(Worker *workers, int signo)
{
	for (int i = 0; i < options.nconnections; i++)
	{
		if (workers[i].child.pid > 0)
			kill(workers[i].child.pid, signo);
	}
}

/* Starts and reaps workers; returns when to look again, 0: when something happens. */
static double
look_at_workers(Worker *workers, bool *any)
{
	double		until = 0;

	*any = false;
	for (int i = 0; i < options.nconnections; i++)
	{
		Worker	   *worker = &workers[i];

		if (worker->child.pid > 0 && child_reap(&worker->child, false))
			after_end(worker);
		if (worker->child.pid == 0 && !worker->ended && stopping())
			worker->ended = true;
		if (worker->child.pid == 0 && !worker->ended && monotonic_now() >= worker->start_at)
			start_worker(worker);
		*any = *any || !worker->ended;
		if (worker->child.pid == 0 && !worker->ended)
			until = until == 0 ? worker->start_at : fmin(until, worker->start_at);
	}
	return until;
}

/* Keeps one worker for each database until all have ended; returns the exit code. */
int
run_supervisor(void)
{
	Worker	   *workers = xcalloc((size_t) options.nconnections, sizeof(Worker));
	bool		any = true;
	int			signals = 0;
	int			code = 0;

	notify_init();
	for (int i = 0; i < options.nconnections; i++)
		workers[i] = (Worker) {.child = CHILD_INIT,.number = i + 1};
	log_line(LOG_NORMAL, "one worker for each of %d databases", options.nconnections);
	for (bool first = true; any; first = false)
	{
		double		until = look_at_workers(workers, &any);

		if (first)
			notify_state("READY=1\nSTATUS=Working for %d databases", options.nconnections);
		if (!any)
			break;
		task_wait(NULL, NULL, 0, until);
		if (reload_wanted())
			signal_all(workers, SIGHUP);
		for (; signals < stop_count(); signals++)
		{
			notify_state("STOPPING=1");
			(void) stopping();
			signal_all(workers, SIGTERM);
		}
	}
	for (int i = 0; i < options.nconnections; i++)
		code = workers[i].code > code ? workers[i].code : code;
	free(workers);
	return code;
}
