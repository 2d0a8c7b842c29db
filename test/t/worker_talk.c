/*
 * test/t/worker_talk.c
 *		A worker without a server: run_worker() with a libpq that answers what a case says,
 *		and with a clock that leaps to the next moment at which something is due.
 *
 * A case is a paragraph of the input:
 *
 *		== what it is about
 *		: options of the worker
 *		STATEMENT -> ANSWER			what the next statement of that name gets, once
 *		arm FUNCTION#N=VALUE		the N-th call of a function fails with that value
 *		at SECONDS stop				a signal to end
 *		patience MILLISECONDS		how long the clock waits for other processes
 *		helper WORD					what the helper process does: that of TALK_HELPER
 *		answered N					the first requests: other processes answer no more
 *		silent STATEMENT			that is not printed
 *		env NAME=VALUE				a variable of the worker
 *		listen PATH					a socket of systemd's
 *		N x STATEMENT -> ANSWER		the same for N of them; "always" before an answer: for all
 *
 * Answers: t, f, null, ok, "rows A|B;;C|D", "task ID TYPE ACTION [COLUMN=VALUE]...",
 * "tasks FIRST LAST TYPE ACTION",
 * "items N", "big BYTES",
 * "error SQLSTATE TEXT", "lost", "never", "unsent"; several of one statement with " && "
 * between them.  Before them "late SECONDS", "stop", "open" (a transaction stays open),
 * "ended" (a process by then),
 * "notice SQLSTATE TEXT::" and "with FUNCTION=VALUE" (its next call fails).
 *
 * It prints each statement and each line of the log, with the time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "concurrency.h"
#include "environment.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "tool.h"
#include "wait.h"
#include "worker.h"
#include "worker_talk.h"

#define MAX_LINES 200

double		now = BEGIN;
static bool is_helper = false;

/* ---------------------------------------------------------------------------
 * The case
 * ---------------------------------------------------------------------------
 */
char *lines[MAX_LINES];	/* of the case; NULL: used */
int	times[MAX_LINES];	/* that a statement may be asked */
int	nlines = 0;
static int	patience = 0;		/* milliseconds */
static const char *helper_program = NULL;
static int	answered = 100000;	/* requests, the first ones */
static int	awaited = 0;		/* answers of other processes, or their ends */

/* Writes a line of the answer; of the same line several times in a row one, and how often. */
void
say(const char *fmt,...)
{
	static char last[4096];
	static int	again = 0;
	char		text[4096];
	char		line[4200];
	int			len = 0;
	va_list		args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (strcmp(text, last) == 0 && !is_helper)
	{
		again++;
		return;
	}
	if (again > 0)
		len = snprintf(line, sizeof(line), "     (%d times more)\n", again);
	again = 0;
	snprintf(last, sizeof(last), "%s", text);
	if (is_helper)
		len += snprintf(line + len, sizeof(line) - (size_t) len, "~ %s\n", text);
	else
		len += snprintf(line + len, sizeof(line) - (size_t) len, "%.2f %s\n", now - BEGIN, text);
	(void) !syscall(SYS_write, STDOUT_FILENO, line, len);
}

/* Returns the argument of the next line of the case that begins with a word, and uses it. */
static char *
take_line(const char *word)
{
	for (int i = 0; i < nlines; i++)
	{
		if (lines[i] != NULL && strncmp(lines[i], word, strlen(word)) == 0)
		{
			char	   *found = lines[i] + strlen(word);

			lines[i] = NULL;
			return found;
		}
	}
	return NULL;
}

/* Calls that are to fail */
static struct
{
	char		name[40];
	int			calls;			/* until it fails */
	int			value;
}			armed[50];
static int	narmed = 0;

/* Notes a call that is to fail: NAME=VALUE, or NAME#N=VALUE. */
void
arm(const char *text)
{
	armed[narmed].calls = strchr(text, '#') != NULL ? atoi(strchr(text, '#') + 1) : 1;
	armed[narmed].value = atoi(strchr(text, '=') + 1);
	snprintf(armed[narmed++].name, sizeof(armed[0].name), "%.*s", (int) strcspn(text, "#="), text);
}

/* Tells whether a call of a function fails, and as what. */
bool
fails(const char *name, int *value)
{
	for (int i = 0; i < narmed; i++)
	{
		if (strcmp(armed[i].name, name) != 0 || --armed[i].calls != 0)
			continue;
		say("! %s", name);
		*value = armed[i].value;
		return true;
	}
	return false;
}

/* ---------------------------------------------------------------------------
 * The system
 * ---------------------------------------------------------------------------
 */
int
clock_gettime(clockid_t clock, struct timespec *time)
{
	if (clock != CLOCK_MONOTONIC || is_helper)
		return (int) syscall(SYS_clock_gettime, clock, time);
	time->tv_sec = (time_t) now;
	time->tv_nsec = (long) ((now - (double) time->tv_sec) * 1e9);
	return 0;
}

/* What other processes do is waited for in real time. */
ssize_t
read(int fd, void *data, size_t size)
{
	ssize_t		n = syscall(SYS_read, fd, data, size);
	struct stat status;
	int			type = 0;
	socklen_t	type_size = sizeof(type);

	if (n > 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM)
		awaited--;
	/* of a tool */
	if (n > 0 && awaited > 0 && fd != signal_fd() && fstat(fd, &status) == 0 &&
		S_ISFIFO(status.st_mode))
		awaited--;
	return n;
}

/* Waits until a stubborn helper ignores SIGTERM: until then it would end of it. */
static void
await_stubborn(pid_t pid)
{
	char		path[64];
	char		line[256];
	unsigned long long ignored = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
	for (int i = 0; i < 1000 && (ignored >> (SIGTERM - 1) & 1) == 0; i++)
	{
		FILE	   *file = fopen(path, "r");

		while (file != NULL && fgets(line, sizeof(line), file) != NULL)
			(void) sscanf(line, "SigIgn: %llx", &ignored);
		if (file != NULL)
			fclose(file);
		usleep(10000);
	}
}

int
kill(pid_t pid, int signo)
{
	siginfo_t	info;
	bool		stubborn = helper_program != NULL && strcmp(helper_program, "stubborn") == 0;

	if (signo == SIGTERM && pid > 0 && stubborn)
		await_stubborn(pid);
	if (signo == SIGKILL && pid <= 0 && stop_count() > 2)
		say("kills a group");
	if (syscall(SYS_kill, pid, signo) != 0)
		return -1;
	/* it has ended when the clock leaps next */
	if (signo == SIGTERM && pid > 0 && !stubborn)
		(void) waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT);
	return 0;
}

pid_t
waitpid(pid_t pid, int *status, int how)
{
	awaited = awaited > 0 ? awaited - 1 : 0;
	return (pid_t) syscall(SYS_wait4, pid, status, how, NULL);
}

/* A tool that is told to end has ended when the clock leaps next. */
int
shutdown(int fd, int how)
{
	siginfo_t	info = {0};
	int			result = (int) syscall(SYS_shutdown, fd, how);

	for (int i = 0;
		 i < 300 && waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == 0;
		 i++)
		usleep(10000);
	return result;
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	int			type = 0;
	socklen_t	size = sizeof(type);
	ssize_t		sent;

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
	if (type == SOCK_DGRAM)
		say("tells systemd: %.*s", (int) strcspn(data, "\n"), (const char *) data);
	sent = syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
	if (sent > 0 && type == SOCK_STREAM && --answered >= 0 &&
		(helper_program == NULL ||
		 (strcmp(helper_program, "sleeps") != 0 && strcmp(helper_program, "stubborn") != 0)))
		awaited++;
	return sent;
}

/* Lines of the log get the time of this program. */
ssize_t
write(int fd, const void *data, size_t len)
{
	if (fd != STDERR_FILENO)
		return syscall(SYS_write, fd, data, len);
	if (strstr(data, " worker w executes ") != NULL)
		return (ssize_t) len;
	/* without its own time, and without the end of the line */
	say("log: %.*s", (int) len - 10, (const char *) data + 9);
	return (ssize_t) len;
}

/* Looks at descriptors without waiting for long; *next becomes when a connection has something. */
static int
look(struct pollfd *fds, nfds_t count, int milliseconds, double *next)
{
	struct timespec span;
	double		when = HUGE_VAL;
	int			ready = 0;

	for (nfds_t i = 0; i < count; i++)
	{
		if (next_arrival(fds[i].fd, &when) == ARRIVAL_NOW)
			milliseconds = 0;
	}
	span = (struct timespec) {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	/* a signal shows at its own descriptor */
	if (syscall(SYS_ppoll, fds, count, &span, NULL, 0) < 0)
		(void) !syscall(SYS_poll, fds, count, 0);
	for (nfds_t i = 0; i < count; i++)
	{
		if (is_connection(fds[i].fd))
		{
			Arrival		arrival = next_arrival(fds[i].fd, &when);

			fds[i].revents = fds[i].events & POLLOUT;
			if (arrival == ARRIVAL_NOW)
				fds[i].revents |= POLLIN;
			else if (arrival == ARRIVAL_LATER)
				*next = fmin(*next, when);
		}
		ready += fds[i].revents != 0;
	}
	return ready;
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	double		end = timeout < 0 ? HUGE_VAL : now + timeout / 1000.0;
	int			value;

	if (fails("poll", &value))
	{
		errno = value;
		return -1;
	}
	if (is_helper)
		return (int) syscall(SYS_poll, fds, count, timeout);
	for (int rounds = 0;; rounds++)
	{
		double		next = end;
		int			ready = look(fds, count,
								 timeout == 0 ? 0 :
									 awaited > 0 ? 10000 :
												   patience,
								 &next);
		int			signal_at = -1;

		if (ready > 0 || now >= end)
			return ready;
		for (int i = 0; i < nlines; i++)
		{
			if (lines[i] != NULL && strncmp(lines[i], "at ", 3) == 0 &&
				BEGIN + atof(lines[i] + 3) <= next)
			{
				next = BEGIN + atof(lines[i] + 3);
				signal_at = i;
			}
		}
		if (isinf(next))
		{
			say("WAITS FOR EVER");
			_exit(1);
		}
		now = fmax(now, next);
		if (now > BEGIN + 5000 || rounds > 10000)
		{
			say("TOO LONG");
			_exit(1);
		}
		if (signal_at >= 0)
		{
			say("signal");
			raise(strstr(lines[signal_at], "hangup") != NULL ? SIGHUP : SIGTERM);
			lines[signal_at] = NULL;
		}
	}
}

int
pipe2(int files[2], int flags)
{
	if (fails("pipe2", &errno))
		return -1;
	return (int) syscall(SYS_pipe2, files, flags);
}

int
socketpair(int domain, int type, int protocol, int files[2])
{
	if (fails("socketpair", &errno))
		return -1;
	return (int) syscall(SYS_socketpair, domain, type, protocol, files);
}

pid_t
getppid(void)
{
	FAILS_AS("getppid");
	return (pid_t) syscall(SYS_getppid);
}

int
isatty(int fd)
{
	(void) fd;
	FAILS_AS("isatty");
	return 0;
}

/* What starts processes, and how a helper process is started. */
bool		__real_child_start(Child *child, const ChildSpec *spec);
bool		__wrap_child_start(Child *child, const ChildSpec *spec);

bool
__wrap_child_start(Child *child, const ChildSpec *spec)
{
	siginfo_t	info;
	bool		started;
	int			value;

	if (fails("child_start", &value))
	{
		*child = (Child) CHILD_INIT;
		errno = value;
		return false;
	}
	say("starts a process");
	started = __real_child_start(child, spec);
	if (started && helper_program != NULL && strcmp(helper_program, "dies") == 0)
		(void) waitid(P_PID, (id_t) child->pid, &info, WEXITED | WNOWAIT);
	return started;
}

const char *const *__real_own_command(const char *option);
const char *const *__wrap_own_command(const char *option);

const char *const *
__wrap_own_command(const char *option)
{
	const char **command = calloc(4, sizeof(char *));

	if (helper_program == NULL)
		return __real_own_command(option);
	command[0] = "perl";
	command[1] = environment_value("TALK_HELPER");
	command[2] = helper_program;
	return command;
}

/* ---------------------------------------------------------------------------
 * Cases
 * ---------------------------------------------------------------------------
 */

/* Makes a socket to which states are sent. */
static void
listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t		len = strlen(path);

	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	else
		unlink(path);
	if (bind(fd, (struct sockaddr *) &address,
			 (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) != 0)
		say("could not listen");
}

/* Takes the lines of a case. */
static void
read_case(char *text)
{
	char	   *line;

	while ((line = strsep(&text, "\n")) != NULL)
	{
		char	   *mark = strstr(line, " x ");

		if (line[0] == '\0' || nlines == MAX_LINES)
			continue;
		times[nlines] = 1;
		if (line[0] >= '0' && line[0] <= '9' && mark != NULL)
		{
			times[nlines] = atoi(line);
			line = mark + 3;
		}
		lines[nlines++] = line;
	}
	while ((line = take_line("arm ")) != NULL)
		arm(line);
	if ((line = take_line("patience ")) != NULL)
		patience = atoi(line);
	if ((line = take_line("answered ")) != NULL)
		answered = atoi(line);
	while ((line = take_line("env ")) != NULL)
		putenv(strdup(line));
	while ((line = take_line("listen ")) != NULL)
		listen_at(line);
	helper_program = take_line("helper ");
}

/* Says a line that is printed, or the part of one. */
static ssize_t
write_line(void *cookie, const char *data, size_t len)
{
	say("%s: %.*s", (const char *) cookie, (int) (data[len - 1] == '\n' ? len - 1 : len), data);
	return (ssize_t) len;
}

/* Makes one call of the worker: "wait SECONDS", "hangup", "value ..." or "report ...". */
static void
do_call(char *text)
{
	Task		task = {.queue_id = "1",
						.execution_id = "7",
						.node_id = "7:s",
						.step = "s",
						.type = "python",
						.attempt = "1",
						.index = -1};
	TaskList	list = {&task, 1, 0};
	Outcome		out = {0};
	char	   *value = NULL;
	char	   *word = strsep(&text, " ");
	char	   *attached;
	DbStatus	status = DB_OK;

	if (strcmp(word, "wait") == 0)
	{
		task_wait(NULL, NULL, 0, now + atof(text));
		say("waited");
		return;
	}
	if (strcmp(word, "hangup") == 0)
	{
		raise(SIGHUP);
		say("%s", stopping() ? "ends" : reload_wanted() ? "reads its options" : "goes on");
		return;
	}
	out.kind = strcmp(strsep(&text, " "), "done") == 0 ? OUTCOME_DONE : OUTCOME_FAILED;
	attached = strsep(&text, " ");
	if (out.kind == OUTCOME_FAILED)
		outcome_fail(&out, "%s", attached);
	else
	{
		sb_str(&out.result, "{\"data\":");
		outcome_attach(&out, attached, strlen(attached));
		sb_str(&out.result, "}");
	}
	(void) db_open();
	if (strcmp(word, "value") == 0)
		status = db_value(&task, &out, &value);
	else if (report_ahead(&task, &out, 0))
		say("ahead");
	else
		status = report_outcome(&task, &out, &list, NULL);
	say("status %d, %s, %s, value %s", status, out.kind == OUTCOME_DONE ? "done" : out.error.data,
		out.result.data, value);
}

/* Runs a worker as the case says, and ends. */
static void
run_case(char *text)
{
	static char *argv[120] = {"noetl-worker", "--name", "w", "--connect", "dbname=d"};
	int			argc = 5;
	StringBuf	error = {0};
	char	   *rest;
	char	   *word;
	int			code;

	setenv("TALK", text, 1);
	stdout = fopencookie("out", "w", (cookie_io_functions_t) {.write = write_line});
	stderr = fopencookie("err", "w", (cookie_io_functions_t) {.write = write_line});
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stderr, NULL, _IOLBF, 0);
	read_case(text);
	rest = take_line(": ");
	while (rest != NULL && (word = strsep(&rest, " ")) != NULL)
	{
		argv[argc++] = word;
		for (; *word != '\0'; word++)
			*word = *word == '~' ? ' ' : *word;
	}
	alarm(15);
	environment_hide();
	parse_options(argc, argv);
	if (!tools_init() || !concurrency_init(&error))
		_exit(2);
	install_signals();
	rest = take_line("do ");
	if (rest != NULL)
	{
		do_call(rest);
		_exit(0);
	}
	code = options.command != NULL ? run_desk() :
		options.nconnections > 1 ? run_supervisor() :
									 run_worker();
	fflush(stdout);
	if (code != 0)
		say("exit code %d", code);
	for (int i = 0; i < nlines; i++)
	{
		if (lines[i] != NULL && strstr(lines[i], " -> ") != NULL &&
			strstr(lines[i], " -> always ") == NULL && strncmp(lines[i], "==", 2) != 0)
			say("NOT ASKED: %s", lines[i]);
	}
	_exit(0);
}

/* A helper process of the worker of a case, in real time. */
static int
help(int argc, char **argv)
{
	is_helper = true;
	environment_hide();
	if (environment_value("TALK") != NULL)
		read_case(strdup(environment_value("TALK")));
	nlines = 0;
	parse_options(argc, argv);
	install_signals();
	return run_helper();
}

int
main(int argc, char **argv)
{
	char	   *text = NULL;
	size_t		size = 0;

	if (argc > 1 && strcmp(argv[1], HELPER_OPTION) == 0)
		return help(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	while (getdelim(&text, &size, '\001', stdin) > 0)
	{
		int			status;
		pid_t		pid;

		text[strcspn(text, "\001")] = '\0';
		printf("%s", text);
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			run_case(text);
		waitpid(pid, &status, 0);
		if (status != 0)
			printf("DIED of %d\n", status);
		printf("\001");
	}
	return 0;
}
