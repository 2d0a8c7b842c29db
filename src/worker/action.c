/*
 * action.c
 *		The execution of one task by the executor of its type.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "broker.h"
#include "executor.h"
#include "secret.h"
#include "url.h"

/*
 * Sets the task's deadline, unless the server has, from its timeout: seconds, or
 * what the server reads as an interval.  Returns false when the timeout is neither
 * (the outcome is a failure) or the task is to be abandoned.
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
		DbStatus	status = db_interval_seconds(task, task->timeout, &seconds);

		if (status == DB_ERROR)
			outcome_fail(out, "invalid timeout: %s", db_message());
		else if (status != DB_OK)
			out->kind = OUTCOME_ABORTED;
		if (status != DB_OK)
			return false;
	}
	if (!(seconds > 0))
	{
		outcome_fail(out, "invalid timeout: \"%s\" is not positive", task->timeout);
		return false;
	}
	task->deadline = monotonic_now() + seconds;
	return true;
}

/*
 * Renders what the broker has left to this worker, before anything else is done with
 * the task.  Returns false when the outcome is that it cannot be.
 */
static bool
render_left(Task *task, Outcome *out)
{
	DbStatus	status;

	if (!task->left)
		return true;
	outcome_reset(out);
	status = db_render_left(task);
	if (status == DB_ERROR)
		outcome_fail(out, "%s", db_message());
	else if (status != DB_OK)
		out->kind = OUTCOME_ABORTED;
	return status == DB_OK;
}

/*
 * Makes the outcome of a task that its own timeout has ended a failure.  The task is not
 * abandoned any more: the worker has to tell of the failure.
 */
void
fail_timed_out(Task *task, Outcome *out)
{
	if (out->kind != OUTCOME_ABORTED || task->abort != ABORT_TIMEOUT ||
		(task->outer != NULL && task->outer->abort != ABORT_NONE))
		return;
	task->abort = ABORT_NONE;
	if (task->timeout == NULL)
		outcome_fail(out, "timed out");
	else
		outcome_fail(out, "timed out after %s%s", task->timeout,
					 strspn(task->timeout, "0123456789.") == strlen(task->timeout) ?
					 " seconds" : "");
}

/*
 * Renders what is left of a task, checks it and sets its deadline.  Returns true when
 * it can be executed, by this process or another one; the outcome says otherwise why
 * not.
 */
bool
prepare_action(Task *task, Outcome *out)
{
	outcome_reset(out);
	if (!render_left(task, out))
		return false;
	if (find_executor(task->type) == NULL)
	{
		outcome_fail(out, "this worker cannot execute tasks of type \"%s\"", task->type);
		return false;
	}
	return set_deadline(task, out);
}

/*
 * Cuts secrets out of the result, before and behind the place of the attached value, which
 * moves.
 */
static void
redact_result(Outcome *out)
{
	StringBuf	rest = {0};

	if (out->attached.len == 0)
	{
		secret_redact_json(&out->result);
		return;
	}
	sb_add(&rest, out->result.data + out->attached_at, out->result.len - out->attached_at);
	out->result.len = out->attached_at;
	out->result.data[out->result.len] = '\0';
	secret_redact_json(&out->result);
	secret_redact_json(&out->attached);
	out->attached_at = out->result.len;
	sb_add(&out->result, rest.data, rest.len);
	sb_free(&rest);
}

/*
 * Makes the outcome of an executor what is reported: without passwords, and a timeout
 * of the task itself a failure.
 */
void
finish_action(Task *task, Outcome *out)
{
	if (out->kind == OUTCOME_FAILED && out->attached.len == 0)
	{
		cut_userinfo(&out->error);
		cut_userinfo(&out->result);
	}
	secret_redact(&out->error);
	redact_result(out);
	fail_timed_out(task, out);
}

/*
 * Executes a task and returns the kind of its outcome.  OUTCOME_ABORTED means that
 * the worker or the task around it has to end; a timeout of the task itself is a
 * failure.
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
	finish_action(task, out);
	return out->kind;
}
