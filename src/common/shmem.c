/*
 * common/shmem.c
 *		Small named areas of shared memory, without shared_preload_libraries.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "common/shmem.h"

/*
 * Finds or makes an area (common/shmem.h).  AddinShmemInitLock is held until a
 * new area is initialized, so that no other backend finds it before, and no
 * longer.
 */
void *
shared_area_attach(const char *name, Size size, void (*initialize) (void *area))
{
	MemoryContext memory = CurrentMemoryContext;
	void	   *volatile area = NULL;
	bool		found = true;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	PG_TRY();
	{
		area = ShmemInitStruct(name, size, &found);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		FlushErrorState();
		/* ereport has reset the count of interrupt holds, of which the lock has one */
		HOLD_INTERRUPTS();
	}
	PG_END_TRY();
	if (!found && area != NULL)
	{
		memset(area, 0, size);
		initialize(area);
	}
	LWLockRelease(AddinShmemInitLock);
	return area;
}
