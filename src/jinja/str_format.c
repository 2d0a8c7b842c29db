/*
 * jinja/str_format.c
 *		Python's str.format(): '{:d}'.format(x).
 */
#include "common/common.h"

#include <math.h>

#include "jinja/internal.h"

/* The state of one call of format(). */
typedef struct BraceFormat
{
	const CallArgs *call;
	int			next;			/* next automatic number; -1: manual ones used */
	bool		automatic;
	bool		markup;
} BraceFormat;

/* Reads a decimal digit of any script; returns -1 when there is none. */
static int
take_digit(const char **p, const char *end)
{
	int			used;
	int			digit = *p < end ? unicode_decimal(utext_decode(*p, end - *p, &used)) : -1;

	if (digit >= 0)
		*p += used;
	return digit;
}

/* Returns whether a name consists of digits, and of at least one. */
static bool
is_number(const char *name, int length)
{
	const char *end = name + length;

	while (take_digit(&name, end) >= 0)
		;
	return length > 0 && name == end;
}

/*
 * Reads the digits of a width or precision; returns -1 when there are none, and at most
 * INT_MAX, which exceeds any text, and any precision that a number may have.
 */
static int64
spec_amount(const char **p, const char *end)
{
	int64		amount = -1;
	int			digit;

	while ((digit = take_digit(p, end)) >= 0)
	{
		amount = Max(amount, 0);
		if (amount > (PG_INT64_MAX - digit) / 10)
			value_fail("too many decimal digits in format string");
		amount = amount * 10 + digit;
	}
	return Min(amount, INT_MAX);
}

/* Reads a format specification.  Raises when it is malformed. */
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
		value_fail_refused(NULL, "format option \"z\" is not supported");
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
		value_fail("cannot specify both ',' and '_'");
	spec->precision = -1;
	if (p < end && *p == '.')
	{
		p++;
		spec->precision = spec_amount(&p, end);
		if (spec->precision < 0)
			value_fail("format specifier missing precision");
	}
	if (p < end)
		spec->type = *p++;
	if (p < end || (unsigned char) spec->type >= 0x80)
		value_fail("invalid format specifier");
}

/*
 * Appends text filled up to the width. The first "lead" bytes are sign and
 * prefix, which stand before the filling of "=".
 */
static void
append_aligned(StringInfo buf, const char *s, int length, int lead,
			   const FormatSpec *spec, char align)
{
	int64		missing = Max(spec->width - utext_chars(s, length), 0);
	int64		before = align == '>' ? missing : align == '^' ? missing / 2 :
		align == '=' ? missing : 0;
	int64		i;

	value_check_size(buf->len + length + missing * 4);
	if (align == '=')
		appendBinaryStringInfo(buf, s, lead);
	for (i = 0; i < before; i++)
		utext_append_char(buf, spec->fill ? spec->fill : ' ');
	appendBinaryStringInfo(buf, s + (align == '=' ? lead : 0),
						   length - (align == '=' ? lead : 0));
	for (i = before; i < missing; i++)
		utext_append_char(buf, spec->fill ? spec->fill : ' ');
}

/* Appends a string by a specification. */
static void
spec_text(StringInfo buf, const FormatSpec *spec, const Value *value)
{
	Value		text = *value;

	if (spec->type != 0 && spec->type != 's')
		value_fail("unknown format code '%c' for object of type 'str'", spec->type);
	if (spec->sign)
		value_fail("sign not allowed in string format specifier");
	if (spec->alternate)
		value_fail("alternate form (#) not allowed in string format specifier");
	if (spec->align == '=' && !spec->zero)
		value_fail("'=' alignment not allowed in string format specifier");
	if (spec->grouping)
		value_fail("cannot specify '%c' with 's'", spec->grouping);
	if (spec->precision >= 0)
		text.length = utext_offset(text.u.string, text.length, spec->precision);
	append_aligned(buf, text.u.string, text.length, 0, spec,
				   spec->align && !spec->zero ? spec->align : '<');
}

/* Appends sign, prefix and digits by a specification. */
static void
spec_number(StringInfo buf, const FormatSpec *spec, bool negative,
			const char *prefix, const char *digits, int group)
{
	const char *sign = negative ? "-" : spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "";
	int			lead = strlen(sign) + strlen(prefix);
	char	   *text;

	if (spec->grouping || (spec->fill == '0' && spec->align == '='))
		digits = format_group_digits(digits, spec->grouping, group,
									 spec->fill == '0' && spec->align == '=' ? spec->width - lead :
																			   0);
	text = psprintf("%s%s%s", sign, prefix, digits);
	append_aligned(buf, text, strlen(text), lead, spec, spec->align ? spec->align : '>');
}

/* Appends a double by a specification. */
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
		digits = format_double_digits(fabs(d), 'g', precision, spec->alternate);
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
		digits = psprintf("%s%%",
						  format_double_digits(fabs(d * 100), 'f', precision < 0 ? 6 : precision,
											   spec->alternate));
	else if (strchr("eEfFgG", type))
		digits = format_double_digits(fabs(d), type, precision < 0 ? 6 :
									  (type | 0x20) == 'g' && precision == 0 ? 1 : precision,
									  spec->alternate);
	else
		value_fail("unknown format code '%c' for object of type 'float'", type);
	spec_number(buf, spec, negative, "", digits, 3);
}

/* Appends an integer by a specification. */
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
		value_fail("unknown format code '%c' for object of type 'int'", type);
	if (spec->precision >= 0)
		value_fail("precision not allowed in integer format specifier");
	if (type == 'c')
	{
		FormatSpec	c = {0};

		if (spec->sign)
			value_fail("sign not allowed with integer format specifier 'c'");
		if (spec->alternate || spec->grouping)
			value_fail("option not allowed with integer format specifier 'c'");
		c.type = 'c';
		initStringInfo(&text);
		format_char(&text, &c, value);
		append_aligned(buf, text.data, text.len, 0, spec, spec->align ? spec->align : '>');
		return;
	}
	if (spec->grouping == ',' && base != 10)
		value_fail("cannot specify ',' with '%c'", type);
	if (spec->grouping && type == 'n')
		value_fail("cannot specify '%c' with 'n'", spec->grouping);
	if (spec->alternate && base != 10)
	{
		prefix[0] = '0';
		prefix[1] = type;
	}
	spec_number(buf, spec, number_is_negative(value), prefix,
				format_integer_digits(&magnitude, base, type == 'X'), base == 10 ? 3 : 4);
}

/* Appends format(value, specification). */
static void
apply_spec(Eval *ev, StringInfo buf, const Value *value, const Value *spec_text_value,
		   bool markup)
{
	FormatSpec	spec;
	Value		number = *value;
	Value		text;

	if (spec_text_value->length == 0)
	{
		text = value_soft_str(&ev->budget, value);
		if (markup)
			text = utext_escape(&text);
		value_check_size((int64) buf->len + text.length);
		appendBinaryStringInfo(buf, text.u.string, text.length);
		return;
	}
	if (value->kind == VAL_STRING && (value->flags & VF_MARKUP))
		value_fail("unsupported format specification for Markup");
	if (value_is_datetime(value) && value->kind != VAL_TIMEDELTA)
	{
		DatetimeParts parts;

		datetime_parts(value, &parts);
		text = datetime_strftime(&parts, spec_text_value);
		if (markup)
			text = utext_escape(&text);
		appendBinaryStringInfo(buf, text.u.string, text.length);
		return;
	}
	parse_spec(spec_text_value, &spec);
	if (markup)
	{
		StringInfoData plain;
		Value		none = *spec_text_value;

		initStringInfo(&plain);
		apply_spec(ev, &plain, value, &none, false);
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
		value_fail("unsupported format string passed to %s.__format__", value_type(value));
}

/*
 * Returns the argument that a field names by number, by keyword or by its
 * place.
 */
static Value
field_argument(BraceFormat *f, const char *name, int length)
{
	Value		text = utext_make(name, length);
	Value		number;
	int			i;

	if (length == 0 || is_number(name, length))
	{
		if (f->next != 0 || f->automatic)
		{
			if (f->automatic != (length == 0))
				value_fail("cannot switch between manual field specification and automatic field numbering");
		}
		f->automatic = length == 0;
		i = f->next++;
		if (length > 0)
		{
			if (!number_parse_int(name, length, 10, &number) || number.kind != VAL_INT)
				value_fail("too many decimal digits in format string");
			i = (int) Min(number.u.integer, INT_MAX);
		}
		if (i >= f->call->nargs)
			value_fail("replacement index %d out of range for positional args tuple", i);
		return f->call->args[i];
	}
	bounds_work(f->call->nkeywords);
	for (i = 0; i < f->call->nkeywords; i++)
	{
		if (f->call->keywords[i].length == length &&
			memcmp(f->call->keywords[i].name, name, length) == 0)
			return f->call->keywords[i].value;
	}
	value_fail("key %s is missing", value_quote(&text));
}

/* Returns the item of [index] after the name of a field. */
static Value
field_item(Eval *ev, const Value *object, const char *name, int length)
{
	Value		key = utext_make(name, length);
	Value		number;
	Value		result;

	if (length == 0)
		value_fail("empty attribute in format string");
	if (is_number(name, length) && number_parse_int(name, length, 10, &number))
		key = number;
	if (object->kind == VAL_STRING || object->kind == VAL_LIST ||
		object->kind == VAL_TUPLE || object->kind == VAL_RANGE ||
		object->kind == VAL_DICT)
	{
		result = jinja_getitem(ev, object, &key);
		if (result.kind == VAL_UNDEFINED || jinja_is_object(&result, &jinja_method_type))
			value_fail("%s not found", value_quote(&key));
		return result;
	}
	if (object->kind == VAL_UNDEFINED)
		value_fail_undefined(object);
	value_fail("'%s' object is not subscriptable", value_type(object));
}

/* Returns the value of a field: name[index]. */
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
			value_fail_refused("Use an item: {0[key]}.",
							   "attribute access in format() is not supported");
		close = memchr(name + end, ']', length - end);
		if (close == NULL)
			value_fail("missing ']' in format string");
		value = field_item(ev, &value, name + end + 1, close - name - end - 1);
		end = close - name + 1;
		if (end < length && name[end] != '[' && name[end] != '.')
			value_fail("only '.' or '[' may follow ']' in format field specifier");
	}
	return value;
}

static void brace_into(Eval *ev, StringInfo buf, BraceFormat *f, const char *p,
					   const char *end, int depth);

/*
 * Appends one field, given without its braces: name!conversion:specification.
 */
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
			value_fail("unexpected '{' in field name");
		p++;
	}
	value = field_value(ev, f, name, p - name);
	if (p < end && *p == '!')
	{
		p++;
		conversion = p < end ? *p++ : 0;
		if (conversion == 0 || (p < end && *p != ':'))
			value_fail("expected ':' after conversion specifier");
	}
	if (conversion == 's')
		value = value_str(&ev->budget, &value);
	else if (conversion == 'r')
		value = value_repr(&ev->budget, &value);
	else if (conversion == 'a')
		value = value_ascii(&ev->budget, &value);
	else if (conversion != 0)
		value_fail("unknown conversion specifier '%c'", conversion);
	initStringInfo(&spec);
	if (p < end)
		brace_into(ev, &spec, f, p + 1, end, depth + 1);
	spec_value = utext_from_buffer(&spec);
	apply_spec(ev, buf, &value, &spec_value, f->markup && depth == 0);
}

/* Appends text with fields in braces. */
static void
brace_into(Eval *ev, StringInfo buf, BraceFormat *f, const char *p,
		   const char *end, int depth)
{
	if (depth > 2)
		value_fail("max string recursion exceeded");
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
			value_fail("single '}' encountered in format string");
		for (p++; p < end && nesting > 0; p++)
		{
			if (*p == '{')
				nesting++;
			else if (*p == '}')
				nesting--;
		}
		if (nesting > 0)
			value_fail(start + 1 == end ? "single '{' encountered in format string" :
					   "expected '}' before end of string");
		format_field(ev, buf, f, start + 1, p - 1, depth);
	}
	value_check_size(buf->len);
}

/* Returns format.format(...). */
Value
jinja_format_braces(Eval *ev, const Value *format, const CallArgs *call)
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
