/*
 * watch.c
 *		The one connection that waits for changes in the database.
 *
 * It sleeps in noetl.wait_for_change(), from which the commit of an event wakes it:
 * while nothing happens, the database does nothing for it, however many pages are
 * open.  The console keeps no passwords, so the connection is made at a login, while
 * the password is there, and serves all sessions until none is left.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "watch.h"

/* As long as one call waits */
#define WAIT			"5 min"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PGconn *waiter;			/* NULL: there is none */
static bool waits;				/* a call is on its way */

/* Whether no connection waits (watch.h). */
bool
watch_wanted(void)
{
	bool		wanted;

	pthread_mutex_lock(&lock);
	wanted = waiter == NULL;
	pthread_mutex_unlock(&lock);
	return wanted;
}

/*
 * Whether the role of a connection may wait, in a database that knows how; on a standby
 * nobody would wake it.
 */
static bool
may_wait(PGconn *conn)
{
	PGresult   *result = PQexec(conn, "SET search_path = pg_catalog, pg_temp; SET statement_timeout = 0;"
								" SET default_transaction_read_only = on;"
								" SET application_name = 'noetl-console: watch';"
								" SELECT has_function_privilege(to_regprocedure('noetl.wait_for_change(interval, boolean)'),"
								" 'EXECUTE') AND NOT pg_is_in_recovery()");
	bool		may = PQresultStatus(result) == PGRES_TUPLES_OK &&
		PQgetvalue(result, 0, 0)[0] == 't';

	PQclear(result);
	return may;
}

/* Takes over a connection (watch.h). */
void
watch_offer(PGconn *conn)
{
	bool		taken = may_wait(conn);

	pthread_mutex_lock(&lock);
	taken = taken && waiter == NULL;
	if (taken)
		waiter = conn;
	pthread_mutex_unlock(&lock);
	if (!taken)
		PQfinish(conn);
}

/* Has the connection wait; returns whether there is one (watch.h). */
bool
watch_begin(void)
{
	bool		there;

	pthread_mutex_lock(&lock);
	there = waiter != NULL;
	if (there && !waits)
		waits = PQsendQuery(waiter, "CALL noetl.wait_for_change('" WAIT "')") == 1;
	pthread_mutex_unlock(&lock);
	if (there && !waits)
		watch_close();
	return there && waits;
}

/* Whether the call has returned; what it has returned is read. */
static bool
returned(void)
{
	PGresult   *result;
	bool		broken = PQconsumeInput(waiter) != 1;

	if (!broken && PQisBusy(waiter))
		return false;
	while (!broken && (result = PQgetResult(waiter)) != NULL)
	{
		broken = PQresultStatus(result) == PGRES_FATAL_ERROR;
		PQclear(result);
	}
	waits = false;
	if (broken)
		watch_close();
	return true;
}

/* Waits until the call returns, the bell rings or the time is over (watch.h). */
bool
watch_poll(int bell, int timeout)
{
	struct pollfd files[2] = {{.fd = bell, .events = POLLIN}, {.events = POLLIN}};
	uint64_t	rings;

	files[1].fd = waits ? PQsocket(waiter) : -1;
	if (poll(files, 2, timeout) < 0)
		return false;
	if (files[0].revents && read(bell, &rings, sizeof(rings)) < 0)
		return false;
	return waits && files[1].revents && returned();
}

/* Closes the connection (watch.h). */
void
watch_close(void)
{
	PGcancel   *cancel;
	char		error[256];

	pthread_mutex_lock(&lock);
	/* the server does not see that nobody listens while it sleeps */
	if (waits && (cancel = PQgetCancel(waiter)) != NULL)
	{
		PQcancel(cancel, error, sizeof(error));
		PQfreeCancel(cancel);
	}
	PQfinish(waiter);
	waiter = NULL;
	waits = false;
	pthread_mutex_unlock(&lock);
}
