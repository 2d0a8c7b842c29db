/*
 * store/schedule.h
 *		Schedules: noetl.schedule.
 *
 * A part of the door (store/store.h).  The statements run as the owner of the
 * tables; callers check rights.
 */
#ifndef NOETL_STORE_SCHEDULE_H
#define NOETL_STORE_SCHEDULE_H

/* A row of noetl.schedule. */
typedef struct Schedule
{
	int64		id;
	const char *name;
	const char *path;
	const char *cron;
	const char *time_zone;
	const char *overlap;
	const char *catch_up;
	Jsonb	   *parameters;
	Jsonb	   *labels;			/* or NULL */
	int64		jitter;			/* microseconds */
	bool		enabled;
	Oid			owner;
	TimestampTz next_at;
	TimestampTz last_at;		/* the newest time that was due; 0: none was */
	TimestampTz queued_at;		/* the time whose start waits for the last execution to
								 * end; 0: none does */
	int64		last_execution_id;	/* 0: none was started */
	const char *error;			/* of the newest start, or NULL */
} Schedule;

/* Reads a schedule; returns false when there is none. */
extern bool store_get_schedule(const char *name, Schedule *schedule);

/*
 * Reads a schedule and locks it; returns false when it is gone, or another
 * transaction has locked it.
 */
extern bool store_lock_schedule(int64 schedule_id, Schedule *schedule);

/*
 * Writes what noetl.schedule() sets and next_at, into the row with the name or a new
 * one.
 */
extern void store_put_schedule(const Schedule *schedule);

/* Writes what a start changes: next_at, last_at, queued_at, last_execution_id, error. */
extern void store_advance_schedule(const Schedule *schedule);

/* Deletes a schedule; returns false when there is none. */
extern bool store_delete_schedule(const char *name);

#endif							/* NOETL_STORE_SCHEDULE_H */
