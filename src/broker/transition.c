/*
 * broker/transition.c
 *		Which "next" entries of a completed step are taken.
 *
 * Every entry leaves a record, so that the log explains itself:
 *
 *		[{"when": "{{ x }}", "to": ["a"], "outcome": "taken"},
 *		 {"when": "{{ y }}", "to": ["b"], "outcome": "error", "error": "…"},
 *		 {"else": true,      "to": ["c"], "outcome": "false"}]
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/broker.h"
#include "broker/input.h"
#include "broker/transition.h"

typedef enum EntryOutcome
{
	ENTRY_UNTRIED,				/* exclusive: an earlier entry matched */
	ENTRY_TAKEN,
	ENTRY_ELSE,					/* its own "else" was taken */
	ENTRY_FALSE,
	ENTRY_ERROR
} EntryOutcome;

typedef struct EntryResult
{
	EntryOutcome outcome;
	char	   *error;
} EntryResult;

static const char *const outcome_names[] = {
	"untried", "taken", "else", "false", "error"
};

/*
 * Returns whether a list of departures leads to a step already: the first
 * mention of a target wins.
 */
static bool
already_taken(const List *departures, int step)
{
	ListCell   *lc;

	foreach(lc, departures)
		if (((Departure *) lfirst(lc))->step == step)
			return true;
	return false;
}

/* Returns whether what a step does is done without a worker. */
static bool
has_no_worker(const Step *step)
{
	if (step->kind == STEP_ITERATOR)
		step = step->iterator->body;
	return step->kind == STEP_PLAYBOOK || step->kind == STEP_SQL ||
		step->kind == STEP_SAVE || step->kind == STEP_WAIT;
}

/*
 * Renders the input of a target; strings that only the worker can render stay as
 * written, as in a step, if there is a worker.
 */
static bool
render_input(const Target *target, Scope *scope, JsonbValue *input,
			 SourceError *error)
{
	bool		rendered;

	scope->template.needs = target->step >= 0 &&
		has_no_worker(&scope->state->playbook->steps[target->step]) ? NEEDS_VALUES : NEEDS_NAMES;
	rendered = input_render(&target->input, scope, NULL, NULL, input, error);
	scope->template.needs = NEEDS_NOTHING;
	return rendered;
}

/*
 * Takes the targets of an entry.  Their input is rendered here, where the
 * completed step's result is in scope; if that raises, none is taken: false
 * and *error.
 */
static bool
take(const Target *targets, int ntargets, Scope *scope,
	 TransitionOutcome *outcome, char **error)
{
	List	   *departures = NIL;

	for (int i = 0; i < ntargets; i++)
	{
		Departure  *departure;
		SourceError failure;

		if (already_taken(outcome->departures, targets[i].step) ||
			already_taken(departures, targets[i].step))
			continue;
		departure = palloc0(sizeof(Departure));
		departure->step = targets[i].step;
		departure->has_data = targets[i].input.count > 0;
		memset(&failure, 0, sizeof(failure));
		if (departure->has_data &&
			!render_input(&targets[i], scope, &departure->data, &failure))
		{
			*error = scope_error_text(&failure);
			return false;
		}
		departures = lappend(departures, departure);
	}
	outcome->departures = list_concat(outcome->departures, departures);
	return true;
}

/*
 * Evaluates one entry that is not a list-level "else" and takes its targets.
 * A condition that raises counts as false.
 */
static void
try_entry(const Transition *entry, Scope *scope, TransitionOutcome *outcome,
		  EntryResult *result)
{
	bool		holds = true;
	const Target *targets = entry->targets;
	int			ntargets = entry->ntargets;

	result->outcome = ENTRY_TAKEN;
	if (entry->when != NULL &&
		!condition_holds(entry->when, scope, &holds, &result->error))
	{
		result->outcome = ENTRY_ERROR;
		holds = false;
	}
	if (!holds)
	{
		if (result->outcome == ENTRY_TAKEN)
			result->outcome = ENTRY_FALSE;
		if (!entry->has_else)
			return;
		result->outcome = ENTRY_ELSE;
		targets = entry->else_targets;
		ntargets = entry->nelse;
	}
	if (take(targets, ntargets, scope, outcome, &result->error))
		outcome->taken = true;
	else
		result->outcome = ENTRY_ERROR;
}

/*
 * Adds to a record the names of the steps that an entry leads to, or would
 * have led to.
 */
static void
add_targets(JsonBuilder *record, const Transition *entry, EntryOutcome outcome,
			const Playbook *playbook)
{
	JsonBuilder names;
	JsonbValue	value;
	const Target *targets = outcome == ENTRY_ELSE ? entry->else_targets : entry->targets;
	int			ntargets = outcome == ENTRY_ELSE ? entry->nelse : entry->ntargets;

	json_begin_array(&names);
	for (int i = 0; i < ntargets; i++)
	{
		JsonbValue	name;

		json_string(&name, playbook->steps[targets[i].step].name);
		json_push(&names, &name);
	}
	json_end_array(&names, &value);
	json_add(record, "to", &value);
}

/* Builds meta.transitions, a record of every entry; the head of this file has an example. */
static void
build_record(const TransitionList *list, const EntryResult *results,
			 const Playbook *playbook, JsonbValue *meta)
{
	JsonBuilder records;

	json_begin_array(&records);
	for (int i = 0; i < list->count; i++)
	{
		const Transition *entry = &list->entries[i];
		JsonBuilder record;
		JsonbValue	value;

		json_begin_object(&record);
		if (entry->is_else)
			json_add_bool(&record, "else", true);
		else if (entry->when != NULL)
			json_add_text(&record, "when", entry->when->source);
		add_targets(&record, entry, results[i].outcome, playbook);
		json_add_text(&record, "outcome", outcome_names[results[i].outcome]);
		if (results[i].error != NULL)
			json_add_text(&record, "error", results[i].error);
		json_end_object(&record, &value);
		json_push(&records, &value);
	}
	json_end_array(&records, meta);
}

/* Returns whether a list has only one entry, which has no condition. */
static bool
is_constant(const TransitionList *list)
{
	return list->count == 1 && list->entries[0].when == NULL && !list->entries[0].is_else;
}

/* Returns {"transitions": …} of such a list whose entry is taken; it stays with the playbook. */
static Jsonb *
constant_record(TransitionList *list, const Playbook *playbook)
{
	EntryResult taken = {ENTRY_TAKEN, NULL};
	JsonBuilder builder;
	JsonbValue	value;
	Jsonb	   *record;

	if (list->record != NULL)
		return list->record;
	json_begin_object(&builder);
	build_record(list, &taken, playbook, &value);
	json_add(&builder, "transitions", &value);
	json_end_object(&builder, &value);
	record = json_to_jsonb(&value);
	list->record = MemoryContextAlloc(playbook->context, VARSIZE(record));
	memcpy(list->record, record, VARSIZE(record));
	return list->record;
}

/* Builds the records that are always the same (broker/broker.h). */
void
broker_prepare(Playbook *playbook)
{
	for (int i = 0; i < playbook->nsteps; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_constant(&playbook->steps[i].next))
			(void) constant_record(&playbook->steps[i].next, playbook);
	}
}

/* Records what became of every entry. */
static void
record_outcome(const TransitionList *list, const EntryResult *results,
			   const Playbook *playbook, TransitionOutcome *outcome)
{
	JsonbValue	record;

	outcome->recorded = list->count > 0;
	if (!is_constant(list) || results[0].outcome != ENTRY_TAKEN)
	{
		build_record(list, results, playbook, &outcome->meta);
		return;
	}
	outcome->record = constant_record(unconstify(TransitionList *, list), playbook);
	json_from_jsonb(outcome->record, &record);
	(void) json_get(&record, "transitions", &outcome->meta);
}

/*
 * Decides which entries of a list are taken, and records what became of each.
 * Entries "else" are taken if no condition held; a list that is exclusive ends
 * with its first match.
 */
void
transitions_evaluate(const TransitionList *list, Scope *scope,
					 TransitionOutcome *outcome)
{
	EntryResult *results = palloc0(sizeof(EntryResult) * Max(list->count, 1));
	bool		matched = false;
	bool		when_held = false;

	memset(outcome, 0, sizeof(TransitionOutcome));
	for (int i = 0; i < list->count; i++)
	{
		const Transition *entry = &list->entries[i];

		if (entry->is_else || (list->exclusive && matched))
			continue;
		try_entry(entry, scope, outcome, &results[i]);
		if (results[i].outcome == ENTRY_TAKEN || results[i].outcome == ENTRY_ELSE)
			matched = true;
		if (results[i].outcome == ENTRY_TAKEN && entry->when != NULL)
			when_held = true;
	}
	for (int i = 0; i < list->count; i++)
	{
		if (!list->entries[i].is_else)
			continue;
		if (when_held || (list->exclusive && matched))
			results[i].outcome = ENTRY_FALSE;
		else
		{
			try_entry(&list->entries[i], scope, outcome, &results[i]);
			matched = true;
		}
	}
	for (int i = 0; i < list->count && outcome->error == NULL; i++)
		outcome->error = results[i].error;
	record_outcome(list, results, scope->state->playbook, outcome);
}
