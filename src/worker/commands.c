/*
 * commands.c
 *		The commands of a task: SQL, in one text, a list of them, or a script.
 *
 * They are keys of the step.  The input of a task never becomes code.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "script.h"

#define MAX_COMMANDS 1000

/* Appends a command. */
static void
add_command(Commands *commands, char *text)
{
	commands->texts = xrealloc(commands->texts,
							   sizeof(char *) * (size_t) (commands->count + 1));
	commands->texts[commands->count++] = text;
}

/* Takes the commands under one key. */
static OutcomeKind
take_commands(const Task *task, const char *key, Commands *commands, Outcome *out)
{
	const char *text;
	char	   *decoded;

	for (int i = 0; task_list(task, key, i, &text); i++)
	{
		if (text == NULL)
			return outcome_fail(out, "%s %d is not a text", key, i);
		if (commands->count == MAX_COMMANDS)
			return outcome_fail(out, "more than %d commands in one task", MAX_COMMANDS);
		add_command(commands, xstrdup(text));
	}
	if (commands->count > 0)
		return OUTCOME_DONE;
	if (!task_text_or_base64(task, key, &decoded, out))
		return OUTCOME_FAILED;
	if (decoded != NULL)
		add_command(commands, decoded);
	return OUTCOME_DONE;
}

/* Tells whether the input of a task has what looks like commands. */
static bool
input_has_commands(const Task *task)
{
	static const char *const keys[] = {"data.command", "data.commands", "data.sql", "data.query"};
	const char *text;

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
	{
		if (task_list(task, keys[k], 0, &text))
			return true;
	}
	return false;
}

/* Takes the commands of a script that the task names. */
static OutcomeKind
take_script(Task *task, Commands *commands, Outcome *out)
{
	char	   *text;
	OutcomeKind kind = script_read(task, &text, out);

	if (text != NULL)
		add_command(commands, text);
	return kind;
}

/*
 * Finds the commands of a task; the outcome is a failure when there are none.  ABORTED:
 * the task is to be abandoned.
 */
OutcomeKind
find_commands(Task *task, Commands *commands, Outcome *out)
{
	static const char *const keys[] = {"command", "commands", "sql", "query", "code"};
	OutcomeKind kind;

	for (size_t k = 0; commands->count == 0 && k < sizeof(keys) / sizeof(keys[0]); k++)
	{
		if (take_commands(task, keys[k], commands, out) != OUTCOME_DONE)
			return OUTCOME_FAILED;
	}
	if (commands->count == 0 && (kind = take_script(task, commands, out)) != OUTCOME_DONE)
		return kind;
	if (commands->count == 0)
		return outcome_fail(out, "the %s task has no command%s", task->type,
							input_has_commands(task) ? "; its input has one, but data does not"
							" become code: write it beside tool" : "");
	return OUTCOME_DONE;
}

/* Frees the commands. */
void
free_commands(Commands *commands)
{
	for (int i = 0; i < commands->count; i++)
		free(commands->texts[i]);
	free(commands->texts);
	memset(commands, 0, sizeof(*commands));
}
