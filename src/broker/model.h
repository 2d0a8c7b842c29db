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

/* A row of noetl.event, as it is stored or as it is going to be stored. */
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
	const char *error;
	bool		has_index;		/* the event is about an item of an iterator: */
	int			current_index;
	Jsonb	   *current_item;
	const char *worker_id;
	const struct Event *recalled;	/* the event of the log that a repeated decision
								 * found, or NULL */
} Event;

typedef enum RunState
{
	RUN_WAITING,				/* at a join: it has arrivals and cannot start yet */
	RUN_QUEUED,
	RUN_RETRY,					/* the next attempt is due later */
	RUN_LEASED,
	RUN_OPEN,					/* started; children, or tasks for each of its
								 * items, do its work */
	RUN_CANCELLED,				/* leased when its execution ended: not live */
	RUN_ENDED					/* consumed in this evaluation: not live */
} RunState;

/* One branch that reached a step. */
typedef struct Arrival
{
	int			from;			/* step, -1: the start of the execution */
	int64		event_id;		/* the event that released the branch */
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
	bool		kept;			/* this evaluation stores it */
	bool		is_task;		/* it is a row of the queue, not of noetl.run */
	bool		stored;			/* it exists outside this evaluation */
	bool		changed;		/* RUN_WAITING: it has an arrival that is not stored */
	List	   *arrivals;		/* Arrival *, RUN_WAITING */

	/* all but waiting runs */
	int64		started_event_id;
	int64		released_by;	/* the event that let it start */
	int			attempts;		/* how often it was leased, or has failed */
	int			max_attempts;
	TimestampTz available_at;	/* RUN_RETRY */
	int64		timeout;		/* of an attempt, in microseconds; 0: none */
	TimestampTz deadline;		/* of the attempt in flight; 0: none */
	Jsonb	   *context;		/* of a task: queue.context; of an open run: its
								 * form is in broker/iteration.c and broker/child.c */

	/* tasks only */
	int64		queue_id;
	const char *type;			/* NULL: the step's */
	int64		child_execution_id; /* the child whose result it saves, 0: none */
	int			priority;
	const char *worker_id;		/* holder of the lease, or NULL */
	Jsonb	   *action;

	void	   *handle;			/* where the row is; only its reader knows more */
} Run;

/* The newest value of a step. */
typedef struct StepValue
{
	bool		found;
	int			visit;
	int64		event_id;
	JsonbValue	envelope;		/* the result as it was sent */
	JsonbValue	value;			/* what templates see of it (broker/result.c) */
} StepValue;

/* How far an iterator has come. */
typedef struct IterationProgress
{
	bool		found;			/* an item has ended */
	int			started;
	int			done;
	int			failed;
} IterationProgress;

/* How an item of an iterator ended. */
typedef struct IterationResult
{
	int			index;
	bool		failed;
	JsonbValue	value;			/* jbvNull where it failed */
	const char *error;
	int64		child_execution_id; /* 0: none */
} IterationResult;

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
