/*
 * desk_commands.c
 *		Commands of the desk that are one call of SQL each: test, ps, show, why,
 *		cancel, retry, redrive, signal.
 *
 * The statements are here, so that nobody needs to remember them.  Answers are tables
 * for people, or with --json a list of rows for programs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"
#include "options.h"

#define MAX_COLUMN_WIDTH 60

typedef struct SqlCommand
{
	const char *name;
	int			nparams;		/* $1 is the execution; absent arguments are null */
	const char *sql;
	const char *nothing;		/* what is said where there is no row; or NULL */
} SqlCommand;

static const SqlCommand commands[] = {
	{"ps", 0,
		"SELECT e.execution_id AS id, e.path, e.version, e.status,"
		" date_trunc('second', clock_timestamp() - e.started_at) AS age,"
		" (SELECT string_agg(concat_ws(' ', l ->> 'step', l ->> 'state'), ', ')"
		"  FROM jsonb_array_elements(noetl.status(e.execution_id) -> 'live') l) AS steps"
		" FROM (SELECT * FROM noetl.execution WHERE status = 'RUNNING'"
		"  ORDER BY execution_id DESC LIMIT 200) e ORDER BY e.execution_id",
	"no execution is running"},
	{"show", 1,
		"SELECT t.step, nullif(t.visit, 1) AS visit, t.item, t.attempt, t.status,"
		" to_char(extract(epoch FROM t.started_at - e.started_at), 'FM999999990.00') AS begin,"
		" to_char(extract(epoch FROM t.ended_at - t.started_at), 'FM999999990.00') AS seconds,"
		" t.worker, t.error"
		" FROM noetl.timeline($1::bigint) t,"
		" (SELECT (noetl.status($1::bigint) ->> 'started_at')::timestamptz AS started_at) e",
	NULL},
	{"why", 1,
		"SELECT step, state, date_trunc('second', clock_timestamp() - since) AS since,"
		" date_trunc('second', due - clock_timestamp()) AS due, waits_for, detail, hint"
		" FROM noetl.why($1::bigint)",
	"the execution waits for nothing"},
	{"cancel", 1,
		"SELECT CASE WHEN noetl.cancel($1::bigint) THEN 'cancelled' ELSE 'it was over already' END"
		" AS answer",
	NULL},
	{"retry", 2,
		"SELECT noetl.retry($1::bigint, $2::text) AS steps",
	NULL},
	{"redrive", 1,
		"SELECT noetl.redrive($1::bigint) AS steps",
	NULL},
	{"signal", 3,
		"SELECT CASE WHEN noetl.signal($1::bigint, $2::text, $3::jsonb)"
		" THEN 'a step goes on' ELSE 'kept until a step waits for it' END AS answer",
	NULL}
};

/* Returns the number of columns on the screen that the beginning of a text needs. */
static int
width_of(const char *text, size_t len)
{
	int			width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((unsigned char) text[i] & 0xC0) != 0x80;
	return width;
}

/* Returns how many bytes of a value are shown: to the end of its line, not too many. */
static size_t
shown_bytes(const char *value, bool is_last)
{
	size_t		line = strcspn(value, "\r\n");
	int			width = 0;

	for (size_t len = 0; len < line && !is_last; len++)
	{
		width += width_of(value + len, 1);
		if (width > MAX_COLUMN_WIDTH)
			return len;
	}
	return line;
}

/* Tells whether a column has any value. */
static bool
has_values(const PGresult *result, int column)
{
	for (int i = 0; i < PQntuples(result); i++)
	{
		if (!PQgetisnull(result, i, column))
			return true;
	}
	return false;
}

/* Returns the last column that has any value. */
static int
last_column(const PGresult *result)
{
	int			last = PQnfields(result) - 1;

	while (last > 0 && !has_values(result, last))
		last--;
	return last;
}

/* Writes a text of a table and what separates it from the next. */
static void
write_cell(const char *text, bool is_last, int width)
{
	size_t		len = shown_bytes(text, is_last);

	if (is_last)
		printf("%.*s\n", (int) len, text);
	else
		printf("%.*s%*s", (int) len, text, width - width_of(text, len) + 2, "");
}

/* Writes rows as a table; columns without any value are left out. */
static void
write_table(const PGresult *result)
{
	int			last = last_column(result);

	for (int i = -1; i < PQntuples(result); i++)
	{
		for (int j = 0; j <= last; j++)
		{
			int			width = width_of(PQfname(result, j), strlen(PQfname(result, j)));

			if (!has_values(result, j))
				continue;
			for (int k = 0; k < PQntuples(result); k++)
			{
				const char *value = PQgetvalue(result, k, j);
				int			needed = width_of(value, shown_bytes(value, j == last));

				width = needed > width ? needed : width;
			}
			write_cell(i < 0 ? PQfname(result, j) : PQgetvalue(result, i, j), j == last, width);
		}
	}
}

/* Writes the head and the end of an execution around its steps. */
static int
write_summary(const char *execution, bool is_end)
{
	const char *const params[] = {execution};
	PGresult   *result = desk_query(
		"SELECT format('%s %s@%s %s, started %s%s', $1::text, s ->> 'path', s ->> 'version',"
		" s ->> 'status', s ->> 'started_at', ', ended ' || (s ->> 'ended_at')),"
		" s ->> 'error', jsonb_pretty(nullif(s -> 'result', 'null'))"
		" FROM noetl.status($1::bigint) s", 1, params);

	if (result == NULL)
		return 1;
	if (PQgetvalue(result, 0, 0)[strlen(execution) + 1] == '@')
	{
		fprintf(stderr, "%s: there is no execution %s\n", options.program, execution);
		PQclear(result);
		return 1;
	}
	if (!is_end)
		puts(PQgetvalue(result, 0, 0));
	else if (!PQgetisnull(result, 0, 1))
		printf("error: %s\n", PQgetvalue(result, 0, 1));
	else if (!PQgetisnull(result, 0, 2))
		printf("result: %s\n", PQgetvalue(result, 0, 2));
	PQclear(result);
	return 0;
}

/* Writes the answer of a command as JSON. */
static int
write_json(const SqlCommand *command, const char *const *params)
{
	StringBuf	sql = {0};
	PGresult   *result;

	if (strcmp(command->name, "show") == 0)
		sb_str(&sql, "SELECT jsonb_pretty(noetl.status($1::bigint))");
	else
		sb_printf(&sql, "SELECT coalesce(jsonb_pretty(jsonb_agg(to_jsonb(t))), '[]') FROM (%s) t",
				  command->sql);
	result = desk_query(sql.data, command->nparams, params);
	sb_free(&sql);
	if (result == NULL)
		return 1;
	puts(PQgetvalue(result, 0, 0));
	PQclear(result);
	return 0;
}

/* Writes the answer of a command for people. */
static int
write_answer(const SqlCommand *command, const char *const *params)
{
	bool		is_show = strcmp(command->name, "show") == 0;
	PGresult   *result;

	if (is_show && write_summary(params[0], false) != 0)
		return 1;
	result = desk_query(command->sql, command->nparams, params);
	if (result == NULL)
		return 1;
	if (PQntuples(result) == 0 && command->nothing != NULL)
		puts(command->nothing);
	else if (PQntuples(result) == 1 && PQnfields(result) == 1)
		printf("%s%s\n", PQgetvalue(result, 0, 0),
			   strcmp(PQfname(result, 0), "steps") == 0 ? " step(s)" : "");
	else if (PQntuples(result) > 0)
		write_table(result);
	PQclear(result);
	return is_show ? write_summary(params[0], true) : 0;
}

/* Runs a command that is one statement; returns the exit code. */
int
desk_sql_command(const char *name)
{
	const char *params[3] = {NULL, NULL, NULL};
	const SqlCommand *command = &commands[0];

	while (strcmp(command->name, name) != 0)
		command++;
	for (int i = 0; i < options.narguments && i < 3; i++)
		params[i] = options.arguments[i];
	return options.json ? write_json(command, params) : write_answer(command, params);
}

/* Adds what the tests of one file gave to a JSON list, or writes it. */
static int
show_tests(const char *file, const PGresult *result, StringBuf *json)
{
	int			failed = 0;

	for (int i = 0; i < PQntuples(result); i++)
	{
		bool		ok = PQgetvalue(result, i, 1)[0] == 't';
		const char *detail = PQgetisnull(result, i, 2) ? NULL : PQgetvalue(result, i, 2);

		failed += !ok;
		if (options.json)
		{
			sb_str(json, json->len > 1 ? ",\n {" : "{");
			json_member(json, "file", file);
			json_member(json, "name", PQgetvalue(result, i, 0));
			sb_printf(json, ",\"ok\":%s", ok ? "true" : "false");
			json_member(json, "detail", detail);
			sb_str(json, "}");
			continue;
		}
		printf("%s: %s: %s\n", file, ok ? "ok" : "FAILED", PQgetvalue(result, i, 0));
		if (!ok && detail != NULL)
			printf("    %s\n", detail);
	}
	return failed;
}

/* Tells whether the database can execute tests of playbooks, or says that it cannot. */
static bool
tests_are_there(void)
{
	PGresult   *result = desk_query("SELECT FROM pg_catalog.pg_proc WHERE proname = 'test'"
									" AND pronamespace = to_regnamespace('noetl')", 0, NULL);
	bool		there = result != NULL && PQntuples(result) > 0;

	if (result != NULL && !there)
		fprintf(stderr, "%s: the extension noetl in this database has no function noetl.test(),"
				" which executes the tests of playbooks\n", options.program);
	PQclear(result);
	return there;
}

/* The command "test": executes the tests of playbooks; returns the exit code. */
int
desk_test(void)
{
	StringBuf	json = {0};
	int			failed = 0;
	int			count = 0;
	bool		ok = tests_are_there();

	if (!ok)
		return 1;
	sb_str(&json, "[");
	for (int i = 0; i < options.narguments; i++)
	{
		const char *file = options.arguments[i];
		StringBuf	content = {0};
		const char *params[1];
		PGresult   *result = NULL;

		if (!desk_read_file(file, &content))
			fprintf(stderr, "%s: could not read \"%s\": %s\n", options.program, file,
					strerror(errno));
		else
		{
			params[0] = content.data;
			result = desk_query("SELECT name, ok, detail FROM noetl.test($1)", 1, params);
			if (result == NULL)
				fprintf(stderr, "%s: \"%s\" cannot be tested\n", options.program, file);
		}
		ok = ok && result != NULL;
		if (result != NULL)
		{
			count += PQntuples(result);
			failed += show_tests(file, result, &json);
		}
		PQclear(result);
		sb_free(&content);
	}
	sb_str(&json, "]");
	if (options.json)
		puts(json.data);
	else
		printf("%d passed, %d failed\n", count - failed, failed);
	sb_free(&json);
	return ok && failed == 0 ? 0 : 1;
}
