/*
 * store/ready_news.c
 *		Whether any task can have become ready since a scan has found none.
 *		store/ready_news.h proves that the answer is right.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "store/ready_news.h"
#include "store/storage.h"

/* Queues (of several databases) that meet in one place only scan more often. */
#define PLACES			32

typedef struct NewsPlace
{
	pg_atomic_uint64 news;
	char		padding[PG_CACHE_LINE_SIZE - sizeof(pg_atomic_uint64)];
} NewsPlace;

static NewsPlace *places = NULL;

/* The place to whose news this transaction adds when it ends, or NULL. */
static NewsPlace *writes = NULL;

/* The last scan of this backend that found nothing. */
static struct
{
	bool		valid;
	Oid			storage;		/* of the queue */
	uint64		news;
	TimestampTz at;
	int			ntypes;
	char	  **types;
}			last;

/* Initializes a new area. */
static void
initialize_places(void *area)
{
	for (int i = 0; i < PLACES; i++)
		pg_atomic_init_u64(&((NewsPlace *) area)[i].news, 0);
}

/* Transaction callback, after the changes have become visible to others. */
static void
transaction_ended(XactEvent event, void *arg)
{
	if (writes == NULL || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
						   event != XACT_EVENT_PREPARE))
		return;
	pg_atomic_fetch_add_u64(&writes->news, 1);
	writes = NULL;
}

/* Returns the place of a queue; NULL when no shared memory is left. */
static NewsPlace *
place_of(Relation queue)
{
	static bool tried = false;

	if (!tried)
	{
		tried = true;
		places = shared_area_attach("noetl ready news", sizeof(NewsPlace) * PLACES,
									initialize_places);
		if (places != NULL)
			RegisterXactCallback(transaction_ended, NULL);
	}
	return places == NULL ? NULL :
		&places[(MyDatabaseId ^ relation_storage(queue)) % PLACES];
}

/* Notes that this transaction is going to be news (store/ready_news.h). */
void
ready_news_add(Relation queue)
{
	if (writes == NULL)
		writes = place_of(queue);
}

/* Reads the news (store/ready_news.h). */
ReadyNews
ready_news_read(Relation queue)
{
	NewsPlace  *place = place_of(queue);
	ReadyNews	read = {0, place != NULL};

	if (place != NULL)
		read.news = pg_atomic_read_u64(&place->news);
	/* the caller's snapshot is not older than the news */
	pg_memory_barrier();
	return read;
}

/* Returns whether the last scan was for these types. */
static bool
is_same(int ntypes, char **types)
{
	if (ntypes != last.ntypes)
		return false;
	for (int i = 0; i < ntypes; i++)
		if (strcmp(types[i], last.types[i]) != 0)
			return false;
	return true;
}

/* Remembers the types of a scan. */
static void
keep_types(int ntypes, char **types)
{
	for (int i = 0; i < last.ntypes; i++)
		pfree(last.types[i]);
	if (last.types != NULL)
		pfree(last.types);
	last.types = NULL;
	last.ntypes = 0;
	if (ntypes == 0)
		return;
	last.types = MemoryContextAlloc(TopMemoryContext, ntypes * sizeof(char *));
	for (int i = 0; i < ntypes; i++)
	{
		last.types[i] = MemoryContextStrdup(TopMemoryContext, types[i]);
		last.ntypes++;
	}
}

/* Notes a scan that has found nothing (store/ready_news.h). */
void
ready_news_found_none(Relation queue, const ReadyNews *before, TimestampTz now,
					  int ntypes, char **types)
{
	last.valid = false;
	if (!before->known)
		return;
	if (!is_same(ntypes, types))
		keep_types(ntypes, types);
	last.storage = relation_storage(queue);
	last.news = before->news;
	last.at = now;
	last.valid = true;
}

/* Returns whether a scan would find nothing (store/ready_news.h). */
bool
ready_news_none(Relation queue, TimestampTz now, int ntypes, char **types)
{
	ReadyNews	read;

	if (!last.valid || writes != NULL || last.storage != relation_storage(queue) ||
		now - last.at >= NEWS_US || now < last.at || !is_same(ntypes, types))
		return false;
	read = ready_news_read(queue);
	return read.known && read.news == last.news;
}
