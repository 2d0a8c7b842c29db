/*
 * jinja/filters_text.c
 *		Filters on text.
 */
#include "common/common.h"

#include "jinja/internal.h"
#include "jinja/filters.h"

/* The filter upper. */
Value
jinja_filter_upper(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);

	return utext_upper(&text);
}

/* The filter lower. */
Value
jinja_filter_lower(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);

	return utext_lower(&text);
}

/* The filter capitalize. */
Value
jinja_filter_capitalize(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);

	return utext_capitalize(&text);
}

/*
 * The filter title: a word begins after a hyphen, white space or an opening
 * bracket.
 */
Value
jinja_filter_title(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);
	StringInfoData buf;
	int			pos = 0;

	initStringInfo(&buf);
	while (pos < text.length)
	{
		int			start = pos;
		bool		separator = false;
		Value		word;
		int			at = 0;
		int			used;

		while (pos < text.length)
		{
			uint32		c = utext_decode(text.u.string + pos, text.length - pos, &used);
			bool		is_separator = c == '-' || c == '(' || c == '{' || c == '[' ||
				c == '<' || unicode_is(c, UC_SPACE);

			if (pos == start)
				separator = is_separator;
			else if (is_separator != separator)
				break;
			pos += used;
		}
		word = utext_make(text.u.string + start, pos - start);
		at = utext_append_mapped(&buf, &word, 0, CASE_UPPER);
		word = utext_make(word.u.string + at, word.length - at);
		for (at = 0; at < word.length;)
			at += utext_append_mapped(&buf, &word, at, CASE_LOWER);
	}
	value_check_size(buf.len);
	return utext_from_buffer(&buf);
}

/* The filter trim. */
Value
jinja_filter_trim(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);
	Value		chars;

	if (!value_given_not_none(&argv[1]))
		return utext_strip(&text, NULL, true, true);
	if (argv[1].kind != VAL_STRING)
		value_fail("strip arg must be None or str");
	chars = text.flags & VF_MARKUP ? utext_escape(&argv[1]) : argv[1];
	return utext_strip(&text, &chars, true, true);
}

/* The filter center. */
Value
jinja_filter_center(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);

	return utext_pad(&text, value_given(&argv[1]) ? value_index(&argv[1], "center") : 80,
					 NULL, 0);
}

/* The filter replace. */
Value
jinja_filter_replace(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);
	Value		old = value_soft_str(&ev->budget, &argv[1]);
	Value		new = value_soft_str(&ev->budget, &argv[2]);
	int64		count = value_given_not_none(&argv[3]) ? value_index(&argv[3], "replace") : -1;
	Value		result;

	if (ev->autoescape &&
		((old.flags & VF_MARKUP) || ((new.flags & VF_MARKUP) && !(text.flags & VF_MARKUP))))
		text = utext_escape(&text);
	if (!ev->autoescape)
		text.flags = 0;
	if (text.flags & VF_MARKUP)
	{
		old = utext_escape(&old);
		new = utext_escape(&new);
	}
	result = utext_replace(&text, &old, &new, count);
	result.flags = text.flags;
	return result;
}

/* The filter format: printf-style, with positional or keyword arguments. */
Value
jinja_filter_format(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);
	Value		args;
	int			i;

	if (call->nargs > 0 && call->nkeywords > 0)
		value_fail("can't handle positional and keyword arguments at the same time");
	if (call->nkeywords == 0)
		args = value_tuple(call->nargs, call->args);
	else
	{
		args = value_new_dict(call->nkeywords);
		for (i = 0; i < call->nkeywords; i++)
		{
			Value		key = utext_make(call->keywords[i].name, call->keywords[i].length);

			dict_set(&ev->budget, args.u.dict, &key, &call->keywords[i].value);
		}
	}
	return format_percent(&ev->budget, &text, &args);
}

/* Raises what Python's + raises, unless the value is a string. */
static void
require_text(const Value *value)
{
	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (value->kind != VAL_STRING)
		value_fail("unsupported operand type(s) for +: '%s' and 'str'", value_type(value));
}

/* The filter indent. */
Value
jinja_filter_indent(Eval *ev, const Value *argv, const CallArgs *call)
{
	bool		first = jinja_argument_bool(ev, &argv[2], false);
	bool		blank = jinja_argument_bool(ev, &argv[3], false);
	Value		indention = utext_make(" ", 1);
	Value		newline = utext_make("\n", 1);
	Value		text;
	Value		lines;
	StringInfoData buf;
	int			i;

	if (argv[1].kind == VAL_STRING)
		indention = argv[1];
	else
		indention = utext_repeat(&indention, value_given(&argv[1]) ?
								 value_index(&argv[1], "indent") : 4);
	require_text(&argv[0]);
	text = utext_concat(&argv[0], &newline);
	if ((argv[0].flags & VF_MARKUP) && argv[1].kind == VAL_STRING)
		indention.flags |= VF_MARKUP;
	lines = utext_splitlines(&text, false);
	initStringInfo(&buf);
	for (i = 0; i < seq_count(&lines); i++)
	{
		const Value *line = &seq_items(&lines)[i];

		bounds_work(10 + line->length / 8);
		value_check_size((int64) buf.len + indention.length + line->length + 1);
		if (i > 0)
			appendStringInfoChar(&buf, '\n');
		if (i > 0 ? (blank || line->length > 0) : first)
			appendBinaryStringInfo(&buf, indention.u.string, indention.length);
		appendBinaryStringInfo(&buf, line->u.string, line->length);
	}
	text = utext_from_buffer(&buf);
	text.flags = argv[0].flags & VF_MARKUP;
	return text;
}

/*
 * The filter truncate: cuts at a word, unless killwords; text that exceeds the
 * length by at most the leeway stays whole.
 */
Value
jinja_filter_truncate(Eval *ev, const Value *argv, const CallArgs *call)
{
	int64		length = value_given(&argv[1]) ? value_index(&argv[1], "truncate") : 255;
	Value		end = value_given(&argv[3]) ? argv[3] : utext_make("...", 3);
	int64		leeway = value_given_not_none(&argv[4]) ? value_index(&argv[4], "truncate") : 5;
	int64		end_chars = value_length(&ev->budget, &end);
	Value		kept;
	int			space;

	if (length < end_chars)
		value_fail("expected length >= " INT64_FORMAT ", got " INT64_FORMAT, end_chars, length);
	if (leeway < 0)
		value_fail("expected leeway >= 0, got " INT64_FORMAT, leeway);
	if ((double) value_length(&ev->budget, &argv[0]) <= (double) length + leeway)
		return argv[0];
	if (argv[0].kind != VAL_STRING || end.kind != VAL_STRING)
		value_fail("'%s' object cannot be truncated", value_type(&argv[0]));
	kept = utext_slice(&argv[0], 0, 0, 1, length - end_chars);
	if (!jinja_argument_bool(ev, &argv[2], false))
	{
		space = utext_rfind(kept.u.string, kept.length, " ", 1, kept.length);
		if (space >= 0)
			kept.length = space;
	}
	return utext_concat(&kept, &end);
}

/* The filter wordcount. */
Value
jinja_filter_wordcount(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_soft_str(&ev->budget, &argv[0]);
	int64		count = 0;
	bool		inside = false;
	int			pos = 0;

	while (pos < text.length)
	{
		int			used;
		bool		word = unicode_is_word(
			utext_decode(text.u.string + pos, text.length - pos, &used));

		bounds_work(4);
		if (word && !inside)
			count++;
		inside = word;
		pos += used;
	}
	return value_int(count);
}

/* ------------------------------------------------------------------------
 * wordwrap: Python's textwrap
 * ------------------------------------------------------------------------
 */

/* A line of text as characters. */
typedef struct Wrapper
{
	const uint32 *chars;
	int			length;
	int			width;
	bool		break_long;
	bool		on_hyphens;
	const Value *newline;
	StringInfo	out;
	int			lines;			/* lines written so far of this paragraph */
} Wrapper;

/* Returns whether the character is white space for textwrap. */
static bool
is_wrap_space(uint32 c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Returns whether the character is a letter or punctuation that may stand
 * before a dash.
 */
static bool
is_word_or_punctuation(uint32 c)
{
	return unicode_is_word(c) || c == '!' || c == '"' || c == '\'' || c == '&' ||
		c == '.' || c == ',' || c == '?';
}

/* Returns whether the character is part of a word and no digit. */
static bool
is_letter(uint32 c)
{
	return unicode_is_word(c) && !unicode_is(c, UC_DECIMAL);
}

/*
 * Returns the length of a dash at pos: two or more hyphens with a word after
 * them. Returns 0 when there is none.
 */
static int
match_dash(const Wrapper *w, int pos)
{
	int			end = pos;

	if (pos == 0 || !is_word_or_punctuation(w->chars[pos - 1]))
		return 0;
	while (end < w->length && w->chars[end] == '-')
		end++;
	bounds_work(end - pos);
	if (end - pos < 2 || end >= w->length || !unicode_is_word(w->chars[end]))
		return 0;
	return end - pos;
}

/* Returns whether the line may be broken after the hyphen at pos. */
static bool
breaks_after_hyphen(const Wrapper *w, int pos)
{
	const uint32 *c = w->chars;
	bool		before = (pos >= 2 && is_letter(c[pos - 1]) && is_letter(c[pos - 2])) ||
		(pos >= 3 && is_letter(c[pos - 1]) && c[pos - 2] == '-' &&
		 is_letter(c[pos - 3]));
	int			next = pos + 1;

	if (!before || next >= w->length || !is_letter(c[next]))
		return false;
	next++;
	if (next < w->length && c[next] == '-')
		next++;
	return next < w->length && is_letter(c[next]);
}

/*
 * Returns the end of the chunk that begins at pos: white space, a dash or a
 * word.
 */
static int
chunk_end(const Wrapper *w, int pos)
{
	int			end = pos;

	if (is_wrap_space(w->chars[pos]))
	{
		while (end < w->length && is_wrap_space(w->chars[end]))
			end++;
		return end;
	}
	if (w->on_hyphens)
	{
		int			dash = match_dash(w, pos);

		if (dash > 0)
			return pos + dash;
	}
	for (end = pos + 1; end < w->length && !is_wrap_space(w->chars[end]); end++)
	{
		bounds_work(4);
		if (!w->on_hyphens)
			continue;
		if (w->chars[end] == '-' && breaks_after_hyphen(w, end))
			return end + 1;
		if (match_dash(w, end) > 0)
			return end;
	}
	return end;
}

/* Writes a line. */
static void
emit_line(Wrapper *w, int start, int end)
{
	if (w->lines++ > 0)
		appendBinaryStringInfo(w->out, w->newline->u.string, w->newline->length);
	bounds_work((int64) (end - start) * 4);
	for (; start < end; start++)
		utext_append_char(w->out, w->chars[start]);
	value_check_size(w->out->len);
}

/* Returns whether a stretch of the line is white space of Unicode. */
static bool
all_space(const Wrapper *w, int start, int end)
{
	for (; start < end; start++)
	{
		bounds_work(3);
		if (!unicode_is(w->chars[start], UC_SPACE))
			return false;
	}
	return true;
}

/*
 * Returns where to cut a word that does not fit into the space that is left.
 */
static int
cut_long_word(const Wrapper *w, int start, int end, int space)
{
	int			hyphen;
	int			i;

	if (w->on_hyphens && end - start > space)
	{
		for (hyphen = start + space - 1; hyphen > start; hyphen--)
		{
			bounds_work(2);
			if (w->chars[hyphen] != '-')
				continue;
			for (i = start; i < hyphen; i++)
			{
				bounds_work(2);
				if (w->chars[i] != '-')
					return hyphen + 1;
			}
			break;
		}
	}
	return Min(start + space, end);
}

/* Wraps one paragraph. */
static void
wrap(Wrapper *w)
{
	int			pos = 0;
	int			end = w->length > 0 ? chunk_end(w, 0) : 0;

	/* pos..end is the current chunk; a cut word leaves its rest there */
	while (pos < w->length)
	{
		int			line = pos;
		int			last = pos; /* where the line's last chunk begins */

		bounds_work(10);
		if (w->lines > 0 && all_space(w, pos, end))
		{
			pos = line = last = end;
			if (pos >= w->length)
				break;
			end = chunk_end(w, pos);
		}
		while (pos < w->length && end - line <= w->width)
		{
			last = pos;
			pos = end;
			if (pos < w->length)
				end = chunk_end(w, pos);
		}
		if (pos < w->length && end - pos > w->width)
		{
			if (w->break_long)
			{
				int			cut = cut_long_word(w, pos, end, w->width - (pos - line));

				last = pos;
				pos = cut;
			}
			else if (pos == line)
			{
				last = pos;
				pos = end;
				if (pos < w->length)
					end = chunk_end(w, pos);
			}
		}
		if (pos > line && all_space(w, last, pos))
		{
			if (last > line)
				emit_line(w, line, last);
		}
		else if (pos > line)
			emit_line(w, line, pos);
	}
}

/* Returns room for the characters of a text of so many bytes. */
static uint32 *
allocate_chars(int length)
{
	Size		size = (length + 1) * sizeof(uint32);

	bounds_check_memory(size);
	return palloc_extended(size, MCXT_ALLOC_HUGE);
}

/* The filter wordwrap: Python's textwrap. */
Value
jinja_filter_wordwrap(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		newline = value_given_not_none(&argv[3]) ? argv[3] : utext_make("\n", 1);
	int64		width = value_given(&argv[1]) ? value_index(&argv[1], "wordwrap") : 79;
	StringInfoData buf;
	Value		lines;
	int			i;

	require_text(&argv[0]);
	if (newline.kind != VAL_STRING)
		value_fail("'%s' object has no attribute 'join'", value_type(&newline));
	lines = utext_splitlines(&argv[0], false);
	if (width <= 0 && seq_count(&lines) > 0)
		value_fail("invalid width " INT64_FORMAT " (must be > 0)", width);
	initStringInfo(&buf);
	for (i = 0; i < seq_count(&lines); i++)
	{
		const Value *line = &seq_items(&lines)[i];
		uint32	   *chars = allocate_chars(line->length);
		Wrapper		w = {chars, 0, Min(width, INT_MAX / 2),
			jinja_argument_bool(ev, &argv[2], true), jinja_argument_bool(ev, &argv[4], true),
		&newline, &buf, 0};
		int			pos = 0;

		while (pos < line->length)
		{
			int			used;

			bounds_work(3);
			chars[w.length++] = utext_decode(line->u.string + pos, line->length - pos, &used);
			pos += used;
		}
		if (i > 0)
			appendBinaryStringInfo(&buf, newline.u.string, newline.length);
		wrap(&w);
		pfree(chars);
	}
	return utext_from_buffer(&buf);
}
