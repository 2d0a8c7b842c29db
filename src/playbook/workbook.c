/*
 * playbook/workbook.c
 *		What a step is made of: its own keys, those of a tool map, and the
 *		workbook task that it refers to.
 *
 *		tool: {kind: http, url: u}		->	tool: http, url: u
 *		task {with: {a, b}}, step {with: {b'}}	->	{with: {a, b'}}
 *
 * Maps are laid over maps as YAML nodes, before anything is compiled, so that
 * every value keeps the position at which it was written.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "playbook/internal.h"

static void add_task(Compiler *compiler, const YamlNode *where,
					 const YamlNode *task, char *name);
static char *suggest_task(Compiler *compiler, const char *name);
static char *action_type(Compiler *compiler, const YamlNode *map,
						 const YamlNode **where);
static YamlNode *raise_tool(const YamlNode *map);
static YamlNode *lay_over(const YamlNode *below, const YamlNode *above);
static YamlNode *without(const YamlNode *map, const char *const *keys);
static bool resolve_task(Compiler *compiler, const char *name,
						 StepSource *source);

/* Reads the names of the workbook: a list of tasks, or a map by name. */
void
playbook_load_tasks(Compiler *compiler)
{
	const YamlNode *workbook = playbook_member(compiler->root, "workbook");
	int			i;

	if (workbook == NULL)
		workbook = playbook_member(compiler->root, "tasks");
	if (workbook == NULL)
		return;
	if (workbook->kind != YN_LIST && workbook->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   workbook, "Begin each task with \"- name: task\".",
					   "workbook must be a list of tasks");
		return;
	}
	compiler->task_nodes = MemoryContextAlloc(compiler->scratch,
											  sizeof(YamlNode *) * (workbook->count + 1));
	compiler->task_used = MemoryContextAllocZero(compiler->scratch,
												 sizeof(bool) * (workbook->count + 1));
	for (i = 0; i < workbook->count; i++)
	{
		const YamlNode *task;
		const YamlNode *where;

		if (workbook->kind == YN_MAP)
			add_task(compiler, workbook->pairs[i].key, workbook->pairs[i].value,
					 workbook->pairs[i].key->string);
		else
		{
			task = workbook->items[i];
			where = playbook_member(task, "name");
			if (where == NULL)
				where = playbook_member(task, "task");
			add_task(compiler, where ? where : task, task,
					 playbook_scalar_text(where));
		}
	}
}

/* Enters one task; the first of a name counts. */
static void
add_task(Compiler *compiler, const YamlNode *where, const YamlNode *task,
		 char *name)
{
	int			known;

	CHECK_FOR_INTERRUPTS();
	if (name == NULL || task->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, where,
					   "Begin each task with \"- name: task\".",
					   name ? "a workbook task must be a mapping"
					   : "the workbook task has no name");
		return;
	}
	known = name_table_find(&compiler->tasks, name, strlen(name));
	if (known < 0)
	{
		known = name_table_add(&compiler->tasks, name, strlen(name));
		compiler->task_nodes[known] = task;
	}
	else
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, where, NULL,
					   "workbook task \"%s\" is already defined in line %d",
					   name, compiler->task_nodes[known]->line);
}

/* Returns a task by name and marks it as used; NULL: there is none. */
const YamlNode *
playbook_find_task(Compiler *compiler, const char *name)
{
	int			number = name_table_find(&compiler->tasks, name, strlen(name));

	if (number < 0)
		return NULL;
	compiler->task_used[number] = true;
	return compiler->task_nodes[number];
}

/*
 * Reports templates that do not parse in tasks that no step refers to.  Such
 * tasks are not compiled.  Comes after all steps.
 */
void
playbook_check_idle_tasks(Compiler *compiler)
{
	List	   *noted = compiler->uses;	/* no step says what its task sees */

	for (int i = 0; i < compiler->tasks.count; i++)
	{
		const YamlNode *task = compiler->task_nodes[i];

		if (compiler->task_used[i])
			playbook_lint_task_keys(compiler, task);
		else
			playbook_lint_task(compiler, task);
		for (int j = 0; !compiler->task_used[i] && j < task->count; j++)
			if (!key_is_code(task->pairs[j].key->string))
				(void) playbook_raw_doc(compiler, task->pairs[j].key->string,
										task->pairs[j].value);
	}
	compiler->uses = noted;
	name_table_free(&compiler->raw_roots);
	memset(&compiler->raw_roots, 0, sizeof(NameTable));
}

/* Returns a hint with the task that a name most likely means, or NULL. */
static char *
suggest_task(Compiler *compiler, const char *name)
{
	int			i;

	if (compiler->tasks.count == 0)
		return "The playbook has no workbook.";
	if (++compiler->nsuggestions > PLAYBOOK_MAX_SUGGESTIONS)
		return NULL;
	for (i = 0; i < compiler->tasks.count; i++)
		if (playbook_looks_like(name, compiler->tasks.entries[i].name))
			return playbook_did_you_mean(compiler->tasks.entries[i].name);
	return NULL;
}

/* Returns the node that names the type of a task: type, tool, or the kind of a tool. */
const YamlNode *
playbook_task_type(const YamlNode *map)
{
	const YamlNode *tool = playbook_member(map, "tool");
	const YamlNode *type = playbook_member(map, "type");

	if (type == NULL && tool != NULL)
		type = tool->kind == YN_MAP ? playbook_member(tool, "kind") : tool;
	return type;
}

/*
 * Returns the action type of a step or task, lower-cased; "" for none.
 * *where: the node that names it, or NULL.
 */
static char *
action_type(Compiler *compiler, const YamlNode *map, const YamlNode **where)
{
	const YamlNode *node = playbook_member(map, "type");
	char	   *type;
	int			length;

	if (node == NULL)
		node = playbook_member(map, "tool");
	if (node != NULL && node->kind == YN_MAP)
	{
		const YamlNode *kind = playbook_member(node, "kind");

		if (kind == NULL)
		{
			playbook_issue(compiler, ISSUE_ERROR,
						   ERRCODE_INVALID_OBJECT_DEFINITION, node,
						   "Write: kind: http (or python, postgres ...).",
						   "the tool has no kind");
			return pstrdup("");
		}
		node = kind;
	}
	*where = node;
	if (node == NULL)
		return pstrdup("");
	type = playbook_scalar_text(node);
	if (type == NULL)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, node->kind == YN_LIST ?
					   "A step does one thing: make each tool a step of its own. The task of an iterator may be a list." :
					   NULL, "the type of an action must be text");
		return pstrdup("");
	}
	type += strspn(type, " \t\r\n");
	length = strlen(type);
	while (length > 0 && strchr(" \t\r\n", type[length - 1]) != NULL)
		length--;
	if (length > PLAYBOOK_MAX_NAME)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_NAME_TOO_LONG, node,
					   "Write the type, such as python, and what it does beside it.",
					   "the type of an action cannot be longer than %d bytes", PLAYBOOK_MAX_NAME);
	return asc_tolower(type, length);
}

/*
 * Moves the keys of a tool map up beside it.  The step's own keys win, and
 * "tool" becomes the kind.  Keys that steer a step stay where they are: inside
 * a tool they belong to the action, and playbook/step.c adds them.
 */
static YamlNode *
raise_tool(const YamlNode *map)
{
	const YamlNode *tool = playbook_member(map, "tool");
	const YamlNode *kind = playbook_member(tool, "kind");
	YamlNode   *raised;
	YamlNode   *own;
	int			i;

	if (tool == NULL || tool->kind != YN_MAP)
		return unconstify(YamlNode *, map);
	raised = playbook_new_map(map, tool->count);
	for (i = 0; i < tool->count; i++)
		if (strcmp(tool->pairs[i].key->string, "kind") != 0 &&
			key_is_forwarded(tool->pairs[i].key->string))
			playbook_add_pair(raised, tool->pairs[i].key, tool->pairs[i].value);
	own = playbook_new_map(map, map->count);
	for (i = 0; i < map->count; i++)
	{
		if (strcmp(map->pairs[i].key->string, "tool") != 0)
			playbook_add_pair(own, map->pairs[i].key, map->pairs[i].value);
		else if (kind != NULL)
			playbook_add_pair(own, map->pairs[i].key, unconstify(YamlNode *, kind));
	}
	return lay_over(raised, own);
}

/* Lays one map over another: maps are merged, anything else is replaced. */
static YamlNode *
lay_over(const YamlNode *below, const YamlNode *above)
{
	YamlNode   *merged = playbook_new_map(above, below->count + above->count);
	NameTable	names = {0};
	int			i;

	check_stack_depth();
	for (i = 0; i < below->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		playbook_add_pair(merged, below->pairs[i].key, below->pairs[i].value);
		name_table_add(&names, below->pairs[i].key->string,
					   below->pairs[i].key->length);
	}
	for (i = 0; i < above->count; i++)
	{
		YamlPair   *pair = &above->pairs[i];
		int			known = name_table_find(&names, pair->key->string,
											pair->key->length);
		YamlNode   *other = known >= 0 ? below->pairs[known].value : NULL;

		CHECK_FOR_INTERRUPTS();
		if (other == NULL)
			playbook_add_pair(merged, pair->key, pair->value);
		else
		{
			merged->pairs[known].key = pair->key;
			merged->pairs[known].value = pair->value;
			if (other->kind == YN_MAP && pair->value->kind == YN_MAP)
				merged->pairs[known].value = lay_over(other, pair->value);
		}
	}
	name_table_free(&names);
	return merged;
}

/* Returns a map without some of its keys. */
static YamlNode *
without(const YamlNode *map, const char *const *keys)
{
	YamlNode   *rest = playbook_new_map(map, map->count);
	int			i;

	for (i = 0; i < map->count; i++)
		if (!key_in(map->pairs[i].key->string, keys))
			playbook_add_pair(rest, map->pairs[i].key, map->pairs[i].value);
	return rest;
}

/*
 * Finds the task of a workbook step and lays the step over it; false after an
 * issue.
 */
static bool
resolve_task(Compiler *compiler, const char *name, StepSource *source)
{
	const YamlNode *where = playbook_member(source->own, "task");
	const YamlNode *task;
	char	   *task_name;

	if (where == NULL || where->kind != YN_STRING)
		where = playbook_member(source->own, "name");
	task_name = playbook_scalar_text(where);
	if (task_name == NULL)
		task_name = pstrdup(name);
	task = playbook_find_task(compiler, task_name);
	if (task == NULL)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_UNDEFINED_OBJECT,
					   where ? where : source->type_node,
					   suggest_task(compiler, task_name),
					   "workbook task \"%s\" does not exist", task_name);
		return false;
	}
	source->written_task = task;
	source->task = raise_tool(task);
	source->type = action_type(compiler, task, &source->type_node);
	if (source->type[0] == '\0' || strcmp(source->type, "workbook") == 0)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   source->type_node ? source->type_node : task,
					   "Say what it does: type: python (or http, postgres ...).",
					   source->type[0] == '\0' ?
					   "workbook task \"%s\" has no type" :
					   "workbook task \"%s\" refers to the workbook itself",
					   task_name);
		return false;
	}
	source->merged = lay_over(without(source->task, graph_keys),
							  without(source->own, type_keys));
	source->task_name = task_name;
	return true;
}

/* Collects what a step is made of; false after an issue. */
bool
playbook_resolve_step(Compiler *compiler, const YamlNode *node,
					  const char *name, StepSource *source)
{
	MemoryContext caller = MemoryContextSwitchTo(compiler->scratch);
	bool		resolved = true;

	memset(source, 0, sizeof(StepSource));
	source->node = node;
	source->type = action_type(compiler, node, &source->type_node);
	source->own = raise_tool(node);
	source->merged = source->own;
	if (strcmp(source->type, "workbook") == 0)
		resolved = resolve_task(compiler, name, source);
	MemoryContextSwitchTo(caller);
	return resolved;
}
