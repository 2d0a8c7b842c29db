/*
 * store/index.h
 *		Index entries of the rows that a store inserts.
 */
#ifndef NOETL_STORE_INDEX_H
#define NOETL_STORE_INDEX_H

#include "store/table.h"

/*
 * Makes the index entries of the row in a slot, which has just been stored.  Raises an
 * error when a unique index has its key already.
 */
extern void index_add_row(Store *store, StoreTable *table, TupleTableSlot *slot);

/*
 * Opens the indexes that the row in a slot belongs into, before the executor makes the
 * entries: it leaves out those that are not open.
 */
extern void index_open_for_row(Store *store, StoreTable *table, TupleTableSlot *slot);

/* Closes all indexes that the store has opened. */
extern void index_close_all(Store *store);

#endif							/* NOETL_STORE_INDEX_H */
