/*
 * api/names_scope.c
 *		A template scope of two layers: the names of an item of an iterator, or of
 *		the result that is saved, over those of a queue.context.
 */
#include "common/common.h"

#include "api/names_scope.h"

/*
 * Returns whether a name is that of the step itself, or "step", which means the
 * same.  The names of an item, among them that of its iterator, win over it.
 */
static bool
is_self(const NamesScope *scope, const char *name, int length)
{
	JsonbValue	names;
	JsonbValue	context;
	JsonbValue	self;

	json_from_jsonb(scope->names, &names);
	if (json_get_n(&names, name, length, &self))
		return false;
	if (word_is(name, length, "step"))
		return true;
	json_from_jsonb(scope->context, &context);
	return json_get(&context, "_self", &self) && self.type == jbvString &&
		self.val.string.len == length && memcmp(self.val.string.val, name, length) == 0;
}

/* Returns whether a name is one of those of the action's result. */
static bool
is_result(const NamesScope *scope, const char *name, int length)
{
	static const char *const words[] = {"result", "response", "this"};

	if (scope->has_result && is_self(scope, name, length))
		return true;
	for (int i = 0; scope->has_result && i < lengthof(words); i++)
		if (strlen(words[i]) == length && memcmp(name, words[i], length) == 0)
			return true;
	return false;
}

/* TemplateScope.lookup: looks into the upper layer first. */
static TemplateBinding
names_lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	NamesScope *scope = (NamesScope *) arg;
	TemplateBinding binding;

	if (scope->has_result && is_self(scope, name, length))
	{
		name = "result";
		length = strlen("result");
	}
	binding = scope->above.lookup(scope->above.arg, name, length, value);
	if (binding == TEMPLATE_UNKNOWN)
		return scope->below.lookup(scope->below.arg, name, length, value);
	if (is_result(scope, name, length))
		return TEMPLATE_STEP_VALUE;
	return scope->strict ? TEMPLATE_STRICT_VALUE : binding;
}

/* TemplateScope.envelope: that of the result is "this". */
static TemplateBinding
names_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	NamesScope *scope = (NamesScope *) arg;
	JsonbValue	names;

	json_from_jsonb(scope->names, &names);
	if (is_result(scope, name, length))
		return json_get(&names, "this", value) ? TEMPLATE_VALUE : TEMPLATE_UNDEFINED;
	return scope->below.envelope(scope->below.arg, name, length, value);
}

/* Fills in a scope over two objects. */
void
names_scope_init(NamesScope *scope, Jsonb *context, Jsonb *names,
				 bool has_result)
{
	scope->below = template_context_scope(context);
	scope->above = template_object_scope(names);
	scope->names = names;
	scope->context = context;
	scope->has_result = has_result;
	scope->strict = false;
	scope->template = scope->below;
	scope->template.needs = NEEDS_VALUES;
	scope->template.lookup = names_lookup;
	scope->template.envelope = names_envelope;
	scope->template.arg = scope;
}
