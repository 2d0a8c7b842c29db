/*
 * options.h
 *		What the command line says.
 */
#ifndef CONSOLE_OPTIONS_H
#define CONSOLE_OPTIONS_H

#include <stdbool.h>

#define MAX_NAMES		16

typedef struct Options
{
	const char *conninfo;
	const char *address;		/* numeric address to listen at */
	int			port;			/* which cookies are named by */
	bool		loopback;		/* address is one of this machine only */
	const char *hosts[MAX_NAMES];	/* further names in Host headers */
	int			nhosts;
	const char *trusted[MAX_NAMES]; /* roles that log in without a password */
	int			ntrusted;
	bool		readonly;
	bool		secure_cookie;
	int			idle_timeout;	/* seconds */
	int			session_timeout;
	int			statement_timeout;
	int			max_sessions;
	int			max_connections;
} Options;

extern Options options;

/* Sets options; ends the program after --help, --version and mistakes. */
extern void read_options(int argc, char **argv);

#endif							/* CONSOLE_OPTIONS_H */
