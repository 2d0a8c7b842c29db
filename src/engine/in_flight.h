/*
 * engine/in_flight.h
 *		Events between their two triggers: prepared, perhaps stored, not decided.
 */
#ifndef NOETL_ENGINE_IN_FLIGHT_H
#define NOETL_ENGINE_IN_FLIGHT_H

typedef struct Registered
{
	int64		execution_id;
	int64		event_id;
	int			depth;			/* of triggers, where it was registered */
	uint64		number;			/* of prepared events, then */
} Registered;

/* The row with this key is to be decided upon once it is stored. */
extern void registered_add(int64 execution_id, int64 event_id, uint64 number);
/* Takes a row out; false: it was not registered. */
extern bool registered_take(int64 execution_id, int64 event_id, Registered *entry);
/* The row at a place, counted from 0; false: there are fewer. */
extern bool registered_get(int place, Registered *entry);
extern void registered_remove(int place);
/* May the row still be on its way to the table? */
extern bool registered_in_flight(const Registered *entry);

#endif							/* NOETL_ENGINE_IN_FLIGHT_H */
