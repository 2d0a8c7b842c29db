/*
 * playbook/lint.c
 *		Warnings: what is legal but is hardly what the author meant.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

/* Keys that steer a step and never reach a worker. */
static const char *const control_keys[] = {
	"step", "desc", "description", "next", "type", "when", "pass", "result",
	"return", "join", "next_mode", "on_error", "max_visits", "timeout_action",
	NULL
};

/* Keys that a misspelling is compared with, besides control_keys. */
static const char *const common_keys[] = {
	"tool", "retry", "args", "with", "input", "payload", "params", "data",
	"timeout", "save", "sink", "priority", "code", "command", "commands",
	"method", "endpoint", "headers", NULL
};

/* Keys of known actions that resemble another key and are not misspelled. */
static const char *const action_keys[] = {
	"auth", "body", "chunk", "code_b64", "command_b64", "commands_b64",
	"collection", "content", "count", "credential", "credentials", "date",
	"direction", "element", "env", "file", "files", "input_data", "iterator",
	"join_on", "key", "keys", "limit", "loop", "mode", "name", "notes", "order_by",
	"path", "project_id", "provider", "query", "queries", "runtime", "sake",
	"script", "sql", "source", "storage", "table", "target", "task", "tasks",
	"test", "text", "time", "timeouts", "tools", "url", "version", "where",
	"width", NULL
};

/* What only an action needs: a step with one of them and no type forgot it. */
static const char *const action_marks[] = {
	"code", "code_b64", "command", "commands", "command_b64", "sql", "query",
	"url", "endpoint", "script", NULL
};

static const char *const target_keys[] = {
	"step", "when", "then", "else", "condition", "input", "payload", "with",
	"args", "data", NULL
};

static const char *const retry_keys[] = {
	"max_attempts", "initial_delay", "retry_delay", "backoff_multiplier",
	"max_delay", "jitter", "retry_when", "stop_when", NULL
};

static void lint_keys(Compiler *compiler, const YamlNode *map,
					  const char *const *known, const char *const *more,
					  const char *const *harmless);

/* Is a word in a list? */
static bool
listed(const char *const *list, const char *word)
{
	int			i;

	for (i = 0; list[i] != NULL; i++)
		if (strcmp(list[i], word) == 0)
			return true;
	return false;
}

/* The word of a list that another one looks like, or NULL. */
static const char *
resembles(const char *const *list, const char *word)
{
	int			i;

	for (i = 0; list[i] != NULL; i++)
		if (playbook_looks_like(word, list[i]))
			return list[i];
	return NULL;
}

/* Does a key of a step reach the worker? */
bool
playbook_key_forwarded(const char *key)
{
	return !listed(control_keys, key);
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
		if (listed(known, key->string) || listed(more, key->string) ||
			listed(harmless, key->string))
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

/* Looks over the keys of a transition entry or target. */
void
playbook_lint_target(Compiler *compiler, const YamlNode *map)
{
	static const char *const none[] = {NULL};

	lint_keys(compiler, map, target_keys, none, none);
}

/* Looks over a compiled step. */
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
		if (listed(action_marks, source->node->pairs[i].key->string))
		{
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
						   source->node->pairs[i].key,
						   "Add a type (python, http, postgres ...).",
						   "step \"%s\" has \"%s\" but no type, so nothing is executed",
						   step->name, source->node->pairs[i].key->string);
			return;
		}
}

/* Looks over the graph: steps that no execution can come to. */
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
