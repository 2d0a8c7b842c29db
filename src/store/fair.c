/*
 * store/fair.c
 *		Fairness: whose turn it is (store/fair.h).
 */
#include "common/common.h"

#include <math.h>

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/fair.h"
#include "store/fair_window.h"
#include "store/full_scan.h"
#include "store/recent_leases.h"
#include "store/slot.h"
#include "store/storage.h"
#include "store/store.h"
#include "store/table.h"

/* How many types and priorities have a place; a further one replaces the oldest. */
#define PLACES				32
/* Counters of databases, by their OIDs */
#define DATABASES			64
/* A turn is taken although others take turns, too, after so many tries. */
#define MOST_TRIES			3
/* A walk that meets more rows than these which are not ready is too long, */
#define MOST_VAIN			64
/* and for so long tasks are read by id, where they are few. */
#define SLOW_US				INT64CONST(100000)
/* So many priorities a session knows. */
#define KNOWN				8

/* Whose turn it is. */
typedef struct Turn
{
	uint64		version;		/* counts the turns that were taken */
	int64		round;
	int64		others;			/* the last round in which those without a key had theirs */
	int			left;			/* how many turns the key still has in this round */
	char		key[LONGEST_FAIR_KEY];	/* that had the last turn; "": none had one yet */
} Turn;

/* The turns of a type and a priority. */
typedef struct Place
{
	Oid			database;
	Oid			storage;		/* of the queue */
	int			priority;
	char		type[NAMEDATALEN];
	uint64		used;
	Turn		turn;
} Place;

typedef struct Places
{
	LWLock		lock;			/* guards the places */
	uint64		uses;
	Place		places[PLACES];
	pg_atomic_uint64 written[DATABASES];	/* how often tasks with a key were */
	pg_atomic_uint32 writers[DATABASES];	/* transactions that do so now */
} Places;

#define PLACES_NAME			"noetl turns"

static Places *shared = NULL;
static Places own;				/* when there is no shared memory */

struct FairStream
{
	FairScan	scan;
	IndexScanDesc index_scan;
	const char *type;
	int			priority;
	Turn		seen;			/* the turn that the fetched task was found by */
	Turn		next;			/* the turn that it takes */
	int			tries;
	char		key[LONGEST_FAIR_KEY];	/* of the fetched task */
	int64		queue_id;
	HTAB	   *done;			/* key -> the last queue_id that was done with */
	FairWindow *window;			/* all tasks, when they are read by id */
	bool		patient;		/* they are too many for a window */
	int			vain;			/* rows that the walk has met and that are not ready */
};

/* The last task of a key that was done with. */
typedef struct DoneKey
{
	char		key[LONGEST_FAIR_KEY];
	int64		queue_id;
} DoneKey;

/* ---------------------------------------------------------------------------
 * Shared memory
 * ---------------------------------------------------------------------------
 */

/* Initializes a new area. */
static void
initialize_places(void *area)
{
	Places	   *places = (Places *) area;

	LWLockInitialize(&places->lock, LWLockNewTrancheId());
	for (int i = 0; i < DATABASES; i++)
	{
		pg_atomic_init_u64(&places->written[i], 0);
		pg_atomic_init_u32(&places->writers[i], 0);
	}
}

/* Finds or makes the area, once per backend; returns whether it is there. */
static bool
attach(void)
{
	static bool tried = false;

	if (!tried)
	{
		tried = true;
		shared = shared_area_attach(PLACES_NAME, sizeof(Places), initialize_places);
		if (shared != NULL)
			LWLockRegisterTranche(shared->lock.tranche, PLACES_NAME);
	}
	return shared != NULL;
}

/* Returns the counter of this database. */
static pg_atomic_uint64 *
written(void)
{
	return &shared->written[MyDatabaseId % DATABASES];
}

/* Locks the places, and returns them. */
static Places *
lock_places(void)
{
	if (!attach())
		return &own;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	return shared;
}

/* Unlocks what lock_places returned. */
static void
unlock_places(Places *places)
{
	if (places == shared)
		LWLockRelease(&places->lock);
}

/* Returns the place of a stream, if need be that which was not used for longest. */
static Place *
place_of(Places *places, const FairStream *stream)
{
	Place	   *oldest = &places->places[0];
	Oid			storage = relation_storage(stream->scan.queue);

	for (int i = 0; i < PLACES; i++)
	{
		Place	   *place = &places->places[i];

		if (place->database == MyDatabaseId && place->storage == storage &&
			place->priority == stream->priority &&
			strncmp(place->type, stream->type, NAMEDATALEN - 1) == 0)
		{
			place->used = ++places->uses;
			return place;
		}
		if (place->used < oldest->used)
			oldest = place;
	}
	memset(oldest, 0, sizeof(Place));
	oldest->database = MyDatabaseId;
	oldest->storage = storage;
	oldest->priority = stream->priority;
	strlcpy(oldest->type, stream->type, NAMEDATALEN);
	oldest->used = ++places->uses;
	oldest->turn.version = places->uses;
	return oldest;
}

/* ---------------------------------------------------------------------------
 * Is there any task with a key?
 * ---------------------------------------------------------------------------
 */

/* This transaction has written ready tasks with keys. */
static bool writing = false;

/* Transaction callback: what was written can be seen now. */
static void
transaction_ended(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (writing && shared != NULL)
	{
		(void) pg_atomic_fetch_add_u64(written(), 1);
		(void) pg_atomic_fetch_sub_u32(&shared->writers[MyDatabaseId % DATABASES], 1);
	}
	writing = false;
}

/* Notes that this transaction writes a ready task with a key (store/fair.h). */
void
fair_note_write(void)
{
	static bool registered = false;

	if (writing)
		return;
	if (!registered)
		RegisterXactCallback(transaction_ended, NULL);
	registered = true;
	writing = true;
	if (attach())
		(void) pg_atomic_fetch_add_u32(&shared->writers[MyDatabaseId % DATABASES], 1);
}

/* Sets a key on a text column of the index. */
static void
text_key(ScanKey key, Relation index, AttrNumber column, StrategyNumber strategy,
		 const char *value)
{
	ScanKeyEntryInitialize(key, 0, column, strategy, InvalidOid,
						   index->rd_indcollation[column - 1],
						   strategy == BTEqualStrategyNumber ? F_TEXTEQ :
						   strategy == BTGreaterStrategyNumber ? F_TEXT_GT : F_TEXT_GE,
						   CStringGetTextDatum(value));
}

/* Reads a column of the first entry, dead or alive, that keys find. */
static bool
probe(const FairScan *scan, ScanKey keys, int nkeys, int column, Datum *value)
{
	IndexScanDesc index_scan = index_scan_begin(scan->queue, scan->index, scan->snapshot, nkeys);
	bool		found;
	bool		isnull;

	index_scan->xs_want_itup = true;
	CHECK_FOR_INTERRUPTS();
	index_rescan(index_scan, keys, nkeys, NULL, 0);
	found = index_getnext_tid(index_scan, ForwardScanDirection) != NULL;
	if (found)
	{
		*value = index_getattr(index_scan->xs_itup, column, index_scan->xs_itupdesc, &isnull);
		if (column == 1)
			*value = PointerGetDatum(TextDatumGetCString(*value));
	}
	index_endscan(index_scan);
	return found;
}

/*
 * Returns whether the index may have entries (store/fair.h).  What a probe has told is
 * known for the time between two full scans; that it has none, at most until a
 * transaction writes one, and not longer, as rows may be written by hand.
 */
bool
fair_any(Store *store)
{
	static Oid	storage = InvalidOid;
	static bool any;
	static uint64 probed_at;
	static TimestampTz until;
	bool		known = attach();
	uint64		now_written = known ? pg_atomic_read_u64(written()) : 0;
	TimestampTz now = GetCurrentTimestamp();
	Relation	queue = store_table(store, REL_QUEUE)->relation;
	FairScan	scan = {.queue = queue, .snapshot = SnapshotAny};
	Datum		type;

	if (!known || pg_atomic_read_u32(&shared->writers[MyDatabaseId % DATABASES]) > 0)
		return true;
	if (storage == relation_storage(queue) && (any || probed_at == now_written) &&
		now < until && until - now <= FULL_SCAN_US)
		return any;
	scan.index = store_open_index(store, REL_QUEUE_FAIR_IDX);
	any = probe(&scan, NULL, 0, 1, &type);
	storage = relation_storage(queue);
	probed_at = now_written;
	until = now + FULL_SCAN_US;
	return any;
}

/* ---------------------------------------------------------------------------
 * Types and priorities
 * ---------------------------------------------------------------------------
 */

/* Finds the next type in the index (store/fair.h). */
bool
fair_next_type(const FairScan *scan, const char *after, char **type)
{
	ScanKeyData key;
	Datum		value;

	text_key(&key, scan->index, 1, BTGreaterStrategyNumber, after);
	if (!probe(scan, &key, 1, 1, &value))
		return false;
	*type = (char *) DatumGetPointer(value);
	return true;
}

/*
 * Priorities that tasks with a key have had lately.  A probe reads an index page to its
 * end, which may hold hundreds of entries of tasks that were leased, so it is limited to
 * the gap between two of these priorities.
 */
static struct
{
	Oid			storage;		/* of the queue */
	char		type[NAMEDATALEN];
	int			priority;
	TimestampTz until;
}			known[KNOWN];

/* Returns the highest known priority of a type below one, or NO_PRIORITY. */
static int64
known_priority(const FairScan *scan, const char *type, int64 below)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		best = NO_PRIORITY;

	for (int i = 0; i < KNOWN; i++)
		if (known[i].storage == relation_storage(scan->queue) && now < known[i].until &&
			known[i].until - now <= FULL_SCAN_US && known[i].priority < below &&
			known[i].priority > best && strcmp(known[i].type, type) == 0)
			best = known[i].priority;
	return best;
}

/* Remembers a priority that a probe has found. */
static void
note_priority(const FairScan *scan, const char *type, int priority)
{
	static int	next = 0;

	if (strlen(type) >= NAMEDATALEN)
		return;
	known[next].storage = relation_storage(scan->queue);
	strlcpy(known[next].type, type, NAMEDATALEN);
	known[next].priority = priority;
	known[next].until = GetCurrentTimestamp() + FULL_SCAN_US;
	next = (next + 1) % KNOWN;
}

/* Finds the highest priority of a type below one (store/fair.h). */
bool
fair_next_priority(const FairScan *scan, const char *type, int64 below, int *priority)
{
	int64		candidate = known_priority(scan, type, below);
	ScanKeyData keys[3];
	Datum		value;

	text_key(&keys[0], scan->index, 1, BTEqualStrategyNumber, type);
	ScanKeyInit(&keys[1], 2, BTLessEqualStrategyNumber, F_INT4LE,
				Int32GetDatum((int32) (below - 1)));
	ScanKeyInit(&keys[2], 2, BTGreaterEqualStrategyNumber, F_INT4GE,
				Int32GetDatum((int32) (candidate + 1)));
	if (candidate + 1 < below && probe(scan, keys, 3, 2, &value))
	{
		*priority = DatumGetInt32(value);
		note_priority(scan, type, *priority);
		return true;
	}
	*priority = (int) candidate;
	return candidate != NO_PRIORITY;
}

/* ---------------------------------------------------------------------------
 * A stream
 * ---------------------------------------------------------------------------
 */

/* Opens a stream (store/fair.h). */
FairStream *
fair_open(const FairScan *scan, const char *type, int priority)
{
	FairStream *stream = palloc0(sizeof(FairStream));

	stream->scan = *scan;
	stream->type = type;
	stream->priority = priority;
	stream->index_scan = index_scan_begin(scan->queue, scan->index, scan->snapshot, 4);
	stream->index_scan->xs_want_itup = true;
	return stream;
}

/* Closes a stream. */
void
fair_close(FairStream *stream)
{
	index_endscan(stream->index_scan);
	if (stream->done != NULL)
		hash_destroy(stream->done);
	pfree(stream);
}

/* Has the index scan read one key (after an id), or all keys from one on. */
static void
rescan(FairStream *stream, StrategyNumber strategy, const char *key, int64 after)
{
	ScanKeyData keys[4];

	if (stream->window != NULL)
	{
		fair_window_seek(stream->window, strategy, key, after);
		return;
	}
	text_key(&keys[0], stream->scan.index, 1, BTEqualStrategyNumber, stream->type);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(stream->priority));
	text_key(&keys[2], stream->scan.index, 3, strategy, key);
	ScanKeyInit(&keys[3], 4, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	index_rescan(stream->index_scan, keys, 4, NULL, 0);
}

/* Returns the last queue_id of a key that was done with. */
static int64
done_with(const FairStream *stream, const char *key)
{
	DoneKey    *entry = stream->done == NULL ? NULL :
		(DoneKey *) hash_search(stream->done, key, HASH_FIND, NULL);

	return entry == NULL ? PG_INT64_MIN : entry->queue_id;
}

/* Reads the next task of the window that has not been done with; false: there is none. */
static bool
next_in_window(FairStream *stream, TupleTableSlot *slot)
{
	while (fair_window_next(stream->window, slot, stream->key, &stream->queue_id))
		if (stream->queue_id > done_with(stream, stream->key))
			return true;
	return false;
}

/* Returns whether a walk has met too many rows that are not ready. */
static bool
is_too_long(const FairStream *stream)
{
	return stream->vain > MOST_VAIN && stream->window == NULL && !stream->patient;
}

/*
 * Reads the next ready task of the index scan into the slot; false: there is none, or the
 * walk is too long.  Of a key that was met before, the scan goes on behind what was done
 * with.
 */
static bool
next_task(FairStream *stream, TupleTableSlot *slot, bool *skipped)
{
	IndexScanDesc scan = stream->index_scan;
	bool		within = false; /* the scan reads the rest of one key */
	bool		isnull;
	int64		done;

	if (stream->window != NULL)
		return next_in_window(stream, slot);
	while (!is_too_long(stream))
	{
		CHECK_FOR_INTERRUPTS();
		if (index_getnext_tid(scan, ForwardScanDirection) == NULL)
		{
			if (!within)
				return false;
			within = false;
			rescan(stream, BTGreaterStrategyNumber, stream->key, PG_INT64_MIN);
			continue;
		}
		text_to_cstring_buffer(DatumGetTextPP(index_getattr(scan->xs_itup, 3,
															scan->xs_itupdesc, &isnull)),
							   stream->key, LONGEST_FAIR_KEY);
		stream->queue_id = DatumGetInt64(index_getattr(scan->xs_itup, 4, scan->xs_itupdesc,
													   &isnull));
		done = done_with(stream, stream->key);
		if (stream->queue_id <= done)
		{
			within = true;
			rescan(stream, BTEqualStrategyNumber, stream->key, done);
		}
		/*
		 * A row that is gone is visited once, which marks its entry as dead: keys are
		 * read in a ring, so that entries that are left are read again and again.
		 */
		else if (stream->scan.skip_recent &&
				 recent_lease_state(stream->scan.queue, stream->queue_id) == RECENT_LEASE_HELD)
			*skipped = true;
		else if (index_fetch_heap(scan, slot))
			return true;
		else
			stream->vain++;
	}
	return false;
}

/* Returns how many turns a key has in a round. */
static int
turns_of(double weight, int64 round)
{
	return (int) (floor((round + 1) * weight) - floor(round * weight));
}

/* Returns the weight of the task in a slot. */
static double
weight_of(TupleTableSlot *slot)
{
	bool		isnull;
	double		weight = DatumGetFloat4(slot_getattr(slot, QUEUE_COL_FAIR_WEIGHT, &isnull));

	return isnull || !(weight > 0) ? 1 : Max(Min(weight, 100), 0.01);
}

/*
 * Goes through the keys after one (NULL: all) for one that has a turn.  Returns false
 * when there is none, *soonest then being the first round in which one of them has.
 */
static bool
walk_keys(FairStream *stream, const char *after, int64 *soonest, TupleTableSlot *slot,
		  bool *skipped)
{
	Turn	   *next = &stream->next;
	char		key[LONGEST_FAIR_KEY];

	strlcpy(key, after == NULL ? "" : after, LONGEST_FAIR_KEY);
	for (bool all = after == NULL;; all = false)
	{
		double		weight;

		rescan(stream, all ? BTGreaterEqualStrategyNumber : BTGreaterStrategyNumber, key,
			   PG_INT64_MIN);
		if (!next_task(stream, slot, skipped))
			return false;
		weight = weight_of(slot);
		next->left = turns_of(weight, next->round) - 1;
		if (next->left >= 0)
			break;
		*soonest = Min(*soonest,
					   (int64) ceil((floor(next->round * weight) + 1) / weight) - 1);
		strlcpy(key, stream->key, LONGEST_FAIR_KEY);
	}
	strlcpy(next->key, stream->key, LONGEST_FAIR_KEY);
	return true;
}

/* Finds the ready task whose turn it is; false: there is none, or the walk is too long. */
static bool
find_turn(FairStream *stream, TupleTableSlot *slot, bool *skipped)
{
	Places	   *places = lock_places();
	Turn	   *next = &stream->next;
	int64		soonest = PG_INT64_MAX;

	stream->seen = place_of(places, stream)->turn;
	unlock_places(places);
	*next = stream->seen;
	if (next->left > 0)
	{
		next->left--;
		rescan(stream, BTEqualStrategyNumber, next->key, done_with(stream, next->key));
		if (next_task(stream, slot, skipped))
			return true;
	}
	if (walk_keys(stream, next->key, &soonest, slot, skipped))
		return true;
	/* the next round, or the first one in which a key has a turn */
	next->round++;
	if (walk_keys(stream, NULL, &soonest, slot, skipped))
		return true;
	if (soonest == PG_INT64_MAX)
		return false;
	next->round = Max(next->round, soonest);
	return walk_keys(stream, NULL, &soonest, slot, skipped);
}

/* Reads the tasks of the stream by id, if they are few. */
static void
use_window(FairStream *stream, TupleTableSlot *slot, bool *skipped)
{
	stream->window = fair_window_read(&stream->scan, stream->type, stream->priority, slot,
									  skipped);
	stream->patient = stream->window == NULL;
}

/*
 * Fetches the ready task whose turn it is (store/fair.h).  When a walk is too long, the
 * tasks are read by id, and so are those of all streams for a while.
 */
bool
fair_fetch(FairStream *stream, TupleTableSlot *slot, bool *skipped)
{
	static TimestampTz slow_until = 0;
	TimestampTz now = GetCurrentTimestamp();
	bool		found;

	stream->vain = 0;
	if (stream->window == NULL && !stream->patient && now < slow_until &&
		slow_until - now <= SLOW_US)
		use_window(stream, slot, skipped);
	found = find_turn(stream, slot, skipped);
	if (is_too_long(stream))
	{
		slow_until = now + SLOW_US;
		use_window(stream, slot, skipped);
		found = find_turn(stream, slot, skipped);
	}
	return found;
}

/* Is it the turn of the tasks without a key (store/fair.h)? */
bool
fair_others_first(FairStream *stream)
{
	return stream->seen.others != stream->next.round;
}

/* Notes that a task without a key has had its turn. */
void
fair_others_done(FairStream *stream)
{
	Places	   *places = lock_places();

	place_of(places, stream)->turn.others = stream->next.round;
	unlock_places(places);
	stream->seen.others = stream->next.others = stream->next.round;
}

/* Takes the turn of the fetched task (store/fair.h). */
bool
fair_claim(FairStream *stream)
{
	Places	   *places = lock_places();
	Place	   *place = place_of(places, stream);
	bool		mine = place->turn.version == stream->seen.version ||
		++stream->tries >= MOST_TRIES;

	if (mine)
	{
		stream->next.others = place->turn.others;
		stream->next.version = place->turn.version + 1;
		place->turn = stream->next;
		stream->tries = 0;
	}
	unlock_places(places);
	return mine;
}

/* The fetched task is done with (store/fair.h). */
void
fair_consume(FairStream *stream)
{
	DoneKey    *entry;
	bool		found;

	if (stream->done == NULL)
	{
		HASHCTL		control;

		memset(&control, 0, sizeof(control));
		control.keysize = LONGEST_FAIR_KEY;
		control.entrysize = sizeof(DoneKey);
		control.hcxt = CurrentMemoryContext;
		stream->done = hash_create("noetl keys done with", 64, &control,
								   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	entry = (DoneKey *) hash_search(stream->done, stream->key, HASH_ENTER, &found);
	if (!found || entry->queue_id < stream->queue_id)
		entry->queue_id = stream->queue_id;
}
