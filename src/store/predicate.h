/*
 * store/predicate.h
 *		Conditions on the columns of a row: predicates of partial indexes, and CHECKs.
 *
 * The executor evaluates the predicate of each partial index for each row.  Most
 * predicates ask what one column is, such as "status IN ('leased', 'cancelled')", and
 * few values occur.  What a condition without mutable functions has answered for a value,
 * it answers again: the answer is remembered with the value.
 */
#ifndef NOETL_STORE_PREDICATE_H
#define NOETL_STORE_PREDICATE_H

#include "nodes/execnodes.h"

typedef struct Predicate Predicate;

/*
 * Compiles a list of conditions, all of which have to hold, into the current memory
 * context.  What a condition answers that depends on more than the row is not remembered.
 */
extern Predicate *predicate_compile(List *conditions);

/* Returns whether all conditions are true for the row in a slot. */
extern bool predicate_holds(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext);

/* Returns whether one of the conditions is false for the row in a slot: neither true nor null. */
extern bool predicate_fails(Predicate *predicate, TupleTableSlot *slot, ExprContext *econtext);

#endif							/* NOETL_STORE_PREDICATE_H */
