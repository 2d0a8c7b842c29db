/*
 * live.c
 *		Pages that are open hear when what they show has changed.
 *
 *		commit ──> the connection that waits (watch.c) ──> look() ──> streams ──> pages
 *
 * A page holds one answer that does not end (server-sent events) and says what it
 * shows: one execution, or lists.  When something has happened in the database, one
 * query for each session that shows executions tells which of these it concerns; lists
 * are told in any case.  A page that is told asks for itself anew.  While nothing
 * happens, nobody asks the database for anything.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "db.h"
#include "live.h"
#include "session.h"
#include "watch.h"

#define MAX_STREAMS		500
#define STREAMS_OF_ONE	12
#define KEEP_ALIVE		15
/* Milliseconds: a change may be announced so long before it is to be read */
#define SETTLE			200
/* Pages are told so often at most */
#define EVERY			1000
/* Without a connection that waits, changes are looked for so often */
#define LOOK_EVERY		5000

struct Stream
{
	Stream	   *next;
	struct MHD_Connection *connection;	/* NULL until the answer has begun */
	char		token[TOKEN_SIZE];
	char		execution[24];	/* empty: lists */
	char		mark[64];		/* of what the page was told last */
	bool		due;			/* its execution is to be looked at */
	bool		tell;			/* something has changed */
	bool		ended;
	bool		asleep;			/* suspended */
	time_t		told;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t looker;
static bool stopping;
static int	bell = -1;			/* rings when there is something to do */
static Stream *streams;
static int	looks;				/* how often changes were looked for */

/* Wakes the thread that looks. */
static void
ring(void)
{
	if (write(bell, &(uint64_t) {1}, sizeof(uint64_t)) < 0)
		fputs("noetl-console: cannot wake a thread\n", stderr);
}

/* Returns a number that grows when pages are told (live.h). */
int
live_since(void)
{
	int			since;

	pthread_mutex_lock(&lock);
	since = looks;
	pthread_mutex_unlock(&lock);
	return since;
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

/* Answers GET /live?execution=ID&mark=MARK&since=N, or GET /live?since=N for lists. */
void
live_page(Request *request, Reply *reply)
{
	Stream	   *stream = xcalloc(1, sizeof(*stream));
	Stream	   *oldest = NULL;
	int			all = 0;
	int			own = 0;

	reply->type = "text/event-stream";
	/* a stream without a body would end in the chunk that ends one */
	if (request->head)
	{
		free(stream);
		return;
	}
	memcpy(stream->token, request->session->token, TOKEN_SIZE);
	if (!parse_id(field(request, "execution"), stream->execution))
		stream->execution[0] = '\0';
	snprintf(stream->mark, sizeof(stream->mark), "%s", field_or(request, "mark", ""));
	stream->told = clock_seconds();
	pthread_mutex_lock(&lock);
	for (Stream *other = streams; other; other = other->next)
	{
		all++;
		if (strcmp(other->token, stream->token) != 0 || other->ended)
			continue;
		own++;
		oldest = other;
	}
	if (all < MAX_STREAMS)
	{
		/* a page that was left is noticed only when it is written to */
		if (own >= STREAMS_OF_ONE)
		{
			oldest->ended = true;
			wake(oldest);
		}
		/* others were told of something after this page was made */
		stream->tell = atoi(field_or(request, "since", "0")) != looks;
		stream->next = streams;
		streams = stream;
		reply->stream = stream;
		ring();
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
	else if (clock_seconds() - stream->told >= KEEP_ALIVE)
		line = ": still here\n\n";
	if (line)
	{
		length = (ssize_t) strlen(line);
		memcpy(buffer, line, (size_t) length <= size ? (size_t) length : size);
		if (position > 0)
			stream->tell = false;
		stream->told = clock_seconds();
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

/*
 * Sets the marks of a session's streams from rows of execution and mark, and tells
 * those that show something else.
 */
static void
compare(const char *token, const PGresult *rows)
{
	pthread_mutex_lock(&lock);
	for (Stream *stream = streams; stream; stream = stream->next)
	{
		if (strcmp(stream->token, token) != 0)
			continue;
		stream->due = false;
		if (rows == NULL)
			stream->ended = true;
		for (int i = 0; rows && i < PQntuples(rows); i++)
		{
			if (strcmp(db_text(rows, i, 0), stream->execution) != 0 ||
				strcmp(db_text(rows, i, 1), stream->mark) == 0)
				continue;
			stream->tell = true;
			snprintf(stream->mark, sizeof(stream->mark), "%s", db_text(rows, i, 1));
		}
		if (stream->tell || stream->ended)
			wake(stream);
	}
	pthread_mutex_unlock(&lock);
}

/*
 * Asks for the marks of what the pages of one session show; returns false when the
 * session is busy with a page.
 */
static bool
look_for(const char *token, const char *executions)
{
	bool		busy;
	Request		request = {0};
	PGresult   *rows = NULL;

	request.session = session_acquire(token, false, false, &busy);
	if (busy)
		return false;
	initPQExpBuffer(&request.error);
	if (request.session)
	{
		rows = db_query(&request,
						"SELECT x.execution_id::text, " LIVE_MARK("x")
						" FROM unnest($1::bigint[]) AS i JOIN noetl.execution AS x ON x.execution_id = i",
						1, executions);
		session_release(request.session);
	}
	compare(token, rows);
	PQclear(rows);
	termPQExpBuffer(&request.error);
	return true;
}

/* Copies the token of the next session whose executions are due, and what these are. */
static bool
next_token(char token[TOKEN_SIZE], PQExpBuffer executions)
{
	const char *next = NULL;

	resetPQExpBuffer(executions);
	html(executions, "{");
	pthread_mutex_lock(&lock);
	for (Stream *stream = streams; stream; stream = stream->next)
		if (!stream->ended && stream->due && strcmp(stream->token, token) > 0 &&
			(next == NULL || strcmp(stream->token, next) < 0))
			next = stream->token;
	if (next)
		memcpy(token, next, TOKEN_SIZE);
	for (Stream *stream = streams; stream && next; stream = stream->next)
		if (strcmp(stream->token, token) == 0 && stream->due)
			html(executions, executions->len > 1 ? ",%s" : "%s", stream->execution);
	pthread_mutex_unlock(&lock);
	html(executions, "}");
	return next != NULL;
}

/* Tells lists that something has happened; executions are due to be looked at. */
static void
announce(void)
{
	pthread_mutex_lock(&lock);
	looks++;
	for (Stream *stream = streams; stream; stream = stream->next)
		if (stream->execution[0])
			stream->due = true;
		else
		{
			stream->tell = true;
			wake(stream);
		}
	pthread_mutex_unlock(&lock);
}

/*
 * Looks at the executions that are due, and tells those to which something has happened.
 * Returns false when some stay due, because their session is busy.
 */
static bool
look(void)
{
	bool		complete = true;
	char		token[TOKEN_SIZE] = "";
	PQExpBufferData executions;

	initPQExpBuffer(&executions);
	while (next_token(token, &executions))
		if (!look_for(token, executions.data))
			complete = false;
	termPQExpBuffer(&executions);
	return complete;
}

/*
 * Ends the streams of sessions that are over, and wakes those that have to say that they
 * are still there.  Returns whether there are any.
 */
static bool
tend_streams(void)
{
	bool		any = false;

	pthread_mutex_lock(&lock);
	for (Stream *stream = streams; stream; stream = stream->next)
	{
		if (!session_exists(stream->token))
			stream->ended = true;
		if (stream->ended || clock_seconds() - stream->told >= KEEP_ALIVE)
			wake(stream);
		any = any || !stream->ended;
	}
	pthread_mutex_unlock(&lock);
	return any;
}

/*
 * Waits for changes while there are streams, and looks after each; until the program
 * ends.  What was announced before the connection waits again, or is announced a moment
 * too early, is seen because the look comes after the wait has begun.
 */
static void *
look_for_changes(void *unused)
{
	bool		waits = false;
	bool		news = false;	/* something may have happened since the last look */
	long long	begin_at = 0;	/* when to wait again */
	long long	look_at = 0;	/* 0: there is nothing to look for */

	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE))
	{
		bool		any = tend_streams();
		long long	now = clock_ms();
		int			timeout = 1000;

		if (any && !waits && now >= begin_at)
		{
			waits = watch_begin();
			begin_at = now + (waits ? EVERY : LOOK_EVERY);
			look_at = now + SETTLE;
			news = true;
		}
		if (look_at && now >= look_at)
		{
			if (news)
				announce();
			news = false;
			look_at = look() ? 0 : now + SETTLE;
		}
		if (look_at)
			timeout = (int) (look_at - now);
		if (any && !waits && begin_at - now < timeout)
			timeout = begin_at > now ? (int) (begin_at - now) : 0;
		if (watch_poll(bell, timeout))
			waits = false;
		if (!sessions_open())
		{
			watch_close();
			waits = false;
		}
	}
	watch_close();
	return NULL;
}

/* Starts the thread that looks (live.h). */
void
live_start(void)
{
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bell < 0 || pthread_create(&looker, NULL, look_for_changes, NULL) != 0)
	{
		fputs("noetl-console: cannot start a thread\n", stderr);
		exit(1);
	}
}

/* Ends the thread that looks, and all streams. */
void
live_stop(void)
{
	__atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
	ring();
	pthread_mutex_lock(&lock);
	for (Stream *stream = streams; stream; stream = stream->next)
	{
		stream->ended = true;
		wake(stream);
	}
	pthread_mutex_unlock(&lock);
	pthread_join(looker, NULL);
}
