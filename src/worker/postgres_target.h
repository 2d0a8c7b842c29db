/*
 * postgres_target.h
 *		Between the two files of the postgres executor.
 */
#ifndef POSTGRES_TARGET_H
#define POSTGRES_TARGET_H

#include "outcome.h"

extern void find_target(const Task *task, StringBuf *conninfo);

#endif							/* POSTGRES_TARGET_H */
