/*
 * replay/redrive.h
 *		How an execution is resumed after a failure: for the functions on one
 *		execution (redrive.c) and on many (redrive_all.c).
 */
#ifndef NOETL_REPLAY_REDRIVE_H
#define NOETL_REPLAY_REDRIVE_H

#include "engine/engine.h"

/* A call that resumes executions: its arguments, and what it has done so far. */
typedef struct Recovery
{
	RecoverRequest request;
	int64		root;			/* the topmost execution that is resumed */
	int			steps;			/* how many of the steps run again */
	List	   *redriven;		/* int64 *, the executions that are resumed */
} Recovery;

/* Resumes an execution that failed or was cancelled, from its topmost ancestor on. */
extern void redrive(Recovery *recovery, int64 execution_id);

/*
 * Resumes the held runs of a step (-1: of all) of an execution whose lock is held;
 * returns how many there were.
 */
extern int	retry_held(Recovery *recovery, int64 execution_id, int step);

#endif							/* NOETL_REPLAY_REDRIVE_H */
