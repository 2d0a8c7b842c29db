/*
 * common/bounds.c
 *		How long work on users' data may take, and how much memory.
 */
#include "common/common.h"

#include <signal.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

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
	bounds->timed = timed && SETTING(template_max_time) > 0;
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

		if (now > b->before && now - b->before > (Size) SETTING(template_max_memory) * 1024)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("%s exceeds noetl.template_max_memory (%d kB)",
							b->what, SETTING(template_max_memory))));
	}
}

/* Returns the milliseconds that bounds have left; not above 0: their time is over. */
static double
time_left(const Bounds *bounds)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, bounds->start);
	return SETTING(template_max_time) - INSTR_TIME_GET_MILLISEC(now);
}

/* Raises that the time of bounds is over. */
static void
fail_time(const Bounds *bounds)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s exceeds noetl.template_max_time (%d ms)",
					bounds->what, SETTING(template_max_time))));
}

/* Raises when the time of one of the bounds in force is over. */
static void
check_time(void)
{
	for (const Bounds *b = innermost; b != NULL; b = b->outer)
		if (b->timed && time_left(b) < 0)
			fail_time(b);
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

/* ------------------------------------------------------------------------
 * Work that does not count
 * ------------------------------------------------------------------------
 */
static TimeoutId timer = MAX_TIMEOUTS;
static volatile sig_atomic_t expired = false;

/* The timer of bounds_run: asks the work to end, as a cancel request does. */
static void
on_timer(void)
{
	if (QueryCancelPending)
		return;
	expired = true;
	QueryCancelPending = true;
	InterruptPending = true;
}

/* Starts the timer; returns the bounds whose time is over first, or NULL. */
static const Bounds *
start_timer(void)
{
	const Bounds *first = NULL;

	for (const Bounds *b = innermost; b != NULL; b = b->outer)
		if (b->timed && (first == NULL || time_left(b) < time_left(first)))
			first = b;
	if (first == NULL)
		return NULL;
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, on_timer);
	expired = false;
	enable_timeout_after(timer, Max((int) time_left(first), 1));
	return first;
}

/* Stops the timer; returns whether it has run out. */
static bool
stop_timer(void)
{
	disable_timeout(timer, false);
	if (!expired)
		return false;
	expired = false;
	QueryCancelPending = false;
	return true;
}

/* Runs work that serves interrupts but does not count. */
void
bounds_run(void (*work) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	const Bounds *volatile first;

	bounds_check();
	first = start_timer();
	PG_TRY();
	{
		work(arg);
	}
	PG_CATCH();
	{
		if (first != NULL && stop_timer())
		{
			MemoryContextSwitchTo(context);
			FlushErrorState();
			fail_time(first);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (first != NULL && stop_timer())
		fail_time(first);
}
