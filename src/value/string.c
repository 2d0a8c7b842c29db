/*
 * value/string.c
 *		Strings: Python's str over UTF-8.
 *
 * Positions and lengths that a template sees count characters.  A byte that is
 * not valid UTF-8 counts as one character and is passed through, so that
 * databases with another encoding work for ASCII.
 */
#include "common/common.h"

#include "mb/pg_wchar.h"

#include "value/value.h"

/* Returns a string value for text, which is not copied. */
Value
utext_make(const char *s, int length)
{
	Value		v = {VAL_STRING};

	v.u.string = s;
	v.length = length;
	return v;
}

/* Returns a string value for a C string, which is not copied. */
Value
utext_from_cstring(const char *string)
{
	return utext_make(string, strlen(string));
}

/*
 * Returns a string value for the contents of a buffer, which must not be used
 * any more.  A short text does not keep a large buffer.
 */
Value
utext_from_buffer(StringInfo buf)
{
	char	   *copy;

	if (buf->len > buf->maxlen / 2)
		return utext_make(buf->data, buf->len);
	copy = palloc(buf->len + 1);
	memcpy(copy, buf->data, buf->len + 1);
	pfree(buf->data);
	buf->data = NULL;
	return utext_make(copy, buf->len);
}

/* Returns whether a value is a string equal to a C string. */
bool
utext_is(const Value *s, const char *literal)
{
	int			length = strlen(literal);

	return s->kind == VAL_STRING && s->length == length &&
		memcmp(s->u.string, literal, length) == 0;
}

/* Returns a NUL-terminated copy. */
char *
utext_cstring(const Value *s)
{
	return pnstrdup(s->u.string, s->length);
}

/*
 * Returns the character at s and sets *used to the number of its bytes. An
 * invalid byte becomes a surrogate, which no valid text contains.
 */
uint32
utext_decode(const char *s, int length, int *used)
{
	const unsigned char *p = (const unsigned char *) s;

	*used = 1;
	if (p[0] < 0x80)
		return p[0];
	if (p[0] >= 0xC2 && p[0] < 0xE0 && length >= 2 && (p[1] & 0xC0) == 0x80)
	{
		*used = 2;
		return (p[0] & 0x1F) << 6 | (p[1] & 0x3F);
	}
	if ((p[0] & 0xF0) == 0xE0 && length >= 3 && (p[1] & 0xC0) == 0x80 &&
		(p[2] & 0xC0) == 0x80 && !(p[0] == 0xE0 && p[1] < 0xA0))
	{
		*used = 3;
		return (p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F);
	}
	if (p[0] >= 0xF0 && p[0] < 0xF5 && length >= 4 && (p[1] & 0xC0) == 0x80 &&
		(p[2] & 0xC0) == 0x80 && (p[3] & 0xC0) == 0x80 &&
		!(p[0] == 0xF0 && p[1] < 0x90) && !(p[0] == 0xF4 && p[1] > 0x8F))
	{
		*used = 4;
		return (p[0] & 0x07) << 18 | (p[1] & 0x3F) << 12 |
			(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
	}
	return 0xDC00 + p[0];
}

/* Appends a character; the inverse of utext_decode. */
void
utext_append_char(StringInfo buf, uint32 c)
{
	if (c < 0x80 || (c >= 0xDC80 && c <= 0xDCFF))
		appendStringInfoChar(buf, (char) (c & 0xFF));
	else if (c < 0x800)
	{
		appendStringInfoChar(buf, 0xC0 | (c >> 6));
		appendStringInfoChar(buf, 0x80 | (c & 0x3F));
	}
	else if (c < 0x10000)
	{
		appendStringInfoChar(buf, 0xE0 | (c >> 12));
		appendStringInfoChar(buf, 0x80 | ((c >> 6) & 0x3F));
		appendStringInfoChar(buf, 0x80 | (c & 0x3F));
	}
	else
	{
		appendStringInfoChar(buf, 0xF0 | (c >> 18));
		appendStringInfoChar(buf, 0x80 | ((c >> 12) & 0x3F));
		appendStringInfoChar(buf, 0x80 | ((c >> 6) & 0x3F));
		appendStringInfoChar(buf, 0x80 | (c & 0x3F));
	}
}

/* Returns the number of characters. */
int64
utext_chars(const char *s, int length)
{
	int64		count = 0;
	int			i = 0;

	bounds_work(length);
	while (i < length)
	{
		int			used = 1;

		if ((unsigned char) s[i] >= 0x80)
			(void) utext_decode(s + i, length - i, &used);
		i += used;
		count++;
	}
	return count;
}

/* Returns the byte offset of a character, at most the length. */
int
utext_offset(const char *s, int length, int64 chars)
{
	int			i = 0;

	while (i < length && chars > 0)
	{
		int			used = 1;

		if ((unsigned char) s[i] >= 0x80)
			(void) utext_decode(s + i, length - i, &used);
		i += used;
		chars--;
	}
	bounds_work(i);
	return i;
}

/* Returns the byte offset of the character that ends at "end". */
int
utext_previous(const char *s, int end)
{
	int			start = end - 1;
	int			used;

	while (start > 0 && end - start < 4 && ((unsigned char) s[start] & 0xC0) == 0x80)
		start--;
	(void) utext_decode(s + start, end - start, &used);
	return start + used == end ? start : end - 1;
}

/* Returns s * times. */
Value
utext_repeat(const Value *s, int64 times)
{
	int64		total;
	Value		result;
	char	   *to;
	int64		i;

	if (times <= 0 || s->length == 0)
	{
		result = utext_make("", 0);
		result.flags = s->flags & VF_MARKUP;
		return result;
	}
	if (times > SETTING(template_max_output))
		value_check_size(times);
	total = times * s->length;
	value_check_size(total);
	to = palloc(total + 1);
	for (i = 0; i < times; i++)
	{
		bounds_work(2 + s->length / 8);
		memcpy(to + i * s->length, s->u.string, s->length);
	}
	to[total] = '\0';
	result = utext_make(to, total);
	result.flags = s->flags & VF_MARKUP;
	return result;
}

/* Returns a + b; when one of the two is Markup, the other one is escaped. */
Value
utext_concat(const Value *a, const Value *b)
{
	bool		markup = ((a->flags | b->flags) & VF_MARKUP) != 0;
	Value		x = *a;
	Value		y = *b;
	Value		result;
	char	   *to;

	if (markup && !(x.flags & VF_MARKUP))
		x = utext_escape(&x);
	if (markup && !(y.flags & VF_MARKUP))
		y = utext_escape(&y);
	value_check_size((int64) x.length + y.length);
	bounds_work((x.length + y.length) / 4);
	to = palloc(x.length + y.length + 1);
	memcpy(to, x.u.string, x.length);
	memcpy(to + x.length, y.u.string, y.length);
	to[x.length + y.length] = '\0';
	result = utext_make(to, x.length + y.length);
	if (markup)
		result.flags = VF_MARKUP;
	return result;
}

/* Compares by code points; the bytes of UTF-8 have the same order. */
int
utext_compare(const Value *a, const Value *b)
{
	int			common = Min(a->length, b->length);
	int			c = memcmp(a->u.string, b->u.string, common);

	bounds_work(common / 8);
	if (c != 0)
		return c;
	return (a->length > b->length) - (a->length < b->length);
}

/* A set of characters. */
typedef struct CharSet
{
	bool		space;			/* the white space of Unicode */
	bool		ascii[128];
	int			nothers;
	uint32	   *others;			/* sorted */
} CharSet;

/* Compares two characters; for qsort and bsearch. */
static int
compare_chars(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	bounds_work(2);
	return (x > y) - (x < y);
}

/* Fills a set with the characters of a string; NULL is white space. */
static void
make_set(CharSet *set, const Value *chars)
{
	int			pos = 0;

	memset(set, 0, sizeof(CharSet));
	set->space = chars == NULL;
	while (chars != NULL && pos < chars->length)
	{
		int			used;
		uint32		c = utext_decode(chars->u.string + pos, chars->length - pos, &used);

		bounds_work(4);
		if (c < 128)
			set->ascii[c] = true;
		else
		{
			if (set->others == NULL)
				set->others = palloc_extended((chars->length - pos) * sizeof(uint32),
											  MCXT_ALLOC_HUGE);
			set->others[set->nothers++] = c;
		}
		pos += used;
	}
	if (set->nothers > 1)
		qsort(set->others, set->nothers, sizeof(uint32), compare_chars);
}

/* Returns whether the character is in the set. */
static bool
in_set(const CharSet *set, uint32 c)
{
	bounds_work(4);
	if (set->space)
		return unicode_is(c, UC_SPACE);
	if (c < 128)
		return set->ascii[c];
	return set->nothers > 0 &&
		bsearch(&c, set->others, set->nothers, sizeof(uint32), compare_chars) != NULL;
}

/*
 * Returns the string without characters of a set at one or both ends: strip,
 * lstrip and rstrip.
 */
Value
utext_strip(const Value *s, const Value *chars, bool left, bool right)
{
	int			start = 0;
	int			end = s->length;
	CharSet		set;
	Value		result;

	make_set(&set, chars);
	while (left && start < end)
	{
		int			used;
		uint32		c = utext_decode(s->u.string + start, end - start, &used);

		if (!in_set(&set, c))
			break;
		start += used;
	}
	while (right && end > start)
	{
		int			before = utext_previous(s->u.string, end);
		int			used;
		uint32		c = utext_decode(s->u.string + before, end - before, &used);

		if (!in_set(&set, c))
			break;
		end = before;
	}
	if (set.others != NULL)
		pfree(set.others);
	result = utext_make(s->u.string + start, end - start);
	result.flags = s->flags & VF_MARKUP;
	return result;
}

/*
 * Returns the string with occurrences of "old" replaced, all of them if count
 * is negative. An empty "old" matches between characters.
 */
Value
utext_replace(const Value *s, const Value *old, const Value *new, int64 count)
{
	StringInfoData buf;
	int			pos = 0;

	if (count == 0 || old->length > s->length)
		return *s;
	initStringInfo(&buf);
	for (; count != 0; count--)
	{
		int			found = utext_find(s->u.string, s->length,
									   old->u.string, old->length, pos);

		if (found < 0)
			break;
		bounds_work(10);
		value_check_size((int64) buf.len + new->length + (found - pos));
		appendBinaryStringInfo(&buf, s->u.string + pos, found - pos);
		appendBinaryStringInfo(&buf, new->u.string, new->length);
		pos = found + old->length;
		if (old->length == 0)
		{
			int			used;

			if (pos >= s->length)
				break;
			(void) utext_decode(s->u.string + pos, s->length - pos, &used);
			appendBinaryStringInfo(&buf, s->u.string + pos, used);
			pos += used;
		}
	}
	value_check_size((int64) buf.len + s->length - pos);
	appendBinaryStringInfo(&buf, s->u.string + pos, s->length - pos);
	return utext_from_buffer(&buf);
}

/* A growing array of pieces of a string. */
typedef struct Pieces
{
	int			count;
	int			allocated;
	Value	   *items;
	uint8		flags;
} Pieces;

/* Appends a piece. */
static void
add_piece(Pieces *pieces, const char *s, int length)
{
	if (pieces->count == pieces->allocated)
	{
		pieces->allocated = pieces->allocated ? pieces->allocated * 2 : 8;
		if (pieces->items == NULL)
			pieces->items = palloc(pieces->allocated * sizeof(Value));
		else
			pieces->items = repalloc_huge(pieces->items,
										  pieces->allocated * sizeof(Value));
		value_check_memory();
	}
	bounds_work(10);
	pieces->items[pieces->count] = utext_make(s, length);
	pieces->items[pieces->count].flags = pieces->flags;
	pieces->count++;
}

/*
 * Reverses the order of the pieces; splitting from the right finds them
 * backward.
 */
static void
reverse_pieces(Pieces *pieces)
{
	int			i;

	for (i = 0; i < pieces->count / 2; i++)
	{
		Value		v = pieces->items[i];

		pieces->items[i] = pieces->items[pieces->count - 1 - i];
		pieces->items[pieces->count - 1 - i] = v;
	}
}

/* Splits at runs of white space, from the left. */
static void
split_space(Pieces *pieces, const Value *s, int64 max)
{
	int			pos = 0;

	for (;;)
	{
		Value		rest = utext_make(s->u.string + pos, s->length - pos);
		int			start;

		bounds_work(10);
		rest = utext_strip(&rest, NULL, true, false);
		start = rest.u.string - s->u.string;
		if (start >= s->length)
			return;
		if (max == 0)
		{
			add_piece(pieces, rest.u.string, rest.length);
			return;
		}
		pos = start;
		while (pos < s->length)
		{
			int			used;

			bounds_work(4);
			if (unicode_is(utext_decode(s->u.string + pos, s->length - pos, &used),
						   UC_SPACE))
				break;
			pos += used;
		}
		add_piece(pieces, s->u.string + start, pos - start);
		max--;
	}
}

/* Splits at runs of white space, from the right. */
static void
rsplit_space(Pieces *pieces, const Value *s, int64 max)
{
	int			end = s->length;

	for (;;)
	{
		Value		rest = utext_make(s->u.string, end);
		int			start;

		rest = utext_strip(&rest, NULL, false, true);
		end = rest.length;
		if (end == 0)
			return;
		if (max == 0)
		{
			add_piece(pieces, rest.u.string, rest.length);
			return;
		}
		start = end;
		while (start > 0)
		{
			int			before = utext_previous(s->u.string, start);
			int			used;

			bounds_work(4);
			if (unicode_is(utext_decode(s->u.string + before, start - before, &used),
						   UC_SPACE))
				break;
			start = before;
		}
		add_piece(pieces, s->u.string + start, end - start);
		end = start;
		max--;
	}
}

/*
 * Returns a list of the parts between separators: split and rsplit. A
 * separator NULL means white space; a negative max means no limit.
 */
Value
utext_split(const Value *s, const Value *sep, int64 max, bool right)
{
	Pieces		pieces = {0, 0, NULL, s->flags & VF_MARKUP};

	if (sep == NULL)
	{
		if (right)
			rsplit_space(&pieces, s, max);
		else
			split_space(&pieces, s, max);
	}
	else if (sep->length == 0)
		value_fail("empty separator");
	else if (right)
	{
		int			end = s->length;
		int			found;

		while (max != 0 &&
			   (found = utext_rfind(s->u.string, s->length, sep->u.string,
									sep->length, end)) >= 0)
		{
			add_piece(&pieces, s->u.string + found + sep->length,
					  end - found - sep->length);
			end = found;
			max--;
		}
		add_piece(&pieces, s->u.string, end);
	}
	else
	{
		int			pos = 0;
		int			found;

		while (max != 0 &&
			   (found = utext_find(s->u.string, s->length, sep->u.string,
								   sep->length, pos)) >= 0)
		{
			add_piece(&pieces, s->u.string + pos, found - pos);
			pos = found + sep->length;
			max--;
		}
		add_piece(&pieces, s->u.string + pos, s->length - pos);
	}
	if (right)
		reverse_pieces(&pieces);
	return value_list(pieces.count, pieces.items);
}

/* Returns whether splitlines() breaks at the character. */
static bool
is_line_break(uint32 c)
{
	return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) ||
		c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* Returns a list of the lines. */
Value
utext_splitlines(const Value *s, bool keepends)
{
	Pieces		pieces = {0, 0, NULL, s->flags & VF_MARKUP};
	int			start = 0;
	int			pos = 0;

	while (pos < s->length)
	{
		int			used;
		uint32		c = utext_decode(s->u.string + pos, s->length - pos, &used);
		int			end = pos;

		bounds_work(3);
		pos += used;
		if (!is_line_break(c))
			continue;
		if (c == '\r' && pos < s->length && s->u.string[pos] == '\n')
			pos++;
		add_piece(&pieces, s->u.string + start, (keepends ? pos : end) - start);
		start = pos;
	}
	if (start < s->length)
		add_piece(&pieces, s->u.string + start, s->length - start);
	return value_list(pieces.count, pieces.items);
}

/* ------------------------------------------------------------------------
 * Case
 * ------------------------------------------------------------------------
 */

/* Returns whether the capital sigma at pos is the last letter of a word. */
static bool
is_final_sigma(const Value *s, int pos, int after)
{
	int			used;
	bool		cased = false;

	while (pos > 0)
	{
		uint16		flags;

		bounds_work(5);
		pos = utext_previous(s->u.string, pos);
		flags = unicode_flags(utext_decode(s->u.string + pos, s->length - pos, &used));
		if (flags & UC_CASE_IGNORABLE)
			continue;
		cased = (flags & UC_CASED) != 0;
		break;
	}
	if (!cased)
		return false;
	while (after < s->length)
	{
		uint16		flags;

		bounds_work(5);
		flags = unicode_flags(utext_decode(s->u.string + after, s->length - after, &used));
		after += used;
		if (flags & UC_CASE_IGNORABLE)
			continue;
		return (flags & UC_CASED) == 0;
	}
	return true;
}

/* Appends the case mapping of the character at pos. */
static void
append_mapped(StringInfo buf, const Value *s, int pos, uint32 c, int used, CaseMap map)
{
	uint32		to[3];
	int			n;
	int			i;

	if (c < 128)
	{
		bounds_work(4);
		if (map == CASE_UPPER || map == CASE_TITLE)
			c -= c >= 'a' && c <= 'z' ? 'a' - 'A' : 0;
		else
			c += c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0;
		appendStringInfoCharMacro(buf, (char) c);
		return;
	}
	bounds_work(25);
	if (map == CASE_LOWER && c == 0x3A3)
	{
		utext_append_char(buf, is_final_sigma(s, pos, pos + used) ? 0x3C2 : 0x3C3);
		return;
	}
	n = unicode_map(map, c, to);
	for (i = 0; i < n; i++)
		utext_append_char(buf, to[i]);
}

/*
 * Appends the mapping of the character at pos of a word; the word is all that
 * its neighbours are.  Returns the number of bytes of the character.
 */
int
utext_append_mapped(StringInfo buf, const Value *word, int pos, CaseMap map)
{
	int			used;
	uint32		c = utext_decode(word->u.string + pos, word->length - pos, &used);

	append_mapped(buf, word, pos, c, used, map);
	return used;
}

/* Returns the contents of a buffer; the text is Markup if the original is. */
static Value
mapped_text(StringInfo buf, const Value *original)
{
	Value		result = utext_from_buffer(buf);

	value_check_size(buf->len);
	result.flags = original->flags & VF_MARKUP;
	return result;
}

/*
 * Returns a string with the first character mapped one way and the rest
 * another.
 */
static Value
map_case(const Value *s, CaseMap first, CaseMap rest)
{
	StringInfoData buf;
	int			pos = 0;

	initStringInfo(&buf);
	enlargeStringInfo(&buf, s->length);
	while (pos < s->length)
	{
		int			used;
		uint32		c = utext_decode(s->u.string + pos, s->length - pos, &used);

		append_mapped(&buf, s, pos, c, used, pos == 0 ? first : rest);
		pos += used;
	}
	return mapped_text(&buf, s);
}

/* Returns str.upper(). */
Value
utext_upper(const Value *s)
{
	return map_case(s, CASE_UPPER, CASE_UPPER);
}

/* Returns str.lower(). */
Value
utext_lower(const Value *s)
{
	return map_case(s, CASE_LOWER, CASE_LOWER);
}

/* Returns str.capitalize(). */
Value
utext_capitalize(const Value *s)
{
	return map_case(s, CASE_TITLE, CASE_LOWER);
}

/* Returns str.casefold(). */
Value
utext_casefold(const Value *s)
{
	return map_case(s, CASE_FOLD, CASE_FOLD);
}

/*
 * Returns str.title(): a letter begins a word after any character without
 * case.
 */
Value
utext_title(const Value *s)
{
	StringInfoData buf;
	bool		inside = false;
	int			pos = 0;

	initStringInfo(&buf);
	while (pos < s->length)
	{
		int			used;
		uint32		c = utext_decode(s->u.string + pos, s->length - pos, &used);

		append_mapped(&buf, s, pos, c, used, inside ? CASE_LOWER : CASE_TITLE);
		inside = unicode_is(c, UC_CASED);
		pos += used;
	}
	return mapped_text(&buf, s);
}

/* Returns str.swapcase(). */
Value
utext_swapcase(const Value *s)
{
	StringInfoData buf;
	int			pos = 0;

	initStringInfo(&buf);
	while (pos < s->length)
	{
		int			used;
		uint32		c = utext_decode(s->u.string + pos, s->length - pos, &used);

		if (unicode_is(c, UC_UPPER))
			append_mapped(&buf, s, pos, c, used, CASE_LOWER);
		else if (unicode_is(c, UC_LOWER))
			append_mapped(&buf, s, pos, c, used, CASE_UPPER);
		else
			utext_append_char(&buf, c);
		pos += used;
	}
	return mapped_text(&buf, s);
}

/* ------------------------------------------------------------------------
 * Padding and slices
 * ------------------------------------------------------------------------
 */

/*
 * Returns the string padded to a width: ljust if side is negative, center if
 * it is zero, rjust if it is positive. The fill NULL is a blank.
 */
Value
utext_pad(const Value *s, int64 width, const Value *fill, int side)
{
	Value		space = utext_make(" ", 1);
	int64		chars = utext_chars(s->u.string, s->length);
	int64		missing = width - chars;
	int64		left;
	StringInfoData buf;
	Value		result = *s;
	int64		i;

	if (fill == NULL)
		fill = &space;
	if (utext_chars(fill->u.string, fill->length) != 1)
		value_fail("the fill character must be exactly one character long");
	if (missing <= 0)
		return result;
	if (missing > SETTING(template_max_output))
		value_check_size(missing);
	value_check_size(s->length + missing * fill->length);
	if (side < 0)
		left = 0;
	else if (side > 0)
		left = missing;
	else
		left = missing / 2 + (missing & width & 1);
	initStringInfo(&buf);
	for (i = 0; i < missing; i++)
	{
		bounds_work(5);
		if (i == left)
			appendBinaryStringInfo(&buf, s->u.string, s->length);
		appendBinaryStringInfo(&buf, fill->u.string, fill->length);
	}
	if (left == missing)
		appendBinaryStringInfo(&buf, s->u.string, s->length);
	result = utext_from_buffer(&buf);
	result.flags = s->flags & VF_MARKUP;
	return result;
}

/*
 * Returns count characters from start on, every step-th of them. The caller
 * has checked the indexes.
 */
Value
utext_slice(const Value *s, int64 start, int64 stop, int64 step, int64 count)
{
	StringInfoData buf;
	Value		result;
	int			pos;
	int64		i;

	if (count <= 0)
		result = utext_make("", 0);
	else if (step == 1)
	{
		int			from = utext_offset(s->u.string, s->length, start);

		result = utext_make(s->u.string + from,
							utext_offset(s->u.string + from, s->length - from, count));
	}
	else
	{
		initStringInfo(&buf);
		pos = utext_offset(s->u.string, s->length, start);
		for (i = 0; i < count; i++)
		{
			int			used;
			int64		left;

			(void) utext_decode(s->u.string + pos, s->length - pos, &used);
			appendBinaryStringInfo(&buf, s->u.string + pos, used);
			if (i + 1 == count)
				break;
			bounds_work(5 * (step < 0 ? -step : step));
			for (left = step; left > 0; left--)
			{
				(void) utext_decode(s->u.string + pos, s->length - pos, &used);
				pos += used;
			}
			for (left = step; left < 0; left++)
				pos = utext_previous(s->u.string, pos);
		}
		result = utext_from_buffer(&buf);
	}
	result.flags = s->flags & VF_MARKUP;
	return result;
}

/* ------------------------------------------------------------------------
 * HTML
 * ------------------------------------------------------------------------
 */

/* Appends text with the five special characters of HTML replaced. */
void
utext_escape_into(StringInfo buf, const char *s, int length)
{
	int			i;

	for (i = 0; i < length; i++)
	{
		bounds_work(3);
		switch (s[i])
		{
			case '&':
				appendBinaryStringInfo(buf, "&amp;", 5);
				break;
			case '<':
				appendBinaryStringInfo(buf, "&lt;", 4);
				break;
			case '>':
				appendBinaryStringInfo(buf, "&gt;", 4);
				break;
			case '"':
				appendBinaryStringInfo(buf, "&#34;", 5);
				break;
			case '\'':
				appendBinaryStringInfo(buf, "&#39;", 5);
				break;
			default:
				appendStringInfoChar(buf, s[i]);
		}
	}
	value_check_size(buf->len);
}

/* Returns the text as Markup; text that is Markup already stays as it is. */
Value
utext_escape(const Value *s)
{
	StringInfoData buf;
	Value		result;

	if (s->flags & VF_MARKUP)
		return *s;
	initStringInfo(&buf);
	utext_escape_into(&buf, s->u.string, s->length);
	result = utext_from_buffer(&buf);
	result.flags = VF_MARKUP;
	return result;
}
