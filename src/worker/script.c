/*
 * script.c
 *		Commands that a task does not have itself, but names a place of: a file or a URL.
 *
 *		script: /srv/sql/load.sql
 *		script: {path: load.sql, source: {type: http, endpoint: "https://…", headers: {…}}}
 *
 * The option --scripts of the worker says below which directories and URLs such places
 * may be.  python_driver.py does the same for programs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "options.h"
#include "script.h"

#define MAX_SCRIPT_BYTES (16 * 1024 * 1024)
#define MAX_HEADERS 50

/* Where a script is */
typedef struct ScriptPlace
{
	const char *path;
	const char *source;			/* file, http, …; of the URL where nothing says it */
	size_t		source_len;
} ScriptPlace;

/* Tells whether a URL has parts by which it leaves the place that it begins with. */
static bool
url_climbs(const char *url)
{
	return strstr(url, "/..") != NULL || strcasestr(url, "%2e") != NULL ||
		strchr(url, '\\') != NULL;
}

/* Tells whether a file (its real path) or a URL is below an entry of --scripts. */
static bool
is_below(const char *entry, const char *place, bool is_url)
{
	char	   *directory = NULL;
	size_t		len;
	bool		below;

	if ((strstr(entry, "://") != NULL) != is_url)
		return false;
	if (!is_url && (directory = realpath(entry, NULL)) == NULL)
		return false;
	if (directory != NULL)
		entry = directory;
	len = strlen(entry);
	while (len > 0 && entry[len - 1] == '/')
		len--;
	below = strncmp(place, entry, len) == 0 && place[len] == '/' &&
		!(is_url && url_climbs(place));
	free(directory);
	return below;
}

/* Fails unless --scripts allows the place. */
static OutcomeKind
check_allowed(const char *place, bool is_url, Outcome *out)
{
	char	   *list = xstrdup(options.scripts != NULL ? options.scripts : "");
	char	   *save = NULL;
	bool		allowed = false;

	for (char *entry = strtok_r(list, ",", &save); entry != NULL && !allowed;
		 entry = strtok_r(NULL, ",", &save))
		allowed = is_below(entry, place, is_url);
	free(list);
	if (!allowed)
		return outcome_fail(out, "script %s is not below what --scripts of the worker names",
							place);
	return OUTCOME_DONE;
}

/* Reads a file. */
static OutcomeKind
read_file(const char *path, StringBuf *text, Outcome *out)
{
	char	   *real = realpath(path, NULL);
	int			failed = real == NULL ? errno : 0;
	OutcomeKind kind = check_allowed(real != NULL ? real : path, false, out);
	int			fd = -1;
	struct stat status;
	char		buffer[65536];
	ssize_t		n = -1;

	if (kind != OUTCOME_DONE)
	{
		free(real);
		return kind;
	}
	/* a pipe would block */
	if (real != NULL)
		fd = open(real, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (real != NULL && fd < 0)
		failed = errno;
	if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
		kind = outcome_fail(out, "script %s is no file", path);
	else if (fd >= 0)
	{
		while ((n = read(fd, buffer, sizeof(buffer))) > 0 && text->len <= MAX_SCRIPT_BYTES)
			sb_add(text, buffer, (size_t) n);
		failed = n < 0 ? errno : 0;
	}
	if (kind == OUTCOME_DONE && failed != 0)
		kind = outcome_fail(out, "could not read script %s: %s", path, strerror(failed));
	if (fd >= 0)
		close(fd);
	free(real);
	return kind;
}

/* Adds a field to a request. */
static void
add_field(Task *request, int depth, char type, const char *path, const char *text)
{
	request->fields[request->nfields++] = (Field) {
		.depth = depth,.type = type,.path = (char *) path,.text = (char *) text
	};
}

/* Fetches a URL, with the headers that the task gives. */
static OutcomeKind
read_url(Task *task, const char *url, StringBuf *text, Outcome *out)
{
	static const char prefix[] = "script.source.headers.";
	Field		fields[MAX_HEADERS + 3];
	Task		request = {.type = task->type,.execution_id = task->execution_id,
	.step = task->step,.fields = fields};
	OutcomeKind kind = check_allowed(url, true, out);

	if (kind != OUTCOME_DONE)
		return kind;
	add_field(&request, 1, 's', "url", url);
	/* another place would have to be allowed, too */
	add_field(&request, 1, 'b', "follow_redirects", "false");
	add_field(&request, 1, 'o', "headers", "");
	for (int i = 0; i < task->nfields && request.nfields < MAX_HEADERS + 3; i++)
	{
		const Field *field = &task->fields[i];

		if (field->depth == 4 && strncmp(field->path, prefix, strlen(prefix)) == 0)
			add_field(&request, 2, field->type, field->path + strlen("script.source."),
					  field->text);
	}
	return http_fetch(task, &request, text, out);
}

/* Finds out where the script of a task is; a place without a path has none. */
static ScriptPlace
find_place(const Task *task)
{
	static const char *const sources[] = {"script.source", "script.source.type"};
	static const char *const paths[] = {"script", "script.path", "script.uri"};
	ScriptPlace place = {0};
	const char *mark;

	for (int i = 0; i < 3 && place.path == NULL; i++)
		place.path = task_field(task, paths[i]);
	for (int i = 0; i < 2 && place.source == NULL; i++)
		place.source = task_field(task, sources[i]);
	if (place.source != NULL)
		place.source_len = strlen(place.source);
	else if (place.path != NULL)
	{
		mark = strstr(place.path, "://");
		place.source = mark != NULL ? place.path : "file";
		place.source_len = mark != NULL ? (size_t) (mark - place.path) : strlen("file");
	}
	return place;
}

/* Tells whether a place is of a source. */
static bool
is_source(const ScriptPlace *place, const char *name)
{
	return place->source_len == strlen(name) &&
		strncasecmp(place->source, name, place->source_len) == 0;
}

/* Puts the URL of a script together: the path, or the path below the endpoint. */
static void
build_url(const Task *task, const ScriptPlace *place, StringBuf *url)
{
	const char *endpoint = task_field(task, "script.source.endpoint");
	const char *path = place->path;
	size_t		len = endpoint != NULL ? strlen(endpoint) : 0;

	if (strstr(path, "://") == NULL)
	{
		while (len > 0 && endpoint[len - 1] == '/')
			len--;
		sb_add(url, endpoint != NULL ? endpoint : "", len);
		path += strspn(path, "/");
		sb_str(url, "/");
	}
	sb_str(url, path);
}

/*
 * Reads the commands from where the task says they are.  *text is NULL when it says
 * nothing, and after a failure.
 */
OutcomeKind
script_read(Task *task, char **text, Outcome *out)
{
	ScriptPlace place = find_place(task);
	StringBuf	content = {0};
	StringBuf	url = {0};
	OutcomeKind kind;

	*text = NULL;
	if (place.path == NULL || place.path[0] == '\0')
		return OUTCOME_DONE;
	if (strchr(place.path, '\n') != NULL)
		return outcome_fail(out, "script names a file or a URL; write commands under command");
	if (is_source(&place, "file"))
		kind = read_file(place.path, &content, out);
	else if (is_source(&place, "http") || is_source(&place, "https"))
	{
		build_url(task, &place, &url);
		kind = read_url(task, url.data, &content, out);
	}
	else
		return outcome_fail(out, "scripts cannot be read from %.*s, only from file, http and https",
							(int) place.source_len, place.source);
	if (content.len > MAX_SCRIPT_BYTES)
		kind = outcome_fail(out, "script %s is larger than 16 MB", place.path);
	else if (kind == OUTCOME_DONE && !utf8_is_text(content.data, content.len))
		kind = outcome_fail(out, "script %s is no text in UTF-8", place.path);
	else if (kind == OUTCOME_DONE)
		*text = xstrdup(content.len > 0 ? content.data : "");
	sb_free(&url);
	sb_free(&content);
	return kind;
}
