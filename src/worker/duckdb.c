/*
 * duckdb.c
 *		Tasks of type duckdb: SQL in a DuckDB database on this machine.
 *
 * The library, libduckdb.so, is loaded at run time when it is installed; building
 * needs nothing of it.  The declarations here are those of its C API, which is
 * stable.
 *
 *		database	a file, or :memory:; default: one file for each execution,
 *					so that its steps see each other's tables
 *		command, commands, sql, query, code
 *
 * The result is {"status": "success", "data": {"command_0": {"rows": [...],
 * "row_count": 1}, ..., "result": [rows of the last statement that had any]}}.
 * DuckDB's own to_json writes rows, so that nested values keep their form.  The calls
 * block; a thread makes them, which is interrupted when the task has to end.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "executor.h"
#include "log.h"

#define MAX_RESULT_BYTES (256u * 1024 * 1024)
#define LOCKED_SECONDS 30		/* another process has the file */

typedef struct DuckResult
{
	uint64_t	deprecated[3];
	void	   *internal[3];
	void	   *spare[8];
} DuckResult;

typedef void *DuckHandle;

/* The functions of the library that are used */
static struct
{
	int			(*open_ext) (const char *, DuckHandle *, DuckHandle, char **);
	int			(*connect) (DuckHandle, DuckHandle *);
	int			(*query) (DuckHandle, const char *, DuckResult *);
	const char *(*result_error) (DuckResult *);
	void		(*destroy_result) (DuckResult *);
	void		(*disconnect) (DuckHandle *);
	void		(*close) (DuckHandle *);
	void		(*interrupt) (DuckHandle);
	void		(*free) (void *);
	uint64_t	(*rows_changed) (DuckResult *);
	uint64_t	(*row_count) (DuckResult *);
	uint64_t	(*column_count) (DuckResult *);
	const char *(*column_name) (DuckResult *, uint64_t);
	char	   *(*value_varchar) (DuckResult *, uint64_t, uint64_t);
}			duck;

static const struct
{
	const char *name;
	void	   *function;
}			symbols[] =
{
	{"duckdb_open_ext", &duck.open_ext},
	{"duckdb_connect", &duck.connect},
	{"duckdb_query", &duck.query},
	{"duckdb_result_error", &duck.result_error},
	{"duckdb_destroy_result", &duck.destroy_result},
	{"duckdb_disconnect", &duck.disconnect},
	{"duckdb_close", &duck.close},
	{"duckdb_interrupt", &duck.interrupt},
	{"duckdb_free", &duck.free},
	{"duckdb_rows_changed", &duck.rows_changed},
	{"duckdb_row_count", &duck.row_count},
	{"duckdb_column_count", &duck.column_count},
	{"duckdb_column_name", &duck.column_name},
	{"duckdb_value_varchar", &duck.value_varchar}
};

/* The part of a task that the thread works on */
typedef struct DuckRun
{
	DuckHandle	connection;
	const Commands *commands;
	StringBuf	data;			/* members command_0, command_1, … */
	StringBuf	last;			/* rows of the last statement with rows */
	StringBuf	error;
	int			statements;
	int			done;			/* written to when the thread ends */
} DuckRun;

/* ---------------------------------------------------------------------------
 * Statements
 * ---------------------------------------------------------------------------
 */

/* Returns a copy of a piece of text. */
static char *
copy_text(const char *text, size_t len)
{
	char	   *copy = xmalloc(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

/* Returns the end of a quoted piece of SQL or a comment that begins at p. */
static const char *
skip_quoted(const char *p, bool escapes)
{
	const char *end;

	if (*p == '\'' || *p == '"')
	{
		for (end = p + 1; *end != '\0' && *end != *p; end++)
		{
			if (escapes && *end == '\\' && end[1] != '\0')
				end++;
		}
		return *end != '\0' ? end + 1 : end;
	}
	if (p[0] == '-' && p[1] == '-')
		return p + strcspn(p, "\n");
	if (p[0] == '/' && p[1] == '*')
	{
		end = strstr(p + 2, "*/");
		return end != NULL ? end + 2 : p + strlen(p);
	}
	if (*p == '$')
	{
		size_t		tag = 1;
		char	   *mark;

		while (p[tag] == '_' || isalnum((unsigned char) p[tag]))
			tag++;
		if (p[tag] != '$' || isdigit((unsigned char) p[1]))
			return p;
		mark = copy_text(p, tag + 1);
		end = strstr(p + tag + 1, mark);
		free(mark);
		return end != NULL ? end + tag + 1 : p + strlen(p);
	}
	return p;
}

/*
 * Takes the next statement off a text and returns a copy, NULL at the end.  *word
 * becomes its first word.
 */
static char *
next_statement(const char **text, char *word, size_t size)
{
	const char *begin = *text;
	const char *p = begin;
	size_t		len = 0;

	word[0] = '\0';
	while (*p != '\0' && *p != ';')
	{
		bool		escapes = p > begin && toupper((unsigned char) p[-1]) == 'E';
		const char *end = skip_quoted(p, escapes);
		bool		comment = end > p && (*p == '-' || *p == '/');

		if (len == 0 && !comment && !isspace((unsigned char) *p))
		{
			while (isalpha((unsigned char) p[len]))
				len++;
			snprintf(word, size, "%.*s", (int) len, p);
			len = 1;			/* whatever it is, it has begun */
		}
		p = end > p ? end : p + 1;
	}
	*text = *p == ';' ? p + 1 : p;
	if (len > 0)
		return copy_text(begin, (size_t) (p - begin));
	return *p == '\0' ? NULL : xstrdup("");
}

/* Tells whether a statement can be a subquery of FROM. */
static bool
gives_rows(const char *word)
{
	static const char *const words[] = {
		"SELECT", "WITH", "FROM", "VALUES", "TABLE", "SHOW", "DESCRIBE", "SUMMARIZE",
		"PIVOT", "UNPIVOT"
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcasecmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* Writes rows that to_json has made, which have one column of JSON. */
static void
write_json_rows(StringBuf *json, DuckResult *result)
{
	for (uint64_t row = 0; row < duck.row_count(result) && json->len <= MAX_RESULT_BYTES; row++)
	{
		char	   *text = duck.value_varchar(result, 0, row);

		sb_str(json, row > 0 ? "," : "");
		sb_str(json, text != NULL ? text : "null");
		duck.free(text);
	}
}

/* Writes rows of a statement that cannot be a subquery; all values are text. */
static void
write_text_rows(StringBuf *json, DuckResult *result)
{
	for (uint64_t row = 0; row < duck.row_count(result) && json->len <= MAX_RESULT_BYTES; row++)
	{
		sb_str(json, row > 0 ? ",{" : "{");
		for (uint64_t i = 0; i < duck.column_count(result); i++)
		{
			const char *name = duck.column_name(result, i);
			char	   *text = duck.value_varchar(result, i, row);

			sb_str(json, i > 0 ? "," : "");
			json_string(json, name, strlen(name));
			sb_str(json, ":");
			if (text != NULL)
				json_string(json, text, strlen(text));
			else
				sb_str(json, "null");
			duck.free(text);
		}
		sb_str(json, "}");
	}
}

/* Adds the rows and the count of a statement to the result. */
static void
add_result(DuckRun *run, DuckResult *result, bool json, bool has_rows)
{
	StringBuf	rows = {0};

	sb_str(&rows, "[");
	if (json)
		write_json_rows(&rows, result);
	else if (has_rows)
		write_text_rows(&rows, result);
	sb_str(&rows, "]");
	sb_printf(&run->data, "%s\"command_%d\":{\"status\":\"success\",\"rows\":",
			  run->statements > 0 ? "," : "", run->statements);
	sb_add(&run->data, rows.data, rows.len);
	sb_printf(&run->data, ",\"row_count\":%llu}", (unsigned long long)
			  (has_rows ? duck.row_count(result) : duck.rows_changed(result)));
	if (has_rows)
	{
		sb_free(&run->last);
		run->last = rows;
	}
	else
		sb_free(&rows);
	run->statements++;
}

/* Tells whether a result is only a count of changed rows. */
static bool
is_count(DuckResult *result, const char *word)
{
	static const char *const words[] = {
		"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "CREATE", "WITH"
	};

	if (duck.column_count(result) != 1 || strcmp(duck.column_name(result, 0), "Count") != 0)
		return duck.column_count(result) == 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcasecmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* Executes one statement; returns false, with the error, when it fails. */
static bool
run_statement(DuckRun *run, const char *statement, const char *word)
{
	DuckResult	result = {0};
	bool		json = false;
	bool		ok = false;

	if (gives_rows(word))
	{
		StringBuf	wrapped = {0};

		sb_printf(&wrapped, "SELECT to_json(noetl_row) FROM (%s\n) noetl_row", statement);
		ok = json = duck.query(run->connection, wrapped.data, &result) == 0;
		sb_free(&wrapped);
		if (!ok)
			duck.destroy_result(&result);
	}
	if (!ok)
		ok = duck.query(run->connection, statement, &result) == 0;
	if (!ok)
	{
		const char *text = duck.result_error(&result);

		sb_printf(&run->error, "%s (command_%d)", text != NULL ? text : "unknown error",
				  run->statements);
	}
	else
		add_result(run, &result, json, json || !is_count(&result, word));
	duck.destroy_result(&result);
	if (ok && run->data.len + run->last.len > MAX_RESULT_BYTES)
	{
		sb_str(&run->error, "the result is larger than 256 MB");
		ok = false;
	}
	return ok;
}

/* Runs in the thread: executes the statements of all commands, until one fails. */
static void *
run_statements(void *arg)
{
	DuckRun    *run = arg;
	bool		ok = true;
	ssize_t		written;

	for (int i = 0; ok && i < run->commands->count; i++)
	{
		const char *text = run->commands->texts[i];
		char		word[16];
		char	   *statement;

		while (ok && (statement = next_statement(&text, word, sizeof(word))) != NULL)
		{
			ok = statement[0] == '\0' || run_statement(run, statement, word);
			free(statement);
		}
	}
	written = write(run->done, "", 1);
	(void) written;
	return NULL;
}

/* ---------------------------------------------------------------------------
 * Tasks
 * ---------------------------------------------------------------------------
 */

/*
 * Makes the directory of this user below the one for temporary files, where others can be
 * first.  Returns false when it is theirs, they may write in it, or it is a link.
 */
static bool
make_directory(const char *path)
{
	struct stat info;
	int			fd;
	bool		ok;

	(void) mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOTDIR && errno != ELOOP;	/* of others DuckDB says why not */
	ok = fstat(fd, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 022) == 0;
	close(fd);
	return ok;
}

/*
 * Finds the file of the task's database: the one that it names, else one of the
 * execution.  The input of a task never decides.
 */
static OutcomeKind
find_database(Task *task, StringBuf *path, Outcome *out)
{
	const char *name = task_field(task, "database");
	const char *directory = getenv("NOETL_DUCKDB_DIR");

	if (name != NULL && name[0] != '\0')
	{
		sb_str(path, name);
		return OUTCOME_DONE;
	}
	if (directory != NULL && directory[0] != '\0')
		sb_str(path, directory);
	else
	{
		directory = getenv("TMPDIR");
		sb_printf(path, "%s/noetl-duckdb-%d", directory != NULL && directory[0] != '\0' ?
				  directory : "/tmp", (int) getuid());
		if (!make_directory(path->data))
			return outcome_trouble(task, out, "the directory \"%s\" is not this user's alone",
								   path->data);
	}
	sb_printf(path, "/%s.duckdb", task->execution_id);
	return OUTCOME_DONE;
}

/*
 * Opens the database.  DuckDB lets one process write at a time: another process that
 * has the file is waited for.
 */
static OutcomeKind
open_database(Task *task, const char *path, DuckHandle *database, Outcome *out)
{
	double		begin = monotonic_now();
	double		delay = 0.02;

	for (;;)
	{
		char	   *error = NULL;

		if (duck.open_ext(path, database, NULL, &error) == 0)
			return OUTCOME_DONE;
		outcome_fail(out, "could not open the database \"%s\": %s", path,
					 error != NULL ? error : "unknown error");
		duck.free(error);
		if (strstr(out->error.data, "lock") == NULL ||
			monotonic_now() - begin > LOCKED_SECONDS)
			return OUTCOME_FAILED;
		for (double until = monotonic_now() + delay; monotonic_now() < until;)
		{
			if (!task_wait(task, NULL, 0, until))
				return OUTCOME_ABORTED;
		}
		delay = fmin(delay * 1.5, 0.5);
	}
}

/* Waits for the thread, and interrupts it when the task is to be abandoned. */
static OutcomeKind
await_thread(Task *task, const DuckRun *run, int done)
{
	for (;;)
	{
		struct pollfd fd = {.fd = done,.events = POLLIN};

		if (!task_wait(task, &fd, 1, 0))
			break;
		if (fd.revents != 0)
			return OUTCOME_DONE;
	}
	/* more than once: the next statement may just be beginning */
	for (;;)
	{
		struct pollfd fd = {.fd = done,.events = POLLIN};

		duck.interrupt(run->connection);
		if (poll(&fd, 1, 50) > 0)
			return OUTCOME_ABORTED;
	}
}

/* Starts the thread with all signals blocked; the main thread handles them. */
static bool
start_thread(pthread_t *thread, DuckRun *run)
{
	sigset_t	all;
	sigset_t	before;
	bool		ok;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = pthread_create(thread, NULL, run_statements, run) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

/* Runs the commands of a task on an open database. */
static OutcomeKind
run_commands(Task *task, DuckHandle database, DuckRun *run, Outcome *out)
{
	pthread_t	thread;
	int			done[2];
	OutcomeKind kind;

	if (duck.connect(database, &run->connection) != 0)
		return outcome_fail(out, "could not connect to the database");
	if (pipe2(done, O_CLOEXEC) != 0)
	{
		duck.disconnect(&run->connection);
		return outcome_trouble(task, out, "could not create a pipe: %s", strerror(errno));
	}
	run->done = done[1];
	if (start_thread(&thread, run))
	{
		kind = await_thread(task, run, done[0]);
		pthread_join(thread, NULL);
		if (kind == OUTCOME_DONE && run->error.len > 0)
			kind = outcome_fail(out, "%s", run->error.data);
	}
	else
		kind = outcome_trouble(task, out, "could not start a thread");
	duck.disconnect(&run->connection);
	close(done[0]);
	close(done[1]);
	return kind;
}

/* Executes one task. */
OutcomeKind
duckdb_execute(Task *task, Outcome *out)
{
	Commands	commands = {0};
	DuckRun		run = {.commands = &commands};
	StringBuf	path = {0};
	DuckHandle	database = NULL;
	OutcomeKind kind = find_commands(task, &commands, out);

	if (kind == OUTCOME_DONE && task_field(task, "database") == NULL &&
		task_field(task, "data.database") != NULL)
		kind = outcome_fail(out, "the database of a task is not taken from its input: write"
							" database beside tool");
	if (kind == OUTCOME_DONE)
		kind = find_database(task, &path, out);
	if (kind == OUTCOME_DONE)
		kind = open_database(task, path.data, &database, out);
	if (kind == OUTCOME_DONE)
	{
		outcome_reset(out);
		kind = run_commands(task, database, &run, out);
		duck.close(&database);
	}
	if (kind == OUTCOME_DONE && task_field(task, "returns") != NULL)
		sb_str(&out->result, run.last.len > 0 ? run.last.data : "");
	else if (kind == OUTCOME_DONE)
	{
		sb_str(&out->result, "{\"status\":\"success\",\"data\":{");
		sb_str(&out->result, run.data.len > 0 ? run.data.data : "");
		sb_printf(&out->result, "%s\"result\":", run.data.len > 0 ? "," : "");
		sb_str(&out->result, run.last.len > 0 ? run.last.data : "[]");
		sb_str(&out->result, "}}");
	}
	free_commands(&commands);
	sb_free(&path);
	sb_free(&run.data);
	sb_free(&run.last);
	sb_free(&run.error);
	return kind;
}

/* Loads the library; returns false when it is absent or too old. */
bool
duckdb_available(void)
{
	const char *path = getenv("NOETL_LIBDUCKDB");
	void	   *library = dlopen(path != NULL && path[0] != '\0' ? path : "libduckdb.so",
								 RTLD_LAZY | RTLD_LOCAL);

	if (library == NULL)
	{
		executor_set_reason("no DuckDB: %s", dlerror());
		return false;
	}
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
	{
		void	   *found = dlsym(library, symbols[i].name);

		if (found == NULL)
		{
			executor_set_reason("this DuckDB has no %s", symbols[i].name);
			return false;
		}
		memcpy(symbols[i].function, &found, sizeof(found));
	}
	return true;
}
