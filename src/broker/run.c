/*
 * broker/run.c
 *		Runs: one visit of one step, or one item of its iterator.
 */
#include "common/common.h"

#include "broker/run.h"

/* Returns a new run of a step as a whole, which no list holds yet. */
Run *
run_make(int step, int visit, RunState state)
{
	Run		   *run = palloc0(sizeof(Run));

	run->step = step;
	run->visit = visit;
	run->item = -1;
	run->state = state;
	return run;
}

/*
 * Returns whether a run is live.  A run whose end is decided may still be in
 * the list of runs.
 */
bool
run_is_live(const Run *run)
{
	return run->state != RUN_ENDED && run->state != RUN_CANCELLED;
}

/* Returns the time at which something happens to a run by itself; 0: never. */
TimestampTz
run_due_at(const Run *run)
{
	return run->state == RUN_RETRY ? run->available_at :
		run->state == RUN_OPEN || run->state == RUN_AWAITING ? run->deadline : 0;
}
