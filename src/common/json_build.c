/*
 * common/json_build.c
 *		Functions over PostgreSQL's Jsonb that several rooms need.
 */
#include "common/common.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "common/json_build.h"

/*
 * Sets *value to the contents of a datum: jbvBinary, or the scalar that the
 * datum stores as an array of one element. The value points into the datum.
 */
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

/* Returns the datum of a value. */
Jsonb *
json_to_jsonb(const JsonbValue *value)
{
	JsonbValue	copy = *value;

	return JsonbValueToJsonb(&copy);
}

/*
 * Reads JSON text into *value.  Returns false when the text is no JSON, and
 * raises any error that is not about the text.
 */
bool
json_from_text(const char *s, int length, JsonbValue *value)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool ok = true;
	char	   *text = pnstrdup(s, length);
	Jsonb	   *volatile jsonb = NULL;

	PG_TRY();
	{
		jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		int			code = geterrcode();

		if (ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION &&
			ERRCODE_TO_CATEGORY(code) != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ok = false;
	}
	PG_END_TRY();
	if (ok)
		json_from_jsonb(jsonb, value);
	return ok;
}

/* Sets *value to null. */
void
json_null(JsonbValue *value)
{
	value->type = jbvNull;
}

/* Sets *value to a boolean. */
void
json_bool(JsonbValue *value, bool boolean)
{
	value->type = jbvBool;
	value->val.boolean = boolean;
}

/* Sets *value to an integer. */
void
json_int(JsonbValue *value, int64 number)
{
	value->type = jbvNumeric;
	value->val.numeric = int64_to_numeric(number);
}

/* Returns the numeric that a decimal text spells; raises when it spells none. */
Numeric
json_numeric(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(unconstify(char *, text)),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/* Sets *value to a finite double, with 15 digits. */
void
json_float(JsonbValue *value, double number)
{
	char		text[32];

	snprintf(text, sizeof(text), "%.15g", number);
	value->type = jbvNumeric;
	value->val.numeric = json_numeric(text);
}

/* Sets *value to a string, which is not copied; NULL gives null. */
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

/* Sets *value to an identifier as text: JavaScript and others cut numbers beyond 2^53. */
void
json_id(JsonbValue *value, int64 id)
{
	json_string(value, psprintf(INT64_FORMAT, id));
}

/* Returns whether the value is an object. */
bool
json_is_object(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data);
}

/*
 * Returns whether the value is an array; a scalar that is stored as an array
 * is none.
 */
bool
json_is_array(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data) &&
		!JsonContainerIsScalar(value->val.binary.data);
}

/*
 * Returns how many bytes a container takes.  A container does not store its
 * size; the end of its last entry gives it.
 */
int
json_container_size(const JsonbContainer *container)
{
	int			entries = JsonContainerSize(container) *
		(JsonContainerIsObject(container) ? 2 : 1);
	int			size = offsetof(JsonbContainer, children) + entries * sizeof(JEntry);

	if (entries == 0)
		return size;
	return size + getJsonbOffset(container, entries - 1) +
		getJsonbLength(container, entries - 1);
}

/*
 * Sets *member to a member of an object, which is not copied; false when there
 * is none.
 */
bool
json_get_n(const JsonbValue *object, const char *key, int length,
		   JsonbValue *member)
{
	if (!json_is_object(object))
		return false;
	return getKeyJsonValueFromContainer(object->val.binary.data, key, length,
										member) != NULL;
}

/* Does the same for a NUL-terminated key. */
bool
json_get(const JsonbValue *object, const char *key, JsonbValue *member)
{
	return json_get_n(object, key, strlen(key), member);
}

/*
 * Returns the text of a member that is a string, otherwise NULL; a number is
 * not converted.
 */
char *
json_get_text(const JsonbValue *object, const char *key)
{
	JsonbValue	member;

	if (!json_get(object, key, &member) || member.type != jbvString)
		return NULL;
	return pnstrdup(member.val.string.val, member.val.string.len);
}

/*
 * Sets *number to the number that a value is or that its text spells; false
 * when it is none.
 */
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

/*
 * Sets *number to a member that is an integer or text of one; false when there
 * is none.
 */
bool
json_get_int(const JsonbValue *object, const char *key, int64 *number)
{
	JsonbValue	member;
	double		d;

	if (!json_get(object, key, &member))
		return false;
	if (member.type == jbvNumeric || member.type == jbvString)
	{
		char	   *text;
		char	   *end;

		/* through text: exact for all 64 bits, and no error for a fraction */
		text = member.type == jbvString ?
			pnstrdup(member.val.string.val, member.val.string.len) :
			DatumGetCString(DirectFunctionCall1(numeric_out,
												NumericGetDatum(member.val.numeric)));
		errno = 0;
		*number = strtoll(text, &end, 10);
		if (errno == 0 && end > text && *end == '\0')
			return true;
		if (member.type == jbvNumeric)
			return false;
	}
	if (!json_number(&member, &d) || d != floor(d) || fabs(d) > 9e15)
		return false;
	*number = (int64) d;
	return true;
}

/* Begins to walk over the members of an object or the elements of an array. */
JsonbIterator *
json_walk(const JsonbValue *container)
{
	JsonbIterator *it = JsonbIteratorInit(container->val.binary.data);
	JsonbValue	whole;

	(void) JsonbIteratorNext(&it, &whole, true);
	return it;
}

/* Sets *key and *value to the next member of an object; false at the end. */
bool
json_next_member(JsonbIterator **it, JsonbValue *key, JsonbValue *value)
{
	CHECK_FOR_INTERRUPTS();
	if (JsonbIteratorNext(it, key, true) != WJB_KEY)
		return false;
	(void) JsonbIteratorNext(it, value, true);
	return true;
}

/* Sets *element to the next element of an array; false at the end. */
bool
json_next_element(JsonbIterator **it, JsonbValue *element)
{
	CHECK_FOR_INTERRUPTS();
	return JsonbIteratorNext(it, element, true) == WJB_ELEM;
}

/* Copies a value with everything in it into CurrentMemoryContext. */
void
json_copy(const JsonbValue *from, JsonbValue *to)
{
	*to = *from;
	if (from->type == jbvString)
		to->val.string.val = pnstrdup(from->val.string.val, from->val.string.len);
	else if (from->type == jbvNumeric)
		to->val.numeric = DatumGetNumericCopy(NumericGetDatum(from->val.numeric));
	else if (from->type == jbvBinary)
	{
		to->val.binary.data = palloc(from->val.binary.len);
		memcpy(to->val.binary.data, from->val.binary.data, from->val.binary.len);
	}
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

/* Adds an identifier as text. */
void
json_add_id(JsonBuilder *builder, const char *key, int64 id)
{
	JsonbValue	value;

	json_id(&value, id);
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

/*
 * Adds every member of an object to the open object; any other value adds
 * nothing.
 */
void
json_add_members(JsonBuilder *builder, const JsonbValue *object)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	if (!json_is_object(object))
		return;
	it = json_walk(object);
	while (json_next_member(&it, &key, &value))
		json_add_n(builder, key.val.string.val, key.val.string.len, &value);
}

/*
 * Sets *found to the element of a list of maps that has this name; false when
 * there is none.
 */
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

/*
 * Returns whether the value is a non-empty list of maps that all have a name.
 */
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

/*
 * Merges two lists of named maps: the order is that of "below", new names are
 * at the end.
 */
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

/* Lays one value over another, "above" over "below", shallow or deep. */
void
json_merge(const JsonbValue *below, const JsonbValue *above, bool deep,
		   JsonbValue *result)
{
	JsonBuilder builder;
	JsonbIterator *it;
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
	it = json_walk(above);
	while (json_next_member(&it, &key, &value))
	{
		JsonbValue	other;

		if (deep && json_get_n(below, key.val.string.val, key.val.string.len, &other))
			json_merge(&other, &value, true, &value);
		json_add_n(&builder, key.val.string.val, key.val.string.len, &value);
	}
	json_end_object(&builder, result);
}
