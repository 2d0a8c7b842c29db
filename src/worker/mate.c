/*
 * mate.c
 *		Processes that execute the items of an iterator side by side.
 *
 * An executor is straight-line code with a state of its own, so that what is
 * to happen at the same time happens in processes of its own: this program
 * once more, told to execute what comes over its channel.  The worker keeps
 * the connection to the broker, renders, reports and saves; a mate knows
 * nothing but the task at hand.
 *
 *		worker				 mate
 *		task       -------->  execute_action()
 *		outcome    <--------
 *
 * Frames are netstrings, see write_task() and write_outcome().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "child.h"
#include "mate.h"

#define STOP_SECONDS 3			/* then it is killed */

struct Mate
{
	Child		child;
	Exchange	x;
	bool		busy;
};

static Mate mates[MAX_CONCURRENCY];
static bool initialized = false;

/* ---------------------------------------------------------------------------
 * The worker's side
 * ---------------------------------------------------------------------------
 */

/* The mate of a place; it is started when it is needed. */
Mate *
mate_at(int index)
{
	for (int i = 0; !initialized && i < MAX_CONCURRENCY; i++)
		mates[i].child = (Child) CHILD_INIT;
	initialized = true;
	return &mates[index];
}

/* Appends a text that may be absent. */
static void
add_text(StringBuf *frame, const char *text)
{
	add_netstring(frame, text, text != NULL ? strlen(text) : 0);
}

/* Appends the fields of a task, as the server had written them. */
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

/* Writes what a mate needs to know of a task. */
static void
write_task(StringBuf *frame, const Task *task)
{
	char		seconds[32] = "";

	if (task->deadline > 0)
		snprintf(seconds, sizeof(seconds), "%.6f", task->deadline - monotonic_now());
	frame_begin(frame);
	add_text(frame, task->type);
	add_text(frame, task->execution_id);
	add_text(frame, task->node_id);
	add_text(frame, task->step);
	add_text(frame, task->timeout);
	add_text(frame, seconds);
	add_text(frame, task->action);
	add_fields(frame, task);
	frame_end(frame);
}

/* Starts the process, unless it is there. */
static bool
start_mate(Mate *mate)
{
	ChildSpec	spec = {.argv = mate_command(),.channel = true,.shares_output = true};

	if (mate->child.pid != 0 && !child_reap(&mate->child, false))
		return true;
	child_close(&mate->child);
	return child_start(&mate->child, &spec);
}

/* Gives a mate a task; false when there is no process for it. */
bool
mate_send(Mate *mate, const Task *task)
{
	if (!start_mate(mate))
		return false;
	sb_reset(&mate->x.answer);
	mate->x.sent = 0;
	write_task(&mate->x.request, task);
	mate->busy = true;
	return true;
}

/* What to wait for. */
struct pollfd
mate_poll(const Mate *mate)
{
	short		events = mate->x.sent < mate->x.request.len ? POLLIN | POLLOUT : POLLIN;

	return (struct pollfd) {.fd = mate->child.channel,.events = events};
}

/* Explains a mate that is gone. */
static void
lose_mate(Mate *mate, Outcome *out)
{
	double		until = monotonic_now() + 1;

	/* the channel is closed first, the process ends a moment later */
	while (!child_reap(&mate->child, false) && monotonic_now() < until)
		task_wait(NULL, NULL, 0, until);
	if (mate->child.pid == 0)
		outcome_fail(out, "the process that executed the task %s", child_fate(&mate->child));
	else
		outcome_fail(out, "the process that executed the task gave a malformed answer");
	child_kill(&mate->child);
	child_close(&mate->child);
}

/* Turns an answer into the outcome; false when it is none. */
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
	out->kind = texts[0][0] == 'D' ? OUTCOME_DONE : OUTCOME_FAILED;
	sb_str(&out->error, texts[1]);
	sb_str(&out->result, texts[2]);
	sb_str(&out->attached, texts[3]);
	out->attached_at = strtoul(texts[4], NULL, 10);
	return true;
}

/* Moves what there is to move; true when the outcome is there. */
bool
mate_receive(Mate *mate, Outcome *out)
{
	if (!exchange_pump(mate->child.channel, &mate->x))
		lose_mate(mate, out);
	else if (!frame_complete(&mate->x.answer))
		return false;
	else if (!read_outcome(&mate->x.answer, out))
		lose_mate(mate, out);
	mate->busy = false;
	return true;
}

/*
 * Ends the mates: all of them, or those that are at work.  They get a moment
 * to end what they have started, on other machines too.
 */
void
mates_stop(bool only_busy)
{
	double		until = monotonic_now() + STOP_SECONDS;

	for (int i = 0; i < MAX_CONCURRENCY; i++)
	{
		if (mates[i].child.pid != 0 && (mates[i].busy || !only_busy))
			kill(mates[i].child.pid, SIGTERM);
	}
	for (int i = 0; i < MAX_CONCURRENCY; i++)
	{
		Mate	   *mate = &mates[i];

		if (mate->child.pid == 0 || (!mate->busy && only_busy))
			continue;
		while (!child_reap(&mate->child, false) && monotonic_now() < until)
			task_wait(NULL, NULL, 0, until);
		child_kill(&mate->child);
		child_close(&mate->child);
		sb_free(&mate->x.request);
		sb_free(&mate->x.answer);
		mate->busy = false;
	}
}

/* ---------------------------------------------------------------------------
 * The mate's side
 * ---------------------------------------------------------------------------
 */

/* Waits for a whole frame; false when there will be none. */
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

/* Takes a text off a frame; an empty one is absent. */
static char *
take_text(char **cursor)
{
	char	   *text = *cursor != NULL ? take_netstring(cursor) : NULL;

	if (text == NULL)
		*cursor = NULL;
	return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

/* Reads a task; see write_task(). */
static void
read_task(StringBuf *frame, Task *task)
{
	char	   *cursor = frame->data + FRAME_HEADER;
	char	   *seconds;

	memset(task, 0, sizeof(*task));
	task->index = -1;
	task->type = take_text(&cursor);
	task->execution_id = take_text(&cursor);
	task->node_id = take_text(&cursor);
	task->step = take_text(&cursor);
	task->timeout = take_text(&cursor);
	seconds = take_text(&cursor);
	task->action = take_text(&cursor);
	task->field_data = take_text(&cursor);
	if (task->field_data != NULL)
		task_parse_fields(task);
	if (seconds != NULL)
		task->deadline = monotonic_now() + strtod(seconds, NULL);
	free(seconds);
}

/* Writes an outcome; false when nobody wants it any more. */
static bool
write_outcome(StringBuf *frame, const Outcome *out)
{
	char		number[32];
	size_t		sent = 0;
	bool		open = true;

	snprintf(number, sizeof(number), "%zu", out->attached_at);
	frame_begin(frame);
	add_text(frame, out->kind == OUTCOME_DONE ? "D" : "F");
	add_netstring(frame, out->error.data, out->error.len);
	add_netstring(frame, out->result.data, out->result.len);
	add_netstring(frame, out->attached.data, out->attached.len);
	add_text(frame, number);
	frame_end(frame);
	while (open && sent < frame->len)
	{
		struct pollfd fd = {.fd = CHILD_CHANNEL_FD,.events = POLLOUT};

		task_wait(NULL, &fd, 1, 0);
		open = !stopping() && (fd.revents == 0 || frame_send(CHILD_CHANNEL_FD, frame, &sent));
	}
	return open;
}

/* The life of a mate: task after task, until its worker wants no more. */
int
run_mate(void)
{
	StringBuf	frame = {0};
	Outcome		out = {0};
	bool		open = true;

	options.grace = 0;			/* the worker has been patient already */
	fcntl(CHILD_CHANNEL_FD, F_SETFL, O_NONBLOCK);
	fcntl(CHILD_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	while (open && await_frame(&frame))
	{
		Task		task;

		read_task(&frame, &task);
		open = execute_action(&task, &out) != OUTCOME_ABORTED && write_outcome(&frame, &out);
		task_free(&task);
	}
	shutdown_executors();
	sb_free(&frame);
	outcome_free(&out);
	return 0;
}
