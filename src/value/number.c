/*
 * value/number.c
 *		Python's numbers: integers without limit, IEEE doubles, and exact
 *		comparison between the two.
 *
 * Integers live in an int64 while they fit and in a numeric otherwise.
 */
#include "common/common.h"

#include <float.h>
#include <math.h>

#include "common/hashfn.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "value/value.h"

/* Integers with more digits than this are refused. */
#define MAX_DIGITS	20000

/* Python converts no longer integers to or from text. */
#define MAX_TEXT_DIGITS 4300

static Numeric int64_min_numeric;
static Numeric int64_max_numeric;
static Numeric digits_limit;

/* Compares two numerics: negative, zero or positive. */
static int
numeric_order(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a),
											 NumericGetDatum(b)));
}

/* Makes the constants that decide how an integer is kept. */
static void
prepare_limits(void)
{
	MemoryContext old;

	if (digits_limit != NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	int64_min_numeric = int64_to_numeric(PG_INT64_MIN);
	int64_max_numeric = int64_to_numeric(PG_INT64_MAX);
	digits_limit = json_numeric("1e20000");
	MemoryContextSwitchTo(old);
}

/* Returns whether the value is a number; a bool is one. */
bool
value_is_number(const Value *value)
{
	return value->kind >= VAL_BOOL && value->kind <= VAL_FLOAT;
}

/* Returns whether the value is an integer; a bool is one. */
bool
value_is_integer(const Value *value)
{
	return value->kind >= VAL_BOOL && value->kind <= VAL_BIGINT;
}

/*
 * Returns the integer that a numeric without fraction is. Raises for one with
 * too many digits.
 */
static Value
number_from_numeric(Numeric n)
{
	Value		v = {VAL_BIGINT};

	prepare_limits();
	if (numeric_order(n, int64_min_numeric) >= 0 &&
		numeric_order(n, int64_max_numeric) <= 0)
		return value_int(DatumGetInt64(DirectFunctionCall1(numeric_int8,
														   NumericGetDatum(n))));
	if (numeric_order(DatumGetNumeric(DirectFunctionCall1(numeric_abs, NumericGetDatum(n))),
					  digits_limit) >= 0)
		value_fail_limit("integer has more than %d digits", MAX_DIGITS);
	v.u.big = n;
	return v;
}

/*
 * Returns the number that a JSON number is; one with a fraction part, even ".0", is a
 * float.  As in Python, one that is too small for a float is 0, one that is too large is
 * infinity.
 */
Value
number_from_json(Numeric n)
{
	if (numeric_is_nan(n) || numeric_is_inf(n))
		value_fail("NaN and infinity are not JSON");
	if (DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(n))) > 0)
		return value_float(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															  NumericGetDatum(n))));
	return number_from_numeric(n);
}

/* Returns an integer as a numeric; the value must not be a float. */
Numeric
number_to_numeric(const Value *value)
{
	switch ((ValueKind) value->kind)
	{
		case VAL_BOOL:
			return int64_to_numeric(value->u.boolean);
		case VAL_INT:
			return int64_to_numeric(value->u.integer);
		case VAL_BIGINT:
			return value->u.big;
		default:
			elog(ERROR, "template value is no integer");
	}
}

/*
 * Returns the integer part of a double, exactly. Raises for infinity and NaN.
 */
Value
number_from_double_trunc(double d)
{
	char		text[400];

	if (isnan(d))
		value_fail("cannot convert float NaN to integer");
	if (isinf(d))
		value_fail("cannot convert float infinity to integer");
	d = trunc(d);
	if (d >= -9.2e18 && d <= 9.2e18)
		return value_int((int64) d);
	snprintf(text, sizeof(text), "%.0f", d);
	return number_from_numeric(json_numeric(text));
}

/*
 * Returns the double nearest to a number. Raises for an integer that is too
 * large.
 */
double
number_to_double(const Value *value)
{
	double		d;

	switch ((ValueKind) value->kind)
	{
		case VAL_BOOL:
			return value->u.boolean;
		case VAL_INT:
			return (double) value->u.integer;
		case VAL_FLOAT:
			return value->u.real;
		default:
			d = strtod(DatumGetCString(DirectFunctionCall1(numeric_out,
														   NumericGetDatum(value->u.big))), NULL);
			if (isinf(d))
				value_fail("int too large to convert to float");
			return d;
	}
}

/* Compares an integer with a double without rounding either. */
static int
compare_with_double(const Value *a, double d)
{
	Value		whole;
	double		fraction;
	int			c;

	if (isinf(d))
		return d > 0 ? -1 : 1;
	whole = number_from_double_trunc(d);
	fraction = d - trunc(d);
	if (a->kind != VAL_BIGINT && whole.kind == VAL_INT)
	{
		int64		i = a->kind == VAL_BOOL ? a->u.boolean : a->u.integer;

		c = (i > whole.u.integer) - (i < whole.u.integer);
	}
	else
		c = numeric_order(number_to_numeric(a), number_to_numeric(&whole));
	if (c != 0)
		return c;
	return fraction > 0 ? -1 : fraction < 0 ? 1 : 0;
}

/* Compares two numbers; sets *unordered when one of them is NaN. */
int
number_compare(const Value *a, const Value *b, bool *unordered)
{
	*unordered = (a->kind == VAL_FLOAT && isnan(a->u.real)) ||
		(b->kind == VAL_FLOAT && isnan(b->u.real));
	if (*unordered)
		return 1;
	if (a->kind == VAL_FLOAT && b->kind == VAL_FLOAT)
		return (a->u.real > b->u.real) - (a->u.real < b->u.real);
	if (a->kind == VAL_FLOAT)
		return -compare_with_double(b, a->u.real);
	if (b->kind == VAL_FLOAT)
		return compare_with_double(a, b->u.real);
	if (a->kind == VAL_BIGINT || b->kind == VAL_BIGINT)
		return numeric_order(number_to_numeric(a), number_to_numeric(b));
	{
		int64		x = a->kind == VAL_BOOL ? a->u.boolean : a->u.integer;
		int64		y = b->kind == VAL_BOOL ? b->u.boolean : b->u.integer;

		return (x > y) - (x < y);
	}
}

/*
 * Returns the hash of a number; equal numbers have equal hashes, whatever
 * their type.
 */
uint32
number_hash(const Value *value)
{
	double		d;

	if (value->kind == VAL_BOOL)
		return hash_bytes_uint32(value->u.boolean);
	if (value->kind == VAL_INT)
		return hash_combine(hash_bytes_uint32((uint32) value->u.integer),
							(uint32) (value->u.integer >> 32)) *
			(value->u.integer >> 1 != 0) +
			(value->u.integer >> 1 == 0 ? hash_bytes_uint32(value->u.integer) : 0);
	if (value->kind == VAL_FLOAT)
	{
		d = value->u.real;
		if (d >= -9.2e18 && d <= 9.2e18 && d == floor(d))
		{
			Value		i = value_int((int64) d);

			return number_hash(&i);
		}
	}
	else
		d = strtod(DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->u.big))), NULL);
	return hash_bytes((unsigned char *) &d, sizeof(d));
}

/* Returns the integer result of an operation on numerics. */
static Value
big_operation(PGFunction function, const Value *a, const Value *b)
{
	bounds_work(20000);
	return number_from_numeric(
		DatumGetNumeric(DirectFunctionCall2(function, NumericGetDatum(number_to_numeric(a)),
											NumericGetDatum(number_to_numeric(b)))));
}

/* Returns whether an integer is negative. */
static bool
is_negative(const Value *v)
{
	Value		zero = value_int(0);
	bool		unordered;

	return number_compare(v, &zero, &unordered) < 0;
}

/* Returns a // b or a % b for integers, rounding down. */
static Value
integer_divide(const Value *a, const Value *b, bool want_remainder)
{
	Value		quotient;
	Value		remainder;
	Value		one = value_int(1);

	if (!value_truth(NULL, b))
		value_fail("integer division or modulo by zero");
	if (a->kind != VAL_BIGINT && b->kind != VAL_BIGINT)
	{
		int64		x = a->kind == VAL_BOOL ? a->u.boolean : a->u.integer;
		int64		y = b->kind == VAL_BOOL ? b->u.boolean : b->u.integer;

		if (y == -1)
			return want_remainder ? value_int(0) : number_negate(a);
		if (want_remainder)
			return value_int(x % y != 0 && (x % y < 0) != (y < 0) ? x % y + y : x % y);
		return value_int(x % y != 0 && (x < 0) != (y < 0) ? x / y - 1 : x / y);
	}
	quotient = big_operation(numeric_div_trunc, a, b);
	remainder = big_operation(numeric_mod, a, b);
	if (value_truth(NULL, &remainder) && is_negative(&remainder) != is_negative(b))
	{
		quotient = number_binary(OP_SUB, &quotient, &one);
		remainder = number_binary(OP_ADD, &remainder, b);
	}
	return want_remainder ? remainder : quotient;
}

/*
 * Returns a / b for integers that doubles cannot hold: long division, then one
 * rounding.
 */
static double
divide_exactly(const Value *a, const Value *b)
{
	Value		x = number_abs(a);
	Value		y = number_abs(b);
	char	   *text_a = DatumGetCString(
		DirectFunctionCall1(numeric_out, NumericGetDatum(number_to_numeric(&x))));
	char	   *text_b = DatumGetCString(
		DirectFunctionCall1(numeric_out, NumericGetDatum(number_to_numeric(&y))));
	int			shift = Max(0, (int) strlen(text_b) - (int) strlen(text_a) + 40);
	Value		power = number_from_numeric(json_numeric(psprintf("1e%d", shift)));
	Value		scaled = number_binary(OP_MUL, &x, &power);
	Value		quotient = integer_divide(&scaled, &y, false);
	Value		remainder = integer_divide(&scaled, &y, true);
	int			length;
	char	   *digits = number_text(&quotient, &length);
	double		d;

	/* a digit after the last one stands for a remainder */
	d = strtod(psprintf("%s%se-%d", digits,
						value_truth(NULL, &remainder) ? ".1" : "", shift), NULL);
	if (isinf(d))
		value_fail("integer division result too large for a float");
	return is_negative(a) != is_negative(b) ? -d : d;
}

/* Returns Python's / for integers. */
static Value
true_divide(const Value *a, const Value *b)
{
	const int64 exact = INT64CONST(1) << 53;

	if (!value_truth(NULL, b))
		value_fail("division by zero");
	if (a->kind != VAL_BIGINT && b->kind != VAL_BIGINT)
	{
		int64		x = a->kind == VAL_BOOL ? a->u.boolean : a->u.integer;
		int64		y = b->kind == VAL_BOOL ? b->u.boolean : b->u.integer;

		if (x >= -exact && x <= exact && y >= -exact && y <= exact)
			return value_float((double) x / (double) y);
	}
	if (!value_truth(NULL, a))
		return value_float(number_is_negative(b) ? -0.0 : 0.0);
	return value_float(divide_exactly(a, b));
}

/*
 * Returns a ** b for doubles. Raises where the result is not a finite real
 * number.
 */
static Value
float_power(double x, double y)
{
	double		d;

	if (x == 0 && y < 0)
		value_fail("0.0 cannot be raised to a negative power");
	if (x < 0 && isfinite(x) && isfinite(y) && y != floor(y))
		value_fail("a negative number to a fractional power is not real");
	d = pow(x, y);
	if (isinf(d) && isfinite(x) && isfinite(y))
		value_fail("numerical result out of range");
	return value_float(d);
}

/* Returns a ** b for integers. */
static Value
integer_power(const Value *a, const Value *b)
{
	Value		result = value_int(1);
	Value		base = *a;
	int64		exponent;
	double		size;

	if (base.kind == VAL_BOOL)
		base = value_int(base.u.boolean);
	if (is_negative(b))
		return float_power(number_to_double(a), number_to_double(b));
	if (base.kind == VAL_INT && base.u.integer >= -1 && base.u.integer <= 1)
	{
		Value		two = value_int(2);
		Value		odd = integer_divide(b, &two, true);

		if (base.u.integer == -1)
			return value_int(odd.u.integer ? -1 : 1);
		return base.u.integer == 0 ? value_int(!value_truth(NULL, b)) : base;
	}
	if (b->kind == VAL_BIGINT)
		value_fail_limit("integer has more than %d digits", MAX_DIGITS);
	exponent = b->kind == VAL_BOOL ? b->u.boolean : b->u.integer;
	if (base.kind == VAL_INT)
		size = log10(fabs((double) base.u.integer));
	else
		size = 18;
	if (size * exponent > MAX_DIGITS + 1)
		value_fail_limit("integer has more than %d digits", MAX_DIGITS);
	while (exponent > 0)
	{
		if (exponent & 1)
			result = number_binary(OP_MUL, &result, &base);
		exponent >>= 1;
		if (exponent > 0)
			base = number_binary(OP_MUL, &base, &base);
	}
	return result;
}

/* Returns the result of + - * on integers. */
static Value
integer_binary(ValueOperator op, const Value *a, const Value *b)
{
	int64		result;

	if (a->kind != VAL_BIGINT && b->kind != VAL_BIGINT)
	{
		int64		x = a->kind == VAL_BOOL ? a->u.boolean : a->u.integer;
		int64		y = b->kind == VAL_BOOL ? b->u.boolean : b->u.integer;

		if (op == OP_ADD && !pg_add_s64_overflow(x, y, &result))
			return value_int(result);
		if (op == OP_SUB && !pg_sub_s64_overflow(x, y, &result))
			return value_int(result);
		if (op == OP_MUL && !pg_mul_s64_overflow(x, y, &result))
			return value_int(result);
	}
	return big_operation(op == OP_ADD ? numeric_add : op == OP_SUB ? numeric_sub :
						 numeric_mul, a, b);
}

/* Returns // or % on doubles, as CPython computes them. */
static Value
float_divide(double x, double y, bool want_remainder)
{
	double		remainder;
	double		quotient;
	double		whole;

	if (y == 0)
		value_fail(want_remainder ? "float modulo" : "float floor division by zero");
	remainder = fmod(x, y);
	quotient = (x - remainder) / y;
	if (remainder != 0)
	{
		if ((y < 0) != (remainder < 0))
		{
			remainder += y;
			quotient -= 1.0;
		}
	}
	else
		remainder = copysign(0.0, y);
	if (want_remainder)
		return value_float(remainder);
	if (quotient == 0)
		return value_float(copysign(0.0, x / y));
	whole = floor(quotient);
	if (quotient - whole > 0.5)
		whole += 1.0;
	return value_float(whole);
}

/* Returns the result of an arithmetic operation on two numbers. */
Value
number_binary(ValueOperator op, const Value *a, const Value *b)
{
	double		x;
	double		y;

	if (a->kind != VAL_FLOAT && b->kind != VAL_FLOAT)
	{
		switch (op)
		{
			case OP_DIV:
				return true_divide(a, b);
			case OP_FLOORDIV:
				return integer_divide(a, b, false);
			case OP_MOD:
				return integer_divide(a, b, true);
			case OP_POW:
				return integer_power(a, b);
			default:
				return integer_binary(op, a, b);
		}
	}
	x = number_to_double(a);
	y = number_to_double(b);
	switch (op)
	{
		case OP_ADD:
			return value_float(x + y);
		case OP_SUB:
			return value_float(x - y);
		case OP_MUL:
			return value_float(x * y);
		case OP_DIV:
			if (y == 0)
				value_fail("float division by zero");
			return value_float(x / y);
		case OP_FLOORDIV:
			return float_divide(x, y, false);
		case OP_MOD:
			return float_divide(x, y, true);
		default:
			return float_power(x, y);
	}
}

/* Returns -a. */
Value
number_negate(const Value *a)
{
	Value		zero = value_int(0);

	if (a->kind == VAL_FLOAT)
		return value_float(-a->u.real);
	return integer_binary(OP_SUB, &zero, a);
}

/* Returns abs(a). */
Value
number_abs(const Value *a)
{
	if (a->kind == VAL_FLOAT)
		return value_float(fabs(a->u.real));
	if (a->kind == VAL_BOOL)
		return value_int(a->u.boolean);
	return is_negative(a) ? number_negate(a) : *a;
}

/*
 * Returns the int64 that a value is where Python wants an index. Raises for
 * any other value; "what" names the operation.
 */
int64
value_index(const Value *value, const char *what)
{
	if (value->kind == VAL_BOOL)
		return value->u.boolean;
	if (value->kind == VAL_INT)
		return value->u.integer;
	if (value->kind == VAL_BIGINT)
		value_fail("%s: integer is too large", what);
	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	value_fail("%s: '%s' object cannot be interpreted as an integer",
			   what, value_type(value));
}

/* ------------------------------------------------------------------------
 * Rounding
 * ------------------------------------------------------------------------
 */

/* Rounds an integer to a multiple of 10**places, half to even. */
static Value
round_integer(const Value *value, int64 places)
{
	Value		power;
	Value		half;
	Value		two = value_int(2);
	Value		one = value_int(1);
	Value		quotient;
	Value		remainder;
	bool		unordered;
	int			c;

	if (places > MAX_DIGITS)
		return value_int(0);
	power = number_from_numeric(json_numeric(psprintf("1e%d", (int) places - 1)));
	half = value_int(5);
	half = number_binary(OP_MUL, &half, &power);
	power = number_binary(OP_MUL, &half, &two);
	quotient = integer_divide(value, &power, false);
	remainder = integer_divide(value, &power, true);
	c = number_compare(&remainder, &half, &unordered);
	if (c == 0)
	{
		Value		odd = integer_divide(&quotient, &two, true);

		c = odd.u.integer ? 1 : -1;
	}
	if (c > 0)
		quotient = number_binary(OP_ADD, &quotient, &one);
	return number_binary(OP_MUL, &quotient, &power);
}

/* Rounds a double to a multiple of 10**places, half to even. */
static double
round_left(double d, int places)
{
	double		whole = trunc(fabs(d));
	Value		integer;
	Value		rounded;
	double		result;

	if (places > 308)
		return 0.0 * d;

	/* a fraction matters only beside an exact half */
	integer = number_from_double_trunc(whole);
	if (whole != fabs(d))
	{
		Value		two = value_int(2);
		Value		one = value_int(1);

		integer = number_binary(OP_MUL, &integer, &two);
		integer = number_binary(OP_ADD, &integer, &one);
		integer = number_binary(OP_MUL, &integer, &(Value) {.kind = VAL_INT,.u.integer = 5});
		places++;
		rounded = round_integer(&integer, places);
		rounded = integer_divide(&rounded, &(Value) {.kind = VAL_INT,.u.integer = 10}, false);
	}
	else
		rounded = round_integer(&integer, places);
	result = number_to_double(&rounded);
	return copysign(result, d);
}

/* Returns Python's round(value, digits). */
Value
number_round(const Value *value, int64 digits)
{
	char		text[1024];
	double		d;

	if (value->kind != VAL_FLOAT)
	{
		if (value->kind == VAL_BOOL)
			return number_round(&(Value) {.kind = VAL_INT,.u.integer = value->u.boolean}, digits);
		return digits < 0 ? round_integer(value, digits == PG_INT64_MIN ? PG_INT64_MAX : -digits) :
							*value;
	}
	d = value->u.real;
	if (!isfinite(d) || digits > 323)
		return *value;
	if (digits < 0)
		return value_float(digits < -308 ? 0.0 * d : round_left(d, -digits));
	snprintf(text, sizeof(text), "%.*f", (int) digits, d);
	d = strtod(text, NULL);
	if (isinf(d))
		value_fail("rounded value too large to represent");
	return value_float(d);
}

/* Returns the result of the methods "ceil" and "floor" of the filter round. */
Value
number_ceil_floor(const Value *value, int64 digits, bool ceil_up)
{
	Value		ten = value_int(10);
	Value		exponent = value_int(digits);
	Value		power = number_binary(OP_POW, &ten, &exponent);
	Value		scaled = number_binary(OP_MUL, value, &power);

	if (scaled.kind == VAL_FLOAT)
		scaled = number_from_double_trunc(ceil_up ? ceil(scaled.u.real) : floor(scaled.u.real));
	return number_binary(OP_DIV, &scaled, &power);
}

/* ------------------------------------------------------------------------
 * Text
 * ------------------------------------------------------------------------
 */

/* Returns Python's repr() of a double. */
char *
number_repr_double(double d)
{
	if (isnan(d))
		return pstrdup("nan");
	if (isinf(d))
		return pstrdup(d > 0 ? "inf" : "-inf");
	return double_text(d, true);
}

/* Returns Python's str() of a number and sets *length. */
char *
number_text(const Value *value, int *length)
{
	char	   *text;

	if (value->kind == VAL_BOOL)
		text = pstrdup(value->u.boolean ? "True" : "False");
	else if (value->kind == VAL_INT)
	{
		text = palloc(32);
		*length = pg_lltoa(value->u.integer, text);
		return text;
	}
	else if (value->kind == VAL_FLOAT)
		text = number_repr_double(value->u.real);
	else
	{
		text = DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->u.big)));
		if (strlen(text) > MAX_TEXT_DIGITS + 1)
			value_fail("integer has more than %d digits, too many to be converted to text",
					   MAX_TEXT_DIGITS);
	}
	*length = strlen(text);
	return text;
}

/*
 * Returns the text without white space around it and with digits of any script
 * as ASCII digits. Returns NULL when a character cannot be part of a number: to
 * Python's int() and float() the separators \x1c to \x1f are no white space.
 */
static char *
clean_number(const char *s, int length)
{
	Value		text = utext_make(s, length);
	StringInfoData buf;
	int			pos = 0;

	for (int i = 0; i < length; i++)
		if (s[i] >= 0x1c && s[i] <= 0x1f)
			return NULL;
	text = utext_strip(&text, NULL, true, true);
	bounds_work((int64) text.length * 10);
	initStringInfo(&buf);
	while (pos < text.length)
	{
		int			used;
		uint32		c = utext_decode(text.u.string + pos, text.length - pos, &used);
		int			digit = unicode_decimal(c);

		if (digit >= 0)
			appendStringInfoChar(&buf, '0' + digit);
		else if (c < 128)
			appendStringInfoChar(&buf, (char) c);
		else
			return NULL;
		pos += used;
	}
	return buf.data;
}

/* Returns the value of a digit in any base up to 36, or 99. */
static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 99;
}

/* Skips a prefix like 0x; returns the base that it means, or the given one. */
static int
skip_prefix(const char **p, int base)
{
	int			named = 0;

	if ((*p)[0] == '0')
	{
		char		c = (*p)[1] | 0x20;

		named = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
	}
	if (named != 0 && (base == 0 || base == named))
	{
		*p += 2;
		if (**p == '_')
			(*p)++;
		return named;
	}
	return base == 0 ? 10 : base;
}

/*
 * Sets *result to the integer that digits spell; returns false when they spell
 * none.
 */
static bool
accumulate(const char *p, int base, bool negative, Value *result)
{
	Value		total = value_int(0);
	Value		factor = value_int(base);
	int			digits = 0;

	for (; *p; p++)
	{
		Value		digit;

		if (*p == '_' && digits > 0 && p[1] != '\0' && p[1] != '_')
			continue;
		if (digit_value(*p) >= base)
			return false;
		digit = value_int(digit_value(*p));
		total = number_binary(OP_MUL, &total, &factor);
		total = number_binary(OP_ADD, &total, &digit);
		if (++digits > MAX_TEXT_DIGITS)
			return false;
	}
	*result = negative ? number_negate(&total) : total;
	return digits > 0;
}

/*
 * Reads text as Python's int(text, base); returns false where Python raises.
 */
bool
number_parse_int(const char *s, int length, int base, Value *result)
{
	const char *p = clean_number(s, length);
	bool		negative;
	bool		guess = base == 0;

	if (p == NULL)
		return false;
	negative = *p == '-';
	if (*p == '-' || *p == '+')
		p++;
	base = skip_prefix(&p, base);

	/* a guessed decimal number has no leading zeros, unless it is zero */
	if (guess && base == 10 && *p == '0' && strspn(p, "0_") != strlen(p))
		return false;
	return accumulate(p, base, negative, result);
}

/* Reads text as Python's float(text); returns false where Python raises. */
bool
number_parse_float(const char *s, int length, double *result)
{
	char	   *text = clean_number(s, length);
	char	   *to;
	const char *p;
	char	   *end;

	if (text == NULL || *text == '\0')
		return false;
	p = text;
	if (*p == '+' || *p == '-')
		p++;
	if (pg_strcasecmp(p, "inf") == 0 || pg_strcasecmp(p, "infinity") == 0)
	{
		*result = *text == '-' ? -get_float8_infinity() : get_float8_infinity();
		return true;
	}
	if (pg_strcasecmp(p, "nan") == 0)
	{
		*result = get_float8_nan();
		return true;
	}
	if (strspn(p, "0123456789_.eE+-") != strlen(p) || strpbrk(p, "0123456789") == NULL)
		return false;
	for (p = to = text; *p; p++)
	{
		if (*p != '_')
			*to++ = *p;
		else if (p == text || digit_value(p[-1]) > 9 || digit_value(p[1]) > 9)
			return false;
	}
	*to = '\0';
	*result = strtod(text, &end);
	return end == to;
}
