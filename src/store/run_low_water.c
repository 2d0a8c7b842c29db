/*
 * store/run_low_water.c
 *		Where the queue rows of an execution's runs can begin.
 */
#include "common/common.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/memutils.h"

#include "store/full_scan.h"
#include "store/run_low_water.h"
#include "store/storage.h"

typedef struct RunMark
{
	int64		execution_id;
	int64		mark;			/* no queue row of its runs is below */
	TimestampTz next_full;		/* when all is read again, lest somebody meddled */
} RunMark;

#define RUN_MARKS			1024

static struct
{
	Oid			storage;		/* of the queue the marks are about */
	RunMark		marks[RUN_MARKS];
	RunMark	   *seen;			/* by this transaction */
	int			nseen;
	int			capacity;
}			run_marks;

/* Where the mark of an execution is kept. */
static RunMark *
run_mark_place(int64 execution_id)
{
	return &run_marks.marks[hash_bytes_uint32((uint32) execution_id ^
											  (uint32) (execution_id >> 32)) % RUN_MARKS];
}

/* What was seen through our own changes is true once they are committed. */
static void
run_marks_decided(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		for (int i = 0; i < run_marks.nseen; i++)
			*run_mark_place(run_marks.seen[i].execution_id) = run_marks.seen[i];
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		run_marks.nseen = 0;
}

/* A part of the changes is taken back: which marks came of it is not known. */
static void
run_marks_doubted(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		run_marks.nseen = 0;
}

/* See run_mark.h. */
int64
run_mark_begin(Relation queue, int64 execution_id)
{
	RunMark    *place = run_mark_place(execution_id);

	if (run_marks.storage != relation_storage(queue))
	{
		memset(run_marks.marks, 0, sizeof(run_marks.marks));
		run_marks.nseen = 0;
		run_marks.storage = relation_storage(queue);
	}
	if (place->execution_id != execution_id || GetCurrentTimestamp() >= place->next_full)
		return PG_INT64_MIN;
	return place->mark;
}

/* See run_mark.h. */
void
run_mark_end(int64 execution_id, int64 first)
{
	const RunMark *place = run_mark_place(execution_id);
	bool		known = place->execution_id == execution_id;
	TimestampTz now = GetCurrentTimestamp();
	RunMark    *seen;

	if (first == 0 || (known && first == place->mark && now < place->next_full))
		return;
	if (run_marks.nseen == run_marks.capacity)
	{
		if (run_marks.capacity == 0)
		{
			RegisterXactCallback(run_marks_decided, NULL);
			RegisterSubXactCallback(run_marks_doubted, NULL);
			run_marks.capacity = 64;
			run_marks.seen = MemoryContextAlloc(TopMemoryContext,
												run_marks.capacity * sizeof(RunMark));
		}
		else
			run_marks.nseen = 0;	/* enough is known of one transaction */
	}
	seen = &run_marks.seen[run_marks.nseen++];
	seen->execution_id = execution_id;
	seen->mark = first;
	seen->next_full = known && now < place->next_full ? place->next_full : now + FULL_SCAN_US;
}
