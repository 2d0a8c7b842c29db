/*
 * broker/event.h
 *		What an event says besides its columns.
 */
#ifndef NOETL_BROKER_EVENT_H
#define NOETL_BROKER_EVENT_H

#include "broker/model.h"

/* Returns the item that an event is about; -1: the step as a whole. */
extern int	event_item(const Event *event);

/* Returns the child execution that the context of an event names; 0: none. */
extern int64 event_child(const Event *event);

#endif							/* NOETL_BROKER_EVENT_H */
