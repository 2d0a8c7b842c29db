/*
 * common/time_id.c
 *		Time-ordered 63-bit ids: the arithmetic between ids and times.
 */
#include "common/common.h"

#include "common/time_id.h"

/* 2024-01-01 00:00:00 UTC on PostgreSQL's clock, in microseconds */
#define NOETL_EPOCH \
	(INT64CONST(8766) * USECS_PER_DAY)

/* Returns the event_id of a time; times before 2024 give the first id. */
int64
event_id_at(TimestampTz time)
{
	int64		us = Max(time - NOETL_EPOCH, 0);

	return ((us / 1000) << 22) | ((us % 1000) << 12);
}

/* Returns the time of an event_id; the inverse of event_id_at. */
TimestampTz
id_time(int64 id)
{
	int64		us = (id >> 12) & 1023;

	return id_time_ms(id) + Min(us, 999);
}

/* Returns the millisecond in which an id was made. */
TimestampTz
id_time_ms(int64 id)
{
	return NOETL_EPOCH + (id >> 22) * 1000;
}

/* Returns the millisecond of a time, as ids count; 0 for times before 2024. */
int64
time_to_id_ms(TimestampTz time)
{
	return Max(time - NOETL_EPOCH, 0) / 1000;
}

/* Returns an execution_id: millisecond, node number, number in the millisecond. */
int64
execution_id_at(int64 ms, int node, int64 number)
{
	return (ms << 22) | ((int64) node << 12) | number;
}

/* Returns the node number that an execution_id or a queue_id was made with. */
int
id_node(int64 id)
{
	return (int) ((id >> 12) & 1023);
}

/* Returns the queue_id of a place in the queue, counted from 1, on a node. */
int64
queue_id_at(int64 place, int node)
{
	return execution_id_at(place >> 12, node, place & 4095);
}
