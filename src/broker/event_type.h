/*
 * broker/event_type.h
 *		The vocabulary of the event log: types, their aliases, status words.
 */
#ifndef NOETL_BROKER_EVENT_TYPE_H
#define NOETL_BROKER_EVENT_TYPE_H

typedef enum EventType
{
	EVENT_OTHER,				/* recorded, no effect */
	EVENT_EXECUTION_START,
	EVENT_EXECUTION_ADOPTED,
	EVENT_EXECUTION_COMPLETE,
	EVENT_EXECUTION_FAILED,
	EVENT_EXECUTION_CANCELLED,
	EVENT_STEP_STARTED,
	EVENT_STEP_COMPLETED,
	EVENT_STEP_FAILED,
	EVENT_STEP_SKIPPED,
	EVENT_STEP_RESULT,
	EVENT_ACTION_STARTED,
	EVENT_ACTION_COMPLETED,
	EVENT_ACTION_ERROR,
	EVENT_ACTION_RETRY,
	EVENT_SAVE,					/* save_started */
	EVENT_SAVE_COMPLETED,
	EVENT_SAVE_FAILED,
	EVENT_ITERATOR_STARTED,
	EVENT_ITERATION_STARTED,
	EVENT_CHILD_SPAWNED,		/* iteration_started that names a child execution
								 * which the worker has started itself */
	EVENT_ITERATION_COMPLETED,
	EVENT_ITERATION_FAILED,
	EVENT_ITERATOR_COMPLETED
} EventType;

/*
 * Routes a name as it was sent; status (normalised or NULL) tells the alias
 * step_end apart.
 */
extern EventType event_type_of(const char *name, const char *status);

/* The name the broker itself writes. */
extern const char *event_type_name(EventType type);

/*
 * The status word a client meant.  NULL or empty: the one that belongs to the
 * type.  *known is false for a word nobody knows (then PENDING).
 */
extern const char *status_normalise(const char *status, const char *event_type,
									bool *known);

/* Is its result the value of its step? */
extern bool event_type_sets_value(EventType type);

/* Does it end its execution? */
extern bool event_type_is_terminal(EventType type);

#endif							/* NOETL_BROKER_EVENT_TYPE_H */
