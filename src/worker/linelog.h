/*
 * linelog.h
 *		What programs print, in the worker's log.
 */
#ifndef LINELOG_H
#define LINELOG_H

#include "task.h"

/* Output of a program up to the next line end, and how much there was */
typedef struct LineLog
{
	char		line[2000];
	size_t		len;
	size_t		total;
	char		last[500];		/* the beginning of the last line that is not blank */
	size_t		last_len;
} LineLog;

extern void linelog_add(LineLog *log, Task *task, const char *text, size_t len);
extern bool linelog_read(LineLog *log, Task *task, int *fd);
extern void linelog_end(LineLog *log, Task *task);

#endif							/* LINELOG_H */
