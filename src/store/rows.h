/*
 * store/rows.h
 *		A part of the door (store/store.h): tables, scans and rows as such.
 *
 * The files of this room work with them, and the comparison of the tables with
 * the log.  A table has two slots: scans leave the row that they found in
 * scan_slot, and a row that is going to be written is filled into insert_slot.
 */
#ifndef NOETL_STORE_ROWS_H
#define NOETL_STORE_ROWS_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"

#include "store/store.h"

/* ---------------------------------------------------------------------------
 * Relations
 * ---------------------------------------------------------------------------
 */

typedef enum StoreRelation
{
	/* tables */
	REL_EXECUTION,
	REL_WORKLOAD,
	REL_EVENT,
	REL_RUN,
	REL_ITEM,
	REL_PENDING,
	REL_QUEUE,
	/* indexes */
	REL_EXECUTION_PKEY,
	REL_EXECUTION_PARENT_IDX,
	REL_EXECUTION_DEADLINE_IDX,
	REL_WORKLOAD_PKEY,
	REL_EVENT_PKEY,
	REL_EVENT_RESULT_IDX,
	REL_RUN_PKEY,
	REL_RUN_DUE_IDX,
	REL_ITEM_PKEY,
	REL_PENDING_PKEY,
	REL_QUEUE_PKEY,
	REL_QUEUE_READY_IDX,
	REL_QUEUE_RUN_IDX,
	REL_QUEUE_RETRY_IDX,
	REL_QUEUE_LEASE_IDX,
	/* sequences */
	REL_ID_SEQ,
	REL_QUEUE_SEQ,
	REL_COUNT
} StoreRelation;

#define STORE_TABLES	(REL_QUEUE + 1)

/* Returns the OID of a relation; raises an error when it is not installed. */
extern Oid	store_relation(StoreRelation which);

/* Returns the partition of noetl.event that holds an execution's events. */
extern Oid	store_event_leaf(int64 execution_id);

/* Makes store_index return the event indexes of a partition. */
extern void store_use_event_leaf(Relation leaf);

/* Returns the index to scan. */
extern Oid	store_index(StoreRelation which);

/* ---------------------------------------------------------------------------
 * Tables
 * ---------------------------------------------------------------------------
 */

/* A table of a store. */
typedef struct StoreTable
{
	Relation	relation;		/* NULL: not open */
	bool		writable;		/* its indexes are open too */
	/* kept from one store to the next: */
	Oid			relid;
	uint64		described;		/* when that was */
	struct ResultRelInfo *result_rel;
	TupleTableSlot *insert_slot;
	TupleTableSlot *scan_slot;
	bool		indexed;		/* its indexes are known: */
	Oid		   *index_oids;
	TupleTableSlot **batch;		/* rows that are kept back (store/deferred.c) */
	int			nbatch;
} StoreTable;

/* Returns a table, opening it on first use.  Not for noetl.event. */
extern StoreTable *store_table(Store *store, StoreRelation which);

/* Returns the partition of noetl.event that holds an execution's events. */
extern StoreTable *store_event_table(Store *store, int64 execution_id);

/* Inserts the row in the insert slot. */
extern void store_write_insert(Store *store, StoreTable *table);

/* Replaces the row in "old", which the caller holds a lock on, by the one in "new". */
extern void store_write_update(Store *store, StoreTable *table, TupleTableSlot *old,
							   TupleTableSlot *new);

/* Deletes the row in "old", which the caller holds a lock on. */
extern void store_write_delete(Store *store, StoreTable *table, TupleTableSlot *old);

/*
 * Locks a version of a queue row; the scan slot then has the version that is
 * locked, which without "skip" is the newest.  Returns false when the row is
 * gone or, with "skip", when another transaction holds it (*held, if not NULL).
 */
extern bool store_lock_row(StoreTable *table, ItemPointer tid, Snapshot snapshot,
						   bool skip, bool *held);

/* ---------------------------------------------------------------------------
 * Index scans
 * ---------------------------------------------------------------------------
 */

typedef struct StoreScan
{
	Relation	index;
	IndexScanDesc scan;
	ScanDirection direction;
	TupleTableSlot *slot;		/* the table's scan slot */
} StoreScan;

/* Sets a key: equality on a bigint column of an index. */
extern void store_key_int64(ScanKey key, AttrNumber attribute, int64 value);

/* Sets a key: equality on a text column of an index, in the index's collation. */
extern void store_key_text(ScanKey key, AttrNumber attribute, Oid collation,
						   const char *value);

/* Opens a scan; the caller then passes its keys to index_rescan(scan->scan, …). */
extern void store_scan_open(StoreScan *scan, Store *store, StoreTable *table,
							StoreRelation index, Snapshot snapshot, int nkeys,
							ScanDirection direction);

/* Fetches the next row into the scan slot; returns false when there is none. */
extern bool store_scan_next(StoreScan *scan);

/* Closes a scan; the slot keeps its row until the next scan of the table. */
extern void store_scan_close(StoreScan *scan);

/* Fetches the first row that an index finds; returns false when there is none. */
extern bool store_fetch_first(Store *store, StoreTable *table, StoreRelation index,
							  Snapshot snapshot, ScanKey keys, int nkeys,
							  ScanDirection direction);

/* ---------------------------------------------------------------------------
 * New rows
 *
 * Fill a slot, for a row that is written or compared with a stored one.
 * ---------------------------------------------------------------------------
 */

/* A running execution. */
extern void store_fill_execution(TupleTableSlot *slot, const Execution *execution,
								 TimestampTz started_at);
/* What changes in that row when the execution ends. */
extern void store_fill_end(TupleTableSlot *slot, const char *status, const char *error,
						   const Jsonb *result, TimestampTz ended_at);
extern void store_fill_workload(TupleTableSlot *slot, int64 execution_id,
								TimestampTz created_at, const Jsonb *data);
extern void store_fill_run(TupleTableSlot *slot, int64 execution_id, const Run *run,
						   const Playbook *playbook, TimestampTz created_at);
extern void store_fill_item(TupleTableSlot *slot, int64 execution_id, const char *step_name,
							int index, JsonbValue *item);
/* A task, without its queue_id. */
extern void store_fill_task(TupleTableSlot *slot, const BrokerState *state, const Run *run);
/* The queue_id of a task: behind all others. */
extern void store_place_task(TupleTableSlot *slot);

#endif							/* NOETL_STORE_ROWS_H */
