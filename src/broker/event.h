/*
 * broker/event.h
 *		What the node_id, the context and the meta of an event say.
 */
#ifndef NOETL_BROKER_EVENT_H
#define NOETL_BROKER_EVENT_H

#include "broker/model.h"

/*
 * Fills in what node_id, current_index, context and meta say, and tells
 * child_spawned from iteration_started.  The caller has filled in the type and
 * the columns; columns that it did not load say nothing.
 */
extern void event_parse(Event *event);

/* Returns the terms of an event, empty ones if it has none yet. */
extern StartTerms *event_terms(Event *event);

/* Gives an event a node_id, and fills in what that says. */
extern void event_set_node_id(Event *event, const char *node_id);

/* Returns the meta of an event about an attempt (0: none) that was reaped, or (NULL) not. */
extern Jsonb *event_attempt_meta(int attempt, const char *reaped);

/* Returns whether the reaper wrote an event, for this reason (REAPED_…). */
extern bool event_is_reaped(const Event *event, const char *reason);

/*
 * Returns whether the result of an event, if it has one, is the value of its
 * step: the event counts and is not about an item.
 */
extern bool event_sets_value(const Event *event);

#endif							/* NOETL_BROKER_EVENT_H */
