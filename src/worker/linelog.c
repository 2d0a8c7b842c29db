/*
 * linelog.c
 *		What programs print, in the worker's log: a line at a time, up to a bound
 *		for each task.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "linelog.h"
#include "log.h"
#include "progress.h"

#define MAX_LOG_BYTES (1024 * 1024)	/* of one task's output */

/* Keeps the beginning of a line, unless it is blank. */
static void
keep_last(LineLog *log)
{
	size_t		blank = 0;

	while (blank < log->len && strchr(" \t\r", log->line[blank]) != NULL)
		blank++;
	if (blank == log->len)
		return;
	log->last_len = log->len < sizeof(log->last) ? log->len : sizeof(log->last);
	memcpy(log->last, log->line, log->last_len);
}

/* Logs the lines that a text ends; the rest waits for its end. */
void
linelog_add(LineLog *log, Task *task, const char *text, size_t len)
{
	for (size_t i = 0; i < len && log->total <= MAX_LOG_BYTES; i++)
	{
		if (text[i] != '\n')
			log->line[log->len++] = text[i];
		if (text[i] == '\n' || log->len == sizeof(log->line))
		{
			log_task(task, LOG_NORMAL, "| %.*s", (int) log->len, log->line);
			progress_logged(task, log->line, log->len);
			keep_last(log);
			log->len = 0;
		}
		if (++log->total > MAX_LOG_BYTES)
			log_task(task, LOG_NORMAL, "| [output beyond %d bytes is not shown]",
					 MAX_LOG_BYTES);
	}
}

/* Takes what a pipe has, and closes it at its end; returns false when that is nothing. */
bool
linelog_read(LineLog *log, Task *task, int *fd)
{
	char		buffer[8192];
	ssize_t		n = *fd >= 0 ? read(*fd, buffer, sizeof(buffer)) : -1;

	if (n > 0)
		linelog_add(log, task, buffer, (size_t) n);
	if (n == 0)
	{
		/* at its end it would stay readable */
		close(*fd);
		*fd = -1;
	}
	return n > 0;
}

/* Ends the last line of a task, and begins to count anew. */
void
linelog_end(LineLog *log, Task *task)
{
	if (log->len > 0)
		linelog_add(log, task, "\n", 1);
	log->total = 0;
	log->len = 0;
}
