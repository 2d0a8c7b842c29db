/*
 * clock.h
 *		The clock of all durations: nobody sets it, and it goes on while the machine sleeps.
 */
#ifndef CONSOLE_CLOCK_H
#define CONSOLE_CLOCK_H

#include <time.h>

/* Returns the seconds since the machine has started. */
extern time_t clock_seconds(void);
/* Returns the milliseconds since the machine has started. */
extern long long clock_ms(void);

#endif							/* CONSOLE_CLOCK_H */
