/*
 * guard.h
 *		The guard process: it kills what tasks have started when the worker is gone.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <sys/types.h>

extern void guard_tell(pid_t group, bool running);

#endif							/* GUARD_H */
