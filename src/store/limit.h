/*
 * store/limit.h
 *		A part of the door (store/store.h): slots of limits (noetl.slot,
 *		noetl.limit_pace, noetl.limit_rule).
 *
 * A task with limits is written as blocked, and waits in noetl.slot for one limit after
 * the other.  Whatever changes who has slots or waits notes the limit and its key; when
 * the outermost store is closed, limit_settle_hook hands free slots to what waits, under
 * the lock of the limit and its key.
 */
#ifndef NOETL_STORE_LIMIT_H
#define NOETL_STORE_LIMIT_H

#include "access/xact.h"
#include "broker/broker.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/jsonb.h"

/* A limit and a key, which has the limit for itself. */
typedef struct LimitKey
{
	char	   *name;
	char	   *key;
	bool		due;			/* its time has come, or its rule has changed */
	bool		passing;		/* nothing but its time has: a lock is not waited for */
} LimitKey;

/* What a limit says. */
typedef struct LimitTerms
{
	int			concurrency;	/* -1: any number */
	int			rate;			/* 0: any number */
	int64		per;			/* microseconds */
	int			burst;
} LimitTerms;

/* The longest time that a burst is spread over: 100,000 years, lest times overflow */
#define LONGEST_BURST_US	(INT64CONST(36525000) * USECS_PER_DAY)

/* Returns the burst that counts beside a rate: no larger than the times of its places can be. */
static inline int
limit_burst(const LimitTerms *terms, int64 burst)
{
	int64		interval = terms->rate > 0 ? terms->per / terms->rate : 0;

	return (int) Max(Min(burst, LONGEST_BURST_US / Max(interval, 1)), 1);
}

/* What waits for a slot. */
typedef struct LimitWaiter
{
	int64		queue_id;
	int			ordinal;		/* which of its limits this is */
	int			nlimits;
	int64		execution_id;
	bool		task;
	LimitTerms	terms;			/* as the playbook says */
	char	   *on_limit;		/* NULL: it waits */
	Jsonb	   *spec;			/* all its limits */
} LimitWaiter;

/* What is known of a limit and a key while its lock is held. */
typedef struct LimitBook
{
	LimitKey	key;
	bool		has_rule;
	LimitTerms	rule;			/* noetl.set_limit(): counts instead of the playbook's */
	int			held;			/* how many have a slot; -1: not known */
	TimestampTz full_at;		/* when a whole burst may begin again; 0: now */
	TimestampTz changed;		/* since when another rate counts than that of full_at; or 0 */
	bool		paced;			/* there is a row of noetl.limit_pace */
	TransactionId by;			/* another one that has taken slots, or given them up */
	bool		writing;		/* others are taking slots just now: they count as held */
} LimitBook;

/* What waits first for a slot, as transactions under way leave it. */
typedef struct LimitWaiting
{
	bool		any;
	bool		own;			/* this transaction has it wait */
	bool		leaving;		/* another one gives what waits a slot, or withdraws it */
	TransactionId by;			/* another one, which has not committed, has it wait */
} LimitWaiting;

/* Called when the outermost store has been closed and limits were touched. */
extern void (*limit_settle_hook) (void);

/*
 * Notes that the slots of a limit and a key, or who waits for them, have changed, or that
 * it is time to look at them (due; passing: nothing but that).
 */
extern void limit_touch(const char *name, const char *key, bool due, bool passing);
/* Have any, or has a task left a slot? */
extern bool limit_any_touched(void);
/* Takes the first of those that have, in the order of name and key; false: none is left. */
extern bool limit_next_touched(LimitKey *key);
/* The same for a slot that this transaction gives up. */
extern void limit_given_up(const char *name, const char *key);
/*
 * Gives up the slots that tasks have left; forgets limits whose time has not come and that
 * nothing waits for.
 */
extern void limit_forget_calm(struct Store *store);
/* Forgets those that were touched: the part of the transaction that did so is undone. */
extern void limit_forget_touched(void);
/* Forgets everything that was noted: the transaction ends. */
extern void limit_forget(void);

/* Has what waits under this id begun to wait in this transaction? */
extern bool limit_is_own(int64 queue_id);
/* Has this transaction added anything that does not wait for a slot? */
extern bool limit_any_impatient(void);

/*
 * Locks a limit (key NULL: all of it) until the end of the transaction, or until
 * limit_unlock().
 */
extern void limit_lock(const char *name, const char *key, LOCKMODE mode);
/* Does so unless that has to wait for another transaction; returns whether it did. */
extern bool limit_try_lock(const char *name, const char *key, LOCKMODE mode);
/* Would the task in a slot of the queue have to wait for a lock of its limits? */
extern bool limit_is_locked(TupleTableSlot *slot);
/* Gives the lock of a limit and a key back. */
extern void limit_unlock(const LimitKey *key);
/* Looks at what waits first. */
extern void limit_look_at_waiting(struct Store *store, const LimitKey *key,
								  LimitWaiting *waiting);
/*
 * Counts the slots that are held, up to "most", whatever becomes of the transactions under
 * way: state->by is one of them, or none.
 */
extern int	limit_count_held(struct Store *store, LimitBook *state, int most);
/* Waits for the end of a transaction, but not beyond a time. */
extern void limit_await_end(TransactionId xid, TimestampTz until);

/*
 * Takes the slots that a task needs, one after the other, as far as nobody waits and there
 * is room; returns how many.
 */
extern int	limit_take(struct Store *store, int64 queue_id, int64 execution_id,
					   Jsonb *limits);
/*
 * Between two tasks of an execution.  The first leaves its slot when it has ended.  If the
 * second asks for the same in the same transaction, and nobody waits, it keeps the slot:
 * *slot_of is the task that has got it.  What nobody keeps is given up by
 * limit_forget_calm().
 */
extern void limit_leave(int64 execution_id, int64 slot_id, Jsonb *limits);
extern bool limit_keep(struct Store *store, int64 execution_id, Jsonb *limits,
					   int64 *slot_of);
/* Forgets what a subtransaction has left, or gives it to the one around it. */
extern void limit_end_subtransaction(SubXactEvent event);

/* Does a task of this status have the slots of its limits? */
extern bool limit_is_held(const char *status);
/* Returns the queue_id by which the slots of a task are stored. */
extern int64 limit_slot_id(TupleTableSlot *task);
/* Reads into a run what its row says of its slots. */
extern void limit_read_holder(TupleTableSlot *task, Run *run);

/* Reads the limit number "ordinal" of a list. */
extern void limit_read_spec(Jsonb *limits, int ordinal, LimitKey *key, LimitWaiter *asks);

/* Begins to wait for the limit number "ordinal" of a list of limits. */
extern void limit_ask(int64 queue_id, int ordinal, int64 execution_id, bool task,
					  Jsonb *limits);
/* Gives up the slots of a task, and its places among those that wait. */
extern void limit_free(struct Store *store, int64 queue_id);
/* The same where it waits for one of them. */
extern void limit_withdraw(int64 queue_id);
/* The same for an execution itself. */
extern void limit_free_execution(int64 execution_id);
/*
 * Follows the row of a task that has limits; old: its last version, or NULL.  taken: a new
 * one has so many slots already.
 */
extern void limit_task_written(struct Store *store, TupleTableSlot *old,
							   TupleTableSlot *new, int taken);

/* Reads what is known of a limit and a key; the caller holds its lock. */
extern void limit_read_state(const LimitKey *key, LimitBook *state);
/*
 * Finds what waits longest, after a queue_id.  impatient: only what does not wait.  False:
 * there is nothing.
 */
extern bool limit_next_waiter(const LimitKey *key, int64 after, bool impatient,
							  LimitWaiter *waiter);
/* Locks its row; false: another transaction gives it a slot, or withdraws it. */
extern bool limit_lock_waiter(const LimitWaiter *waiter);
/* Reads one place among those that wait, which exists. */
extern void limit_read_waiter(int64 queue_id, int ordinal, LimitKey *key,
							  LimitWaiter *waiter);
/* Is a rate counted in noetl.limit_pace, for what waits? */
extern bool limit_is_paced(const LimitBook *state, const LimitWaiter *waiter);
/* Does a limit let nothing begin, as with noetl.set_limit(name, 0)? */
extern bool limit_is_shut(const LimitBook *state, const LimitWaiter *waiter);
/* Has a limit room for what waits?  *due: when to ask again because of the rate; or 0. */
extern bool limit_has_room(struct Store *store, LimitBook *state, const LimitWaiter *waiter,
						   TimestampTz now, TimestampTz *due);
/* Gives a slot to what waits. */
extern void limit_grant(LimitBook *state, const LimitWaiter *waiter, TimestampTz now);
/* Lets what did not want to wait wait. */
extern void limit_make_wait(const LimitWaiter *waiter);
/*
 * Finds the holder that has had a slot longest, after "skip" that have had it longer, except
 * for an execution; false: there is none.
 */
extern bool limit_oldest_holder(const LimitKey *key, int64 except, int skip, LimitWaiter *holder);
/* Has the execution itself all its slots, or any place at all? */
extern bool limit_execution_has_slots(int64 execution_id, int nlimits);
/* Writes when to look at a limit and a key again; 0: never. */
extern void limit_write_pace(const LimitBook *state, TimestampTz due_at);
/* Touches the limits (at most "most") at which it is time to look; returns how many. */
extern int	limit_touch_due(int most);
/* Another rate counts for a limit from now on; the caller has locked all of it. */
extern void limit_change_rate(const char *name);
/* Touches all keys of a limit that something waits for; returns how many. */
extern int	limit_touch_all(const char *name);

/*
 * Returns which of an execution's tasks (node_ids, char *) do not have the slots they
 * need, and of which limits (names) tasks have slots that they do not need.
 */
extern List *limit_problems(int64 execution_id);
/* Gives these tasks the slots that they need, or blocks them. */
extern void limit_repair(struct Store *store, int64 execution_id);

/*
 * Makes a blocked task ready, unless another transaction holds its row (false).  *type is
 * that of the task, NULL when it was not blocked; waiter->queue_id follows the row.
 */
extern bool limit_unblock(struct Store *store, LimitWaiter *waiter, const char **type);

#endif							/* NOETL_STORE_LIMIT_H */
