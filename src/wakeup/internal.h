/*
 * wakeup/internal.h
 *		What the files of the background processes share with each other only.
 *
 *		timer.c           the schedule in shared memory, the settings
 *		timer_launcher.c  the process that starts the others in time
 *		timer_worker.c    the process that works in one database
 */
#ifndef NOETL_WAKEUP_INTERNAL_H
#define NOETL_WAKEUP_INTERNAL_H

#include "port/atomics.h"
#include "storage/latch.h"

#include "wakeup/schedule.h"

/* As many databases can be served */
#define TIMER_DATABASES		1024
/* In place of a time */
#define TIMER_NEVER			PG_INT64_MAX
/* A worker that will be needed within this time stays */
#define TIMER_LINGER_US		INT64CONST(3000000)

typedef struct TimerSlot
{
	Oid			database;		/* InvalidOid: free */
	pg_atomic_uint64 due;		/* when somebody must look; a TimestampTz */
	bool		done;			/* its last worker has ended as it should */
} TimerSlot;

typedef struct TimerShared
{
	Latch	   *launcher;		/* NULL: it does not run */
	bool		crowded;		/* other databases wait for a worker to end */
	int			nslots;			/* that have ever been used */
	TimerSlot	slots[TIMER_DATABASES];
} TimerShared;

/* ---- timer.c ---- */

/* NULL unless the library was preloaded with noetl.timer on. */
extern TimerShared *timer_shared;
extern char *timer_databases;	/* noetl.timer_databases */

/* The slot of a database, a new one if need be; NULL: there are too many. */
extern TimerSlot *timer_slot(Oid database);
/* The database does not exist any more. */
extern void timer_free_slot(TimerSlot *slot);
extern TimestampTz timer_due(TimerSlot *slot);
extern void timer_set_due(TimerSlot *slot, TimestampTz when);
/* Moves the time forward; false: it was not later. */
extern bool timer_lower_due(TimerSlot *slot, TimestampTz when);

/* ---- processes ---- */

extern PGDLLEXPORT void noetl_timer_launcher(Datum arg);
extern PGDLLEXPORT void noetl_timer_worker(Datum slot);

#endif							/* NOETL_WAKEUP_INTERNAL_H */
