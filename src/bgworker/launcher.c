/*
 * bgworker/launcher.c
 *		The process that starts a worker in each database when something is due
 *		there.
 *
 * At its start the launcher does not know what is due, so it starts a worker in
 * every database once.  After that it sleeps until a second before the earliest time
 * of the schedule: a worker needs time to start.  A session that commits an earlier
 * time wakes it.  When the settings are read again it looks into every database once more.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#endif

#include "bgworker/bgworker.h"
#include "wakeup/wakeup.h"

/* Databases served at once */
#define MAX_WORKERS			3
/* A worker that fails is started again after 1, 2, 4 … seconds, at most: */
#define LONGEST_PAUSE_S		60
/* A worker is started so long before something is due, if that is not crowded */
#define AHEAD_US			INT64CONST(1000000)
/* The longest sleep before the clock, which may jump, is read again */
#define LONGEST_SLEEP_US	(INT64CONST(30) * USECS_PER_SEC)

/* What only the launcher knows of a slot. */
typedef struct Served
{
	Oid			database;		/* InvalidOid: not known yet */
	bool		allowed;		/* by noetl.timer_databases */
	BackgroundWorkerHandle *worker; /* or NULL */
	int			failures;		/* in succession */
	TimestampTz not_before;
} Served;

static Served served[TIMER_DATABASES];

/* on_shmem_exit: sessions need not wake the launcher any more. */
static void
forget_launcher(int code, Datum arg)
{
	timer_shared->launcher = NULL;
}

/* Returns whether noetl.timer serves a database. */
static bool
is_allowed(const Form_pg_database database)
{
	List	   *names;
	ListCell   *lc;

	if (!database->datallowconn || database->datistemplate)
		return false;
	if (!SplitIdentifierString(pstrdup(timer_databases), ',', &names) || names == NIL)
		return true;
	foreach(lc, names)
		if (strcmp((char *) lfirst(lc), NameStr(database->datname)) == 0)
			return true;
	return false;
}

/* Notes that a database exists; one that was not served until now is due at once. */
static void
note_database(const Form_pg_database database, bool *exists)
{
	bool		allowed = is_allowed(database);
	TimerSlot  *slot;
	Served	   *known;

	if (!allowed)
	{
		for (int i = 0; i < timer_shared->nslots; i++)
			if (timer_shared->slots[i].database == database->oid)
			{
				exists[i] = true;
				served[i].database = database->oid;
				served[i].allowed = false;
			}
		return;
	}
	slot = timer_slot(database->oid);
	if (slot == NULL)
		return;
	known = &served[slot - timer_shared->slots];
	exists[slot - timer_shared->slots] = true;
	if (known->database != database->oid || !known->allowed)
		timer_lower_due(slot, GetCurrentTimestamp());
	known->database = database->oid;
	known->allowed = true;
}

/*
 * Has find_databases() take all databases for new ones: what was left undone while
 * noetl.broker was off may be due.
 */
static void
forget_allowed(void)
{
	for (int i = 0; i < timer_shared->nslots; i++)
		served[i].allowed = false;
}

/* Compares the slots with the databases that exist, and frees those of dropped ones. */
static void
find_databases(void)
{
	bool		exists[TIMER_DATABASES];
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	memset(exists, 0, sizeof(exists));
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		note_database((Form_pg_database) GETSTRUCT(tuple), exists);
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();

	for (int i = 0; i < timer_shared->nslots; i++)
		if (OidIsValid(served[i].database) && !exists[i] && served[i].worker == NULL)
		{
			timer_free_slot(&timer_shared->slots[i]);
			memset(&served[i], 0, sizeof(Served));
		}
}

/* Returns whether there are slots of databases that the launcher does not know. */
static bool
any_unknown(void)
{
	for (int i = 0; i < timer_shared->nslots; i++)
		if (timer_shared->slots[i].database != served[i].database &&
			served[i].worker == NULL)
			return true;
	return false;
}

/* Puts off the next try in a database, longer after each failure. */
static void
put_off(Served *known)
{
	int			seconds = Min(1 << Min(known->failures, 10), LONGEST_PAUSE_S);

	known->failures++;
	known->not_before = GetCurrentTimestamp() + seconds * USECS_PER_SEC;
}

/* Returns whether the worker of a slot has ended; a database whose worker failed is due again. */
static bool
has_ended(int i)
{
	Served	   *known = &served[i];
	TimerSlot  *slot = &timer_shared->slots[i];
	pid_t		pid;

	if (GetBackgroundWorkerPid(known->worker, &pid) != BGWH_STOPPED)
		return false;
	pfree(known->worker);
	known->worker = NULL;
	if (slot->done)
		known->failures = 0;
	else
	{
		timer_lower_due(slot, GetCurrentTimestamp());
		put_off(known);
	}
	return true;
}

/* Wakes a worker that sleeps: it may be needed earlier than it knows. */
static void
wake_worker(const Served *known)
{
	PGPROC	   *process;
	pid_t		pid;

	if (GetBackgroundWorkerPid(known->worker, &pid) != BGWH_STARTED)
		return;
	process = BackendPidGetProc(pid);
	if (process != NULL)
		SetLatch(&process->procLatch);
}

/* Starts a worker, or puts that off when the server has no free process. */
static void
start_worker(int i)
{
	BackgroundWorker worker;
	Served	   *known = &served[i];

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "noetl", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "noetl_timer_worker", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "noetl timer of database %u",
			 known->database);
	strlcpy(worker.bgw_type, "noetl timer", sizeof(worker.bgw_type));
	worker.bgw_main_arg = Int32GetDatum(i);
	worker.bgw_notify_pid = MyProcPid;
	timer_shared->slots[i].done = false;
	if (RegisterDynamicBackgroundWorker(&worker, &known->worker))
		return;
	known->worker = NULL;
	if (known->failures == 0)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start a noetl timer"),
				 errhint("Consider increasing max_worker_processes.")));
	put_off(known);
}

/* Returns how many workers run; wakes those that are needed soon. */
static int
count_workers(TimestampTz now)
{
	int			running = 0;

	for (int i = 0; i < timer_shared->nslots; i++)
		if (served[i].worker != NULL && !has_ended(i))
		{
			running++;
			if (timer_due(&timer_shared->slots[i]) < now + TIMER_LINGER_US)
				wake_worker(&served[i]);
		}
	return running;
}

/*
 * Starts workers in the databases that are due, in turn.  Returns when the launcher
 * must look again at the latest.
 */
static TimestampTz
serve(void)
{
	static int	turn = 0;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = now + LONGEST_SLEEP_US;
	int			running = count_workers(now);
	int			nslots = timer_shared->nslots;
	int			first = turn;
	bool		crowded = false;

	for (int n = 0; n < nslots; n++)
	{
		int			i = (first + n) % nslots;
		TimestampTz when = Max(timer_due(&timer_shared->slots[i]), served[i].not_before);
		TimestampTz ahead = Max(when - AHEAD_US, served[i].not_before);

		if (!served[i].allowed || served[i].worker != NULL ||
			timer_shared->slots[i].database != served[i].database)
			continue;
		if (ahead > now)
			until = Min(until, ahead);
		else if (running >= MAX_WORKERS && when > now)
			until = Min(until, when);
		else if (running >= MAX_WORKERS)
			crowded = true;
		else
		{
			start_worker(i);
			turn = i + 1;
			if (served[i].worker != NULL)
				running++;
			else
				until = Min(until, served[i].not_before);
		}
	}
	timer_shared->crowded = crowded;
	return until;
}

/* The main function of the launcher. */
void
noetl_timer_launcher(Datum arg)
{
	bool		look = true;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	timer_shared->launcher = MyLatch;
	on_shmem_exit(forget_launcher, (Datum) 0);

	while (!ShutdownRequestPending)
	{
		TimestampTz until;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			forget_allowed();
			look = true;
		}
		if (look || any_unknown())
			find_databases();
		look = false;
		until = serve();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Max(Min(until - GetCurrentTimestamp(), LONGEST_SLEEP_US) / 1000 + 1, 1),
						 PG_WAIT_EXTENSION);
	}
	proc_exit(1);				/* the postmaster starts another launcher */
}
