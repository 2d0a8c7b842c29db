/*
 * db_queue.c
 *		The queue: one function per call of the contract.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db.h"

static char *types_array = NULL;
static StringBuf raw_array;		/* the types with raw_action, with deep_fields */
static StringBuf deep_array;
static char lease_text[32];
static char batch_text[16];

/* Appends a type to what becomes a text[] literal. */
static void
add_type(StringBuf *array, const Executor *executor)
{
	sb_printf(array, "%s%s", array->len > 0 ? "," : "{", executor->type);
}

/* Sets what to lease, once it is known what can be executed. */
void
db_set_types(const char *array)
{
	const Executor *executor;

	free(types_array);
	types_array = xstrdup(array);
	sb_reset(&raw_array);
	sb_reset(&deep_array);
	for (int i = 0; (executor = executor_at(i)) != NULL; i++)
	{
		if (executor->raw_action)
			add_type(&raw_array, executor);
		if (executor->deep_fields)
			add_type(&deep_array, executor);
	}
	sb_str(&raw_array, raw_array.len > 0 ? "}" : "{}");
	sb_str(&deep_array, deep_array.len > 0 ? "}" : "{}");
	snprintf(lease_text, sizeof(lease_text), "%d s", options.lease);
	snprintf(batch_text, sizeof(batch_text), "%d", options.batch);
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
	const char *params[] = {options.name, types_array, host, NOETL_VERSION, process};

	gethostname(host, sizeof(host) - 1);
	snprintf(process, sizeof(process), "%d", (int) getpid());
	if (db_run_boolean(MAY_ANNOUNCE, 0, NULL) == DB_OK)
		(void) db_run_boolean(ANNOUNCE, 5, params);
}

/* The types to lease, as a text[] literal. */
const char *
db_types(void)
{
	return types_array;
}

/* The types whose action is not taken apart. */
const char *
db_raw_types(void)
{
	return raw_array.data;
}

/* The types whose action is taken apart further. */
const char *
db_deep_types(void)
{
	return deep_array.data;
}

/* Copies a value of a result. */
static char *
text_or_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : xstrdup(PQgetvalue(result, row, column));
}

/* Copies rows into tasks. */
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
		if (executor != NULL && executor->raw_action)
			task->action = action;
		else
		{
			task->field_data = action;
			task_parse_fields(task);
		}
		if (!PQgetisnull(result, i, 8))
			task->deadline = monotonic_now() + strtod(PQgetvalue(result, i, 8), NULL);
		task->context = text_or_null(result, i, 9);
		task->save = text_or_null(result, i, 10);
		task->input = text_or_null(result, i, 11);
		task->index = PQgetisnull(result, i, 12) ? -1 : atoi(PQgetvalue(result, i, 12));
	}
}

/* Leases the next tasks. */
DbStatus
db_lease(TaskList *list)
{
	const char *const params[] = {
		options.name, batch_text, lease_text, types_array, raw_array.data,
		deep_array.data
	};
	PGresult   *result;
	DbStatus	status = db_run(LEASE, 6, params, &result);

	if (status == DB_OK)
		db_read_tasks(result, list);
	PQclear(result);
	return status;
}

/* Stores a result; DB_REFUSED when the lease is lost. */
DbStatus
db_complete(const Task *task, const char *json, const char *attached)
{
	const char *const params[] = {task->queue_id, json, options.name, attached};

	return db_run_boolean(COMPLETE, 4, params);
}

/*
 * Stores a result and leases the next tasks in one round trip; DB_REFUSED
 * when the lease was lost, and then the next tasks are leased nevertheless.
 */
DbStatus
db_complete_and_lease(const Task *task, const char *json, const char *attached,
					  TaskList *list)
{
	const char *const params[] = {
		task->queue_id, json, options.name, batch_text, lease_text, types_array,
		raw_array.data, deep_array.data, attached
	};
	PGresult   *result;
	DbStatus	status;

	(void) db_lease_was_lost();
	status = db_run(COMPLETE_AND_LEASE, 9, params, &result);
	if (status == DB_OK)
		db_read_tasks(result, list);
	PQclear(result);
	return status == DB_OK && db_lease_was_lost() ? DB_REFUSED : status;
}

/* Reports a failure; DB_REFUSED when the lease is lost. */
DbStatus
db_fail(const Task *task, const char *error, const char *json, const char *attached)
{
	const char *const params[] = {
		task->queue_id, error, options.name, json, attached
	};

	return db_run_boolean(FAIL, 5, params);
}

/* Writes the ids of tasks not yet finished as a bigint[] literal. */
static void
id_array(const TaskList *list, StringBuf *array)
{
	sb_str(array, "{");
	for (int i = list->next; i < list->count; i++)
		sb_printf(array, "%s%s", i > list->next ? "," : "", list->tasks[i].queue_id);
	sb_str(array, "}");
}

/* Marks the task that the server no longer grants us. */
static void
mark_lost(TaskList *list, const char *queue_id)
{
	for (int i = list->next; i < list->count; i++)
	{
		if (strcmp(list->tasks[i].queue_id, queue_id) == 0)
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

/* Gives a task back, so that it need not wait for its lease to run out. */
DbStatus
db_release(const Task *task)
{
	const char *const params[] = {task->queue_id, options.name};

	return db_run_boolean(RELEASE, 2, params);
}

/*
 * Gives back what is leased to us without our knowing: the connection broke
 * while the answer was on its way.
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

/* Lets the server read a timeout like "5 minutes". */
DbStatus
db_interval_seconds(const char *text, double *seconds)
{
	const char *const params[] = {text};
	PGresult   *result;
	DbStatus	status = db_run(INTERVAL_SECONDS, 1, params, &result);

	if (status == DB_OK)
		*seconds = strtod(PQgetvalue(result, 0, 0), NULL);
	PQclear(result);
	return status;
}

/* Is there any task of our types, due or not, that is not finished? */
DbStatus
db_work_left(bool *left)
{
	const char *const params[] = {types_array};
	DbStatus	status = db_run_boolean(WORK_LEFT, 1, params);

	*left = status != DB_REFUSED;
	return status == DB_REFUSED ? DB_OK : status;
}
