/*
 * common/json_build.h
 *		Functions over PostgreSQL's Jsonb that several rooms need.
 *
 * A "JSON value" is a JsonbValue that is a scalar or jbvBinary; none of these
 * functions takes or returns a tree under construction.
 */
#ifndef NOETL_COMMON_JSON_BUILD_H
#define NOETL_COMMON_JSON_BUILD_H

#include "utils/jsonb.h"

/*
 * Sets *value to a datum's contents: jbvBinary, or the scalar that the datum
 * holds.
 */
extern void json_from_jsonb(const Jsonb *jsonb, JsonbValue *value);
extern Jsonb *json_to_jsonb(const JsonbValue *value);

/* Reads JSON text; false when the text is no JSON. */
extern bool json_from_text(const char *s, int length, JsonbValue *value);

/* Copies a value with everything in it into CurrentMemoryContext. */
extern void json_copy(const JsonbValue *from, JsonbValue *to);

/* Returns the numeric that a decimal text spells. */
extern Numeric json_numeric(const char *text);

extern void json_null(JsonbValue *value);
extern void json_bool(JsonbValue *value, bool boolean);
extern void json_int(JsonbValue *value, int64 number);
extern void json_float(JsonbValue *value, double number);
/* Does not copy: "string" must outlive the value. */
extern void json_string(JsonbValue *value, const char *string);

/* An identifier, as text. */
extern void json_id(JsonbValue *value, int64 id);

extern bool json_is_object(const JsonbValue *value);
extern bool json_is_array(const JsonbValue *value);

/* Returns how many bytes a container takes. */
extern int	json_container_size(const JsonbContainer *container);

/*
 * Sets *member to a member of an object; false when there is none or the value
 * is no object.
 */
extern bool json_get(const JsonbValue *object, const char *key, JsonbValue *member);
extern bool json_get_n(const JsonbValue *object, const char *key, int length,
					   JsonbValue *member);

/*
 * Walks over a container: json_walk begins, json_next_member goes over an
 * object, json_next_element over an array.  The keys and values point into it.
 */
extern JsonbIterator *json_walk(const JsonbValue *container);
extern bool json_next_member(JsonbIterator **it, JsonbValue *key, JsonbValue *value);
extern bool json_next_element(JsonbIterator **it, JsonbValue *element);

/* Returns the text of a member that is a string, or NULL. */
extern char *json_get_text(const JsonbValue *object, const char *key);
/*
 * Sets *number to a member that is an integer or text of one; false when there
 * is none.
 */
extern bool json_get_int(const JsonbValue *object, const char *key, int64 *number);

/*
 * Sets *number to the number that a value is or that its text spells; false
 * when it is none.
 */
extern bool json_number(const JsonbValue *value, double *number);

/* A member of an object, or (key NULL) an element of an array, that is being built. */
typedef struct JsonMember
{
	const char *key;			/* not NUL-terminated */
	int			length;
	int			order;
	JsonbValue	value;
} JsonMember;

/*
 * Builds an object or an array, member by member (common/json_builder.c).  Keys and values
 * are not copied: they must live until the end.
 */
typedef struct JsonBuilder
{
	bool		object;
	bool		sorted;			/* the keys are, so far */
	int			count;
	int			room;
	JsonMember *members;
} JsonBuilder;

extern void json_begin_object(JsonBuilder *builder);
extern void json_begin_array(JsonBuilder *builder);
extern void json_add(JsonBuilder *builder, const char *key, const JsonbValue *value);
extern void json_add_n(JsonBuilder *builder, const char *key, int length,
					   const JsonbValue *value);
extern void json_add_text(JsonBuilder *builder, const char *key, const char *text);
extern void json_add_int(JsonBuilder *builder, const char *key, int64 number);
/* Adds an identifier, as text. */
extern void json_add_id(JsonBuilder *builder, const char *key, int64 id);
extern void json_add_bool(JsonBuilder *builder, const char *key, bool boolean);
extern void json_push(JsonBuilder *builder, const JsonbValue *element);
/* Closes the object; of members with the same key the last one stays. */
extern void json_end_object(JsonBuilder *builder, JsonbValue *value);
extern void json_end_array(JsonBuilder *builder, JsonbValue *value);

/* Returns the object {key: text}. */
extern Jsonb *json_text_object(const char *key, const char *text);

/* Adds every member of "object" to the open object. */
extern void json_add_members(JsonBuilder *builder, const JsonbValue *object);

/*
 * Lays one object over another. Shallow: the members of "above" replace those
 * of "below". Deep: maps are merged recursively, lists whose elements are maps
 * with a "name" are merged by name, any other value is replaced.
 */
extern void json_merge(const JsonbValue *below, const JsonbValue *above,
					   bool deep, JsonbValue *result);

#endif							/* NOETL_COMMON_JSON_BUILD_H */
