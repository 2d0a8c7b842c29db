/*
 * wake.h
 *		Waking idle workers: no polling, no NOTIFY, no shared memory of our own.
 *
 * A waiter holds a share lock on a well-known tag (one per task type, and one
 * for "any type").  Whoever commits new work asks the lock table who holds the
 * tag and sets one latch per task.  A worker that leases and leaves work
 * behind wakes the next one, so no task is forgotten when two commits hit the
 * same sleeper.
 */
#ifndef NOETL_WAKE_H
#define NOETL_WAKE_H

/* A task of this type becomes ready when the transaction commits; NULL: some. */
extern void wake_at_commit(const char *type);

#endif							/* NOETL_WAKE_H */
