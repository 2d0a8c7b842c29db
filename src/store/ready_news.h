/*
 * store/ready_news.h
 *		Whether any task can have become ready since a scan has found none.
 *
 * A worker that completes a task mostly leases the task that the completion has made
 * ready.  Others may be ready that come first, and a scan tells; but when a scan has just
 * found nothing, and no transaction has made rows of the queue ready since then, another
 * scan finds nothing either.
 *
 * Shared memory counts the transactions that have made rows of a queue ready, or taken
 * ready rows away, and have ended: the news.  A transaction adds to the news at its end,
 * when others can see its changes, and before its client hears of the end.  A scan that
 * finds nothing is good for the news that was read before its snapshot was taken.  As long
 * as the news is the same, every transaction that the snapshot does not show either is
 * still under way or is just about to add to the news.  A lease that does not see what the
 * latter has made ready comes just before it, as any lease may that has taken its snapshot
 * already.  However long a transaction stays open, it is no news before its end.
 *
 * A transaction sees its own changes before its end: to a session that has made changes in
 * this transaction nothing is known.
 *
 * Rows that a statement of a user makes ready, and those of prepared transactions, are no
 * news.  So nothing is taken for granted for longer than NEWS_US.
 *
 * When no shared memory is left, every call scans.
 */
#ifndef NOETL_STORE_READY_NEWS_H
#define NOETL_STORE_READY_NEWS_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

/* How long a scan that found nothing is good for. */
#define NEWS_US			INT64CONST(1000000)

/* What is known before a scan. */
typedef struct ReadyNews
{
	uint64		news;
	bool		known;			/* there is shared memory */
} ReadyNews;

/* Notes that this transaction makes rows ready, or takes ready rows away, from now on. */
extern void ready_news_add(Relation queue);

/* Reads what is known.  Must be called before the scan takes its snapshot. */
extern ReadyNews ready_news_read(Relation queue);

/*
 * Notes that a scan for tasks of some types (ntypes 0: of any type) has found nothing.
 * before: what was read before the scan.
 */
extern void ready_news_found_none(Relation queue, const ReadyNews *before, TimestampTz now,
								  int ntypes, char **types);

/* Returns whether a scan for the same types would find nothing. */
extern bool ready_news_none(Relation queue, TimestampTz now, int ntypes, char **types);

#endif							/* NOETL_STORE_READY_NEWS_H */
