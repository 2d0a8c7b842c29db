/*
 * tool.c
 *		The process of a tool, which stays alive, and what it and the worker say to
 *		each other: lines of JSON, at its stdin and stdout.
 *
 *		worker							tool
 *		{"id", "action", "context"}  ->
 *									 <-	{"id", "progress", "message"}, any number
 *									 <-	{"id", "result"} or {"id", "error"}
 *		{"id", "cancel": true}		 ->	the task is over; its answer is ignored
 *									 <-	{"concurrency": n}: so many at the same time
 *
 * A tool that ends, or writes something else, fails the tasks that it has at that
 * moment, and is started anew for the next one, after a pause that grows.  What it
 * writes to stderr goes to the worker's log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json_read.h"
#include "log.h"
#include "options.h"
#include "progress.h"
#include "secret.h"
#include "tool.h"
#include "wait.h"

#define MAX_LINE_BYTES (64u * 1024 * 1024)
#define MAX_CALLS_IN_FLIGHT MAX_CONCURRENCY
#define CANCEL_SECONDS 5		/* then a tool that goes on with a task is killed */
#define FIRST_PAUSE_SECONDS 0.5 /* before the start after the second crash */
#define MAX_PAUSE_SECONDS 30
#define STOP_SECONDS 2			/* that a tool has to end after its stdin */
#define FINAL_READS 64			/* more than a pipe holds */

static unsigned long last_id = 0;

/* ---------------------------------------------------------------------------
 * Calls
 * ---------------------------------------------------------------------------
 */

/* Returns the one task that a tool has, so that the log can name it; NULL: several. */
static Task *
only_task(const Tool *tool)
{
	return tool->calls != NULL && tool->calls->next == NULL ? tool->calls->task : NULL;
}

/* Takes a call out of the list of its tool. */
static void
unlink_call(ToolCall *call)
{
	ToolCall  **place = &call->tool->calls;

	while (*place != NULL && *place != call)
		place = &(*place)->next;
	if (*place != NULL)
		*place = call->next;
	call->next = NULL;
}

/* Frees a call. */
static void
free_call(ToolCall *call)
{
	unlink_call(call);
	free(call->credential);
	free(call);
}

/* Ends a call whose outcome is there; nobody waits for an abandoned one. */
static void
finish_call(ToolCall *call)
{
	unlink_call(call);
	call->ended = true;
	if (call->task == NULL)
		free_call(call);
}

/* Fails all calls that the process has taken, with one message. */
static void
fail_calls(Tool *tool, const char *message)
{
	ToolCall   *call = tool->calls;

	while (call != NULL)
	{
		ToolCall   *next = call->next;

		if (call->sent)
		{
			if (call->task != NULL)
				outcome_fail(call->out, "%s", message);
			finish_call(call);
		}
		call = next;
	}
}

/* Gives back the tasks that the process has taken, because of another one's. */
static void
give_up_calls(Tool *tool)
{
	ToolCall   *call = tool->calls;

	while (call != NULL)
	{
		ToolCall   *next = call->next;

		if (call->sent)
		{
			if (call->task != NULL)
				outcome_trouble(call->task, call->out, "the tool \"%s\" was ended because"
								" another task in it did not end", tool->executor.type);
			finish_call(call);
		}
		call = next;
	}
}

/* Returns how many more tasks a tool wants now. */
int
tool_room(const Tool *tool)
{
	int			count = 0;

	for (const ToolCall *call = tool->calls; call != NULL; call = call->next)
		count++;
	return count < tool->concurrency ? tool->concurrency - count : 0;
}

/* ---------------------------------------------------------------------------
 * The process
 * ---------------------------------------------------------------------------
 */

/* Ends the process; calls that it has taken stay. */
static void
tool_stop(Tool *tool)
{
	child_kill(&tool->child);
	child_close(&tool->child);
	sb_free(&tool->input);
	sb_free(&tool->output);
	tool->written = 0;
	tool->scanned = 0;
	linelog_end(&tool->log, NULL);
}

/*
 * Ends all tools.  The end of stdin asks them to; after a moment they are killed.
 */
void
tools_stop(void)
{
	double		until = monotonic_now() + STOP_SECONDS;

	for (int i = 0; i < tool_count(); i++)
	{
		if (tool_at(i)->child.pid != 0)
			shutdown(tool_at(i)->child.channel, SHUT_WR);
	}
	for (int i = 0; i < tool_count(); i++)
	{
		while (!child_reap(&tool_at(i)->child, false) && monotonic_now() < until)
			task_wait(NULL, NULL, 0, fmin(until, monotonic_now() + 0.05));
		tool_stop(tool_at(i));
	}
}

/* Ends the process after a crash, or as one; the next start waits, ever longer. */
static void
stop_crashed(Tool *tool)
{
	tool_stop(tool);
	tool->start_at = 0;
	if (++tool->crashes > 1)
		tool->start_at = monotonic_now() +
			fmin(FIRST_PAUSE_SECONDS * pow(2, fmin(tool->crashes - 2, 10)), MAX_PAUSE_SECONDS);
}

/* Starts the process; returns false with errno. */
static bool
start_process(Tool *tool)
{
	const char *const shell[] = {"/bin/sh", "-c", tool->command, NULL};
	const char *const direct[] = {tool->program, NULL};
	ChildSpec	spec = {
		.argv = tool->command != NULL ? shell : direct,
		.channel = true,
		.channel_is_stdin = true,
		.memory = (long long) options.tool_memory * 1024 * 1024
	};

	tool->last_words[0] = '\0';
	tool->concurrency = 1;
	if (!child_start(&tool->child, &spec))
		return false;
	log_line(LOG_DETAIL, "tool %s runs as process %d", tool->executor.type,
			 (int) tool->child.pid);
	return true;
}

/* Keeps the end of what a tool has written to stderr, to explain its end. */
static void
keep_last_words(Tool *tool, const char *text, size_t len)
{
	size_t		size = sizeof(tool->last_words) - 1;
	size_t		have = strlen(tool->last_words);

	if (len > size)
	{
		text += len - size;
		len = size;
	}
	if (have + len > size)
	{
		memmove(tool->last_words, tool->last_words + (have + len - size), size - len);
		have = size - len;
	}
	for (size_t i = 0; i < len; i++)
		tool->last_words[have + i] = text[i] != '\0' ? text[i] : ' ';
	tool->last_words[have + len] = '\0';
}

/* Takes what a tool has written to stderr; returns false when that is nothing. */
static bool
read_stderr(Tool *tool)
{
	char		buffer[8192];
	ssize_t		n = tool->child.err >= 0 ? read(tool->child.err, buffer, sizeof(buffer)) : -1;

	if (n > 0)
	{
		linelog_add(&tool->log, only_task(tool), buffer, (size_t) n);
		keep_last_words(tool, buffer, (size_t) n);
	}
	if (n == 0)
	{
		close(tool->child.err);
		tool->child.err = -1;
	}
	return n > 0;
}

/* Makes the end of the process, or of its stdout, the failure of its tasks. */
static void
lose_process(Tool *tool)
{
	Outcome		reason = {0};
	double		until = monotonic_now() + 1;

	/* the pipes are closed first, the process ends a moment later */
	while (!child_reap(&tool->child, false) && monotonic_now() < until)
		task_wait(NULL, NULL, 0, until);
	for (int n = 0; n < FINAL_READS && read_stderr(tool); n++)
		;
	if (tool->child.pid == 0)
		sb_printf(&reason.error, "the tool \"%s\" %s", tool->executor.type,
				  child_fate(&tool->child));
	else
		sb_printf(&reason.error, "the tool \"%s\" closed its output", tool->executor.type);
	outcome_quote(&reason, ": ", tool->last_words, strlen(tool->last_words), QUOTE_END);
	if (tool->calls == NULL)
		log_line(LOG_NORMAL, "%s", reason.error.data);
	fail_calls(tool, reason.error.data);
	stop_crashed(tool);
	outcome_free(&reason);
}

/* ---------------------------------------------------------------------------
 * What the worker writes
 * ---------------------------------------------------------------------------
 */

/* Writes the request of a call behind what the process has not taken yet. */
static void
write_request(Tool *tool, ToolCall *call)
{
	const Task *task = call->task;
	StringBuf  *line = &tool->input;

	sb_str(line, "{");
	json_member(line, "id", call->id);
	sb_str(line, ",\"action\":");
	sb_str(line, task->action != NULL ? task->action : "{}");
	sb_str(line, ",\"context\":{\"execution_id\":");
	json_string(line, task->execution_id, strlen(task->execution_id));
	json_member(line, "step", task->step);
	if (task->attempt != NULL)
		sb_printf(line, ",\"attempt\":%d", atoi(task->attempt));
	if (task->deadline > 0)
		sb_printf(line, ",\"seconds_left\":%.3f", fmax(task->deadline - monotonic_now(), 0));
	if (call->credential != NULL)
	{
		sb_str(line, ",\"credential\":");
		sb_str(line, call->credential);
	}
	sb_str(line, "}}\n");
	call->sent = true;
}

/* Writes as many requests as the process wants, and hands on what it takes. */
static bool
write_requests(Tool *tool)
{
	int			in_flight = 0;
	ssize_t		n;

	for (ToolCall *call = tool->calls; call != NULL; call = call->next)
	{
		if (!call->sent && in_flight < tool->concurrency)
			write_request(tool, call);
		in_flight += call->sent;
	}
	if (tool->written == tool->input.len)
		return true;
	n = send(tool->child.channel, tool->input.data + tool->written,
			 tool->input.len - tool->written, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	tool->written += (size_t) n;
	if (tool->written == tool->input.len)
	{
		tool->written = 0;
		sb_reset(&tool->input);
	}
	return true;
}

/* ---------------------------------------------------------------------------
 * What the tool writes
 * ---------------------------------------------------------------------------
 */

/* Finds the call that a line is about; NULL: it is over. */
static ToolCall *
find_call(const Tool *tool, JsonPart id)
{
	char	   *text = json_part_text(id);
	ToolCall   *call = tool->calls;

	while (call != NULL && (!call->sent || strcmp(call->id, text) != 0))
		call = call->next;
	free(text);
	return call;
}

/* Makes an error of a tool, a text or an object with "message", the failure of its task. */
static void
take_error(ToolCall *call, JsonPart error, JsonPart result)
{
	char	   *text = json_part_text(error);
	JsonPart	message;

	if (text[0] == '{' && json_find_member(text, "message", &message) != NULL)
	{
		char	   *said = json_part_text(message);

		if (result.text == NULL)
			result = error;
		free(text);
		text = said;
	}
	outcome_fail(call->out, "%s", text[0] != '\0' ? text : "the tool says no reason");
	free(text);
	if (result.text == NULL)
		return;
	call->out->result.len--;	/* without the brace */
	sb_str(&call->out->result, ",\"data\":");
	sb_add(&call->out->result, result.text, result.len);
	sb_str(&call->out->result, "}");
}

/* Takes what a line tells of a call that goes on. */
static void
take_news(ToolCall *call, const char *line)
{
	JsonPart	log;
	char	   *said;
	char	   *text;

	if (call->task == NULL)
		return;
	if (json_find_member(line, "log", &log) == NULL)
	{
		progress_told(call->task, line);
		return;
	}
	said = json_part_text(log);
	text = secret_redacted(said, strlen(said));
	free(said);
	log_task(call->task, LOG_NORMAL, "| %.2000s", text);
	progress_logged(call->task, text, strlen(text));
	free(text);
}

/* Takes the outcome or the progress that a line tells of a call. */
static void
take_answer(ToolCall *call, const char *line)
{
	JsonPart	result;
	JsonPart	error;
	bool		failed;

	(void) json_find_member(line, "result", &result);
	failed = json_find_member(line, "error", &error) != NULL &&
		!(error.len == 4 && strncmp(error.text, "null", 4) == 0);
	if (!failed && result.text == NULL)
	{
		take_news(call, line);
		return;
	}
	if (call->task != NULL && failed)
		take_error(call, error, result);
	else if (call->task != NULL)
	{
		outcome_reset(call->out);
		sb_add(&call->out->result, result.text, result.len);
	}
	call->tool->crashes = 0;
	finish_call(call);
}

/* Takes a line of a tool; returns false when it is not what a tool may write. */
static bool
take_line(Tool *tool, char *line, size_t len)
{
	JsonPart	id;
	JsonPart	concurrency;
	ToolCall   *call;

	line[len] = '\0';
	if (line[strspn(line, " \t\r")] == '\0')
		return memchr(line, '\0', len) == NULL;
	if (memchr(line, '\0', len) != NULL || !utf8_is_text(line, len) || !json_is_object(line))
		return false;
	if (json_find_member(line, "concurrency", &concurrency) != NULL)
	{
		long		n = strtol(concurrency.text, NULL, 10);

		tool->concurrency = n < 1 ? 1 : n > MAX_CALLS_IN_FLIGHT ? MAX_CALLS_IN_FLIGHT : (int) n;
	}
	if (json_find_member(line, "id", &id) == NULL)
		return true;
	call = find_call(tool, id);
	if (call != NULL)
		take_answer(call, line);
	return true;
}

/* Ends a tool that writes what it may not, and fails its tasks. */
static void
reject_output(Tool *tool, const char *what, const char *line)
{
	Outcome		reason = {0};

	sb_printf(&reason.error, "the tool \"%s\" wrote %s", tool->executor.type, what);
	outcome_quote(&reason, ": ", line, strlen(line), QUOTE_BEGINNING);
	fail_calls(tool, reason.error.data);
	stop_crashed(tool);
	outcome_free(&reason);
}

/* Takes the lines that are complete; returns false when the process was ended for one. */
static bool
take_lines(Tool *tool)
{
	StringBuf  *output = &tool->output;
	size_t		begin = 0;
	char	   *end;

	while ((end = memchr(output->data + tool->scanned, '\n', output->len - tool->scanned)) != NULL)
	{
		char	   *line = output->data + begin;

		if (!take_line(tool, line, (size_t) (end - line)))
		{
			reject_output(tool, "a line that is not a JSON object", line);
			return false;
		}
		begin = (size_t) (end - output->data) + 1;
		tool->scanned = begin;
	}
	memmove(output->data, output->data + begin, output->len - begin);
	output->len -= begin;
	output->data[output->len] = '\0';
	tool->scanned = output->len;
	if (output->len <= MAX_LINE_BYTES)
		return true;
	reject_output(tool, "a line of more than 64 MB", "");
	return false;
}

/* Reads what the tool writes to stdout; returns false when the process is gone. */
static bool
read_stdout(Tool *tool)
{
	char		buffer[65536];
	ssize_t		n = read(tool->child.out, buffer, sizeof(buffer));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	sb_add(&tool->output, buffer, (size_t) n);
	return take_lines(tool) || tool->child.pid == 0;
}

/* ---------------------------------------------------------------------------
 * The way of a call
 * ---------------------------------------------------------------------------
 */

/*
 * Begins a call.  Returns NULL when the outcome is there already: the task names a
 * credential that this tool may not have.
 */
ToolCall *
tool_begin(Tool *tool, Task *task, Outcome *out)
{
	ToolCall   *call = xcalloc(1, sizeof(ToolCall));
	ToolCall  **place = &tool->calls;

	call->tool = tool;
	call->task = task;
	call->out = out;
	snprintf(call->id, sizeof(call->id), "%lu", ++last_id);
	if (!tool_credential(task, &call->credential, out))
	{
		free(call);
		return NULL;
	}
	if (tool->calls == NULL)
		linelog_end(&tool->log, NULL);
	while (*place != NULL)
		place = &(*place)->next;
	*place = call;
	tool_pump(tool);
	return call;
}

/*
 * Writes what to wait for before tool_pump() into TOOL_POLL_FDS descriptors, and makes
 * *until sooner.  Returns the number of descriptors.
 */
int
tool_poll(const Tool *tool, struct pollfd *fds, double *until)
{
	short		writes = tool->written < tool->input.len ? POLLOUT : 0;

	for (const ToolCall *call = tool->calls; call != NULL; call = call->next)
		*until = sooner(*until, call->kill_at);
	if (tool->child.pid == 0)
	{
		if (tool->calls != NULL)
			*until = sooner(*until, tool->start_at > 0 ? tool->start_at : monotonic_now());
		return 0;
	}
	fds[0] = (struct pollfd) {.fd = tool->child.out,.events = POLLIN};
	fds[1] = (struct pollfd) {.fd = tool->child.err,.events = POLLIN};
	fds[2] = (struct pollfd) {.fd = tool->child.channel,.events = writes};
	/* a tool that has closed its stdin would show there again and again */
	return writes != 0 ? 3 : 2;
}

/* Ends a tool that goes on with a task that was abandoned a while ago. */
static void
end_stubborn(Tool *tool)
{
	bool		stubborn = false;

	for (const ToolCall *call = tool->calls; call != NULL; call = call->next)
		stubborn = stubborn || (call->kill_at > 0 && monotonic_now() >= call->kill_at);
	if (!stubborn)
		return;
	tool_stop(tool);
	give_up_calls(tool);
}

/*
 * Does what can be done without waiting: starts the process, hands on requests, takes
 * answers.  Calls whose outcome is there have ended afterwards.
 */
void
tool_pump(Tool *tool)
{
	end_stubborn(tool);
	if (tool->child.pid == 0 && tool->calls != NULL && monotonic_now() >= tool->start_at &&
		!start_process(tool))
	{
		log_line(LOG_ALWAYS, "could not start the tool %s: %s", tool->executor.type,
				 strerror(errno));
		for (ToolCall *call = tool->calls; call != NULL; call = call->next)
			call->sent = true;
		give_up_calls(tool);
	}
	if (tool->child.pid == 0)
		return;
	read_stderr(tool);
	if (!read_stdout(tool) || (tool->child.pid != 0 && !write_requests(tool)))
		lose_process(tool);
}

/*
 * Ends a call and frees it.  A tool that goes on with the task is told so; one that
 * has no other task is killed.
 */
void
tool_end(ToolCall *call)
{
	Tool	   *tool = call->tool;

	if (call->ended || !call->sent)
	{
		free_call(call);
		return;
	}
	if (tool->concurrency == 1 || tool->child.pid == 0)
	{
		tool_stop(tool);
		free_call(call);
		give_up_calls(tool);
		return;
	}
	sb_printf(&tool->input, "{\"id\":\"%s\",\"cancel\":true}\n", call->id);
	call->task = NULL;
	call->out = NULL;
	call->kill_at = monotonic_now() + CANCEL_SECONDS;
	tool_pump(tool);
}

/* Executes one task in the tool of its type. */
OutcomeKind
tool_execute(Task *task, Outcome *out)
{
	Tool	   *tool = tool_of_type(task->type);
	ToolCall   *call = tool_begin(tool, task, out);
	bool		aborted = false;

	if (call == NULL)
		return out->kind;
	while (!call->ended && !aborted)
	{
		struct pollfd fds[TOOL_POLL_FDS];
		double		until = 0;
		int			n = tool_poll(tool, fds, &until);

		aborted = !task_wait(task, fds, n, until);
		if (!aborted)
			tool_pump(tool);
	}
	tool_end(call);
	if (aborted)
		out->kind = OUTCOME_ABORTED;
	return out->kind;
}
