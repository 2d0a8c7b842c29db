/*
 * guard.h
 *		The guard process: it kills what tasks have started when the worker is gone.
 */
#ifndef GUARD_H
#define GUARD_H

#include <signal.h>

#include "wait.h"

/* Process groups that a worker may have at the same time */
#define MAX_CHILDREN (MAX_CONCURRENCY + 80)

extern volatile sig_atomic_t *guard_start(void);

#endif							/* GUARD_H */
