/*
 * wakeup/schedule.h
 *		The optional background processes that do what becomes due by the
 *		passing of time alone; see timer.c.
 */
#ifndef NOETL_WAKEUP_SCHEDULE_H
#define NOETL_WAKEUP_SCHEDULE_H

#include "datatype/timestamp.h"

/* When the library is loaded: the settings, and the processes if there shall be any. */
extern void timer_init(void);

/* Something will be due in this database then, says a transaction that has committed. */
extern void timer_expect(TimestampTz when);

#endif							/* NOETL_WAKEUP_SCHEDULE_H */
