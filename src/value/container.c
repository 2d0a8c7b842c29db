/*
 * value/container.c
 *		Lists, tuples and dicts.
 */
#include "common/common.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "value/value.h"

/* Returns the number of items of a list or tuple. */
int
seq_count(const Value *value)
{
	return value->u.list->count;
}

/*
 * Returns the items of a list or tuple. Deforms a list that came from jsonb,
 * in the memory context of the list; the caller must not change the items.
 */
Value *
seq_items(const Value *value)
{
	ValueList  *list = value->u.list;
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	MemoryContext old;
	int			i = 0;

	if (list->items != NULL)
		return list->items;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(list));
	list->items = palloc_extended((list->count + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	it = JsonbIteratorInit(list->json);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			list->items[i++] = value_from_json(&item, 0);
		bounds_work(50);
	}
	MemoryContextSwitchTo(old);
	return list->items;
}

/* Returns an empty dict with room for some entries. */
Value
value_new_dict(int size)
{
	Value		v = {VAL_DICT};

	v.u.dict = palloc0(sizeof(ValueDict));
	v.u.dict->allocated = Max(size, 4);
	v.u.dict->entries = palloc_extended(v.u.dict->allocated * sizeof(DictEntry),
										MCXT_ALLOC_HUGE);
	return v;
}

/*
 * Gives a dict from jsonb its entries, in the order of jsonb. A dict that has
 * entries stays as it is; new ones live in the memory context of the dict.
 * VF_STEPS in flags marks the members as values of
 * steps.
 */
void
dict_deform(ValueDict *dict, uint8 flags)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	MemoryContext old;
	int			i = 0;

	if (dict->entries != NULL)
		return;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(dict));
	dict->allocated = dict->count + 1;
	dict->entries = palloc_extended(dict->allocated * sizeof(DictEntry),
									MCXT_ALLOC_HUGE);
	it = JsonbIteratorInit(dict->json);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			dict->entries[i].key = value_from_json(&item, 0);
			dict->entries[i].hash = hash_bytes((const unsigned char *) item.val.string.val,
											   item.val.string.len);
		}
		else if (token == WJB_VALUE)
			dict->entries[i++].value =
				value_from_json(&item, flags & VF_STEPS ? VF_STEP : 0);
		bounds_work(50);
	}
	MemoryContextSwitchTo(old);
}

/* Builds the hash index of a dict, or builds it again. */
static void
dict_index(ValueDict *dict)
{
	int			i;

	dict->nbuckets = 16;
	while (dict->nbuckets < dict->allocated * 2)
		dict->nbuckets *= 2;
	if (dict->buckets != NULL)
		pfree(dict->buckets);
	dict->buckets = MemoryContextAllocExtended(GetMemoryChunkContext(dict),
											   dict->nbuckets * sizeof(int32),
											   MCXT_ALLOC_HUGE);
	memset(dict->buckets, -1, dict->nbuckets * sizeof(int32));
	for (i = 0; i < dict->count; i++)
	{
		uint32		b = dict->entries[i].hash & (dict->nbuckets - 1);

		bounds_work(10);
		while (dict->buckets[b] >= 0)
		{
			bounds_work(1);
			b = (b + 1) & (dict->nbuckets - 1);
		}
		dict->buckets[b] = i;
	}
}

/* Returns the number of the entry with a key, or -1. */
static int
dict_find(Budget *budget, ValueDict *dict, const Value *key, uint32 hash)
{
	int			i;
	uint32		b;

	if (dict->nbuckets == 0)
	{
		bounds_work(dict->count);
		for (i = 0; i < dict->count; i++)
		{
			if (dict->entries[i].hash == hash &&
				value_equal(budget, &dict->entries[i].key, key))
				return i;
		}
		return -1;
	}
	b = hash & (dict->nbuckets - 1);
	while ((i = dict->buckets[b]) >= 0)
	{
		bounds_work(1);
		if (dict->entries[i].hash == hash &&
			value_equal(budget, &dict->entries[i].key, key))
			return i;
		b = (b + 1) & (dict->nbuckets - 1);
	}
	return -1;
}

/* Finds the member whose key is a string; returns false when there is none. */
bool
dict_get_text(const Value *value, const char *key, int length, Value *result)
{
	ValueDict  *dict = value->u.dict;
	Value		k;
	int			i;

	if (dict->entries == NULL)
	{
		JsonbValue	found;

		if (getKeyJsonValueFromContainer(dict->json, key, length, &found) == NULL)
			return false;
		*result = value_from_json(&found, value->flags & VF_STEPS ? VF_STEP : 0);
		return true;
	}
	k = utext_make(key, length);
	i = dict_find(NULL, dict, &k, hash_bytes((const unsigned char *) key, length));
	if (i < 0)
		return false;
	*result = dict->entries[i].value;
	return true;
}

/*
 * Finds the member with any key; returns false when there is none. Raises when
 * the key is not hashable.
 */
bool
dict_get(Budget *budget, const Value *value, const Value *key, Value *result)
{
	uint32		hash;
	int			i;

	if (key->kind == VAL_STRING)
		return dict_get_text(value, key->u.string, key->length, result);
	hash = value_hash(budget, key);
	if (value->u.dict->entries == NULL)
		return false;
	i = dict_find(budget, value->u.dict, key, hash);
	if (i < 0)
		return false;
	*result = value->u.dict->entries[i].value;
	return true;
}

/*
 * Adds or replaces a member. Only a dict under construction or a namespace may
 * be changed.
 */
void
dict_set(Budget *budget, ValueDict *dict, const Value *key, const Value *value)
{
	uint32		hash = value_hash(budget, key);
	int			i = dict_find(budget, dict, key, hash);

	if (i >= 0)
	{
		dict->entries[i].value = *value;
		return;
	}
	if (dict->count == dict->allocated)
	{
		dict->allocated *= 2;
		dict->entries = repalloc_huge(dict->entries,
									  dict->allocated * sizeof(DictEntry));
		dict->nbuckets = 0;
	}
	i = dict->count++;
	dict->entries[i].key = *key;
	dict->entries[i].value = *value;
	dict->entries[i].hash = hash;
	if (dict->nbuckets == 0)
	{
		if (dict->count > 8)
			dict_index(dict);
	}
	else
	{
		uint32		b = hash & (dict->nbuckets - 1);

		while (dict->buckets[b] >= 0)
			b = (b + 1) & (dict->nbuckets - 1);
		dict->buckets[b] = i;
	}
}
