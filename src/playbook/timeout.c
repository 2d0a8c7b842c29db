/*
 * playbook/timeout.c
 *		How long a step or a whole execution may take, as the document says.
 */
#include "common/common.h"

#include "playbook/internal.h"
#include "playbook/duration.h"

static char *const timeout_hint = "Write seconds or an interval: 30, 1.5, \"5 minutes\".";

/* Reads a timeout without templates and reports what is wrong with it; 0: none. */
static int64
constant_timeout(Compiler *compiler, const YamlNode *node)
{
	JsonbValue	value;
	int64		us = 0;
	char	   *error;

	yaml_to_json(node, &value);
	if (!timeout_parse(&value, &us, &error))
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, timeout_hint, "%s", error);
	return us;
}

/* Returns whether a timeout is a template, which only an execution can render. */
static bool
is_template(const YamlNode *node)
{
	return node->kind == YN_STRING && template_has_tags(node->string, node->length);
}

/* Compiles the timeout of a step: a constant that makes sense, or a template. */
TemplateDoc *
playbook_compile_timeout(Compiler *compiler, const YamlNode *node)
{
	if (node == NULL)
		return NULL;
	if (!is_template(node))
		(void) constant_timeout(compiler, node);
	return playbook_compile_doc(compiler, node);
}

/*
 * Reads the timeout of an execution, in microseconds; 0: none.  It is needed
 * before any value is known, so a template is an error.
 */
int64
playbook_constant_timeout(Compiler *compiler, const YamlNode *node)
{
	if (node == NULL)
		return 0;
	if (!is_template(node))
		return constant_timeout(compiler, node);
	playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
				   node, timeout_hint,
				   "the timeout of a playbook cannot be a template");
	return 0;
}
