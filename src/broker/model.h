/*
 * broker/model.h
 *		The data that the broker decides with: events, runs, the values of steps,
 *		the items of iterators and child executions.
 *
 * Everything here is allocated in the memory context of one evaluation.
 */
#ifndef NOETL_BROKER_MODEL_H
#define NOETL_BROKER_MODEL_H

#include "nodes/pg_list.h"

#include "broker/event_type.h"
#include "common/common.h"

/* The state of one evaluation; broker.h defines it. */
typedef struct BrokerState BrokerState;

/* How far an iterator has come. */
typedef struct IterationProgress
{
	bool		found;			/* an item has ended */
	int			started;
	int			done;
	int			failed;
} IterationProgress;

/* What became of a save that the database itself has executed. */
typedef struct SaveOutcome
{
	bool		found;
	int			number;			/* which of several saves, from 0 */
	int64		rows;			/* how many it wrote */
	const char *sqlstate;		/* of its failure, or NULL */
} SaveOutcome;

/* What an execution_start asks for besides the playbook and its parameters. */
typedef struct StartTerms
{
	Jsonb	   *labels;			/* name -> text, or NULL */
	const char *key;			/* a business key, or NULL */
	int			priority;		/* of tasks whose step has none of its own */
	bool		own_priority;	/* the playbook gives it, and not the start */
	TimestampTz run_at;			/* the execution begins then; 0: at once */
	const char *schedule;		/* the schedule that started it, or NULL */
} StartTerms;

/*
 * A row of noetl.event, as it is stored or as it is going to be stored.  The
 * second half says what node_id, context and meta contain: event_parse() fills
 * it in when the row is read, and nobody opens these columns again.
 */
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
	Jsonb	   *context;		/* NULL: none, or not loaded; also below */
	Jsonb	   *result;
	Jsonb	   *meta;
	Jsonb	   *annotation;		/* what is to be laid over meta before the event is
								 * stored, or NULL */
	const char *error;
	bool		has_index;		/* the event is about an item of an iterator: */
	int			current_index;
	Jsonb	   *current_item;
	const char *worker_id;
	int64		task_id;		/* the row of the queue that it ends; 0: not known */
	const struct Event *recalled;	/* the event of the log that a repeated decision
								 * found, or NULL */

	/* node_id, or current_index where node_id names no item */
	int			visit;			/* of the step; 0: unknown */
	int			item;			/* of the step's iterator; -1: the step as a whole */
	bool		item_in_node_id;

	/* context */
	int64		started_child;	/* the child execution it names; 0: none */
	StartTerms *terms;			/* execution_start, execution_rescheduled; NULL: none */

	/* meta */
	bool		ignored;		/* the event has no effect */
	int			attempt;		/* the attempt the event is about; 0: unknown */
	const char *reaped;			/* REAPED_…: why the reaper ended an attempt or an
								 * execution; or NULL */
	int64		ended_child;	/* the child execution whose end it tells; 0: none */
	int			max_lost;		/* of an expired lease: so many may be lost */
	double		delay;			/* action_retry: seconds until the next attempt */
	const char *failure;		/* step_failed, step_held: the kind of the failure, or NULL */
	int			drive;			/* of an end or a redrive of the execution; 0: not said */
	IterationProgress progress; /* the end of an item, written by the broker */
	SaveOutcome save;			/* save_completed and save_failed */
	const char *started_by;		/* execution_start: name of the role, or NULL */
	int64		started_by_oid; /* and its oid; 0: not known */
	int64		timeout;		/* execution_start: in microseconds; 0: none */
	const Settings *settings;	/* execution_start: those it records, or NULL */
	bool		forked;			/* execution_start: execution_forked says where it begins */
	const char *refused;		/* execution_start: why the execution must not run, or NULL */
	TimestampTz until;			/* step_started of a wait: when it ends at the latest; 0 */
	const char *ended_by;		/* step_completed of a wait that time has ended:
								 * ENDED_BY_…; or NULL */

	/* signal_received */
	const char *signal_id;		/* or NULL, also below */
	const char *signal_key;
	const char *sent_by;		/* name of the sender's role */
	TimestampTz sent_at;		/* 0: when the event was stored */
	bool	   *ended_wait;		/* where the sender learns whether the signal has
								 * ended a wait */
} Event;

/*
 * Members of meta by which the reaper says why it ended an attempt, or an
 * execution; also the kind of the failure.
 */
#define REAPED_LEASE	"lease_expired"
#define REAPED_TIMEOUT	"timed_out"
#define REAPED_QUEUE	"queue_timeout"

/* Members of meta.ended_by of a wait: what has ended it, if that was not a signal. */
#define ENDED_BY_TIME		"time"
#define ENDED_BY_TIMEOUT	"timeout"

/* The kind of the failure of a step that was visited too often. */
#define VISITED_TOO_OFTEN	"max_visits"

typedef enum RunState
{
	RUN_WAITING,				/* at a join: it has arrivals and cannot start yet */
	RUN_QUEUED,
	RUN_RETRY,					/* the next attempt is due later */
	RUN_LEASED,
	RUN_OPEN,					/* started; children, or tasks for each of its
								 * items, do its work */
	RUN_HELD,					/* failed; it goes on when it is resumed or skipped */
	RUN_AWAITING,				/* started; ends when time has passed, or with a
								 * signal */
	RUN_CANCELLED,				/* leased when its execution ended: not live */
	RUN_ENDED					/* consumed in this evaluation: not live */
} RunState;

/* One branch that reached a step. */
typedef struct Arrival
{
	int			from;			/* step, -1: the start of the execution */
	int			visit;			/* of that step, from 1 */
	int64		event_id;		/* the event that released the branch */
	bool		has_data;
	JsonbValue	data;			/* transition-level input, an object */
	const int  *lineage;		/* the visits it descends from (broker/lineage.h) */
} Arrival;

/* One visit of one step. */
typedef struct Run
{
	int			step;
	int			visit;
	int			item;			/* of the step's iterator; -1: the step itself */
	RunState	state;
	bool		kept;			/* this evaluation stores it */
	bool		is_task;		/* it is a row of the queue, not of noetl.run */
	bool		stored;			/* it exists outside this evaluation */
	bool		changed;		/* RUN_WAITING: it has an arrival that is not stored */
	bool		at_once;		/* RUN_WAITING: it waits for nothing, as its step joins
								 * no branches */
	bool		claimed;		/* RUN_AWAITING: a signal that has come will end it */
	bool		restart;		/* settle() begins its next attempt */
	bool		failed;			/* of a stopped run: it had failed */
	bool		rewritten;		/* its arrivals replace those that are stored */
	List	   *arrivals;		/* Arrival *, RUN_WAITING */
	int			stored_arrivals;	/* so many of them are stored */
	bool		more_arrivals;	/* and others behind these (run.h: all_arrivals()) */

	const int  *lineage;		/* the visits it descends from; NULL: not read yet */
	Jsonb	   *compensates;	/* what it compensates (broker/compensate.c); NULL: its
								 * step_started says it, or it compensates nothing */

	/* all but waiting runs */
	int64		started_event_id;
	int64		started_in;		/* the version (catalog_id) of that event; 0: not read yet */
	int64		released_by;	/* the event that let it start */
	int			attempts;		/* how often it was leased, or has failed */
	int			lost;			/* how many of these leases have run out */
	int			max_attempts;
	int			attempts_before;	/* made before it was given new ones; of a run
									 * that is no task, context says it too */
	TimestampTz available_at;	/* RUN_RETRY */
	int64		timeout;		/* of an attempt, in microseconds; 0: none */
	TimestampTz deadline;		/* of the attempt in flight; 0: none */
	int64		queue_timeout;	/* until the first lease, in microseconds; 0: none */
	TimestampTz wait_until;		/* when that ends, if it has begun */
	Jsonb	   *context;		/* of a task: queue.context; of another run: its form
								 * is in broker/iteration.c, child.c and wait.c */

	/* tasks only */
	int64		queue_id;
	const char *type;			/* NULL: the step's */
	int64		child_execution_id; /* the child whose result it saves, 0: none */
	int			priority;
	const char *worker_id;		/* holder of the lease, or NULL */
	Jsonb	   *action;
	char	   *fair_key;		/* among which tasks it has its turn; NULL: none */
	double		fair_weight;
	Jsonb	   *limits;			/* as limits_render() renders them; NULL: none */
	bool		limited;		/* its row has limits */
	int64		slot_of;		/* the task whose slot it has kept; 0: none, or its own */
	Jsonb	   *one_limit;		/* of a row that has its slot, if it has one limit only */

	void	   *handle;			/* where the row is; only its reader knows more */
} Run;

/* The value of a step, of its newest visit or of another one. */
typedef struct StepValue
{
	bool		found;
	int			visit;
	int64		event_id;
	int64		parent_event_id;	/* of that event; 0: unknown */
	JsonbValue	envelope;		/* the result as it was sent */
	JsonbValue	value;			/* what templates see of it (broker/result.c) */
} StepValue;

/* A visit of a step that has completed and can be compensated. */
typedef struct StepCompletion
{
	int			step;
	int			visit;
	int64		event_id;		/* its step_completed */
	JsonbValue	compensate;		/* meta.compensate of that event */
	const JsonbValue *envelope; /* the result; NULL: the log has it */
} StepCompletion;

/* How an item of an iterator ended. */
typedef struct IterationResult
{
	int			index;
	bool		failed;
	JsonbValue	value;			/* jbvNull where it failed */
	const char *error;
	int64		child_execution_id; /* 0: none */
} IterationResult;

/* What the log says of an item of an iterator. */
typedef struct ItemState
{
	bool		completed;
	int			attempts;		/* 0: it has not started */
	int64		child_execution_id; /* 0: none */
	int64		done;			/* its newest action_completed; 0: none */
} ItemState;

/* A child execution that is going to be started. */
typedef struct ChildStart
{
	int64		execution_id;
	int64		catalog_id;
	int64		parent_event_id;	/* step_started of the parent's step */
	int			item;			/* of the parent's iterator, -1: none */
	Jsonb	   *current_item;	/* the item, or NULL */
	Jsonb	   *input;			/* laid over the child's workload */
	int64		timeout;		/* the parent's, in microseconds; 0: none */
	int			attempt;		/* of the parent's iterator, from 1; 0: none */
	int			priority;		/* of the child's tasks; 0: its playbook says it */
} ChildStart;

/* A child execution that is over. */
typedef struct ChildEnd
{
	int64		execution_id;
	int64		parent_event_id;
	int			item;
	bool		completed;
	Jsonb	   *result;			/* NULL: none */
	const char *error;
	TimestampTz time;			/* of its last event: the parent's events follow */
} ChildEnd;

#endif							/* NOETL_BROKER_MODEL_H */
