/*
 * broker/left.h
 *		Strings of an action that only the worker can render.
 */
#ifndef NOETL_BROKER_LEFT_H
#define NOETL_BROKER_LEFT_H

#include "broker/scope.h"

/*
 * Returns whether the workload has strings that only the worker can render: then
 * what refers to the workload is left to the worker, too.
 */
extern bool workload_is_left(Scope *scope);

/* Returns whether one key of the workload has such strings. */
extern bool workload_key_is_left(Scope *scope, const char *name, int length);

/*
 * Returns whether an input of the step of a scope, or one of its members (NULL: any), has
 * strings that are left, as the step and the transitions to it write them.
 */
extern bool input_is_left(Scope *scope, const JsonbValue *input, const char *member,
						  int length);

/*
 * Notes in scope->left_members which members of the input of a task, as it was put
 * together, have strings that are left: what refers to them is left, too.
 */
extern void left_in_input(const Step *task, Scope *scope, const JsonbValue *input);

/*
 * Finds the strings of an action, as it was rendered, that are left to the worker.
 * *places: the paths of these strings.  Returns the names that they refer to, and
 * that the worker does not have (char *).
 */
extern List *left_in_action(const Step *task, Scope *scope, const JsonbValue *action,
							JsonbValue *places);

/*
 * Adds the paths of the strings that are left in the value of a name: the workload,
 * one of its keys, the input or a member of it.
 */
extern void left_in_name(const Step *task, Scope *scope, const char *name,
						 JsonBuilder *places);

/* Returns whether a list of names (char *) has one. */
extern bool left_has(const List *names, const char *name, int length);

#endif							/* NOETL_BROKER_LEFT_H */
