/*
 * queue.h
 *		Events about tasks of the queue.
 */
#ifndef NOETL_QUEUE_H
#define NOETL_QUEUE_H

#include "store.h"

#define DEFAULT_LEASE_US	(INT64CONST(60) * 1000 * 1000)

/*
 * Stores an event about a task, as its row says, and decides on it.  flag: why
 * the reaper ends the attempt (REAPED_…), or NULL.
 */
extern void queue_task_event(Store *store, const QueueRow *row, EventType type,
							 Jsonb *result, const char *error, const char *flag);

/* meta of an event: the attempt (0: none) and why the reaper ended it, or NULL. */
extern Jsonb *reaped_meta(const char *flag, int attempt);

#endif							/* NOETL_QUEUE_H */
