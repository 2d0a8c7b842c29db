/*
 * jinja/scope.c
 *		Scopes whose free names are the members of a JSON object, and the SQL
 *		error of a template.
 */
#include "common/common.h"

#include "access/xact.h"

#include "jinja/jinja.h"

/* Raises an error of a template as an SQL error. */
void
template_raise(const SourceError *error)
{
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("%s", error->message),
			 error->line > 0 ? errdetail("Line %d, column %d of the template.",
										 error->line, error->column) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
}

/* Looks a name up among the members of the context object. */
static TemplateBinding
lookup_member(void *arg, const char *name, int length, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(arg, name, length, value) == NULL)
		return TEMPLATE_UNKNOWN;
	return TEMPLATE_VALUE;
}

/* Does the same, and marks every member as the value of a step. */
static TemplateBinding
lookup_step_value(void *arg, const char *name, int length, JsonbValue *value)
{
	TemplateBinding binding = lookup_member(arg, name, length, value);

	return binding == TEMPLATE_VALUE ? TEMPLATE_STEP_VALUE : binding;
}

/* Finds no envelope: the context object does not keep envelopes. */
static TemplateBinding
no_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	return TEMPLATE_UNDEFINED;
}

/*
 * TemplateScope.identify: the context itself tells templates apart; where it does not
 * say which execution it belongs to, so does the time.
 */
static void
identify_context(void *arg, StringInfo buf)
{
	JsonbContainer *context = arg;
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	JsonbValue	member;

	appendBinaryStringInfo(buf, (const char *) context, json_container_size(context));
	if (getKeyJsonValueFromContainer(context, "execution_id", strlen("execution_id"),
									 &member) == NULL)
		appendBinaryStringInfo(buf, (const char *) &now, sizeof(now));
}

/* Returns a scope over the members of an object; raises for any other value. */
TemplateScope
template_object_scope(Jsonb *context)
{
	TemplateScope scope;

	if (!JB_ROOT_IS_OBJECT(context))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("template context must be a JSON object")));
	memset(&scope, 0, sizeof(scope));
	scope.lookup = lookup_member;
	scope.arg = &context->root;
	scope.now = GetCurrentTransactionStartTimestamp();
	scope.identify = identify_context;
	scope.identify_arg = &context->root;
	return scope;
}

/* Returns a scope over the members of an object, each the value of a step. */
TemplateScope
template_steps_scope(Jsonb *context)
{
	TemplateScope scope = template_object_scope(context);

	scope.lookup = lookup_step_value;
	scope.envelope = no_envelope;
	return scope;
}

/* Finds the rest of the envelope of a step; false when no step has the name. */
static bool
find_step(JsonbContainer *context, const char *name, int length, JsonbValue *envelope)
{
	JsonbValue	steps;

	return getKeyJsonValueFromContainer(context, "_steps", strlen("_steps"), &steps) != NULL &&
		json_get_n(&steps, name, length, envelope);
}

/*
 * Finds "_results", the rest of the envelope of each step, when a name is that of their
 * values; false when it is not, or the context has none.
 */
static bool
find_results(JsonbContainer *context, const char *name, int length, JsonbValue *results)
{
	return word_is(name, length, "results") &&
		getKeyJsonValueFromContainer(context, "_results", strlen("_results"), results) != NULL;
}

/* Returns whether a member of a queue.context is a list that has a name. */
static bool
is_listed(JsonbContainer *context, const char *member, const char *name, int length)
{
	JsonbValue	names;
	JsonbValue	known;
	JsonbIterator *it;

	if (getKeyJsonValueFromContainer(context, member, strlen(member), &names) == NULL ||
		!json_is_array(&names))
		return false;
	it = json_walk(&names);
	while (json_next_element(&it, &known))
		if (known.type == jbvString && known.val.string.len == length &&
			memcmp(known.val.string.val, name, length) == 0)
			return true;
	return false;
}

/*
 * Looks a name up in a queue.context, whose "_steps" names the values of steps,
 * "_results" the envelopes behind "results", "_undefined" the names without a value and
 * "_strict" what the worker has added.
 */
static TemplateBinding
lookup_context(void *arg, const char *name, int length, JsonbValue *value)
{
	TemplateBinding binding = lookup_member(arg, name, length, value);
	JsonbValue	envelope;

	if (binding == TEMPLATE_VALUE && find_results(arg, name, length, &envelope))
		return TEMPLATE_STEP_VALUES;
	if (binding == TEMPLATE_UNKNOWN && is_listed(arg, "_undefined", name, length))
		return TEMPLATE_UNDEFINED;
	if (binding == TEMPLATE_VALUE && is_listed(arg, "_strict", name, length))
		return TEMPLATE_STRICT_VALUE;
	return binding == TEMPLATE_VALUE && find_step(arg, name, length, &envelope) ?
		TEMPLATE_STEP_VALUE : binding;
}

/* Finds the envelope of a step without the value that came in it. */
static TemplateBinding
context_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	JsonbValue	results;

	return (find_step(arg, name, length, value) ||
			(find_results(arg, "results", strlen("results"), &results) &&
			 json_get_n(&results, name, length, value))) && json_is_object(value) ?
		TEMPLATE_VALUE : TEMPLATE_UNDEFINED;
}

/* Returns a scope over a queue.context. */
TemplateScope
template_context_scope(Jsonb *context)
{
	TemplateScope scope = template_object_scope(context);

	scope.lookup = lookup_context;
	scope.envelope = context_envelope;
	return scope;
}
