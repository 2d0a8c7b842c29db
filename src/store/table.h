/*
 * store/table.h
 *		What a Store consists of, for the files of this room.
 */
#ifndef NOETL_STORE_TABLE_H
#define NOETL_STORE_TABLE_H

#include "nodes/execnodes.h"
#include "nodes/pg_list.h"

#include "store/store.h"

struct Store
{
	MemoryContext memory;		/* holds all of this */
	EState	   *estate;
	uint64		generation;		/* when it was made */
	int			redescribed;	/* how often, for another event partition */
	int			nest_level;		/* of the transaction that uses it */
	Oid			event_leaf;
	StoreTable	tables[STORE_TABLES];
	Relation	indexes[REL_COUNT]; /* opened for scans */
	MemoryContext deferred_memory;	/* of the tasks; NULL: tasks are not kept back */
	List	   *deferred_tasks; /* DeferredTask * (store/deferred.c) */
	Store	   *next;			/* in its list */
};

/* Opens the indexes of a table that is going to be written. */
extern void store_open_indexes(Store *store, StoreTable *table);

/* Returns an index for scans; it stays open as long as the store. */
extern Relation store_open_index(Store *store, StoreRelation which);

/* Fetches the row with a bigint primary key; returns false when there is none. */
extern bool store_fetch_by_id(Store *store, StoreTable *table, StoreRelation index, int64 id);

/* Reads an event without its large columns; returns false when it is not stored. */
extern bool store_get_event_head(Store *store, int64 execution_id, int64 event_id,
								 Event *event);

/*
 * Raises the error that a row is missing that a decision needs.  Only a statement
 * of a user can have deleted it.  id: the row's id, 0: none is known.
 */
pg_noreturn extern void store_row_missing(StoreRelation which, int64 id);

#endif							/* NOETL_STORE_TABLE_H */
