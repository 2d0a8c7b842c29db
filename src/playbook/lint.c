/*
 * playbook/lint.c
 *		Warnings of what is legal but is hardly what the author meant.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"
#include "save/save.h"

static void lint_keys(Compiler *compiler, const YamlNode *map,
					  const char *const *known, const char *const *more,
					  const char *const *harmless);

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
		if (meant != NULL && yaml_member(map, meant) == NULL)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
						   playbook_did_you_mean(meant),
						   "unknown key \"%s\"", key->string);
	}
}

/* Warns of misspelled keys of the document, and of those of other engines. */
void
playbook_lint_document(Compiler *compiler)
{
	static const char *const none[] = {NULL};

	lint_keys(compiler, compiler->root, document_keys, none, none);
	playbook_lint_foreign_document(compiler, compiler->root);
}

/* Warns of a type that looks like a misspelling of a known one. */
static void
lint_type(Compiler *compiler, const StepSource *source)
{
	const char *meant;

	if (source->type_node == NULL || key_in(source->type, action_types))
		return;
	meant = resembles(action_types, source->type);
	if (meant != NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, source->type_node,
					   playbook_did_you_mean(meant),
					   "no worker that is known does tasks of type \"%s\"", source->type);
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

/* Warns of a number of a retry policy that makes no sense. */
static void
lint_retry_number(Compiler *compiler, const YamlNode *retry, const char *key, double minimum)
{
	const YamlNode *node = playbook_member(retry, key);
	char	   *text = playbook_scalar_text(node);
	char	   *end;
	double		number;

	if (text == NULL || !is_constant(node))
		return;
	number = strtod(text, &end);
	if (*end == '\0' && !(number >= minimum && number < 1e9))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   minimum > 0 ? "Write a number from 1 on." :
					   "Write a number of seconds, or a factor, that is not negative.",
					   "%s cannot be %s", key, text);
}

/* Warns of what is doubtful in a retry policy. */
static void
lint_retry(Compiler *compiler, const YamlNode *retry)
{
	static const char *const none[] = {NULL};

	if (retry == NULL)
		return;
	lint_keys(compiler, retry, retry_keys, none, none);
	lint_retry_number(compiler, retry, "max_attempts", 1);
	lint_retry_number(compiler, retry, "initial_delay", 0);
	lint_retry_number(compiler, retry, "retry_delay", 0);
	lint_retry_number(compiler, retry, "max_delay", 0);
	lint_retry_number(compiler, retry, "backoff_multiplier", 0);
}

/* Warns of misspelled keys of a transition entry or target. */
void
playbook_lint_target(Compiler *compiler, const YamlNode *map)
{
	static const char *const none[] = {NULL};

	lint_keys(compiler, map, target_keys, none, none);
}

/* Warns of what is doubtful in a compiled step. */
void
playbook_lint_step(Compiler *compiler, const Step *step,
				   const StepSource *source)
{
	static const char *const none[] = {NULL};
	const YamlNode *loop = playbook_member(source->node, "loop");
	int			i;

	if (step->kind != STEP_WAIT)
		lint_keys(compiler, source->node, control_keys, common_keys, action_keys);
	/* a worker of the author's own may understand any key */
	if (step->kind != STEP_WAIT &&
		(source->type[0] == '\0' || key_in(source->type, action_types)))
		playbook_lint_foreign_step(compiler, source->node);
	lint_type(compiler, source);
	lint_retry(compiler, playbook_member(source->merged, "retry"));
	lint_saves(compiler, source->merged);
	if (strcmp(source->type, "iterator") == 0)
		lint_inner_saves(compiler, playbook_member(source->merged, "task"));
	if (loop != NULL)
		lint_keys(compiler, loop, loop_keys, none, none);
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

	for (i = 0; i < playbook->nsteps; i++)
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
