/*
 * broker/broker.h
 *		The decision core: (playbook, state of an execution, event) -> decisions.
 *
 * The core is pure: it uses no tables, no SPI, no clock and no randomness.  It
 * asks a ValueSource about the past of the execution.  It returns a list of
 * Decision, in the order in which the decisions are to be written:
 *
 *		the engine loads a BrokerState ─> broker_decide() ─> the engine writes
 *
 * Everything is allocated in CurrentMemoryContext and lives for one evaluation.
 */
#ifndef NOETL_BROKER_BROKER_H
#define NOETL_BROKER_BROKER_H

#include "broker/collection.h"
#include "broker/condition.h"
#include "broker/event.h"
#include "broker/input.h"
#include "broker/event_type.h"
#include "broker/lineage.h"
#include "broker/model.h"
#include "broker/node_id.h"
#include "broker/retry.h"
#include "broker/run.h"
#include "broker/save.h"
#include "broker/scope.h"
#include "playbook/playbook.h"

struct SaveError;

/* The questions of the core about the past of its execution, as functions. */
typedef struct ValueSource
{
	/*
	 * The value of a visit of a step that ended before an event (0: before now), or
	 * (visit 0) of the newest visit that has ended: of a parallel step the one with
	 * the highest number.
	 */
	void		(*step_value) (void *arg, const Step *step, int visit, int64 before,
							   StepValue *value);
	/* the meta of an event; false: it has none.  catalog_id, or NULL, gets the version
	 * of the playbook that the event is of; 0: unknown */
	bool		(*event_meta) (void *arg, int64 event_id, JsonbValue *meta,
							   int64 *catalog_id);
	/* the maps of steps (JsonbValue *) of the migrations since an event, the oldest first */
	List	   *(*step_maps) (void *arg, int64 since);
	bool		(*workload) (void *arg, JsonbValue *workload);
	/* how far a visit of an iterator has come since the event that began its attempt */
	void		(*progress) (void *arg, const char *step_name, int visit, int64 since,
							 IterationProgress *progress);
	/* IterationResult *, in the order of the log */
	List	   *(*iteration_results) (void *arg, const char *step_name, int visit,
									  int64 since);
	/* an item that has not started */
	bool		(*waiting_item) (void *arg, const char *step_name, int visit, int index,
								 JsonbValue *item);
	/* catalog_id of a playbook, 0: there is none; content: the document itself */
	int64		(*find_playbook) (void *arg, const char *path, int version);
	int64		(*add_playbook) (void *arg, const char *content,
								 const char *path, char **error);
	/* why the execution's role may not start a playbook; NULL: it may */
	char	   *(*refuses_playbook) (void *arg, int64 catalog_id);
	/* the value of a step of another execution */
	bool		(*child_value) (void *arg, int64 execution_id,
								const char *step_name, JsonbValue *value);
	/* the name of the last step of another execution that completed with an action;
	 * NULL: none did */
	const char *(*child_last_step) (void *arg, int64 execution_id);
	/* meta of the execution_start; false: it has none */
	bool		(*start_meta) (void *arg, JsonbValue *meta);
	/* whether a child of the step that this event started still runs */
	bool		(*has_children) (void *arg, int64 parent_event_id);
	/* the item that a child execution was started for */
	bool		(*child_item) (void *arg, int64 execution_id, JsonbValue *item);
	/* the attempt of the iterator that started a child, from 1; 0: none did */
	int			(*child_attempt) (void *arg, int64 execution_id);
	/* whether a child execution could not be resumed at the time of an event: it had begun
	 * to compensate, or had done nothing before its end */
	bool		(*child_gone) (void *arg, int64 execution_id, int64 before);
	/* whether one had of the children that the worker of a step has started */
	bool		(*spawned_gone) (void *arg, int64 execution_id, int64 parent_event_id,
								   int64 before);
	int64		(*new_execution_id) (void *arg);
	/* whether a step may be visited that often, or a child nest that deep */
	bool		(*allows_visit) (void *arg, int visit, int limit);
	bool		(*allows_depth) (void *arg, int depth);
	/* whether a step without on_error is held when it fails */
	bool		(*holds_by_default) (void *arg);
	/* the context of an event; false: it has none */
	bool		(*event_context) (void *arg, int64 event_id, JsonbValue *context);
	/* the result of an event; false: it has none */
	bool		(*event_result) (void *arg, int64 event_id, JsonbValue *result);
	/* StepCompletion *, of the steps that have a compensation */
	List	   *(*completions) (void *arg);
	/* what became of the items of an iterator ("total" of them) between two events */
	ItemState  *(*item_states) (void *arg, const char *step_name, int visit, int64 since,
								int64 before, int total);
	/* the first signal of a name after an event that no wait has taken */
	bool		(*kept_signal) (void *arg, const char *name, int64 after, Event *event);
	/* whether a signal with this id has come before */
	bool		(*signal_known) (void *arg, const char *id);
	/* reads the text of a time, "today" by now; false and *error when it is none */
	bool		(*moment) (void *arg, const char *text, TimestampTz now, TimestampTz *moment,
						   char **error);
	/* Run *, all tasks of steps: of many tasks the state has only some at first */
	List	   *(*tasks) (void *arg);
	/* the newest visit of a step, after another one, that has a live task; 0: none has */
	int			(*newest_visit) (void *arg, const Step *step, int after);
	/* Arrival *, those of a run that its row has no room for */
	List	   *(*arrivals) (void *arg, const Run *run);
	/* executes SaveRequests (broker/save.h); false: nothing is saved */
	bool		(*save) (void *arg, List *requests, struct SaveError *error);
	void	   *arg;
} ValueSource;

/* The way from one version of a playbook to another. */
typedef struct Migration
{
	const Playbook *from;
	const Playbook *to;
	JsonbValue	map;			/* an object: name of a step -> its name in "to" */
} Migration;

/* The state of an execution while one event is decided on. */
struct BrokerState
{
	const Playbook *playbook;
	int64		execution_id;
	int64		parent_execution_id;	/* 0: none */
	const char *path;
	int			version;
	int			depth;			/* how many ancestors it has */
	int			priority;		/* of tasks whose step has none of its own */
	Oid			started_by;		/* role */
	int			drive;			/* how often it was set going; 1: not redriven */
	bool		finished;		/* a terminal event has been written */
	List	   *runs;			/* Run *, one for each live visit of a step */
	bool		more_tasks;		/* some tasks are not among them (run.h: all_runs()) */
	List	   *first_tasks;	/* Run *, with more_tasks: the tasks among them at first */
	Run		   *item;			/* the item the event is about, or NULL */
	ValueSource values;
	TimestampTz now;			/* of the event decided on: what now() says */
	TimestampTz time;			/* of the newest event of the execution; what is
								 * emitted follows by a microsecond each */
	double		jitter;			/* uniform in [0, 1): spreads the delays of retries */

	/*
	 * When the log is decided again: finds an emitted event in the log, whose id,
	 * time and delay it then has.  NULL: the event is new.
	 */
	const Event *(*recall) (void *arg, const Event *event);
	void	   *recall_arg;

	int			workload_left;	/* what broker/left.c knows: 0: nothing yet; 1, -1:
								 * the workload has strings for the worker, or none */
	JsonbValue *entry_tried;	/* meta.transitions of the silent entry, if it ends
								 * in this evaluation; or NULL */
	int			items_started;	/* how many items have been started together */
	List	   *known;			/* values that broker/scope.c remembers */
	Run		   *end_run;		/* the run of an end, if it ended just now */
	const JsonbValue *end_input;	/* its input, or NULL */
	const Migration *migration; /* of execution_migrated, else NULL */
	List	   *completions;	/* StepCompletion *, of this evaluation */
	Event	   *compensating;	/* execution_compensating, if it is of this evaluation */
	bool		notes_started;	/* for a fork: note in … */
	List	   *started;		/* … Run * that this evaluation has started */
	List	   *taken_signals;	/* TakenSignals *, by this evaluation (broker/wait.c) */
	List	   *decisions;		/* Decision *, the outcome */
	int64		last_event_id;	/* the newest event of the execution */
};

typedef enum DecisionKind
{
	DECIDE_EMIT,				/* append "event" to the log */
	DECIDE_KEEP,				/* store "run", which waits or is open, in noetl.run */
	DECIDE_FORGET,				/* delete "run" from noetl.run */
	DECIDE_ABANDON,				/* withdraw the children of an open "run" and the
								 * tasks of its items; leased tasks are left if
								 * "leave", marked cancelled if "revoke" too */
	DECIDE_ADD_ITEMS,			/* store items of "run" that start later */
	DECIDE_TAKE_ITEM,			/* delete first_item, which starts now */
	DECIDE_START_CHILD,			/* start the execution "child" */
	DECIDE_ADOPT,				/* make the running execution "child" a child of
								 * "run" */
	DECIDE_ENQUEUE,				/* insert a queue row for "run" */
	DECIDE_LEASE,				/* lease the row of "run": a worker started it
								 * without a lease */
	DECIDE_RETRY,				/* put "run" back into the queue, due at
								 * available_at */
	DECIDE_CLOSE,				/* delete the queue row of "run" */
	DECIDE_REVOKE,				/* mark the leased row of "run" cancelled */
	DECIDE_STOP,				/* remember "run", which the end of the execution
								 * stops, for a redrive: the log does it */
	DECIDE_REDRIVE,				/* the execution runs again, from its drive "drive" on;
								 * tasks that are left of earlier drives are deleted */
	DECIDE_REDRIVE_CHILD,		/* resume the execution "child", whose end "run" waits
								 * for; without an id: all executions that the worker
								 * of "run" started */
	DECIDE_COMPENSATE,			/* the execution compensates: its timeout is over */
	DECIDE_FINISH,				/* end the execution with status, result, error;
								 * revoke: leased tasks are revoked */
	DECIDE_KEEP_SIGNAL,			/* note the signal "event": it has an id, or no wait
								 * has taken it ("taken": one has) */
	DECIDE_TAKE_SIGNAL,			/* the signal "event", which was kept, is taken */
	DECIDE_IGNORE,				/* mark the event as ignored for "reason" */
	DECIDE_ANNOTATE,			/* lay "meta" over the meta of the event */
	DECIDE_LOCATE				/* give the event the node of "run", which it is
								 * about and does not name */
} DecisionKind;

/* One decision; its kind says which of the members count. */
typedef struct Decision
{
	DecisionKind kind;
	Event	   *event;
	Run		   *run;
	const char *status;
	const char *error;
	const char *reason;
	bool		leave;
	bool		revoke;
	int			drive;
	bool		taken;
	Jsonb	   *result;
	Jsonb	   *meta;
	ChildStart *child;
	int			first_item;		/* index of items[0] */
	const int  *indexes;		/* of all items, where they do not follow each other */
	int			nitems;
	JsonbValue *items;
} Decision;

/* Decides on one stored event. */
extern void broker_decide(BrokerState *state, const Event *event);

/* Decides on the end of a child execution. */
extern void broker_child_ended(BrokerState *state, const ChildEnd *end);

/*
 * Decides on an open run whose time has come: for its next attempt, its timeout, or
 * the end of its wait.
 */
extern void broker_run_due(BrokerState *state, int step, int visit);

/*
 * Returns the wait that a signal would end, or NULL.  The signal is an event that
 * need not be stored yet.  Decides nothing.
 */
extern Run *broker_find_wait(BrokerState *state, const Event *signal);

/* Reads the map of steps of an execution_migrated. */
extern void migration_init(Migration *migration, const Event *event, const Playbook *from,
						   const Playbook *to);

/* Returns the step of the new version that stands for one of the old; -1: none. */
extern int	migrate_step(const Migration *migration, int step);

/* Returns arrivals, in copies, as the new version numbers its steps. */
extern List *migrate_arrivals(const Migration *migration, const List *arrivals);

/* Gives runs, as they were loaded, the numbers of the new version. */
extern void migrate_runs(const Migration *migration, List *runs);

/* Returns what a step is called after migrations with these maps (JsonbValue *), oldest first. */
extern const char *migrate_name(const List *maps, const char *name);

/* Returns a lineage of the new version; NULL where that tracks no steps. */
extern const int *migrate_lineage(const Migration *migration, const int *lineage);

/* Fails an execution that cannot begin, for this reason. */
extern void broker_refuse(BrokerState *state, const Event *event, const char *reason);

/* Finds the value of a step in the result that was sent. */
extern void result_value(const JsonbValue *envelope, JsonbValue *value);

/* Finds the status code of a response, at whatever level of the envelope it is. */
extern bool result_status_code(const JsonbValue *envelope, JsonbValue *value);

/*
 * Builds what decisions on a playbook always say in the same words.  Whoever keeps the
 * playbook calls it once; without, that is built when it is needed first.
 */
extern void broker_prepare(Playbook *playbook);

#endif							/* NOETL_BROKER_BROKER_H */
