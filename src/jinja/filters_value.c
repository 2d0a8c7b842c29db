/*
 * jinja/filters_value.c
 *		Filters on values and mappings, as Ansible and sprig have them.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/filters.h"
#include "jinja/internal.h"

/* Raises unless a value is a mapping. */
static void
require_mapping(const char *filter, const Value *value)
{
	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (value->kind != VAL_DICT)
		value_fail("%s requires a dictionary, got %s instead", filter, value_type(value));
	dict_deform(value->u.dict, value->flags);
}

/* ------------------------------------------------------------------------
 * Single values
 * ------------------------------------------------------------------------
 */

/* The filter bool: Ansible's; yes, on, 1 and true are true, none stays none. */
Value
jinja_filter_bool(Eval *ev, const Value *argv, const CallArgs *call)
{
	static const char *const words[] = {"yes", "on", "1", "true"};
	Value		one = value_int(1);
	Value		text;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[0].kind == VAL_NONE || argv[0].kind == VAL_BOOL)
		return argv[0];
	if (argv[0].kind != VAL_STRING)
		return value_bool(value_equal(&ev->budget, &argv[0], &one));
	text = utext_lower(&argv[0]);
	for (int i = 0; i < lengthof(words); i++)
		if (utext_is(&text, words[i]))
			return value_bool(true);
	return value_bool(false);
}

/* The filter ternary: one value if the input is true, another if it is not. */
Value
jinja_filter_ternary(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (argv[0].kind == VAL_NONE && value_given_not_none(&argv[3]))
		return argv[3];
	return value_truth(&ev->budget, &argv[0]) ? argv[1] : argv[2];
}

/* The filter mandatory: an error where the input is undefined. */
Value
jinja_filter_mandatory(Eval *ev, const Value *argv, const CallArgs *call)
{
	const Undefined *undefined = argv[0].u.undefined;

	if (argv[0].kind != VAL_UNDEFINED)
		return argv[0];
	if (value_given_not_none(&argv[1]))
	{
		Value		message = value_str(&ev->budget, &argv[1]);

		value_fail("%s", utext_cstring(&message));
	}
	if (undefined->name.kind == VAL_STRING)
		value_fail("mandatory variable %s not defined", value_quote(&undefined->name));
	value_fail("mandatory variable not defined");
}

/* The filter coalesce: the first value that is not empty, as in sprig; else none. */
Value
jinja_filter_coalesce(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (call->nkeywords > 0)
		value_fail("coalesce() takes no keyword arguments");
	if (value_truth(&ev->budget, &argv[0]))
		return argv[0];
	for (int i = 0; i < call->nargs; i++)
		if (value_truth(&ev->budget, &call->args[i]))
			return call->args[i];
	return value_none();
}

/* The filter split: str.split(). */
Value
jinja_filter_split(Eval *ev, const Value *argv, const CallArgs *call)
{
	int64		max = value_given(&argv[2]) ? value_index(&argv[2], "split") : -1;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[0].kind != VAL_STRING)
		value_fail("split requires a string, got %s instead", value_type(&argv[0]));
	if (!value_given_not_none(&argv[1]))
		return utext_split(&argv[0], NULL, max, false);
	if (argv[1].kind != VAL_STRING)
		value_fail("must be str or None, not %s", value_type(&argv[1]));
	if (argv[1].length == 0)
		value_fail("empty separator");
	return utext_split(&argv[0], &argv[1], max, false);
}

/* ------------------------------------------------------------------------
 * Mappings
 * ------------------------------------------------------------------------
 */

/* Returns the keys or values of a mapping as a list. */
static Value
list_members(const char *filter, const Value *dict, bool keys)
{
	Value	   *items;

	require_mapping(filter, dict);
	items = palloc_extended((dict->u.dict->count + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	for (int i = 0; i < dict->u.dict->count; i++)
	{
		bounds_work(10);
		items[i] = keys ? dict->u.dict->entries[i].key : dict->u.dict->entries[i].value;
	}
	return value_list(dict->u.dict->count, items);
}

/* The filter keys. */
Value
jinja_filter_keys(Eval *ev, const Value *argv, const CallArgs *call)
{
	return list_members("keys", &argv[0], true);
}

/* The filter values. */
Value
jinja_filter_values(Eval *ev, const Value *argv, const CallArgs *call)
{
	return list_members("values", &argv[0], false);
}

/* The filter get: the value of a key, or a default, which is none. */
Value
jinja_filter_get(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		result;

	require_mapping("get", &argv[0]);
	if (jinja_get(ev, &argv[0], &argv[1], &result))
		return result;
	return value_given(&argv[2]) ? argv[2] : value_none();
}

/* Returns the name of a member, given or the usual one. */
static Value
member_name(const Value *given, const char *usual)
{
	return value_given(given) ? *given : utext_from_cstring(usual);
}

/* The filter dict2items: a list of {key, value}. */
Value
jinja_filter_dict2items(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		key = member_name(&argv[1], "key");
	Value		value = member_name(&argv[2], "value");
	Value	   *items;
	int			count;

	require_mapping("dict2items", &argv[0]);
	count = argv[0].u.dict->count;
	items = palloc_extended((count + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		const DictEntry *entry = &argv[0].u.dict->entries[i];

		bounds_work(200);
		items[i] = value_new_dict(2);
		dict_set(&ev->budget, items[i].u.dict, &key, &entry->key);
		dict_set(&ev->budget, items[i].u.dict, &value, &entry->value);
	}
	return value_list(count, items);
}

/* The filter items2dict: the reverse of dict2items. */
Value
jinja_filter_items2dict(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		key = member_name(&argv[1], "key");
	Value		value = member_name(&argv[2], "value");
	Value		result = value_new_dict(8);
	Iterator   *it;
	Value		item;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[0].kind == VAL_STRING || argv[0].kind == VAL_DICT)
		value_fail("items2dict requires a list, got %s instead", value_type(&argv[0]));
	it = value_iterate(&ev->budget, &argv[0]);
	while (iter_next(&ev->budget, it, &item))
	{
		Value		k;
		Value		v;

		if (item.kind != VAL_DICT || !dict_get(&ev->budget, &item, &key, &k) ||
			!dict_get(&ev->budget, &item, &value, &v))
			value_fail("items2dict requires a list of dictionaries with the keys %s and %s",
					   value_quote(&key), value_quote(&value));
		dict_set(&ev->budget, result.u.dict, &k, &v);
	}
	return result;
}

/* ------------------------------------------------------------------------
 * combine and merge
 * ------------------------------------------------------------------------
 */

/* What combine does with two lists under one key. */
typedef enum ListMerge
{
	LISTS_REPLACE,
	LISTS_KEEP,
	LISTS_APPEND,
	LISTS_PREPEND,
	LISTS_APPEND_RP,			/* the new ones, behind the old that are not among
								 * them */
	LISTS_PREPEND_RP
} ListMerge;

/* Returns the items of a list that are not in another. */
static Value
items_without(Eval *ev, const Value *list, const Value *other)
{
	Value	   *items = palloc_extended((seq_count(list) + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	int			count = 0;

	for (int i = 0; i < seq_count(list); i++)
		if (!value_contains(&ev->budget, other, &seq_items(list)[i]))
			items[count++] = seq_items(list)[i];
	return value_list(count, items);
}

/* Returns what combine makes of an old and a new list. */
static Value
merge_lists(Eval *ev, const Value *old, const Value *new, ListMerge how)
{
	Value		rest = *old;

	if (how == LISTS_REPLACE)
		return *new;
	if (how == LISTS_KEEP)
		return *old;
	if (how == LISTS_APPEND_RP || how == LISTS_PREPEND_RP)
		rest = items_without(ev, old, new);
	if (how == LISTS_APPEND || how == LISTS_APPEND_RP)
		return jinja_binary(ev, OP_ADD, &rest, new);
	return jinja_binary(ev, OP_ADD, new, &rest);
}

/* Returns a copy of a mapping, to be changed. */
static Value
copy_dict(Eval *ev, const Value *dict)
{
	Value		copy = value_new_dict(dict->u.dict->count);

	dict_deform(dict->u.dict, dict->flags);
	for (int i = 0; i < dict->u.dict->count; i++)
		dict_set(&ev->budget, copy.u.dict, &dict->u.dict->entries[i].key,
				 &dict->u.dict->entries[i].value);
	return copy;
}

/* Returns two mappings in one; the new one wins. */
static Value
combine_two(Eval *ev, const Value *old, const Value *new, bool recursive, ListMerge how)
{
	Value		result = copy_dict(ev, old);

	check_stack_depth();
	dict_deform(new->u.dict, new->flags);
	for (int i = 0; i < new->u.dict->count; i++)
	{
		const DictEntry *entry = &new->u.dict->entries[i];
		Value		value = entry->value;
		Value		before;

		bounds_work(50);
		if (dict_get(&ev->budget, &result, &entry->key, &before))
		{
			if (recursive && before.kind == VAL_DICT && value.kind == VAL_DICT)
				value = combine_two(ev, &before, &value, recursive, how);
			else if (before.kind == VAL_LIST && value.kind == VAL_LIST)
				value = merge_lists(ev, &before, &value, how);
		}
		dict_set(&ev->budget, result.u.dict, &entry->key, &value);
	}
	return result;
}

/* Combines a term, a mapping or a list of them, into *result. */
static void
combine_term(Eval *ev, Value *result, const Value *term, bool recursive, ListMerge how)
{
	check_stack_depth();
	bounds_work(20);
	if (term->kind == VAL_LIST || term->kind == VAL_TUPLE)
	{
		for (int i = 0; i < seq_count(term); i++)
			combine_term(ev, result, &seq_items(term)[i], recursive, how);
		return;
	}
	require_mapping("combine", term);
	*result = result->kind == VAL_ABSENT ? *term : combine_two(ev, result, term, recursive, how);
}

/* Returns how combine treats lists, by its name. */
static ListMerge
list_merge_named(const Value *name)
{
	static const char *const names[] = {
		"replace", "keep", "append", "prepend", "append_rp", "prepend_rp"
	};

	for (int i = 0; i < lengthof(names); i++)
		if (utext_is(name, names[i]))
			return (ListMerge) i;
	value_fail("list_merge must be replace, keep, append, prepend, append_rp or prepend_rp");
}

/* The filter combine: mappings in one, the last of which wins. */
Value
jinja_filter_combine(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		result = {VAL_ABSENT};
	bool		recursive = false;
	ListMerge	how = LISTS_REPLACE;

	for (int i = 0; i < call->nkeywords; i++)
	{
		Value		name = utext_make(call->keywords[i].name, call->keywords[i].length);

		if (utext_is(&name, "recursive"))
			recursive = value_truth(&ev->budget, &call->keywords[i].value);
		else if (utext_is(&name, "list_merge"))
			how = list_merge_named(&call->keywords[i].value);
		else
			value_fail("'recursive' and 'list_merge' are the only valid keyword arguments");
	}
	combine_term(ev, &result, &argv[0], recursive, how);
	for (int i = 0; i < call->nargs; i++)
		combine_term(ev, &result, &call->args[i], recursive, how);
	return result.kind == VAL_ABSENT ? value_new_dict(0) : result;
}

/* Returns two mappings in one, recursively; what is not empty in the first one wins. */
static Value
merge_two(Eval *ev, const Value *into, const Value *from)
{
	Value		result = copy_dict(ev, into);

	check_stack_depth();
	dict_deform(from->u.dict, from->flags);
	for (int i = 0; i < from->u.dict->count; i++)
	{
		const DictEntry *entry = &from->u.dict->entries[i];
		Value		value = entry->value;
		Value		before;

		bounds_work(50);
		if (dict_get(&ev->budget, &result, &entry->key, &before))
		{
			if (before.kind == VAL_DICT && value.kind == VAL_DICT)
				value = merge_two(ev, &before, &value);
			else if (value_truth(&ev->budget, &before))
				continue;
		}
		dict_set(&ev->budget, result.u.dict, &entry->key, &value);
	}
	return result;
}

/* The filter merge: sprig's, in which the input wins over the arguments. */
Value
jinja_filter_merge(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		result = argv[0];

	if (call->nkeywords > 0)
		value_fail("merge() takes no keyword arguments");
	require_mapping("merge", &argv[0]);
	for (int i = 0; i < call->nargs; i++)
	{
		require_mapping("merge", &call->args[i]);
		result = merge_two(ev, &result, &call->args[i]);
	}
	return result;
}
