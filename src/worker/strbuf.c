/*
 * strbuf.c
 *		Growing text and the writing of JSON.
 *
 * Results are JSON text that the server parses into jsonb.  jsonb refuses
 * invalid UTF-8 and \u0000, but what a program prints may hold both, so the
 * writer replaces them with U+FFFD instead of losing the whole result.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

/* Ends the program, which cannot report a failure without memory. */
static void
out_of_memory(void)
{
	fputs("noetl-worker: out of memory\n", stderr);
	exit(1);
}

/* Allocates memory; ends the program when there is none. */
void *
xmalloc(size_t size)
{
	void	   *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

/* Allocates memory of zeros; ends the program when there is none. */
void *
xcalloc(size_t count, size_t size)
{
	void	   *p = calloc(count > 0 ? count : 1, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

/* Resizes memory; ends the program when there is none. */
void *
xrealloc(void *p, size_t size)
{
	p = realloc(p, size > 0 ? size : 1);
	if (p == NULL)
		out_of_memory();
	return p;
}

/* Returns a copy of a text, NULL for NULL. */
char *
xstrdup(const char *s)
{
	size_t		size;

	if (s == NULL)
		return NULL;
	size = strlen(s) + 1;
	return memcpy(xmalloc(size), s, size);
}

/* Makes room for more bytes; doubles the buffer, so that appending costs linear time. */
void
sb_reserve(StringBuf *sb, size_t more)
{
	size_t		size = sb->size > 0 ? sb->size : 256;

	if (more >= (size_t) -1 / 2 - sb->len)
		out_of_memory();
	while (size - sb->len <= more)
		size *= 2;
	if (size != sb->size)
	{
		sb->data = xrealloc(sb->data, size);
		sb->size = size;
	}
}

/* Appends bytes; the text stays terminated. */
void
sb_add(StringBuf *sb, const void *data, size_t len)
{
	sb_reserve(sb, len);
	if (len > 0)
		memcpy(sb->data + sb->len, data, len);
	sb->len += len;
	sb->data[sb->len] = '\0';
}

/* Appends a C string. */
void
sb_str(StringBuf *sb, const char *s)
{
	sb_add(sb, s, strlen(s));
}

/* Appends formatted text of any length. */
void
sb_printf(StringBuf *sb, const char *fmt,...)
{
	va_list		args;
	int			needed;

	va_start(args, fmt);
	needed = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (needed < 0)
		return;
	sb_reserve(sb, (size_t) needed);
	va_start(args, fmt);
	vsnprintf(sb->data + sb->len, (size_t) needed + 1, fmt, args);
	va_end(args);
	sb->len += (size_t) needed;
}

/* Empties the buffer but keeps its memory for the next task. */
void
sb_reset(StringBuf *sb)
{
	sb->len = 0;
	if (sb->data != NULL)
		sb->data[0] = '\0';
}

/* Frees the memory of a buffer, which can be used again. */
void
sb_free(StringBuf *sb)
{
	free(sb->data);
	memset(sb, 0, sizeof(*sb));
}

/*
 * Tells how many bytes the UTF-8 sequence at s has, 0 when it is invalid
 * (overlong forms, surrogates and cut sequences included).
 */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	static const unsigned char second_low[5] = {0x80, 0xA0, 0x80, 0x90, 0x80};
	static const unsigned char second_high[5] = {0xBF, 0xBF, 0x9F, 0xBF, 0x8F};
	size_t		len;
	int			range = 0;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xC2 && s[0] <= 0xDF)
		len = 2;
	else if (s[0] >= 0xE0 && s[0] <= 0xEF)
		len = 3;
	else if (s[0] >= 0xF0 && s[0] <= 0xF4)
		len = 4;
	else
		return 0;
	if (left < len)
		return 0;
	if (s[0] == 0xE0)
		range = 1;
	else if (s[0] == 0xED)
		range = 2;
	else if (s[0] == 0xF0)
		range = 3;
	else if (s[0] == 0xF4)
		range = 4;
	if (s[1] < second_low[range] || s[1] > second_high[range])
		return 0;
	for (size_t i = 2; i < len; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	}
	return len;
}

/* Tells whether bytes are text that the database can store: UTF-8 without NUL. */
bool
utf8_is_text(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *) s;
	size_t		n;

	for (size_t i = 0; i < len; i += n)
	{
		n = utf8_length(p + i, len - i);
		if (n == 0 || p[i] == '\0')
			return false;
	}
	return true;
}

/* Writes the escape of a byte that JSON does not allow in a string. */
static void
json_escape(StringBuf *sb, unsigned char c)
{
	switch (c)
	{
		case '"':
			sb_str(sb, "\\\"");
			break;
		case '\\':
			sb_str(sb, "\\\\");
			break;
		case '\n':
			sb_str(sb, "\\n");
			break;
		case '\r':
			sb_str(sb, "\\r");
			break;
		case '\t':
			sb_str(sb, "\\t");
			break;
		case '\0':
			sb_str(sb, "\\ufffd");
			break;
		default:
			sb_printf(sb, "\\u%04x", c);
			break;
	}
}

/* Writes bytes as a JSON string that jsonb accepts; invalid ones become U+FFFD. */
void
json_string(StringBuf *sb, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *) s;
	size_t		done = 0;		/* already written */
	size_t		i = 0;

	sb_reserve(sb, len + 2);
	sb_add(sb, "\"", 1);
	while (i < len)
	{
		size_t		n = utf8_length(p + i, len - i);

		if (n > 1 || (n == 1 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\'))
		{
			i += n;
			continue;
		}
		sb_add(sb, s + done, i - done);
		if (n == 0)
			sb_str(sb, "\\ufffd");
		else
			json_escape(sb, p[i]);
		done = ++i;
	}
	sb_add(sb, s + done, len - done);
	sb_add(sb, "\"", 1);
}

/*
 * Appends a member "key": "text" to a JSON object that is still open, with a comma
 * unless it is the first.  An absent text adds nothing.
 */
void
json_member(StringBuf *sb, const char *key, const char *text)
{
	if (text == NULL)
		return;
	if (sb->len > 0 && sb->data[sb->len - 1] != '{')
		sb_add(sb, ",", 1);
	json_string(sb, key, strlen(key));
	sb_add(sb, ":", 1);
	json_string(sb, text, strlen(text));
}
