/*
 * options.c
 *		The command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "strbuf.h"

#ifndef NOETL_VERSION
#error "NOETL_VERSION comes from the Makefile"
#endif

Options		options = {
	.conninfo = "",.python = "python3",.lease = 60,.batch = 1,.grace = 10,
	.statement_timeout = 60,.poll = 1,.wait_for_server = -1
};

static const char help_text[] =
"noetl-worker - execute the tasks of noetl playbooks\n"
"\n"
"SYNOPSIS\n"
"  noetl-worker [OPTION]...\n"
"\n"
"DESCRIPTION\n"
"  Leases tasks from the queue of the noetl extension, executes them and\n"
"  reports how they ended.  Any number of workers may run, on any machine.\n"
"  Without --connect, libpq's environment (PGHOST, PGDATABASE, ...) applies.\n"
"\n"
"OPTIONS\n"
"  -d, --connect CONNINFO   database of the broker: connection string or URI\n"
"  -1, --once               drain the queue and exit: when no task of the types\n"
"                           below is left, be it queued, waiting for its retry\n"
"                           or leased by another worker; fails when the\n"
"                           database is away for a minute\n"
"  -n, --name ID            worker_id, unique among running workers\n"
"                           (default: host:pid:random)\n"
"  -t, --types LIST         task types to execute, comma separated\n"
"                           (default: all this machine can: python,postgres,shell,\n"
"                           http,duckdb,iterator,save)\n"
"  -l, --lease SECONDS      length of a lease, renewed at a third of it (60)\n"
"  -b, --batch N            tasks to lease at once; executed one by one (1)\n"
"  -g, --grace SECONDS      time a running task gets to end after SIGTERM (10)\n"
"      --idle-timeout SECONDS\n"
"                           exit after that long without a task (default: never)\n"
"      --wait-for-server SECONDS\n"
"                           how long to wait at the start for a server that is\n"
"                           absent (default: without end; with --once 60)\n"
"      --statement-timeout SECONDS\n"
"                           limit of each of the worker's own statements (60)\n"
"      --pooler auto|yes|no whether PgBouncer or the like, in transaction mode, is\n"
"                           between the worker and the server (auto: found out);\n"
"                           then the session keeps neither settings nor prepared\n"
"                           statements, and the worker asks for tasks every --poll\n"
"                           seconds instead of waiting in the server\n"
"      --poll SECONDS       behind a pooler: the longest pause between two leases (1)\n"
"      --python PATH        interpreter for python tasks (python3)\n"
"      --pass-env NAME[,NAME...]\n"
"                           variables of the worker's environment that programs\n"
"                           (python, shell) see besides those of their task and\n"
"                           PATH, HOME, LANG, LANGUAGE, LC_*, TZ, TMPDIR, USER,\n"
"                           LOGNAME, SHELL (default: none)\n"
"      --scripts PREFIX[,PREFIX...]\n"
"                           directories and URLs below which script of a python\n"
"                           task may name its program (default: none)\n"
"      --postgres-conninfo CONNINFO\n"
"                           target of postgres tasks that name none\n"
"                           (default: the database of the broker)\n"
"  -q, --quiet              print errors only\n"
"  -v, --verbose            print more\n"
"  -V, --version            print the version and exit\n"
"  -h, --help               print this and exit\n"
"\n"
"TASKS\n"
"  python     code (or code_b64) in one python3 process that stays alive.\n"
"             main(...) gets the input (data) as keyword arguments, or as one\n"
"             dict when its only parameter is not a key of the input; it may be\n"
"             async.  Without main, the variable result is the result.  Only an\n"
"             exception fails the task; prints go to this log.\n"
"  postgres   command, commands, sql, query or code (also ..._b64).  One text is\n"
"             sent as it is, its statements sharing a transaction; a list runs\n"
"             in one transaction, or, when one of its commands cannot (VACUUM,\n"
"             CREATE DATABASE), each command in its own.  Connects to db_host,\n"
"             db_port, db_user, db_password, db_name or dsn of auth or data;\n"
"             to what NOETL_AUTH_<NAME> says when auth or credential names a\n"
"             credential; else to --postgres-conninfo.\n"
"  shell      command, cmd or commands by /bin/sh -c, with env and cwd.  A list\n"
"             stops at the first that fails.  What is left running in the\n"
"             background ends with the task.\n"
"  http       url (or endpoint), method, headers, params, payload (or body, json:\n"
"             maps and lists are sent as JSON; form: urlencoded), auth, verify,\n"
"             follow_redirects.  The input (data) of a task without params or body\n"
"             is the query of GET, HEAD and DELETE, the body of other methods.  A\n"
"             status of 400 or more fails the task.  Proxies are taken from\n"
"             http_proxy, https_proxy, no_proxy.  Without timeout: 30 seconds.\n"
"  duckdb     command, commands, sql, query or code, in the file that database\n"
"             names, or in one of the execution's own in NOETL_DUCKDB_DIR.  Only\n"
"             where libduckdb.so is to be found.\n"
"  iterator   the task, or tasks, of an iterator for each of its items.  With\n"
"             mode: async up to concurrency (8, at most 64) of them at the same\n"
"             time, each in a process of its own.\n"
"  save       what a step saves that does nothing else.  Other tasks are followed\n"
"             by what they save: into postgres, duckdb or http, by the rules for\n"
"             tasks of these types.  A save that fails fails the task.\n"
"  timeout (seconds or an interval) on a task ends it as failed.\n"
"\n"
"SIGNALS\n"
"  SIGTERM, SIGINT, SIGHUP  finish the running task, or give it back to the queue\n"
"                           when it takes longer than --grace; then exit\n"
"  a second one             kill the task and exit at once\n"
"\n"
"ENVIRONMENT\n"
"  PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, ...\n"
"  NOETL_AUTH_<NAME>        the credential <name> (upper case, other characters\n"
"                           as _): for postgres a connection string or\n"
"                           {\"db_host\": ..., \"db_user\": ...}; for http\n"
"                           {\"type\": \"bearer\", \"token\": ...}, or type basic with\n"
"                           username, password, or api_key with header, value\n"
"  NOETL_LIBDUCKDB          DuckDB's library (libduckdb.so)\n"
"  NOETL_DUCKDB_DIR         where the files of executions are (a directory of this\n"
"                           user in TMPDIR); to remove them is your affair\n"
"\n"
"EXIT STATUS\n"
"  0 drained, stopped or idle for too long; 1 error; 2 wrong usage\n";

enum
{
	OPT_IDLE_TIMEOUT = 256, OPT_PYTHON, OPT_POSTGRES, OPT_POOLER, OPT_POLL, OPT_PASS_ENV, OPT_SCRIPTS,
	OPT_WAIT_FOR_SERVER,
	OPT_STATEMENT_TIMEOUT, OPT_HELPER
};

/* Internal: run as a helper process of a worker */
#define HELPER_OPTION "execute-items"

static const struct option long_options[] = {
	{"connect", required_argument, NULL, 'd'},
	{"once", no_argument, NULL, '1'},
	{"name", required_argument, NULL, 'n'},
	{"types", required_argument, NULL, 't'},
	{"lease", required_argument, NULL, 'l'},
	{"batch", required_argument, NULL, 'b'},
	{"grace", required_argument, NULL, 'g'},
	{"idle-timeout", required_argument, NULL, OPT_IDLE_TIMEOUT},
	{"python", required_argument, NULL, OPT_PYTHON},
	{"postgres-conninfo", required_argument, NULL, OPT_POSTGRES},
	{"pass-env", required_argument, NULL, OPT_PASS_ENV},
	{"scripts", required_argument, NULL, OPT_SCRIPTS},
	{"wait-for-server", required_argument, NULL, OPT_WAIT_FOR_SERVER},
	{"pooler", required_argument, NULL, OPT_POOLER},
	{"poll", required_argument, NULL, OPT_POLL},
	{"statement-timeout", required_argument, NULL, OPT_STATEMENT_TIMEOUT},
	{HELPER_OPTION, no_argument, NULL, OPT_HELPER},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0}
};

/* Ends with exit code 2, saying where to read more. */
static void
wrong_usage(void)
{
	fputs("Try \"noetl-worker --help\" for more information.\n", stderr);
	exit(2);
}

/* Reads a number of an option, refusing what a typing error would give. */
static int
number(const char *option, const char *text, int low, int high)
{
	char	   *end;
	long		value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < low || value > high)
	{
		fprintf(stderr, "noetl-worker: --%s must be a number from %d to %d, not \"%s\"\n",
				option, low, high, text);
		wrong_usage();
	}
	return (int) value;
}

/* Reads the value of --pooler. */
static Pooler
read_pooler(const char *text)
{
	if (strcmp(text, "auto") == 0)
		return POOLER_AUTO;
	if (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0)
		return text[0] == 'y' ? POOLER_YES : POOLER_NO;
	fprintf(stderr, "noetl-worker: --pooler must be auto, yes or no, not \"%s\"\n", text);
	wrong_usage();
	return POOLER_AUTO;
}

/* Makes a worker_id that no other worker has, not even after a restart. */
static const char *
default_name(void)
{
	static char name[160];
	char		host[100] = "localhost";
	unsigned short random = 0;
	FILE	   *f = fopen("/dev/urandom", "re");

	gethostname(host, sizeof(host) - 1);
	if (f != NULL)
	{
		if (fread(&random, sizeof(random), 1, f) != 1)
			random = 0;
		fclose(f);
	}
	snprintf(name, sizeof(name), "%s:%d:%04x", host, (int) getpid(), random);
	return name;
}

/* Applies one option that has an argument. */
static void
set_value(int opt, const char *value)
{
	switch (opt)
	{
		case 'd':
			options.conninfo = value;
			break;
		case 'n':
			options.name = value;
			break;
		case 't':
			options.types = value;
			break;
		case 'l':
			options.lease = number("lease", value, 1, 86400);
			break;
		case 'b':
			options.batch = number("batch", value, 1, 10000);
			break;
		case 'g':
			options.grace = number("grace", value, 0, 86400);
			break;
		case OPT_IDLE_TIMEOUT:
			options.idle_timeout = number("idle-timeout", value, 1, INT_MAX);
			break;
		case OPT_PYTHON:
			options.python = value;
			break;
		case OPT_WAIT_FOR_SERVER:
			options.wait_for_server = number("wait-for-server", value, 0, INT_MAX);
			break;
		case OPT_PASS_ENV:
			options.pass_env = value;
			break;
		case OPT_SCRIPTS:
			options.scripts = value;
			break;
		case OPT_POOLER:
			options.pooler = read_pooler(value);
			break;
		case OPT_POLL:
			options.poll = number("poll", value, 1, 3600);
			break;
		case OPT_STATEMENT_TIMEOUT:
			options.statement_timeout = number("statement-timeout", value, 10, 86400);
			break;
		case OPT_POSTGRES:
			options.postgres_conninfo = value;
			break;
	}
}

static const char **helper_argv = NULL;

/*
 * Remembers the command that starts a helper process: this program with the same
 * options.  /proc/self/exe is this program even after its file has been replaced.
 */
static void
remember_command(int argc, char **argv)
{
	int			count = 0;

	helper_argv = xcalloc((size_t) argc + 2, sizeof(char *));
	helper_argv[count++] = access("/proc/self/exe", X_OK) == 0 ? "/proc/self/exe" : argv[0];
	helper_argv[count++] = "--" HELPER_OPTION;
	for (int i = 1; i < argc; i++)
		helper_argv[count++] = argv[i];
}

/* Returns the argument vector that starts a helper process. */
const char *const *
helper_command(void)
{
	return helper_argv;
}

/* Reads the command line into options; exits when that is all there is to do. */
void
parse_options(int argc, char **argv)
{
	int			opt;

	remember_command(argc, argv);
	while ((opt = getopt_long(argc, argv, "d:1n:t:l:b:g:qvVh", long_options, NULL)) != -1)
	{
		switch (opt)
		{
			case '1':
				options.once = true;
				break;
			case OPT_HELPER:
				options.helper = true;
				break;
			case 'q':
				options.verbosity = LOG_ALWAYS;
				break;
			case 'v':
				options.verbosity = LOG_DETAIL;
				break;
			case 'V':
				puts("noetl-worker " NOETL_VERSION);
				exit(0);
			case 'h':
				fputs(help_text, stdout);
				exit(0);
			case '?':
				wrong_usage();
				break;
			default:
				set_value(opt, optarg);
				break;
		}
	}
	if (optind < argc)
	{
		fprintf(stderr, "noetl-worker: unexpected argument \"%s\"\n", argv[optind]);
		wrong_usage();
	}
	if (options.name == NULL || options.name[0] == '\0')
		options.name = default_name();
	if (options.postgres_conninfo == NULL)
		options.postgres_conninfo = options.conninfo;
}
