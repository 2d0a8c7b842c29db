/*
 * playbook/save.c
 *		Saves that the database executes itself.
 *
 * A save into postgres that names no other database is compiled into the step;
 * it does not reach the worker.  Of a list of saves the database executes all or
 * none.  Every other save is a raw part of the action.
 */
#include "common/common.h"

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
					   "the template in the save's %s becomes SQL", what);
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
	warn_of_sql(compiler, save_member(save, statement), "statement",
				"Write :name in the statement, and params: {name: \"{{ ... }}\"}.");
	warn_of_sql(compiler, save_member(save, table), "table",
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
 * are left.
 */
void
playbook_compile_saves(Compiler *compiler, Step *step, const YamlNode *save)
{
	if (!playbook_saves_here(save))
		return;
	step->nsaves = save->kind == YN_LIST ? save->count : 1;
	step->saves = palloc0(sizeof(SaveSpec) * step->nsaves);
	for (int i = 0; i < step->nsaves; i++)
		compile_save(compiler, save->kind == YN_LIST ? save->items[i] : save,
					 &step->saves[i]);
}
