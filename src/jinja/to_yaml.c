/*
 * jinja/to_yaml.c
 *		The filters to_yaml, to_nice_yaml and from_yaml: YAML as PyYAML writes it.
 *
 * Quotes, flow style and line breaks are those of the emitter that PyYAML has in
 * Python.  Anchors are not written.  libyaml's emitter is not called, because it
 * gives other texts: it escapes characters above U+FFFF, puts a text with U+0085 in
 * double quotes, writes an empty key without "?", and ends a document that is one
 * plain scalar without "...".
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/filters.h"
#include "jinja/internal.h"
#include "yaml/yaml.h"

/* Which lists and maps are written between brackets, besides those that are empty. */
typedef enum FlowStyle
{
	FLOW_OF_SCALARS,
	FLOW_NEVER,
	FLOW_ALWAYS
} FlowStyle;

typedef struct Emitter
{
	Budget	   *budget;
	StringInfo	buf;
	int			column;			/* in characters */
	int			indent;			/* -1: nothing written yet */
	int			step;			/* of the indentation */
	int			width;
	int			flow_level;
	FlowStyle	flow;
	bool		sort;
	bool		whitespace;		/* a blank was written last */
	bool		indention;		/* only indentation was written in the line */
	bool		open_ended;
} Emitter;

/* Where a node stands. */
typedef struct Place
{
	bool		root;
	bool		mapping;
	bool		simple_key;
} Place;

/* What PyYAML finds out about a text before it chooses a style. */
typedef struct Analysis
{
	bool		flow_plain;
	bool		block_plain;
	bool		single_quoted;
	bool		multiline;
} Analysis;

static void emit_node(Emitter *e, const Value *value, Place place);

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

/* Writes text without line breaks. */
static void
put(Emitter *e, const char *s, int length)
{
	value_check_size((int64) e->buf->len + length);
	bounds_work(20 + length);
	appendBinaryStringInfo(e->buf, s, length);
	e->column += utext_chars(s, length);
}

/* Writes a line break. */
static void
put_break(Emitter *e)
{
	appendStringInfoChar(e->buf, '\n');
	e->column = 0;
	e->whitespace = true;
	e->indention = true;
}

/* Goes to the indentation, in a new line if need be. */
static void
put_indent(Emitter *e)
{
	int			indent = Max(e->indent, 0);

	if (!e->indention || e->column > indent || (e->column == indent && !e->whitespace))
		put_break(e);
	value_check_size((int64) e->buf->len + indent);
	while (e->column < indent)
	{
		put(e, " ", 1);
		e->whitespace = true;
	}
}

/* Writes an indicator, after a blank if it needs one. */
static void
put_indicator(Emitter *e, const char *indicator, bool needs_blank, bool whitespace, bool indention)
{
	if (needs_blank && !e->whitespace)
		put(e, " ", 1);
	put(e, indicator, strlen(indicator));
	e->whitespace = whitespace;
	e->indention = e->indention && indention;
}

/* Indents more; returns the indentation before. */
static int
deeper(Emitter *e, bool flow, bool indentless)
{
	int			before = e->indent;

	if (e->indent < 0)
		e->indent = flow ? e->step : 0;
	else if (!indentless)
		e->indent += e->step;
	return before;
}

/* ------------------------------------------------------------------------
 * Text
 * ------------------------------------------------------------------------
 */

/* Returns whether the character is a line break of YAML 1.1. */
static bool
is_break(uint32 c)
{
	return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* Returns whether the character ends a word, or is the end of the text (0). */
static bool
is_blank(uint32 c)
{
	return c == 0 || c == ' ' || c == '\t' || c == '\r' || is_break(c);
}

/* Returns whether a character can stand in a text that is not in double quotes. */
static bool
is_printable(uint32 c)
{
	return c == '\n' || (c >= 0x20 && c <= 0x7E) || c == 0x85 ||
		(((c >= 0xA0 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) ||
		  (c >= 0x10000 && c < 0x10FFFF)) && c != 0xFEFF);
}

/* Returns whether a character, among those beside it, is an indicator in block and flow. */
static void
note_indicator(uint32 c, bool first, bool after_blank, bool before_blank, bool *block, bool *flow)
{
	bool		ascii = c > 0 && c < 0x80;

	if (first ? ascii && strchr("#,[]{}&*!|>'\"%@`", (char) c) != NULL :
		c == '#' && after_blank)
		*block = *flow = true;
	if (first && c == '-' && before_blank)
		*block = *flow = true;
	if (ascii && strchr(first ? "?:" : ",?[]{}:", (char) c) != NULL)
		*flow = true;
	if ((c == ':' || (first && c == '?')) && before_blank)
		*block = true;
}

/* Analyses a text as PyYAML does. */
static Analysis
analyse(const Value *text)
{
	const char *s = text->u.string;
	int			length = text->length;
	Analysis	a = {true, true, true, false};
	bool		block = false;
	bool		flow = false;
	bool		special = false;
	bool		edge = false;
	bool		break_space = false;
	uint32		previous = ' ';
	int			used;

	if (length == 0)
	{
		a.flow_plain = false;
		return a;
	}
	if (length >= 3 && (memcmp(s, "---", 3) == 0 || memcmp(s, "...", 3) == 0))
		block = flow = true;
	for (int i = 0; i < length; i += used)
	{
		uint32		c = utext_decode(s + i, length - i, &used);
		uint32		next = 0;
		int			next_used;

		bounds_work(20);
		if (i + used < length)
			next = utext_decode(s + i + used, length - i - used, &next_used);
		note_indicator(c, i == 0, is_blank(previous), is_blank(next), &block, &flow);
		if (is_break(c))
			a.multiline = true;
		if (!is_printable(c))
			special = true;
		if ((c == ' ' || is_break(c)) && (i == 0 || i + used == length))
			edge = true;
		if (i > 0 && c == ' ' && is_break(previous))
			break_space = true;
		if (i > 0 && previous == ' ' && is_break(c))
			special = true;
		previous = c;
	}
	a.single_quoted = !break_space && !special;
	a.block_plain = a.single_quoted && !edge && !a.multiline && !block;
	a.flow_plain = a.single_quoted && !edge && !a.multiline && !flow;
	return a;
}

/* Returns whether a text begins like a date: 2026-03-01. */
static bool
looks_like_date(const Value *text)
{
	const char *s = text->u.string;
	int			i = 0;

	while (i < text->length && isdigit((unsigned char) s[i]))
		i++;
	return i == 4 && text->length >= 8 && s[4] == '-' && isdigit((unsigned char) s[5]) &&
		(s[6] == '-' || (s[7] == '-' && isdigit((unsigned char) s[6]))) &&
		strspn(s, "0123456789-:. \tTtZ+") >= text->length;
}

/* Returns whether a text without quotes would be read as something else than text. */
static bool
reads_as_other(const Value *text)
{
	SourceError error;
	YamlNode   *node;

	if (text->length == 0)
		return true;
	if (strchr("-+0123456789.~nNtTfFyYoO<=", text->u.string[0]) == NULL || text->length > 200)
		return false;
	if (utext_is(text, "<<") || utext_is(text, "=") || looks_like_date(text))
		return true;
	node = yaml_parse_document(text->u.string, text->length, &error);
	return node == NULL || node->kind != YN_STRING;
}

/* Goes to a new line in front of a word that would end too far right; true if so. */
static bool
fold(Emitter *e, bool split)
{
	if (!split || e->column <= e->width)
		return false;
	put_indent(e);
	e->whitespace = false;
	e->indention = false;
	return true;
}

/* Writes a plain text. */
static void
put_plain(Emitter *e, const Value *text, bool split)
{
	const char *s = text->u.string;
	int			start = 0;

	if (text->length == 0)
		return;
	if (!e->whitespace)
		put(e, " ", 1);
	e->whitespace = false;
	e->indention = false;
	for (int i = 0; i < text->length; i++)
	{
		if (s[i] != ' ' || (i + 1 < text->length && s[i + 1] == ' ') || (i > 0 && s[i - 1] == ' '))
			continue;
		put(e, s + start, i - start);
		start = fold(e, split) ? i + 1 : i;
	}
	put(e, s + start, text->length - start);
}

/* Writes line breaks inside of single quotes; returns the bytes of the run. */
static int
put_breaks(Emitter *e, const char *s, int length)
{
	int			i = 0;
	int			used;

	if (s[0] == '\n')
		put_break(e);
	while (i < length && is_break(utext_decode(s + i, length - i, &used)))
	{
		if (s[i] == '\n')
			put_break(e);
		else
		{
			put(e, s + i, used);
			e->column = 0;
			e->whitespace = true;
			e->indention = true;
		}
		i += used;
	}
	put_indent(e);
	e->whitespace = false;
	e->indention = false;
	return i;
}

/* Writes a text in single quotes. */
static void
put_single_quoted(Emitter *e, const Value *text, bool split)
{
	const char *s = text->u.string;
	int			length = text->length;
	int			i = 0;

	put_indicator(e, "'", true, false, false);
	while (i < length)
	{
		int			used;
		bool		lone = s[i] == ' ' && i > 0 && s[i - 1] != ' ' && i + 1 < length &&
			s[i + 1] != ' ';
		uint32		c = utext_decode(s + i, length - i, &used);

		if (is_break(c))
		{
			i += put_breaks(e, s + i, length - i);
			continue;
		}
		if (c == '\'')
			put(e, "''", 2);
		else if (!lone || !fold(e, split))
			put(e, s + i, used);
		i += used;
	}
	put_indicator(e, "'", false, false, false);
}

/* Appends the escape of a character in double quotes. */
static void
double_escape(Emitter *e, uint32 c)
{
	static const char *const names = "\"\\\a\b\t\n\v\f\r\033";
	static const char letters[] = "\"\\abtnvfre";
	const char *at = c > 0 && c < 0x80 ? strchr(names, (char) c) : NULL;
	char		text[12];

	if (at != NULL)
		snprintf(text, sizeof(text), "\\%c", letters[at - names]);
	else if (c == 0x85 || c == 0xA0 || c == 0x2028 || c == 0x2029)
		snprintf(text, sizeof(text), "\\%c", c == 0x85 ? 'N' : c == 0xA0 ? '_' :
				 c == 0x2028 ? 'L' : 'P');
	else
		snprintf(text, sizeof(text),
				 c <= 0xFF ? "\\x%02X" : c <= 0xFFFF ? "\\u%04X" : "\\U%08X", c);
	put(e, text, strlen(text));
}

/* Writes a text in double quotes. */
static void
put_double_quoted(Emitter *e, const Value *text, bool split)
{
	const char *s = text->u.string;
	int			length = text->length;
	int			used;
	int			start = 0;

	put_indicator(e, "\"", true, false, false);
	for (int i = 0; i < length; i += used)
	{
		uint32		c = utext_decode(s + i, length - i, &used);
		bool		plain = ((c >= 0x20 && c <= 0x7E) || (c >= 0xA0 && c <= 0xD7FF) ||
							 (c >= 0xE000 && c <= 0xFFFD)) && c != '"' && c != '\\' &&
			c != 0x2028 && c != 0x2029 && c != 0xFEFF;

		if (!plain)
		{
			put(e, s + start, i - start);
			double_escape(e, c);
			start = i + used;
		}
		/* behind an escape PyYAML counts the text that is not yet written as -1 */
		if (i == 0 || i + used >= length || !split || (c != ' ' && start < i) ||
			e->column + (start > i ? -1 : utext_chars(s + start, i - start)) <= e->width)
			continue;
		if (start < i)
			put(e, s + start, i - start);
		start = Max(start, i);
		put(e, "\\", 1);
		put_indent(e);
		e->whitespace = false;
		e->indention = false;
		if (start < length && s[start] == ' ')
			put(e, "\\", 1);
	}
	put(e, s + start, length - start);
	put_indicator(e, "\"", false, false, false);
}

/* Writes a scalar that is not text. */
static Value
scalar_text(const Value *value)
{
	int			length;
	char	   *text;
	char	   *exponent;

	if (value->kind == VAL_NONE || value->kind == VAL_UNDEFINED)
		return utext_from_cstring("null");
	if (value->kind == VAL_BOOL)
		return utext_from_cstring(value->u.boolean ? "true" : "false");
	text = number_text(value, &length);
	if (value->kind != VAL_FLOAT)
		return utext_make(text, length);
	if (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0 || strcmp(text, "nan") == 0)
		return utext_from_cstring(text[0] == 'n' ? ".nan" : text[0] == '-' ? "-.inf" : ".inf");
	exponent = strchr(text, 'e');
	if (exponent != NULL && strchr(text, '.') == NULL)
		text = psprintf("%.*s.0%s", (int) (exponent - text), text, exponent);
	return utext_from_cstring(text);
}

/* Writes a scalar. */
static void
emit_scalar(Emitter *e, const Value *value, Place place)
{
	int			before = deeper(e, true, false);
	bool		is_text = value->kind == VAL_STRING || value_is_datetime(value);
	Value		text = value->kind == VAL_STRING ? *value :
		value_is_datetime(value) ? value_str(e->budget, value) : scalar_text(value);
	Analysis	a = analyse(&text);
	bool		plain = e->flow_level > 0 ? a.flow_plain : a.block_plain;
	bool		simple_break = place.simple_key && a.multiline;

	if (!is_text || (plain && !(place.simple_key && text.length == 0) && !simple_break &&
					 !reads_as_other(&text)))
	{
		put_plain(e, &text, !place.simple_key);
		e->open_ended = place.root;
	}
	else if (a.single_quoted && !simple_break)
		put_single_quoted(e, &text, !place.simple_key);
	else
		put_double_quoted(e, &text, !place.simple_key);
	e->indent = before;
}

/* ------------------------------------------------------------------------
 * Lists and maps
 * ------------------------------------------------------------------------
 */

/* Returns whether the value is no list or map. */
static bool
is_scalar(const Value *value)
{
	return value->kind != VAL_LIST && value->kind != VAL_TUPLE && value->kind != VAL_DICT;
}

/* Returns whether a list or map is written on one line. */
static bool
is_flow(const Emitter *e, const Value *value)
{
	int			count = value->kind == VAL_DICT ? value->u.dict->count : seq_count(value);

	if (e->flow_level > 0 || count == 0 || e->flow == FLOW_ALWAYS)
		return true;
	if (e->flow == FLOW_NEVER)
		return false;
	for (int i = 0; i < count; i++)
	{
		bounds_work(10);
		if (!is_scalar(value->kind == VAL_DICT ? &value->u.dict->entries[i].value :
					   &seq_items(value)[i]))
			return false;
	}
	return true;
}

/* Writes a list. */
static void
emit_list(Emitter *e, const Value *list, Place place)
{
	bool		flow = is_flow(e, list);
	int			before;
	Place		inside = {false, false, false};

	if (flow)
		put_indicator(e, "[", true, true, false);
	before = deeper(e, flow, !flow && place.mapping && !e->indention);
	e->flow_level += flow;
	for (int i = 0; i < seq_count(list); i++)
	{
		if (!flow)
		{
			put_indent(e);
			put_indicator(e, "-", true, false, true);
		}
		else
		{
			if (i > 0)
				put_indicator(e, ",", false, false, false);
			if (e->column > e->width)
				put_indent(e);
		}
		emit_node(e, &seq_items(list)[i], inside);
	}
	e->flow_level -= flow;
	e->indent = before;
	if (flow)
		put_indicator(e, "]", false, false, false);
}

/* Writes a member of a map. */
static void
emit_member(Emitter *e, const DictEntry *entry)
{
	Value		text = entry->key.kind == VAL_STRING ? entry->key : scalar_text(&entry->key);
	Place		key = {false, true, true};
	Place		value = {false, true, false};

	/* PyYAML counts the tag, !!str, although it does not write it */
	key.simple_key = text.length > 0 && !analyse(&text).multiline &&
		utext_chars(text.u.string, text.length) + strlen("!!str") < 128;
	if (key.simple_key)
		emit_node(e, &entry->key, key);
	else
	{
		put_indicator(e, "?", true, false, e->flow_level == 0);
		emit_node(e, &entry->key, key);
		if (e->flow_level == 0 || e->column > e->width)
			put_indent(e);
	}
	put_indicator(e, ":", !key.simple_key, false, !key.simple_key && e->flow_level == 0);
	emit_node(e, &entry->value, value);
}

/* Compares the keys of two entries; for qsort_arg. */
static int
compare_keys(const void *a, const void *b, void *arg)
{
	const DictEntry *x = *(DictEntry *const *) a;
	const DictEntry *y = *(DictEntry *const *) b;

	bounds_work(10);
	return value_compare(arg, &x->key, &y->key, "<");
}

/* Writes a map. */
static void
emit_map(Emitter *e, const Value *map)
{
	bool		flow;
	int			count = map->u.dict->count;
	DictEntry **entries = palloc((count + 1) * sizeof(DictEntry *));
	int			before;

	dict_deform(map->u.dict, map->flags);
	flow = is_flow(e, map);
	for (int i = 0; i < count; i++)
	{
		entries[i] = &map->u.dict->entries[i];
		if (!is_scalar(&entries[i]->key) || entries[i]->key.kind > VAL_STRING)
			value_fail("keys must be str, int, float, bool or None, not %s",
					   value_type(&entries[i]->key));
	}
	if (e->sort)
		qsort_arg(entries, count, sizeof(DictEntry *), compare_keys, e->budget);
	if (flow)
		put_indicator(e, "{", true, true, false);
	before = deeper(e, flow, false);
	e->flow_level += flow;
	for (int i = 0; i < count; i++)
	{
		if (flow && i > 0)
			put_indicator(e, ",", false, false, false);
		if (!flow || e->column > e->width)
			put_indent(e);
		emit_member(e, entries[i]);
	}
	e->flow_level -= flow;
	e->indent = before;
	if (flow)
		put_indicator(e, "}", false, false, false);
}

/* Writes any value. */
static void
emit_node(Emitter *e, const Value *value, Place place)
{
	Value		list;

	check_stack_depth();
	switch ((ValueKind) value->kind)
	{
		case VAL_LIST:
		case VAL_TUPLE:
			emit_list(e, value, place);
			break;
		case VAL_RANGE:
		case VAL_VIEW:
		case VAL_ITERATOR:
			list = value_collect(e->budget, value);
			emit_list(e, &list, place);
			break;
		case VAL_DICT:
			emit_map(e, value);
			break;
		case VAL_NAMESPACE:
		case VAL_OBJECT:
			value_fail_not_json(value);
		default:
			emit_scalar(e, value, place);
			break;
	}
}

/* Returns a value as YAML. */
static Value
to_yaml(Eval *ev, const Value *value, int indent, FlowStyle flow, const Value *sort,
		const Value *width)
{
	StringInfoData buf;
	Emitter		e;
	Place		root = {true, false, false};

	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	initStringInfo(&buf);
	memset(&e, 0, sizeof(e));
	e.budget = &ev->budget;
	e.buf = &buf;
	e.indent = -1;
	e.step = indent > 1 && indent < 10 ? indent : 2;
	e.width = jinja_argument_int(width, 80);
	if (e.width <= e.step * 2)
		e.width = 80;
	e.flow = flow;
	e.sort = jinja_argument_bool(ev, sort, true);
	e.whitespace = true;
	e.indention = true;
	emit_node(&e, value, root);
	put_indent(&e);
	if (e.open_ended)
		appendStringInfoString(&buf, "...\n");
	return utext_from_buffer(&buf);
}

/* The filter to_yaml: lists and maps of scalars on one line; or all of them, or none. */
Value
jinja_filter_to_yaml(Eval *ev, const Value *argv, const CallArgs *call)
{
	FlowStyle	flow = FLOW_OF_SCALARS;

	if (value_given_not_none(&argv[3]))
		flow = value_truth(&ev->budget, &argv[3]) ? FLOW_ALWAYS : FLOW_NEVER;
	return to_yaml(ev, &argv[0], jinja_argument_int(&argv[1], 2), flow, &argv[2], &argv[4]);
}

/* The filter to_nice_yaml: every item and member on a line of its own. */
Value
jinja_filter_to_nice_yaml(Eval *ev, const Value *argv, const CallArgs *call)
{
	return to_yaml(ev, &argv[0], jinja_argument_int(&argv[1], 4), FLOW_NEVER, &argv[2],
				   &argv[3]);
}

/* The filter from_yaml: the value of one document. */
Value
jinja_filter_from_yaml(Eval *ev, const Value *argv, const CallArgs *call)
{
	SourceError error;
	JsonbValue	json;
	YamlNode   *node;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[0].kind != VAL_STRING)
		return argv[0];
	node = yaml_parse_document(argv[0].u.string, argv[0].length, &error);
	if (node == NULL)
		value_fail("invalid YAML: %s (line %d, column %d)", error.message, error.line,
				   error.column);
	yaml_to_json(node, &json);
	return value_from_json(&json, 0);
}
