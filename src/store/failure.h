/*
 * store/failure.h
 *		Executions that the reaper could not finish, and when it tries again.
 */
#ifndef NOETL_STORE_FAILURE_H
#define NOETL_STORE_FAILURE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* A row of noetl.reaper_failure. */
typedef struct ReaperFailure
{
	int64		execution_id;	/* 0: of no single execution */
	const char *sqlstate;
	const char *error;
	TimestampTz next_try_at;
} ReaperFailure;

/*
 * Returns what is recorded (ReaperFailure * with execution_id and next_try_at),
 * ordered by execution_id.
 */
extern List *reaper_failures(void);

/* Returns the entry of an execution, or NULL. */
extern const ReaperFailure *reaper_failure_find(const List *failures, int64 execution_id);

/*
 * Records a failure, and puts the next try off: by 1 s, then by twice as long as
 * before, up to ten minutes.  The caller holds the lock of the execution.
 */
extern void reaper_failure_record(const ReaperFailure *failure);

/* Deletes the record of an execution. */
extern void reaper_failure_forget(int64 execution_id);

/* Deletes the records of executions that are over; returns how many. */
extern int64 reaper_failures_clean(void);

#endif							/* NOETL_STORE_FAILURE_H */
