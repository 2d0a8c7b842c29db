/*
 * commands.h
 *		The commands of a task: SQL, in one text or a list of them.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "outcome.h"

typedef struct Commands
{
	char	  **texts;			/* decoded, in order */
	int			count;
} Commands;

extern OutcomeKind find_commands(Task *task, Commands *commands, Outcome *out);
extern void free_commands(Commands *commands);

#endif							/* COMMANDS_H */
