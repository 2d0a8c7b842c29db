/*
 * broker/condition.c
 *		Conditions of a playbook: "when", "pass", "where", "retry_when" …
 */
#include "common/common.h"

#include "broker/condition.h"

/*
 * Evaluates a condition over any scope.  The template engine counts lines from
 * the beginning of the condition; *error has the position in the playbook.
 */
bool
condition_evaluate(const Condition *condition, const TemplateScope *scope,
				   bool *result, SourceError *error)
{
	if (condition->template == NULL)
	{
		*result = condition->constant;
		return true;
	}
	memset(error, 0, sizeof(SourceError));
	if ((scope->left == NULL ||
		 !template_refers_to_left(condition->template, scope, error)) &&
		template_truth(condition->template, scope, result, error))
		return true;
	if (condition->line > 0 && error->line > 0)
	{
		YamlNode	text;

		memset(&text, 0, sizeof(text));
		text.text_line = condition->line;
		text.text_column = condition->column;
		text.block = condition->block;
		yaml_locate(&text, error->line, error->column,
					&error->line, &error->column);
	}
	return false;
}

/* Evaluates a condition over the scope of a step; *error is text for an event. */
bool
condition_holds(const Condition *condition, Scope *scope, bool *result,
				char **error)
{
	SourceError failure;

	if (condition_evaluate(condition, &scope->template, result, &failure))
		return true;
	*error = scope_error_text(&failure);
	return false;
}
