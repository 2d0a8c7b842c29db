/*
 * report.c
 *		Telling the broker how tasks ended, and what to do when it does not listen.
 *
 * A finished result outlives the session: it is reported again in the next one, under
 * the same worker_id, and the server tells whether the lease still holds.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "heartbeat.h"
#include "log.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "wait.h"

#define MAX_AHEAD 32			/* reports that are on the way; each with an action_started */
#define MAX_AHEAD_BYTES (64 * 1024)	/* of a result that does not wait for its answer */
#define UNREACHABLE_SECONDS_ONCE 60	/* --once is for scripts: it must end */
#define MAX_TRIES 10			/* of a statement that may succeed later */
#define MAX_SLOW_TRIES 3		/* of one that takes too long */
#define MAX_BACKOFF_SECONDS 30

/* A result that was sent, and whose answer is to come */
typedef struct Ahead
{
	Task	   *task;			/* NULL: the place is free */
	Outcome		out;
	double		took;
	bool		failed;			/* the broker may not have it: it is to be reported again */
} Ahead;

static Ahead ahead[MAX_AHEAD];
static bool gave_up = false;	/* --once, and the broker stayed away for too long */
static double trouble_since = 0;	/* of the worker's own; 0: none */
static double trouble_delay = 0;

/* Tells whether the broker stayed away for so long that the worker ends. */
bool
report_gave_up(void)
{
	return gave_up;
}

/* Tells whether the worker has trouble of its own that it has not told of yet. */
bool
report_in_trouble(void)
{
	return trouble_since > 0;
}

/*
 * Sleeps also while the worker is being stopped, but not beyond its grace.  Leases are
 * renewed meanwhile.
 */
void
report_back_off(double seconds, bool patient)
{
	double		until = monotonic_now() + seconds;

	while (monotonic_now() < until && !(patient ? stop_overdue() : stopping()))
	{
		(void) heartbeat_beat();
		task_wait(NULL, NULL, 0, fmin(until, monotonic_now() + 0.5));
	}
}

/*
 * Notes trouble that is the worker's own, and returns how long to pause: ever longer.
 * With --once it gives up after a while.
 */
double
report_trouble(void)
{
	if (trouble_since == 0)
		trouble_since = monotonic_now();
	trouble_delay = trouble_delay == 0 ? 0.2 : fmin(trouble_delay * 2, MAX_BACKOFF_SECONDS);
	if (options.once && monotonic_now() - trouble_since > UNREACHABLE_SECONDS_ONCE)
	{
		gave_up = true;
		log_line(LOG_ALWAYS, "giving up after %d seconds", UNREACHABLE_SECONDS_ONCE);
		return 0;
	}
	return trouble_delay;
}

/* Pauses, ever longer, after trouble that is the worker's own. */
void
report_pause(void)
{
	report_back_off(report_trouble(), false);
}

/* Forgets the trouble, because something has succeeded. */
void
report_end_trouble(void)
{
	trouble_since = 0;
	trouble_delay = 0;
}

/*
 * Makes sure there is a session, however long that takes; with --once it gives up
 * after a while.  With a result in hand the caller is patient: a request to stop then
 * ends the waiting only when the grace is over.  Returns false when the worker is to
 * end.
 */
bool
report_connect(const TaskList *list, bool patient)
{
	double		delay = 0.1;
	double		begin = monotonic_now();

	if (db_connected())
		return true;
	log_line(LOG_ALWAYS, "connection to the broker lost: %s", db_message());
	while (!gave_up && !(patient ? stop_overdue() : stopping()))
	{
		if (db_open())
		{
			log_line(LOG_ALWAYS, "connected again");
			if (db_release_unknown(list) == DB_ERROR)
				log_line(LOG_DETAIL, "could not look for lost leases: %s", db_message());
			if (db_connected())
				return true;
		}
		log_line(LOG_DETAIL, "%s", db_message());
		report_back_off(delay, patient);
		delay = fmin(delay * 2, patient ? 5 : MAX_BACKOFF_SECONDS);
		if (options.once && monotonic_now() - begin > UNREACHABLE_SECONDS_ONCE)
		{
			gave_up = true;
			log_line(LOG_ALWAYS, "the broker is away for too long");
		}
	}
	return false;
}

/* One attempt to tell the server how the task ended. */
static DbStatus
send_outcome(const Task *task, const Outcome *out, TaskList *next)
{
	const char *json = out->result.len > 0 ? out->result.data : "null";
	const char *attached = out->attached.len > 0 ? out->attached.data : NULL;

	if (out->kind == OUTCOME_FAILED)
		return db_fail(task, out->error.data, out->result.len > 0 ? json : NULL, attached);
	if (next != NULL)
		return db_complete_and_lease(task, json, attached, next);
	return db_complete(task, json, attached);
}

/*
 * Changes an outcome that the server does not accept so that it may.  Returns false
 * when there is nothing to change: the error is not one of the values.
 */
static bool
repair_outcome(Task *task, Outcome *out, bool *rewritten)
{
	char	   *error;

	if (!db_error_is_of_nul() && outcome_inline_attached(out))
	{
		log_task(task, LOG_DETAIL, "stored as text: %s", db_message());
		return true;
	}
	if (!db_error_is_of_data() || *rewritten)
		return false;
	*rewritten = true;
	if (out->kind == OUTCOME_DONE)
		db_refuse_result(out);
	else
	{
		error = xstrdup(out->error.data);
		outcome_fail(out, "%s", error);
		free(error);
	}
	return true;
}

/*
 * Makes a result that the server has not taken in time, several times, a failure: what
 * comes with it, such as a step of type sql, will not be faster after the next attempt.
 */
static bool
is_too_slow(Outcome *out, int *slow_tries)
{
	if (out->kind != OUTCOME_DONE || strcmp(db_sqlstate(), "57014") != 0 ||
		++*slow_tries < MAX_SLOW_TRIES)
		return false;
	outcome_fail(out, "the broker has not taken the result within %d seconds, the"
				 " --statement-timeout of the worker: what follows the task at once, such as"
				 " a step of type sql, takes longer", options.statement_timeout);
	return true;
}

/*
 * Tells the server how the task ended, through lost sessions and passing errors.  A
 * result that the server does not accept, or not in time, becomes a failure, so that the
 * execution does not hang; another error that is not of the result never does.  With
 * *next, the next tasks are leased in the same round trip; not after a lost session,
 * because it is not known then whether that has happened already.
 */
DbStatus
report_outcome(Task *task, Outcome *out, const TaskList *list, TaskList *next)
{
	DbStatus	status = DB_GONE;
	bool		repeated = false;
	bool		rewritten = false;
	int			slow_tries = 0;

	for (int tries = 0; tries < MAX_TRIES; tries++)
	{
		bool		lease = next != NULL && !repeated && !stopping();

		if (!report_connect(list, true))
			return DB_GONE;
		db_send_started(task);
		events_flush(task);
		status = send_outcome(task, out, lease ? next : NULL);
		if (status == DB_OK || status == DB_REFUSED)
			return status;
		repeated = true;
		if (status == DB_ERROR && is_too_slow(out, &slow_tries))
			continue;
		if (status == DB_ERROR && !db_error_is_passing() && repair_outcome(task, out, &rewritten))
			continue;
		log_task(task, LOG_DETAIL, "reporting again: %s", db_message());
		if (status == DB_ERROR && db_error_is_of_release())
			db_close();
		report_back_off(status == DB_ERROR && db_error_is_passing() ? 0.02 * (tries + 1) :
				 fmin(0.05 * (1 << tries), 5), true);
	}
	return status;
}

/* Takes the answer to a report that did not wait for it. */
static void
ahead_answered(Task *task, DbStatus status)
{
	for (int i = 0; i < MAX_AHEAD; i++)
	{
		if (ahead[i].task != task)
			continue;
		ahead[i].failed = status != DB_OK && status != DB_REFUSED;
		if (ahead[i].failed)
			return;
		report_log(task, &ahead[i].out, status, ahead[i].took);
		task->told = true;
		ahead[i].task = NULL;
		return;
	}
}

/*
 * Reports a result without waiting for the answer, so that the next task can begin
 * meanwhile.  *out gets other memory.  Returns false when that is not possible: the
 * caller has to wait.
 */
bool
report_ahead(Task *task, Outcome *out, double took)
{
	Ahead	   *place = NULL;
	Outcome		other;

	if (out->kind != OUTCOME_DONE || out->attached.len > 0 || out->result.len > MAX_AHEAD_BYTES ||
		!db_connected() || db_pooled() || stopping())
		return false;
	for (int i = 0; i < MAX_AHEAD; i++)
	{
		if (ahead[i].failed && ahead[i].task != NULL)
			return false;		/* in the order in which they ended */
		if (ahead[i].task == NULL)
			place = &ahead[i];
	}
	if (place == NULL)
		return false;
	events_flush(task);
	other = place->out;
	*place = (Ahead) {.task = task,.out = *out,.took = took};
	outcome_reset(&other);
	*out = other;
	if (!db_send_complete(task, place->out.result.len > 0 ? place->out.result.data : "null",
						  ahead_answered))
		place->failed = true;
	return true;
}

/*
 * Reports again what the broker may not have, because the session was lost or it did
 * not accept it.  With `all` it waits for all answers first.
 */
void
report_settle(const TaskList *list, bool all)
{
	if (all)
		(void) db_settle();
	for (int i = 0; i < MAX_AHEAD; i++)
	{
		Task	   *task = ahead[i].task;
		DbStatus	status;

		if (task == NULL || !ahead[i].failed)
			continue;
		status = report_outcome(task, &ahead[i].out, list, NULL);
		report_log(task, &ahead[i].out, status, ahead[i].took);
		if (status != DB_OK && status != DB_REFUSED)
			report_give_back(task);
		task->told = true;
		ahead[i].task = NULL;
		ahead[i].failed = false;
	}
}

/* Puts an abandoned task back into the queue. */
void
report_give_back(Task *task)
{
	DbStatus	status = DB_GONE;

	if (db_connected())
	{
		/* whoever comes next goes on where they end; afterwards they would be too late */
		events_flush(task);
		status = db_release(task);
	}
	if (status == DB_OK)
		log_task(task, LOG_NORMAL, "%s given back", task->type);
	else
		log_task(task, LOG_ALWAYS, "%s could not be given back%s%s", task->type,
				 status == DB_ERROR ? ": " : "",
				 status == DB_ERROR ? db_message() : "");
}

/* Logs how a task ended. */
void
report_log(const Task *task, const Outcome *out, DbStatus status, double took)
{
	double		ms = took * 1000;

	if (status == DB_REFUSED)
		log_task(task, LOG_NORMAL,
				 "%s dropped %.0f ms: already reported, or the lease was lost", task->type, ms);
	else if (status != DB_OK)
		log_task(task, LOG_ALWAYS, "%s could not be reported: %s", task->type, db_message());
	else if (out->kind == OUTCOME_FAILED)
		log_task(task, LOG_NORMAL, "%s failed %.0f ms, attempt %s: %s", task->type, ms,
				 task->attempt, out->error.data);
	else if (strcmp(task->attempt, "1") != 0)
		log_task(task, LOG_NORMAL, "%s ok %.0f ms, attempt %s", task->type, ms, task->attempt);
	else
		log_task(task, LOG_NORMAL, "%s ok %.0f ms", task->type, ms);
}
