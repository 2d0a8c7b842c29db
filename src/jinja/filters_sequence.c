/*
 * jinja/filters_sequence.c
 *		Filters on sequences.
 *
 * Filters that are generators in Jinja2 are lazy here too: an item is computed
 * when it is asked for, so that an error in an item that nobody asks for does
 * not occur.
 */
#include "common/common.h"

#include <math.h>

#include "jinja/internal.h"
#include "jinja/filters.h"

/* ------------------------------------------------------------------------
 * Attribute paths
 * ------------------------------------------------------------------------
 */

/* The parts of an attribute like "a.b.0". */
typedef struct Path
{
	int			count;
	Value	   *parts;
	const Value *fallback;		/* replaces undefined values on the way */
	bool		ignore_case;
} Path;

/* Returns whether the text consists of decimal digits. */
static bool
is_digits(const Value *text)
{
	int			i;

	for (i = 0; i < text->length; i++)
	{
		if (!isdigit((unsigned char) text->u.string[i]))
			return false;
	}
	return text->length > 0;
}

/*
 * Sets *path to the parts of an attribute; no attribute means the item itself.
 */
static void
prepare_path(Path *path, const Value *attribute, bool ignore_case)
{
	Value		dot = utext_make(".", 1);
	Value		list;
	int			i;

	memset(path, 0, sizeof(Path));
	path->ignore_case = ignore_case;
	if (!value_given_not_none(attribute))
		return;
	if (attribute->kind != VAL_STRING)
	{
		path->count = 1;
		path->parts = palloc(sizeof(Value));
		path->parts[0] = *attribute;
		return;
	}
	list = utext_split(attribute, &dot, -1, false);
	path->count = seq_count(&list);
	path->parts = seq_items(&list);
	for (i = 0; i < path->count; i++)
	{
		Value		number;

		if (is_digits(&path->parts[i]) &&
			number_parse_int(path->parts[i].u.string, path->parts[i].length, 10, &number))
			path->parts[i] = number;
	}
}

/* Returns the value at the end of a path. */
static Value
follow_path(Eval *ev, const Path *path, const Value *item)
{
	Value		v = *item;
	int			i;

	for (i = 0; i < path->count; i++)
	{
		v = jinja_getitem(ev, &v, &path->parts[i]);
		if (path->fallback && v.kind == VAL_UNDEFINED)
			v = *path->fallback;
	}
	if (path->ignore_case && v.kind == VAL_STRING)
		v = utext_lower(&v);
	return v;
}

/* ------------------------------------------------------------------------
 * Generators
 * ------------------------------------------------------------------------
 */
typedef struct Generator Generator;

struct Generator
{
	Iterator	base;
	Eval	   *ev;				/* the evaluation that made the generator */
	bool		started;
	Value		input;
	Iterator   *source;			/* NULL: nothing to walk over */
	Path		path;
	const Builtin *builtin;
	CallArgs	call;
	bool		attribute;		/* map, select: look at an attribute */
	bool		negate;			/* reject; map: nothing to map to; batch: the
								 * size is no integer */
	Value		seen;			/* unique: dict of what has been given; batch:
								 * the size as given; map: a keyword it does
								 * not know */
	Value		fill;
	int64		size;
	int64		position;
	Value		list;
};

/* Returns a generator over an input, which is opened later. */
static Generator *
make_generator(Eval *ev, bool (*next) (Budget *, Iterator *, Value *),
			   const Value *input)
{
	Generator  *g = palloc0(sizeof(Generator));

	g->base.next = next;
	g->ev = ev;
	g->base.type = "generator";
	g->input = *input;
	return g;
}

/* Opens the input of a generator when its first item is asked for. */
static void
start_generator(Budget *budget, Generator *g, bool if_true)
{
	if (g->started)
		return;
	g->started = true;
	if (!if_true || value_truth(budget, &g->input))
		g->source = value_iterate(budget, &g->input);
}

/* Returns a generator as a value. */
static Value
generator_value(Generator *g)
{
	return value_iterator(&g->base);
}

/*
 * Returns the filter or test whose name is a value. Raises when there is none.
 */
static const Builtin *
find_by_value(const Value *name, bool filter)
{
	const Builtin *builtin = NULL;

	if (name->kind == VAL_UNDEFINED)
		value_fail_undefined(name);
	if (name->kind == VAL_STRING)
		builtin = filter ? jinja_find_filter(name->u.string, name->length) :
			jinja_find_test(name->u.string, name->length);
	if (builtin == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("no %s named %s", filter ? "filter" : "test", value_quote(name))));
	return builtin;
}

/* Returns the next item of map. */
static bool
map_next(Budget *budget, Iterator *base, Value *item)
{
	Generator  *g = (Generator *) base;
	Eval	   *ev = g->ev;
	Value		input;

	start_generator(budget, g, true);
	if (g->source == NULL || !iter_next(budget, g->source, &input))
		return false;
	if (g->negate)
		value_fail("map requires a filter argument");
	if (value_given(&g->seen))
		value_fail("unexpected keyword argument %s", value_quote(&g->seen));
	if (g->attribute)
		*item = follow_path(ev, &g->path, &input);
	else
	{
		if (g->builtin == NULL)
			g->builtin = find_by_value(&g->fill, true);
		*item = jinja_invoke(ev, g->builtin, &input, &g->call);
	}
	return true;
}

/* The filter map: an attribute, or a filter with its arguments. */
Value
jinja_filter_map(Eval *ev, const Value *argv, const CallArgs *call)
{
	Generator  *g = make_generator(ev, map_next, &argv[0]);
	int			i;

	g->call = *call;
	if (call->nargs > 0)
	{
		g->fill = call->args[0];
		g->call.args++;
		g->call.nargs--;
		return generator_value(g);
	}
	/* no item to map: the arguments are not looked at */
	if (!value_truth(&ev->budget, &argv[0]))
		return generator_value(g);
	g->attribute = true;
	for (i = 0; i < call->nkeywords; i++)
	{
		Value		name = utext_make(call->keywords[i].name, call->keywords[i].length);

		if (utext_is(&name, "attribute"))
			prepare_path(&g->path, &call->keywords[i].value, false);
		else if (utext_is(&name, "default"))
			g->fill = call->keywords[i].value;
		else
			g->seen = name;
	}
	g->negate = call->nkeywords == 0;
	if (value_given_not_none(&g->fill))
		g->path.fallback = &g->fill;
	return generator_value(g);
}

/* Returns the next item of select, reject, selectattr or rejectattr. */
static bool
select_next(Budget *budget, Iterator *base, Value *item)
{
	Generator  *g = (Generator *) base;
	Eval	   *ev = g->ev;

	start_generator(budget, g, true);
	while (g->source != NULL && iter_next(budget, g->source, item))
	{
		Value		tested = g->attribute ? follow_path(ev, &g->path, item) : *item;
		bool		truth;

		if (value_given(&g->fill))
		{
			Value		result;

			if (g->builtin == NULL)
				g->builtin = find_by_value(&g->fill, false);
			result = jinja_invoke(ev, g->builtin, &tested, &g->call);
			truth = value_truth(budget, &result);
		}
		else
			truth = value_truth(budget, &tested);
		if (truth != g->negate)
			return true;
	}
	return false;
}

/* Returns the generator of select, reject, selectattr or rejectattr. */
static Value
make_select(Eval *ev, const Value *argv, const CallArgs *call, bool attribute, bool negate)
{
	Generator  *g = make_generator(ev, select_next, &argv[0]);

	/* no item to choose from: the arguments are not looked at */
	if (!value_truth(&ev->budget, &argv[0]))
		return generator_value(g);
	g->call = *call;
	g->attribute = attribute;
	g->negate = negate;
	if (attribute)
	{
		if (call->nargs == 0)
			value_fail("missing parameter for attribute name");
		prepare_path(&g->path, &call->args[0], false);
		g->call.args++;
		g->call.nargs--;
	}
	if (g->call.nargs > 0)
	{
		g->fill = g->call.args[0];
		g->call.args++;
		g->call.nargs--;
	}
	return generator_value(g);
}

/* The filter select. */
Value
jinja_filter_select(Eval *ev, const Value *argv, const CallArgs *call)
{
	return make_select(ev, argv, call, false, false);
}

/* The filter reject. */
Value
jinja_filter_reject(Eval *ev, const Value *argv, const CallArgs *call)
{
	return make_select(ev, argv, call, false, true);
}

/* The filter selectattr. */
Value
jinja_filter_selectattr(Eval *ev, const Value *argv, const CallArgs *call)
{
	return make_select(ev, argv, call, true, false);
}

/* The filter rejectattr. */
Value
jinja_filter_rejectattr(Eval *ev, const Value *argv, const CallArgs *call)
{
	return make_select(ev, argv, call, true, true);
}

/* Returns the next item of unique. */
static bool
unique_next(Budget *budget, Iterator *base, Value *item)
{
	Generator  *g = (Generator *) base;
	Eval	   *ev = g->ev;
	Value		found;

	start_generator(budget, g, false);
	while (iter_next(budget, g->source, item))
	{
		Value		key = follow_path(ev, &g->path, item);

		if (dict_get(budget, &g->seen, &key, &found))
			continue;
		dict_set(budget, g->seen.u.dict, &key, &key);
		return true;
	}
	return false;
}

/* The filter unique. */
Value
jinja_filter_unique(Eval *ev, const Value *argv, const CallArgs *call)
{
	Generator  *g = make_generator(ev, unique_next, &argv[0]);

	prepare_path(&g->path, &argv[2], !jinja_argument_bool(ev, &argv[1], false));
	g->seen = value_new_dict(8);
	return generator_value(g);
}

/* Returns the next row of batch. */
static bool
batch_next(Budget *budget, Iterator *base, Value *item)
{
	Generator  *g = (Generator *) base;
	int64		allocated = 8;
	Value	   *row = palloc(allocated * sizeof(Value));
	int64		count = 0;

	start_generator(budget, g, false);
	if (g->position)
	{
		row[count++] = g->list;
		g->position = 0;
	}
	for (;;)
	{
		Value		next;

		if (!iter_next(budget, g->source, &next))
			break;
		if (count == g->size)
		{
			g->list = next;
			g->position = 1;
			*item = value_list(count, row);
			return true;
		}
		if (count == allocated)
		{
			allocated *= 2;
			row = repalloc_huge(row, allocated * sizeof(Value));
		}
		row[count++] = next;
	}
	if (count == 0)
		return false;
	if (value_given_not_none(&g->fill) && g->negate)
	{
		Value		have = value_int(count);

		if (value_order(budget, OP_LT, &have, &g->seen))
			value_fail("cannot fill up to a size that is no integer");
	}
	else if (value_given_not_none(&g->fill) && count < g->size)
	{
		value_check_items(g->size);
		bounds_check_memory(g->size * sizeof(Value));
		row = repalloc_huge(row, g->size * sizeof(Value));
		while (count < g->size)
			row[count++] = g->fill;
		value_check_memory();
	}
	*item = value_list(count, row);
	return true;
}

/* The filter batch. */
Value
jinja_filter_batch(Eval *ev, const Value *argv, const CallArgs *call)
{
	Generator  *g = make_generator(ev, batch_next, &argv[0]);
	Value		zero = value_int(0);

	/*
	 * Jinja2 only compares the size: any value is accepted unless rows are
	 * filled
	 */
	g->negate = !value_is_integer(&argv[1]);
	g->seen = argv[1];
	g->size = -1;
	if (argv[1].kind == VAL_BIGINT)
		g->size = value_order(&ev->budget, OP_LT, &argv[1], &zero) ? -1 : PG_INT64_MAX;
	else if (!g->negate)
		g->size = value_index(&argv[1], "batch");
	else if (argv[1].kind == VAL_FLOAT && argv[1].u.real >= 0 &&
			 argv[1].u.real <= INT_MAX && argv[1].u.real == floor(argv[1].u.real))
		g->size = (int64) argv[1].u.real;
	g->fill = argv[2];
	return generator_value(g);
}

/* Returns the next column of slice. */
static bool
slice_next(Budget *budget, Iterator *base, Value *item)
{
	Generator  *g = (Generator *) base;
	int64		length;
	int64		per_slice;
	int64		extra;
	int64		start;
	int64		count;
	Value	   *items;

	if (!g->started)
	{
		g->started = true;
		g->list = value_collect(budget, &g->input);
		if (g->size == 0)
			value_fail("integer division or modulo by zero");
	}
	if (g->position >= g->size)
		return false;
	length = seq_count(&g->list);
	per_slice = length / g->size;
	extra = length % g->size;
	start = g->position * per_slice + Min(g->position, extra);
	count = per_slice + (g->position < extra ? 1 : 0);
	bounds_work(count);
	items = palloc_extended((count + 2) * sizeof(Value), MCXT_ALLOC_HUGE);
	memcpy(items, seq_items(&g->list) + start, count * sizeof(Value));
	if (value_given_not_none(&g->fill) && g->position >= extra)
		items[count++] = g->fill;
	g->position++;
	*item = value_list(count, items);
	return true;
}

/* The filter slice. */
Value
jinja_filter_slice(Eval *ev, const Value *argv, const CallArgs *call)
{
	Generator  *g = make_generator(ev, slice_next, &argv[0]);

	g->size = value_index(&argv[1], "slice");
	g->fill = argv[2];
	return generator_value(g);
}

/*
 * Returns the next pair of items. Raises for a value that is no mapping, as
 * Jinja2 does here and not earlier.
 */
static bool
items_next(Budget *budget, Iterator *base, Value *item)
{
	Generator  *g = (Generator *) base;
	DictEntry  *entry;

	if (g->input.kind == VAL_UNDEFINED)
		return false;
	if (g->input.kind != VAL_DICT)
		value_fail("can only get item pairs from a mapping");
	dict_deform(g->input.u.dict, g->input.flags);
	if (g->position >= g->input.u.dict->count)
		return false;
	entry = &g->input.u.dict->entries[g->position++];
	*item = value_pair(&entry->key, &entry->value);
	return true;
}

/* The filter items. */
Value
jinja_filter_items(Eval *ev, const Value *argv, const CallArgs *call)
{
	return generator_value(make_generator(ev, items_next, &argv[0]));
}

/* ------------------------------------------------------------------------
 * Sorting
 * ------------------------------------------------------------------------
 */
typedef struct SortItem
{
	Value		key;
	Value		value;
	int			position;
} SortItem;

typedef struct SortContext
{
	Budget	   *budget;
	bool		reverse;
	bool		as_list;		/* keys compare as lists of one key do: equal
								 * ones need no order */
} SortContext;

/*
 * Compares two items for qsort_arg: by key, then by position, so that the sort
 * is stable.
 */
static int
compare_sort_items(const void *a, const void *b, void *arg)
{
	const SortItem *x = a;
	const SortItem *y = b;
	SortContext *context = arg;
	int			c = 0;

	bounds_work(20);
	if (!context->as_list || !value_equal(context->budget, &x->key, &y->key))
		c = value_compare(context->budget, &x->key, &y->key, "<");
	if (c != 0)
		return context->reverse ? -c : c;
	return x->position - y->position;
}

/* Returns room for items to sort. */
static SortItem *
allocate_items(int count)
{
	Size		size = (count + 1) * sizeof(SortItem);

	bounds_check_memory(size);
	return palloc_extended(size, MCXT_ALLOC_HUGE);
}

/* Sorts items by their keys. */
static void
sort_by_key(Budget *budget, SortItem *items, int count, bool reverse, bool as_list)
{
	SortContext context = {budget, reverse, as_list};

	qsort_arg(items, count, sizeof(SortItem), compare_sort_items, &context);
}

/* Returns the values of sorted items as a list. */
static Value
sorted_list(const SortItem *items, int count)
{
	Value	   *values = palloc_extended((count + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	int			i;

	for (i = 0; i < count; i++)
		values[i] = items[i].value;
	return value_list(count, values);
}

/* The filter sort: several attributes make lists of keys. */
Value
jinja_filter_sort(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		list = value_collect(&ev->budget, &argv[0]);
	int			count = seq_count(&list);
	SortItem   *items = allocate_items(count);
	bool		ignore_case = !jinja_argument_bool(ev, &argv[2], false);
	Value		comma = utext_make(",", 1);
	Value		names = value_list(1, unconstify(Value *, &argv[3]));
	Path	   *paths;
	int			npaths;
	int			i;
	int			k;

	if (argv[3].kind == VAL_STRING)
		names = utext_split(&argv[3], &comma, -1, false);
	npaths = seq_count(&names);
	paths = palloc(npaths * sizeof(Path));
	for (k = 0; k < npaths; k++)
		prepare_path(&paths[k], &seq_items(&names)[k], ignore_case);
	for (i = 0; i < count; i++)
	{
		const Value *item = &seq_items(&list)[i];
		Value	   *keys;

		bounds_work(50);
		if (npaths == 1)
			items[i].key = follow_path(ev, &paths[0], item);
		else
		{
			keys = palloc(npaths * sizeof(Value));
			for (k = 0; k < npaths; k++)
				keys[k] = follow_path(ev, &paths[k], item);
			items[i].key = value_list(npaths, keys);
		}
		items[i].value = seq_items(&list)[i];
		items[i].position = i;
	}
	value_check_memory();
	sort_by_key(&ev->budget, items, count, jinja_argument_int(&argv[1], 0) != 0, npaths == 1);
	return sorted_list(items, count);
}

/* Returns Python's sorted(). */
Value
jinja_sorted(Eval *ev, const Value *iterable, bool reverse)
{
	Value		list = value_collect(&ev->budget, iterable);
	int			count = seq_count(&list);
	SortItem   *items = allocate_items(count);

	for (int i = 0; i < count; i++)
	{
		bounds_work(50);
		items[i].key = items[i].value = seq_items(&list)[i];
		items[i].position = i;
	}
	sort_by_key(&ev->budget, items, count, reverse, false);
	return sorted_list(items, count);
}

/* The filter dictsort: pairs sorted by key or value. */
Value
jinja_filter_dictsort(Eval *ev, const Value *argv, const CallArgs *call)
{
	bool		ignore_case = !jinja_argument_bool(ev, &argv[1], false);
	int			column = 0;
	SortItem   *items;
	int			count;
	int			i;

	if (utext_is(&argv[2], "value"))
		column = 1;
	else if (value_given(&argv[2]) && !utext_is(&argv[2], "key"))
		value_fail("you can only sort by either \"key\" or \"value\"");
	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[0].kind != VAL_DICT)
		value_fail("'%s' object has no attribute 'items'", value_type(&argv[0]));
	dict_deform(argv[0].u.dict, argv[0].flags);
	count = argv[0].u.dict->count;
	items = allocate_items(count);
	for (i = 0; i < count; i++)
	{
		DictEntry  *entry = &argv[0].u.dict->entries[i];

		bounds_work(50);
		items[i].value = value_pair(&entry->key, &entry->value);
		items[i].key = column == 0 ? entry->key : entry->value;
		if (ignore_case && items[i].key.kind == VAL_STRING)
			items[i].key = utext_lower(&items[i].key);
		items[i].position = i;
	}
	sort_by_key(&ev->budget, items, count, jinja_argument_int(&argv[3], 0) != 0, false);
	return sorted_list(items, count);
}

/* The filter groupby: (grouper, list) for each value of an attribute. */
Value
jinja_filter_groupby(Eval *ev, const Value *argv, const CallArgs *call)
{
	bool		case_sensitive = jinja_argument_bool(ev, &argv[3], false);
	Value		list = value_collect(&ev->budget, &argv[0]);
	int			count = seq_count(&list);
	SortItem   *items = allocate_items(count);
	Value	   *groups = palloc_extended((count + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	Value		values;
	int			ngroups = 0;
	Path		path;
	int			i;
	int			start;

	prepare_path(&path, &argv[1], !case_sensitive);
	if (value_given_not_none(&argv[2]))
		path.fallback = &argv[2];
	for (i = 0; i < count; i++)
	{
		bounds_work(50);
		items[i].value = seq_items(&list)[i];
		items[i].key = follow_path(ev, &path, &items[i].value);
		items[i].position = i;
	}
	sort_by_key(&ev->budget, items, count, false, false);
	values = sorted_list(items, count);
	path.ignore_case = false;
	for (start = 0; start < count; start = i)
	{
		Value		group;
		Value		key;

		for (i = start + 1; i < count &&
			 value_equal(&ev->budget, &items[start].key, &items[i].key); i++)
			bounds_work(20);
		group = value_list(i - start, seq_items(&values) + start);
		key = follow_path(ev, &path, &items[start].value);
		groups[ngroups] = value_pair(&key, &group);
		groups[ngroups++].flags = VF_GROUP;
	}
	return value_list(ngroups, groups);
}

/* Returns the first of the smallest or largest items. */
static Value
find_extreme(Eval *ev, const Value *argv, ValueOperator op)
{
	Iterator   *it = value_iterate(&ev->budget, &argv[0]);
	Path		path;
	Value		best;
	Value		best_key;
	Value		item;

	prepare_path(&path, &argv[2], !jinja_argument_bool(ev, &argv[1], false));
	if (!iter_next(&ev->budget, it, &best))
		return value_undefined_hint("No aggregated item, sequence was empty.");
	best_key = follow_path(ev, &path, &best);
	while (iter_next(&ev->budget, it, &item))
	{
		Value		key = follow_path(ev, &path, &item);

		if (value_order(&ev->budget, op, &key, &best_key))
		{
			best = item;
			best_key = key;
		}
	}
	return best;
}

/* The filter min. */
Value
jinja_filter_min(Eval *ev, const Value *argv, const CallArgs *call)
{
	return find_extreme(ev, argv, OP_LT);
}

/* The filter max. */
Value
jinja_filter_max(Eval *ev, const Value *argv, const CallArgs *call)
{
	return find_extreme(ev, argv, OP_GT);
}

/* ------------------------------------------------------------------------
 * Single items, text and sums
 * ------------------------------------------------------------------------
 */

/* The filter first. */
Value
jinja_filter_first(Eval *ev, const Value *argv, const CallArgs *call)
{
	Iterator   *it = value_iterate(&ev->budget, &argv[0]);
	Value		item;

	if (iter_next(&ev->budget, it, &item))
		return item;
	return value_undefined_hint("No first item, sequence was empty.");
}

/* The filter last. */
Value
jinja_filter_last(Eval *ev, const Value *argv, const CallArgs *call)
{
	Iterator   *it = iter_backward(&ev->budget, &argv[0]);
	Value		item;

	if (it == NULL)
		value_fail("'%s' object is not reversible", value_type(&argv[0]));
	if (iter_next(&ev->budget, it, &item))
		return item;
	return value_undefined_hint("No last item, sequence was empty.");
}

/* The filter length. */
Value
jinja_filter_length(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_int(value_length(&ev->budget, &argv[0]));
}

/* The filter list. */
Value
jinja_filter_list(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_collect(&ev->budget, &argv[0]);
}

/* The filter reverse: a string, or an iterator in the other direction. */
Value
jinja_filter_reverse(Eval *ev, const Value *argv, const CallArgs *call)
{
	int64		length;
	Iterator   *it;
	Value		list;

	if (argv[0].kind == VAL_STRING)
	{
		length = value_length(&ev->budget, &argv[0]);
		return utext_slice(&argv[0], length - 1, -1, -1, length);
	}
	it = iter_backward(&ev->budget, &argv[0]);
	if (it != NULL)
		return value_iterator(it);
	if (!value_is_iterable(&argv[0]))
		value_fail("argument must be iterable");
	list = value_collect(&ev->budget, &argv[0]);
	it = iter_backward(&ev->budget, &list);
	list = value_iterator(it);
	return value_collect(&ev->budget, &list);
}

/* The filter join. */
Value
jinja_filter_join(Eval *ev, const Value *argv, const CallArgs *call)
{
	Iterator   *it = value_iterate(&ev->budget, &argv[0]);
	Value		separator = value_given(&argv[1]) ? value_soft_str(&ev->budget, &argv[1]) :
													utext_make("", 0);
	bool		markup = false;
	Value		joined;
	Value		list;
	Path		path;
	int			i;
	StringInfoData buf;
	Value		result;

	prepare_path(&path, &argv[2], false);
	joined = value_iterator(it);
	list = value_collect(&ev->budget, &joined);
	initStringInfo(&buf);
	for (i = 0; i < seq_count(&list); i++)
	{
		Value		item = follow_path(ev, &path, &seq_items(&list)[i]);

		bounds_work(20);
		list.u.list->items[i] = value_soft_str(&ev->budget, &item);
		if (list.u.list->items[i].flags & VF_MARKUP)
			markup = true;
	}
	markup = ev->autoescape && (markup || (separator.flags & VF_MARKUP));
	if (markup)
		separator = utext_escape(&separator);
	for (i = 0; i < seq_count(&list); i++)
	{
		Value		text = seq_items(&list)[i];

		bounds_work(10 + (text.length + separator.length) / 8);
		if (markup)
			text = utext_escape(&text);
		value_check_size((int64) buf.len + text.length + separator.length);
		if (i > 0)
			appendBinaryStringInfo(&buf, separator.u.string, separator.length);
		appendBinaryStringInfo(&buf, text.u.string, text.length);
	}
	result = utext_from_buffer(&buf);
	if (markup)
		result.flags = VF_MARKUP;
	return result;
}

/* The filter sum. */
Value
jinja_filter_sum(Eval *ev, const Value *argv, const CallArgs *call)
{
	Iterator   *it = value_iterate(&ev->budget, &argv[0]);
	Value		total = value_given(&argv[2]) ? argv[2] : value_int(0);
	Path		path;
	Value		item;

	if (total.kind == VAL_STRING)
		value_fail("sum() can't sum strings");
	prepare_path(&path, &argv[1], false);
	while (iter_next(&ev->budget, it, &item))
	{
		Value		next = follow_path(ev, &path, &item);

		if (total.kind == VAL_LIST && next.kind == VAL_LIST)
			total = jinja_append_list(ev, &total, &next);
		else
			total = jinja_binary(ev, OP_ADD, &total, &next);
	}
	return total;
}
