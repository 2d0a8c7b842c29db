/*
 * desk.c
 *		The commands at the desk, and of them "run" and "validate": a playbook from a
 *		file.
 *
 * They are thin over SQL.  "run" registers and starts the playbook, starts a worker
 * process with the same options, and shows noetl.status() until the execution ends.
 * The steps go to stderr, a list that is redrawn on a terminal and a line for each
 * change elsewhere; the result goes to stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "conninfo.h"
#include "desk.h"
#include "json_read.h"
#include "options.h"
#include "signals.h"
#include "strbuf.h"
#include "wait.h"
#include "worker.h"

#define POLL_SECONDS 0.1
#define MAX_FILE_BYTES (64u * 1024 * 1024)
#define STOP_SECONDS 5

/* What has been shown of the steps of an execution */
typedef struct Display
{
	bool		redraws;
	int			lines;			/* on the terminal, of the last list */
	StringBuf	shown;			/* lines of the steps as they were shown last */
} Display;

static PGconn *conn = NULL;

/* Connects; returns false after a line on stderr. */
static bool
connect_desk(void)
{
	const char *const keys[] = {"fallback_application_name", "dbname", "client_encoding", NULL};
	const char *const values[] = {"noetl-worker", options.conninfo, "UTF8", NULL};

	conn = conninfo_open(keys, values);
	if (PQstatus(conn) == CONNECTION_OK)
		return true;
	fprintf(stderr, "%s: %s", options.program, PQerrorMessage(conn));
	return false;
}

/* Runs a statement; returns NULL after a message on stderr. */
PGresult *
desk_query(const char *sql, int nparams, const char *const *params)
{
	PGresult   *result = PQexecParams(conn, sql, nparams, NULL, params, NULL, NULL, 0);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	fprintf(stderr, "%s: %s", options.program, PQresultErrorMessage(result));
	PQclear(result);
	return NULL;
}

/* Reads a file, "-" being stdin; returns false with errno. */
bool
desk_read_file(const char *path, StringBuf *text)
{
	FILE	   *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char		buffer[65536];
	size_t		n;
	int			saved_errno;

	if (file == NULL)
		return false;
	sb_str(text, "");
	errno = 0;
	while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0 && text->len < MAX_FILE_BYTES)
		sb_add(text, buffer, n);
	saved_errno = ferror(file) ? errno : 0;
	if (file != stdin)
		fclose(file);
	errno = saved_errno;
	return saved_errno == 0;
}

/* ---------------------------------------------------------------------------
 * validate
 * ---------------------------------------------------------------------------
 */

/* Writes one diagnostic as compilers do. */
static void
write_issue(const char *file, const PGresult *result, int row)
{
	const char *hint = PQgetvalue(result, row, 5);

	printf("%s:%s:%s: %s: %s", file, PQgetvalue(result, row, 1), PQgetvalue(result, row, 2),
		   PQgetvalue(result, row, 0), PQgetvalue(result, row, 4));
	if (PQgetvalue(result, row, 3)[0] != '\0')
		printf(" (%s)", PQgetvalue(result, row, 3));
	if (hint[0] != '\0')
		printf("\n    hint: %s", hint);
	putchar('\n');
}

/* Adds one diagnostic to a JSON list. */
static void
add_issue(StringBuf *json, const char *file, const PGresult *result, int row)
{
	sb_str(json, json->len > 1 ? ",\n {" : "{");
	json_member(json, "file", file);
	json_member(json, "severity", PQgetvalue(result, row, 0));
	for (int i = 1; i <= 2; i++)
		sb_printf(json, ",\"%s\":%s", i == 1 ? "line" : "col",
				  PQgetisnull(result, row, i) ? "null" : PQgetvalue(result, row, i));
	json_member(json, "path", PQgetisnull(result, row, 3) ? NULL : PQgetvalue(result, row, 3));
	json_member(json, "message", PQgetvalue(result, row, 4));
	json_member(json, "hint", PQgetisnull(result, row, 5) ? NULL : PQgetvalue(result, row, 5));
	sb_str(json, "}");
}

/* Checks one file; returns the number of errors, -1 when it could not be checked. */
static int
validate_file(const char *file, StringBuf *json)
{
	StringBuf	content = {0};
	const char *params[1];
	PGresult   *result = NULL;
	int			errors = 0;

	if (!desk_read_file(file, &content))
		fprintf(stderr, "%s: could not read \"%s\": %s\n", options.program, file, strerror(errno));
	else
	{
		params[0] = content.data;
		result = desk_query("SELECT severity, line, col, path, message, hint FROM noetl.validate($1)",
					   1, params);
	}
	for (int i = 0; result != NULL && i < PQntuples(result); i++)
	{
		errors += strcmp(PQgetvalue(result, i, 0), "error") == 0;
		if (options.json)
			add_issue(json, file, result, i);
		else
			write_issue(file, result, i);
	}
	if (result == NULL)
		errors = -1;
	PQclear(result);
	sb_free(&content);
	return errors;
}

/* The command "validate"; returns the exit code. */
static int
validate(void)
{
	StringBuf	json = {0};
	bool		ok = true;

	sb_str(&json, "[");
	for (int i = 0; i < options.narguments; i++)
		ok = validate_file(options.arguments[i], &json) == 0 && ok;
	sb_str(&json, "]");
	if (options.json)
		puts(json.data);
	sb_free(&json);
	return ok ? 0 : 1;
}

/* ---------------------------------------------------------------------------
 * run
 * ---------------------------------------------------------------------------
 */

/* Tells whether the value of --set is JSON; other text becomes a JSON string. */
static bool
is_json(const char *text)
{
	const char *end = json_skip_value(text);

	if (end != NULL && strchr("{[\"", text[0]) != NULL)
		end = json_skip_space(end);
	return end != NULL && *end == '\0';
}

/* Writes the parameters of --set as a JSON object. */
static void
write_parameters(StringBuf *json)
{
	sb_str(json, "{");
	for (int i = 0; i < options.nsettings; i++)
	{
		const char *setting = options.settings[i];
		const char *value = strchr(setting, '=') + 1;

		sb_str(json, i > 0 ? "," : "");
		json_string(json, setting, (size_t) (value - 1 - setting));
		sb_str(json, ":");
		if (is_json(value))
			sb_str(json, value);
		else
			json_string(json, value, strlen(value));
	}
	sb_str(json, "}");
}

/*
 * Registers the playbook of a file and starts it; the argument may also be the path
 * of a registered one.  Returns the execution, to be freed, or NULL after a message.
 */
static char *
start_execution(const char *playbook)
{
	StringBuf	content = {0};
	StringBuf	parameters = {0};
	const char *params[2] = {playbook};
	PGresult   *registered = NULL;
	PGresult   *result = NULL;
	char	   *execution = NULL;

	write_parameters(&parameters);
	if (desk_read_file(playbook, &content))
	{
		params[0] = content.data;
		registered = desk_query("SELECT noetl.register($1)", 1, params);
		if (registered != NULL)
		{
			params[0] = PQgetvalue(registered, 0, 0);
			params[1] = parameters.data;
			result = desk_query("SELECT noetl.execute(path, $2::jsonb, version) FROM noetl.catalog"
						   " WHERE catalog_id = $1::bigint", 2, params);
		}
	}
	else if (errno == ENOENT)
	{
		params[1] = parameters.data;
		result = desk_query("SELECT noetl.execute($1, $2::jsonb)", 2, params);
	}
	else
		fprintf(stderr, "%s: could not read \"%s\": %s\n", options.program, playbook,
				strerror(errno));
	if (result != NULL && PQntuples(result) == 1)
		execution = xstrdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	PQclear(registered);
	sb_free(&content);
	sb_free(&parameters);
	return execution;
}

/* Asks for the steps of an execution, oldest first: name, status, visits, seconds. */
static PGresult *
ask_steps(const char *execution)
{
	const char *const params[] = {execution};

	return desk_query("SELECT s.key, lower(s.value ->> 'status'), s.value ->> 'visits',"
				 " to_char(extract(epoch FROM (s.value ->> 'at')::timestamptz"
				 "  - (e.status ->> 'started_at')::timestamptz), 'FM999999990.00')"
				 " FROM (SELECT noetl.status($1::bigint) AS status OFFSET 0) e,"
				 " LATERAL jsonb_each(e.status -> 'steps') s ORDER BY s.value ->> 'at', s.key",
				 1, params);
}

/* Shows the steps that have changed since they were shown last. */
static void
show_steps(Display *display, const PGresult *steps)
{
	StringBuf	now = {0};
	int			count = PQntuples(steps);

	sb_str(&now, "");
	if (display->redraws && display->lines > 0)
		fprintf(stderr, "\033[%dA", display->lines);
	for (int i = 0; i < count; i++)
	{
		StringBuf	line = {0};
		bool		again = atoi(PQgetvalue(steps, i, 2)) > 1;

		sb_printf(&line, "%8s s  %-9s %s", PQgetvalue(steps, i, 3), PQgetvalue(steps, i, 1),
				  PQgetvalue(steps, i, 0));
		if (again)
			sb_printf(&line, " #%s", PQgetvalue(steps, i, 2));
		sb_str(&line, "\n");
		if (display->redraws)
			fprintf(stderr, "\033[2K%s", line.data);
		else if (display->shown.len == 0 || strstr(display->shown.data, line.data) == NULL)
			fputs(line.data, stderr);
		sb_str(&now, line.data);
		sb_free(&line);
	}
	display->lines = count;
	sb_free(&display->shown);
	display->shown = now;
}

/* Starts the worker; its log shares stderr. */
static bool
start_worker_process(Child *child)
{
	ChildSpec	spec = {
		.argv = own_command(DESK_WORKER_OPTION),
		.shares_output = true,
		.inherits_environment = true
	};

	if (child_start(child, &spec))
		return true;
	fprintf(stderr, "%s: could not start a worker: %s\n", options.program, strerror(errno));
	return false;
}

/* Asks the worker to end and waits for it. */
static void
stop_worker_process(Child *child)
{
	double		until = monotonic_now() + STOP_SECONDS;

	if (child->pid > 0)
		kill(child->pid, SIGTERM);
	while (!child_reap(child, false) && monotonic_now() < until)
		task_wait(NULL, NULL, 0, until);
	child_kill(child);
}

/* Tells whether an execution is over; one that waits for a slot of a limit is SCHEDULED. */
static bool
is_over(const char *status)
{
	return strcmp(status, "RUNNING") != 0 && strcmp(status, "SCHEDULED") != 0;
}

/* Shows an execution until it ends; returns its status, to be freed, or NULL. */
static char *
follow(const char *execution, Child *worker)
{
	const char *const params[] = {execution};
	Display		display = {.redraws = isatty(STDERR_FILENO) && !options.verbose};
	char	   *status = NULL;

	while (status == NULL && !stopping() && !child_reap(worker, false))
	{
		PGresult   *result = desk_query("SELECT status FROM noetl.execution WHERE execution_id = $1::bigint",
								   1, params);
		PGresult   *steps = result != NULL ? ask_steps(execution) : NULL;

		if (steps != NULL && !options.quiet)
			show_steps(&display, steps);
		if (steps != NULL && PQntuples(result) == 1 && is_over(PQgetvalue(result, 0, 0)))
			status = xstrdup(PQgetvalue(result, 0, 0));
		PQclear(steps);
		PQclear(result);
		if (steps == NULL)
			break;
		if (status == NULL)
			pause_for(POLL_SECONDS);
	}
	sb_free(&display.shown);
	return status;
}

/* Writes the result of an execution, or why it failed; returns the exit code. */
static int
write_end(const char *execution, const char *status)
{
	const char *const params[] = {execution};
	PGresult   *result = desk_query("SELECT jsonb_pretty(s -> 'result'), s ->> 'error'"
							   " FROM noetl.status($1::bigint) s", 1, params);

	if (result != NULL && !PQgetisnull(result, 0, 0))
		puts(PQgetvalue(result, 0, 0));
	if (result != NULL && !PQgetisnull(result, 0, 1))
		fprintf(stderr, "%s: execution %s: %s\n", options.program, execution,
				PQgetvalue(result, 0, 1));
	else if (strcmp(status, "COMPLETED") != 0)
		fprintf(stderr, "%s: execution %s: %s\n", options.program, execution, status);
	PQclear(result);
	return strcmp(status, "COMPLETED") == 0 ? 0 : 1;
}

/* The command "run"; returns the exit code. */
static int
run_playbook(void)
{
	Child		worker = CHILD_INIT;
	char	   *execution = start_execution(options.arguments[0]);
	char	   *status;
	int			code = 1;

	if (execution == NULL)
		return 1;
	if (!options.quiet)
		fprintf(stderr, "execution %s\n", execution);
	if (start_worker_process(&worker))
	{
		status = follow(execution, &worker);
		stop_worker_process(&worker);
		if (status != NULL)
			code = write_end(execution, status);
		else
			fprintf(stderr, "%s: execution %s goes on when a worker takes it;"
					" SELECT noetl.cancel(%s) ends it\n", options.program, execution, execution);
		free(status);
	}
	free(execution);
	return code;
}

/* Runs the command of the command line; returns the exit code. */
int
run_desk(void)
{
	int			code = 1;

	if (connect_desk())
	{
		if (strcmp(options.command, "run") == 0)
			code = run_playbook();
		else if (strcmp(options.command, "validate") == 0)
			code = validate();
		else if (strcmp(options.command, "test") == 0)
			code = desk_test();
		else
			code = desk_sql_command(options.command);
	}
	PQfinish(conn);
	return code;
}
