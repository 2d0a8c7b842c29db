/*
 * postgres_target.h
 *		The database of a postgres task.
 */
#ifndef POSTGRES_TARGET_H
#define POSTGRES_TARGET_H

#include "conninfo.h"
#include "outcome.h"

typedef struct Target
{
	ConninfoSource source;
	StringBuf	conninfo;
} Target;

extern bool find_target(const Task *task, Target *target, Outcome *out);

#endif							/* POSTGRES_TARGET_H */
