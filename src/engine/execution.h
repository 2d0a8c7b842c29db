/*
 * engine/execution.h
 *		The start of an execution: its playbook, its row, its workload.
 */
#ifndef NOETL_ENGINE_EXECUTION_H
#define NOETL_ENGINE_EXECUTION_H

#include "store/store.h"

/* Serialises the evaluation of one execution until the end of the transaction. */
extern void execution_lock(int64 execution_id);
/* The same without waiting; false when another transaction holds it. */
extern bool execution_trylock(int64 execution_id);
/* Gives a lock back at once, for who has only looked. */
extern void execution_unlock(int64 execution_id);

/*
 * Finds the playbook an execution_start event names in its context, and fills
 * in catalog_id and the node columns.  Raises when there is none.
 */
extern void execution_resolve(Event *event);

/*
 * When an execution has to be over, as its playbook says, or its start (meta:
 * "timeout", microseconds) if that is shorter; 0: it may take any time.
 */
extern TimestampTz execution_deadline(const Event *start);

/*
 * The row of noetl.execution for a stored execution_start.  started_by: the
 * role on whose behalf, NULL: the current one.
 */
extern void execution_insert(Store *store, const Event *event, const char *started_by);

/*
 * Renders the workload that an execution_start asks for.  Returns NULL, or the
 * text of the error when a template raises.
 */
extern char *execution_render_workload(BrokerState *state, const Event *event,
									   Jsonb **workload);
/* The same, and stores it. */
extern char *execution_make_workload(Store *store, BrokerState *state,
									 const Event *event);

#endif							/* NOETL_ENGINE_EXECUTION_H */
