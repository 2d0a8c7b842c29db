/*
 * jinja/functions.c
 *		Functions beyond Jinja2's: those of Python that people expect, dates and
 *		uuid.
 *
 * A function of this file exists only where it is called and nothing else has its
 * name: to Jinja2 its name is free, so that a template of Jinja2 does not change.
 */
#include "common/common.h"

#include <math.h>

#include "common/cryptohash.h"
#include "common/sha2.h"

#include "jinja/functions.h"
#include "jinja/internal.h"

/* Raises when an argument is undefined. */
static void
require_defined(const Value *argument)
{
	if (argument->kind == VAL_UNDEFINED)
		value_fail_undefined(argument);
}

/* The function len. */
static Value
function_len(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_int(value_length(&ev->budget, &argv[1]));
}

/* The function str. */
static Value
function_str(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_str(&ev->budget, &argv[1]);
}

/* The function int: Python's, which raises for a text that is no number. */
static Value
function_int(Eval *ev, const Value *argv, const CallArgs *call)
{
	const Value *x = &argv[1];
	int64		base = value_given(&argv[2]) ? value_index(&argv[2], "int") : 10;
	Value		result;

	require_defined(x);
	if (!value_given(x))
		return value_int(0);
	if (x->kind == VAL_STRING)
	{
		if ((base != 0 && (base < 2 || base > 36)) ||
			!number_parse_int(x->u.string, x->length, (int) base, &result))
			value_fail("invalid literal for int() with base %d: %s", (int) base,
					   value_quote(x));
		return result;
	}
	if (value_given(&argv[2]))
		value_fail("int() can't convert non-string with explicit base");
	if (!value_is_number(x))
		value_fail("int() argument must be a string or a number, not '%s'", value_type(x));
	if (x->kind != VAL_FLOAT)
		return x->kind == VAL_BOOL ? value_int(x->u.boolean) : *x;
	if (!isfinite(x->u.real))
		value_fail("cannot convert float %s to integer", number_repr_double(x->u.real));
	return number_from_double_trunc(x->u.real);
}

/* The function float: Python's, which raises for a text that is no number. */
static Value
function_float(Eval *ev, const Value *argv, const CallArgs *call)
{
	double		d = 0;

	require_defined(&argv[1]);
	if (!value_given(&argv[1]))
		return value_float(0);
	if (value_is_number(&argv[1]))
		return value_float(number_to_double(&argv[1]));
	if (argv[1].kind != VAL_STRING)
		value_fail("float() argument must be a string or a number, not '%s'",
				   value_type(&argv[1]));
	if (!number_parse_float(argv[1].u.string, argv[1].length, &d))
		value_fail("could not convert string to float: %s", value_quote(&argv[1]));
	return value_float(d);
}

/* The function bool: Python's truth. */
static Value
function_bool(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_truth(&ev->budget, &argv[1]));
}

/* The function list. */
static Value
function_list(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (!value_given(&argv[1]))
		return value_list(0, NULL);
	require_defined(&argv[1]);
	return value_collect(&ev->budget, &argv[1]);
}

/* Returns the value of a keyword argument, or absent; raises for any other keyword. */
static Value
only_keyword(const char *function, const CallArgs *call, const char *name)
{
	Value		value = {VAL_ABSENT};

	for (int i = 0; i < call->nkeywords; i++)
	{
		Value		given = utext_make(call->keywords[i].name, call->keywords[i].length);

		if (name == NULL || !utext_is(&given, name))
			value_fail("%s() got an unexpected keyword argument %s", function,
					   value_quote(&given));
		value = call->keywords[i].value;
	}
	return value;
}

/* Returns the first of the largest or smallest of some items, or of one iterable. */
static Value
extreme(Eval *ev, const char *function, ValueOperator op, const CallArgs *call)
{
	Value		fallback = only_keyword(function, call, "default");
	Value		items = value_list(call->nargs, call->args);
	Iterator   *it;
	Value		best;
	Value		item;

	if (call->nargs == 0)
		value_fail("%s expected at least 1 argument, got 0", function);
	if (call->nargs == 1)
	{
		require_defined(&call->args[0]);
		items = call->args[0];
	}
	it = value_iterate(&ev->budget, &items);
	if (!iter_next(&ev->budget, it, &best))
	{
		if (!value_given(&fallback))
			value_fail("%s() arg is an empty sequence", function);
		return fallback;
	}
	while (iter_next(&ev->budget, it, &item))
		if (value_order(&ev->budget, op, &item, &best))
			best = item;
	return best;
}

/* The function max. */
static Value
function_max(Eval *ev, const Value *argv, const CallArgs *call)
{
	return extreme(ev, "max", OP_GT, call);
}

/* The function min. */
static Value
function_min(Eval *ev, const Value *argv, const CallArgs *call)
{
	return extreme(ev, "min", OP_LT, call);
}

/* The function sum. */
static Value
function_sum(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		total = value_given(&argv[2]) ? argv[2] : value_int(0);
	Iterator   *it;
	Value		item;

	require_defined(&argv[1]);
	if (total.kind == VAL_STRING)
		value_fail("sum() can't sum strings");
	it = value_iterate(&ev->budget, &argv[1]);
	while (iter_next(&ev->budget, it, &item))
	{
		if (total.kind == VAL_LIST && item.kind == VAL_LIST)
			total = jinja_append_list(ev, &total, &item);
		else
			total = jinja_binary(ev, OP_ADD, &total, &item);
	}
	return total;
}

/* The function round: half to even; without digits an integer. */
static Value
function_round(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		rounded;

	require_defined(&argv[1]);
	if (!value_is_number(&argv[1]))
		value_fail("type %s cannot be rounded", value_type(&argv[1]));
	if (value_given_not_none(&argv[2]))
		return number_round(&argv[1], value_index(&argv[2], "round"));
	if (argv[1].kind == VAL_FLOAT && !isfinite(argv[1].u.real))
		value_fail("cannot convert float %s to integer", number_repr_double(argv[1].u.real));
	rounded = number_round(&argv[1], 0);
	return rounded.kind == VAL_FLOAT ? number_from_double_trunc(rounded.u.real) : rounded;
}

/* The function abs. */
static Value
function_abs(Eval *ev, const Value *argv, const CallArgs *call)
{
	require_defined(&argv[1]);
	if (argv[1].kind == VAL_TIMEDELTA)
		return datetime_make_delta(llabs(argv[1].u.integer));
	if (!value_is_number(&argv[1]))
		value_fail("bad operand type for abs(): '%s'", value_type(&argv[1]));
	return number_abs(&argv[1]);
}

/* The function sorted. */
static Value
function_sorted(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		reverse = only_keyword("sorted", call, "reverse");

	if (call->nargs != 1)
		value_fail("sorted expected 1 argument, got %d", call->nargs);
	require_defined(&call->args[0]);
	return jinja_sorted(ev, &call->args[0], value_truth(&ev->budget, &reverse));
}

/* The function zip: tuples of the items at the same place. */
static Value
function_zip(Eval *ev, const Value *argv, const CallArgs *call)
{
	(void) only_keyword("zip", call, NULL);
	return jinja_zip(ev, call->nargs, call->args, NULL);
}

/* The function enumerate: pairs of a number and an item. */
static Value
function_enumerate(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		number = value_given(&argv[2]) ? argv[2] : value_int(0);
	Value		one = value_int(1);
	Value		list;
	Value	   *pairs;

	require_defined(&argv[1]);
	list = value_collect(&ev->budget, &argv[1]);
	bounds_check_memory(seq_count(&list) * 4 * sizeof(Value));
	pairs = palloc_extended((seq_count(&list) + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	for (int i = 0; i < seq_count(&list); i++)
	{
		bounds_work(50);
		pairs[i] = value_pair(&number, &seq_items(&list)[i]);
		number = jinja_binary(ev, OP_ADD, &number, &one);
	}
	return value_list(seq_count(&list), pairs);
}

/* Returns whether an item has a truth: true for any(), false for all(). */
bool
jinja_has_truth(Eval *ev, const Value *iterable, bool truth)
{
	Iterator   *it;
	Value		item;

	require_defined(iterable);
	it = value_iterate(&ev->budget, iterable);
	while (iter_next(&ev->budget, it, &item))
		if (value_truth(&ev->budget, &item) == truth)
			return true;
	return false;
}

/* The function any. */
static Value
function_any(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(jinja_has_truth(ev, &argv[1], true));
}

/* The function all. */
static Value
function_all(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(!jinja_has_truth(ev, &argv[1], false));
}

/* ------------------------------------------------------------------------
 * uuid
 * ------------------------------------------------------------------------
 */

/* Adds bytes to a hash. */
static void
hash_add(pg_cryptohash_ctx *hash, const void *bytes, size_t length)
{
	if (pg_cryptohash_update(hash, bytes, length) < 0)
		elog(ERROR, "could not compute a hash");
}

/*
 * The function uuid: an id that the execution, the step and the place of the call
 * determine, so that the same comes out when the template is rendered again.
 */
static Value
function_uuid(Eval *ev, const Value *argv, const CallArgs *call)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	int64		place[3];
	StringInfoData identity;
	StringInfoData text;

	initStringInfo(&identity);
	if (ev->scope->identify != NULL)
		ev->scope->identify(ev->scope->identify_arg, &identity);
	place[0] = ev->scope->line;
	place[1] = ev->scope->column;
	place[2] = ++ev->uuids;
	if (pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not compute a hash");
	hash_add(hash, place, sizeof(place));
	hash_add(hash, ev->template->original, ev->template->original_length);
	hash_add(hash, identity.data, identity.len);
	if (pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a hash");
	pg_cryptohash_free(hash);
	digest[6] = (digest[6] & 0x0f) | 0x40;
	digest[8] = (digest[8] & 0x3f) | 0x80;
	initStringInfo(&text);
	for (int i = 0; i < 16; i++)
		appendStringInfo(&text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
						 digest[i]);
	return utext_from_buffer(&text);
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------
 */

/* Sorted by name. */
static const Builtin functions[] = {
	{"abs", function_abs, 1, {"x"}},
	{"all", function_all, 1, {"iterable"}},
	{"any", function_any, 1, {"iterable"}},
	{"bool", function_bool, 0, {"x"}},
	{"date_time", jinja_function_date_time, 1, {"value", "tz"}},
	{"enumerate", function_enumerate, 1, {"iterable", "start"}},
	{"float", function_float, 0, {"x"}},
	{"int", function_int, 0, {"x", "base"}},
	{"len", function_len, 1, {"obj"}},
	{"list", function_list, 0, {"iterable"}},
	{"max", function_max, -1},
	{"min", function_min, -1},
	{"now", jinja_function_now, 0, {"tz", "utc", "fmt"}},
	{"round", function_round, 1, {"number", "ndigits"}},
	{"sorted", function_sorted, -1},
	{"str", function_str, 0, {"object"}},
	{"sum", function_sum, 1, {"iterable", "start"}},
	{"timedelta",
	 jinja_function_timedelta,
	 0,
	 {"days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"}},
	{"today", jinja_function_today, 0, {"tz"}},
	{"uuid", function_uuid, 0},
	{"zip", function_zip, -1},
};

/* Returns the function of a name, or NULL. */
const Builtin *
jinja_find_function(const char *name, int length)
{
	return jinja_find_builtin(functions, lengthof(functions), name, length);
}
