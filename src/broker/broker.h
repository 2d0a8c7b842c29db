/*
 * broker/broker.h
 *		The decision core: (playbook, state of an execution, event) -> decisions.
 *
 * Pure: no tables, no SPI, no clock, no randomness.  What it needs to know of
 * the past it asks through ValueSource, what shall be done it says in a list
 * of Decision, in the order in which it is to be written:
 *
 *		event.c loads a BrokerState  ->  broker_decide()  ->  store.c writes
 *
 * Everything is allocated in CurrentMemoryContext and lives for one evaluation.
 */
#ifndef NOETL_BROKER_BROKER_H
#define NOETL_BROKER_BROKER_H

#include "broker/collection.h"
#include "broker/condition.h"
#include "broker/event.h"
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

/* How the core learns about the past of its execution. */
typedef struct ValueSource
{
	/*
	 * The value of a visit of a step that ended before an event (0: before now), or
	 * (visit 0) of the newest visit that has ended: of a parallel step the one with
	 * the highest number.
	 */
	void		(*step_value) (void *arg, const Step *step, int visit, int64 before,
							   StepValue *value);
	/* the meta of an event; false: it has none */
	bool		(*event_meta) (void *arg, int64 event_id, JsonbValue *meta);
	bool		(*workload) (void *arg, JsonbValue *workload);
	/* iterators: of a visit of a step, since the event that began its attempt */
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
	/* the value of a step of another execution */
	bool		(*child_value) (void *arg, int64 execution_id,
								const char *step_name, JsonbValue *value);
	/* is a child of the step that this event started still running? */
	bool		(*has_children) (void *arg, int64 parent_event_id);
	/* the item that a child execution was started for */
	bool		(*child_item) (void *arg, int64 execution_id, JsonbValue *item);
	/* and the attempt of the iterator, from 1; 0: it was not started for one */
	int			(*child_attempt) (void *arg, int64 execution_id);
	int64		(*new_execution_id) (void *arg);
	/* May a step be visited that often, or a child nest that deep? */
	bool		(*allows_visit) (void *arg, int visit, int limit);
	bool		(*allows_depth) (void *arg, int depth);
	/* executes SaveRequests (save_broker.h); false: nothing is saved */
	bool		(*save) (void *arg, List *requests, struct SaveError *error);
	void	   *arg;
} ValueSource;

/* The state of an execution while one event is decided on. */
struct BrokerState
{
	const Playbook *playbook;
	int64		execution_id;
	int64		parent_execution_id;	/* 0: none */
	const char *path;
	int			version;
	int			depth;			/* how many ancestors it has */
	const char *started_by;		/* role */
	bool		finished;		/* a terminal event has been written */
	List	   *runs;			/* Run *, one for each live visit of a step */
	Run		   *item;			/* the item the event is about, or NULL */
	ValueSource values;
	TimestampTz now;			/* of the event decided on: what now() says */
	TimestampTz time;			/* of the newest event of the execution; what is
								 * emitted follows by a microsecond each */
	double		jitter;			/* uniform in [0, 1): the luck of this evaluation */

	/*
	 * For deciding again what was decided before: finds an emitted event in the
	 * log, whose id and time (and luck) it then has.  NULL: it is new.
	 */
	const Event *(*recall) (void *arg, const Event *event);
	void	   *recall_arg;

	List	   *known;			/* StepValues of this evaluation (scope.c) */
	Run		   *end_run;		/* the run of the end, if it ended just now */
	List	   *decisions;		/* Decision *, what came out */
	int64		last_event_id;	/* newest event, for lineage */
};

typedef enum DecisionKind
{
	DECIDE_EMIT,				/* append "event" */
	DECIDE_KEEP,				/* store "run" in noetl.run: it waits, or is open */
	DECIDE_FORGET,				/* delete it from there */
	DECIDE_ABANDON,				/* an open run fails: its children and the tasks
								 * of its items are withdrawn, leased ones too
								 * unless "leave"; "revoke": those are told */
	DECIDE_ADD_ITEMS,			/* items of "run" that start later */
	DECIDE_TAKE_ITEM,			/* first_item does not wait any more */
	DECIDE_START_CHILD,			/* "child" */
	DECIDE_ADOPT,				/* the execution "child" names becomes a child of
								 * "run" */
	DECIDE_ENQUEUE,				/* a queue row for "run" */
	DECIDE_LEASE,				/* the worker started it without a lease */
	DECIDE_RETRY,				/* back into the queue, due at available_at */
	DECIDE_CLOSE,				/* delete the queue row */
	DECIDE_REVOKE,				/* mark a leased row cancelled */
	DECIDE_FINISH,				/* the execution is over: status, result, error;
								 * leased tasks are revoked if "revoke" */
	DECIDE_IGNORE,				/* note "reason" in the event's meta */
	DECIDE_ANNOTATE,			/* add "meta" to the event's meta */
	DECIDE_LOCATE				/* the event is about "run", which it does not
								 * name: it came earlier, or its node_id is
								 * foreign */
} DecisionKind;

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
	Jsonb	   *result;
	Jsonb	   *meta;
	ChildStart *child;
	int			first_item;		/* index of items[0] */
	int			nitems;
	JsonbValue *items;
} Decision;

/* Decides on one stored event. */
extern void broker_decide(BrokerState *state, const Event *event);

/* Decides on the end of a child execution. */
extern void broker_child_ended(BrokerState *state, const ChildEnd *end);

/* The time of an open run has come: its next attempt, or its timeout. */
extern void broker_run_due(BrokerState *state, int step, int visit);

/* The execution cannot even begin: it fails with this reason. */
extern void broker_refuse(BrokerState *state, const Event *event, const char *reason);

/* result.c: the value of a step from the result that was sent. */
extern void result_value(const JsonbValue *envelope, JsonbValue *value);

/* The status code of a response, wherever the envelope has it. */
extern bool result_status_code(const JsonbValue *envelope, JsonbValue *value);

#endif							/* NOETL_BROKER_BROKER_H */
