/*
 * python.c
 *		Tasks of type python: a python3 process that stays alive.
 *
 * python_driver.py, embedded at build time, runs in the child and talks over
 * a socket of its own, so that whatever a task prints cannot be mistaken for
 * an answer.  A child that ends, hangs or answers nonsense is replaced before
 * the next task.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "child.h"
#include "executor.h"
#include "log.h"
#include "options.h"

#define MAX_LOG_BYTES (1024 * 1024)	/* of one task's output */
#define START_SECONDS 30
#define FINAL_READS 64			/* more than a pipe holds */
#define ANSWER_HEADER 6			/* kind, recycle, length of the error */

static const char driver_source[] =
#include "python_driver.inc"
;

/* Output of the child up to the next line end, and how much there was */
typedef struct LineLog
{
	char		line[2000];
	size_t		len;
	size_t		total;
} LineLog;

static Child python = CHILD_INIT;
static LineLog out_log;
static LineLog err_log;

/* Says what the child printed, one line each, up to a bound per task. */
static void
log_output(const Task *task, LineLog *log, const char *text, size_t len)
{
	for (size_t i = 0; i < len && log->total <= MAX_LOG_BYTES; i++)
	{
		if (text[i] != '\n')
			log->line[log->len++] = text[i];
		if (text[i] == '\n' || log->len == sizeof(log->line))
		{
			log_task(task, LOG_NORMAL, "| %.*s", (int) log->len, log->line);
			log->len = 0;
		}
		if (++log->total > MAX_LOG_BYTES)
			log_task(task, LOG_NORMAL, "| [output beyond %d bytes is not shown]",
					 MAX_LOG_BYTES);
	}
}

/* Takes what a pipe of the child holds, a little at a time. */
static bool
read_output(const Task *task, int *fd, LineLog *log)
{
	char		buffer[8192];
	ssize_t		n = *fd >= 0 ? read(*fd, buffer, sizeof(buffer)) : -1;

	if (n > 0)
		log_output(task, log, buffer, (size_t) n);
	if (n == 0)
	{
		/* at its end it would be readable for ever */
		close(*fd);
		*fd = -1;
	}
	return n > 0;
}

/* Takes what is left of a task's output, and ends its last line. */
static void
finish_output(const Task *task)
{
	LineLog    *logs[] = {&out_log, &err_log};
	int		   *fds[] = {&python.out, &python.err};

	for (int i = 0; i < 2; i++)
	{
		for (int n = 0; n < FINAL_READS && read_output(task, fds[i], logs[i]); n++)
			;
		if (logs[i]->len > 0)
			log_output(task, logs[i], "\n", 1);
		logs[i]->total = 0;
		logs[i]->len = 0;
	}
}

/* Ends the child for good. */
void
python_shutdown(void)
{
	child_kill(&python);
	child_close(&python);
}

/*
 * Sends the request, if any, and waits for the answer.  DONE: it is there;
 * FAILED: the child is gone or out of step; ABORTED: as task_wait() says.
 */
static OutcomeKind
exchange(Task *task, Exchange *x, double until)
{
	while (!frame_complete(&x->answer))
	{
		struct pollfd fds[3] = {
			{.fd = python.channel,.events = POLLIN},
			{.fd = python.out,.events = POLLIN},
			{.fd = python.err,.events = POLLIN}
		};

		if (x->sent < x->request.len)
			fds[0].events |= POLLOUT;
		if (!task_wait(task, fds, 3, until))
			return OUTCOME_ABORTED;
		if (fds[1].revents != 0)
			read_output(task, &python.out, &out_log);
		if (fds[2].revents != 0)
			read_output(task, &python.err, &err_log);
		if (fds[0].revents != 0 && !exchange_pump(python.channel, x))
			return OUTCOME_FAILED;
		if (until > 0 && monotonic_now() >= until)
			return OUTCOME_FAILED;
	}
	return OUTCOME_DONE;
}

/*
 * Starts the child and waits until it says hello: only then do we know that
 * the interpreter exists and understands the driver.
 */
static OutcomeKind
start_python(Task *task)
{
	const char *const argv[] = {options.python, "-c", driver_source, NULL};
	ChildSpec	spec = {.argv = argv,.channel = true};
	Exchange	hello = {0};
	OutcomeKind kind;

	if (python.pid != 0 && !child_reap(&python, false))
		return OUTCOME_DONE;
	child_close(&python);
	if (!child_start(&python, &spec))
	{
		log_line(LOG_ALWAYS, "could not start %s: %s", options.python, strerror(errno));
		return OUTCOME_FAILED;
	}
	kind = exchange(task, &hello, monotonic_now() + START_SECONDS);
	if (kind == OUTCOME_DONE && hello.answer.len >= FRAME_HEADER + ANSWER_HEADER)
		log_line(LOG_DETAIL, "python %s runs as process %d",
				 hello.answer.data + FRAME_HEADER + ANSWER_HEADER, (int) python.pid);
	else
	{
		finish_output(task);
		python_shutdown();
	}
	sb_free(&hello.answer);
	return kind;
}

/* Can this machine execute python tasks? */
bool
python_available(void)
{
	bool		ok = start_python(NULL) == OUTCOME_DONE;

	if (!ok)
		log_line(LOG_ALWAYS, "\"%s\" is not a python interpreter that could be started",
				 options.python);
	return ok;
}

/* Writes the request. */
static void
write_request(const Task *task, StringBuf *request)
{
	frame_begin(request);
	sb_str(request, "{\"execution_id\":");
	json_string(request, task->execution_id, strlen(task->execution_id));
	json_member(request, "step", task->step);
	sb_str(request, ",\"action\":");
	sb_str(request, task->action != NULL ? task->action : "{}");
	sb_str(request, "}");
	frame_end(request);
}

/* Turns an answer into the outcome. */
static OutcomeKind
read_answer(const StringBuf *answer, Outcome *out, bool *recycle)
{
	const char *frame = answer->data + FRAME_HEADER;
	size_t		len = frame_size(answer) - FRAME_HEADER;
	uint32_t	error_len;

	*recycle = true;
	if (len < ANSWER_HEADER)
		return outcome_fail(out, "the python process gave a malformed answer");
	memcpy(&error_len, frame + 2, sizeof(error_len));
	error_len = ntohl(error_len);
	if ((frame[0] != 'S' && frame[0] != 'F') || error_len > len - ANSWER_HEADER)
		return outcome_fail(out, "the python process gave a malformed answer");
	*recycle = frame[1] != 'k';
	sb_add(&out->error, frame + ANSWER_HEADER, error_len);
	sb_add(&out->result, frame + ANSWER_HEADER + error_len,
		   len - ANSWER_HEADER - error_len);
	out->kind = frame[0] == 'S' ? OUTCOME_DONE : OUTCOME_FAILED;
	return out->kind;
}

/* Explains a child that ended, or broke the protocol, during the task. */
static OutcomeKind
lost_python(Outcome *out)
{
	if (!child_reap(&python, false))
	{
		/* the channel is closed first, the process ends a moment later */
		double		until = monotonic_now() + 1;

		while (!child_reap(&python, false) && monotonic_now() < until)
			task_wait(NULL, NULL, 0, until);
	}
	if (python.pid != 0)
		return outcome_fail(out, "the task broke the channel between the python process and the worker");
	return outcome_fail(out, "the python process %s", child_fate(&python));
}

/* Executes one task in the child, which is started when there is none. */
OutcomeKind
python_execute(Task *task, Outcome *out)
{
	Exchange	x = {0};
	OutcomeKind kind = start_python(task);
	bool		recycle = true;

	if (kind == OUTCOME_ABORTED)
		return kind;
	if (kind == OUTCOME_FAILED)
		return outcome_fail(out, "could not start the python interpreter \"%s\"",
							options.python);
	write_request(task, &x.request);
	kind = exchange(task, &x, 0);
	if (kind == OUTCOME_DONE)
		kind = read_answer(&x.answer, out, &recycle);
	else if (kind == OUTCOME_FAILED)
		kind = lost_python(out);
	finish_output(task);
	if (recycle || python.out < 0 || python.err < 0)
		python_shutdown();
	sb_free(&x.request);
	sb_free(&x.answer);
	return kind;
}

