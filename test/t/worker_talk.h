/*
 * test/t/worker_talk.h
 *		Between worker_talk.c and worker_talk_libpq.c: the case, and the connections of the
 *		libpq that answers what the case says.
 */
#ifndef WORKER_TALK_H
#define WORKER_TALK_H

#include <stdbool.h>

#define BEGIN 1000.0

/* worker_talk.c */
extern double now;
extern char *lines[];			/* of the case; NULL: used */
extern int	times[];			/* that a statement may be asked */
extern int	nlines;
extern void say(const char *fmt,...) __attribute__((format(printf, 1, 2)));
extern void arm(const char *text);
extern bool fails(const char *name, int *value);

/* The value of a call that fails is what the function returns. */
#define FAILS_AS(name) \
	do { int value; if (fails(name, &value)) return value; } while (0)

/* worker_talk_libpq.c */
typedef enum Arrival
{
	ARRIVAL_NONE,				/* nothing is to come, or the descriptor is another one */
	ARRIVAL_LATER,
	ARRIVAL_NOW
} Arrival;

extern bool is_connection(int fd);
extern Arrival next_arrival(int fd, double *when);

#endif							/* WORKER_TALK_H */
