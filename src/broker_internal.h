/*
 * broker_internal.h
 *		What the files of the decision core share with each other only.
 *
 *		broker.c     an event comes in: whose run is it, what does it mean
 *		flow.c       steps start and end, branches arrive and join
 *		decision.c   decisions are noted down; executions end
 */
#ifndef NOETL_BROKER_INTERNAL_H
#define NOETL_BROKER_INTERNAL_H

#include "broker.h"
#include "transition.h"

/* Why a run failed; step_failed.meta.kind says it by name. */
typedef enum FailureKind
{
	FAILURE_ACTION,
	FAILURE_RETRY_EXHAUSTED,
	FAILURE_CLIENT,
	FAILURE_CONDITION,
	FAILURE_TEMPLATE,
	FAILURE_TIMED_OUT,
	/* a step cannot go on after these, whatever on_error says */
	FAILURE_TRANSITION,
	FAILURE_MAX_VISITS
} FailureKind;

/* What is said about a run when it ends well. */
typedef struct Completion
{
	EventType	type;			/* step_completed or step_skipped */
	int64		parent;			/* the event that ended it */
	const JsonbValue *envelope; /* its result */
	bool		write_result;	/* the emitted event carries the result: no
								 * action_completed does */
	bool		silent;			/* the entry router: no event */
	bool		announced;		/* the client sent step_completed itself */
	const JsonbValue *input;
	const char *error;			/* on_error: continue */
} Completion;

/* ---- decision.c ---- */

/* Appends a decision of a kind; the caller fills in the rest. */
extern Decision *decide(BrokerState *state, DecisionKind kind, Run *run);

/* A follow-up event, a microsecond after the newest; step NULL: of the execution. */
extern Event *emit(BrokerState *state, EventType type, const Step *step, int visit,
				   int64 parent);

/* Notes that the execution is over; revoke: leased work is to be stopped. */
extern void finish(BrokerState *state, const char *status, const char *error,
				   Jsonb *result, bool revoke);
extern void fail_execution(BrokerState *state, const Step *step, const char *reason,
						   int64 parent);
extern void complete_execution(BrokerState *state, const Step *end, int64 parent);
extern const char *failure_name(FailureKind kind);

/* ---- flow.c ---- */

/* Does a step, as the first of an execution, leave no event of its own? */
extern bool is_silent_entry(const Playbook *playbook, const Step *step);
/* The live run of a step: there is never more than one. */
extern Run *live_run(BrokerState *state, int step);
/* The input an action was given; false when it has none. */
extern bool run_input(const Run *run, JsonbValue *input);
extern void arrive(BrokerState *state, const Departure *departure, int from,
				   int64 event_id);
extern void complete_step(BrokerState *state, Run *run, const Completion *completion);
extern void fail_step(BrokerState *state, Run *run, int64 parent, FailureKind kind,
					  const char *error, const JsonbValue *envelope,
					  const JsonbValue *input, const JsonbValue *tried);
/* Starts what can start, keeps what must wait, completes what is done. */
extern void settle(BrokerState *state);

#endif							/* NOETL_BROKER_INTERNAL_H */
