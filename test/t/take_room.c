/*
 * test/t/take_room.c
 *		take_room(most) takes shared memory that the server keeps for latecomers, as other
 *		extensions may; it returns how many bytes it has got.
 */
#include "postgres.h"

#include "fmgr.h"
#include "storage/shmem.h"

#define SMALLEST	64

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(take_room);

Datum
take_room(PG_FUNCTION_ARGS)
{
	int64		most = PG_GETARG_INT64(0);
	int64		taken = 0;

	for (Size size = 1024 * 1024; size >= SMALLEST; size /= 2)
		while (taken + (int64) size <= most && ShmemAllocNoError(size) != NULL)
			taken += size;
	PG_RETURN_INT64(taken);
}
