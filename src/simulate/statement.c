/*
 * simulate/statement.c
 *		Saves and statements of SQL: they are told of as tasks and never executed.
 */
#include "common/common.h"

#include "broker/broker.h"
#include "simulate/internal.h"

/* Adds a member unless its text is NULL. */
static void
add_text(JsonBuilder *builder, const char *key, const char *text)
{
	if (text != NULL)
		json_add_text(builder, key, text);
}

/* Returns what a request would do: {table, mode, key, data} or {statement, params}. */
static Jsonb *
describe_request(const SaveRequest *request)
{
	JsonBuilder builder;
	JsonBuilder list;
	JsonbValue	value;
	ListCell   *lc;

	json_begin_object(&builder);
	add_text(&builder, "statement", request->statement);
	if (request->statement != NULL)
		json_add(&builder, "params", &request->data);
	else
	{
		add_text(&builder, "table", request->table);
		json_add_text(&builder, "mode", save_mode_name(request->mode));
		json_begin_array(&list);
		foreach(lc, request->keys)
		{
			json_string(&value, (char *) lfirst(lc));
			json_push(&list, &value);
		}
		json_end_array(&list, &value);
		if (request->keys != NIL)
			json_add(&builder, "key", &value);
		json_add(&builder, "data", &request->data);
	}
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Notes a request; it is told of after the decisions that were made before it. */
static void
note_request(SimExecution *execution, const Run *run, const SaveRequest *request)
{
	SimStatement *statement = palloc0(sizeof(SimStatement));

	statement->after = list_length(execution->state->decisions);
	statement->run = *run;
	statement->type = request->node_id != NULL ? "sql" : "save";
	statement->action = describe_request(request);
	execution->statements = lappend(execution->statements, statement);
}

/* Fills in which step, visit and item an event is about; false: none. */
static bool
locate_event(const SimExecution *execution, const Event *event, Run *run)
{
	if (event == NULL || event->node_name == NULL || event->visit <= 0)
		return false;
	run->step = playbook_find_step(execution->playbook, event->node_name,
								   strlen(event->node_name));
	run->visit = event->visit;
	run->item = event->has_index ? event->current_index : -1;
	return run->step >= 0;
}

/*
 * Fills in which run saves: that of the newest event that was emitted, else that of
 * the event that is decided on.  The time of a save that is tried again has come.
 */
static void
locate_save(const SimExecution *execution, Run *run)
{
	const List *decisions = execution->state->decisions;
	const ListCell *lc;

	memset(run, 0, sizeof(Run));
	for (int i = list_length(decisions) - 1; i >= 0; i--)
	{
		const Decision *decision = (Decision *) list_nth(decisions, i);

		if (decision->kind == DECIDE_EMIT && locate_event(execution, decision->event, run))
			return;
	}
	if (locate_event(execution, execution->event, run))
		return;
	foreach(lc, execution->state->runs)
	{
		const Run  *other = (Run *) lfirst(lc);

		if (other->state == RUN_OPEN &&
			execution->playbook->steps[other->step].kind == STEP_SAVE)
			*run = *other;
	}
}

/* Fills in which run executes a statement, by its node id; raises when there is none. */
static void
locate_statement(const SimExecution *execution, const char *node_id, Run *run)
{
	const Playbook *playbook = execution->playbook;

	memset(run, 0, sizeof(Run));
	for (int i = 0; i < playbook->nsteps; i++)
	{
		const Step *step = &playbook->steps[i];

		if (step->kind != STEP_SQL && step->kind != STEP_ITERATOR)
			continue;
		run->visit = node_id_visit(node_id, execution->execution_id, step->name);
		if (run->visit == 0)
			continue;
		run->step = i;
		run->item = node_id_item(node_id, execution->execution_id, step->name);
		return;
	}
	elog(ERROR, "no step has node id \"%s\"", node_id);
}

/* Lets a statement take its time; false: its timeout has ended it. */
static bool
pass_time(SimExecution *execution, const SaveRequest *request, const StubAnswer *answer,
		  SaveError *error)
{
	int64		us = answer->after;

	error->timed_out = request->timeout > 0 && us > request->timeout;
	if (error->timed_out)
	{
		us = request->timeout;
		error->message = timeout_error(us);
	}
	execution->state->time += us;
	return !error->timed_out;
}

/* Answers a statement of a step of type sql by the stub of the step. */
static bool
answer_statement(SimExecution *execution, SaveRequest *request, SaveError *error)
{
	Run			run;
	StubAnswer	answer;

	locate_statement(execution, request->node_id, &run);
	note_request(execution, &run, request);
	stub_rows(execution, &execution->playbook->steps[run.step], run.item, &answer);
	agenda_add_signals(execution, answer.signals, execution->state->time, NULL);
	if (!pass_time(execution, request, &answer, error))
		return false;
	if (answer.error != NULL)
	{
		error->message = answer.error;
		error->primary = answer.error;
		return false;
	}
	request->returns = true;
	request->returned = answer.result;
	request->rows = JsonContainerSize(answer.result.val.binary.data);
	return true;
}

/* Answers the saves of a task; only a step that does nothing else has a stub for them. */
static bool
answer_saves(SimExecution *execution, List *requests, SaveError *error)
{
	StubAnswer	answer;
	const Step *step;
	ListCell   *lc;
	Run			run;

	locate_save(execution, &run);
	step = &execution->playbook->steps[run.step];
	memset(&answer, 0, sizeof(answer));
	if (step->kind == STEP_SAVE)
		stub_rows(execution, step, -1, &answer);
	foreach(lc, requests)
	{
		SaveRequest *request = (SaveRequest *) lfirst(lc);

		note_request(execution, &run, request);
		request->rows = json_is_array(&request->data) && request->statement == NULL ?
			JsonContainerSize(request->data.val.binary.data) : 1;
		if (answer.has_result && request->wants_rows)
		{
			request->returns = true;
			request->returned = answer.result;
			request->rows = JsonContainerSize(answer.result.val.binary.data);
		}
	}
	error->message = answer.error;
	return answer.error == NULL;
}

/* ValueSource.save: executes nothing, and answers what the stub of the step says. */
bool
statement_save(void *arg, List *requests, struct SaveError *error)
{
	SimExecution *execution = (SimExecution *) arg;
	SaveRequest *first = (SaveRequest *) linitial(requests);

	return first->node_id != NULL ? answer_statement(execution, first, error) :
		answer_saves(execution, requests, error);
}
