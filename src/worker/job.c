/*
 * job.c
 *		A task with what it saves.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "events.h"
#include "executor.h"
#include "job.h"

/* Begins a job, or begins it again. */
void
job_begin(Job *job, Task *task, bool wants_value)
{
	job_end(job);
	job->task = task;
	job->wants_value = wants_value;
	job->begun = false;
	job->save = -1;
	outcome_reset(&job->out);
}

/* Frees everything but the memory of the outcomes. */
void
job_end(Job *job)
{
	free(job->value);
	job->value = NULL;
	save_list_free(&job->saves);
	job->task = NULL;
}

/* Returns the outcome of the task that job_next() has returned. */
Outcome *
job_outcome(Job *job)
{
	return job->save < 0 ? &job->out : &job->save_out;
}

/* Tells whether a task is of type save. */
static bool
is_save_step(const Task *task)
{
	return strcmp(task->type, "save") == 0;
}

/* Tells whether a task has saves. */
static bool
has_saves(const Task *task)
{
	return is_save_step(task) ||
		(task->save != NULL && strcmp(task->save, "null") != 0 &&
		 strcmp(task->save, "false") != 0);
}

/*
 * Takes the rows that the statement of a save has returned for what was saved.  Returns
 * false when there are none, or they are not wanted.
 */
static bool
take_returned_rows(Job *job)
{
	const Task *save = &job->saves.list.tasks[job->save];
	char	  **data = &job->saves.data[job->save];

	if (!is_save_step(job->task) || task_field(save, "returns") == NULL ||
		job->save_out.result.len == 0)
		return false;
	free(*data);
	*data = xstrdup(job->save_out.result.data);
	return true;
}

/* Writes what was saved as the value of a task of type save. */
static void
write_saved_data(Job *job)
{
	const SaveList *saves = &job->saves;
	StringBuf  *json = &job->out.result;

	sb_reset(json);
	sb_str(json, "{\"status\":\"success\",\"data\":");
	for (int i = 0; i < saves->list.count && saves->list.count > 1; i++)
	{
		sb_str(json, i > 0 ? "," : "[");
		sb_str(json, saves->data[i]);
	}
	if (saves->list.count > 1)
		sb_str(json, "]");
	else
		sb_str(json, saves->list.count == 1 ? saves->data[0] : "null");
	sb_str(json, "}");
}

/*
 * Takes the value of the task, which has ended, and asks what to save.  Returns false
 * when the job ends here.
 */
static bool
begin_saves(Job *job)
{
	Task	   *task = job->task;
	Outcome    *out = &job->out;
	DbStatus	status = DB_OK;

	if (out->kind == OUTCOME_ABORTED || (!job->wants_value && !has_saves(task)))
		return false;
	/* nothing more is executed: what is said of the attempt is not limited by its time */
	if (out->kind == OUTCOME_FAILED || !has_saves(task))
		task_end_attempt(task);
	status = db_value(task, out, &job->value);
	if (status == DB_OK && out->kind == OUTCOME_DONE && has_saves(task))
		status = is_save_step(task) ? db_save_step(task, &job->saves) :
			db_saves(task, out->result.data, job->value, &job->saves);
	if (status == DB_GONE)
		out->kind = OUTCOME_ABORTED;
	else if (status != DB_OK)
		outcome_fail(out, "%s: %s", job->value != NULL ? "save" : "result", db_message());
	return status == DB_OK && out->kind == OUTCOME_DONE;
}

/* Ends a save; returns false when it has failed, and with it the job. */
static bool
finish_save(Job *job)
{
	const SaveList *saves = &job->saves;
	const Task *save = &saves->list.tasks[job->save];
	const char *summary = saves->summaries[job->save];
	bool		is_event = strcmp(save->type, "event") == 0;

	if (job->save_out.kind == OUTCOME_DONE)
	{
		bool		has_result = take_returned_rows(job) || is_event;

		events_add(job->task, "save_completed", NULL, summary,
				   has_result ? saves->data[job->save] : NULL, NULL, NULL);
		return true;
	}
	if (job->save_out.kind == OUTCOME_ABORTED)
	{
		job->out.kind = OUTCOME_ABORTED;
		return false;
	}
	events_add(job->task, "save_failed", NULL, summary, NULL, job->save_out.error.data,
			   NULL);
	outcome_fail(&job->out, "save (%s): %s", save->type, job->save_out.error.data);
	return false;
}

/* Returns the task to execute next, NULL when there is none. */
static Task *
next_task(Job *job)
{
	SaveList   *saves = &job->saves;

	if (!job->begun)
	{
		job->begun = true;
		return job->task;
	}
	if (job->save < 0 ? !begin_saves(job) : !finish_save(job))
		return NULL;
	while (++job->save < saves->list.count)
	{
		Task	   *save = &saves->list.tasks[job->save];

		events_add(job->task, "save_started", NULL, saves->summaries[job->save], NULL, NULL,
				   NULL);
		if (strcmp(save->type, "event") != 0)
			return save;
		outcome_reset(&job->save_out);
		(void) finish_save(job);
	}
	if (is_save_step(job->task))
		write_saved_data(job);
	return NULL;
}

/*
 * Returns the task to execute next; NULL: the job has ended as job->out says, and with it
 * the attempt.  The time of the task is that of its saves, too.
 */
Task *
job_next(Job *job)
{
	Task	   *next = next_task(job);

	if (next == NULL)
	{
		fail_timed_out(job->task, &job->out);
		task_end_attempt(job->task);
	}
	return next;
}

/* Executes a job in this process; returns the kind of its outcome. */
OutcomeKind
job_run(Job *job)
{
	Task	   *task;

	while ((task = job_next(job)) != NULL)
		execute_action(task, job_outcome(job));
	return job->out.kind;
}

/* Executes a task of type save: nothing, its saves follow. */
OutcomeKind
save_execute(Task *task, Outcome *out)
{
	(void) task;
	out->kind = OUTCOME_DONE;
	return OUTCOME_DONE;
}
