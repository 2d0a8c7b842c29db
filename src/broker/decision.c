/*
 * broker/decision.c
 *		Decisions are noted down, in the order in which they will be written;
 *		and the end of an execution, which is the last of them.
 */
#include "common/common.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "broker/internal.h"
#include "broker/scope.h"

static const char *const failure_names[] = {
	"action_error", "retry_exhausted", "client", "condition_error",
	"template_error", "collection_error", "playbook_error", "timed_out",
	"save_error", "transition_error", VISITED_TOO_OFTEN
};

/* For step_failed.meta.kind. */
const char *
failure_name(FailureKind kind)
{
	return failure_names[kind];
}

/* Appends a decision of a kind; the caller fills in the rest. */
Decision *
decide(BrokerState *state, DecisionKind kind, Run *run)
{
	Decision   *decision = palloc0(sizeof(Decision));

	decision->kind = kind;
	decision->run = run;
	if (kind == DECIDE_KEEP)
		run->kept = true;
	state->decisions = lappend(state->decisions, decision);
	return decision;
}

/* The word for a step's kind in event.node_type. */
static const char *
node_type_of(const Step *step)
{
	if (step->type[0] != '\0')
		return step->type;
	return step->kind == STEP_END ? "end" : "router";
}

/* What was decided before happened when the log says. */
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

/* See broker_internal.h. */
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
	decide(state, DECIDE_EMIT, NULL)->event = event;
	return event;
}

/* See broker_internal.h. */
Event *
emit(BrokerState *state, EventType type, const Step *step, int visit, int64 parent)
{
	return emit_item(state, type, step, visit, -1, parent);
}

/* At the end of an execution workers are left with what they have. */
static void
abandon(BrokerState *state, Run *run, bool revoke)
{
	Decision   *decision = decide(state, DECIDE_ABANDON, run);

	decision->leave = true;
	decision->revoke = revoke;
}

/* Nothing may go on: queued work is withdrawn, leased work may finish in vain. */
void
finish(BrokerState *state, const char *status, const char *error,
	   Jsonb *result, bool revoke)
{
	Decision   *decision;
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		switch (run->state)
		{
			case RUN_QUEUED:
			case RUN_RETRY:
			case RUN_WAITING:
			case RUN_OPEN:
				if (run->state == RUN_OPEN)
					abandon(state, run, revoke);
				if (run->is_task)
					decide(state, DECIDE_CLOSE, run);
				else if (run->stored || run->kept)
					decide(state, DECIDE_FORGET, run);
				run->state = RUN_ENDED;
				break;
			case RUN_LEASED:
				/* nobody to tell: it was taken by hand, without a name */
				if (run->worker_id == NULL)
					decide(state, DECIDE_CLOSE, run);
				else if (revoke)
					decide(state, DECIDE_REVOKE, run);
				if (revoke)
					abandon(state, run, true);
				run->state = RUN_CANCELLED;
				break;
			case RUN_CANCELLED:
			case RUN_ENDED:
				break;
		}
	}
	state->finished = true;
	decision = decide(state, DECIDE_FINISH, NULL);
	decision->status = status;
	decision->revoke = revoke;
	decision->error = error;
	decision->result = result;
}

/* A step failed for good and nobody handles it. */
void
fail_execution(BrokerState *state, const Step *step, const char *reason,
			   int64 parent)
{
	Event	   *event = emit(state, EVENT_EXECUTION_FAILED, NULL, 0, parent);
	JsonBuilder builder;
	JsonbValue	result;

	json_begin_object(&builder);
	json_add_text(&builder, "failed_step", step->name);
	json_add_text(&builder, "reason", reason);
	json_end_object(&builder, &result);
	event->result = json_to_jsonb(&result);
	event->error = psprintf("execution failed at step %s: %s", step->name, reason);
	finish(state, "FAILED", event->error, event->result, false);
}

/*
 * The result of the execution: the mapping of its end, or what its end
 * returned.  False and *error when the mapping raises.
 */
static bool
final_result(BrokerState *state, const Step *end, JsonbValue *result,
			 SourceError *error)
{
	StepValue  *value = NULL;
	Scope		scope;

	json_null(result);
	if (end == NULL)
		return true;
	scope_init(&scope, state, end, 1, state->now);
	if (end->kind != STEP_END)
	{
		value = scope_step_value(state, end->index);
		if (!value->found)
			return true;
		scope.result = &value->value;
		scope.envelope = &value->envelope;
		*result = value->value;
	}
	if (end->result != NULL)
		return template_doc_render(end->result, &scope.template, result, error);
	if (end->save_data != NULL)
		return template_doc_render(end->save_data, &scope.template, result, error);
	return true;
}

/* Nothing is live any more.  "end" is the end that was reached, or NULL. */
void
complete_execution(BrokerState *state, const Step *end, int64 parent)
{
	const Playbook *playbook = state->playbook;
	JsonbValue	result;
	JsonBuilder meta;
	JsonbValue	value;
	SourceError error;
	Event	   *event;

	if (end == NULL && playbook->end >= 0 &&
		playbook->steps[playbook->end].kind != STEP_END &&
		scope_step_value(state, playbook->end)->found)
		end = &playbook->steps[playbook->end];

	memset(&error, 0, sizeof(error));
	if (!final_result(state, end, &result, &error))
	{
		char	   *text = scope_error_text(&error);

		if (end->kind == STEP_END)	/* the action of another has been completed */
		{
			event = emit(state, EVENT_STEP_FAILED, end, 1, parent);
			event->error = text;
			json_begin_object(&meta);
			json_add_text(&meta, "kind", failure_name(FAILURE_TEMPLATE));
			json_end_object(&meta, &value);
			event->meta = json_to_jsonb(&value);
			parent = event->event_id;
		}
		fail_execution(state, end, text, parent);
		return;
	}

	event = emit(state, EVENT_EXECUTION_COMPLETE, NULL, 0, parent);
	if (end != NULL)
		event->node_name = end->name;
	else
	{
		json_begin_object(&meta);
		json_add_text(&meta, "reason",
					  playbook->end < 0 ? "no_end" : "no_transition");
		json_end_object(&meta, &value);
		event->meta = json_to_jsonb(&value);
	}
	event->result = json_to_jsonb(&result);
	finish(state, "COMPLETED", NULL, event->result, false);
}
