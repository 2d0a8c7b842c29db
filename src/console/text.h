/*
 * text.h
 *		Growing text, and the only ways by which a value gets into a page or a URL.
 */
#ifndef CONSOLE_TEXT_H
#define CONSOLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Text
{
	char	   *data;			/* NUL-terminated once anything was added */
	size_t		len;
	size_t		size;
} Text;

extern void *xcalloc(size_t count, size_t size);
extern void *xrealloc(void *p, size_t size);
extern char *xstrdup(const char *s);

extern void text_add(Text *text, const void *data, size_t len);
extern void text_str(Text *text, const char *s);
extern void text_free(Text *text);

/*
 * Appends HTML.  The format is the program's own and is copied as it is, except for
 *	%s	a value: escaped for text and for quoted attributes; NULL is empty
 *	%u	a value as a part of a URL
 *	%d	an int
 *	%r	HTML that the program or noetl.explain() has made
 *	%%	a percent sign
 */
extern void html(Text *out, const char *format,...);
extern void html_text(Text *out, const char *s, size_t len);
extern void json_quote(Text *out, const char *s);
extern bool utf8_valid(const char *s);
extern void url_decode(char *s);
extern bool parse_id(const char *s, char id[24]);

#endif							/* CONSOLE_TEXT_H */
