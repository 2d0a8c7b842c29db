/*
 * replay.h
 *		What the rows of an execution should be, by its log.
 *
 *		noetl.event ─ in order ─> broker_decide() ─> Model      (replay.c)
 *		                            ^     │ decisions
 *		                            └─────┘                     (replay_model.c)
 *		Model ─ compared with, or written over ─> tables        (store_replay.c)
 *
 * The model holds what is live, never the history.
 */
#ifndef NOETL_REPLAY_H
#define NOETL_REPLAY_H

#include "utils/hsearch.h"

#include "store.h"

/* Whose row it is: of a step's visit, or of an item of its iterator (else -1). */
typedef struct ModelKey
{
	int			step;
	int			visit;
	int			item;
} ModelKey;

/* A row of noetl.queue (queued, retry, leased) or of noetl.run (waiting, open). */
typedef struct ModelRow
{
	ModelKey	key;
	Run			run;			/* what it points to is in "memory" */
	MemoryContext memory;
	TimestampTz created_at;		/* noetl.run only */
	bool		leftover;		/* in the queue when the execution ended: there
								 * only as long as a worker holds it */
	bool		found;			/* has been seen in its table */
} ModelRow;

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
	bool		decided;		/* the start has been decided on */
	const char *status;			/* NULL: it runs */
	const char *error;
	Jsonb	   *result;
	TimestampTz ended_at;
	bool		revoked;		/* workers were told to stop */
	Jsonb	   *workload;		/* NULL: none */
	HTAB	   *rows;			/* ModelRow by ModelKey */
	List	   *tasks;			/* those of noetl.queue … */
	List	   *runs;			/* … and of noetl.run, in the order of their index */
	int		   *rank;			/* of the steps' names in that order */
	ModelValue *values;			/* by step */
} Model;

/* ---- replay_model.c ---- */

extern Model *model_create(const Playbook *playbook);
/* The runs as store_load_runs() would load them, for one evaluation. */
extern List *model_load_runs(const Model *model);
/*
 * Does what a decision says; "own" is the run that the event was about.
 * available_at: of a retry, by the log.
 */
extern void model_apply(Model *model, const BrokerState *state, const Event *event,
						const Decision *decision, const Run *own,
						TimestampTz available_at);
/* After a decision that ended the execution. */
extern void model_finished(Model *model);
/* Takes note of an event that may give its step a value. */
extern void model_note_value(Model *model, const Event *event);
extern ModelRow *model_find(const Model *model, int step, int visit, int item);

/* ---- store_replay.c ---- */

/* Where an event is in the log. */
typedef struct LogPlace
{
	TimestampTz created_at;
	int64		event_id;
	bool		recalled;		/* the broker's own, decided again already */
} LogPlace;

/* The whole log of an execution, in the order in which it was written. */
extern LogPlace *store_list_log(Store *store, int64 execution_id, int64 *count);

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
extern void store_compare(Store *store, Model *model, Comparison *comparison);

#endif							/* NOETL_REPLAY_H */
