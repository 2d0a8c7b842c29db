/*
 * broker/run.c
 *		Runs: one visit of one step, or one item of its iterator.
 */
#include "common/common.h"

#include "broker/broker.h"

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

/* Returns the run of a list with this row of the queue, or NULL. */
static Run *
run_of_task(const List *runs, int64 queue_id)
{
	ListCell   *lc;

	foreach(lc, runs)
		if (((Run *) lfirst(lc))->queue_id == queue_id)
			return (Run *) lfirst(lc);
	return NULL;
}

/*
 * Completes the list of runs, which at first has only some of many tasks.  The list then is
 * as if it had been complete from the beginning: tasks that this evaluation has ended
 * are not in it.
 */
void
all_runs(BrokerState *state)
{
	List	   *known = state->runs;
	List	   *tasks;
	ListCell   *lc;

	if (!state->more_tasks)
		return;
	state->more_tasks = false;
	state->runs = NIL;
	tasks = state->values.tasks(state->values.arg);
	foreach(lc, tasks)
	{
		Run		   *task = (Run *) lfirst(lc);
		Run		   *run = run_of_task(state->first_tasks, task->queue_id);

		if (run == NULL)
			state->runs = lappend(state->runs, task);
		else if (list_member_ptr(known, run))
			state->runs = lappend(state->runs, run);
	}
	foreach(lc, known)
		if (!list_member_ptr(state->first_tasks, lfirst(lc)))
			state->runs = lappend(state->runs, lfirst(lc));
}

/*
 * Completes the arrivals of a run, whose row has only the first; those of this evaluation
 * come last.
 */
void
all_arrivals(BrokerState *state, Run *run)
{
	List	   *arrivals = NIL;
	ListCell   *lc;

	if (!run->more_arrivals)
		return;
	run->more_arrivals = false;
	foreach(lc, run->arrivals)
	{
		if (foreach_current_index(lc) == run->stored_arrivals)
			arrivals = list_concat(arrivals, state->values.arrivals(state->values.arg, run));
		arrivals = lappend(arrivals, lfirst(lc));
	}
	if (list_length(run->arrivals) == run->stored_arrivals)
		arrivals = list_concat(arrivals, state->values.arrivals(state->values.arg, run));
	run->stored_arrivals += list_length(arrivals) - list_length(run->arrivals);
	run->arrivals = arrivals;
}
