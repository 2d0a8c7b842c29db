/*
 * store/statement.h
 *		Triggers of users that fire once for a statement, and transition tables.
 */
#ifndef NOETL_STORE_STATEMENT_H
#define NOETL_STORE_STATEMENT_H

#include "store/table.h"

/*
 * Describes the statement triggers of a table that has just been described; NULL: it
 * has none.  Called in the memory context of the description.
 */
extern struct StatementTriggers *statement_describe(StoreTable *table, StoreRelation which);

/* Closes what statement_describe() has opened. */
extern void statement_close(StoreTable *table);

/* These write a row like the executor's functions, and have the triggers fire. */
extern void statement_insert(Store *store, StoreTable *table);
extern void statement_update(Store *store, StoreTable *table, EPQState *epq,
							 TupleTableSlot *old, TupleTableSlot *new);
extern void statement_delete(Store *store, StoreTable *table, EPQState *epq,
							 TupleTableSlot *old);

#endif							/* NOETL_STORE_STATEMENT_H */
