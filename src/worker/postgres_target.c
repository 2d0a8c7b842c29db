/*
 * postgres_target.c
 *		Which database a postgres task is for.
 *
 * Playbooks of several generations name it in different ways:
 *
 *		auth: pg_local								a credential's name
 *		auth: {type: postgres, key: pg_local}		the same (or credential:)
 *		auth: {pg: {type: postgres, key: pg_local}}	the same, under an alias
 *		auth: {dsn: "..."}							a connection string
 *		auth: {db_host: ..., db_user: ...}			its parts
 *
 * The value of a credential is in the environment, NOETL_AUTH_PG_LOCAL: a connection
 * string, or its parts as a JSON object.  A task that names nothing is for the
 * database of --postgres-conninfo.  The input of a task never decides: whoever can
 * start an execution can give it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conninfo.h"
#include "credential.h"
#include "options.h"
#include "postgres_target.h"

#define MAX_NAMES 4
#define MAX_PREFIX 200

/*
 * One part of a connection and the names it goes by; only the first one is
 * looked for among the input, where "host" may mean anything.
 */
static const struct
{
	const char *keyword;
	const char *names[MAX_NAMES];
}			parts[] =
{
	{"host", {"db_host", "host"}},
	{"port", {"db_port", "port"}},
	{"user", {"db_user", "user", "username"}},
	{"password", {"db_password", "password"}},
	{"dbname", {"db_name", "dbname", "database"}},
	{"sslmode", {"db_sslmode", "sslmode"}}
};

static const char *const string_names[] = {"dsn", "connection_string", "conninfo"};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Returns the value of a name below a prefix; NULL when it is absent or empty. */
static const char *
lookup(const Task *task, const char *prefix, const char *name)
{
	char		path[MAX_PREFIX + 64];
	const char *value;

	snprintf(path, sizeof(path), "%s%s", prefix, name);
	value = task_field(task, path);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Takes a connection out of one map of the action; returns false for another map. */
static bool
from_map(const Task *task, const char *prefix, bool only_first, StringBuf *conninfo)
{
	for (size_t i = 0; i < LENGTH(string_names); i++)
	{
		const char *value = lookup(task, prefix, string_names[i]);

		if (value != NULL)
		{
			sb_str(conninfo, value);
			return true;
		}
	}
	for (size_t i = 0; i < LENGTH(parts); i++)
	{
		const char *value = NULL;

		for (int n = 0; value == NULL && n < (only_first ? 1 : MAX_NAMES) &&
			 parts[i].names[n] != NULL; n++)
			value = lookup(task, prefix, parts[i].names[n]);
		if (value != NULL)
			conninfo_add(conninfo, parts[i].keyword, value);
	}
	return conninfo->len > 0;
}

/* Tells whether a map of auth says that it is for PostgreSQL. */
static bool
is_postgres(const Task *task, const char *prefix)
{
	static const char *const kinds[] = {"type", "tool", "kind"};
	const char *kind = NULL;

	for (size_t i = 0; kind == NULL && i < LENGTH(kinds); i++)
		kind = lookup(task, prefix, kinds[i]);
	return kind != NULL && strncasecmp(kind, "postgres", strlen("postgres")) == 0;
}

/*
 * Finds the map that auth gives under an alias: the first that says it is for
 * PostgreSQL, else the first.
 */
static void
alias_prefix(const Task *task, char *prefix)
{
	char		found[MAX_PREFIX];

	prefix[0] = '\0';
	for (int i = 0; i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];

		if (field->depth != 2 || field->type != 'o' ||
			strncmp(field->path, "auth.", 5) != 0 ||
			strlen(field->path) >= MAX_PREFIX - 1)
			continue;
		snprintf(found, MAX_PREFIX, "%s.", field->path);
		if (prefix[0] == '\0' || (!is_postgres(task, prefix) && is_postgres(task, found)))
			snprintf(prefix, MAX_PREFIX, "%s", found);
	}
}

/* Returns the name of a credential from the places where it is written, or NULL. */
static const char *
credential_name(const Task *task, const char *alias)
{
	static const char *const plain[] = {
		"auth", "credential", "auth.key", "auth.credential", "credential.key"
	};
	const char *name = NULL;

	for (size_t i = 0; name == NULL && i < LENGTH(plain); i++)
		name = lookup(task, "", plain[i]);
	if (name == NULL && alias[0] != '\0')
		name = lookup(task, alias, "key");
	if (name == NULL && alias[0] != '\0')
		name = lookup(task, alias, "credential");
	return name;
}

/*
 * Takes a connection out of the value of a credential: a connection string, or its
 * parts as JSON.  Returns false, with a failed outcome, when there is none.
 */
static bool
from_credential(const char *name, StringBuf *conninfo, Outcome *out)
{
	StringBuf	variable = {0};
	const char *value = credential_value(name, &variable, out);
	Task		parts_of = {0};

	if (value == NULL)
		sb_reset(conninfo);
	else if (value[strspn(value, " \t\r\n")] != '{')
		sb_str(conninfo, value);
	else if (credential_parse(&parts_of, value))
		(void) from_map(&parts_of, "", false, conninfo);
	if (value != NULL && (conninfo->len == 0 || !conninfo_is_valid(conninfo->data)))
	{
		sb_reset(conninfo);
		outcome_fail(out, "the credential \"%s\" is not a connection string and not a flat"
					 " JSON object with the parts of one", name);
	}
	credential_free(&parts_of);
	sb_free(&variable);
	return conninfo->len > 0;
}

/*
 * Takes a connection that the playbook spells out.  Returns false when the task has
 * none; *conninfo stays empty then.
 */
static bool
from_playbook(const Task *task, const char *alias, StringBuf *conninfo)
{
	return from_map(task, "auth.", false, conninfo) ||
		(alias[0] != '\0' && from_map(task, alias, false, conninfo)) ||
		from_map(task, "credential.", false, conninfo) ||
		from_map(task, "", true, conninfo);
}

/* Tells whether a key that should name a credential is there and names none. */
static bool
names_nothing(const Task *task)
{
	static const char *const keys[] = {"auth", "credential"};

	for (int i = 0; i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];

		for (size_t k = 0; field->depth == 1 && k < LENGTH(keys); k++)
		{
			if (strcmp(field->path, keys[k]) == 0 &&
				(field->type == '0' || (field->type == 's' && field->text[0] == '\0')))
				return true;
		}
	}
	return false;
}

/* Makes a connection among the input the failure of the task. */
static bool
refuse_input(const Task *task, Outcome *out)
{
	StringBuf	conninfo = {0};
	bool		found = from_map(task, "data.", true, &conninfo);

	sb_free(&conninfo);
	if (found)
		outcome_fail(out, "a connection is not taken from the input of a task: move db_host,"
					 " dsn and the like from data to auth, or name a credential there");
	return found;
}

/*
 * Finds the database of a task.  Returns false, with a failed outcome, when the
 * task names one that this worker must not or cannot use.
 */
bool
find_target(const Task *task, Target *target, Outcome *out)
{
	StringBuf	error = {0};
	char		alias[MAX_PREFIX];
	const char *name;
	bool		ok = true;

	alias_prefix(task, alias);
	name = credential_name(task, alias);
	if (from_playbook(task, alias, &target->conninfo))
	{
		target->source = CONNINFO_PLAYBOOK;
		if (name != NULL)
			sb_printf(&error, "credential \"%s\" has a connection of its own, beside which the"
					  " playbook must not give parts of one", name);
		ok = error.len == 0 && conninfo_check_playbook(target->conninfo.data, &error);
		if (!ok)
			outcome_fail(out, "%s", error.data);
		sb_free(&error);
		return ok;
	}
	if (name != NULL)
	{
		target->source = CONNINFO_CREDENTIAL;
		return from_credential(name, &target->conninfo, out);
	}
	if (names_nothing(task))
	{
		outcome_fail(out, "auth is there and names no credential");
		return false;
	}
	if (refuse_input(task, out))
		return false;
	target->source = CONNINFO_OPTION;
	sb_str(&target->conninfo, options.postgres_conninfo);
	return true;
}
