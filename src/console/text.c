/*
 * text.c
 *		The only ways by which a value gets into a page or a URL.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Ends the program, which cannot answer anybody without memory. */
static void
out_of_memory(void)
{
	fputs("noetl-console: out of memory\n", stderr);
	exit(1);
}

/* Allocates memory of zeros; ends the program when there is none. */
void *
xcalloc(size_t count, size_t size)
{
	void	   *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

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
	char	   *copy;

	if (s == NULL)
		return NULL;
	copy = xcalloc(1, strlen(s) + 1);
	memcpy(copy, s, strlen(s));
	return copy;
}

/* Returns what stands for a character in HTML, NULL: itself. */
static const char *
html_entity(unsigned char c)
{
	switch (c)
	{
		case '<':
			return "&lt;";
		case '>':
			return "&gt;";
		case '&':
			return "&amp;";
		case '"':
			return "&quot;";
		case '\'':
			return "&#39;";
		case '\n':
		case '\t':
		case '\r':
			return NULL;
		default:
			/* control characters have no place in a document */
			return c < ' ' || c == 0x7f ? "\xef\xbf\xbd" : NULL;
	}
}

/* Appends a value, escaped for the text of an element and for quoted attributes. */
void
html_text(PQExpBuffer out, const char *s, size_t len)
{
	size_t		done = 0;

	for (size_t i = 0; i < len; i++)
	{
		const char *entity = html_entity((unsigned char) s[i]);

		if (entity == NULL)
			continue;
		appendBinaryPQExpBuffer(out, s + done, i - done);
		appendPQExpBufferStr(out, entity);
		done = i + 1;
	}
	appendBinaryPQExpBuffer(out, s + done, len - done);
}

/* Appends a value as a part of a URL. */
static void
url_text(PQExpBuffer out, const char *s)
{
	char		escape[8];

	for (; *s; s++)
		if (isalnum((unsigned char) *s) || strchr("-_.~", *s) != NULL)
			appendBinaryPQExpBuffer(out, s, 1);
		else
		{
			snprintf(escape, sizeof(escape), "%%%02X", (unsigned char) *s);
			appendPQExpBufferStr(out, escape);
		}
}

/* Appends HTML from a format (text.h). */
void
html(PQExpBuffer out, const char *format, ...)
{
	va_list		args;
	const char *value;
	char		number[16];

	va_start(args, format);
	for (const char *p = format; *p;)
	{
		size_t		plain = strcspn(p, "%");

		appendBinaryPQExpBuffer(out, p, plain);
		p += plain;
		if (*p == '\0')
			break;
		switch (p[1])
		{
			case 's':
				value = va_arg(args, const char *);
				if (value)
					html_text(out, value, strlen(value));
				break;
			case 'u':
				value = va_arg(args, const char *);
				url_text(out, value ? value : "");
				break;
			case 'd':
				snprintf(number, sizeof(number), "%d", va_arg(args, int));
				appendPQExpBufferStr(out, number);
				break;
			case 'r':
				value = va_arg(args, const char *);
				appendPQExpBufferStr(out, value ? value : "");
				break;
			case '%':
				appendPQExpBufferChar(out, '%');
				break;
			default:
				fprintf(stderr, "noetl-console: bad format: %s\n", format);
				abort();
		}
		p += 2;
	}
	va_end(args);
}

/* Appends a text as a JSON string. */
void
json_quote(PQExpBuffer out, const char *s)
{
	char		escape[8];

	appendPQExpBufferChar(out, '"');
	for (; *s; s++)
		if (*s == '"' || *s == '\\' || (unsigned char) *s < ' ')
		{
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char) *s);
			appendPQExpBufferStr(out, escape);
		}
		else
			appendBinaryPQExpBuffer(out, s, 1);
	appendPQExpBufferChar(out, '"');
}

/* Returns whether a text is UTF-8 as PostgreSQL accepts it. */
bool
utf8_valid(const char *s)
{
	const unsigned char *p = (const unsigned char *) s;

	while (*p)
	{
		int			more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 :
			(*p & 0xf0) == 0xe0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : -1;

		if (more < 0)
			return false;
		if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
			(*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
			return false;
		for (p++; more > 0; more--, p++)
			if ((*p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* Decodes a part of a form or of a query string in place. */
void
url_decode(char *s)
{
	char	   *to = s;

	for (; *s; s++)
		if (*s == '+')
			*to++ = ' ';
		else if (*s == '%' && isxdigit((unsigned char) s[1]) && isxdigit((unsigned char) s[2]))
		{
			char		digits[3] = {s[1], s[2], '\0'};
			char		c = (char) strtol(digits, NULL, 16);

			/* a NUL would end the value before its end */
			*to++ = c ? c : ' ';
			s += 2;
		}
		else
			*to++ = *s;
	*to = '\0';
}

/* Copies an id; returns false, and leaves the id as it is, when the text is none. */
bool
parse_id(const char *s, char id[24])
{
	size_t		len = s ? strspn(s, "0123456789") : 0;

	if (len == 0 || len > 19 || s[len] != '\0' ||
		(len == 19 && strcmp(s, "9223372036854775807") > 0))
		return false;
	memcpy(id, s, len + 1);
	return true;
}
