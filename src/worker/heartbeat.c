/*
 * heartbeat.c
 *		Renewing the leases of tasks while they are executed, as hooks of
 *		task_wait().
 */
#define _GNU_SOURCE
#include <math.h>
#include <stddef.h>

#include "broker.h"
#include "heartbeat.h"
#include "options.h"
#include "wait.h"

#define FIRST_RECONNECT_SECONDS 0.2
#define MAX_RECONNECT_SECONDS 5
#define LONG_WAIT_SECONDS 1.0	/* for an answer: most come sooner */

static TaskList *leased = NULL; /* whose leases are renewed; NULL: none */
static double next_renewal = 0;
static double reconnect_delay = 0;

/* Returns when the leases are to be renewed next; 0: there are none. */
static double
renewal_due(void)
{
	return leased != NULL ? next_renewal : 0;
}

/*
 * Renews the leases.  Without a session it tries to open one, ever more slowly,
 * and does not give the task up: only the server can tell whether a lease holds.
 */
static void
renew(Task *task)
{
	double		pause = options.lease / 3.0;
	DbStatus	status = DB_GONE;

	(void) task;
	if (db_connected() || db_open())
		status = db_heartbeat(leased);
	if (status == DB_ERROR && db_error_is_of_release())
	{
		db_close();
		status = DB_GONE;
	}
	if (status != DB_GONE)
		reconnect_delay = 0;
	else
	{
		reconnect_delay = reconnect_delay == 0 ? FIRST_RECONNECT_SECONDS :
			fmin(reconnect_delay * 2, MAX_RECONNECT_SECONDS);
		pause = fmin(pause, reconnect_delay);
	}
	next_renewal = monotonic_now() + pause;
}

static const WaitHook hook = {
	.due = renewal_due,
	.run = renew,
	.with_task_only = true
};

/*
 * Returns when the leases are to be renewed in another session, because this one waits
 * for an answer; 0: it does not.
 */
static double
aside_due(void)
{
	double		since = db_waits_since();

	return leased != NULL && since > 0 ?
		fmax(next_renewal, since + fmin(LONG_WAIT_SECONDS, options.lease / 6.0)) : 0;
}

/* Renews the leases in another session. */
static void
renew_aside(Task *task)
{
	(void) task;
	db_heartbeat_aside(leased);
	next_renewal = monotonic_now() + options.lease / 3.0;
}

static const WaitHook aside_hook = {
	.due = aside_due,
	.run = renew_aside,
	.with_task_only = false
};

/* Adds the hooks. */
void
heartbeat_init(void)
{
	wait_add_hook(&hook);
	wait_add_hook(&aside_hook);
}

/*
 * Renews the leases if that is due; returns when it is due next, 0 without leases or
 * without a session: the caller opens the next one.
 */
double
heartbeat_beat(void)
{
	double		due = renewal_due();

	if (!db_connected())
		return 0;
	if (due > 0 && monotonic_now() >= due)
		renew(NULL);
	return renewal_due();
}

/* Names the leases to renew while tasks are executed; NULL ends that. */
void
heartbeat_set(TaskList *list)
{
	leased = list;
	next_renewal = monotonic_now() + options.lease / 3.0;
	reconnect_delay = 0;
}
