/*
 * events.h
 *		Events that a task has stored while it is executed: iterations, saves.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "task.h"

extern void events_init(void);
extern void events_add(const Task *task, const char *type, const char *item,
					   const char *context, const char *result, const char *error,
					   const char *meta);
extern void events_exchange(StringBuf *kept);
extern void events_flush(Task *task);
extern void events_hold(bool hold);
extern void events_end(Task *task);

#endif							/* EVENTS_H */
