/*
 * options.c
 *		The command line and the file of --config: one table of options for both.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "strbuf.h"

#ifndef NOETL_VERSION
#error "NOETL_VERSION comes from the Makefile"
#endif

static const Options defaults = {
	.conninfo = "",.python = "python3",.lease = 60,.batch = 1,.grace = 10,
	.statement_timeout = 60,.poll = 1,.wait_for_server = -1
};

Options		options;

typedef enum OptionKind
{
	KIND_TEXT,
	KIND_NUMBER,
	KIND_FLAG,
	KIND_POOLER,
	KIND_SETTING,				/* NAME=VALUE; may be given several times */
	KIND_LIST,					/* may be given several times */
	KIND_ACTION					/* --help, --version */
} OptionKind;

typedef struct OptionSpec
{
	const char *name;
	char		letter;			/* or 0 */
	OptionKind	kind;
	size_t		offset;			/* of the value in Options */
	int			low;			/* of a number */
	int			high;
	bool		only_command_line;
	bool		stays;			/* a reload does not change it */
} OptionSpec;

#define FIELD(name) offsetof(Options, name)

#define TEXT(n, l, field) .name = n,.letter = l,.kind = KIND_TEXT,.offset = FIELD(field)
#define FLAG(n, l, field) .name = n,.letter = l,.kind = KIND_FLAG,.offset = FIELD(field)
#define NUMBER(n, l, field, from, to) \
	.name = n,.letter = l,.kind = KIND_NUMBER,.offset = FIELD(field),.low = from,.high = to

static const OptionSpec specs[] = {
	{TEXT("config", 'c', config),.only_command_line = true,.stays = true},
	{.name = "connect",.letter = 'd',.kind = KIND_LIST,.offset = FIELD(connections),.stays = true},
	{FLAG("once", '1', once),.stays = true},
	{TEXT("name", 'n', name),.stays = true},
	{TEXT("types", 't', types),.stays = true},
	{NUMBER("lease", 'l', lease, 1, 86400)},
	{NUMBER("batch", 'b', batch, 1, 10000)},
	{TEXT("concurrency", 'j', concurrency),.stays = true},
	{NUMBER("grace", 'g', grace, 0, 86400)},
	{NUMBER("idle-timeout", 0, idle_timeout, 1, INT_MAX)},
	{NUMBER("wait-for-server", 0, wait_for_server, 0, INT_MAX)},
	{NUMBER("statement-timeout", 0, statement_timeout, 10, 86400)},
	{.name = "pooler",.kind = KIND_POOLER,.offset = FIELD(pooler)},
	{NUMBER("poll", 0, poll, 1, 3600)},
	{TEXT("python", 0, python)},
	{TEXT("pass-env", 0, pass_env)},
	{TEXT("credentials", 0, credentials)},
	{TEXT("credential-command", 0, credential_command)},
	{.name = "tool",.kind = KIND_LIST,.offset = FIELD(tools),.stays = true},
	{NUMBER("tool-memory", 0, tool_memory, 1, INT_MAX)},
	{TEXT("env", 0, env)},
	{TEXT("scripts", 0, scripts)},
	{TEXT("postgres-conninfo", 0, postgres_conninfo)},
	{TEXT("log", 0, log)},
	{FLAG("quiet", 'q', quiet)},
	{FLAG("verbose", 'v', verbose)},
	{FLAG("json", 0, json),.only_command_line = true},
	{.name = "set",.kind = KIND_SETTING,.only_command_line = true},
	{NUMBER(&CONNECTION_OPTION[2], 0, connection, 1, INT_MAX),.only_command_line = true},
	{FLAG(&HELPER_OPTION[2], 0, helper),.only_command_line = true},
	{FLAG(&DESK_WORKER_OPTION[2], 0, desk_worker),.only_command_line = true},
	{.name = "version",.letter = 'V',.kind = KIND_ACTION,.only_command_line = true},
	{.name = "help",.letter = 'h',.kind = KIND_ACTION,.only_command_line = true}
};

#define SPEC_COUNT ((int) (sizeof(specs) / sizeof(specs[0])))

static int	own_argc = 0;
static char **own_argv = NULL;

/* Returns the name that the program was called by: that of the desk, else the worker's. */
static const char *
program_name(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : path;

	return name != NULL && strcmp(name, "noetl") == 0 ? "noetl" : "noetl-worker";
}

/* Ends with exit code 2 after a line that says where to read more. */
static void
wrong_usage(void)
{
	fprintf(stderr, "Try \"%s --help\" for more information.\n", program_name(own_argv[0]));
	exit(2);
}

/* Reads a number; returns false, with *error, when it is none or out of range. */
static bool
read_number(const OptionSpec *spec, const char *text, int *number, StringBuf *error)
{
	char	   *end;
	long		value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < spec->low || value > spec->high)
	{
		sb_printf(error, "--%s must be a number from %d to %d, not \"%s\"",
				  spec->name, spec->low, spec->high, text);
		return false;
	}
	*number = (int) value;
	return true;
}

/* Reads a flag of the file: no value, yes or no. */
static bool
read_flag(const OptionSpec *spec, const char *text, bool *flag, StringBuf *error)
{
	*flag = text == NULL || text[0] == '\0' || strcmp(text, "yes") == 0 ||
		strcmp(text, "true") == 0 || strcmp(text, "on") == 0;
	if (*flag || strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "off") == 0)
		return true;
	sb_printf(error, "%s must be yes or no, not \"%s\"", spec->name, text);
	return false;
}

/* Reads the value of --pooler. */
static bool
read_pooler(const char *text, Pooler *pooler, StringBuf *error)
{
	if (strcmp(text, "auto") == 0)
		*pooler = POOLER_AUTO;
	else if (strcmp(text, "yes") == 0)
		*pooler = POOLER_YES;
	else if (strcmp(text, "no") == 0)
		*pooler = POOLER_NO;
	else
		sb_printf(error, "--pooler must be auto, yes or no, not \"%s\"", text);
	return error->len == 0;
}

/* Adds the argument of --set. */
static bool
add_setting(Options *into, const char *text, StringBuf *error)
{
	if (strchr(text, '=') == NULL || text[0] == '=')
	{
		sb_printf(error, "--set must be NAME=VALUE, not \"%s\"", text);
		return false;
	}
	into->settings = xrealloc(into->settings, sizeof(char *) * (size_t) (into->nsettings + 1));
	into->settings[into->nsettings++] = text;
	return true;
}

/* Adds a value to a list, whose length follows it in Options. */
static bool
add_to_list(const char ***list, const char *text)
{
	int		   *count = (int *) (list + 1);

	*list = xrealloc(*list, sizeof(char *) * (size_t) (*count + 1));
	(*list)[(*count)++] = text;
	return true;
}

/*
 * Sets an option; the value must stay where it is.  Returns false, with *error, when
 * the value is wrong.
 */
static bool
set_option(Options *into, const OptionSpec *spec, const char *value, StringBuf *error)
{
	void	   *field = (char *) into + spec->offset;

	switch (spec->kind)
	{
		case KIND_TEXT:
			*(const char **) field = value;
			return true;
		case KIND_NUMBER:
			return read_number(spec, value, field, error);
		case KIND_FLAG:
			return read_flag(spec, value, field, error);
		case KIND_POOLER:
			return read_pooler(value, field, error);
		case KIND_LIST:
			return add_to_list(field, value);
		case KIND_SETTING:
			return add_setting(into, value, error);
		case KIND_ACTION:
			break;
	}
	if (spec->letter == 'V')
		printf("%s " NOETL_VERSION "\n", into->program);
	else
		fputs(strcmp(into->program, "noetl") == 0 ? desk_help_text : help_text, stdout);
	exit(0);
}

/* Cuts white space from both ends of a text. */
static char *
trim(char *text)
{
	char	   *end;

	while (isspace((unsigned char) *text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char) end[-1]))
		*--end = '\0';
	return text;
}

/* Applies one line of the file, which it changes. */
static bool
apply_line(Options *into, char *line, StringBuf *error)
{
	char	   *name = trim(line);
	char	   *value;

	if (name[0] == '\0' || name[0] == '#')
		return true;
	value = name + strcspn(name, "= \t");
	if (*value != '\0')
	{
		char		end = *value;

		*value++ = '\0';
		value = trim(value);
		if (end != '=' && *value == '=')
			value = trim(value + 1);
	}
	for (int i = 0; i < SPEC_COUNT; i++)
	{
		if (strcmp(specs[i].name, name) != 0 || specs[i].only_command_line)
			continue;
		/* options live as long as the process */
		return set_option(into, &specs[i], xstrdup(value), error);
	}
	sb_printf(error, "there is no option \"%s\"", name);
	return false;
}

/* Warns of a file with a password that others can read. */
static void
check_mode(FILE *file, const char *path, bool has_password)
{
	struct stat info;

	if (has_password && fstat(fileno(file), &info) == 0 && (info.st_mode & 077) != 0)
		fprintf(stderr, "noetl-worker: %s has a password and can be read by others\n", path);
}

/* Applies the file of --config; returns false, with *error, at the first error. */
static bool
apply_file(Options *into, const char *path, StringBuf *error)
{
	FILE	   *file = fopen(path, "re");
	char	   *line = NULL;
	size_t		size = 0;
	bool		has_password = false;
	bool		ok = true;

	if (file == NULL)
	{
		sb_printf(error, "could not open \"%s\": %s", path, strerror(errno));
		return false;
	}
	for (int number = 1; ok && getline(&line, &size, file) >= 0; number++)
	{
		StringBuf	reason = {0};

		has_password = has_password || strstr(line, "password") != NULL;
		ok = apply_line(into, line, &reason);
		if (!ok)
			sb_printf(error, "%s:%d: %s", path, number, reason.data);
		sb_free(&reason);
	}
	check_mode(file, path, has_password);
	free(line);
	fclose(file);
	return ok;
}

/* Makes what getopt_long() wants of the table. */
static void
make_getopt_tables(struct option *names, char *letters)
{
	for (int i = 0; i < SPEC_COUNT; i++)
	{
		bool		has_value = specs[i].kind != KIND_FLAG && specs[i].kind != KIND_ACTION;

		names[i] = (struct option) {specs[i].name, has_value, NULL, 1000 + i};
		if (specs[i].letter == '\0')
			continue;
		*letters++ = specs[i].letter;
		if (has_value)
			*letters++ = ':';
	}
	names[SPEC_COUNT] = (struct option) {NULL, 0, NULL, 0};
	*letters = '\0';
}

/*
 * Applies the command line, or of it only --config.  Returns false, with *error, at
 * the first wrong value; exits at an unknown option.
 */
static bool
apply_command_line(Options *into, bool only_config, StringBuf *error)
{
	struct option names[SPEC_COUNT + 1];
	char		letters[2 * SPEC_COUNT + 1];
	bool		ok = true;
	int			opt;

	make_getopt_tables(names, letters);
	optind = 0;
	opterr = !only_config;
	while (ok && (opt = getopt_long(own_argc, own_argv, letters, names, NULL)) != -1)
	{
		const OptionSpec *spec = NULL;

		for (int i = 0; i < SPEC_COUNT; i++)
		{
			if (opt == 1000 + i || (specs[i].letter != '\0' && opt == specs[i].letter))
				spec = &specs[i];
		}
		if (spec == NULL && !only_config)
			wrong_usage();
		if (spec != NULL && (!only_config || spec->letter == 'c'))
			ok = set_option(into, spec, optarg, error);
	}
	return ok;
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

/* Sets the connection of this process: the one that it is for, else the first. */
static void
choose_connection(Options *into)
{
	int			index = into->connection > 0 ? into->connection - 1 : 0;

	if (index < into->nconnections)
		into->conninfo = into->connections[index];
}

/* Reads the file and the command line, which wins, into options. */
static bool
read_options(Options *into, StringBuf *error)
{
	int			of_file;

	*into = defaults;
	into->program = program_name(own_argv[0]);
	if (!apply_command_line(into, true, error) ||
		(into->config != NULL && !apply_file(into, into->config, error)))
		return false;
	of_file = into->nconnections;
	if (!apply_command_line(into, false, error))
		return false;
	if (of_file > 0 && into->nconnections > of_file)
	{
		into->connections += of_file;
		into->nconnections -= of_file;
	}
	choose_connection(into);
	if (into->log != NULL && strcmp(into->log, "text") != 0 && strcmp(into->log, "json") != 0)
	{
		sb_printf(error, "--log must be text or json, not \"%s\"", into->log);
		return false;
	}
	if (into->postgres_conninfo == NULL)
		into->postgres_conninfo = into->conninfo;
	into->verbosity = into->verbose ? LOG_DETAIL : into->quiet ? LOG_ALWAYS : LOG_NORMAL;
	/* the list of steps is drawn on the same terminal */
	if (into->desk_worker && isatty(STDERR_FILENO) && !into->verbose)
		into->verbosity = LOG_ALWAYS;
	return true;
}

/* A command of the desk and its arguments */
typedef struct CommandSpec
{
	const char *name;
	int			low;
	int			high;
	bool		takes_id;		/* first */
	const char *needs;
} CommandSpec;

static const CommandSpec command_specs[] = {
	{"run", 1, 1, false, "a file or the path of a playbook"},
	{"validate", 1, INT_MAX, false, "files"},
	{"test", 1, INT_MAX, false, "files"},
	{"ps", 0, 0, false, "no argument"},
	{"show", 1, 1, true, "the number of an execution"},
	{"why", 1, 1, true, "the number of an execution"},
	{"cancel", 1, 1, true, "the number of an execution"},
	{"retry", 1, 2, true, "the number of an execution, and perhaps a step"},
	{"redrive", 1, 1, true, "the number of an execution"},
	{"signal", 2, 3, true, "the number of an execution, the name of a signal, and perhaps JSON"}
};

/* Takes the command and its arguments from what is left of the command line. */
static void
read_command(void)
{
	const CommandSpec *spec = NULL;
	const char *id;

	if (optind >= own_argc && strcmp(options.program, "noetl") != 0)
		return;
	options.command = optind < own_argc ? own_argv[optind] : "";
	options.arguments = (const char *const *) own_argv + optind + 1;
	options.narguments = optind < own_argc ? own_argc - optind - 1 : 0;
	for (size_t i = 0; i < sizeof(command_specs) / sizeof(command_specs[0]); i++)
	{
		if (strcmp(command_specs[i].name, options.command) == 0)
			spec = &command_specs[i];
	}
	id = options.narguments > 0 ? options.arguments[0] : "";
	if (options.command[0] == '\0')
		fprintf(stderr, "%s: a command is missing\n", options.program);
	else if (spec == NULL)
		fprintf(stderr, "%s: unexpected argument \"%s\"\n", options.program, options.command);
	else if (options.narguments < spec->low || options.narguments > spec->high ||
			 (spec->takes_id && (id[0] == '\0' || id[strspn(id, "0123456789")] != '\0')))
		fprintf(stderr, "%s: \"%s\" needs %s\n", options.program, options.command, spec->needs);
	else if (options.nconnections > 1)
		fprintf(stderr, "%s: a command needs one --connect\n", options.program);
	else
		return;
	wrong_usage();
}

/* Gives each of several workers a name of its own. */
static void
number_name(void)
{
	StringBuf	name = {0};

	if (options.connection < 2)
		return;
	sb_printf(&name, "%s#%d", options.name, options.connection);
	options.name = name.data;
}

/* Reads the command line; exits when that is all there is to do, or it is wrong. */
void
parse_options(int argc, char **argv)
{
	StringBuf	error = {0};

	own_argc = argc;
	own_argv = argv;
	options.program = program_name(argv[0]);
	if (!read_options(&options, &error))
	{
		fprintf(stderr, "%s: %s\n", options.program, error.data);
		wrong_usage();
	}
	read_command();
	if (options.name == NULL || options.name[0] == '\0')
		options.name = default_name();
	number_name();
}

/*
 * Reads the options again.  What shows who the worker is and where it works stays.
 * Returns false, with a line in the log and the options as before, at an error.
 */
bool
reload_options(void)
{
	Options		fresh;
	StringBuf	error = {0};

	if (!read_options(&fresh, &error))
	{
		log_line(LOG_ALWAYS, "the options stay as they are: %s", error.data);
		sb_free(&error);
		return false;
	}
	for (int i = 0; i < SPEC_COUNT; i++)
	{
		size_t		size = specs[i].kind == KIND_TEXT ? sizeof(char *) :
			specs[i].kind == KIND_FLAG ? sizeof(bool) :
			specs[i].kind == KIND_POOLER ? sizeof(Pooler) : sizeof(int);

		if (!specs[i].stays && !specs[i].only_command_line)
			memcpy((char *) &options + specs[i].offset, (char *) &fresh + specs[i].offset, size);
	}
	options.verbosity = fresh.verbosity;
	free(fresh.settings);
	return true;
}

/*
 * Returns the argument vector that starts this program with the same options and name,
 * and one option more.  /proc/self/exe is this program even after its file has been replaced.
 */
const char *const *
own_command(const char *option)
{
	const char **argv = xcalloc((size_t) own_argc + 4, sizeof(char *));
	int			count = 0;

	argv[count++] = access("/proc/self/exe", X_OK) == 0 ? "/proc/self/exe" : own_argv[0];
	argv[count++] = option;
	argv[count++] = "--name";
	argv[count++] = options.name;
	for (int i = 1; i < own_argc; i++)
		argv[count++] = own_argv[i];
	return argv;
}
