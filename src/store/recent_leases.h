/*
 * store/recent_leases.h
 *		Which ready tasks have just been leased.
 *
 * Until a lease commits, other backends see its row as ready.  After it has
 * committed, the index of ready rows still has the row's old entry.  To find
 * out that such a row cannot be leased, a scan has to visit the row and check
 * its transaction.  With many workers each of them meets the rows of all others.
 * So shared memory notes the last thousand leases, and scans skip the rows that
 * are held by a transaction or gone.  A task that becomes ready again takes a
 * new id, so a row that is gone stays gone, unless a user changes it by hand:
 * full scans (store/low_water.h) do not skip rows.
 *
 * When no shared memory is left, nothing is noted and every row is visited.
 */
#ifndef NOETL_STORE_RECENT_LEASES_H
#define NOETL_STORE_RECENT_LEASES_H

#include "utils/relcache.h"

typedef enum RecentLeaseState
{
	RECENT_LEASE_UNKNOWN,		/* visit the row */
	RECENT_LEASE_HELD,			/* by a transaction that may still roll back */
	RECENT_LEASE_GONE			/* the transaction that leased the row has committed */
} RecentLeaseState;

/* Notes that this transaction leases a task. */
extern void recent_lease_note(Relation queue, int64 queue_id);

/* Returns what is known of a task. */
extern RecentLeaseState recent_lease_state(Relation queue, int64 queue_id);

#endif							/* NOETL_STORE_RECENT_LEASES_H */
