/*
 * yaml/scalar.c
 *		The values of scalars: the YAML 1.1 rules of PyYAML's safe_load.
 *
 * PyYAML describes its resolver with regular expressions; here each is a small
 * matcher, so that the time is linear in the text.  Numbers are exact: integers
 * of any base are converted through decimal text, floats are the shortest
 * decimal that gives the same double again, as Python prints them.
 */
#include "common/common.h"

#include <math.h>

#include "utils/builtins.h"

#include "yaml/internal.h"

/*
 * Longest number literal, in characters. Python refuses to print or read
 * longer integers, and the conversion between bases takes quadratic time.
 */
#define MAX_NUMBER_LENGTH 4300

/* Limbs of nine decimal digits for MAX_NUMBER_LENGTH hexadecimal digits. */
#define BIGINT_BASE 1000000000
#define BIGINT_LIMBS (MAX_NUMBER_LENGTH / 7 + 2)

/* An unsigned integer, least significant limb first. */
typedef struct BigInt
{
	int			nlimbs;
	uint32		limbs[BIGINT_LIMBS];
} BigInt;

/* Returns the position after characters of a set. */
static inline const char *
skip_set(const char *p, const char *end, const char *set)
{
	while (p < end && *p != '\0' && strchr(set, *p) != NULL)
		p++;
	return p;
}

/* Returns the position after an optional sign. */
static inline const char *
skip_sign(const char *p, const char *end)
{
	return (p < end && (*p == '+' || *p == '-')) ? p + 1 : p;
}

/*
 * Returns the position after (:[0-5]?[0-9])+, the base-60 groups of YAML 1.1,
 * or NULL when there is no whole group.
 */
static const char *
skip_sexagesimal(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p == ':')
	{
		const char *digits = p + 1;
		const char *after = skip_set(digits, end, "0123456789");

		if (after == digits || after - digits > 2 ||
			(after - digits == 2 && *digits > '5'))
			return NULL;
		p = after;
	}
	return p == start ? NULL : p;
}

/* Returns whether the text is an integer of YAML 1.1 as PyYAML reads it. */
static bool
is_int(const char *text, int length)
{
	const char *end = text + length;
	const char *p = skip_sign(text, end);

	if (p == end)
		return false;
	if (*p == '0')
	{
		if (++p == end)
			return true;
		if (*p == 'b')
			return p + 1 < end && skip_set(p + 1, end, "01_") == end;
		if (*p == 'x')
			return p + 1 < end &&
				skip_set(p + 1, end, "0123456789abcdefABCDEF_") == end;
		return skip_set(p, end, "01234567_") == end;
	}
	if (*p < '1' || *p > '9')
		return false;
	p = skip_set(p, end, "0123456789_");
	return p == end || skip_sexagesimal(p, end) == end;
}

/*
 * Returns the position after an exponent. YAML 1.1 demands a sign in an
 * exponent (1e3 is text); Python's float(), which reads what is tagged
 * !!float, does not.
 */
static const char *
skip_exponent(const char *p, const char *end, bool need_sign)
{
	const char *digits;
	const char *after;

	if (p == end || (*p != 'e' && *p != 'E'))
		return p;
	digits = skip_sign(p + 1, end);
	if (need_sign && digits == p + 1)
		return p;
	after = skip_set(digits, end, "0123456789");
	return after == digits ? p : after;
}

/* Returns whether the text is a spelling of infinity or not-a-number. */
static bool
is_not_finite(const char *text, int length)
{
	static const char *const inf[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
	const char *p = skip_sign(text, text + length);

	return word_in(p, length - (int) (p - text), inf) ||
		word_in(text, length, nan);
}

/* Returns whether the text is a float of YAML 1.1 as PyYAML reads it. */
static bool
is_float(const char *text, int length)
{
	const char *end = text + length;
	const char *p = skip_sign(text, end);
	const char *groups;

	if (p == end)
		return false;
	if (*p == '.')
	{
		if (is_not_finite(text, length))
			return true;
		if (p != text || p + 1 == end || p[1] < '0' || p[1] > '9')
			return false;
		p = skip_set(p + 1, end, "0123456789_");
		return skip_exponent(p, end, true) == end;
	}
	if (*p < '0' || *p > '9')
		return false;
	p = skip_set(p, end, "0123456789_");
	if (p < end && *p == '.')
	{
		p = skip_set(p + 1, end, "0123456789_");
		return skip_exponent(p, end, true) == end;
	}
	groups = skip_sexagesimal(p, end);
	return groups != NULL && groups < end && *groups == '.' &&
		skip_set(groups + 1, end, "0123456789_") == end;
}

/*
 * Returns whether Python's float() can read the text. A text with the tag
 * !!float may be an integer or have an exponent without sign.
 */
static bool
is_tagged_float(const char *text, int length)
{
	const char *end = text + length;
	const char *p = skip_sign(text, end);
	const char *digits = p;

	if (is_float(text, length))
		return true;
	if (p + 1 < end && *p == '.')
		digits++;
	if (digits == end || *digits < '0' || *digits > '9')
		return false;
	p = skip_set(p, end, "0123456789_");
	if (p > digits && skip_sexagesimal(p, end) == end)
		return true;
	if (p < end && *p == '.')
		p = skip_set(p + 1, end, "0123456789_");
	return skip_exponent(p, end, false) == end;
}

/*
 * Returns the type of a plain scalar without a tag. A date is text, because
 * JSON has no other form for it.
 */
YamlTag
yaml_resolve_plain(const char *text, int length)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const bools[] = {
		"yes", "Yes", "YES", "no", "No", "NO",
		"true", "True", "TRUE", "false", "False", "FALSE",
		"on", "On", "ON", "off", "Off", "OFF", NULL
	};

	if (length == 0)
		return YAML_TAG_NULL;
	if (length <= 5)
	{
		if (word_in(text, length, bools))
			return YAML_TAG_BOOL;
		if (word_in(text, length, nulls))
			return YAML_TAG_NULL;
		if (word_is(text, length, "<<"))
			return YAML_TAG_MERGE;
		if (word_is(text, length, "="))
			return YAML_TAG_VALUE;
	}
	if (is_float(text, length))
		return YAML_TAG_FLOAT;
	if (is_int(text, length))
		return YAML_TAG_INT;
	return YAML_TAG_STR;
}

/* Sets value to value * multiplier + addend. */
static void
bigint_multiply_add(BigInt *value, uint32 multiplier, uint32 addend)
{
	uint64		carry = addend;

	for (int i = 0; i < value->nlimbs; i++)
	{
		carry += (uint64) value->limbs[i] * multiplier;
		value->limbs[i] = carry % BIGINT_BASE;
		carry /= BIGINT_BASE;
	}
	while (carry > 0)
	{
		if (value->nlimbs >= BIGINT_LIMBS)
			elog(ERROR, "integer literal exceeds its bound");
		value->limbs[value->nlimbs++] = carry % BIGINT_BASE;
		carry /= BIGINT_BASE;
	}
}

/*
 * Adds the digits of a literal in a base. Many digits are added at a time, so
 * that the quadratic cost counts limbs and not digits.
 */
static void
bigint_add_digits(BigInt *value, const char *digits, int length, int base)
{
	uint32		multiplier = 1;
	uint32		addend = 0;

	for (int i = 0; i < length; i++)
	{
		int			digit;

		if (digits[i] >= '0' && digits[i] <= '9')
			digit = digits[i] - '0';
		else
			digit = (digits[i] | 0x20) - 'a' + 10;
		if (multiplier > BIGINT_BASE / 16)
		{
			bigint_multiply_add(value, multiplier, addend);
			multiplier = 1;
			addend = 0;
		}
		multiplier *= base;
		addend = addend * base + digit;
	}
	bigint_multiply_add(value, multiplier, addend);
}

/* Returns the decimal text of a big integer, which numeric_in reads. */
static char *
bigint_text(const BigInt *value, bool negative)
{
	char	   *result = palloc(value->nlimbs * 9 + 3);
	char	   *p = result;

	if (value->nlimbs == 0)
		return strcpy(result, "0");
	if (negative)
		*p++ = '-';
	p += sprintf(p, "%u", value->limbs[value->nlimbs - 1]);
	for (int i = value->nlimbs - 2; i >= 0; i--)
		p += sprintf(p, "%09u", value->limbs[i]);
	return result;
}

/*
 * Returns a copy of a number without the underscores that YAML allows in it.
 */
static char *
strip_underscores(const char *text, int length)
{
	char	   *result = palloc(length + 1);
	char	   *p = result;

	for (int i = 0; i < length; i++)
	{
		if (text[i] != '_')
			*p++ = text[i];
	}
	*p = '\0';
	return result;
}

/*
 * Returns the canonical decimal text of an integer that is_int accepts and
 * whose length is limited. Returns NULL when only underscores follow the base
 * prefix.
 */
static char *
int_text(const char *text, int length)
{
	char	   *digits = strip_underscores(text, length);
	const char *p = skip_sign(digits, digits + length);
	bool		negative = (*digits == '-');
	BigInt		value;

	value.nlimbs = 0;
	if (p[0] == '0' && (p[1] == 'b' || p[1] == 'x'))
	{
		if (p[2] == '\0')
			return NULL;
		bigint_add_digits(&value, p + 2, strlen(p + 2), p[1] == 'b' ? 2 : 16);
	}
	else if (p[0] == '0')
		bigint_add_digits(&value, p, strlen(p), 8);
	else
	{
		size_t		group = strcspn(p, ":");

		bigint_add_digits(&value, p, group, 10);
		for (p += group; *p == ':'; p += group + 1)
		{
			group = strcspn(p + 1, ":");
			bigint_multiply_add(&value, 60, atoi(p + 1));
		}
	}
	pfree(digits);
	return bigint_text(&value, negative);
}

/*
 * Returns the double of a float literal, computed as PyYAML does, also in base
 * 60: from the last group to the first, in floating point.
 */
static double
float_value(const char *text, int length)
{
	char	   *digits = strip_underscores(text, length);
	char	   *start = digits;
	char	   *colon;
	double		value = 0.0;
	double		base = 1.0;

	if (*start == '+' || *start == '-')
		start++;
	while ((colon = strrchr(start, ':')) != NULL)
	{
		value += strtod(colon + 1, NULL) * base;
		base *= 60.0;
		*colon = '\0';
	}
	value += strtod(start, NULL) * base;
	if (*digits == '-')
		value = -value;
	pfree(digits);
	return value;
}

/* Returns the numeric of decimal text that is known to be well formed. */
static Numeric
numeric_from_text(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/*
 * Makes a node an integer or a float; false and *error when the text is none.
 */
static bool
construct_number(YamlNode *node, YamlTag tag, SourceError *error)
{
	const char *text = node->string;
	int			length = node->length;
	char	   *decimal;

	if (!(tag == YAML_TAG_INT ? is_int(text, length) :
		  is_tagged_float(text, length)))
		return source_error_at(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
							   node->line, node->column,
							   psprintf("%s is not %s",
										yaml_quote_text(text, length),
										tag == YAML_TAG_INT ? "an integer" : "a float"),
							   NULL);
	if (length > MAX_NUMBER_LENGTH)
		return source_error_at(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
							   node->line, node->column,
							   psprintf("number has more than %d characters",
										MAX_NUMBER_LENGTH),
							   "Quote the value to keep it as text.");
	if (tag == YAML_TAG_INT)
	{
		decimal = int_text(text, length);
		if (decimal == NULL)
			return source_error_at(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
								   node->line, node->column,
								   psprintf("%s has no digits",
											yaml_quote_text(text, length)),
								   "Quote the value to keep it as text.");
	}
	else
	{
		double		value;

		if (is_not_finite(text, length))
			return source_error_at(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
								   node->line, node->column,
								   psprintf("%s has no JSON form", text),
								   "JSON numbers are finite; quote the value to keep it as text.");
		value = float_value(text, length);
		if (isinf(value) || isnan(value))
			return source_error_at(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
								   node->line, node->column,
								   psprintf("%s is too large for a float",
											yaml_quote_text(text, length)),
								   "Quote the value to keep it as text.");
		decimal = double_text(value, false);
	}
	node->kind = YN_NUMBER;
	node->number = numeric_from_text(decimal);
	pfree(decimal);
	return true;
}

/*
 * Makes a node a boolean; the text of a tagged one may be in any mix of cases.
 */
static bool
construct_bool(YamlNode *node, SourceError *error)
{
	static const char *const truths[] = {"yes", "true", "on", NULL};
	static const char *const falsehoods[] = {"no", "false", "off", NULL};
	char		word[6];
	bool		known = false;

	if (node->length < (int) sizeof(word))
	{
		for (int i = 0; i < node->length; i++)
			word[i] = pg_ascii_tolower((unsigned char) node->string[i]);
		node->boolean = word_in(word, node->length, truths);
		known = node->boolean || word_in(word, node->length, falsehoods);
	}
	if (!known)
		return source_error_at(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
							   node->line, node->column,
							   psprintf("%s is not a boolean",
										yaml_quote_text(node->string, node->length)),
							   NULL);
	node->kind = YN_BOOL;
	return true;
}

/*
 * Gives a scalar node, whose string is set, the value that its tag demands.
 * Returns false and fills *error when the text does not fit the tag.
 */
bool
yaml_construct_scalar(YamlNode *node, YamlTag tag, SourceError *error)
{
	switch (tag)
	{
		case YAML_TAG_NULL:
			node->kind = YN_NULL;
			return true;
		case YAML_TAG_BOOL:
			return construct_bool(node, error);
		case YAML_TAG_INT:
		case YAML_TAG_FLOAT:
			return construct_number(node, tag, error);
		case YAML_TAG_STR:
		case YAML_TAG_MERGE:
		case YAML_TAG_VALUE:
			break;
	}
	node->kind = YN_STRING;
	return true;
}

/*
 * Returns the text of a constructed scalar as a JSON key, as json.dumps writes
 * it.
 */
char *
yaml_key_text(const YamlNode *node, YamlTag tag)
{
	switch (tag)
	{
		case YAML_TAG_NULL:
			return "null";
		case YAML_TAG_BOOL:
			return node->boolean ? "true" : "false";
		case YAML_TAG_INT:
			return int_text(node->string, node->length);
		case YAML_TAG_FLOAT:
			return double_text(float_value(node->string, node->length), true);
		case YAML_TAG_STR:
		case YAML_TAG_MERGE:
		case YAML_TAG_VALUE:
			break;
	}
	return node->string;
}
