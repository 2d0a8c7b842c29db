/*
 * common/json_build.c
 *		Small conveniences over PostgreSQL's Jsonb that several rooms need.
 */
#include "common/common.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "common/json_build.h"

/* Datums hold scalars as one-element arrays; hide that from everybody. */
void
json_from_jsonb(const Jsonb *jsonb, JsonbValue *value)
{
	Jsonb	   *mutable = unconstify(Jsonb *, jsonb);

	if (!JB_ROOT_IS_SCALAR(mutable) ||
		!JsonbExtractScalar(&mutable->root, value))
	{
		value->type = jbvBinary;
		value->val.binary.data = &mutable->root;
		value->val.binary.len = VARSIZE(mutable) - VARHDRSZ;
	}
}

/* The datum of a value; JsonbValueToJsonb wants a non-const argument. */
Jsonb *
json_to_jsonb(const JsonbValue *value)
{
	JsonbValue	copy = *value;

	return JsonbValueToJsonb(&copy);
}

/* The JSON null. */
void
json_null(JsonbValue *value)
{
	value->type = jbvNull;
}

/* A JSON boolean. */
void
json_bool(JsonbValue *value, bool boolean)
{
	value->type = jbvBool;
	value->val.boolean = boolean;
}

/* A JSON number from an integer. */
void
json_int(JsonbValue *value, int64 number)
{
	value->type = jbvNumeric;
	value->val.numeric = int64_to_numeric(number);
}

/* A JSON number from a finite double, by its shortest decimal form. */
void
json_float(JsonbValue *value, double number)
{
	char		text[32];

	snprintf(text, sizeof(text), "%.15g", number);
	value->type = jbvNumeric;
	value->val.numeric =
		DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											ObjectIdGetDatum(InvalidOid),
											Int32GetDatum(-1)));
}

/* A JSON string; an absent C string is null. */
void
json_string(JsonbValue *value, const char *string)
{
	if (string == NULL)
	{
		json_null(value);
		return;
	}
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = strlen(string);
}

/* Is it a map? */
bool
json_is_object(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data);
}

/* Is it a list?  (A scalar in disguise is not.) */
bool
json_is_array(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data) &&
		!JsonContainerIsScalar(value->val.binary.data);
}

/* Member lookup by binary search, nothing is copied. */
bool
json_get_n(const JsonbValue *object, const char *key, int length,
		   JsonbValue *member)
{
	if (!json_is_object(object))
		return false;
	return getKeyJsonValueFromContainer(object->val.binary.data, key, length,
										member) != NULL;
}

/* json_get_n for the usual NUL-terminated key. */
bool
json_get(const JsonbValue *object, const char *key, JsonbValue *member)
{
	return json_get_n(object, key, strlen(key), member);
}

/* What clients give as text: strings only, numbers are not spelled out. */
char *
json_get_text(const JsonbValue *object, const char *key)
{
	JsonbValue	member;

	if (!json_get(object, key, &member) || member.type != jbvString)
		return NULL;
	return pnstrdup(member.val.string.val, member.val.string.len);
}

/* Reads a number out of a value, lenient towards numbers sent as text. */
bool
json_number(const JsonbValue *value, double *number)
{
	if (value->type == jbvNumeric)
	{
		*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													 NumericGetDatum(value->val.numeric)));
		return isfinite(*number);
	}
	if (value->type == jbvString && value->val.string.len > 0 &&
		value->val.string.len < 64)
	{
		char		text[64];
		char	   *end;

		memcpy(text, value->val.string.val, value->val.string.len);
		text[value->val.string.len] = '\0';
		*number = strtod(text, &end);
		return *end == '\0' && isfinite(*number);
	}
	return false;
}

/* Integers of meta and context: attempt, version. */
bool
json_get_int(const JsonbValue *object, const char *key, int64 *number)
{
	JsonbValue	member;
	double		d;

	if (!json_get(object, key, &member))
		return false;
	if (member.type == jbvNumeric)
	{
		bool		fits;
		Datum		text;

		/* through text: exact for all 64 bits, and no error for fractions */
		text = DirectFunctionCall1(numeric_out, NumericGetDatum(member.val.numeric));
		errno = 0;
		{
			char	   *end;

			*number = strtoll(DatumGetCString(text), &end, 10);
			fits = errno == 0 && *end == '\0';
		}
		return fits;
	}
	if (!json_number(&member, &d) || d != floor(d) || fabs(d) > 9e15)
		return false;
	*number = (int64) d;
	return true;
}

/* Opens an object; every json_add until json_end_object goes into it. */
void
json_begin_object(JsonBuilder *builder)
{
	builder->state = NULL;
	pushJsonbValue(&builder->state, WJB_BEGIN_OBJECT, NULL);
}

/* Opens an array; every json_push until json_end_array goes into it. */
void
json_begin_array(JsonBuilder *builder)
{
	builder->state = NULL;
	pushJsonbValue(&builder->state, WJB_BEGIN_ARRAY, NULL);
}

/* Adds a member whose key need not be NUL-terminated. */
void
json_add_n(JsonBuilder *builder, const char *key, int length,
		   const JsonbValue *value)
{
	JsonbValue	k;
	JsonbValue	copy = *value;

	k.type = jbvString;
	k.val.string.val = unconstify(char *, key);
	k.val.string.len = length;
	pushJsonbValue(&builder->state, WJB_KEY, &k);
	pushJsonbValue(&builder->state, WJB_VALUE, &copy);
}

/* Adds a member. */
void
json_add(JsonBuilder *builder, const char *key, const JsonbValue *value)
{
	json_add_n(builder, key, strlen(key), value);
}

/* Adds a text member. */
void
json_add_text(JsonBuilder *builder, const char *key, const char *text)
{
	JsonbValue	value;

	json_string(&value, text);
	json_add(builder, key, &value);
}

/* Adds an integer member. */
void
json_add_int(JsonBuilder *builder, const char *key, int64 number)
{
	JsonbValue	value;

	json_int(&value, number);
	json_add(builder, key, &value);
}

/* Adds a boolean member. */
void
json_add_bool(JsonBuilder *builder, const char *key, bool boolean)
{
	JsonbValue	value;

	json_bool(&value, boolean);
	json_add(builder, key, &value);
}

/* Adds an element to the open array. */
void
json_push(JsonBuilder *builder, const JsonbValue *element)
{
	JsonbValue	copy = *element;

	pushJsonbValue(&builder->state, WJB_ELEM, &copy);
}

/* Turns a freshly built tree into the compact form values travel in. */
static void
compact(JsonbValue *tree, JsonbValue *value)
{
	json_from_jsonb(JsonbValueToJsonb(tree), value);
}

/* Closes the object; of keys added twice the last wins. */
void
json_end_object(JsonBuilder *builder, JsonbValue *value)
{
	compact(pushJsonbValue(&builder->state, WJB_END_OBJECT, NULL), value);
}

/* Closes the array. */
void
json_end_array(JsonBuilder *builder, JsonbValue *value)
{
	compact(pushJsonbValue(&builder->state, WJB_END_ARRAY, NULL), value);
}

/* Returns the object {key: text}. */
Jsonb *
json_text_object(const char *key, const char *text)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, key, text);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Copies members, so that objects can be laid over each other in a builder. */
void
json_add_members(JsonBuilder *builder, const JsonbValue *object)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	if (!json_is_object(object))
		return;
	it = JsonbIteratorInit(object->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token != WJB_KEY)
			continue;
		JsonbIteratorNext(&it, &value, true);
		json_add_n(builder, key.val.string.val, key.val.string.len, &value);
	}
}

/* The element of a list of maps that has this name, if any. */
static bool
find_named(const JsonbValue *list, const JsonbValue *name, JsonbValue *found)
{
	int			n = JsonContainerSize(list->val.binary.data);

	for (int i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(list->val.binary.data, i);
		JsonbValue	other;

		if (json_get(element, "name", &other) && other.type == jbvString &&
			other.val.string.len == name->val.string.len &&
			memcmp(other.val.string.val, name->val.string.val,
				   name->val.string.len) == 0)
		{
			*found = *element;
			return true;
		}
	}
	return false;
}

/* Is it a non-empty list of maps that all have a name? */
static bool
is_named_list(const JsonbValue *value)
{
	int			n;

	if (!json_is_array(value))
		return false;
	n = JsonContainerSize(value->val.binary.data);
	for (int i = 0; i < n; i++)
	{
		JsonbValue	name;

		if (!json_get(getIthJsonbValueFromContainer(value->val.binary.data, i),
					  "name", &name) || name.type != jbvString)
			return false;
	}
	return n > 0;
}

/* Merges two lists of named maps: the order of "below", new names at the end. */
static void
merge_named_lists(const JsonbValue *below, const JsonbValue *above,
				  JsonbValue *result)
{
	JsonBuilder builder;
	int			nbelow = JsonContainerSize(below->val.binary.data);
	int			nabove = JsonContainerSize(above->val.binary.data);

	json_begin_array(&builder);
	for (int i = 0; i < nbelow; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(below->val.binary.data, i);
		JsonbValue	name;
		JsonbValue	other;
		JsonbValue	merged;

		CHECK_FOR_INTERRUPTS();
		json_get(element, "name", &name);
		if (find_named(above, &name, &other))
			json_merge(element, &other, true, &merged);
		else
			merged = *element;
		json_push(&builder, &merged);
	}
	for (int i = 0; i < nabove; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(above->val.binary.data, i);
		JsonbValue	name;
		JsonbValue	other;

		CHECK_FOR_INTERRUPTS();
		json_get(element, "name", &name);
		if (!find_named(below, &name, &other))
			json_push(&builder, element);
	}
	json_end_array(&builder, result);
}

/* Start parameters over workload defaults; see json.h for the rules. */
void
json_merge(const JsonbValue *below, const JsonbValue *above, bool deep,
		   JsonbValue *result)
{
	JsonBuilder builder;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	check_stack_depth();

	if (deep && is_named_list(below) && is_named_list(above))
	{
		merge_named_lists(below, above, result);
		return;
	}
	if (!json_is_object(below) || !json_is_object(above))
	{
		*result = *above;
		return;
	}

	json_begin_object(&builder);
	json_add_members(&builder, below);
	it = JsonbIteratorInit(above->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		JsonbValue	other;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_KEY)
			continue;
		JsonbIteratorNext(&it, &value, true);
		if (deep && json_get_n(below, key.val.string.val, key.val.string.len, &other))
			json_merge(&other, &value, true, &value);
		json_add_n(&builder, key.val.string.val, key.val.string.len, &value);
	}
	json_end_object(&builder, result);
}
