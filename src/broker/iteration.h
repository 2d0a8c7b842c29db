/*
 * broker/iteration.h
 *		An iterator under way: for the files that start its items.
 */
#ifndef NOETL_BROKER_ITERATION_H
#define NOETL_BROKER_ITERATION_H

#include "broker/internal.h"

/* An open iterator, with what its run's context says. */
typedef struct Iteration
{
	BrokerState *state;
	Run		   *run;
	const Step *step;
	const IteratorSpec *spec;
	JsonbValue	context;
	JsonbValue	input;
	int64		since;
	int64		resumed;		/* the event that resumed it; 0: none */
	int			total;
	int			concurrency;
	int64		catalog_id;
	IterationProgress progress;
	const IteratorItems *items; /* at the start: all of them */
	/* of one that was resumed: */
	IterationProgress base;		/* how far it had come */
	JsonbValue	todo;			/* ranges of the items that waited then */
	const ItemState *states;	/* while it is resumed: by item */
} Iteration;

/* Writes what an iterator has to remember into the context of its run. */
extern void iteration_store_context(Iteration *iteration);

/* Reads an iterator under way. */
extern void iteration_open(Iteration *iteration, BrokerState *state, Run *run);

/*
 * Starts one item.  False when it ends at once: *end says how, but for an item that
 * fails to start not which event ended it.
 */
extern bool iteration_start_item(Iteration *iteration, int index, const JsonbValue *item,
								 ItemEnd *end);

/* Ends an item, and starts the one that may start now; returns the end of the attempt. */
extern AttemptEnd iteration_item_ended(Iteration *iteration, ItemEnd end);

/* Emits iterator_completed; returns the end of the attempt. */
extern AttemptEnd iteration_complete(Iteration *iteration, int64 parent);

#endif							/* NOETL_BROKER_ITERATION_H */
