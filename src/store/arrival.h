/*
 * store/arrival.h
 *		Branches that have arrived at the step of a run.
 *
 * The row of the run has the first of them.  The others are rows of noetl.arrival, so that
 * each further branch costs the same, however many there are.
 */
#ifndef NOETL_STORE_ARRIVAL_H
#define NOETL_STORE_ARRIVAL_H

#include "store/compare.h"
#include "store/table.h"

/* Returns the first arrivals as noetl.run.arrivals stores them. */
extern Jsonb *arrivals_write(const List *arrivals, const Playbook *playbook);

/* Returns stored arrivals (Arrival *). */
extern List *arrivals_read(const Jsonb *stored, const Playbook *playbook);

/*
 * Inserts the arrivals of a run that are not stored and that its row has no room for.
 * The row itself is the caller's.
 */
extern void arrivals_add(Store *store, int64 execution_id, Run *run, const Playbook *playbook);

/* Deletes all that arrivals_add() has inserted for a visit of a step. */
extern void arrivals_delete(Store *store, int64 execution_id, const char *step_name, int visit);

#endif							/* NOETL_STORE_ARRIVAL_H */
