/*
 * broker/wait.c
 *		Steps of type wait: they are done by nobody, and end when time has passed
 *		or a signal has come.
 *
 *		start_wait ──┬─ a kept signal, or a time that has passed ──> complete_step
 *		             └─ RUN_AWAITING, due at the earliest time
 *		receive_signal ──┬─ the oldest wait that accepts it ───────> complete_step
 *		                 └─ kept, in the order of the log
 *		end_wait_by_time ──> complete_step, or fail_step: timed_out
 *
 * The context of the run: {"data": input, "signals": [names], "key": text,
 * "until": time, "timeout": microseconds}, each where there is one.  A signal that
 * names a key is for waits with that key only.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/input.h"
#include "broker/internal.h"

/* Names and keys are indexed: so many bytes at most. */
#define LONGEST_NAME	512

/* What a run waits for, as rendered. */
typedef struct WaitTerms
{
	List	   *names;			/* char *, of signals */
	char	   *key;			/* or NULL */
	int64		span;			/* of time, in microseconds; below 0: none */
	TimestampTz until;			/* 0: none */
	bool		endless;		/* "until" is infinity */
	int64		timeout;		/* in microseconds; 0: none */
} WaitTerms;

/* Signals of a name that this evaluation has taken; they are stored as kept still. */
typedef struct TakenSignals
{
	const char *name;
	int64		all_until;		/* all up to this event */
	List	   *others;			/* int64 *: later ones */
} TakenSignals;

/* ---------------------------------------------------------------------------
 * What a wait waits for
 * ---------------------------------------------------------------------------
 */

/* Adds a name to the terms; false and *error when it cannot be one. */
static bool
add_name(WaitTerms *terms, const JsonbValue *name, char **error)
{
	if (name->type != jbvString || name->val.string.len == 0)
		*error = "signal must be a name or a list of names";
	else if (name->val.string.len > LONGEST_NAME)
		*error = psprintf("the name of a signal must not be longer than %d bytes", LONGEST_NAME);
	else
	{
		terms->names = lappend(terms->names, pnstrdup(name->val.string.val, name->val.string.len));
		return true;
	}
	return false;
}

/* Reads "signal" as rendered: null, a name or a list of names. */
static bool
read_names(const JsonbValue *value, WaitTerms *terms, char **error)
{
	JsonbIterator *it;
	JsonbValue	element;

	if (value->type == jbvNull)
		return true;
	if (!json_is_array(value))
		return add_name(terms, value, error);
	it = json_walk(value);
	while (json_next_element(&it, &element))
		if (!add_name(terms, &element, error))
			return false;
	return true;
}

/* Reads "key" as rendered: null, text, or a number, which counts as its text. */
static bool
read_key(const JsonbValue *value, WaitTerms *terms, char **error)
{
	if (value->type == jbvString)
		terms->key = pnstrdup(value->val.string.val, value->val.string.len);
	else if (value->type == jbvNumeric)
		terms->key = JsonbToCString(NULL, &json_to_jsonb(value)->root, 0);
	else if (value->type != jbvNull)
		*error = "the key of a wait must be text";
	if (terms->key != NULL && strlen(terms->key) > LONGEST_NAME)
		*error = psprintf("the key of a wait must not be longer than %d bytes", LONGEST_NAME);
	return *error == NULL;
}

/* Reads "until" as rendered: null, or the text of a time; infinity is none. */
static bool
read_until(BrokerState *state, const JsonbValue *value, WaitTerms *terms, char **error)
{
	TimestampTz moment;

	if (value->type == jbvNull ||
		(value->type == jbvString && value->val.string.len == 0))
		return true;
	if (value->type != jbvString)
	{
		*error = "until must be the text of a time";
		return false;
	}
	if (!state->values.moment(state->values.arg,
							  pnstrdup(value->val.string.val, value->val.string.len),
							  state->now, &moment, error))
		return false;
	terms->endless = moment == DT_NOEND;
	if (!terms->endless)
		terms->until = moment == 0 ? 1 : moment;
	return true;
}

/* Renders one of the values of a wait; null where the step does not have it. */
static bool
render(const TemplateDoc *doc, const Scope *scope, JsonbValue *value, SourceError *error)
{
	json_null(value);
	return doc == NULL || template_doc_render(doc, &scope->template, value, error);
}

/* Renders what a step waits for.  False and *error when that makes no sense. */
static bool
render_terms(BrokerState *state, const Step *step, const Scope *scope, WaitTerms *terms,
			 SourceError *error)
{
	const WaitSpec *wait = step->wait;
	const TemplateDoc *at = wait->signal;
	JsonbValue	value;
	char	   *message = NULL;

	memset(terms, 0, sizeof(WaitTerms));
	if (!render(wait->signal, scope, &value, error))
		return false;
	if (read_names(&value, terms, &message))
	{
		at = wait->key;
		if (!render(wait->key, scope, &value, error))
			return false;
		(void) read_key(&value, terms, &message);
	}
	if (message == NULL)
	{
		at = wait->span;
		if (!render(wait->span, scope, &value, error))
			return false;
		(void) wait_span_parse(&value, &terms->span, &message);
	}
	if (message == NULL)
	{
		at = wait->until;
		if (!render(wait->until, scope, &value, error))
			return false;
		(void) read_until(state, &value, terms, &message);
	}
	if (message == NULL && terms->names == NIL && terms->span < 0 && terms->until == 0 &&
		!terms->endless)
		message = "there is nothing to wait for: signal, for and until are empty";
	if (message == NULL)
		return timeout_render(step->timeout, &scope->template, &terms->timeout, error);
	error->message = message;
	error->line = at != NULL ? at->line : step->line;
	error->column = at != NULL ? at->column : step->column;
	return false;
}

/* Adds what is known of a wait to an object: its signals, its key, its end. */
static void
describe_terms(const WaitTerms *terms, JsonBuilder *builder)
{
	JsonBuilder list;
	JsonbValue	value;
	ListCell   *lc;

	if (terms->names != NIL)
	{
		json_begin_array(&list);
		foreach(lc, terms->names)
		{
			json_string(&value, (char *) lfirst(lc));
			json_push(&list, &value);
		}
		json_end_array(&list, &value);
		json_add(builder, "signals", &value);
	}
	if (terms->key != NULL)
		json_add_text(builder, "key", terms->key);
	if (terms->until != 0)
		json_add_text(builder, "until", moment_text(terms->until));
}

/* Reads the names and the key that the context of a run has. */
static void
read_terms(const Run *run, WaitTerms *terms)
{
	JsonbValue	context;
	JsonbValue	names;
	char	   *error = NULL;

	memset(terms, 0, sizeof(WaitTerms));
	json_from_jsonb(run->context, &context);
	terms->key = json_get_text(&context, "key");
	if (json_get(&context, "signals", &names))
		(void) read_names(&names, terms, &error);
}

/* ---------------------------------------------------------------------------
 * Signals
 * ---------------------------------------------------------------------------
 */

/* Finds what a signal brings: context.data, else the result of its event, else null. */
static void
signal_data(const Event *signal, JsonbValue *data)
{
	JsonbValue	context;

	if (signal->context != NULL)
	{
		json_from_jsonb(signal->context, &context);
		if (json_get(&context, "data", data))
			return;
	}
	if (signal->result != NULL)
		json_from_jsonb(signal->result, data);
	else
		json_null(data);
}

/* Adds a member that is text, or null. */
static void
add_text(JsonBuilder *builder, const char *key, const char *text)
{
	JsonbValue	null;

	json_null(&null);
	if (text != NULL)
		json_add_text(builder, key, text);
	else
		json_add(builder, key, &null);
}

/* Adds who sent a signal (or NULL), and when. */
static void
add_sender(JsonBuilder *builder, const Event *signal)
{
	add_text(builder, "sent_by", signal == NULL ? NULL : signal->sent_by);
	add_text(builder, "sent_at", signal == NULL ? NULL :
			 moment_text(signal->sent_at != 0 ? signal->sent_at : signal->created_at));
}

/*
 * Returns whether a wait takes a signal of one of its names.  An "accept" that raises
 * does not hold; *error then says why.
 */
static bool
accepts(BrokerState *state, Run *run, const char *key, const JsonbValue *input,
		const Event *signal, char **error)
{
	const Step *step = &state->playbook->steps[run->step];
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	names;
	Scope		scope;
	bool		holds;

	if (signal->signal_key != NULL && (key == NULL || strcmp(signal->signal_key, key) != 0))
		return false;
	if (step->wait->accept == NULL)
		return true;
	json_begin_object(&builder);
	json_add_text(&builder, "name", signal->node_name);
	signal_data(signal, &value);
	json_add(&builder, "data", &value);
	add_sender(&builder, signal);
	add_text(&builder, "key", signal->signal_key);
	json_end_object(&builder, &value);
	json_begin_object(&builder);
	json_add(&builder, "signal", &value);
	json_end_object(&builder, &names);
	scope_init(&scope, state, step, run, state->now);
	scope.names = &names;
	scope.input = input;
	scope.members = input;
	return condition_holds(step->wait->accept, &scope, &holds, error) && holds;
}

/* Returns what this evaluation has taken of the signals of a name. */
static TakenSignals *
taken_of(BrokerState *state, const char *name)
{
	TakenSignals *taken;
	ListCell   *lc;

	foreach(lc, state->taken_signals)
	{
		taken = (TakenSignals *) lfirst(lc);
		if (strcmp(taken->name, name) == 0)
			return taken;
	}
	taken = palloc0(sizeof(TakenSignals));
	taken->name = name;
	state->taken_signals = lappend(state->taken_signals, taken);
	return taken;
}

/* Returns whether a signal is among those that were taken out of their order. */
static bool
is_taken(const TakenSignals *taken, int64 event_id)
{
	ListCell   *lc;

	foreach(lc, taken->others)
		if (*(int64 *) lfirst(lc) == event_id)
			return true;
	return false;
}

/* Returns the next kept signal of a name after an event (0: the first), or NULL. */
static Event *
next_kept(BrokerState *state, const char *name, int64 after)
{
	const TakenSignals *taken = taken_of(state, name);
	Event	   *event = palloc(sizeof(Event));

	after = Max(after, taken->all_until);
	while (state->values.kept_signal(state->values.arg, name, after, event))
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_taken(taken, event->event_id))
			return event;
		after = event->event_id;
	}
	return NULL;
}

/* Takes a kept signal; first: it is the first of its name that was left. */
static void
take_kept(BrokerState *state, Event *signal, bool first)
{
	TakenSignals *taken = taken_of(state, signal->node_name);

	if (first)
		taken->all_until = signal->event_id;
	else
		taken->others = lappend(taken->others, &signal->event_id);
	decision_add(state, DECIDE_TAKE_SIGNAL, NULL)->event = signal;
}

/*
 * Takes the first kept signal, in the order of the log, that a run accepts, and
 * returns it, or NULL.  *error: why "accept" failed for one, or NULL.
 */
static Event *
take_first(BrokerState *state, Run *run, const WaitTerms *terms, const JsonbValue *input,
		   char **error)
{
	int			count = list_length(terms->names);
	Event	  **next = palloc(sizeof(Event *) * (count + 1));
	bool	   *passed = palloc0(sizeof(bool) * (count + 1));

	for (int i = 0; i < count; i++)
		next[i] = next_kept(state, (char *) list_nth(terms->names, i), 0);
	for (;;)
	{
		int			first = -1;

		for (int i = 0; i < count; i++)
			if (next[i] != NULL && (first < 0 || next[i]->event_id < next[first]->event_id))
				first = i;
		if (first < 0)
			return NULL;
		if (accepts(state, run, terms->key, input, next[first], error))
		{
			take_kept(state, next[first], !passed[first]);
			return next[first];
		}
		passed[first] = true;
		next[first] = next_kept(state, next[first]->node_name, next[first]->event_id);
	}
}

/* ---------------------------------------------------------------------------
 * The end of a wait
 * ---------------------------------------------------------------------------
 */

/* Completes a wait, because of a signal or (NULL) because its time has come. */
static void
finish_wait(BrokerState *state, Run *run, const Event *signal, const JsonbValue *input)
{
	Completion	completion;
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	envelope;

	json_null(&value);
	if (signal != NULL)
		signal_data(signal, &value);
	json_begin_object(&builder);
	json_add_text(&builder, "status", "success");
	json_add(&builder, "data", &value);
	add_text(&builder, "signal", signal == NULL ? NULL : signal->node_name);
	add_sender(&builder, signal);
	json_end_object(&builder, &envelope);
	memset(&completion, 0, sizeof(completion));
	completion.type = EVENT_STEP_COMPLETED;
	completion.parent = signal != NULL ? signal->event_id : run->started_event_id;
	completion.envelope = &envelope;
	completion.write_result = true;
	completion.input = input;
	if (signal == NULL)
		completion.ended_by = ENDED_BY_TIME;
	complete_step(state, run, &completion);
}

/* Ends a wait whose time has come: the time it waits for, or its timeout. */
void
end_wait_by_time(BrokerState *state, Run *run)
{
	JsonbValue	context;
	JsonbValue	input;
	const JsonbValue *given = run_input(run, &input) ? &input : NULL;
	char	   *text;
	char	   *error;
	TimestampTz until;
	int64		timeout = 0;

	json_from_jsonb(run->context, &context);
	text = json_get_text(&context, "until");
	(void) json_get_int(&context, "timeout", &timeout);
	if (text != NULL && moment_parse(text, NULL, &until, &error) && until <= run->deadline)
		finish_wait(state, run, NULL, given);
	else
	{
		StepFailure failure = {FAILURE_TIMED_OUT, run->started_event_id, timeout_error(timeout),
		NULL, given, NULL};

		fail_step(state, run, &failure);
	}
}

/* Finds the wait that a signal ends; *error: why "accept" failed for one, or NULL. */
static Run *
find_wait(BrokerState *state, const Event *signal, char **error)
{
	Run		   *found = NULL;
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);
		WaitTerms	terms;
		JsonbValue	input;
		bool		named = false;
		ListCell   *name;

		if (run->state != RUN_AWAITING || run->claimed ||
			(found != NULL && found->started_event_id < run->started_event_id))
			continue;
		read_terms(run, &terms);
		foreach(name, terms.names)
			named = named || strcmp((char *) lfirst(name), signal->node_name) == 0;
		if (named && accepts(state, run, terms.key, run_input(run, &input) ? &input : NULL,
							 signal, error))
			found = run;
	}
	return found;
}

/* Returns the wait that a signal would end, or NULL (broker/broker.h). */
Run *
broker_find_wait(BrokerState *state, const Event *signal)
{
	char	   *error = NULL;

	return find_wait(state, signal, &error);
}

/*
 * Decides on a signal: it ends the oldest wait that takes it, or is kept for one.
 * Returns whether it ends one; a scheduled execution has none.
 */
bool
receive_signal(BrokerState *state, const Event *event)
{
	char	   *error = NULL;
	Run		   *run = find_wait(state, event, &error);
	JsonbValue	input;
	Event	   *signal;

	if (state->playbook->takes_signals && (run == NULL || event->signal_id != NULL))
	{
		Decision   *decision = decision_add(state, DECIDE_KEEP_SIGNAL, NULL);

		signal = palloc(sizeof(Event));
		*signal = *event;
		decision->event = signal;
		decision->taken = run != NULL;
	}
	if (error != NULL)
		decision_add(state, DECIDE_ANNOTATE, NULL)->meta = json_text_object("accept_error", error);
	if (run == NULL)
		return false;
	if (event->ended_wait != NULL)
		*event->ended_wait = true;
	finish_wait(state, run, event, run_input(run, &input) ? &input : NULL);
	return true;
}

/* ---------------------------------------------------------------------------
 * The beginning of a wait
 * ---------------------------------------------------------------------------
 */

/* Emits step_started of a wait, whose meta says what it waits for, and fixes its end. */
static void
announce_wait(BrokerState *state, Run *run, WaitTerms *terms, const JsonbValue *input,
			  const char *accept_error)
{
	Event	   *event = emit_step_started(state, run, input);
	JsonBuilder meta;
	JsonbValue	value;

	if (terms->span >= 0)
		terms->until = terms->until == 0 ? state->time + terms->span :
			Min(terms->until, state->time + terms->span);
	/* the text of a time may mean another one now */
	if (event->recalled != NULL)
		terms->until = event->recalled->until;
	json_begin_object(&meta);
	if (event->meta != NULL)
	{
		json_from_jsonb(event->meta, &value);
		json_add_members(&meta, &value);
	}
	describe_terms(terms, &meta);
	if (accept_error != NULL)
		json_add_text(&meta, "accept_error", accept_error);
	json_end_object(&meta, &value);
	event->meta = json_to_jsonb(&value);
}

/* Keeps a run that waits: it is due at the first of its times. */
static void
keep_wait(BrokerState *state, Run *run, const WaitTerms *terms, const JsonbValue *input)
{
	JsonBuilder context;
	JsonbValue	value;

	json_begin_object(&context);
	json_add(&context, "data", input);
	describe_terms(terms, &context);
	if (terms->timeout > 0)
		json_add_int(&context, "timeout", terms->timeout);
	json_end_object(&context, &value);
	run->context = json_to_jsonb(&value);
	run->state = RUN_AWAITING;
	run->deadline = terms->until;
	if (terms->timeout > 0 &&
		(run->deadline == 0 || state->time + terms->timeout < run->deadline))
		run->deadline = state->time + terms->timeout;
	decision_add(state, DECIDE_KEEP, run);
}

/*
 * Starts a run that waits.  It ends at once with a signal that was kept for it, or
 * when the time that it waits for has passed already.
 */
void
start_wait(BrokerState *state, Run *run, const JsonbValue *transition_input)
{
	const Step *step = &state->playbook->steps[run->step];
	Scope		scope;
	SourceError error;
	JsonbValue	input;
	WaitTerms	terms;
	char	   *accept_error = NULL;
	Event	   *signal;

	memset(&error, 0, sizeof(error));
	scope_init(&scope, state, step, run, state->now);
	scope.template.needs = NEEDS_VALUES;
	if (!assemble_input(step, &scope, transition_input, &input, &error))
	{
		fail_start(state, run, FAILURE_TEMPLATE, scope_error_text(&error), transition_input);
		return;
	}
	scope.input = &input;
	scope.members = &input;
	if (!render_terms(state, step, &scope, &terms, &error))
	{
		fail_start(state, run, FAILURE_TEMPLATE, scope_error_text(&error), &input);
		return;
	}
	signal = take_first(state, run, &terms, &input, &accept_error);
	announce_wait(state, run, &terms, &input, accept_error);
	if (signal != NULL)
		finish_wait(state, run, signal, &input);
	else if (terms.until != 0 && terms.until <= state->time)
		finish_wait(state, run, NULL, &input);
	else
		keep_wait(state, run, &terms, &input);
}
