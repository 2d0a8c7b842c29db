/*
 * broker/iteration_resume.c
 *		An iterator is resumed after a failure: results of its items that have
 *		completed are kept.
 *
 *		the log ──> completed: the result stays
 *		        ──> a child execution: it is resumed, unless it has compensated
 *		        ──> others: start again, as many as may be in flight; the rest waits
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/internal.h"
#include "broker/iteration.h"

/* Finds the items of an iterator, as its iterator_started has them. */
static void
logged_items(const Iteration *iteration, IteratorItems *items)
{
	ValueSource *values = &iteration->state->values;
	JsonbValue	context;
	JsonbValue	list;
	JsonbIterator *it;

	items->count = 0;
	items->values = palloc_extended(sizeof(JsonbValue) * Max(iteration->total, 1),
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (!values->event_context(values->arg, iteration->since, &context) ||
		!json_get(&context, "collection", &list) || !json_is_array(&list))
		elog(ERROR, "the items of an iterator are not in the log");
	it = json_walk(&list);
	while (items->count < iteration->total &&
		   json_next_element(&it, &items->values[items->count]))
		items->count++;
}

/*
 * Divides the items that have not completed: those that start at once ("first" gets
 * their indexes) and those that wait, as ranges and as a decision.  Returns how many
 * start at once.
 */
static int
divide_items(Iteration *iteration, const IteratorItems *items, int *first)
{
	Decision   *decision;
	JsonBuilder ranges;
	int		   *waiting = palloc(sizeof(int) * Max(iteration->total, 1));
	int			nfirst = 0;
	int			nwaiting = 0;

	for (int i = 0; i < iteration->total; i++)
		if (iteration->states[i].completed)
			iteration->base.done++;
		else if (nfirst < iteration->concurrency)
			first[nfirst++] = i;
		else
			waiting[nwaiting++] = i;
	json_begin_array(&ranges);
	for (int i = 0, j; i < nwaiting; i = j)
	{
		JsonBuilder range;
		JsonbValue	value;

		for (j = i + 1; j < nwaiting && waiting[j] == waiting[j - 1] + 1; j++)
			;
		json_begin_array(&range);
		json_int(&value, waiting[i]);
		json_push(&range, &value);
		json_int(&value, waiting[j - 1]);
		json_push(&range, &value);
		json_end_array(&range, &value);
		json_push(&ranges, &value);
	}
	json_end_array(&ranges, &iteration->todo);
	iteration->base.started = iteration->base.done + nfirst;
	if (nwaiting == 0)
		return nfirst;
	decision = decision_add(iteration->state, DECIDE_ADD_ITEMS, iteration->run);
	decision->nitems = nwaiting;
	decision->indexes = waiting;
	decision->items = palloc_extended(sizeof(JsonbValue) * nwaiting, MCXT_ALLOC_HUGE);
	for (int i = 0; i < nwaiting; i++)
		decision->items[i] = items->values[waiting[i]];
	return nfirst;
}

/* Returns whether an item has a child that can be resumed. */
static bool
has_resumable_child(const Iteration *iteration, int index, int64 cause)
{
	const ValueSource *values = &iteration->state->values;
	int64		child = iteration->states[index].child_execution_id;

	return child != 0 && !values->child_gone(values->arg, child, cause);
}

/* Decides that the child of an item, which has not completed, is resumed. */
static void
redrive_item(Iteration *iteration, int index)
{
	ChildStart *child = palloc0(sizeof(ChildStart));

	child->execution_id = iteration->states[index].child_execution_id;
	child->parent_event_id = iteration->run->started_event_id;
	child->item = index;
	decision_add(iteration->state, DECIDE_REDRIVE_CHILD, iteration->run)->child = child;
}

/*
 * Resumes an iterator whose run is open: items that have not completed start again, or
 * their children are resumed.  Returns the end of the attempt where no item is left, or
 * those that are fail at once.
 */
AttemptEnd
resume_iterator(BrokerState *state, Run *run, int64 cause)
{
	AttemptEnd	end = {NULL, false};
	Iteration	iteration;
	IteratorItems items;
	int		   *first;
	int			nfirst;

	iteration_open(&iteration, state, run);
	memset(&iteration.base, 0, sizeof(IterationProgress));
	iteration.resumed = cause;
	iteration.states = state->values.item_states(state->values.arg, iteration.step->name,
												 run->visit, iteration.since, cause,
												 iteration.total);
	logged_items(&iteration, &items);
	first = palloc(sizeof(int) * Max(iteration.total, 1));
	nfirst = divide_items(&iteration, &items, first);
	iteration.progress = iteration.base;
	iteration_store_context(&iteration);
	iteration.items = &items;
	for (int i = 0; i < nfirst && end.event == NULL; i++)
	{
		ItemEnd		item;

		CHECK_FOR_INTERRUPTS();
		memset(&item, 0, sizeof(item));
		if (has_resumable_child(&iteration, first[i], cause))
			redrive_item(&iteration, first[i]);
		else if (!iteration_start_item(&iteration, first[i], &items.values[first[i]], &item))
		{
			if (item.parent == 0)
				item.parent = state->last_event_id;
			end = iteration_item_ended(&iteration, item);
		}
	}
	if (nfirst == 0)
		end = iteration_complete(&iteration, cause);
	return end;
}
