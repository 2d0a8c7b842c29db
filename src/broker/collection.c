/*
 * broker/collection.c
 *		Which items an iterator has, and the names inside one of them.
 *
 *		collection ─> list ─> where ─> order_by ─> limit ─> chunk ─> items
 *
 * This file reads no tables.  The memory that templates use is freed after each
 * item, so that a collection needs little more memory than its list of items.
 */
#include "common/common.h"

#include <limits.h>
#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "broker/collection.h"
#include "broker/condition.h"
#include "broker/scope.h"
#include "jinja/jinja.h"

#define SHOWN_TEXT	40			/* bytes of a collection that is no list */

/* ---------------------------------------------------------------------------
 * Names
 * ---------------------------------------------------------------------------
 */

/*
 * Builds {index, current_index, item, count}.  Under the name of the step, old
 * playbooks call the second member "result_index".
 */
static void
build_position(const ItemScope *scope, const char *index_name, JsonbValue *position)
{
	JsonBuilder builder;

	json_begin_object(&builder);
	json_add_int(&builder, "index", scope->index);
	json_add_int(&builder, index_name, scope->index);
	json_add(&builder, "item", scope->item);
	json_add_int(&builder, "count", scope->count);
	json_end_object(&builder, position);
}

/*
 * Builds the object of the names inside an item.  Of equal names that of the
 * element wins, then those of every iterator.
 */
void
iterator_item_names(const ItemScope *scope, JsonbValue *names)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	if (scope->step != NULL)
	{
		build_position(scope, "result_index", &value);
		json_add(&builder, scope->step, &value);
	}
	if (scope->chunked)
		json_add(&builder, "batch", scope->item);
	json_null(&value);
	json_add(&builder, "parent", scope->parent != NULL ? scope->parent : &value);
	json_add_int(&builder, "index", scope->index);
	build_position(scope, "current_index", &value);
	json_add(&builder, "_loop", &value);
	json_add(&builder, scope->element, scope->item);
	json_end_object(&builder, names);
}

/* Returns whether a name is one of every item, or of the step (broker/collection.h). */
bool
iterator_has_name(const ItemScope *scope, const char *name, int length)
{
	return name_is(name, length, "_loop") || name_is(name, length, "index") ||
		name_is(name, length, "parent") ||
		(scope->chunked && name_is(name, length, "batch")) ||
		(scope->step != NULL && name_is(name, length, scope->step));
}

/*
 * Finds the value of a name: the names of the item, then its members where
 * they are names, then the names of the outer scope.
 */
static TemplateBinding
item_lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	ItemScope  *scope = (ItemScope *) arg;
	MemoryContext old;
	TemplateBinding binding;
	JsonbValue	names;

	if (name_is(name, length, scope->element))
	{
		*value = *scope->item;
		return TEMPLATE_VALUE;
	}
	if (iterator_has_name(scope, name, length))
	{
		iterator_item_names(scope, &names);
		(void) json_get_n(&names, name, length, value);
		return TEMPLATE_VALUE;
	}
	if (scope->members && json_get_n(scope->item, name, length, value))
		return TEMPLATE_VALUE;
	old = MemoryContextSwitchTo(scope->memory);
	binding = scope->outer->lookup(scope->outer->arg, name, length, value);
	MemoryContextSwitchTo(old);
	return binding;
}

/*
 * Finds the envelope of a name.  Only steps have envelopes, and names of the
 * item hide those of steps.
 */
static TemplateBinding
item_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	ItemScope  *scope = (ItemScope *) arg;
	MemoryContext old;
	TemplateBinding binding;

	if (scope->outer->envelope == NULL || name_is(name, length, scope->element) ||
		iterator_has_name(scope, name, length))
		return TEMPLATE_UNDEFINED;
	old = MemoryContextSwitchTo(scope->memory);
	binding = scope->outer->envelope(scope->outer->arg, name, length, value);
	MemoryContextSwitchTo(old);
	return binding;
}

/* TemplateScope.left: items are data. */
static TemplateLeft
item_left(void *arg, const char *name, int length, const char *member, int member_length)
{
	ItemScope  *scope = (ItemScope *) arg;
	MemoryContext old;
	TemplateLeft left;

	if (name_is(name, length, scope->element) || iterator_has_name(scope, name, length))
		return LEFT_NOTHING;
	old = MemoryContextSwitchTo(scope->memory);
	left = scope->outer->left(scope->outer->arg, name, length, member, member_length);
	MemoryContextSwitchTo(old);
	return left;
}

/*
 * Fills in the template scope of an item; the caller has filled in the rest.  What the
 * outer scope reads for it lives in CurrentMemoryContext: it keeps that for later.
 */
void
iterator_item_scope(ItemScope *scope)
{
	scope->memory = CurrentMemoryContext;
	scope->template = *scope->outer;
	scope->template.left = scope->outer->left != NULL ? item_left : NULL;
	scope->template.lookup = item_lookup;
	scope->template.envelope = item_envelope;
	scope->template.arg = scope;
}

/* ---------------------------------------------------------------------------
 * Collection
 * ---------------------------------------------------------------------------
 */

/* Returns what a value is, in words, for a message that a list was expected. */
static char *
describe(const JsonbValue *value)
{
	Datum		number;

	switch (value->type)
	{
		case jbvBool:
			return value->val.boolean ? "true" : "false";
		case jbvNumeric:
			number = NumericGetDatum(value->val.numeric);
			return psprintf("the number %s",
							DatumGetCString(DirectFunctionCall1(numeric_out, number)));
		case jbvString:
			{
				int			shown = Min(value->val.string.len, SHOWN_TEXT);

				shown = pg_mbcliplen(value->val.string.val,
									 value->val.string.len, shown);
				return psprintf("the text \"%.*s%s\"", shown,
								value->val.string.val,
								shown < value->val.string.len ? "..." : "");
			}
		default:
			return json_is_array(value) ? "a list" : "a map without a list";
	}
}

/* Returns whether a text is empty but for white space. */
static bool
is_blank(const JsonbValue *text)
{
	for (int i = 0; i < text->val.string.len; i++)
		if (strchr(" \t\r\n", text->val.string.val[i]) == NULL)
			return false;
	return true;
}

static bool find_list(const JsonbValue *value, const char *element,
					  JsonbValue *list, bool *empty);

/*
 * Finds the list in a map: under a key that usually holds it, or as the only
 * value.
 */
static bool
find_list_in_map(const JsonbValue *map, const char *element, JsonbValue *list,
				 bool *empty)
{
	const char *keys[] = {
		element, psprintf("%ss", element), "items", "values", "collection"
	};
	JsonbValue	member;
	JsonbIterator *it;

	for (int i = 0; i < lengthof(keys); i++)
		if (json_get(map, keys[i], &member) &&
			find_list(&member, element, list, empty))
			return true;
	if (JsonContainerSize(map->val.binary.data) != 1)
		return false;
	it = JsonbIteratorInit(map->val.binary.data);
	(void) JsonbIteratorNext(&it, &member, true);	/* the map */
	(void) JsonbIteratorNext(&it, &member, true);	/* the key */
	(void) JsonbIteratorNext(&it, &member, true);	/* the value */
	return find_list(&member, element, list, empty);
}

/*
 * Finds the list that a value is, spells or holds; false: there is none.
 * *empty: the value is null or blank and counts as a list without elements.
 */
static bool
find_list(const JsonbValue *value, const char *element, JsonbValue *list,
		  bool *empty)
{
	JsonbValue	parsed;

	check_stack_depth();
	*empty = value->type == jbvNull ||
		(value->type == jbvString && is_blank(value));
	if (*empty)
		return true;
	if (json_is_array(value))
	{
		*list = *value;
		return true;
	}
	if (json_is_object(value))
		return find_list_in_map(value, element, list, empty);
	/* text in text is not looked into: no list is written like that */
	return value->type == jbvString &&
		json_from_text(value->val.string.val, value->val.string.len, &parsed) &&
		parsed.type != jbvString && find_list(&parsed, element, list, empty);
}

/*
 * Lists the elements of the collection in their order.  False and *error when
 * the collection holds no list.
 */
static bool
list_elements(const IteratorQuery *query, IteratorItems *items,
			  SourceError *error)
{
	JsonbValue	list;
	JsonbValue	element;
	JsonbIterator *it;
	bool		empty;

	items->count = 0;
	items->values = NULL;
	if (!find_list(query->collection, query->element, &list, &empty))
		return source_error(error, psprintf("cannot iterate over %s", describe(query->collection)),
					  "A collection is a list, JSON text of one, or a map that holds one.");
	if (empty)
		return true;
	items->values = palloc_extended(sizeof(JsonbValue) *
									Max(JsonContainerSize(list.val.binary.data), 1),
									MCXT_ALLOC_HUGE);
	it = JsonbIteratorInit(list.val.binary.data);
	(void) JsonbIteratorNext(&it, &element, true);	/* the list */
	while (JsonbIteratorNext(&it, &element, true) == WJB_ELEM)
	{
		CHECK_FOR_INTERRUPTS();
		items->values[items->count++] = element;
	}
	return true;
}

/* ---------------------------------------------------------------------------
 * where
 * ---------------------------------------------------------------------------
 */

/*
 * Fills in the scope of the templates that filter and sort items, before the
 * items have their final index.
 */
static void
query_scope(const IteratorQuery *query, const TemplateScope *outer, int count,
			ItemScope *scope)
{
	memset(scope, 0, sizeof(ItemScope));
	scope->outer = outer;
	scope->element = query->element;
	scope->step = query->step;
	scope->count = count;
	iterator_item_scope(scope);
}

/* Adds the number of the item to the error of a template.  Returns false. */
static bool
blame_item(SourceError *error, const char *what, int index)
{
	error->message = psprintf("%s, item %d: %s", what, index, error->message);
	return false;
}

/* Keeps the items for which "where" holds.  False and *error when it raises. */
static bool
filter_items(const IteratorQuery *query, const TemplateScope *outer,
			 IteratorItems *items, MemoryContext scratch, SourceError *error)
{
	ItemScope	scope;
	int			kept = 0;

	query_scope(query, outer, items->count, &scope);
	for (int i = 0; i < items->count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		bool		holds;
		bool		evaluated;

		CHECK_FOR_INTERRUPTS();
		scope.index = i;
		scope.item = &items->values[i];
		evaluated = condition_evaluate(query->where, &scope.template, &holds, error);
		MemoryContextSwitchTo(old);
		if (!evaluated)
			return blame_item(error, "where", i);
		if (holds)
			items->values[kept++] = items->values[i];
		MemoryContextReset(scratch);
	}
	items->count = kept;
	return true;
}

/* ---------------------------------------------------------------------------
 * order_by
 * ---------------------------------------------------------------------------
 */

typedef struct SortItem
{
	JsonbValue	key;
	int			index;
} SortItem;

/* Returns the place of a kind of value in the order of keys; null comes last. */
static int
kind_rank(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvBool:
			return 0;
		case jbvNumeric:
			return 1;
		case jbvString:
			return 2;
		case jbvNull:
			return 5;
		default:
			return json_is_array(value) ? 3 : 4;
	}
}

static int	compare_keys(const JsonbValue *a, const JsonbValue *b);

/* Compares two lists by their first elements that differ. */
static int
compare_lists(const JsonbValue *a, const JsonbValue *b)
{
	JsonbIterator *ita = JsonbIteratorInit(a->val.binary.data);
	JsonbIterator *itb = JsonbIteratorInit(b->val.binary.data);
	JsonbValue	va;
	JsonbValue	vb;

	(void) JsonbIteratorNext(&ita, &va, true);
	(void) JsonbIteratorNext(&itb, &vb, true);
	for (;;)
	{
		bool		morea = JsonbIteratorNext(&ita, &va, true) == WJB_ELEM;
		bool		moreb = JsonbIteratorNext(&itb, &vb, true) == WJB_ELEM;
		int			order;

		if (!morea || !moreb)
			return (int) morea - (int) moreb;
		order = compare_keys(&va, &vb);
		if (order != 0)
			return order;
	}
}

/* Compares two keys: numbers by value, text by code point, lists by element. */
static int
compare_keys(const JsonbValue *a, const JsonbValue *b)
{
	int			ranks = kind_rank(a) - kind_rank(b);
	int			order;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (ranks != 0)
		return ranks;
	switch (a->type)
	{
		case jbvNull:
			return 0;
		case jbvBool:
			return (int) a->val.boolean - (int) b->val.boolean;
		case jbvNumeric:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
													 NumericGetDatum(a->val.numeric),
													 NumericGetDatum(b->val.numeric)));
		case jbvString:
			order = memcmp(a->val.string.val, b->val.string.val,
						   Min(a->val.string.len, b->val.string.len));
			return order != 0 ? order : a->val.string.len - b->val.string.len;
		default:
			return json_is_array(a) ? compare_lists(a, b) :
				compareJsonbContainers(a->val.binary.data, b->val.binary.data);
	}
}

/*
 * Compares two items for the sort; of equal items the earlier one stays first,
 * also when the order is descending.
 */
static int
compare_items(const void *a, const void *b, void *arg)
{
	const SortItem *left = (const SortItem *) a;
	const SortItem *right = (const SortItem *) b;
	int			order = compare_keys(&left->key, &right->key);

	if (*(bool *) arg && left->key.type != jbvNull && right->key.type != jbvNull)
		order = order < 0 ? 1 : order > 0 ? -1 : 0;
	return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

/* Copies a key out of the memory of the evaluation that made it. */
static void
keep_key(const JsonbValue *key, JsonbValue *copy)
{
	*copy = *key;
	if (key->type == jbvString)
		copy->val.string.val = pnstrdup(key->val.string.val, key->val.string.len);
	else if (key->type == jbvNumeric)
		copy->val.numeric = DatumGetNumericCopy(NumericGetDatum(key->val.numeric));
	else if (key->type == jbvBinary)
		json_from_jsonb(json_to_jsonb(key), copy);
}

/*
 * Evaluates the sort key of every item; what it keeps of them lives where "sorted" does.
 * False and *error when one raises.
 */
static bool
find_keys(const IteratorQuery *query, const TemplateScope *outer,
		  const IteratorItems *items, SortItem *sorted, MemoryContext scratch,
		  SourceError *error)
{
	ItemScope	scope;

	query_scope(query, outer, items->count, &scope);
	scope.members = query->order_by->members;
	for (int i = 0; i < items->count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		JsonbValue	key;
		bool		rendered;

		CHECK_FOR_INTERRUPTS();
		scope.index = i;
		scope.item = &items->values[i];
		rendered = (query->order_by->members ||
					!template_lacks_name(query->order_by->key, &scope.template, error)) &&
			template_render(query->order_by->key, &scope.template, &key, error);
		MemoryContextSwitchTo(old);
		if (!rendered)
			return blame_item(error, "order_by", i);
		MemoryContextSwitchTo(GetMemoryChunkContext(sorted));
		keep_key(&key, &sorted[i].key);
		MemoryContextSwitchTo(old);
		sorted[i].index = i;
		MemoryContextReset(scratch);
	}
	return true;
}

/* Sorts the items by order_by.  False and *error when a key raises. */
static bool
sort_items(const IteratorQuery *query, const TemplateScope *outer,
		   IteratorItems *items, MemoryContext scratch, SourceError *error)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "order of items",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		descending = query->order_by->descending;
	SortItem   *sorted = palloc_extended(sizeof(SortItem) * Max(items->count, 1),
										 MCXT_ALLOC_HUGE);
	JsonbValue *values = palloc_extended(sizeof(JsonbValue) * Max(items->count, 1),
										 MCXT_ALLOC_HUGE);

	MemoryContextSwitchTo(old);
	if (!find_keys(query, outer, items, sorted, scratch, error))
		return false;
	qsort_arg(sorted, items->count, sizeof(SortItem), compare_items, &descending);
	for (int i = 0; i < items->count; i++)
		values[i] = items->values[sorted[i].index];
	if (items->count > 0)
		memcpy(items->values, values, sizeof(JsonbValue) * items->count);
	MemoryContextDelete(context);
	return true;
}

/* ---------------------------------------------------------------------------
 * chunk, and the whole query
 * ---------------------------------------------------------------------------
 */

/* Replaces the items by lists of a number of items; the last may be shorter. */
static void
chunk_items(IteratorItems *items, int size)
{
	int			chunks = 0;

	for (int first = 0; first < items->count; first += size)
	{
		int			end = first + Min(size, items->count - first);
		JsonBuilder builder;

		CHECK_FOR_INTERRUPTS();
		json_begin_array(&builder);
		for (int i = first; i < end; i++)
			json_push(&builder, &items->values[i]);
		json_end_array(&builder, &items->values[chunks++]);
		if (end == items->count)
			break;
	}
	items->count = chunks;
}

/*
 * Finds the items of a collection: list, where, order_by, limit, chunk.  False
 * and *error when the collection holds no list or a template raises.
 */
bool
iterator_items(const IteratorQuery *query, const TemplateScope *outer,
			   IteratorItems *items, SourceError *error)
{
	MemoryContext scratch;
	bool		done;

	if (!list_elements(query, items, error))
		return false;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "item of a collection",
									ALLOCSET_DEFAULT_SIZES);
	done = (query->where == NULL ||
			filter_items(query, outer, items, scratch, error)) &&
		(query->order_by == NULL ||
		 sort_items(query, outer, items, scratch, error));
	if (!done)
		return false;			/* the error may live in there */
	MemoryContextDelete(scratch);
	if (query->limit >= 0 && items->count > query->limit)
		items->count = query->limit;
	if (query->chunk > 0)
		chunk_items(items, query->chunk);
	return true;
}

/*
 * Reads a number that a playbook gives for limit, chunk or concurrency; null
 * means "otherwise".  False and *error when it is not a whole number of at
 * least "minimum".
 */
bool
iterator_count(const JsonbValue *value, const char *what, int minimum,
			   int otherwise, int *count, SourceError *error)
{
	double		number;

	*count = otherwise;
	if (value->type == jbvNull)
		return true;
	if (!json_number(value, &number) || number != floor(number) ||
		number < minimum || number > INT_MAX)
		return source_error(error, psprintf("%s must be a whole number of at least %d, not %s",
									  what, minimum, describe(value)), NULL);
	*count = (int) number;
	return true;
}
