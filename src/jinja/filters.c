/*
 * jinja/filters.c
 *		The table of filters, and the filters on single values.
 */
#include "common/common.h"

#include <math.h>

#include "common/base64.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "jinja/internal.h"
#include "jinja/filters.h"

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------
 */

/*
 * Returns a small integer argument; an int64 beyond the range of int becomes
 * its limit.
 */
int
jinja_argument_int(const Value *value, int fallback)
{
	int64		i;

	if (!value_given(value))
		return fallback;
	i = value_index(value, "argument");
	if (i > INT_MAX)
		return INT_MAX;
	return i < INT_MIN ? INT_MIN : (int) i;
}

/* Returns the truth of an argument. */
bool
jinja_argument_bool(Eval *ev, const Value *value, bool fallback)
{
	return value_given(value) ? value_truth(&ev->budget, value) : fallback;
}

/* ------------------------------------------------------------------------
 * Numbers
 * ------------------------------------------------------------------------
 */

/* The filter abs. */
static Value
filter_abs(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (!value_is_number(&argv[0]))
		value_fail("bad operand type for abs(): '%s'", value_type(&argv[0]));
	return number_abs(&argv[0]);
}

/*
 * Sets *result to Python's float(value); returns false where Python raises
 * TypeError or ValueError.
 */
static bool
to_float(const Value *value, double *result)
{
	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (value_is_number(value))
	{
		*result = number_to_double(value);
		return true;
	}
	return value->kind == VAL_STRING &&
		number_parse_float(value->u.string, value->length, result);
}

/* The filter float. */
static Value
filter_float(Eval *ev, const Value *argv, const CallArgs *call)
{
	double		d;

	if (to_float(&argv[0], &d))
		return value_float(d);
	return value_given(&argv[1]) ? argv[1] : value_float(0.0);
}

/* The filter int. */
static Value
filter_int(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		fallback = value_given(&argv[1]) ? argv[1] : value_int(0);
	Value		result;
	double		d;

	if (value_is_integer(&argv[0]))
		return argv[0].kind == VAL_BOOL ? value_int(argv[0].u.boolean) : argv[0];
	if (argv[0].kind == VAL_FLOAT)
		return isnan(argv[0].u.real) ? fallback : number_from_double_trunc(argv[0].u.real);
	if (argv[0].kind == VAL_STRING)
	{
		int64		base = 10;

		if (value_given(&argv[2]))
			base = argv[2].kind == VAL_INT ? argv[2].u.integer : -1;
		if ((base == 0 || (base >= 2 && base <= 36)) &&
			number_parse_int(argv[0].u.string, argv[0].length, (int) base, &result))
			return result;
	}
	if (!to_float(&argv[0], &d) || !isfinite(d))
		return fallback;
	return number_from_double_trunc(d);
}

/* The filter round. */
static Value
filter_round(Eval *ev, const Value *argv, const CallArgs *call)
{
	bool		up = utext_is(&argv[2], "ceil");
	Value		rounded;

	if (value_given(&argv[2]) && !up && !utext_is(&argv[2], "floor") &&
		!utext_is(&argv[2], "common"))
		value_fail("method must be common, ceil or floor");
	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (!value_is_number(&argv[0]))
		value_fail("type %s cannot be rounded", value_type(&argv[0]));
	if (up || utext_is(&argv[2], "floor"))
		return number_ceil_floor(&argv[0],
								 value_given(&argv[1]) ? value_index(&argv[1], "round") : 0, up);
	if (argv[1].kind == VAL_NONE)
	{
		rounded = number_round(&argv[0], 0);
		return rounded.kind == VAL_FLOAT ? number_from_double_trunc(rounded.u.real) : rounded;
	}
	return number_round(&argv[0],
						value_given(&argv[1]) ? value_index(&argv[1], "round") : 0);
}

/* The filter filesizeformat. */
static Value
filter_filesizeformat(Eval *ev, const Value *argv, const CallArgs *call)
{
	static const char prefixes[] = "kMGTPEZY";
	bool		binary = jinja_argument_bool(ev, &argv[1], false);
	double		base = binary ? 1024 : 1000;
	double		bytes;
	double		unit = base;
	char		number[400];
	Value		whole;
	int			length;
	int			i;

	if (!to_float(&argv[0], &bytes))
		value_fail("could not convert to float");
	if (bytes == 1)
		return utext_from_cstring("1 Byte");
	if (bytes < base)
	{
		whole = number_from_double_trunc(bytes);
		return utext_from_cstring(psprintf("%s Bytes", number_text(&whole, &length)));
	}
	for (i = 0; i < 8; i++)
	{
		unit *= base;
		if (bytes < unit)
			break;
	}
	i = Min(i, 7);
	if (isnan(bytes) || isinf(bytes))
		snprintf(number, sizeof(number), "%s", isnan(bytes) ? "nan" : "inf");
	else
		snprintf(number, sizeof(number), "%.1f", base * bytes / unit);
	return utext_from_cstring(psprintf("%s %c%sB", number,
									   binary && i == 0 ? 'K' : prefixes[i],
									   binary ? "i" : ""));
}

/* ------------------------------------------------------------------------
 * Any value
 * ------------------------------------------------------------------------
 */

/* The filter default. */
static Value
filter_default(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (argv[0].kind == VAL_UNDEFINED ||
		(jinja_argument_bool(ev, &argv[2], false) && !value_truth(&ev->budget, &argv[0])))
		return value_given(&argv[1]) ? argv[1] : utext_make("", 0);
	return argv[0];
}

/* The filter attr: an attribute, never an item. */
static Value
filter_attr(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		dict;
	Value		result;

	if (argv[1].kind != VAL_STRING)
		value_fail("attribute name must be string, not '%s'", value_type(&argv[1]));
	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[1].length > 0 && argv[1].u.string[0] == '_')
		value_fail_refused("Names that begin with an underscore are private.",
						   "access to attribute \"%s\" is not allowed",
						   value_clip_name(argv[1].u.string, argv[1].length));
	if (argv[0].kind == VAL_DICT && !jinja_bind_method(&argv[0], &argv[1], &result))
		return value_undefined_attribute(&argv[0], &argv[1]);
	dict = argv[0];
	dict.flags &= ~VF_STEP;
	return jinja_getattr(ev, &dict, &argv[1]);
}

/* The filter string. */
static Value
filter_string(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_soft_str(&ev->budget, &argv[0]);
}

/* The filter safe. */
static Value
filter_safe(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_str(&ev->budget, &argv[0]);

	text.flags = VF_MARKUP;
	return text;
}

/* The filter escape. */
static Value
filter_escape(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);

	return utext_escape(&text);
}

/* The filter forceescape. */
static Value
filter_forceescape(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_str(&ev->budget, &argv[0]);

	return utext_escape(&text);
}

/* The filter pprint. */
static Value
filter_pprint(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_pprint(&ev->budget, &argv[0]);
}

/* The filter tojson: sorted keys, and nothing that HTML reads as markup. */
static Value
filter_tojson(Eval *ev, const Value *argv, const CallArgs *call)
{
	StringInfoData json;
	StringInfoData buf;
	Value		result;
	int			i;

	initStringInfo(&json);
	value_json_text(&ev->budget, &json, &argv[0], &argv[1], true, true);
	initStringInfo(&buf);
	for (i = 0; i < json.len; i++)
	{
		char		c = json.data[i];

		if (c == '<' || c == '>' || c == '&' || c == '\'')
			appendStringInfo(&buf, "\\u%04x", c);
		else
			appendStringInfoChar(&buf, c);
	}
	value_check_size(buf.len);
	result = utext_from_buffer(&buf);
	result.flags = VF_MARKUP;
	return result;
}

/*
 * The filter to_json: JSON text without escapes for HTML, for SQL and HTTP
 * bodies.
 */
static Value
filter_to_json(Eval *ev, const Value *argv, const CallArgs *call)
{
	StringInfoData buf;
	Value		none = value_none();

	if (argv[0].kind == VAL_UNDEFINED && (argv[0].flags & VF_STRICT))
		value_fail_undefined(&argv[0]);
	initStringInfo(&buf);
	value_json_text(&ev->budget, &buf, argv[0].kind == VAL_UNDEFINED ? &none : &argv[0],
					&argv[1], false, false);
	return utext_from_buffer(&buf);
}

/* The filter from_json: the value of a JSON text. */
static Value
filter_from_json(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_str(&ev->budget, &argv[0]);
	Value		result;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (!value_from_json_text(text.u.string, text.length, &result))
		value_fail("invalid JSON text");
	return result;
}

/* The filter b64encode. */
static Value
filter_b64encode(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_str(&ev->budget, &argv[0]);
	int			size;
	char	   *encoded;
	int			length;

	value_check_size((int64) text.length * 4 / 3 + 4);
	size = pg_b64_enc_len(text.length);
	encoded = palloc(size + 1);
	/* pg_b64_encode takes char * up to PostgreSQL 17, uint8 * from 18 on */
	length = pg_b64_encode((const void *) text.u.string, text.length, encoded, size);
	if (length < 0)
		elog(ERROR, "base64 encoding failed");
	return utext_make(encoded, length);
}

/* The filter b64decode. */
static Value
filter_b64decode(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_str(&ev->budget, &argv[0]);
	int			size = pg_b64_dec_len(text.length);
	char	   *decoded = palloc(size + 1);
	int			length = pg_b64_decode(text.u.string, text.length, (void *) decoded, size);

	if (length < 0)
		value_fail("invalid base64 text");
	if (memchr(decoded, '\0', length) != NULL || !pg_verifymbstr(decoded, length, true))
		value_fail("base64 text does not decode to text");
	return utext_make(decoded, length);
}

/*
 * Returns the text of a value for SQL: strings as they are, other values as
 * JSON.
 */
static Value
sql_text(Eval *ev, const Value *value)
{
	StringInfoData buf;
	Value		none = value_none();

	if (value->kind == VAL_STRING)
		return *value;
	if (value->kind == VAL_ITERATOR || value->kind == VAL_RANGE || value->kind == VAL_VIEW)
	{
		Value		list = value_collect(&ev->budget, value);

		return sql_text(ev, &list);
	}
	initStringInfo(&buf);
	value_json_text(&ev->budget, &buf, value, &none, false, false);
	return utext_from_buffer(&buf);
}

/* The filter quote_literal: PostgreSQL's own quoting; none becomes NULL. */
static Value
filter_quote_literal(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[0].kind == VAL_NONE)
		return utext_from_cstring("NULL");
	text = sql_text(ev, &argv[0]);
	value_check_size((int64) text.length * 2 + 3);
	return utext_from_cstring(quote_literal_cstr(utext_cstring(&text)));
}

/* The filter quote_ident: PostgreSQL's own quoting. */
static Value
filter_quote_ident(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	text = value_str(&ev->budget, &argv[0]);
	value_check_size((int64) text.length * 2 + 3);
	return utext_from_cstring(quote_identifier(utext_cstring(&text)));
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------
 */

/* Sorted by name, because jinja_find_builtin searches by halves. */
static const Builtin filters[] = {
	{"abs", filter_abs, 0},
	{"all", jinja_filter_all, 0},
	{"any", jinja_filter_any, 0},
	{"attr", filter_attr, 1, {"name"}},
	{"b64decode", filter_b64decode, 0},
	{"b64encode", filter_b64encode, 0},
	{"basename", jinja_filter_basename, 0},
	{"batch", jinja_filter_batch, 1, {"linecount", "fill_with"}},
	{"bool", jinja_filter_bool, 0},
	{"camelcase", jinja_filter_camelcase, 0},
	{"capitalize", jinja_filter_capitalize, 0},
	{"center", jinja_filter_center, 0, {"width"}},
	{"coalesce", jinja_filter_coalesce, -1},
	{"combine", jinja_filter_combine, -1},
	{"contains", jinja_filter_contains, 1, {"value"}},
	{"count", jinja_filter_length, 0},
	{"d", filter_default, 0, {"default_value", "boolean"}},
	{"date_add", jinja_filter_date_add, 1, {"interval"}},
	{"date_trunc", jinja_filter_date_trunc, 1, {"unit", "tz"}},
	{"default", filter_default, 0, {"default_value", "boolean"}},
	{"dict2items", jinja_filter_dict2items, 0, {"key_name", "value_name"}},
	{"dictsort", jinja_filter_dictsort, 0, {"case_sensitive", "by", "reverse"}},
	{"difference", jinja_filter_difference, 1, {"other"}},
	{"dirname", jinja_filter_dirname, 0},
	{"e", filter_escape, 0},
	{"escape", filter_escape, 0},
	{"filesizeformat", filter_filesizeformat, 0, {"binary"}},
	{"first", jinja_filter_first, 0},
	{"flatten", jinja_filter_flatten, 0, {"levels", "skip_nulls"}},
	{"float", filter_float, 0, {"default"}},
	{"forceescape", filter_forceescape, 0},
	{"format", jinja_filter_format, -1},
	{"from_json", filter_from_json, 0},
	{"from_timestamp", jinja_filter_from_timestamp, 0, {"tz"}},
	{"from_yaml", jinja_filter_from_yaml, 0},
	{"fromjson", filter_from_json, 0},
	{"get", jinja_filter_get, 1, {"key", "default"}},
	{"groupby", jinja_filter_groupby, 1, {"attribute", "default", "case_sensitive"}},
	{"hash", jinja_filter_hash, 0, {"hashtype"}},
	{"indent", jinja_filter_indent, 0, {"width", "first", "blank"}},
	{"int", filter_int, 0, {"default", "base"}},
	{"intersect", jinja_filter_intersect, 1, {"other"}},
	{"items", jinja_filter_items, 0},
	{"items2dict", jinja_filter_items2dict, 0, {"key_name", "value_name"}},
	{"join", jinja_filter_join, 0, {"d", "attribute"}},
	{"json_path", jinja_filter_json_path, 1, {"expr"}},
	{"keys", jinja_filter_keys, 0},
	{"last", jinja_filter_last, 0},
	{"length", jinja_filter_length, 0},
	{"list", jinja_filter_list, 0},
	{"lower", jinja_filter_lower, 0},
	{"mandatory", jinja_filter_mandatory, 0, {"msg"}},
	{"map", jinja_filter_map, -1},
	{"max", jinja_filter_max, 0, {"case_sensitive", "attribute"}},
	{"md5", jinja_filter_md5, 0},
	{"merge", jinja_filter_merge, -1},
	{"min", jinja_filter_min, 0, {"case_sensitive", "attribute"}},
	{"pprint", filter_pprint, 0},
	{"product", jinja_filter_product, -1},
	{"quote", jinja_filter_quote, 0},
	{"quote_ident", filter_quote_ident, 0},
	{"quote_literal", filter_quote_literal, 0},
	{"random", jinja_filter_random, 0, {"start", "step", "seed"}},
	{"regex_escape", jinja_filter_regex_escape, 0, {"re_type"}},
	{"regex_findall", jinja_filter_regex_findall, 1, {"regex", "multiline", "ignorecase"}},
	{"regex_replace",
	 jinja_filter_regex_replace,
	 0,
	 {"pattern", "replacement", "ignorecase", "multiline", "count", "mandatory_count"}},
	{"regex_search", jinja_filter_regex_search, -1},
	{"reject", jinja_filter_reject, -1},
	{"rejectattr", jinja_filter_rejectattr, -1},
	{"replace", jinja_filter_replace, 2, {"old", "new", "count"}},
	{"reverse", jinja_filter_reverse, 0},
	{"round", filter_round, 0, {"precision", "method"}},
	{"safe", filter_safe, 0},
	{"select", jinja_filter_select, -1},
	{"selectattr", jinja_filter_selectattr, -1},
	{"sha1", jinja_filter_sha1, 0},
	{"sha256", jinja_filter_sha256, 0},
	{"shell_quote", jinja_filter_quote, 0},
	{"slice", jinja_filter_slice, 1, {"slices", "fill_with"}},
	{"slugify", jinja_filter_slugify, 0, {"separator"}},
	{"snakecase", jinja_filter_snakecase, 0},
	{"sort", jinja_filter_sort, 0, {"reverse", "case_sensitive", "attribute"}},
	{"split", jinja_filter_split, 0, {"sep", "maxsplit"}},
	{"splitext", jinja_filter_splitext, 0},
	{"strftime", jinja_filter_strftime, 0, {"second", "utc"}},
	{"string", filter_string, 0},
	{"striptags", jinja_filter_striptags, 0},
	{"sum", jinja_filter_sum, 0, {"attribute", "start"}},
	{"symmetric_difference", jinja_filter_symmetric_difference, 1, {"other"}},
	{"ternary", jinja_filter_ternary, 2, {"true_val", "false_val", "none_val"}},
	{"timestamp", jinja_filter_timestamp, 0, {"tz"}},
	{"title", jinja_filter_title, 0},
	{"to_datetime", jinja_filter_to_datetime, 0, {"format", "tz"}},
	{"to_json", filter_to_json, 0, {"indent"}},
	{"to_nice_json", jinja_filter_to_nice_json, 0, {"indent", "sort_keys"}},
	{"to_nice_yaml", jinja_filter_to_nice_yaml, 0, {"indent", "sort_keys", "width"}},
	{"to_yaml", jinja_filter_to_yaml, 0, {"indent", "sort_keys", "default_flow_style", "width"}},
	{"tojson", filter_tojson, 0, {"indent"}},
	{"trim", jinja_filter_trim, 0, {"chars"}},
	{"truncate", jinja_filter_truncate, 0, {"length", "killwords", "end", "leeway"}},
	{"union", jinja_filter_union, 1, {"other"}},
	{"unique", jinja_filter_unique, 0, {"case_sensitive", "attribute"}},
	{"upper", jinja_filter_upper, 0},
	{"urldecode", jinja_filter_urldecode, 0},
	{"urlencode", jinja_filter_urlencode, 0},
	{"urlize",
	 jinja_filter_urlize,
	 0,
	 {"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"}},
	{"urlsplit", jinja_filter_urlsplit, 0, {"query"}},
	{"values", jinja_filter_values, 0},
	{"wordcount", jinja_filter_wordcount, 0},
	{"wordwrap",
	 jinja_filter_wordwrap,
	 0,
	 {"width", "break_long_words", "wrapstring", "break_on_hyphens"}},
	{"xmlattr", jinja_filter_xmlattr, 0, {"autospace"}},
	{"zip", jinja_filter_zip, -1},
	{"zip_longest", jinja_filter_zip_longest, -1},
};

/* Returns the builtin of a name in a table that is sorted by name, or NULL. */
const Builtin *
jinja_find_builtin(const Builtin *table, int count, const char *name, int length)
{
	int			low = 0;
	int			high = count - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			c = strncmp(name, table[middle].name, length);

		if (c == 0 && table[middle].name[length] != '\0')
			c = -1;
		if (c == 0)
			return &table[middle];
		if (c < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Returns the filter of a name, or NULL. */
const Builtin *
jinja_find_filter(const char *name, int length)
{
	return jinja_find_builtin(filters, lengthof(filters), name, length);
}
