/*
 * broker/condition.h
 *		Conditions of a playbook: "when", "pass", "where", "retry_when" …
 */
#ifndef NOETL_BROKER_CONDITION_H
#define NOETL_BROKER_CONDITION_H

#include "broker/scope.h"

/*
 * Evaluates a condition over any scope; *result says whether it holds.  False
 * and *error, with its position in the playbook, when the condition raises.
 */
extern bool condition_evaluate(const Condition *condition, const TemplateScope *scope,
							   bool *result, SourceError *error);

/* The same over the scope of a step; *error is text that goes into an event. */
extern bool condition_holds(const Condition *condition, Scope *scope,
							bool *result, char **error);

#endif							/* NOETL_BROKER_CONDITION_H */
