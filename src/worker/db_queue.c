/*
 * db_queue.c
 *		The queue: one function for each call of the broker's contract.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db.h"
#include "executor.h"
#include "fields.h"
#include "log.h"
#include "options.h"
#include "wait.h"

static char *types_array = NULL;	/* what this worker executes, as text[] literal */
static char *asked_types = NULL;	/* of these, what to lease now; NULL: all */
/* Behind a pooler: the first pause between two leases */
#define FIRST_POLL_SECONDS 0.02

static int	empty_leases = 0;	/* since the last that gave a task */
static char lease_text[32];
static char batch_text[16];

/* Sets the types to lease, a text[] literal, and takes over options. */
void
db_set_types(const char *array)
{
	free(types_array);
	types_array = xstrdup(array);
	db_use_options();
}

/* Takes over options that have changed: lease and batch. */
void
db_use_options(void)
{
	snprintf(lease_text, sizeof(lease_text), "%d s", options.lease);
	snprintf(batch_text, sizeof(batch_text), "%d", options.batch);
}

/* Sets how many tasks, and of which types (a text[] literal), the next leases ask for. */
void
db_ask_for(int count, const char *array)
{
	snprintf(batch_text, sizeof(batch_text), "%d", count);
	free(asked_types);
	asked_types = xstrdup(array);
}

/* Returns the types that leases ask for. */
static const char *
leased_types(void)
{
	return asked_types != NULL ? asked_types : types_array;
}

/*
 * Tells who this worker is, where its role may do so.  Nothing depends on it:
 * what a worker leases announces it, too.
 */
void
db_announce(void)
{
	char		host[256] = "";
	char		process[16];
	char		slots[16];
	const char *params[] = {
		options.name, types_array, host, NOETL_VERSION, process, slots,
		db_pooled() ? "true" : "false"
	};

	gethostname(host, sizeof(host) - 1);
	snprintf(process, sizeof(process), "%d", (int) getpid());
	snprintf(slots, sizeof(slots), "%d", options.slots);
	if (db_run_boolean(MAY_ANNOUNCE, 0, NULL) == DB_OK)
		(void) db_run_boolean(ANNOUNCE, 7, params);
}

/* Returns the types to lease, as a text[] literal. */
const char *
db_types(void)
{
	return types_array;
}

/* Returns a copy of a value of a result, NULL for null. */
static char *
text_or_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : xstrdup(PQgetvalue(result, row, column));
}

/* Copies rows with TASK_COLUMNS into tasks. */
void
db_read_tasks(const PGresult *result, TaskList *list)
{
	int			count = PQntuples(result);

	list->tasks = count > 0 ? xcalloc((size_t) count, sizeof(Task)) : NULL;
	list->count = count;
	list->next = 0;
	for (int i = 0; i < count; i++)
	{
		Task	   *task = &list->tasks[i];
		const Executor *executor;
		char	   *action;

		task->queue_id = xstrdup(PQgetvalue(result, i, 0));
		task->execution_id = xstrdup(PQgetvalue(result, i, 1));
		task->node_id = xstrdup(PQgetvalue(result, i, 2));
		task->step = xstrdup(PQgetvalue(result, i, 3));
		task->type = xstrdup(PQgetvalue(result, i, 4));
		task->attempt = xstrdup(PQgetvalue(result, i, 5));
		task->timeout = text_or_null(result, i, 6);
		action = text_or_null(result, i, 7);
		executor = find_executor(task->type);
		task->left = PQgetvalue(result, i, 14)[0] == 't';
		if (task->left || (executor != NULL && executor->form == ACTION_JSON))
			task->action = action;
		else
		{
			task->field_data =
				fields_of_action(action != NULL ? action : "{}",
								 executor != NULL && executor->form == ACTION_DEEP_FIELDS);
			task_parse_fields(task);
			free(action);
		}
		if (!PQgetisnull(result, i, 8))
			task->deadline = monotonic_now() + strtod(PQgetvalue(result, i, 8), NULL);
		task->context = text_or_null(result, i, 9);
		task->save = text_or_null(result, i, 10);
		task->input = text_or_null(result, i, 11);
		task->index = PQgetisnull(result, i, 12) ? -1 : atoi(PQgetvalue(result, i, 12));
		task->catalog_id = text_or_null(result, i, 13);
	}
}

/* Leases tasks; *list may stay empty. */
DbStatus
db_lease(TaskList *list)
{
	const char *const params[] = {
		options.name, batch_text, lease_text, leased_types()
	};
	PGresult   *result;
	DbStatus	status = db_run(LEASE, 4, params, &result);

	if (status == DB_OK)
	{
		db_read_tasks(result, list);
		empty_leases = list->count > 0 ? 0 : empty_leases + 1;
	}
	PQclear(result);
	return status;
}

/* Takes the answer to action_started.  An error does not fail the task. */
static void
started_answered(Task *task, DbStatus status)
{
	if (status == DB_GONE)
		task->started = false;	/* it is sent again */
	else if (status == DB_ERROR)
		log_task(task, LOG_NORMAL, "action_started was refused: %s", db_message());
}

/* Sends action_started without waiting for the answer: the task can begin meanwhile. */
void
db_send_started(Task *task)
{
	const char *const params[] = {
		task->execution_id, task->step, task->node_id, options.name,
		task->queue_id, task->attempt
	};

	task->started = task->started || db_send(STARTED, 6, params, started_answered, task);
}

/*
 * Reports a result without waiting for the answer, which answered() gets.  Returns false
 * when it was not sent.
 */
bool
db_send_complete(Task *task, const char *json, DbAnswered answered)
{
	const char *const params[] = {task->queue_id, json, options.name, NULL};

	return db_send(COMPLETE, 4, params, answered, task);
}

/* Reports a result.  DB_REFUSED: the lease is lost. */
DbStatus
db_complete(const Task *task, const char *json, const char *attached)
{
	const char *const params[] = {task->queue_id, json, options.name, attached};

	return db_run_boolean(COMPLETE, 4, params);
}

/*
 * Reports a result and leases the next tasks in one round trip.  DB_REFUSED: the
 * lease is lost; the next tasks are leased all the same.
 */
DbStatus
db_complete_and_lease(const Task *task, const char *json, const char *attached,
					  TaskList *list)
{
	const char *const params[] = {
		task->queue_id, json, options.name, batch_text, lease_text, leased_types(),
		attached
	};
	PGresult   *result;
	DbStatus	status;

	(void) db_lease_was_lost();
	status = db_run(COMPLETE_AND_LEASE, 7, params, &result);
	if (status == DB_OK)
		db_read_tasks(result, list);
	PQclear(result);
	return status == DB_OK && db_lease_was_lost() ? DB_REFUSED : status;
}

/* Reports a failure.  DB_REFUSED: the lease is lost. */
DbStatus
db_fail(const Task *task, const char *error, const char *json, const char *attached)
{
	const char *const params[] = {
		task->queue_id, error, options.name, json, attached
	};

	return db_run_boolean(FAIL, 5, params);
}

/*
 * Writes the ids of the tasks whose end the broker does not know as a bigint[] literal;
 * a place of the list without a queue_id is free.
 */
static void
id_array(const TaskList *list, StringBuf *array)
{
	sb_str(array, "{");
	for (int i = 0; i < list->count; i++)
	{
		if (list->tasks[i].queue_id != NULL && !list->tasks[i].told)
			sb_printf(array, "%s%s", array->len > 1 ? "," : "", list->tasks[i].queue_id);
	}
	sb_str(array, "}");
}

/* Marks a task whose lease the server does not renew. */
static void
mark_lost(TaskList *list, const char *queue_id)
{
	for (int i = 0; i < list->count; i++)
	{
		const char *id = list->tasks[i].queue_id;

		if (id != NULL && strcmp(id, queue_id) == 0)
			list->tasks[i].lost = true;
	}
}

/* Renews the leases of all unfinished tasks; sets Task.lost where refused. */
DbStatus
db_heartbeat(TaskList *list)
{
	StringBuf	ids = {0};
	const char *params[] = {NULL, options.name, lease_text};
	PGresult   *result;
	DbStatus	status;

	id_array(list, &ids);
	params[0] = ids.data;
	status = db_run(HEARTBEAT, 3, params, &result);
	for (int i = 0; status == DB_OK && i < PQntuples(result); i++)
	{
		if (PQgetvalue(result, i, 1)[0] != 't')
			mark_lost(list, PQgetvalue(result, i, 0));
	}
	if (status == DB_ERROR)
		log_line(LOG_ALWAYS, "heartbeat failed: %s", db_message());
	PQclear(result);
	sb_free(&ids);
	return status;
}

/* Gives a task back before its lease ends. */
DbStatus
db_release(const Task *task)
{
	const char *const params[] = {task->queue_id, options.name};

	return db_run_boolean(RELEASE, 2, params);
}

/*
 * Gives back tasks that are leased to this worker and not in the list: the session
 * was lost while the answer to the lease was on its way.
 */
DbStatus
db_release_unknown(const TaskList *list)
{
	StringBuf	ids = {0};
	const char *params[] = {options.name, NULL};
	PGresult   *result;
	DbStatus	status;

	id_array(list, &ids);
	params[1] = ids.data;
	status = db_run(RELEASE_UNKNOWN, 2, params, &result);
	if (status == DB_OK && PQntuples(result) > 0)
		log_line(LOG_NORMAL, "gave back %d task(s) whose lease was lost on the way",
				 PQntuples(result));
	PQclear(result);
	sb_free(&ids);
	return status;
}

/* Asks whether any task of the types to lease, due or not, has not ended. */
DbStatus
db_work_left(bool *left)
{
	const char *const params[] = {types_array};
	DbStatus	status = db_run_boolean(WORK_LEFT, 1, params);

	*left = status != DB_REFUSED;
	return status == DB_REFUSED ? DB_OK : status;
}

/* Logs which tasks this worker leaves, because they are of other types. */
void
db_log_left(void)
{
	const char *const params[] = {types_array};
	PGresult   *result;

	if (db_run(WORK_OF_OTHERS, 1, params, &result) == DB_OK && !PQgetisnull(result, 0, 0))
		log_line(LOG_NORMAL, "left for other workers: %s; this one executes %s",
				 PQgetvalue(result, 0, 0), types_array);
	PQclear(result);
}

/*
 * Waits until a task may be due, at most for some seconds.  The broker wakes the
 * session.  Behind a pooler a wait in the server would keep a session of the server
 * from other clients; there the worker sleeps by itself, the longer the more often
 * nothing was leased, up to --poll seconds.
 */
DbStatus
db_wait_for_work(double seconds)
{
	char		timeout[32];
	const char *const params[] = {timeout, types_array};

	if (db_pooled())
	{
		double		pause = FIRST_POLL_SECONDS *
			(double) (1 << (empty_leases < 10 ? empty_leases : 10));

		pause_for(fmin(fmin(pause, options.poll), seconds));
		return DB_OK;
	}
	snprintf(timeout, sizeof(timeout), "%.3f s", seconds);
	return db_run_wait(params);
}
