/*
 * common/json_build.h
 *		Small conveniences over PostgreSQL's Jsonb that several rooms need.
 *
 * A "JSON value" is a JsonbValue that is a scalar or jbvBinary; none of these
 * functions takes or returns in-memory trees.
 */
#ifndef NOETL_COMMON_JSON_BUILD_H
#define NOETL_COMMON_JSON_BUILD_H

#include "utils/jsonb.h"

/* Wraps a datum's contents as a value: jbvBinary, or the scalar it holds. */
extern void json_from_jsonb(const Jsonb *jsonb, JsonbValue *value);
extern Jsonb *json_to_jsonb(const JsonbValue *value);

extern void json_null(JsonbValue *value);
extern void json_bool(JsonbValue *value, bool boolean);
extern void json_int(JsonbValue *value, int64 number);
extern void json_float(JsonbValue *value, double number);
/* Does not copy: "string" must outlive the value. */
extern void json_string(JsonbValue *value, const char *string);

extern bool json_is_object(const JsonbValue *value);
extern bool json_is_array(const JsonbValue *value);

/* Member of an object; false when there is none or it is no object. */
extern bool json_get(const JsonbValue *object, const char *key, JsonbValue *member);
extern bool json_get_n(const JsonbValue *object, const char *key, int length,
					   JsonbValue *member);

/* A string member as text, or NULL. */
extern char *json_get_text(const JsonbValue *object, const char *key);
/* An integer member (number or numeric text); false when there is none. */
extern bool json_get_int(const JsonbValue *object, const char *key, int64 *number);

/* The number a value holds, or that its text spells. */
extern bool json_number(const JsonbValue *value, double *number);

/* Builds an object member by member. */
typedef struct JsonBuilder
{
	JsonbParseState *state;
} JsonBuilder;

extern void json_begin_object(JsonBuilder *builder);
extern void json_begin_array(JsonBuilder *builder);
extern void json_add(JsonBuilder *builder, const char *key, const JsonbValue *value);
extern void json_add_n(JsonBuilder *builder, const char *key, int length,
					   const JsonbValue *value);
extern void json_add_text(JsonBuilder *builder, const char *key, const char *text);
extern void json_add_int(JsonBuilder *builder, const char *key, int64 number);
extern void json_add_bool(JsonBuilder *builder, const char *key, bool boolean);
extern void json_push(JsonBuilder *builder, const JsonbValue *element);
extern void json_end_object(JsonBuilder *builder, JsonbValue *value);
extern void json_end_array(JsonBuilder *builder, JsonbValue *value);

/* Returns the object {key: text}. */
extern Jsonb *json_text_object(const char *key, const char *text);

/* Every member of "object" into the builder's open object. */
extern void json_add_members(JsonBuilder *builder, const JsonbValue *object);

/*
 * Lays one object over another.  Shallow: its members win.  Deep: maps are
 * merged recursively, lists whose elements are maps with a "name" by name,
 * anything else is replaced.
 */
extern void json_merge(const JsonbValue *below, const JsonbValue *above,
					   bool deep, JsonbValue *result);

#endif							/* NOETL_COMMON_JSON_BUILD_H */
