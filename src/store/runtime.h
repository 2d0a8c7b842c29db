/*
 * store/runtime.h
 *		What workers have asked for.
 */
#ifndef NOETL_STORE_RUNTIME_H
#define NOETL_STORE_RUNTIME_H

/*
 * Finds when a worker has last asked for tasks of a type, to the minute; returns false
 * when none has that is known of.
 */
extern bool store_last_asked(const char *type, TimestampTz *when);

#endif							/* NOETL_STORE_RUNTIME_H */
