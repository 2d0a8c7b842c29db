/*
 * playbook/lint_work.c
 *		Warnings of work that cannot be done as it is written: keys that tasks of a
 *		type need and do not have, or that nobody reads, and templates where nothing
 *		is rendered.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

/* What a task of a type is told to do by. */
typedef struct WorkKeys
{
	const char *type;
	const char *const *work;	/* one of them must be there; NULL: any may lack */
	const char *const *more;	/* further keys that are often misspelled, or NULL */
	char	   *hint;
} WorkKeys;

static const char *const python_work[] = {
	"code", "code_b64", "code_base64", "script", "file", NULL
};
static const char *const shell_work[] = {"command", "cmd", "commands", NULL};
static const char *const shell_more[] = {"env", "cwd", "working_dir", NULL};
static const char *const http_work[] = {"url", "endpoint", NULL};
static const char *const http_more[] = {"auth", "verify", "form", "body", NULL};
static const char *const sql_work[] = {
	"command", "commands", "sql", "query", "code", "command_b64", "commands_b64", "sql_b64",
	"query_b64", "code_b64", "script", NULL
};
static const char *const sql_more[] = {"auth", "credential", "database", NULL};
static const char *const child_more[] = {
	"path", "resource_path", "playbook_path", "content", "version", "return_step", NULL
};
static const char *const workbook_more[] = {"task", NULL};

static const WorkKeys work_keys[] = {
	{"python", python_work, NULL, "Write code: |, or script: the place of the program."},
	{"shell", shell_work, shell_more, "Write command: the text for /bin/sh."},
	{"http", http_work, http_more, "Write url: https://…"},
	{"postgres", sql_work, sql_more, "Write command: the SQL."},
	{"duckdb", sql_work, sql_more, "Write command: the SQL."},
	{"playbook", NULL, child_more, NULL},
	{"workbook", NULL, workbook_more, NULL},
	{NULL, NULL, NULL, NULL}
};

/* Returns what is known of the tasks of a type, or NULL. */
static const WorkKeys *
work_of(const char *type)
{
	for (const WorkKeys *known = work_keys; known->type != NULL; known++)
		if (strcmp(known->type, type) == 0)
			return known;
	return NULL;
}

/* Returns the key of a list that another looks like and that the map lacks, or NULL. */
static const char *
resembled_key(const YamlNode *map, const char *key, const char *const *list)
{
	for (int i = 0; list != NULL && list[i] != NULL; i++)
		if (playbook_looks_like(key, list[i]) && yaml_member(map, list[i]) == NULL)
			return list[i];
	return NULL;
}

/*
 * Warns of keys that look like one that only tasks of the type have.  Keys that look
 * like one of all steps have a warning already.
 */
static void
lint_type_keys(Compiler *compiler, const YamlNode *map, const WorkKeys *known)
{
	for (int i = 0; i < map->count; i++)
	{
		const YamlNode *key = map->pairs[i].key;
		const char *meant;

		if (key_in(key->string, control_keys) || key_in(key->string, common_keys) ||
			key_in(key->string, action_keys) ||
			(known->work != NULL && key_in(key->string, known->work)) ||
			(known->more != NULL && key_in(key->string, known->more)) ||
			resembled_key(map, key->string, control_keys) != NULL ||
			resembled_key(map, key->string, common_keys) != NULL)
			continue;
		meant = resembled_key(map, key->string, known->work);
		if (meant == NULL)
			meant = resembled_key(map, key->string, known->more);
		if (meant != NULL)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
						   playbook_did_you_mean(meant), "unknown key \"%s\"", key->string);
	}
}

/*
 * Returns whether the input of an SQL task, or an input that cannot be looked at here,
 * says what it does.
 */
static bool
input_has_work(const YamlNode *map, const char *type)
{
	for (int i = 0; step_input_keys[i] != NULL; i++)
	{
		const YamlNode *layer = playbook_member(map, step_input_keys[i]);

		for (int m = 0; layer != NULL && layer->kind == YN_MAP && m < layer->count; m++)
			if (key_sql_setting(layer->pairs[m].key->string, type) == SETTING_COMMAND)
				return true;
	}
	return false;
}

/*
 * Warns where a task does not say what it does, and of keys of its type that are
 * misspelled.  map: all its keys; at: what is blamed for a missing one.
 */
void
playbook_lint_work(Compiler *compiler, const YamlNode *map, const YamlNode *at,
				   const char *type)
{
	const WorkKeys *known = work_of(type);

	if (known == NULL)
		return;
	lint_type_keys(compiler, map, known);
	if (known->work != NULL && playbook_first_member(map, known->work) == NULL &&
		!input_has_work(map, type))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, at, known->hint,
					   "the %s task does not say what it does", type);
}

/* Warns of work that is written on a step of a type that does none. */
void
playbook_lint_idle_work(Compiler *compiler, const YamlNode *step, const char *type)
{
	for (int i = 0; i < step->count; i++)
		if (key_in(step->pairs[i].key->string, action_marks))
		{
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, step->pairs[i].key,
						   "Write the type that does it (python, http, postgres ...).",
						   "\"%s\" has no effect: a step of type \"%s\" executes nothing",
						   step->pairs[i].key->string, type);
			return;
		}
}

/* Returns whether a word is the name of something that templates know. */
static bool
is_known_root(const Compiler *compiler, const char *word, int length)
{
	static const char *const roots[] = {
		"workload", "work", "context", "results", "execution_id", "job", "env", NULL
	};
	const YamlNode *workload = playbook_member(compiler->root, "workload");

	if (word_in(word, length, roots) ||
		playbook_find_step(compiler->playbook, word, length) >= 0)
		return true;
	for (int i = 0; workload != NULL && workload->kind == YN_MAP && i < workload->count; i++)
		if (word_is(word, length, workload->pairs[i].key->string))
			return true;
	return false;
}

/*
 * Returns whether program text has a template that is meant: a name that templates know,
 * in braces.  Programs may have braces of their own.
 */
static bool
has_meant_template(const Compiler *compiler, const char *text)
{
	while ((text = strstr(text, "{{")) != NULL)
	{
		int			length = 0;

		text += 2;
		text += strspn(text, "- \t\r\n");
		while (isalnum((unsigned char) text[length]) || text[length] == '_')
			length++;
		if (length > 0 && strchr(" .[|}-", text[length]) != NULL &&
			is_known_root(compiler, text, length))
			return true;
	}
	return false;
}

/* Warns of a template in program text, which is not rendered. */
void
playbook_lint_code(Compiler *compiler, const YamlNode *map, const char *type)
{
	const YamlNode *code = playbook_member(map, "code");
	bool		sql = strcmp(type, "postgres") == 0 || strcmp(type, "duckdb") == 0;

	if (code != NULL && code->kind == YN_STRING && playbook_type_is_ours(type) &&
		has_meant_template(compiler, code->string))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, code,
					   sql ? "Write command instead of code." :
					   "Give the value as input: args: {x: \"{{ … }}\"}.",
					   "the template in \"code\" is not rendered");
}

/* Warns of keys of maps that have a template, however deep: only values are rendered. */
void
playbook_lint_map_keys(Compiler *compiler, const YamlNode *node)
{
	check_stack_depth();
	for (int i = 0; i < node->count; i++)
	{
		const YamlNode *key = node->kind == YN_MAP ? node->pairs[i].key : NULL;

		CHECK_FOR_INTERRUPTS();
		if (key == NULL)
		{
			playbook_lint_map_keys(compiler, node->items[i]);
			continue;
		}
		if (template_has_tags(key->string, key->length))
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
						   "Only values are rendered: give a list of pairs, or build the map in a template.",
						   "the template in the key \"%s\" is not rendered", key->string);
		/* a playbook inside of this one is compiled when it is called */
		if (strcmp(key->string, "content") != 0)
			playbook_lint_map_keys(compiler, node->pairs[i].value);
	}
}
