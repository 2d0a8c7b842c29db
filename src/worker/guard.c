/*
 * guard.c
 *		The guard process.
 *
 * A worker that is killed with SIGKILL cannot end what its tasks have started.  The
 * system kills its direct children (PR_SET_PDEATHSIG), not what these have started.
 * So the worker tells a small process of its own which process groups there are, over
 * a pipe.  The end of the pipe is the end of the worker: the guard kills the groups.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guard.h"
#include "log.h"
#include "wait.h"

#define MAX_GROUPS (4 * MAX_CONCURRENCY)
#define MAX_CLOSED 65536

typedef struct GuardMessage
{
	pid_t		group;
	bool		running;
} GuardMessage;

static int	guard_pipe = -1;
static bool started = false;

/* In the guard: closes all descriptors but one, also the sessions of the worker. */
static void
close_all_but(int kept)
{
	struct rlimit limit;
	int			count = MAX_CLOSED;
	int			null = open("/dev/null", O_RDWR);

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MAX_CLOSED)
		count = (int) limit.rlim_cur;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	for (int fd = STDERR_FILENO + 1; fd < count; fd++)
	{
		if (fd != kept)
			close(fd);
	}
}

/* In the guard: keeps the list of groups until the worker is gone, and kills them. */
static void
run_guard(int fd)
{
	static pid_t groups[MAX_GROUPS];
	GuardMessage message;
	ssize_t		n;

	setsid();
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	close_all_but(fd);
	while ((n = read(fd, &message, sizeof(message))) != 0)
	{
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t) sizeof(message))
			break;
		for (int i = 0; i < MAX_GROUPS; i++)
		{
			if (groups[i] == (message.running ? 0 : message.group))
			{
				groups[i] = message.running ? message.group : 0;
				break;
			}
		}
	}
	for (int i = 0; i < MAX_GROUPS; i++)
	{
		if (groups[i] > 0)
			kill(-groups[i], SIGKILL);
	}
	_exit(0);
}

/* Starts the guard; without one, only direct children die with the worker. */
static void
start_guard(void)
{
	int			ends[2];
	pid_t		pid;

	started = true;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	pid = fork();
	if (pid == 0)
	{
		close(ends[1]);
		run_guard(ends[0]);
	}
	close(ends[0]);
	if (pid > 0)
		guard_pipe = ends[1];
	else
	{
		close(ends[1]);
		log_line(LOG_ALWAYS, "could not start the guard process: %s", strerror(errno));
	}
}

/* Tells the guard, which is started when there is none, of a process group. */
void
guard_tell(pid_t group, bool running)
{
	GuardMessage message;
	ssize_t		written;

	if (!started)
		start_guard();
	if (guard_pipe < 0)
		return;
	memset(&message, 0, sizeof(message));
	message.group = group;
	message.running = running;
	written = write(guard_pipe, &message, sizeof(message));
	(void) written;				/* the guard is gone: as if there had been none */
}
