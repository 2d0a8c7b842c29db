/*
 * playbooks.c
 *		The playbooks: their versions, what differs between them, and how to start
 *		one.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "diff.h"
#include "page.h"
#include "playbooks.h"
#include "screens.h"

/* Appends the form that starts a playbook: fields for its defaults, or JSON. */
static void
append_start(Request *request, PQExpBuffer out, const char *path, const char *version,
			 const char *workload)
{
	html(out, "<details class=\"action\"%r><summary>Start</summary>"
		 "<form class=\"card\" method=\"post\" action=\"/start\">", path ? "" : " open");
	page_token(request, out);
	if (path)
		html(out, "<input type=\"hidden\" name=\"path\" value=\"%s\"><input type=\"hidden\" name=\"version\""
			 " value=\"%s\">", path, version);
	else
		html(out, "<label>Path of the playbook<input name=\"path\" required></label>");
	if (workload == NULL || form_of_defaults(request, out, workload) == 0)
		html(out,
			 "<label>Parameters, as JSON<textarea name=\"json\" rows=\"3\" spellcheck=\"false\""
			 " placeholder=\"{}\"></textarea></label>");
	html(
		out,
		"<details><summary>More</summary>"
		"<label>Key <span class=\"note\">at most one execution per path and key</span><input name=\"key\"></label>"
		"<label>Not before<input name=\"run_at\" type=\"datetime-local\"></label>"
		"<label>Labels, as JSON<input name=\"labels\" placeholder=\"{&quot;team&quot;: &quot;ops&quot;}\"></label>"
		"</details><button class=\"main\">Start</button></form></details>\n");
}

static const char playbooks_query[] =
	"SELECT DISTINCT ON (c.path) c.path, c.version, " MOMENT("c.created_at") ","
	" left(coalesce(c.payload -> 'metadata' ->> 'description', c.payload ->> 'description'), 200)"
	" FROM noetl.catalog AS c WHERE c.path > $1 AND strpos(c.path, '#') = 0"
	" ORDER BY c.path, c.version DESC LIMIT 101";

/* GET /playbooks */
void
playbooks_page(Request *request, Reply *reply)
{
	PQExpBuffer out = &reply->body;
	unsigned	can = page_can(request);
	PGresult   *rows = db_query(request, playbooks_query, 1, field_or(request, "after", ""));

	page_begin(request, reply, "Playbooks", NULL);
	html(out, "<h1>Playbooks</h1>\n");
	if (can & 1u << CAN_VALIDATE)
		html(out, "<p><a class=\"button\" href=\"/editor\">Write one</a></p>\n");
	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		page_empty(out, "There is no playbook.", "<a href=\"/editor\">Write one</a>, or register a file: <code>SELECT noetl.register(…)</code>.");
	else
	{
		html(
			out,
			"<div class=\"scroll\"><table data-sort><thead><tr><th>Path</th><th class=\"num\">Version</th>"
			"<th>Registered</th></tr></thead><tbody>\n");
		for (int i = 0; i < PQntuples(rows) && i < 100; i++)
		{
			html(
				out,
				"<tr><td><a href=\"/playbook?path=%u\" data-row>%s</a><br><span class=\"note\">%s</span></td>"
				"<td class=\"num\">%s</td><td data-value=\"%s\">",
				db_text(rows, i, 0), db_text(rows, i, 0), db_text(rows, i, 4), db_text(rows, i, 1),
				db_text(rows, i, 3));
			page_time(out, rows, i, 2);
			html(out, "</td></tr>\n");
		}
		html(out, "</tbody></table></div>\n");
		if (PQntuples(rows) > 100)
			html(out, "<p class=\"pages\"><a rel=\"next\" href=\"/playbooks?after=%u\">More</a></p>\n",
				 db_text(rows, 99, 0));
	}
	if (rows == NULL && can & 1u << CAN_EXECUTE)
		append_start(request, out, NULL, NULL, NULL);
	PQclear(rows);
	page_end(request, reply);
}

/* Appends a source with the numbers of its lines, each of which has an address. */
static void
append_source(PQExpBuffer out, const char *content)
{
	int			line = 0;

	html(out, "<section><h2>Source</h2>\n<div class=\"scroll\"><table class=\"source\"><tbody>\n");
	while (*content)
	{
		size_t		length = strcspn(content, "\n");

		line++;
		html(out, "<tr id=\"L%d\"><td class=\"line\"><a href=\"#L%d\">%d</a></td><td>", line, line,
			 line);
		html_text(out, content, length);
		html(out, "</td></tr>\n");
		content += length + (content[length] == '\n');
	}
	html(out, "</tbody></table></div></section>\n");
}

static const char lint_query[] =
	"SELECT v.severity, v.line, v.col, v.path, v.message, v.hint"
	" FROM noetl.validate($1) AS v LIMIT 200";

/* Appends what noetl.validate() says of a source (playbooks.h). */
void
append_lint(Request *request, PQExpBuffer out, const char *content)
{
	PGresult   *rows = db_query(request, lint_query, 1, content);

	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		html(out, "<p class=\"lint-ok\">✓ No errors, no warnings.</p>\n");
	for (int i = 0; rows && i < PQntuples(rows); i++)
	{
		html(out, "<div class=\"lint\">");
		page_tag(out, db_text(rows, i, 0));
		html(out, " <a href=\"#L%s\" data-line=\"%s\">line %s:%s</a> %s <span class=\"note\">%s</span></div>\n",
			 db_text(rows, i, 1), db_text(rows, i, 1), db_text(rows, i, 1), db_text(rows, i, 2),
			 db_text(rows, i, 4), db_text(rows, i, 5));
	}
	PQclear(rows);
}

static const char versions_query[] =
	"SELECT c.version, " MOMENT("c.created_at") " FROM noetl.catalog AS c"
	" WHERE c.path = $1 ORDER BY c.version DESC LIMIT 100";

/* Appends links to the versions; returns whether the shown one is the newest. */
static bool
append_versions(Request *request, PQExpBuffer out, const char *path, const char *version)
{
	PGresult   *rows = db_query(request, versions_query, 1, path);
	bool		newest = strcmp(db_text(rows, 0, 0), version) == 0;

	html(out, "<details data-fold=\"versions\"><summary>Versions</summary><ul class=\"tree\">\n");
	for (int i = 0; rows && i < PQntuples(rows); i++)
	{
		html(out, "<li><a href=\"/playbook?path=%u&amp;version=%u\">version %s</a> ", path,
			 db_text(rows, i, 0), db_text(rows, i, 0));
		page_time(out, rows, i, 1);
		if (strcmp(db_text(rows, i, 0), version) != 0)
			html(out, " <a href=\"/playbook?path=%u&amp;version=%u&amp;diff=%u\">what differs</a>",
				 path, version, db_text(rows, i, 0));
		else
			html(out, " <span class=\"note\">shown</span>");
		html(out, "</li>\n");
	}
	html(out, "</ul></details>\n");
	PQclear(rows);
	return newest;
}

static const char diff_query[] =
	"SELECT c.content FROM noetl.catalog AS c WHERE c.path = $1 AND c.version = $2::int";

/* Appends what differs from another version. */
static void
append_diff(Request *request, PQExpBuffer out, const char *path, const char *version,
			const char *other, const char *content)
{
	PGresult   *rows = db_query(request, diff_query,
								2, path, other);

	if (PQntuples(rows) == 1)
	{
		html(out, "<section><h2>From version %s to version %s</h2>\n", other, version);
		diff_append(out, db_text(rows, 0, 0), content);
		html(out, "</section>\n");
	}
	else
		html(out, "<div class=\"alert bad\">There is no version %s.</div>\n", other);
	PQclear(rows);
}

static const char playbook_query[] =
	"SELECT c.version, c.content, c.payload -> 'workload' FROM noetl.catalog AS c"
	" WHERE c.path = $1 AND ($2::int IS NULL OR c.version = $2::int)"
	" ORDER BY c.version DESC LIMIT 1";

/* GET /playbook?path=…&version=…&diff=… */
void
playbook_page(Request *request, Reply *reply)
{
	PQExpBuffer out = &reply->body;
	const char *path = field_or(request, "path", "");
	PGresult   *rows = db_query(request, playbook_query, 2, path,
								field_or(request, "version", NULL));
	unsigned	can = page_can(request);
	const char *version;
	bool		newest;

	if (PQntuples(rows) == 0)
	{
		page_error(request, reply, MHD_HTTP_NOT_FOUND, "There is no such playbook for your role");
		PQclear(rows);
		return;
	}
	version = db_text(rows, 0, 0);
	page_begin(request, reply, path, NULL);
	html(out, "<h1>%s <span class=\"note\">version %s</span></h1>\n<p><a href=\"/executions?path=%u\">Executions</a>",
		 path, version, path);
	if (can & 1u << CAN_VALIDATE)
		html(out, " · <a href=\"/editor?path=%u&amp;version=%u\">Edit</a>", path, version);
	html(out, "</p>\n");
	newest = append_versions(request, out, path, version);
	if (can & 1u << CAN_EXECUTE)
		append_start(request, out, path, version, db_value(rows, 0, 2));
	if (field_or(request, "diff", NULL))
		append_diff(request, out, path, version, field(request, "diff"), db_text(rows, 0, 1));
	if (newest)
		page_graph(request, out, path);
	else if (can & 1u << CAN_DRAW)
		page_drawing(request, out, db_text(rows, 0, 1), "{}");
	if (can & 1u << CAN_VALIDATE)
	{
		html(out, "<section><h2>Lint</h2>\n");
		append_lint(request, out, db_text(rows, 0, 1));
		html(out, "</section>\n");
	}
	append_source(out, db_text(rows, 0, 1));
	PQclear(rows);
	page_end(request, reply);
}

static const char start_query[] =
	"SELECT noetl.execute($1, parameters => $2::jsonb, version => $3::int, key => $4,"
	" run_at => $5::timestamptz, labels => $6::jsonb)";

/* POST /start */
void
start_post(Request *request, Reply *reply)
{
	const char *path = field_or(request, "path", "");
	char	   *parameters = NULL;
	PGresult   *rows = NULL;
	char		location[60];
	PQExpBufferData back;

	if (db_begin(request))
	{
		parameters = form_value(request);
		if (parameters)
			rows = db_query(request, start_query, 6, path, parameters,
							field_or(request, "version", NULL), field_or(request, "key", NULL),
							field_or(request, "run_at", NULL), field_or(request, "labels", NULL));
	}
	if (db_end(request, rows != NULL) && rows)
	{
		snprintf(location, sizeof(location), "/execution/%s", db_text(rows, 0, 0));
		page_done(request, reply, location, "Started.");
	}
	else
	{
		initPQExpBuffer(&back);
		html(&back, "/playbook?path=%u", path);
		page_refused(request, reply, back.data, "The playbook is not started.");
		termPQExpBuffer(&back);
	}
	PQclear(rows);
	free(parameters);
}
