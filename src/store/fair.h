/*
 * store/fair.h
 *		Fairness: ready tasks of one type and priority that have a fair_key are handed
 *		out key by key.
 *
 * The index of these tasks (queue_fair_idx) is ordered by type, priority, key and
 * queue_id.  When an old snapshot keeps entries of tasks that were leased, and the ready
 * ones are few, these are read by id instead (store/fair_window.h).
 *
 * A round goes through the keys that have ready tasks, in their order.  In round r a key
 * of weight w has floor((r + 1) * w) - floor(r * w) turns, one after the other: a key of
 * weight 1 has one, one of weight 0.5 has one in every other round.
 * Tasks of the type and priority without a key have one turn at the beginning of a
 * round.  So whatever another key has in the queue, a task waits no longer than a round
 * for each task of its own key that is before it.
 *
 * Whose turn it is is kept in shared memory, a place for each type and priority.
 * Sessions that lease at the same time take turns by comparing and setting that place.
 * When it is lost, a round begins anew.  Without shared memory each session has turns of
 * its own.
 */
#ifndef NOETL_STORE_FAIR_H
#define NOETL_STORE_FAIR_H

#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "store/low_water.h"
#include "store/store.h"

/* The indexes have the first 200 characters of a key; the broker writes no longer ones. */
#define FAIR_KEY_CHARACTERS		200
#define LONGEST_FAIR_KEY		804

/* The ready tasks with a key of one type and priority, in the order of their turns. */
typedef struct FairStream FairStream;

/* What a scan of the fair index needs. */
typedef struct FairScan
{
	Relation	queue;
	Relation	index;			/* by key */
	Store	   *store;
	LowWaterScan *water;
	Snapshot	snapshot;
	bool		skip_recent;	/* recent leases are skipped without a visit */
} FairScan;

/*
 * Returns whether the index may have entries.  Reads it when this session does not know.
 */
extern bool fair_any(Store *store);

/* Notes that this transaction writes a ready task with a key. */
extern void fair_note_write(void);

/* Finds the next type in the index after one ("": the first); false: there is none. */
extern bool fair_next_type(const FairScan *scan, const char *after, char **type);

/* Finds the highest priority of a type below one; false: there is none. */
extern bool fair_next_priority(const FairScan *scan, const char *type, int64 below,
							   int *priority);

/* Opens a stream of a type and a priority; the type has to last as long. */
extern FairStream *fair_open(const FairScan *scan, const char *type, int priority);

/*
 * Fetches the ready task whose turn it is, into the slot.  Returns false when there is
 * none.  *skipped is set when a recent lease was skipped.
 */
extern bool fair_fetch(FairStream *stream, TupleTableSlot *slot, bool *skipped);

/* Is the turn of the tasks without a key before that of the fetched one? */
extern bool fair_others_first(FairStream *stream);

/* Notes that a task without a key has had its turn. */
extern void fair_others_done(FairStream *stream);

/*
 * Takes the turn of the fetched task.  Returns false when another session has taken a
 * turn meanwhile: fetch again.
 */
extern bool fair_claim(FairStream *stream);

/* The fetched task is done with: the next fetch finds another one. */
extern void fair_consume(FairStream *stream);

extern void fair_close(FairStream *stream);

#endif							/* NOETL_STORE_FAIR_H */
