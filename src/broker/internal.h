/*
 * broker/internal.h
 *		What the files of the decision core share with each other only.
 *
 * A file calls those below it:
 *
 *		decide.c         an event comes in: which run it is about, what it means
 *		settle.c         runs that can start are started, until none is left
 *		attempt.c        an attempt has ended: it is repeated, or its step ends
 *		wait.c           steps that wait for time or signals
 *		child.c          steps that are child executions
 *		iteration_start.c   iterators begin
 *		iteration_resume.c  iterators are resumed after a failure
 *		iteration.c      steps that are iterators
 *		recover.c        runs come to rest after a failure, and are resumed
 *		migrate.c        an execution goes on with another version
 *		save.c           saves that the database itself executes
 *		sql.c            steps that are statements of SQL
 *		action.c         tasks for workers
 *		flow.c           steps end, branches leave them
 *		join.c           branches arrive at steps and join there
 *		compensate.c     what has completed is compensated before the end
 *		execution_end.c  the end of an execution
 *		decision.c       the list of decisions
 */
#ifndef NOETL_BROKER_INTERNAL_H
#define NOETL_BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/transition.h"

/* Why a run failed; step_failed.meta.kind says it by name. */
typedef enum FailureKind
{
	FAILURE_ACTION,
	FAILURE_RETRY_EXHAUSTED,
	FAILURE_CLIENT,
	FAILURE_CONDITION,
	FAILURE_TEMPLATE,
	FAILURE_COLLECTION,
	FAILURE_PLAYBOOK,
	FAILURE_TIMED_OUT,
	FAILURE_SAVE,
	FAILURE_LEASE_EXPIRED,
	FAILURE_QUEUE_TIMEOUT,
	/* a step cannot go on after these, whatever on_error says */
	FAILURE_TRANSITION,
	FAILURE_MAX_VISITS
} FailureKind;

/* A run that ends well. */
typedef struct Completion
{
	EventType	type;			/* step_completed or step_skipped */
	int64		parent;			/* the event that ended the run */
	const JsonbValue *envelope; /* its result */
	bool		write_result;	/* the emitted event carries the result, as no
								 * action_completed does */
	bool		silent;			/* the router that begins the execution: no event */
	bool		announced;		/* the client has sent the event itself */
	const JsonbValue *input;	/* of the run, or NULL */
	const char *error;			/* on_error: continue; or NULL */
	const char *ended_by;		/* of a wait: ENDED_BY_…, or NULL */
} Completion;

/* A run that fails for good. */
typedef struct StepFailure
{
	FailureKind kind;
	int64		parent;			/* the event that ended the run */
	const char *error;
	const JsonbValue *envelope; /* its result, or NULL */
	const JsonbValue *input;	/* of the run, or NULL */
	const JsonbValue *tried;	/* meta.transitions of a "next" that failed, or NULL */
} StepFailure;

/* How an attempt of a run, or of an item of its iterator, ended. */
typedef struct AttemptEnd
{
	const Event *event;			/* that ended it; NULL: the attempt goes on */
	bool		success;
} AttemptEnd;

/* What is known of an attempt that has ended. */
typedef struct AttemptOutcome
{
	const Event *event;			/* that ended it */
	bool		success;
	FailureKind kind;			/* where it failed, like error */
	const char *error;
	const JsonbValue *envelope; /* its result */
	const JsonbValue *input;	/* of the run, or NULL */
	const char *policy_error;	/* why the retry policy could not be asked, or NULL */
} AttemptOutcome;

/* How an item of an iterator ended, for good. */
typedef struct ItemEnd
{
	int			index;
	bool		success;
	const JsonbValue *value;	/* where it succeeded */
	const char *error;			/* where it failed */
	int64		child_execution_id; /* the child that was the item, 0: none */
	int64		parent;			/* the event that ended the item */
} ItemEnd;

/* ---- decision.c ---- */

/* Appends a decision of a kind and returns it; the caller fills in the rest. */
extern Decision *decision_add(BrokerState *state, DecisionKind kind, Run *run);

/*
 * Emits an event, a microsecond after the newest, and returns it; step NULL: the
 * event is about the execution.  The caller may fill in the other columns.
 */
extern Event *emit(BrokerState *state, EventType type, const Step *step, int visit,
				   int64 parent);

/* The same about an item of the step's iterator; -1: the step as a whole. */
extern Event *emit_item(BrokerState *state, EventType type, const Step *step, int visit,
						int item, int64 parent);

/* Returns the word for a kind of failure, for meta.kind. */
extern const char *failure_name(FailureKind kind);

/* How the broker ends an execution that does not complete. */
typedef struct ExecutionOutcome
{
	EventType	type;			/* of the event that ends it */
	const char *error;			/* or NULL, also below */
	Jsonb	   *result;
} ExecutionOutcome;

/* ---- compensate.c ---- */

/* Returns whether a completion of a run is one that can be compensated. */
extern bool is_compensable(BrokerState *state, const Run *run, const Completion *completion);

/* Adds to the meta of step_completed what its compensation will need. */
extern void add_compensable(const Completion *completion, JsonBuilder *meta);

/* Remembers a completion, whose event is not in the log yet. */
extern void note_completion(BrokerState *state, const Run *run, const Completion *completion,
							int64 event_id);

/* Returns whether compensations of the execution are being done. */
extern bool compensating(const BrokerState *state);

/*
 * Begins to compensate what the execution has completed: it ends with this outcome
 * afterwards.  Returns false when there is nothing to compensate.
 */
extern bool compensate(BrokerState *state, const ExecutionOutcome *outcome, int64 parent);

/* A compensation has ended: the next one follows, or the end of the execution. */
extern void compensation_ended(BrokerState *state, const Run *run, bool success, int64 cause);

/* ---- execution_end.c ---- */

/* Ends the execution with an event of the broker's; meta: of that event, or NULL. */
extern void conclude_execution(BrokerState *state, const ExecutionOutcome *outcome,
							   int64 parent, Jsonb *meta);

/* Ends the execution; revoke: workers are told to stop what they have leased. */
extern void end_execution(BrokerState *state, const char *status, const char *error,
						  Jsonb *result, bool revoke);

/* Fails the execution because of a step whose failure nothing handles. */
extern void fail_execution(BrokerState *state, const Step *step, const char *reason,
						   int64 parent);

/* Completes the execution; run: that of the end that was reached, or NULL. */
extern void complete_execution(BrokerState *state, Run *run, int64 parent);

/* ---- flow.c ---- */

/* Returns whether some entry of a list has a condition. */
extern bool has_conditions(const TransitionList *list);

/* Finds the input that a run was started with; false: it has none. */
extern bool run_input(const Run *run, JsonbValue *input);

/* Emits step_started of a run, with its input or NULL; the run refers to it from now on. */
extern Event *emit_step_started(BrokerState *state, Run *run, const JsonbValue *input);

/* Opens a run whose work is not a task of its own; its timeout begins. */
extern void open_run(BrokerState *state, Run *run);

/* Begins an attempt of a run whose work the database does itself, at once. */
extern void begin_own_work(BrokerState *state, Run *run, const JsonbValue *input);

/* Ends a run well: its transitions are evaluated and its branches leave. */
extern void complete_step(BrokerState *state, Run *run, const Completion *completion);

/* Ends a run that failed for good: on_error decides what follows. */
extern void fail_step(BrokerState *state, Run *run, const StepFailure *failure);

/* Ends a run that could not be started with its input (or NULL). */
extern void fail_start(BrokerState *state, Run *run, FailureKind kind, const char *error,
					   const JsonbValue *input);

/* ---- join.c ---- */

/*
 * Returns the live run of a visit of a step (of its oldest live visit: 0), or NULL.
 */
extern Run *live_run(BrokerState *state, int step, int visit);

/* Returns whether a value, with the meta of its event, is of a step skipped while it waited. */
extern bool skipped_waiting(const StepValue *value, const JsonbValue *meta);

/* Returns the newest of the events that released the arrivals of a run. */
extern int64 released_by(const Run *run);

/* Returns whether a step, as the first of an execution, has no event of its own. */
extern bool is_silent_entry(const Playbook *playbook, const Step *step);

/*
 * A branch reaches a step, from a run that has ended (NULL: from the start): it
 * begins a visit there or joins the one that waits.
 */
extern void arrive(BrokerState *state, const Departure *departure, Run *source,
				   int64 event_id);

/* An execution that was forked begins with a run of a step, with its input. */
extern void arrive_by_fork(BrokerState *state, const Event *event);

/* Returns whether some of the departures of a run lead to steps that take no more arrivals. */
extern bool any_dropped(BrokerState *state, const List *departures, Run *source);

/* Notes these in meta. */
extern void note_dropped(BrokerState *state, const List *departures, Run *source,
						 JsonBuilder *meta);

/* Returns the run that is to be started next, or NULL. */
extern Run *next_to_start(BrokerState *state);

/* ---- action.c ---- */

/* Returns whether other executions or tasks do the work of a step. */
extern bool is_open_step(const Step *step);

/*
 * Puts together the input of an action or child: the step's own, and that of the
 * transition above it.  False and *error when a template raises.
 */
extern bool assemble_input(const Step *task, Scope *scope, const JsonbValue *transition_input,
						   JsonbValue *input, SourceError *error);

/* Renders what the worker will get.  False and *error when a template raises. */
extern bool prepare_action(BrokerState *state, Run *run, const Step *task, Scope *scope,
						   const JsonbValue *transition_input, SourceError *error);

/* Adds the names under which a save sees the results of all items. */
extern void add_iterator_names(const JsonbValue *envelope, JsonBuilder *builder);

/* Starts a run whose work is a task: step_started and a row of the queue. */
extern void start_action(BrokerState *state, Run *run, const JsonbValue *transition_input);

/*
 * Enqueues a task of type save, of the run itself or of one of its items, that
 * saves what its children have done.
 */
extern void start_save(BrokerState *state, Run *run, const Step *task, Scope *scope,
					   const JsonbValue *envelope);

/* ---- save.c ---- */

/*
 * Executes the saves of a task in a scope like that of the task's templates, and
 * emits what became of each.  *saved: what was saved.  False and *error when
 * they fail.
 */
extern bool execute_saves(BrokerState *state, const Run *run, const Step *task, Scope *scope,
						  int64 parent, JsonbValue *saved, const char **error);

/* The same after a successful attempt of a run or of an item. */
extern bool save_attempt(BrokerState *state, Run *run, const AttemptOutcome *outcome,
						 JsonbValue *saved, const char **error);

/* Starts an attempt of a step that only saves, and returns its end. */
extern AttemptEnd start_save_step(BrokerState *state, Run *run,
								  const JsonbValue *transition_input);

/*
 * Renders the statement of a request, whose parameters are in request->data; they
 * are names in it.  False and *error when a template raises.
 */
extern bool render_statement(const SaveSpec *spec, Scope *scope, SaveRequest *request,
							 char **error);

/* ---- sql.c ---- */

/*
 * Starts an attempt of a step of type sql: executes the statement, emits what
 * became of it and returns the end of the attempt.
 */
extern AttemptEnd start_sql_step(BrokerState *state, Run *run,
								 const JsonbValue *transition_input);

/*
 * Executes the statement of the item end->index of an iterator, and its saves; *end
 * says how the item ended.  parent: its iteration_started.  done: the action_completed of
 * its statement, which is not executed again then; 0: it has not been executed.
 */
extern void execute_sql_item(BrokerState *state, const Run *run, const Step *task,
							 Scope *scope, const JsonbValue *transition_input,
							 int64 parent, int64 done, ItemEnd *end);

/* Renders the priority of a task of a step (action.c). */
extern bool render_priority(const BrokerState *state, const Step *task, const Step *step,
							const TemplateScope *scope, int *priority, SourceError *error);

/* ---- child.c ---- */

/* Starts an attempt of a step that is a child execution. */
extern void start_playbook(BrokerState *state, Run *run, const JsonbValue *transition_input);

/*
 * Returns the child that a task calls, with its input; NULL and *error when it
 * cannot be started.  pinned: its catalog_id where that is known, else 0.
 */
extern ChildStart *prepare_child(BrokerState *state, const Step *task, Scope *scope,
								 const JsonbValue *transition_input, int64 pinned,
								 char **error);

/* Returns the catalog_id of a playbook that is the same for every item; else 0. */
extern int64 pin_child(BrokerState *state, const Step *task, Scope *scope);

/* Opens a run whose task is done while executions that its worker started run. */
extern void await_spawned(BrokerState *state, Run *run, const AttemptOutcome *outcome);

/* Completes such a run, after the last of these executions. */
extern void complete_spawned(BrokerState *state, Run *run);

/* Finds the result of a child execution as its parent sees it, in a scope of the task. */
extern void child_result(BrokerState *state, Scope *scope, const Step *task,
						 const ChildEnd *end, JsonbValue *result);

/* Returns the end of the attempt whose child has ended; none for another attempt's. */
extern AttemptEnd playbook_child_ended(BrokerState *state, Run *run, const ChildEnd *end);

/* ---- recover.c ---- */

/* Returns how many attempts a run had made before it was given new ones. */
extern int	attempts_before(const Run *run);

/* Adds that number to the context of a run that is no task. */
extern void add_attempts_before(const Run *run, JsonBuilder *context);

/* Returns whether a failure holds its run instead of failing the execution. */
extern bool holds_failure(BrokerState *state, const Run *run, const StepFailure *failure);

/* Holds a run that has failed. */
extern void hold_run(BrokerState *state, Run *run, const StepFailure *failure);

/* Remembers a live run, or (failed) one that fails its execution, for a redrive. */
extern void stop_run(BrokerState *state, Run *run, bool failed);

/* step_resumed: resumes a held run. */
extern void resume_by_event(BrokerState *state, Run *run, const Event *event);

/* execution_redriven: resumes the runs that the end of the execution has stopped. */
extern void redrive_runs(BrokerState *state, const Event *event);

/* ---- migrate.c ---- */

/* execution_migrated: gives the live runs their places in the new version. */
extern void migrate_state(BrokerState *state, const Event *event);

/* ---- wait.c ---- */

/* Starts a run that waits; what it waits for may have come already. */
extern void start_wait(BrokerState *state, Run *run, const JsonbValue *transition_input);

/* Decides on a signal: it ends a wait, or is kept for one; returns whether it ends one. */
extern bool receive_signal(BrokerState *state, const Event *event);

/* Ends a wait whose time has come. */
extern void end_wait_by_time(BrokerState *state, Run *run);

/* ---- iteration_resume.c ---- */

/*
 * Resumes an iterator whose run is open: items that have not completed start again, or
 * their children are resumed.  cause: the event that led to it.
 */
extern AttemptEnd resume_iterator(BrokerState *state, Run *run, int64 cause);

/* ---- iteration_start.c ---- */

/* Starts an attempt of an iterator; returns its end where no item is in flight. */
extern AttemptEnd start_iterator(BrokerState *state, Run *run,
								 const JsonbValue *transition_input);

/* ---- iteration.c ---- */

/*
 * Has the templates of a scope see the names inside the item that a task does, and the
 * input of the iterator; *names and *outer hold them.
 */
extern void see_item(const Run *run, Scope *scope, JsonbValue *names, JsonbValue *outer);

/* Ends an item of an iterator, for good; returns the end of the iterator's attempt. */
extern AttemptEnd end_item(BrokerState *state, Run *run, const ItemEnd *end);

/* The same when the child that is the item has ended. */
extern AttemptEnd item_child_ended(BrokerState *state, Run *run, const ChildEnd *end);

/* ---- attempt.c ---- */

/* Returns which lease of a run has just ended. */
extern int	ended_lease(const Run *run);

/*
 * Begins an attempt of a run whose work has been done before its saves in the database
 * failed: they are repeated.  Returns whether it is one.
 */
extern bool resume_after_work(BrokerState *state, Run *run);

/* Repeats an attempt that has ended, or ends the run; does nothing if it goes on. */
extern void end_attempt(BrokerState *state, Run *run, AttemptEnd end);

/*
 * Ends a run at rest that has nothing left to do but a save, where its step has none for a
 * worker any more.  cause: the event that has the run go on.
 */
extern void conclude_saved(BrokerState *state, Run *run, const JsonbValue *envelope, int64 cause);

/* ---- settle.c ---- */

/* Starts every run that can start, keeps those that wait, completes the execution. */
extern void settle(BrokerState *state);

/*
 * Notes in the first event of a step that was emitted since the list of decisions had a
 * length why a condition of the step could not be evaluated.
 */
extern void record_condition_error(BrokerState *state, const Step *step, int since,
								   const char *key, const char *error);

#endif							/* NOETL_BROKER_INTERNAL_H */
