/*
 * engine/engine.h
 *		The way of an event: normalised, stored, decided upon.
 */
#ifndef NOETL_ENGINE_ENGINE_H
#define NOETL_ENGINE_ENGINE_H

#include "store/store.h"

/*
 * What a client's INSERT does, without going through a trigger: fills in
 * *event, stores it and decides on it.  False when the event was there already.
 */
extern bool event_ingest(Store *store, Event *event);

/* Decides on events that were stored while the broker was off. */
extern int	event_catch_up(int64 execution_id);

/* The time of an open run of a step has come: see broker_run_due. */
extern int	event_run_due(int64 execution_id, const char *step_name);

/* A member {key: text} as a jsonb object, for meta. */
extern Jsonb *meta_text(const char *key, const char *text);

/* The other parts of the door. */
#include "engine/execution.h"
#include "engine/reaper.h"
#include "engine/task_event.h"

#endif							/* NOETL_ENGINE_ENGINE_H */
