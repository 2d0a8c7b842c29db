/*
 * store/lease.c
 *		Finding ready rows of the queue, and leasing them.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/deferred.h"
#include "store/fair.h"
#include "store/low_water.h"
#include "store/pause_row.h"
#include "store/place.h"
#include "store/queue_row.h"
#include "store/ready_news.h"
#include "store/recent_leases.h"
#include "store/table.h"

/* ---------------------------------------------------------------------------
 * Ready rows
 * ---------------------------------------------------------------------------
 */

/*
 * The index of ready rows is ordered by type, priority (highest first) and
 * queue_id.  Each type is a stream of rows; of the first rows of all streams the
 * best one is taken.  Which types and priorities exist is found by probing the
 * index for the next larger key.  Within a priority a stream starts at the
 * low-water mark.
 */
typedef struct ReadyStream
{
	const char *type;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		has_row;		/* in the slot */
	bool		exhausted;
	bool		in_range;		/* the scan reads this priority: */
	int			priority;
	int64		first_ready;	/* its first ready row; 0: none so far */
	bool		doubtful;		/* a full scan, for rows that were changed by hand */
	int64		below;			/* the next priority is lower than this */
	bool		single;			/* it has one priority; others have streams of their own */
	FairStream *fair;			/* of tasks with a fair_key, or NULL */
} ReadyStream;

typedef struct ReadyScan
{
	StoreTable *table;
	Relation	index;
	Snapshot	snapshot;
	LowWaterScan water;
	bool		skip_recent;	/* recent leases are skipped without a visit */
	bool		more_types;		/* the index has types that have no stream */
	bool		skipped;		/* a row was skipped */
	int			nstreams;
	ReadyStream *streams;
	int			nfair;			/* how many of them are of tasks with a fair_key */
	int			current;		/* the stream of the row that was returned last */
	int			round_of;		/* the stream in whose round that row has its turn, or -1 */
} ReadyScan;

/* With more types than this only those that are in the index have a stream. */
#define FEW_TYPES			8

/*
 * A scan has at most so many streams when it is for any type.  With more types in
 * the index it reads one portion of them after the other, until it finds enough.
 */
#define MOST_STREAMS		64

/*
 * A walk through the types in the index, which begins after the type that this
 * session's last scan has ended with: each type has its turn.
 */
typedef struct TypeWalk
{
	const char *first;			/* where it began; "": at the first type */
	const char *last;			/* the last type that was read, or where it begins */
	StrategyNumber strategy;	/* of the next probe */
	bool		wrapped;		/* the end of the index was reached */
	bool		ended;
	bool		begun;			/* a portion has been read */
} TypeWalk;

/* The type that the last scan has ended with; "": it has read all. */
static char *turn = NULL;

/* Begins an index scan with four keys.  It takes more than a page of memory. */
static IndexScanDesc
begin_scan(const ReadyScan *ready)
{
	IndexScanDesc scan = index_scan_begin(ready->table->relation, ready->index,
										  ready->snapshot, 4);

	scan->xs_want_itup = true;
	return scan;
}

/* Sets a condition on the type. */
static void
set_type_key(const ReadyScan *ready, ScanKey key, StrategyNumber strategy, const char *type)
{
	RegProcedure function = strategy == BTEqualStrategyNumber ? F_TEXTEQ :
		strategy == BTLessStrategyNumber ? F_TEXT_LT :
		strategy == BTGreaterStrategyNumber ? F_TEXT_GT : F_TEXT_GE;

	ScanKeyEntryInitialize(key, 0, 1, strategy, InvalidOid, ready->index->rd_indcollation[0],
						   function, CStringGetTextDatum(type));
}

/*
 * Starts a scan again, with conditions on type, priority (both ends included)
 * and queue_id (at least "id").
 */
static void
rescan(const ReadyScan *ready, IndexScanDesc scan, StrategyNumber by_type, const char *type,
	   int highest, int lowest, int64 id)
{
	ScanKeyData keys[4];

	set_type_key(ready, &keys[0], by_type, type);
	/* a scan starts at the key of a column only when the columns before are fixed */
	if (highest == lowest)
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(highest));
	else
		ScanKeyInit(&keys[1], 2, BTLessEqualStrategyNumber, F_INT4LE, Int32GetDatum(highest));
	ScanKeyInit(&keys[2], 2, BTGreaterEqualStrategyNumber, F_INT4GE, Int32GetDatum(lowest));
	ScanKeyInit(&keys[3], 3, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(id));
	index_rescan(scan, keys, 4, NULL, 0);
}

/* Reads a column of the first entry, dead or alive; returns false when there is none. */
static bool
probe(IndexScanDesc scan, int attribute, Datum *value)
{
	bool		isnull;

	CHECK_FOR_INTERRUPTS();
	if (index_getnext_tid(scan, ForwardScanDirection) == NULL)
		return false;
	*value = index_getattr(scan->xs_itup, attribute, scan->xs_itupdesc, &isnull);
	return true;
}

/* Returns whether a type is among those that are asked for. */
static bool
type_wanted(const char *type, int ntypes, char **types)
{
	bool		wanted = ntypes == 0;

	for (int i = 0; i < ntypes && !wanted; i++)
		wanted = strcmp(types[i], type) == 0;
	return wanted;
}

/* Adds a stream. */
static void
add_stream(ReadyScan *ready, const char *type)
{
	ReadyStream *stream;
	int			n = ready->nstreams++;

	ready->streams = n == 0 ? palloc(sizeof(ReadyStream)) :
		repalloc(ready->streams, sizeof(ReadyStream) * (n + 1));
	stream = &ready->streams[n];
	memset(stream, 0, sizeof(ReadyStream));
	stream->type = type;
	stream->below = NO_PRIORITY_ABOVE;
	/* rows are locked in the table's own slot, so a stream needs another */
	stream->slot = MakeSingleTupleTableSlot(ready->table->scan_slot->tts_tupleDescriptor,
											ready->table->scan_slot->tts_ops);
}

/* Begins a walk through the types in the index. */
static void
walk_begin(TypeWalk *walk)
{
	memset(walk, 0, sizeof(TypeWalk));
	walk->first = walk->last = pstrdup(turn != NULL ? turn : "");
	walk->strategy = turn != NULL ? BTGreaterStrategyNumber : BTGreaterEqualStrategyNumber;
}

/* Returns whether a type comes after another one in the index. */
static bool
comes_after(const ReadyScan *ready, Datum type, const char *other)
{
	return DatumGetBool(DirectFunctionCall2Coll(text_gt, ready->index->rd_indcollation[0], type,
												CStringGetTextDatum(other)));
}

/*
 * Finds the next type in the index; false: there is none.  A probe reads an index page to
 * its end, which may hold hundreds of entries of rows that were leased, so it is limited
 * to the gap before the next type that is known.
 */
static bool
next_type(const TypeWalk *walk, const ReadyScan *ready, IndexScanDesc scan, Datum *type)
{
	Oid			collation = ready->index->rd_indcollation[0];
	const char *known = low_water_next_type(walk->last,
											walk->strategy == BTGreaterEqualStrategyNumber,
											collation);
	ScanKeyData keys[4];

	if (known == NULL)
	{
		rescan(ready, scan, walk->strategy, walk->last, PG_INT32_MAX, PG_INT32_MIN, PG_INT64_MIN);
		return probe(scan, 1, type);
	}
	set_type_key(ready, &keys[0], walk->strategy, walk->last);
	set_type_key(ready, &keys[1], BTLessStrategyNumber, known);
	keys[2] = keys[0];
	keys[3] = keys[1];
	index_rescan(scan, keys, 4, NULL, 0);
	if (!probe(scan, 1, type))
		*type = CStringGetTextDatum(known);
	return true;
}

/* Returns the next type in the index, or NULL. */
static const char *
walk_next(TypeWalk *walk, const ReadyScan *ready, IndexScanDesc scan)
{
	Datum		next;

	while (!walk->ended)
	{
		if (next_type(walk, ready, scan, &next))
		{
			walk->strategy = BTGreaterStrategyNumber;
			if (walk->wrapped && comes_after(ready, next, walk->first))
				break;
			walk->last = TextDatumGetCString(next);
			return walk->last;
		}
		if (walk->wrapped || walk->first[0] == '\0')
			break;
		walk->wrapped = true;
		walk->last = "";
		walk->strategy = BTGreaterEqualStrategyNumber;
	}
	walk->ended = true;
	return NULL;
}

/* Remembers where the next scan begins: "": at the first type. */
static void
set_turn(const char *type)
{
	if (turn != NULL)
		pfree(turn);
	turn = type[0] == '\0' ? NULL : MemoryContextStrdup(TopMemoryContext, type);
}

/* Adds the streams of some of the types in the index, those that a walk reads next. */
static void
find_portion(ReadyScan *ready, TypeWalk *walk)
{
	IndexScanDesc scan = begin_scan(ready);
	const char *type;

	while (ready->nstreams < MOST_STREAMS && (type = walk_next(walk, ready, scan)) != NULL)
		if (!store_type_paused(type))
			add_stream(ready, type);
	index_endscan(scan);
	ready->more_types = !walk->ended;
	set_turn(ready->more_types ? walk->last : "");
}

/*
 * Adds the streams of the types that are asked for; if any type is, those of a
 * portion of the types in the index.
 */
static void
find_streams(ReadyScan *ready, TypeWalk *walk, int ntypes, char **types)
{
	IndexScanDesc scan = NULL;
	Datum		found;

	if (ntypes == 0)
	{
		find_portion(ready, walk);
		return;
	}
	if (ntypes > FEW_TYPES)
		scan = begin_scan(ready);
	for (int i = 0; i < ntypes; i++)
	{
		if ((i > 0 && type_wanted(types[i], i, types)) || store_type_paused(types[i]))
			continue;
		if (scan != NULL)
			rescan(ready, scan, BTEqualStrategyNumber, types[i], PG_INT32_MAX, PG_INT32_MIN,
				   PG_INT64_MIN);
		if (scan == NULL || probe(scan, 1, &found))
			add_stream(ready, types[i]);
	}
	if (scan != NULL)
		index_endscan(scan);
}

/* Adds the streams of the tasks of a type that have a fair_key, one for each priority. */
static void
add_fair_streams(ReadyScan *ready, const FairScan *scan, const char *type)
{
	int			priority;
	int64		below = NO_PRIORITY_ABOVE;

	while (fair_next_priority(scan, type, below, &priority))
	{
		ReadyStream *stream;

		CHECK_FOR_INTERRUPTS();
		add_stream(ready, type);
		stream = &ready->streams[ready->nstreams - 1];
		stream->priority = priority;
		stream->fair = fair_open(scan, type, priority);
		ready->nfair++;
		below = priority;
	}
}

/*
 * Adds streams of tasks that have a fair_key, if there are any; when any type will do, for
 * the first portion of the types.
 */
static void
find_fair_streams(ReadyScan *ready, Store *store, bool first, int ntypes, char **types)
{
	FairScan	scan;
	char	   *type;

	if ((ntypes == 0 && !first) ||
		!fair_any(store))
		return;
	scan.queue = ready->table->relation;
	scan.index = store_open_index(store, REL_QUEUE_FAIR_IDX);
	scan.store = store;
	scan.water = &ready->water;
	scan.snapshot = ready->snapshot;
	scan.skip_recent = ready->skip_recent;
	for (int i = 0; i < ntypes; i++)
		if (!type_wanted(types[i], i, types) || i == 0)
			if (!store_type_paused(types[i]))
				add_fair_streams(ready, &scan, types[i]);
	if (ntypes > 0)
		return;
	for (const char *after = ""; fair_next_type(&scan, after, &type); after = type)
		if (!store_type_paused(type))
			add_fair_streams(ready, &scan, type);
}

/*
 * Opens a scan that sees everything that is committed, and all changes of this
 * transaction.  walk: for any type; the scan is for the portion that comes next.
 */
static void
ready_scan_open(ReadyScan *ready, Store *store, bool skip_recent, TypeWalk *walk, int ntypes,
				char **types)
{
	bool		first;

	ready->table = store_table(store, REL_QUEUE);
	ready->index = store_open_index(store, REL_QUEUE_READY_IDX);
	ready->nstreams = 0;
	ready->nfair = 0;
	ready->round_of = -1;
	ready->skip_recent = skip_recent;
	ready->skipped = false;
	ready->more_types = false;
	low_water_open(&ready->water, ready->table->relation, !skip_recent);
	CommandCounterIncrement();
	ready->snapshot = RegisterSnapshot(GetLatestSnapshot());
	first = !walk->begun;
	walk->begun = true;
	find_streams(ready, walk, ntypes, types);
	find_fair_streams(ready, store, first, ntypes, types);
}

/* So long is remembered that a type has no lower priority. */
#define LOWEST_US		INT64CONST(1000000)

/* The type of which that was found out last, by this session. */
static struct
{
	char		type[NAMEDATALEN];
	int64		priority;		/* the index has nothing below */
	TimestampTz until;
}			lowest;

/* Returns whether a type is not known to have nothing below a priority. */
static bool
may_have_lower(const char *type, int64 below)
{
	TimestampTz now = GetCurrentTimestamp();

	return low_water_priority(type, below) != NO_PRIORITY || below > lowest.priority ||
		now >= lowest.until || lowest.until - now > LOWEST_US ||
		strncmp(type, lowest.type, NAMEDATALEN - 1) != 0;
}

/*
 * Begins to read the next lower priority of a stream; returns false when there
 * is none.  For priorities that are not known the index is probed.  A probe
 * reads an index page to its end, so it is limited to the gap between two known
 * priorities.
 */
static bool
begin_range(ReadyScan *ready, ReadyStream *stream)
{
	int64		below = stream->below;
	int64		known = low_water_priority(stream->type, below);
	int64		mark;
	Datum		next;

	if (stream->scan == NULL)
		stream->scan = begin_scan(ready);
	if (known + 1 < below)
		rescan(ready, stream->scan, BTEqualStrategyNumber, stream->type,
			   (int) (below - 1), (int) (known + 1), PG_INT64_MIN);
	if (known + 1 < below && probe(stream->scan, 2, &next))
		stream->priority = DatumGetInt32(next);
	else if (known != NO_PRIORITY)
		stream->priority = (int) known;
	else
	{
		strlcpy(lowest.type, stream->type, NAMEDATALEN);
		lowest.priority = below;
		lowest.until = GetCurrentTimestamp() + LOWEST_US;
		return false;
	}
	stream->below = stream->priority;
	stream->first_ready = 0;
	stream->in_range = true;
	mark = low_water_begin(&ready->water, stream->type, stream->priority);
	stream->doubtful = mark == PG_INT64_MIN;
	rescan(ready, stream->scan, BTEqualStrategyNumber, stream->type, stream->priority,
		   stream->priority, mark);
	return true;
}

/* Returns the id of the current entry, and whether its row need not be visited. */
static bool
can_skip(ReadyScan *ready, ReadyStream *stream, int64 *queue_id)
{
	RecentLeaseState state;
	bool		isnull;

	*queue_id = DatumGetInt64(index_getattr(stream->scan->xs_itup, 3,
											stream->scan->xs_itupdesc, &isnull));
	if (!ready->skip_recent || stream->doubtful)
		return false;
	state = recent_lease_state(ready->table->relation, *queue_id);
	/* a row that is held is ready again when its transaction rolls back */
	if (state == RECENT_LEASE_HELD && stream->first_ready == 0)
		stream->first_ready = *queue_id;
	ready->skipped = ready->skipped || state != RECENT_LEASE_UNKNOWN;
	return state != RECENT_LEASE_UNKNOWN;
}

/* Fetches the next row of the current priority; returns false when there is none. */
static bool
fetch_row(ReadyScan *ready, ReadyStream *stream)
{
	int64		queue_id;

	while (index_getnext_tid(stream->scan, ForwardScanDirection) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (can_skip(ready, stream, &queue_id) ||
			!index_fetch_heap(stream->scan, stream->slot))
			continue;
		if (stream->first_ready == 0)
			stream->first_ready = queue_id;
		return true;
	}
	return false;
}

/*
 * When tasks age, one of a lower priority may come first: each priority of a type has a
 * stream of its own then.  Begins that of the next lower one.
 */
static void
split_stream(ReadyScan *ready, int number)
{
	int64		below = ready->streams[number].below;

	ready->streams[number].single = true;
	add_stream(ready, ready->streams[number].type);
	ready->streams[ready->nstreams - 1].below = below;
}

/* Fetches the next row of a stream, if there is one. */
static void
advance(ReadyScan *ready, int number)
{
	while (!ready->streams[number].has_row && !ready->streams[number].exhausted)
	{
		ReadyStream *stream = &ready->streams[number];

		CHECK_FOR_INTERRUPTS();
		if (stream->fair != NULL)
		{
			stream->has_row = fair_fetch(stream->fair, stream->slot, &ready->skipped);
			stream->exhausted = !stream->has_row;
		}
		else if (!stream->in_range && (stream->single || !begin_range(ready, stream)))
			stream->exhausted = true;
		else if (fetch_row(ready, stream))
		{
			stream->has_row = true;
			if (noetl_priority_age > 0 && !stream->single &&
				may_have_lower(stream->type, stream->below))
				split_stream(ready, number);
		}
		else
		{
			low_water_end(&ready->water, stream->type, stream->priority, stream->first_ready);
			stream->in_range = false;
		}
	}
}

/* Returns whether the row of one stream is to be leased before that of another. */
static bool
comes_before(const ReadyStream *a, const ReadyStream *b)
{
	return a->priority != b->priority ?
		queue_place(a->slot, a->priority) < queue_place(b->slot, b->priority) :
		DatumGetInt64(slot_column(a->slot, QUEUE_COL_QUEUE_ID)) <
		DatumGetInt64(slot_column(b->slot, QUEUE_COL_QUEUE_ID));
}

/* Returns the other stream of a type and a priority, if it has a row, or -1. */
static int
sibling_of(const ReadyScan *ready, int number)
{
	const ReadyStream *stream = &ready->streams[number];

	for (int i = 0; i < ready->nstreams; i++)
	{
		const ReadyStream *other = &ready->streams[i];

		if (other->has_row && other->priority == stream->priority &&
			(other->fair == NULL) != (stream->fair == NULL) &&
			strcmp(other->type, stream->type) == 0)
			return i;
	}
	return -1;
}

/* Returns the next ready row, or NULL.  The caller goes on with ready_consume(). */
static TupleTableSlot *
ready_scan_next(ReadyScan *ready)
{
	int			best = -1;
	int			sibling = -1;

	/* a stream that is read may add another one */
	for (int i = 0; i < ready->nstreams; i++)
	{
		advance(ready, i);
		if (ready->streams[i].has_row &&
			(best < 0 || comes_before(&ready->streams[i], &ready->streams[best])))
			best = i;
	}
	if (best < 0)
		return NULL;
	if (ready->nfair > 0)
		sibling = sibling_of(ready, best);
	if (sibling >= 0)
	{
		int			fair = ready->streams[best].fair != NULL ? best : sibling;
		int			plain = fair == best ? sibling : best;

		best = fair_others_first(ready->streams[fair].fair) ? plain : fair;
		sibling = fair;
	}
	ready->current = best;
	ready->round_of = sibling;
	return ready->streams[best].slot;
}

/*
 * Takes the turn of the row that was returned last, which is going to be leased.  Returns
 * false when it is another one's turn by now.
 */
static bool
ready_claim(ReadyScan *ready)
{
	ReadyStream *stream = &ready->streams[ready->current];

	if (stream->fair == NULL)
	{
		if (ready->round_of >= 0)
			fair_others_done(ready->streams[ready->round_of].fair);
		return true;
	}
	if (fair_claim(stream->fair))
		return true;
	stream->has_row = false;
	return false;
}

/* The row that was returned last is done with. */
static void
ready_consume(ReadyScan *ready)
{
	ReadyStream *stream = &ready->streams[ready->current];

	stream->has_row = false;
	if (stream->fair != NULL)
		fair_consume(stream->fair);
}

/* Ends the scan, and reports the first ready rows that it has seen. */
static void
ready_scan_close(ReadyScan *ready, bool leased)
{
	for (int i = 0; i < ready->nstreams; i++)
	{
		ReadyStream *stream = &ready->streams[i];

		if (stream->in_range && stream->first_ready != 0)
			low_water_end(&ready->water, stream->type, stream->priority, stream->first_ready);
		if (stream->scan != NULL)
			index_endscan(stream->scan);
		if (stream->fair != NULL)
			fair_close(stream->fair);
		ExecDropSingleTupleTableSlot(stream->slot);
	}
	if (ready->nstreams > 0)
		pfree(ready->streams);
	UnregisterSnapshot(ready->snapshot);
	low_water_close(&ready->water, leased);
}

/*
 * Returns the deadline of the attempt that a lease begins or continues; 0: it has
 * none.
 */
static TimestampTz
attempt_deadline(TupleTableSlot *slot, TimestampTz now)
{
	TimestampTz deadline = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
	int64		timeout;

	if (deadline != 0 && queue_read_wait(slot) == 0)
		return deadline;
	timeout = queue_read_timeout(slot);
	return timeout > 0 ? now + timeout : 0;
}

/* ---------------------------------------------------------------------------
 * Leasing
 * ---------------------------------------------------------------------------
 */

/* The state of a call of store_lease. */
typedef struct Leasing
{
	Store	   *store;
	StoreTable *table;
	const LeaseRequest *request;
	TimestampTz now;
	int			leased;
	int			parked;			/* ready rows that were found to be paused */
	int			seen;			/* ready rows that were found */
	bool		behind;			/* rows of transactions that have ended are missing */
} Leasing;

/* A call of store_lease pauses so many rows that it comes by, and then ends. */
#define MOST_PARKED		1000

/* Returns whether as many tasks are leased as were asked for. */
static bool
is_full(const Leasing *leasing)
{
	return leasing->leased >= leasing->request->max_tasks;
}

/* Returns the type of the task in a slot. */
static const char *
type_in(TupleTableSlot *slot)
{
	return slot_text(slot, QUEUE_COL_NODE_TYPE);
}

/* TaskFilter: returns whether a task is of a type that is asked for, and not paused. */
static bool
is_wanted(const void *arg, TupleTableSlot *slot)
{
	const LeaseRequest *request = (const LeaseRequest *) arg;
	const char *type = type_in(slot);

	return type_wanted(type, request->ntypes, request->types) && !store_type_paused(type);
}

/* The columns of a leased row that are needed when it is written: they are at hand before. */
typedef struct LeasedColumns
{
	int64		queue_id;
	int64		execution_id;
	TimestampTz lease_until;
} LeasedColumns;

/* Reads them. */
static LeasedColumns
read_columns(TupleTableSlot *slot)
{
	LeasedColumns columns = {
		DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID)),
		DatumGetInt64(slot_column(slot, QUEUE_COL_EXECUTION_ID)),
		DatumGetTimestampTz(slot_column(slot, QUEUE_COL_LEASE_UNTIL))
	};

	return columns;
}

/*
 * Reports the row in the insert slot, which has been written as leased.  Its place is
 * remembered: it will be completed.
 */
static void
report_leased(Leasing *leasing, const LeasedColumns *columns)
{
	TupleTableSlot *slot = leasing->table->insert_slot;

	place_note(leasing->table, columns->queue_id, columns->execution_id, &slot->tts_tid);
	leasing->request->callback(leasing->request->arg, slot, columns->lease_until);
	leasing->leased++;
}

/*
 * Writes tasks that were kept back, and come before the row (NULL: all), as leased.  The
 * queue has no triggers, which could change their rows.
 */
static void
lease_deferred(Leasing *leasing, TupleTableSlot *row)
{
	const LeaseRequest *request = leasing->request;
	TupleTableSlot *slot;

	while (!is_full(leasing) &&
		   (slot = deferred_take_task(leasing->store, row, is_wanted, request)) != NULL)
	{
		LeasedColumns columns;

		queue_set_lease(slot, request->worker_id, 1, leasing->now + request->lease_us,
						attempt_deadline(slot, leasing->now), leasing->now);
		columns = read_columns(slot);
		if (request->taken != NULL)
			request->taken(type_in(slot));
		store_write_insert(leasing->store, leasing->table);
		report_leased(leasing, &columns);
	}
}

/* Returns whether a ready row may be leased now. */
static bool
may_lease(const Leasing *leasing, TupleTableSlot *slot)
{
	TimestampTz deadline;

	if (DatumGetTimestampTz(slot_column(slot, QUEUE_COL_AVAILABLE_AT)) > leasing->now)
		return false;
	/* an attempt or a wait whose deadline has passed is ended by the reaper */
	deadline = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
	return deadline == 0 || deadline > leasing->now;
}

/*
 * Leases a row.  Returns false when it is gone, or (*held) another transaction
 * holds it.
 */
static bool
lease_row(Leasing *leasing, Snapshot snapshot, TupleTableSlot *row, bool *held)
{
	StoreTable *table = leasing->table;
	ItemPointerData tid = row->tts_tid;
	const LeaseRequest *request = leasing->request;
	LeasedColumns columns;

	INJECTION("lease-row");
	if (!store_lock_row(table, &tid, snapshot, true, held))
		return false;
	recent_lease_note(table->relation,
					  DatumGetInt64(slot_column(table->scan_slot, QUEUE_COL_QUEUE_ID)));
	queue_set_lease(queue_new_version(table), request->worker_id,
					DatumGetInt32(slot_column(table->scan_slot, QUEUE_COL_ATTEMPTS)) + 1,
					leasing->now + request->lease_us,
					attempt_deadline(table->scan_slot, leasing->now), leasing->now);
	queue_write_version(leasing->store, table);
	columns = read_columns(table->insert_slot);
	report_leased(leasing, &columns);
	return true;
}

/* Pauses a ready row if it is to be paused; returns whether it is. */
static bool
park_row(Leasing *leasing, Snapshot snapshot, TupleTableSlot *row)
{
	StoreTable *table = leasing->table;
	ItemPointerData tid = row->tts_tid;
	int64		pause_id;

	if (!store_any_pause())
		return false;
	pause_id = store_pause_of(leasing->store,
							  DatumGetInt64(slot_column(row, QUEUE_COL_EXECUTION_ID)),
							  type_in(row));
	if (pause_id == 0)
		return false;
	if (!limit_is_locked(row) && store_lock_row(table, &tid, snapshot, true, NULL))
	{
		pause_row(queue_new_version(table), pause_id);
		queue_write_version(leasing->store, table);
		leasing->parked++;
	}
	return true;
}

/* Leases ready rows of a portion of the types; returns whether there are more types. */
static bool
lease_portion(Leasing *leasing, TypeWalk *walk, const char **more, bool *skipped)
{
	const LeaseRequest *request = leasing->request;
	ReadyScan	ready;
	TupleTableSlot *row;
	bool		any = false;
	bool		held;

	ready_scan_open(&ready, leasing->store, !request->look_closely, walk, request->ntypes,
					request->types);
	while (*more == NULL && (row = ready_scan_next(&ready)) != NULL)
	{
		leasing->seen++;
		if (!may_lease(leasing, row) || park_row(leasing, ready.snapshot, row))
		{
			ready_consume(&ready);
			if (leasing->parked >= MOST_PARKED)
			{
				*skipped = true;
				*more = type_in(row);
			}
			continue;
		}
		lease_deferred(leasing, row);
		if (is_full(leasing))
			*more = slot_text(row, QUEUE_COL_NODE_TYPE);
		else if (ready_claim(&ready))
		{
			ready_consume(&ready);
			if (lease_row(leasing, ready.snapshot, row, &held))
				any = true;
			else
				*skipped = *skipped || held;
		}
	}
	leasing->behind = leasing->behind || ready.water.behind;
	*skipped = *skipped || ready.skipped || ready.water.again;
	ready_scan_close(&ready, any || leasing->parked > 0);
	return ready.more_types;
}

/* Leases ready rows of all types that are asked for, and notes when there is none. */
static void
lease_ready(Leasing *leasing, const char **more, bool *skipped)
{
	const LeaseRequest *request = leasing->request;
	Relation	queue = leasing->table->relation;
	ReadyNews	before = ready_news_read(queue);
	TypeWalk	walk;

	walk_begin(&walk);
	while (lease_portion(leasing, &walk, more, skipped) && *more == NULL)
		CHECK_FOR_INTERRUPTS();
	if (leasing->seen == 0 && !leasing->behind && pause_none())
	{
		INJECTION("ready-news");
		ready_news_found_none(queue, &before, leasing->now, request->ntypes, request->types);
	}
}

/*
 * Leases ready rows and tasks that were kept back (store/store.h).  Ready rows are not
 * looked for when it is known that there is none, and the tasks suffice.
 */
int
store_lease(Store *store, const LeaseRequest *request, const char **more, bool *skipped)
{
	Leasing		leasing;

	*more = NULL;
	*skipped = false;
	leasing.store = store;
	leasing.table = store_table(store, REL_QUEUE);
	leasing.request = request;
	leasing.now = GetCurrentTimestamp();
	leasing.leased = 0;
	leasing.parked = 0;
	leasing.seen = 0;
	leasing.behind = false;
	store_refresh_pauses();
	deferred_sort_tasks(store);
	if (store->deferred_tasks != NIL &&
		ready_news_none(leasing.table->relation, leasing.now, request->ntypes, request->types))
		lease_deferred(&leasing, NULL);
	if (!is_full(&leasing))
		lease_ready(&leasing, more, skipped);
	lease_deferred(&leasing, NULL);
	return leasing.leased;
}

/*
 * Returns whether there is a ready row (store/store.h).  A second, closer scan
 * is made when the first one may have missed rows of watched transactions.
 */
bool
store_any_ready(Store *store, int ntypes, char **types)
{
	ReadyScan	ready;
	TypeWalk	walk;
	bool		found = false;
	bool		again = true;

	deferred_write(store, REL_QUEUE);
	store_refresh_pauses();
	for (int try = 0; try < 2 && again && !found; try++)
	{
		again = false;
		walk_begin(&walk);
		do
		{
			CHECK_FOR_INTERRUPTS();
			ready_scan_open(&ready, store, false, &walk, ntypes, types);
			found = ready_scan_next(&ready) != NULL;
			again = again || ready.water.again;
			ready_scan_close(&ready, false);
		} while (!found && ready.more_types);
	}
	return found;
}
