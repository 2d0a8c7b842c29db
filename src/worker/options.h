/*
 * options.h
 *		What the command line and the file of --config say.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

/* Whether a pooler is between the worker and the server. */
typedef enum Pooler
{
	POOLER_AUTO,				/* found out for each session */
	POOLER_YES,
	POOLER_NO
} Pooler;

typedef struct Options
{
	const char *config;			/* file with further options; or NULL */
	const char *conninfo;		/* of the broker's database */
	const char **connections;	/* all of --connect */
	int			nconnections;
	int			connection;		/* which of them this worker is for, from 1; 0: not one
								 * of several */
	const char *postgres_conninfo;	/* default target of postgres tasks */
	const char *name;			/* worker_id */
	const char *types;			/* comma separated, as given */
	const char *python;
	const char *pass_env;		/* names of variables that programs and templates
								 * see; or NULL */
	const char *env;			/* names of those that only templates see; or NULL */
	const char *scripts;		/* where program text may be read from; or NULL */
	const char *credentials;	/* directory with files of credentials; or NULL */
	const char *credential_command; /* that says them; or NULL */
	const char **tools;			/* TYPE or TYPE=COMMAND of --tool */
	int			ntools;
	int			tool_memory;	/* MB that a tool may allocate; 0: no limit */
	int			lease;			/* seconds */
	int			batch;
	const char *concurrency;	/* as given; or NULL */
	int			slots;			/* tasks at the same time, its first part */
	int			grace;			/* seconds */
	int			statement_timeout;	/* seconds, of the worker's own statements */
	int			poll;			/* seconds, behind a pooler */
	int			wait_for_server;	/* seconds, at the start; -1: default */
	int			idle_timeout;	/* seconds; 0: none */
	Pooler		pooler;
	const char *log;			/* its form: text or json */
	bool		once;
	bool		json;
	bool		helper;			/* run as a helper process of a worker */
	bool		desk_worker;	/* run as the worker of the command "run" */
	bool		quiet;
	bool		verbose;
	int			verbosity;		/* a log level */

	const char *program;		/* what it was called by: noetl-worker or noetl */

	/* a command of the desk */
	const char *command;		/* NULL: none */
	const char *const *arguments;	/* what follows it */
	int			narguments;
	const char **settings;		/* NAME=VALUE of --set */
	int			nsettings;
} Options;

extern Options options;

extern void parse_options(int argc, char **argv);
extern bool reload_options(void);
extern const char *const *own_command(const char *option);

#define HELPER_OPTION "--execute-items"
#define CONNECTION_OPTION "--work-for-connection"
#define DESK_WORKER_OPTION "--work-for-run"

/* help.c */
extern const char help_text[];
extern const char desk_help_text[];

#endif							/* OPTIONS_H */
