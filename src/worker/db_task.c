/*
 * db_task.c
 *		What a task asks of the broker while it is executed: rendering templates
 *		that it still has, taking values out of results, storing events.
 *
 * The task is in the middle of its work, so these calls wait for a lost session as
 * long as the task itself may take.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "environment.h"
#include "log.h"
#include "options.h"
#include "wait.h"

#define MAX_TRIES 10			/* of a statement that may succeed later */
#define UNREACHABLE_SECONDS_ONCE 60

/*
 * Runs a statement, again after a lost session or a passing error.  DB_ERROR: the
 * server refuses what the task asks for.  DB_GONE: the task is to be abandoned;
 * Task.abort says why, which may be that the broker does not answer this worker.
 */
static DbStatus
run_patiently(Task *task, StatementId id, int nparams, const char *const *params,
			  PGresult **result)
{
	double		begin = monotonic_now();
	double		delay = 0.02;

	for (int tries = 0;; tries++)
	{
		DbStatus	status = db_run(id, nparams, params, result);

		if (status == DB_OK || (status == DB_ERROR && !db_error_is_ours()))
			return status;
		if ((status == DB_ERROR && (tries >= MAX_TRIES || !db_error_is_passing())) ||
			(options.once && monotonic_now() - begin > UNREACHABLE_SECONDS_ONCE))
		{
			log_task(task, LOG_ALWAYS, "the broker does not answer: %s", db_message());
			task_set_trouble(task);
			return DB_GONE;
		}
		for (double until = monotonic_now() + delay; monotonic_now() < until;)
		{
			if (!task_wait(task, NULL, 0, until))
				return DB_GONE;
		}
		delay = fmin(delay * 2, 3);
		if (!db_connected() && db_open())
			log_line(LOG_ALWAYS, "connected again");
	}
}

/* Returns the names that templates of a task see besides those of its item. */
static const char *
context_of(const Task *task)
{
	if (task->outer_context != NULL)
		return task->outer_context;
	return task->context != NULL ? task->context : "{}";
}

/* Returns the names of its item. */
static const char *
names_of(const Task *task)
{
	return task->names != NULL ? task->names : "{}";
}

/* Returns a copy of a value of a result, NULL for null. */
static char *
text_at(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : xstrdup(PQgetvalue(result, row, column));
}

/* Copies one column of all rows. */
static char **
copy_column(const PGresult *result, int column)
{
	int			count = PQntuples(result);
	char	  **texts = xcalloc((size_t) count, sizeof(char *));

	for (int i = 0; i < count; i++)
		texts[i] = text_at(result, i, column);
	return texts;
}

/* Frees what copy_column() has made. */
static void
free_column(char **texts, int count)
{
	for (int i = 0; texts != NULL && i < count; i++)
		free(texts[i]);
	free(texts);
}

/* Makes a result that the server has not accepted the failure of its task. */
void
db_refuse_result(Outcome *out)
{
	if (db_error_is_of_nul())
		outcome_fail(out, "the result contains the character NUL (\\u0000), which the database"
					 " cannot store: encode it, for example with base64");
	else
		outcome_fail(out, "the database refused the result: %s", db_message());
}

/*
 * Makes the result of a task one JSON text that the server accepts, and takes the
 * value out of it.  An attached text that is not JSON becomes a JSON string; another
 * result that is not JSON, and one with the character NUL, fails the task.
 */
DbStatus
db_value(Task *task, Outcome *out, char **value)
{
	PGresult   *result = NULL;
	DbStatus	status;
	bool		rewritten = false;

	*value = NULL;
	for (;;)
	{
		const char *const params[] = {
			out->result.len > 0 ? out->result.data : "null",
			out->attached.len > 0 ? out->attached.data : NULL
		};

		status = run_patiently(task, VALUE, 2, params, &result);
		if (status != DB_ERROR)
			break;
		if (!db_error_is_of_nul() && outcome_inline_attached(out))
			log_task(task, LOG_DETAIL, "stored as text: %s", db_message());
		else if (out->kind == OUTCOME_DONE)
			db_refuse_result(out);
		else if (!rewritten)
		{
			char	   *error = xstrdup(out->error.data);

			outcome_fail(out, "%s", error);
			free(error);
			rewritten = true;
		}
		else
			return status;
	}
	if (status == DB_OK)
	{
		sb_reset(&out->result);
		sb_str(&out->result, PQgetvalue(result, 0, 0));
		sb_reset(&out->attached);
		*value = text_at(result, 0, 1);
	}
	PQclear(result);
	return status;
}

/* Moves what a rendered task has into the task as it was leased. */
static void
take_rendered(Task *task, Task *rendered)
{
	char	  **const parts[][2] = {
		{&task->timeout, &rendered->timeout}, {&task->action, &rendered->action},
		{&task->field_data, &rendered->field_data}, {&task->context, &rendered->context},
		{&task->save, &rendered->save}, {&task->input, &rendered->input}
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		free(*parts[i][0]);
		*parts[i][0] = *parts[i][1];
		*parts[i][1] = NULL;
	}
	free(task->fields);
	task->fields = rendered->fields;
	task->nfields = rendered->nfields;
	rendered->fields = NULL;
	task->left = false;
}

/*
 * Lets the server render what is left in a task with the variables of the environment
 * that templates may see.
 */
DbStatus
db_render_left(Task *task)
{
	StringBuf	names = {0};
	const char *params[] = {
		task->action, task->context, NULL, task->type, task->execution_id, task->node_id,
		task->step
	};
	PGresult   *result = NULL;
	TaskList	list = {0};
	DbStatus	status;

	environment_names(&names);
	params[2] = names.data;
	status = run_patiently(task, RENDER_LEFT, 7, params, &result);
	sb_free(&names);
	if (status == DB_OK)
	{
		db_read_tasks(result, &list);
		free(list.tasks[0].context);
		list.tasks[0].context = text_at(result, 0, 15);
		take_rendered(task, &list.tasks[0]);
	}
	task_list_free(&list);
	PQclear(result);
	return status;
}

/* Reads the parts of a plan that concern the iterator as a whole. */
static void
read_plan(const PGresult *result, IteratorPlan *plan)
{
	const char *mode = PQgetvalue(result, 0, 0);

	plan->parallel = strcmp(mode, "async") == 0 || strcmp(mode, "parallel") == 0;
	plan->concurrency = atoi(PQgetvalue(result, 0, 1));
	plan->continues = PQgetvalue(result, 0, 2)[0] == 't';
	plan->element = text_at(result, 0, 3);
	plan->input = text_at(result, 0, 4);
	plan->context = text_at(result, 0, 5);
	plan->ntasks = PQntuples(result);
	plan->tasks = copy_column(result, 6);
	plan->task_names = copy_column(result, 7);
	for (int i = 0; i < plan->ntasks; i++)
		plan->nested = plan->nested || PQgetvalue(result, i, 8)[0] == 't';
}

/* Reads what has become of the items already. */
static void
read_done(const PGresult *result, IteratorPlan *plan)
{
	plan->done = xcalloc((size_t) plan->nitems, sizeof(ItemState));
	for (int i = 0; i < plan->nitems; i++)
	{
		if (!PQgetisnull(result, i, 2))
			plan->done[i] = PQgetvalue(result, i, 2)[0] == 't' ? ITEM_FAILED : ITEM_COMPLETED;
	}
	plan->results = copy_column(result, 3);
	plan->errors = copy_column(result, 4);
}

/* Asks for the plan of an iterator: its tasks and its items. */
DbStatus
db_plan_iterator(Task *task, IteratorPlan *plan)
{
	const char *const params[] = {
		task->action, context_of(task), names_of(task), task->element
	};
	const char *item_params[] = {
		task->action, NULL, task->step, task->outer == NULL ? task->queue_id : NULL, options.name
	};
	PGresult   *result = NULL;
	DbStatus	status;

	memset(plan, 0, sizeof(*plan));
	status = run_patiently(task, ITERATOR, 4, params, &result);
	if (status == DB_OK && PQntuples(result) > 0)
		read_plan(result, plan);
	PQclear(result);
	if (status != DB_OK || plan->ntasks == 0)
		return status;
	item_params[1] = plan->context;
	status = run_patiently(task, ITEMS, 5, item_params, &result);
	if (status != DB_OK)
		return status;
	plan->nitems = PQntuples(result);
	plan->items = copy_column(result, 0);
	plan->names = copy_column(result, 1);
	read_done(result, plan);
	PQclear(result);
	return status;
}

/* Frees a plan, complete or not. */
void
iterator_plan_free(IteratorPlan *plan)
{
	free(plan->element);
	free(plan->input);
	free(plan->context);
	free_column(plan->tasks, plan->ntasks);
	free_column(plan->task_names, plan->ntasks);
	free_column(plan->items, plan->nitems);
	free_column(plan->names, plan->nitems);
	free(plan->done);
	free_column(plan->results, plan->nitems);
	free_column(plan->errors, plan->nitems);
	memset(plan, 0, sizeof(*plan));
}

/*
 * Renders a task of an iterator's body for some items, the first of which has
 * that index; names has the names inside each.
 */
DbStatus
db_render(Task *task, const IteratorPlan *plan, int task_index, int first, int count,
		  char *const *names, TaskList *list)
{
	StringBuf	array = {0};
	const char *params[] = {
		plan->tasks[task_index], plan->context, NULL, plan->input, task->execution_id,
		task->node_id, task->step
	};
	PGresult   *result = NULL;
	DbStatus	status;

	for (int i = 0; i < count; i++)
	{
		sb_str(&array, i > 0 ? "," : "[");
		sb_str(&array, names[i]);
	}
	sb_str(&array, "]");
	params[2] = array.data;
	status = run_patiently(task, RENDER, 7, params, &result);
	sb_free(&array);
	if (status != DB_OK)
		return status;
	db_read_tasks(result, list);
	for (int i = 0; i < list->count; i++)
	{
		Task	   *inner = &list->tasks[i];

		inner->retry = text_at(result, i, 15);
		inner->retry_input = text_at(result, i, 16);
		inner->catalog_id = xstrdup(task->catalog_id);
		inner->outer = task;
		inner->index = first + i;
		inner->names = names[i];
		inner->element = plan->element;
		inner->outer_context = plan->context;
	}
	PQclear(result);
	return status;
}

/* Copies rows of a save into tasks. */
static void
read_saves(Task *task, const PGresult *result, SaveList *saves)
{
	db_read_tasks(result, &saves->list);
	saves->data = copy_column(result, 15);
	saves->summaries = copy_column(result, 16);
	for (int i = 0; i < saves->list.count; i++)
	{
		saves->list.tasks[i].outer = task;
		saves->list.tasks[i].index = task->index;
		saves->list.tasks[i].catalog_id = xstrdup(task->catalog_id);
	}
}

/* Asks what is to be saved of a result. */
DbStatus
db_saves(Task *task, const char *envelope, const char *value, SaveList *saves)
{
	const char *const params[] = {
		task->save, context_of(task), names_of(task),
		envelope, value, task->input,
		strcmp(task->type, "iterator") == 0 ? "true" : "false",
		task->execution_id, task->node_id, task->step
	};
	PGresult   *result = NULL;
	DbStatus	status = run_patiently(task, SAVE, 10, params, &result);

	if (status == DB_OK)
		read_saves(task, result, saves);
	PQclear(result);
	return status;
}

/* Asks what a step of type save is to save. */
DbStatus
db_save_step(Task *task, SaveList *saves)
{
	const char *const params[] = {
		task->action, context_of(task), names_of(task),
		task->execution_id, task->node_id, task->step
	};
	PGresult   *result = NULL;
	DbStatus	status = run_patiently(task, SAVE_STEP, 6, params, &result);

	if (status == DB_OK)
		read_saves(task, result, saves);
	PQclear(result);
	return status;
}

/* Frees what a save asked for. */
void
save_list_free(SaveList *saves)
{
	free_column(saves->data, saves->list.count);
	free_column(saves->summaries, saves->list.count);
	task_list_free(&saves->list);
	memset(saves, 0, sizeof(*saves));
}

/*
 * Asks whether to repeat a task inside another one after an outcome.  *delay is in
 * seconds, infinite when no attempt is left.  DB_REFUSED: it is not repeated.
 */
DbStatus
db_retry_delay(Task *task, const Outcome *out, int attempt, double *delay)
{
	char		attempt_text[16];
	const char *const params[] = {
		task->retry, context_of(task), names_of(task), attempt_text,
		out->kind == OUTCOME_DONE ? "true" : "false",
		out->kind == OUTCOME_DONE ? NULL : out->error.data,
		out->result.len > 0 ? out->result.data : "null",
		task->retry_input != NULL ? task->retry_input : "{}"
	};
	PGresult   *result = NULL;
	DbStatus	status;

	snprintf(attempt_text, sizeof(attempt_text), "%d", attempt);
	status = run_patiently(task, RETRY, 8, params, &result);
	if (status == DB_OK && PQgetisnull(result, 0, 0))
		status = DB_REFUSED;
	else if (status == DB_OK)
		*delay = strtod(PQgetvalue(result, 0, 0), NULL);
	PQclear(result);
	return status;
}

/* Stores events of a step: a JSON list of maps. */
DbStatus
db_store_events(const Task *task, const char *events)
{
	const char *const params[] = {
		task->execution_id, task->step, task->node_id, options.name, events, task->attempt
	};
	PGresult   *result;
	DbStatus	status = db_run(EVENTS, 6, params, &result);

	PQclear(result);
	return status;
}

/*
 * Lets the server read a timeout like "5 minutes".  DB_ERROR: the text is not an
 * interval; DB_GONE: the task is to be abandoned.
 */
DbStatus
db_interval_seconds(Task *task, const char *text, double *seconds)
{
	const char *const params[] = {text};
	PGresult   *result = NULL;
	DbStatus	status = run_patiently(task, INTERVAL_SECONDS, 1, params, &result);

	if (status == DB_OK)
		*seconds = strtod(PQgetvalue(result, 0, 0), NULL);
	PQclear(result);
	return status;
}
