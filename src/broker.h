/*
 * broker.h
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
#ifndef NOETL_BROKER_H
#define NOETL_BROKER_H

#include "event_type.h"
#include "playbook.h"

/* A row of noetl.event, as it was or as it will be stored. */
typedef struct Event
{
	int64		execution_id;
	int64		event_id;
	int64		parent_event_id;	/* 0: none */
	int64		parent_execution_id;	/* 0: none */
	int64		catalog_id;		/* 0: none */
	TimestampTz created_at;
	EventType	type;			/* what event_type means */
	const char *event_type;
	const char *node_id;
	const char *node_name;
	const char *node_type;
	const char *status;
	Jsonb	   *context;		/* NULL: none, also below */
	Jsonb	   *result;
	Jsonb	   *meta;
	const char *error;
	bool		has_index;		/* about an item of an iterator: */
	int			current_index;
	Jsonb	   *current_item;
	const char *worker_id;
} Event;

typedef enum RunState
{
	RUN_WAITING,				/* at a join: arrivals that cannot start yet */
	RUN_QUEUED,
	RUN_RETRY,					/* in the queue, due later */
	RUN_LEASED,
	RUN_OPEN,					/* started, its work happens elsewhere */
	RUN_CANCELLED,				/* leased when its execution ended: not live */
	RUN_ENDED					/* consumed in this evaluation: not live */
} RunState;

/* One branch that reached a step. */
typedef struct Arrival
{
	int			from;			/* step, -1: the start of the execution */
	int64		event_id;		/* the event that released it */
	bool		has_data;
	JsonbValue	data;			/* transition-level input, an object */
} Arrival;

/* One visit of one step. */
typedef struct Run
{
	int			step;
	int			visit;
	int			item;			/* of the step's iterator; -1: the step itself */
	RunState	state;
	bool		stored;			/* exists outside this evaluation */
	bool		changed;		/* RUN_WAITING: has an arrival that is not stored */
	List	   *arrivals;		/* Arrival *, RUN_WAITING */

	/* queue rows only */
	int64		queue_id;
	int64		started_event_id;
	int64		released_by;	/* the event that let it start */
	int			attempts;		/* how often it was leased */
	int			max_attempts;
	int			priority;
	const char *worker_id;		/* holder of the lease, or NULL */
	TimestampTz available_at;	/* RUN_RETRY */
	Jsonb	   *action;
	Jsonb	   *context;

	void	   *handle;			/* store.c's: where the row is */
} Run;

/* The newest value of a step. */
typedef struct StepValue
{
	bool		found;
	int			visit;
	int64		event_id;
	JsonbValue	envelope;		/* result as it was sent */
	JsonbValue	value;			/* what templates see (result.c) */
} StepValue;

/* How the core learns about the past of its execution. */
typedef struct ValueSource
{
	void		(*step_value) (void *arg, const char *step_name, StepValue *value);
	bool		(*workload) (void *arg, JsonbValue *workload);
	void	   *arg;
} ValueSource;

typedef struct BrokerState
{
	const Playbook *playbook;
	int64		execution_id;
	int64		parent_execution_id;	/* 0: none */
	const char *path;
	int			version;
	bool		finished;		/* a terminal event has been written */
	List	   *runs;			/* Run * */
	ValueSource values;
	TimestampTz now;			/* of the event decided on: what now() says */
	TimestampTz time;			/* of the newest event of the execution; what is
								 * emitted follows by a microsecond each */
	double		jitter;			/* uniform in [0, 1): the luck of this evaluation */

	/*
	 * For deciding again what has been decided before: gives an emitted event the
	 * id and the time that it has in the log.  NULL: it gets new ones.
	 */
	void		(*recall) (void *arg, Event *event);
	void	   *recall_arg;

	List	   *known;			/* StepValues of this evaluation (scope.c) */
	List	   *decisions;		/* Decision *, what came out */
	int64		last_event_id;	/* newest event, for lineage */
} BrokerState;

typedef enum DecisionKind
{
	DECIDE_EMIT,				/* append "event" */
	DECIDE_WAIT,				/* keep "run" at its join, with its arrivals */
	DECIDE_UNWAIT,				/* forget a run that waited */
	DECIDE_ENQUEUE,				/* a queue row for "run" */
	DECIDE_LEASE,				/* the worker started it without a lease */
	DECIDE_RETRY,				/* back into the queue, due at available_at */
	DECIDE_CLOSE,				/* delete the queue row */
	DECIDE_REVOKE,				/* mark a leased row cancelled */
	DECIDE_FINISH,				/* the execution is over: status, result, error */
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
	Jsonb	   *result;
	Jsonb	   *meta;
} Decision;

/* Decides on one stored event. */
extern void broker_decide(BrokerState *state, const Event *event);

/* The execution cannot even begin: it fails with this reason. */
extern void broker_refuse(BrokerState *state, const Event *event, const char *reason);

extern Run *run_make(int step, int visit, RunState state);

/* Is it waiting, in the queue or open? */
extern bool run_is_live(const Run *run);

/*
 * "<execution>:<step>[:<visit>]", followed by "[<index>]" for an item of an
 * iterator (item -1: none); and what a node id says of them (visit 0, item -1:
 * nothing).
 */
extern char *node_id_make(int64 execution_id, const char *step, int visit, int item);
extern int	node_id_visit(const char *node_id, int64 execution_id, const char *step);
extern int	node_id_item(const char *node_id, int64 execution_id, const char *step);
/* Which item an event is about; -1: a step as a whole. */
extern int	event_item(const Event *event);

/* result.c: the value of a step from the result that was sent. */
extern void result_value(const JsonbValue *envelope, JsonbValue *value);

#endif							/* NOETL_BROKER_H */
