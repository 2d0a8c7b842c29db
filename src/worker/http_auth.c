/*
 * http_auth.c
 *		Authentication of an http task.
 *
 *		auth: {type: bearer, token: ...}
 *		auth: {type: basic, username: ..., password: ...}
 *		auth: {type: api_key, value: ..., header: X-API-Key}
 *		auth: {type: header, name: ..., value: ...}
 *		auth: {type: header, inline: {X-One: ..., X-Two: ...}}
 *		auth: {type: ..., inline: {what belongs to the type}}
 *		auth: {type: ..., credential: NAME}		or key: NAME
 *		auth: {type: ..., env: NOETL_AUTH_X}	the token or value itself
 *		auth: NAME								a credential with a type
 *		auth: {alias: {any of the above}, ...}	all of them
 *
 * The value of a credential is in the environment: NOETL_AUTH_<NAME> is a flat JSON
 * object such as {"type": "bearer", "token": "...", "hosts": "api.example.com"}.  A
 * credential is bound to hosts, by its member hosts or the variable
 * NOETL_AUTH_<NAME>_HOSTS: a playbook that names another host, or takes it from data,
 * does not get the secret sent there.  A header that the task sets itself wins over
 * what auth would set.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "environment.h"
#include "secret.h"
#include "http.h"
#include "url.h"

#define MAX_PREFIX 200

/* One entry of auth: where its parts are looked for */
typedef struct AuthEntry
{
	const Task *task;
	const char *prefix;			/* "auth." or "auth.alias." */
	int			depth;			/* of the fields below the prefix */
	Task		credential;		/* its members are fields of depth 1 */
	const char *env;			/* value of the variable named by env */
	const char *hosts;			/* which the credential or variable may go to */
} AuthEntry;

/* Returns the value of NOETL_AUTH_<NAME>_HOSTS for a variable, or NULL. */
static const char *
hosts_of_variable(const char *variable)
{
	StringBuf	name = {0};
	const char *hosts;

	sb_printf(&name, "%s_HOSTS", variable);
	hosts = environment_value(name.data);
	sb_free(&name);
	return hosts;
}

/* Fetches a credential from the environment; returns false with a failed outcome. */
static bool
load_credential(AuthEntry *entry, const char *name, Outcome *out)
{
	StringBuf	variable = {0};
	const char *value = credential_value(name, &variable, out);
	bool		ok = value != NULL && credential_parse(&entry->credential, value);

	if (value != NULL && !ok)
		outcome_fail(out, "the credential \"%s\" is not a flat JSON object", name);
	if (ok)
	{
		entry->hosts = task_field(&entry->credential, "hosts");
		if (entry->hosts == NULL)
			entry->hosts = hosts_of_variable(variable.data);
	}
	sb_free(&variable);
	return ok;
}

/*
 * Fetches the variable that env names; returns false with a failed outcome.  A variable
 * that templates see anyway may go to every host.
 */
static bool
load_variable(AuthEntry *entry, const char *variable, Outcome *out)
{
	bool		shown = environment_shows(variable);

	if (!shown && !credential_is_variable(variable))
	{
		outcome_fail(out, "auth.env is \"%s\": only variables NOETL_AUTH_<NAME> of the worker, and"
					 " those that --env of the worker names, can be named there", variable);
		return false;
	}
	entry->env = environment_value(variable);
	if (entry->env != NULL && !shown)
		secret_remember_credential(entry->env);
	entry->hosts = hosts_of_variable(variable);
	if (entry->hosts == NULL && shown)
		entry->hosts = "*";
	if (entry->env == NULL)
		outcome_fail(out, "the worker has no environment variable %s, which auth names",
					 variable);
	return entry->env != NULL;
}

/* Checks that a secret of the worker may go to the host of the request. */
static bool
check_bound(const HttpRequest *request, const AuthEntry *entry, const char *name, Outcome *out)
{
	char	   *host = NULL;

	if (entry->hosts != NULL && url_is_bound(request->parsed, entry->hosts))
		return true;
	if (entry->hosts == NULL)
		outcome_fail(out, "\"%s\" is bound to no host: the worker needs \"hosts\" in the credential,"
					 " or a variable NOETL_AUTH_<NAME>_HOSTS, with the hosts it may go to", name);
	else
	{
		(void) curl_url_get(request->parsed, CURLUPART_HOST, &host, 0);
		outcome_fail(out, "\"%s\" must not go to the host \"%s\"", name, host != NULL ? host : "");
		curl_free(host);
	}
	return false;
}

/* Returns a part that the playbook gives, directly or under inline, or NULL. */
static const char *
own_part(const AuthEntry *entry, const char *name)
{
	static const char *const places[] = {"", "inline."};
	char		path[MAX_PREFIX + 64];

	for (int i = 0; i < 2; i++)
	{
		const Field *field;

		snprintf(path, sizeof(path), "%s%s%s", entry->prefix, places[i], name);
		field = http_field(entry->task, path, entry->depth + i);
		if (field != NULL && strchr("snb", field->type) != NULL && field->text[0] != '\0')
			return field->text;
	}
	return NULL;
}

/* Returns a part under one of its names, of the playbook, else of the credential. */
static const char *
part(const AuthEntry *entry, const char *const *names)
{
	for (int i = 0; names[i] != NULL; i++)
	{
		const char *value = own_part(entry, names[i]);

		if (value == NULL)
			value = task_field(&entry->credential, names[i]);
		if (value != NULL)
			return value;
	}
	return NULL;
}

/* Adds the members of a map as headers, but for type and hosts. */
static bool
add_each(HttpRequest *request, const Task *task, const Field *map, Outcome *out)
{
	for (int i = 0; i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];
		const char *name = map == NULL ? field->path : http_member(map, field);

		if (name != NULL && strchr("snb", field->type) != NULL &&
			strcmp(name, "type") != 0 && strcmp(name, "hosts") != 0 &&
			!http_add_header(request, name, field->text, out))
			return false;
	}
	return true;
}

/* Adds what type header asks for: one named header, or maps of them. */
static bool
add_plain_headers(HttpRequest *request, const AuthEntry *entry, Outcome *out)
{
	static const char *const names[] = {"name", "header", NULL};
	static const char *const values[] = {"value", NULL};
	static const char *const maps[] = {"inline", "headers"};
	const char *name = part(entry, names);
	const char *value = entry->env != NULL ? entry->env : part(entry, values);
	char		path[MAX_PREFIX + 64];

	if (name != NULL && value != NULL)
		return http_add_header(request, name, value, out);
	for (int i = 0; i < 2; i++)
	{
		const Field *map;

		snprintf(path, sizeof(path), "%s%s", entry->prefix, maps[i]);
		map = http_field(entry->task, path, entry->depth);
		if (map != NULL && map->type == 'o' && !add_each(request, entry->task, map, out))
			return false;
	}
	return add_each(request, &entry->credential, NULL, out);
}

/* Adds Authorization: Bearer. */
static bool
add_bearer(HttpRequest *request, const AuthEntry *entry, Outcome *out)
{
	static const char *const names[] = {"token", "access_token", "value", NULL};
	const char *token = entry->env != NULL ? entry->env : part(entry, names);
	StringBuf	value = {0};
	bool		ok;

	if (token == NULL)
	{
		outcome_fail(out, "auth of type bearer has no token");
		return false;
	}
	sb_printf(&value, "Bearer %s", token);
	ok = http_add_header(request, "Authorization", value.data, out);
	sb_free(&value);
	return ok;
}

/* Sets what curl needs for basic authentication. */
static bool
add_basic(HttpRequest *request, const AuthEntry *entry, Outcome *out)
{
	static const char *const users[] = {"username", "user", NULL};
	static const char *const passwords[] = {"password", NULL};
	const char *user = part(entry, users);
	const char *password = entry->env != NULL ? entry->env : part(entry, passwords);

	if (user == NULL)
	{
		outcome_fail(out, "auth of type basic has no username");
		return false;
	}
	free(request->username);
	free(request->password);
	request->username = xstrdup(user);
	request->password = xstrdup(password != NULL ? password : "");
	return true;
}

/* Adds the header of an API key. */
static bool
add_api_key(HttpRequest *request, const AuthEntry *entry, Outcome *out)
{
	static const char *const names[] = {"header", "name", NULL};
	static const char *const values[] = {"value", "api_key", "token", NULL};
	const char *name = part(entry, names);
	const char *value = entry->env != NULL ? entry->env : part(entry, values);

	/* beside a value, key names the header */
	if (name == NULL)
		name = task_field(&entry->credential, "key");
	if (name == NULL && entry->credential.nfields == 0)
		name = own_part(entry, "key");
	if (value == NULL)
	{
		outcome_fail(out, "auth of type api_key has no value");
		return false;
	}
	return http_add_header(request, name != NULL ? name : "X-API-Key", value, out);
}

/* Adds what one entry asks for; its credential has been loaded. */
static bool
add_entry(HttpRequest *request, const AuthEntry *entry, Outcome *out)
{
	static const char *const types[] = {"type", NULL};
	static const char *const users[] = {"username", "user", NULL};
	static const char *const tokens[] = {"token", "access_token", NULL};
	const char *type = part(entry, types);

	if (type == NULL)
		type = part(entry, users) != NULL ? "basic" :
			part(entry, tokens) != NULL ? "bearer" : "header";
	if (strcasecmp(type, "bearer") == 0)
		return add_bearer(request, entry, out);
	if (strcasecmp(type, "basic") == 0)
		return add_basic(request, entry, out);
	if (strcasecmp(type, "api_key") == 0)
		return add_api_key(request, entry, out);
	if (strcasecmp(type, "header") == 0 || strcasecmp(type, "headers") == 0)
		return add_plain_headers(request, entry, out);
	outcome_fail(out, "auth of type \"%s\" is not supported in an http task"
				 " (bearer, basic, api_key, header are)", type);
	return false;
}

/* Tells whether the entry has its secret itself; its key is no credential then. */
static bool
has_secret(const AuthEntry *entry)
{
	static const char *const names[] = {
		"token", "access_token", "value", "api_key", "username", "user", "password"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (own_part(entry, names[i]) != NULL)
			return true;
	}
	return false;
}

/* Resolves one entry: its variable or its credential, then its headers. */
static bool
resolve_entry(HttpRequest *request, const Task *task, const char *prefix, int depth,
			  const char *name, Outcome *out)
{
	AuthEntry	entry = {.task = task,.prefix = prefix,.depth = depth};
	const char *variable = own_part(&entry, "env");
	bool		ok = true;

	if (variable != NULL && (!load_variable(&entry, variable, out) ||
							 !check_bound(request, &entry, variable, out)))
		return false;
	if (name == NULL)
		name = own_part(&entry, "credential");
	if (name == NULL && entry.env == NULL && !has_secret(&entry))
		name = own_part(&entry, "key");
	if (name != NULL)
		ok = load_credential(&entry, name, out) && check_bound(request, &entry, name, out);
	ok = ok && add_entry(request, &entry, out);
	credential_free(&entry.credential);
	return ok;
}

/* Resolves all entries under an alias; *any tells whether there was one. */
static bool
resolve_aliases(HttpRequest *request, const Task *task, const Field *auth,
				bool *any, Outcome *out)
{
	for (int i = 0; i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];
		const char *alias = http_member(auth, field);
		char		prefix[MAX_PREFIX];

		if (alias == NULL || field->type != 'o' || strcmp(alias, "inline") == 0 ||
			strcmp(alias, "headers") == 0 || strlen(field->path) >= MAX_PREFIX - 1)
			continue;
		*any = true;
		snprintf(prefix, sizeof(prefix), "%s.", field->path);
		if (!resolve_entry(request, task, prefix, field->depth + 1, NULL, out))
			return false;
	}
	return true;
}

/* Adds what auth asks for, or credential, the name of one. */
static bool
add_auth(HttpRequest *request, const Task *task, Outcome *out)
{
	const Field *auth = http_field(task, "auth", 1);
	const char *name = task_field(task, "auth");
	bool		any = false;

	if (name == NULL && (auth == NULL || auth->type != 'o'))
		name = task_field(task, "credential");
	if (name != NULL && name[0] != '\0')
		return resolve_entry(request, task, "auth.", 2, name, out);
	if (auth == NULL || auth->type != 'o')
		return true;
	if (!resolve_aliases(request, task, auth, &any, out))
		return false;
	return any || resolve_entry(request, task, "auth.", 2, NULL, out);
}

/*
 * Adds the authentication that a task asks for, if any.  Its headers are kept apart
 * from the task's own, because they must not go to other hosts.  Returns false with a
 * failed outcome.
 */
bool
http_add_auth(HttpRequest *request, const Task *task, Outcome *out)
{
	bool		ok;

	request->adds_auth = true;
	ok = add_auth(request, task, out);
	request->adds_auth = false;
	return ok;
}
