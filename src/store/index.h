/*
 * store/index.h
 *		Index entries of the rows that a store inserts.
 */
#ifndef NOETL_STORE_INDEX_H
#define NOETL_STORE_INDEX_H

#include "store/table.h"

/* A set of indexes of a table, by their places in its description. */
typedef uint64 IndexSet;

/*
 * An entry is made in three steps:
 *
 *	1. index_find() finds the indexes that a row belongs into,
 *	2. index_form_keys() forms its keys, which live as long as the row's columns,
 *	3. index_add_row() makes the entries of the row in a slot, which has been stored;
 *	   update: as a new version of a row, whose other versions an index may look for when
 *	   it needs room.
 *
 * The columns of a slot are at hand before its row is stored; afterwards they have to be
 * taken out of the row again.  Raises an error when a unique index has the key already.
 * The set is empty for a table whose indexes only the executor can handle; the third step
 * makes their entries all the same.
 */
extern IndexSet index_find(Store *store, StoreTable *table, TupleTableSlot *slot);
extern void index_form_keys(Store *store, StoreTable *table, TupleTableSlot *slot,
							IndexSet indexes);
extern void index_add_row(Store *store, StoreTable *table, TupleTableSlot *slot,
						  IndexSet indexes, bool update);

#if PG_VERSION_NUM >= 160000
/*
 * Makes the entries of a new version that the other versions' entries lead to, which only
 * indexes need that summarize pages (BRIN).
 */
extern void index_add_summaries(Store *store, StoreTable *table, TupleTableSlot *slot);
#endif

/* Closes all indexes that the store has opened. */
extern void index_close_all(Store *store);

#endif							/* NOETL_STORE_INDEX_H */
