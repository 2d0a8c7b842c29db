/*
 * text.h
 *		The only ways by which a value gets into a page or a URL.  Growing text is libpq's
 *		PQExpBuffer.
 */
#ifndef CONSOLE_TEXT_H
#define CONSOLE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* libpq's header takes this from PostgreSQL's c.h, which would replace snprintf(), too */
#ifndef pg_attribute_printf
#define pg_attribute_printf(f, a) __attribute__((format(printf, f, a)))
#endif
#include <pqexpbuffer.h>

extern void *xcalloc(size_t count, size_t size);
extern void *xrealloc(void *p, size_t size);
extern char *xstrdup(const char *s);

/*
 * Appends HTML.  The format is the program's own and is copied as it is, except for
 *	%s	a value: escaped for text and for quoted attributes; NULL is empty
 *	%u	a value as a part of a URL
 *	%d	an int
 *	%r	HTML that the program or noetl.explain() has made
 *	%%	a percent sign
 */
extern void html(PQExpBuffer out, const char *format, ...);
extern void html_text(PQExpBuffer out, const char *s, size_t len);
extern void json_quote(PQExpBuffer out, const char *s);
extern bool utf8_valid(const char *s);
extern void url_decode(char *s);
extern bool parse_id(const char *s, char id[24]);

#endif							/* CONSOLE_TEXT_H */
