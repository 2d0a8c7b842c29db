/*
 * broker/sql.c
 *		Steps of type sql: a statement that the broker executes itself, in the
 *		transaction that starts the step.
 *
 *		step_started ─> action_completed {status, data: rows, row_count}
 *		            └─> action_error {status, error, sqlstate, message, …}
 *
 * The events are those of a task, without a task: what follows the attempt is
 * decided as for one.  This file writes no tables: ValueSource.save executes the
 * statement, as the role that started the execution.
 */
#include "common/common.h"

#include "broker/internal.h"

/* An attempt of a step, or of an item of an iterator. */
typedef struct Attempt
{
	const Run  *run;
	const Step *task;			/* the step, or what the iterator does for an item */
	int			item;			/* -1: the step itself */
	int64		parent;			/* the event that began it */
} Attempt;

/*
 * Renders the statement of a step with its parameters: the list under "params",
 * else the input of the step.  False and *error when a template raises.
 */
static bool
make_request(const BrokerState *state, const Attempt *attempt, Scope *scope,
			 SaveRequest *request, SourceError *error)
{
	const Step *step = attempt->task;
	JsonbValue	params;
	char	   *message = NULL;

	memset(request, 0, sizeof(SaveRequest));
	request->mode = SAVE_STATEMENT;
	request->wants_rows = true;
	request->max_bytes = SETTING(template_max_output);
	request->node_id = node_id_make(state->execution_id, step->name, attempt->run->visit,
									attempt->item);
	request->data = *scope->input;
	if (step->sql->params != NULL)
	{
		if (!template_doc_render(step->sql->params, &scope->template, &params, error))
			return false;
		if (json_is_array(&params))
			request->data = params;
	}
	if (!timeout_render(step->timeout, &scope->template, &request->timeout, error))
		return false;
	if (render_statement(step->sql, scope, request, &message))
		return true;
	error->message = message;
	return false;
}

/* Adds a member unless its text is NULL. */
static void
add_text(JsonBuilder *builder, const char *key, const char *text)
{
	if (text != NULL)
		json_add_text(builder, key, text);
}

/* Returns the result of a statement that succeeded, as a worker would send it. */
static Jsonb *
describe_rows(const SaveRequest *request)
{
	JsonBuilder builder;
	JsonBuilder none;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "status", "success");
	if (request->returns)
		value = request->returned;
	else
	{
		json_begin_array(&none);
		json_end_array(&none, &value);
	}
	json_add(&builder, "data", &value);
	json_add_int(&builder, "row_count", request->rows);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Returns the result of a statement that failed: what PostgreSQL says of it. */
static Jsonb *
describe_error(const SaveError *error, const char *text)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "status", "error");
	json_add_text(&builder, "error", text);
	add_text(&builder, "sqlstate", error->sqlstate);
	add_text(&builder, "message", error->primary);
	add_text(&builder, "detail", error->detail);
	add_text(&builder, "hint", error->hint);
	if (error->position > 0)
		json_add_int(&builder, "position", error->position);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Executes the statement and emits what became of it; returns that event. */
static Event *
execute_statement(BrokerState *state, const Attempt *attempt, SaveRequest *request,
				  bool *success)
{
	SaveError	error;
	Event	   *event;

	memset(&error, 0, sizeof(error));
	*success = state->values.save(state->values.arg, list_make1(request), &error);
	event = emit_item(state, *success ? EVENT_ACTION_COMPLETED : EVENT_ACTION_ERROR,
					  attempt->task, attempt->run->visit, attempt->item, attempt->parent);
	if (*success)
		event->result = describe_rows(request);
	else
	{
		event->error = error.message;
		event->result = describe_error(&error, event->error);
		if (error.timed_out)
			event->reaped = REAPED_TIMEOUT;
	}
	event->meta = event_attempt_meta(attempt->run->attempts + 1, event->reaped);
	return event;
}

/*
 * Renders the input and the request of an attempt.  False and *error when a template
 * raises.
 */
static bool
prepare_statement(BrokerState *state, const Attempt *attempt, Scope *scope,
				  const JsonbValue *transition_input, JsonbValue *input,
				  SaveRequest *request, SourceError *error)
{
	memset(error, 0, sizeof(SourceError));
	scope->template.needs = NEEDS_VALUES;
	if (!assemble_input(attempt->task, scope, transition_input, input, error))
		return false;
	scope->input = input;
	scope->members = input;
	return make_request(state, attempt, scope, request, error);
}

/*
 * Starts an attempt of a step of type sql.  Returns the end of the attempt, which
 * comes at once; none when the step could not be rendered and has failed.
 */
AttemptEnd
start_sql_step(BrokerState *state, Run *run, const JsonbValue *transition_input)
{
	const Step *step = &state->playbook->steps[run->step];
	Attempt		attempt = {run, step, -1, 0};
	AttemptEnd	end = {NULL, false};
	SaveRequest *request = palloc(sizeof(SaveRequest));
	Scope		scope;
	SourceError error;
	JsonbValue	input;

	scope_init(&scope, state, step, run, state->now);
	if (!prepare_statement(state, &attempt, &scope, transition_input, &input, request, &error))
	{
		fail_start(state, run, FAILURE_TEMPLATE, scope_error_text(&error), transition_input);
		return end;
	}
	begin_own_work(state, run, &input);
	attempt.parent = run->started_event_id;
	end.event = execute_statement(state, &attempt, request, &end.success);
	return end;
}

/*
 * Executes the statement of an item of an iterator, and its saves; *end says how
 * the item ended.  parent: its iteration_started.  done: the action_completed of its
 * statement, if that was executed before its saves failed, else 0.
 */
void
execute_sql_item(BrokerState *state, const Run *run, const Step *task, Scope *scope,
				 const JsonbValue *transition_input, int64 parent, int64 done, ItemEnd *end)
{
	Attempt		attempt = {run, task, end->index, parent};
	SaveRequest *request = palloc(sizeof(SaveRequest));
	JsonbValue *value = palloc(sizeof(JsonbValue));
	JsonbValue *input = palloc(sizeof(JsonbValue));
	JsonbValue	envelope;
	JsonbValue	saved;
	SourceError error;
	Event	   *event;
	Run		   *item;

	end->parent = parent;
	end->success = false;
	if (!prepare_statement(state, &attempt, scope, transition_input, input, request, &error))
	{
		end->error = scope_error_text(&error);
		return;
	}
	if (done != 0 && state->values.event_result(state->values.arg, done, &envelope))
		end->success = true;
	else
	{
		event = execute_statement(state, &attempt, request, &end->success);
		end->parent = event->event_id;
		end->error = event->error;
		json_from_jsonb(event->result, &envelope);
	}
	result_value(&envelope, value);
	end->value = value;
	if (!end->success || task->saves == NULL)
		return;
	item = run_make(run->step, run->visit, RUN_OPEN);
	item->item = end->index;
	scope->result = value;
	scope->envelope = &envelope;
	end->success = execute_saves(state, item, task, scope, end->parent, &saved, &end->error);
	end->parent = state->last_event_id;
}
