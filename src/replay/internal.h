/*
 * replay/internal.h
 *		What the files of replay share, besides the model (replay/replay.h): the log
 *		that is decided again.
 *
 *		noetl.event ─ in order ─> broker_decide() ─> Model
 *		     │                      ^     │ decisions
 *		     └ recalled, asked ─────┘<────┘
 *		Model ─ compared with, or written over ─> tables
 *
 *		replay.c          the SQL functions; the log is decided again
 *		history.c         what the log answers to the broker's questions
 *		compare_event.c   emitted events, compared with the log
 *		redrive.c         SQL functions that resume an execution after a failure
 *		redrive_all.c     SQL functions that resume, or cancel, many executions
 *		fork.c            the SQL function that starts one from the middle of another
 *		model.c           the rows in memory, as decisions make them
 *		compare_tables.c  the rows in the tables, compared and replaced
 *
 * The model holds what is live at the current place of the log, never the history.
 */
#ifndef NOETL_REPLAY_INTERNAL_H
#define NOETL_REPLAY_INTERNAL_H

#include "replay/replay.h"

/* ---- compare_tables.c ---- */

/* What is done about rows that are not as they should be. */
typedef struct Comparison
{
	bool		repair;			/* change the rows */
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
/* Returns a node id without its execution: "step", "step:2", "step:2[7]". */
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
	int64		undecided;		/* events that were stored while the triggers were off;
								 * they are not among the places */
	int64		here;			/* place of the event that is decided on */
	int64		next_own;		/* the first place that can still be recalled */
	Event		start;			/* the execution_start */
	int64		rescheduled;	/* the newest execution_rescheduled; 0: none */
	int64		until;			/* the event after which replay ends; 0: the last */
	/* what the run began with that "until" is about: */
	Jsonb	   *given;			/* the input that transitions gave, or NULL */
	Jsonb	   *sees;			/* {"sees": {step: visit}}, or NULL */
	bool		any_pending;
	bool		children_over;	/* the decision is about the last child's end */
	const char *broken;			/* why replay cannot go on, or NULL */
} Replay;

/*
 * Locks an execution and decides its log again until an event (0: the last one) has
 * followed, with all that was decided together with it.  The caller closes
 * replay->store.  The settings that were in force before are in force afterwards.
 */
extern void replay_until(Replay *replay, int64 execution_id, Comparison *comparison,
						 int64 until);
/* Raises: the log cannot be followed. */
pg_noreturn extern void replay_raise_broken(const Replay *replay);
/* Reads an event of the list of places; raises when a user has deleted it meanwhile. */
extern void replay_get_event(const Replay *replay, int64 event_id, Event *event);

/* ---- history.c ---- */

/* Makes the log, up to the current event, answer the broker's questions. */
extern void past_init(Replay *replay, BrokerState *state);

/* Finds anew where the values of the steps are: the playbook has changed. */
extern void past_find_values(Replay *replay);

/* ---- compare_event.c ---- */

/* Reports why replay cannot go on; only the first reason counts. */
extern void replay_break(Replay *replay, const char *reason, const char *key,
						 const Jsonb *expected, const Jsonb *found);
/* Reports that the log lacks an emitted event. */
extern void replay_event_missing(Replay *replay, const Event *event);
/* Reports an event that the log does not mark as ignored, but should. */
extern void replay_event_vain(Replay *replay, const Event *event, const char *reason);
/* Compares an emitted event with the recalled one and reports the differences. */
extern void replay_compare_event(Replay *replay, const Event *emitted);

#endif							/* NOETL_REPLAY_INTERNAL_H */
