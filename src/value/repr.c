/*
 * value/repr.c
 *		Text of values: Python's str() and repr().
 */
#include "common/common.h"

#include "miscadmin.h"

#include "value/value.h"

/* Appends Python's repr() of a string. */
void
value_repr_string(StringInfo buf, const char *s, int length)
{
	char		quote = '\'';
	int			i = 0;

	if (memchr(s, '\'', length) && !memchr(s, '"', length))
		quote = '"';
	bounds_work(length / 4);
	appendStringInfoChar(buf, quote);
	while (i < length)
	{
		int			used;
		uint32		c = utext_decode(s + i, length - i, &used);

		bounds_work(6);
		if (c == (uint32) quote || c == '\\')
		{
			appendStringInfoChar(buf, '\\');
			appendStringInfoChar(buf, (char) c);
		}
		else if (c == '\n')
			appendStringInfoString(buf, "\\n");
		else if (c == '\r')
			appendStringInfoString(buf, "\\r");
		else if (c == '\t')
			appendStringInfoString(buf, "\\t");
		else if (unicode_is(c, UC_PRINTABLE) || (c >= 0xDC80 && c <= 0xDCFF))
			appendBinaryStringInfo(buf, s + i, used);
		else
			appendStringInfo(buf, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
		i += used;
	}
	appendStringInfoChar(buf, quote);
	value_check_size(buf->len);
}

/* Returns a name for a message, cut after 64 characters. */
char *
value_clip_name(const char *name, int length)
{
	return pnstrdup(name, utext_offset(name, length, 64));
}

/*
 * Returns repr() of a name or key for a message, cut after 64 characters. A
 * value that is neither a string nor a number appears as the name of its type.
 */
char *
value_quote(const Value *value)
{
	StringInfoData buf;
	int			length;

	initStringInfo(&buf);
	if (value->kind == VAL_STRING)
		value_repr_string(&buf, value->u.string,
						  utext_offset(value->u.string, value->length, 64));
	else if (value_is_number(value))
		appendStringInfoString(&buf, number_text(value, &length));
	else
		appendStringInfoString(&buf, value_type(value));
	return buf.data;
}

/* Appends the repr() of a list or tuple. */
static void
repr_items(Budget *budget, StringInfo buf, const Value *list)
{
	Value	   *items = seq_items(list);
	int			n = seq_count(list);
	int			i;

	appendStringInfoChar(buf, list->kind == VAL_TUPLE ? '(' : '[');
	for (i = 0; i < n; i++)
	{
		bounds_work(20);
		if (i > 0)
			appendBinaryStringInfo(buf, ", ", 2);
		value_repr_into(budget, buf, &items[i]);
	}
	if (list->kind == VAL_TUPLE && n == 1)
		appendStringInfoChar(buf, ',');
	appendStringInfoChar(buf, list->kind == VAL_TUPLE ? ')' : ']');
}

/* Appends the repr() of a dict. */
static void
repr_dict(Budget *budget, StringInfo buf, ValueDict *dict, uint8 flags)
{
	int			i;

	dict_deform(dict, flags);
	appendStringInfoChar(buf, '{');
	for (i = 0; i < dict->count; i++)
	{
		bounds_work(20);
		if (i > 0)
			appendBinaryStringInfo(buf, ", ", 2);
		value_repr_into(budget, buf, &dict->entries[i].key);
		appendBinaryStringInfo(buf, ": ", 2);
		value_repr_into(budget, buf, &dict->entries[i].value);
	}
	appendStringInfoChar(buf, '}');
}

/* Appends the repr() of a range. */
static void
repr_range(StringInfo buf, const ValueRange *range)
{
	appendStringInfo(buf, "range(" INT64_FORMAT ", " INT64_FORMAT,
					 range->start, range->stop);
	if (range->step != 1)
		appendStringInfo(buf, ", " INT64_FORMAT, range->step);
	appendStringInfoChar(buf, ')');
}

/* Appends a view or an iterator as a list of its items. */
static void
repr_iterable(Budget *budget, StringInfo buf, const Value *value)
{
	Value		list = value_collect(budget, value);

	if (value->kind == VAL_VIEW)
		appendStringInfo(buf, "%s(", value_type(value));
	repr_items(budget, buf, &list);
	if (value->kind == VAL_VIEW)
		appendStringInfoChar(buf, ')');
}

/* Appends repr(value). */
void
value_repr_into(Budget *budget, StringInfo buf, const Value *value)
{
	check_stack_depth();
	switch ((ValueKind) value->kind)
	{
		case VAL_STRING:
			if (value->flags & VF_MARKUP)
				appendStringInfoString(buf, "Markup(");
			value_repr_string(buf, value->u.string, value->length);
			if (value->flags & VF_MARKUP)
				appendStringInfoChar(buf, ')');
			break;
		case VAL_UNDEFINED:
			appendStringInfoString(buf, "Undefined");
			break;
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			datetime_repr(buf, value);
			break;
		default:
			value_str_into(budget, buf, value);
			break;
	}
	value_check_size(buf->len);
}

/* Appends str(value).  Raises for an object that has no text. */
void
value_str_into(Budget *budget, StringInfo buf, const Value *value)
{
	char	   *text;
	int			length;

	check_stack_depth();
	switch ((ValueKind) value->kind)
	{
		case VAL_UNDEFINED:
			if (value->flags & VF_STRICT)
				value_fail_undefined(value);
			break;
		case VAL_ABSENT:
			break;
		case VAL_NONE:
			appendStringInfoString(buf, "None");
			break;
		case VAL_BOOL:
		case VAL_INT:
		case VAL_BIGINT:
		case VAL_FLOAT:
			text = number_text(value, &length);
			appendBinaryStringInfo(buf, text, length);
			pfree(text);
			break;
		case VAL_STRING:
			value_check_size((int64) buf->len + value->length);
			appendBinaryStringInfo(buf, value->u.string, value->length);
			break;
		case VAL_LIST:
		case VAL_TUPLE:
			repr_items(budget, buf, value);
			break;
		case VAL_DICT:
			repr_dict(budget, buf, value->u.dict, value->flags);
			break;
		case VAL_NAMESPACE:
			appendStringInfoString(buf, "<Namespace ");
			repr_dict(budget, buf, value->u.dict, 0);
			appendStringInfoChar(buf, '>');
			break;
		case VAL_RANGE:
			repr_range(buf, value->u.range);
			break;
		case VAL_VIEW:
		case VAL_ITERATOR:
			repr_iterable(budget, buf, value);
			break;
		case VAL_OBJECT:
			if (value->u.object->type->repr == NULL)
				value_fail_not_json(value);
			value->u.object->type->repr(budget, buf, value->u.object);
			break;
		case VAL_DATETIME:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			datetime_append(buf, value, 'T');
			break;
	}
	value_check_size(buf->len);
}

/* Returns str(value); Markup becomes a plain string. */
Value
value_str(Budget *budget, const Value *value)
{
	StringInfoData buf;

	if (value->kind == VAL_STRING)
		return utext_make(value->u.string, value->length);
	initStringInfo(&buf);
	value_str_into(budget, &buf, value);
	return utext_from_buffer(&buf);
}

/* Returns str(value); Markup stays Markup. */
Value
value_soft_str(Budget *budget, const Value *value)
{
	Value		result;

	if (value->kind != VAL_STRING)
		return value_str(budget, value);
	result = *value;
	result.flags &= VF_MARKUP;
	return result;
}

/* Returns repr(value). */
Value
value_repr(Budget *budget, const Value *value)
{
	StringInfoData buf;

	initStringInfo(&buf);
	value_repr_into(budget, &buf, value);
	return utext_from_buffer(&buf);
}

/* Returns repr(value) with all characters outside ASCII escaped. */
Value
value_ascii(Budget *budget, const Value *value)
{
	Value		text = value_repr(budget, value);
	StringInfoData buf;
	int			pos = 0;

	initStringInfo(&buf);
	while (pos < text.length)
	{
		int			used;
		uint32		c = utext_decode(text.u.string + pos, text.length - pos, &used);

		bounds_work(6);
		if (c < 0x80)
			appendStringInfoChar(&buf, (char) c);
		else
			appendStringInfo(&buf, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
		pos += used;
	}
	value_check_size(buf.len);
	return utext_from_buffer(&buf);
}
