/*
 * jinja/tests.c
 *		The tests: what may follow "is".
 */
#include "common/common.h"

#include "jinja/filters.h"
#include "jinja/internal.h"

/* The test defined. */
static Value
test_defined(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind != VAL_UNDEFINED);
}

/* The test undefined. */
static Value
test_undefined(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_UNDEFINED);
}

/* The test none. */
static Value
test_none(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_NONE);
}

/* The test boolean. */
static Value
test_boolean(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_BOOL);
}

/* The test true. */
static Value
test_true(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_BOOL && argv[0].u.boolean);
}

/* The test false. */
static Value
test_false(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_BOOL && !argv[0].u.boolean);
}

/* The test integer; a bool is none. */
static Value
test_integer(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_INT || argv[0].kind == VAL_BIGINT);
}

/* The test float. */
static Value
test_float(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_FLOAT);
}

/* The test number; a bool is one. */
static Value
test_number(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_is_number(&argv[0]));
}

/* The test string. */
static Value
test_string(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_STRING);
}

/* The test mapping. */
static Value
test_mapping(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_DICT);
}

/*
 * The test sequence: values with a length and items, strings and dicts
 * included.
 */
static Value
test_sequence(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_has_length(&argv[0]) && argv[0].kind != VAL_VIEW &&
					  argv[0].kind != VAL_OBJECT);
}

/* The test iterable. */
static Value
test_iterable(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_is_iterable(&argv[0]));
}

/* The test callable. */
static Value
test_callable(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_UNDEFINED ||
					  (argv[0].kind == VAL_OBJECT &&
					   !jinja_is_object(&argv[0], &jinja_cycler_type)));
}

/* The test escaped. */
static Value
test_escaped(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(argv[0].kind == VAL_STRING && (argv[0].flags & VF_MARKUP));
}

/* Returns a % b, for odd, even and divisibleby. */
static Value
remainder_of(Eval *ev, const Value *a, const Value *b)
{
	return jinja_binary(ev, OP_MOD, a, b);
}

/* The test odd. */
static Value
test_odd(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		two = value_int(2);
	Value		one = value_int(1);
	Value		rest = remainder_of(ev, &argv[0], &two);

	return value_bool(value_equal(&ev->budget, &rest, &one));
}

/* The test even. */
static Value
test_even(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		two = value_int(2);
	Value		zero = value_int(0);
	Value		rest = remainder_of(ev, &argv[0], &two);

	return value_bool(value_equal(&ev->budget, &rest, &zero));
}

/* The test divisibleby. */
static Value
test_divisibleby(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		zero = value_int(0);
	Value		rest = remainder_of(ev, &argv[0], &argv[1]);

	return value_bool(value_equal(&ev->budget, &rest, &zero));
}

/*
 * Returns whether all cased characters have one case, and there is a cased
 * character.
 */
static bool
has_case(Eval *ev, const Value *value, uint16 wanted, uint16 other)
{
	Value		text = value_str(&ev->budget, value);
	bool		cased = false;
	int			pos = 0;

	while (pos < text.length)
	{
		int			used;
		uint16		flags = unicode_flags(utext_decode(text.u.string + pos,
													   text.length - pos, &used));

		if (flags & (other | UC_TITLE))
			return false;
		if (flags & wanted)
			cased = true;
		pos += used;
	}
	return cased;
}

/* The test lower. */
static Value
test_lower(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(has_case(ev, &argv[0], UC_LOWER, UC_UPPER));
}

/* The test upper. */
static Value
test_upper(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(has_case(ev, &argv[0], UC_UPPER, UC_LOWER));
}

/* The test sameas. */
static Value
test_sameas(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_identical(&argv[0], &argv[1]));
}

/* The test in. */
static Value
test_in(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_contains(&ev->budget, &argv[1], &argv[0]));
}

/* The test eq. */
static Value
test_eq(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_equal(&ev->budget, &argv[0], &argv[1]));
}

/* The test ne. */
static Value
test_ne(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(!value_equal(&ev->budget, &argv[0], &argv[1]));
}

/* The test lt. */
static Value
test_lt(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_order(&ev->budget, OP_LT, &argv[0], &argv[1]));
}

/* The test le. */
static Value
test_le(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_order(&ev->budget, OP_LE, &argv[0], &argv[1]));
}

/* The test gt. */
static Value
test_gt(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_order(&ev->budget, OP_GT, &argv[0], &argv[1]));
}

/* The test ge. */
static Value
test_ge(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_bool(value_order(&ev->budget, OP_GE, &argv[0], &argv[1]));
}

/* The test filter: there is a filter of that name. */
static Value
test_filter(Eval *ev, const Value *argv, const CallArgs *call)
{
	(void) value_hash(&ev->budget, &argv[0]);
	return value_bool(argv[0].kind == VAL_STRING &&
					  jinja_find_filter(argv[0].u.string, argv[0].length) != NULL);
}

/* The test test: there is a test of that name. */
static Value
test_test(Eval *ev, const Value *argv, const CallArgs *call)
{
	(void) value_hash(&ev->budget, &argv[0]);
	return value_bool(argv[0].kind == VAL_STRING &&
					  jinja_find_test(argv[0].u.string, argv[0].length) != NULL);
}

/* Sorted by name. */
static const Builtin tests[] = {
	{"!=", test_ne, 1, {"other"}},
	{"<", test_lt, 1, {"other"}},
	{"<=", test_le, 1, {"other"}},
	{"==", test_eq, 1, {"other"}},
	{">", test_gt, 1, {"other"}},
	{">=", test_ge, 1, {"other"}},
	{"all", jinja_filter_all, 0},
	{"any", jinja_filter_any, 0},
	{"boolean", test_boolean, 0},
	{"callable", test_callable, 0},
	{"contains", jinja_filter_contains, 1, {"value"}},
	{"defined", test_defined, 0},
	{"divisibleby", test_divisibleby, 1, {"num"}},
	{"eq", test_eq, 1, {"other"}},
	{"equalto", test_eq, 1, {"other"}},
	{"escaped", test_escaped, 0},
	{"even", test_even, 0},
	{"false", test_false, 0},
	{"filter", test_filter, 0},
	{"float", test_float, 0},
	{"ge", test_ge, 1, {"other"}},
	{"greaterthan", test_gt, 1, {"other"}},
	{"gt", test_gt, 1, {"other"}},
	{"in", test_in, 1, {"seq"}},
	{"integer", test_integer, 0},
	{"iterable", test_iterable, 0},
	{"le", test_le, 1, {"other"}},
	{"lessthan", test_lt, 1, {"other"}},
	{"lower", test_lower, 0},
	{"lt", test_lt, 1, {"other"}},
	{"mapping", test_mapping, 0},
	{"match", jinja_filter_test_match, 0, {"pattern", "ignorecase", "multiline"}},
	{"ne", test_ne, 1, {"other"}},
	{"none", test_none, 0},
	{"number", test_number, 0},
	{"odd", test_odd, 0},
	{"regex",
	 jinja_filter_test_regex,
	 0,
	 {"pattern", "ignorecase", "multiline", "match_type"}},
	{"sameas", test_sameas, 1, {"other"}},
	{"search", jinja_filter_test_search, 0, {"pattern", "ignorecase", "multiline"}},
	{"sequence", test_sequence, 0},
	{"string", test_string, 0},
	{"test", test_test, 0},
	{"true", test_true, 0},
	{"undefined", test_undefined, 0},
	{"upper", test_upper, 0},
};

/* Returns the test of a name, or NULL. */
const Builtin *
jinja_find_test(const char *name, int length)
{
	return jinja_find_builtin(tests, lengthof(tests), name, length);
}
