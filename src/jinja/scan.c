/*
 * jinja/scan.c
 *		The scanner: template text into tokens.
 *
 * The rules are those of Jinja2: "{{", "{%" and "{#" begin a tag; "-" beside a
 * delimiter strips white space on that side; end delimiters count only while
 * brackets are balanced, so that {{ {'a': {}} }} works.
 */
#include "common/common.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "jinja/internal.h"

int			jinja_error_position = -1;

typedef struct Scanner
{
	const char *source;
	int			length;
	int			pos;
	TokenList  *out;
	StringInfoData brackets;	/* closing brackets expected */
} Scanner;

/* Raises a syntax error at a position in the source. */
void
jinja_syntax_error(int pos, const char *fmt,...)
{
	char		message[512];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	jinja_error_position = pos;
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s", message)));
}

/* Raises that something of Jinja2 is refused, at a position in the source. */
void
jinja_unsupported(int pos, const char *hint, const char *fmt,...)
{
	char		message[512];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	jinja_error_position = pos;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s", message),
			 hint ? errhint("%s", hint) : 0));
}

/* Turns a byte offset into line and column, both from 1, in characters. */
void
jinja_locate(const char *source, int length, int pos, int *line, int *column)
{
	int			start = 0;
	int			i;

	*line = 1;
	if (pos > length)
		pos = length;
	for (i = 0; i < pos; i++)
	{
		if (source[i] == '\n')
		{
			(*line)++;
			start = i + 1;
		}
	}
	*column = (int) utext_chars(source + start, pos - start) + 1;
}

/*
 * Returns a copy of the source in which every line break is "\n" and one
 * trailing line break is dropped; Jinja2 does so first, too.
 */
char *
jinja_normalize_source(const char *text, int length, int *newlength)
{
	char	   *result = palloc(length + 1);
	int			n = 0;
	int			i;

	bounds_work(length);
	for (i = 0; i < length; i++)
	{
		if (text[i] == '\r')
		{
			if (i + 1 < length && text[i + 1] == '\n')
				i++;
			result[n++] = '\n';
		}
		else
			result[n++] = text[i];
	}
	if (n > 0 && result[n - 1] == '\n')
		n--;
	result[n] = '\0';
	*newlength = n;
	return result;
}

/* Adds a token that begins at pos, and returns it. */
static Token *
add_token(Scanner *s, TokenType type, int pos, int length)
{
	TokenList  *list = s->out;
	Token	   *token;

	bounds_work(50);
	if (list->count == list->allocated)
	{
		list->allocated = list->allocated ? list->allocated * 2 : 16;
		if (list->tokens == NULL)
			list->tokens = palloc(list->allocated * sizeof(Token));
		else
			list->tokens = repalloc_huge(list->tokens,
										 list->allocated * sizeof(Token));
	}
	token = &list->tokens[list->count++];
	memset(token, 0, sizeof(Token));
	token->type = type;
	token->pos = pos;
	token->length = length;
	return token;
}

/* Returns whether the source continues with this text at pos. */
static bool
at(const Scanner *s, int pos, const char *text)
{
	int			length = strlen(text);

	return pos >= 0 && pos + length <= s->length &&
		memcmp(s->source + pos, text, length) == 0;
}

/* Returns the position after white space of Unicode. */
static int
skip_space(const Scanner *s, int pos)
{
	while (pos < s->length)
	{
		int			used;
		uint32		c = utext_decode(s->source + pos, s->length - pos, &used);

		if (!unicode_is(c, UC_SPACE))
			break;
		bounds_work(4);
		pos += used;
	}
	return pos;
}

/* Adds template text; strip: without trailing white space. */
static void
add_data(Scanner *s, int from, int to, bool strip)
{
	Value		text = utext_make(s->source + from, to - from);
	Token	   *token;

	if (strip)
		text = utext_strip(&text, NULL, false, true);
	if (text.length == 0)
		return;
	token = add_token(s, TOK_DATA, from, text.length);
	token->value = text;
}

/*
 * Matches the tag "raw" or "endraw" at pos ("{%", sign, word, sign, "%}").
 * Returns the position after the tag and after the white space that "-%}"
 * strips, or -1 when another tag stands there.  Only "endraw" may end in "+%}".
 */
static int
match_raw_tag(const Scanner *s, int pos, const char *word)
{
	pos += 2;
	if (pos < s->length && (s->source[pos] == '-' || s->source[pos] == '+'))
		pos++;
	pos = skip_space(s, pos);
	if (!at(s, pos, word))
		return -1;
	pos = skip_space(s, pos + strlen(word));
	if (at(s, pos, "+%}") && strcmp(word, "endraw") == 0)
		return pos + 3;
	if (at(s, pos, "-%}"))
		return skip_space(s, pos + 3);
	if (at(s, pos, "%}"))
		return pos + 2;
	return -1;
}

/* Adds the text of a raw block as data.  "body" is where the text begins. */
static void
scan_raw(Scanner *s, int body)
{
	int			pos;

	for (pos = body; pos < s->length; pos++)
	{
		int			end;

		bounds_work(2);
		if (s->source[pos] != '{' || !at(s, pos, "{%"))
			continue;
		end = match_raw_tag(s, pos, "endraw");
		if (end < 0)
			continue;
		add_data(s, body, pos, s->source[pos + 2] == '-');
		s->pos = end;
		return;
	}
	jinja_syntax_error(s->pos, "missing end of raw directive");
}

/* Skips a comment that begins at s->pos. */
static void
scan_comment(Scanner *s)
{
	const char *end;
	int			pos = s->pos + 2;

	if (pos < s->length && (s->source[pos] == '-' || s->source[pos] == '+'))
		pos++;
	end = pos < s->length ? memchr(s->source + pos, '#', s->length - pos) : NULL;
	while (end != NULL)
	{
		int			hash = end - s->source;

		if (at(s, hash, "#}"))
		{
			if (hash > pos && s->source[hash - 1] == '-')
				s->pos = skip_space(s, hash + 2);
			else
				s->pos = hash + 2;
			return;
		}
		end = memchr(end + 1, '#', s->length - hash - 1);
	}
	jinja_syntax_error(s->pos, "missing end of comment tag");
}

/* Adds a name. */
static void
scan_name(Scanner *s)
{
	int			start = s->pos;
	bool		valid = true;

	while (s->pos < s->length)
	{
		int			used;
		uint32		c = utext_decode(s->source + s->pos, s->length - s->pos, &used);

		if (unicode_is(c, UC_ID_CONTINUE))
		{
			if (s->pos == start && !unicode_is(c, UC_ID_START))
				valid = false;
		}
		else if (unicode_is(c, UC_ALPHA | UC_NUMERIC | UC_DIGIT))
			valid = false;
		else
			break;
		bounds_work(4);
		s->pos += used;
	}
	if (!valid)
		jinja_syntax_error(start, "invalid character in identifier");
	add_token(s, TOK_NAME, start, s->pos - start)->value =
		utext_make(s->source + start, s->pos - start);
}

/* Returns the position after digits with single underscores between them. */
static int
skip_digits(const Scanner *s, int pos)
{
	while (pos < s->length)
	{
		if (isdigit((unsigned char) s->source[pos]))
			pos++;
		else if (s->source[pos] == '_' && pos + 1 < s->length &&
				 isdigit((unsigned char) s->source[pos + 1]) &&
				 isdigit((unsigned char) s->source[pos - 1]))
			pos++;
		else
			break;
	}
	return pos;
}

/* Returns the end of a float literal at pos, or -1 when there is none. */
static int
match_float(const Scanner *s, int pos)
{
	int			end;
	int			exponent;

	if (pos > 0 && s->source[pos - 1] == '.')
		return -1;
	end = skip_digits(s, pos);
	if (end + 1 < s->length && s->source[end] == '.' &&
		isdigit((unsigned char) s->source[end + 1]))
	{
		end = skip_digits(s, end + 1);
		pos = -1;
	}
	exponent = end;
	if (exponent < s->length &&
		(s->source[exponent] == 'e' || s->source[exponent] == 'E'))
	{
		exponent++;
		if (exponent < s->length &&
			(s->source[exponent] == '+' || s->source[exponent] == '-'))
			exponent++;
		if (exponent < s->length && isdigit((unsigned char) s->source[exponent]))
			return skip_digits(s, exponent);
	}
	return pos == -1 ? end : -1;
}

/* Returns the end of an integer literal whose prefix names its base, or -1. */
static int
match_prefixed(const Scanner *s, int pos, const char *digits)
{
	int			end = pos + 2;

	for (;;)
	{
		int			p = end;

		if (p < s->length && s->source[p] == '_')
			p++;
		if (p >= s->length || strchr(digits, s->source[p]) == NULL ||
			s->source[p] == '\0')
			break;
		end = p + 1;
	}
	return end > pos + 2 ? end : -1;
}

/*
 * Returns the end of an integer literal and sets *base; a literal that begins
 * with 0 ends after its zeros.
 */
static int
match_integer(const Scanner *s, int pos, int *base)
{
	int			end = -1;

	*base = 10;
	if (s->source[pos] != '0')
		return skip_digits(s, pos);
	if (pos + 1 < s->length)
	{
		switch (s->source[pos + 1])
		{
			case 'x':
			case 'X':
				*base = 16;
				end = match_prefixed(s, pos, "0123456789abcdefABCDEF");
				break;
			case 'o':
			case 'O':
				*base = 8;
				end = match_prefixed(s, pos, "01234567");
				break;
			case 'b':
			case 'B':
				*base = 2;
				end = match_prefixed(s, pos, "01");
				break;
		}
	}
	if (end > 0)
		return end;
	*base = 10;
	end = pos + 1;
	while (end < s->length &&
		   (s->source[end] == '0' ||
			(s->source[end] == '_' && end + 1 < s->length &&
			 s->source[end + 1] == '0')))
		end++;
	return end;
}

/* Adds a number. */
static void
scan_number(Scanner *s)
{
	int			start = s->pos;
	int			end = match_float(s, start);
	Token	   *token;
	int			base;

	if (end > 0)
	{
		double		d;

		if (!number_parse_float(s->source + start, end - start, &d))
			jinja_syntax_error(start, "invalid number");
		token = add_token(s, TOK_FLOAT, start, end - start);
		token->value = value_float(d);
	}
	else
	{
		Value		v;

		end = match_integer(s, start, &base);
		if (!number_parse_int(s->source + start, end - start, base, &v))
			jinja_syntax_error(start, "invalid number");
		token = add_token(s, TOK_INTEGER, start, end - start);
		token->value = v;
	}
	s->pos = end;
}

/* Returns the value of hexadecimal digits of an escape in a string literal. */
static uint32
scan_hex(const Scanner *s, int pos, int end, int digits)
{
	uint32		c = 0;
	int			i;

	for (i = 0; i < digits; i++)
	{
		char		ch = pos + i < end ? s->source[pos + i] : '\0';

		if (!isxdigit((unsigned char) ch))
			jinja_syntax_error(pos, "truncated escape in string literal");
		c = c * 16 + (isdigit((unsigned char) ch) ? ch - '0' :
					  (ch | 0x20) - 'a' + 10);
	}
	return c;
}

/* Appends a character that a string literal names by number. */
static void
append_escape(StringInfo buf, int pos, uint32 c)
{
	if (c == 0)
		jinja_unsupported(pos, "JSON text in PostgreSQL cannot hold the character NUL.",
						  "NUL in string literal");
	if (c > 0x10FFFF)
		jinja_syntax_error(pos, "illegal Unicode character in string literal");
	if (c >= 0xD800 && c <= 0xDFFF)
		jinja_unsupported(pos, "Write the character itself or \\UXXXXXXXX.",
						  "lone surrogate in string literal");
	utext_append_char(buf, c);
}

/*
 * Appends the character of an escape; pos is after the backslash. Returns the
 * position after the escape.
 */
static int
scan_escape(const Scanner *s, StringInfo buf, int pos, int end)
{
	static const char letters[] = "\\'\"abfnrtv";
	static const char meanings[] = "\\'\"\a\b\f\n\r\t\v";
	char		c = s->source[pos];
	const char *found;

	if (c == '\n')
		return pos + 1;
	if (c != '\0' && (found = strchr(letters, c)) != NULL)
	{
		appendStringInfoChar(buf, meanings[found - letters]);
		return pos + 1;
	}
	if (c >= '0' && c <= '7')
	{
		uint32		octal = 0;
		int			i;

		for (i = 0; i < 3 && pos < end && s->source[pos] >= '0' &&
			 s->source[pos] <= '7'; i++, pos++)
			octal = octal * 8 + (s->source[pos] - '0');
		append_escape(buf, pos, octal);
		return pos;
	}
	if (c == 'x' || c == 'u' || c == 'U')
	{
		int			digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;

		append_escape(buf, pos, scan_hex(s, pos + 1, end, digits));
		return pos + 1 + digits;
	}
	if (c == 'N')
		jinja_unsupported(pos, "Write the character itself or \\uXXXX.",
						  "character names in string literals are not supported");
	appendStringInfoChar(buf, '\\');
	if ((unsigned char) c >= 0x80)
	{
		/*
		 * Python escapes the character first; the text of that escape remains
		 */
		int			used;
		uint32		ch = utext_decode(s->source + pos, end - pos, &used);

		appendStringInfo(buf, ch < 0x100 ? "x%02x" : ch < 0x10000 ? "u%04x" : "U%08x", ch);
		return pos + used;
	}
	appendStringInfoChar(buf, c);
	return pos + 1;
}

/* Adds a string literal. */
static void
scan_string(Scanner *s)
{
	int			start = s->pos;
	char		quote = s->source[start];
	int			end = start + 1;
	bool		escapes = false;
	Token	   *token;

	while (end < s->length && s->source[end] != quote)
	{
		bounds_work(2);
		if (s->source[end] == '\\')
		{
			escapes = true;
			end++;
		}
		end++;
	}
	if (end >= s->length)
		jinja_syntax_error(start, "unexpected char \"%c\": string literal is not closed", quote);
	token = add_token(s, TOK_STRING, start, end + 1 - start);
	if (!escapes)
		token->value = utext_make(s->source + start + 1, end - start - 1);
	else
	{
		StringInfoData buf;
		int			pos = start + 1;

		initStringInfo(&buf);
		bounds_work((int64) (end - pos) * 4);
		while (pos < end)
		{
			if (s->source[pos] == '\\')
				pos = scan_escape(s, &buf, pos + 1, end);
			else
				appendStringInfoChar(&buf, s->source[pos++]);
		}
		/* no token was added since, so that the pointer is still valid */
		token->value = utext_make(buf.data, buf.len);
	}
	s->pos = end + 1;
}

/* Counts brackets: end delimiters inside brackets do not end a tag. */
static void
balance(Scanner *s, char c)
{
	char		expected;

	switch (c)
	{
		case '(':
			appendStringInfoChar(&s->brackets, ')');
			break;
		case '[':
			appendStringInfoChar(&s->brackets, ']');
			break;
		case '{':
			appendStringInfoChar(&s->brackets, '}');
			break;
		case ')':
		case ']':
		case '}':
			if (s->brackets.len == 0)
				jinja_syntax_error(s->pos, "unexpected \"%c\"", c);
			expected = s->brackets.data[--s->brackets.len];
			if (expected != c)
				jinja_syntax_error(s->pos, "unexpected \"%c\", expected \"%c\"",
								   c, expected);
			break;
	}
}

/* Adds an operator. */
static void
scan_operator(Scanner *s)
{
	static const struct
	{
		const char *text;
		TokenType	type;
	}			operators[] = {
		{"//", TOK_FLOORDIV}, {"**", TOK_POW}, {"==", TOK_EQ}, {"!=", TOK_NE},
		{">=", TOK_GE}, {"<=", TOK_LE}, {"+", TOK_ADD}, {"-", TOK_SUB},
		{"/", TOK_DIV}, {"*", TOK_MUL}, {"%", TOK_MOD}, {"~", TOK_TILDE},
		{"[", TOK_LBRACKET}, {"]", TOK_RBRACKET}, {"(", TOK_LPAREN},
		{")", TOK_RPAREN}, {"{", TOK_LBRACE}, {"}", TOK_RBRACE}, {">", TOK_GT},
		{"<", TOK_LT}, {"=", TOK_ASSIGN}, {".", TOK_DOT}, {":", TOK_COLON},
		{"|", TOK_PIPE}, {",", TOK_COMMA}, {";", TOK_SEMICOLON}
	};
	int			used;
	int			i;

	for (i = 0; i < lengthof(operators); i++)
	{
		if (at(s, s->pos, operators[i].text))
		{
			int			length = strlen(operators[i].text);

			balance(s, operators[i].text[0]);
			add_token(s, operators[i].type, s->pos, length);
			s->pos += length;
			return;
		}
	}
	(void) utext_decode(s->source + s->pos, s->length - s->pos, &used);
	jinja_syntax_error(s->pos, "unexpected char \"%.*s\"",
					   used, s->source + s->pos);
}

/* Adds one token inside a tag or an expression. */
static void
scan_token(Scanner *s)
{
	char		c = s->source[s->pos];

	if (isdigit((unsigned char) c))
		scan_number(s);
	else if (isalpha((unsigned char) c) || c == '_' || (unsigned char) c >= 0x80)
	{
		int			used;
		uint32		ch = utext_decode(s->source + s->pos, s->length - s->pos, &used);

		if (ch < 0x80 ||
			unicode_is(ch, UC_ID_CONTINUE | UC_ALPHA | UC_NUMERIC | UC_DIGIT))
			scan_name(s);
		else
			scan_operator(s);
	}
	else if (c == '"' || c == '\'')
		scan_string(s);
	else
		scan_operator(s);
}

/*
 * Returns the position after the end delimiter at s->pos, or -1 when there is
 * none.
 */
static int
match_end(const Scanner *s, bool block)
{
	const char *end = block ? "%}" : "}}";
	char		stripping[4] = {'-', end[0], end[1], '\0'};

	if (at(s, s->pos, stripping))
		return skip_space(s, s->pos + 3);
	if (block && at(s, s->pos, "+%}"))
		return s->pos + 3;
	if (at(s, s->pos, end))
		return s->pos + 2;
	return -1;
}

/* Adds the tokens inside {{ }} or {% %}, and its end. */
static void
scan_tag(Scanner *s, bool block)
{
	resetStringInfo(&s->brackets);
	while (s->pos < s->length)
	{
		int			after = skip_space(s, s->pos);

		bounds_work(20);
		if (s->brackets.len == 0)
		{
			int			end = match_end(s, block);

			if (end >= 0)
			{
				add_token(s, block ? TOK_BLOCK_END : TOK_VARIABLE_END, s->pos, 2);
				s->pos = end;
				return;
			}
		}
		if (after > s->pos)
			s->pos = after;
		else
			scan_token(s);
	}
}

/*
 * Returns the position of the next tag at or after pos, or the end of the
 * source.
 */
static int
find_tag(const Scanner *s, int pos)
{
	while (pos < s->length)
	{
		const char *brace = memchr(s->source + pos, '{', s->length - pos);

		if (brace == NULL)
			return s->length;
		pos = brace - s->source;
		if (pos + 1 < s->length && strchr("{%#", s->source[pos + 1]) != NULL &&
			s->source[pos + 1] != '\0')
			return pos;
		pos++;
	}
	return s->length;
}

/* Adds one stretch of text and the tag that ends it. */
static void
scan_root(Scanner *s)
{
	int			tag = find_tag(s, s->pos);
	bool		strip = tag + 2 < s->length && s->source[tag + 2] == '-';
	bool		block;
	int			raw;

	add_data(s, s->pos, tag, strip);
	s->pos = tag;
	if (tag >= s->length)
		return;
	if (s->source[tag + 1] == '#')
	{
		scan_comment(s);
		return;
	}
	block = s->source[tag + 1] == '%';
	if (block && (raw = match_raw_tag(s, tag, "raw")) >= 0)
	{
		scan_raw(s, raw);
		return;
	}
	add_token(s, block ? TOK_BLOCK_BEGIN : TOK_VARIABLE_BEGIN, tag, 2);
	s->pos = tag + 2;
	if (s->pos < s->length &&
		(s->source[s->pos] == '-' || s->source[s->pos] == '+'))
		s->pos++;
	scan_tag(s, block);
}

/*
 * Fills the list with the tokens of a whole template, or of one expression
 * without delimiters. Raises for text that is no token.
 */
void
jinja_scan(const char *source, int length, bool expression, TokenList *tokens)
{
	Scanner		s = {source, length, 0, tokens};

	initStringInfo(&s.brackets);
	while (s.pos < length)
	{
		bounds_work(20);
		if (expression)
		{
			int			after = skip_space(&s, s.pos);

			if (after > s.pos)
				s.pos = after;
			else
				scan_token(&s);
		}
		else
			scan_root(&s);
	}
	add_token(&s, TOK_EOF, length, 0);
}
