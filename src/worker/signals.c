/*
 * signals.c
 *		Signals that the program receives.
 *
 * Handlers write one byte into a pipe, so that a signal that arrives just before
 * poll() still ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "log.h"
#include "options.h"
#include "signals.h"
#include "wait.h"

static int	signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t stop_signals = 0;
static volatile sig_atomic_t *children = NULL;	/* their groups; guard_start() */
static volatile sig_atomic_t reload_signals = 0;
static double deadline = 0;		/* end of the grace; 0: not stopping */

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
 * The first signal asks for a graceful end.  The second one ends the grace: running
 * tasks are given back at once.  The third one ends the worker and what it has
 * started without another word; the leases then run out by themselves.
 */
static void
handle_stop(int signo)
{
	if (++stop_signals > 2)
	{
		for (int i = 0; children != NULL && i < MAX_CHILDREN; i++)
		{
			if (children[i] > 0)
				kill(-(pid_t) children[i], SIGKILL);
		}
		_exit(128 + signo);
	}
	wake();
}

/* The file of --config is to be read again. */
static void
handle_reload(int signo)
{
	(void) signo;
	reload_signals = 1;
	wake();
}

/* A child has ended: task_wait() returns, so that its caller looks. */
static void
handle_child(int signo)
{
	(void) signo;
	wake();
}

/* Sets up the pipe and the handlers; exits when there is no pipe. */
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
	/* without a file to read again, a closed terminal ends the worker, except under nohup */
	if (options.config != NULL && !options.helper && !options.desk_worker)
		action.sa_handler = handle_reload;
	if (action.sa_handler == handle_reload ||
		(sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN))
		sigaction(SIGHUP, &action, NULL);
	action.sa_handler = handle_child;
	action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

/* Returns the descriptor that is readable after a signal. */
int
signal_fd(void)
{
	return signal_pipe[0];
}

/* Empties the pipe; tells whether there was a signal. */
bool
drain_signals(void)
{
	char		bytes[64];
	bool		any = false;

	while (read(signal_pipe[0], bytes, sizeof(bytes)) > 0)
		any = true;
	return any;
}

/* Tells whether this process has been asked to end. */
bool
stopping(void)
{
	if (stop_signals > 0 && deadline == 0)
	{
		deadline = monotonic_now() + options.grace;
		log_line(options.helper ? LOG_DETAIL : LOG_NORMAL, "stopping");
	}
	return stop_signals > 0;
}

/* Returns how often this process has been asked to end. */
int
stop_count(void)
{
	return stop_signals;
}

/* Returns when the grace of a running task ends; 0 while nothing stops. */
double
stop_deadline(void)
{
	return deadline;
}

/* Tells whether the grace of a running task is over. */
bool
stop_overdue(void)
{
	return stopping() && (stop_signals > 1 || monotonic_now() >= deadline);
}

/* Tells whether the file of --config is to be read again, and forgets it. */
bool
reload_wanted(void)
{
	bool		wanted = reload_signals > 0;

	reload_signals = 0;
	return wanted;
}

/*
 * Keeps the list of process groups, which the third signal and the guard process kill.
 * Called with false before the process is reaped: until then no other
 * process gets its number.
 */
void
track_child(pid_t pid, bool running)
{
	if (children == NULL)
		children = guard_start();
	for (int i = 0; i < MAX_CHILDREN; i++)
	{
		if (children[i] == (running ? 0 : pid))
		{
			children[i] = running ? pid : 0;
			return;
		}
	}
}
