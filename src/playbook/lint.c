/*
 * playbook/lint.c
 *		Warnings of what is legal but is hardly what the author meant.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"
#include "save/save.h"

static char *const blank_after_dash = "YAML wants a blank after the dash: \"- step: name\".";

/* Returns the word of a list that another word looks like, or NULL. */
static const char *
resembles(const char *const *list, const char *word)
{
	int			i;

	for (i = 0; list[i] != NULL; i++)
		if (playbook_looks_like(word, list[i]))
			return list[i];
	return NULL;
}

/* Warns of keys that look like a misspelling of a known one. */
static void
lint_keys(Compiler *compiler, const YamlNode *map, const char *const *known,
		  const char *const *more, const char *const *harmless)
{
	int			i;

	for (i = 0; map->kind == YN_MAP && i < map->count; i++)
	{
		const YamlNode *key = map->pairs[i].key;
		const char *meant;

		CHECK_FOR_INTERRUPTS();
		if (key_in(key->string, known) || key_in(key->string, more) ||
			key_in(key->string, harmless))
			continue;
		meant = resembles(known, key->string);
		if (meant == NULL)
			meant = resembles(more, key->string);
		if (meant == NULL && key->string[0] == '-')
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key, blank_after_dash,
						   "unknown key \"%s\"", key->string);
		if (meant != NULL && yaml_member(map, meant) == NULL)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
						   playbook_did_you_mean(meant),
						   "unknown key \"%s\"", key->string);
	}
}

/* Warns of every key that a map does not know. */
void
playbook_lint_closed(Compiler *compiler, const YamlNode *map, const char *const *known,
					 char *hint)
{
	for (int i = 0; map->kind == YN_MAP && i < map->count; i++)
	{
		const YamlNode *key = map->pairs[i].key;
		const char *meant;

		if (key_in(key->string, known))
			continue;
		meant = resembles(known, key->string);
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
					   meant != NULL ? playbook_did_you_mean(meant) : hint,
					   "unknown key \"%s\"", key->string);
	}
}

/* Warns of one key that a map should not have. */
static void
warn_of(Compiler *compiler, const YamlNode *map, const char *name, char *hint)
{
	for (int i = 0; map->kind == YN_MAP && i < map->count; i++)
		if (strcmp(map->pairs[i].key->string, name) == 0)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, map->pairs[i].key, hint,
						   "the key \"%s\" has no effect", name);
}

/* Warns of keys of the document that have no effect. */
void
playbook_lint_document(Compiler *compiler)
{
	const YamlNode *root = compiler->root;

	playbook_lint_foreign_document(compiler, root);
	for (int i = 0; root->kind == YN_MAP && i < root->count; i++)
	{
		const YamlNode *key = root->pairs[i].key;
		const char *meant;

		CHECK_FOR_INTERRUPTS();
		if (key_in(key->string, document_keys) || playbook_key_is_foreign_head(key->string))
			continue;
		meant = resembles(document_keys, key->string);
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
					   meant != NULL ? playbook_did_you_mean(meant) :
					   key->string[0] == '-' ? blank_after_dash :
					   "Templates do not see it: write values under workload.",
					   "unknown key \"%s\"", key->string);
	}
}

/* Warns of a type that looks like a misspelling of a known one. */
static void
lint_type(Compiler *compiler, const YamlNode *node, const char *type)
{
	const char *meant;

	if (node == NULL || type == NULL || key_in(type, action_types))
		return;
	meant = resembles(action_types, type);
	if (meant != NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   playbook_did_you_mean(meant),
					   "no worker that is known does tasks of type \"%s\"", type);
}

/* Returns whether a value can be checked now, as it is no template. */
static bool
is_constant(const YamlNode *node)
{
	return node->kind != YN_STRING || !template_has_tags(node->string, node->length);
}

/* Warns of templates in the SQL of a save that a worker executes. */
static void
lint_save_sql(Compiler *compiler, const YamlNode *save, const YamlNode *settings)
{
	static const char *const keys[] = {"statement", NULL};
	const YamlNode *statement = playbook_first_member(save, keys);

	if (statement == NULL)
		statement = playbook_first_member(settings, keys);
	if (statement != NULL && !playbook_saves_here(save))
		playbook_warn_of_sql(compiler, statement, "save's statement");
}

/* Warns of what is doubtful in one save. */
static void
lint_save(Compiler *compiler, const YamlNode *save)
{
	static const char *const none[] = {NULL};
	static const char *const targets[] = {
		"table", "statement", "commands", "command", "sql", NULL
	};
	const YamlNode *storage = playbook_first_member(save, storage_keys);
	const YamlNode *settings = NULL;
	char	   *kind;
	char	   *type;

	if (save->kind == YN_MAP)
		lint_keys(compiler, save, save_keys_known, none, none);
	else if (save->kind == YN_STRING)
		storage = save;
	if (storage != NULL && storage->kind == YN_MAP)
	{
		settings = storage;
		lint_keys(compiler, settings, save_keys_known, none, none);
		storage = playbook_first_member(settings, storage_kind_keys);
	}
	lint_save_sql(compiler, save, settings);
	kind = playbook_scalar_text(storage);
	if (kind == NULL || !is_constant(storage))
		return;
	type = save_storage_type(kind);
	if (type == NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, storage,
					   "Use event, postgres, duckdb or http.",
					   "unknown storage \"%s\"", kind);
	else if ((strcmp(type, "postgres") == 0 || strcmp(type, "duckdb") == 0) &&
			 !playbook_saves_here(save) &&
			 playbook_first_member(save, targets) == NULL &&
			 playbook_first_member(settings, targets) == NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, storage,
					   "Write: table: name, or a statement.",
					   "the save names no table");
}

/* Warns of what is doubtful in the saves of a step or task. */
static void
lint_saves(Compiler *compiler, const YamlNode *map)
{
	static const char *const keys[] = {"save", "sink", NULL};
	const YamlNode *save = playbook_first_member(map, keys);

	if (save == NULL)
		return;
	if (save->kind != YN_LIST)
		lint_save(compiler, save);
	else
		for (int i = 0; i < save->count; i++)
			lint_save(compiler, save->items[i]);
}

/* Does the same for the tasks that one worker does for each item of an iterator. */
static void
lint_inner_saves(Compiler *compiler, const YamlNode *task)
{
	if (task == NULL)
		return;
	if (task->kind != YN_LIST)
		lint_saves(compiler, task);
	else
		for (int i = 0; i < task->count; i++)
			lint_saves(compiler, task->items[i]);
}

/* Warns of a number that makes no sense: it must be at least 0 or 1. */
static void
lint_number(Compiler *compiler, const YamlNode *node, const char *key, double minimum)
{
	char	   *text = playbook_scalar_text(node);
	char	   *end;
	double		number;

	if (text == NULL || !is_constant(node))
		return;
	number = strtod(text, &end);
	if (*end == '\0' && !(number >= minimum && number < 1e9))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   minimum > 0 ? "Write a number from 1 on." :
					   strcmp(key, "limit") == 0 ? "Write a number that is not negative." :
					   "Write a number of seconds, or a factor, that is not negative.",
					   "%s cannot be %s", key, text);
}

/* Warns of what is doubtful in a retry policy. */
static void
lint_retry(Compiler *compiler, const YamlNode *retry)
{
	if (retry == NULL)
		return;
	if (retry->kind == YN_NUMBER)
		lint_number(compiler, retry, "max_attempts", 1);
	playbook_lint_closed(compiler, retry, retry_keys,
						 "It is one of max_attempts, initial_delay, backoff_multiplier, max_delay, jitter,"
						 " retry_when, stop_when.");
	lint_number(compiler, playbook_member(retry, "max_attempts"), "max_attempts", 1);
	lint_number(compiler, playbook_member(retry, "initial_delay"), "initial_delay", 0);
	lint_number(compiler, playbook_member(retry, "retry_delay"), "retry_delay", 0);
	lint_number(compiler, playbook_member(retry, "max_delay"), "max_delay", 0);
	lint_number(compiler, playbook_member(retry, "backoff_multiplier"), "backoff_multiplier", 0);
}

/* Warns of misspelled keys of an iterator or loop, and of numbers that make no sense. */
static void
lint_loop(Compiler *compiler, const YamlNode *loop, const char *const *more)
{
	static const char *const ones[] = {"concurrency", "chunk", NULL};

	lint_keys(compiler, loop, loop_keys, more, action_keys);
	lint_number(compiler, playbook_member(loop, "limit"), "limit", 0);
	for (int i = 0; ones[i] != NULL; i++)
		lint_number(compiler, playbook_member(loop, ones[i]), ones[i], 1);
}

/*
 * Warns of keys of a workbook task, or of the task of an iterator, that look misspelled
 * or have no effect.
 */
void
playbook_lint_task_keys(Compiler *compiler, const YamlNode *task)
{
	const YamlNode *tool = playbook_member(task, "tool");
	char	   *type = playbook_scalar_text(playbook_task_type(task));

	if (task->kind != YN_MAP)
		return;
	lint_keys(compiler, task, control_keys, common_keys, action_keys);
	if (type != NULL && !playbook_type_is_ours(type))
		return;
	playbook_lint_foreign_step(compiler, task);
	if (tool != NULL && tool->kind == YN_MAP)
		playbook_lint_foreign_step(compiler, tool);
}

/* Warns of what is doubtful in the task, or the tasks, of an iterator. */
void
playbook_lint_task(Compiler *compiler, const YamlNode *task)
{
	const YamlNode *type = playbook_task_type(task);

	for (int i = 0; task->kind == YN_LIST && i < task->count; i++)
		playbook_lint_task(compiler, task->items[i]);
	if (task->kind != YN_MAP)
		return;
	playbook_lint_task_keys(compiler, task);
	lint_type(compiler, type, playbook_scalar_text(type));
	lint_retry(compiler, playbook_member(task, "retry"));
	lint_saves(compiler, task);
}

/* Warns of misspelled keys of a transition entry or target. */
void
playbook_lint_target(Compiler *compiler, const YamlNode *map)
{
	static const char *const none[] = {NULL};

	lint_keys(compiler, map, target_keys, none, none);
	warn_of(compiler, map, "set", "Write data: it is the input of the step that follows.");
}

/* Returns what the author of a transition without a target may have meant. */
char *
playbook_target_hint(const YamlNode *map)
{
	for (int i = 0; map->kind == YN_MAP && i < map->count; i++)
	{
		const char *key = map->pairs[i].key->string;
		const char *meant = key_in(key, target_keys) ? NULL : resembles(target_keys, key);

		if (key[0] == '-')
			return blank_after_dash;
		if (meant != NULL)
			return psprintf("Did you mean \"%s\" instead of \"%s\"?", meant, key);
	}
	return "Write the name of a step, or: step: name.";
}

/* Warns of what is doubtful in a compiled step. */
void
playbook_lint_step(Compiler *compiler, const Step *step,
				   const StepSource *source)
{
	static const char *const none[] = {NULL};
	const YamlNode *loop = playbook_member(source->node, "loop");
	const YamlNode *tool = playbook_member(source->node, "tool");
	int			i;

	if (step->kind != STEP_WAIT)
		lint_keys(compiler, source->node, control_keys, common_keys, action_keys);
	if (step->kind != STEP_WAIT && playbook_type_is_ours(source->type))
	{
		playbook_lint_foreign_step(compiler, source->node);
		if (tool != NULL && tool->kind == YN_MAP)
			playbook_lint_foreign_step(compiler, tool);
	}
	lint_type(compiler, source->type_node, source->type);
	lint_retry(compiler, playbook_member(source->merged, "retry"));
	lint_saves(compiler, source->merged);
	if (strcmp(source->type, "iterator") == 0)
		lint_inner_saves(compiler, playbook_member(source->merged, "task"));
	if (loop != NULL && loop->kind == YN_MAP)
	{
		lint_loop(compiler, loop, none);
		warn_of(compiler, loop, "spec", "Write mode and concurrency beside the collection.");
	}
	if (source->type_node != NULL && strcmp(source->type, "iterator") == 0)
		lint_loop(compiler, source->node, common_keys);
	if ((playbook_name_is(step->name, "end") || strcmp(step->type, "end") == 0) &&
		step->next.count > 0)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
					   playbook_member(source->node, "next"),
					   "It is an ordinary step then; call it something else.",
					   "the end of the playbook has a \"next\"");
	if (step->kind == STEP_ACTION || step->kind == STEP_SAVE || step->kind == STEP_SQL ||
		source->type_node != NULL)
		return;
	for (i = 0; i < source->node->count; i++)
		if (key_in(source->node->pairs[i].key->string, action_marks))
		{
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
						   source->node->pairs[i].key,
						   "Add a type (python, http, postgres ...).",
						   "step \"%s\" has \"%s\" but no type, so nothing is executed",
						   step->name, source->node->pairs[i].key->string);
			return;
		}
}

/* Warns of steps that no execution can reach. */
void
playbook_lint_graph(Compiler *compiler)
{
	const Playbook *playbook = compiler->playbook;
	int			i;

	for (i = 0; i < playbook->nwritten; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i != playbook->entry &&
			!playbook_reaches(playbook, playbook->entry, i))
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
						   compiler->step_nodes[i],
						   psprintf("No chain of transitions leads to it from step \"%s\".",
									playbook->steps[playbook->entry].name),
						   "step \"%s\" is never reached",
						   playbook->steps[i].name);
	}
}
