/*
 * engine/internal.h
 *		What the files that handle events share with each other only.
 *
 *		event.c          the triggers; stored events are decided upon
 *		event_child.c    child executions are started, cancelled, and tell their
 *		                 parents that they are over
 *		event_values.c   what the broker's questions are answered from
 *		event_prepare.c  incoming rows are made fit to be stored
 */
#ifndef NOETL_ENGINE_INTERNAL_H
#define NOETL_ENGINE_INTERNAL_H

#include "commands/trigger.h"

#include "engine/engine.h"

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
	bool		draining;		/* all is written; what came up meanwhile is
								 * being decided on */
	List	   *messages;		/* ChildEnd * of children that ended meanwhile */
	MemoryContext memory;		/* of the messages */
	int			enqueued;		/* tasks, so far */
	struct Writing *outer;
} Writing;

/* What the broker's questions about the past are answered from. */
typedef struct ValueContext
{
	ValueSource source;
	Store	   *store;
	int64		execution_id;
	bool		catching_up;	/* newer events are stored but not decided on */
	BrokerState *state;			/* of the evaluation */
	bool		interrupted;	/* a save has left an event in noetl.pending */
	List	   *messages;		/* ChildEnd * of children that a save has ended */
	bool		workload_known;
	bool		workload_exists;
	JsonbValue	workload;
} ValueContext;

/* ---- event.c ---- */

/* The decisions on an execution that are being written, or NULL. */
extern Writing *writing_on(int64 execution_id);
/* The same, also when they are written and what came up is being decided on. */
extern Writing *frame_of(int64 execution_id);
/* Appends an event of the broker's own making. */
extern void write_own_event(Store *store, const Event *event);
/*
 * Decides on a stored event under the execution lock; returns the number of
 * tasks it enqueued.  newest: no event of the execution is newer.
 */
extern int	decide_event(Store *store, const Event *event, bool newest);
/* Decides, for its parent, on the end of a child execution. */
extern int	decide_child_end(int64 execution_id, const ChildEnd *end);
/*
 * ValueSource.save.  What the statements do to the execution that is being
 * decided on waits until these decisions are written.
 */
extern bool evaluate_save(void *arg, List *requests, struct SaveError *error);
/* Decides on the pending events of one execution, oldest first. */
extern int	decide_pending(Store *store, int64 execution_id);

/* ---- event_child.c ---- */

/* Starts a child execution; returns the number of tasks that are enqueued. */
extern int	child_start(const BrokerState *state, const ChildStart *start);
/* Makes an execution that a worker has started a child of the step it works on. */
extern void adopt_child(const BrokerState *state, const ChildStart *child);
/* Cancels the running children of an open run. */
extern void cancel_children(Store *store, int64 execution_id, int64 parent_event_id);
/* Cancels one; its lock is held. */
extern void cancel_child(int64 execution_id);
/* Keeps the end of a child until the decisions on its parent are written. */
extern void add_message(Writing *frame, const ChildEnd *end);
/* What its parent is told of an execution that is over. */
extern void child_message(const Execution *execution, const char *status, Jsonb *result,
						  const char *error, TimestampTz time, ChildEnd *message);
/* An execution is over: its parent goes on.  Returns the number of tasks. */
extern int	tell_parent(const Execution *execution, const Decision *end, TimestampTz time);

/* ---- event_values.c ---- */

/* ValueSource.child_item and child_attempt: of how a child began, which never changes. */
extern bool values_child_item(void *arg, int64 execution_id, JsonbValue *item);
extern int	values_child_attempt(void *arg, int64 execution_id);

extern void values_init(ValueContext *values, Store *store, BrokerState *state,
						bool catching_up);

/* ---- event_prepare.c ---- */

/*
 * Under REPEATABLE READ: others must not have gone on with the execution since
 * our snapshot was taken.
 */
extern void event_check_snapshot(Store *store, int64 execution_id);

/* created_at and event_id of an event that its execution does not have yet. */
extern void event_assign_time(Store *store, Event *event);

/* How many events this backend has prepared: is one still the newest? */
extern uint64 prepared_events;

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

#endif							/* NOETL_ENGINE_INTERNAL_H */
