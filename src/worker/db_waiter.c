/*
 * db_waiter.c
 *		Waiting for work while tasks are executed.
 *
 * The worker's session must be free for reports and heartbeats, so a second one waits
 * in the server.  It is open only while some, but not all, slots are busy.  Without it
 * the worker asks again after a while: nothing depends on it.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "conninfo.h"
#include "db.h"
#include "log.h"
#include "options.h"

static PGconn *waiter = NULL;
static bool waits = false;

/* Opens the session; returns false when that is not possible now. */
static bool
open_waiter(void)
{
	char		application[80];
	const char *const keys[] = {
		"connect_timeout", "keepalives_idle", "fallback_application_name", "dbname", NULL
	};
	const char *const values[] = {"10", "30", application, options.conninfo, NULL};

	if (waiter != NULL)
		return true;
	snprintf(application, sizeof(application), "noetl-worker %s", options.name);
	waiter = conninfo_open(keys, values);
	if (PQstatus(waiter) == CONNECTION_OK && PQsetnonblocking(waiter, 1) == 0)
		return true;
	log_line(LOG_DETAIL, "no second session: %s", PQerrorMessage(waiter));
	PQfinish(waiter);
	waiter = NULL;
	return false;
}

/*
 * Begins to wait for tasks of some types, unless it waits already.  Returns false when
 * it cannot: behind a pooler it would keep a session from other clients.
 */
bool
db_waiter_start(const char *types, double seconds)
{
	char		timeout[32];
	const char *const params[] = {timeout, types};

	if (waits)
		return true;
	if (db_pooled() || !db_connected() || !open_waiter())
		return false;
	snprintf(timeout, sizeof(timeout), "%.3f s", seconds);
	waits = PQsendQueryParams(waiter, "CALL noetl.wait_for_work($1::interval, $2::text[], NULL)",
							  2, NULL, params, NULL, NULL, 0) == 1 && PQflush(waiter) >= 0;
	if (!waits)
		db_waiter_stop();
	return waits;
}

/* Returns the descriptor that is readable when the wait may be over; -1: none waits. */
int
db_waiter_fd(void)
{
	return waits ? PQsocket(waiter) : -1;
}

/* Takes what has come; tells whether the wait is over. */
bool
db_waiter_done(void)
{
	PGresult   *result;
	bool		ok = waits && PQconsumeInput(waiter) == 1;

	if (ok && PQisBusy(waiter))
		return false;
	while (ok && (result = PQgetResult(waiter)) != NULL)
	{
		ok = PQresultStatus(result) == PGRES_COMMAND_OK ||
			PQresultStatus(result) == PGRES_TUPLES_OK;
		if (!ok)
			log_line(LOG_DETAIL, "could not wait for work: %s", PQresultErrorMessage(result));
		PQclear(result);
	}
	waits = false;
	if (!ok)
		db_waiter_stop();
	return true;
}

/* Ends the waiting and closes the session. */
void
db_waiter_stop(void)
{
	char		error[256];
	PGcancel   *cancel = waits ? PQgetCancel(waiter) : NULL;

	if (cancel != NULL)
		PQcancel(cancel, error, sizeof(error));
	PQfreeCancel(cancel);
	if (waiter != NULL)
		PQfinish(waiter);
	waiter = NULL;
	waits = false;
}
