/*
 * guard.c
 *		The guard process.
 *
 * A worker that is killed with SIGKILL cannot end what its tasks have started.  The
 * system kills its direct children (PR_SET_PDEATHSIG), not what these have started.
 * So a small process shares the list of process groups with the worker, and a pipe.
 * The end of the pipe is the end of the worker: the guard kills the groups.  Nothing
 * is written to the pipe, so that the guard never runs while the worker lives.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guard.h"
#include "log.h"

#define MAX_CLOSED 65536

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

/* In the guard: waits for the end of the worker, and kills the groups. */
static void
run_guard(int fd, volatile sig_atomic_t *groups)
{
	char		byte;

	setsid();
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	close_all_but(fd);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	for (int i = 0; i < MAX_CHILDREN; i++)
	{
		if (groups[i] > 0)
			kill(-(pid_t) groups[i], SIGKILL);
	}
	_exit(0);
}

/* Starts the guard; without one, only direct children die with the worker. */
static void
start_process(volatile sig_atomic_t *groups)
{
	int			ends[2];
	pid_t		pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	pid = fork();
	if (pid == 0)
	{
		close(ends[1]);
		run_guard(ends[0], groups);
	}
	close(ends[0]);
	if (pid > 0)
		return;					/* the other end stays open */
	close(ends[1]);
	log_line(LOG_ALWAYS, "could not start the guard process: %s", strerror(errno));
}

/*
 * Returns the list of process groups, in which 0 is a free place.  The guard starts
 * with the first call.
 */
volatile sig_atomic_t *
guard_start(void)
{
	static sig_atomic_t unshared[MAX_CHILDREN];
	static volatile sig_atomic_t *groups = NULL;
	void	   *shared;

	if (groups != NULL)
		return groups;
	shared = mmap(NULL, sizeof(unshared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	groups = shared != MAP_FAILED ? shared : unshared;
	if (shared != MAP_FAILED)
		start_process(groups);
	return groups;
}
