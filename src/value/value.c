/*
 * value/value.c
 *		Values of any kind: constructors, truth, equality and order.
 */
#include "common/common.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"

#include "value/value.h"

/* ------------------------------------------------------------------------
 * Constructors
 * ------------------------------------------------------------------------
 */

/* Returns a list of items, which are not copied. */
Value
value_list(int count, Value *items)
{
	Value		v = {VAL_LIST};

	v.u.list = palloc(sizeof(ValueList));
	v.u.list->count = count;
	v.u.list->items = items ? items : palloc(sizeof(Value));
	v.u.list->json = NULL;
	return v;
}

/* Returns a tuple of items, which are not copied. */
Value
value_tuple(int count, Value *items)
{
	Value		v = value_list(count, items);

	v.kind = VAL_TUPLE;
	return v;
}

/* Returns a tuple of two items, which are copied. */
Value
value_pair(const Value *a, const Value *b)
{
	Value	   *items = palloc(2 * sizeof(Value));

	items[0] = *a;
	items[1] = *b;
	return value_tuple(2, items);
}

/* Returns an undefined value; a NULL argument is not known. */
static Value
make_undefined(const char *hint, const char *owner, const Value *name)
{
	Value		v = {VAL_UNDEFINED};

	v.u.undefined = palloc0(sizeof(Undefined));
	v.u.undefined->hint = hint;
	v.u.undefined->owner = owner;
	if (name)
		v.u.undefined->name = *name;
	return v;
}

/* Returns the value of a name that has no value. */
Value
value_undefined_name(const char *name, int length)
{
	Value		v = utext_make(name, length);

	return make_undefined(NULL, NULL, &v);
}

/* Returns the value of an attribute or item that the owner lacks. */
Value
value_undefined_attribute(const Value *owner, const Value *name)
{
	return make_undefined(NULL, value_type(owner), name);
}

/* Returns an undefined value whose error message is the hint. */
Value
value_undefined_hint(const char *hint)
{
	return make_undefined(hint, NULL, NULL);
}

/* Returns Python's name of the type of a value. */
const char *
value_type(const Value *value)
{
	switch ((ValueKind) value->kind)
	{
		case VAL_ABSENT:
		case VAL_UNDEFINED:
			return "Undefined";
		case VAL_NONE:
			return "NoneType";
		case VAL_BOOL:
			return "bool";
		case VAL_INT:
		case VAL_BIGINT:
			return "int";
		case VAL_FLOAT:
			return "float";
		case VAL_STRING:
			return value->flags & VF_MARKUP ? "Markup" : "str";
		case VAL_LIST:
			return "list";
		case VAL_TUPLE:
			return "tuple";
		case VAL_DICT:
			return "dict";
		case VAL_RANGE:
			return "range";
		case VAL_VIEW:
			return value->u.view->kind == VIEW_KEYS ? "dict_keys" :
				value->u.view->kind == VIEW_VALUES ? "dict_values" : "dict_items";
		case VAL_ITERATOR:
			return value->u.iterator->type;
		case VAL_NAMESPACE:
			return "Namespace";
		case VAL_OBJECT:
			return value->u.object->type->name;
		case VAL_DATETIME:
			return "datetime";
		case VAL_DATE:
			return "date";
		case VAL_TIME:
			return "time";
		case VAL_TIMEDELTA:
			return "timedelta";
	}
	return "object";
}

/*
 * Returns Python's hash(): equal values have equal hashes. Raises for a value
 * that is not hashable.
 */
uint32
value_hash(Budget *budget, const Value *value)
{
	uint32		hash;
	int			i;

	switch ((ValueKind) value->kind)
	{
		case VAL_NONE:
			return 0x9e3779b9;
		case VAL_BOOL:
		case VAL_INT:
		case VAL_BIGINT:
		case VAL_FLOAT:
			return number_hash(value);
		case VAL_STRING:
			bounds_work(value->length);
			return hash_bytes((const unsigned char *) value->u.string, value->length);
		case VAL_TUPLE:
			hash = 0x345678;
			check_stack_depth();
			bounds_work(value->u.list->count);
			for (i = 0; i < value->u.list->count; i++)
				hash = hash_combine(hash, value_hash(budget, &value->u.list->items[i]));
			return hash;
		case VAL_RANGE:
			return hash_combine((uint32) value->u.range->count,
								value->u.range->count ? (uint32) value->u.range->start : 0);
		case VAL_LIST:
		case VAL_DICT:
			value_fail("unhashable type: '%s'", value_type(value));
		case VAL_VIEW:
			if (value->u.view->kind != VIEW_VALUES)
				value_fail("unhashable type: '%s'", value_type(value));
			return 1;
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			return datetime_hash(value);
		default:
			return value->kind;
	}
}

/* ------------------------------------------------------------------------
 * Truth, equality, order
 * ------------------------------------------------------------------------
 */

/* Returns Python's bool(). */
bool
value_truth(Budget *budget, const Value *value)
{
	switch ((ValueKind) value->kind)
	{
		case VAL_ABSENT:
		case VAL_UNDEFINED:
		case VAL_NONE:
			return false;
		case VAL_BOOL:
			return value->u.boolean;
		case VAL_INT:
			return value->u.integer != 0;
		case VAL_BIGINT:
			return true;
		case VAL_FLOAT:
			return value->u.real != 0;
		case VAL_STRING:
			return value->length > 0;
		case VAL_LIST:
		case VAL_TUPLE:
			return value->u.list->count > 0;
		case VAL_DICT:
			return value->u.dict->count > 0;
		case VAL_RANGE:
			return value->u.range->count > 0;
		case VAL_VIEW:
			return value->u.view->dict->count > 0;
		case VAL_OBJECT:
			return value->u.object->type->length == NULL ||
				value->u.object->type->length(budget, value->u.object) > 0;
		case VAL_TIMEDELTA:
			return datetime_truth(value);
		default:
			return true;
	}
}

/* Returns whether two sequences are equal item by item. */
static bool
items_equal(Budget *budget, const Value *a, const Value *b)
{
	Value	   *x;
	Value	   *y;
	int			i;

	if (a->u.list->count != b->u.list->count)
		return false;
	x = seq_items(a);
	y = seq_items(b);
	for (i = 0; i < a->u.list->count; i++)
	{
		bounds_work(20);
		if (!value_identical(&x[i], &y[i]) && !value_equal(budget, &x[i], &y[i]))
			return false;
	}
	return true;
}

/* Returns whether two dicts have equal members. */
static bool
dicts_equal(Budget *budget, const Value *a, const Value *b)
{
	int			i;

	if (a->u.dict->count != b->u.dict->count)
		return false;
	dict_deform(a->u.dict, a->flags);
	for (i = 0; i < a->u.dict->count; i++)
	{
		DictEntry  *entry = &a->u.dict->entries[i];
		Value		other;

		bounds_work(20);
		if (!dict_get(budget, b, &entry->key, &other) ||
			(!value_identical(&entry->value, &other) &&
			 !value_equal(budget, &entry->value, &other)))
			return false;
	}
	return true;
}

/* Returns whether two ranges are the same sequence. */
static bool
ranges_equal(const ValueRange *a, const ValueRange *b)
{
	return a->count == b->count &&
		(a->count == 0 || (a->start == b->start &&
						   (a->count == 1 || a->step == b->step)));
}

/*
 * Returns whether two views are equal: views of keys or items are compared as
 * sets, a view of values equals itself only.
 */
static bool
views_equal(Budget *budget, const Value *a, const Value *b)
{
	Iterator   *it;
	Value		item;

	if (a->u.view->kind == VIEW_VALUES || b->u.view->kind == VIEW_VALUES)
		return a->u.view == b->u.view;
	if (value_length(budget, a) != value_length(budget, b))
		return false;
	it = value_iterate(budget, a);
	while (iter_next(budget, it, &item))
	{
		if (!value_contains(budget, b, &item))
			return false;
	}
	return true;
}

/* Returns Python's ==. */
bool
value_equal(Budget *budget, const Value *a, const Value *b)
{
	int			order;

	check_stack_depth();
	if (value_is_number(a) && value_is_number(b))
	{
		bool		unordered;
		int			c = number_compare(a, b, &unordered);

		return c == 0 && !unordered;
	}
	if (a->kind != b->kind)
		return false;
	switch ((ValueKind) a->kind)
	{
		case VAL_UNDEFINED:
		case VAL_NONE:
			return true;
		case VAL_STRING:
			bounds_work(a->length == b->length ? a->length / 8 : 1);
			return a->length == b->length &&
				memcmp(a->u.string, b->u.string, a->length) == 0;
		case VAL_LIST:
		case VAL_TUPLE:
			return items_equal(budget, a, b);
		case VAL_DICT:
			return dicts_equal(budget, a, b);
		case VAL_RANGE:
			return ranges_equal(a->u.range, b->u.range);
		case VAL_VIEW:
			return views_equal(budget, a, b);
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			return datetime_order(a, b, &order) && order == 0;
		default:
			return value_identical(a, b);
	}
}

/*
 * Returns Python's "is". Small values have no identity here, so equal scalars
 * of one type count as the same object.
 */
bool
value_identical(const Value *a, const Value *b)
{
	if (a->kind != b->kind)
		return false;
	switch ((ValueKind) a->kind)
	{
		case VAL_UNDEFINED:
			return a->u.undefined == b->u.undefined;
		case VAL_NONE:
			return true;
		case VAL_BOOL:
			return a->u.boolean == b->u.boolean;
		case VAL_INT:
			return a->u.integer == b->u.integer;
		case VAL_FLOAT:
			return a->u.real == b->u.real;
		case VAL_STRING:
			bounds_work(a->length == b->length ? a->length / 8 : 1);
			return a->length == b->length &&
				((a->flags ^ b->flags) & VF_MARKUP) == 0 &&
				memcmp(a->u.string, b->u.string, a->length) == 0;
		case VAL_LIST:
		case VAL_TUPLE:
			return a->u.list == b->u.list ||
				(a->u.list->json && a->u.list->json == b->u.list->json);
		case VAL_DICT:
			return a->u.dict == b->u.dict ||
				(a->u.dict->json && a->u.dict->json == b->u.dict->json);
		case VAL_OBJECT:
			return a->u.object == b->u.object ||
				(a->u.object->type == b->u.object->type && a->u.object->type->identical &&
				 a->u.object->type->identical(a->u.object, b->u.object));
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			return a->u.integer == b->u.integer;
		default:
			return a->u.list == b->u.list;
	}
}

/* Raises what Python raises for values that have no order. */
static void
fail_order(const Value *a, const Value *b, const char *op)
{
	if (a->kind == VAL_UNDEFINED)
		value_fail_undefined(a);
	if (b->kind == VAL_UNDEFINED)
		value_fail_undefined(b);
	value_fail("'%s' not supported between instances of '%s' and '%s'",
			   op, value_type(a), value_type(b));
}

/* Compares two sequences by the first pair of items that differs. */
static bool
order_items(Budget *budget, ValueOperator op, const Value *a, const Value *b)
{
	Value	   *x = seq_items(a);
	Value	   *y = seq_items(b);
	int			n = Min(a->u.list->count, b->u.list->count);
	int			i;
	Value		p;
	Value		q;

	for (i = 0; i < n; i++)
	{
		bounds_work(20);
		if (!value_identical(&x[i], &y[i]) && !value_equal(budget, &x[i], &y[i]))
			return value_order(budget, op, &x[i], &y[i]);
	}
	p = value_int(a->u.list->count);
	q = value_int(b->u.list->count);
	return value_order(budget, op, &p, &q);
}

/*
 * Returns whether one view of keys or items is a subset or superset of the
 * other, as op says.
 */
static bool
order_views(Budget *budget, ValueOperator op, const Value *a, const Value *b)
{
	bool		less = op == OP_LT || op == OP_LE;
	const Value *small = less ? a : b;
	const Value *large = less ? b : a;
	int64		n = value_length(budget, small);
	int64		m = value_length(budget, large);
	Iterator   *it;
	Value		item;

	if (op == OP_LT || op == OP_GT ? n >= m : n > m)
		return false;
	it = value_iterate(budget, small);
	while (iter_next(budget, it, &item))
	{
		if (!value_contains(budget, large, &item))
			return false;
	}
	return true;
}

/*
 * Returns the result of one of the operators < <= > >=. Raises for values that
 * have no order.
 */
bool
value_order(Budget *budget, ValueOperator op, const Value *a, const Value *b)
{
	static const char *const names[] = {
		[OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">="
	};
	int			c;

	check_stack_depth();
	if (value_is_number(a) && value_is_number(b))
	{
		bool		unordered;

		c = number_compare(a, b, &unordered);
		if (unordered)
			return false;
	}
	else if (a->kind == VAL_STRING && b->kind == VAL_STRING)
		c = utext_compare(a, b);
	else if (a->kind == b->kind && (a->kind == VAL_LIST || a->kind == VAL_TUPLE))
		return order_items(budget, op, a, b);
	else if (a->kind == VAL_VIEW && b->kind == VAL_VIEW &&
			 a->u.view->kind != VIEW_VALUES && b->u.view->kind != VIEW_VALUES)
		return order_views(budget, op, a, b);
	else if (!datetime_order(a, b, &c))
		fail_order(a, b, names[op]);
	switch (op)
	{
		case OP_LT:
			return c < 0;
		case OP_LE:
			return c <= 0;
		case OP_GT:
			return c > 0;
		default:
			return c >= 0;
	}
}

/* Compares two values for sorting: returns -1, 0 or 1. */
int
value_compare(Budget *budget, const Value *a, const Value *b, const char *op)
{
	if (value_order(budget, OP_LT, a, b))
		return -1;
	return value_order(budget, OP_LT, b, a) ? 1 : 0;
}

/* Returns whether a range contains a number. */
static bool
range_contains(const ValueRange *range, const Value *item)
{
	double		d;
	int64		i;

	if (item->kind == VAL_BOOL)
		i = item->u.boolean;
	else if (item->kind == VAL_INT)
		i = item->u.integer;
	else if (item->kind == VAL_FLOAT)
	{
		d = item->u.real;
		if (!(d >= -9.2e18 && d <= 9.2e18) || d != floor(d))
			return false;
		i = (int64) d;
	}
	else
		return false;
	if (range->count == 0)
		return false;
	if (range->step > 0 ? (i < range->start || i >= range->stop) :
		(i > range->start || i <= range->stop))
		return false;
	if (range->step > 0)
		return ((uint64) i - (uint64) range->start) % (uint64) range->step == 0;
	return ((uint64) range->start - (uint64) i) % -(uint64) range->step == 0;
}

/* Returns Python's "item in container". */
bool
value_contains(Budget *budget, const Value *container, const Value *item)
{
	Value		found;
	Iterator   *it;

	switch ((ValueKind) container->kind)
	{
		case VAL_STRING:
			if (item->kind != VAL_STRING)
				value_fail("'in <string>' requires string as left operand, not %s",
						   value_type(item));
			return utext_find(container->u.string, container->length,
							  item->u.string, item->length, 0) >= 0;
		case VAL_DICT:
			return dict_get(budget, container, item, &found);
		case VAL_RANGE:
			return range_contains(container->u.range, item);
		case VAL_VIEW:
			if (container->u.view->kind == VIEW_KEYS)
			{
				Value		dict = {VAL_DICT};

				dict.u.dict = container->u.view->dict;
				return dict_get(budget, &dict, item, &found);
			}
			break;
		default:
			break;
	}
	if (!value_is_iterable(container))
		value_fail("argument of type '%s' is not iterable", value_type(container));
	it = value_iterate(budget, container);
	while (iter_next(budget, it, &found))
	{
		if (value_identical(&found, item) || value_equal(budget, &found, item))
			return true;
	}
	return false;
}

/* Returns whether the value has a len(). */
bool
value_has_length(const Value *value)
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
			return true;
		case VAL_OBJECT:
			return value->u.object->type->length != NULL;
		default:
			return false;
	}
}

/* Returns Python's len().  Raises for a value that has none. */
int64
value_length(Budget *budget, const Value *value)
{
	switch ((ValueKind) value->kind)
	{
		case VAL_UNDEFINED:
			return 0;
		case VAL_STRING:
			return utext_chars(value->u.string, value->length);
		case VAL_LIST:
		case VAL_TUPLE:
			return value->u.list->count;
		case VAL_DICT:
			return value->u.dict->count;
		case VAL_RANGE:
			return value->u.range->count;
		case VAL_VIEW:
			return value->u.view->dict->count;
		case VAL_OBJECT:
			if (value->u.object->type->length)
				return value->u.object->type->length(budget, value->u.object);
			break;
		default:
			break;
	}
	value_fail("object of type '%s' has no len()", value_type(value));
}
