/*
 * desk.h
 *		Between desk.c and desk_commands.c: the session of the commands.
 */
#ifndef DESK_H
#define DESK_H

#include <libpq-fe.h>

#include "strbuf.h"

/* desk.c */
extern PGresult *desk_query(const char *sql, int nparams, const char *const *params);
extern bool desk_read_file(const char *path, StringBuf *text);

/* desk_commands.c: thin over SQL; each returns the exit code */
extern int	desk_test(void);
extern int	desk_sql_command(const char *name);

#endif							/* DESK_H */
