/*
 * store/ready_news.h
 *		Whether any task can have become ready since a scan has found none.
 *
 * A worker that completes a task mostly leases the task that the completion has made
 * ready.  Others may be ready that come first, and a scan tells; but when a scan has just
 * found nothing, and no transaction has made rows of the queue ready since then, another
 * scan finds nothing either.
 *
 * Shared memory has two numbers for a queue: how many transactions that are under way have
 * made rows ready or taken ready rows away (the writers), and how many such transactions
 * have ended (the news).  A writer is counted before it changes a row; at its end, when
 * others can see the change, it adds to the news first and then leaves the writers.  A
 * scan that finds nothing is good for the news that was read before its snapshot was taken,
 * if there was no writer then.  Later, if there is no writer and the news is the same,
 * nothing has been made ready: a writer that began after the scan either is still counted
 * or has added to the news before it left, and its changes can be seen only after that; a
 * writer that began before has left before the snapshot, which shows its rows.
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
	bool		quiet;			/* there was no writer */
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
