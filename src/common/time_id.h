/*
 * common/time_id.h
 *		Time-ordered 63-bit ids: the arithmetic between ids and times.
 *
 *		execution_id  ms since 2024 << 22 | node (10 bits) << 12 | sequence
 *		event_id      ms since 2024 << 22 | µs of the ms << 12
 *
 * Both share one scale, so that a range of ids is a range of time.  An
 * event_id need be unique only inside its execution, where the execution lock
 * makes time strictly increasing.
 */
#ifndef NOETL_COMMON_TIME_ID_H
#define NOETL_COMMON_TIME_ID_H

#include "datatype/timestamp.h"

/* Returns the event_id that belongs to a created_at, to the microsecond. */
extern int64 event_id_at(TimestampTz time);

/* Returns the time that an event_id was made from, to the microsecond. */
extern TimestampTz id_time(int64 id);

/* Returns the time of any id, to the millisecond: what execution ids keep. */
extern TimestampTz id_time_ms(int64 id);

/* Returns the execution_id of a time, a node and a number of the sequence. */
extern int64 execution_id_at(TimestampTz time, int node, int64 sequence);

#endif							/* NOETL_COMMON_TIME_ID_H */
