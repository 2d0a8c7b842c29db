/*
 * python.c
 *		Tasks of type python: interpreters that stay alive, one for each playbook.
 *
 * python_driver.py, embedded at build time, runs in the child and talks over a socket
 * of its own, so that what a task prints cannot be mistaken for an answer.  A child
 * that ends, hangs or gives a malformed answer is replaced before the next task.
 *
 * A program can change the interpreter that it runs in, so an interpreter executes
 * the programs of one playbook only: the first task that it gets binds it.  When all
 * places are taken, one of them is started anew.  Where tasks of several playbooks
 * alternate, the next interpreter starts while a task is executed.
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
#include "helper.h"
#include "linelog.h"
#include "log.h"
#include "options.h"
#include "progress.h"

#define MAX_INTERPRETERS 32
#define IDLE_SECONDS 60			/* then an interpreter is ended */
#define START_SECONDS 30
#define FINAL_READS 64			/* more than a pipe holds */
#define ANSWER_HEADER 6			/* kind, recycle, length of the error */

static const char driver_source[] =
#include "python_driver.inc"
;

typedef struct Interpreter
{
	Child		child;
	char	   *playbook;		/* the catalog_id that it is bound to; NULL: free */
	bool		ready;			/* it has said hello */
	double		used_at;
	LineLog		out_log;
	LineLog		err_log;
} Interpreter;

static Interpreter interpreters[MAX_INTERPRETERS];
static bool initialized = false;

/* Takes what is left of a task's output, and ends its last line. */
static void
finish_output(Task *task, Interpreter *python)
{
	LineLog    *logs[] = {&python->out_log, &python->err_log};
	int		   *fds[] = {&python->child.out, &python->child.err};

	for (int i = 0; i < 2; i++)
	{
		for (int n = 0; n < FINAL_READS && linelog_read(logs[i], task, fds[i]); n++)
			;
		linelog_end(logs[i], task);
	}
}

/* Ends an interpreter and frees its place. */
static void
stop_python(Interpreter *python)
{
	child_kill(&python->child);
	child_close(&python->child);
	free(python->playbook);
	python->playbook = NULL;
	python->ready = false;
}

/* Ends all interpreters. */
void
python_shutdown(void)
{
	for (int i = 0; initialized && i < MAX_INTERPRETERS; i++)
		stop_python(&interpreters[i]);
}

/* Ends the interpreters that have not been used for a while. */
void
python_idle(void)
{
	for (int i = 0; initialized && i < MAX_INTERPRETERS; i++)
	{
		if (interpreters[i].playbook != NULL &&
			monotonic_now() - interpreters[i].used_at > IDLE_SECONDS)
			stop_python(&interpreters[i]);
	}
}

/* Takes what the program tells of its progress off the answer; false: it is none. */
static bool
take_progress(Task *task, StringBuf *answer)
{
	size_t		body = FRAME_HEADER + ANSWER_HEADER;
	StringBuf	told = {0};

	if (!frame_complete(answer) || frame_size(answer) < body || answer->data[FRAME_HEADER] != 'P')
		return false;
	sb_add(&told, answer->data + body, frame_size(answer) - body);
	progress_told(task, told.len > 0 ? told.data : "");
	sb_free(&told);
	frame_drop(answer);
	return true;
}

/*
 * Sends the request, if any, and waits for the answer.  DONE: the answer is there;
 * FAILED: the child is gone or out of step; ABORTED: as task_wait() says.
 */
static OutcomeKind
exchange(Task *task, Interpreter *python, Exchange *x, double until)
{
	Child	   *child = &python->child;

	/* most requests fit into the socket: what is left of others waits for room */
	if (!frame_send(child->channel, &x->request, &x->sent))
		return OUTCOME_FAILED;
	while (!frame_complete(&x->answer))
	{
		struct pollfd fds[3] = {
			{.fd = child->channel,.events = POLLIN},
			{.fd = child->out,.events = POLLIN},
			{.fd = child->err,.events = POLLIN}
		};

		if (x->sent < x->request.len)
			fds[0].events |= POLLOUT;
		if (!task_wait(task, fds, 3, until))
			return OUTCOME_ABORTED;
		if (fds[1].revents != 0)
			linelog_read(&python->out_log, task, &child->out);
		if (fds[2].revents != 0)
			linelog_read(&python->err_log, task, &child->err);
		if (fds[0].revents != 0 && !exchange_pump(child->channel, x))
			return OUTCOME_FAILED;
		while (take_progress(task, &x->answer))
			;
		if (until > 0 && monotonic_now() >= until)
			return OUTCOME_FAILED;
	}
	return OUTCOME_DONE;
}

/* Returns how many interpreters this process may have: helper processes share them. */
static int
places(void)
{
	int			processes = options.slots > 1 ? options.slots : DEFAULT_CONCURRENCY;
	int			share = MAX_INTERPRETERS / processes;

	return !options.helper ? MAX_INTERPRETERS : share > 2 ? share : 2;
}

/*
 * Returns a place for an interpreter that is not bound: of one that runs, else an empty
 * one, else that of any interpreter but one, which is ended.  That is not the one idle
 * longest: with more playbooks in turn than places it would be needed next.
 */
static Interpreter *
free_place(const Interpreter *but)
{
	static unsigned int turn = 1;
	Interpreter *best = NULL;

	for (int i = 0; i < places(); i++)
	{
		Interpreter *python = &interpreters[i];

		if (python->playbook == NULL && (best == NULL || python->child.pid > best->child.pid))
			best = python;
	}
	while (best == NULL || best == but)
	{
		/* the constants of Numerical Recipes, of which the high bits are random */
		turn = turn * 1664525u + 1013904223u;
		best = &interpreters[(turn >> 16) % (unsigned int) places()];
	}
	if (best->playbook != NULL)
		stop_python(best);
	return best;
}

/* Returns the place of the interpreter for a playbook: its own, else a free one. */
static Interpreter *
find_interpreter(const char *playbook)
{
	for (int i = 0; !initialized && i < MAX_INTERPRETERS; i++)
		interpreters[i].child = (Child) CHILD_INIT;
	initialized = true;
	for (int i = 0; i < MAX_INTERPRETERS; i++)
	{
		Interpreter *python = &interpreters[i];

		if (python->playbook != NULL && strcmp(python->playbook, playbook) == 0)
			return python;
	}
	return free_place(NULL);
}

/* Starts the child unless it runs, without waiting for it; false with errno. */
static bool
launch_python(Interpreter *python)
{
	const char *const argv[] = {
		options.python, "-c", driver_source, options.scripts != NULL ? options.scripts : "", NULL
	};
	ChildSpec	spec = {.argv = argv,.channel = true};

	if (python->child.pid != 0 && !child_reap(&python->child, false))
		return true;
	child_close(&python->child);
	python->ready = false;
	return child_start(&python->child, &spec);
}

/*
 * Starts the child unless it runs, and waits until the driver says hello: that shows
 * that the interpreter exists and understands the driver.
 */
static OutcomeKind
start_python(Task *task, Interpreter *python)
{
	Exchange	hello = {0};
	OutcomeKind kind;

	if (!launch_python(python))
	{
		log_line(LOG_ALWAYS, "could not start %s: %s", options.python, strerror(errno));
		return OUTCOME_FAILED;
	}
	if (python->ready)
		return OUTCOME_DONE;
	kind = exchange(task, python, &hello, monotonic_now() + START_SECONDS);
	if (kind == OUTCOME_DONE && hello.answer.len >= FRAME_HEADER + ANSWER_HEADER)
	{
		python->ready = true;
		log_line(LOG_DETAIL, "python %s runs as process %d",
				 hello.answer.data + FRAME_HEADER + ANSWER_HEADER, (int) python->child.pid);
	}
	else
	{
		finish_output(task, python);
		stop_python(python);
		/* what has said something else is no interpreter of the driver */
		kind = kind == OUTCOME_DONE ? OUTCOME_FAILED : kind;
	}
	sb_free(&hello.answer);
	return kind;
}

/*
 * Binds an interpreter to a playbook.  When another one is bound to a playbook, tasks
 * alternate, and the interpreter for the next playbook begins to start.
 */
static void
bind_python(Interpreter *python, const char *playbook)
{
	bool		alternates = false;

	for (int i = 0; i < MAX_INTERPRETERS; i++)
		alternates = alternates || interpreters[i].playbook != NULL;
	python->playbook = xstrdup(playbook);
	if (alternates)
		(void) launch_python(free_place(python));
}

/* Tells whether this machine can execute python tasks. */
bool
python_available(void)
{
	bool		ok = start_python(NULL, find_interpreter("")) == OUTCOME_DONE;

	if (!ok)
		log_line(LOG_ALWAYS, "\"%s\" is not a python interpreter that could be started",
				 options.python);
	return ok;
}

/* Writes the request. */
static void
write_request(const Task *task, StringBuf *request)
{
	const char *context = task_program_context(task);

	frame_begin(request);
	sb_str(request, "{\"execution_id\":");
	json_string(request, task->execution_id, strlen(task->execution_id));
	json_member(request, "step", task->step);
	sb_str(request, ",\"action\":");
	sb_str(request, task->action != NULL ? task->action : "{}");
	sb_str(request, ",\"context\":");
	sb_str(request, context != NULL ? context : "null");
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

/*
 * Makes the end of the child during a task, with what it said last, or a broken channel,
 * its failure.
 */
static OutcomeKind
lost_python(Task *task, Interpreter *python, Outcome *out)
{
	Child	   *child = &python->child;
	Outcome		reason = {0};

	if (!child_reap(child, false))
	{
		/* the channel is closed first, the process ends a moment later */
		double		until = monotonic_now() + 1;

		while (!child_reap(child, false) && monotonic_now() < until)
			task_wait(NULL, NULL, 0, until);
	}
	if (child->pid != 0)
		return outcome_fail(out, "the task broke the channel between the python process and the worker");
	finish_output(task, python);
	sb_printf(&reason.error, "the python process %s", child_fate(child));
	if (python->err_log.last_len > 0)
		outcome_quote(&reason, ": ", python->err_log.last, python->err_log.last_len, QUOTE_END);
	outcome_fail(out, "%s", reason.error.data);
	outcome_free(&reason);
	return OUTCOME_FAILED;
}

/* Executes one task in the interpreter of its playbook. */
OutcomeKind
python_execute(Task *task, Outcome *out)
{
	const char *playbook = task->catalog_id != NULL ? task->catalog_id : task->execution_id;
	Interpreter *python = find_interpreter(playbook);
	Exchange	x = {0};
	OutcomeKind kind = start_python(task, python);
	bool		recycle = true;

	if (kind == OUTCOME_ABORTED)
		return kind;
	if (kind == OUTCOME_FAILED)
		return outcome_trouble(task, out, "could not start the python interpreter \"%s\"",
							   options.python);
	if (python->playbook == NULL)
		bind_python(python, playbook);
	python->err_log.last_len = 0;
	write_request(task, &x.request);
	kind = exchange(task, python, &x, 0);
	if (kind == OUTCOME_DONE)
		kind = read_answer(&x.answer, out, &recycle);
	else if (kind == OUTCOME_FAILED)
		kind = lost_python(task, python, out);
	finish_output(task, python);
	python->used_at = monotonic_now();
	if (recycle || python->child.out < 0 || python->child.err < 0)
		stop_python(python);
	sb_free(&x.request);
	sb_free(&x.answer);
	return kind;
}
