/*
 * session.c
 *		Who is logged in: sessions live in memory, each with one connection to the
 *		database, as its role.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "options.h"
#include "session.h"
#include "watch.h"

/* Requests of one session that may wait for it */
#define MAX_USERS		6
/* Failed logins in a minute, of all roles, after which everybody has to wait */
#define MAX_FAILURES	30

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Session *sessions;
static int	failures;
static time_t failures_since;

/* Makes room for the sessions. */
void
sessions_init(void)
{
	sessions = xcalloc(options.max_sessions, sizeof(Session));
	for (int i = 0; i < options.max_sessions; i++)
		pthread_mutex_init(&sessions[i].lock, NULL);
}

/* Writes 32 random bytes as digits; ends the program when there are none. */
void
random_token(char token[TOKEN_SIZE])
{
	unsigned char bytes[(TOKEN_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
	{
		fputs("noetl-console: there are no random numbers\n", stderr);
		abort();
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

/* Compares two tokens in a time that does not depend on where they differ. */
bool
token_equal(const char *a, const char *b)
{
	unsigned char differ = 0;

	if (a == NULL || b == NULL || strlen(a) != TOKEN_SIZE - 1 || strlen(b) != TOKEN_SIZE - 1)
		return false;
	for (int i = 0; i < TOKEN_SIZE - 1; i++)
		differ |= (unsigned char) (a[i] ^ b[i]);
	return differ == 0;
}

/* Whether a text looks like a token. */
bool
token_valid(const char *token)
{
	return strlen(token) == TOKEN_SIZE - 1 && token[strspn(token, "0123456789abcdef")] == '\0';
}

/* Frees a session that is over, unless somebody uses it; the caller holds the lock. */
static void
dispose(Session *session)
{
	if (!session->ended || session->users > 0)
		return;
	PQfinish(session->conn);
	free(session->role);
	free(session->flash);
	session->conn = NULL;
	session->role = session->flash = NULL;
	memset(session->token, 0, sizeof(session->token));
	memset(session->csrf, 0, sizeof(session->csrf));
	session->used = session->ended = false;
}

/* Whether a session is too old; the caller holds the lock. */
static bool
too_old(const Session *session)
{
	time_t		now = clock_seconds();

	return now - session->seen >= options.idle_timeout ||
		now - session->since >= options.session_timeout;
}

/* Ends what is too old. */
void
sessions_expire(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < options.max_sessions; i++)
	{
		Session    *session = &sessions[i];

		if (!session->used)
			continue;
		if (too_old(session))
			session->ended = true;
		dispose(session);
	}
	pthread_mutex_unlock(&lock);
}

/* Takes a user off a session. */
static void
leave(Session *session)
{
	pthread_mutex_lock(&lock);
	session->users--;
	dispose(session);
	pthread_mutex_unlock(&lock);
}

/*
 * Returns the session of a token, NULL when there is none or it is over; the caller holds
 * the lock.
 */
static Session *
find(const char *token)
{
	Session    *found = NULL;

	/* all are compared, so that the time tells nothing; a free place has no token */
	for (int i = 0; i < options.max_sessions; i++)
		if (token_equal(sessions[i].token, token) && !sessions[i].ended)
			found = &sessions[i];
	return found;
}

/* Returns the session of a token, locked (session.h). */
Session *
session_acquire(const char *token, bool touch, bool wait, bool *busy)
{
	Session    *found;

	*busy = false;
	pthread_mutex_lock(&lock);
	found = find(token);
	if (found && too_old(found))
	{
		found->ended = true;
		found = NULL;
	}
	else if (found && found->users >= MAX_USERS)
	{
		*busy = true;
		found = NULL;
	}
	if (found)
	{
		found->users++;
		if (touch)
			found->seen = clock_seconds();
	}
	pthread_mutex_unlock(&lock);
	if (found == NULL)
		return NULL;
	if (wait)
		pthread_mutex_lock(&found->lock);
	else if (pthread_mutex_trylock(&found->lock) != 0)
	{
		*busy = true;
		leave(found);
		return NULL;
	}
	return found;
}

/* Whether a session is there and not over (session.h). */
bool
session_exists(const char *token)
{
	bool		found;

	pthread_mutex_lock(&lock);
	found = find(token) != NULL;
	pthread_mutex_unlock(&lock);
	return found;
}

/* Whether there is any session. */
bool
sessions_open(void)
{
	bool		found = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < options.max_sessions; i++)
		found = found || sessions[i].used;
	pthread_mutex_unlock(&lock);
	return found;
}

/* Gives a session back. */
void
session_release(Session *session)
{
	pthread_mutex_unlock(&session->lock);
	leave(session);
}

/* Ends a session. */
void
session_end(Session *session)
{
	pthread_mutex_lock(&lock);
	session->ended = true;
	pthread_mutex_unlock(&lock);
}

/* Ends the session of a token (session.h). */
void
session_end_of(const char *token)
{
	Session    *session;

	pthread_mutex_lock(&lock);
	session = find(token);
	if (session)
	{
		session->ended = true;
		dispose(session);
	}
	pthread_mutex_unlock(&lock);
}

/* Keeps a message for the next page. */
void
session_flash(Session *session, bool error, const char *message)
{
	free(session->flash);
	session->flash = xstrdup(message);
	session->flash_is_error = error;
}

/* Whether a role may log in without a password. */
static bool
is_trusted(const char *role)
{
	for (int i = 0; i < options.ntrusted; i++)
		if (strcmp(options.trusted[i], role) == 0)
			return true;
	return false;
}

/* Counts a failed login; returns whether there are too many of them now. */
static bool
too_many_failures(int more)
{
	bool		many;

	pthread_mutex_lock(&lock);
	if (clock_seconds() - failures_since >= 60)
	{
		failures_since = clock_seconds();
		failures = 0;
	}
	failures += more;
	many = failures > MAX_FAILURES;
	pthread_mutex_unlock(&lock);
	return many;
}

/*
 * Writes why a login failed to the log, not to who tries, on one line: who tries has
 * chosen the name in it.
 */
static void
log_failure(const char *message)
{
	PQExpBufferData line;

	initPQExpBuffer(&line);
	for (const char *p = message; *p; p++)
		if ((unsigned char) *p >= ' ' && *p != 0x7f)
			appendPQExpBufferChar(&line, *p);
		else if (p[1] != '\0')
			appendPQExpBufferStr(&line, " | ");
	fprintf(stderr, "noetl-console: %s\n", PQExpBufferDataBroken(line) ? "" : line.data);
	termPQExpBuffer(&line);
}

/*
 * Takes what statements say besides their results, and forgets it: libpq would write it to
 * the log, where it would look like what the console says.
 */
static void
forget_notice(void *unused, const PGresult *notice)
{
}

/*
 * Connects as a role, or returns NULL.  Neither a password file nor the environment
 * takes the place of the password that was typed.  A server that has gone without a
 * word is given up within half a minute, unless the connection string says otherwise.
 */
static PGconn *
connect_as(const char *role, const char *password)
{
	const char *keys[] = {"keepalives_idle", "keepalives_interval", "keepalives_count",
	"tcp_user_timeout", "dbname", "user", "password", "passfile", "connect_timeout",
	"application_name", "client_encoding", NULL};
	const char *values[] = {"10", "5", "3", "25000", options.conninfo, role,
							password, "/dev/null", "10", "noetl-console", "UTF8", NULL};
	PGconn	   *conn = PQconnectdbParams(keys, values, 1);

	if (PQstatus(conn) == CONNECTION_OK)
	{
		PQsetNoticeReceiver(conn, forget_notice, NULL);
		return conn;
	}
	log_failure(PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

/* Prepares a connection for pages; returns what is wrong, or NULL. */
static const char *
prepare(PGconn *conn, const char *role)
{
	char		settings[400];
	PGresult   *result;
	const char *wrong = NULL;

	if (!PQconnectionUsedPassword(conn) && !is_trusted(role))
		return "The server asks this role for no password; the console wants one. (--trust-role names roles that need none.)";
	snprintf(settings, sizeof(settings),
			 "SET search_path = pg_catalog, pg_temp; SET statement_timeout = '%ds';"
			 "SET lock_timeout = '5s'; SET default_transaction_read_only = on;"
			 "SET idle_in_transaction_session_timeout = '60s'; SET datestyle = 'ISO';"
			 "SET standard_conforming_strings = on; SET jit = off;"
			 /* the beginning of an index is read, however many rows the role may not see */
			 "SET enable_seqscan = off", options.statement_timeout);
	result = PQexec(conn, settings);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		wrong = "The server does not accept the console's settings.";
	PQclear(result);
	if (wrong)
		return wrong;
	result = PQexec(conn, "SELECT (SELECT pg_catalog.bool_or(r.rolsuper OR r.rolreplication) FROM pg_catalog.pg_roles AS r"
					" WHERE r.rolname IN (session_user, current_user)),"
					" pg_catalog.to_regclass('noetl.execution') IS NOT NULL");
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQgetisnull(result, 0, 0))
		wrong = "The server does not say who this role is.";
	else if (PQgetvalue(result, 0, 0)[0] == 't')
		wrong = "Superusers and roles with REPLICATION do not log in here: take a role that has just the rights it needs.";
	else if (PQgetvalue(result, 0, 1)[0] != 't')
		wrong = "This database does not have the extension noetl: CREATE EXTENSION noetl.";
	PQclear(result);
	return wrong;
}

/* Puts a connection into a free session; returns false when there is none. */
static bool
start_session(PGconn *conn, const char *role, char token[TOKEN_SIZE])
{
	Session    *session = NULL;

	sessions_expire();
	random_token(token);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < options.max_sessions && session == NULL; i++)
		if (!sessions[i].used)
			session = &sessions[i];
	if (session)
	{
		session->used = true;
		session->conn = conn;
		session->role = xstrdup(role);
		session->since = session->seen = clock_seconds();
		memcpy(session->token, token, TOKEN_SIZE);
		random_token(session->csrf);
	}
	pthread_mutex_unlock(&lock);
	return session != NULL;
}

/* Makes the connection that waits for changes, where there is none. */
static void
provide_watch(const char *role, const char *password)
{
	PGconn	   *conn;

	if (!watch_wanted())
		return;
	conn = connect_as(role, password);
	if (conn)
		watch_offer(conn);
}

/* Logs a role in (session.h). */
int
session_login(const char *role, const char *password, char token[TOKEN_SIZE], char *message,
			  size_t size)
{
	PGconn	   *conn;
	const char *wrong;

	if (too_many_failures(0))
	{
		snprintf(message, size, "Too many logins have failed. Wait a minute.");
		return 429;
	}
	/* libpq would look for a password elsewhere if it were given none */
	if (role[0] == '\0' || (password[0] == '\0' && !is_trusted(role)))
	{
		snprintf(message, size, "Give a role and its password.");
		return 403;
	}
	conn = connect_as(role, password[0] ? password : "-");
	if (conn == NULL)
	{
		too_many_failures(1);
		snprintf(message, size, "The database does not let this role in with this password, or cannot be reached.");
		return 403;
	}
	wrong = prepare(conn, role);
	if (wrong)
	{
		PQfinish(conn);
		snprintf(message, size, "%s", wrong);
		return 403;
	}
	if (!start_session(conn, role, token))
	{
		PQfinish(conn);
		snprintf(message, size, "Too many sessions are open. Try again later.");
		return 503;
	}
	provide_watch(role, password[0] ? password : "-");
	return 0;
}
