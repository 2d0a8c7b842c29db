/*
 * jinja/methods_string.c
 *		The methods of strings.
 *
 * The methods of Markup escape their arguments and return Markup, as those of
 * markupsafe do.
 */
#include "common/common.h"

#include "jinja/internal.h"
#include "jinja/methods.h"

/* Declares the function of a method. */
#define METHOD(name) \
	static Value string_##name(Eval *ev, const Value *argv, const CallArgs *call)

/* Returns a string argument, escaped when the string itself is Markup. */
static Value
text_argument(const Value *self, const Value *value)
{
	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (value->kind != VAL_STRING)
		value_fail("must be str, not %s", value_type(value));
	return self->flags & VF_MARKUP ? utext_escape(value) : *value;
}

/* str.upper() */
METHOD(upper)
{
	return utext_upper(&argv[0]);
}

/* str.lower() */
METHOD(lower)
{
	return utext_lower(&argv[0]);
}

/* str.title() */
METHOD(title)
{
	return utext_title(&argv[0]);
}

/* str.capitalize() */
METHOD(capitalize)
{
	return utext_capitalize(&argv[0]);
}

/* str.swapcase() */
METHOD(swapcase)
{
	return utext_swapcase(&argv[0]);
}

/* str.casefold(); markupsafe does not make it Markup. */
METHOD(casefold)
{
	Value		v = utext_casefold(&argv[0]);

	v.flags = 0;				/* markupsafe leaves this one alone */
	return v;
}

/* Returns the string without characters at its ends; the set may be none. */
static Value
strip(const Value *argv, bool left, bool right)
{
	Value		chars;

	if (!value_given_not_none(&argv[1]))
		return utext_strip(&argv[0], NULL, left, right);
	chars = text_argument(&argv[0], &argv[1]);
	return utext_strip(&argv[0], &chars, left, right);
}

/* str.strip() */
METHOD(strip)
{
	return strip(argv, true, true);
}

/* str.lstrip() */
METHOD(lstrip)
{
	return strip(argv, true, false);
}

/* str.rstrip() */
METHOD(rstrip)
{
	return strip(argv, false, true);
}

/* Returns the parts of the string, split from the left or from the right. */
static Value
split(const Value *argv, bool right)
{
	int64		max = value_given(&argv[2]) ? value_index(&argv[2], "maxsplit") : -1;

	if (!value_given_not_none(&argv[1]))
		return utext_split(&argv[0], NULL, max, right);
	if (argv[1].kind != VAL_STRING)
		value_fail("must be str or None, not %s", value_type(&argv[1]));
	return utext_split(&argv[0], &argv[1], max, right);
}

/* str.split() */
METHOD(split)
{
	return split(argv, false);
}

/* str.rsplit() */
METHOD(rsplit)
{
	return split(argv, true);
}

/* str.splitlines() */
METHOD(splitlines)
{
	int64		keepends = value_given(&argv[1]) ? value_index(&argv[1], "keepends") : 0;

	if (keepends > INT_MAX || keepends < INT_MIN)
		value_fail("Python int too large to convert to C int");
	return utext_splitlines(&argv[0], keepends != 0);
}

/* Returns (before, separator, after). */
static Value
partition(Eval *ev, const Value *argv, bool right)
{
	Value		sep = argv[1];
	Value	   *items = palloc(3 * sizeof(Value));
	int			found;
	int			i;

	if (argv[0].flags & VF_MARKUP)
		sep = value_soft_str(&ev->budget, &sep);
	sep = text_argument(&argv[0], &sep);
	if (sep.length == 0)
		value_fail("empty separator");
	found = right ?
		utext_rfind(argv[0].u.string, argv[0].length, sep.u.string, sep.length, argv[0].length) :
		utext_find(argv[0].u.string, argv[0].length, sep.u.string, sep.length, 0);
	for (i = 0; i < 3; i++)
		items[i] = utext_make("", 0);
	if (found < 0)
		items[right ? 2 : 0] = argv[0];
	else
	{
		items[0] = utext_make(argv[0].u.string, found);
		items[1] = sep;
		items[2] = utext_make(argv[0].u.string + found + sep.length,
							  argv[0].length - found - sep.length);
	}
	for (i = 0; i < 3; i++)
		items[i].flags = argv[0].flags & VF_MARKUP;
	return value_tuple(3, items);
}

/* str.partition() */
METHOD(partition)
{
	return partition(ev, argv, false);
}

/* str.rpartition() */
METHOD(rpartition)
{
	return partition(ev, argv, true);
}

/* str.join() */
METHOD(join)
{
	Value		list = value_collect(&ev->budget, &argv[1]);
	bool		markup = (argv[0].flags & VF_MARKUP) != 0;
	StringInfoData buf;
	Value		result;
	int			i;

	initStringInfo(&buf);
	for (i = 0; i < seq_count(&list); i++)
	{
		Value		item = seq_items(&list)[i];

		if (markup)
		{
			item = value_soft_str(&ev->budget, &item);
			item = utext_escape(&item);
		}
		else if (item.kind != VAL_STRING)
			value_fail("sequence item %d: expected str instance, %s found", i, value_type(&item));
		bounds_work(10 + (item.length + argv[0].length) / 8);
		value_check_size((int64) buf.len + item.length + argv[0].length);
		if (i > 0)
			appendBinaryStringInfo(&buf, argv[0].u.string, argv[0].length);
		appendBinaryStringInfo(&buf, item.u.string, item.length);
	}
	result = utext_from_buffer(&buf);
	if (markup)
		result.flags = VF_MARKUP;
	return result;
}

/* str.replace() */
METHOD(replace)
{
	Value		old = text_argument(&argv[0], &argv[1]);
	Value		new = text_argument(&argv[0], &argv[2]);
	Value		result = utext_replace(&argv[0], &old, &new, value_given(&argv[3]) ?
									   value_index(&argv[3], "replace") : -1);

	result.flags = argv[0].flags & VF_MARKUP;
	return result;
}

/* ------------------------------------------------------------------------
 * Searching; start and end count characters
 * ------------------------------------------------------------------------
 */

/* The part of a string that is searched. */
typedef struct Window
{
	int64		start;			/* characters */
	int			from;			/* bytes */
	int			to;
	bool		valid;
} Window;

/* Returns one bound of the window. */
static int64
window_bound(const Value *value, int64 fallback, int64 length)
{
	int64		bound;

	if (!value_given_not_none(value))
		return fallback;
	bound = value_index(value, "slice");
	return bound < 0 ? Max(bound + length, 0) : bound;
}

/* Returns the window that start and end arguments mean. */
static Window
make_window(const Value *self, const Value *start, const Value *end)
{
	int64		length = utext_chars(self->u.string, self->length);
	int64		stop = Min(window_bound(end, length, length), length);
	Window		w;

	w.start = window_bound(start, 0, length);
	w.valid = w.start <= stop;
	w.from = utext_offset(self->u.string, self->length, w.start);
	w.to = utext_offset(self->u.string, self->length, stop);
	return w;
}

/* Returns the character position of a substring, or -1. */
static int64
find(const Value *argv, bool right)
{
	Window		w = make_window(&argv[0], &argv[2], &argv[3]);
	const Value *sub = &argv[1];
	int			found;

	if (sub->kind == VAL_UNDEFINED)
		value_fail_undefined(sub);
	if (sub->kind != VAL_STRING)
		value_fail("must be str, not %s", value_type(sub));
	if (!w.valid)
		return -1;
	found = right ? utext_rfind(argv[0].u.string, w.to, sub->u.string, sub->length, w.to) :
		utext_find(argv[0].u.string, w.to, sub->u.string, sub->length, w.from);
	if (found < w.from)
		return -1;
	return utext_chars(argv[0].u.string, found);
}

/* str.find() */
METHOD(find)
{
	return value_int(find(argv, false));
}

/* str.rfind() */
METHOD(rfind)
{
	return value_int(find(argv, true));
}

/* str.index() */
METHOD(index)
{
	int64		found = find(argv, false);

	if (found < 0)
		value_fail("substring not found");
	return value_int(found);
}

/* str.rindex() */
METHOD(rindex)
{
	int64		found = find(argv, true);

	if (found < 0)
		value_fail("substring not found");
	return value_int(found);
}

/* str.count() */
METHOD(count)
{
	Window		w = make_window(&argv[0], &argv[2], &argv[3]);
	const Value *sub = &argv[1];
	int64		count = 0;
	int			pos = w.from;

	if (sub->kind != VAL_STRING)
		value_fail("must be str, not %s", value_type(sub));
	if (!w.valid)
		return value_int(0);
	if (sub->length == 0)
		return value_int(utext_chars(argv[0].u.string + w.from, w.to - w.from) + 1);
	while ((pos = utext_find(argv[0].u.string, w.to, sub->u.string, sub->length, pos)) >= 0)
	{
		count++;
		pos += sub->length;
	}
	return value_int(count);
}

/*
 * Returns whether the string begins or ends with a string or with one of a
 * tuple.
 */
static bool
has_affix(const Value *argv, const Value *affix, bool end)
{
	Window		w = make_window(&argv[0], &argv[2], &argv[3]);
	int			i;

	if (affix->kind == VAL_TUPLE)
	{
		for (i = 0; i < seq_count(affix); i++)
		{
			if (seq_items(affix)[i].kind != VAL_STRING)
				value_fail("tuple for startswith or endswith must only contain str, not %s",
						   value_type(&seq_items(affix)[i]));
			bounds_work(20);
			if (has_affix(argv, &seq_items(affix)[i], end))
				return true;
		}
		return false;
	}
	if (affix->kind == VAL_UNDEFINED)
		value_fail_undefined(affix);
	if (affix->kind != VAL_STRING)
		value_fail("first arg must be str or a tuple of str, not %s", value_type(affix));
	if (!w.valid || affix->length > w.to - w.from)
		return false;
	bounds_work(affix->length / 8);
	return memcmp(argv[0].u.string + (end ? w.to - affix->length : w.from),
				  affix->u.string, affix->length) == 0;
}

/* str.startswith() */
METHOD(startswith)
{
	return value_bool(has_affix(argv, &argv[1], false));
}

/* str.endswith() */
METHOD(endswith)
{
	return value_bool(has_affix(argv, &argv[1], true));
}

/* str.removeprefix() */
METHOD(removeprefix)
{
	Value		affix = argv[1];
	Value		result = utext_make(argv[0].u.string, argv[0].length);

	if (affix.kind != VAL_STRING)
		value_fail("removeprefix() argument must be str, not %s", value_type(&affix));
	if (affix.length <= argv[0].length &&
		memcmp(argv[0].u.string, affix.u.string, affix.length) == 0)
	{
		result.u.string += affix.length;
		result.length -= affix.length;
	}
	return result;
}

/* str.removesuffix() */
METHOD(removesuffix)
{
	Value		affix = argv[1];
	Value		result = utext_make(argv[0].u.string, argv[0].length);

	if (affix.kind != VAL_STRING)
		value_fail("removesuffix() argument must be str, not %s", value_type(&affix));
	if (affix.length <= argv[0].length &&
		memcmp(argv[0].u.string + argv[0].length - affix.length,
			   affix.u.string, affix.length) == 0)
		result.length -= affix.length;
	return result;
}

/* ------------------------------------------------------------------------
 * Padding
 * ------------------------------------------------------------------------
 */

/* Returns the string padded: ljust, center or rjust by the sign of side. */
static Value
pad(const Value *argv, int side)
{
	int64		width = value_index(&argv[1], "width");
	Value		fill;

	if (!value_given(&argv[2]))
		return utext_pad(&argv[0], width, NULL, side);
	fill = text_argument(&argv[0], &argv[2]);
	return utext_pad(&argv[0], width, &fill, side);
}

/* str.center() */
METHOD(center)
{
	return pad(argv, 0);
}

/* str.ljust() */
METHOD(ljust)
{
	return pad(argv, -1);
}

/* str.rjust() */
METHOD(rjust)
{
	return pad(argv, 1);
}

/* str.zfill() */
METHOD(zfill)
{
	int64		width = value_index(&argv[1], "width");
	Value		zero = utext_make("0", 1);
	Value		sign = utext_make(argv[0].u.string, 0);
	Value		rest = argv[0];
	Value		padded;

	if (rest.length > 0 && (rest.u.string[0] == '+' || rest.u.string[0] == '-'))
	{
		sign.length = 1;
		sign.flags = rest.flags & VF_MARKUP;
		rest.u.string++;
		rest.length--;
	}
	padded = utext_pad(&rest, width - sign.length, &zero, 1);
	return sign.length > 0 ? utext_concat(&sign, &padded) : padded;
}

/* str.expandtabs() */
METHOD(expandtabs)
{
	int64		tab = value_given(&argv[1]) ? value_index(&argv[1], "tabsize") : 8;
	StringInfoData buf;
	int64		column = 0;
	int			pos = 0;
	Value		result;

	initStringInfo(&buf);
	while (pos < argv[0].length)
	{
		int			used;
		uint32		c = utext_decode(argv[0].u.string + pos, argv[0].length - pos, &used);

		if (c == '\t')
		{
			int64		spaces = tab > 0 ? tab - column % tab : 0;

			value_check_size(buf.len + spaces);
			appendStringInfoSpaces(&buf, spaces);
			bounds_work(spaces / 4);
			column += spaces;
		}
		else
		{
			appendBinaryStringInfo(&buf, argv[0].u.string + pos, used);
			bounds_work(5);
			column = c == '\n' || c == '\r' ? 0 : column + 1;
		}
		pos += used;
	}
	value_check_size(buf.len);
	result = utext_from_buffer(&buf);
	result.flags = argv[0].flags & VF_MARKUP;
	return result;
}

/* ------------------------------------------------------------------------
 * Classification
 * ------------------------------------------------------------------------
 */

/*
 * Returns whether every character has one of the properties, and there is a
 * character.
 */
static Value
all_chars(const Value *self, uint16 flags)
{
	int			pos = 0;

	while (pos < self->length)
	{
		int			used;

		bounds_work(4);
		if (!unicode_is(utext_decode(self->u.string + pos, self->length - pos, &used), flags))
			return value_bool(false);
		pos += used;
	}
	return value_bool(self->length > 0);
}

/* str.isalnum() */
METHOD(isalnum)
{
	return all_chars(&argv[0], UC_ALPHA | UC_DECIMAL | UC_DIGIT | UC_NUMERIC);
}

/* str.isalpha() */
METHOD(isalpha)
{
	return all_chars(&argv[0], UC_ALPHA);
}

/* str.isdecimal() */
METHOD(isdecimal)
{
	return all_chars(&argv[0], UC_DECIMAL);
}

/* str.isdigit() */
METHOD(isdigit)
{
	return all_chars(&argv[0], UC_DIGIT);
}

/* str.isnumeric() */
METHOD(isnumeric)
{
	return all_chars(&argv[0], UC_NUMERIC);
}

/* str.isspace() */
METHOD(isspace)
{
	return all_chars(&argv[0], UC_SPACE);
}

/* str.isprintable() */
METHOD(isprintable)
{
	return argv[0].length == 0 ? value_bool(true) : all_chars(&argv[0], UC_PRINTABLE);
}

/* str.isascii() */
METHOD(isascii)
{
	int			i;

	bounds_work(argv[0].length);
	for (i = 0; i < argv[0].length; i++)
	{
		if ((unsigned char) argv[0].u.string[i] >= 0x80)
			return value_bool(false);
	}
	return value_bool(true);
}

/* str.isidentifier() */
METHOD(isidentifier)
{
	Value		rest = argv[0];
	int			used;

	if (rest.length == 0 ||
		!unicode_is(utext_decode(rest.u.string, rest.length, &used), UC_ID_START))
		return value_bool(false);
	rest.u.string += used;
	rest.length -= used;
	return rest.length == 0 ? value_bool(true) : all_chars(&rest, UC_ID_CONTINUE);
}

/* Returns the result of a test: islower and isupper are tests as well. */
static Value
run_test(Eval *ev, const Value *self, const char *name)
{
	CallArgs	none = {0};

	return jinja_invoke(ev, jinja_find_test(name, strlen(name)), self, &none);
}

/* str.islower() */
METHOD(islower)
{
	return run_test(ev, &argv[0], "lower");
}

/* str.isupper() */
METHOD(isupper)
{
	return run_test(ev, &argv[0], "upper");
}

/* str.istitle() */
METHOD(istitle)
{
	bool		cased = false;
	bool		inside = false;
	int			pos = 0;

	while (pos < argv[0].length)
	{
		int			used;
		uint16		flags = unicode_flags(utext_decode(argv[0].u.string + pos,
													   argv[0].length - pos, &used));

		bounds_work(4);
		if (flags & (UC_UPPER | UC_TITLE))
		{
			if (inside)
				return value_bool(false);
			inside = cased = true;
		}
		else if (flags & UC_LOWER)
		{
			if (!inside)
				return value_bool(false);
			cased = true;
		}
		else
			inside = false;
		pos += used;
	}
	return value_bool(cased);
}

/* ------------------------------------------------------------------------
 * Formatting and Markup
 * ------------------------------------------------------------------------
 */

/* str.format() */
METHOD(format)
{
	return jinja_format_braces(ev, &argv[0], call);
}

/* str.format_map() */
METHOD(format_map)
{
	CallArgs	args = {0};
	int			i;

	/* Python looks into the mapping only when a field asks for a member */
	if (argv[1].kind != VAL_DICT)
		return jinja_format_braces(ev, &argv[0], &args);
	dict_deform(argv[1].u.dict, argv[1].flags);
	args.keywords = palloc((argv[1].u.dict->count + 1) * sizeof(Keyword));
	for (i = 0; i < argv[1].u.dict->count; i++)
	{
		const DictEntry *entry = &argv[1].u.dict->entries[i];

		if (entry->key.kind != VAL_STRING)
			continue;
		args.keywords[args.nkeywords].name = entry->key.u.string;
		args.keywords[args.nkeywords].length = entry->key.length;
		args.keywords[args.nkeywords++].value = entry->value;
	}
	return jinja_format_braces(ev, &argv[0], &args);
}

/* Markup.unescape() */
METHOD(unescape)
{
	return jinja_unescape(&argv[0]);
}

/* Markup.striptags() */
METHOD(striptags)
{
	return jinja_striptags(&argv[0]);
}

/* Sorted by name. */
static const Builtin string_methods[] = {
	{"capitalize", string_capitalize, 0},
	{"casefold", string_casefold, 0},
	{"center", string_center, 1, {"width", "fillchar"}},
	{"count", string_count, 1, {"sub", "start", "end"}},
	{"endswith", string_endswith, 1, {"suffix", "start", "end"}},
	{"expandtabs", string_expandtabs, 0, {"tabsize"}},
	{"find", string_find, 1, {"sub", "start", "end"}},
	{"format", string_format, -1},
	{"format_map", string_format_map, 1, {"mapping"}},
	{"index", string_index, 1, {"sub", "start", "end"}},
	{"isalnum", string_isalnum, 0},
	{"isalpha", string_isalpha, 0},
	{"isascii", string_isascii, 0},
	{"isdecimal", string_isdecimal, 0},
	{"isdigit", string_isdigit, 0},
	{"isidentifier", string_isidentifier, 0},
	{"islower", string_islower, 0},
	{"isnumeric", string_isnumeric, 0},
	{"isprintable", string_isprintable, 0},
	{"isspace", string_isspace, 0},
	{"istitle", string_istitle, 0},
	{"isupper", string_isupper, 0},
	{"join", string_join, 1, {"iterable"}},
	{"ljust", string_ljust, 1, {"width", "fillchar"}},
	{"lower", string_lower, 0},
	{"lstrip", string_lstrip, 0, {"chars"}},
	{"partition", string_partition, 1, {"sep"}},
	{"removeprefix", string_removeprefix, 1, {"prefix"}},
	{"removesuffix", string_removesuffix, 1, {"suffix"}},
	{"replace", string_replace, 2, {"old", "new", "count"}},
	{"rfind", string_rfind, 1, {"sub", "start", "end"}},
	{"rindex", string_rindex, 1, {"sub", "start", "end"}},
	{"rjust", string_rjust, 1, {"width", "fillchar"}},
	{"rpartition", string_rpartition, 1, {"sep"}},
	{"rsplit", string_rsplit, 0, {"sep", "maxsplit"}},
	{"rstrip", string_rstrip, 0, {"chars"}},
	{"split", string_split, 0, {"sep", "maxsplit"}},
	{"splitlines", string_splitlines, 0, {"keepends"}},
	{"startswith", string_startswith, 1, {"prefix", "start", "end"}},
	{"strip", string_strip, 0, {"chars"}},
	{"swapcase", string_swapcase, 0},
	{"title", string_title, 0},
	{"upper", string_upper, 0},
	{"zfill", string_zfill, 1, {"width"}},
};

/* Sorted by name. */
static const Builtin markup_methods[] = {
	{"striptags", string_striptags, 0},
	{"unescape", string_unescape, 0},
};

/* Returns the method of a string, or NULL. */
const Builtin *
jinja_find_string_method(const Value *object, const char *name, int length)
{
	const Builtin *builtin = NULL;

	if (object->flags & VF_MARKUP)
		builtin = jinja_find_builtin(markup_methods, lengthof(markup_methods), name, length);
	if (builtin == NULL)
		builtin = jinja_find_builtin(string_methods, lengthof(string_methods), name, length);
	return builtin;
}
