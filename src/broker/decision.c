/*
 * broker/decision.c
 *		The list of decisions, in the order in which they will be written.
 */
#include "common/common.h"

#include "broker/internal.h"

static const char *const failure_names[] = {
	"action_error", "retry_exhausted", "client", "condition_error",
	"template_error", "collection_error", "playbook_error", "timed_out",
	"save_error", REAPED_LEASE, REAPED_QUEUE, "transition_error", VISITED_TOO_OFTEN
};

/* Returns the word for a kind of failure, for step_failed.meta.kind. */
const char *
failure_name(FailureKind kind)
{
	return failure_names[kind];
}

/* Appends a decision of a kind and returns it; the caller fills in the rest. */
Decision *
decision_add(BrokerState *state, DecisionKind kind, Run *run)
{
	Decision   *decision = palloc0(sizeof(Decision));

	decision->kind = kind;
	decision->run = run;
	if (kind == DECIDE_KEEP)
		run->kept = true;
	state->decisions = lappend(state->decisions, decision);
	return decision;
}

/* Returns the word for a step in event.node_type. */
static const char *
node_type_of(const Step *step)
{
	if (step->type[0] != '\0')
		return step->type;
	return step->kind == STEP_END ? "end" : "router";
}

/*
 * Finds an emitted event in the log when the log is decided again: the event has
 * the id and the time that it has there.
 */
static void
recall(BrokerState *state, Event *event)
{
	if (state->recall == NULL)
		return;
	event->recalled = state->recall(state->recall_arg, event);
	if (event->recalled == NULL)
		return;
	event->event_id = event->recalled->event_id;
	event->created_at = event->recalled->created_at;
}

/*
 * Emits an event about an item of a step's iterator (-1: the step as a whole), or
 * about the execution (step NULL), and returns it.  It follows the newest event
 * by a microsecond; parent is the event that led to it.
 */
Event *
emit_item(BrokerState *state, EventType type, const Step *step, int visit, int item,
		  int64 parent)
{
	Event	   *event = palloc0(sizeof(Event));

	event->type = type;
	event->event_type = event_type_name(type);
	event->status = event_type_status(type);
	event->execution_id = state->execution_id;
	event->parent_execution_id = state->parent_execution_id;
	event->catalog_id = state->playbook->catalog_id;
	event->parent_event_id = parent;
	event->created_at = state->time + 1;
	event->item = item;
	event->event_id = Max(state->last_event_id + 1, event_id_at(event->created_at));
	if (step != NULL)
	{
		event->node_name = step->name;
		event->node_id = node_id_make(state->execution_id, step->name, visit, item);
		event->visit = visit;
		event->item_in_node_id = item >= 0;
		event->node_type = node_type_of(step);
		event->has_index = item >= 0;
		event->current_index = item;
	}
	else
	{
		event->node_name = state->path;
		event->node_id = psprintf(INT64_FORMAT, state->execution_id);
		event->node_type = "playbook";
	}
	recall(state, event);
	state->time = event->created_at;
	state->last_event_id = event->event_id;
	decision_add(state, DECIDE_EMIT, NULL)->event = event;
	return event;
}

/* Emits an event about a step as a whole, or about the execution (step NULL). */
Event *
emit(BrokerState *state, EventType type, const Step *step, int visit, int64 parent)
{
	return emit_item(state, type, step, visit, -1, parent);
}
