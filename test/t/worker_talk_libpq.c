/*
 * test/t/worker_talk_libpq.c
 *		The libpq of worker_talk.c, which answers what a case says.
 *
 * Results wait in the order of the statements, each with the time at which it arrives;
 * PQconsumeInput() takes in what has arrived.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db.h"
#include "options.h"
#include "worker_talk.h"

#define MAX_ROWS 200
#define MAX_COLUMNS 20
#define MAX_ITEMS 600
#define MAX_CONNS 10
#define BACKEND 4711

struct pg_result
{
	ExecStatusType status;
	char	   *cells[MAX_ROWS][MAX_COLUMNS];
	int			nrows;
	int			ncolumns;
	int			from;			/* the first row that has not been handed out */
	char	   *state;
	char	   *text;
	char	   *affected;
	bool		breaks;			/* the connection, when it is taken */
};

typedef struct Item
{
	PGresult   *result;			/* NULL ends those of a statement */
	double		arrives;
} Item;

struct pg_conn
{
	int			fd;
	ConnStatusType status;
	PGTransactionStatusType transaction;
	PGpipelineStatus pipeline;
	Item		items[MAX_ITEMS];
	int			first;
	int			count;
	double		read_at;		/* what has arrived until then was taken in */
	bool		single;
	bool		unsent;			/* until PQflush() is called again */
	double		sent_at;
	char		error[300];
	PQnoticeReceiver receiver;
	const char *purpose;
	bool		refused;
};

static PGconn *conns[MAX_CONNS];

static PGresult *
new_result(ExecStatusType status)
{
	PGresult   *result = calloc(1, sizeof(PGresult));

	result->status = status;
	return result;
}

static void
push(PGconn *conn, PGresult *result, double arrives)
{
	conn->items[conn->count++] = (Item) {result, arrives};
	if (conn->count == MAX_ITEMS)
		abort();
}

/* Breaks a connection. */
static void
break_conn(PGconn *conn)
{
	PGresult   *result = new_result(PGRES_FATAL_ERROR);

	conn->status = CONNECTION_BAD;
	conn->transaction = PQTRANS_UNKNOWN;
	snprintf(conn->error, sizeof(conn->error), "server closed the connection\n");
	result->text = conn->error;
	conn->first = conn->count = 0;
	conn->pipeline = PQ_PIPELINE_OFF;
	push(conn, result, 0);
}

static void
add_row(PGresult *result, char *text)
{
	int			column = 0;
	char	   *cell;

	while (text != NULL && (cell = strsep(&text, "|")) != NULL)
		result->cells[result->nrows][column++] = strcmp(cell, "-") == 0 ? NULL : cell;
	result->ncolumns = column > result->ncolumns ? column : result->ncolumns;
	result->nrows++;
}

/* Adds the row of a task, "ID TYPE ACTION [COLUMN=VALUE]..."; columns by their numbers. */
static void
add_task(PGresult *result, char *text)
{
	char	  **row = result->cells[result->nrows++];
	char	   *word;

	result->ncolumns = 17;
	row[0] = strsep(&text, " ");
	row[1] = "7";
	row[2] = "7:s";
	row[3] = "s";
	row[4] = strsep(&text, " ");
	row[5] = "1";
	row[7] = strsep(&text, " ");
	for (char *p = row[7]; (p = strchr(p, '~')) != NULL;)
		*p = ' ';
	row[14] = "f";
	while ((word = strsep(&text, " ")) != NULL)
	{
		char	   *value = strchr(word, '=') + 1;

		row[atoi(word)] = strcmp(value, "-") == 0 ? NULL : value;
	}
}

static void
add_rows(PGresult *result, char *text, void (*add) (PGresult *result, char *text))
{
	char	   *next;

	for (; text != NULL; text = next)
	{
		next = strstr(text, ";;");
		if (next != NULL)
		{
			*next = '\0';
			next += 2;
		}
		add(result, text);
	}
}

/* Tells whether a text begins with a word, and moves it behind that. */
static bool
begins(char **text, const char *word)
{
	size_t		len = strlen(word);

	if (strncmp(*text, word, len) != 0 || ((*text)[len] != ' ' && (*text)[len] != '\0'))
		return false;
	*text += len;
	*text += strspn(*text, " ");
	return true;
}

/* Makes one result of an answer. */
static PGresult *
read_result(PGconn *conn, char *text)
{
	PGresult   *result = new_result(PGRES_TUPLES_OK);

	if (begins(&text, "ok"))
	{
		result->status = PGRES_COMMAND_OK;
		result->affected = text;
	}
	else if (begins(&text, "rows"))
		add_rows(result, text, add_row);
	else if (begins(&text, "task"))
		add_rows(result, text, add_task);
	else if (begins(&text, "tasks"))
	{
		int			first = atoi(strsep(&text, " "));
		int			last = atoi(strsep(&text, " "));

		for (int i = first; i <= last; i++)
		{
			char	   *task;

			if (asprintf(&task, "%d %s", i, text) > 0)
				add_task(result, task);
		}
	}
	else if (begins(&text, "items"))
		for (int i = 0; i < atoi(text); i++)
			add_row(result, strdup("1|{\"i\":1}|-|-|-"));
	else if (begins(&text, "big"))
	{
		char	   *cell = calloc(1, (size_t) atoi(text) + 1);

		memset(cell, 'x', (size_t) atoi(text));
		add_row(result, cell);
	}
	else if (begins(&text, "none"))
		result->ncolumns = 1;
	else if (begins(&text, "copyout"))
		result->status = PGRES_COPY_OUT;
	else if (begins(&text, "copyin"))
		result->status = PGRES_COPY_IN;
	else if (begins(&text, "broken"))
	{
		result->status = PGRES_FATAL_ERROR;
		result->text = "server closed the connection";
		result->breaks = true;
	}
	else if (begins(&text, "empty"))
		result->status = PGRES_EMPTY_QUERY;
	else if (begins(&text, "error") || begins(&text, "stateless"))
	{
		bool		has_state = text[-2] == 'r';

		result->status = PGRES_FATAL_ERROR;
		result->state = has_state ? strsep(&text, " ") : NULL;
		result->text = text;
		if (conn->transaction == PQTRANS_INTRANS)
			conn->transaction = PQTRANS_INERROR;
	}
	else
		add_row(result, strcmp(text, "null") == 0 ? strdup("-") : text);
	return result;
}

/* What a statement gets that the case does not mention. */
static const char *
usual_answer(const char *name, const char *const *params)
{
	static char text[1000];
	static const struct
	{
		const char *name;
		const char *answer;
	}			usual[] = {{"pid", "rows 4711"},
				 {"settings", "ok"},
				 {"begin", "ok"},
				 {"local", "t"},
				 {"commit", "ok"},
				 {"rollback", "ok"},
				 {"lease", "none"},
				 {"complete_and_lease", "none"},
				 {"release_unknown", "none"},
				 {"wait", "late 5 ok"},
				 {"work_left", "f"},
				 {"work_of_others", "null"},
				 {"may_announce", "f"},
				 {"connect", "ok"},
				 {"target", "ok"},
				 {"save_step", "none"},
				 {"save", "none"},
				 {"events", "ok"},
				 {"started", "ok"},
				 {"render", "none"}};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
	{
		if (strcmp(usual[i].name, name) == 0)
			return usual[i].answer;
	}
	if (strcmp(name, "value") == 0)
		snprintf(text, sizeof(text), "rows %s|%s", params[0], params[0]);
	else if (strcmp(name, "heartbeat") == 0)
	{
		snprintf(text, sizeof(text), "rows %s", params[0] + 1);
		for (char *p; (p = strpbrk(text, ",}")) != NULL;)
		{
			char		rest[1000];

			snprintf(rest, sizeof(rest), "%s", p + 1);
			snprintf(p, (size_t) (text + sizeof(text) - p), "|t%s%s", rest[0] != '\0' ? ";;" : "",
					 rest);
		}
	}
	else
		return strchr(name, ' ') != NULL ? "ok" : "t";
	return text;
}

/* Returns the name of a statement. */
static const char *
name_of(const char *sql)
{
	static const struct
	{
		const char *begin;
		const char *name;
	}			texts[] = {{"SELECT pg_catalog.pg_backend_pid", "pid"},
				 {"SET search_path", "settings"},
				 {"BEGIN ISOLATION", "begin"},
				 {"SELECT pg_catalog.set_config", "local"},
				 {"CALL noetl.wait", "wait"}};

	for (int i = 0; i < STATEMENT_COUNT; i++)
	{
		if (strcmp(db_statements[i].sql, sql) == 0 || strcmp(db_statements[i].name, sql) == 0)
			return db_statements[i].name;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		if (strncmp(texts[i].begin, sql, strlen(texts[i].begin)) == 0)
			return texts[i].name;
	}
	return strcmp(sql, "ROLLBACK") == 0 ? "rollback" : sql;
}

/* Returns what the case says to a statement, a copy; NULL: nothing. */
static char *
answer_of(const char *name)
{
	for (int i = 0; i < nlines; i++)
	{
		char	   *arrow = lines[i] != NULL ? strstr(lines[i], " -> ") : NULL;
		size_t		len = arrow != NULL ? (size_t) (arrow - lines[i]) : 0;

		if (arrow == NULL || strncmp(lines[i], name, len) != 0 ||
			(name[len] != '\0' && strchr(name, ' ') == NULL))
			continue;
		if (strncmp(arrow + 4, "always ", 7) == 0)
			return strdup(arrow + 11);
		if (times[i]-- <= 1)
			lines[i] = NULL;
		return strdup(arrow + 4);
	}
	return NULL;
}

/* Says a statement with its parameters. */
static void
say_statement(const PGconn *conn, const char *name, int nparams, const char *const *params)
{
	char		text[2000];
	size_t		len = 0;

	text[0] = '\0';
	for (int i = 0; i < nparams && len < sizeof(text) - 200; i++)
	{
		const char *param = params[i] != NULL ? params[i] : "-";

		if (strlen(param) > 150)
			len += (size_t) snprintf(text + len, 100, "%s[%zu bytes]", i > 0 ? ", " : "",
									 strlen(param));
		else
			len += (size_t) snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "",
									 param);
	}
	say("%s %.60s%s%s%s", conn->purpose, name, nparams > 0 ? "(" : "", text,
		nparams > 0 ? ")" : "");
}

/* Tells whether a statement is more than what each session or transaction has. */
static bool
is_of_interest(const PGconn *conn, const char *name)
{
	static const char *const usual[] = {"pid", "settings", "begin", "local",
										"COMMIT", "may_announce", "work_left", "work_of_others"};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
	{
		if (strcmp(usual[i], name) == 0 && strcmp(conn->purpose, ">") == 0)
			return false;
	}
	return strcmp(name, "pid") != 0 && options.command == NULL && strncmp(name, "prepare ", 8) != 0;
}

/* Tells whether the case wants a statement not to be printed. */
static bool
is_silent(const char *name)
{
	for (int i = 0; i < nlines; i++)
	{
		if (lines[i] != NULL && strncmp(lines[i], "silent ", 7) == 0 &&
			strcmp(lines[i] + 7, name) == 0)
			return true;
	}
	return false;
}

/* Follows the words of an answer that come before the results; false: it is not sent. */
static bool
begin_answer(PGconn *conn, char **text, double *arrives)
{
	siginfo_t	info;

	for (;;)
	{
		if (begins(text, "with"))
			arm(strsep(text, " "));
		else if (begins(text, "late"))
			*arrives = now + atof(strsep(text, " "));
		else if (begins(text, "stop"))
			raise(SIGTERM);
		else if (begins(text, "open"))
			conn->transaction = PQTRANS_INTRANS;
		else if (begins(text, "ended"))
			(void) waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
		else if (begins(text, "never"))
			*arrives = HUGE_VAL;
		else if (begins(text, "notice"))
		{
			PGresult   *notice = new_result(PGRES_NONFATAL_ERROR);
			char	   *end = strstr(*text, "::");

			*end = '\0';
			notice->state = strsep(text, " ");
			notice->state = strcmp(notice->state, "-") == 0 ? NULL : notice->state;
			notice->text = *text;
			conn->receiver(NULL, notice);
			*text = end + 2;
			*text += strspn(*text, " ");
		}
		else
			return !begins(text, "unsent");
	}
}

/* Answers a statement; returns false when it cannot be sent. */
static int
answer(PGconn *conn, const char *sql, int nparams, const char *const *params)
{
	const char *name = name_of(sql);
	char	   *text = answer_of(name);
	double		arrives = now;
	char	   *next;

	if ((text != NULL || is_of_interest(conn, name)) && !is_silent(name))
		say_statement(conn, name, nparams, params);
	conn->sent_at = now;
	if (conn->status == CONNECTION_BAD)
		return 0;
	if (text == NULL)
		text = strdup(usual_answer(name, params));
	if (strcmp(name, "begin") == 0 || strcmp(name, "BEGIN") == 0)
		conn->transaction = PQTRANS_INTRANS;
	else if (strcmp(name, "COMMIT") == 0 || strcmp(name, "rollback") == 0)
		conn->transaction = PQTRANS_IDLE;
	if (!begin_answer(conn, &text, &arrives))
	{
		snprintf(conn->error, sizeof(conn->error), "could not send\n");
		return 0;
	}
	if (begins(&text, "lost"))
	{
		if (begins(&text, "state"))
			conn->status = CONNECTION_BAD;
		else
			break_conn(conn);
		return 1;
	}
	if (strcmp(name, "begin") == 0 && strncmp(text, "error", 5) == 0)
		conn->transaction = PQTRANS_IDLE;
	for (; text != NULL; text = next)
	{
		next = strstr(text, " && ");
		if (next != NULL)
		{
			*next = '\0';
			next += 4;
		}
		push(conn, read_result(conn, text), arrives);
	}
	push(conn, NULL, arrives);
	return 1;
}

PGconn *
PQconnectdbParams(const char *const *keys, const char *const *values, int expand)
{
	PGconn	   *conn = calloc(1, sizeof(PGconn));
	char	   *text = answer_of(expand == 1 ? "connect" : "target");
	double		arrives;

	(void) keys, (void) values;
	*conn = (PGconn) {.fd = eventfd(0, 0),.purpose = ">",.read_at = -1};
	if (text == NULL)
		text = "ok";
	(void) begin_answer(conn, &text, &arrives);
	conn->status = begins(&text, "refused") ? CONNECTION_BAD : CONNECTION_OK;
	if (conn->status == CONNECTION_BAD)
	{
		snprintf(conn->error, sizeof(conn->error), "%s\n", text);
		conn->refused = true;
		say("refused");
	}
	else
		say("connects");
	for (size_t i = 0; i < MAX_CONNS; i++)
	{
		if (conns[i] == NULL)
		{
			conns[i] = conn;
			break;
		}
	}
	return conn;
}

PGconn *
PQconnectStartParams(const char *const *keys, const char *const *values, int expand)
{
	PGconn	   *conn = PQconnectdbParams(keys, values, expand + 1);

	conn->purpose = ">>";
	return conn;
}

PostgresPollingStatusType
PQconnectPoll(PGconn *conn)
{
	char	   *text = answer_of("poll");
	double		arrives;

	if (text == NULL)
		return PGRES_POLLING_OK;
	say("poll %s", text);
	(void) begin_answer(conn, &text, &arrives);
	if (begins(&text, "reading"))
		return PGRES_POLLING_READING;
	conn->status = CONNECTION_BAD;
	snprintf(conn->error, sizeof(conn->error), "%s\n", text);
	return PGRES_POLLING_FAILED;
}

void
PQfinish(PGconn *conn)
{
	if (!conn->refused)
		say("closes %s", conn->purpose);
	for (size_t i = 0; i < MAX_CONNS; i++)
		conns[i] = conns[i] == conn ? NULL : conns[i];
	close(conn->fd);
	free(conn);
}

ConnStatusType
PQstatus(const PGconn *conn)
{
	return conn->status;
}

char *
PQerrorMessage(const PGconn *conn)
{
	return (char *) conn->error;
}

int
PQbackendPID(const PGconn *conn)
{
	(void) conn;
	return BACKEND;
}

int
PQsocket(const PGconn *conn)
{
	int			value;

	if (fails("PQsocket", &value))
	{
		break_conn((PGconn *) conn);
		return value;
	}
	return conn->status == CONNECTION_BAD ? -1 : conn->fd;
}

PGTransactionStatusType
PQtransactionStatus(const PGconn *conn)
{
	return conn->transaction;
}

PGpipelineStatus
PQpipelineStatus(const PGconn *conn)
{
	return conn->pipeline;
}

int
PQenterPipelineMode(PGconn *conn)
{
	FAILS_AS("PQenterPipelineMode");
	conn->pipeline = PQ_PIPELINE_ON;
	return 1;
}

int
PQexitPipelineMode(PGconn *conn)
{
	FAILS_AS("PQexitPipelineMode");
	if (conn->first < conn->count)
		return 0;
	conn->pipeline = PQ_PIPELINE_OFF;
	return 1;
}

int
PQpipelineSync(PGconn *conn)
{
	double		arrives = conn->count > 0 ? conn->items[conn->count - 1].arrives : now;

	FAILS_AS("PQpipelineSync");
	push(conn, new_result(PGRES_PIPELINE_SYNC), arrives);
	return 1;
}

int
PQflush(PGconn *conn)
{
	int			value;

	if (fails("PQflush", &value))
	{
		conn->unsent = value > 0;
		return value;
	}
	for (int i = conn->first; conn->unsent && i < conn->count; i++)
		conn->items[i].arrives += now - conn->sent_at;
	conn->unsent = false;
	return conn->status == CONNECTION_BAD ? -1 : 0;
}

int
PQsetnonblocking(PGconn *conn, int arg)
{
	(void) conn, (void) arg;
	FAILS_AS("PQsetnonblocking");
	return 0;
}

int
PQconsumeInput(PGconn *conn)
{
	int			value;

	if (fails("PQconsumeInput", &value))
	{
		break_conn(conn);
		return value;
	}
	conn->read_at = conn->unsent ? conn->read_at : now;
	return conn->status == CONNECTION_BAD ? 0 : 1;
}

/* Tells whether the next result is not here. */
static bool
waits(const PGconn *conn)
{
	return conn->first < conn->count && conn->status != CONNECTION_BAD &&
		conn->items[conn->first].arrives > conn->read_at;
}

int
PQisBusy(PGconn *conn)
{
	FAILS_AS("PQisBusy");
	return waits(conn);
}

/* Passes over what follows an error in a pipeline, up to its end. */
static void
abort_pipeline(PGconn *conn)
{
	for (int i = conn->first; i < conn->count; i++)
	{
		PGresult   *result = conn->items[i].result;

		if (result != NULL && result->status == PGRES_PIPELINE_SYNC)
			return;
		if (result != NULL && !result->breaks)
			result->status = PGRES_PIPELINE_ABORTED;
	}
}

PGresult *
PQgetResult(PGconn *conn)
{
	PGresult   *result;
	PGresult   *row;

	if (waits(conn))
	{
		say("BLOCKS");
		_exit(1);
	}
	if (conn->first == conn->count)
		return NULL;
	result = conn->items[conn->first].result;
	if (result != NULL && conn->single && result->status == PGRES_TUPLES_OK &&
		result->from < result->nrows)
	{
		row = new_result(PGRES_SINGLE_TUPLE);
		row->nrows = 1;
		row->ncolumns = result->ncolumns;
		memcpy(row->cells[0], result->cells[result->from++], sizeof(row->cells[0]));
		return row;
	}
	conn->first++;
	if (result != NULL && result->breaks)
	{
		break_conn(conn);
		conn->first = conn->count;
	}
	if (result != NULL && result->from > 0)
		result->nrows = 0;
	if (result != NULL && result->status == PGRES_FATAL_ERROR && conn->pipeline == PQ_PIPELINE_ON)
		abort_pipeline(conn);
	return result;
}

int
PQsetSingleRowMode(PGconn *conn)
{
	conn->single = true;
	return 1;
}

int
PQsendQuery(PGconn *conn, const char *sql)
{
	conn->single = false;
	return answer(conn, sql, 0, NULL);
}

int
PQsendPrepare(PGconn *conn, const char *name, const char *sql, int count, const Oid *types)
{
	char		text[100];

	(void) sql, (void) count, (void) types;
	snprintf(text, sizeof(text), "prepare %s", name);
	return answer(conn, text, 0, NULL);
}

int
PQsendQueryPrepared(PGconn *conn, const char *name, int count, const char *const *values,
					const int *lengths, const int *formats, int format)
{
	(void) lengths, (void) formats, (void) format;
	return answer(conn, name, count, values);
}

int
PQsendQueryParams(PGconn *conn, const char *sql, int count, const Oid *types,
				  const char *const *values, const int *lengths, const int *formats, int format)
{
	(void) types, (void) lengths, (void) formats, (void) format;
	return answer(conn, sql, count, values);
}

PGresult *
PQexecParams(PGconn *conn, const char *sql, int count, const Oid *types,
			 const char *const *values, const int *lengths, const int *formats, int format)
{
	(void) types, (void) lengths, (void) formats, (void) format;
	if (answer(conn, sql, count, values) != 1)
		break_conn(conn);
	(void) PQconsumeInput(conn);
	conn->count = conn->first + 1;
	return PQgetResult(conn);
}

PGcancel *
PQgetCancel(PGconn *conn)
{
	int			value;

	return fails("PQgetCancel", &value) ? NULL : (PGcancel *) conn;
}

int
PQcancel(PGcancel *cancel, char *text, int size)
{
	PGconn	   *conn = (PGconn *) cancel;

	(void) text, (void) size;
	say("cancels %s", conn->purpose);
	/* what was to come comes now, as an error */
	for (int i = conn->first; i < conn->count; i++)
	{
		PGresult   *result = conn->items[i].result;

		if (result != NULL && conn->items[i].arrives > now)
		{
			result->status = PGRES_FATAL_ERROR;
			result->state = "57014";
			result->text = "canceling statement due to user request";
		}
		conn->items[i].arrives = now;
	}
	return 1;
}

void
PQfreeCancel(PGcancel *cancel)
{
	(void) cancel;
}

int
PQputCopyEnd(PGconn *conn, const char *text)
{
	PGresult   *result = new_result(PGRES_FATAL_ERROR);

	result->state = "57014";
	result->text = strdup(text);
	push(conn, result, now);
	push(conn, NULL, now);
	return 1;
}

PQnoticeReceiver
PQsetNoticeReceiver(PGconn *conn, PQnoticeReceiver receiver, void *arg)
{
	(void) arg;
	conn->receiver = receiver;
	return NULL;
}

ExecStatusType
PQresultStatus(const PGresult *result)
{
	return result != NULL ? result->status : PGRES_FATAL_ERROR;
}

char *
PQresultErrorField(const PGresult *result, int field)
{
	return field == PG_DIAG_SQLSTATE ? result->state :
		field == PG_DIAG_MESSAGE_PRIMARY && result->state != NULL ? result->text :
																	NULL;
}

char *
PQresultErrorMessage(const PGresult *result)
{
	static char text[500];

	snprintf(text, sizeof(text), "%s\n", result->text != NULL ? result->text : "");
	return text;
}

int
PQntuples(const PGresult *result)
{
	return result != NULL ? result->nrows : 0;
}

int
PQnfields(const PGresult *result)
{
	return result != NULL ? result->ncolumns : 0;
}

char *
PQfname(const PGresult *result, int column)
{
	static char name[20];

	(void) result;
	snprintf(name, sizeof(name), "c%d", column);
	return name;
}

Oid
PQftype(const PGresult *result, int column)
{
	const char *cell = result->cells[0][column];

	return cell != NULL && cell[strspn(cell, "0123456789")] == '\0' ? 23 : 25;
}

char *
PQgetvalue(const PGresult *result, int row, int column)
{
	if (row >= result->nrows || column >= MAX_COLUMNS)
	{
		say("NO SUCH ROW");
		_exit(1);
	}
	return result->cells[row][column] != NULL ? result->cells[row][column] : "";
}

int
PQgetlength(const PGresult *result, int row, int column)
{
	return (int) strlen(PQgetvalue(result, row, column));
}

int
PQgetisnull(const PGresult *result, int row, int column)
{
	return row >= result->nrows || result->cells[row][column] == NULL;
}

char *
PQcmdTuples(PGresult *result)
{
	return result->affected != NULL ? result->affected : "";
}

char *
PQcmdStatus(PGresult *result)
{
	return result->status == PGRES_COMMAND_OK ? "DONE" : "SELECT";
}

void
PQclear(PGresult *result)
{
	(void) result;
}

/* Returns the connection of a descriptor; NULL: it is something else. */
static PGconn *
conn_of(int fd)
{
	for (size_t i = 0; i < MAX_CONNS; i++)
	{
		if (conns[i] != NULL && conns[i]->fd == fd)
			return conns[i];
	}
	return NULL;
}

/* Tells whether a descriptor is one of a connection. */
bool
is_connection(int fd)
{
	return conn_of(fd) != NULL;
}

/* Tells when the next result of a connection arrives. */
Arrival
next_arrival(int fd, double *when)
{
	PGconn	   *conn = conn_of(fd);

	if (conn != NULL && conn->status == CONNECTION_BAD)
		return ARRIVAL_NOW;
	if (conn == NULL || !waits(conn) || conn->unsent)
		return ARRIVAL_NONE;
	*when = conn->items[conn->first].arrives;
	return *when <= now ? ARRIVAL_NOW : ARRIVAL_LATER;
}
