/*
 * wakeup/schedule.c
 *		When something will be due in which database, in shared memory.
 *
 *		commit ── timer_expect ──> slot.due ──> launcher, if it is now sooner
 *		                                           │ starts in time
 *		worker <───────────────────────────────────┘
 *		  └─ does what is due, says when it will be needed again, and ends
 *
 * No process polls.  A session that commits something with a due time lowers the
 * time in the slot of its database, and wakes the launcher if that was later.  A
 * worker stays only while it is needed often, so a database with nothing to do has
 * no process and can be dropped.  The schedule needs shared_preload_libraries;
 * without it, or with noetl.timer off, the settings exist and have no effect.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "wakeup/wakeup.h"

/* The postmaster restarts a launcher that fails after this many seconds */
#define LAUNCHER_RESTART	5

TimerShared *timer_shared = NULL;
char	   *timer_databases = NULL;

static bool timer_wanted = false;	/* noetl.timer */
static LWLock *slots_lock = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;
#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type next_request_hook = NULL;
#endif

/* ---------------------------------------------------------------------------
 * The schedule
 * ---------------------------------------------------------------------------
 */

/* Returns when a worker must look into the database of a slot. */
TimestampTz
timer_due(TimerSlot *slot)
{
	return (TimestampTz) pg_atomic_read_u64(&slot->due);
}

/* Sets the time, earlier or later. */
void
timer_set_due(TimerSlot *slot, TimestampTz when)
{
	pg_atomic_write_u64(&slot->due, (uint64) when);
}

/* Moves the time forward; returns false when it is not earlier than it was. */
bool
timer_lower_due(TimerSlot *slot, TimestampTz when)
{
	uint64		due = pg_atomic_read_u64(&slot->due);

	while (when < (TimestampTz) due)
		if (pg_atomic_compare_exchange_u64(&slot->due, &due, (uint64) when))
			return true;
	return false;
}

/* Returns the slot of a database, a new one if need be; NULL: all are in use. */
TimerSlot *
timer_slot(Oid database)
{
	TimerSlot  *found = NULL;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < timer_shared->nslots && found == NULL; i++)
		if (timer_shared->slots[i].database == database)
			found = &timer_shared->slots[i];
	for (int i = 0; i < TIMER_DATABASES && found == NULL; i++)
		if (!OidIsValid(timer_shared->slots[i].database))
		{
			found = &timer_shared->slots[i];
			timer_set_due(found, TIMER_NEVER);
			found->maintain = 0;
			found->database = database;
			timer_shared->nslots = Max(timer_shared->nslots, i + 1);
		}
	LWLockRelease(slots_lock);
	return found;
}

/* Frees the slot of a database that has been dropped. */
void
timer_free_slot(TimerSlot *slot)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot->database = InvalidOid;
	LWLockRelease(slots_lock);
}

/*
 * Lowers the time of this session's database, and wakes the launcher if that
 * changed it.  Does nothing when the library was not preloaded.
 */
void
timer_expect(TimestampTz when)
{
	static TimerSlot *own = NULL;
	Latch	   *launcher;

	if (timer_shared == NULL)
		return;
	if (own == NULL || own->database != MyDatabaseId)
		own = timer_slot(MyDatabaseId);
	if (own == NULL)
		return;
	if (when == TIMER_MAINTAIN)
		own->maintain = 0;
	if (!timer_lower_due(own, when))
		return;
	launcher = timer_shared->launcher;
	if (launcher != NULL)
		SetLatch(launcher);
}

/* ---------------------------------------------------------------------------
 * Start
 * ---------------------------------------------------------------------------
 */

/* shmem_request_hook: asks for shared memory. */
static void
request_memory(void)
{
#if PG_VERSION_NUM >= 150000
	if (next_request_hook != NULL)
		next_request_hook();
#endif
	RequestAddinShmemSpace(sizeof(TimerShared));
	RequestNamedLWLockTranche("noetl_timer", 1);
}

/* shmem_startup_hook: finds the shared memory, or initialises it. */
static void
start_memory(void)
{
	bool		found;

	if (next_startup_hook != NULL)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	timer_shared = ShmemInitStruct("noetl timer", sizeof(TimerShared), &found);
	slots_lock = &GetNamedLWLockTranche("noetl_timer")->lock;
	if (!found)
	{
		memset(timer_shared, 0, sizeof(TimerShared));
		for (int i = 0; i < TIMER_DATABASES; i++)
			pg_atomic_init_u64(&timer_shared->slots[i].due, (uint64) TIMER_NEVER);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Registers the launcher, which runs wherever the server can be written to. */
static void
register_launcher(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = LAUNCHER_RESTART;
	strlcpy(worker.bgw_library_name, "noetl", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "noetl_timer_launcher", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "noetl timer launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "noetl timer launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

/* GucStringCheckHook: accepts a list of names. */
static bool
check_databases(char **value, void **extra, GucSource source)
{
	List	   *names;
	bool		valid = *value == NULL ||
		SplitIdentifierString(pstrdup(*value), ',', &names);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	return valid;
}

/* Defines the settings; registers the launcher while the library is preloaded. */
void
timer_init(void)
{
	bool		preloading = process_shared_preload_libraries_in_progress;

	DefineCustomBoolVariable("noetl.timer",
							 "Run background processes that do what becomes due.",
							 "Needs shared_preload_libraries = 'noetl'.",
							 &timer_wanted, false,
							 preloading ? PGC_POSTMASTER : PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("noetl.timer_databases",
							   "Databases that noetl.timer serves.",
							   "Empty: all that have the extension.",
							   &timer_databases, "", PGC_SIGHUP, GUC_LIST_INPUT,
							   check_databases, NULL, NULL);
	if (!preloading || !timer_wanted || IsBinaryUpgrade)
		return;
#if PG_VERSION_NUM >= 150000
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
#else
	request_memory();
#endif
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_memory;
	register_launcher();
}
