/*
 * common/injection.c
 *		Points at which a test stops a session, where PostgreSQL has none
 *		(common/injection.h).  Nothing in an ordinary build.
 */
#include "common/common.h"

#if defined(NOETL_INJECTION) && !(PG_VERSION_NUM >= 170000 && defined(USE_INJECTION_POINTS))

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/guc.h"

/* noetl.injection: the point at which this session waits; empty: at none */
static char *point = NULL;

/* Waits at a point (common/injection.h); its locks may take longer than those of the work. */
void
injection_wait(const char *name)
{
	int			lock_timeout = LockTimeout;
	LOCKTAG		tag;

	if (point == NULL || strcmp(point, name) != 0)
		return;
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, INJECTION_CLASS,
						 hash_bytes((const unsigned char *) name, strlen(name)), 2);
	LockTimeout = 0;
	PG_TRY();
	{
		(void) LockAcquire(&tag, ShareLock, false, false);
		(void) LockRelease(&tag, ShareLock, false);
	}
	PG_FINALLY();
	{
		LockTimeout = lock_timeout;
	}
	PG_END_TRY();
}

/* Defines noetl.injection. */
void
injection_define(void)
{
	DefineCustomStringVariable("noetl.injection",
							   "The point in the code at which this session waits for an advisory lock.",
							   "For tests of races, in builds for them.",
							   &point, "", PGC_SUSET, 0,
							   NULL, NULL, NULL);
}

#endif
