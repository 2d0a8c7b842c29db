/*
 * playbook/priority.c
 *		Compiles and renders "priority" and "fairness": which tasks are handed out
 *		first.
 *
 *		priority: "{{ 50 if workload.urgent else 0 }}"
 *		fairness: {key: "{{ workload.tenant }}", weight: 2}
 */
#include "common/common.h"

#include <math.h>

#include "playbook/internal.h"

/* Reports that a priority or a fairness makes no sense. */
static void
turn_error(Compiler *compiler, const YamlNode *node, char *hint, const char *message)
{
	playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, node, hint,
				   "%s", message);
}

/* Returns whether a YAML node is a template. */
static bool
is_template(const YamlNode *node)
{
	return node->kind == YN_STRING && template_has_tags(node->string, node->length);
}

/*
 * Compiles a priority (NULL: none); a constant that is out of bounds counts as the
 * bound.
 */
void
playbook_compile_priority(Compiler *compiler, const YamlNode *node, PrioritySpec *priority)
{
	char	   *text = playbook_scalar_text(node);
	char	   *end = NULL;
	long		number = 0;

	if (node == NULL)
		return;
	if (is_template(node))
	{
		priority->given = true;
		priority->doc = playbook_compile_doc(compiler, node);
		return;
	}
	errno = 0;
	if (text != NULL)
		number = strtol(text, &end, 10);
	if (text == NULL || end == text || *end != '\0' || errno != 0 || number < PG_INT32_MIN ||
		number > PG_INT32_MAX)
	{
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node, "It has no effect.",
					   "priority must be an integer");
		return;
	}
	priority->given = true;
	priority->value = (int) Max(Min(number, HIGHEST_PRIORITY), -HIGHEST_PRIORITY);
	if (priority->value != number)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   psprintf("%ld counts as %d.", number, priority->value),
					   "priority must be between -%d and %d",
					   HIGHEST_PRIORITY, HIGHEST_PRIORITY);
}

/* Sets an error at the place of a template; returns false. */
static bool
fail_at(const TemplateDoc *doc, char *message, SourceError *error)
{
	error->message = message;
	error->line = doc->line;
	error->column = doc->column;
	return false;
}

/*
 * Renders a number.  Returns false and *error when the template raises or yields
 * anything else; *given is false for null and empty text, and where the template is
 * left to the worker.
 */
static bool
render_number(const TemplateDoc *doc, const TemplateScope *scope, const char *what,
			  double *number, bool *given, SourceError *error)
{
	JsonbValue	value;
	char	   *text;
	char	   *end;

	*given = false;
	if (!template_doc_render(doc, scope, &value, error))
		return false;
	if (value.type == jbvNull)
		return true;
	*given = true;
	if (json_number(&value, number))
		return true;
	if (value.type != jbvString)
		return fail_at(doc, psprintf("%s must be a number", what), error);
	text = pnstrdup(value.val.string.val, value.val.string.len);
	*given = text[0] != '\0' && !template_has_tags(text, strlen(text));
	if (!*given)
		return true;
	*number = strtod(text, &end);
	if (*end == '\0' && !isnan(*number))
		return true;
	return fail_at(doc, psprintf("%s must be a number, not \"%s\"", what, text), error);
}

/*
 * Renders a priority; *given tells whether there is one.  It is rounded and counts as
 * the bound when it is out of bounds.  False and *error when the template raises or
 * yields no number.
 */
bool
priority_render(const PrioritySpec *priority, const TemplateScope *scope, int *value,
				bool *given, SourceError *error)
{
	double		number;

	*given = priority->given;
	*value = priority->value;
	if (priority->doc == NULL)
		return true;
	if (!render_number(priority->doc, scope, "a priority", &number, given, error))
		return false;
	if (*given)
		*value = (int) rint(Max(Min(number, HIGHEST_PRIORITY), -HIGHEST_PRIORITY));
	return true;
}

/* Compiles a fairness; NULL when there is none, or when it is reported. */
FairnessSpec *
playbook_compile_fairness(Compiler *compiler, const YamlNode *node)
{
	FairnessSpec *fairness;
	const YamlNode *key;
	const YamlNode *weight;
	char	   *text;
	char	   *end = NULL;

	if (node == NULL)
		return NULL;
	key = node->kind == YN_MAP ? playbook_member(node, "key") : NULL;
	if (key == NULL)
	{
		turn_error(compiler, node, "Write fairness: {key: \"{{ workload.tenant }}\"}.",
				   "fairness must be a mapping with a key");
		return NULL;
	}
	for (int i = 0; i < node->count; i++)
		if (!key_in(node->pairs[i].key->string, fairness_keys))
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node->pairs[i].key,
						   "A fairness has key and weight.",
						   "\"%s\" has no effect in a fairness", node->pairs[i].key->string);
	fairness = palloc0(sizeof(FairnessSpec));
	fairness->key = playbook_compile_doc(compiler, key);
	weight = playbook_member(node, "weight");
	if (weight == NULL)
		return fairness;
	text = playbook_scalar_text(weight);
	if (!is_template(weight) &&
		(text == NULL || !(strtod(text, &end) > 0) || *end != '\0'))
		turn_error(compiler, weight, "A key of weight 2 has twice as many turns as one of 1.",
				   "the weight of a fairness must be a positive number");
	fairness->weight = playbook_compile_doc(compiler, weight);
	return fairness;
}

/*
 * Renders a fairness (NULL: none); *key is NULL when the task has none, which is so for a
 * key that is null.  A weight that is out of bounds counts as the bound.  False and
 * *error when a template raises, or the weight is no number.
 */
bool
fairness_render(const FairnessSpec *fairness, const TemplateScope *scope, char **key,
				double *weight, SourceError *error)
{
	JsonbValue	value;
	bool		given = false;

	*key = NULL;
	*weight = 1;
	if (fairness == NULL)
		return true;
	if (!template_doc_render(fairness->key, scope, &value, error) ||
		(fairness->weight != NULL &&
		 !render_number(fairness->weight, scope, "the weight of a fairness", weight, &given,
						error)))
		return false;
	*weight = given ? Max(Min(*weight, HIGHEST_WEIGHT), LOWEST_WEIGHT) : 1;
	if (value.type != jbvNull)
		*key = playbook_key_text(&value);
	return true;
}
