/*
 * conninfo.c
 *		Connection strings of libpq.
 *
 * libpq completes a connection string from variables of the environment (PGUSER,
 * PGPASSWORD ...), a password file, a service file and client certificates.  These
 * belong to the operator of the worker.  A connection to a host that a playbook
 * names must not use them, or the playbook could send the worker's password to any
 * host.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conninfo.h"
#include "environment.h"

/* A path at which there is no file: libpq then uses none and does not complain */
#define NO_FILE "/dev/null/none"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Appends keyword='value', quoted as libpq wants it. */
void
conninfo_add(StringBuf *conninfo, const char *keyword, const char *value)
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

/* Tells whether a text is a connection string. */
bool
conninfo_is_valid(const char *conninfo)
{
	PQconninfoOption *options = conninfo != NULL ? PQconninfoParse(conninfo, NULL) : NULL;

	PQconninfoFree(options);
	return options != NULL;
}

/* Tells whether a connection string names its host. */
bool
conninfo_has_host(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	bool		found = false;

	for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		found = found || (o->val != NULL && o->val[0] != '\0' &&
						  (strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0 ||
						   strcmp(o->keyword, "service") == 0));
	PQconninfoFree(options);
	return found;
}

/*
 * Tells whether a playbook may give a connection string: it names a host, and no
 * file of the worker's machine.  Otherwise *error says why not, without any value of
 * the string.
 */
bool
conninfo_check_playbook(const char *conninfo, StringBuf *error)
{
	static const char *const allowed[] = {
		"host", "hostaddr", "port", "user", "password", "dbname", "sslmode",
		"connect_timeout", "application_name", "fallback_application_name",
		"options", "client_encoding", "channel_binding", "target_session_attrs",
		"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "ssl_min_protocol_version", "ssl_max_protocol_version",
		"sslsni", "gssencmode", "require_auth", "load_balance_hosts", "sslnegotiation"
	};
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

	if (options == NULL)
	{
		sb_str(error, "the connection string is not valid");
		return false;
	}
	for (PQconninfoOption *o = options; error->len == 0 && o->keyword != NULL; o++)
	{
		bool		known = o->val == NULL;

		for (size_t i = 0; !known && i < LENGTH(allowed); i++)
			known = strcmp(o->keyword, allowed[i]) == 0;
		if (!known)
			sb_printf(error, "a playbook must not set %s of a connection; a credential of"
					  " the worker can", o->keyword);
	}
	PQconninfoFree(options);
	if (error->len == 0 && !conninfo_has_host(conninfo))
		sb_str(error, "the connection names no host; a credential of the worker may leave it out");
	return error->len == 0;
}

/*
 * Connects as PQconnectdbParams() does, with everything that the environment of the
 * worker says.  For connections that an option of the worker names.
 */
PGconn *
conninfo_open(const char *const *keys, const char *const *values)
{
	char	  **before = environ;
	PGconn	   *conn;

	environ = environment_all();
	conn = PQconnectdbParams(keys, values, 1);
	environ = before;
	return conn;
}

/*
 * Begins to connect, without blocking, with what the source of the string may use.
 * libpq reads the environment only here.  The caller owns the connection, which may
 * be a bad one.
 */
PGconn *
conninfo_connect(const char *conninfo, ConninfoSource source)
{
	const char *keys[8] = {"fallback_application_name", "dbname", "client_encoding"};
	const char *values[8] = {"noetl-worker task", conninfo, "UTF8"};
	bool		completes = source == CONNINFO_OPTION ||
		(source == CONNINFO_CREDENTIAL && !conninfo_has_host(conninfo));
	char	  **before = environ;
	PGconn	   *conn;

	if (source == CONNINFO_PLAYBOOK)
	{
		keys[3] = "passfile";
		values[3] = NO_FILE;
		keys[4] = "sslcert";
		values[4] = NO_FILE;
		keys[5] = "sslkey";
		values[5] = NO_FILE;
	}
	if (completes)
		environ = environment_all();
	conn = PQconnectStartParams(keys, values, 1);
	environ = before;
	return conn;
}

/*
 * Tells from the text of a failed connection whether the server is absent: stopped,
 * starting or out of reach.  A server that refuses this client is not absent.
 */
bool
server_is_absent(const char *error)
{
	static const char *const texts[] = {
		"Connection refused", "No such file or directory", "starting up",
		"shutting down", "recovery", "terminating connection",
		"closed the connection", "too many clients", "Connection reset",
		"could not translate host name", "timeout expired", "timed out",
		"No route to host", "Network is unreachable", "server conn crashed",
		"cannot connect to server", "not yet accepting connections"
	};

	for (size_t i = 0; i < LENGTH(texts); i++)
	{
		if (strstr(error, texts[i]) != NULL)
			return true;
	}
	return false;
}
