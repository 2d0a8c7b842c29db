/*
 * engine/in_flight.h
 *		Rows of noetl.event between their BEFORE and their AFTER trigger.
 */
#ifndef NOETL_ENGINE_IN_FLIGHT_H
#define NOETL_ENGINE_IN_FLIGHT_H

typedef struct RowInFlight
{
	int64		execution_id;
	int64		event_id;
	int			depth;			/* of triggers, where the row was added */
	uint64		number;			/* of prepared events, then */
	SubTransactionId subtransaction;	/* that adds it, and can still be rolled back */
} RowInFlight;

/* Adds a row that is to be decided on once it is stored. */
extern void in_flight_add(int64 execution_id, int64 event_id, uint64 number);
/* Takes a row out into *row; returns false when the row is not in flight. */
extern bool in_flight_take(int64 execution_id, int64 event_id, RowInFlight *row);
/* Copies the row at a place, from 0, into *row; returns false when there are fewer. */
extern bool in_flight_get(int place, RowInFlight *row);
/* Removes the row at a place; the rows before it move one place up. */
extern void in_flight_remove(int place);
/* Returns whether the row may still reach the table. */
extern bool in_flight_may_arrive(const RowInFlight *row);
/* Returns whether any row of an execution is in flight. */
extern bool in_flight_any(int64 execution_id);

#endif							/* NOETL_ENGINE_IN_FLIGHT_H */
