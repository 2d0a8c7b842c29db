/*
 * loop.h
 *		Between loop.c and pool.c, the two ways in which tasks are executed.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>

typedef enum NextStep
{
	STEP_AGAIN,
	STEP_FINISHED,
	STEP_FATAL
} NextStep;

/* loop.c */
extern NextStep loop_after_error(const char *what);
extern NextStep loop_be_idle(void);
extern void loop_has_leased(int count);

/* pool.c */
extern void pool_init(void);
extern NextStep pool_turn(void);
extern void pool_end(void);

#endif							/* LOOP_H */
