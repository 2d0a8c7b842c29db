/*
 * common/shmem.c
 *		Small areas of shared memory, without preloading.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "common/shmem.h"

/*
 * Returns the area of shared memory of that name, and makes it when it is new:
 * all zeros, then passed to initialize. Returns NULL when there is no room.
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
		/*
		 * error handling reset the count of interrupt holds; the lock is still
		 * held
		 */
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
