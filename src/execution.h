/*
 * execution.h
 *		The start of an execution: its playbook, its row, its workload.
 */
#ifndef NOETL_EXECUTION_H
#define NOETL_EXECUTION_H

#include "store.h"

/*
 * Finds the playbook an execution_start event names in its context, and fills
 * in catalog_id and the node columns.  Raises when there is none.
 */
extern void execution_resolve(Event *event);

/* The row of noetl.execution for a stored execution_start. */
extern void execution_insert(Store *store, const Event *event);

/*
 * Renders and stores the workload.  Returns NULL, or the text of the error
 * when a template raises.
 */
extern char *execution_make_workload(Store *store, BrokerState *state,
									 const Event *event);

#endif							/* NOETL_EXECUTION_H */
