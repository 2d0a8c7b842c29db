/*
 * common/bounds.c
 *		How long work on users' data may take, and how much memory.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/bounds.h"

int64		bounds_left = BOUNDS_INTERVAL;

static Bounds *innermost = NULL;

/* Puts bounds in force until bounds_end. */
void
bounds_begin(Bounds *bounds, const char *what, MemoryContext context, bool timed)
{
	bounds->outer = innermost;
	bounds->what = what;
	bounds->context = context;
	bounds->before = MemoryContextMemAllocated(context, true);
	bounds->timed = timed && noetl_template_max_time > 0;
	if (bounds->timed)
		INSTR_TIME_SET_CURRENT(bounds->start);
	innermost = bounds;
}

/* Takes bounds, and all that began after them, out of force. */
void
bounds_end(const Bounds *bounds)
{
	innermost = bounds->outer;
}

/* Raises when one of the bounds in force ends with so many more bytes. */
void
bounds_check_memory(Size more)
{
	for (const Bounds *b = innermost; b != NULL; b = b->outer)
	{
		Size		now = MemoryContextMemAllocated(b->context, true) + more;

		if (now > b->before && now - b->before > (Size) noetl_template_max_memory * 1024)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("%s exceeds noetl.template_max_memory (%d kB)",
							b->what, noetl_template_max_memory)));
	}
}

/* Raises when the time of one of the bounds in force is over. */
static void
check_time(void)
{
	for (const Bounds *b = innermost; b != NULL; b = b->outer)
	{
		instr_time	now;

		if (!b->timed)
			continue;
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, b->start);
		if (INSTR_TIME_GET_MILLISEC(now) > noetl_template_max_time)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("%s exceeds noetl.template_max_time (%d ms)",
							b->what, noetl_template_max_time)));
	}
}

/* Serves interrupts and checks all bounds that are in force. */
void
bounds_check(void)
{
	bounds_left = BOUNDS_INTERVAL;
	CHECK_FOR_INTERRUPTS();
	check_time();
	bounds_check_memory(0);
}
