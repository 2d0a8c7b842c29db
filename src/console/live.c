/*
 * live.c
 *		Pages that are open hear when what they show has changed.
 *
 * A page holds one answer that does not end (server-sent events) and says what it
 * shows: one execution, or lists.  A thread looks once a second, with one query for
 * each session that has open pages, however many these are, and tells the pages whose
 * mark is another than before.  A page that is told asks for itself anew.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "live.h"
#include "session.h"

#define MAX_STREAMS		500
#define STREAMS_OF_ONE	12
#define KEEP_ALIVE		15

struct Stream
{
	Stream	   *next;
	struct MHD_Connection *connection;	/* NULL until the answer has begun */
	char		token[TOKEN_SIZE];
	char		execution[24];	/* empty: lists */
	char		mark[64];		/* of what the page was told last */
	bool		tell;			/* something has changed */
	bool		ended;
	bool		asleep;			/* suspended */
	time_t		told;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t stop = PTHREAD_COND_INITIALIZER;
static pthread_t looker;
static bool stopping;
static Stream *streams;

/* Answers GET /live?execution=ID, or GET /live for lists. */
void
live_page(Request *request, Reply *reply)
{
	Stream	   *stream = xcalloc(1, sizeof(*stream));
	int			all = 0;
	int			own = 0;

	memcpy(stream->token, request->session->token, TOKEN_SIZE);
	if (!parse_id(field(request, "execution"), stream->execution))
		stream->execution[0] = '\0';
	stream->told = time(NULL);
	pthread_mutex_lock(&lock);
	for (Stream *other = streams; other; other = other->next)
	{
		all++;
		own += strcmp(other->token, stream->token) == 0;
	}
	if (all < MAX_STREAMS && own < STREAMS_OF_ONE)
	{
		stream->next = streams;
		streams = stream;
		reply->stream = stream;
		reply->type = "text/event-stream";
	}
	else
	{
		free(stream);
		reply->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	pthread_mutex_unlock(&lock);
}

/* Writes what there is to tell, or goes to sleep; called by libmicrohttpd. */
static ssize_t
stream_read(void *cls, uint64_t position, char *buffer, size_t size)
{
	Stream	   *stream = cls;
	const char *line = NULL;
	ssize_t		length = 0;

	pthread_mutex_lock(&lock);
	if (stream->ended)
		length = MHD_CONTENT_READER_END_OF_STREAM;
	else if (position == 0)
		line = "retry: 5000\n\n";
	else if (stream->tell)
		line = "data: changed\n\n";
	else if (time(NULL) - stream->told >= KEEP_ALIVE)
		line = ": still here\n\n";
	if (line)
	{
		length = (ssize_t) strlen(line);
		memcpy(buffer, line, (size_t) length <= size ? (size_t) length : size);
		if (position > 0)
			stream->tell = false;
		stream->told = time(NULL);
	}
	else if (length == 0)
	{
		stream->asleep = true;
		MHD_suspend_connection(stream->connection);
	}
	pthread_mutex_unlock(&lock);
	return length;
}

/* Forgets a stream; called by libmicrohttpd. */
static void
stream_free(void *cls)
{
	pthread_mutex_lock(&lock);
	for (Stream **p = &streams; *p; p = &(*p)->next)
		if (*p == cls)
		{
			*p = (*p)->next;
			break;
		}
	pthread_mutex_unlock(&lock);
	free(cls);
}

/* Frees a stream that no response has. */
void
live_discard(Stream *stream)
{
	stream_free(stream);
}

/* Makes the response of a stream. */
struct MHD_Response *
live_response(Stream *stream, struct MHD_Connection *connection)
{
	pthread_mutex_lock(&lock);
	stream->connection = connection;
	pthread_mutex_unlock(&lock);
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, stream_read, stream,
											 stream_free);
}

/* Wakes a stream that sleeps; the caller holds the lock. */
static void
wake(Stream *stream)
{
	if (!stream->asleep)
		return;
	stream->asleep = false;
	MHD_resume_connection(stream->connection);
}

/* Sets the marks of a session's streams from rows of execution and mark. */
static void
compare(const char *token, const PGresult *rows)
{
	pthread_mutex_lock(&lock);
	for (Stream *stream = streams; stream; stream = stream->next)
	{
		if (strcmp(stream->token, token) != 0)
			continue;
		if (rows == NULL)
			stream->ended = true;
		for (int i = 0; rows && i < PQntuples(rows); i++)
		{
			if (strcmp(db_text(rows, i, 0), stream->execution) != 0 ||
				strcmp(db_text(rows, i, 1), stream->mark) == 0)
				continue;
			stream->tell = stream->mark[0] != '\0';
			snprintf(stream->mark, sizeof(stream->mark), "%s", db_text(rows, i, 1));
		}
		if (stream->tell || stream->ended)
			wake(stream);
	}
	pthread_mutex_unlock(&lock);
}

/* Asks for the marks of what the pages of one session show. */
static void
look_for(const char *token, const char *executions)
{
	bool		busy;
	Request		request = {0};
	PGresult   *rows = NULL;

	request.session = session_acquire(token, false, false, &busy);
	if (request.session == NULL && busy)
		return;
	initPQExpBuffer(&request.error);
	if (request.session)
	{
		rows = db_query(&request,
						"SELECT i::text, (SELECT concat(max(e.event_id), x.status) FROM noetl.event AS e"
						" WHERE e.execution_id = i)"
						" FROM unnest($1::bigint[]) AS i LEFT JOIN noetl.execution AS x ON x.execution_id = i"
						" UNION ALL SELECT '', sum(pg_stat_get_tuples_inserted(c.inhrelid))::text"
						" FROM pg_inherits AS c WHERE c.inhparent = 'noetl.event'::regclass",
						1, executions);
		session_release(request.session);
	}
	compare(token, rows);
	PQclear(rows);
	termPQExpBuffer(&request.error);
}

/* Copies the token of the next session that has streams, and what these show. */
static bool
next_token(char token[TOKEN_SIZE], PQExpBuffer executions)
{
	const char *next = NULL;

	resetPQExpBuffer(executions);
	html(executions, "{");
	pthread_mutex_lock(&lock);
	for (Stream *stream = streams; stream; stream = stream->next)
		if (stream->connection && !stream->ended && strcmp(stream->token, token) > 0 &&
			(next == NULL || strcmp(stream->token, next) < 0))
			next = stream->token;
	if (next)
		memcpy(token, next, TOKEN_SIZE);
	for (Stream *stream = streams; stream && next; stream = stream->next)
		if (strcmp(stream->token, token) == 0 && stream->execution[0])
			html(executions, executions->len > 1 ? ",%s" : "%s", stream->execution);
	pthread_mutex_unlock(&lock);
	html(executions, "}");
	return next != NULL;
}

/* Looks for changes, and tells the streams of them. */
static void
look(void)
{
	char		token[TOKEN_SIZE] = "";
	PQExpBufferData executions;

	initPQExpBuffer(&executions);
	while (next_token(token, &executions))
		look_for(token, executions.data);
	termPQExpBuffer(&executions);
	pthread_mutex_lock(&lock);
	for (Stream *stream = streams; stream; stream = stream->next)
		if (time(NULL) - stream->told >= KEEP_ALIVE)
			wake(stream);
	pthread_mutex_unlock(&lock);
}

/* Looks once a second until the program ends.  A database that is slow delays only this. */
static void *
look_every_second(void *unused)
{
	struct timespec next;
	bool		ends;

	do
	{
		look();
		clock_gettime(CLOCK_REALTIME, &next);
		next.tv_sec++;
		pthread_mutex_lock(&lock);
		if (!stopping)
			pthread_cond_timedwait(&stop, &lock, &next);
		ends = stopping;
		pthread_mutex_unlock(&lock);
	} while (!ends);
	return NULL;
}

/* Starts the thread that looks (live.h). */
void
live_start(void)
{
	if (pthread_create(&looker, NULL, look_every_second, NULL) != 0)
	{
		fputs("noetl-console: cannot start a thread\n", stderr);
		exit(1);
	}
}

/* Ends the thread that looks, and all streams. */
void
live_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_signal(&stop);
	for (Stream *stream = streams; stream; stream = stream->next)
	{
		stream->ended = true;
		wake(stream);
	}
	pthread_mutex_unlock(&lock);
	pthread_join(looker, NULL);
}
