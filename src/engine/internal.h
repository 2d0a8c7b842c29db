/*
 * engine/internal.h
 *		What the files of the engine share with each other only.
 *
 *		triggers.c    the two triggers of noetl.event
 *		ingest.c      events made inside the server; what follows the storing
 *		prepare.c     an incoming event is made fit to be stored
 *		isolation.c   who may send an event about an execution
 *		in_flight.c   events between their two triggers
 *		evaluate.c    a decision is made and written
 *		frame.c       evaluation frames
 *		pending.c     events that wait for their decision
 *		lookup.c      answers to the broker's questions
 *		execution.c   the start of an execution, and its cancellation
 *		schedule.c    schedules whose time has come
 *		limit.c       free slots are handed out
 *		start.c       what a start asks for besides its playbook
 *		child.c       child executions
 *		save.c        saves that the database executes
 *		recover.c     steps and executions that go on after a failure
 *		pause.c       executions are paused and resumed
 *		task_event.c  events about tasks
 *		signal.c      signals to an execution
 *		message.c     messages to whoever waits
 *		change.c      rows of a user's table change
 *		reaper.c      what the passing of time makes due
 *		family.c      the bounds of a family of executions
 *		limited.c     work for executions that are not the caller's
 *		lock.c        the execution lock
 *		undecided.c   events that were stored while the triggers were off
 */
#ifndef NOETL_ENGINE_INTERNAL_H
#define NOETL_ENGINE_INTERNAL_H

#include "commands/trigger.h"

#include "engine/engine.h"
#include "engine/in_flight.h"

/* ---- frame.c ---- */

/* A child that has ended, by a subtransaction that can still be rolled back. */
typedef struct NotedEnd
{
	ChildEnd	end;
	SubTransactionId subtransaction;
} NotedEnd;

/* A wait that a signal of such a subtransaction will end. */
typedef struct Claim
{
	Run		   *run;
	SubTransactionId subtransaction;
} Claim;

/*
 * An evaluation frame: the decisions on an execution that this session is
 * writing.  A user's trigger that fires meanwhile may insert events of the same
 * execution, or of others, so frames nest.  What such an event asks of an
 * execution that has a frame is noted in the frame and done when the decisions
 * are written.
 */
typedef struct EvaluationFrame
{
	int64		execution_id;
	const BrokerState *state;	/* what has been decided so far */
	TimestampTz time;			/* of the last event to be written */
	int64		last_event_id;	/* its event_id */
	bool		interrupted;	/* an event waits in noetl.pending */
	bool		draining;		/* the decisions are written; what was noted
								 * meanwhile is decided on */
	List	   *child_ends;		/* NotedEnd * of children that ended meanwhile */
	List	   *claims;			/* Claim * of signals that came meanwhile */
	MemoryContext memory;		/* of these lists */
	List	   *opened;			/* OpenedWait * that have begun */
	int			enqueued;		/* tasks, so far */
	struct EvaluationFrame *outer;	/* the next frame, or NULL */
} EvaluationFrame;

/* Returns the innermost frame of an execution, or NULL. */
extern EvaluationFrame *frame_find(int64 execution_id);
/* Returns the same, or NULL when the frame's decisions are all written. */
extern EvaluationFrame *frame_find_writing(int64 execution_id);
/* Adds the executions (int64 *) that have such a frame to a list. */
extern List *frame_add_writing(List *executions);
/*
 * Makes *frame the innermost frame, of the execution of a state.  The caller
 * removes it with frame_pop(), also when an error is raised.
 */
extern void frame_push(EvaluationFrame *frame, const BrokerState *state);
extern void frame_pop(const EvaluationFrame *frame);
/* Notes the end of a child until the frame's decisions are written. */
extern void frame_add_child_end(EvaluationFrame *frame, const ChildEnd *end);
/* Notes that a signal will end a wait, whose memory lasts as long as the frame. */
extern void frame_claim(EvaluationFrame *frame, Run *run);
/*
 * Does what was noted in a frame that has been popped, or leaves that to the
 * execution's outer frame.  Returns the number of tasks that are enqueued.
 */
extern int	frame_settle(Store *store, EvaluationFrame *frame);

/* ---- lookup.c ---- */

/* What the broker's questions about the past are answered from. */
typedef struct ValueContext
{
	ValueSource source;
	Store	   *store;
	int64		execution_id;
	bool		catching_up;	/* newer events are stored but not decided on */
	BrokerState *state;			/* of the evaluation */
	const char *with_action;	/* runs of this step are loaded with their action; or NULL */
	bool		interrupted;	/* a save has left an event in noetl.pending */
	List	   *child_ends;		/* NotedEnd * of children that a save has ended */
	bool		workload_known;
	bool		workload_exists;
	JsonbValue	workload;
} ValueContext;

/* Prepares *values for an evaluation; values->source is then for the broker. */
extern void values_init(ValueContext *values, Store *store, BrokerState *state,
						bool catching_up);

/* ---- evaluate.c ---- */

/* Stores an event that the broker emits; the triggers leave it as it is. */
extern void write_own_event(Store *store, const Event *event);
/* Returns whether the row of a trigger is the one that write_own_event() is storing. */
extern bool is_own_event(TupleTableSlot *slot);
/*
 * Decides on a stored event; the caller holds the execution lock.  newest: no
 * event of the execution is newer.  Returns the number of tasks that are
 * enqueued.
 */
extern int	evaluate_event(Store *store, const Event *event, bool newest);
/*
 * Decides on a stored event that has runs of an execution go on, which runs or (runs)
 * was over.  Returns the child executions (ChildStart *) that the caller has to set
 * going again.
 */
extern List *evaluate_resumed(Store *store, const Event *event, const Execution *execution,
							  List *runs);
/*
 * Decides on the end of a child that was pending; the caller holds the execution lock.
 * Returns the number of tasks that are enqueued.
 */
extern int	evaluate_pending_child_end(int64 execution_id, const ChildEnd *end);
/*
 * Decides on the time of an open run that has come (see broker_run_due).
 * Returns the number of tasks that are enqueued.
 */
extern int	evaluate_run_due(int64 execution_id, const char *step_name, int visit);
/*
 * ValueSource.save.  Events that the statements insert into the execution that
 * is decided on wait until its decisions are written.
 */
extern bool evaluate_save(void *arg, List *requests, struct SaveError *error);

/*
 * Returns whether the execution that a signal names has a wait that the signal would
 * end.  Takes the execution lock and decides on pending events first.
 */
extern bool evaluate_would_take(const Event *signal);

/* ---- signal.c ---- */

/*
 * Raises for a signal that cannot be kept: without a name, or with a name, key or id
 * that is too long.
 */
extern void signal_check(const Event *event);
/* Fills in the event of a signal, with what else is known of it before it is stored. */
extern void signal_fill(Event *event, int64 execution_id, const SignalRequest *request);
/* Notes who sends a signal, and when, in the annotation of its event. */
extern void signal_annotate(Event *event);

/* ---- message.c ---- */

/* A wait with a key that has begun. */
typedef struct OpenedWait
{
	const char *key;
	JsonbValue	names;			/* of the signals, a list */
} OpenedWait;

/*
 * Gives an execution the messages that were kept for its waits (OpenedWait *) which
 * have begun, as signals.
 */
extern void message_offer(const Execution *execution, const List *opened);

/* ---- ingest.c ---- */

/*
 * Does what follows the storing of an event: decides on it, or notes it in
 * noetl.pending.  number: of prepared events, when the event was prepared.  Returns
 * the number of tasks that are enqueued.
 */
extern int	event_stored(Store *store, const Event *event, uint64 number);
/* Does what engine_ingest() does; *enqueued: the number of tasks that are enqueued. */
extern bool ingest_counting(Store *store, Event *event, int *enqueued);
/*
 * Stores an event that was prepared just now; *row says whether events have come meanwhile,
 * from triggers of users, that wait in noetl.pending.
 */
extern void store_prepared(Store *store, const Event *event, RowInFlight *row);
/* Does what event_stored() does for an event that was in flight, and for what waits for it. */
extern int	decide_row(Store *store, const Event *event, const RowInFlight *row);
/*
 * Does so with the rows in flight that are stored already, although their AFTER trigger has not
 * fired.  by_trigger: the caller is the BEFORE trigger of another row.
 */
extern void settle_rows_in_flight(bool by_trigger);

/* ---- pending.c ---- */

/*
 * Decides on the pending events of one execution, oldest first; the caller
 * holds the execution lock.  Returns the number of tasks that are enqueued.
 */
extern int	evaluate_pending(Store *store, int64 execution_id);

/* ---- child.c ---- */

/* Starts a child execution; returns the number of tasks that are enqueued. */
extern int	child_start(const BrokerState *state, const ChildStart *start);
/* Makes an execution that a worker has started a child of the step it works on. */
extern void child_adopt(const BrokerState *state, const ChildStart *child);
/* Cancels a child whose lock is held; one that is over stays as it is. */
extern void child_cancel(int64 execution_id);
/* Cancels the running children of an open run. */
extern void child_cancel_all(Store *store, int64 execution_id, int64 parent_event_id);
/*
 * Tells the parent of an execution that the execution is over, at once or by
 * the parent's frame.  Returns the number of tasks that are enqueued.
 */
extern int	child_tell_parent(const Execution *execution, const Decision *end,
							  TimestampTz time);

/* ---- prepare.c ---- */

/* Sets created_at and event_id, later than those of the execution's events. */
extern void event_assign_time(Store *store, Event *event);

/*
 * How many events this session has prepared.  The number that an event had is
 * still the newest when no other event has been prepared since.
 */
extern uint64 prepared_events;

/*
 * Reads the execution of the event that engine_ingest() is storing, as it was when the
 * event was prepared; false when anything has been written since, or for other events: then
 * the execution's row is to be read.
 */
extern bool prepared_execution(int64 execution_id, Execution *execution);

/*
 * Returns whether a row is history.  Rows that carry event_id, created_at and catalog_id and are
 * inserted as the tables' owner are brought back by pg_restore or replication:
 * they are stored as they are and nothing is decided.
 */
extern bool event_is_history(const Event *event);

/*
 * Makes an event fit to be stored; takes the execution lock.  Returns false when
 * an event with this event_id is stored already.  has_result: result is not
 * NULL, although event->result may not be loaded.  by_client: the current role has
 * to have the right to send the event.
 */
extern bool prepare_event(Store *store, Event *event, bool has_result, bool by_client);

/*
 * Makes an event fit that is stored already but has not met the broker; the caller
 * holds the execution lock.  Returns false when it must stay as it is: its execution
 * does not exist, or the current role may not start it.
 */
extern bool prepare_stored_event(Store *store, Event *event);

/* ---- isolation.c ---- */

/*
 * Raises unless noetl.isolation lets the current role send an event.  execution: the
 * one that the event is about; NULL: the event starts one.
 */
extern void isolation_check_event(Store *store, Event *event, const Execution *execution);

/* ---- prepare.c, for the triggers ---- */

/* Returns the row of a BEFORE trigger with what prepare_event() has changed. */
extern HeapTuple prepared_tuple(TriggerData *trigger, const Event *event);

/* ---- lock.c ---- */

/* Returns the number of this session's transaction. */
extern LocalTransactionId own_local_transaction(void);

/*
 * Takes the execution lock unless another transaction holds it; returns whether
 * it was taken.
 */
extern bool execution_trylock(int64 execution_id);

/*
 * Is an execution known to be over?  An end is final, so the answer "yes" needs
 * no lock.
 */
extern bool execution_is_over(Store *store, int64 execution_id);

/* ---- recover.c ---- */

/*
 * Takes the lock of an execution that a function is going to change, and reads the
 * execution; raises unless it exists and the current role may act for it.
 */
extern void request_begin(Store *store, int64 execution_id, Execution *execution);
/* Prepares an event and stores it without deciding on it. */
extern void request_store(Store *store, Event *event);

/* ---- pause.c ---- */

/*
 * Ends the pause of an execution whose lock is held, if its time has come; returns how
 * many tasks get ready.
 */
extern int	pause_end_by_time(Store *store, const Execution *execution);

/* ---- family.c ---- */

/*
 * Returns why a child of an execution must not run, because of noetl.max_family or
 * noetl.max_family_live, or NULL.  Counts the child if it belongs to the sample.
 */
extern char *family_refusal(Store *store, int64 parent_execution_id, int64 execution_id);

/* ---- limited.c ---- */

/* Work for one execution; what it changes is rolled back when it raises. */
typedef void (*LimitedWork) (void *arg);

/*
 * Runs work for an execution (0: for no single one) in a subtransaction with a
 * limit of time and of waiting for locks; asked: with wide ones.  Returns false
 * when it failed, which is recorded in noetl.reaper_failure.  Raises only when the
 * statement that calls is cancelled itself.
 */
extern bool limited_run(int64 execution_id, bool asked, LimitedWork work, void *arg);
/*
 * Returns whether an error is not about the work itself: the transaction or the server is
 * in trouble, or another session holds a lock.  It is likely to go away by itself.
 */
extern bool error_is_passing(int sqlerrcode);
/* Returns whether this session is inside limited_run(). */
extern bool limited_is_running(void);
/*
 * Has this session failed with an execution a moment ago?  Also when the failure
 * could not be recorded.
 */
extern bool limited_must_wait(int64 execution_id);

/* ---- execution.c ---- */

/*
 * Finds the playbook that the context of an execution_start names, and fills in
 * catalog_id and the node columns.  Raises when there is none.
 */
extern void execution_resolve(Event *event);
/*
 * Writes the row of noetl.execution for a stored execution_start.  started_by:
 * the role on whose behalf the execution runs; InvalidOid: the current role.
 */
extern void execution_insert(Store *store, const Event *event, Oid started_by);
/*
 * Renders the workload of an execution and stores it.  Returns NULL, or the text
 * of the error when a template fails.
 */
extern char *execution_make_workload(Store *store, BrokerState *state,
									 const Event *event);
/*
 * Reads an execution that must be there.  Raises when a user has deleted its
 * row while this transaction was deciding on it.
 */
extern void execution_get(Store *store, int64 execution_id, Execution *execution);

/* Fills in an event about an execution as a whole, for prepare_event(). */
extern void describe_execution(Event *event, EventType type, const Execution *execution);

/* Adds "settings", as execution_start records them, to an object if they are not the defaults. */
extern void engine_add_settings(JsonBuilder *builder, const Settings *settings);

/* Cancels an execution whose lock is held; one that is over stays as it is. */
extern void execution_cancel(int64 execution_id, const char *reason);

/* ---- start.c ---- */

/*
 * Checks what the context of an execution_start asks for besides its playbook, and
 * takes its key.  Raises when that makes no sense.  Returns false when another
 * execution has the key and nothing is to be started (event->execution_id).
 */
extern bool start_prepare(Event *event);

/*
 * Has an execution with limits wait for its slots, unless its start is for a later time
 * (run_at of its terms).  The start has got its time (created_at): taking the key may
 * have lasted.
 */
extern void start_await_slots(Event *event);
/* Returns what the meta of an execution_start says of its role, settings and terms. */
extern Jsonb *start_describe(const Event *event, Oid role);
/*
 * Reads the execution_start of an execution with the parameters that count, those of its
 * newest execution_rescheduled; returns false when it has been deleted.
 */
extern bool start_read(Store *store, int64 execution_id, Event *start);

/*
 * Has an execution with limits, whose lock is held and whose time has come, wait for its
 * slots, unless it has been put off.
 */
extern void start_await_at_its_time(Store *store, const Execution *execution);

/*
 * Begins a scheduled execution, whose lock is held, unless it has been put off; returns
 * the number of tasks.
 */
extern int	start_begin(Store *store, const Execution *execution);

/* ---- limit.c ---- */

/* What templates in the heads of a playbook see when an execution starts (priority.c). */
extern TemplateScope start_scope(const Playbook *playbook, int64 execution_id,
								 const char *path, const Event *start);
/* The priority that a playbook gives an execution; 0: none. */
extern int	start_priority(int64 catalog_id, const Event *start);

/* Have the executions of a playbook limits? */
extern bool limit_of_executions(int64 catalog_id);
/* Has an execution wait for its slots; start: as it is going to begin. */
extern void limit_await(const Execution *execution, const Event *start);
/* The same for the execution that an event which is stored just now starts. */
extern void limit_await_start(Store *store, const Event *start);
/* Gives an execution that goes on its slots at once; raises when there is no room. */
extern void limit_take_again(Store *store, const Execution *execution, const Event *start);

/* The same for one that a stored event starts from the middle of another. */
extern void limit_take_at_start(Store *store, const Event *start);

/* ---- schedule.c ---- */

/*
 * Does what is due of a schedule, if no other session does; most: so many starts at
 * once.  *more: something that is due is left.  Returns the number of tasks that become
 * ready.
 */
extern int	schedule_fire(int64 schedule_id, int most, bool *more);
/* An execution of a schedule has ended: wakes the sessions that can start a tick that waited. */
extern void schedule_ended(const Execution *execution);

/* ---- save.c ---- */

/*
 * Executes all SaveRequests or none of them, as the named role, in a
 * subtransaction.  Returns false and sets *error when one fails.  Raises what
 * ends the transaction anyway (cancel, serialization failure).
 */
extern bool save_execute(List *requests, Oid role, SaveError *error);

#endif							/* NOETL_ENGINE_INTERNAL_H */
