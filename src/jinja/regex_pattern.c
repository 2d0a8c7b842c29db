/*
 * jinja/regex_pattern.c
 *		Translates regular expressions from Python's syntax to PostgreSQL's.
 *
 * The two differ in named groups, in \b, in what "." and "$" do with a line
 * break, in \x and octal escapes, in "[" inside brackets, and in flags.
 */
#include "common/common.h"

#include "regex/regex.h"

#include "jinja/regex.h"

typedef struct Translator
{
	const char *s;
	int			length;
	int			pos;
	RegexOptions options;
	bool		newline_at_end;
	int			depth;
	int			lookaround;		/* depth of the outermost one; 0: not inside any */
	RegexPattern *out;
} Translator;

/* Raises that the pattern is wrong. */
pg_noreturn static void
fail_pattern(const Translator *t, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
			 errmsg("invalid regular expression: %s at position %d", what, t->pos)));
}

/* Raises that the engine has no such construct. */
pg_noreturn static void
refuse_construct(const Translator *t, const char *what)
{
	value_fail_refused("Regular expressions are run by PostgreSQL's engine, which does not have it.",
					   "%s in a regular expression is not supported, at position %d", what,
					   t->pos);
}

/* Returns the character so many bytes ahead, or NUL. */
static char
ahead(const Translator *t, int offset)
{
	return t->pos + offset < t->length ? t->s[t->pos + offset] : '\0';
}

/* Returns whether the pattern goes on with a text. */
static bool
at_text(const Translator *t, const char *text)
{
	int			length = strlen(text);

	return t->length - t->pos >= length && memcmp(t->s + t->pos, text, length) == 0;
}

/* Appends a character by its code. */
static void
put_code(Translator *t, uint32 code)
{
	if (code == 0)
		fail_pattern(t, "NUL");
	appendStringInfo(&t->out->text, "\\U%08x", code);
}

/* Reads so many hexadecimal digits behind an escape and appends the character. */
static void
hex_escape(Translator *t, int digits)
{
	uint32		code = 0;

	for (int i = 0; i < digits; i++)
	{
		char		c = ahead(t, 2 + i);

		if (!isxdigit((unsigned char) c))
			fail_pattern(t, "incomplete escape");
		code = code * 16 + (isdigit((unsigned char) c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	if (code > 0x10FFFF)
		fail_pattern(t, "bad escape");
	put_code(t, code);
	t->pos += 2 + digits;
}

/* Returns the number of a group; 0: there is none of that name. */
int
jinja_regex_group(const RegexPattern *pattern, const char *name, int length)
{
	for (int i = 0; i < pattern->nnames; i++)
		if (pattern->names[i].length == length &&
			memcmp(pattern->names[i].name, name, length) == 0)
			return pattern->names[i].group;
	return 0;
}

/* Reads \1, \12, \0 or \123. */
static void
digit_escape(Translator *t, bool in_bracket)
{
	char		c = ahead(t, 1);
	int			digits = 1;
	int			number = c - '0';
	bool		octal = c == '0' || in_bracket;

	if (!octal && isdigit((unsigned char) ahead(t, 2)))
		octal = c < '4' && ahead(t, 2) >= '0' && ahead(t, 2) < '8' && ahead(t, 3) >= '0' &&
			ahead(t, 3) < '8';
	if (octal && number >= 8)
		fail_pattern(t, "bad escape");
	while (digits < (octal ? 3 : 2) && isdigit((unsigned char) ahead(t, 1 + digits)) &&
		   (!octal || ahead(t, 1 + digits) < '8'))
		number = number * (octal ? 8 : 10) + (ahead(t, 1 + digits++) - '0');
	if (octal)
		put_code(t, number);
	else if (number > t->out->ngroups)
		fail_pattern(t, "invalid group reference");
	else
		appendStringInfo(&t->out->text, "(?:\\%d)", number);
	t->pos += 1 + digits;
}

/* Translates an escape. */
static void
translate_escape(Translator *t, bool in_bracket)
{
	char		c = ahead(t, 1);

	if (t->pos + 1 >= t->length)
		fail_pattern(t, "bad escape (end of pattern)");
	if (isdigit((unsigned char) c))
		digit_escape(t, in_bracket);
	else if (c == 'x' || c == 'u' || c == 'U')
		hex_escape(t, c == 'x' ? 2 : c == 'u' ? 4 : 8);
	else if (strchr("dDwWsSnrtfva", c) != NULL || (in_bracket && c == 'b') ||
			 (!in_bracket && (c == 'A' || c == 'Z')))
	{
		appendStringInfo(&t->out->text, "\\%c", c);
		t->pos += 2;
	}
	else if (!in_bracket && (c == 'b' || c == 'B'))
	{
		appendStringInfoString(&t->out->text, c == 'b' ? "\\y" : "\\Y");
		t->pos += 2;
	}
	else if (isalpha((unsigned char) c) && !IS_HIGHBIT_SET(c))
		fail_pattern(t, "bad escape");
	else
	{
		if (!IS_HIGHBIT_SET(c))
			appendStringInfoChar(&t->out->text, '\\');
		appendStringInfoChar(&t->out->text, c);
		t->pos += 2;
	}
}

/* Translates a bracket expression. */
static void
translate_bracket(Translator *t)
{
	int			first;

	appendStringInfoChar(&t->out->text, '[');
	t->pos++;
	if (ahead(t, 0) == '^')
	{
		appendStringInfoChar(&t->out->text, '^');
		t->pos++;
	}
	for (first = t->pos; t->pos < t->length; )
	{
		char		c = ahead(t, 0);

		bounds_work(10);
		if (c == ']' && t->pos > first)
		{
			appendStringInfoChar(&t->out->text, ']');
			t->pos++;
			return;
		}
		if (c == '\\')
		{
			translate_escape(t, true);
			continue;
		}
		if (c == '[' || c == ']')
			appendStringInfoChar(&t->out->text, '\\');
		appendStringInfoChar(&t->out->text, c);
		t->pos++;
	}
	fail_pattern(t, "unterminated character set");
}

/* Reads a name up to its end; *length its bytes. */
static const char *
read_name(Translator *t, char end, int *length)
{
	const char *name = t->s + t->pos;
	const char *stop = memchr(name, end, t->length - t->pos);

	if (stop == NULL || stop == name || isdigit((unsigned char) *name))
		fail_pattern(t, "bad group name");
	*length = stop - name;
	t->pos += *length + 1;
	return name;
}

/* Opens a capturing group; it may have a name. */
static void
open_group(Translator *t, const char *name, int length)
{
	RegexPattern *out = t->out;

	if (t->lookaround > 0)
		refuse_construct(t, "a group inside of a lookahead or lookbehind");
	if (++out->ngroups >= REGEX_MAX_GROUPS)
		fail_pattern(t, "too many groups");
	if (name != NULL)
	{
		if (jinja_regex_group(out, name, length) > 0)
			fail_pattern(t, "redefinition of a group name");
		out->names[out->nnames].name = name;
		out->names[out->nnames].length = length;
		out->names[out->nnames++].group = out->ngroups;
	}
	appendStringInfoChar(&out->text, '(');
	t->depth++;
}

/* Reads flags of the whole pattern, (?im), which stand at its beginning. */
static bool
read_flags(Translator *t)
{
	int			i = 2;

	while (isalpha((unsigned char) ahead(t, i)))
		i++;
	if (i == 2 || ahead(t, i) != ')')
		return false;
	for (int k = 2; k < i; k++)
		switch (ahead(t, k))
		{
			case 'i':
				t->options.ignore_case = true;
				break;
			case 'm':
				t->options.multiline = true;
				break;
			case 's':
				t->options.dot_all = true;
				break;
			case 'x':
				t->options.verbose = true;
				break;
			case 'u':
				break;
			case 'a':
				refuse_construct(t, "the flag a");
			default:
				fail_pattern(t, "unknown flag");
		}
	t->pos += i + 1;
	return true;
}

/* Translates what an opening parenthesis begins. */
static void
translate_group(Translator *t)
{
	static const char *const plain[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!"};
	const char *name;
	int			length;

	for (int i = 0; i < lengthof(plain); i++)
	{
		if (!at_text(t, plain[i]))
			continue;
		appendStringInfoString(&t->out->text, plain[i]);
		t->pos += strlen(plain[i]);
		t->depth++;
		if (i > 0 && t->lookaround == 0)
			t->lookaround = t->depth;
		return;
	}
	if (at_text(t, "(?P<"))
	{
		t->pos += 4;
		name = read_name(t, '>', &length);
		open_group(t, name, length);
	}
	else if (at_text(t, "(?P="))
	{
		t->pos += 4;
		name = read_name(t, ')', &length);
		if (jinja_regex_group(t->out, name, length) == 0)
			fail_pattern(t, "unknown group name");
		appendStringInfo(&t->out->text, "(?:\\%d)", jinja_regex_group(t->out, name, length));
	}
	else if (at_text(t, "(?#"))
	{
		const char *end = memchr(t->s + t->pos, ')', t->length - t->pos);

		if (end == NULL)
			fail_pattern(t, "missing ), unterminated comment");
		t->pos = end - t->s + 1;
	}
	else if (ahead(t, 1) == '?')
		refuse_construct(t, "this kind of group, or a flag that is not at the beginning,");
	else
	{
		t->pos++;
		open_group(t, NULL, 0);
	}
}

/* Translates a brace: a repetition, or the character itself. */
static void
translate_brace(Translator *t)
{
	int			i = 1;
	int			low;

	while (isdigit((unsigned char) ahead(t, i)))
		i++;
	low = i - 1;
	if (ahead(t, i) == ',')
		do
			i++;
		while (isdigit((unsigned char) ahead(t, i)));
	if (ahead(t, i) != '}' || i == 1)
	{
		appendStringInfoString(&t->out->text, "\\{");
		t->pos++;
		return;
	}
	appendStringInfoChar(&t->out->text, '{');
	if (low == 0)
		appendStringInfoChar(&t->out->text, '0');
	appendBinaryStringInfo(&t->out->text, t->s + t->pos + 1, i);
	t->pos += i + 1;
}

/* Skips blanks and comments of a verbose pattern; returns whether there were any. */
static bool
skip_verbose(Translator *t)
{
	char		c = ahead(t, 0);

	if (!t->options.verbose || (c != '#' && !isspace((unsigned char) c)))
		return false;
	if (c == '#')
		while (t->pos < t->length && t->s[t->pos] != '\n')
			t->pos++;
	else
		t->pos++;
	return true;
}

/* Translates one character, or what it begins. */
static void
translate_next(Translator *t)
{
	StringInfo	text = &t->out->text;
	char		c = ahead(t, 0);

	switch (c)
	{
		case '\\':
			translate_escape(t, false);
			return;
		case '[':
			translate_bracket(t);
			return;
		case '(':
			translate_group(t);
			return;
		case '{':
			translate_brace(t);
			return;
		case ')':
			if (t->depth == 0)
				fail_pattern(t, "unbalanced parenthesis");
			if (t->lookaround == t->depth)
				t->lookaround = 0;
			t->depth--;
			appendStringInfoChar(text, c);
			break;
		case '.':
			appendStringInfoString(text, t->options.dot_all ? "." : "[^\\n]");
			break;
		case '$':
			appendStringInfoString(text, t->newline_at_end && !t->options.multiline ?
								   "(?=\\n?\\Z)" : "$");
			break;
		default:
			appendStringInfoChar(text, c);
			break;
	}
	t->pos++;
}

/*
 * Translates a pattern.  newline_at_end: the text to search ends with a line break, in
 * front of which "$" matches, too.
 */
void
jinja_translate_regex(const Value *source, RegexOptions options, bool newline_at_end,
					  RegexPattern *pattern)
{
	Translator	t = {source->u.string, source->length, 0, options, newline_at_end};

	pattern->ngroups = 0;
	pattern->nnames = 0;
	initStringInfo(&pattern->text);
	t.out = pattern;
	while (at_text(&t, "(?") && read_flags(&t))
		;
	if (strchr("*+?", ahead(&t, 0)) != NULL && t.pos < t.length)
		fail_pattern(&t, "nothing to repeat");
	appendStringInfoString(&pattern->text, options.at_start ? "\\A(?:" : "(?:");
	while (t.pos < t.length)
	{
		bounds_work(20);
		if (!skip_verbose(&t))
			translate_next(&t);
	}
	if (t.depth > 0)
		fail_pattern(&t, "missing ), unterminated subpattern");
	appendStringInfoString(&pattern->text, options.at_end ? ")\\Z" : ")");
	pattern->flags = REG_ADVANCED | (t.options.ignore_case ? REG_ICASE : 0) |
		(t.options.multiline ? REG_NLANCH : 0);
}
