/*
 * jinja/methods.c
 *		Methods of dicts, lists, numbers, cyclers and loops, and Jinja2's global functions.
 */
#include "common/common.h"

#include <math.h>

#include "miscadmin.h"

#include "jinja/internal.h"
#include "jinja/methods.h"

/* ------------------------------------------------------------------------
 * dict
 * ------------------------------------------------------------------------
 */

/* dict.get() */
static Value
dict_method_get(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		result;

	if (call->nkeywords > 0)
		value_fail("get() takes no keyword arguments");
	if (jinja_get(ev, &argv[0], &argv[1], &result))
		return result;
	return value_given(&argv[2]) ? argv[2] : value_none();
}

/* Returns a view of a dict. */
static Value
make_view(const Value *dict, ViewKind kind)
{
	Value		v = {VAL_VIEW};

	v.u.view = palloc(sizeof(ValueView));
	v.u.view->kind = kind;
	v.u.view->dict = dict->u.dict;
	v.u.view->flags = dict->flags;
	return v;
}

/* dict.keys() */
static Value
dict_method_keys(Eval *ev, const Value *argv, const CallArgs *call)
{
	return make_view(&argv[0], VIEW_KEYS);
}

/* dict.values() */
static Value
dict_method_values(Eval *ev, const Value *argv, const CallArgs *call)
{
	return make_view(&argv[0], VIEW_VALUES);
}

/* dict.items() */
static Value
dict_method_items(Eval *ev, const Value *argv, const CallArgs *call)
{
	return make_view(&argv[0], VIEW_ITEMS);
}

/* copy(): the object itself, because values never change. */
static Value
method_copy(Eval *ev, const Value *argv, const CallArgs *call)
{
	return argv[0];
}

/* dict.fromkeys() */
static Value
dict_method_fromkeys(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		dict = value_new_dict(4);
	Value		none = value_none();
	Iterator   *it = value_iterate(&ev->budget, &argv[1]);
	Value		key;

	while (iter_next(&ev->budget, it, &key))
		dict_set(&ev->budget, dict.u.dict, &key, value_given(&argv[2]) ? &argv[2] : &none);
	return dict;
}

/* Sorted by name. */
static const Builtin dict_methods[] = {
	{"copy", method_copy, 0},
	{"fromkeys", dict_method_fromkeys, 1, {"iterable", "value"}},
	{"get", dict_method_get, 1, {"key", "default"}},
	{"items", dict_method_items, 0},
	{"keys", dict_method_keys, 0},
	{"values", dict_method_values, 0},
};

/* ------------------------------------------------------------------------
 * list, tuple, range
 * ------------------------------------------------------------------------
 */

/* list.count() */
static Value
list_method_count(Eval *ev, const Value *argv, const CallArgs *call)
{
	Iterator   *it = value_iterate(&ev->budget, &argv[0]);
	int64		count = 0;
	Value		item;

	while (iter_next(&ev->budget, it, &item))
	{
		if (value_identical(&item, &argv[1]) || value_equal(&ev->budget, &item, &argv[1]))
			count++;
	}
	return value_int(count);
}

/* list.index(), optionally between two positions. */
static Value
list_method_index(Eval *ev, const Value *argv, const CallArgs *call)
{
	int64		length = value_length(&ev->budget, &argv[0]);
	int64		start = value_given(&argv[2]) ? value_index(&argv[2], "index") : 0;
	int64		stop = value_given(&argv[3]) ? value_index(&argv[3], "index") : length;
	Iterator   *it = value_iterate(&ev->budget, &argv[0]);
	int64		i = 0;
	Value		item;

	if (start < 0)
		start = Max(start + length, 0);
	if (stop < 0)
		stop = Max(stop + length, 0);
	for (; iter_next(&ev->budget, it, &item); i++)
	{
		if (i >= start && i < stop &&
			(value_identical(&item, &argv[1]) || value_equal(&ev->budget, &item, &argv[1])))
			return value_int(i);
	}
	value_fail("value is not in %s", value_type(&argv[0]));
}

/* Sorted by name. */
static const Builtin list_methods[] = {
	{"copy", method_copy, 0},
	{"count", list_method_count, 1, {"value"}},
	{"index", list_method_index, 1, {"value", "start", "stop"}},
};

/* ------------------------------------------------------------------------
 * int and float
 * ------------------------------------------------------------------------
 */

/* int.bit_length() */
static Value
int_method_bit_length(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		magnitude = number_abs(&argv[0]);

	if (!value_truth(&ev->budget, &magnitude))
		return value_int(0);
	return value_int(strlen(format_integer_digits(&magnitude, 2, false)));
}

/* int.bit_count() */
static Value
int_method_bit_count(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		magnitude = number_abs(&argv[0]);
	int64		bits = 0;
	const char *digit;

	for (digit = format_integer_digits(&magnitude, 2, false); *digit; digit++)
		bits += *digit == '1';
	return value_int(bits);
}

/* conjugate() of numbers. */
static Value
number_method_conjugate(Eval *ev, const Value *argv, const CallArgs *call)
{
	return argv[0].kind == VAL_BOOL ? value_int(argv[0].u.boolean) : argv[0];
}

/* is_integer() of numbers; int has it since Python 3.12. */
static Value
number_method_is_integer(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (argv[0].kind != VAL_FLOAT)
		return value_bool(true);
	return value_bool(isfinite(argv[0].u.real) &&
					  argv[0].u.real == floor(argv[0].u.real));
}

/* as_integer_ratio() of numbers. */
static Value
number_method_as_integer_ratio(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		numerator = argv[0];
	Value		denominator = value_int(1);
	Value		two = value_int(2);
	double		d;
	int			exponent;
	Value		power;

	if (argv[0].kind != VAL_FLOAT)
	{
		if (argv[0].kind == VAL_BOOL)
			numerator = value_int(argv[0].u.boolean);
		return value_pair(&numerator, &denominator);
	}
	if (!isfinite(argv[0].u.real))
		value_fail("cannot convert infinity or NaN to integer ratio");
	d = frexp(argv[0].u.real, &exponent);
	for (; d != floor(d); d *= 2)
		exponent--;
	numerator = number_from_double_trunc(d);
	power = value_int(abs(exponent));
	power = number_binary(OP_POW, &two, &power);
	if (exponent > 0)
		numerator = number_binary(OP_MUL, &numerator, &power);
	else
		denominator = power;
	return value_pair(&numerator, &denominator);
}

/* Sorted by name. */
static const Builtin int_methods[] = {
	{"as_integer_ratio", number_method_as_integer_ratio, 0},
	{"bit_count", int_method_bit_count, 0},
	{"bit_length", int_method_bit_length, 0},
	{"conjugate", number_method_conjugate, 0},
	{"is_integer", number_method_is_integer, 0},
};

/* Sorted by name. */
static const Builtin float_methods[] = {
	{"as_integer_ratio", number_method_as_integer_ratio, 0},
	{"conjugate", number_method_conjugate, 0},
	{"is_integer", number_method_is_integer, 0},
};

/* ------------------------------------------------------------------------
 * cycler and loop
 * ------------------------------------------------------------------------
 */

/* cycler.next() */
static Value
cycler_method_next(Eval *ev, const Value *argv, const CallArgs *call)
{
	Cycler	   *cycler = (Cycler *) argv[0].u.object;
	Value		current = cycler->items[cycler->position];

	cycler->position = (cycler->position + 1) % cycler->count;
	return current;
}

/* cycler.reset() */
static Value
cycler_method_reset(Eval *ev, const Value *argv, const CallArgs *call)
{
	((Cycler *) argv[0].u.object)->position = 0;
	return value_none();
}

/* Sorted by name. */
static const Builtin cycler_methods[] = {
	{"next", cycler_method_next, 0},
	{"reset", cycler_method_reset, 0},
};

/* loop.cycle() */
static Value
loop_method_cycle(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (call->nkeywords > 0)
		value_fail("cycle() got an unexpected keyword argument");
	if (call->nargs == 0)
		value_fail("no items for cycling given");
	return call->args[((Loop *) argv[0].u.object)->index0 % call->nargs];
}

/* loop.changed() */
static Value
loop_method_changed(Eval *ev, const Value *argv, const CallArgs *call)
{
	Loop	   *loop = (Loop *) argv[0].u.object;
	Value		value = value_tuple(call->nargs, call->args);

	if (call->nkeywords > 0)
		value_fail("changed() got an unexpected keyword argument");
	if (value_given(&loop->last_changed) &&
		value_equal(&ev->budget, &loop->last_changed, &value))
		return value_bool(false);
	loop->last_changed = jinja_keep(ev, &value, GetMemoryChunkContext(loop));
	return value_bool(true);
}

/* Sorted by name. */
static const Builtin loop_methods[] = {
	{"changed", loop_method_changed, -1},
	{"cycle", loop_method_cycle, -1},
};

/* ------------------------------------------------------------------------
 * Finding methods
 * ------------------------------------------------------------------------
 */

#define FIND(table) jinja_find_builtin(table, lengthof(table), name, length)

/* Returns the method of a value's type, or NULL. */
const Builtin *
jinja_find_method(const Value *object, const char *name, int length)
{
	switch ((ValueKind) object->kind)
	{
		case VAL_STRING:
			return jinja_find_string_method(object, name, length);
		case VAL_DICT:
			return FIND(dict_methods);
		case VAL_LIST:
			return FIND(list_methods);
		case VAL_TUPLE:
		case VAL_RANGE:
			return length == 4 ? NULL : FIND(list_methods);
		case VAL_BOOL:
		case VAL_INT:
		case VAL_BIGINT:
			return FIND(int_methods);
		case VAL_FLOAT:
			return FIND(float_methods);
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			return jinja_find_date_method(object, name, length);
		case VAL_OBJECT:
			if (jinja_is_object(object, &jinja_cycler_type))
				return FIND(cycler_methods);
			return jinja_is_object(object, &jinja_loop_type) ? FIND(loop_methods) : NULL;
		default:
			return NULL;
	}
}

/*
 * Returns whether the name is a method of Python that changes its object or
 * returns bytes.
 */
bool
jinja_is_mutation(const Value *object, const char *name, int length)
{
	static const char *const list_names[] = {
		"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"
	};
	static const char *const dict_names[] = {
		"clear", "pop", "popitem", "setdefault", "update"
	};
	static const char *const string_names[] = {
		"encode", "maketrans", "translate"
	};
	const char *const *names = NULL;
	int			count = 0;
	Value		text = utext_make(name, length);
	int			i;

	if (object->kind == VAL_LIST)
	{
		names = list_names;
		count = lengthof(list_names);
	}
	else if (object->kind == VAL_DICT)
	{
		names = dict_names;
		count = lengthof(dict_names);
	}
	else if (object->kind == VAL_STRING)
	{
		names = string_names;
		count = lengthof(string_names);
	}
	for (i = 0; i < count; i++)
	{
		if (utext_is(&text, names[i]))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Global functions
 * ------------------------------------------------------------------------
 */

/* The function range. */
static Value
global_range(Eval *ev, const Value *argv, const CallArgs *call)
{
	ValueRange *range = palloc(sizeof(ValueRange));
	Value		v = {VAL_RANGE};
	uint64		span;

	if (call->nkeywords > 0)
		value_fail("range() takes no keyword arguments");
	if (call->nargs < 1 || call->nargs > 3)
		value_fail("range expected 1 to 3 arguments, got %d", call->nargs);
	range->start = call->nargs > 1 ? value_index(&call->args[0], "range") : 0;
	range->stop = value_index(&call->args[call->nargs > 1 ? 1 : 0], "range");
	range->step = call->nargs > 2 ? value_index(&call->args[2], "range") : 1;
	if (range->step == 0)
		value_fail("range() arg 3 must not be zero");
	if (range->step > 0 ? range->start >= range->stop : range->start <= range->stop)
		range->count = 0;
	else
	{
		span = range->step > 0 ? (uint64) range->stop - (uint64) range->start :
			(uint64) range->start - (uint64) range->stop;
		span = (span - 1) / (range->step > 0 ? (uint64) range->step : -(uint64) range->step) + 1;
		if (span > PG_INT64_MAX)
			value_fail("range is too large");
		range->count = span;
	}
	v.u.range = range;
	return v;
}

/*
 * Returns a dict from a mapping, pairs and keywords, for the functions dict
 * and namespace.
 */
static Value
build_dict(Eval *ev, const char *name, const CallArgs *call)
{
	Value		dict = value_new_dict(call->nkeywords);
	Iterator   *it;
	Value		pair;
	int			i;

	if (call->nargs > 1)
		value_fail("%s expected at most 1 argument, got %d", name, call->nargs);
	if (call->nargs == 1 && call->args[0].kind == VAL_DICT)
	{
		const ValueDict *from = call->args[0].u.dict;

		dict_deform(call->args[0].u.dict, call->args[0].flags);
		for (i = 0; i < from->count; i++)
			dict_set(&ev->budget, dict.u.dict, &from->entries[i].key, &from->entries[i].value);
	}
	else if (call->nargs == 1)
	{
		if (call->args[0].kind == VAL_UNDEFINED)
			value_fail_undefined(&call->args[0]);
		it = value_iterate(&ev->budget, &call->args[0]);
		while (iter_next(&ev->budget, it, &pair))
		{
			Value		list = value_collect(&ev->budget, &pair);

			if (seq_count(&list) != 2)
				value_fail("dictionary update sequence element has length %d; 2 is required",
						   seq_count(&list));
			dict_set(&ev->budget, dict.u.dict, &seq_items(&list)[0], &seq_items(&list)[1]);
		}
	}
	for (i = 0; i < call->nkeywords; i++)
	{
		Value		key = utext_make(call->keywords[i].name, call->keywords[i].length);

		dict_set(&ev->budget, dict.u.dict, &key, &call->keywords[i].value);
	}
	return dict;
}

/* The function dict. */
static Value
global_dict(Eval *ev, const Value *argv, const CallArgs *call)
{
	return build_dict(ev, "dict", call);
}

/* The function namespace. */
static Value
global_namespace(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		v = build_dict(ev, "namespace", call);

	v.kind = VAL_NAMESPACE;
	return v;
}

/* The function cycler. */
static Value
global_cycler(Eval *ev, const Value *argv, const CallArgs *call)
{
	Cycler	   *cycler = palloc0(sizeof(Cycler));

	if (call->nkeywords > 0)
		value_fail("cycler() takes no keyword arguments");
	if (call->nargs == 0)
		value_fail("at least one item has to be provided");
	cycler->base.type = &jinja_cycler_type;
	cycler->count = call->nargs;
	cycler->items = call->args;
	return value_object(&cycler->base);
}

/* The function joiner. */
static Value
global_joiner(Eval *ev, const Value *argv, const CallArgs *call)
{
	Cycler	   *joiner = palloc0(sizeof(Cycler));

	joiner->base.type = &jinja_joiner_type;
	joiner->count = 1;
	joiner->items = palloc(sizeof(Value));
	joiner->items[0] = value_given(&argv[1]) ? argv[1] : utext_make(", ", 2);
	return value_object(&joiner->base);
}

/*
 * The function lipsum, which is refused: its result changes from one call to
 * the next.
 */
static Value
global_lipsum(Eval *ev, const Value *argv, const CallArgs *call)
{
	value_fail_refused("A template must give the same result whenever it is rendered again.",
					   "function \"lipsum\" is not supported");
}

/* Sorted by name. */
static const Builtin globals[] = {
	{"cycler", global_cycler, -1},
	{"dict", global_dict, -1},
	{"joiner", global_joiner, 0, {"sep"}},
	{"lipsum", global_lipsum, -1},
	{"namespace", global_namespace, -1},
	{"range", global_range, -1},
};

/* Returns the global function of a name, or NULL. */
const Builtin *
jinja_find_global(const char *name, int length)
{
	return jinja_find_builtin(globals, lengthof(globals), name, length);
}
