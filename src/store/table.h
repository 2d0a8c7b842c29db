/*
 * store/table.h
 *		Open tables, index scans and writes, for the files of this room.
 *
 * A table has two slots: scans leave the row that they found in scan_slot, and a
 * row that is going to be written is filled into insert_slot.
 */
#ifndef NOETL_STORE_TABLE_H
#define NOETL_STORE_TABLE_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"

#include "store/store.h"

/* ---------------------------------------------------------------------------
 * Tables
 * ---------------------------------------------------------------------------
 */

/* A table of a store. */
typedef struct StoreTable
{
	Relation	relation;		/* NULL: not open */
	bool		writable;		/* all its indexes are open too */
	/* kept from one store to the next: */
	Oid			relid;
	uint64		described;		/* when that was */
	ResultRelInfo *result_rel;
	TupleTableSlot *insert_slot;
	TupleTableSlot *scan_slot;
	struct StatementTriggers *statement;	/* of users, or NULL (store/statement.c) */
	struct Constraints *constraints;	/* (store/constraint.c) */
	List	   *defaults;		/* ColumnDefault * of columns that users have added */
	bool		indexed;		/* its indexes are known: */
	Oid		   *index_oids;
	struct Predicate **predicates;	/* of each index, or NULL (store/predicate.c) */
	struct IndexKeys *keys;		/* of the row that is written (store/index.c) */
	bool		simple_indexes; /* none checks anything later */
	TupleTableSlot **batch;		/* rows that are kept back (store/deferred.c) */
	uint64	   *batch_indexes;	/* that they belong into */
	int			nbatch;
} StoreTable;

/* Returns a table, opening it on first use.  Not for noetl.event. */
extern StoreTable *store_table(Store *store, StoreRelation which);

/* Returns the partition of noetl.event that holds an execution's events. */
extern StoreTable *store_event_table(Store *store, int64 execution_id);

/*
 * Sets those columns of the insert slot that users have added to their defaults.
 * The values live until the row is written.
 */
extern void store_set_defaults(Store *store, StoreTable *table);

/* Inserts the row in the insert slot. */
extern void store_write_insert(Store *store, StoreTable *table);

/* Returns whether triggers of users may fire when a table is written. */
extern bool store_has_triggers(const StoreTable *table);

/*
 * Inserts the row in the insert slot unless a unique index has one like it; returns
 * whether it is inserted.  Waits for a transaction that is just inserting one.  For
 * tables without triggers of users.
 */
extern bool store_write_new(Store *store, StoreTable *table, StoreRelation unique);

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

/* Begins a scan of an index, whose keys index_rescan() sets. */
extern IndexScanDesc index_scan_begin(Relation table, Relation index, Snapshot snapshot,
									  int nkeys);

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
 * The log of an execution (store/log.c)
 * ---------------------------------------------------------------------------
 */

/* A walk through the events of an execution, by their ids. */
typedef struct LogScan
{
	StoreScan	scan;
	MemoryContext memory;		/* emptied before the next event is read */
} LogScan;

extern void log_scan_open(LogScan *log, Store *store, int64 execution_id,
						  ScanDirection direction);

/*
 * Reads the next event without its large columns, into memory that lasts until the next
 * call; returns false when there is none.  The row itself is in log->scan.slot.
 */
extern bool log_scan_next(LogScan *log, Event *event);
extern void log_scan_close(LogScan *log);

/* ---------------------------------------------------------------------------
 * Stores
 * ---------------------------------------------------------------------------
 */

struct Store
{
	MemoryContext memory;		/* holds all of this */
	EState	   *estate;
	uint64		generation;		/* when it was made */
	int			redescribed;	/* how often, for another event partition */
	int			nest_level;		/* of the transaction that uses it */
	Oid			event_leaf;
	Oid			event_root;		/* noetl.event, of which event_leaf is a partition */
	StoreTable	tables[STORE_TABLES];
	Relation   *opened;			/* the indexes that are open */
	int			nopened;
	int			most_opened;	/* there is room for so many */
	MemoryContext deferred_memory;	/* of the tasks; NULL: tasks are not kept back */
	List	   *deferred_tasks; /* DeferredTask * (store/deferred.c) */
	int			slots_taken;	/* by the task that is inserted just now */
	ItemPointerData locked_task;	/* read under its execution's lock (store/queue.c), */
	CommandId	locked_command; /* by this command */
	Store	   *next;			/* in its list */
};

/* Returns whether rows of a table need nothing but their constraints and indexes. */
extern bool store_is_plain(const StoreTable *table);

/* Raises an error when the row in a slot violates a constraint of the table. */
extern void store_check_row(Store *store, StoreTable *table, TupleTableSlot *slot);

/* Opens all indexes of a table whose rows are going to be updated. */
extern void store_open_indexes(Store *store, StoreTable *table);

/* Returns an index for scans; it stays open as long as the store. */
extern Relation store_open_index(Store *store, StoreRelation which);

/*
 * Fetches a version that an entry of an index leads to, and that a snapshot sees, into the
 * scan slot; returns false when there is none.
 */
extern bool store_fetch_entry(StoreTable *table, ItemPointerData tid, Snapshot snapshot);

/* Fetches the row with a bigint primary key; returns false when there is none. */
extern bool store_fetch_by_id(Store *store, StoreTable *table, StoreRelation index, int64 id);

/*
 * Begins a new version of a stored event, and returns its slot.  Raises an error when the
 * event is missing.  store_write_event_version() writes it.
 */
extern TupleTableSlot *store_begin_event_version(Store *store, int64 execution_id,
												 int64 event_id);
extern void store_write_event_version(Store *store);

/* Reads an event without its large columns; returns false when it is not stored. */
extern bool store_get_event_head(Store *store, int64 execution_id, int64 event_id,
								 Event *event);

/*
 * Raises the error that a row is missing that a decision needs.  Only a statement
 * of a user can have deleted it.  id: the row's id, 0: none is known.
 */
pg_noreturn extern void store_row_missing(StoreRelation which, int64 id);

/* ---- execution.c ---- */

/* Reads a row of noetl.execution; the texts are copied. */
extern void store_read_execution(TupleTableSlot *slot, Execution *execution);

#endif							/* NOETL_STORE_TABLE_H */
