/*
 * helper.c
 *		Helper processes: they execute tasks, or the items of an iterator, at the same
 *		time.
 *
 * An executor is straight-line code with state of its own, so each task or item that
 * is executed at the same time gets a process: this program with an internal option
 * that makes it execute the tasks that arrive on its channel.  The worker keeps
 * the session with the broker, renders, reports and saves; a helper process knows
 * only the task at hand.
 *
 *		worker				 helper process
 *		task       -------->  execute_action()
 *		outcome    <--------
 *
 * A frame is a list of netstrings; write_task() and write_outcome() define them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "action.h"
#include "broker.h"
#include "channel.h"
#include "child.h"
#include "events.h"
#include "executor.h"
#include "helper.h"
#include "log.h"
#include "netstring.h"
#include "options.h"
#include "progress.h"
#include "signals.h"
#include "wait.h"
#include "worker.h"

#define STOP_SECONDS 3			/* then it is killed */

struct Helper
{
	Child		child;
	Exchange	x;
	Task	   *task;			/* what it executes */
	bool		busy;
	double		kill_at;		/* after helper_abandon() */
};

static Helper helpers[MAX_CONCURRENCY];
static bool initialized = false;

/* ---------------------------------------------------------------------------
 * The worker's side
 * ---------------------------------------------------------------------------
 */

/* Returns the helper of a slot; helper_send() starts its process. */
Helper *
helper_at(int index)
{
	for (int i = 0; !initialized && i < MAX_CONCURRENCY; i++)
		helpers[i].child = (Child) CHILD_INIT;
	initialized = true;
	return &helpers[index];
}

/* Appends a text that may be absent. */
static void
add_text(StringBuf *frame, const char *text)
{
	add_netstring(frame, text, text != NULL ? strlen(text) : 0);
}

/* Appends the fields of a task in the form that task_parse_fields() reads. */
static void
add_fields(StringBuf *frame, const Task *task)
{
	StringBuf	fields = {0};
	StringBuf	label = {0};

	for (int i = 0; i < task->nfields; i++)
	{
		sb_reset(&label);
		sb_printf(&label, "%d%c%s", task->fields[i].depth, task->fields[i].type,
				  task->fields[i].path);
		add_text(&fields, label.data);
		add_text(&fields, task->fields[i].text);
	}
	add_netstring(frame, fields.data, fields.len);
	sb_free(&fields);
	sb_free(&label);
}

/* Tells whether a task needs a session with the broker. */
static bool
is_iterator(const Task *task)
{
	return strcmp(task->type, "iterator") == 0;
}

/* Appends the seconds that are left until a deadline, rounded up; an empty text: there is none. */
static void
add_deadline(StringBuf *frame, double deadline)
{
	char		seconds[32] = "";

	if (deadline > 0)
		snprintf(seconds, sizeof(seconds), "%.6f", deadline - monotonic_now() + 0.000001);
	add_text(frame, seconds);
}

/* Writes the parts of a task that a helper process needs. */
static void
write_task(StringBuf *frame, const Task *task)
{
	double		outer_deadline = 0;

	for (const Task *outer = task->outer; outer != NULL; outer = outer->outer)
		outer_deadline = sooner(outer_deadline, outer->deadline);
	frame_begin(frame);
	add_text(frame, task->type);
	add_text(frame, task->execution_id);
	add_text(frame, task->catalog_id);
	add_text(frame, task->node_id);
	add_text(frame, task->step);
	add_text(frame, task->timeout);
	add_deadline(frame, task->deadline);
	add_deadline(frame, outer_deadline);
	add_text(frame, task->action);
	add_text(frame, is_iterator(task) ? task->context : task_program_context(task));
	add_text(frame, task->queue_id);
	add_text(frame, task->attempt);
	add_text(frame, is_iterator(task) ? task->input : NULL);
	add_fields(frame, task);
	frame_end(frame);
}

/* Starts the process of a helper unless it runs; returns false with errno. */
static bool
start_helper(Helper *helper)
{
	static const char *const *command = NULL;
	ChildSpec	spec = {.channel = true,.shares_output = true,.inherits_environment = true};

	if (helper->child.pid != 0 && !child_reap(&helper->child, false))
		return true;
	child_close(&helper->child);
	if (command == NULL)
		command = own_command(HELPER_OPTION);
	spec.argv = command;
	return child_start(&helper->child, &spec);
}

/*
 * Sends a task to a helper, whose process is started when there is none.  Returns
 * false, with errno, when no process can be started.
 */
bool
helper_send(Helper *helper, Task *task)
{
	if (!start_helper(helper))
		return false;
	helper->task = task;
	sb_reset(&helper->x.answer);
	helper->x.sent = 0;
	write_task(&helper->x.request, task);
	helper->busy = true;
	return true;
}

/* Returns the descriptor and events to wait for before helper_receive(). */
struct pollfd
helper_poll(const Helper *helper)
{
	short		events = helper->x.sent < helper->x.request.len ? POLLIN | POLLOUT : POLLIN;

	return (struct pollfd) {.fd = helper->child.channel,.events = events};
}

/* Makes the loss of the process the failure of its task. */
static void
lose_helper(Helper *helper, Outcome *out)
{
	double		until = monotonic_now() + 1;

	/* the channel is closed first, the process ends a moment later */
	while (!child_reap(&helper->child, false) && monotonic_now() < until)
		task_wait(NULL, NULL, 0, until);
	if (helper->child.pid == 0)
		outcome_fail(out, "the process that executed the task %s", child_fate(&helper->child));
	else
		outcome_fail(out, "the process that executed the task gave a malformed answer");
	child_kill(&helper->child);
	child_close(&helper->child);
}

/* Reads an outcome from a frame; returns false when the frame is malformed. */
static bool
read_outcome(StringBuf *frame, Outcome *out)
{
	char	   *cursor = frame->data + FRAME_HEADER;
	char	   *texts[5];

	for (int i = 0; i < 5; i++)
	{
		texts[i] = take_netstring(&cursor);
		if (texts[i] == NULL)
			return false;
	}
	outcome_reset(out);
	out->kind = texts[0][0] == 'D' ? OUTCOME_DONE :
		texts[0][0] == 'F' ? OUTCOME_FAILED : OUTCOME_ABORTED;
	sb_str(&out->error, texts[1]);
	sb_str(&out->result, texts[2]);
	sb_str(&out->attached, texts[3]);
	out->attached_at = strtoul(texts[4], NULL, 10);
	return true;
}

/* Takes an event of the task off what has arrived; false: there is none. */
static bool
take_event(Helper *helper)
{
	StringBuf  *frame = &helper->x.answer;
	char	   *cursor = frame->data;
	StringBuf	copy = {0};
	char	   *type;
	char	   *context;

	if (!frame_complete(frame) || frame_size(frame) < FRAME_HEADER + 4 ||
		memcmp(cursor + FRAME_HEADER, "1:E,", 4) != 0)
		return false;
	sb_add(&copy, cursor + FRAME_HEADER + 4, frame_size(frame) - FRAME_HEADER - 4);
	cursor = copy.data;
	type = take_netstring(&cursor);
	context = type != NULL ? take_netstring(&cursor) : NULL;
	if (context != NULL)
		events_add(helper->task, type, NULL, context, NULL, NULL, NULL);
	sb_free(&copy);
	frame_drop(frame);
	return true;
}

/*
 * Says why a process has abandoned its task: the time of a task around it is over, or it
 * could not execute it, which is this worker's trouble.
 */
static void
explain_abort(Task *task)
{
	if (task->outer != NULL && task_abandoned(task->outer))
		task->abort = task->outer->abort;
	else
		task_set_trouble(task);
}

/*
 * Sends and receives what can be without blocking.  Returns true when the outcome
 * is complete.
 */
bool
helper_receive(Helper *helper, Outcome *out)
{
	bool		open = exchange_pump(helper->child.channel, &helper->x);

	while (open && take_event(helper))
		open = exchange_pump(helper->child.channel, &helper->x);
	if (!open)
		lose_helper(helper, out);
	else if (!frame_complete(&helper->x.answer))
		return false;
	else if (!read_outcome(&helper->x.answer, out))
		lose_helper(helper, out);
	if (out->kind == OUTCOME_ABORTED)
		explain_abort(helper->task);
	helper->busy = false;
	return true;
}

/*
 * Ends all helper processes, or the busy ones.  SIGTERM gives them STOP_SECONDS to
 * end what they have started, on other machines too.
 */
void
helpers_stop(bool only_busy)
{
	double		until = monotonic_now() + STOP_SECONDS;

	for (int i = 0; i < MAX_CONCURRENCY; i++)
	{
		if (helpers[i].child.pid != 0 && (helpers[i].busy || !only_busy))
			kill(helpers[i].child.pid, SIGTERM);
	}
	for (int i = 0; i < MAX_CONCURRENCY; i++)
	{
		Helper	   *helper = &helpers[i];

		if (helper->child.pid == 0 || (!helper->busy && only_busy))
			continue;
		while (!child_reap(&helper->child, false) && monotonic_now() < until)
			task_wait(NULL, NULL, 0, until);
		child_kill(&helper->child);
		child_close(&helper->child);
		sb_free(&helper->x.request);
		sb_free(&helper->x.answer);
		helper->busy = false;
	}
}

/* Asks the process of a helper to abandon its task, and to end. */
void
helper_abandon(Helper *helper)
{
	if (helper->child.pid != 0)
		kill(helper->child.pid, SIGTERM);
	helper->kill_at = monotonic_now() + STOP_SECONDS;
}

/* Tells whether the process that was asked to end has ended; kills it if it is late. */
bool
helper_abandoned(Helper *helper)
{
	if (monotonic_now() >= helper->kill_at)
		child_kill(&helper->child);
	if (!child_reap(&helper->child, false))
		return false;
	child_close(&helper->child);
	helper->busy = false;
	return true;
}

/* ---------------------------------------------------------------------------
 * The helper process's side
 * ---------------------------------------------------------------------------
 */

/* Waits for a whole frame; returns false at the end of the channel. */
static bool
await_frame(StringBuf *frame)
{
	sb_reset(frame);
	while (!frame_complete(frame))
	{
		struct pollfd fd = {.fd = CHILD_CHANNEL_FD,.events = POLLIN};

		task_wait(NULL, &fd, 1, 0);
		if (stopping() || (fd.revents != 0 && !frame_receive(CHILD_CHANNEL_FD, frame)))
			return false;
	}
	return true;
}

/* Takes a text off a frame; returns NULL for an empty or missing one. */
static char *
take_text(char **cursor)
{
	char	   *text = *cursor != NULL ? take_netstring(cursor) : NULL;

	if (text == NULL)
		*cursor = NULL;
	return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

/* Takes the seconds until a deadline off a frame; returns the deadline, 0 when there is none. */
static double
take_deadline(char **cursor)
{
	char	   *seconds = take_text(cursor);
	double		deadline = seconds != NULL ? monotonic_now() + strtod(seconds, NULL) : 0;

	free(seconds);
	return deadline;
}

/*
 * Reads the task that write_task() has written.  Of those around it *outer has what
 * matters here: when their time is over.
 */
static void
read_task(StringBuf *frame, Task *task, Task *outer)
{
	char	   *cursor = frame->data + FRAME_HEADER;

	memset(task, 0, sizeof(*task));
	memset(outer, 0, sizeof(*outer));
	task->index = -1;
	task->type = take_text(&cursor);
	task->execution_id = take_text(&cursor);
	task->catalog_id = take_text(&cursor);
	task->node_id = take_text(&cursor);
	task->step = take_text(&cursor);
	task->timeout = take_text(&cursor);
	task->deadline = take_deadline(&cursor);
	outer->deadline = take_deadline(&cursor);
	if (outer->deadline > 0)
		task->outer = outer;
	task->action = take_text(&cursor);
	task->context = take_text(&cursor);
	task->queue_id = take_text(&cursor);
	task->attempt = take_text(&cursor);
	task->input = take_text(&cursor);
	task->field_data = take_text(&cursor);
	if (task->field_data != NULL)
		task_parse_fields(task);
}

/* Sends a frame; returns false when the worker is gone. */
static bool
send_frame(const StringBuf *frame)
{
	size_t		sent = 0;
	bool		open = true;

	while (open && sent < frame->len)
	{
		struct pollfd fd = {.fd = CHILD_CHANNEL_FD,.events = POLLOUT};

		task_wait(NULL, &fd, 1, 0);
		open = !stopping() && (fd.revents == 0 || frame_send(CHILD_CHANNEL_FD, frame, &sent));
	}
	return open;
}

/* Sends an event of the task to the worker, which has the session. */
static void
send_event(const Task *task, const char *type, const char *context)
{
	StringBuf	frame = {0};

	(void) task;
	frame_begin(&frame);
	add_text(&frame, "E");
	add_text(&frame, type);
	add_text(&frame, context);
	frame_end(&frame);
	(void) send_frame(&frame);
	sb_free(&frame);
}

/* Sends an outcome; returns false when the worker is gone. */
static bool
write_outcome(StringBuf *frame, const Outcome *out)
{
	char		number[32];

	snprintf(number, sizeof(number), "%zu", out->attached_at);
	frame_begin(frame);
	add_text(frame, out->kind == OUTCOME_DONE ? "D" : out->kind == OUTCOME_FAILED ? "F" : "T");
	add_netstring(frame, out->error.data, out->error.len);
	add_netstring(frame, out->result.data, out->result.len);
	add_netstring(frame, out->attached.data, out->attached.len);
	add_text(frame, number);
	frame_end(frame);
	return send_frame(frame);
}

/*
 * Executes a task.  An iterator has a session with the broker of its own, to plan, to
 * render and to store its events; the worker renews the lease.
 */
static void
execute_task(Task *task, Outcome *out)
{
	progress_send_to(is_iterator(task) ? NULL : send_event);
	if (is_iterator(task))
		(void) db_open();
	execute_action(task, out);
	if (!is_iterator(task))
		return;
	events_end(task);
	db_close();
}

/* Executes tasks until the worker closes the channel; returns the exit code. */
int
run_helper(void)
{
	StringBuf	frame = {0};
	Outcome		out = {0};
	bool		open = true;

	events_init();
	db_set_types("{}");
	options.grace = 0;			/* the worker has granted it already */
	fcntl(CHILD_CHANNEL_FD, F_SETFL, O_NONBLOCK);
	fcntl(CHILD_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	while (open && await_frame(&frame))
	{
		Task		task;
		Task		outer;

		read_task(&frame, &task, &outer);
		execute_task(&task, &out);
		open = (out.kind != OUTCOME_ABORTED || task.abort == ABORT_TROUBLE ||
				task.abort == ABORT_TIMEOUT) && write_outcome(&frame, &out);
		task_free(&task);
	}
	shutdown_executors();
	sb_free(&frame);
	outcome_free(&out);
	return 0;
}
