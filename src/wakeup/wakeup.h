/*
 * wakeup/wakeup.h
 *		Idle workers are woken without polling and without NOTIFY.
 *
 * A waiter holds a share lock on a well-known lock tag: one for each task type,
 * and one for "any type".  A session that commits new work looks up the holders of
 * the tag in the lock table and sets one latch for each task.  A worker that
 * leases a task and leaves others behind wakes the next worker, so no task is
 * forgotten when two commits wake the same waiter.
 */
#ifndef NOETL_WAKEUP_WAKEUP_H
#define NOETL_WAKEUP_WAKEUP_H

#include "datatype/timestamp.h"

/*
 * Wakes one waiter when the transaction commits, because a task of this type
 * (NULL: of any type) becomes ready.
 */
extern void wake_at_commit(const char *type);

/*
 * Wakes one waiter of any type when the transaction commits, because something
 * other than the end of a lease will be due at "when" and all waiters may sleep
 * longer.
 */
extern void wake_for_timer(TimestampTz when);
/*
 * Tells only the timer process of a due time.  For times that are many, such as
 * the ends of leases.
 */
extern void wake_timer(TimestampTz when);

/* Takes one wake_at_commit() back: this transaction has taken the task itself. */
extern void wake_not_needed(const char *type);

/* The most types that a session can wait for */
#define MOST_WAITED	64

/*
 * Enters this session into the waiters for the types, at most MOST_WAITED (none:
 * any type).  A waiting session holds one lock tag for each type.
 */
extern void wake_begin_waiting(int ntypes, char **types);
/*
 * Takes this session out of the waiters; also when wake_begin_waiting() has
 * raised.
 */
extern void wake_end_waiting(void);

/* Wakes those who wait for the end of an execution when the transaction commits. */
extern void wake_at_end(int64 execution_id);

/* Enters this session into those who wait for the end of an execution. */
extern void wake_begin_waiting_for_end(int64 execution_id);
/* Takes this session out of them. */
extern void wake_end_waiting_for_end(int64 execution_id);

/* An event was stored: wakes those who wait for any when the transaction commits. */
extern void wake_changed(void);

/*
 * Enters this session into those who wait for an event of any execution.  A session
 * that commits several within a tenth of a second wakes them for the first of these
 * only: who is woken waits that long before it reads.
 */
extern void wake_begin_waiting_for_changes(void);
/* Takes this session out of them. */
extern void wake_end_waiting_for_changes(void);

/* The other parts of the door. */
#include "wakeup/schedule.h"

#endif							/* NOETL_WAKEUP_WAKEUP_H */
