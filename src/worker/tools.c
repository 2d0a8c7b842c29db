/*
 * tools.c
 *		Which tools there are.
 *
 * --tool TYPE=COMMAND names the command of a type, --tool TYPE the program
 * noetl-tool-TYPE of PATH or of the tools that come with the worker.  Any other
 * noetl-tool-TYPE on PATH is a tool, too.  The types of the worker itself win over
 * programs on PATH.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "log.h"
#include "options.h"
#include "tool.h"

#define PROGRAM_PREFIX "noetl-tool-"
#define MAX_TYPE_BYTES 60
#define TYPE_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_-"

static Tool tools[MAX_TOOLS];
static int	ntools = 0;

/* Returns how many tools there are. */
int
tool_count(void)
{
	return ntools;
}

/* Returns a tool. */
Tool *
tool_at(int index)
{
	return &tools[index];
}

/* Returns the tool of a type; NULL: there is none. */
Tool *
tool_of_type(const char *type)
{
	for (int i = 0; i < ntools; i++)
	{
		if (strcmp(tools[i].executor.type, type) == 0)
			return &tools[i];
	}
	return NULL;
}

/* Tells whether a text of some length can be the type of a tool. */
static bool
is_type(const char *text, size_t len)
{
	return len > 0 && len <= MAX_TYPE_BYTES && text[0] >= 'a' && text[0] <= 'z' &&
		strspn(text, TYPE_CHARACTERS) >= len;
}

/* Adds a tool. */
static Tool *
add_tool(const char *type)
{
	Tool	   *tool = &tools[ntools++];

	*tool = (Tool) {
		.executor = {
			.type = type,.form = ACTION_JSON,.execute = tool_execute
		},
		.child = CHILD_INIT,
		.concurrency = 1
	};
	return tool;
}

/* Returns the path of a program in a directory, NULL when it is not there; to be freed. */
static char *
program_in(const char *directory, size_t len, const char *name)
{
	StringBuf	path = {0};

	sb_add(&path, len > 0 ? directory : ".", len > 0 ? len : 1);
	sb_printf(&path, "/%s", name);
	if (access(path.data, X_OK) == 0)
		return path.data;
	sb_free(&path);
	return NULL;
}

/* Returns the path of a program that is found on PATH, NULL when it is not; to be freed. */
static char *
program_on_path(const char *name)
{
	const char *path = environment_value("PATH");
	char	   *found = NULL;

	while (path != NULL && found == NULL)
	{
		size_t		len = strcspn(path, ":");

		found = program_in(path, len, name);
		path = path[len] == ':' ? path + len + 1 : NULL;
	}
	return found;
}

/* Returns the path of a tool that comes with the worker, NULL when it does not. */
static char *
shipped_program(const char *name)
{
	char		self[4096];
	ssize_t		len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char	   *slash;

	if (len <= 0)
		return NULL;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL || (size_t) (slash - self) + sizeof("/../libexec/noetl") > sizeof(self))
		return NULL;
	strcpy(slash, "/../libexec/noetl");
	return program_in(self, strlen(self), name);
}

/* Finds the program of a tool without a command. */
static char *
find_program(const char *type)
{
	char		name[sizeof(PROGRAM_PREFIX) + MAX_TYPE_BYTES];
	char	   *found;

	snprintf(name, sizeof(name), PROGRAM_PREFIX "%s", type);
	found = program_on_path(name);
	return found != NULL ? found : shipped_program(name);
}

/* Tells whether the first word of a command is a program, as far as that is known. */
static bool
command_exists(const char *command)
{
	size_t		len = strcspn(command, " \t");
	char	   *word = xmalloc(len + 1);
	char	   *found = NULL;
	bool		known;

	memcpy(word, command, len);
	word[len] = '\0';
	known = len > 0 && strpbrk(word, "'\"$=(){};&|<>`\\") == NULL;
	if (known && strchr(word, '/') == NULL)
		found = program_on_path(word);
	else if (known && access(word, X_OK) == 0)
		found = xstrdup(word);
	free(word);
	if (found == NULL && known)
		return false;
	free(found);
	return len > 0;
}

/* Adds the tool of one --tool; returns false, with *error, when it is wrong. */
static bool
add_option(const char *text, StringBuf *error)
{
	size_t		mark = strcspn(text, "=");
	size_t		len = strcspn(text, "= \t");
	const char *command = text[mark] == '=' ? text + mark + 1 : NULL;
	char	   *type = xmalloc(len + 1);
	Tool	   *tool;

	memcpy(type, text, len);
	type[len] = '\0';
	if (!is_type(type, len))
		sb_printf(error, "--tool must be TYPE or TYPE=COMMAND with a type in lower case, not \"%s\"",
				  text);
	else if (find_executor(type) != NULL)
		sb_printf(error, "--tool: there is a type \"%s\" already", type);
	else if (ntools == MAX_TOOLS)
		sb_printf(error, "there can be %d tools", MAX_TOOLS);
	else
	{
		tool = add_tool(type);
		tool->command = command != NULL ? command + strspn(command, " \t") : NULL;
		tool->program = command != NULL ? NULL : find_program(type);
		if (command == NULL && tool->program == NULL)
			sb_printf(error, "--tool %s: there is no program \"" PROGRAM_PREFIX "%s\"", type, type);
		else if (command != NULL && !command_exists(tool->command))
			sb_printf(error, "--tool %s: there is no program \"%.*s\"", type,
					  (int) strcspn(tool->command, " \t"), tool->command);
		return error->len == 0;
	}
	free(type);
	return false;
}

/* Adds the tools in one directory of PATH. */
static void
add_directory(const char *path, size_t len)
{
	char	   *name = xmalloc(len + 2);
	struct dirent *entry;
	DIR		   *directory;

	memcpy(name, path, len);
	strcpy(name + len, len > 0 ? "" : ".");
	directory = opendir(name);
	while (directory != NULL && ntools < MAX_TOOLS && (entry = readdir(directory)) != NULL)
	{
		const char *type = entry->d_name + strlen(PROGRAM_PREFIX);
		char	   *program;

		if (strncmp(entry->d_name, PROGRAM_PREFIX, strlen(PROGRAM_PREFIX)) != 0 ||
			!is_type(type, strlen(type)) || find_executor(type) != NULL)
			continue;
		program = program_in(path, len, entry->d_name);
		if (program != NULL)
			add_tool(xstrdup(type))->program = program;
	}
	if (directory != NULL)
		closedir(directory);
	free(name);
}

/*
 * Adds the tools of --tool, then those on PATH.  Returns false, with a line in the log,
 * when one of --tool is wrong.
 */
bool
tools_init(void)
{
	const char *path = environment_value("PATH");
	StringBuf	error = {0};

	for (int i = 0; i < options.ntools; i++)
	{
		if (!add_option(options.tools[i], &error))
		{
			log_line(LOG_ALWAYS, "%s", error.data);
			return false;
		}
	}
	while (path != NULL)
	{
		size_t		len = strcspn(path, ":");

		add_directory(path, len);
		path = path[len] == ':' ? path + len + 1 : NULL;
	}
	return true;
}
