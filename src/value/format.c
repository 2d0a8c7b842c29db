/*
 * value/format.c
 *		Numbers as text, and printf-style formatting ('%d' % x).
 */
#include "common/common.h"

#include <math.h>

#include "value/value.h"

/* The arguments of one format. */
typedef struct ArgSource
{
	Value		args;			/* the right operand of % */
	bool		tuple;
	bool		mapping;
	int			next;
} ArgSource;

/* ------------------------------------------------------------------------
 * Numbers as text
 * ------------------------------------------------------------------------
 */

/* Returns the digits of a non-negative integer in base 2, 8, 10 or 16. */
char *
format_integer_digits(const Value *value, int base, bool upper)
{
	const char *symbols = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int			bits = base == 2 ? 1 : base == 8 ? 3 : 4;
	Value		rest = *value;
	Value		divisor = value_int(INT64CONST(1) << 60);
	StringInfoData buf;
	int			length;
	int			i;

	if (base == 10)
		return number_text(&rest, &length);
	initStringInfo(&buf);
	while (value_truth(NULL, &rest))
	{
		/* 60 bits at a time: a multiple of the bits of a digit */
		int64		portion = number_binary(OP_MOD, &rest, &divisor).u.integer;

		rest = number_binary(OP_FLOORDIV, &rest, &divisor);
		for (i = 0; i < 60 / bits && (portion != 0 || value_truth(NULL, &rest)); i++)
		{
			appendStringInfoChar(&buf, symbols[portion & (base - 1)]);
			portion >>= bits;
		}
	}
	if (buf.len == 0)
		appendStringInfoChar(&buf, '0');
	for (i = 0; i < buf.len / 2; i++)
	{
		char		c = buf.data[i];

		buf.data[i] = buf.data[buf.len - 1 - i];
		buf.data[buf.len - 1 - i] = c;
	}
	return buf.data;
}

/* Returns digits with a decimal point, which "#" asks for. */
static char *
force_point(char *text)
{
	int			mantissa = strcspn(text, "e");

	if (strchr(text, '.') != NULL)
		return text;
	return psprintf("%.*s.%s", mantissa, text, text + mantissa);
}

/* Returns the digits of a non-negative double by type e, f or g. */
char *
format_double_digits(double d, char type, int64 precision, bool alternate)
{
	char		format[8] = {'%', '.', '*', (char) (type | 0x20), '\0'};
	char		text[1024];
	char	   *result;
	int			exponent;

	if (isnan(d))
		return pstrdup(type < 'a' ? "NAN" : "nan");
	if (isinf(d))
		return pstrdup(type < 'a' ? "INF" : "inf");
	if (precision > MAX_PRECISION)
		value_fail_limit("precision of more than %d digits is not supported", MAX_PRECISION);
	if ((type | 0x20) != 'g' || !alternate)
		snprintf(text, sizeof(text), format, (int) precision, d);
	else
	{
		/* keep the zeros that %g drops */
		precision = Max(precision, 1);
		snprintf(text, sizeof(text), "%.*e", (int) precision - 1, d);
		exponent = atoi(strchr(text, 'e') + 1);
		if (exponent >= -4 && exponent < precision)
			snprintf(text, sizeof(text), "%.*f", (int) precision - 1 - exponent, d);
	}
	result = alternate ? force_point(text) : text;
	result = pstrdup(result);
	if (type < 'a')
	{
		char	   *p;

		for (p = result; *p; p++)
			*p = pg_toupper((unsigned char) *p);
	}
	return result;
}

/*
 * Returns digits with a separator between groups before the point, padded with
 * zeros to a width.
 */
char *
format_group_digits(const char *digits, char separator, int group, int64 width)
{
	int			whole = strspn(digits, "0123456789abcdefABCDEF");
	const char *rest;
	StringInfoData buf;
	int64		total;
	int64		i;

	if (strspn(digits, "0123456789") > 0 && strchr(digits, '.') == NULL && strchr(digits, 'e') &&
		group == 3)
		whole = strcspn(digits, "e");
	rest = digits + whole;
	if (separator == 0)
		total = Max(whole, width - (int64) strlen(rest));
	else
	{
		total = whole;
		while (total + (total - 1) / group + (int64) strlen(rest) < width)
			total++;
	}
	value_check_size(total * 2);
	bounds_work(total * 4);
	initStringInfo(&buf);
	for (i = 0; i < total; i++)
	{
		if (separator != 0 && i > 0 && (total - i) % group == 0)
			appendStringInfoChar(&buf, separator);
		appendStringInfoChar(&buf, i < total - whole ? '0' : digits[i - (total - whole)]);
	}
	appendStringInfoString(&buf, rest);
	return buf.data;
}

/* Returns whether an integer or double is below zero or is minus zero. */
bool
number_is_negative(const Value *v)
{
	Value		zero = value_int(0);
	bool		unordered;

	if (v->kind == VAL_FLOAT)
		return signbit(v->u.real) && !isnan(v->u.real);
	return number_compare(v, &zero, &unordered) < 0;
}

/* Appends text padded with blanks to a width in characters. */
static void
append_padded(StringInfo buf, const char *s, int length, int64 width, bool left)
{
	int64		missing = width - utext_chars(s, length);

	value_check_size(buf->len + length + Max(missing, 0));
	if (!left && missing > 0)
		appendStringInfoSpaces(buf, missing);
	appendBinaryStringInfo(buf, s, length);
	if (left && missing > 0)
		appendStringInfoSpaces(buf, missing);
}

/* Appends the result of %c. */
void
format_char(StringInfo buf, const FormatSpec *spec, const Value *value)
{
	StringInfoData text;

	initStringInfo(&text);
	if (value->kind == VAL_STRING && utext_chars(value->u.string, value->length) == 1)
		appendBinaryStringInfo(&text, value->u.string, value->length);
	else if (value->kind == VAL_INT || value->kind == VAL_BOOL)
	{
		int64		c = value_index(value, "%c");

		if (c == 0)
			value_fail_refused("JSON text in PostgreSQL cannot hold the character NUL.",
							   "%%c of 0 would be NUL");
		if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
			value_fail("%%c arg not in range(0x110000)");
		utext_append_char(&text, (uint32) c);
	}
	else
		value_fail("%%c requires int or char");
	append_padded(buf, text.data, text.len, spec->width, spec->align == '<');
}

/* ------------------------------------------------------------------------
 * printf-style
 * ------------------------------------------------------------------------
 */

/* Returns the next argument.  Raises when there is none. */
static Value
next_argument(ArgSource *source)
{
	if (source->tuple)
	{
		if (source->next < seq_count(&source->args))
			return seq_items(&source->args)[source->next++];
	}
	else if (source->next++ == 0)
		return source->args;
	value_fail("not enough arguments for format string");
}

/* Reads a width or precision: digits, or "*" for the next argument. */
static int64
parse_amount(const char **p, const char *end, ArgSource *source)
{
	int64		amount = 0;

	if (*p < end && **p == '*')
	{
		Value		v = next_argument(source);

		(*p)++;
		if (v.kind != VAL_INT && v.kind != VAL_BOOL)
			value_fail("* wants int");
		return v.kind == VAL_BOOL ? v.u.boolean : Max(Min(v.u.integer, INT_MAX), -INT_MAX);
	}
	while (*p < end && isdigit((unsigned char) **p))
	{
		amount = amount * 10 + (**p - '0');
		if (amount > INT_MAX)
			value_fail("width or precision too big");
		(*p)++;
	}
	return amount;
}

/* Reads flags, width, precision and type of a conversion. */
static void
parse_conversion(const char **p, const char *end, ArgSource *source, FormatSpec *spec)
{
	memset(spec, 0, sizeof(FormatSpec));
	spec->precision = -1;
	for (; *p < end; (*p)++)
	{
		if (**p == '-')
			spec->align = '<';
		else if (**p == '+')
			spec->sign = '+';
		else if (**p == ' ')
		{
			if (spec->sign == 0)
				spec->sign = ' ';
		}
		else if (**p == '#')
			spec->alternate = true;
		else if (**p == '0')
			spec->zero = true;
		else
			break;
	}
	spec->width = parse_amount(p, end, source);
	if (spec->width < 0)
	{
		spec->align = '<';
		spec->width = -spec->width;
	}
	if (*p < end && **p == '.')
	{
		(*p)++;
		spec->precision = parse_amount(p, end, source);
		spec->precision = Max(spec->precision, 0);
	}
	if (*p < end && (**p == 'h' || **p == 'l' || **p == 'L'))
		(*p)++;
	if (*p >= end)
		value_fail("incomplete format");
	spec->type = *(*p)++;
}

/* Appends sign, prefix and digits, padded with zeros or blanks. */
static void
append_number(StringInfo buf, bool negative, const char *prefix,
			  const char *digits, const FormatSpec *spec)
{
	const char *sign = negative ? "-" : spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "";
	int64		used = strlen(sign) + strlen(prefix) + strlen(digits);
	StringInfoData number;

	value_check_size(buf->len + Max(used, spec->width));
	initStringInfo(&number);
	appendStringInfo(&number, "%s%s", sign, prefix);
	if (spec->zero && spec->align != '<')
	{
		for (; used < spec->width; used++)
			appendStringInfoChar(&number, '0');
	}
	appendStringInfoString(&number, digits);
	append_padded(buf, number.data, number.len, spec->width, spec->align == '<');
}

/* Appends the result of %d %i %u %o %x %X. */
static void
format_integer(StringInfo buf, const FormatSpec *spec, const Value *value)
{
	char		type = spec->type;
	int			base = type == 'o' ? 8 : (type | 0x20) == 'x' ? 16 : 10;
	Value		number = *value;
	Value		magnitude;
	char	   *digits;
	const char *prefix = "";

	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (!value_is_number(value))
		value_fail("%%%c format: a real number is required, not %s", type, value_type(value));
	if (value->kind == VAL_FLOAT)
	{
		if (base != 10)
			value_fail("%%%c format: an integer is required, not float", type);
		number = number_from_double_trunc(value->u.real);
	}
	else if (value->kind == VAL_BOOL)
		number = value_int(value->u.boolean);
	magnitude = number_abs(&number);
	digits = format_integer_digits(&magnitude, base, type == 'X');
	if (spec->precision > (int64) strlen(digits))
		digits = format_group_digits(digits, 0, 3, spec->precision);
	if (spec->alternate && base != 10)
		prefix = type == 'o' ? "0o" : type == 'x' ? "0x" : "0X";
	append_number(buf, number_is_negative(&number), prefix, digits, spec);
}

/* Appends the result of %e %f %g in both cases. */
static void
format_double(StringInfo buf, const FormatSpec *spec, const Value *value)
{
	double		d;

	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (!value_is_number(value))
		value_fail("must be real number, not %s", value_type(value));
	d = number_to_double(value);
	append_number(buf, signbit(d) && !isnan(d), "",
				  format_double_digits(fabs(d), spec->type,
									   spec->precision < 0 ? 6 :
									   (spec->type | 0x20) == 'g' && spec->precision == 0 ? 1 :
									   spec->precision, spec->alternate), spec);
}

/* Appends the result of %s %r %a. */
static void
format_text(Budget *budget, StringInfo buf, const FormatSpec *spec, const Value *value,
			bool markup)
{
	Value		text;

	if (spec->type == 's')
		text = value_soft_str(budget, value);
	else
		text = spec->type == 'r' ? value_repr(budget, value) : value_ascii(budget, value);
	if (markup)
		text = utext_escape(&text);
	if (spec->precision >= 0)
		text.length = utext_offset(text.u.string, text.length, spec->precision);
	append_padded(buf, text.u.string, text.length, spec->width, spec->align == '<');
}

/* Returns the argument that the key of %(key)s names; *p is after "(". */
static Value
mapping_argument(Budget *budget, const char **p, const char *end, ArgSource *source)
{
	const char *start = *p;
	int			depth = 1;
	Value		key;
	Value		result;

	if (!source->mapping)
		value_fail("format requires a mapping");
	while (*p < end && depth > 0)
	{
		if (**p == '(')
			depth++;
		else if (**p == ')')
			depth--;
		(*p)++;
	}
	if (depth > 0)
		value_fail("incomplete format key");
	key = utext_make(start, *p - 1 - start);
	if (source->args.kind == VAL_UNDEFINED)
		value_fail_undefined(&source->args);
	if (source->args.kind != VAL_DICT)
		value_fail("list indices must be integers or slices, not str");
	source->next = 1;			/* no argument is left for a plain conversion */
	if (!dict_get(budget, &source->args, &key, &result))
		value_fail("key %s is missing", value_quote(&key));
	return result;
}

/* Appends the result of one conversion; *p is after the percent sign. */
static void
format_conversion(Budget *budget, StringInfo buf, const char **p, const char *end,
				  ArgSource *source, bool markup)
{
	FormatSpec	spec;
	Value		value = {VAL_ABSENT};

	if (*p < end && **p == '%')
	{
		appendStringInfoChar(buf, *(*p)++);
		return;
	}
	if (*p < end && **p == '(')
	{
		(*p)++;
		value = mapping_argument(budget, p, end, source);
	}
	parse_conversion(p, end, source, &spec);
	if (!value_given(&value))
		value = next_argument(source);
	switch (spec.type)
	{
		case 's':
		case 'r':
		case 'a':
			format_text(budget, buf, &spec, &value, markup);
			break;
		case 'd':
		case 'i':
		case 'u':
		case 'o':
		case 'x':
		case 'X':
			format_integer(buf, &spec, &value);
			break;
		case 'e':
		case 'E':
		case 'f':
		case 'F':
		case 'g':
		case 'G':
			format_double(buf, &spec, &value);
			break;
		case 'c':
			format_char(buf, &spec, &value);
			break;
		default:
			value_fail("unsupported format character '%c'", spec.type);
	}
}

/* Returns format % args. */
Value
format_percent(Budget *budget, const Value *format, const Value *args)
{
	const char *p = format->u.string;
	const char *end = p + format->length;
	bool		markup = (format->flags & VF_MARKUP) != 0;
	ArgSource	source = {*args};
	StringInfoData buf;
	Value		result;

	source.tuple = args->kind == VAL_TUPLE;
	source.mapping = args->kind == VAL_DICT || args->kind == VAL_LIST ||
		args->kind == VAL_RANGE || args->kind == VAL_UNDEFINED;
	initStringInfo(&buf);
	while (p < end)
	{
		const char *percent = memchr(p, '%', end - p);

		if (percent == NULL)
			percent = end;
		appendBinaryStringInfo(&buf, p, percent - p);
		bounds_work(20 + (percent - p) / 4);
		value_check_size(buf.len);
		p = percent;
		if (p == end)
			break;
		p++;
		format_conversion(budget, &buf, &p, end, &source, markup);
	}
	if (source.tuple ? source.next < seq_count(&source.args) :
		(source.next == 0 && !source.mapping))
		value_fail("not all arguments converted during string formatting");
	result = utext_from_buffer(&buf);
	if (markup)
		result.flags = VF_MARKUP;
	return result;
}
