/*
 * store/fair_window.c
 *		Ready tasks with a fair_key, read by id (store/fair_window.h).
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "store/fair_window.h"
#include "store/low_water.h"
#include "store/recent_leases.h"
#include "store/slot.h"
#include "store/store.h"
#include "store/table.h"

/* More tasks than these are not read. */
#define MOST_TASKS			256

typedef struct WindowTask
{
	const char *key;
	int64		queue_id;
	ItemPointerData tid;
} WindowTask;

struct FairWindow
{
	FairScan	scan;
	Oid			collation;		/* of the keys */
	StrategyNumber strategy;	/* of the search, */
	char		key[LONGEST_FAIR_KEY];	/* its key, */
	int64		after;			/* and the id that it goes on behind */
	int			ntasks;
	WindowTask	tasks[MOST_TASKS];
};

/* Adds the task in a slot. */
static void
add_task(FairWindow *window, TupleTableSlot *slot, int64 queue_id)
{
	WindowTask *task = &window->tasks[window->ntasks++];
	Datum		key = DirectFunctionCall2(text_left, slot_column(slot, QUEUE_COL_FAIR_KEY),
										  Int32GetDatum(FAIR_KEY_CHARACTERS));

	task->key = TextDatumGetCString(key);
	task->queue_id = queue_id;
	task->tid = slot->tts_tid;
}

/* Begins the index scan of a type and a priority at an id. */
static IndexScanDesc
begin_scan(const FairScan *scan, Relation index, const char *type, int priority, int64 from)
{
	IndexScanDesc by_id = index_scan_begin(scan->queue, index, scan->snapshot, 3);
	ScanKeyData keys[3];

	store_key_text(&keys[0], 1, index->rd_indcollation[0], type);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(priority));
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(from));
	by_id->xs_want_itup = true;
	index_rescan(by_id, keys, 3, NULL, 0);
	return by_id;
}

/* Reads all ready tasks of a type and a priority (store/fair_window.h). */
FairWindow *
fair_window_read(const FairScan *scan, const char *type, int priority, TupleTableSlot *slot,
				 bool *skipped)
{
	int64		mark = low_water_begin(scan->water, type, FAIR_KIND(priority));
	Relation	index = store_open_index(scan->store, REL_QUEUE_FAIR_ID_IDX);
	IndexScanDesc by_id = begin_scan(scan, index, type, priority, mark);
	FairWindow *window = palloc(sizeof(FairWindow));
	int64		first_ready = 0;
	bool		all = false;

	window->scan = *scan;
	window->collation = scan->index->rd_indcollation[2];
	window->ntasks = 0;
	while (window->ntasks < MOST_TASKS && !all)
	{
		RecentLeaseState state = RECENT_LEASE_UNKNOWN;
		int64		queue_id;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		all = index_getnext_tid(by_id, ForwardScanDirection) == NULL;
		if (all)
			break;
		queue_id = DatumGetInt64(index_getattr(by_id->xs_itup, 3, by_id->xs_itupdesc, &isnull));
		/* a full scan visits all rows, for those that were changed by hand */
		if (scan->skip_recent && mark != PG_INT64_MIN)
			state = recent_lease_state(scan->queue, queue_id);
		if (state == RECENT_LEASE_UNKNOWN && !index_fetch_heap(by_id, slot))
			continue;
		/* a row that is held is ready again when its transaction rolls back */
		if (state != RECENT_LEASE_GONE && first_ready == 0)
			first_ready = queue_id;
		if (state == RECENT_LEASE_UNKNOWN)
			add_task(window, slot, queue_id);
		else
			*skipped = true;
	}
	index_endscan(by_id);
	low_water_end(scan->water, type, FAIR_KIND(priority), first_ready);
	if (all)
		return window;
	pfree(window);
	return NULL;
}

/* Says where the next task is looked for (store/fair_window.h). */
void
fair_window_seek(FairWindow *window, StrategyNumber strategy, const char *key, int64 after)
{
	window->strategy = strategy;
	strlcpy(window->key, key, LONGEST_FAIR_KEY);
	window->after = after;
}

/* Compares keys as the index does. */
static int
compare_keys(const FairWindow *window, const char *a, const char *b)
{
	return varstr_cmp(a, strlen(a), b, strlen(b), window->collation);
}

/* Returns whether the search is for a task. */
static bool
is_searched(const FairWindow *window, const WindowTask *task)
{
	int			order = compare_keys(window, task->key, window->key);

	if (order == 0)
		return window->strategy != BTGreaterStrategyNumber && task->queue_id > window->after;
	return order > 0 && window->strategy != BTEqualStrategyNumber;
}

/* Fetches the next task (store/fair_window.h). */
bool
fair_window_next(FairWindow *window, TupleTableSlot *slot, char *key, int64 *id)
{
	const WindowTask *first = NULL;
	ItemPointerData tid;

	for (int i = 0; i < window->ntasks; i++)
	{
		const WindowTask *task = &window->tasks[i];

		/* the tasks are in the order of their ids */
		if (is_searched(window, task) &&
			(first == NULL || compare_keys(window, task->key, first->key) < 0))
			first = task;
	}
	if (first == NULL)
		return false;
	tid = first->tid;
	if (!table_tuple_fetch_row_version(window->scan.queue, &tid, window->scan.snapshot, slot))
		elog(ERROR, "a row of the queue that has been read is gone");
	strlcpy(key, first->key, LONGEST_FAIR_KEY);
	*id = first->queue_id;
	if (window->strategy != BTEqualStrategyNumber)
		strlcpy(window->key, first->key, LONGEST_FAIR_KEY);
	window->after = first->queue_id;
	/* behind this task, the same key goes on */
	if (window->strategy == BTGreaterStrategyNumber)
		window->strategy = BTGreaterEqualStrategyNumber;
	return true;
}
