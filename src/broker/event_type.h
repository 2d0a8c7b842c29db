/*
 * broker/event_type.h
 *		The vocabulary of the event log: event types, their aliases, status words.
 *
 * The table in broker/event_type.c says all that is to be said of a type; other
 * files ask the functions below and do not list types themselves.
 */
#ifndef NOETL_BROKER_EVENT_TYPE_H
#define NOETL_BROKER_EVENT_TYPE_H

/* The types that are met most often come first: they are looked up in this order. */
typedef enum EventType
{
	EVENT_OTHER,				/* unknown: recorded, without effect */
	EVENT_ACTION_COMPLETED,
	EVENT_ACTION_STARTED,
	EVENT_ACTION_ERROR,
	EVENT_ACTION_RETRY,
	EVENT_STEP_STARTED,
	EVENT_STEP_COMPLETED,
	EVENT_STEP_FAILED,
	EVENT_STEP_SKIPPED,
	EVENT_STEP_RESULT,
	EVENT_STEP_HELD,
	EVENT_STEP_RESUMED,
	EVENT_EXECUTION_START,
	EVENT_EXECUTION_COMPLETE,
	EVENT_EXECUTION_FAILED,
	EVENT_EXECUTION_CANCELLED,
	EVENT_EXECUTION_ADOPTED,
	EVENT_EXECUTION_REDRIVEN,
	EVENT_EXECUTION_FORKED,		/* it begins at a step, with values of another one */
	EVENT_EXECUTION_UNDO,		/* somebody cancels it and wants it undone */
	EVENT_EXECUTION_COMPENSATING,	/* it ends when its compensations are done */
	EVENT_EXECUTION_MIGRATED,	/* it goes on with another version */
	EVENT_STEP_CARRIED,			/* a value of that one */
	EVENT_EXECUTION_RESCHEDULED,	/* it has another run_at and other parameters */
	EVENT_EXECUTION_PAUSED,		/* nothing of it is handed out any more */
	EVENT_EXECUTION_RESUMED,	/* the pause is over */
	EVENT_EXECUTION_DUE,		/* its run_at has come: it begins */
	EVENT_ITERATOR_STARTED,
	EVENT_ITERATION_STARTED,
	EVENT_ITERATION_COMPLETED,
	EVENT_ITERATION_FAILED,
	EVENT_ITERATOR_COMPLETED,
	EVENT_CHILD_SPAWNED,		/* iteration_started that names a child execution
								 * which the worker has started itself */
	EVENT_SAVE,					/* save_started */
	EVENT_SAVE_COMPLETED,
	EVENT_SAVE_FAILED,
	EVENT_SIGNAL,				/* signal_received: node_name is the signal's name */
	EVENT_PROGRESS,				/* how far a task is */
	EVENT_LOG					/* a line that a task has printed */
} EventType;

/* Who sends events: a set of these. */
typedef enum EventSender
{
	SENT_BY_CLIENT = 1,			/* whoever drives executions from outside */
	SENT_BY_WORKER = 2,			/* whoever does the work of a task */
	SENT_BY_BROKER = 4
} EventSender;

/*
 * Returns the type that a name means; EVENT_OTHER: the name is unknown.  status
 * (normalised, or NULL) decides about a name that two types share.
 */
extern EventType event_type_of(const char *name, const char *status);

/* Returns the name that the broker itself writes; raises for a type without one. */
extern const char *event_type_name(EventType type);

/* Returns the status of an event whose sender gives none. */
extern const char *event_type_status(EventType type);

/*
 * Returns the status word that a client meant; NULL or empty: the status of the
 * type.  *known is false for an unknown word, which means PENDING.
 */
extern const char *status_normalise(const char *status, const char *event_type,
									bool *known);

/* Returns whether events of a type are meant to come from this sender. */
extern bool event_type_sent_by(EventType type, EventSender sender);

/* Returns whether an event is about a run: a visit of a step, or one of its items. */
extern bool event_type_is_about_run(EventType type);

/* Returns whether the result of an event, if it has one, is the value of its step. */
extern bool event_type_carries_value(EventType type);

/*
 * Returns whether an event gives its step a value even without a result: the
 * value is null then.
 */
extern bool event_type_defaults_to_null(EventType type);

/* Returns whether an event ends its execution; there is one such event in each. */
extern bool event_type_is_terminal(EventType type);

/*
 * Returns whether an event changes a running execution.  When the execution is
 * over, such an event is marked as ignored.
 */
extern bool event_type_has_effect(EventType type);

/*
 * Returns whether the broker decides on an event: on a start, on a redrive, or on one
 * with effect.
 */
extern bool event_type_is_decided(EventType type);

#endif							/* NOETL_BROKER_EVENT_TYPE_H */
