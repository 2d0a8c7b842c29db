/*
 * common/bounds.h
 *		How long work on users' data may take, and how much memory.
 *
 * A loop over users' data counts what it does with bounds_work(); one unit is
 * about a nanosecond.  Every BOUNDS_INTERVAL units the work is checked:
 * interrupts are served, and the bounds that are in force raise
 * program_limit_exceeded when they are exceeded.  Bounds nest: those of a
 * playbook hold for every template in it.
 */
#ifndef NOETL_COMMON_BOUNDS_H
#define NOETL_COMMON_BOUNDS_H

#include "portability/instr_time.h"

#define BOUNDS_INTERVAL 200000

/* The bounds of one evaluation or compilation; lives on its stack. */
typedef struct Bounds
{
	struct Bounds *outer;
	const char *what;			/* subject of the error message */
	MemoryContext context;		/* counted with its children */
	Size		before;			/* bytes in the context when the work began */
	bool		timed;			/* noetl.template_max_time holds too */
	instr_time	start;
} Bounds;

extern int64 bounds_left;		/* units until the next check */

/* Puts bounds in force; bounds_end must follow, also after an error. */
extern void bounds_begin(Bounds *bounds, const char *what, MemoryContext context, bool timed);
extern void bounds_end(const Bounds *bounds);

/* Serves interrupts and checks all bounds that are in force. */
extern void bounds_check(void);

/* Raises unless so many more bytes are within the bounds that are in force. */
extern void bounds_check_memory(Size more);

/*
 * Runs work of the server's own that does not count: a regular expression, a
 * jsonpath.  It ends when the time of the bounds in force is over, or at a cancel
 * request, if it serves interrupts.
 */
extern void bounds_run(void (*work) (void *arg), void *arg);

/* Counts work; checks now and then. */
static inline void
bounds_work(int64 units)
{
	bounds_left -= units;
	if (bounds_left < 0)
		bounds_check();
}

#endif							/* NOETL_COMMON_BOUNDS_H */
