/*
 * engine/task_event.h
 *		Events about tasks of the queue, made inside the server.
 */
#ifndef NOETL_ENGINE_TASK_EVENT_H
#define NOETL_ENGINE_TASK_EVENT_H

#include "store/store.h"

/* The length of a lease when nobody names one, in microseconds. */
#define DEFAULT_LEASE_US	(INT64CONST(60) * 1000 * 1000)

/*
 * Stores an event about a task, as the task's row says, and decides on the
 * event.  flag: why the reaper ends the attempt (REAPED_…), or NULL.
 */
extern void task_event_ingest(Store *store, const QueueRow *row, EventType type,
							  Jsonb *result, const char *error, const char *flag);

/*
 * Returns the meta of an event: the attempt (0: none) and why the reaper ended
 * the attempt (REAPED_…), or NULL.
 */
extern Jsonb *task_event_meta(const char *flag, int attempt);

#endif							/* NOETL_ENGINE_TASK_EVENT_H */
