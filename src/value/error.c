/*
 * value/error.c
 *		Errors of operations on values.
 */
#include "common/common.h"

#include "value/value.h"

static char *format_message(const char *fmt, va_list args) pg_attribute_printf(1, 0);

/* Returns the formatted message in CurrentMemoryContext. */
static char *
format_message(const char *fmt, va_list args)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		copy;
		int			needed;

		va_copy(copy, args);
		needed = appendStringInfoVA(&buf, fmt, copy);
		va_end(copy);
		if (needed == 0)
			return buf.data;
		enlargeStringInfo(&buf, needed);
	}
}

/* Raises what Python raises as TypeError, ValueError and the like. */
void
value_fail(const char *fmt,...)
{
	va_list		args;
	char	   *message;

	va_start(args, fmt);
	message = format_message(fmt, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s", message)));
}

/* Raises that a limit is exceeded. */
void
value_fail_limit(const char *fmt,...)
{
	va_list		args;
	char	   *message;

	va_start(args, fmt);
	message = format_message(fmt, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s", message)));
}

/* Raises that a feature of Python or Jinja2 is not supported; hint may be NULL. */
void
value_fail_refused(const char *hint, const char *fmt,...)
{
	va_list		args;
	char	   *message;

	va_start(args, fmt);
	message = format_message(fmt, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", message),
			 hint ? errhint("%s", hint) : 0));
}

/* Raises that JSON has no form for the value. */
void
value_fail_not_json(const Value *value)
{
	if (value->kind == VAL_OBJECT && value->u.object->type->refuse)
		value->u.object->type->refuse(value->u.object);
	value_fail_refused(NULL, "'%s' object is not a JSON value", value_type(value));
}

/* Returns whether an undefined value is a member that its owner does not have. */
bool
value_undefined_is_member(const Value *value)
{
	return value->u.undefined->owner != NULL;
}

/* Raises the error that any operation on this undefined value is. */
void
value_fail_undefined(const Value *value)
{
	const Undefined *u = value->u.undefined;
	char	   *name;

	if (u->hint)
		value_fail("%s", u->hint);
	name = value_quote(&u->name);
	if (u->owner == NULL)
		value_fail("%s is undefined", name);
	if (strcmp(u->owner, "NoneType") == 0)
		value_fail("None has no %s %s",
				   u->name.kind == VAL_STRING ? "attribute" : "element", name);
	if (u->name.kind == VAL_STRING)
		value_fail("'%s object' has no attribute %s", u->owner, name);
	value_fail("%s object has no element %s", u->owner, name);
}

/*
 * Returns whether an error says that the evaluated data or expression is at
 * fault: the errors of this file, and those that numeric, jsonb and the stack
 * check raise.  Any other error (cancel, out of memory, internal errors) must
 * not be caught and reported as one of a template.
 */
bool
value_error_is_data(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			return true;
		default:
			return sqlerrcode == ERRCODE_SYNTAX_ERROR ||
				sqlerrcode == ERRCODE_UNDEFINED_FUNCTION;
	}
}
