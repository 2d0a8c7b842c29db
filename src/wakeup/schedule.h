/*
 * wakeup/schedule.h
 *		When something will be due in which database, in shared memory, for the
 *		optional background processes.
 */
#ifndef NOETL_WAKEUP_SCHEDULE_H
#define NOETL_WAKEUP_SCHEDULE_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/latch.h"

/* How many databases can be served */
#define TIMER_DATABASES		1024
/* In place of a time: nothing is due */
#define TIMER_NEVER			PG_INT64_MAX
/* In place of a time: noetl.maintain() has work */
#define TIMER_MAINTAIN		INT64CONST(1)
/* A worker that will be needed within this time stays */
#define TIMER_LINGER_US		INT64CONST(3000000)

/* What is known of a database. */
typedef struct TimerSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	pg_atomic_uint64 due;		/* when a worker must look; a TimestampTz */
	bool		done;			/* the slot's last worker has ended well */
	TimestampTz maintain;		/* when noetl.maintain() is due; 0: not known, so at once */
} TimerSlot;

typedef struct TimerShared
{
	Latch	   *launcher;		/* NULL: the launcher does not run */
	bool		crowded;		/* other databases wait for a worker to end */
	int			nslots;			/* that have ever been used */
	TimerSlot	slots[TIMER_DATABASES];
} TimerShared;

/* NULL unless the library was preloaded with noetl.timer on. */
extern TimerShared *timer_shared;
extern char *timer_databases;	/* noetl.timer_databases */

/*
 * Defines the settings and, while the library is preloaded, registers the
 * launcher if noetl.timer is on.  Called once by each process that loads the
 * library.
 */
extern void timer_init(void);

/*
 * Notes that something will be due in this database at a time, or that
 * noetl.maintain() is (TIMER_MAINTAIN).  A transaction calls this after it has
 * committed.
 */
extern void timer_expect(TimestampTz when);

/* Returns the slot of a database, a new one if need be; NULL: all are in use. */
extern TimerSlot *timer_slot(Oid database);
/* Frees the slot of a database that has been dropped. */
extern void timer_free_slot(TimerSlot *slot);
/* Returns when a worker must look into the database of a slot. */
extern TimestampTz timer_due(TimerSlot *slot);
extern void timer_set_due(TimerSlot *slot, TimestampTz when);
/* Moves the time forward; returns false when it is not earlier than it was. */
extern bool timer_lower_due(TimerSlot *slot, TimestampTz when);

#endif							/* NOETL_WAKEUP_SCHEDULE_H */
