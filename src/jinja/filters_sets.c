/*
 * jinja/filters_sets.c
 *		Filters that combine sequences, as Ansible has them.
 *
 * Set operations keep the order of the items and compare as Python does.
 */
#include "common/common.h"

#include "common/int.h"
#include "miscadmin.h"

#include "jinja/filters.h"
#include "jinja/internal.h"

/* ------------------------------------------------------------------------
 * Growing lists
 * ------------------------------------------------------------------------
 */
typedef struct Items
{
	int			count;
	int			allocated;
	Value	   *items;
} Items;

/* Adds an item to a list under construction. */
static void
add_item(Items *list, const Value *item)
{
	bounds_work(20);
	if (list->count == list->allocated)
	{
		Size		size;

		list->allocated = list->allocated ? list->allocated * 2 : 8;
		size = list->allocated * sizeof(Value);
		bounds_check_memory(size);
		list->items = list->items ? repalloc_huge(list->items, size) :
			palloc_extended(size, MCXT_ALLOC_HUGE);
	}
	list->items[list->count++] = *item;
}

/* Returns a list under construction as a value. */
static Value
finished_list(const Items *list)
{
	return value_list(list->count, list->items);
}

/* Returns the items of an argument as a list.  Raises for what has none. */
static Value
items_of(Eval *ev, const Value *argument)
{
	if (argument->kind == VAL_UNDEFINED)
		value_fail_undefined(argument);
	return value_collect(&ev->budget, argument);
}

/* ------------------------------------------------------------------------
 * Sets
 * ------------------------------------------------------------------------
 */

/* A set of values: hashed, and a list of those that have no hash. */
typedef struct ValueSet
{
	Value		hashed;
	Items		rest;
} ValueSet;

/* Returns whether the value can be a key. */
static bool
has_hash(const Value *value)
{
	check_stack_depth();
	bounds_work(5);
	if (value->kind == VAL_TUPLE)
	{
		for (int i = 0; i < seq_count(value); i++)
			if (!has_hash(&seq_items(value)[i]))
				return false;
		return true;
	}
	return value->kind != VAL_LIST && value->kind != VAL_DICT && value->kind != VAL_VIEW;
}

/* Returns whether a set has a value. */
static bool
set_has(Eval *ev, const ValueSet *set, const Value *value)
{
	Value		found;

	if (has_hash(value))
		return dict_get(&ev->budget, &set->hashed, value, &found);
	for (int i = 0; i < set->rest.count; i++)
	{
		bounds_work(20);
		if (value_equal(&ev->budget, &set->rest.items[i], value))
			return true;
	}
	return false;
}

/* Adds a value to a set; returns false when it is there already. */
static bool
set_add(Eval *ev, ValueSet *set, const Value *value)
{
	if (set_has(ev, set, value))
		return false;
	if (has_hash(value))
		dict_set(&ev->budget, set->hashed.u.dict, value, value);
	else
		add_item(&set->rest, value);
	return true;
}

/* Returns the set of the items of a list. */
static ValueSet
set_of(Eval *ev, const Value *list)
{
	ValueSet	set;

	memset(&set, 0, sizeof(set));
	set.hashed = value_new_dict(8);
	for (int i = 0; list != NULL && i < seq_count(list); i++)
	{
		bounds_work(50);
		(void) set_add(ev, &set, &seq_items(list)[i]);
	}
	return set;
}

/* Adds the items of a list that are (not) in a set, each once. */
static void
add_members(Eval *ev, Items *result, ValueSet *seen, const Value *list, const ValueSet *set,
			bool in)
{
	for (int i = 0; i < seq_count(list); i++)
	{
		const Value *item = &seq_items(list)[i];

		bounds_work(50);
		if ((set == NULL || set_has(ev, set, item) == in) && set_add(ev, seen, item))
			add_item(result, item);
	}
}

/* The filter union: what is in either list. */
Value
jinja_filter_union(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		a = items_of(ev, &argv[0]);
	Value		b = items_of(ev, &argv[1]);
	ValueSet	seen = set_of(ev, NULL);
	Items		result = {0};

	add_members(ev, &result, &seen, &a, NULL, true);
	add_members(ev, &result, &seen, &b, NULL, true);
	return finished_list(&result);
}

/* Returns the items of the first list that are (not) in the second, each once. */
static Value
select_members(Eval *ev, const Value *argv, bool in)
{
	Value		a = items_of(ev, &argv[0]);
	Value		b = items_of(ev, &argv[1]);
	ValueSet	other = set_of(ev, &b);
	ValueSet	seen = set_of(ev, NULL);
	Items		result = {0};

	add_members(ev, &result, &seen, &a, &other, in);
	return finished_list(&result);
}

/* The filter intersect: what is in both lists. */
Value
jinja_filter_intersect(Eval *ev, const Value *argv, const CallArgs *call)
{
	return select_members(ev, argv, true);
}

/* The filter difference: what is in the first list only. */
Value
jinja_filter_difference(Eval *ev, const Value *argv, const CallArgs *call)
{
	return select_members(ev, argv, false);
}

/* The filter symmetric_difference: what is in one of the lists only. */
Value
jinja_filter_symmetric_difference(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		a = items_of(ev, &argv[0]);
	Value		b = items_of(ev, &argv[1]);
	ValueSet	first = set_of(ev, &a);
	ValueSet	second = set_of(ev, &b);
	ValueSet	seen = set_of(ev, NULL);
	Items		result = {0};

	add_members(ev, &result, &seen, &a, &second, false);
	add_members(ev, &result, &seen, &b, &first, false);
	return finished_list(&result);
}

/* ------------------------------------------------------------------------
 * Sequences
 * ------------------------------------------------------------------------
 */

/* Returns whether flatten leaves an item out: null, or the words for it. */
static bool
is_null_item(const Value *item)
{
	return item->kind == VAL_NONE || utext_is(item, "None") || utext_is(item, "null");
}

/* Adds the items of a list, and those of lists in it down to some levels (-1: all). */
static void
flatten_into(Eval *ev, Items *result, const Value *list, int64 levels, bool skip_nulls)
{
	check_stack_depth();
	for (int i = 0; i < seq_count(list); i++)
	{
		const Value *item = &seq_items(list)[i];

		bounds_work(20);
		if (skip_nulls && is_null_item(item))
			continue;
		if (levels != 0 && (item->kind == VAL_LIST || item->kind == VAL_TUPLE))
			flatten_into(ev, result, item, levels - 1, skip_nulls);
		else
			add_item(result, item);
	}
}

/* The filter flatten: one list of the items of lists in lists. */
Value
jinja_filter_flatten(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		list = items_of(ev, &argv[0]);
	int64		levels = value_given_not_none(&argv[1]) ? value_index(&argv[1], "levels") : -1;
	Items		result = {0};

	if (value_given_not_none(&argv[1]) && levels < 0)
		levels = 0;
	flatten_into(ev, &result, &list, levels, jinja_argument_bool(ev, &argv[2], true));
	return finished_list(&result);
}

/*
 * Returns tuples of items at the same place.  fill replaces what is missing; NULL: the
 * shortest list ends.
 */
Value
jinja_zip(Eval *ev, int count, const Value *iterables, const Value *fill)
{
	Value	   *lists = palloc((count + 1) * sizeof(Value));
	int			length = fill != NULL || count == 0 ? 0 : INT_MAX;
	Items		result = {0};

	for (int i = 0; i < count; i++)
	{
		lists[i] = items_of(ev, &iterables[i]);
		length = fill != NULL ? Max(length, seq_count(&lists[i])) :
			Min(length, seq_count(&lists[i]));
	}
	for (int row = 0; row < length; row++)
	{
		Value	   *items = palloc(count * sizeof(Value));
		Value		tuple;

		bounds_work(50 + count * 20);
		for (int i = 0; i < count; i++)
			items[i] = row < seq_count(&lists[i]) ? seq_items(&lists[i])[row] : *fill;
		tuple = value_tuple(count, items);
		add_item(&result, &tuple);
	}
	return finished_list(&result);
}

/* Returns the input of a filter and its arguments, as one array. */
static Value *
with_input(const Value *input, const CallArgs *call)
{
	Value	   *all = palloc((call->nargs + 1) * sizeof(Value));

	all[0] = *input;
	if (call->nargs > 0)
		memcpy(all + 1, call->args, call->nargs * sizeof(Value));
	return all;
}

/* Returns a keyword argument, or the fallback; raises for any other keyword. */
static Value
keyword_of(const CallArgs *call, const char *name, Value fallback)
{
	for (int i = 0; i < call->nkeywords; i++)
	{
		Value		given = utext_make(call->keywords[i].name, call->keywords[i].length);

		if (!utext_is(&given, name))
			value_fail("unexpected keyword argument %s", value_quote(&given));
		fallback = call->keywords[i].value;
	}
	return fallback;
}

/* The filter zip. */
Value
jinja_filter_zip(Eval *ev, const Value *argv, const CallArgs *call)
{
	(void) keyword_of(call, "strict", value_none());
	return jinja_zip(ev, call->nargs + 1, with_input(&argv[0], call), NULL);
}

/* The filter zip_longest. */
Value
jinja_filter_zip_longest(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		fill = keyword_of(call, "fillvalue", value_none());

	return jinja_zip(ev, call->nargs + 1, with_input(&argv[0], call), &fill);
}

/* The filter product: every combination of one item of each list, the last list fastest. */
Value
jinja_filter_product(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		repeat = keyword_of(call, "repeat", value_int(1));
	int			given = call->nargs + 1;
	int64		times = value_index(&repeat, "repeat");
	Value	   *inputs = with_input(&argv[0], call);
	int64		total = 1;
	int64		lists_wanted;
	int			count;
	Value	   *lists;
	Items		result = {0};

	if (times < 0)
		value_fail("repeat argument cannot be negative");
	if (pg_mul_s64_overflow(times, given, &lists_wanted))
		lists_wanted = PG_INT64_MAX;
	value_check_items(lists_wanted);
	count = (int) lists_wanted;
	lists = palloc((count + 1) * sizeof(Value));
	for (int i = 0; i < count; i++)
	{
		lists[i] = i < given ? items_of(ev, &inputs[i]) : lists[i - given];
		if (pg_mul_s64_overflow(total, seq_count(&lists[i]), &total))
			value_check_items(PG_INT64_MAX);
	}
	value_check_items(total);
	for (int64 row = 0; row < total; row++)
	{
		Value	   *items = palloc((count + 1) * sizeof(Value));
		int64		rest = row;
		Value		tuple;

		value_count_iteration(&ev->budget);
		bounds_work((int64) count * 20);
		for (int i = count - 1; i >= 0; i--)
		{
			items[i] = seq_items(&lists[i])[rest % seq_count(&lists[i])];
			rest /= seq_count(&lists[i]);
		}
		tuple = value_tuple(count, items);
		add_item(&result, &tuple);
	}
	return finished_list(&result);
}

/* The filter and test contains: whether the input has an item, key or part. */
Value
jinja_filter_contains(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	return value_bool(value_contains(&ev->budget, &argv[0], &argv[1]));
}

/* The filter and test any: whether some item is true. */
Value
jinja_filter_any(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(jinja_has_truth(ev, &argv[0], true));
}

/* The filter and test all: whether no item is false. */
Value
jinja_filter_all(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(!jinja_has_truth(ev, &argv[0], false));
}
