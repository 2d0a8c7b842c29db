/*
 * action.h
 *		The execution of one task by the executor of its type.
 */
#ifndef ACTION_H
#define ACTION_H

#include "outcome.h"

extern bool prepare_action(Task *task, Outcome *out);
extern void fail_timed_out(Task *task, Outcome *out);
extern void finish_action(Task *task, Outcome *out);
extern OutcomeKind execute_action(Task *task, Outcome *out);

#endif							/* ACTION_H */
