/*
 * log.c
 *		What the worker says, on stderr, one line at a time.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "secret.h"

/* Begins a line for people: the time, and what it is about. */
static void
begin_text(StringBuf *line, const Task *task)
{
	struct tm	tm;
	time_t		now = time(NULL);
	char		clock[16] = "";

	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	sb_printf(line, "%s ", clock);
	if (task != NULL)
		sb_printf(line, "%s ", task_label(task));
}

/* Begins a line for programs: an object, whose message is still to come. */
static void
begin_json(StringBuf *line, const Task *task, int level)
{
	struct timespec now;
	struct tm	tm;
	char		clock[32] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) != NULL)
		strftime(clock, sizeof(clock), "%Y-%m-%dT%H:%M:%S", &tm);
	sb_printf(line, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\"", clock, now.tv_nsec / 1000000,
			  level == LOG_ALWAYS ? "error" : level == LOG_NORMAL ? "info" : "debug");
	json_member(line, "worker", options.name);
	if (task != NULL)
	{
		json_member(line, "execution_id", task->execution_id);
		json_member(line, "step", task->step);
		sb_printf(line, ",\"visit\":%d", atoi(strrchr(task_label(task), '#') + 1));
	}
}

/* Appends a message without line ends and control characters. */
static void
add_message(StringBuf *line, const char *fmt, va_list args)
{
	va_list		again;
	size_t		begin = line->len;
	int			needed;

	va_copy(again, args);
	needed = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (needed < 0)
		return;
	sb_reserve(line, (size_t) needed + 1);
	vsnprintf(line->data + line->len, (size_t) needed + 1, fmt, args);
	line->len += (size_t) needed;
	while (line->len > begin && line->data[line->len - 1] == '\n')
		line->len--;
	/* libpq's messages have several lines, and tasks print what they like */
	for (size_t i = begin; i < line->len; i++)
	{
		if ((unsigned char) line->data[i] < ' ')
			line->data[i] = ' ';
	}
}

/*
 * Writes one line in a single write(), so that lines of several workers
 * sharing a terminal or file do not mix.
 */
static void
log_write(const Task *task, int level, const char *fmt, va_list args)
{
	static StringBuf line;
	bool		is_json = options.log != NULL && strcmp(options.log, "json") == 0;
	StringBuf	message = {0};
	ssize_t		written;

	sb_reset(&line);
	sb_str(&message, "");
	add_message(&message, fmt, args);
	secret_redact(&message);
	if (is_json)
	{
		begin_json(&line, task, level);
		sb_str(&line, ",\"message\":");
		json_string(&line, message.data, message.len);
		sb_str(&line, "}");
	}
	else
	{
		begin_text(&line, task);
		sb_add(&line, message.data, message.len);
	}
	sb_str(&line, "\n");
	written = write(STDERR_FILENO, line.data, line.len);
	(void) written;				/* there is no other place to report it */
	sb_free(&message);
}

/* Says something about the worker itself. */
void
log_line(int level, const char *fmt,...)
{
	va_list		args;

	if (level > options.verbosity)
		return;
	va_start(args, fmt);
	log_write(NULL, level, fmt, args);
	va_end(args);
}

/* Says something about a task, so that a line can be found by execution. */
void
log_task(const Task *task, int level, const char *fmt,...)
{
	va_list		args;

	if (level > options.verbosity)
		return;
	va_start(args, fmt);
	log_write(task, level, fmt, args);
	va_end(args);
}

/*
 * Names a task as execution/step#visit.  The visit is the last part of
 * node_id (<execution_id>:<step>:<visit>), which the first visit lacks.
 */
const char *
task_label(const Task *task)
{
	static StringBuf label;
	size_t		prefix = strlen(task->execution_id) + 1 + strlen(task->step);
	const char *visit = "1";

	if (strlen(task->node_id) > prefix && task->node_id[prefix] == ':')
		visit = task->node_id + prefix + 1;
	sb_reset(&label);
	sb_printf(&label, "%s/%s#%s", task->execution_id, task->step, visit);
	return label.data;
}
