/*
 * replay/replay.h
 *		The rows of an execution in memory, as decisions make them.
 *
 * Replay follows an event log with them; simulate/ plays an execution that has none.
 * The model holds what is live, never the history.
 */
#ifndef NOETL_REPLAY_REPLAY_H
#define NOETL_REPLAY_REPLAY_H

#include "utils/hsearch.h"

#include "store/store.h"

/* The key of a row: a visit of a step (item -1), or an item of its iterator. */
typedef struct ModelKey
{
	int			step;
	int			visit;
	int			item;
} ModelKey;

/* A row of noetl.queue (run.is_task) or of noetl.run. */
typedef struct ModelRow
{
	ModelKey	key;
	Run			run;			/* what it points to is in "memory" */
	MemoryContext memory;
	bool		found;			/* its table has it */
	int64		parent_execution_id;	/* of the execution, when the run began */

	/* noetl.run only */
	TimestampTz created_at;
	bool		settled;		/* of children that a worker started, one still
								 * runs, or their end has been noted */
	/* open iterators: */
	int64		since;			/* the event_id of their iterator_started */
	IterationProgress progress;
	Jsonb	   *items;			/* the list of those that had not started; or NULL */
	int			first_item;		/* index of the first in the list */
	int		   *indexes;		/* of all in the list; NULL: they follow each other */
	int			next_item;		/* place in the list of the first that still waits */
	int			next_arrival;	/* the first of noetl.arrival that was not compared */
	int			end_item;		/* the number of items in the list */
} ModelRow;

/* A task whose run has ended; it stays in the queue while a worker holds it. */
typedef struct ModelLeftover
{
	ModelKey	key;
	int64		started_event_id;
	bool		revoked;		/* the worker was told to stop */
} ModelLeftover;

/* A child execution whose end the log has not told yet. */
typedef struct ModelChild
{
	int64		execution_id;
	ModelKey	key;			/* of the run or item that started it */
	int64		parent_event_id;
} ModelChild;

/* A row of noetl.signal. */
typedef struct ModelSignal
{
	int64		event_id;
	SignalRow	row;
	bool		found;			/* the table has it */
} ModelSignal;

/* Where the newest value of a step is in the log. */
typedef struct ModelValue
{
	TimestampTz created_at;		/* 0: the step has none */
	int64		event_id;
	int			visit;
} ModelValue;

typedef struct Model
{
	MemoryContext memory;
	const Playbook *playbook;
	Execution	execution;
	TimestampTz started_at;
	int64		timeout;		/* of the execution, in microseconds; 0: none */
	bool		limited;		/* the version that it began with has limits of executions */
	const char *status;			/* NULL: the execution runs */
	bool		compensated;	/* it has begun to compensate what it has completed */
	const char *error;
	Jsonb	   *result;
	TimestampTz ended_at;
	TimestampTz paused_until;	/* while it is paused; 0: for ever */
	Jsonb	   *workload;		/* NULL: none */
	const char *key;			/* the business key of its start, or NULL */
	HTAB	   *rows;			/* ModelRow by ModelKey */
	HTAB	   *leftovers;		/* ModelLeftover by ModelKey */
	HTAB	   *children;		/* ModelChild by execution_id */
	List	   *stopped;		/* Run * that the end of the execution has stopped */
	List	   *stopped_signals;	/* ModelSignal * that were kept then */
	List	   *signals;		/* ModelSignal *, by event_id */
	List	   *tasks;			/* ModelRows of steps in noetl.queue, and … */
	List	   *runs;			/* … in noetl.run, each in the order of the index */
	int		   *rank;			/* by step: the place of its name in that order */
	ModelValue *values;			/* by step */
} Model;

/* Creates an empty model in CurrentMemoryContext. */
extern Model *model_create(const Playbook *playbook);
/* Returns copies of the runs, as store_load_runs() loads them, for one evaluation. */
extern List *model_load_runs(const Model *model);
/* Returns a copy of the task of an item, as store_load_item() loads it, or NULL. */
extern Run *model_load_item(const Model *model, int step, int visit, int item);
/* These answer the questions of a ValueSource (broker/broker.h) that rows can answer. */
extern bool model_workload(const Model *model, JsonbValue *workload);
extern void model_progress(const Model *model, const char *step_name, int visit, int64 since,
						   IterationProgress *progress);
extern bool model_waiting_item(const Model *model, const char *step_name, int visit,
							   int index, JsonbValue *item);
/* Returns the first signal of a name after an event that no wait has taken, or NULL. */
extern const ModelSignal *model_kept_signal(const Model *model, const char *name,
											int64 after);
/*
 * Applies a decision to the model.  own: the run that the event was about, or
 * NULL.  event: NULL when the decision was made without an event.
 */
extern void model_apply(Model *model, const BrokerState *state, const Event *event,
						const Decision *decision, const Run *own);
/* Notes a signal that is kept, or whose id is. */
extern void model_keep_signal(Model *model, const SignalRow *row);
/* Gives all rows the numbers of another version of the playbook. */
extern void model_migrate(Model *model, const Migration *migration);
/* Notes what an event says by itself: adoption, the value of a step, progress. */
extern void model_note_event(Model *model, const Event *event);
/* Returns the index of the item at a place of an iterator's list. */
extern int	model_item_index(const ModelRow *row, int place);
/* Returns the place of an item that still waits; -1: it does not. */
extern int	model_item_place(const ModelRow *row, int index);
/* Returns copies of the runs that the end of the execution has stopped. */
extern List *model_stopped_runs(const Model *model);
/* Each returns NULL when there is none; model_find_run() looks into noetl.run. */
extern ModelRow *model_find_run(const Model *model, int step, int visit);
extern ModelRow *model_find(const Model *model, int step, int visit, int item);
extern ModelLeftover *model_find_leftover(const Model *model, int step, int visit, int item);
extern ModelChild *model_find_child(const Model *model, int64 execution_id);
extern void model_remove_child(Model *model, int64 execution_id);

#endif							/* NOETL_REPLAY_REPLAY_H */
