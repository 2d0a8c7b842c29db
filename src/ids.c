/*
 * ids.c
 *		Time-ordered 63-bit ids.
 */
#include "noetl.h"

#include "commands/sequence.h"
#include "utils/timestamp.h"

#include "ids.h"
#include "store.h"

PG_FUNCTION_INFO_V1(noetl_next_id);
PG_FUNCTION_INFO_V1(noetl_id_time);

/* 2024-01-01 00:00:00 UTC on PostgreSQL's clock, in microseconds */
#define NOETL_EPOCH \
	(INT64CONST(8766) * USECS_PER_DAY)

/* Where ids and created_at meet: one is computed from the other. */
int64
event_id_at(TimestampTz time)
{
	int64		us = Max(time - NOETL_EPOCH, 0);

	return ((us / 1000) << 22) | ((us % 1000) << 12);
}

/* When an id was made, to the microsecond for event ids. */
TimestampTz
id_time(int64 id)
{
	int64		us = (id >> 12) & 1023;

	return NOETL_EPOCH + (id >> 22) * 1000 + Min(us, 999);
}

/*
 * A sequence, not shared memory, keeps ids apart: it works without preloading
 * and survives a crash.
 */
int64
new_execution_id(void)
{
	int64		ms = Max(GetCurrentTimestamp() - NOETL_EPOCH, 0) / 1000;
	int64		low = nextval_internal(store_relation(REL_ID_SEQ), false);

	return (ms << 22) | ((int64) noetl_node_id << 12) | low;
}

/* noetl.next_id(): the default of event.execution_id. */
Datum
noetl_next_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(new_execution_id());
}

/* noetl.id_time(bigint) */
Datum
noetl_id_time(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);

	PG_RETURN_TIMESTAMPTZ(NOETL_EPOCH + (id >> 22) * 1000);
}
