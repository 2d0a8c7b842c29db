/*
 * options.h
 *		What the command line says.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

typedef struct Options
{
	const char *conninfo;		/* of the broker's database */
	const char *postgres_conninfo;	/* default target of postgres tasks */
	const char *name;			/* worker_id */
	const char *types;			/* comma separated, as given */
	const char *python;
	int			lease;			/* seconds */
	int			batch;
	int			grace;			/* seconds */
	int			idle_timeout;	/* seconds; 0: none */
	bool		once;
	bool		helper;			/* run as a helper process of a worker */
	int			verbosity;		/* a log level */
} Options;

extern Options options;

extern void parse_options(int argc, char **argv);
extern const char *const *helper_command(void);

#endif							/* OPTIONS_H */
