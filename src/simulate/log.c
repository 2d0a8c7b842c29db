/*
 * simulate/log.c
 *		The events of an execution, in memory.
 *
 * An event_id is larger than those before it, so that events are found by bisection.
 */
#include "common/common.h"

#include "utils/datum.h"
#include "utils/memutils.h"

#include "simulate/internal.h"

/* Copies a document into CurrentMemoryContext; NULL stays NULL. */
Jsonb *
log_copy_jsonb(const Jsonb *jsonb)
{
	return jsonb == NULL ? NULL :
		(Jsonb *) DatumGetPointer(datumCopy(PointerGetDatum(jsonb), false, -1));
}

/* Copies text into CurrentMemoryContext; NULL stays NULL. */
static const char *
copy_text(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

/* Returns a copy of an event, parsed again, in CurrentMemoryContext. */
static Event *
copy_event(const Event *event)
{
	Event	   *copy = palloc0(sizeof(Event));

	copy->execution_id = event->execution_id;
	copy->event_id = event->event_id;
	copy->parent_event_id = event->parent_event_id;
	copy->parent_execution_id = event->parent_execution_id;
	copy->catalog_id = event->catalog_id;
	copy->created_at = event->created_at;
	copy->type = event->type;
	copy->event_type = copy_text(event->event_type);
	copy->node_id = copy_text(event->node_id);
	copy->node_name = copy_text(event->node_name);
	copy->node_type = copy_text(event->node_type);
	copy->status = copy_text(event->status);
	copy->context = log_copy_jsonb(event->context);
	copy->result = log_copy_jsonb(event->result);
	copy->meta = log_copy_jsonb(event->meta);
	copy->error = copy_text(event->error);
	copy->has_index = event->has_index;
	copy->current_index = event->current_index;
	copy->current_item = log_copy_jsonb(event->current_item);
	copy->worker_id = copy_text(event->worker_id);
	event_parse(copy);
	return copy;
}

/* Appends a copy of an event to the log of an execution, and notes what it says. */
Event *
log_append(SimExecution *execution, const Event *event)
{
	MemoryContext old = MemoryContextSwitchTo(execution->simulation->memory);
	Event	   *copy = copy_event(event);

	if (execution->nevents == execution->max_events)
	{
		execution->max_events = Max(64, execution->max_events * 2);
		execution->events = execution->events == NULL ?
			palloc(sizeof(Event *) * execution->max_events) :
			repalloc(execution->events, sizeof(Event *) * execution->max_events);
	}
	execution->events[execution->nevents++] = copy;
	execution->time = copy->created_at;
	execution->last_event_id = copy->event_id;
	if (event_sets_value(copy) && copy->result != NULL && copy->node_name != NULL)
	{
		int			step = playbook_find_step(execution->playbook, copy->node_name,
											  strlen(copy->node_name));

		if (step >= 0)
			execution->values[step] = lappend(execution->values[step], copy);
	}
	model_note_event(execution->model, copy);
	MemoryContextSwitchTo(old);
	return copy;
}

/* Returns the event with an id, or NULL. */
const Event *
log_find(const SimExecution *execution, int64 event_id)
{
	int			low = 0;
	int			high = execution->nevents - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		const Event *event = execution->events[middle];

		if (event->event_id == event_id)
			return event;
		if (event->event_id < event_id)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

/* Returns the event that set the value of a visit of a step (simulate/internal.h). */
const Event *
log_value(const SimExecution *execution, const Step *step, int visit, int64 before)
{
	const List *values = execution->values[step->index];
	const Event *found = NULL;

	for (int i = list_length(values) - 1; i >= 0; i--)
	{
		const Event *event = (const Event *) list_nth(values, i);

		if (before != 0 && event->event_id > before)
			continue;
		if (visit != 0 && visit != Max(event->visit, 1))
			continue;
		if (visit != 0 || !step->parallel)
			return event;
		if (found == NULL || Max(event->visit, 1) > Max(found->visit, 1))
			found = event;
	}
	return found;
}
