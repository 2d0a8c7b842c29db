/*
 * script.h
 *		Commands that a task does not have itself, but names a place of.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "outcome.h"

extern OutcomeKind script_read(Task *task, char **text, Outcome *out);

#endif							/* SCRIPT_H */
