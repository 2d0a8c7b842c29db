/*
 * replay/internal.h
 *		What the rows of an execution should be, by its log.
 *
 *		noetl.event ─ in order ─> broker_decide() ─> Model
 *		     │                      ^     │ decisions
 *		     └ recalled, asked ─────┘<────┘
 *		Model ─ compared with, or written over ─> tables
 *
 *		replay.c        the SQL functions; goes through the log
 *		replay_past.c   what the log answers to the broker's questions
 *		replay_event.c  what came out again, compared with the log
 *		replay_model.c  the rows in memory, as decisions make them
 *		store_replay.c  the rows in the tables, compared and replaced
 *
 * The model holds what is live, never the history.
 */
#ifndef NOETL_REPLAY_INTERNAL_H
#define NOETL_REPLAY_INTERNAL_H

#include "utils/hsearch.h"

#include "store/store.h"

/* ---- replay_model.c ---- */

/* Whose row it is: of a step's visit, or of an item of its iterator (else -1). */
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
	bool		found;			/* has been seen in its table */
	int64		parent_execution_id;	/* when it was begun */

	/* noetl.run only */
	TimestampTz created_at;
	bool		settled;		/* of children that a worker started: one still
								 * runs, or their end has been noted */
	/* open iterators: */
	int64		since;			/* their iterator_started */
	IterationProgress progress;
	Jsonb	   *items;			/* that have not started, a list; or NULL */
	int			first_item;		/* index of its first … */
	int			next_item;		/* … and of the first that still waits */
	int			end_item;		/* one more than the last's */
} ModelRow;

/* A task in the queue whose run has ended: there as long as a worker holds it. */
typedef struct ModelLeftover
{
	ModelKey	key;
	int64		started_event_id;
	bool		revoked;		/* the worker was told to stop */
} ModelLeftover;

/* A child execution whose end has not come. */
typedef struct ModelChild
{
	int64		execution_id;
	ModelKey	key;			/* of the run, or the item, it was started for */
	int64		parent_event_id;
} ModelChild;

/* Where a step's newest value is in the log. */
typedef struct ModelValue
{
	TimestampTz created_at;		/* 0: it has none */
	int64		event_id;
	int			visit;
} ModelValue;

typedef struct Model
{
	MemoryContext memory;
	const Playbook *playbook;
	Execution	execution;
	TimestampTz started_at;
	const char *status;			/* NULL: it runs */
	const char *error;
	Jsonb	   *result;
	TimestampTz ended_at;
	Jsonb	   *workload;		/* NULL: none */
	HTAB	   *rows;			/* ModelRow by ModelKey */
	HTAB	   *leftovers;		/* ModelLeftover by ModelKey */
	HTAB	   *children;		/* ModelChild by execution_id */
	List	   *tasks;			/* ModelRows of steps in noetl.queue … */
	List	   *runs;			/* … and in noetl.run, in the order of the index */
	int		   *rank;			/* of the steps' names in that order */
	ModelValue *values;			/* by step */
} Model;

extern Model *model_create(const Playbook *playbook);
/* The runs as store_load_runs() would load them, for one evaluation. */
extern List *model_load_runs(const Model *model);
/* The same for store_load_item(). */
extern Run *model_load_item(const Model *model, int step, int item);
/*
 * Does what a decision says; "own" is the run that the event was about, event
 * NULL: it was about none.
 */
extern void model_apply(Model *model, const BrokerState *state, const Event *event,
						const Decision *decision, const Run *own);
/* Takes note of what an event tells, whatever is decided on it. */
extern void model_note_event(Model *model, const Event *event);
/* The row of a step in noetl.run, or NULL. */
extern ModelRow *model_find_run(const Model *model, int step);
extern ModelRow *model_find(const Model *model, int step, int visit, int item);
extern ModelLeftover *model_find_leftover(const Model *model, int step, int visit, int item);
extern ModelChild *model_find_child(const Model *model, int64 execution_id);
extern void model_remove_child(Model *model, int64 execution_id);

/* ---- store_replay.c ---- */

/* What shall be done about rows that are not as they should be. */
typedef struct Comparison
{
	bool		repair;			/* change them */
	int64		differences;
	void		(*report) (void *arg, const char *relation, const char *key,
						   const Jsonb *expected, const Jsonb *found);
	void	   *arg;
} Comparison;

/* Reports a difference; either side may be missing. */
extern void comparison_report(Comparison *comparison, const char *relation,
							  const char *key, const Jsonb *expected,
							  const Jsonb *found);
/* Compares every row of the execution with the model. */
extern void compare_tables(Store *store, Model *model, Comparison *comparison);
/* "step", "step:2", "step:2[7]": a node id without the execution. */
extern const char *node_key(int64 execution_id, const char *node_id);

/* ---- replay.c ---- */

typedef struct Replay
{
	Store	   *store;
	int64		execution_id;
	Model	   *model;			/* NULL: the log does not begin with a start */
	Comparison *comparison;
	LogPlace   *places;
	int64		count;
	int64		here;			/* place of the event that is decided on */
	int64		next_own;		/* before it nothing is left to be recalled */
	bool		any_pending;
	bool		children_over;	/* what is decided on says so */
	const char *broken;			/* why it cannot go on, or NULL */
} Replay;

/* Reads an event of the list of places; raises when a user has deleted it meanwhile. */
extern void replay_get_event(const Replay *replay, int64 event_id, Event *event);

/* ---- replay_past.c ---- */

/* The broker's questions are answered by the log up to here. */
extern void past_init(Replay *replay, BrokerState *state);

/* ---- replay_event.c ---- */

/* Nothing after this can be understood. */
extern void replay_break(Replay *replay, const char *reason, const char *key,
						 const Jsonb *expected, const Jsonb *found);
/* The log does not have an event that should be there. */
extern void replay_event_missing(Replay *replay, const Event *event);
/* An event that counted, says the log, but should have had no effect. */
extern void replay_event_vain(Replay *replay, const Event *event, const char *reason);
/* An event of the broker's must say what it would say today. */
extern void replay_compare_event(Replay *replay, const Event *emitted);

#endif							/* NOETL_REPLAY_INTERNAL_H */
