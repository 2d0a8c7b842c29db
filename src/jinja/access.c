/*
 * jinja/access.c
 *		Access to parts of a value: obj.name, obj[x] and obj[a:b].
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

/*
 * Sets *result to a builtin method bound to its object; returns false when the
 * type of the object has none of that name.
 */
bool
jinja_bind_method(const Value *object, const Value *name, Value *result)
{
	const Builtin *builtin = jinja_find_method(object, name->u.string, name->length);

	if (builtin == NULL)
		return false;
	*result = jinja_make_method(builtin, object);
	return true;
}

/*
 * Sets *result to an attribute of a macro; returns false when a macro has none
 * of that name.
 */
static bool
macro_attribute(Eval *ev, const Macro *macro, const Value *name, Value *result)
{
	const NodeList *params = &macro->node->items;
	uint8		flags = macro->node->flags;

	if (utext_is(name, "name"))
		*result = macro->name ? utext_make(macro->name, macro->name_length) :
			value_none();
	else if (utext_is(name, "arguments"))
	{
		Value	   *items = palloc((params->count / 2 + 1) * sizeof(Value));
		int			i;

		for (i = 0; i < params->count; i += 2)
			items[i / 2] = utext_from_cstring(ev->template->names[params->items[i]->name].name);
		*result = value_tuple(params->count / 2, items);
	}
	else if (utext_is(name, "catch_kwargs"))
		*result = value_bool((flags & NF_KWARGS) != 0);
	else if (utext_is(name, "catch_varargs"))
		*result = value_bool((flags & NF_VARARGS) != 0);
	else if (utext_is(name, "caller"))
		*result = value_bool((flags & NF_CALLER) != 0);
	else if (utext_is(name, "explicit_caller"))
		*result = value_bool((flags & NF_EXPLICIT_CALLER) != 0);
	else
		return false;
	return true;
}

/*
 * Sets *result to an attribute of a loop, macro or cycler that is not a
 * method; returns false when there is none.
 */
static bool
object_attribute(Eval *ev, const Value *object, const Value *name, Value *result)
{
	if (jinja_is_object(object, &jinja_loop_type))
		return jinja_loop_attribute(&ev->budget, (Loop *) object->u.object,
									name->u.string, name->length, result);
	if (jinja_is_object(object, &jinja_macro_type))
		return macro_attribute(ev, (const Macro *) object->u.object, name, result);
	if (jinja_is_object(object, &jinja_cycler_type) && utext_is(name, "current"))
	{
		const Cycler *cycler = (const Cycler *) object->u.object;

		*result = cycler->items[cycler->position];
		return true;
	}
	return false;
}

/*
 * Sets *result to an attribute that is not a method; returns false when there
 * is none.
 */
static bool
plain_attribute(Eval *ev, const Value *object, const Value *name, Value *result)
{
	switch ((ValueKind) object->kind)
	{
		case VAL_NAMESPACE:
			return dict_get(&ev->budget, object, name, result);
		case VAL_OBJECT:
			return object_attribute(ev, object, name, result);
		case VAL_TUPLE:
			if (!(object->flags & VF_GROUP))
				return false;
			if (utext_is(name, "grouper"))
				*result = object->u.list->items[0];
			else if (utext_is(name, "list"))
				*result = object->u.list->items[1];
			else
				return false;
			return true;
		case VAL_BOOL:
		case VAL_INT:
		case VAL_BIGINT:
		case VAL_FLOAT:
			if (utext_is(name, "real") ||
				(object->kind != VAL_FLOAT && utext_is(name, "numerator")))
				*result = object->kind == VAL_BOOL ? value_int(object->u.boolean) : *object;
			else if (utext_is(name, "imag"))
				*result = object->kind == VAL_FLOAT ? value_float(0) : value_int(0);
			else if (object->kind != VAL_FLOAT && utext_is(name, "denominator"))
				*result = value_int(1);
			else
				return false;
			return true;
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			return jinja_date_attribute(object, name, result);
		case VAL_RANGE:
			if (utext_is(name, "start"))
				*result = value_int(object->u.range->start);
			else if (utext_is(name, "stop"))
				*result = value_int(object->u.range->stop);
			else if (utext_is(name, "step"))
				*result = value_int(object->u.range->step);
			else
				return false;
			return true;
		default:
			return false;
	}
}

/*
 * Sets *result to an item by number; negative numbers count from the end.
 * Returns false when there is none.
 */
static bool
item_at(Eval *ev, const Value *object, int64 index, Value *result)
{
	int64		count = value_length(&ev->budget, object);

	if (index < 0)
		index += count;
	if (index < 0 || index >= count)
		return false;
	if (object->kind == VAL_STRING)
		*result = utext_slice(object, index, index + 1, 1, 1);
	else if (object->kind == VAL_RANGE)
		*result = value_int(object->u.range->start + index * object->u.range->step);
	else if (object->u.list->items == NULL)
		*result = value_from_json(getIthJsonbValueFromContainer(object->u.list->json,
																(uint32) index), 0);
	else
		*result = object->u.list->items[index];
	return true;
}

/* Returns whether the value can be a key. */
static bool
is_hashable(const Value *key)
{
	int			i;

	check_stack_depth();
	switch ((ValueKind) key->kind)
	{
		case VAL_LIST:
		case VAL_DICT:
			return false;
		case VAL_VIEW:
			return key->u.view->kind == VIEW_VALUES;
		case VAL_TUPLE:
			for (i = 0; i < seq_count(key); i++)
			{
				if (!is_hashable(&seq_items(key)[i]))
					return false;
			}
			return true;
		default:
			return true;
	}
}

/*
 * Sets *result to Python's object[key]; returns false where Python raises. A
 * key that is not hashable is no key of any dict, as in Jinja2.
 */
static bool
plain_item(Eval *ev, const Value *object, const Value *key, Value *result)
{
	switch ((ValueKind) object->kind)
	{
		case VAL_DICT:
			if (!is_hashable(key))
				return false;
			return dict_get(&ev->budget, object, key, result);
		case VAL_STRING:
		case VAL_LIST:
		case VAL_TUPLE:
		case VAL_RANGE:
			if (key->kind == VAL_BOOL)
				return item_at(ev, object, key->u.boolean, result);
			if (key->kind == VAL_INT)
				return item_at(ev, object, key->u.integer, result);
			return false;
		default:
			return false;
	}
}

/*
 * Sets *result to what the value of a step has under a key that it lacks
 * itself. The key is looked up in its "data" when the value is an envelope or
 * a response; .data and .result are the value itself, as is .results of a list;
 * anything else (.status, .errors of an iterator) is looked up in the envelope
 * that the value came in.  Returns false when there is none.
 */
static bool
step_fallback(Eval *ev, const Value *object, const Value *key, Value *result)
{
	Value		data;
	Value		status;

	if (!(object->flags & VF_STEP))
		return false;
	if (object->kind == VAL_DICT &&
		(dict_get_text(object, "status", 6, &status) ||
		 dict_get_text(object, "status_code", 11, &status)) &&
		dict_get_text(object, "data", 4, &data) &&
		(data.kind == VAL_DICT || data.kind == VAL_LIST) &&
		plain_item(ev, &data, key, result))
		return true;
	if (utext_is(key, "data") || utext_is(key, "result") ||
		(object->kind == VAL_LIST && utext_is(key, "results")))
	{
		*result = *object;
		return true;
	}
	return jinja_step_envelope(ev, object, key, result);
}

/* Marks the data of a step value as one, so that .data.data works on it. */
static void
mark_step_data(const Value *object, const Value *key, Value *result)
{
	if ((object->flags & VF_STEP) && utext_is(key, "data"))
		result->flags |= VF_STEP;
}

/* Returns the undefined value of a member that an object lacks. */
static Value
missing_member(const Value *object, const Value *key)
{
	Value		missing;

	if (object->kind != VAL_DICT || !(object->flags & VF_STRICT))
		return value_undefined_attribute(object, key);
	missing = value_undefined_hint(psprintf("this worker gives templates no variable %s",
											value_quote(key)));
	missing.flags |= VF_STRICT;
	return missing;
}

/* Returns object.name: a method or attribute, otherwise an item. */
Value
jinja_getattr(Eval *ev, const Value *object, const Value *name)
{
	Value		result;

	if (object->kind == VAL_UNDEFINED)
		value_fail_undefined(object);
	if (jinja_bind_method(object, name, &result) ||
		plain_attribute(ev, object, name, &result))
		return result;
	if (plain_item(ev, object, name, &result))
	{
		mark_step_data(object, name, &result);
		return result;
	}
	if (step_fallback(ev, object, name, &result))
		return result;
	if (jinja_is_mutation(object, name->u.string, name->length))
		value_fail_refused("Values cannot be changed; build a new one, or keep state in a namespace.",
						   "method \"%.*s\" of '%s' object is not supported",
						   name->length, name->u.string, value_type(object));
	return missing_member(object, name);
}

/*
 * Returns object.name that is not called. In a playbook the name then cannot
 * mean a method: {{ workload.items }} is the key, and {{ step.count }} of an
 * iterator is the number of its results.
 */
Value
jinja_getattr_uncalled(Eval *ev, const Value *object, const Value *name)
{
	Value		found = jinja_getattr(ev, object, name);
	Value		item;

	if (!jinja_is_object(&found, &jinja_method_type) || ev->scope->envelope == NULL)
		return found;
	if (object->kind == VAL_LIST && (object->flags & VF_STEP) && utext_is(name, "count"))
		return value_int(value_length(&ev->budget, object));
	if (object->kind != VAL_DICT || !plain_item(ev, object, name, &item))
		return found;
	mark_step_data(object, name, &item);
	return item;
}

/*
 * Finds what dict.get(key) gives: an item, otherwise what the value of a step has under
 * the key; false: there is neither.
 */
bool
jinja_get(Eval *ev, const Value *dict, const Value *key, Value *result)
{
	if (!dict_get(&ev->budget, dict, key, result))
		return step_fallback(ev, dict, key, result);
	mark_step_data(dict, key, result);
	return true;
}

/* Returns object[key]: an item, otherwise an attribute. */
Value
jinja_getitem(Eval *ev, const Value *object, const Value *key)
{
	Value		result;

	if (object->kind == VAL_UNDEFINED)
		value_fail_undefined(object);
	if (plain_item(ev, object, key, &result))
	{
		mark_step_data(object, key, &result);
		return result;
	}
	if (step_fallback(ev, object, key, &result))
		return result;
	if (key->kind == VAL_STRING &&
		(jinja_bind_method(object, key, &result) ||
		 plain_attribute(ev, object, key, &result)))
		return result;
	return missing_member(object, key);
}

/* Returns one bound of a slice.  Raises when the bound is no integer. */
static int64
slice_bound(const Value *bound, int64 fallback)
{
	if (!value_given_not_none(bound))
		return fallback;
	if (bound->kind == VAL_BIGINT)
	{
		Value		zero = value_int(0);
		bool		unordered;

		return number_compare(bound, &zero, &unordered) < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	}
	if (bound->kind != VAL_INT && bound->kind != VAL_BOOL)
		value_fail("slice indices must be integers or None");
	return value_index(bound, "slice");
}

/*
 * Returns a bound limited to the sequence, as Python's slice.indices() does.
 */
static int64
clamp_bound(int64 bound, int64 count, bool backward)
{
	if (bound < 0)
	{
		bound += count;
		if (bound < 0)
			bound = backward ? -1 : 0;
	}
	else if (bound >= count)
		bound = backward ? count - 1 : count;
	return bound;
}

/* Returns a slice of a range, which is a range. */
static Value
slice_range(const ValueRange *range, int64 start, int64 stop, int64 step, int64 count)
{
	Value		v = {VAL_RANGE};
	ValueRange *result = palloc(sizeof(ValueRange));

	result->start = range->start + start * range->step;
	result->stop = range->start + stop * range->step;
	result->step = range->step * step;
	result->count = count;
	v.u.range = result;
	return v;
}

/* Returns object[start:stop:step]. */
Value
jinja_getslice(Eval *ev, const Value *object, const Value *start_value,
			   const Value *stop_value, const Value *step_value)
{
	int64		step = slice_bound(step_value, 1);
	int64		start;
	int64		stop;
	int64		length;
	int64		count = 0;
	Value	   *items;
	Value	   *from;
	Value		result;
	int64		i;

	if (object->kind == VAL_UNDEFINED)
		value_fail_undefined(object);
	if (object->kind == VAL_DICT)
		value_fail("unhashable type: 'slice'");
	if (value_is_datetime(object))
	{
		Value		text = value_str(&ev->budget, object);

		return jinja_getslice(ev, &text, start_value, stop_value, step_value);
	}
	if (object->kind != VAL_STRING && object->kind != VAL_LIST &&
		object->kind != VAL_TUPLE && object->kind != VAL_RANGE)
		value_fail("'%s' object is not subscriptable", value_type(object));
	if (step == 0)
		value_fail("slice step cannot be zero");
	if (step == PG_INT64_MIN)
		step = -PG_INT64_MAX;
	length = value_length(&ev->budget, object);
	start = clamp_bound(slice_bound(start_value, step > 0 ? 0 : PG_INT64_MAX), length, step < 0);
	if (value_given_not_none(stop_value))
		stop = clamp_bound(slice_bound(stop_value, 0), length, step < 0);
	else
		stop = step > 0 ? length : -1;
	if (step > 0 && start < stop)
		count = (stop - start - 1) / step + 1;
	else if (step < 0 && start > stop)
		count = (start - stop - 1) / -step + 1;
	if (object->kind == VAL_STRING)
		return utext_slice(object, start, stop, step, count);
	if (object->kind == VAL_RANGE)
		return slice_range(object->u.range, start, stop, step, count);
	from = seq_items(object);
	items = palloc_extended((count + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	for (i = 0; i < count; i++)
		items[i] = from[start + i * step];
	result = value_list(count, items);
	result.kind = object->kind;
	value_check_memory();
	return result;
}
