/*
 * broker/scope.h
 *		The names that templates of a playbook see.
 */
#ifndef NOETL_BROKER_SCOPE_H
#define NOETL_BROKER_SCOPE_H

#include "broker/collection.h"
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

	const JsonbValue *names;	/* names that hide others, as those inside an item of
								 * an iterator, or NULL */
	const ItemScope *item;		/* an item whose names "names" gets when somebody asks
								 * for all of them (scope_names()), or NULL */
	const JsonbValue *result;	/* the step's value, or NULL */
	const JsonbValue *envelope; /* "this" */
	const JsonbValue *input;	/* data, input, args */
	const JsonbValue *members;	/* an object whose members are names, too: the
								 * input, while the step's own strings are
								 * rendered; or NULL */
	const JsonbValue *outer;	/* the same of the iterator around an item, whose
								 * members are names after those; or NULL */
	List	   *left_members;	/* names (char *) of those that only the worker can
								 * render (broker/left.h) */
	const JsonbValue *layers;	/* of the input of the task, as rendered, and what */
	const JsonbValue *above;	/* stands above them, or NULL: while left_members is */
	const char *error;			/* of a failed step */
	bool		is_save;		/* data is the result's, where there is one */

	/* retry only */
	bool		is_retry;
	const JsonbValue *response; /* the raw result; jbvNull when none */
	bool		success;
	int			attempt;
} Scope;

/* Returns whether a name of a template, which no NUL ends, is a word. */
static inline bool
name_is(const char *name, int length, const char *word)
{
	return strncmp(name, word, length) == 0 && word[length] == '\0';
}

/* Begins a scope for templates of a step; the caller adds what only it knows. */
extern void scope_init(Scope *scope, BrokerState *state, const Step *step,
					   Run *run, TimestampTz now);

/*
 * Gives the input to a scope of a step without an action.  One that is empty hides no key
 * of the workload that is called like it.
 */
extern void scope_give_input(Scope *scope, const JsonbValue *input);

/* Returns the names that hide others, of which there may be those of an item; NULL: none. */
extern const JsonbValue *scope_names(Scope *scope);

/*
 * Returns the value of the newest visit of a step that has ended, whoever descends
 * from it; it is remembered for the rest of the evaluation.
 */
extern StepValue *scope_step_value(BrokerState *state, int step);

/* Remembers a value that this evaluation has given a step. */
extern void scope_set_step_value(BrokerState *state, int step, int visit,
								 int64 event_id, const JsonbValue *envelope);

/* The same, of a value that is the newest whatever came before. */
extern void scope_set_newest_value(BrokerState *state, int step, int visit,
								   int64 event_id, const JsonbValue *envelope);

/* Finds the envelopes of all values in "results", by name of the step. */
extern void scope_envelopes(Scope *scope, JsonbValue *value);

/*
 * Finds the value of one name, for queue.context.  *is_step: it is the value of a
 * step, which came in *envelope (or null).
 */
extern TemplateBinding scope_name(Scope *scope, const char *name, JsonbValue *value,
								  JsonbValue *envelope, bool *is_step);

/*
 * Renders the defaults of a workload, into an object; they see the start
 * parameters.  False and *error when a template raises.
 */
extern bool workload_defaults(BrokerState *state, TimestampTz now,
							  const JsonbValue *parameters, JsonbValue *defaults,
							  SourceError *error);

/* Returns whether a name is one of those of the input as a whole. */
static inline bool
scope_name_is_input(const char *name, int length)
{
	return word_is(name, length, "data") || word_is(name, length, "input") ||
		word_is(name, length, "args");
}

/* Returns whether a name is one of those of the workload as a whole. */
static inline bool
scope_name_is_workload(const char *name, int length)
{
	return name_is(name, length, "workload") || name_is(name, length, "work") ||
		name_is(name, length, "context");
}

/* Returns an error message with its place in the playbook. */
extern char *scope_error_text(const SourceError *error);

#endif							/* NOETL_BROKER_SCOPE_H */
