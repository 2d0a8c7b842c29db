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

/*
 * Writes one line in a single write(), so that lines of several workers
 * sharing a terminal or file do not mix.
 */
static void
log_write(const char *label, const char *fmt, va_list args)
{
	static StringBuf line;
	va_list		again;
	struct tm	tm;
	time_t		now = time(NULL);
	char		clock[16] = "";
	int			needed;
	ssize_t		written;

	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	sb_reset(&line);
	sb_printf(&line, "%s %s%s", clock, label, label[0] != '\0' ? " " : "");
	va_copy(again, args);
	needed = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (needed < 0)
		return;
	sb_reserve(&line, (size_t) needed + 1);
	vsnprintf(line.data + line.len, (size_t) needed + 1, fmt, args);
	line.len += (size_t) needed;
	while (line.len > 0 && line.data[line.len - 1] == '\n')
		line.len--;
	secret_redact(&line);
	sb_reserve(&line, 1);
	/* libpq's messages have several lines, and tasks print what they like */
	for (size_t i = 0; i < line.len; i++)
	{
		if ((unsigned char) line.data[i] < ' ')
			line.data[i] = ' ';
	}
	line.data[line.len++] = '\n';
	written = write(STDERR_FILENO, line.data, line.len);
	(void) written;				/* there is no other place to report it */
}

/* Says something about the worker itself. */
void
log_line(int level, const char *fmt,...)
{
	va_list		args;

	if (level > options.verbosity)
		return;
	va_start(args, fmt);
	log_write("", fmt, args);
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
	log_write(task != NULL ? task_label(task) : "", fmt, args);
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
