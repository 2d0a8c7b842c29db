/*
 * playbook/lint.c
 *		Warnings of what is legal but is hardly what the author meant.
 */
#include "common/common.h"

#include <math.h>

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

/*
 * Warns of every key that a map does not know; those for which is_foreign (may be NULL)
 * is true have a warning of their own.
 */
static void
lint_closed(Compiler *compiler, const YamlNode *map, const char *const *known,
			bool (*is_foreign) (const char *key), char *hint)
{
	for (int i = 0; map->kind == YN_MAP && i < map->count; i++)
	{
		const YamlNode *key = map->pairs[i].key;
		const char *meant;

		CHECK_FOR_INTERRUPTS();
		if (key_in(key->string, known) ||
			(is_foreign != NULL && is_foreign(key->string)))
			continue;
		meant = resembles(known, key->string);
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
					   meant != NULL ? playbook_did_you_mean(meant) : hint,
					   "unknown key \"%s\"", key->string);
	}
}

/* Warns of every key that a map does not know. */
void
playbook_lint_closed(Compiler *compiler, const YamlNode *map, const char *const *known,
					 char *hint)
{
	lint_closed(compiler, map, known, NULL, hint);
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
	static const char *const metadata_keys[] = {
		"name", "path", "version", "description", "labels", NULL
	};
	static const char *const none[] = {NULL};
	const YamlNode *root = compiler->root;
	const YamlNode *metadata = playbook_member(root, "metadata");

	playbook_lint_foreign_document(compiler, root);
	if (metadata != NULL)
		lint_keys(compiler, metadata, metadata_keys, none, none);
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

/* Warns of a type that looks like a misspelling of a known one, or is another engine's. */
static void
lint_type(Compiler *compiler, const YamlNode *node, const char *type)
{
	const char *meant;

	if (node == NULL || type == NULL || key_in(type, action_types))
		return;
	if (template_has_tags(type, strlen(type)))
	{
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   "Give each type a step of its own, and choose by the conditions of next.",
					   "the template in the type is not rendered");
		return;
	}
	meant = playbook_foreign_type(type);
	if (meant == NULL)
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

/* Warns of keys that saves of a type do not read, and of a missing address. */
static void
lint_save_type(Compiler *compiler, const YamlNode *save, const YamlNode *settings,
			   const YamlNode *storage, const char *type)
{
	static const char *const urls[] = {"url", "endpoint", NULL};
	const YamlNode *maps[] = {save, settings};

	if (type == NULL)
		return;
	if (strcmp(type, "http") == 0)
	{
		if (playbook_first_member(save, urls) == NULL &&
			playbook_first_member(settings, urls) == NULL)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, storage,
						   "Write: url: https://…", "the save names no url");
		return;
	}
	for (int m = 0; m < lengthof(maps); m++)
		for (int i = 0; maps[m] != NULL && maps[m]->kind == YN_MAP && i < maps[m]->count; i++)
		{
			const YamlNode *key = maps[m]->pairs[i].key;

			if (!key_in(key->string, save_keys_known) && !key_in(key->string, connection_keys) &&
				resembles(save_keys_known, key->string) == NULL)
				playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
							   "A save has storage, table, data, mode, key, statement, params and a connection.",
							   "unknown key \"%s\"", key->string);
		}
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
	else if (save->kind != YN_NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, save,
					   "Write save: event, or save: {storage: postgres, table: …, data: …}.",
					   "a save must be a map");
	if (storage != NULL && storage->kind == YN_MAP)
	{
		settings = storage;
		lint_keys(compiler, settings, save_keys_known, none, none);
		storage = playbook_first_member(settings, storage_kind_keys);
	}
	lint_save_sql(compiler, save, settings);
	if (storage == NULL && save->kind == YN_MAP &&
		(playbook_first_member(save, targets) != NULL ||
		 playbook_first_member(settings, targets) != NULL))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, save,
					   "Write: storage: postgres (or duckdb).", "the save names no storage");
	kind = playbook_scalar_text(storage);
	if (kind == NULL || !is_constant(storage))
		return;
	type = save_storage_type(kind);
	lint_save_type(compiler, save, settings, storage, type);
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

/*
 * Warns of a number that makes no sense: it must be at least 0 or 1, and perhaps whole.
 * retry: it is one of a retry policy.
 */
static void
lint_number(Compiler *compiler, const YamlNode *node, const char *key, double minimum,
			bool whole, bool retry)
{
	char	   *text = playbook_scalar_text(node);
	char	   *end;
	double		number;

	if (text == NULL || !is_constant(node))
		return;
	number = strtod(text, &end);
	/* other text in a retry policy is an error */
	if (*end != '\0' ? !retry : !(number >= minimum && number < 1e9) ||
		(whole && number != floor(number)))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   minimum > 0 ? "Write a whole number from 1 on." :
					   whole ? "Write a whole number that is not negative." :
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
		lint_number(compiler, retry, "max_attempts", 1, true, true);
	playbook_lint_closed(compiler, retry, retry_keys,
						 "It is one of max_attempts, initial_delay, backoff_multiplier, max_delay, jitter,"
						 " retry_when, stop_when.");
	lint_number(compiler, playbook_member(retry, "max_attempts"), "max_attempts", 1, true, true);
	lint_number(compiler, playbook_member(retry, "initial_delay"), "initial_delay", 0, false, true);
	lint_number(compiler, playbook_member(retry, "retry_delay"), "retry_delay", 0, false, true);
	lint_number(compiler, playbook_member(retry, "max_delay"), "max_delay", 0, false, true);
	lint_number(compiler, playbook_member(retry, "backoff_multiplier"), "backoff_multiplier", 0,
				false, true);
}

/*
 * Warns of misspelled keys of an iterator or (more: NULL) of a loop, and of numbers that
 * make no sense.
 */
static void
lint_loop(Compiler *compiler, const YamlNode *loop, const char *const *more)
{
	static const char *const ones[] = {"concurrency", "chunk", NULL};

	if (more != NULL)
		lint_keys(compiler, loop, loop_keys, more, action_keys);
	else
	{
		playbook_lint_foreign_loop(compiler, loop);
		lint_closed(compiler, loop, loop_keys, playbook_key_is_foreign_loop,
					"A loop has in, iterator, where, order_by, limit, chunk, mode and concurrency.");
	}
	lint_number(compiler, playbook_member(loop, "limit"), "limit", 0, true, false);
	for (int i = 0; ones[i] != NULL; i++)
		lint_number(compiler, playbook_member(loop, ones[i]), ones[i], 1, true, false);
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

	lint_keys(compiler, task, control_keys, common_keys, action_keys);
	playbook_lint_map_keys(compiler, task);
	if (type != NULL && !playbook_type_is_ours(type))
		return;
	playbook_lint_code(compiler, task, type != NULL ? type : "");
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

/* Returns whether a key of a transition means nothing here, or is a note of its author. */
static bool
is_foreign_or_note(const char *key)
{
	static const char *const notes[] = {"desc", "description", "name", "label", NULL};

	return key_in(key, notes) || playbook_key_is_foreign_target(key);
}

/* Warns of keys of a transition entry or target that have no effect. */
void
playbook_lint_target(Compiler *compiler, const YamlNode *map)
{
	playbook_lint_foreign_target(compiler, map);
	lint_closed(compiler, map, target_keys, is_foreign_or_note,
				"A transition has step, when, then, else and data.");
}

/* Warns of keys of a map of arcs that have no effect. */
void
playbook_lint_arcs(Compiler *compiler, const YamlNode *next)
{
	static const char *const keys[] = {"spec", "arcs", NULL};
	static const char *const spec_keys[] = {"mode", NULL};
	const YamlNode *spec = playbook_member(next, "spec");

	playbook_lint_closed(compiler, next, keys, "Beside arcs there is spec: {mode: exclusive}.");
	if (spec != NULL)
		playbook_lint_closed(compiler, spec, spec_keys, "It is mode: exclusive, or inclusive.");
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

/* Warns of a result of a step that does not end the playbook. */
static void
lint_result(Compiler *compiler, const Step *step, const StepSource *source)
{
	static const char *const keys[] = {"result", "return", NULL};

	if (!step->is_end && step->kind != STEP_WAIT)
		for (int i = 0; keys[i] != NULL; i++)
			warn_of(compiler, source->node, keys[i],
					"The result of an execution is written on the step end; the value of a step is known by its name.");
}

/* Warns of what is doubtful in a compiled step. */
void
playbook_lint_step(Compiler *compiler, const Step *step,
				   const StepSource *source)
{
	const YamlNode *loop = playbook_member(source->node, "loop");
	const YamlNode *tool = playbook_member(source->node, "tool");
	int			i;

	if (step->kind != STEP_WAIT)
		lint_keys(compiler, source->node, control_keys, common_keys, action_keys);
	if (step->kind != STEP_WAIT && playbook_type_is_ours(source->type))
	{
		if (strcmp(source->type, "iterator") == 0)
			playbook_lint_foreign_iterator(compiler, source->node);
		else
			playbook_lint_foreign_step(compiler, source->node);
		if (tool != NULL && tool->kind == YN_MAP)
			playbook_lint_foreign_step(compiler, tool);
	}
	playbook_lint_map_keys(compiler, source->node);
	playbook_lint_code(compiler, source->node, source->type);
	playbook_lint_work(compiler, source->merged, source->type_node, source->type);
	if (source->task != NULL)
		playbook_lint_work(compiler, source->node, source->type_node, "workbook");
	lint_type(compiler, source->type_node, source->type);
	lint_retry(compiler, playbook_member(source->merged, "retry"));
	lint_saves(compiler, source->merged);
	lint_result(compiler, step, source);
	if (strcmp(source->type, "iterator") == 0)
		lint_inner_saves(compiler, playbook_member(source->merged, "task"));
	if (loop != NULL && loop->kind == YN_MAP)
		lint_loop(compiler, loop, NULL);
	if (source->type_node != NULL && strcmp(source->type, "iterator") == 0)
		lint_loop(compiler, source->node, common_keys);
	if ((playbook_name_is(step->name, "end") || strcmp(step->type, "end") == 0) &&
		step->next.count > 0)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
					   playbook_member(source->node, "next"),
					   "It is an ordinary step then; call it something else.",
					   "the end of the playbook has a \"next\"");
	if (source->type_node != NULL && type_is_control(source->type))
		playbook_lint_idle_work(compiler, source->node, source->type);
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
