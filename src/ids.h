/*
 * ids.h
 *		New execution ids.
 */
#ifndef NOETL_IDS_H
#define NOETL_IDS_H

/* Returns a new execution_id, unique in the database and, with node ids, across databases. */
extern int64 new_execution_id(void);

#endif							/* NOETL_IDS_H */
