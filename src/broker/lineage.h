/*
 * broker/lineage.h
 *		Which visits of parallel steps a run descends from.
 *
 * A lineage is an array of Playbook.ntracked visits, in the order of
 * Playbook.tracked; 0: the run descends from no visit of that step.  Where a
 * playbook tracks no step every lineage is NULL.
 */
#ifndef NOETL_BROKER_LINEAGE_H
#define NOETL_BROKER_LINEAGE_H

#include "broker/model.h"
#include "playbook/playbook.h"

/* The visits that a run of a step as a whole descends from; its own is not among them. */
extern const int *lineage_of(BrokerState *state, Run *run);

/* The same with the run itself: what its successors descend from.  NULL: the start. */
extern const int *lineage_after(BrokerState *state, Run *run);

/* The newest visit of a step in a lineage; 0: none, or the step is not tracked. */
extern int	lineage_visit(const int *lineage, const Step *step);

/*
 * The event before which the values were stored that a run sees of the visits it descends
 * from; 0: now.
 */
extern int64 lineage_before(BrokerState *state, Run *run);

/* Adds the member "sees", {step: visit}, to an object; nothing where there is no visit. */
extern void lineage_write(const Playbook *playbook, const int *lineage, JsonBuilder *builder);

/* Returns an object with this member alone; NULL: there is no visit. */
extern Jsonb *lineage_meta(const Playbook *playbook, const int *lineage);

/* Reads the member "sees" of an object (NULL: there is no object). */
extern const int *lineage_read(const Playbook *playbook, const JsonbValue *object);

#endif							/* NOETL_BROKER_LINEAGE_H */
