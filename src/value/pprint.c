/*
 * value/pprint.c
 *		Python's pprint.pformat(): repr() broken into lines of 80 characters.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "value/value.h"

#define WIDTH 80

static void pprint_into(Budget *budget, StringInfo buf, const Value *value,
						int indent, int allowance);

/*
 * Compares two entries of a dict for qsort_arg: by key, or by the type of the
 * key where keys have no order.
 */
static int
compare_entries(const void *a, const void *b, void *arg)
{
	const DictEntry *x = *(DictEntry *const *) a;
	const DictEntry *y = *(DictEntry *const *) b;
	int			c;

	bounds_work(10);
	if ((value_is_number(&x->key) && value_is_number(&y->key)) ||
		(x->key.kind == VAL_STRING && y->key.kind == VAL_STRING))
		c = value_compare(arg, &x->key, &y->key, "<");
	else
		c = strcmp(value_type(&x->key), value_type(&y->key));
	return c != 0 ? c : (x > y) - (x < y);
}

/* Returns the entries of a dict sorted by key. */
static DictEntry **
sorted_entries(Budget *budget, const Value *value)
{
	ValueDict  *dict = value->u.dict;
	DictEntry **entries = palloc((dict->count + 1) * sizeof(DictEntry *));
	int			i;

	dict_deform(dict, value->flags);
	for (i = 0; i < dict->count; i++)
		entries[i] = &dict->entries[i];
	qsort_arg(entries, dict->count, sizeof(DictEntry *), compare_entries, budget);
	return entries;
}

/* Returns whether pprint() takes a value for a list or tuple; a tuple of groupby is none to it. */
static bool
is_sequence(const Value *value)
{
	return value->kind == VAL_LIST || (value->kind == VAL_TUPLE && !(value->flags & VF_GROUP));
}

/* Returns whether a text cannot fit on a line, whatever its characters are. */
static bool
is_long(const StringInfo buf)
{
	return buf->len > 4 * WIDTH;
}

/*
 * Appends repr() on one line, with the keys of dicts sorted.  A text that does
 * not fit on a line is cut: only its length matters then.
 */
static void
flat_repr(Budget *budget, StringInfo buf, const Value *value)
{
	int			i;

	check_stack_depth();
	bounds_work(20);
	if (value->kind == VAL_DICT)
	{
		DictEntry **entries = sorted_entries(budget, value);

		appendStringInfoChar(buf, '{');
		for (i = 0; i < value->u.dict->count && !is_long(buf); i++)
		{
			if (i > 0)
				appendStringInfoString(buf, ", ");
			flat_repr(budget, buf, &entries[i]->key);
			appendStringInfoString(buf, ": ");
			flat_repr(budget, buf, &entries[i]->value);
		}
		appendStringInfoChar(buf, '}');
		pfree(entries);
	}
	else if (is_sequence(value))
	{
		appendStringInfoChar(buf, value->kind == VAL_LIST ? '[' : '(');
		for (i = 0; i < seq_count(value) && !is_long(buf); i++)
		{
			if (i > 0)
				appendStringInfoString(buf, ", ");
			flat_repr(budget, buf, &seq_items(value)[i]);
		}
		if (value->kind == VAL_TUPLE && seq_count(value) == 1)
			appendStringInfoChar(buf, ',');
		appendStringInfoChar(buf, value->kind == VAL_LIST ? ']' : ')');
	}
	else
		value_repr_into(budget, buf, value);
	value_check_size(buf->len);
}

/* Appends a line break and indentation. */
static void
new_line(StringInfo buf, int indent)
{
	value_check_size((int64) buf->len + indent + 1);
	appendStringInfoChar(buf, '\n');
	appendStringInfoSpaces(buf, indent);
}

/* Appends the members of a dict, one on a line. */
static void
pprint_dict(Budget *budget, StringInfo buf, const Value *value, int indent, int allowance)
{
	DictEntry **entries = sorted_entries(budget, value);
	int			count = value->u.dict->count;
	int			i;

	appendStringInfoChar(buf, '{');
	for (i = 0; i < count; i++)
	{
		StringInfoData key;
		int			chars;

		bounds_work(20);
		initStringInfo(&key);
		value_repr_into(budget, &key, &entries[i]->key);
		chars = (int) utext_chars(key.data, key.len);
		appendBinaryStringInfo(buf, key.data, key.len);
		pfree(key.data);
		appendStringInfoString(buf, ": ");
		pprint_into(budget, buf, &entries[i]->value, indent + 1 + chars + 2,
					i == count - 1 ? allowance + 1 : 1);
		if (i < count - 1)
		{
			appendStringInfoChar(buf, ',');
			new_line(buf, indent + 1);
		}
	}
	appendStringInfoChar(buf, '}');
}

/* Appends the items of a list or tuple, one on a line. */
static void
pprint_items(Budget *budget, StringInfo buf, const Value *value, int indent, int allowance)
{
	bool		tuple = value->kind == VAL_TUPLE;
	int			count = seq_count(value);
	const char *end = !tuple ? "]" : count == 1 ? ",)" : ")";
	int			i;

	appendStringInfoChar(buf, tuple ? '(' : '[');
	for (i = 0; i < count; i++)
	{
		bounds_work(20);
		pprint_into(budget, buf, &seq_items(value)[i], indent + 1,
					i == count - 1 ? allowance + (int) strlen(end) : 1);
		if (i < count - 1)
		{
			appendStringInfoChar(buf, ',');
			new_line(buf, indent + 1);
		}
	}
	appendStringInfoString(buf, end);
}

/* The repr()s of the pieces that a long string is cut into. */
typedef struct Pieces
{
	int			count;
	int			allocated;
	Value	   *items;
} Pieces;

/* Appends the repr() of a piece of a string. */
static void
add_repr(Budget *budget, Pieces *pieces, const char *s, int length)
{
	Value		text = utext_make(s, length);

	if (pieces->count == pieces->allocated)
	{
		pieces->allocated = pieces->allocated ? pieces->allocated * 2 : 8;
		pieces->items = pieces->items ?
			repalloc_huge(pieces->items, pieces->allocated * sizeof(Value)) :
			palloc(pieces->allocated * sizeof(Value));
	}
	pieces->items[pieces->count++] = value_repr(budget, &text);
	value_check_memory();
}

/* Returns the position after a word and the white space that follows. */
static int
word_end(const Value *line, int pos)
{
	bool		space = false;

	while (pos < line->length)
	{
		int			used;
		bool		is_space = unicode_is(utext_decode(line->u.string + pos, line->length - pos,
													   &used),
										  UC_SPACE);

		if (space && !is_space)
			break;
		space = is_space;
		bounds_work(4);
		pos += used;
	}
	return pos;
}

/* Returns the length in characters of repr() of a piece of text. */
static int64
repr_chars(Budget *budget, const char *s, int length)
{
	Value		text = utext_make(s, length);

	int64		chars;

	text = value_repr(budget, &text);
	chars = utext_chars(text.u.string, text.length);
	pfree(unconstify(char *, text.u.string));
	return chars;
}

/* Cuts a line into pieces at white space. */
static void
cut_line(Budget *budget, Pieces *pieces, const Value *line, int max, int max_last,
		 bool last_line)
{
	int			start = 0;
	int			pos = 0;

	while (pos < line->length)
	{
		int			end = word_end(line, pos);
		bool		last = end >= line->length;

		if (repr_chars(budget, line->u.string + start, end - start) >
			(last && last_line ? max_last : max))
		{
			if (pos > start)
				add_repr(budget, pieces, line->u.string + start, pos - start);
			start = pos;
		}
		pos = end;
	}
	if (pos > start)
		add_repr(budget, pieces, line->u.string + start, pos - start);
}

/* Appends a string that does not fit on one line. */
static void
pprint_string(Budget *budget, StringInfo buf, const Value *value, int indent, int allowance)
{
	Value		lines = utext_splitlines(value, true);
	int			count = seq_count(&lines);
	bool		outermost = indent == 0;
	Pieces		pieces = {0};
	int			i;

	if (outermost)
	{
		indent++;
		allowance++;
	}
	for (i = 0; i < count; i++)
	{
		Value	   *line = &seq_items(&lines)[i];
		int			max = WIDTH - indent;
		int			max_here = i == count - 1 ? max - allowance : max;

		if (repr_chars(budget, line->u.string, line->length) <= max_here)
			add_repr(budget, &pieces, line->u.string, line->length);
		else
			cut_line(budget, &pieces, line, max, max_here, i == count - 1);
	}
	if (pieces.count == 1)
	{
		appendBinaryStringInfo(buf, pieces.items[0].u.string, pieces.items[0].length);
		return;
	}
	if (outermost)
		appendStringInfoChar(buf, '(');
	for (i = 0; i < pieces.count; i++)
	{
		if (i > 0)
			new_line(buf, indent);
		appendBinaryStringInfo(buf, pieces.items[i].u.string, pieces.items[i].length);
	}
	if (outermost)
		appendStringInfoChar(buf, ')');
}

/*
 * Appends any value, broken into lines if it does not fit on one. "allowance"
 * is the room that closing brackets need.
 */
static void
pprint_into(Budget *budget, StringInfo buf, const Value *value, int indent, int allowance)
{
	StringInfoData text;

	check_stack_depth();
	initStringInfo(&text);
	flat_repr(budget, &text, value);
	if (is_long(&text) || utext_chars(text.data, text.len) > WIDTH - indent - allowance)
	{
		if (value->kind == VAL_DICT && value->u.dict->count > 0)
		{
			pfree(text.data);
			pprint_dict(budget, buf, value, indent, allowance);
			return;
		}
		if (is_sequence(value) && seq_count(value) > 0)
		{
			pfree(text.data);
			pprint_items(budget, buf, value, indent, allowance);
			return;
		}
		if (value->kind == VAL_STRING && !(value->flags & VF_MARKUP) && value->length > 0)
		{
			pfree(text.data);
			pprint_string(budget, buf, value, indent, allowance);
			return;
		}
	}
	appendBinaryStringInfo(buf, text.data, text.len);
	pfree(text.data);
}

/* Returns pprint.pformat(value). */
Value
value_pprint(Budget *budget, const Value *value)
{
	StringInfoData buf;

	initStringInfo(&buf);
	pprint_into(budget, &buf, value, 0, 0);
	value_check_size(buf.len);
	return utext_from_buffer(&buf);
}
