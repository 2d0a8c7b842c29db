/*
 * action.c
 *		One action: who executes it, and for how long.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "worker.h"

/*
 * Sets the task's deadline, unless the server has, from its timeout: seconds, or
 * whatever the server can read as an interval.  False, with a failed outcome,
 * when it is neither.
 */
static bool
set_deadline(Task *task, Outcome *out)
{
	double		seconds;
	char	   *end;

	if (task->deadline > 0 || task->timeout == NULL || task->timeout[0] == '\0')
		return true;
	seconds = strtod(task->timeout, &end);
	if (*end != '\0')
	{
		DbStatus	status = db_interval_seconds(task->timeout, &seconds);

		if (status == DB_ERROR)
			outcome_fail(out, "invalid timeout: %s", db_message());
		if (status != DB_OK)
			return status == DB_GONE;
	}
	if (!(seconds > 0))
	{
		outcome_fail(out, "invalid timeout: \"%s\" is not positive", task->timeout);
		return false;
	}
	task->deadline = monotonic_now() + seconds;
	return true;
}

/* Why an action whose time is over has failed. */
static OutcomeKind
fail_timed_out(const Task *task, Outcome *out)
{
	if (task->timeout == NULL)
		return outcome_fail(out, "timed out");
	return outcome_fail(out, "timed out after %s%s", task->timeout,
						strspn(task->timeout, "0123456789.") == strlen(task->timeout) ?
						" seconds" : "");
}

/* Gets ready for a task that somebody else may execute: true if it can begin. */
bool
prepare_action(Task *task, Outcome *out)
{
	outcome_reset(out);
	if (find_executor(task->type) == NULL)
	{
		outcome_fail(out, "this worker cannot execute tasks of type \"%s\"", task->type);
		return false;
	}
	return set_deadline(task, out);
}

/*
 * Executes a task.  ABORTED: not because its own time is over, but because the
 * worker, or the task around it, has to end.
 */
OutcomeKind
execute_action(Task *task, Outcome *out)
{
	if (prepare_action(task, out))
	{
		const Executor *executor = find_executor(task->type);

		if (executor_usable(executor))
			out->kind = executor->execute(task, out);
		else
			outcome_fail(out, "this worker cannot execute tasks of type \"%s\"", task->type);
	}
	if (out->kind == OUTCOME_ABORTED && task->abort == ABORT_TIMEOUT &&
		(task->outer == NULL || task->outer->abort == ABORT_NONE))
		fail_timed_out(task, out);
	return out->kind;
}
