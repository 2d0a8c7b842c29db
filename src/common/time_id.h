/*
 * common/time_id.h
 *		Time-ordered 63-bit ids: the arithmetic between ids and times.
 *
 *		execution_id  ms since 2024 << 22 | node (10 bits) << 12 | number
 *		event_id      ms since 2024 << 22 | µs of the ms << 12
 *		queue_id      place / 4096 << 22 | node << 12 | place % 4096
 *
 * The first two share one scale, so that a range of ids is a range of time.  An
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

/* Returns the millisecond of a time, as ids count; 0 for times before 2024. */
extern int64 time_to_id_ms(TimestampTz time);

/* Returns the execution_id of a millisecond, a node and a number in the millisecond. */
extern int64 execution_id_at(int64 ms, int node, int64 number);

/* Returns the node number that an execution_id or a queue_id was made with. */
extern int	id_node(int64 id);

/* Returns the queue_id of a place in the queue, counted from 1, on a node. */
extern int64 queue_id_at(int64 place, int node);

#endif							/* NOETL_COMMON_TIME_ID_H */
