/*
 * common/json_builder.c
 *		Objects and arrays are built, member by member.
 *
 * The server builds a tree and then writes it, and takes a value that is stored already
 * apart into a tree again.  Here the values are written one after the other.  What is
 * inside a container does not depend on where the container lies, so one that is stored
 * already is copied as it is.  The bytes are the same as those that the server writes.
 */
#include "common/common.h"

#include "utils/memutils.h"
#include "utils/numeric.h"

#include "common/json_build.h"

/* Room for so many members is made first. */
#define FIRST_ROOM		8

/* As many as the server allows. */
#define MOST_PAIRS		Min(MaxAllocSize / sizeof(JsonbPair), JB_CMASK)
#define MOST_ELEMENTS	Min(MaxAllocSize / sizeof(JsonbValue), JB_CMASK)

/* So many members are sorted without qsort. */
#define FEW_MEMBERS		16

/* Opens an object; every json_add until json_end_object adds to it. */
void
json_begin_object(JsonBuilder *builder)
{
	builder->object = true;
	builder->sorted = true;
	builder->count = 0;
	builder->room = 0;
	builder->members = NULL;
}

/* Opens an array; every json_push until json_end_array adds to it. */
void
json_begin_array(JsonBuilder *builder)
{
	json_begin_object(builder);
	builder->object = false;
}

/* Makes room for one more member. */
static void
make_room(JsonBuilder *builder)
{
	Size		most = builder->object ? MOST_PAIRS : MOST_ELEMENTS;

	if (builder->count < builder->room)
		return;
	if ((Size) builder->count >= most)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 builder->object ?
				 errmsg("number of jsonb object pairs exceeds the maximum allowed (%zu)", most) :
				 errmsg("number of jsonb array elements exceeds the maximum allowed (%zu)", most)));
	builder->room = Max(FIRST_ROOM, builder->room * 2);
	builder->members = builder->members == NULL ?
		palloc(sizeof(JsonMember) * builder->room) :
		repalloc_huge(builder->members, sizeof(JsonMember) * builder->room);
}

/* Orders keys as jsonb does: by their lengths, then by their bytes. */
static int
compare_keys(const JsonMember *a, const JsonMember *b)
{
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(a->key, b->key, a->length);
}

/* Appends a member. */
static JsonMember *
append(JsonBuilder *builder, const JsonbValue *value)
{
	JsonMember *member;

	make_room(builder);
	member = &builder->members[builder->count];
	member->order = builder->count++;
	member->value = *value;
	/* a tree is written first */
	if (value->type == jbvArray || value->type == jbvObject)
		json_from_jsonb(JsonbValueToJsonb(&member->value), &member->value);
	return member;
}

/* Adds a member whose key need not be NUL-terminated. */
void
json_add_n(JsonBuilder *builder, const char *key, int length, const JsonbValue *value)
{
	JsonMember *member = append(builder, value);

	member->key = key;
	member->length = length;
	builder->sorted = builder->sorted &&
		(builder->count == 1 || compare_keys(member - 1, member) < 0);
}

/* Adds an element to the open array. */
void
json_push(JsonBuilder *builder, const JsonbValue *element)
{
	JsonMember *member = append(builder, element);

	member->key = NULL;
	member->length = 0;
}

/* For qsort: by the keys; of the same key the last member comes first. */
static int
compare_members(const void *left, const void *right)
{
	const JsonMember *a = (const JsonMember *) left;
	const JsonMember *b = (const JsonMember *) right;
	int			order = compare_keys(a, b);

	return order != 0 ? order : a->order > b->order ? -1 : 1;
}

/* Sorts members, which are few. */
static void
sort_few(JsonMember *members, int count)
{
	for (int i = 1; i < count; i++)
	{
		JsonMember	member = members[i];
		int			place = i;

		for (; place > 0 && compare_members(&members[place - 1], &member) > 0; place--)
			members[place] = members[place - 1];
		members[place] = member;
	}
}

/* Sorts the members of an object; of those with the same key the last one stays. */
static void
sort_members(JsonBuilder *builder)
{
	JsonMember *members = builder->members;
	int			kept = 0;

	if (builder->sorted)
		return;
	if (builder->count <= FEW_MEMBERS)
		sort_few(members, builder->count);
	else
		qsort(members, builder->count, sizeof(JsonMember), compare_members);
	for (int i = 0; i < builder->count; i++)
		if (i == 0 || compare_keys(&members[kept - 1], &members[i]) != 0)
			members[kept++] = members[i];
	builder->count = kept;
}

/* Returns how many bytes a value takes that begins at a place. */
static Size
value_size(const JsonbValue *value, Size place)
{
	switch (value->type)
	{
		case jbvString:
			return value->val.string.len;
		case jbvNumeric:
			return INTALIGN(place) - place + VARSIZE_ANY(value->val.numeric);
		case jbvBinary:
			return INTALIGN(place) - place + value->val.binary.len;
		case jbvNull:
		case jbvBool:
			return 0;
		default:
			elog(ERROR, "unexpected type of a JSON value: %d", (int) value->type);
	}
	return 0;
}

/* Writes bytes at a place behind the alignment that is asked for. */
static void
write_aligned(char *base, Size place, const void *bytes, Size length)
{
	memset(base + place, 0, INTALIGN(place) - place);
	memcpy(base + INTALIGN(place), bytes, length);
}

/* Writes a value at a place; returns the type of its entry. */
static JEntry
write_value(const JsonbValue *value, char *base, Size place)
{
	switch (value->type)
	{
		case jbvString:
			memcpy(base + place, value->val.string.val, value->val.string.len);
			return JENTRY_ISSTRING;
		case jbvNumeric:
			write_aligned(base, place, value->val.numeric, VARSIZE_ANY(value->val.numeric));
			return JENTRY_ISNUMERIC;
		case jbvBinary:
			write_aligned(base, place, value->val.binary.data, value->val.binary.len);
			return JENTRY_ISCONTAINER;
		case jbvBool:
			return value->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
		default:
			return JENTRY_ISNULL;
	}
}

/* Returns the entry of a value: its length, or for some of them where it ends. */
static JEntry
entry_of(JEntry type, int number, Size length, Size end)
{
	return type | (number % JB_OFFSET_STRIDE == 0 ? (JEntry) end | JENTRY_HAS_OFF :
				   (JEntry) length);
}

/*
 * Returns how many bytes a container takes whose entries take "entries"; raises an error
 * when that is too much.
 */
static Size
container_size(const JsonBuilder *builder, Size entries)
{
	Size		first = offsetof(JsonbContainer, children) + entries;
	Size		size = first;

	for (int i = 0; builder->object && i < builder->count; i++)
		size += builder->members[i].length;
	for (int i = 0; i < builder->count; i++)
		size += value_size(&builder->members[i].value, size);
	if (size - first > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 builder->object ?
				 errmsg("total size of jsonb object elements exceeds the maximum of %u bytes",
						JENTRY_OFFLENMASK) :
				 errmsg("total size of jsonb array elements exceeds the maximum of %u bytes",
						JENTRY_OFFLENMASK)));
	return size;
}

/* Writes the members behind the entries. */
static void
write_members(const JsonBuilder *builder, JsonbContainer *container, Size entries)
{
	char	   *base = (char *) container;
	Size		first = offsetof(JsonbContainer, children) + entries;
	Size		place = first;
	int			nkeys = builder->object ? builder->count : 0;

	for (int i = 0; i < nkeys; i++)
	{
		const JsonMember *member = &builder->members[i];

		memcpy(base + place, member->key, member->length);
		place += member->length;
		container->children[i] = entry_of(JENTRY_ISSTRING, i, member->length, place - first);
	}
	for (int i = 0; i < builder->count; i++)
	{
		const JsonbValue *value = &builder->members[i].value;
		Size		length = value_size(value, place);
		JEntry		type = write_value(value, base, place);

		place += length;
		container->children[nkeys + i] = entry_of(type, nkeys + i, length, place - first);
	}
}

/* Writes what has been added, and frees the builder's memory. */
static void
finish(JsonBuilder *builder, JsonbValue *value)
{
	Size		entries = sizeof(JEntry) * builder->count * (builder->object ? 2 : 1);
	Size		size = container_size(builder, entries);
	Jsonb	   *jsonb = palloc(VARHDRSZ + size);

	SET_VARSIZE(jsonb, VARHDRSZ + size);
	jsonb->root.header = builder->count | (builder->object ? JB_FOBJECT : JB_FARRAY);
	write_members(builder, &jsonb->root, entries);
	if (builder->members != NULL)
		pfree(builder->members);
	builder->members = NULL;
	value->type = jbvBinary;
	value->val.binary.data = &jsonb->root;
	value->val.binary.len = size;
}

/* Closes the object; of members with the same key the last one stays. */
void
json_end_object(JsonBuilder *builder, JsonbValue *value)
{
	sort_members(builder);
	finish(builder, value);
}

/* Closes the array. */
void
json_end_array(JsonBuilder *builder, JsonbValue *value)
{
	finish(builder, value);
}
