/*
 * store/deferred.h
 *		Rows that a store keeps back.
 *
 * Two kinds of rows are not written at once:
 *
 *	- Events, so that the events of one evaluation are written together, which
 *	  takes less time and less WAL.
 *	- Tasks, after store_defer_tasks.  A call that completes a task and leases
 *	  the next one mostly gets the task that it has just made ready.  The lease
 *	  writes such a task as leased: one version of the row instead of two, and
 *	  no entry in the index of ready rows.
 *
 * Rows are kept back only while no trigger of a user could see the difference.
 * The files of this room that read a table call deferred_write before: it is
 * the only hook.
 */
#ifndef NOETL_STORE_DEFERRED_H
#define NOETL_STORE_DEFERRED_H

#include "store/table.h"

/* The hook: writes the rows of a table (REL_EVENT, REL_QUEUE) that are kept back. */
extern void deferred_write(Store *store, StoreRelation which);

/* Returns whether rows of any table are kept back. */
extern bool deferred_any(const Store *store);

/* Keeps the event in the insert slot back, or writes it when it cannot be. */
extern void deferred_add_event(Store *store, StoreTable *table);

/*
 * Notes the event in a slot, which has just been stored: the last one of its execution, of
 * which the time is asked for next.
 */
extern void event_note_stored(StoreTable *table, TupleTableSlot *slot);

/* Keeps the task in the insert slot back; returns false when it is to be written. */
extern bool deferred_add_task(Store *store, StoreTable *table);

/* Drops a task that is kept back; returns false when there is no such task. */
extern bool deferred_drop_task(Store *store, int64 queue_id);

/* Puts the tasks into the order in which they are leased. */
extern void deferred_sort_tasks(Store *store);

/* Returns whether a task in a slot is wanted. */
typedef bool (*TaskFilter) (const void *arg, TupleTableSlot *slot);

/*
 * Takes the first task that is wanted and comes before a row of the queue (NULL:
 * any), out of those that are kept back.  Returns it in the insert slot, for the
 * caller to write, or NULL.
 */
extern TupleTableSlot *deferred_take_task(Store *store, TupleTableSlot *row,
										  TaskFilter wanted, const void *arg);

#endif							/* NOETL_STORE_DEFERRED_H */
