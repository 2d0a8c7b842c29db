/*
 * tool_credential.c
 *		The credential that a task hands to its tool.
 *
 * A task names it by credential or auth: a name, or a map with the name under
 * credential or key.  A credential goes to the tools that it is bound to: its member
 * tools, or the variable NOETL_AUTH_<NAME>_TOOLS, is a list of types, or *.  A tool
 * that talks to hosts binds it to its member hosts, as http tasks do.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "environment.h"
#include "json_read.h"
#include "tool.h"

/* Returns the name of the credential that a task names, NULL: none; to be freed. */
static char *
credential_name(const Task *task)
{
	static const char *const keys[] = {"credential", "auth"};
	static const char *const members[] = {"credential", "key"};

	for (int i = 0; task->action != NULL && i < 2; i++)
	{
		JsonPart	value;
		char	   *text;

		if (json_find_member(task->action, keys[i], &value) == NULL)
			continue;
		text = json_part_text(value);
		if (json_part_is_string(value))
			return text;
		for (int j = 0; value.text[0] == '{' && j < 2; j++)
		{
			JsonPart	member;

			if (json_find_member(text, members[j], &member) != NULL && json_part_is_string(member))
			{
				char	   *name = json_part_text(member);

				free(text);
				return name;
			}
		}
		free(text);
	}
	return NULL;
}

/* Tells whether a list of types, or *, has a type. */
static bool
list_has(const char *list, const char *type)
{
	size_t		len = strlen(type);

	for (list += strspn(list, ", "); *list != '\0'; list += strspn(list, ", "))
	{
		size_t		n = strcspn(list, ", ");

		if ((n == 1 && *list == '*') || (n == len && strncmp(list, type, n) == 0))
			return true;
		list += n;
	}
	return false;
}

/* Tells whether a credential is bound to the tool of a task. */
static bool
is_bound(const Task *task, const Task *parts, const char *variable, const char *name, Outcome *out)
{
	const char *tools = task_field(parts, "tools");
	StringBuf	other = {0};

	sb_printf(&other, "%s_TOOLS", variable);
	if (tools == NULL)
		tools = environment_value(other.data);
	sb_free(&other);
	if (tools == NULL)
		outcome_fail(out, "credential \"%s\" is bound to no tool: the worker needs \"tools\" in it,"
					 " or a variable NOETL_AUTH_<NAME>_TOOLS, with the types it may go to", name);
	else if (!list_has(tools, task->type))
		outcome_fail(out, "credential \"%s\" is not for tasks of type %s", name, task->type);
	else
		return true;
	return false;
}

/* Writes the parts of a credential, a text as its value. */
static char *
write_parts(const Task *parts, bool is_map, const char *value)
{
	StringBuf	json = {0};

	sb_str(&json, "{");
	for (int i = 0; is_map && i < parts->nfields; i++)
	{
		const Field *field = &parts->fields[i];

		if (field->type == '0')
			continue;
		sb_str(&json, json.len > 1 ? "," : "");
		json_string(&json, field->path, strlen(field->path));
		sb_str(&json, ":");
		json_string(&json, field->text, strlen(field->text));
	}
	if (!is_map)
		json_member(&json, "value", value);
	sb_str(&json, "}");
	return json.data;
}

/*
 * Finds the credential that a task names; *json is a map of its parts, to be freed,
 * NULL when it names none.  Returns false, with a failed outcome, when it is unknown
 * or not for this tool.
 */
bool
tool_credential(const Task *task, char **json, Outcome *out)
{
	char	   *name = credential_name(task);
	StringBuf	variable = {0};
	Task		parts = {0};
	const char *value;
	bool		is_map;
	bool		ok;

	*json = NULL;
	if (name == NULL)
		return true;
	value = credential_value(name, &variable, out);
	is_map = value != NULL && credential_parse(&parts, value);
	ok = value != NULL && is_bound(task, &parts, variable.data, name, out);
	if (ok)
		*json = write_parts(&parts, is_map, value);
	credential_free(&parts);
	sb_free(&variable);
	free(name);
	return ok;
}
