/*
 * jinja/exact.c
 *		Decimals that a template hands on: {{ order.price }} keeps every digit.
 *
 * Templates calculate with floats, as Python does.  A template that is no more
 * than the path to a number does not calculate, so that its result is the JSON
 * number itself.
 */
#include "common/common.h"

#include "jinja/internal.h"

/* Finds a member of a JSON-backed dict or list; false when there is none. */
static bool
find_json(const Value *owner, const Value *key, JsonbValue *member)
{
	JsonbContainer *json = NULL;
	int64		index;

	if (owner->kind == VAL_DICT)
		json = owner->u.dict->json;
	else if (owner->kind == VAL_LIST)
		json = owner->u.list->json;
	if (json == NULL)
		return false;
	if (JsonContainerIsObject(json))
		return key->kind == VAL_STRING &&
			getKeyJsonValueFromContainer(json, key->u.string, key->length, member) != NULL;
	if (key->kind != VAL_INT)
		return false;
	index = key->u.integer;
	if (index < 0)
		index += JsonContainerSize(json);
	if (index < 0 || index >= JsonContainerSize(json))
		return false;
	*member = *getIthJsonbValueFromContainer(json, (uint32) index);
	return true;
}

/* Finds a member of the owner, or of its "data" where the value of a step has that. */
static bool
find_member(const Value *owner, const Value *key, JsonbValue *member)
{
	JsonbValue	data;
	Value		name = utext_make("data", strlen("data"));

	if (find_json(owner, key, member))
		return true;
	return (owner->flags & VF_STEP) != 0 && key->kind == VAL_STRING &&
		find_json(owner, &name, &data) && json_is_object(&data) &&
		json_get_n(&data, key->u.string, key->length, member);
}

/* Finds the JSON number that a path leads to; false when it is none, or no path. */
static bool
find_number(Eval *ev, const TemplateNode *node, JsonbValue *number)
{
	Value		owner;
	Value		key;

	switch (node->type)
	{
		case NODE_NAME:
			{
				const TemplateName *name = &ev->template->names[node->name];
				TemplateBinding binding;

				if (!name->free)
					return false;
				ev->in_lookup = true;
				binding = ev->scope->lookup(ev->scope->arg, name->name, name->length, number);
				ev->in_lookup = false;
				return (binding == TEMPLATE_VALUE || binding == TEMPLATE_STEP_VALUE) &&
					number->type == jbvNumeric;
			}
		case NODE_GETATTR:
			key = node->value;
			break;
		case NODE_GETITEM:
			key = jinja_eval(ev, node->right);
			break;
		default:
			return false;
	}
	owner = jinja_eval(ev, node->left);
	return find_member(&owner, &key, number) && number->type == jbvNumeric;
}

/*
 * Sets *result to the JSON number that an expression has yielded as a float; false where
 * the expression is not the path of one.
 */
bool
jinja_exact_number(Eval *ev, const TemplateNode *node, const Value *value,
				   JsonbValue *result)
{
	JsonbValue	number;
	Value		same;

	if (value->kind != VAL_FLOAT || !find_number(ev, node, &number))
		return false;
	same = value_from_json(&number, 0);
	if (same.kind != VAL_FLOAT || same.u.real != value->u.real)
		return false;
	*result = number;
	return true;
}
