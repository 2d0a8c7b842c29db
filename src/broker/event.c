/*
 * broker/event.c
 *		What the node_id, the context and the meta of an event say.
 */
#include "common/common.h"

#include <limits.h>

#include "utils/memutils.h"

#include "broker/event.h"
#include "broker/node_id.h"
#include "playbook/playbook.h"

/* {"attempt": 1}, the meta of most events about a task; NULL: it has not been built. */
static Jsonb *first_attempt = NULL;

/* Fills in the visit and the item that an event is about. */
static void
parse_node(Event *event)
{
	node_id_parse(event->node_id, event->execution_id, event->node_name, &event->visit,
				  &event->item);
	event->item_in_node_id = event->item >= 0;
	if (event->item < 0 && event->has_index && event->current_index >= 0)
		event->item = event->current_index;
}

/* Returns the terms of an event, empty ones if it has none yet. */
StartTerms *
event_terms(Event *event)
{
	if (event->terms == NULL)
		event->terms = palloc0(sizeof(StartTerms));
	return event->terms;
}

/* Fills in what the context of an execution_start asks for. */
static void
parse_terms(Event *event, const JsonbValue *context)
{
	JsonbValue	labels;
	char	   *key = json_get_text(context, "key");
	int64		priority;

	if (json_get(context, "labels", &labels) && json_is_object(&labels) &&
		JsonContainerSize(labels.val.binary.data) > 0)
		event_terms(event)->labels = json_to_jsonb(&labels);
	if (key != NULL)
		event_terms(event)->key = key;
	if (json_get_int(context, "priority", &priority))
		event_terms(event)->priority =
			(int) Max(Min(priority, HIGHEST_PRIORITY), -HIGHEST_PRIORITY);
}

/* Fills in what the broker has noted of the terms of a start. */
static void
parse_noted_terms(Event *event, const JsonbValue *meta)
{
	char	   *run_at = json_get_text(meta, "run_at");
	char	   *schedule = json_get_text(meta, "schedule");
	int64		priority;

	if (run_at != NULL)
		event_terms(event)->run_at = time_from_text(run_at);
	if (schedule != NULL)
		event_terms(event)->schedule = schedule;
	if (json_get_int(meta, "priority", &priority))
		event_terms(event)->priority =
			(int) Max(Min(priority, HIGHEST_PRIORITY), -HIGHEST_PRIORITY);
}

/*
 * Fills in what the context of an event says: the child execution that it has
 * started, what the execution that it starts is like, or what a signal says.
 */
static void
parse_context(Event *event)
{
	JsonbValue	context;

	if (event->context == NULL)
		return;
	json_from_jsonb(event->context, &context);
	if (event->type == EVENT_EXECUTION_START)
		parse_terms(event, &context);
	else if (event->type == EVENT_SIGNAL)
	{
		event->signal_id = json_get_text(&context, "id");
		event->signal_key = json_get_text(&context, "key");
	}
	else
		(void) json_get_int(&context, "child_execution_id", &event->started_child);
}

/* Returns a counter of the progress of an iterator; 0: there is none. */
static int
counter(const JsonbValue *meta, const char *key)
{
	int64		number;

	return json_get_int(meta, key, &number) ? (int) number : 0;
}

/*
 * Fills in how far the iterator has come when an item ends.  Only the broker
 * writes both the total and the number of ended items.
 */
static void
parse_progress(const JsonbValue *meta, IterationProgress *progress)
{
	int64		number;

	if (!json_get_int(meta, "total", &number) || !json_get_int(meta, "done", &number))
		return;
	progress->found = true;
	progress->done = (int) number;
	progress->started = counter(meta, "started");
	progress->failed = counter(meta, "failed");
}

/* Fills in what became of a save; a worker's saves name no storage. */
static void
parse_save(const JsonbValue *meta, SaveOutcome *save)
{
	JsonbValue	storage;
	int64		number;

	if (!json_get(meta, "storage", &storage))
		return;
	save->found = true;
	if (json_get_int(meta, "save", &number))
		save->number = (int) Min(Max(number, 0), INT_MAX);
	(void) json_get_int(meta, "rows", &save->rows);
	save->sqlstate = json_get_text(meta, "sqlstate");
}

/* Returns whether a member of meta is there and true. */
static bool
flag(const JsonbValue *meta, const char *key)
{
	JsonbValue	value;

	return json_get(meta, key, &value) && value.type == jbvBool && value.val.boolean;
}

/* Returns the settings that the meta of an execution_start records; NULL: none. */
static const Settings *
parse_settings(const JsonbValue *meta)
{
	JsonbValue	object;
	Settings   *settings;

	if (!json_get(meta, "settings", &object) || !json_is_object(&object))
		return NULL;
	settings = palloc(sizeof(Settings));
	*settings = settings_read(&object);
	return settings;
}

/* Returns a moment that the broker has written into meta; 0: there is none. */
static TimestampTz
moment(const JsonbValue *meta, const char *key)
{
	char	   *text = json_get_text(meta, key);
	TimestampTz when;
	char	   *error;

	return text != NULL && moment_parse(text, NULL, &when, &error) ? when : 0;
}

/* Fills in what the meta of an event says; some members belong to few types. */
static void
parse_meta(Event *event)
{
	JsonbValue	meta;
	JsonbValue	value;
	int64		attempt;
	int64		number;

	if (event->meta == NULL)
		return;
	if (event->meta == first_attempt && event->type == EVENT_ACTION_COMPLETED)
	{
		event->attempt = 1;
		return;
	}
	json_from_jsonb(event->meta, &meta);
	event->ignored = json_get(&meta, "ignored", &value);
	if (json_get_int(&meta, "attempt", &attempt) && attempt > 0 && attempt <= INT_MAX)
		event->attempt = (int) attempt;
	if (flag(&meta, REAPED_LEASE))
		event->reaped = REAPED_LEASE;
	else if (flag(&meta, REAPED_TIMEOUT))
		event->reaped = REAPED_TIMEOUT;
	else if (flag(&meta, REAPED_QUEUE))
		event->reaped = REAPED_QUEUE;
	if (event->reaped != NULL && json_get_int(&meta, "max_lost", &number))
		event->max_lost = (int) Min(Max(number, 0), INT_MAX);
	(void) json_get_int(&meta, "child_execution_id", &event->ended_child);
	if (event->type == EVENT_EXECUTION_REDRIVEN || event_type_is_terminal(event->type))
		event->drive = counter(&meta, "drive");
	switch (event->type)
	{
		case EVENT_ACTION_RETRY:
			if (json_get(&meta, "delay", &value))
				(void) json_number(&value, &event->delay);
			break;
		case EVENT_STEP_STARTED:
			event->until = moment(&meta, "until");
			break;
		case EVENT_STEP_COMPLETED:
			event->ended_by = json_get_text(&meta, "ended_by");
			break;
		case EVENT_SIGNAL:
			event->sent_by = json_get_text(&meta, "sent_by");
			event->sent_at = moment(&meta, "sent_at");
			break;
		case EVENT_STEP_FAILED:
		case EVENT_STEP_HELD:
			event->failure = json_get_text(&meta, "kind");
			break;
		case EVENT_ITERATION_COMPLETED:
		case EVENT_ITERATION_FAILED:
			parse_progress(&meta, &event->progress);
			break;
		case EVENT_SAVE_COMPLETED:
		case EVENT_SAVE_FAILED:
			parse_save(&meta, &event->save);
			break;
		case EVENT_EXECUTION_START:
			event->started_by = json_get_text(&meta, "started_by");
			(void) json_get_int(&meta, "started_by_oid", &event->started_by_oid);
			(void) json_get_int(&meta, "timeout", &event->timeout);
			event->refused = json_get_text(&meta, "refused");
			event->settings = parse_settings(&meta);
			event->forked = json_get(&meta, "forked", &value);
			parse_noted_terms(event, &meta);
			break;
		case EVENT_EXECUTION_RESCHEDULED:
			parse_noted_terms(event, &meta);
			break;
		default:
			break;
	}
}

/*
 * Fills in what node_id, current_index, context and meta of an event say.  A
 * worker that has started an execution for its step tells so by an
 * iteration_started that names the execution.
 */
void
event_parse(Event *event)
{
	parse_node(event);
	parse_context(event);
	parse_meta(event);
	if (event->type == EVENT_ITERATION_STARTED && event->started_child != 0)
		event->type = EVENT_CHILD_SPAWNED;
}

/* Gives an event a node_id, and fills in what that says. */
void
event_set_node_id(Event *event, const char *node_id)
{
	event->node_id = node_id;
	parse_node(event);
}

/*
 * Returns the meta of an event about an attempt (0: about none), which parse_meta()
 * reads: {attempt, <reaped>: true, kind}.  reaped: REAPED_…, or NULL.
 */
Jsonb *
event_attempt_meta(int attempt, const char *reaped)
{
	JsonBuilder builder;
	JsonbValue	value;

	/* mostly it is {"attempt": 1}, which is built once */
	if (attempt == 1 && reaped == NULL && first_attempt != NULL)
		return first_attempt;
	json_begin_object(&builder);
	if (attempt > 0)
		json_add_int(&builder, "attempt", attempt);
	if (reaped != NULL)
	{
		json_add_bool(&builder, reaped, true);
		json_add_text(&builder, "kind", reaped);
	}
	json_end_object(&builder, &value);
	if (attempt == 1 && reaped == NULL)
	{
		Jsonb	   *built = json_to_jsonb(&value);

		first_attempt = MemoryContextAlloc(TopMemoryContext, VARSIZE(built));
		memcpy(first_attempt, built, VARSIZE(built));
		return first_attempt;
	}
	return json_to_jsonb(&value);
}

/* Returns whether the reaper wrote an event, for this reason (REAPED_…). */
bool
event_is_reaped(const Event *event, const char *reason)
{
	return event->reaped != NULL && strcmp(event->reaped, reason) == 0;
}

/*
 * Returns whether the result of an event, if it has one, is the value of its
 * step: the event counts and is not about an item.
 */
bool
event_sets_value(const Event *event)
{
	return event_type_carries_value(event->type) && !event->ignored &&
		!event->item_in_node_id;
}
