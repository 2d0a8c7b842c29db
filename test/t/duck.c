/*
 * test/t/duck.c
 *		A library that the worker takes for DuckDB.  A statement that it is asked for has one
 *		row, with the statement; words in it ask for something else: "fail" for an error, "mute"
 *		for one without a text, "wait" for a statement that lasts until it is interrupted,
 *		"three" for three rows, "none" for no row, "null" for a null, "two" for two columns,
 *		"nothing" for no column, "counted" for what INSERT and the like return.  Words in the
 *		path of a database: "broken", "mute", "locked", "unconnected".
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Result
{
	uint64_t	deprecated[3];
	char	   *statement;
	char	   *error;
	void	   *spare[9];
} Result;

static int	tries;
static char opened[1000];
static volatile bool interrupted;

static bool
has(const char *text, const char *word)
{
	return text != NULL && strstr(text, word) != NULL;
}

int
duckdb_open_ext(const char *path, void **database, void *config, char **error)
{
	snprintf(opened, sizeof(opened), "%s", path);
	*database = opened;
	*error = has(path, "mute") ? NULL :
		strdup(has(path, "locked") ? "Could not set lock" : "it is broken");
	return (has(path, "locked") && tries++ < 3) || has(path, "broken") || has(path, "mute");
}

int
duckdb_connect(void *database, void **connection)
{
	*connection = opened;
	return has(opened, "unconnected");
}

int
duckdb_query(void *connection, const char *sql, Result *result)
{
	const char *begin = strstr(sql, "FROM (");
	bool		json = strncmp(sql, "SELECT to_json", 14) == 0;

	memset(result, 0, sizeof(*result));
	result->statement = strdup(json ? begin + 6 : sql);
	if (json)
		strstr(result->statement, "\n) noetl_row")[0] = '\0';
	while (has(sql, "wait") && !interrupted)
		usleep(10000);
	if (interrupted)
		result->error = strdup("INTERRUPT Error");
	else if (has(sql, "fail") || (json && has(sql, "nojson")))
		result->error = has(sql, "mute") ? NULL : strdup("it failed");
	else
		return 0;
	return 1;
}

const char *
duckdb_result_error(Result *result)
{
	return result->error;
}

void
duckdb_destroy_result(Result *result)
{
	free(result->statement);
	free(result->error);
	memset(result, 0, sizeof(*result));
}

void
duckdb_disconnect(void **connection)
{
	if (getenv("DUCK_SAYS") != NULL)
		printf(" disconnected");
	*connection = NULL;
}

void
duckdb_close(void **database)
{
	if (getenv("DUCK_SAYS") != NULL)
		printf(" closed %s", opened);
	*database = NULL;
}

void
duckdb_interrupt(void *connection)
{
	interrupted = true;
}

void
duckdb_free(void *memory)
{
	free(memory);
}

uint64_t
duckdb_rows_changed(Result *result)
{
	return 7;
}

uint64_t
duckdb_row_count(Result *result)
{
	return has(result->statement, "none") ? 0 : has(result->statement, "three") ? 3 : 1;
}

uint64_t
duckdb_column_count(Result *result)
{
	return has(result->statement, "nothing") ? 0 : has(result->statement, "two") ? 2 : 1;
}

const char *
duckdb_column_name(Result *result, uint64_t column)
{
	return column > 0 ? "other" : has(result->statement, "counted") ? "Count" : "sql";
}

#ifndef OLD
char *
duckdb_value_varchar(Result *result, uint64_t column, uint64_t row)
{
	char	   *text = NULL;

	if (!has(result->statement, "null") && asprintf(&text, "\"%s\"", result->statement) < 0)
		text = NULL;
	return text;
}
#endif
