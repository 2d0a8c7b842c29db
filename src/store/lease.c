/*
 * store/lease.c
 *		Leasing: which tasks are ready, and those that are leased as they come
 *		into being.
 *
 * Who completes a task and leases the next in one call mostly gets the one that
 * the first has made ready.  While a call has said that it will lease, tasks are
 * kept back, and the lease writes those it takes as leased at once: one version
 * of the row instead of two, and no entry in the index of ready rows.  Whoever
 * looks at the queue meanwhile has them written first.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/itup.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/low_water.h"
#include "store/store.h"
#include "store/internal.h"
#include "store/queue_row.h"
#include "store/slot.h"
#include "store/recent_leases.h"

/* ---------------------------------------------------------------------------
 * Tasks that are not written yet
 * ---------------------------------------------------------------------------
 */

/* One of them. */
typedef struct DeferredTask
{
	HeapTuple	row;
	int64		queue_id;
	int			priority;
} DeferredTask;

/* See store.h.  Triggers would see rows come and change; they shall. */
void
store_defer_tasks(Store *store)
{
	Deferred   *deferred = store_deferred(store);

	if (store_table(store, REL_QUEUE)->result_rel->ri_TrigDesc == NULL)
		deferred->memory = CurrentMemoryContext;
}

/* See store_queue.h. */
bool
queue_defer(Store *store, StoreTable *table)
{
	Deferred   *deferred = store_deferred(store);
	TupleTableSlot *slot = table->insert_slot;
	MemoryContext old;
	DeferredTask *task;

	if (deferred->memory == NULL)
		return false;
	store_set_defaults(store, table);
	ExecStoreVirtualTuple(slot);
	old = MemoryContextSwitchTo(deferred->memory);
	task = palloc(sizeof(DeferredTask));
	task->row = ExecCopySlotHeapTuple(slot);
	task->queue_id = DatumGetInt64(slot_column(slot, QUEUE_COL_QUEUE_ID));
	task->priority = DatumGetInt32(slot_column(slot, QUEUE_COL_PRIORITY));
	deferred->tasks = lappend(deferred->tasks, task);
	MemoryContextSwitchTo(old);
	return true;
}

/* See store_queue.h. */
bool
queue_forget(Store *store, int64 queue_id)
{
	Deferred   *deferred = store_deferred(store);
	ListCell   *lc;

	foreach(lc, deferred->tasks)
		if (((DeferredTask *) lfirst(lc))->queue_id == queue_id)
		{
			deferred->tasks = list_delete_ptr(deferred->tasks, lfirst(lc));
			return true;
		}
	return false;
}

/* Fills the insert slot from a task that was kept back. */
static TupleTableSlot *
fill_slot(StoreTable *table, const DeferredTask *task)
{
	TupleTableSlot *slot = table->insert_slot;

	ExecClearTuple(slot);
	heap_deform_tuple(task->row, slot->tts_tupleDescriptor, slot->tts_values,
					  slot->tts_isnull);
	return ExecStoreVirtualTuple(slot);
}

/* See store_internal.h. */
void
queue_write_deferred(Store *store)
{
	Deferred   *deferred = store_deferred(store);
	StoreTable *table;
	List	   *tasks = deferred->tasks;
	ListCell   *lc;

	if (tasks == NIL)
		return;
	deferred->tasks = NIL;
	table = store_table(store, REL_QUEUE);
	foreach(lc, tasks)
	{
		(void) fill_slot(table, (DeferredTask *) lfirst(lc));
		store_write_insert(store, table);
	}
}

/* Which of two tasks is to be leased first. */
static int
compare_deferred(const ListCell *a, const ListCell *b)
{
	const DeferredTask *left = (const DeferredTask *) lfirst(a);
	const DeferredTask *right = (const DeferredTask *) lfirst(b);

	if (left->priority != right->priority)
		return left->priority > right->priority ? -1 : 1;
	return left->queue_id < right->queue_id ? -1 : left->queue_id > right->queue_id;
}

/* ---------------------------------------------------------------------------
 * Ready rows
 * ---------------------------------------------------------------------------
 */

/*
 * The index goes by type, priority and queue_id.  Each type is a stream of rows,
 * highest priority first; of those the best is taken.  Which priorities there are
 * (and, for who takes any, which types) is asked of the index, entry after entry;
 * within a priority a stream begins at its low-water mark.
 */
typedef struct ReadyStream
{
	const char *type;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		has_row;		/* in the slot */
	bool		exhausted;
	bool		in_range;		/* reads this priority: */
	int			priority;
	int64		first_ready;	/* of it; 0: none so far */
	bool		doubtful;		/* rows may have been changed by hand */
} ReadyStream;

typedef struct ReadyScan
{
	StoreTable *table;
	Relation	index;
	Snapshot	snapshot;
	LowWaterScan water;
	bool		skip_taken;		/* without looking at the rows */
	bool		skipped;
	int			nstreams;
	ReadyStream *streams;
} ReadyScan;

/* More types than this are looked for among those that there are. */
#define FEW_TYPES			8

/* An index scan with four keys.  It is no small thing: a page and more of memory. */
static IndexScanDesc
begin_scan(const ReadyScan *ready)
{
	IndexScanDesc scan;

#if PG_VERSION_NUM >= 180000
	scan = index_beginscan(ready->table->relation, ready->index, ready->snapshot, NULL, 4, 0);
#else
	scan = index_beginscan(ready->table->relation, ready->index, ready->snapshot, 4, 0);
#endif
	scan->xs_want_itup = true;
	return scan;
}

/* Conditions on type and priority (both ends included) and queue_id (at least "id"). */
static void
rescan(const ReadyScan *ready, IndexScanDesc scan, StrategyNumber by_type, const char *type,
	   int highest, int lowest, int64 id)
{
	ScanKeyData keys[4];

	ScanKeyEntryInitialize(&keys[0], 0, 1, by_type, InvalidOid, ready->index->rd_indcollation[0],
						   by_type == BTEqualStrategyNumber ? F_TEXTEQ :
						   by_type == BTGreaterStrategyNumber ? F_TEXT_GT : F_TEXT_GE,
						   CStringGetTextDatum(type));
	/* only behind an equality does the next column say where to begin */
	if (highest == lowest)
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(highest));
	else
		ScanKeyInit(&keys[1], 2, BTLessEqualStrategyNumber, F_INT4LE, Int32GetDatum(highest));
	ScanKeyInit(&keys[2], 2, BTGreaterEqualStrategyNumber, F_INT4GE, Int32GetDatum(lowest));
	ScanKeyInit(&keys[3], 3, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(id));
	index_rescan(scan, keys, 4, NULL, 0);
}

/* A column of the first entry, dead or alive, that a scan finds; false: none. */
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

/* Is this type among those asked for? */
static bool
type_wanted(const char *type, int ntypes, char **types)
{
	bool		wanted = ntypes == 0;

	for (int i = 0; i < ntypes && !wanted; i++)
		wanted = strcmp(types[i], type) == 0;
	return wanted;
}

/* One more stream. */
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
	/* rows are locked and changed in the table's own slot */
	stream->slot = MakeSingleTupleTableSlot(ready->table->scan_slot->tts_tupleDescriptor,
											ready->table->scan_slot->tts_ops);
}

/* The streams for the types that are asked for. */
static void
find_streams(ReadyScan *ready, int ntypes, char **types)
{
	StrategyNumber strategy = BTGreaterEqualStrategyNumber;
	IndexScanDesc scan;
	Datum		next;
	char	   *type = "";

	if (ntypes > 0 && ntypes <= FEW_TYPES)
	{
		for (int i = 0; i < ntypes; i++)
			if (i == 0 || !type_wanted(types[i], i, types))
				add_stream(ready, types[i]);
		return;
	}
	scan = begin_scan(ready);
	for (;;)
	{
		rescan(ready, scan, strategy, type, PG_INT32_MAX, PG_INT32_MIN, PG_INT64_MIN);
		strategy = BTGreaterStrategyNumber;
		if (!probe(scan, 1, &next))
			break;
		type = TextDatumGetCString(next);
		if (type_wanted(type, ntypes, types))
			add_stream(ready, type);
	}
	index_endscan(scan);
}

/* Everything committed up to now, and all of our own, is seen. */
static void
ready_scan_open(ReadyScan *ready, Store *store, bool skip_taken, int ntypes, char **types)
{
	ready->table = store_table(store, REL_QUEUE);
	ready->index = store_open_index(store, REL_QUEUE_READY_IDX);
	ready->nstreams = 0;
	ready->skip_taken = skip_taken;
	ready->skipped = false;
	low_water_open(&ready->water, ready->table->relation, !skip_taken);
	CommandCounterIncrement();
	ready->snapshot = RegisterSnapshot(GetLatestSnapshot());
	find_streams(ready, ntypes, types);
}

/*
 * Goes on to the next lower priority of a stream; false: there is none.  The index
 * is asked for those that are not known: a page of it is read to its end, unless
 * the gap between two priorities ends before.
 */
static bool
begin_range(ReadyScan *ready, ReadyStream *stream)
{
	int64		below = stream->scan == NULL ? NO_PRIORITY_ABOVE : stream->priority;
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
		return false;
	stream->first_ready = 0;
	stream->in_range = true;
	mark = low_water_begin(&ready->water, stream->type, stream->priority);
	stream->doubtful = mark == PG_INT64_MIN;
	rescan(ready, stream->scan, BTEqualStrategyNumber, stream->type, stream->priority,
		   stream->priority, mark);
	return true;
}

/* The id that the scan has come to, and whether its row can be passed over. */
static bool
can_skip(ReadyScan *ready, ReadyStream *stream, int64 *queue_id)
{
	TakenState	state;
	bool		isnull;

	*queue_id = DatumGetInt64(index_getattr(stream->scan->xs_itup, 3,
											stream->scan->xs_itupdesc, &isnull));
	if (!ready->skip_taken || stream->doubtful)
		return false;
	state = taken_state(ready->table->relation, *queue_id);
	/* what is held may come back */
	if (state == TAKEN_HELD && stream->first_ready == 0)
		stream->first_ready = *queue_id;
	ready->skipped = ready->skipped || state != TAKEN_UNKNOWN;
	return state != TAKEN_UNKNOWN;
}

/* Fetches the next row within the range; false: there is none. */
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

/* Fetches the next row of a stream, if there is one. */
static void
advance(ReadyScan *ready, ReadyStream *stream)
{
	while (!stream->has_row && !stream->exhausted)
	{
		CHECK_FOR_INTERRUPTS();
		if (!stream->in_range && !begin_range(ready, stream))
			stream->exhausted = true;
		else if (fetch_row(ready, stream))
			stream->has_row = true;
		else
		{
			low_water_end(&ready->water, stream->type, stream->priority, stream->first_ready);
			stream->in_range = false;
		}
	}
}

/* Is the row of one stream to be leased before that of another? */
static bool
comes_before(const ReadyStream *a, const ReadyStream *b)
{
	return a->priority != b->priority ? a->priority > b->priority :
		DatumGetInt64(slot_column(a->slot, QUEUE_COL_QUEUE_ID)) <
		DatumGetInt64(slot_column(b->slot, QUEUE_COL_QUEUE_ID));
}

/* The next ready row, or NULL. */
static TupleTableSlot *
ready_scan_next(ReadyScan *ready)
{
	ReadyStream *best = NULL;

	for (int i = 0; i < ready->nstreams; i++)
	{
		ReadyStream *stream = &ready->streams[i];

		advance(ready, stream);
		if (stream->has_row && (best == NULL || comes_before(stream, best)))
			best = stream;
	}
	if (best == NULL)
		return NULL;
	best->has_row = false;
	return best->slot;
}

/* Ends the scan and tells what it saw. */
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
		ExecDropSingleTupleTableSlot(stream->slot);
	}
	if (ready->nstreams > 0)
		pfree(ready->streams);
	UnregisterSnapshot(ready->snapshot);
	low_water_close(&ready->water, leased);
}

/*
 * When the attempt that a lease begins, or goes on with, has to be over; 0: it
 * has all the time it wants.
 */
static TimestampTz
attempt_deadline(TupleTableSlot *slot, TimestampTz now)
{
	TimestampTz deadline = DatumGetTimestampTz(slot_column(slot, QUEUE_COL_DEADLINE));
	int64		timeout;

	if (deadline != 0)
		return deadline;
	timeout = queue_read_timeout(slot);
	return timeout > 0 ? now + timeout : 0;
}

/* ---------------------------------------------------------------------------
 * Leasing
 * ---------------------------------------------------------------------------
 */

/* A lease that is being made. */
typedef struct Leasing
{
	Store	   *store;
	StoreTable *table;
	const LeaseRequest *request;
	TimestampTz now;
	int			leased;
} Leasing;

/* Has it all that was asked for? */
static bool
is_full(const Leasing *leasing)
{
	return leasing->leased >= leasing->request->max_tasks;
}

/* The type of the task in a slot. */
static const char *
type_in(TupleTableSlot *slot)
{
	return slot_text(slot, QUEUE_COL_NODE_TYPE);
}

/* The first task that was kept back, if it comes before the row; NULL: any. */
static DeferredTask *
next_deferred(const Leasing *leasing, TupleTableSlot *row)
{
	List	   *tasks = store_deferred(leasing->store)->tasks;
	ListCell   *lc;

	foreach(lc, tasks)
	{
		DeferredTask *task = (DeferredTask *) lfirst(lc);
		TupleTableSlot *slot;

		if (row != NULL)
		{
			int			priority = DatumGetInt32(slot_column(row, QUEUE_COL_PRIORITY));

			if (task->priority < priority ||
				(task->priority == priority && task->queue_id >
				 DatumGetInt64(slot_column(row, QUEUE_COL_QUEUE_ID))))
				return NULL;
		}
		slot = fill_slot(leasing->table, task);
		if (type_wanted(type_in(slot), leasing->request->ntypes, leasing->request->types))
			return task;
	}
	return NULL;
}

/* Writes tasks that come before the row as leased. */
static void
lease_deferred(Leasing *leasing, TupleTableSlot *row)
{
	Deferred   *deferred = store_deferred(leasing->store);
	const LeaseRequest *request = leasing->request;
	DeferredTask *task;

	while (!is_full(leasing) && (task = next_deferred(leasing, row)) != NULL)
	{
		TupleTableSlot *slot = fill_slot(leasing->table, task);

		deferred->tasks = list_delete_ptr(deferred->tasks, task);
		queue_set_lease(slot, request->worker_id, 1, leasing->now + request->lease_us,
						attempt_deadline(slot, leasing->now), leasing->now);
		store_write_insert(leasing->store, leasing->table);
		if (request->taken != NULL)
			request->taken(type_in(slot));
		request->callback(request->arg, slot);
		leasing->leased++;
	}
}

/* May a row be leased now? */
static bool
may_lease(const Leasing *leasing, TupleTableSlot *slot)
{
	TimestampTz deadline;

	if (DatumGetTimestampTz(slot_column(slot, QUEUE_COL_AVAILABLE_AT)) > leasing->now)
		return false;
	/* what is overdue is the reaper's */
	deadline = attempt_deadline(slot, leasing->now);
	return deadline == 0 || deadline > leasing->now;
}

/* Leases a row; false: it is gone, or (*held) somebody has it. */
static bool
lease_row(Leasing *leasing, Snapshot snapshot, TupleTableSlot *row, bool *held)
{
	StoreTable *table = leasing->table;
	ItemPointerData tid = row->tts_tid;
	const LeaseRequest *request = leasing->request;

	if (!store_lock_row(table, &tid, snapshot, true, held))
		return false;
	taken_note(table->relation,
			   DatumGetInt64(slot_column(table->scan_slot, QUEUE_COL_QUEUE_ID)));
	queue_set_lease(queue_new_version(table), request->worker_id,
					DatumGetInt32(slot_column(table->scan_slot, QUEUE_COL_ATTEMPTS)) + 1,
					leasing->now + request->lease_us,
					attempt_deadline(table->scan_slot, leasing->now), leasing->now);
	queue_write_version(leasing->store, table);
	request->callback(request->arg, table->insert_slot);
	leasing->leased++;
	return true;
}

/* See store.h. */
int
store_lease(Store *store, const LeaseRequest *request, const char **more, bool *skipped)
{
	ReadyScan	ready;
	Leasing		leasing;
	TupleTableSlot *row;
	bool		any = false;
	bool		held;

	*more = NULL;
	*skipped = false;
	leasing.store = store;
	leasing.table = store_table(store, REL_QUEUE);
	leasing.request = request;
	leasing.now = GetCurrentTimestamp();
	leasing.leased = 0;
	list_sort(store_deferred(store)->tasks, compare_deferred);
	ready_scan_open(&ready, store, !request->look_closely, request->ntypes, request->types);
	while (*more == NULL && (row = ready_scan_next(&ready)) != NULL)
	{
		if (!may_lease(&leasing, row))
			continue;
		lease_deferred(&leasing, row);
		if (is_full(&leasing))
			*more = slot_text(row, QUEUE_COL_NODE_TYPE);
		else if (lease_row(&leasing, ready.snapshot, row, &held))
			any = true;
		else
			*skipped = *skipped || held;
	}
	*skipped = *skipped || ready.skipped || ready.water.again;
	ready_scan_close(&ready, any);
	lease_deferred(&leasing, NULL);
	return leasing.leased;
}

/* See store.h. */
bool
store_any_ready(Store *store, int ntypes, char **types)
{
	ReadyScan	ready;
	bool		found = false;

	queue_write_deferred(store);
	for (int try = 0; try == 0 || (try == 1 && !found && ready.water.again); try++)
	{
		ready_scan_open(&ready, store, false, ntypes, types);
		found = ready_scan_next(&ready) != NULL;
		ready_scan_close(&ready, false);
	}
	return found;
}
