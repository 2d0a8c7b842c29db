/*
 * replay/compare_event.c
 *		Events that are emitted again, compared with the log.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "replay/internal.h"

/* Notes why replay cannot go on, and reports it; only the first reason counts. */
void
replay_break(Replay *replay, const char *reason, const char *key,
			 const Jsonb *expected, const Jsonb *found)
{
	if (replay->broken != NULL)
		return;
	replay->broken = reason;
	comparison_report(replay->comparison, "event", key, expected, found);
}

/* Reports that the log lacks an emitted event. */
void
replay_event_missing(Replay *replay, const Event *event)
{
	int64		cause = replay->places[replay->here].event_id;
	MemoryContext old = MemoryContextSwitchTo(replay->model->memory);
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "event_type", event->event_type);
	json_add_text(&builder, "node_id", event->node_id);
	json_add_int(&builder, "parent_event_id", event->parent_event_id);
	json_end_object(&builder, &value);
	replay_break(replay,
				 psprintf("Event " INT64_FORMAT " leads to %s of %s, which the log does not have.",
						  cause, event->event_type, event->node_id),
				 psprintf("after " INT64_FORMAT, cause),
				 json_to_jsonb(&value), NULL);
	MemoryContextSwitchTo(old);
}

/* Returns the object {key: member}; NULL becomes null. */
static Jsonb *
make_member(const char *key, const Jsonb *member)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_null(&value);
	if (member != NULL)
		json_from_jsonb(member, &value);
	json_begin_object(&builder);
	json_add(&builder, key, &value);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Reports an event that the log does not mark as ignored, but should. */
void
replay_event_vain(Replay *replay, const Event *event, const char *reason)
{
	MemoryContext old = MemoryContextSwitchTo(replay->model->memory);

	replay_break(replay,
				 psprintf("Event " INT64_FORMAT " (%s of %s) should have been without effect: %s.",
						  event->event_id, event->event_type,
						  event->node_name == NULL ? "the execution" : event->node_name,
						  reason),
				 psprintf(INT64_FORMAT, event->event_id),
				 make_member("meta", json_text_object("ignored", reason)),
				 make_member("meta", event->meta));
	MemoryContextSwitchTo(old);
}

/* ---------------------------------------------------------------------------
 * Column by column
 * ---------------------------------------------------------------------------
 */

/* The columns that differ, as two objects. */
typedef struct EventDifference
{
	JsonBuilder expected;
	JsonBuilder found;
	bool		any;
} EventDifference;

/* Adds a column that differs to both objects; NULL becomes null. */
static void
differ(EventDifference *difference, const char *column, const JsonbValue *expected,
	   const JsonbValue *found)
{
	JsonbValue	null;

	json_null(&null);
	difference->any = true;
	json_add(&difference->expected, column, expected != NULL ? expected : &null);
	json_add(&difference->found, column, found != NULL ? found : &null);
}

/* Returns whether two scalars of one type are equal. */
static bool
equals_scalar(const JsonbValue *left, const JsonbValue *right)
{
	switch (left->type)
	{
		case jbvString:
			return left->val.string.len == right->val.string.len &&
				memcmp(left->val.string.val, right->val.string.val, left->val.string.len) == 0;
		case jbvNumeric:
			return DatumGetBool(DirectFunctionCall2(numeric_eq,
													NumericGetDatum(left->val.numeric),
													NumericGetDatum(right->val.numeric)));
		case jbvBool:
			return left->val.boolean == right->val.boolean;
		default:
			return left->type == jbvNull;
	}
}

/*
 * Returns whether two values differ in nothing but ids that are text in one and
 * numbers in the other: logs that version 0.1.0 wrote have numbers.
 */
static bool
same_but_for_ids(const Jsonb *expected, const Jsonb *found)
{
	JsonbIterator *left = JsonbIteratorInit((JsonbContainer *) &expected->root);
	JsonbIterator *right = JsonbIteratorInit((JsonbContainer *) &found->root);
	JsonbValue	text;
	JsonbValue	number;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&left, &text, false)) != WJB_DONE)
	{
		char	   *digits;

		CHECK_FOR_INTERRUPTS();
		if (JsonbIteratorNext(&right, &number, false) != token)
			return false;
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		if (text.type == number.type && equals_scalar(&text, &number))
			continue;
		if (text.type != jbvString || number.type != jbvNumeric)
			return false;
		digits = DatumGetCString(DirectFunctionCall1(numeric_out,
													 NumericGetDatum(number.val.numeric)));
		if (strlen(digits) != text.val.string.len ||
			memcmp(digits, text.val.string.val, text.val.string.len) != 0)
			return false;
	}
	return true;
}

/* Compares a text column. */
static void
compare_text(EventDifference *difference, const char *column, const char *expected,
			 const char *found)
{
	JsonbValue	left;
	JsonbValue	right;

	if (expected == NULL ? found == NULL :
		found != NULL && strcmp(expected, found) == 0)
		return;
	if (expected != NULL)
		json_string(&left, expected);
	if (found != NULL)
		json_string(&right, found);
	differ(difference, column, expected != NULL ? &left : NULL, found != NULL ? &right : NULL);
}

/* Compares a number column; the number "none" stands for NULL. */
static void
compare_number(EventDifference *difference, const char *column, int64 expected, int64 found,
			   int64 none)
{
	JsonbValue	left;
	JsonbValue	right;

	if (expected == found)
		return;
	json_int(&left, expected);
	json_int(&right, found);
	differ(difference, column, expected != none ? &left : NULL, found != none ? &right : NULL);
}

/* Returns whether an object (NULL: none) has a member. */
static bool
has_member(Jsonb *object, const char *name)
{
	JsonbValue	value;
	JsonbValue	member;

	if (object == NULL)
		return false;
	json_from_jsonb(object, &value);
	return json_get(&value, name, &member);
}

/* Returns an object without a member; NULL: it has no other. */
static Jsonb *
without_member(Jsonb *object, const char *name)
{
	JsonbIterator *it;
	JsonbValue	value;
	JsonbValue	key;
	JsonBuilder builder;

	json_from_jsonb(object, &value);
	it = json_walk(&value);
	json_begin_object(&builder);
	while (json_next_member(&it, &key, &value))
		if (!word_is(key.val.string.val, key.val.string.len, name))
			json_add_n(&builder, key.val.string.val, key.val.string.len, &value);
	json_end_object(&builder, &value);
	return JsonContainerSize(value.val.binary.data) == 0 ? NULL : json_to_jsonb(&value);
}

/* Compares a jsonb column. */
static void
compare_jsonb(EventDifference *difference, const char *column, Jsonb *expected, Jsonb *found)
{
	JsonbValue	left;
	JsonbValue	right;

	if (expected == NULL ? found == NULL :
		found != NULL && (compareJsonbContainers(&expected->root, &found->root) == 0 ||
						  same_but_for_ids(expected, found)))
		return;
	if (expected != NULL)
		json_from_jsonb(expected, &left);
	if (found != NULL)
		json_from_jsonb(found, &right);
	differ(difference, column, expected != NULL ? &left : NULL, found != NULL ? &right : NULL);
}

/*
 * Compares the meta of two events.  That of the step_started of an end has no "input" in logs
 * that version 0.1.0 wrote.
 */
static void
compare_meta(EventDifference *difference, const Event *emitted, const Event *logged)
{
	Jsonb	   *expected = emitted->meta;

	if (emitted->type == EVENT_STEP_STARTED && has_member(expected, "input") &&
		!has_member(logged->meta, "input"))
		expected = without_member(expected, "input");
	compare_jsonb(difference, "meta", expected, logged->meta);
}

/* Compares an emitted event with the recalled one, column by column. */
void
replay_compare_event(Replay *replay, const Event *emitted)
{
	const Event *logged = emitted->recalled;
	EventDifference difference;
	JsonbValue	expected;
	JsonbValue	found;

	difference.any = false;
	json_begin_object(&difference.expected);
	json_begin_object(&difference.found);
	compare_number(&difference, "parent_execution_id", emitted->parent_execution_id,
				   logged->parent_execution_id, 0);
	compare_number(&difference, "catalog_id", emitted->catalog_id, logged->catalog_id, 0);
	compare_text(&difference, "node_name", emitted->node_name, logged->node_name);
	compare_text(&difference, "node_type", emitted->node_type, logged->node_type);
	compare_text(&difference, "status", emitted->status, logged->status);
	compare_jsonb(&difference, "context", emitted->context, logged->context);
	compare_jsonb(&difference, "result", emitted->result, logged->result);
	compare_meta(&difference, emitted, logged);
	compare_text(&difference, "error", emitted->error, logged->error);
	compare_number(&difference, "current_index",
				   emitted->has_index ? emitted->current_index : -1,
				   logged->has_index ? logged->current_index : -1, -1);
	json_end_object(&difference.expected, &expected);
	json_end_object(&difference.found, &found);
	if (difference.any)
		comparison_report(replay->comparison, "event",
						  psprintf(INT64_FORMAT, logged->event_id),
						  json_to_jsonb(&expected), json_to_jsonb(&found));
}
