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
 *		data: {db_host: ..., db_user: ...}			its parts, as input
 *
 * The value of a credential is in the environment, NOETL_AUTH_PG_LOCAL: a
 * connection string, or its parts as a JSON object.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "credential.h"
#include "log.h"
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

/* Looks a name up below a prefix; an empty value counts as absent. */
static const char *
lookup(const Task *task, const char *prefix, const char *name)
{
	char		path[MAX_PREFIX + 64];
	const char *value;

	snprintf(path, sizeof(path), "%s%s", prefix, name);
	value = task_field(task, path);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Appends keyword='value', quoted as libpq wants it. */
static void
add_keyword(StringBuf *conninfo, const char *keyword, const char *value)
{
	sb_printf(conninfo, "%s%s='", conninfo->len > 0 ? " " : "", keyword);
	for (const char *p = value; *p != '\0'; p++)
	{
		if (*p == '\'' || *p == '\\')
			sb_add(conninfo, "\\", 1);
		sb_add(conninfo, p, 1);
	}
	sb_add(conninfo, "'", 1);
}

/* Takes a connection out of one map of the action, if it describes one. */
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
			add_keyword(conninfo, parts[i].keyword, value);
	}
	return conninfo->len > 0;
}

/* Is a map of auth about a database like ours? */
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
 * Finds the map that auth gives under an alias of the user's choice: the first
 * that says it is for postgres, else the first.
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

/* Finds the name of a credential, in all the places where it is written. */
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
 * Takes a connection out of the value of a credential: a connection string, or
 * its parts as JSON.
 */
static bool
from_credential(const char *name, StringBuf *conninfo)
{
	StringBuf	variable = {0};
	const char *value = credential_value(name, &variable);
	Task		parts_of = {0};

	if (value != NULL && value[strspn(value, " \t\r\n")] != '{')
		sb_str(conninfo, value);
	else if (value != NULL && credential_parse(&parts_of, value))
		(void) from_map(&parts_of, "", false, conninfo);
	credential_free(&parts_of);
	sb_free(&variable);
	return conninfo->len > 0;
}

/* Writes the connection string of the task's database. */
void
find_target(const Task *task, StringBuf *conninfo)
{
	char		alias[MAX_PREFIX];
	const char *name;

	alias_prefix(task, alias);
	if (from_map(task, "auth.", false, conninfo) ||
		(alias[0] != '\0' && from_map(task, alias, false, conninfo)) ||
		from_map(task, "credential.", false, conninfo) ||
		from_map(task, "", true, conninfo) ||
		from_map(task, "data.", true, conninfo))
		return;
	name = credential_name(task, alias);
	if (name != NULL && from_credential(name, conninfo))
		return;
	if (name != NULL)
		log_task(task, LOG_NORMAL, "credential \"%s\" is not known here (no usable NOETL_AUTH_"
				 " variable): using the default database", name);
	sb_str(conninfo, options.postgres_conninfo);
}
