/*
 * queue.h
 *		What makes queued work due.
 */
#ifndef NOETL_QUEUE_H
#define NOETL_QUEUE_H

#define DEFAULT_LEASE_US	(INT64CONST(60) * 1000 * 1000)

/*
 * Due retries become ready, expired leases are taken back; of one execution
 * or of all (0).  Returns how many tasks became ready.
 */
extern int	queue_run_timers(int64 execution_id);

#endif							/* NOETL_QUEUE_H */
