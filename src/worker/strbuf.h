/*
 * strbuf.h
 *		Growing text and the writing of JSON.
 */
#ifndef STRBUF_H
#define STRBUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct StringBuf
{
	char	   *data;			/* NUL-terminated once anything was added */
	size_t		len;
	size_t		size;
} StringBuf;

extern void *xmalloc(size_t size);
extern void *xcalloc(size_t count, size_t size);
extern void *xrealloc(void *p, size_t size);
extern char *xstrdup(const char *s);

extern void sb_reserve(StringBuf *sb, size_t more);
extern void sb_add(StringBuf *sb, const void *data, size_t len);
extern void sb_str(StringBuf *sb, const char *s);
extern void sb_printf(StringBuf *sb, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void sb_reset(StringBuf *sb);
extern void sb_free(StringBuf *sb);

extern bool utf8_is_text(const char *s, size_t len);
extern void json_string(StringBuf *sb, const char *s, size_t len);
extern void json_member(StringBuf *sb, const char *key, const char *text);

#endif							/* STRBUF_H */
