/*
 * json_read.c
 *		Reading JSON: credentials, which the server must not see, the lines that tools
 *		write, actions of tasks.
 *
 * Each function takes a NUL-terminated text and returns the place behind what it has
 * read, NULL when that is not JSON.  Nothing here changes the text.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"

#define MAX_DEPTH 500			/* of containers inside each other */

/* Skips what JSON allows between its tokens. */
const char *
json_skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* Appends a code point as UTF-8. */
static void
add_code_point(StringBuf *sb, unsigned long c)
{
	unsigned char bytes[4];
	size_t		len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = len; i-- > 1; c >>= 6)
		bytes[i] = (unsigned char) (0x80 | (c & 0x3F));
	bytes[0] = (unsigned char) (len == 1 ? c : c | (0xF00 >> len & 0xFF));
	sb_add(sb, bytes, len);
}

/* Reads the four digits of a \u escape; returns -1 for other text. */
static long
read_hex4(const char *p)
{
	char		digits[5] = {0};

	for (int i = 0; i < 4; i++)
	{
		if (!isxdigit((unsigned char) p[i]))
			return -1;
		digits[i] = p[i];
	}
	return strtol(digits, NULL, 16);
}

/* Reads a \u escape or a pair of them; returns NULL for other text. */
static const char *
read_unicode(const char *p, StringBuf *text)
{
	long		c = read_hex4(p);
	long		low;

	if (c <= 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return NULL;
	p += 4;
	if (c >= 0xD800 && c <= 0xDBFF)
	{
		low = p[0] == '\\' && p[1] == 'u' ? read_hex4(p + 2) : -1;
		if (low < 0xDC00 || low > 0xDFFF)
			return NULL;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
		p += 6;
	}
	add_code_point(text, (unsigned long) c);
	return p;
}

/* Reads a string without the character NUL and appends what it says. */
const char *
json_read_string(const char *p, StringBuf *text)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";

	sb_str(text, "");
	if (*p++ != '"')
		return NULL;
	while (p != NULL && *p != '"')
	{
		const char *found;

		if ((unsigned char) *p < ' ')
			return NULL;
		if (*p != '\\')
			sb_add(text, p++, 1);
		else if (p[1] == 'u')
			p = read_unicode(p + 2, text);
		else if (p[1] != '\0' && (found = strchr(escapes, p[1])) != NULL)
		{
			sb_add(text, &values[found - escapes], 1);
			p += 2;
		}
		else
			return NULL;
	}
	return p != NULL ? p + 1 : NULL;
}

/*
 * Appends JSON with the characters themselves in place of their escapes, where JSON
 * allows that: \/ and most of \u.  A text that is not JSON stays harmless, too.
 */
void
json_unescape(StringBuf *sb, const char *json)
{
	for (const char *p = strchr(json, '\\'); p != NULL; p = strchr(json, '\\'))
	{
		StringBuf	text = {0};
		const char *end = p[1] == 'u' ? read_unicode(p + 2, &text) : NULL;

		sb_add(sb, json, (size_t) (p - json));
		if (end != NULL && (unsigned char) text.data[0] >= ' ' &&
			strchr("\"\\", text.data[0]) == NULL)
			sb_str(sb, text.data);
		else if (p[1] == '/')
			sb_str(sb, "/");
		else
		{
			sb_add(sb, p, p[1] != '\0' ? 2 : 1);
			end = NULL;
		}
		json = end != NULL ? end : p + (p[1] != '\0' ? 2 : 1);
		sb_free(&text);
	}
	sb_str(sb, json);
}

/* Skips a string; the server reads more closely which characters its escapes mean. */
static const char *
skip_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++)
	{
		if ((unsigned char) *p < ' ')
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL || (*p == 'u' && read_hex4(p + 1) < 0))
			return NULL;
	}
	return p + 1;
}

/* Skips digits, of which there is at least one. */
static const char *
skip_digits(const char *p)
{
	size_t		len = p != NULL ? strspn(p, "0123456789") : 0;

	return len > 0 ? p + len : NULL;
}

/* Skips a number. */
static const char *
skip_number(const char *p)
{
	p += *p == '-';
	p = *p == '0' ? p + 1 : skip_digits(p);
	if (p != NULL && *p == '.')
		p = skip_digits(p + 1);
	if (p != NULL && (*p == 'e' || *p == 'E'))
	{
		p++;
		p = skip_digits(p + (*p == '-' || *p == '+'));
	}
	return p;
}

/* Skips true, false, null or a number. */
static const char *
skip_word(const char *p)
{
	static const char *const words[] = {"true", "false", "null"};

	for (int i = 0; i < 3; i++)
	{
		if (strncmp(p, words[i], strlen(words[i])) == 0)
			return p + strlen(words[i]);
	}
	return skip_number(p);
}

static const char *skip_value(const char *p, int depth);

/* Skips what is inside an object or a list, and its end. */
static const char *
skip_container(const char *p, int depth)
{
	bool		is_object = *p == '{';
	char		end = is_object ? '}' : ']';

	p = json_skip_space(p + 1);
	if (*p == end)
		return p + 1;
	for (;;)
	{
		if (is_object)
		{
			p = skip_string(p);
			p = p != NULL ? json_skip_space(p) : NULL;
			p = p != NULL && *p == ':' ? json_skip_space(p + 1) : NULL;
		}
		p = p != NULL ? skip_value(p, depth) : NULL;
		p = p != NULL ? json_skip_space(p) : NULL;
		if (p == NULL || (*p != ',' && *p != end))
			return NULL;
		if (*p == end)
			return p + 1;
		p = json_skip_space(p + 1);
	}
}

/* Skips a value at a depth of containers. */
static const char *
skip_value(const char *p, int depth)
{
	if (*p == '"')
		return skip_string(p);
	if (*p != '{' && *p != '[')
		return skip_word(p);
	return depth < MAX_DEPTH ? skip_container(p, depth + 1) : NULL;
}

/* Skips a value. */
const char *
json_skip_value(const char *p)
{
	return skip_value(p, 0);
}

/*
 * Returns the end of a value of a text that is known to be JSON, however deep the value
 * is.
 */
const char *
json_end_of_value(const char *p)
{
	int			open = 0;

	if (*p != '"' && *p != '{' && *p != '[')
		return p + strcspn(p, ",]} \t\r\n");
	for (; *p != '\0'; p++)
	{
		if (*p == '"')
		{
			/* brackets inside a string are none */
			for (p++; *p != '"' && *p != '\0'; p++)
				p += *p == '\\' && p[1] != '\0';
		}
		open += *p == '{' || *p == '[';
		open -= *p == '}' || *p == ']';
		if (open == 0)
			return *p != '\0' ? p + 1 : p;
	}
	return p;
}

/* Tells whether a text is an object and nothing else. */
bool
json_is_object(const char *text)
{
	const char *p = json_skip_space(text);

	p = *p == '{' ? json_skip_value(p) : NULL;
	return p != NULL && *json_skip_space(p) == '\0';
}

/*
 * Finds the value of a key in an object that is known to be JSON, of any depth; the last
 * one of several wins.  Returns its beginning, NULL when there is none.
 */
const char *
json_find_member(const char *object, const char *key, JsonPart *value)
{
	StringBuf	name = {0};
	const char *p = json_skip_space(json_skip_space(object) + 1);

	*value = (JsonPart) {NULL, 0};
	while (*p == '"')
	{
		const char *end = skip_string(p);
		const char *from;
		bool		found;

		sb_reset(&name);
		found = json_read_string(p, &name) != NULL && strcmp(name.data, key) == 0;
		from = json_skip_space(json_skip_space(end) + 1);
		end = json_end_of_value(from);
		if (found)
			*value = (JsonPart) {from, (size_t) (end - from)};
		p = json_skip_space(end);
		p = *p == ',' ? json_skip_space(p + 1) : p;
	}
	sb_free(&name);
	return value->text;
}

/* Tells whether a part is a string. */
bool
json_part_is_string(JsonPart part)
{
	return part.text != NULL && part.text[0] == '"';
}

/* Returns what a string says, of another value its JSON text; to be freed. */
char *
json_part_text(JsonPart part)
{
	StringBuf	text = {0};

	if (!json_part_is_string(part) || json_read_string(part.text, &text) == NULL)
	{
		sb_reset(&text);
		sb_add(&text, part.text, part.len);
	}
	return text.data;
}
