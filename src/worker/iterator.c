/*
 * iterator.c
 *		Tasks of type iterator: the same task, or list of tasks, for each item.
 *
 *		plan ─> for each item: iteration_started
 *		                       each task: render, execute, save, retry
 *		                       iteration_completed | iteration_failed
 *		     ─> {"status": "success", "data": [value of each item], "count": n}
 *
 * An item occupies a lane from its beginning to its end.  There is one lane,
 * in which everything happens in this process, or with mode: async several,
 * each with a mate: a process that executes what the lane is at.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mate.h"
#include "worker.h"

#define DEFAULT_CONCURRENCY 8
#define RENDER_AHEAD 32			/* items whose task is rendered at once */

/* Where an item is at */
typedef struct Lane
{
	int			item;			/* -1: the lane is free */
	int			step;			/* which task of the body */
	int			attempt;
	Task		task;			/* rendered */
	char	   *names;			/* JSON, with what earlier tasks gave; or NULL */
	Job			job;
	Mate	   *mate;			/* NULL: this process */
	bool		running;		/* the mate is at work */
	double		again_at;		/* when the next attempt begins; 0: none waits */
} Lane;

typedef struct Iteration
{
	Task	   *task;
	IteratorPlan plan;
	Lane	   *lanes;
	int			nlanes;
	int			next;			/* item that begins next */
	int			ended;
	bool		reports;		/* not inside another iterator */
	TaskList	ahead;			/* first tasks of items to come, rendered */
	int			ahead_first;	/* the item of the first of them */
	int			careful;		/* items before this one are rendered alone */
	char	  **values;			/* JSON, by item; NULL: none */
	char	  **messages;		/* by item; NULL: it has not failed */
	int			failed;
	StringBuf	failure;		/* why the iterator fails; empty: it does not */
} Iteration;

/* ---------------------------------------------------------------------------
 * The end of an item
 * ---------------------------------------------------------------------------
 */

/*
 * Reports about an item.  Those of an iterator inside an iterator would look
 * like the outer one's.
 */
static void
report_item(const Iteration *it, int item, const char *type, const char *result,
			const char *error)
{
	Task		about = {.index = item};

	if (it->reports)
		events_add(&about, type, it->plan.items[item], NULL, result, error);
}

/* Frees what the lane's item has needed. */
static void
clear_lane(Lane *lane)
{
	job_end(&lane->job);
	task_free(&lane->task);
	free(lane->names);
	lane->names = NULL;
	lane->item = -1;
	lane->again_at = 0;
}

/* An item has its value. */
static void
complete_item(Iteration *it, Lane *lane, const char *value)
{
	it->values[lane->item] = xstrdup(value);
	report_item(it, lane->item, "iteration_completed", value, NULL);
	it->ended++;
	clear_lane(lane);
}

/* An item has failed, and unless on_error is continue the iterator with it. */
static void
fail_item(Iteration *it, Lane *lane, const char *error, const char *result)
{
	log_task(it->task, LOG_DETAIL, "item %d failed: %s", lane->item, error);
	report_item(it, lane->item, "iteration_failed", result, error);
	it->messages[lane->item] = xstrdup(error);
	if (!it->plan.continues && it->failure.len == 0)
		sb_printf(&it->failure, "item %d: %s", lane->item, error);
	it->failed++;
	it->ended++;
	clear_lane(lane);
}

/* ---------------------------------------------------------------------------
 * The tasks of an item
 * ---------------------------------------------------------------------------
 */

/* Takes the rendered first task of an item, rendering some ahead. */
static DbStatus
render_first(Iteration *it, int item, Task *task)
{
	int			count = item < it->careful ? 1 : RENDER_AHEAD;
	DbStatus	status = DB_OK;

	if (item < it->ahead_first || item >= it->ahead_first + it->ahead.count)
	{
		if (count > it->plan.nitems - item)
			count = it->plan.nitems - item;
		task_list_free(&it->ahead);
		status = db_render(it->task, &it->plan, 0, item, count, it->plan.names + item, &it->ahead);
		if (status == DB_ERROR && count > 1)
		{
			/* one of them raises; it shall not take the others with it */
			it->careful = item + count;
			return render_first(it, item, task);
		}
		it->ahead_first = item;
	}
	if (status == DB_OK)
	{
		Task	   *rendered = &it->ahead.tasks[item - it->ahead_first];

		*task = *rendered;
		memset(rendered, 0, sizeof(*rendered));
	}
	return status;
}

/* Renders a later task of the body, which sees what the earlier ones gave. */
static DbStatus
render_next(Iteration *it, Lane *lane)
{
	TaskList	list = {0};
	DbStatus	status = db_render(it->task, &it->plan, lane->step, lane->item, 1,
								   &lane->names, &list);

	if (status == DB_OK)
	{
		lane->task = list.tasks[0];
		memset(&list.tasks[0], 0, sizeof(Task));
	}
	task_list_free(&list);
	return status;
}

/* Adds the value of a task to the names of its item. */
static void
add_names(Iteration *it, Lane *lane, const char *value)
{
	const char *names = lane->names != NULL ? lane->names : it->plan.names[lane->item];
	const char *name = it->plan.task_names[lane->step];
	StringBuf	more = {0};

	sb_add(&more, names, strlen(names) - 1);	/* without the brace */
	sb_str(&more, ",\"result\":");
	sb_str(&more, value);
	if (name != NULL)
	{
		sb_str(&more, ",");
		json_string(&more, name, strlen(name));
		sb_str(&more, ":");
		sb_str(&more, value);
	}
	sb_str(&more, "}");
	free(lane->names);
	lane->names = more.data;
}

/* Begins the task that the lane is at; false when the item has ended at once. */
static bool
begin_task(Iteration *it, Lane *lane)
{
	DbStatus	status;

	status = lane->step == 0 ? render_first(it, lane->item, &lane->task) : render_next(it, lane);
	if (status != DB_OK)
	{
		if (it->task->abort == ABORT_NONE)
			fail_item(it, lane, db_message(), NULL);
		return false;
	}
	lane->attempt = 1;
	job_begin(&lane->job, &lane->task, true);
	return true;
}

/* Begins an item. */
static void
begin_item(Iteration *it, Lane *lane)
{
	lane->item = it->next++;
	lane->step = 0;
	report_item(it, lane->item, "iteration_started", NULL, NULL);
	(void) begin_task(it, lane);
}

/*
 * The task of a lane has ended with its saves.  Shall it be done once more?
 * Then it is known when.
 */
static bool
shall_repeat(Lane *lane)
{
	double		delay;
	Outcome    *out = &lane->job.out;

	if (lane->task.retry == NULL || db_retry_delay(&lane->task, out, lane->attempt, &delay) != DB_OK)
		return false;
	if (isinf(delay))
	{
		if (out->kind == OUTCOME_DONE)
			outcome_fail(out, "retry_when still holds after %d attempts", lane->attempt);
		return false;
	}
	log_task(lane->task.outer, LOG_DETAIL, "item %d: attempt %d in %.1f s%s%s", lane->item,
			 ++lane->attempt, delay, out->kind == OUTCOME_FAILED ? ": " : "",
			 out->kind == OUTCOME_FAILED ? out->error.data : "");
	lane->again_at = monotonic_now() + delay;
	return true;
}

/* The task of a lane has ended: what comes next?  False: the item has ended. */
static bool
end_task(Iteration *it, Lane *lane)
{
	const Outcome *out = &lane->job.out;

	if (shall_repeat(lane))
		return true;
	if (out->kind == OUTCOME_FAILED)
	{
		fail_item(it, lane, out->error.data, out->result.len > 0 ? out->result.data : NULL);
		return false;
	}
	add_names(it, lane, lane->job.value);
	if (lane->step + 1 == it->plan.ntasks)
	{
		complete_item(it, lane, lane->job.value);
		return false;
	}
	lane->step++;
	task_free(&lane->task);
	return begin_task(it, lane);
}

/*
 * Moves a lane on until it has to wait: for its mate, or for the time of the
 * next attempt.
 */
static void
advance(Iteration *it, Lane *lane)
{
	while (lane->item >= 0 && !lane->running && it->task->abort == ABORT_NONE)
	{
		Task	   *task;

		if (lane->again_at > 0 && monotonic_now() < lane->again_at)
			return;
		if (lane->again_at > 0)
			job_begin(&lane->job, &lane->task, true);
		lane->again_at = 0;
		task = job_next(&lane->job);
		if (task == NULL && lane->job.out.kind == OUTCOME_ABORTED)
			return;
		if (task == NULL)
			(void) end_task(it, lane);
		else if (lane->mate == NULL)
			execute_action(task, job_outcome(&lane->job));
		else if (!prepare_action(task, job_outcome(&lane->job)))
			continue;
		else if (mate_send(lane->mate, task))
			lane->running = true;
		else
			outcome_fail(job_outcome(&lane->job), "could not start a process: %s",
						 strerror(errno));
	}
}

/* ---------------------------------------------------------------------------
 * All items
 * ---------------------------------------------------------------------------
 */

/* Waits for any lane; false when the iterator is to be abandoned. */
static bool
wait_for_lanes(Iteration *it)
{
	struct pollfd fds[MAX_CONCURRENCY];
	Lane	   *waiting[MAX_CONCURRENCY];
	int			n = 0;
	double		until = 0;

	for (int i = 0; i < it->nlanes; i++)
	{
		Lane	   *lane = &it->lanes[i];

		if (lane->running)
		{
			waiting[n] = lane;
			fds[n++] = mate_poll(lane->mate);
		}
		else if (lane->item >= 0 && lane->again_at > 0)
			until = until == 0 ? lane->again_at : fmin(until, lane->again_at);
	}
	if (!task_wait(it->task, fds, n, n == 0 && until == 0 ? monotonic_now() : until))
		return false;
	for (int i = 0; i < n; i++)
	{
		if (fds[i].revents != 0 &&
			mate_receive(waiting[i]->mate, job_outcome(&waiting[i]->job)))
			waiting[i]->running = false;
	}
	return true;
}

/* Goes through the items; false when the task is to be abandoned. */
static bool
go_through(Iteration *it)
{
	for (;;)
	{
		bool		busy = false;

		for (int i = 0; i < it->nlanes; i++)
		{
			Lane	   *lane = &it->lanes[i];

			if (lane->item < 0 && it->next < it->plan.nitems && it->failure.len == 0)
				begin_item(it, lane);
			advance(it, lane);
			busy = busy || lane->item >= 0;
		}
		if (!busy && (it->next == it->plan.nitems || it->failure.len > 0))
			return it->task->abort == ABORT_NONE;
		if (!wait_for_lanes(it))
			return false;
	}
}

/* As many lanes as items may be under way at once. */
static void
open_lanes(Iteration *it)
{
	const IteratorPlan *plan = &it->plan;
	int			wanted = plan->concurrency > 0 ? plan->concurrency : DEFAULT_CONCURRENCY;

	/* only this process can go through the items of an inner iterator */
	it->nlanes = plan->parallel && !plan->nested ? wanted : 1;
	if (it->nlanes > MAX_CONCURRENCY)
		it->nlanes = MAX_CONCURRENCY;
	if (it->nlanes > plan->nitems)
		it->nlanes = plan->nitems > 0 ? plan->nitems : 1;
	it->lanes = xcalloc((size_t) it->nlanes, sizeof(Lane));
	for (int i = 0; i < it->nlanes; i++)
	{
		it->lanes[i].item = -1;
		it->lanes[i].mate = it->nlanes > 1 ? mate_at(i) : NULL;
	}
}

/* Writes which items have failed. */
static void
write_errors(const Iteration *it, StringBuf *json)
{
	const char *separator = ",\"errors\":[";

	for (int i = 0; i < it->plan.nitems; i++)
	{
		if (it->messages[i] == NULL)
			continue;
		sb_printf(json, "%s{\"index\":%d", separator, i);
		json_member(json, "message", it->messages[i]);
		sb_str(json, "}");
		separator = ",";
	}
	sb_str(json, it->failed > 0 ? "]" : "");
}

/* Writes the result of all items. */
static OutcomeKind
write_result(const Iteration *it, Outcome *out)
{
	StringBuf  *json = &out->result;

	if (it->failure.len > 0)
	{
		outcome_fail(out, "%s", it->failure.data);
		json->len--;			/* without the brace */
	}
	else
	{
		sb_reset(json);
		sb_str(json, "{\"status\":\"success\",\"data\":[");
		for (int i = 0; i < it->plan.nitems; i++)
		{
			sb_str(json, i > 0 ? "," : "");
			sb_str(json, it->values[i] != NULL ? it->values[i] : "null");
		}
		sb_printf(json, "],\"count\":%d", it->plan.nitems);
		out->kind = OUTCOME_DONE;
	}
	sb_printf(json, ",\"total_iterations\":%d", it->plan.nitems);
	write_errors(it, json);
	sb_str(json, "}");
	return out->kind;
}

/* Frees everything. */
static void
end_iteration(Iteration *it)
{
	for (int i = 0; i < it->nlanes; i++)
	{
		clear_lane(&it->lanes[i]);
		outcome_free(&it->lanes[i].job.out);
		outcome_free(&it->lanes[i].job.save_out);
	}
	free(it->lanes);
	task_list_free(&it->ahead);
	for (int i = 0; i < it->plan.nitems; i++)
	{
		free(it->values[i]);
		free(it->messages[i]);
	}
	free(it->values);
	free(it->messages);
	iterator_plan_free(&it->plan);
	sb_free(&it->failure);
}

/* Executes one iterator. */
static OutcomeKind
iterator_execute(Task *task, Outcome *out)
{
	Iteration	it = {.task = task,.reports = task->outer == NULL};
	DbStatus	status = db_plan_iterator(task, &it.plan);
	char		context[64];

	if (status != DB_OK)
	{
		if (task->abort != ABORT_NONE)
			out->kind = OUTCOME_ABORTED;
		else
			outcome_fail(out, "%s", db_message());
		iterator_plan_free(&it.plan);
		return out->kind;
	}
	it.values = xcalloc((size_t) it.plan.nitems, sizeof(char *));
	it.messages = xcalloc((size_t) it.plan.nitems, sizeof(char *));
	open_lanes(&it);
	snprintf(context, sizeof(context), "{\"total\":%d,\"concurrency\":%d}", it.plan.nitems, it.nlanes);
	if (it.reports)
		events_add(task, "iterator_started", NULL, context, NULL, NULL);
	if (go_through(&it))
		write_result(&it, out);
	else
	{
		mates_stop(true);
		out->kind = OUTCOME_ABORTED;
	}
	end_iteration(&it);
	return out->kind;
}

/* Nothing to do: the mates need not stay. */
static void
stop_mates(void)
{
	mates_stop(false);
}

const Executor iterator_executor = {
	.type = "iterator",
	.raw_action = true,
	.execute = iterator_execute,
	.idle = stop_mates,
	.shutdown = stop_mates
};
