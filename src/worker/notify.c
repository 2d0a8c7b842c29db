/*
 * notify.c
 *		Telling systemd about the state of the worker.
 *
 * The protocol is a datagram of lines NAME=VALUE to the socket that NOTIFY_SOCKET
 * names.  A hook of task_wait() answers the watchdog: a worker that does not wait for
 * anything any more is one that hangs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"
#include "wait.h"

#define MAX_STATE 512

static int	notify_socket = -1;
static double interval = 0;		/* of answers to the watchdog; 0: there is none */
static double next_answer = 0;

/* Returns when the watchdog wants to hear of the worker next. */
static double
answer_due(void)
{
	return next_answer;
}

/* Answers the watchdog. */
static void
answer_watchdog(Task *task)
{
	(void) task;
	notify_state("WATCHDOG=1");
	next_answer = monotonic_now() + interval;
}

static const WaitHook hook = {
	.due = answer_due,
	.run = answer_watchdog
};

/* Connects to the socket that a path names; "@" stands for the abstract namespace. */
static void
connect_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t		len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	notify_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify_socket >= 0 &&
		connect(notify_socket, (struct sockaddr *) &address,
				(socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) != 0)
	{
		close(notify_socket);
		notify_socket = -1;
	}
}

/* Finds the socket and the watchdog in the environment; does nothing without them. */
void
notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *period = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	if (path != NULL)
		connect_socket(path);
	if (notify_socket >= 0 && period != NULL && (pid == NULL || atol(pid) == (long) getpid()))
		interval = strtod(period, NULL) / 2e6;
	if (interval > 0)
	{
		next_answer = monotonic_now() + interval;
		wait_add_hook(&hook);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* Sends lines of the protocol. */
void
notify_state(const char *fmt,...)
{
	char		state[MAX_STATE];
	va_list		args;
	ssize_t		sent;

	if (notify_socket < 0)
		return;
	va_start(args, fmt);
	vsnprintf(state, sizeof(state), fmt, args);
	va_end(args);
	sent = send(notify_socket, state, strlen(state), MSG_NOSIGNAL);
	(void) sent;				/* systemd is not waited for */
}

/* Announces that the options are read again; READY=1 ends it. */
void
notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_state("RELOADING=1\nMONOTONIC_USEC=%lld",
				 (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
}
