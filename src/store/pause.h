/*
 * store/pause.h
 *		What is paused: trees of executions (noetl.execution.paused) and kinds of tasks
 *		(noetl.pause_rule).
 *
 * A ready task of a tree that is paused, or of a path that a rule names, gets the
 * status "paused", which takes it out of the index of ready rows.  Whoever enqueues a
 * task does so; a lease does so with the ready rows that it comes by, before it could
 * hand them out.  A rule that names no path leaves the rows as they are: a lease does
 * not read the types that it names.
 *
 * Each backend knows whether anything is paused at all, and all rules.  Who changes
 * them sends an invalidation of noetl.pause_rule to all backends.  So nobody reads a
 * table while nothing is paused.
 *
 * When a pause is over, its tasks are made ready again portion by portion.
 * noetl.pause_end tells of which pauses tasks may be left:
 *
 *	1. A transaction that finds a task paused takes a transaction id, looks again, and
 *	   writes the task as paused.
 *	2. The transaction that ends the pause inserts into noetl.pause_end.
 *	3. A second later another transaction notes a horizon there: no transaction from it
 *	   on has found the pause.
 *	4. When all transactions before the horizon have ended and no paused task is seen,
 *	   none can appear, and the row is deleted.
 */
#ifndef NOETL_STORE_PAUSE_H
#define NOETL_STORE_PAUSE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* A kind of tasks; NULL: any. */
typedef struct PauseKind
{
	const char *path;
	const char *type;
} PauseKind;

/* ---- for whoever hands tasks out ---- */

/* Learns of the pauses that other sessions have committed. */
extern void store_refresh_pauses(void);
/* Returns whether executions are paused, or tasks of a path. */
extern bool store_any_pause(void);
/* Returns whether a rule without a path names the type of a task. */
extern bool store_type_paused(const char *type);
/*
 * Returns the queue.paused_by of a ready task that is to be paused; 0: it is not.
 * When it is, this transaction has an id.
 */
extern int64 store_pause_of(Store *store, int64 execution_id, const char *type);

/*
 * Has the wait of a task for its first lease, whose time has come, stand still if a pause
 * keeps the task back, which is locked; returns whether one does.  Rows of a type that a
 * rule without a path names are paused only then.
 */
extern bool store_keep_back(Store *store, const QueueRow *row);

/* ---- pauses begin and end ---- */

/*
 * Pauses at most "limit" ready tasks of an execution, because of the pause of an
 * ancestor or of itself; returns how many.  Rows that others hold are left to the
 * leases.
 */
extern int	store_park_execution(Store *store, int64 execution_id, int64 pause_id, int limit);
/* Pauses at most "limit" ready tasks of a kind because of a rule; returns how many. */
extern int	store_park_kind(Store *store, const PauseKind *kind, int64 pause_id, int limit);
/* Tells all sessions that what is paused has changed, when this transaction commits. */
extern void store_pauses_changed(void);
/* Notes that an execution is paused, until when (0: for ever) … */
extern void store_note_pause(int64 execution_id, TimestampTz until);
/* … and that it is not any more. */
extern void store_end_pause(int64 execution_id);
/* Finds until when an execution is noted as paused (0: for ever); false: it is not. */
extern bool store_find_pause(int64 execution_id, TimestampTz *until);
/* Inserts a rule for a kind of tasks, or changes the one that there is; returns its id. */
extern int64 store_put_rule(const PauseKind *kind, const char *reason, TimestampTz until);
/* Deletes the rules for a kind (NULL: for any); returns how many there were. */
extern int	store_end_rules(const PauseKind *kind);
/* Deletes the rules whose time has come. */
extern void store_end_due_rules(void);

/* ---- portions ---- */

/* Returns whether tasks of a pause that is over may be left, or a rule has to go. */
extern bool store_resuming(void);
/*
 * Makes at most "limit" tasks ready whose pause is over, and calls "ready" with their
 * types; returns how many.  Forgets pauses of which no task is left.
 */
extern int	store_resume_tasks(Store *store, int limit, void (*ready) (const char *type));
/* Returns the executions (int64 *), or (not 0) the one, whose pause ends by itself now. */
extern List *store_due_pauses(int64 execution_id, int limit);
/* Returns whether the pause of an execution may end by itself now. */
extern bool store_pause_may_end(void);
/* Finds when the next pause ends, or the next portion may be due; false: never. */
extern bool store_next_pause_end(TimestampTz *when);

#endif							/* NOETL_STORE_PAUSE_H */
