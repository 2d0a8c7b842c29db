/*
 * store/undecided.h
 *		Events that were stored while the triggers of noetl.event were off: those
 *		without a catalog_id.
 */
#ifndef NOETL_STORE_UNDECIDED_H
#define NOETL_STORE_UNDECIDED_H

/* Returns executions (int64 *) that have such events, at most "limit". */
extern List *store_undecided_executions(int limit);

/* Returns such events (int64 *) of an execution, in the order of their time. */
extern List *store_undecided_events(int64 execution_id);

/*
 * Writes what has been filled in into such an event, which has met the broker then.
 * The caller holds the execution's lock.
 */
extern void store_take_up_event(Store *store, const Event *event);

#endif							/* NOETL_STORE_UNDECIDED_H */
