/*
 * wait.c
 *		Waiting: for a task's descriptors, its timeout, its heartbeats and
 *		the signals, all in one poll().
 *
 * Signal handlers write one byte into a pipe of our own, so that a signal
 * that arrives just before poll() still ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

#define MAX_CHILDREN (MAX_CONCURRENCY + 4)

static int	signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t stop_signals = 0;
static volatile sig_atomic_t children[MAX_CHILDREN];
static double stop_deadline = 0;

static TaskList *beating = NULL;	/* whose leases are renewed */
static double next_beat = 0;
static double reconnect_delay = 0;

/* Wakes the poll; safe in a handler because write() is. */
static void
wake(void)
{
	int			saved_errno = errno;
	ssize_t		written = write(signal_pipe[1], "", 1);

	(void) written;				/* a full pipe wakes as well */
	errno = saved_errno;
}

/*
 * The first signal asks for a graceful end.  The second one ends the worker
 * and whatever it started at once; the leases then run out by themselves.
 */
static void
handle_stop(int signo)
{
	if (++stop_signals > 1)
	{
		for (int i = 0; i < MAX_CHILDREN; i++)
		{
			if (children[i] > 0)
				kill(-(pid_t) children[i], SIGKILL);
		}
		_exit(128 + signo);
	}
	wake();
}

/* A child ended: whoever waits for it must look. */
static void
handle_child(int signo)
{
	(void) signo;
	wake();
}

/* Sets up the pipe and the handlers before anything can be interrupted. */
void
install_signals(void)
{
	struct sigaction action;
	struct sigaction before;

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
	{
		log_line(LOG_ALWAYS, "could not create a pipe: %s", strerror(errno));
		exit(1);
	}
	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGTERM);
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGHUP);
	action.sa_flags = SA_RESTART;
	action.sa_handler = handle_stop;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* a closed terminal ends the worker as well, unless nohup says no */
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
	action.sa_handler = handle_child;
	action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

/* For who polls on its own: readable when a signal came. */
int
signal_fd(void)
{
	return signal_pipe[0];
}

/* Time that never jumps, for every deadline here. */
double
monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* Has somebody asked this worker to end? */
bool
stopping(void)
{
	if (stop_signals > 0 && stop_deadline == 0)
	{
		stop_deadline = monotonic_now() + options.grace;
		log_line(options.mate ? LOG_DETAIL : LOG_NORMAL, "stopping");
	}
	return stop_signals > 0;
}

/* Is the time of grace over that a running task gets? */
bool
stop_overdue(void)
{
	return stopping() && monotonic_now() >= stop_deadline;
}

/* Keeps the list of process groups that a second signal kills. */
void
track_child(pid_t pid, bool running)
{
	for (int i = 0; i < MAX_CHILDREN; i++)
	{
		if (children[i] == (running ? 0 : pid))
		{
			children[i] = running ? pid : 0;
			return;
		}
	}
}

/* Names the leases to renew while tasks run; NULL ends that. */
void
set_heartbeat(TaskList *list)
{
	beating = list;
	next_beat = monotonic_now() + options.lease / 3.0;
	reconnect_delay = 0;
}

/*
 * Renews the leases.  Without a connection it tries to get one, ever more
 * slowly, and never gives the task up for it: only the server can tell
 * whether the lease is still ours.
 */
static void
heartbeat(void)
{
	double		pause = options.lease / 3.0;

	if ((db_connected() || db_open()) && db_heartbeat(beating) != DB_GONE)
		reconnect_delay = 0;
	else
	{
		reconnect_delay = reconnect_delay == 0 ? 0.2 : fmin(reconnect_delay * 2, 5);
		pause = fmin(pause, reconnect_delay);
	}
	next_beat = monotonic_now() + pause;
}

/* Finds out whether the task must be abandoned now. */
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

/* The nearer of two points in time, of which 0 means never. */
static double
sooner(double a, double b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

/* Empties the signal pipe; tells whether there was a signal. */
static bool
drain_signals(void)
{
	char		bytes[64];
	bool		any = false;

	while (read(signal_pipe[0], bytes, sizeof(bytes)) > 0)
		any = true;
	return any;
}

/*
 * Waits until a descriptor is ready, a child ended, or the time `until` (0:
 * never) has come; see executor.h.  The task may be NULL when the worker
 * itself waits.
 */
bool
task_wait(Task *task, struct pollfd *fds, int nfds, double until)
{
	struct pollfd all[MAX_WAIT_FDS + 1];
	int			ready;

	if (nfds > MAX_WAIT_FDS)
		abort();
	for (;;)
	{
		double		now = monotonic_now();
		double		wake_at = until;

		if (abandoned(task, now))
			return false;
		if (task != NULL && beating != NULL)
		{
			if (now >= next_beat)
			{
				heartbeat();
				continue;
			}
			wake_at = sooner(wake_at, next_beat);
		}
		if (task != NULL && events_due() > 0 && now >= events_due())
		{
			events_flush(task);
			continue;
		}
		for (const Task *t = task; t != NULL; t = t->outer)
			wake_at = sooner(wake_at, t->deadline);
		if (task != NULL)
			wake_at = sooner(sooner(wake_at, events_due()), stop_deadline);
		if (nfds > 0)
			memcpy(all, fds, sizeof(*fds) * (size_t) nfds);
		all[nfds] = (struct pollfd) {.fd = signal_pipe[0],.events = POLLIN};
		ready = poll(all, (nfds_t) nfds + 1, wake_at == 0 ? -1 :
					 (int) fmin(ceil(fmax(wake_at - now, 0) * 1000), 60000));
		if (ready < 0 && errno != EINTR)
			return true;
		for (int i = 0; i < nfds; i++)
			fds[i].revents = ready > 0 ? all[i].revents : 0;
		/* a signal may also show as EINTR, with nothing ready */
		if (drain_signals() || ready > 0)
			return !abandoned(task, monotonic_now());
		if (until > 0 && monotonic_now() >= until)
			return true;
	}
}

/* Sleeps unless the worker is asked to end; false when it is. */
bool
pause_for(double seconds)
{
	double		until = monotonic_now() + seconds;

	while (!stopping() && monotonic_now() < until)
		task_wait(NULL, NULL, 0, until);
	return !stopping();
}
