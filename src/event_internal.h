/*
 * event_internal.h
 *		What the files that handle events share with each other only.
 *
 *		event.c          the triggers; stored events are decided upon
 *		event_prepare.c  incoming rows are made fit to be stored
 */
#ifndef NOETL_EVENT_INTERNAL_H
#define NOETL_EVENT_INTERNAL_H

#include "commands/trigger.h"

#include "event.h"

/*
 * A user's BEFORE trigger may insert an event while the decisions on another
 * of the same execution are half written: it comes after all of these.
 */
typedef struct Writing
{
	int64		execution_id;
	TimestampTz time;			/* of the last event to be written */
	int64		last_event_id;
	bool		interrupted;	/* an event waits in noetl.pending */
	int			enqueued;		/* tasks, so far */
	struct Writing *outer;
} Writing;

/* ---- event.c ---- */

/* The decisions on an execution that are being written, or NULL. */
extern Writing *writing_on(int64 execution_id);
/* Decides on the pending events of one execution, oldest first. */
extern int	decide_pending(Store *store, int64 execution_id);

/* ---- event_prepare.c ---- */

/* How many events this backend has prepared: is one still the newest? */
extern uint64 prepared_events;

/* Which types a finished execution takes no notice of. */
extern bool event_has_effect(EventType type);
/* Is an event marked as one without effect? */
extern bool event_is_ignored(const Event *event);

/*
 * A row that already carries its event_id, created_at and catalog_id is
 * history: pg_restore and replication bring such rows back, as the tables'
 * owner.  It is stored as it is and nothing is decided.
 */
extern bool event_is_history(const Event *event);

/*
 * Makes a client's event fit to be stored; takes the execution lock.  False
 * when it is stored already (same event_id).  has_result: result is not NULL,
 * although event->result need not be loaded.
 */
extern bool prepare_event(Store *store, Event *event, bool has_result);

/* The row as prepared: only what prepare_event may have changed is replaced. */
extern HeapTuple prepared_tuple(TriggerData *trigger, const Event *event);

#endif							/* NOETL_EVENT_INTERNAL_H */
