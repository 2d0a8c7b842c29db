/*
 * store/compare.h
 *		A part of the door (store/store.h): rows of a table, compared with expected
 *		ones and replaced by them; the log of an execution as a whole.
 */
#ifndef NOETL_STORE_COMPARE_H
#define NOETL_STORE_COMPARE_H

#include "store/store.h"
#include "utils/snapshot.h"

/* So many arrivals have room in the row of a run; the others are rows of noetl.arrival. */
#define ROW_ARRIVALS	8

/* A table in the course of a comparison. */
typedef struct StoreRows
{
	TupleTableSlot *expected;	/* the caller fills it (store_fill_…) */
	TupleTableSlot *found;		/* the row that was read */
	const int  *columns;		/* that are compared; 0 ends the list */
	Store	   *store;
	struct StoreTable *table;
	struct StoreScan *scan;		/* NULL: none */
	Snapshot	snapshot;		/* of the scan */
} StoreRows;

extern void store_rows_open(StoreRows *rows, Store *store, StoreRelation which,
							const int *columns);
/* Reads the row whose bigint primary key is "id"; returns false when there is none. */
extern bool store_rows_find(const StoreRows *rows, StoreRelation index, int64 id);

/* Scans the rows of an execution in the order of an index that begins with its id. */
extern void store_rows_scan(StoreRows *rows, StoreRelation index, int64 execution_id);
extern bool store_rows_next(StoreRows *rows);
extern void store_rows_end_scan(StoreRows *rows);
/*
 * Locks the newest version of the row that the scan has found, and reads it.
 * Returns false when the row is gone.
 */
extern bool store_rows_lock(StoreRows *rows);

/* Returns whether the compared columns of the expected and the found row are equal. */
extern bool store_rows_equal(const StoreRows *rows);
/*
 * Returns the compared columns of the expected row (found: of the found one) as an
 * object: all, or (different) those in which the two rows differ.
 */
extern Jsonb *store_rows_describe(const StoreRows *rows, bool found, bool different);

/* Replaces the found row by the expected one. */
extern void store_rows_update(const StoreRows *rows);
/* Writes the expected row as a new one. */
extern void store_rows_insert(const StoreRows *rows);
/* Deletes the found row. */
extern void store_rows_delete(const StoreRows *rows);

/*
 * Fill the slot of a row, be it a new one or one that is only compared.
 * store_fill_end() changes what the end of an execution changes.
 */
extern void store_fill_execution(TupleTableSlot *slot, const Execution *execution,
								 TimestampTz started_at);
extern void store_fill_end(TupleTableSlot *slot, const char *status, const char *error,
						   const Jsonb *result, TimestampTz ended_at);
extern void store_fill_workload(TupleTableSlot *slot, int64 execution_id,
								TimestampTz created_at, const Jsonb *data);
extern void store_fill_run(TupleTableSlot *slot, int64 execution_id, const Run *run,
						   const Playbook *playbook, TimestampTz created_at);
extern void store_fill_arrival(TupleTableSlot *slot, int64 execution_id, const Run *run,
							   int number, const Arrival *arrival, const Playbook *playbook);
extern void store_fill_item(TupleTableSlot *slot, int64 execution_id, const char *step_name,
							int visit, int index, JsonbValue *item);
extern void store_fill_signal(TupleTableSlot *slot, int64 execution_id, const SignalRow *row);
/* Fills a queue row without a place in the queue; store_place_task() gives it the last. */
extern void store_fill_task(TupleTableSlot *slot, const BrokerState *state, const Run *run);
extern void store_place_task(TupleTableSlot *slot);

/* Where an event is in the log. */
typedef struct LogPlace
{
	TimestampTz created_at;
	int64		event_id;
	bool		recalled;		/* for replay: the broker's own, decided again already */
	bool		undecided;		/* stored while the triggers were off */
} LogPlace;

/*
 * Returns where the events of an execution are, in the order in which they were
 * written; *count: how many there are.
 */
extern LogPlace *store_list_log(Store *store, int64 execution_id, int64 *count);

#endif							/* NOETL_STORE_COMPARE_H */
