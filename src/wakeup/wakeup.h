/*
 * wakeup/wakeup.h
 *		Waking idle workers: no polling, no NOTIFY, no shared memory of our own.
 *
 * A waiter holds a share lock on a well-known tag (one per task type, and one
 * for "any type").  Whoever commits new work asks the lock table who holds the
 * tag and sets one latch per task.  A worker that leases and leaves work
 * behind wakes the next one, so no task is forgotten when two commits hit the
 * same sleeper.
 */
#ifndef NOETL_WAKEUP_WAKEUP_H
#define NOETL_WAKEUP_WAKEUP_H

#include "datatype/timestamp.h"

/* A task of this type becomes ready when the transaction commits; NULL: some. */
extern void wake_at_commit(const char *type);

/*
 * Something other than the end of a lease will be due then: one of those who
 * wait, of whatever type, looks when the transaction commits, lest all of them
 * sleep longer.
 */
extern void wake_for_timer(TimestampTz when);
/* The same for timers that are many: only the background process needs to know. */
extern void wake_timer(TimestampTz when);

/* One of them was taken by this transaction itself. */
extern void wake_not_needed(const char *type);

/*
 * Enters this session into the waiters for the types (none: any type), or takes
 * it out.  The session holds one lock tag per type meanwhile.
 */
extern void wake_set_waiting(int ntypes, char **types, bool waiting);

/* The other parts of the door. */
#include "wakeup/schedule.h"

#endif							/* NOETL_WAKEUP_WAKEUP_H */
