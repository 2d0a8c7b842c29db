/*
 * broker/save.c
 *		Saves that the database executes itself, in the transaction that
 *		completes the action.
 *
 *		action_completed ─> save_completed ─> step_completed
 *		                └─> save_failed ──> retry | step_failed
 *
 * This file writes no tables: ValueSource.save executes the requests.
 */
#include "common/common.h"

#include "broker/internal.h"
#include "save/save.h"
#include "broker/save.h"
#include "broker/scope.h"

/*
 * Renders one part of a save; *value is jbvNull when there is none.  False and
 * *error when a template raises.
 */
static bool
render_part(const TemplateDoc *doc, Scope *scope, JsonbValue *value, char **error)
{
	SourceError failure;

	json_null(value);
	if (doc == NULL)
		return true;
	memset(&failure, 0, sizeof(failure));
	if (template_doc_render(doc, &scope->template, value, &failure))
		return true;
	*error = scope_error_text(&failure);
	return false;
}

/* Renders a part of a save that must be text; *text is NULL when there is none. */
static bool
render_text(const TemplateDoc *doc, Scope *scope, const char *what, const char **text,
			char **error)
{
	JsonbValue	value;

	*text = NULL;
	if (!render_part(doc, scope, &value, error))
		return false;
	if (value.type == jbvString && value.val.string.len > 0)
		*text = pnstrdup(value.val.string.val, value.val.string.len);
	else if (value.type != jbvNull && value.type != jbvString)
	{
		*error = psprintf("the %s of a save must be text", what);
		return false;
	}
	return true;
}

/*
 * Finds the mode of a save; a statement needs none.  False and *error for an
 * unknown one.
 */
static bool
find_mode(const SaveSpec *spec, Scope *scope, SaveMode *mode, char **error)
{
	const char *word;

	*mode = spec->statement != NULL ? SAVE_STATEMENT : SAVE_INSERT;
	if (*mode == SAVE_STATEMENT)
		return true;
	if (!render_text(spec->mode, scope, "mode", &word, error))
		return false;
	if (word == NULL || save_mode(word, strlen(word), mode))
		return true;
	*error = psprintf("unknown mode \"%s\" of a save", word);
	return false;
}

/* Renders the statement of a request; its templates see its parameters, too. */
bool
render_statement(const SaveSpec *spec, Scope *scope, SaveRequest *request, char **error)
{
	const JsonbValue *outer = scope_names(scope);
	JsonbValue	names;
	JsonBuilder builder;
	bool		rendered;

	json_begin_object(&builder);
	if (outer != NULL)
		json_add_members(&builder, outer);
	json_add(&builder, "params", &request->data);
	if (json_is_object(&request->data))
		json_add_members(&builder, &request->data);
	json_end_object(&builder, &names);
	scope->names = &names;
	rendered = render_text(spec->statement, scope, "statement", &request->statement, error);
	scope->names = outer;
	return rendered;
}

/*
 * Gives a save that is written beside the type of its step the input of the step,
 * which has what a transition gives, too.  A list of rows has nothing above it.
 */
static void
take_input(const SaveSpec *spec, const Scope *scope, SaveRequest *request)
{
	if (spec->takes_input && !json_is_array(&request->data) && scope->input != NULL &&
		json_is_object(scope->input) && JsonContainerSize(scope->input->val.binary.data) > 0)
		request->data = *scope->input;
}

/* Renders a save into a request.  False and *error when it makes no sense. */
static bool
make_request(const SaveSpec *spec, Scope *scope, SaveRequest *request, char **error)
{
	JsonbValue	key;

	if (!find_mode(spec, scope, &request->mode, error))
		return false;
	if (request->mode == SAVE_STATEMENT)
	{
		if (!render_part(spec->params, scope, &request->data, error))
			return false;
		take_input(spec, scope, request);
		return render_statement(spec, scope, request, error);
	}
	if (!render_text(spec->table, scope, "table", &request->table, error) ||
		!render_part(spec->key, scope, &key, error) ||
		!render_part(spec->data, scope, &request->data, error))
		return false;
	take_input(spec, scope, request);
	request->keys = save_keys(&key);
	return true;
}

/*
 * Emits what became of a save. number: which of several saves it is; -1: it is
 * the only one. error: NULL when it succeeded.
 */
static void
emit_save(BrokerState *state, const Run *run, int64 parent, const SaveRequest *request,
		  int number, const SaveError *error)
{
	const Step *step = &state->playbook->steps[run->step];
	Event	   *event = emit_item(state, error == NULL ? EVENT_SAVE_COMPLETED : EVENT_SAVE_FAILED,
								  step, run->visit, run->item, parent);
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "storage", "postgres");
	json_add_text(&builder, "mode", save_mode_name(request->mode));
	if (request->table != NULL)
		json_add_text(&builder, "table", request->table);
	if (number >= 0)
		json_add_int(&builder, "save", number);
	if (error == NULL)
		json_add_int(&builder, "rows", request->rows);
	else
	{
		event->error = error->message;
		if (error->sqlstate != NULL)
			json_add_text(&builder, "sqlstate", error->sqlstate);
	}
	json_end_object(&builder, &value);
	event->meta = json_to_jsonb(&value);
	if (error == NULL && request->returns)
		event->result = json_to_jsonb(&request->returned);
}

/* Finds what a request saved: the rows that its statement returned, or its data. */
static const JsonbValue *
request_value(const SaveRequest *request)
{
	return request->returns ? &request->returned : &request->data;
}

/* Finds what was saved: the value of a step that does nothing else. */
static void
saved_value(const List *requests, JsonbValue *saved)
{
	JsonBuilder list;
	ListCell   *lc;

	if (list_length(requests) == 1)
	{
		*saved = *request_value((SaveRequest *) linitial(requests));
		return;
	}
	json_begin_array(&list);
	foreach(lc, requests)
		json_push(&list, request_value((SaveRequest *) lfirst(lc)));
	json_end_array(&list, saved);
}

/*
 * Executes the saves of a task in a scope like that of the task's templates,
 * and emits what became of each.  *saved: what was saved.  False and *error
 * when they fail; then nothing is saved.
 */
bool
execute_saves(BrokerState *state, const Run *run, const Step *task, Scope *scope,
			  int64 parent, JsonbValue *saved, const char **error)
{
	List	   *requests = NIL;
	bool		several = task->nsaves > 1;
	SaveError	failure;
	char	   *message = NULL;
	ListCell   *lc;

	memset(&failure, 0, sizeof(failure));
	scope->is_save = true;
	for (int i = 0; i < task->nsaves && message == NULL; i++)
	{
		SaveRequest *request = palloc0(sizeof(SaveRequest));

		failure.number = i;
		request->wants_rows = task->kind == STEP_SAVE;
		request->max_bytes = SETTING(template_max_output);
		(void) make_request(&task->saves[i], scope, request, &message);
		requests = lappend(requests, request);
	}
	failure.message = message;
	if (message != NULL || !state->values.save(state->values.arg, requests, &failure))
	{
		emit_save(state, run, parent, (SaveRequest *) list_nth(requests, failure.number),
				  several ? failure.number : -1, &failure);
		*error = psprintf("save failed: %s", failure.message);
		return false;
	}
	foreach(lc, requests)
		emit_save(state, run, parent, (SaveRequest *) lfirst(lc),
				  several ? foreach_current_index(lc) : -1, NULL);
	saved_value(requests, saved);
	return true;
}

/*
 * Saves what a successful attempt of a run or of an item has done.  *saved: what
 * was saved.  False and *error when the saves fail.
 */
bool
save_attempt(BrokerState *state, Run *run, const AttemptOutcome *outcome, JsonbValue *saved,
			 const char **error)
{
	const Step *step = &state->playbook->steps[run->step];
	const Step *task = run->item >= 0 ? step->iterator->body : step;
	Scope		scope;
	JsonbValue	value;
	JsonbValue	names;
	JsonbValue	outer;
	JsonBuilder builder;

	scope_init(&scope, state, step, run, state->now);
	scope.template.needs = NEEDS_VALUES;
	scope.input = outcome->input;
	scope.members = outcome->input;
	if (step->kind != STEP_SAVE)
	{
		result_value(outcome->envelope, &value);
		scope.result = &value;
		scope.envelope = outcome->envelope;
	}
	if (run->item >= 0)
		see_item(run, &scope, &names, &outer);
	else if (run->item < 0 && strcmp(step->type, "iterator") == 0)
	{
		json_begin_object(&builder);
		add_iterator_names(outcome->envelope, &builder);
		json_end_object(&builder, &names);
		scope.names = &names;
	}
	return execute_saves(state, run, task, &scope, outcome->event->event_id, saved, error);
}

/*
 * Starts an attempt of a step that only saves.  Returns the end of the attempt,
 * which comes at once: end_attempt() does the saving.
 */
AttemptEnd
start_save_step(BrokerState *state, Run *run, const JsonbValue *transition_input)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	SourceError error;
	JsonbValue	input;
	AttemptEnd	end = {NULL, true};
	Event	   *done;

	memset(&error, 0, sizeof(error));
	scope_init(&scope, state, step, run, state->now);
	scope.template.needs = NEEDS_VALUES;
	if (!assemble_input(step, &scope, transition_input, &input, &error))
	{
		fail_start(state, run, FAILURE_TEMPLATE, scope_error_text(&error), transition_input);
		return end;
	}
	begin_own_work(state, run, &input);
	done = palloc0(sizeof(Event));
	done->type = EVENT_ACTION_COMPLETED;
	done->execution_id = state->execution_id;
	done->event_id = run->started_event_id;
	done->created_at = state->time;
	done->item = -1;
	end.event = done;
	return end;
}
