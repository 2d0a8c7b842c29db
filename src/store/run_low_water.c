/*
 * store/run_low_water.c
 *		The low-water marks of executions' runs.
 */
#include "common/common.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/memutils.h"

#include "store/full_scan.h"
#include "store/run_low_water.h"
#include "store/storage.h"

typedef struct RunLowWater
{
	int64		execution_id;
	int64		mark;			/* no queue row of its runs is below */
	TimestampTz next_full;		/* when the next full scan is due */
} RunLowWater;

/* Executions with the same hash value share a place; the last one has it. */
#define RUN_LOW_WATERS		1024

/* At most this many marks are noted in one transaction. */
#define SEEN_CAPACITY		64

static struct
{
	Oid			storage;		/* of the queue that the marks are about */
	RunLowWater marks[RUN_LOW_WATERS];
	RunLowWater *seen;			/* by this transaction, in order */
	int			nseen;
}			run_low_water;

/* Returns the place for the mark of an execution. */
static RunLowWater *
run_low_water_place(int64 execution_id)
{
	return &run_low_water.marks[hash_bytes_uint32((uint32) execution_id ^
												  (uint32) (execution_id >> 32)) % RUN_LOW_WATERS];
}

/* Transaction callback: what a transaction has seen becomes known when it commits. */
static void
run_low_water_decided(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		for (int i = 0; i < run_low_water.nseen; i++)
			*run_low_water_place(run_low_water.seen[i].execution_id) = run_low_water.seen[i];
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		run_low_water.nseen = 0;
}

/*
 * Subtransaction callback: forgets all that the transaction has seen, since it
 * is not known which marks depend on the changes that are rolled back.
 */
static void
run_low_water_doubted(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		run_low_water.nseen = 0;
}

/* Begins a scan of an execution's runs (store/run_low_water.h). */
int64
run_low_water_begin(Relation queue, int64 execution_id)
{
	RunLowWater *place = run_low_water_place(execution_id);

	if (run_low_water.storage != relation_storage(queue))
	{
		memset(run_low_water.marks, 0, sizeof(run_low_water.marks));
		run_low_water.nseen = 0;
		run_low_water.storage = relation_storage(queue);
	}
	if (place->execution_id != execution_id || GetCurrentTimestamp() >= place->next_full)
		return PG_INT64_MIN;
	return place->mark;
}

/* Returns an entry for what this transaction sees; the first call makes room. */
static RunLowWater *
next_seen(void)
{
	if (run_low_water.seen == NULL)
	{
		RegisterXactCallback(run_low_water_decided, NULL);
		RegisterSubXactCallback(run_low_water_doubted, NULL);
		run_low_water.seen = MemoryContextAlloc(TopMemoryContext,
												SEEN_CAPACITY * sizeof(RunLowWater));
	}
	/* a mark that is forgotten only makes a later scan longer */
	if (run_low_water.nseen == SEEN_CAPACITY)
		run_low_water.nseen = 0;
	return &run_low_water.seen[run_low_water.nseen++];
}

/* Ends a scan of an execution's runs (store/run_low_water.h). */
void
run_low_water_end(int64 execution_id, int64 first)
{
	const RunLowWater *place = run_low_water_place(execution_id);
	bool		known = place->execution_id == execution_id;
	TimestampTz now = GetCurrentTimestamp();
	RunLowWater *seen;

	if (first == 0 || (known && first == place->mark && now < place->next_full))
		return;
	seen = next_seen();
	seen->execution_id = execution_id;
	seen->mark = first;
	seen->next_full = known && now < place->next_full ? place->next_full : now + FULL_SCAN_US;
}

/* Notes that a row has been deleted (store/run_low_water.h). */
void
run_low_water_closed(int64 execution_id, int64 queue_id)
{
	RunLowWater known = *run_low_water_place(execution_id);

	for (int i = 0; i < run_low_water.nseen; i++)
		if (run_low_water.seen[i].execution_id == execution_id)
			known = run_low_water.seen[i];
	if (known.execution_id != execution_id || known.mark != queue_id)
		return;
	known.mark++;
	*next_seen() = known;
}
