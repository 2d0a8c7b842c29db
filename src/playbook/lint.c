/*
 * playbook/lint.c
 *		Warnings of what is legal but is hardly what the author meant.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

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
	const YamlNode *retry = playbook_member(source->merged, "retry");
	int			i;

	lint_keys(compiler, source->node, control_keys, common_keys, action_keys);
	if (retry != NULL)
		lint_keys(compiler, retry, retry_keys, none, none);
	if ((playbook_name_is(step->name, "end") || strcmp(step->type, "end") == 0) &&
		step->next.count > 0)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
					   playbook_member(source->node, "next"),
					   "It is an ordinary step then; call it something else.",
					   "the end of the playbook has a \"next\"");
	if (step->kind == STEP_ACTION || step->kind == STEP_SAVE || source->type_node != NULL)
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
