/*
 * shell.c
 *		Tasks of type shell: commands by /bin/sh.
 *
 * The result is {"status": ..., "data": {"stdout", "stderr", "exit_code"}}.
 * A command with another exit code than 0 fails the task, with the same result, so
 * that a retry condition can look at it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "executor.h"
#include "linelog.h"

#define MAX_OUTPUT_BYTES (10 * 1024 * 1024)

/* The output of the commands of one task */
typedef struct ShellOutput
{
	StringBuf	out;
	StringBuf	err;
	LineLog		out_log;
	LineLog		err_log;
	size_t		out_before;		/* what earlier commands of the task have written */
	size_t		err_before;
} ShellOutput;

/* Tells whether what a task prints goes to the log, and not only into its result. */
static bool
logs_output(const Task *task)
{
	const char *log = task_field(task, "log");

	return log != NULL && strcmp(log, "true") == 0;
}

/*
 * Takes what a pipe has; returns false when that is nothing.  Output beyond the limit
 * is read and dropped: a command that cannot write would never end.
 */
static bool
collect(Task *task, int *fd, StringBuf *text, LineLog *log)
{
	char		buffer[65536];
	ssize_t		n = *fd >= 0 ? read(*fd, buffer, sizeof(buffer)) : -1;
	size_t		room = text->len < MAX_OUTPUT_BYTES ? MAX_OUTPUT_BYTES - text->len : 0;

	if (n > 0 && logs_output(task))
		linelog_add(log, task, buffer, (size_t) n);
	if (n > 0 && (size_t) n <= room)
		sb_add(text, buffer, (size_t) n);
	else if (n > 0 && text->len <= MAX_OUTPUT_BYTES)
	{
		sb_add(text, buffer, room);
		sb_printf(text, "\n[output truncated after %d bytes]\n", MAX_OUTPUT_BYTES);
	}
	if (n == 0)
	{
		close(*fd);
		*fd = -1;
	}
	return n > 0;
}

/* Makes the variables that a task sets: NOETL_EXECUTION_ID, NOETL_STEP and its env. */
static const char **
make_environment(const Task *task)
{
	const char **env = xcalloc((size_t) task->nfields * 2 + 5, sizeof(char *));
	int			n = 0;

	env[n++] = "NOETL_EXECUTION_ID";
	env[n++] = task->execution_id;
	env[n++] = "NOETL_STEP";
	env[n++] = task->step;
	for (int i = 0; i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];
		const char *name = field->path + strlen("env.");

		if (field->depth != 2 || strncmp(field->path, "env.", 4) != 0 ||
			strchr("snboa", field->type) == NULL ||
			name[0] == '\0' || strchr(name, '=') != NULL)
			continue;
		env[n++] = name;
		env[n++] = field->text;
	}
	return env;
}

/*
 * Waits for the end of one command; returns false when the task is to be abandoned.
 * A command ends when its shell ends; what the shell leaves running is killed, or it
 * would outlive the task and hold the pipes.
 */
static bool
run_command(Task *task, Child *child, ShellOutput *output)
{
	bool		ended = false;

	while (!ended)
	{
		struct pollfd fds[2] = {
			{.fd = child->out,.events = POLLIN},
			{.fd = child->err,.events = POLLIN}
		};

		if (!task_wait(task, fds, 2, 0))
		{
			child_kill(child);
			child_close(child);
			return false;
		}
		ended = child_reap(child, false);
		collect(task, &child->out, &output->out, &output->out_log);
		collect(task, &child->err, &output->err, &output->err_log);
	}
	while (collect(task, &child->out, &output->out, &output->out_log) ||
		   collect(task, &child->err, &output->err, &output->err_log))
		;
	linelog_end(&output->out_log, task);
	linelog_end(&output->err_log, task);
	child_close(child);
	return true;
}

/* Writes the result of the commands of a task. */
static void
write_result(Outcome *out, const ShellOutput *output, const char *error, int exit_code)
{
	StringBuf  *json = &out->result;

	sb_reset(json);
	sb_str(json, "{");
	json_member(json, "status", error != NULL ? "error" : "success");
	json_member(json, "error", error);
	sb_str(json, ",\"data\":{\"stdout\":");
	json_string(json, output->out.len > 0 ? output->out.data : "", output->out.len);
	sb_str(json, ",\"stderr\":");
	json_string(json, output->err.len > 0 ? output->err.data : "", output->err.len);
	sb_printf(json, ",\"exit_code\":%d}}", exit_code);
}

/*
 * Makes the exit of a command, with what it said last on stderr or else on stdout, the
 * failure of the task.
 */
static void
fail_command(Outcome *out, const ShellOutput *output, const Child *child,
			 int index, bool single)
{
	int			exit_code = WIFEXITED(child->status) ?
		WEXITSTATUS(child->status) : 128 + WTERMSIG(child->status);

	if (single)
		sb_printf(&out->error, "command %s", child_fate(child));
	else
		sb_printf(&out->error, "command %d %s", index + 1, child_fate(child));
	/* many programs say on stdout what is wrong */
	if (output->err.len > output->err_before)
		outcome_quote(out, ": ", output->err.data + output->err_before,
					  output->err.len - output->err_before, QUOTE_END);
	else if (output->out.len > output->out_before)
		outcome_quote(out, ": ", output->out.data + output->out_before,
					  output->out.len - output->out_before, QUOTE_END);
	write_result(out, output, out->error.data, exit_code);
}

/* Runs the commands found under a key, in order, until one fails. */
static OutcomeKind
run_commands(Task *task, const char *key, ShellOutput *output, Outcome *out)
{
	const char **env = make_environment(task);
	const char *cwd = task_field(task, "cwd");
	const char *text;
	OutcomeKind kind = OUTCOME_DONE;
	const char *ignored;
	bool		single = !task_list(task, key, 1, &ignored);

	if (cwd == NULL)
		cwd = task_field(task, "working_dir");
	for (int i = 0; kind == OUTCOME_DONE && task_list(task, key, i, &text); i++)
	{
		const char *const argv[] = {"/bin/sh", "-c", text, NULL};
		ChildSpec	spec = {.argv = argv,.env = env,.cwd = cwd};
		Child		child = CHILD_INIT;

		output->out_before = output->out.len;
		output->err_before = output->err.len;

		if (text == NULL)
			kind = outcome_fail(out, "command %d is not a text", i + 1);
		else if (!child_start(&child, &spec))
			kind = outcome_trouble(task, out, "could not start /bin/sh: %s", strerror(errno));
		else if (!run_command(task, &child, output))
			kind = OUTCOME_ABORTED;
		else if (child.status != 0)
		{
			fail_command(out, output, &child, i, single);
			kind = OUTCOME_FAILED;
		}
	}
	free(env);
	return kind;
}

/* Tells whether text has a character that jsonb does not. */
static bool
has_nul(const StringBuf *text)
{
	return text->len > 0 && memchr(text->data, '\0', text->len) != NULL;
}

/* Finds the commands of the task and runs them. */
OutcomeKind
shell_execute(Task *task, Outcome *out)
{
	static const char *const keys[] = {"command", "cmd", "commands"};
	ShellOutput output = {0};
	OutcomeKind kind = OUTCOME_DONE;
	const char *key = NULL;
	const char *text;

	for (int i = 0; key == NULL && i < 3; i++)
	{
		if (task_list(task, keys[i], 0, &text))
			key = keys[i];
	}
	if (key == NULL)
		return outcome_fail(out, "the shell task has no command");
	kind = run_commands(task, key, &output, out);
	if (kind == OUTCOME_DONE && has_nul(&output.out))
		kind = outcome_fail(out, "the output has a NUL character, which cannot be stored: encode it,"
							" for example with base64");
	else if (kind == OUTCOME_DONE)
		write_result(out, &output, NULL, 0);
	sb_free(&output.out);
	sb_free(&output.err);
	return kind;
}
