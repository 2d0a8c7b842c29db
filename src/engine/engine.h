/*
 * engine/engine.h
 *		The way of an event: it is prepared, stored and decided on.
 *
 * Clients reach the engine through the triggers of noetl.event.  The functions
 * below are for the rooms above: SQL-callable functions, the timer process, and
 * replay, which decides stored events again.
 */
#ifndef NOETL_ENGINE_ENGINE_H
#define NOETL_ENGINE_ENGINE_H

#include "store/store.h"

/* The length of a lease that the caller does not give, in microseconds. */
#define ENGINE_DEFAULT_LEASE_US	(INT64CONST(60) * 1000 * 1000)

/* ---- events made inside the server ---- */

/*
 * Prepares *event, stores it and decides on it, as a client's INSERT does.
 * Returns false when the event is stored already.
 */
extern bool engine_ingest(Store *store, Event *event);

/*
 * Does the same for an event about a task, whose node, attempt and worker are
 * those of the task's row.  flag: why the reaper ends the attempt (REAPED_…), or
 * NULL.
 */
extern void engine_ingest_task_event(Store *store, const QueueRow *row, EventType type,
									 Jsonb *result, const char *error, const char *flag);

/*
 * Decides on the events of an execution that wait for their decision, such as
 * those stored while the broker was off.  Waits for the session that is busy with
 * the execution.  Returns the number of tasks that are enqueued.
 */
extern int	engine_catch_up(int64 execution_id);

/*
 * Does what waits in noetl.pending and what the passing of time makes due: retries
 * become ready, expired leases are taken back, what exceeds its timeout fails.  Of
 * one execution or of all (0).  Returns the number of tasks that become ready.
 * Never waits for another session: what one is busy with is left to that session
 * or to the next call.  asked: the caller wants decisions even while the broker is
 * off, and has time.  *more: the call has done its portion, and something that is
 * due is left.  What fails of all executions (0) is recorded in
 * noetl.reaper_failure; the failure of one that is named is raised.
 */
/* Hands out the free slots of all limits that this transaction has touched. */
extern void engine_settle_limits(void);
/* Hands out the free slots of a limit whose rule has changed; returns of how many keys. */
extern int	engine_limit_changed(const char *name);

extern int	engine_reap(int64 execution_id, bool asked, bool *more);

/* ---- after a failure ---- */

/* What a request to go on brings: an input and a reason. */
typedef struct RecoverRequest
{
	Jsonb	   *input;			/* is laid over that of what begins anew; or NULL */
	const char *reason;			/* or NULL */
} RecoverRequest;

/*
 * Has the held run of a step go on, or (engine_redrive) an execution that is over with
 * the runs that its end has stopped and the signals (SignalRow *) that were kept then.  The
 * caller holds the execution lock.  Returns the
 * child executions (ChildStart *) that the caller has to set going again; one without
 * an id stands for all that the worker of the step with its parent_event_id started.
 */
extern List *engine_resume_step(Store *store, const Execution *execution, const Step *step,
								int visit, const RecoverRequest *request);
extern List *engine_redrive(Store *store, const Execution *execution, List *runs,
							const List *signals, const RecoverRequest *request);
/*
 * Has a running execution go on with another version of its playbook, in which every live
 * run has a place; map: an object, name of a step -> its name there.  The caller holds the
 * execution lock.
 */
extern void engine_migrate(Store *store, const Execution *execution, int64 catalog_id,
						   int version, Jsonb *map);
/*
 * Has an execution end after the compensations of what it has completed: cancelled for
 * a reason, or (reaped, one of REAPED_…) failed with this error.  The caller holds the
 * execution lock.
 */
extern void engine_undo(Store *store, const Execution *execution, const char *error,
						const char *reaped);
/* Completes a live run of a step with a value (NULL: null) in place of its work. */
extern void engine_skip_step(Store *store, const Execution *execution, const Step *step,
							 int visit, Jsonb *value, const char *reason);
/*
 * Takes the lock of an execution, raises unless it exists and the current role may act
 * for it, and decides on what waits in noetl.pending.  Raises as well when the broker is
 * off, and when this session is deciding on the execution.
 */
extern void engine_begin_recovery(Store *store, int64 execution_id, Execution *execution);
/*
 * Cancels a running execution whose parent does not need it any more.  wait: waits for
 * its lock, and does nothing unless the parent is over; otherwise raises when another
 * session holds the lock.
 */
extern void engine_end_orphan(int64 execution_id, bool wait);

/* ---- pauses ---- */

/*
 * Pauses a running execution and all that it has started and starts: what is leased
 * goes on, nothing is handed out.  until: when the pause ends by itself; 0: never.
 * Returns false when the execution is over.  Raises unless the current role may act for
 * it.
 */
extern bool engine_pause(int64 execution_id, const char *reason, TimestampTz until);
/* Ends such a pause; returns false when the execution itself was not paused. */
extern bool engine_resume(int64 execution_id, const char *reason);
/*
 * Pauses a kind of tasks; returns the pause_id.  The caller has to see to it that the
 * current role may.
 */
extern int64 engine_pause_tasks(const PauseKind *kind, const char *reason, TimestampTz until);
/* Ends the pauses of a kind of tasks, or (NULL) of any; returns how many there were. */
extern int	engine_resume_tasks(const PauseKind *kind);

/* The value of a step that an execution takes over from another. */
typedef struct CarriedValue
{
	const Step *step;
	StepValue	value;
} CarriedValue;

/* An execution that begins in the middle of another. */
typedef struct ForkRequest
{
	int64		source;
	int64		source_event;	/* with which the run began there */
	const char *path;
	int			version;
	int64		catalog_id;
	Jsonb	   *parameters;
	Jsonb	   *labels;			/* of the source; NULL: none */
	int			priority;		/* of the source */
	Jsonb	   *context;		/* of execution_forked: step, data, sees */
	List	   *values;			/* CarriedValue * */
} ForkRequest;

/* Starts such an execution and returns its id. */
extern int64 engine_fork(const ForkRequest *request);

/*
 * Decides on the events of an execution that were stored while the triggers of
 * noetl.event were off.  Takes the execution lock.  Returns how many there were, and
 * *enqueued the number of tasks that are enqueued.
 */
extern int	engine_take_up(int64 execution_id, int *enqueued);
/*
 * The same for all executions; what fails is recorded in noetl.reaper_failure.  Returns
 * the number of tasks that are enqueued.
 */
extern int	engine_take_up_all(void);

/* ---- signals ---- */

/* What a sender says. */
typedef struct SignalRequest
{
	const char *name;
	const char *key;			/* NULL: of any */
	Jsonb	   *data;			/* or NULL */
	const char *id;				/* or NULL */
} SignalRequest;

/*
 * Sends a signal to an execution, which it must be the current role's to do.
 * Returns whether the signal has ended a wait; it is kept otherwise, unless one with
 * its id has come before.  Raises when the execution is over.
 */
extern bool engine_signal(int64 execution_id, const SignalRequest *request);

/*
 * Sends a signal to all executions of which the current role may say so that wait
 * for it with its key; returns how many these are.  When there is none, it is kept
 * for the first, for a time in microseconds (0: not at all).
 */
extern int64 engine_send(const SignalRequest *request, int64 keep_us);

/* ---- rules on changes of tables ---- */

/*
 * Raises when a rule does not fit a table with these columns, or its role may not do
 * what the rule does.
 */
extern void engine_check_rule(const ChangeRule *rule, TupleDesc desc);

/* ---- rights over executions (noetl.isolation) ---- */

/*
 * Returns whether the current role may act for the role of an execution: it is a
 * member of that role or of noetl_admin, or a superuser, or noetl.isolation is off.
 */
extern bool engine_acts_for(Oid started_by);
/* The same of another role, which need not exist any more. */
extern bool engine_role_acts_for(Oid role, Oid started_by);
/*
 * Returns the roles (Oids) for which the current role may act, itself among them; NIL:
 * for every role, or for more than "limit".
 */
extern List *engine_roles_acted_for(int limit);
/* Raises unless the current role may act for the role of an execution. */
extern void engine_check_owner(const Execution *execution);
/* The same by the id of an execution; one that does not exist is nobody's. */
extern void engine_check_owner_of(int64 execution_id);
/* Raises unless the current role has leased the task, or may act for the execution's. */
extern void engine_check_lease(Store *store, const QueueRow *row);
/*
 * Returns whether the current role may read the rows of an execution: it may act
 * for it, or this session is just storing an event of it.
 */
extern bool engine_may_read(int64 execution_id);

/* ---- the execution lock ---- */

/* Serialises the evaluation of an execution until the end of the transaction. */
extern void engine_lock(int64 execution_id);
/* Releases the lock before the end of the transaction, if nothing was changed. */
extern void engine_unlock(int64 execution_id);

/* ---- for replay ---- */

/*
 * Takes the execution lock.  Raises when this session is deciding on the
 * execution, because its rows are then half written.
 */
extern void engine_lock_for_replay(int64 execution_id);

/*
 * Raises a serialization failure when another session has stored events of the
 * execution after this transaction took its snapshot (REPEATABLE READ).
 */
extern void engine_check_snapshot(Store *store, int64 execution_id);

/* Sets the members of a ValueSource whose answers never change. */
extern void engine_set_constant_lookups(ValueSource *source);

/*
 * Reads a time; without an offset it is one of the time zone that a new session of
 * the role has, and "today" the day of "now".  False and *error when it is no time.
 */
extern bool engine_moment(Oid role, const char *text, TimestampTz now, TimestampTz *moment,
						  char **error);

/* Finds the meta of the execution_start; false: it has none. */
extern bool engine_start_meta(Store *store, int64 execution_id, JsonbValue *meta);

/*
 * Returns the deadline of an execution: by its playbook's timeout, or by its
 * start's (meta: "timeout", microseconds) if that is shorter.  0: it has none.
 */
extern TimestampTz engine_deadline(const Event *start);

/* Returns whether an execution_start is for a later time. */
extern bool engine_is_scheduled(const Event *start);

/* Returns what run_at of the row of a scheduled execution becomes by an execution_rescheduled. */
extern TimestampTz engine_follow_rescheduled(TimestampTz in_row, const Event *rescheduled);

/* Fills in labels, priority, run_at, schedule and scheduled by an execution_start. */
extern void engine_fill_terms(Execution *execution, const Event *start);

/*
 * Fills in the event that is decided on when a scheduled execution begins: its
 * start, with the parameters of the newest execution_rescheduled (or NULL), at the
 * time and in the place of its execution_due.
 */
extern void engine_begin_event(Event *begin, const Event *start, const Event *rescheduled,
							   const Event *due);

/* Returns the labels of an execution: its start's over its playbook's; NULL: none. */
extern Jsonb *engine_labels(const Event *start);

/*
 * Renders the workload that an execution_start asks for into *workload.
 * Returns NULL, or the text of the error when a template fails.
 */
extern char *engine_render_workload(BrokerState *state, const Event *event,
									Jsonb **workload);

/* Fills in what the parent of an execution is told of the execution's end. */
extern void engine_describe_end(const Execution *execution, const char *status,
								Jsonb *result, const char *error, TimestampTz time,
								ChildEnd *end);
/*
 * Decides, for the parent execution, on the end of a child.  Takes the parent's
 * lock.  Returns the number of tasks that are enqueued.
 */
extern int	engine_decide_child_end(int64 execution_id, const ChildEnd *end);

/*
 * Returns the role that started an execution, by its execution_start; in_row: the
 * role in its row, InvalidOid when there is none.  Raises when that is unknown.
 */
extern Oid	engine_started_by(const Event *start, Oid in_row);

/* Returns a random number, uniform in [0, 1): the jitter of a retry. */
extern double engine_jitter(void);

#endif							/* NOETL_ENGINE_ENGINE_H */
