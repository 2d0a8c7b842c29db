/*
 * value/json.c
 *		Conversion between JSON and values.
 */
#include "common/common.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "value/value.h"

/*
 * Returns a jsonb container as a value, without looking into it. The value
 * points into the container, which must live as long.
 */
static Value
value_from_container(JsonbContainer *container, uint8 flags)
{
	Value		v = {VAL_LIST, flags};

	if (JsonContainerIsArray(container))
	{
		if (JsonContainerIsScalar(container))
		{
			JsonbValue *scalar = getIthJsonbValueFromContainer(container, 0);

			return value_from_json(scalar, flags);
		}
		v.u.list = palloc(sizeof(ValueList));
		v.u.list->count = JsonContainerSize(container);
		v.u.list->items = NULL;
		v.u.list->json = container;
	}
	else
	{
		v.kind = VAL_DICT;
		v.u.dict = palloc0(sizeof(ValueDict));
		v.u.dict->count = JsonContainerSize(container);
		v.u.dict->json = container;
	}
	return v;
}

/* Returns a JSON value as a value; strings and containers are not copied. */
Value
value_from_json(const JsonbValue *json, uint8 flags)
{
	Value		v;

	switch (json->type)
	{
		case jbvNull:
			v = value_none();
			break;
		case jbvBool:
			v = value_bool(json->val.boolean);
			break;
		case jbvNumeric:
			v = number_from_json(json->val.numeric);
			break;
		case jbvString:
			v = utext_make(json->val.string.val, json->val.string.len);
			break;
		case jbvBinary:
			return value_from_container(json->val.binary.data, flags);
		default:
			return value_from_container(&JsonbValueToJsonb(unconstify(JsonbValue *, json))->root,
										flags);
	}
	v.flags |= flags;
	return v;
}

/*
 * Sets *result to a number; a float keeps a fraction part. Raises for infinity
 * and NaN.
 */
static void
number_to_json(const Value *value, JsonbValue *result)
{
	Numeric		n;

	result->type = jbvNumeric;
	if (value->kind != VAL_FLOAT)
	{
		result->val.numeric = number_to_numeric(value);
		return;
	}
	if (!isfinite(value->u.real))
		value_fail("%s is not JSON", number_repr_double(value->u.real));
	n = json_numeric(number_repr_double(value->u.real));
	if (DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(n))) == 0)
		n = DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(n),
												Int32GetDatum(1)));
	result->val.numeric = n;
}

/* Sets *result to a string, which is not copied. */
static void
string_to_json(const char *s, int length, JsonbValue *result)
{
	result->type = jbvString;
	result->val.string.val = unconstify(char *, s);
	result->val.string.len = length;
}

/*
 * Returns the text of a key as Python's json module writes it: numbers and
 * constants become text.
 */
static Value
key_text(const Value *key)
{
	int			length;
	char	   *text;

	switch ((ValueKind) key->kind)
	{
		case VAL_STRING:
			return *key;
		case VAL_NONE:
			return utext_from_cstring("null");
		case VAL_BOOL:
			return utext_from_cstring(key->u.boolean ? "true" : "false");
		case VAL_INT:
		case VAL_BIGINT:
		case VAL_FLOAT:
			text = number_text(key, &length);
			return utext_make(text, length);
		case VAL_DATETIME:
		case VAL_DATE:
			return value_str(NULL, key);
		default:
			value_fail("keys must be str, int, float, bool or None, not %s",
					   value_type(key));
	}
}

/* Pushes a value as an element, as the value of a member or as a whole. */
static JsonbValue *
push_json(Budget *budget, JsonbParseState **state, const Value *value,
		  JsonbIteratorToken token)
{
	JsonbValue	json;
	Value		list;
	Iterator   *it;
	Value		item;
	int			i;

	check_stack_depth();
	bounds_work(20);
	switch ((ValueKind) value->kind)
	{
		case VAL_LIST:
		case VAL_TUPLE:
		case VAL_RANGE:
		case VAL_VIEW:
		case VAL_ITERATOR:
			if (value->kind == VAL_LIST && value->u.list->json)
				break;
			list = value->kind == VAL_TUPLE ? *value : value_collect(budget, value);
			pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
			it = iter_array(seq_count(&list), seq_items(&list));
			while (it->next(budget, it, &item))
				push_json(budget, state, &item, WJB_ELEM);
			return pushJsonbValue(state, WJB_END_ARRAY, NULL);
		case VAL_DICT:
			if (value->u.dict->json)
				break;
			pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
			for (i = 0; i < value->u.dict->count; i++)
			{
				Value		key = key_text(&value->u.dict->entries[i].key);

				string_to_json(key.u.string, key.length, &json);
				pushJsonbValue(state, WJB_KEY, &json);
				push_json(budget, state, &value->u.dict->entries[i].value, WJB_VALUE);
			}
			return pushJsonbValue(state, WJB_END_OBJECT, NULL);
		default:
			break;
	}
	value_to_json(budget, value, &json);
	return pushJsonbValue(state, token, &json);
}

/*
 * Sets *result to a value as JSON: a scalar or jbvBinary. Raises for a value
 * that JSON has no form for.
 */
void
value_to_json(Budget *budget, const Value *value, JsonbValue *result)
{
	JsonbParseState *state = NULL;
	JsonbValue *built;
	Jsonb	   *jsonb;
	Value		text;

	memset(result, 0, sizeof(JsonbValue));
	switch ((ValueKind) value->kind)
	{
		case VAL_UNDEFINED:
			if (value->flags & VF_STRICT)
				value_fail_undefined(value);
			result->type = jbvNull;
			return;
		case VAL_ABSENT:
		case VAL_NONE:
			result->type = jbvNull;
			return;
		case VAL_BOOL:
			result->type = jbvBool;
			result->val.boolean = value->u.boolean;
			return;
		case VAL_INT:
		case VAL_BIGINT:
		case VAL_FLOAT:
			number_to_json(value, result);
			return;
		case VAL_STRING:
			string_to_json(value->u.string, value->length, result);
			return;
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			text = value_str(budget, value);
			string_to_json(text.u.string, text.length, result);
			return;
		case VAL_LIST:
		case VAL_DICT:
			{
				JsonbContainer *json = value->kind == VAL_LIST ?
					value->u.list->json : value->u.dict->json;

				if (json == NULL)
					break;
				result->type = jbvBinary;
				result->val.binary.data = json;
				result->val.binary.len = json_container_size(json);
				return;
			}
		case VAL_TUPLE:
		case VAL_RANGE:
		case VAL_VIEW:
		case VAL_ITERATOR:
			break;
		default:
			value_fail_not_json(value);
	}
	built = push_json(budget, &state, value, WJB_ELEM);
	jsonb = JsonbValueToJsonb(built);
	result->type = jbvBinary;
	result->val.binary.data = &jsonb->root;
	result->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

/* ------------------------------------------------------------------------
 * JSON text
 * ------------------------------------------------------------------------
 */

/*
 * Appends a string in quotes; with "ascii" all other characters become \uXXXX.
 */
static void
dump_string(StringInfo buf, const char *s, int length, bool ascii)
{
	int			i = 0;

	appendStringInfoChar(buf, '"');
	while (i < length)
	{
		int			used;
		uint32		c = utext_decode(s + i, length - i, &used);

		bounds_work(6);
		if (c == '"' || c == '\\')
		{
			appendStringInfoChar(buf, '\\');
			appendStringInfoChar(buf, (char) c);
		}
		else if (c == '\n')
			appendStringInfoString(buf, "\\n");
		else if (c == '\r')
			appendStringInfoString(buf, "\\r");
		else if (c == '\t')
			appendStringInfoString(buf, "\\t");
		else if (c == '\b')
			appendStringInfoString(buf, "\\b");
		else if (c == '\f')
			appendStringInfoString(buf, "\\f");
		else if (c < 0x20)
			appendStringInfo(buf, "\\u%04x", c);
		else if (c < 0x7F || !ascii || (c >= 0xDC80 && c <= 0xDCFF))
			appendBinaryStringInfo(buf, s + i, used);
		else if (c < 0x10000)
			appendStringInfo(buf, "\\u%04x", c);
		else
			appendStringInfo(buf, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
							 0xDC00 + ((c - 0x10000) & 0x3FF));
		i += used;
	}
	appendStringInfoChar(buf, '"');
	value_check_size(buf->len);
}

/* Layout of JSON text. */
typedef struct JsonStyle
{
	Value		indent;			/* string for each level; VAL_NONE: one line */
	int			times;			/* how often it stands at each level */
	bool		sort;
	bool		ascii;
} JsonStyle;

static void dump_value(Budget *budget, StringInfo buf, const Value *value,
					   const JsonStyle *style, int level);

/* Appends a line break and indentation, unless the text is to be one line. */
static void
dump_newline(StringInfo buf, const JsonStyle *style, int level)
{
	if (style->indent.kind == VAL_NONE)
		return;
	value_check_size((int64) buf->len + 1 + (int64) style->indent.length * style->times * level);
	bounds_work((int64) style->times * level * 4);
	appendStringInfoChar(buf, '\n');
	for (int64 n = (int64) level * style->times; n > 0; n--)
		appendBinaryStringInfo(buf, style->indent.u.string, style->indent.length);
}

/*
 * Appends what stands before an item: a comma, except for the first, and the
 * line break.
 */
static void
dump_separator(StringInfo buf, const JsonStyle *style, int level, bool first)
{
	if (!first)
		appendStringInfoString(buf, style->indent.kind == VAL_NONE ? ", " : ",");
	dump_newline(buf, style, level);
}

/* Compares the keys of two entries as Python orders them; for qsort_arg. */
static int
compare_dict_keys(const void *a, const void *b, void *arg)
{
	const DictEntry *x = *(DictEntry *const *) a;
	const DictEntry *y = *(DictEntry *const *) b;
	int			c;

	bounds_work(10);
	c = value_compare(arg, &x->key, &y->key, "<");
	return c != 0 ? c : (x > y) - (x < y);
}

/* Appends a dict as an object. */
static void
dump_object(Budget *budget, StringInfo buf, const Value *value,
			const JsonStyle *style, int level)
{
	ValueDict  *dict = value->u.dict;
	DictEntry **entries;
	int			i;

	dict_deform(dict, value->flags);
	entries = palloc((dict->count + 1) * sizeof(DictEntry *));
	for (i = 0; i < dict->count; i++)
		entries[i] = &dict->entries[i];
	if (style->sort)
		qsort_arg(entries, dict->count, sizeof(DictEntry *), compare_dict_keys, budget);
	appendStringInfoChar(buf, '{');
	for (i = 0; i < dict->count; i++)
	{
		Value		key = key_text(&entries[i]->key);

		bounds_work(20);
		dump_separator(buf, style, level + 1, i == 0);
		dump_string(buf, key.u.string, key.length, style->ascii);
		appendStringInfoString(buf, ": ");
		dump_value(budget, buf, &entries[i]->value, style, level + 1);
	}
	if (dict->count > 0)
		dump_newline(buf, style, level);
	appendStringInfoChar(buf, '}');
	pfree(entries);
}

/* Appends a date or time, which is a string in JSON. */
static void
dump_moment(Budget *budget, StringInfo buf, const Value *value, const JsonStyle *style)
{
	Value		text = value_str(budget, value);

	dump_string(buf, text.u.string, text.length, style->ascii);
}

/* Appends any value. */
static void
dump_value(Budget *budget, StringInfo buf, const Value *value,
		   const JsonStyle *style, int level)
{
	char	   *text;
	int			length;
	int			i;

	check_stack_depth();
	switch ((ValueKind) value->kind)
	{
		case VAL_NONE:
			appendStringInfoString(buf, "null");
			break;
		case VAL_BOOL:
			appendStringInfoString(buf, value->u.boolean ? "true" : "false");
			break;
		case VAL_INT:
		case VAL_BIGINT:
		case VAL_FLOAT:
			if (value->kind == VAL_FLOAT && !isfinite(value->u.real))
				value_fail("%s is not JSON", number_repr_double(value->u.real));
			text = number_text(value, &length);
			appendBinaryStringInfo(buf, text, length);
			pfree(text);
			break;
		case VAL_STRING:
			dump_string(buf, value->u.string, value->length, style->ascii);
			break;
		case VAL_LIST:
		case VAL_TUPLE:
			appendStringInfoChar(buf, '[');
			for (i = 0; i < value->u.list->count; i++)
			{
				bounds_work(20);
				dump_separator(buf, style, level + 1, i == 0);
				dump_value(budget, buf, &seq_items(value)[i], style, level + 1);
			}
			if (value->u.list->count > 0)
				dump_newline(buf, style, level);
			appendStringInfoChar(buf, ']');
			break;
		case VAL_DICT:
			dump_object(budget, buf, value, style, level);
			break;
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			dump_moment(budget, buf, value, style);
			break;
		default:
			value_fail("object of type %s is not JSON serializable",
					   value_type(value));
	}
	value_check_size(buf->len);
}

/*
 * Appends JSON text as Python's json.dumps writes it. The indentation is a
 * number of spaces or a string; without one all text is on one line.
 */
void
value_json_text(Budget *budget, StringInfo buf, const Value *value,
				const Value *indent, bool sort, bool ascii)
{
	JsonStyle	style = {value_none(), 1, sort, ascii};

	/* Python does not look at the indentation of a string */
	if (value->kind == VAL_STRING || indent->kind == VAL_STRING)
		style.indent = value->kind == VAL_STRING ? value_none() : *indent;
	else if (value_given_not_none(indent))
	{
		style.indent = utext_make(" ", 1);
		style.times = Min(Max(value_index(indent, "indent"), 0), INT_MAX);
	}
	dump_value(budget, buf, value, &style, 0);
}

/*
 * Returns about how much memory the server's JSON reader takes for a text: it
 * keeps every value of the text in an array before it packs them.
 */
static Size
reading_cost(const char *s, int length)
{
	Size		values = 1;
	bool		quoted = false;
	int			i;

	bounds_work((int64) length * 10);
	for (i = 0; i < length; i++)
	{
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s[i] == ',' || s[i] == ':'))
			values++;
		else if (!quoted && (s[i] == '[' || s[i] == '{'))
			values += 3;
	}
	return values * 6 * sizeof(JsonbValue) + (Size) length * 2;
}

/*
 * Sets *result to the value of a JSON text; returns false when the text is no
 * JSON.
 */
bool
value_from_json_text(const char *s, int length, Value *result)
{
	JsonbValue	json;

	if (length > 10000)
		bounds_check_memory(reading_cost(s, length));
	if (!json_from_text(s, length, &json))
		return false;
	*result = value_from_json(&json, 0);
	return true;
}

/* Returns whether noetl.template_coerce asks to read the text as JSON. */
static bool
may_be_json(const Value *text)
{
	char		c;

	if (SETTING(template_coerce) == COERCE_OFF || text->length == 0)
		return false;
	c = text->u.string[0];
	if (c == '{' || c == '[')
		return true;
	return SETTING(template_coerce) == COERCE_ALL &&
		(c == '"' || c == '-' || (c >= '0' && c <= '9') ||
		 utext_is(text, "true") || utext_is(text, "false") || utext_is(text, "null"));
}

/*
 * Reads text that is no JSON as NoETL's Python broker does: 007 is a number,
 * and items separated by commas are a list. Returns false when the text is
 * neither.
 */
static bool
loose_value(const Value *text, Value *value)
{
	const char *digits = text->u.string;
	int			length = text->length;

	while (length > 1 && *digits == '0')
	{
		digits++;
		length--;
	}
	if (length < text->length && strspn(digits, "0123456789") >= length)
		return value_from_json_text(digits, length, value);
	if (memchr(text->u.string, ',', text->length) == NULL)
		return false;
	digits = psprintf("[%.*s]", text->length, text->u.string);
	return value_from_json_text(digits, text->length + 2, value);
}

/*
 * Sets *result to a rendered text: the JSON value that the text spells where
 * noetl.template_coerce asks for that, otherwise a string.
 */
void
value_coerce_text(const char *s, int length, JsonbValue *result)
{
	Value		text = utext_make(s, length);
	Value		value;

	text = utext_strip(&text, NULL, true, true);
	if (SETTING(template_coerce) == COERCE_ALL &&
		(utext_is(&text, "True") || utext_is(&text, "False")))
	{
		result->type = jbvBool;
		result->val.boolean = utext_is(&text, "True");
	}
	else if (SETTING(template_coerce) == COERCE_ALL && utext_is(&text, "None"))
		result->type = jbvNull;
	else if (may_be_json(&text) &&
			 (value_from_json_text(text.u.string, text.length, &value) ||
			  (SETTING(template_coerce) == COERCE_ALL && loose_value(&text, &value))))
		value_to_json(NULL, &value, result);
	else
		string_to_json(s, length, result);
}

/* Returns the truth of a JSON value as a condition; some strings are false. */
bool
value_json_truth(const JsonbValue *value)
{
	static const char *const no[] = {
		"false", "0", "no", "n", "off", "none", "null", "{}", "[]"
	};
	Value		text;
	int			i;

	switch (value->type)
	{
		case jbvNull:
			return false;
		case jbvBool:
			return value->val.boolean;
		case jbvNumeric:
			{
				Value		number = number_from_json(value->val.numeric);

				return value_truth(NULL, &number);
			}
		case jbvString:
			text = utext_make(value->val.string.val, value->val.string.len);
			text = utext_strip(&text, NULL, true, true);
			if (text.length == 0)
				return false;
			if (text.length > 8)
				return true;
			for (i = 0; i < lengthof(no); i++)
			{
				if (strlen(no[i]) == text.length &&
					pg_strncasecmp(no[i], text.u.string, text.length) == 0)
					return false;
			}
			return true;
		case jbvBinary:
			return JsonContainerSize(value->val.binary.data) > 0;
		case jbvArray:
			return value->val.array.nElems > 0;
		case jbvObject:
			return value->val.object.nPairs > 0;
		default:
			return true;
	}
}
