/*
 * template_format.c
 *		'%d' % x and '{:d}'.format(x)
 */
#include "noetl.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "template_int.h"
#include "template_unicode.h"

/* The C library is asked for no more digits than this. */
#define MAX_PRECISION	340

/* What a conversion or format specification says. */
typedef struct FormatSpec
{
	uint32		fill;			/* 0: not given */
	char		align;			/* < > = ^ or 0 */
	char		sign;			/* + - space or 0 */
	bool		alternate;		/* # */
	bool		zero;
	int64		width;			/* -1: not given */
	char		grouping;		/* , _ or 0 */
	int64		precision;		/* -1: not given */
	char		type;			/* 0: not given */
} FormatSpec;

/* Where arguments come from. */
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

/* Digits of a non-negative integer in base 2, 8, 10 or 16. */
static char *
integer_digits(const Value *value, int base, bool upper)
{
	const char *symbols = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	Value		rest = *value;
	Value		divisor = value_int(base);
	StringInfoData buf;
	int			length;
	int			i;

	if (base == 10)
		return number_text(&rest, &length);
	initStringInfo(&buf);
	while (value_truth(NULL, &rest))
	{
		Value		digit = number_binary(NULL, OP_MOD, &rest, &divisor);

		appendStringInfoChar(&buf, symbols[digit.u.integer]);
		rest = number_binary(NULL, OP_FLOORDIV, &rest, &divisor);
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

/* Puts a point into digits that have none, as "#" asks for. */
static char *
force_point(char *text)
{
	int			mantissa = strcspn(text, "e");

	if (strchr(text, '.') != NULL)
		return text;
	return psprintf("%.*s.%s", mantissa, text, text + mantissa);
}

/* Digits of a non-negative double by type e, f or g. */
static char *
double_digits(double d, char type, int64 precision, bool alternate)
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
		jinja_fail_limit("precision of more than %d digits is not supported", MAX_PRECISION);
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

/* Groups the digits before the point; pads with zeros to a width. */
static char *
group_digits(const char *digits, char separator, int group, int64 width)
{
	int			whole = strspn(digits, "0123456789abcdefABCDEF");
	const char *rest;
	StringInfoData buf;
	int64		total;
	int64		i;

	if (strspn(digits, "0123456789") > 0 && strchr(digits, '.') == NULL && strchr(digits, 'e') && group == 3)
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
	utext_check_size(total * 2);
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

/* ------------------------------------------------------------------------
 * printf-style
 * ------------------------------------------------------------------------
 */

/* The next argument. */
static Value
next_argument(ArgSource *source)
{
	if (source->tuple)
	{
		if (source->next < list_count(&source->args))
			return list_items(&source->args)[source->next++];
	}
	else if (source->next++ == 0)
		return source->args;
	jinja_fail("not enough arguments for format string");
}

/* A width or precision: digits or * */
static int64
parse_amount(const char **p, const char *end, ArgSource *source)
{
	int64		amount = 0;

	if (*p < end && **p == '*')
	{
		Value		v = next_argument(source);

		(*p)++;
		if (v.kind != VAL_INT && v.kind != VAL_BOOL)
			jinja_fail("* wants int");
		return v.kind == VAL_BOOL ? v.u.boolean : Max(Min(v.u.integer, INT_MAX), -INT_MAX);
	}
	while (*p < end && isdigit((unsigned char) **p))
	{
		amount = amount * 10 + (**p - '0');
		if (amount > INT_MAX)
			jinja_fail("width or precision too big");
		(*p)++;
	}
	return amount;
}

/* Flags, width, precision and type of a conversion. */
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
		jinja_fail("incomplete format");
	spec->type = *(*p)++;
}

/* Pads text to a width in characters. */
static void
append_padded(StringInfo buf, const char *s, int length, int64 width, bool left)
{
	int64		missing = width - utext_chars(s, length);

	utext_check_size(buf->len + length + Max(missing, 0));
	if (!left && missing > 0)
		appendStringInfoSpaces(buf, missing);
	appendBinaryStringInfo(buf, s, length);
	if (left && missing > 0)
		appendStringInfoSpaces(buf, missing);
}

/* Sign, prefix and digits, with zeros or spaces before or after. */
static void
append_number(StringInfo buf, bool negative, const char *prefix,
			  const char *digits, const FormatSpec *spec)
{
	const char *sign = negative ? "-" : spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "";
	int64		used = strlen(sign) + strlen(prefix) + strlen(digits);
	StringInfoData number;

	utext_check_size(buf->len + Max(used, spec->width));
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

/* Is an integer or double below zero (or minus zero)? */
static bool
number_is_negative(const Value *v)
{
	Value		zero = value_int(0);
	bool		unordered;

	if (v->kind == VAL_FLOAT)
		return signbit(v->u.real) && !isnan(v->u.real);
	return number_compare(v, &zero, &unordered) < 0;
}

/* %d %i %u %o %x %X */
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
		jinja_fail("%%%c format: a real number is required, not %s", type, value_type(value));
	if (value->kind == VAL_FLOAT)
	{
		if (base != 10)
			jinja_fail("%%%c format: an integer is required, not float", type);
		number = number_from_double_trunc(value->u.real);
	}
	else if (value->kind == VAL_BOOL)
		number = value_int(value->u.boolean);
	magnitude = number_abs(&number);
	digits = integer_digits(&magnitude, base, type == 'X');
	if (spec->precision > (int64) strlen(digits))
		digits = group_digits(digits, 0, 3, spec->precision);
	if (spec->alternate && base != 10)
		prefix = type == 'o' ? "0o" : type == 'x' ? "0x" : "0X";
	append_number(buf, number_is_negative(&number), prefix, digits, spec);
}

/* %e %f %g in both cases */
static void
format_double(StringInfo buf, const FormatSpec *spec, const Value *value)
{
	double		d;

	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (!value_is_number(value))
		jinja_fail("must be real number, not %s", value_type(value));
	d = number_to_double(value);
	append_number(buf, signbit(d) && !isnan(d), "",
				  double_digits(fabs(d), spec->type,
								spec->precision < 0 ? 6 :
								(spec->type | 0x20) == 'g' && spec->precision == 0 ? 1 :
								spec->precision, spec->alternate), spec);
}

/* %c */
static void
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
			jinja_fail_refused("JSON text in PostgreSQL cannot hold the character NUL.",
							   "%%c of 0 would be NUL");
		if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
			jinja_fail("%%c arg not in range(0x110000)");
		utext_append_char(&text, (uint32) c);
	}
	else
		jinja_fail("%%c requires int or char");
	append_padded(buf, text.data, text.len, spec->width, spec->align == '<');
}

/* repr() with everything but ASCII escaped */
static Value
ascii_repr(Eval *ev, const Value *value)
{
	Value		text = value_repr(ev, value);
	StringInfoData buf;
	int			pos = 0;

	initStringInfo(&buf);
	while (pos < text.length)
	{
		int			used;
		uint32		c = utext_decode(text.u.string + pos, text.length - pos, &used);

		if (c < 0x80)
			appendStringInfoChar(&buf, (char) c);
		else
			appendStringInfo(&buf, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
		pos += used;
	}
	utext_check_size(buf.len);
	return utext_from_buffer(&buf);
}

/* %s %r %a */
static void
format_text(Eval *ev, StringInfo buf, const FormatSpec *spec, const Value *value,
			bool markup)
{
	Value		text;

	if (spec->type == 's')
		text = value_soft_str(ev, value);
	else
		text = spec->type == 'r' ? value_repr(ev, value) : ascii_repr(ev, value);
	if (markup)
		text = utext_escape(&text);
	if (spec->precision >= 0)
		text.length = utext_offset(text.u.string, text.length, spec->precision);
	append_padded(buf, text.u.string, text.length, spec->width, spec->align == '<');
}

/* The key of %(key)s, and its value. */
static Value
mapping_argument(Eval *ev, const char **p, const char *end, ArgSource *source)
{
	const char *start = *p;
	int			depth = 1;
	Value		key;
	Value		result;

	if (!source->mapping)
		jinja_fail("format requires a mapping");
	while (*p < end && depth > 0)
	{
		if (**p == '(')
			depth++;
		else if (**p == ')')
			depth--;
		(*p)++;
	}
	if (depth > 0)
		jinja_fail("incomplete format key");
	key = utext_make(start, *p - 1 - start);
	if (source->args.kind == VAL_UNDEFINED)
		value_fail_undefined(&source->args);
	if (source->args.kind != VAL_DICT)
		jinja_fail("list indices must be integers or slices, not str");
	source->next = 1;			/* nothing is left for a plain conversion */
	if (!dict_get(ev, &source->args, &key, &result))
		jinja_fail("key %s is missing", quote_repr(&key));
	return result;
}

/* One conversion; *p is after the percent sign. */
static void
format_conversion(Eval *ev, StringInfo buf, const char **p, const char *end,
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
		value = mapping_argument(ev, p, end, source);
	}
	parse_conversion(p, end, source, &spec);
	if (!value_given(&value))
		value = next_argument(source);
	switch (spec.type)
	{
		case 's':
		case 'r':
		case 'a':
			format_text(ev, buf, &spec, &value, markup);
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
			jinja_fail("unsupported format character '%c'", spec.type);
	}
}

/* format % args */
Value
percent_format(Eval *ev, const Value *format, const Value *args)
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
		utext_check_size(buf.len);
		p = percent;
		if (p == end)
			break;
		p++;
		format_conversion(ev, &buf, &p, end, &source, markup);
	}
	if (source.tuple ? source.next < list_count(&source.args) :
		(source.next == 0 && !source.mapping))
		jinja_fail("not all arguments converted during string formatting");
	result = utext_from_buffer(&buf);
	if (markup)
		result.flags = VF_MARKUP;
	return result;
}

/* ------------------------------------------------------------------------
 * str.format()
 * ------------------------------------------------------------------------
 */

/* The state of one format() call. */
typedef struct BraceFormat
{
	const CallArgs *call;
	int			next;			/* next automatic number; -1: manual ones used */
	bool		automatic;
	bool		markup;
} BraceFormat;

/* Digits of a width or precision. */
static int64
spec_amount(const char **p, const char *end)
{
	int64		amount = -1;

	while (*p < end && isdigit((unsigned char) **p))
	{
		amount = Max(amount, 0) * 10 + (**p - '0');
		if (amount > INT_MAX)
			jinja_fail("too many decimal digits in format string");
		(*p)++;
	}
	return amount;
}

/* Takes a format specification apart. */
static void
parse_spec(const Value *text, FormatSpec *spec)
{
	const char *p = text->u.string;
	const char *end = p + text->length;
	int			used;

	memset(spec, 0, sizeof(FormatSpec));
	if (text->length > 0)
	{
		uint32		c = utext_decode(p, text->length, &used);

		if (p + used < end && strchr("<>=^", p[used]) && p[used])
		{
			spec->fill = c;
			spec->align = p[used];
			p += used + 1;
		}
		else if (strchr("<>=^", *p) && *p)
			spec->align = *p++;
	}
	if (p < end && (*p == '+' || *p == '-' || *p == ' '))
		spec->sign = *p++;
	if (p < end && *p == 'z')
		jinja_fail_refused(NULL, "format option \"z\" is not supported");
	if (p < end && *p == '#')
	{
		spec->alternate = true;
		p++;
	}
	if (p < end && *p == '0' && spec->fill == 0)
	{
		spec->fill = '0';
		spec->zero = spec->align == 0;
		if (spec->align == 0)
			spec->align = '=';
		p++;
	}
	spec->width = spec_amount(&p, end);
	if (p < end && (*p == ',' || *p == '_'))
		spec->grouping = *p++;
	if (p < end && (*p == ',' || *p == '_'))
		jinja_fail("cannot specify both ',' and '_'");
	spec->precision = -1;
	if (p < end && *p == '.')
	{
		p++;
		spec->precision = spec_amount(&p, end);
		if (spec->precision < 0)
			jinja_fail("format specifier missing precision");
	}
	if (p < end)
		spec->type = *p++;
	if (p < end || (unsigned char) spec->type >= 0x80)
		jinja_fail("invalid format specifier");
}

/* Fills text up to the width. */
static void
append_aligned(StringInfo buf, const char *s, int length, int lead,
			   const FormatSpec *spec, char align)
{
	int64		missing = Max(spec->width - utext_chars(s, length), 0);
	int64		before = align == '>' ? missing : align == '^' ? missing / 2 :
		align == '=' ? missing : 0;
	int64		i;

	utext_check_size(buf->len + length + missing * 4);
	if (align == '=')
		appendBinaryStringInfo(buf, s, lead);
	for (i = 0; i < before; i++)
		utext_append_char(buf, spec->fill ? spec->fill : ' ');
	appendBinaryStringInfo(buf, s + (align == '=' ? lead : 0),
						   length - (align == '=' ? lead : 0));
	for (i = before; i < missing; i++)
		utext_append_char(buf, spec->fill ? spec->fill : ' ');
}

/* A string by a specification. */
static void
spec_text(StringInfo buf, const FormatSpec *spec, const Value *value)
{
	Value		text = *value;

	if (spec->type != 0 && spec->type != 's')
		jinja_fail("unknown format code '%c' for object of type 'str'", spec->type);
	if (spec->sign)
		jinja_fail("sign not allowed in string format specifier");
	if (spec->alternate)
		jinja_fail("alternate form (#) not allowed in string format specifier");
	if (spec->align == '=' && !spec->zero)
		jinja_fail("'=' alignment not allowed in string format specifier");
	if (spec->grouping)
		jinja_fail("cannot specify '%c' with 's'", spec->grouping);
	if (spec->precision >= 0)
		text.length = utext_offset(text.u.string, text.length, spec->precision);
	append_aligned(buf, text.u.string, text.length, 0, spec,
				   spec->align && !spec->zero ? spec->align : '<');
}

/* Sign, prefix and digits by a specification. */
static void
spec_number(StringInfo buf, const FormatSpec *spec, bool negative,
			const char *prefix, const char *digits, int group)
{
	const char *sign = negative ? "-" : spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "";
	int			lead = strlen(sign) + strlen(prefix);
	char	   *text;

	if (spec->grouping || (spec->fill == '0' && spec->align == '='))
		digits = group_digits(digits, spec->grouping, group,
							  spec->fill == '0' && spec->align == '=' ? spec->width - lead : 0);
	text = psprintf("%s%s%s", sign, prefix, digits);
	append_aligned(buf, text, strlen(text), lead, spec, spec->align ? spec->align : '>');
}

/* A double by a specification. */
static void
spec_double(StringInfo buf, const FormatSpec *spec, double d)
{
	char		type = spec->type;
	int64		precision = spec->precision;
	bool		negative = signbit(d) && !isnan(d);
	char	   *digits;

	if (type == 'n')
		type = 'g';
	if (type == 0 && precision < 0)
		digits = number_repr_double(fabs(d));
	else if (type == 0)
	{
		/* like g, but scientific one digit earlier and with a digit after the point */
		int			exponent;
		char		text[400];

		precision = Max(precision, 1);
		digits = double_digits(fabs(d), 'g', precision, spec->alternate);
		if (isfinite(d))
		{
			snprintf(text, sizeof(text), "%.*e", (int) Min(precision, MAX_PRECISION) - 1, fabs(d));
			exponent = atoi(strchr(text, 'e') + 1);
			if (exponent == precision - 1 && precision > 0 && !strchr(digits, 'e'))
			{
				char	   *e = strchr(text, 'e');
				char	   *last = e - 1;

				while (last > text && *last == '0')
					last--;
				if (*last == '.')
					last--;
				digits = psprintf("%.*s%s", (int) (last - text) + 1, text, e);
			}
			else if (!strchr(digits, 'e') && !strchr(digits, '.'))
				digits = psprintf("%s.0", digits);
		}
	}
	else if (type == '%')
		digits = psprintf("%s%%", double_digits(fabs(d * 100), 'f',
												precision < 0 ? 6 : precision, spec->alternate));
	else if (strchr("eEfFgG", type))
		digits = double_digits(fabs(d), type, precision < 0 ? 6 :
							   (type | 0x20) == 'g' && precision == 0 ? 1 : precision,
							   spec->alternate);
	else
		jinja_fail("unknown format code '%c' for object of type 'float'", type);
	spec_number(buf, spec, negative, "", digits, 3);
}

/* An integer by a specification. */
static void
spec_integer(StringInfo buf, const FormatSpec *spec, const Value *value)
{
	Value		magnitude = number_abs(value);
	char		type = spec->type ? spec->type : 'd';
	int			base = type == 'b' ? 2 : type == 'o' ? 8 : (type | 0x20) == 'x' ? 16 : 10;
	char		prefix[3] = "";
	StringInfoData text;

	if (strchr("eEfFgG%", type))
	{
		spec_double(buf, spec, number_to_double(value));
		return;
	}
	if (strchr("bcdoxXn", type) == NULL)
		jinja_fail("unknown format code '%c' for object of type 'int'", type);
	if (spec->precision >= 0)
		jinja_fail("precision not allowed in integer format specifier");
	if (type == 'c')
	{
		FormatSpec	c = {0};

		if (spec->sign)
			jinja_fail("sign not allowed with integer format specifier 'c'");
		if (spec->alternate || spec->grouping)
			jinja_fail("option not allowed with integer format specifier 'c'");
		c.type = 'c';
		initStringInfo(&text);
		format_char(&text, &c, value);
		append_aligned(buf, text.data, text.len, 0, spec, spec->align ? spec->align : '>');
		return;
	}
	if (spec->grouping == ',' && base != 10)
		jinja_fail("cannot specify ',' with '%c'", type);
	if (spec->grouping && type == 'n')
		jinja_fail("cannot specify '%c' with 'n'", spec->grouping);
	if (spec->alternate && base != 10)
	{
		prefix[0] = '0';
		prefix[1] = type;
	}
	spec_number(buf, spec, number_is_negative(value), prefix,
				integer_digits(&magnitude, base, type == 'X'), base == 10 ? 3 : 4);
}

/* format(value, specification) */
static void
format_value(Eval *ev, StringInfo buf, const Value *value, const Value *spec_text_value,
			 bool markup)
{
	FormatSpec	spec;
	Value		number = *value;
	Value		text;

	if (spec_text_value->length == 0)
	{
		text = value_soft_str(ev, value);
		if (markup)
			text = utext_escape(&text);
		utext_check_size((int64) buf->len + text.length);
		appendBinaryStringInfo(buf, text.u.string, text.length);
		return;
	}
	if (value->kind == VAL_STRING && (value->flags & VF_MARKUP))
		jinja_fail("unsupported format specification for Markup");
	parse_spec(spec_text_value, &spec);
	if (markup)
	{
		StringInfoData plain;
		Value		none = *spec_text_value;

		initStringInfo(&plain);
		format_value(ev, &plain, value, &none, false);
		utext_escape_into(buf, plain.data, plain.len);
		return;
	}
	if (value->kind == VAL_BOOL)
		number = value_int(value->u.boolean);
	if (value->kind == VAL_STRING)
		spec_text(buf, &spec, value);
	else if (value->kind == VAL_FLOAT)
		spec_double(buf, &spec, value->u.real);
	else if (value_is_integer(&number))
		spec_integer(buf, &spec, &number);
	else
		jinja_fail("unsupported format string passed to %s.__format__", value_type(value));
}

/* The argument a field begins with. */
static Value
field_argument(BraceFormat *f, const char *name, int length)
{
	Value		text = utext_make(name, length);
	Value		number;
	int			i;

	if (length == 0 || (isdigit((unsigned char) name[0]) &&
						strspn(name, "0123456789") >= length))
	{
		if (f->next != 0 || f->automatic)
		{
			if (f->automatic != (length == 0))
				jinja_fail("cannot switch between manual field specification and automatic field numbering");
		}
		f->automatic = length == 0;
		i = f->next++;
		if (length > 0)
		{
			if (!number_parse_int(name, length, 10, &number) || number.kind != VAL_INT)
				jinja_fail("too many decimal digits in format string");
			i = (int) Min(number.u.integer, INT_MAX);
		}
		if (i >= f->call->nargs)
			jinja_fail("replacement index %d out of range for positional args tuple", i);
		return f->call->args[i];
	}
	for (i = 0; i < f->call->nkeywords; i++)
	{
		if (f->call->keywords[i].length == length &&
			memcmp(f->call->keywords[i].name, name, length) == 0)
			return f->call->keywords[i].value;
	}
	jinja_fail("key %s is missing", quote_repr(&text));
}

/* [index] after the name of a field */
static Value
field_item(Eval *ev, const Value *object, const char *name, int length)
{
	Value		key = utext_make(name, length);
	Value		number;
	Value		result;

	if (length == 0)
		jinja_fail("empty attribute in format string");
	if (isdigit((unsigned char) name[0]) && strspn(name, "0123456789") >= length &&
		number_parse_int(name, length, 10, &number))
		key = number;
	if (object->kind == VAL_STRING || object->kind == VAL_LIST ||
		object->kind == VAL_TUPLE || object->kind == VAL_RANGE ||
		object->kind == VAL_DICT)
	{
		result = jinja_getitem(ev, object, &key);
		if (result.kind == VAL_UNDEFINED || result.kind == VAL_METHOD)
			jinja_fail("%s not found", quote_repr(&key));
		return result;
	}
	if (object->kind == VAL_UNDEFINED)
		value_fail_undefined(object);
	jinja_fail("'%s' object is not subscriptable", value_type(object));
}

/* name[index].attribute: the value of a field */
static Value
field_value(Eval *ev, BraceFormat *f, const char *name, int length)
{
	int			end = 0;
	Value		value;

	while (end < length && name[end] != '[' && name[end] != '.')
		end++;
	value = field_argument(f, name, end);
	while (end < length)
	{
		const char *close;

		if (name[end] != '[')
			jinja_fail_refused("Use an item: {0[key]}.",
							   "attribute access in format() is not supported");
		close = memchr(name + end, ']', length - end);
		if (close == NULL)
			jinja_fail("missing ']' in format string");
		value = field_item(ev, &value, name + end + 1, close - name - end - 1);
		end = close - name + 1;
		if (end < length && name[end] != '[' && name[end] != '.')
			jinja_fail("only '.' or '[' may follow ']' in format field specifier");
	}
	return value;
}

static void brace_into(Eval *ev, StringInfo buf, BraceFormat *f, const char *p,
					   const char *end, int depth);

/* One field, without its braces: name!conversion:specification */
static void
format_field(Eval *ev, StringInfo buf, BraceFormat *f, const char *p,
			 const char *end, int depth)
{
	const char *name = p;
	int			brackets = 0;
	char		conversion = 0;
	Value		value;
	StringInfoData spec;
	Value		spec_value;

	while (p < end && (brackets > 0 || (*p != '!' && *p != ':')))
	{
		if (*p == '[')
			brackets = 1;
		else if (*p == ']')
			brackets = 0;
		else if (*p == '{' && brackets == 0)
			jinja_fail("unexpected '{' in field name");
		p++;
	}
	value = field_value(ev, f, name, p - name);
	if (p < end && *p == '!')
	{
		p++;
		conversion = p < end ? *p++ : 0;
		if (conversion == 0 || (p < end && *p != ':'))
			jinja_fail("expected ':' after conversion specifier");
	}
	if (conversion == 's')
		value = value_str(ev, &value);
	else if (conversion == 'r')
		value = value_repr(ev, &value);
	else if (conversion == 'a')
		value = ascii_repr(ev, &value);
	else if (conversion != 0)
		jinja_fail("unknown conversion specifier '%c'", conversion);
	initStringInfo(&spec);
	if (p < end)
		brace_into(ev, &spec, f, p + 1, end, depth + 1);
	spec_value = utext_from_buffer(&spec);
	format_value(ev, buf, &value, &spec_value, f->markup && depth == 0);
}

/* Text with fields in braces. */
static void
brace_into(Eval *ev, StringInfo buf, BraceFormat *f, const char *p,
		   const char *end, int depth)
{
	if (depth > 2)
		jinja_fail("max string recursion exceeded");
	while (p < end)
	{
		const char *start = p;
		int			nesting = 1;

		if (*p != '{' && *p != '}')
		{
			appendStringInfoChar(buf, *p++);
			continue;
		}
		if (p + 1 < end && p[1] == *p)
		{
			appendStringInfoChar(buf, *p);
			p += 2;
			continue;
		}
		if (*p == '}')
			jinja_fail("single '}' encountered in format string");
		for (p++; p < end && nesting > 0; p++)
		{
			if (*p == '{')
				nesting++;
			else if (*p == '}')
				nesting--;
		}
		if (nesting > 0)
			jinja_fail(start + 1 == end ? "single '{' encountered in format string" :
					   "expected '}' before end of string");
		format_field(ev, buf, f, start + 1, p - 1, depth);
	}
	utext_check_size(buf->len);
}

/* format.format(...) */
Value
brace_format(Eval *ev, const Value *format, const CallArgs *call)
{
	BraceFormat f = {call, 0, false, (format->flags & VF_MARKUP) != 0};
	StringInfoData buf;
	Value		result;

	initStringInfo(&buf);
	brace_into(ev, &buf, &f, format->u.string, format->u.string + format->length, 0);
	result = utext_from_buffer(&buf);
	result.flags = format->flags & VF_MARKUP;
	return result;
}
