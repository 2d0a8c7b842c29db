/*
 * session.h
 *		Who is logged in.
 */
#ifndef CONSOLE_SESSION_H
#define CONSOLE_SESSION_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include <libpq-fe.h>

#include "http.h"

#define TOKEN_SIZE		65		/* 32 random bytes in hexadecimal digits */

typedef struct Session
{
	bool		used;
	bool		ended;			/* goes when nobody uses it */
	int			users;			/* requests that hold it or wait for it */
	pthread_mutex_t lock;		/* held by who uses what follows */
	PGconn	   *conn;
	char		token[TOKEN_SIZE];
	char		csrf[TOKEN_SIZE];
	char	   *role;
	char	   *flash;			/* a message for the next page */
	bool		flash_is_error;
	time_t		since;
	time_t		seen;
} Session;

extern void sessions_init(void);
/* Ends what is too old; called now and then. */
extern void sessions_expire(void);

/*
 * Returns the session of a cookie, locked for this request, or NULL; *busy: there is
 * one, and it cannot be had now.  touch: counts as activity; wait: until others have
 * done with it.
 */
extern Session *session_acquire(const char *token, bool touch, bool wait, bool *busy);
/* Whether a session is there and not over; and whether any is. */
extern bool session_exists(const char *token);
extern bool sessions_open(void);
extern void session_release(Session *session);
/* Ends a session that the caller has acquired; its token is of no use any more. */
extern void session_end(Session *session);
/*
 * Ends the session of a token, if there is one.  No further request gets the session; those
 * that have it, or wait for it, still finish in it, and the last of them frees it.
 */
extern void session_end_of(const char *token);

/* Returns 0 and the token of a new session, or an HTTP status and a message. */
extern int	session_login(const char *role, const char *password, char token[TOKEN_SIZE],
						  char *message, size_t size);

extern void session_flash(Session *session, bool error, const char *message);
extern bool token_equal(const char *a, const char *b);
extern bool token_valid(const char *token);
extern void random_token(char token[TOKEN_SIZE]);

#endif							/* CONSOLE_SESSION_H */
