/*
 * replay/redrive.h
 *		Executions go on after a failure: for the functions on one execution, and on
 *		many (redrive_all.c).
 */
#ifndef NOETL_REPLAY_REDRIVE_H
#define NOETL_REPLAY_REDRIVE_H

#include "engine/engine.h"

/* What is asked for, and what was done. */
typedef struct Recovery
{
	RecoverRequest request;
	int64		root;			/* the topmost execution that goes on */
	int			steps;			/* how many steps go on */
	List	   *redriven;		/* int64 *, the executions that go on */
	bool		orphans;		/* running executions had to be cancelled */
} Recovery;

/* Sets an execution that failed or was cancelled going again. */
extern void redrive(Recovery *recovery, int64 execution_id);

/*
 * Has held steps of an execution go on (step -1: all), whose lock is held; returns how
 * many there were.
 */
extern int	retry_held(Recovery *recovery, int64 execution_id, int step);

#endif							/* NOETL_REPLAY_REDRIVE_H */
