/*
 * progress.h
 *		How far tasks are, and what they print, as events.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "task.h"

typedef void (*ProgressSink) (const Task *task, const char *type, const char *context);

extern void progress_send_to(ProgressSink sink);
extern void progress_told(Task *task, const char *object);
extern void progress_logged(Task *task, const char *line, size_t len);

#endif							/* PROGRESS_H */
