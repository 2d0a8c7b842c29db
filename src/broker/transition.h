/*
 * broker/transition.h
 *		Which "next" entries of a completed step are taken.
 */
#ifndef NOETL_BROKER_TRANSITION_H
#define NOETL_BROKER_TRANSITION_H

#include "broker/scope.h"

/* A target that was chosen. */
typedef struct Departure
{
	int			step;
	bool		has_data;
	JsonbValue	data;			/* transition-level input */
} Departure;

typedef struct TransitionOutcome
{
	List	   *departures;		/* Departure *, document order, no step twice */
	bool		taken;			/* some entry was taken, if only to end the branch */
	const char *error;			/* of the first condition that raised, or NULL */
	bool		recorded;		/* meta is set: there were entries */
	JsonbValue	meta;			/* meta.transitions */
	Jsonb	   *record;			/* {"transitions": meta}, if that is always the same;
								 * or NULL */
} TransitionOutcome;

/* Decides which entries of a list are taken, and records what became of each. */
extern void transitions_evaluate(const TransitionList *list, Scope *scope,
								 TransitionOutcome *outcome);

#endif							/* NOETL_BROKER_TRANSITION_H */
