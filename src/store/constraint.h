/*
 * store/constraint.h
 *		The constraints of a table: NOT NULL and CHECK.
 *
 * The executor evaluates each CHECK for each row.  Like the predicates of indexes, most
 * ask what one column is, and what they have answered they answer again; those that do not
 * depend on the row alone are asked each time.  Errors are left to the executor.
 */
#ifndef NOETL_STORE_CONSTRAINT_H
#define NOETL_STORE_CONSTRAINT_H

#include "store/table.h"

typedef struct Constraints Constraints;

/* Describes the constraints of an open table, in the current memory context. */
extern Constraints *constraint_describe(Relation relation);

/* Raises an error when the row in a slot violates a constraint. */
extern void constraint_check(Store *store, StoreTable *table, TupleTableSlot *slot);

#endif							/* NOETL_STORE_CONSTRAINT_H */
