/*
 * store_table.h
 *		Open tables and indexes, for the files of the store only.
 */
#ifndef NOETL_STORE_TABLE_H
#define NOETL_STORE_TABLE_H

#include "store.h"

/* The event partition of an execution, when the caller did not name it. */
extern StoreTable *store_event_table(Store *store, int64 execution_id);

/* An index for scans; it stays open as long as the store. */
extern Relation store_open_index(Store *store, StoreRelation which);

#endif							/* NOETL_STORE_TABLE_H */
