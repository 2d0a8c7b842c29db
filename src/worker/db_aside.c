/*
 * db_aside.c
 *		Renewing leases in a session of its own, for as long as the worker's session waits
 *		for an answer.
 *
 * A report may take long: what follows the task in the same transaction takes its time, or
 * somebody else has a lock.  The other tasks of the worker must not lose their leases for
 * it.  Nothing here waits long: what cannot be renewed now is tried again a little later.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "conninfo.h"
#include "db.h"
#include "log.h"
#include "options.h"
#include "wait.h"

#define MOST_SECONDS 5

/* The row of a task whose report is under way is locked by that, and nobody takes it */
static const char heartbeat_sql[] =
"SELECT noetl.heartbeat($1::bigint, $2::text, $3::interval)"
" FROM pg_catalog.set_config('lock_timeout', '100ms', true)";

/* Waits until libpq has the next result; returns false when it does not come in time. */
static bool
await_result(PGconn *aside, double until)
{
	for (;;)
	{
		int			unsent = PQflush(aside);
		double		left = until - monotonic_now();
		struct pollfd fd = {.fd = PQsocket(aside),.events = POLLIN};

		if (unsent == 0 && !PQisBusy(aside))
			return true;
		if (unsent < 0 || fd.fd < 0 || left <= 0)
			return false;
		if (unsent > 0)
			fd.events |= POLLOUT;
		/* without hooks: this is one */
		if (poll(&fd, 1, (int) ceil(left * 1000)) > 0 && PQconsumeInput(aside) == 0)
			return false;
	}
}

/* Renews the lease of a task; returns false when the session is of no use any more. */
static bool
renew(PGconn *aside, Task *task, double until)
{
	char		lease[32];
	const char *const params[] = {task->queue_id, options.name, lease};
	PGresult   *result;

	snprintf(lease, sizeof(lease), "%d s", options.lease);
	if (PQsendQueryParams(aside, heartbeat_sql, 3, NULL, params, NULL, NULL, 0) != 1)
		return false;
	for (;;)
	{
		if (!await_result(aside, until))
			return false;
		result = PQgetResult(aside);
		if (result == NULL)
			return true;
		if (PQresultStatus(result) == PGRES_TUPLES_OK && PQgetvalue(result, 0, 0)[0] != 't')
			task->lost = true;
		PQclear(result);
	}
}

/* Renews the leases of all unfinished tasks; sets Task.lost where refused. */
void
db_heartbeat_aside(TaskList *list)
{
	char		application[80];
	const char *const keys[] = {
		"connect_timeout", "fallback_application_name", "dbname", NULL
	};
	const char *const values[] = {"5", application, options.conninfo, NULL};
	PGconn	   *aside;
	double		until;
	bool		open;

	snprintf(application, sizeof(application), "noetl-worker %s", options.name);
	aside = conninfo_open(keys, values);
	open = PQstatus(aside) == CONNECTION_OK && PQsetnonblocking(aside, 1) == 0;
	if (!open)
		log_line(LOG_DETAIL, "no second session: %s", PQerrorMessage(aside));
	until = monotonic_now() + MOST_SECONDS;
	for (int i = 0; open && i < list->count; i++)
	{
		Task	   *task = &list->tasks[i];

		if (task->queue_id != NULL && !task->told && !task->lost)
			open = renew(aside, task, until);
	}
	PQfinish(aside);
}
