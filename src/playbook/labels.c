/*
 * playbook/labels.c
 *		The labels that a playbook gives its executions.
 */
#include "common/common.h"

#include "playbook/internal.h"

/* Warns of a label that has no effect. */
static void
warn_of_label(Compiler *compiler, const YamlNode *node, const char *key, const char *fault)
{
	playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
				   "The label has no effect.", "label \"%s\" %s", key, fault);
}

/*
 * Compiles the labels of the metadata, or of the top level: a map from names to
 * scalars, whose text counts.  Labels that no execution can have are left out.
 */
void
playbook_compile_labels(Compiler *compiler)
{
	const YamlNode *labels = playbook_member(playbook_member(compiler->root, "metadata"),
											 "labels");
	JsonBuilder builder;
	JsonbValue	value;
	int			count = 0;

	if (labels == NULL)
		labels = playbook_member(compiler->root, "labels");
	if (labels == NULL)
		return;
	if (labels->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, labels,
					   "Write a mapping from names to texts.", "labels have no effect");
		return;
	}
	json_begin_object(&builder);
	for (int i = 0; i < labels->count; i++)
	{
		const YamlNode *node = labels->pairs[i].value;
		const char *key = labels->pairs[i].key->string;
		char	   *text = playbook_scalar_text(node);
		const char *fault = text == NULL ? "must be text" :
			label_fault(strlen(key), strlen(text), count);

		if (fault != NULL)
		{
			warn_of_label(compiler, node, key, fault);
			continue;
		}
		json_add_text(&builder, key, text);
		count++;
	}
	json_end_object(&builder, &value);
	if (count > 0)
		compiler->playbook->labels = json_to_jsonb(&value);
}
