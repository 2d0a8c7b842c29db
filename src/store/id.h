/*
 * store/id.h
 *		New execution ids.
 */
#ifndef NOETL_STORE_ID_H
#define NOETL_STORE_ID_H

/*
 * Returns a new execution_id, unique in the database and, with node ids, across
 * databases.  It is larger than those before, also when the clock has gone back.
 */
extern int64 new_execution_id(void);

/* Returns a new queue_id, which is larger than all others of this node. */
extern int64 store_next_queue_id(void);

#endif							/* NOETL_STORE_ID_H */
