/*
 * playbook/outline.c
 *		What a document says of its steps and tasks, for the views workflow and
 *		workbook: types and descriptions as written.
 *
 * A step that refers to a workbook task is compiled with the task's type.  The
 * outline has the type that the step itself writes.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/formatting.h"

#include "playbook/internal.h"

/* Returns a value as text: a scalar as written, anything else as JSON; NULL: null. */
static char *
value_text(const YamlNode *node)
{
	JsonbValue	value;
	Jsonb	   *jsonb;

	if (node == NULL)
		return NULL;
	if (node->kind != YN_LIST && node->kind != YN_MAP)
		return pnstrdup(node->string != NULL ? node->string : "", node->length);
	yaml_to_json(node, &value);
	jsonb = JsonbValueToJsonb(&value);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* Returns the value of the first of two keys that is there, as text, or NULL. */
static char *
member_text(const YamlNode *map, const char *key, const char *other)
{
	const YamlNode *node = playbook_member(map, key);

	return value_text(node != NULL ? node : playbook_member(map, other));
}

/* Returns the type that a step or task writes, trimmed and lower-cased, or NULL. */
static char *
written_type(const YamlNode *map)
{
	const YamlNode *tool = playbook_member(map, "tool");
	const YamlNode *node = playbook_member(map, "type");
	char	   *text;
	int			length;

	if (node == NULL)
		node = playbook_member(tool, "kind");
	text = value_text(node != NULL ? node : tool);
	if (text == NULL)
		return NULL;
	text += strspn(text, " ");
	length = strlen(text);
	while (length > 0 && text[length - 1] == ' ')
		length--;
	return asc_tolower(text, length);
}

/* Returns what a step without a type is called in the outline. */
static char *
untyped_step(const char *name)
{
	if (playbook_name_is(name, "start"))
		return "start";
	return playbook_name_is(name, "end") ? "end" : "router";
}

/* Lists the tasks of the workbook: a list of tasks, or a map by name. */
static void
outline_tasks(Compiler *compiler)
{
	Playbook   *playbook = compiler->playbook;
	const YamlNode *workbook = playbook_member(compiler->root, "workbook");

	if (workbook == NULL)
		workbook = playbook_member(compiler->root, "tasks");
	if (workbook == NULL || (workbook->kind != YN_LIST && workbook->kind != YN_MAP))
		return;
	playbook->tasks = palloc0(sizeof(TaskOutline) * Max(workbook->count, 1));
	for (int i = 0; i < workbook->count; i++)
	{
		TaskOutline *task = &playbook->tasks[playbook->ntasks++];
		const YamlNode *node = workbook->kind == YN_LIST ? workbook->items[i] :
			workbook->pairs[i].value;

		CHECK_FOR_INTERRUPTS();
		task->name = workbook->kind == YN_LIST ? member_text(node, "name", "task") :
			value_text(workbook->pairs[i].key);
		task->type = written_type(node);
	}
}

/* Fills in the outline of a playbook whose steps are numbered. */
void
playbook_outline(Compiler *compiler)
{
	Playbook   *playbook = compiler->playbook;

	for (int i = 0; i < playbook->nsteps; i++)
	{
		Step	   *step = &playbook->steps[i];

		CHECK_FOR_INTERRUPTS();
		step->written_type = written_type(compiler->step_nodes[i]);
		if (step->written_type == NULL)
			step->written_type = untyped_step(step->name);
		step->description = member_text(compiler->step_nodes[i], "desc", "description");
	}
	outline_tasks(compiler);
}
