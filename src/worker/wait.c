/*
 * wait.c
 *		Waiting for descriptors, time and signals in one poll().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "signals.h"
#include "wait.h"

#define MAX_HOOKS 5
#define MAX_POLL_MILLISECONDS 60000

static const WaitHook *hooks[MAX_HOOKS];
static int	nhooks = 0;

/* Adds a hook for the rest of the process. */
void
wait_add_hook(const WaitHook *hook)
{
	if (nhooks == MAX_HOOKS)
		abort();
	hooks[nhooks++] = hook;
}

/* Returns the time of the monotonic clock in seconds. */
double
monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/*
 * Tells whether a task, or a task around it, must be abandoned now; sets
 * Task.abort then.
 */
static bool
abandoned(Task *task, double now)
{
	if (task == NULL || task->abort != ABORT_NONE)
		return task != NULL;
	if (task->outer != NULL && abandoned(task->outer, now))
		task->abort = task->outer->abort;
	else if (task->lost)
		task->abort = ABORT_LEASE_LOST;
	else if (task->deadline > 0 && now >= task->deadline)
		task->abort = ABORT_TIMEOUT;
	else if (stop_overdue())
		task->abort = ABORT_STOPPED;
	return task->abort != ABORT_NONE;
}

/* Tells whether a task, or a task around it, must be abandoned now. */
bool
task_abandoned(Task *task)
{
	return abandoned(task, monotonic_now());
}

/* Returns the sooner of two points in time; 0 means never. */
double
sooner(double a, double b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

/*
 * Runs the hooks that are due.  Returns true when one has run; sets *next to the
 * time of the next one otherwise.
 */
static bool
run_hooks(Task *task, double now, double *next)
{
	*next = 0;
	for (int i = 0; i < nhooks; i++)
	{
		double		due = task == NULL && hooks[i]->with_task_only ? 0 : hooks[i]->due();

		if (due > 0 && now >= due)
		{
			hooks[i]->run(task);
			return true;
		}
		*next = sooner(*next, due);
	}
	return false;
}

/* Returns when poll() must end at the latest; 0: never. */
static double
wake_time(const Task *task, double until, double next_hook)
{
	double		at = sooner(until, next_hook);

	for (const Task *t = task; t != NULL; t = t->outer)
		at = sooner(at, t->deadline);
	return task != NULL ? sooner(at, stop_deadline()) : at;
}

/*
 * Waits until a descriptor is ready, a signal has arrived, or the time `until`
 * (0: never) has come, and runs hooks meanwhile.  Returns false when the task is
 * to be abandoned; Task.abort says why.  The task is NULL when the worker itself
 * waits.
 */
bool
task_wait(Task *task, struct pollfd *fds, int nfds, double until)
{
	struct pollfd all[MAX_WAIT_FDS + 1];
	double		next_hook;
	int			ready;

	if (nfds > MAX_WAIT_FDS)
		abort();
	for (;;)
	{
		double		now = monotonic_now();
		double		at;

		if (abandoned(task, now))
			return false;
		if (run_hooks(task, now, &next_hook))
			continue;
		at = wake_time(task, until, next_hook);
		if (nfds > 0)
			memcpy(all, fds, sizeof(*fds) * (size_t) nfds);
		all[nfds] = (struct pollfd) {.fd = signal_fd(),.events = POLLIN};
		ready = poll(all, (nfds_t) nfds + 1, at == 0 ? -1 :
					 (int) fmin(ceil(fmax(at - now, 0) * 1000), MAX_POLL_MILLISECONDS));
		if (ready < 0 && errno != EINTR)
			return true;
		for (int i = 0; i < nfds; i++)
			fds[i].revents = ready > 0 ? all[i].revents : 0;
		/* a signal may also show as EINTR, with nothing ready */
		if ((ready < 0 || all[nfds].revents != 0) && drain_signals())
			ready = 1;
		if (ready > 0)
			return !abandoned(task, monotonic_now());
		if (until > 0 && monotonic_now() >= until)
			return true;
	}
}

/* Sleeps unless the worker is asked to end; returns false when it is. */
bool
pause_for(double seconds)
{
	double		until = monotonic_now() + seconds;

	while (!stopping() && monotonic_now() < until)
		task_wait(NULL, NULL, 0, until);
	return !stopping();
}
