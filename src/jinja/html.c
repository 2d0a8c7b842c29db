/*
 * jinja/html.c
 *		Filters for HTML and URLs.
 */
#include "common/common.h"

#include "jinja/internal.h"
#include "jinja/filters.h"
#include "jinja/entities.h"

/* ------------------------------------------------------------------------
 * Character references
 * ------------------------------------------------------------------------
 */

/* Returns the text of a named reference, or NULL. */
static const char *
find_entity(const char *name, int length)
{
	int			low = 0;
	int			high = lengthof(html_entities) - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			c = strncmp(name, html_entities[middle].name, length);

		if (c == 0 && html_entities[middle].name[length] != '\0')
			c = -1;
		if (c == 0)
			return html_entities[middle].text;
		if (c < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Appends the character that HTML5 gives a numeric reference. */
static void
append_numeric(StringInfo buf, uint64 c)
{
	/* windows-1252, which HTML5 reads 0x80 to 0x9f as */
	static const uint16 windows[32] = {
		0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
		0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
		0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
		0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178
	};

	if (c >= 0x80 && c <= 0x9F)
		utext_append_char(buf, windows[c - 0x80]);
	else if (c == 0 || (c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF)
		utext_append_char(buf, 0xFFFD);
	else if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
			 (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE)
		return;					/* no character at all */
	else
		utext_append_char(buf, (uint32) c);
}

/*
 * Appends the character of a reference like &#38; or &#x26; at s; returns the
 * length of the reference, or 0 when there is none.
 */
static int
unescape_numeric(StringInfo buf, const char *s, int length)
{
	int			pos = 2;
	bool		hex = pos < length && (s[pos] == 'x' || s[pos] == 'X');
	int			start;
	uint64		c = 0;

	if (hex)
		pos++;
	for (start = pos; pos < length; pos++)
	{
		int			digit;

		if (isdigit((unsigned char) s[pos]))
			digit = s[pos] - '0';
		else if (hex && isxdigit((unsigned char) s[pos]))
			digit = (s[pos] | 0x20) - 'a' + 10;
		else
			break;
		c = Min(c * (hex ? 16 : 10) + digit, 0x200000);
	}
	if (pos == start)
		return 0;
	if (pos < length && s[pos] == ';')
		pos++;
	append_numeric(buf, c);
	return pos;
}

/*
 * Appends the text of a reference like &amp; at s, which may lack its end;
 * returns the length of the reference, or 0 when there is none.
 */
static int
unescape_named(StringInfo buf, const char *s, int length)
{
	int			end = 1;
	int			chars = 0;
	const char *text;

	/* up to 32 characters that can belong to a name, and a semicolon */
	while (end < length && chars < 32 && strchr("\t\n\f <&#;", s[end]) == NULL)
	{
		int			used;

		(void) utext_decode(s + end, length - end, &used);
		end += used;
		chars++;
	}
	if (end < length && s[end] == ';')
		end++;
	text = find_entity(s + 1, end - 1);
	while (text == NULL && end > 2)
	{
		end--;
		text = find_entity(s + 1, end - 1);
	}
	if (text == NULL || end <= 2)
		return 0;
	appendStringInfoString(buf, text);
	return end;
}

/* Returns Python's html.unescape(). */
Value
jinja_unescape(const Value *s)
{
	StringInfoData buf;
	int			pos = 0;

	initStringInfo(&buf);
	while (pos < s->length)
	{
		int			used = 0;

		bounds_work(s->u.string[pos] == '&' ? 3000 : 3);
		if (s->u.string[pos] == '&' && pos + 1 < s->length)
			used = s->u.string[pos + 1] == '#' ?
				unescape_numeric(&buf, s->u.string + pos, s->length - pos) :
				unescape_named(&buf, s->u.string + pos, s->length - pos);
		if (used == 0)
		{
			appendStringInfoChar(&buf, s->u.string[pos]);
			used = 1;
		}
		pos += used;
	}
	return utext_from_buffer(&buf);
}

/*
 * Returns the text without every stretch from an opening to the next closing
 * mark.
 */
static Value
remove_between(const Value *s, const char *open, const char *close)
{
	int			open_length = strlen(open);
	int			close_length = strlen(close);
	StringInfoData buf;
	int			pos = 0;

	initStringInfo(&buf);
	for (;;)
	{
		int			start = utext_find(s->u.string, s->length, open, open_length, pos);
		int			end = start < 0 ? -1 :
			utext_find(s->u.string, s->length, close, close_length, start + open_length);

		if (end < 0)
			break;
		appendBinaryStringInfo(&buf, s->u.string + pos, start - pos);
		pos = end + close_length;
	}
	appendBinaryStringInfo(&buf, s->u.string + pos, s->length - pos);
	return utext_from_buffer(&buf);
}

/* Returns Markup.striptags(), in linear time. */
Value
jinja_striptags(const Value *s)
{
	Value		text = remove_between(s, "<!--", "-->");
	Value		words;
	StringInfoData buf;
	int			i;

	text = remove_between(&text, "<", ">");
	words = utext_split(&text, NULL, -1, false);
	initStringInfo(&buf);
	for (i = 0; i < seq_count(&words); i++)
	{
		if (i > 0)
			appendStringInfoChar(&buf, ' ');
		appendBinaryStringInfo(&buf, seq_items(&words)[i].u.string,
							   seq_items(&words)[i].length);
	}
	text = utext_from_buffer(&buf);
	return jinja_unescape(&text);
}

/* The filter striptags. */
Value
jinja_filter_striptags(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = value_str(&ev->budget, &argv[0]);

	return jinja_striptags(&text);
}

/* The filter xmlattr: attributes of a tag from a dict. */
Value
jinja_filter_xmlattr(Eval *ev, const Value *argv, const CallArgs *call)
{
	StringInfoData buf;
	Value		result;
	int			i;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[0].kind != VAL_DICT)
		value_fail("'%s' object has no attribute 'items'", value_type(&argv[0]));
	dict_deform(argv[0].u.dict, argv[0].flags);
	initStringInfo(&buf);
	for (i = 0; i < argv[0].u.dict->count; i++)
	{
		DictEntry  *entry = &argv[0].u.dict->entries[i];
		Value		text;
		int			k;

		if (entry->value.kind == VAL_NONE || entry->value.kind == VAL_UNDEFINED)
			continue;
		if (entry->key.kind != VAL_STRING)
			value_fail("expected string or bytes-like object, got '%s'", value_type(&entry->key));
		for (k = 0; k < entry->key.length; k++)
		{
			char		c = entry->key.u.string[k];

			if (c == ' ' || (c >= '\t' && c <= '\r') || c == '/' || c == '>' || c == '=')
				value_fail("invalid character in attribute name: %s", value_quote(&entry->key));
		}
		if (buf.len > 0)
			appendStringInfoChar(&buf, ' ');
		text = utext_escape(&entry->key);
		appendBinaryStringInfo(&buf, text.u.string, text.length);
		appendStringInfoString(&buf, "=\"");
		text = value_soft_str(&ev->budget, &entry->value);
		text = utext_escape(&text);
		value_check_size((int64) buf.len + text.length);
		appendBinaryStringInfo(&buf, text.u.string, text.length);
		appendStringInfoChar(&buf, '"');
	}
	result = utext_from_buffer(&buf);
	if (result.length > 0 && jinja_argument_bool(ev, &argv[1], true))
	{
		Value		space = utext_make(" ", 1);

		result = utext_concat(&space, &result);
	}
	if (ev->autoescape)
		result.flags = VF_MARKUP;
	return result;
}

/* ------------------------------------------------------------------------
 * urlencode
 * ------------------------------------------------------------------------
 */

/* Appends text with all but unreserved characters as %XX. */
static void
url_quote(Eval *ev, StringInfo buf, const Value *value, bool query)
{
	Value		text = value_str(&ev->budget, value);
	int			i;

	value_check_size((int64) buf->len + (int64) text.length * 3);
	bounds_work((int64) text.length * 10);
	for (i = 0; i < text.length; i++)
	{
		unsigned char c = text.u.string[i];

		if (c < 0x80 && (isalnum(c) || strchr("_.-~", c) != NULL))
			appendStringInfoChar(buf, c);
		else if (c == '/' && !query)
			appendStringInfoChar(buf, c);
		else if (c == ' ' && query)
			appendStringInfoChar(buf, '+');
		else
			appendStringInfo(buf, "%%%02X", c);
	}
}

/* The filter urlencode: a text, or the pairs of a query string. */
Value
jinja_filter_urlencode(Eval *ev, const Value *argv, const CallArgs *call)
{
	StringInfoData buf;
	Iterator   *it;
	Value		pairs = argv[0];
	Value		pair;
	bool		first = true;

	initStringInfo(&buf);
	if (argv[0].kind == VAL_STRING || !value_is_iterable(&argv[0]))
	{
		url_quote(ev, &buf, &argv[0], false);
		return utext_from_buffer(&buf);
	}
	if (argv[0].kind == VAL_DICT)
	{
		CallArgs	none = {0};

		pairs = jinja_filter_items(ev, &argv[0], &none);
	}
	it = value_iterate(&ev->budget, &pairs);
	while (iter_next(&ev->budget, it, &pair))
	{
		Value		list;

		if (!value_is_iterable(&pair))
			value_fail("cannot unpack non-iterable %s object", value_type(&pair));
		list = value_collect(&ev->budget, &pair);
		if (seq_count(&list) != 2)
			value_fail(seq_count(&list) < 2 ? "not enough values to unpack (expected 2)" :
					   "too many values to unpack (expected 2)");
		if (!first)
			appendStringInfoChar(&buf, '&');
		first = false;
		url_quote(ev, &buf, &seq_items(&list)[0], true);
		appendStringInfoChar(&buf, '=');
		url_quote(ev, &buf, &seq_items(&list)[1], true);
	}
	return utext_from_buffer(&buf);
}

/* ------------------------------------------------------------------------
 * urlize
 * ------------------------------------------------------------------------
 */

/* The options of urlize. */
typedef struct Urlize
{
	const Value *limit;			/* looked at when a link is found */
	const char *attributes;		/* rel and target, ready to be written */
	const Value *schemes;		/* list of extra schemes, or NULL */
} Urlize;

/* Returns how many characters of a link are shown; -1: all. */
static int64
link_limit(const Urlize *u)
{
	return value_given_not_none(u->limit) ? value_index(u->limit, "urlize") : -1;
}

/* Returns whether the text begins with the word, in any case. */
static bool
starts(const char *s, int length, const char *word)
{
	int			n = strlen(word);

	return length >= n && pg_strncasecmp(s, word, n) == 0;
}

/* Returns whether the rest of the text is [:port][/path]. */
static bool
match_url_tail(const char *s, int length)
{
	int			digits = 0;

	if (length > 0 && s[0] == ':')
	{
		while (digits < 5 && digits + 1 < length && isdigit((unsigned char) s[digits + 1]))
			digits++;
		if (digits > 0)
		{
			s += digits + 1;
			length -= digits + 1;
		}
	}
	return length == 0 || strchr("/?#", s[0]) != NULL;
}

/*
 * Returns the length of a host of labels and dots: characters of \w, % and -.
 */
static int
host_length(const char *s, int length)
{
	int			pos = 0;

	while (pos < length)
	{
		int			used;
		uint32		c = utext_decode(s + pos, length - pos, &used);

		bounds_work(10);
		if (c != '.' && c != '%' && c != '-' && !unicode_is_word(c))
			break;
		pos += used;
	}
	return pos;
}

/* Returns the length if all characters are ASCII letters, otherwise -1. */
static int
letters_only(const char *s, int length)
{
	int			i;

	for (i = 0; i < length; i++)
	{
		if (!isalpha((unsigned char) s[i]) || (unsigned char) s[i] >= 0x80)
			return -1;
	}
	return length;
}

/*
 * Returns whether a label is a top-level domain: letters, or "xn--" and a
 * word.
 */
static bool
is_tld(const char *s, int length)
{
	int			n = letters_only(s, length);
	int			pos;
	int			chars = 0;

	if (n >= 2 && n <= 63)
		return true;
	if (!starts(s, length, "xn--"))
		return false;
	for (pos = 4; pos < length; chars++)
	{
		int			used;
		uint32		c = utext_decode(s + pos, length - pos, &used);

		if (c != '%' && !unicode_is_word(c))
			return false;
		pos += used;
	}
	return chars >= 2 && chars <= 59;
}

/*
 * Returns whether all labels before the last one have between min and max
 * characters.
 */
static bool
labels_ok(const char *s, int length, int min, int max)
{
	int			chars = 0;
	int			pos = 0;

	while (pos < length)
	{
		int			used;
		uint32		c = utext_decode(s + pos, length - pos, &used);

		if (c == '.')
		{
			if (chars < min || chars > max)
				return false;
			chars = 0;
		}
		else
			chars++;
		pos += used;
	}
	return true;
}

/*
 * Returns whether the text is a host with an optional port and path; basic:
 * only hosts of a few well-known domains count.
 */
static bool
match_host(const char *s, int length, bool basic)
{
	static const char *const basic_tlds[] = {
		"com", "net", "int", "edu", "gov", "org", "info", "mil"
	};
	int			end = host_length(s, length);
	int			dot = end;
	int			i;

	if (!match_url_tail(s + end, length - end))
		return false;
	while (dot > 0 && s[dot - 1] != '.')
		dot--;
	if (!basic)
		return is_tld(s + dot, end - dot) &&
			labels_ok(s, dot, 1, INT_MAX);
	if (dot == 0 || !labels_ok(s, dot, 2, 63))
		return false;
	for (i = 0; i < lengthof(basic_tlds); i++)
	{
		if (strlen(basic_tlds[i]) == end - dot &&
			pg_strncasecmp(basic_tlds[i], s + dot, end - dot) == 0)
			return true;
	}
	return false;
}

/*
 * Returns the length of an IPv4 address or of an IPv6 address in brackets, or
 * 0 when there is none.
 */
static int
match_address(const char *s, int length)
{
	int			pos = 0;
	int			groups = 0;
	int			colons = 0;

	if (length > 0 && s[0] == '[')
	{
		for (pos = 1; pos < length && (isxdigit((unsigned char) s[pos]) || s[pos] == ':'); pos++)
		{
			if (s[pos] == ':')
			{
				colons++;
				groups = 0;
			}
			else if (++groups > 4)
				return 0;
		}
		if (pos >= length || s[pos] != ']' || colons < 2 || colons > 8 || pos < 4)
			return 0;

		/* something must follow the second colon; a last group may be empty */
		if (colons == 2 && s[pos - 1] == ':')
			return 0;
		if (colons == 8 && s[pos - 1] != ':')
			return 0;
		return pos + 1;
	}
	for (groups = 0; groups < 4; groups++)
	{
		int			digits = 0;

		if (groups > 0 && (pos >= length || s[pos++] != '.'))
			return 0;
		while (digits < 3 && pos < length && isdigit((unsigned char) s[pos]))
		{
			digits++;
			pos++;
		}
		if (digits == 0)
			return 0;
	}
	return pos;
}

/*
 * Returns whether the word is a link that begins with a scheme, with www. or
 * is of a well-known domain.
 */
static bool
is_link(const char *s, int length)
{
	int			scheme = starts(s, length, "https://") ? 8 : starts(s, length, "http://") ? 7 : 0;
	int			address;

	if (scheme > 0)
	{
		if (match_host(s + scheme, length - scheme, false))
			return true;
		address = match_address(s + scheme, length - scheme);
		return address > 0 && match_url_tail(s + scheme + address, length - scheme - address);
	}
	if (starts(s, length, "www.") && match_host(s + 4, length - 4, false))
		return true;
	return match_host(s, length, true);
}

/* Returns whether the word is an address like user@host.tld. */
static bool
is_email(const char *s, int length)
{
	int			at = utext_rfind(s, length, "@", 1, length);

	/*
	 * an earlier @ may belong to the user, because \S+ takes as much as it can
	 */
	while (at > 0)
	{
		const char *host = s + at + 1;
		int			n = length - at - 1;
		int			used;
		int			pos = 0;
		int			dot = -1;

		while (pos < n)
		{
			uint32		c = utext_decode(host + pos, n - pos, &used);

			bounds_work(5);
			if (pos == 0 ? !unicode_is_word(c) : (!unicode_is_word(c) && c != '.' && c != '-'))
				break;
			if (c == '.')
				dot = pos;
			pos += used;
		}
		if (pos == n && dot > 0 && dot < n - 1 &&
			memchr(host + dot, '-', n - dot) == NULL)
			return true;
		at = utext_rfind(s, length, "@", 1, at);
	}
	return false;
}

/* Appends a link. */
static void
append_link(StringInfo buf, const Urlize *u, const char *prefix, const char *s,
			int length, int64 limit, const char *attributes)
{
	appendStringInfo(buf, "<a href=\"%s%.*s\"%s>", prefix, length, s, attributes);
	if (limit >= 0 && utext_chars(s, length) > limit)
	{
		appendBinaryStringInfo(buf, s, utext_offset(s, length, limit));
		appendStringInfoString(buf, "...");
	}
	else
		appendBinaryStringInfo(buf, s, length);
	appendStringInfoString(buf, "</a>");
	value_check_size(buf->len);
}

/* Appends a word that has no punctuation around it, as a link if it is one. */
static void
append_middle(StringInfo buf, const Urlize *u, const char *s, int length)
{
	int			i;

	if (is_link(s, length))
	{
		bool		scheme = (length >= 8 && memcmp(s, "https://", 8) == 0) ||
			(length >= 7 && memcmp(s, "http://", 7) == 0);

		append_link(buf, u, scheme ? "" : "https://", s, length, link_limit(u), u->attributes);
		return;
	}
	if (length > 7 && memcmp(s, "mailto:", 7) == 0 && is_email(s + 7, length - 7))
	{
		appendStringInfo(buf, "<a href=\"%.*s\">%.*s</a>", length, s, length - 7, s + 7);
		return;
	}
	if (memchr(s, '@', length) && !(length >= 4 && memcmp(s, "www.", 4) == 0) &&
		s[0] != '@' && !memchr(s, ':', length) && is_email(s, length))
	{
		append_link(buf, u, "mailto:", s, length, -1, "");
		return;
	}
	for (i = 0; u->schemes && i < seq_count(u->schemes); i++)
	{
		const Value *scheme = &seq_items(u->schemes)[i];

		bounds_work(5);
		if (length > scheme->length &&
			memcmp(s, scheme->u.string, scheme->length) == 0)
		{
			append_link(buf, u, "", s, length, -1, u->attributes);
			return;
		}
	}
	appendBinaryStringInfo(buf, s, length);
}

/* Returns the length of the opening brackets at the start of a word. */
static int
head_length(const char *s, int length)
{
	int			pos = 0;

	while (pos < length)
	{
		if (s[pos] == '(' || s[pos] == '<')
			pos++;
		else if (length - pos >= 4 && memcmp(s + pos, "&lt;", 4) == 0)
			pos += 4;
		else
			break;
	}
	return pos;
}

/*
 * Returns the length of the closing brackets and punctuation at the end of a
 * word.
 */
static int
tail_length(const char *s, int length)
{
	int			end = length;

	while (end > 0)
	{
		if (strchr(")>.,\n", s[end - 1]) != NULL)
			end--;
		else if (end >= 4 && memcmp(s + end - 4, "&gt;", 4) == 0)
			end -= 4;
		else
			break;
	}
	return length - end;
}

/* Returns how often a bracket occurs in a text. */
static int
count_text(const char *s, int length, const char *what)
{
	int			n = strlen(what);
	int			count = 0;
	int			pos = 0;

	while ((pos = utext_find(s, length, what, n, pos)) >= 0)
	{
		count++;
		pos += n;
	}
	return count;
}

/*
 * Moves closing brackets from the tail of a word to its middle while the
 * middle has open ones; returns the length of the middle.
 */
static int
balance_brackets(const char *s, int middle, int tail)
{
	static const char *const pairs[][2] = {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}};
	int			i;

	for (i = 0; i < lengthof(pairs); i++)
	{
		int			opened = count_text(s, middle, pairs[i][0]);
		int			moves;

		if (opened <= count_text(s, middle, pairs[i][1]))
			continue;
		moves = Min(opened, count_text(s + middle, tail, pairs[i][1]));
		while (moves-- > 0)
		{
			int			n = strlen(pairs[i][1]);
			int			end = utext_find(s + middle, tail, pairs[i][1], n, 0) + n;

			middle += end;
			tail -= end;
		}
	}
	return middle;
}

/* Appends a word with the brackets and punctuation around it. */
static void
append_word(StringInfo buf, const Urlize *u, const char *s, int length)
{
	int			head = head_length(s, length);
	int			tail = tail_length(s + head, length - head);
	int			middle = balance_brackets(s + head, length - head - tail, tail);

	appendBinaryStringInfo(buf, s, head);
	if (middle > 0)
		append_middle(buf, u, s + head, middle);
	appendBinaryStringInfo(buf, s + head + middle, length - head - middle);
	value_check_size(buf->len);
}

/* Compares two strings for qsort. */
static int
compare_words(const void *a, const void *b)
{
	return utext_compare(a, b);
}

/* Returns the text of the attributes rel and target of all links. */
static char *
link_attributes(Eval *ev, const Value *argv)
{
	Value		rel = value_given_not_none(&argv[4]) ? argv[4] : utext_make("", 0);
	Value		blank = utext_make(" noopener", 9);
	Value		nofollow = utext_make(" nofollow", 9);
	StringInfoData buf;
	Value		words;
	Value	   *w;
	int			i;

	if (rel.kind != VAL_STRING)
		value_fail("'%s' object has no attribute 'split'", value_type(&rel));
	rel.flags = 0;
	rel = utext_concat(&rel, &blank);
	if (jinja_argument_bool(ev, &argv[2], false))
		rel = utext_concat(&rel, &nofollow);
	words = utext_split(&rel, NULL, -1, false);
	w = seq_items(&words);
	qsort(w, seq_count(&words), sizeof(Value), compare_words);
	initStringInfo(&buf);
	appendStringInfoString(&buf, " rel=\"");
	for (i = 0; i < seq_count(&words); i++)
	{
		if (i > 0 && utext_compare(&w[i], &w[i - 1]) == 0)
			continue;
		if (i > 0)
			appendStringInfoChar(&buf, ' ');
		utext_escape_into(&buf, w[i].u.string, w[i].length);
	}
	appendStringInfoChar(&buf, '"');
	if (value_given(&argv[3]) && value_truth(&ev->budget, &argv[3]))
	{
		Value		target = value_soft_str(&ev->budget, &argv[3]);

		target = utext_escape(&target);
		appendStringInfo(&buf, " target=\"%.*s\"", target.length, target.u.string);
	}
	return buf.data;
}

/* Raises unless an extra scheme has the form of one. */
static void
check_scheme(const Value *scheme)
{
	int			pos = 0;
	int			used;

	if (scheme->kind != VAL_STRING)
		value_fail("expected string or bytes-like object, got '%s'", value_type(scheme));
	while (pos < scheme->length)
	{
		uint32		c = utext_decode(scheme->u.string + pos, scheme->length - pos, &used);

		if (!unicode_is_word(c) && c != '.' && c != '+' && c != '-')
			break;
		pos += used;
	}
	if (utext_chars(scheme->u.string, pos) < 2 || pos >= scheme->length ||
		scheme->u.string[pos] != ':' || scheme->length - pos > 3 ||
		strspn(scheme->u.string + pos + 1, "/") < scheme->length - pos - 1)
		value_fail("%s is not a valid URI scheme prefix", value_quote(scheme));
}

/* The filter urlize. */
Value
jinja_filter_urlize(Eval *ev, const Value *argv, const CallArgs *call)
{
	Urlize		u = {&argv[1], link_attributes(ev, argv), NULL};
	Value		text = value_soft_str(&ev->budget, &argv[0]);
	Value		schemes;
	StringInfoData buf;
	int			pos = 0;
	int			i;
	Value		result;

	if (value_given_not_none(&argv[5]))
	{
		schemes = value_collect(&ev->budget, &argv[5]);
		for (i = 0; i < seq_count(&schemes); i++)
			check_scheme(&seq_items(&schemes)[i]);
		u.schemes = &schemes;
	}
	text = utext_escape(&text);
	initStringInfo(&buf);
	while (pos < text.length)
	{
		int			start = pos;
		bool		space = false;

		while (pos < text.length)
		{
			int			used;
			bool		is_space = unicode_is(utext_decode(text.u.string + pos, text.length - pos,
														   &used),
											  UC_SPACE);

			bounds_work(5);
			if (pos == start)
				space = is_space;
			else if (is_space != space)
				break;
			pos += used;
		}
		if (space)
			appendBinaryStringInfo(&buf, text.u.string + start, pos - start);
		else
			append_word(&buf, &u, text.u.string + start, pos - start);
		bounds_work(20);
	}
	result = utext_from_buffer(&buf);
	if (ev->autoescape)
		result.flags = VF_MARKUP;
	return result;
}
