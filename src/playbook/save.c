/*
 * playbook/save.c
 *		Saves that the database executes itself.
 *
 * A save into postgres that names no other database is compiled into the step;
 * it does not reach the worker.  Of a list of saves the database executes all or
 * none.  Every other save is a raw part of the action.
 */
#include "common/common.h"

#include "utils/formatting.h"

#include "playbook/internal.h"
#include "save/save.h"

/*
 * Returns the first of several members of a save, or of the map in which its
 * storage is written; or NULL.
 */
static const YamlNode *
save_member(const YamlNode *save, const char *const *keys)
{
	const YamlNode *value = playbook_first_member(save, keys);

	if (value != NULL)
		return value;
	return playbook_first_member(playbook_first_member(save, storage_keys), keys);
}

/* Returns whether one save goes to the database that the broker runs in. */
static bool
is_ours(const YamlNode *save)
{
	const YamlNode *storage = playbook_first_member(save, storage_keys);
	char	   *kind;
	char	   *type;

	if (storage != NULL && storage->kind == YN_MAP)
		storage = playbook_first_member(storage, storage_kind_keys);
	kind = playbook_scalar_text(storage);
	type = kind != NULL ? save_storage_type(kind) : NULL;
	return type != NULL && strcmp(type, "postgres") == 0 &&
		save_member(save, connection_keys) == NULL;
}

/*
 * Returns whether the database itself executes a save, or all of a list of
 * saves.
 */
bool
playbook_saves_here(const YamlNode *save)
{
	if (save == NULL || save->kind != YN_LIST)
		return save != NULL && is_ours(save);
	for (int i = 0; i < save->count; i++)
		if (!is_ours(save->items[i]))
			return false;
	return save->count > 0;
}

/* Returns whether a part of a save can be checked now, as it is no template. */
static bool
is_constant(const YamlNode *node)
{
	return node == NULL || node->kind != YN_STRING ||
		!template_has_tags(node->string, node->length);
}

/* Reports a save without a part that its mode needs. */
static void
require(Compiler *compiler, const YamlNode *save, const YamlNode *part,
		const char *what, char *hint)
{
	if (part == NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   save, hint, "the save has no %s", what);
}

/*
 * Reports what is wrong with a save into a table, as far as its parts are
 * constants.
 */
static void
check_parts(Compiler *compiler, const YamlNode *save, const YamlNode *mode,
			const YamlNode *table, const YamlNode *key, const YamlNode *data)
{
	char	   *word = playbook_scalar_text(mode);
	SaveMode	known = SAVE_INSERT;

	if (!is_constant(mode))
		return;
	if (mode != NULL && (word == NULL || !save_mode(word, strlen(word), &known)))
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, mode,
					   "It is append, insert, upsert, update or overwrite.",
					   "unknown mode \"%s\" of a save", word ? word : "");
		return;
	}
	require(compiler, save, table, "table", "Write: table: public.results, or a statement.");
	require(compiler, save, data, "data", "Write: data: {column: value}.");
	if (known == SAVE_UPSERT || known == SAVE_UPDATE)
		require(compiler, save, key, "key", "Name the columns that tell rows apart: key: id.");
}

/* Warns of a template that becomes part of a statement, and not a value in it. */
static void
warn_of_sql(Compiler *compiler, const YamlNode *part, const char *what, char *hint)
{
	if (!is_constant(part))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, part, hint,
					   "the template in the %s becomes SQL", what);
}

/* Warns of a template in a statement; what: whose it is. */
void
playbook_warn_of_sql(Compiler *compiler, const YamlNode *statement, const char *what)
{
	warn_of_sql(compiler, statement, what,
				"Write :name in the statement, and params: {name: \"{{ ... }}\"}.");
}

/* Reports a constant statement that the broker does not execute; owner: whose it is. */
static void
check_statement(Compiler *compiler, const YamlNode *statement, const char *owner)
{
	char	   *text = playbook_scalar_text(statement);
	const char *word;
	int			length;
	bool		several;

	if (text == NULL || !is_constant(statement))
		return;
	save_outline_statement(text, &word, &length, &several);
	if (several)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED, statement,
					   "Make each statement a step of its own, or join them by WITH.",
					   "%s has exactly one statement", owner);
	else if (length == 0)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, statement,
					   "Write INSERT, UPDATE, DELETE, MERGE or SELECT.",
					   "%s has no statement", owner);
	else if (!save_statement_is_allowed(word, length))
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED, statement,
					   "Use INSERT, UPDATE, DELETE, MERGE or SELECT; other commands are for a step of type postgres.",
					   "%s is not allowed in %s",
					   asc_toupper(word, length), owner);
}

/* Compiles a part of a save; NULL: there is none. */
static TemplateDoc *
optional_doc(Compiler *compiler, const YamlNode *node)
{
	return node != NULL ? playbook_compile_doc(compiler, node) : NULL;
}

/* Compiles one save. */
static void
compile_save(Compiler *compiler, const YamlNode *save, SaveSpec *spec)
{
	static const char *const data[] = {"data", "args", NULL};
	static const char *const params[] = {"params", "data", "args", NULL};
	static const char *const table[] = {"table", NULL};
	static const char *const mode[] = {"mode", NULL};
	static const char *const key[] = {"key", "keys", NULL};
	static const char *const statement[] = {"statement", NULL};

	if (save_member(save, statement) == NULL)
		check_parts(compiler, save, save_member(save, mode), save_member(save, table),
					save_member(save, key), save_member(save, data));
	playbook_warn_of_sql(compiler, save_member(save, statement), "save's statement");
	warn_of_sql(compiler, save_member(save, table), "save's table",
				"Whoever supplies the value chooses the table; name it, in a branch for each if there are several.");
	spec->data = optional_doc(compiler, save_member(save, data));
	spec->params = optional_doc(compiler, save_member(save, params));
	spec->table = optional_doc(compiler, save_member(save, table));
	spec->mode = optional_doc(compiler, save_member(save, mode));
	spec->key = optional_doc(compiler, save_member(save, key));
	spec->statement = optional_doc(compiler, save_member(save, statement));
}

/*
 * Compiles the saves that the database itself executes into the step; others
 * are left.  beside: the save is what a step of type save has beside its type.
 */
void
playbook_compile_saves(Compiler *compiler, Step *step, const YamlNode *save, bool beside)
{
	if (!playbook_saves_here(save))
		return;
	step->nsaves = save->kind == YN_LIST ? save->count : 1;
	step->saves = palloc0(sizeof(SaveSpec) * step->nsaves);
	for (int i = 0; i < step->nsaves; i++)
		compile_save(compiler, save->kind == YN_LIST ? save->items[i] : save,
					 &step->saves[i]);
	if (beside)
		step->saves[0].takes_input = step->saves[0].statement == NULL ||
			playbook_member(save, "params") == NULL;
}

/*
 * Returns what a step of type save has written beside its type, as a save; NULL
 * when the database does not execute that itself.
 */
const YamlNode *
playbook_save_of_step(const StepSource *source)
{
	const YamlNode *merged = source->merged;
	YamlNode   *save;

	save = playbook_new_map(merged, merged->count);
	for (int i = 0; i < merged->count; i++)
	{
		const YamlPair *pair = &merged->pairs[i];
		char	   *text = playbook_scalar_text(pair->value);

		if (key_in(pair->key->string, type_keys) && text != NULL &&
			pg_strcasecmp(text, "save") == 0)
			continue;
		playbook_add_pair(save, pair->key, pair->value);
	}
	return playbook_saves_here(save) ? save : NULL;
}

/* Reports what is wrong with a step of type sql; statement: its text, or NULL. */
static void
check_sql(Compiler *compiler, const StepSource *source, const YamlNode *statement)
{
	const YamlNode *where = source->type_node != NULL ? source->type_node : source->node;
	const YamlNode *connection = playbook_first_member(source->merged, connection_keys);

	if (statement == NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, where,
					   "Write: statement: SELECT … WHERE id = :id, and params: {id: …}.",
					   "the step of type sql has no statement");
	else if (playbook_scalar_text(statement) == NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, statement,
					   "Make each statement a step of its own.",
					   "the statement of a step must be text");
	if (connection != NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED, connection,
					   "For another database use type: postgres.",
					   "a step of type sql is executed in the database of the broker");
}

/* Compiles the statement of a step of type sql. */
SaveSpec *
playbook_compile_sql(Compiler *compiler, const StepSource *source)
{
	SaveSpec   *spec = palloc0(sizeof(SaveSpec));
	const YamlNode *statement = playbook_first_member(source->merged, statement_keys);

	check_sql(compiler, source, statement);
	check_statement(compiler, statement, "a step of type sql");
	playbook_warn_of_sql(compiler, statement, "statement");
	spec->params = optional_doc(compiler, playbook_member(source->merged, "params"));
	compiler->sees |= SEES_SAVE;
	spec->statement = optional_doc(compiler, statement);
	compiler->sees &= ~SEES_SAVE;
	return spec;
}
