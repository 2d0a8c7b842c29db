/*
 * ids.h
 *		Time-ordered 63-bit ids.
 *
 *		execution_id  ms since 2024 << 22 | node (10 bits) << 12 | sequence
 *		event_id      ms since 2024 << 22 | µs of the ms << 12
 *
 * Both share one scale, so that a range of ids is a range of time.  An
 * event_id need be unique only inside its execution, where the execution lock
 * makes time strictly increasing.
 */
#ifndef NOETL_IDS_H
#define NOETL_IDS_H

#include "datatype/timestamp.h"

/* The event_id that belongs to a created_at, and back. */
extern int64 event_id_at(TimestampTz time);
extern TimestampTz id_time(int64 id);

/* A new execution_id; unique in the database, and with node ids across them. */
extern int64 new_execution_id(void);

#endif							/* NOETL_IDS_H */
