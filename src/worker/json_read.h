/*
 * json_read.h
 *		Reading JSON that the server has not parsed: credentials, lines of tools.
 */
#ifndef JSON_READ_H
#define JSON_READ_H

#include "strbuf.h"

/* A part of a JSON text */
typedef struct JsonPart
{
	const char *text;			/* NULL: there is none */
	size_t		len;
} JsonPart;

extern const char *json_skip_space(const char *p);
extern const char *json_read_string(const char *p, StringBuf *text);
extern void json_unescape(StringBuf *sb, const char *json);
extern const char *json_skip_value(const char *p);
extern const char *json_end_of_value(const char *p);
extern const char *json_find_member(const char *object, const char *key, JsonPart *value);
extern bool json_is_object(const char *text);
extern bool json_part_is_string(JsonPart part);
extern char *json_part_text(JsonPart part);

#endif							/* JSON_READ_H */
