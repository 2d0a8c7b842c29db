/*
 * conninfo.h
 *		Connection strings of libpq: what may be in one, and what of the worker's
 *		environment a connection may use.
 */
#ifndef CONNINFO_H
#define CONNINFO_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "strbuf.h"

/* Where a connection string comes from, which decides what it may use */
typedef enum ConninfoSource
{
	CONNINFO_OPTION,			/* an option of the worker: all that libpq uses */
	CONNINFO_CREDENTIAL,		/* with a host of its own: no PG* variables */
	CONNINFO_PLAYBOOK			/* nothing of the worker's */
} ConninfoSource;

extern void conninfo_add(StringBuf *conninfo, const char *keyword, const char *value);
extern bool conninfo_is_valid(const char *conninfo);
extern bool conninfo_has_host(const char *conninfo);
extern bool conninfo_check_playbook(const char *conninfo, StringBuf *error);
extern PGconn *conninfo_open(const char *const *keys, const char *const *values);
extern PGconn *conninfo_connect(const char *conninfo, ConninfoSource source);
extern bool server_is_absent(const char *error);

#endif							/* CONNINFO_H */
