/*
 * yaml/to_json.c
 *		A YAML tree as jsonb.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "yaml/internal.h"

/* Sets *value to the JSON value of a scalar; it points into the node. */
static void
scalar_value(const YamlNode *node, JsonbValue *value)
{
	switch (node->kind)
	{
		case YN_NULL:
			value->type = jbvNull;
			break;
		case YN_BOOL:
			value->type = jbvBool;
			value->val.boolean = node->boolean;
			break;
		case YN_NUMBER:
			value->type = jbvNumeric;
			value->val.numeric = node->number;
			break;
		case YN_STRING:
			value->type = jbvString;
			value->val.string.val = node->string;
			value->val.string.len = node->length;
			break;
		default:
			elog(ERROR, "YAML node of kind %d is no scalar", (int) node->kind);
	}
}

/* Pushes a node with everything in it, as an element or a value. */
static JsonbValue *
push_node(JsonbParseState **state, const YamlNode *node, JsonbIteratorToken token)
{
	JsonbValue	value;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	switch (node->kind)
	{
		case YN_LIST:
			pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
			for (int i = 0; i < node->count; i++)
				push_node(state, node->items[i], WJB_ELEM);
			return pushJsonbValue(state, WJB_END_ARRAY, NULL);
		case YN_MAP:
			pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
			for (int i = 0; i < node->count; i++)
			{
				scalar_value(node->pairs[i].key, &value);
				pushJsonbValue(state, WJB_KEY, &value);
				push_node(state, node->pairs[i].value, WJB_VALUE);
			}
			return pushJsonbValue(state, WJB_END_OBJECT, NULL);
		default:
			scalar_value(node, &value);
			return pushJsonbValue(state, token, &value);
	}
}

/* Sets *result to the JSON value of a node. */
void
yaml_to_json(const YamlNode *node, JsonbValue *result)
{
	JsonbParseState *state = NULL;
	Jsonb	   *jsonb;

	if (node->kind != YN_LIST && node->kind != YN_MAP)
	{
		scalar_value(node, result);
		return;
	}
	jsonb = JsonbValueToJsonb(push_node(&state, node, WJB_ELEM));
	result->type = jbvBinary;
	result->val.binary.data = &jsonb->root;
	result->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}
