/*
 * log.h
 *		The log: lines on stderr.
 */
#ifndef LOG_H
#define LOG_H

#include "task.h"

/* Levels: a line is written when its level is not above options.verbosity */
#define LOG_ALWAYS	(-1)
#define LOG_NORMAL	0
#define LOG_DETAIL	1

extern void log_line(int level, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void log_task(const Task *task, int level, const char *fmt,...)
			__attribute__((format(printf, 3, 4)));
extern const char *task_label(const Task *task);

#endif							/* LOG_H */
