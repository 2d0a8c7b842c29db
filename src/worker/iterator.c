/*
 * iterator.c
 *		Tasks of type iterator: the same task, or list of tasks, for each item.
 *
 *		plan ─> for each item: iteration_started
 *		                       each task: render, execute, save, retry
 *		                       iteration_completed | iteration_failed
 *		     ─> {"status": "success", "data": [value of each item], "count": n}
 *
 * An item occupies a slot from its beginning to its end.  Without mode: async there
 * is one slot, whose tasks this process executes; with it there are several, each
 * with a helper process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "events.h"
#include "executor.h"
#include "helper.h"
#include "job.h"
#include "log.h"

#define RENDER_AHEAD 32			/* items whose task is rendered at once */

/* The progress of an item */
typedef struct Slot
{
	int			item;			/* -1: the slot is free */
	int			step;			/* which task of the body */
	int			attempt;
	Task		task;			/* rendered */
	char	   *names;			/* JSON, with what earlier tasks gave; or NULL */
	Job			job;
	Helper	   *helper;			/* NULL: this process */
	bool		running;		/* the helper is at work */
	double		again_at;		/* when the next attempt begins; 0: none waits */
} Slot;

typedef struct Iteration
{
	Task	   *task;
	IteratorPlan plan;
	Slot	   *slots;
	int			nslots;
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
 * Adds an event about an item.  Items of an iterator inside an iterator have none:
 * these would look like those of the outer one.
 */
static void
report_item(const Iteration *it, int item, const char *type, const char *result,
			const char *error)
{
	Task		about = {.index = item};

	if (it->reports)
		events_add(&about, type, it->plan.items[item], NULL, result, error, NULL);
}

/* Frees the item of a slot. */
static void
clear_slot(Slot *slot)
{
	job_end(&slot->job);
	task_free(&slot->task);
	free(slot->names);
	slot->names = NULL;
	slot->item = -1;
	slot->again_at = 0;
}

/* Ends an item with its value. */
static void
complete_item(Iteration *it, Slot *slot, const char *value)
{
	it->values[slot->item] = xstrdup(value);
	report_item(it, slot->item, "iteration_completed", value, NULL);
	it->ended++;
	clear_slot(slot);
}

/* Ends an item as failed; the iterator fails too unless on_error is continue. */
static void
fail_item(Iteration *it, Slot *slot, const char *error, const char *result)
{
	log_task(it->task, LOG_DETAIL, "item %d failed: %s", slot->item, error);
	report_item(it, slot->item, "iteration_failed", result, error);
	it->messages[slot->item] = xstrdup(error);
	if (!it->plan.continues && it->failure.len == 0)
		sb_printf(&it->failure, "item %d: %s", slot->item, error);
	it->failed++;
	it->ended++;
	clear_slot(slot);
}

/* ---------------------------------------------------------------------------
 * The tasks of an item
 * ---------------------------------------------------------------------------
 */

/* Takes the first task of an item; those of further items are rendered with it. */
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

/* Renders a later task of the body, whose templates see values of earlier ones. */
static DbStatus
render_next(Iteration *it, Slot *slot)
{
	TaskList	list = {0};
	DbStatus	status = db_render(it->task, &it->plan, slot->step, slot->item, 1,
								   &slot->names, &list);

	if (status == DB_OK)
	{
		slot->task = list.tasks[0];
		memset(&list.tasks[0], 0, sizeof(Task));
	}
	task_list_free(&list);
	return status;
}

/* Adds the value of a task to the names of its item. */
static void
add_names(Iteration *it, Slot *slot, const char *value)
{
	const char *names = slot->names != NULL ? slot->names : it->plan.names[slot->item];
	const char *name = it->plan.task_names[slot->step];
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
	free(slot->names);
	slot->names = more.data;
}

/* Begins the current task of a slot; returns false when the item has ended. */
static bool
begin_task(Iteration *it, Slot *slot)
{
	DbStatus	status;

	status = slot->step == 0 ? render_first(it, slot->item, &slot->task) : render_next(it, slot);
	if (status != DB_OK)
	{
		if (it->task->abort == ABORT_NONE)
			fail_item(it, slot, db_message(), NULL);
		return false;
	}
	slot->attempt = 1;
	job_begin(&slot->job, &slot->task, true);
	return true;
}

/* Passes over items that have ended before this worker came. */
static void
pass_done(Iteration *it)
{
	while (it->next < it->plan.nitems && it->plan.done[it->next] != ITEM_OPEN)
		it->next++;
}

/*
 * Takes over what has become of items that an earlier worker went through, before the
 * task was given back, its lease was lost, or the step was given new attempts.
 */
static void
take_over_done(Iteration *it)
{
	for (int i = 0; i < it->plan.nitems; i++)
	{
		if (it->plan.done[i] == ITEM_FAILED && !it->plan.continues)
			it->plan.done[i] = ITEM_OPEN;
		if (it->plan.done[i] == ITEM_OPEN)
			continue;
		it->ended++;
		if (it->plan.done[i] == ITEM_COMPLETED)
			it->values[i] = xstrdup(it->plan.results[i]);
		else
		{
			it->messages[i] = xstrdup(it->plan.errors[i] != NULL ? it->plan.errors[i] : "");
			it->failed++;
		}
	}
	pass_done(it);
}

/* Begins the next item in a slot. */
static void
begin_item(Iteration *it, Slot *slot)
{
	slot->item = it->next++;
	pass_done(it);
	slot->step = 0;
	report_item(it, slot->item, "iteration_started", NULL, NULL);
	(void) begin_task(it, slot);
}

/*
 * Tells whether the task of a slot, which has ended with its saves, is to be executed
 * again; sets the time of the next attempt then.  When nobody can decide that, because
 * the iterator is to be abandoned, the outcome becomes that.
 */
static bool
shall_repeat(const Iteration *it, Slot *slot)
{
	double		delay;
	DbStatus	status;
	Outcome    *out = &slot->job.out;
	Task		about = {.index = slot->item};
	char		meta[64];

	if (slot->task.retry == NULL)
		return false;
	status = db_retry_delay(&slot->task, out, slot->attempt, &delay);
	if (status == DB_GONE)
		out->kind = OUTCOME_ABORTED;
	if (status != DB_OK)
		return false;
	if (isinf(delay))
	{
		if (out->kind == OUTCOME_DONE)
			outcome_fail(out, "retry_when still holds after %d attempts", slot->attempt);
		return false;
	}
	snprintf(meta, sizeof(meta), "{\"item_attempt\":%d,\"delay\":%.6f}", slot->attempt, delay);
	if (it->reports)
		events_add(&about, "action_retry", NULL, NULL, NULL,
				   out->kind == OUTCOME_FAILED ? out->error.data : NULL, meta);
	log_task(slot->task.outer, LOG_DETAIL, "item %d: attempt %d in %.1f s%s%s", slot->item,
			 ++slot->attempt, delay, out->kind == OUTCOME_FAILED ? ": " : "",
			 out->kind == OUTCOME_FAILED ? out->error.data : "");
	slot->again_at = monotonic_now() + delay;
	return true;
}

/*
 * Ends the task of a slot and begins the next; returns false when the item has ended, or
 * is left open because the iterator is to be abandoned.
 */
static bool
end_task(Iteration *it, Slot *slot)
{
	const Outcome *out = &slot->job.out;

	if (shall_repeat(it, slot))
		return true;
	if (out->kind == OUTCOME_ABORTED)
		return false;
	if (out->kind == OUTCOME_FAILED)
	{
		fail_item(it, slot, out->error.data, out->result.len > 0 ? out->result.data : NULL);
		return false;
	}
	add_names(it, slot, slot->job.value);
	if (slot->step + 1 == it->plan.ntasks)
	{
		complete_item(it, slot, slot->job.value);
		return false;
	}
	slot->step++;
	task_free(&slot->task);
	return begin_task(it, slot);
}

/* Advances a slot until it waits for its helper or for the next attempt. */
static void
advance(Iteration *it, Slot *slot)
{
	while (slot->item >= 0 && !slot->running && it->task->abort == ABORT_NONE)
	{
		Task	   *task;

		if (slot->again_at > 0 && monotonic_now() < slot->again_at)
			return;
		if (slot->again_at > 0)
			job_begin(&slot->job, &slot->task, true);
		slot->again_at = 0;
		task = job_next(&slot->job);
		if (slot->job.out.kind == OUTCOME_ABORTED)
			return;
		if (task == NULL)
		{
			if (!end_task(it, slot))
				return;
		}
		else if (slot->helper == NULL)
			execute_action(task, job_outcome(&slot->job));
		else if (!prepare_action(task, job_outcome(&slot->job)))
			continue;
		else if (helper_send(slot->helper, task))
			slot->running = true;
		else
			outcome_trouble(task, job_outcome(&slot->job), "could not start a process: %s",
							strerror(errno));
	}
}

/* ---------------------------------------------------------------------------
 * All items
 * ---------------------------------------------------------------------------
 */

/* Returns whether an item is left that may begin. */
static bool
may_begin(const Iteration *it)
{
	return it->next < it->plan.nitems && it->failure.len == 0;
}

/*
 * Waits for any slot, but not while a slot is free that can be used; returns false when
 * the iterator is to be abandoned.
 */
static bool
wait_for_slots(Iteration *it)
{
	struct pollfd fds[MAX_CONCURRENCY];
	Slot	   *waiting[MAX_CONCURRENCY];
	int			n = 0;
	double		until = 0;
	bool		at_once = false;

	for (int i = 0; i < it->nslots; i++)
	{
		Slot	   *slot = &it->slots[i];

		if (slot->running)
		{
			waiting[n] = slot;
			fds[n++] = helper_poll(slot->helper);
		}
		else if (slot->item >= 0 && slot->again_at > 0)
			until = until == 0 ? slot->again_at : fmin(until, slot->again_at);
		else if (slot->item < 0 && may_begin(it))
			at_once = true;
	}
	at_once = at_once || (n == 0 && until == 0);
	if (!task_wait(it->task, fds, n, at_once ? monotonic_now() : until))
		return false;
	for (int i = 0; i < n; i++)
	{
		if (fds[i].revents != 0 &&
			helper_receive(waiting[i]->helper, job_outcome(&waiting[i]->job)))
			waiting[i]->running = false;
	}
	return true;
}

/* Executes all items; returns false when the task is to be abandoned. */
static bool
go_through(Iteration *it)
{
	for (;;)
	{
		bool		busy = false;

		for (int i = 0; i < it->nslots; i++)
		{
			Slot	   *slot = &it->slots[i];

			if (slot->item < 0 && may_begin(it))
				begin_item(it, slot);
			advance(it, slot);
			busy = busy || slot->item >= 0;
		}
		if (!busy && (it->next == it->plan.nitems || it->failure.len > 0))
			return it->task->abort == ABORT_NONE;
		if (!wait_for_slots(it))
			return false;
	}
}

/* Makes a slot for each item that may be executed at the same time. */
static void
open_slots(Iteration *it)
{
	const IteratorPlan *plan = &it->plan;
	int			wanted = plan->concurrency > 0 ? plan->concurrency : DEFAULT_CONCURRENCY;

	/* only this process can go through the items of an inner iterator */
	it->nslots = plan->parallel && !plan->nested ? wanted : 1;
	if (it->nslots > MAX_CONCURRENCY)
		it->nslots = MAX_CONCURRENCY;
	if (it->nslots > plan->nitems)
		it->nslots = plan->nitems > 0 ? plan->nitems : 1;
	it->slots = xcalloc((size_t) it->nslots, sizeof(Slot));
	for (int i = 0; i < it->nslots; i++)
	{
		it->slots[i].item = -1;
		it->slots[i].helper = it->nslots > 1 ? helper_at(i) : NULL;
	}
}

/* Writes the items that have failed. */
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

/* Frees an iteration. */
static void
end_iteration(Iteration *it)
{
	for (int i = 0; i < it->nslots; i++)
	{
		clear_slot(&it->slots[i]);
		outcome_free(&it->slots[i].job.out);
		outcome_free(&it->slots[i].job.save_out);
	}
	free(it->slots);
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
OutcomeKind
iterator_execute(Task *task, Outcome *out)
{
	Iteration	it = {.task = task,.reports = task->outer == NULL};
	DbStatus	status = db_plan_iterator(task, &it.plan);
	char		context[96];

	if (status != DB_OK || it.plan.ntasks == 0)
	{
		if (status == DB_GONE)
			out->kind = OUTCOME_ABORTED;
		else
			outcome_fail(out, "%s", status == DB_OK ? "the iterator has no task" : db_message());
		iterator_plan_free(&it.plan);
		return out->kind;
	}
	it.values = xcalloc((size_t) it.plan.nitems, sizeof(char *));
	it.messages = xcalloc((size_t) it.plan.nitems, sizeof(char *));
	open_slots(&it);
	take_over_done(&it);
	snprintf(context, sizeof(context), "{\"total\":%d,\"concurrency\":%d%s%.0d}", it.plan.nitems,
			 it.nslots, it.ended > 0 ? ",\"done\":" : "", it.ended);
	if (it.reports)
		events_add(task, "iterator_started", NULL, context, NULL, NULL, NULL);
	if (go_through(&it))
		write_result(&it, out);
	else
	{
		helpers_stop(true);
		out->kind = OUTCOME_ABORTED;
	}
	end_iteration(&it);
	return out->kind;
}

/* Ends the helper processes; the next iterator starts them again. */
void
iterator_stop_helpers(void)
{
	helpers_stop(false);
}
