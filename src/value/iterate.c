/*
 * value/iterate.c
 *		Iteration over values.
 */
#include "common/common.h"

#include "value/value.h"

/* Returns an iterator as a value. */
Value
value_iterator(Iterator *it)
{
	Value		v = {VAL_ITERATOR};

	v.u.iterator = it;
	return v;
}

/* Iterator over an array of values, forward or backward. */
typedef struct ListIterator
{
	Iterator	base;
	Value	   *items;
	int			position;
	int			end;
	int			step;
} ListIterator;

/* Returns the next item of an array. */
static bool
array_next(Budget *budget, Iterator *base, Value *item)
{
	ListIterator *it = (ListIterator *) base;

	if (it->position == it->end)
		return false;
	*item = it->items[it->position];
	it->position += it->step;
	return true;
}

/* Returns an iterator over an array, which is not copied. */
Iterator *
iter_array(int count, Value *items)
{
	ListIterator *it = palloc(sizeof(ListIterator));

	it->base.next = array_next;
	it->base.type = "list_iterator";
	it->items = items;
	it->position = 0;
	it->end = count;
	it->step = 1;
	return &it->base;
}

/* Returns an iterator over an array from its end. */
static Iterator *
iter_array_backward(int count, Value *items)
{
	ListIterator *it = (ListIterator *) iter_array(count, items);

	it->base.type = "list_reverseiterator";
	it->position = count - 1;
	it->end = -1;
	it->step = -1;
	return &it->base;
}

/* Iterator over the characters of a string. */
typedef struct TextIterator
{
	Iterator	base;
	Value		text;
	int			position;
} TextIterator;

/* Returns the next character of a string. */
static bool
text_next(Budget *budget, Iterator *base, Value *item)
{
	TextIterator *it = (TextIterator *) base;
	int			used;

	if (it->position >= it->text.length)
		return false;
	(void) utext_decode(it->text.u.string + it->position,
						it->text.length - it->position, &used);
	*item = utext_make(it->text.u.string + it->position, used);
	it->position += used;
	return true;
}

/* Iterator over the numbers of a range. */
typedef struct RangeIterator
{
	Iterator	base;
	int64		value;
	int64		step;
	int64		left;
} RangeIterator;

/* Returns the next number of a range. */
static bool
range_next(Budget *budget, Iterator *base, Value *item)
{
	RangeIterator *it = (RangeIterator *) base;

	if (it->left <= 0)
		return false;
	*item = value_int(it->value);
	if (--it->left > 0)
		it->value += it->step;
	return true;
}

/* Iterator over the keys, values or members of a dict. */
typedef struct DictIterator
{
	Iterator	base;
	ValueDict  *dict;
	ViewKind	kind;
	int			position;
	int			step;
} DictIterator;

/* Returns the next key, value or member of a dict. */
static bool
dict_next(Budget *budget, Iterator *base, Value *item)
{
	DictIterator *it = (DictIterator *) base;
	DictEntry  *entry;

	if (it->position < 0 || it->position >= it->dict->count)
		return false;
	entry = &it->dict->entries[it->position];
	it->position += it->step;
	if (it->kind == VIEW_KEYS)
		*item = entry->key;
	else if (it->kind == VIEW_VALUES)
		*item = entry->value;
	else
		*item = value_pair(&entry->key, &entry->value);
	return true;
}

/* Returns an iterator over a dict or over one of its views. */
static Iterator *
iterate_dict(ValueDict *dict, ViewKind kind, uint8 flags, bool backward)
{
	DictIterator *it = palloc(sizeof(DictIterator));

	dict_deform(dict, flags);
	it->base.next = dict_next;
	it->base.type = backward ? "dict_reversekeyiterator" : "dict_keyiterator";
	it->dict = dict;
	it->kind = kind;
	it->position = backward ? dict->count - 1 : 0;
	it->step = backward ? -1 : 1;
	return &it->base;
}

/* Returns an iterator over a range. */
static Iterator *
iterate_range(const ValueRange *range, bool backward)
{
	RangeIterator *it = palloc(sizeof(RangeIterator));

	it->base.next = range_next;
	it->base.type = "range_iterator";
	it->left = range->count;
	it->value = range->start;
	it->step = range->step;
	if (backward && range->count > 0)
	{
		it->value = range->start + (range->count - 1) * range->step;
		it->step = -range->step;
	}
	return &it->base;
}

/* Returns whether the value can be iterated over. */
bool
value_is_iterable(const Value *value)
{
	switch ((ValueKind) value->kind)
	{
		case VAL_UNDEFINED:
		case VAL_STRING:
		case VAL_LIST:
		case VAL_TUPLE:
		case VAL_DICT:
		case VAL_RANGE:
		case VAL_VIEW:
		case VAL_ITERATOR:
			return true;
		case VAL_OBJECT:
			return value->u.object->type->iterate != NULL;
		default:
			return false;
	}
}

/* Returns Python's iter().  Raises for a value that is not iterable. */
Iterator *
value_iterate(Budget *budget, const Value *value)
{
	switch ((ValueKind) value->kind)
	{
		case VAL_UNDEFINED:
			return iter_array(0, NULL);
		case VAL_STRING:
			{
				TextIterator *it = palloc(sizeof(TextIterator));

				it->base.next = text_next;
				it->base.type = "str_iterator";
				it->text = *value;
				it->position = 0;
				return &it->base;
			}
		case VAL_LIST:
		case VAL_TUPLE:
			return iter_array(value->u.list->count, seq_items(value));
		case VAL_DICT:
			return iterate_dict(value->u.dict, VIEW_KEYS, value->flags, false);
		case VAL_RANGE:
			return iterate_range(value->u.range, false);
		case VAL_VIEW:
			return iterate_dict(value->u.view->dict, value->u.view->kind,
								value->u.view->flags, false);
		case VAL_ITERATOR:
			return value->u.iterator;
		case VAL_OBJECT:
			if (value->u.object->type->iterate)
				return value->u.object->type->iterate(value->u.object);
			break;
		default:
			break;
	}
	value_fail("'%s' object is not iterable", value_type(value));
}

/*
 * Returns an iterator over the characters of a string from its end.  Those of HTML are HTML:
 * Python's reversed() takes them by their places, and Markup.__getitem__() marks them; its
 * iter() does not.
 */
static Iterator *
iterate_text_backward(Budget *budget, const Value *value)
{
	Value		list = value_collect(budget, value);

	for (int i = 0; i < seq_count(&list); i++)
		seq_items(&list)[i].flags |= value->flags & VF_MARKUP;
	return iter_array_backward(seq_count(&list), seq_items(&list));
}

/* Returns Python's reversed(), or NULL where Python raises TypeError. */
Iterator *
iter_backward(Budget *budget, const Value *value)
{
	switch ((ValueKind) value->kind)
	{
		case VAL_UNDEFINED:
			return iter_array(0, NULL);
		case VAL_STRING:
			return iterate_text_backward(budget, value);
		case VAL_LIST:
		case VAL_TUPLE:
			return iter_array_backward(value->u.list->count, seq_items(value));
		case VAL_DICT:
			return iterate_dict(value->u.dict, VIEW_KEYS, value->flags, true);
		case VAL_RANGE:
			return iterate_range(value->u.range, true);
		case VAL_VIEW:
			return iterate_dict(value->u.view->dict, value->u.view->kind,
								value->u.view->flags, true);
		default:
			return NULL;
	}
}

/* Returns Python's list().  Raises for a value that is not iterable. */
Value
value_collect(Budget *budget, const Value *value)
{
	Iterator   *it;
	Value	   *items;
	int			count = 0;
	int			allocated = 8;

	if (value->kind == VAL_LIST)
	{
		Value		copy = *value;

		copy.flags = 0;
		return copy;
	}
	it = value_iterate(budget, value);
	items = palloc(allocated * sizeof(Value));
	for (;;)
	{
		if (count == allocated)
		{
			allocated *= 2;
			bounds_check_memory(allocated * sizeof(Value));
			items = repalloc_huge(items, allocated * sizeof(Value));
		}
		if (!iter_next(budget, it, &items[count]))
			break;
		count++;
	}
	return value_list(count, items);
}
