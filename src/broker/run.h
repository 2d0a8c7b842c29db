/*
 * broker/run.h
 *		Runs: one visit of one step, or one item of its iterator.
 */
#ifndef NOETL_BROKER_RUN_H
#define NOETL_BROKER_RUN_H

#include "broker/model.h"

/* Returns a new run of a step as a whole. */
extern Run *run_make(int step, int visit, RunState state);

/* Returns whether a run waits, is in the queue or is open. */
extern bool run_is_live(const Run *run);

/*
 * Returns when the next attempt of a run that is no task begins, or when its
 * attempt times out; 0: neither is planned.
 */
extern TimestampTz run_due_at(const Run *run);

/* Completes state->runs, which at first has only some of many tasks. */
extern void all_runs(BrokerState *state);

/* Completes the arrivals of a run, of which at first it has only some of many. */
extern void all_arrivals(BrokerState *state, Run *run);

#endif							/* NOETL_BROKER_RUN_H */
