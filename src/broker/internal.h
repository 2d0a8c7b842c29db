/*
 * broker/internal.h
 *		What the files of the decision core share with each other only.
 *
 *		broker.c     an event comes in: whose run is it, what does it mean
 *		flow.c       steps start and end, branches arrive and join
 *		child.c      steps that are child executions
 *		iteration.c  steps that are iterators
 *		save_broker.c  saves that the database executes itself
 *		decision.c   decisions are noted down; executions end
 */
#ifndef NOETL_BROKER_INTERNAL_H
#define NOETL_BROKER_INTERNAL_H

#include "broker/broker.h"
#include "common/common.h"
#include "broker/transition.h"

/* Why a run failed; step_failed.meta.kind says it by name. */
typedef enum FailureKind
{
	FAILURE_ACTION,
	FAILURE_RETRY_EXHAUSTED,
	FAILURE_CLIENT,
	FAILURE_CONDITION,
	FAILURE_TEMPLATE,
	FAILURE_COLLECTION,
	FAILURE_PLAYBOOK,
	FAILURE_TIMED_OUT,
	FAILURE_SAVE,
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

/* The same about an item of the step's iterator; -1: of the step as a whole. */
extern Event *emit_item(BrokerState *state, EventType type, const Step *step, int visit,
						int item, int64 parent);

/* Notes that the execution is over; revoke: leased work is to be stopped. */
extern void finish(BrokerState *state, const char *status, const char *error,
				   Jsonb *result, bool revoke);
extern void fail_execution(BrokerState *state, const Step *step, const char *reason,
						   int64 parent);
extern void complete_execution(BrokerState *state, const Step *end, int64 parent);
extern const char *failure_name(FailureKind kind);

/* ---- broker.c ---- */

/* An attempt of a run or of an item ended, well or not: retry, fail or complete. */
extern void end_attempt(BrokerState *state, Run *run, const Event *event, bool success);

/* ---- child.c ---- */

/* Starts the child execution that a step is. */
extern void start_playbook(BrokerState *state, Run *run, const JsonbValue *transition_input);
/*
 * Which playbook a task calls and with what; NULL and *error when it cannot be
 * started.  pinned: its catalog_id when it is known already, else 0.
 */
extern ChildStart *prepare_child(BrokerState *state, const Step *task, Scope *scope,
								 const JsonbValue *transition_input, int64 pinned,
								 char **error);
/* The playbook that is called, when it is the same for every item; else 0. */
extern int64 pin_child(BrokerState *state, const Step *task, Scope *scope);
/* The task is done but executions that its worker started are not: it stays open. */
extern void await_spawned(BrokerState *state, Run *run, const Event *event,
						  const JsonbValue *envelope, const JsonbValue *input);
/* The result of a child execution, as its parent sees it. */
extern void child_result(BrokerState *state, const Step *task, const ChildEnd *end,
						 JsonbValue *result);

/* ---- iteration.c ---- */

extern void start_iterator(BrokerState *state, Run *run, const JsonbValue *transition_input);
/* An item of an iterator has ended; it is not to be repeated. */
extern void end_item(BrokerState *state, Run *run, int index, bool success,
					 const JsonbValue *envelope, const char *error,
					 int64 child_execution_id, int64 parent);
extern void item_child_ended(BrokerState *state, Run *run, const ChildEnd *end);

/* ---- save_broker.c ---- */

/*
 * Executes the saves of a task, whose scope is as for its own templates, and
 * says so in the log.  *saved: what was saved.  False and *error when they fail.
 */
extern bool execute_saves(BrokerState *state, const Run *run, const Step *task, Scope *scope,
						  int64 parent, JsonbValue *saved, const char **error);
/* The same after an attempt of a run or of an item that went well. */
extern bool save_attempt(BrokerState *state, Run *run, const JsonbValue *envelope,
						 const JsonbValue *input, int64 parent, JsonbValue *saved,
						 const char **error);
/* A step that does nothing but save. */
extern void start_save_step(BrokerState *state, Run *run, const JsonbValue *transition_input);

/* ---- flow.c ---- */

/* Is the work of a run done elsewhere than in its own queue row? */
extern bool is_open_step(const Step *step);
/* That work begins, and the time it may take. */
extern void open_run(BrokerState *state, Run *run);
/* The input of an action or child: the step's own, the transition's above it. */
extern bool assemble_input(const Step *task, Scope *scope, const JsonbValue *transition_input,
						   JsonbValue *input, SourceError *error);
/* Renders what the worker will get.  False and *error when a template raises. */
extern bool prepare_action(BrokerState *state, Run *run, const Step *task, Scope *scope,
						   const JsonbValue *transition_input, SourceError *error);
/* The values of names that raw parts of a task refer to. */
extern void add_raw_roots(const Step *task, Scope *scope, JsonBuilder *builder);
/* What a save sees of the results of all items, as names. */
extern void add_iterator_names(const JsonbValue *envelope, JsonBuilder *builder);
/*
 * What a step saves after its children are done is a task of type save, of the
 * run itself or (item) of one of its items.
 */
extern void start_save(BrokerState *state, Run *run, const Step *task, Scope *scope,
					   const JsonbValue *envelope);
/* The arrival that let a join go: the newest. */
extern int64 released_by(const Run *run);
/* A run whose join is complete begins; what needs no worker also ends here. */
extern void start_run(BrokerState *state, Run *run);
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
