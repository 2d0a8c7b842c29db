/*
 * options.c
 *		The command line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "options.h"

Options		options = {
	.conninfo = "",
	.address = "127.0.0.1",
	.port = 8080,
	.loopback = true,
	.idle_timeout = 1800,
	.session_timeout = 43200,
	.statement_timeout = 15,
	.max_sessions = 100,
	.max_connections = 2000,
};

static const char help_text[] =
"noetl-console - see what noetl does, and act\n"
"\n"
"SYNOPSIS\n"
"  noetl-console [OPTION]...\n"
"\n"
"DESCRIPTION\n"
"  Serves web pages about the executions, playbooks and workers of a database that\n"
"  has the extension noetl.  One logs in as a role of the database, by its\n"
"  password, and sees and does what this role may see and do; roles that are\n"
"  superusers are refused.  Without --connect, libpq's environment (PGHOST,\n"
"  PGDATABASE, ...) names the database.\n"
"\n"
"OPTIONS\n"
"  -d, --connect CONNINFO   database: connection string or URI; its user and\n"
"                           password are not used\n"
"  -l, --listen ADDRESS:PORT\n"
"                           where to serve: a numeric address (127.0.0.1:8080)\n"
"      --host NAME          a name by which browsers reach the console; others are\n"
"                           refused where it listens to this machine only, beside\n"
"                           localhost; may be repeated\n"
"      --readonly           offer and do nothing that changes anything\n"
"      --trust-role ROLE    a role that logs in without a password, where the server\n"
"                           trusts the user that the console runs as; only when it\n"
"                           listens to this machine only; may be repeated\n"
"      --secure-cookie      cookies for https only: behind a proxy that speaks TLS\n"
"      --idle-timeout SECONDS\n"
"                           end a session that long after its last page (1800)\n"
"      --session-timeout SECONDS\n"
"                           end a session that long after its login (43200)\n"
"      --statement-timeout SECONDS\n"
"                           longest statement of a page (15)\n"
"      --max-sessions N     sessions at a time, each with one connection to the\n"
"                           database (100)\n"
"      --max-connections N  connections of browsers at a time (2000)\n"
"  -V, --version            print the version and exit\n"
"  -h, --help               print this and exit\n"
"\n"
"EXIT STATUS\n"
"  0 after SIGTERM or SIGINT, 1 when it cannot start.\n"
"\n"
"SECURITY\n"
"  The console speaks HTTP, not HTTPS: where it listens to more than this machine,\n"
"  put a proxy in front of it that speaks TLS, and set --secure-cookie.\n";

/* Says what is wrong with the command line and ends the program. */
static void
usage(const char *format,...)
{
	va_list		args;

	fputs("noetl-console: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\nTry \"noetl-console --help\".\n", stderr);
	exit(1);
}

/* Returns the number that an option is given. */
static int
number(const char *name, const char *text, int least, int most)
{
	char	   *end;
	/* what is too large for it is too large for any option */
	long		n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < least || n > most)
		usage("--%s must be a number from %d to %d", name, least, most);
	return (int) n;
}

/* Adds a name to a list. */
static void
add_name(const char *option, const char **names, int *count, const char *name)
{
	if (*count == MAX_NAMES)
		usage("--%s can be given %d times at most", option, MAX_NAMES);
	names[(*count)++] = name;
}

/* Reads ADDRESS:PORT. */
static void
listen_at(char *text)
{
	char	   *colon = strrchr(text, ':');
	unsigned char binary[16];

	if (colon == NULL)
		usage("--listen must be ADDRESS:PORT");
	*colon = '\0';
	options.port = number("listen", colon + 1, 0, 65535);
	if (text[0] == '[' && colon[-1] == ']')
	{
		colon[-1] = '\0';
		text++;
	}
	options.address = text;
	if (inet_pton(AF_INET, text, binary) == 1)
		options.loopback = binary[0] == 127;
	else if (inet_pton(AF_INET6, text, binary) == 1)
		options.loopback = strcmp(text, "::1") == 0;
	else
		usage("--listen: \"%s\" is no numeric address", text);
}

static const struct option longs[] = {
	{"connect", required_argument, NULL, 'd'},
	{"listen", required_argument, NULL, 'l'},
	{"host", required_argument, NULL, 'H'},
	{"readonly", no_argument, NULL, 'r'},
	{"trust-role", required_argument, NULL, 't'},
	{"secure-cookie", no_argument, NULL, 's'},
	{"idle-timeout", required_argument, NULL, 'i'},
	{"session-timeout", required_argument, NULL, 'e'},
	{"statement-timeout", required_argument, NULL, 'S'},
	{"max-sessions", required_argument, NULL, 'm'},
	{"max-connections", required_argument, NULL, 'c'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* Prints the version, and that of Graphviz where it is built in, and ends the program. */
static void
print_version(void)
{
#ifdef HAVE_GRAPHVIZ
	printf("noetl-console " NOETL_VERSION " (graphviz %s)\n", layout_version());
#else
	puts("noetl-console " NOETL_VERSION);
#endif
	exit(0);
}

/* Takes one option. */
static void
take(int c)
{
	switch (c)
	{
		case 'd':
			options.conninfo = optarg;
			break;
		case 'l':
			listen_at(optarg);
			break;
		case 'H':
			add_name("host", options.hosts, &options.nhosts, optarg);
			break;
		case 'r':
			options.readonly = true;
			break;
		case 't':
			add_name("trust-role", options.trusted, &options.ntrusted, optarg);
			break;
		case 's':
			options.secure_cookie = true;
			break;
		case 'i':
			options.idle_timeout = number("idle-timeout", optarg, 1, 604800);
			break;
		case 'e':
			options.session_timeout = number("session-timeout", optarg, 1, 604800);
			break;
		case 'S':
			options.statement_timeout = number("statement-timeout", optarg, 1, 3600);
			break;
		case 'm':
			options.max_sessions = number("max-sessions", optarg, 1, 10000);
			break;
		case 'c':
			options.max_connections = number("max-connections", optarg, 10, 100000);
			break;
		case 'V':
			print_version();
			break;
		case 'h':
			fputs(help_text, stdout);
			exit(0);
		default:
			fputs("Try \"noetl-console --help\".\n", stderr);
			exit(1);
	}
}

/* Sets options; ends the program after --help, --version and mistakes. */
void
read_options(int argc, char **argv)
{
	int			c;

	while ((c = getopt_long(argc, argv, "d:l:Vh", longs, NULL)) != -1)
		take(c);
	if (optind < argc)
		usage("what is \"%s\"?", argv[optind]);
	if (options.ntrusted > 0 && !options.loopback)
		usage("--trust-role needs an address of this machine only in --listen");
}
