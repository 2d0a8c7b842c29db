/*
 * broker/scope.h
 *		The names that templates of a playbook see: see scope.c.
 */
#ifndef NOETL_BROKER_SCOPE_H
#define NOETL_BROKER_SCOPE_H

#include "broker/model.h"
#include "playbook/playbook.h"

/* What is known besides the execution while one template is evaluated. */
typedef struct Scope
{
	BrokerState *state;
	TemplateScope template;		/* hand this to the template engine */
	const Step *step;			/* whose template it is, or NULL */
	Run		   *run;			/* of that step, which sees what it descends from; or
								 * NULL */

	const JsonbValue *names;	/* names inside an item of an iterator, or NULL */
	const JsonbValue *result;	/* the step's value, or NULL */
	const JsonbValue *envelope; /* "this" */
	const JsonbValue *input;	/* data, input, args */
	const char *error;			/* of a failed step */
	bool		is_save;		/* data is the result's, where there is one */

	/* retry only */
	bool		is_retry;
	const JsonbValue *response; /* the raw result; jbvNull when none */
	bool		success;
	int			attempt;
} Scope;

extern void scope_init(Scope *scope, BrokerState *state, const Step *step,
					   Run *run, TimestampTz now);

/*
 * The value of the newest visit of a step that has ended, whoever descends from it;
 * remembered for the rest of the evaluation.
 */
extern StepValue *scope_step_value(BrokerState *state, int step);

/* Tells later look-ups what this evaluation has just found out. */
extern void scope_set_step_value(BrokerState *state, int step, int visit,
								 int64 event_id, const JsonbValue *envelope);

/*
 * The value of any one name, for queue.context; and whether it is that of a
 * step, with the envelope (or null) that it came in.
 */
extern bool scope_name(Scope *scope, const char *name, JsonbValue *value,
					   JsonbValue *envelope, bool *is_step);

/* The start-time scope of a workload: execution_id, job and now() only. */
extern void scope_init_workload(Scope *scope, BrokerState *state, TimestampTz now);

/* An error message with the place in the playbook. */
extern char *scope_error_text(const SourceError *error);

#endif							/* NOETL_BROKER_SCOPE_H */
