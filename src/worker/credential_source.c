/*
 * credential_source.c
 *		Credentials from files and from a command.
 *
 * A file is that of the name in the directory of --credentials, or in the one that
 * systemd names by CREDENTIALS_DIRECTORY; nobody else may read it.  A command, of
 * --credential-command, is called with the name and writes the value to stdout; what it
 * has said holds for a minute, so that not every task asks a vault.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "credential_source.h"
#include "environment.h"
#include "options.h"
#include "wait.h"

#define MAX_VALUE_BYTES (64 * 1024)
#define COMMAND_SECONDS 10
#define KEEP_SECONDS 60

/* What a command has said */
typedef struct Kept
{
	char	   *name;
	char	   *value;
	double		until;
} Kept;

static Kept *kept = NULL;
static int	nkept = 0;

/* Tells whether a name can be that of a file and an argument of a command. */
static bool
is_plain_name(const char *name)
{
	static const char characters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

	return name[0] != '\0' && name[0] != '.' && name[0] != '-' &&
		name[strspn(name, characters)] == '\0';
}

/* Cuts line ends from the end of a value. */
static void
cut_line_ends(StringBuf *value)
{
	while (value->len > 0 && strchr("\r\n", value->data[value->len - 1]) != NULL)
		value->data[--value->len] = '\0';
}

/* Reads what is left of a descriptor into a value, up to the limit. */
static void
read_value(int fd, StringBuf *value)
{
	char		buffer[8192];
	ssize_t		n;

	while (value->len < MAX_VALUE_BYTES && (n = read(fd, buffer, sizeof(buffer))) > 0)
		sb_add(value, buffer, (size_t) n);
}

/* Reads the file of a credential; false without one, or with *problem. */
static bool
read_credential(const char *directory, const char *name, StringBuf *value, StringBuf *problem)
{
	StringBuf	path = {0};
	struct stat info;
	int			fd;

	sb_printf(&path, "%s/%s", directory, name);
	fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		sb_printf(problem, "could not read \"%s\": %s", path.data, strerror(errno));
	else if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)))
		sb_printf(problem, "\"%s\" is not a file", path.data);
	else if (fd >= 0 && info.st_uid != geteuid() && info.st_uid != 0)
		sb_printf(problem, "\"%s\" belongs to another user", path.data);
	else if (fd >= 0 && (info.st_mode & 077) != 0)
		sb_printf(problem, "\"%s\" can be read by others: its mode must be 0600", path.data);
	else if (fd >= 0)
	{
		sb_str(value, "");
		read_value(fd, value);
		cut_line_ends(value);
	}
	if (fd >= 0)
		close(fd);
	sb_free(&path);
	return fd >= 0 && problem->len == 0;
}

/* Looks for a credential in files; false without one, or with *problem. */
bool
credential_from_files(const char *name, StringBuf *value, StringBuf *problem)
{
	const char *directories[] = {
		options.credentials, environment_value("CREDENTIALS_DIRECTORY")
	};

	for (int i = 0; is_plain_name(name) && problem->len == 0 && i < 2; i++)
	{
		if (directories[i] != NULL && read_credential(directories[i], name, value, problem))
			return true;
	}
	return false;
}

/* Reads what a command writes until it ends, at most for a while; false when it does not. */
static bool
await_command(Child *child, StringBuf *value)
{
	double		until = monotonic_now() + COMMAND_SECONDS;
	bool		ended = false;

	while (!ended && monotonic_now() < until)
	{
		struct pollfd fd = {.fd = child->out,.events = POLLIN};

		task_wait(NULL, &fd, 1, until);
		ended = child_reap(child, false);
		read_value(child->out, value);
		if (fd.revents & POLLHUP)
			task_wait(NULL, NULL, 0, monotonic_now() + 0.01);
	}
	return ended;
}

/* Calls the command; false with *problem. */
static bool
call_command(const char *name, StringBuf *value, StringBuf *problem)
{
	StringBuf	command = {0};
	const char *argv[] = {"/bin/sh", "-c", NULL, "sh", name, NULL};
	ChildSpec	spec = {.argv = argv,.inherits_environment = true};
	Child		child = CHILD_INIT;
	char		words[300] = "";
	ssize_t		n;

	sb_printf(&command, "%s \"$1\"", options.credential_command);
	argv[2] = command.data;
	sb_str(value, "");
	if (!child_start(&child, &spec))
		sb_printf(problem, "could not start --credential-command: %s", strerror(errno));
	else if (!await_command(&child, value))
		sb_printf(problem, "--credential-command took longer than %d seconds", COMMAND_SECONDS);
	else if (child.status != 0)
	{
		n = read(child.err, words, sizeof(words) - 1);
		words[n > 0 ? n : 0] = '\0';
		words[strcspn(words, "\r\n")] = '\0';
		sb_printf(problem, "--credential-command %s%s%s", child_fate(&child),
				  words[0] != '\0' ? ": " : "", words);
	}
	child_kill(&child);
	child_close(&child);
	cut_line_ends(value);
	sb_free(&command);
	return problem->len == 0;
}

/* Keeps what the command has said of a credential. */
static void
keep(Kept *entry, const char *name, const char *value)
{
	if (entry == NULL)
	{
		kept = xrealloc(kept, sizeof(Kept) * (size_t) (nkept + 1));
		entry = &kept[nkept++];
		*entry = (Kept) {xstrdup(name), NULL, 0};
	}
	free(entry->value);
	entry->value = xstrdup(value);
	entry->until = monotonic_now() + KEEP_SECONDS;
}

/* Asks the command for a credential; false without a command, or with *problem. */
bool
credential_from_command(const char *name, StringBuf *value, StringBuf *problem)
{
	Kept	   *entry = NULL;

	if (options.credential_command == NULL || !is_plain_name(name))
		return false;
	for (int i = 0; i < nkept && entry == NULL; i++)
	{
		if (strcmp(kept[i].name, name) == 0)
			entry = &kept[i];
	}
	if (entry != NULL && monotonic_now() < entry->until)
	{
		sb_str(value, entry->value);
		return true;
	}
	if (!call_command(name, value, problem))
		return false;
	keep(entry, name, value->data);
	return true;
}
