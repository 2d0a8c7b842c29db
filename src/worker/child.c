/*
 * child.c
 *		Child processes with their output on pipes.
 *
 * Each child leads a process group of its own: Ctrl-C at the terminal reaches only the
 * worker, and what a task has started ends with the task.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "child.h"
#include "environment.h"
#include "options.h"
#include "signals.h"
#include "strbuf.h"

#define CLOSE_ON_EXEC 4			/* CLOSE_RANGE_CLOEXEC, which older headers lack */
#define MAX_KEPT 1024			/* descriptors that are looked at where it is missing */

/* Closes a descriptor unless it is closed already. */
static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * Duplicates a descriptor to a number above those that it is about to be duplicated
 * to.
 */
static int
move_up(int fd)
{
	return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 10);
}

/* In the child: undoes what the worker has done to signals. */
static void
restore_signals(void)
{
	static const int changed[] = {SIGTERM, SIGINT, SIGCHLD, SIGPIPE};
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t	none;

	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
		sigaction(changed[i], &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Tells whether a name is that of a variable ("NAME=value"). */
static bool
names_variable(const char *name, size_t len, const char *variable)
{
	return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

/* Tells whether a variable of ours is for every program. */
static bool
is_basic_variable(const char *variable)
{
	static const char *const basic[] = {
		"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"
	};

	for (size_t i = 0; i < sizeof(basic) / sizeof(basic[0]); i++)
	{
		if (names_variable(basic[i], strlen(basic[i]), variable))
			return true;
	}
	return strncmp(variable, "LC_", 3) == 0;
}

/* Tells whether --pass-env names a variable of ours. */
static bool
is_passed_variable(const char *variable)
{
	const char *list = options.pass_env != NULL ? options.pass_env : "";

	while (*list != '\0')
	{
		size_t		len = strcspn(list, ", ");

		if (len > 0 && names_variable(list, len, variable))
			return true;
		list += len;
		list += strspn(list, ", ");
	}
	return false;
}

/* Tells whether the task itself sets a variable. */
static bool
is_set_by_task(const ChildSpec *spec, const char *variable)
{
	for (int i = 0; spec->env != NULL && spec->env[i] != NULL; i += 2)
	{
		if (names_variable(spec->env[i], strlen(spec->env[i]), variable))
			return true;
	}
	return false;
}

/* Tells whether a variable that a task sets, the i-th, is set again behind that. */
static bool
is_set_again(const ChildSpec *spec, size_t i)
{
	for (size_t j = i + 1; spec->env[2 * j] != NULL; j++)
	{
		if (strcmp(spec->env[2 * i], spec->env[2 * j]) == 0)
			return true;
	}
	return false;
}

/* Returns how many entries a list has that NULL ends. */
static size_t
count_entries(const char *const *list)
{
	size_t		count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

/*
 * Makes the environment of a child.  A program of a playbook sees what its task sets,
 * what --pass-env names and what no program can do without; not the worker's passwords
 * and credentials.  What the task sets is copied into *copies; both are to be freed.
 */
static char **
make_environment(const ChildSpec *spec, StringBuf *copies)
{
	char	  **ours = environment_all();
	size_t		set = count_entries(spec->env) / 2;
	char	  **env = xcalloc(count_entries((const char *const *) ours) + set + 1, sizeof(char *));
	size_t	   *starts = xcalloc(set, sizeof(size_t));
	size_t		n = 0;

	for (int i = 0; ours[i] != NULL; i++)
	{
		if ((spec->inherits_environment || is_basic_variable(ours[i]) ||
			 is_passed_variable(ours[i])) && !is_set_by_task(spec, ours[i]))
			env[n++] = ours[i];
	}
	for (size_t i = 0; i < set; i++)
	{
		starts[i] = copies->len;
		sb_printf(copies, "%s=", spec->env[2 * i]);
		sb_add(copies, spec->env[2 * i + 1], strlen(spec->env[2 * i + 1]) + 1);
	}
	for (size_t i = 0; i < set; i++)
	{
		if (!is_set_again(spec, i))
			env[n++] = copies->data + starts[i];
	}
	free(starts);
	return env;
}

/* In the child: limits what it and each process that it starts may allocate. */
static void
limit_memory(long long bytes)
{
	struct rlimit limit = {(rlim_t) bytes, (rlim_t) bytes};

	if (bytes <= 0)
		return;
#ifdef __linux__
	setrlimit(RLIMIT_DATA, &limit);
#else
	setrlimit(RLIMIT_AS, &limit);
#endif
}

/*
 * In the child: lets the program have no descriptor from a number on.  Libraries open
 * theirs without a thought of it, and the worker may have been started with some.
 */
static void
keep_descriptors(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned int) first, ~0U, CLOSE_ON_EXEC) == 0)
		return;
#endif
	for (int fd = first; fd < MAX_KEPT; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/*
 * In the child: becomes the program, or says on stderr why not.  The child has the
 * memory of the worker until then, and must not change anything in it.
 */
static void
exec_child(const ChildSpec *spec, int out, int err, int channel, pid_t parent)
{
	int			null = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));

	setpgid(0, 0);
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
#else
	(void) parent;
#endif
	restore_signals();
	out = move_up(out);
	err = move_up(err);
	channel = move_up(channel);
	dup2(null, STDIN_FILENO);
	if (!spec->shares_output)
	{
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
	}
	if (channel >= 0)
		dup2(channel, spec->channel_is_stdin ? STDIN_FILENO : CHILD_CHANNEL_FD);
	keep_descriptors(channel >= 0 && !spec->channel_is_stdin ? CHILD_CHANNEL_FD + 1 :
					 STDERR_FILENO + 1);
	limit_memory(spec->memory);
	if (spec->cwd != NULL && chdir(spec->cwd) != 0)
	{
		dprintf(STDERR_FILENO, "could not change directory to \"%s\": %s\n",
				spec->cwd, strerror(errno));
		_exit(126);
	}
	execvp(spec->argv[0], (char *const *) spec->argv);
	dprintf(STDERR_FILENO, "could not execute \"%s\": %s\n",
			spec->argv[0], strerror(errno));
	_exit(127);
}

/*
 * Makes the process of a child, which shares the memory of this one until it has become
 * its program: copying the page tables costs more than the program does.  Signals wait
 * meanwhile, because a handler in the child would change this process.  Returns its
 * number, -1 with errno when there is none.
 */
static pid_t
spawn(const ChildSpec *spec, int out, int err, int channel)
{
	pid_t		parent = getpid();
	StringBuf	copies = {0};
	char	  **ours = environ;
	char	  **env = make_environment(spec, &copies);
	sigset_t	all;
	sigset_t	before;
	pid_t		pid;
	int			saved_errno;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	environ = env;
#ifdef __linux__
	pid = vfork();
#else
	pid = fork();
#endif
	if (pid == 0)
		exec_child(spec, out, err, channel, parent);
	saved_errno = errno;
	environ = ours;
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(env);
	sb_free(&copies);
	errno = saved_errno;
	return pid;
}

/*
 * Starts a program.  Returns false, with errno, when there are no more pipes or
 * processes; a program that cannot be executed ends with exit code 127.
 */
bool
child_start(Child *child, const ChildSpec *spec)
{
	int			out[2] = {-1, -1};
	int			err[2] = {-1, -1};
	int			channel[2] = {-1, -1};
	pid_t		pid = -1;
	int			saved_errno;

	if ((spec->shares_output ||
		 (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)) &&
		(!spec->channel ||
		 socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) == 0))
		pid = spawn(spec, out[1], err[1], channel[1]);
	saved_errno = errno;
	close_fd(&out[1]);
	close_fd(&err[1]);
	close_fd(&channel[1]);
	*child = (Child) {pid > 0 ? pid : 0, 0, out[0], err[0], channel[0]};
	if (pid < 0)
	{
		child_close(child);
		errno = saved_errno;
		return false;
	}
	setpgid(pid, pid);			/* also here: we may want to kill it first */
	track_child(pid, true);
	if (child->out >= 0)
		fcntl(child->out, F_SETFL, O_NONBLOCK);
	if (child->err >= 0)
		fcntl(child->err, F_SETFL, O_NONBLOCK);
	if (child->channel >= 0)
		fcntl(child->channel, F_SETFL, O_NONBLOCK);
	return true;
}

/*
 * Reaps the child if it has ended; returns true when it is gone.  Its process group is
 * killed before that, while no other process can have its number.
 */
bool
child_reap(Child *child, bool block)
{
	siginfo_t	info;
	int			result;

	if (child->pid == 0)
		return true;
	do
	{
		memset(&info, 0, sizeof(info));
		result = waitid(P_PID, (id_t) child->pid, &info,
						WEXITED | WNOWAIT | (block ? 0 : WNOHANG));
	} while (result < 0 && errno == EINTR);
	if (result == 0 && info.si_pid == 0)
		return false;
	kill(-child->pid, SIGKILL);
	track_child(child->pid, false);
	waitpid(child->pid, &child->status, 0);
	child->pid = 0;
	return true;
}

/* Kills the child and everything in its process group. */
void
child_kill(Child *child)
{
	if (child->pid == 0)
		return;
	kill(-child->pid, SIGKILL);
	kill(child->pid, SIGKILL);
	child_reap(child, true);
}

/* Closes the pipes and the channel. */
void
child_close(Child *child)
{
	close_fd(&child->out);
	close_fd(&child->err);
	close_fd(&child->channel);
}

/* Returns a text that says how a reaped child ended. */
const char *
child_fate(const Child *child)
{
	static char text[80];

	if (WIFSIGNALED(child->status))
		snprintf(text, sizeof(text), "was killed by signal %d (%s)",
				 WTERMSIG(child->status), strsignal(WTERMSIG(child->status)));
	else
		snprintf(text, sizeof(text), "exited with code %d",
				 WEXITSTATUS(child->status));
	return text;
}
