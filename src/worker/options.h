/*
 * options.h
 *		What the command line says.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

/* Is a pooler between the worker and the server? */
typedef enum Pooler
{
	POOLER_AUTO,				/* found out for each session */
	POOLER_YES,
	POOLER_NO
} Pooler;

typedef struct Options
{
	const char *conninfo;		/* of the broker's database */
	const char *postgres_conninfo;	/* default target of postgres tasks */
	const char *name;			/* worker_id */
	const char *types;			/* comma separated, as given */
	const char *python;
	const char *pass_env;		/* names of variables that programs see; or NULL */
	const char *scripts;		/* where program text may be read from; or NULL */
	int			lease;			/* seconds */
	int			batch;
	int			grace;			/* seconds */
	int			statement_timeout;	/* seconds, of the worker's own statements */
	int			poll;			/* seconds, behind a pooler */
	Pooler		pooler;
	int			wait_for_server;	/* seconds, at the start; -1: default */
	int			idle_timeout;	/* seconds; 0: none */
	bool		once;
	bool		helper;			/* run as a helper process of a worker */
	int			verbosity;		/* a log level */
} Options;

extern Options options;

extern void parse_options(int argc, char **argv);
extern const char *const *helper_command(void);

#endif							/* OPTIONS_H */
