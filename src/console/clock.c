/*
 * clock.c
 *		The clock of all durations.
 */
#define _GNU_SOURCE
#include "clock.h"

/* Returns the seconds since the machine has started (clock.h). */
time_t
clock_seconds(void)
{
	return (time_t) (clock_ms() / 1000);
}

/* Returns the milliseconds since the machine has started (clock.h). */
long long
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}
