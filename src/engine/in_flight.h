/*
 * engine/in_flight.h
 *		Rows of noetl.event between their BEFORE and their AFTER trigger.
 */
#ifndef NOETL_ENGINE_IN_FLIGHT_H
#define NOETL_ENGINE_IN_FLIGHT_H

#include "store/store.h"

typedef struct RowInFlight
{
	int64		execution_id;
	int64		event_id;
	TimestampTz created_at;
	int			depth;			/* of triggers, where the row was added */
	uint64		number;			/* of prepared events, then */
	bool		interrupted;	/* an event that came meanwhile waits in noetl.pending */
	SubTransactionId subtransaction;	/* that adds it, and can still be rolled back */
	SubTransactionId taken;		/* that takes it out, inside of it, or invalid */
} RowInFlight;

/*
 * Adds a row that is to be decided on once it is stored; number: of prepared events, when
 * it was prepared.
 */
extern void in_flight_add(const Event *event, uint64 number);
/* Takes a row out into *row; returns false when the row is not in flight. */
extern bool in_flight_take(int64 execution_id, int64 event_id, RowInFlight *row);
/* Copies the row at a place, from 0, into *row; returns false when there are fewer. */
extern bool in_flight_get(int place, RowInFlight *row);
/* Takes out the row at a place; the rows before it may move one place up. */
extern void in_flight_remove(int place);
/*
 * Returns whether the row may still reach the table, for code that triggers of this depth
 * have called.
 */
extern bool in_flight_may_arrive(const RowInFlight *row, int depth);
/*
 * Returns the last row of an execution that may still reach the table, although it is not
 * known whether it has, or NULL.  The pointer is good until the list changes.
 */
extern RowInFlight *in_flight_coming(int64 execution_id);
/* Returns whether any row of an execution is in flight. */
extern bool in_flight_any(int64 execution_id);

#endif							/* NOETL_ENGINE_IN_FLIGHT_H */
