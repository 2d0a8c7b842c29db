/*
 * editor.c
 *		A playbook is written, checked, simulated and registered.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "options.h"
#include "page.h"
#include "playbooks.h"
#include "screens.h"

static const char example[] =
	"apiVersion: noetl.io/v1\n"
	"kind: Playbook\n"
	"metadata:\n"
	"  path: examples/hello\n"
	"workload:\n"
	"  name: world\n"
	"workflow:\n"
	"  - step: start\n"
	"    next: greet\n"
	"  - step: greet\n"
	"    tool: shell\n"
	"    command: \"echo hello {{ workload.name }}\"\n"
	"    next: end\n"
	"  - step: end\n";

static const char simulation_query[] =
	"SELECT s.seq, s.at, to_char(s.at, 'HH24:MI:SS.MS'), s.event_type, s.step, s.status, left(s.data::text, 500)"
	" FROM noetl.simulate(content => $1, parameters => $2::jsonb, stubs => $3::jsonb) AS s"
	" LIMIT 1000";

/*
 * The states of the steps after events, as noetl.draw() takes them: what the last event
 * of a step says, how often it was completed, and where it went on to.
 */
static const char states_query[] =
	"WITH s AS (SELECT * FROM noetl.simulate(content => $1, parameters => $2::jsonb, stubs => $3::jsonb)),"
	" n AS (SELECT s.step, (array_agg(CASE WHEN s.event_type = 'step_skipped' THEN 'skipped'"
	" WHEN s.event_type = 'task' THEN 'queued'"
	" WHEN s.event_type ~ '^(step|execution)_' AND s.status IN ('COMPLETED', 'FAILED', 'CANCELLED')"
	" THEN lower(s.status) ELSE 'open' END ORDER BY s.seq DESC))[1] AS state,"
	" greatest(count(*) FILTER (WHERE s.event_type IN ('step_completed', 'step_failed')), 1) AS visits"
	" FROM s WHERE s.step IS NOT NULL GROUP BY 1),"
	" t AS (SELECT s.step, jsonb_agg(DISTINCT g) AS targets FROM s"
	" CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(s.data #> '{meta,transitions}')"
	" WHEN 'array' THEN s.data #> '{meta,transitions}' ELSE '[]' END) AS r"
	" CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(r -> 'to') WHEN 'array' THEN r -> 'to' ELSE '[]' END) AS g"
	" WHERE r ->> 'outcome' = 'taken' GROUP BY 1)"
	" SELECT jsonb_object_agg(n.step, jsonb_build_object('state', n.state, 'visits', n.visits,"
	" 'to', coalesce(t.targets, '[]'))) FROM n LEFT JOIN t USING (step)";

/* Appends the graph with the path that a simulation takes. */
static void
append_path(Request *request, PQExpBuffer out, const char *content)
{
	PGresult   *rows = db_query(request, states_query, 3, content,
								field_or(request, "parameters", "{}"),
								field_or(request, "stubs", "{}"));

	if (db_value(rows, 0, 0))
		page_drawing(request, out, content, db_text(rows, 0, 0));
	PQclear(rows);
}

/* Appends the rows of a simulation. */
static void
append_play(PQExpBuffer out, const PGresult *rows)
{
	html(
		out,
		"<div class=\"scroll\"><table><thead><tr><th class=\"num\">#</th><th>At</th><th>Event</th><th>Step</th>"
		"<th>Status</th><th>Data</th></tr></thead><tbody>\n");
	for (int i = 0; i < PQntuples(rows); i++)
	{
		html(out, "<tr><td class=\"num\">%s</td><td><time title=\"%s\">%s</time></td><td class=\"id\">%s</td><td>%s</td><td>",
			 db_text(rows, i, 0), db_text(rows, i, 1), db_text(rows, i, 2), db_text(rows, i, 3),
			 db_text(rows, i, 4));
		page_tag(out, db_text(rows, i, 5));
		html(out, "</td><td><code>%s</code></td></tr>\n", db_text(rows, i, 6));
	}
	html(out, "</tbody></table></div>\n");
	if (PQntuples(rows) == 1000)
		html(out, "<p class=\"note\">Only the first 1,000 are shown.</p>\n");
}

/* Appends the path that a simulation takes, and its events. */
static void
append_simulation(Request *request, PQExpBuffer out, const char *content, unsigned can)
{
	PGresult   *rows = db_query(request, simulation_query, 3, content,
								field_or(request, "parameters", "{}"),
								field_or(request, "stubs", "{}"));

	if (rows && can & 1u << CAN_DRAW)
		append_path(request, out, content);
	html(out, "<section><h2>Simulation</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	else
		append_play(out, rows);
	html(out, "</section>\n");
	PQclear(rows);
}

/* Appends the page with a text, and what came of the action that its form asked for. */
static void
append_editor(Request *request, Reply *reply, const char *content, const char *action)
{
	PQExpBuffer out = &reply->body;
	unsigned	can = page_can(request);

	page_begin(request, reply, "Write a playbook", NULL);
	html(out, "<h1>Write a playbook</h1>\n<form id=\"editor\" method=\"post\" action=\"/editor\">");
	page_token(request, out);
	if (strcmp(action, "register") == 0)
		html(out, "<div class=\"alert bad\" role=\"alert\"><p>It is not registered.</p>%r</div>\n",
			 request->error.len > 0 ? request->error.data : "");
	html(
		out,
		"<label>Playbook (YAML)<textarea id=\"content\" name=\"content\" rows=\"24\" spellcheck=\"false\""
		" data-lint=\"lint\">\n%s</textarea></label>\n<div id=\"lint\" aria-live=\"polite\">",
		content);
	if (strcmp(action, "check") == 0 || strcmp(action, "register") == 0)
		append_lint(request, out, content);
	html(out,
		 "</div>\n<div class=\"actions\"><button name=\"action\" value=\"check\">Check</button>");
	if (can & 1u << CAN_REGISTER)
		html(out, "<button class=\"main\" name=\"action\" value=\"register\">Register</button>");
	html(out, "</div>\n");
	if (can & 1u << CAN_SIMULATE)
		html(out, "<details%r><summary>Simulate</summary><label>Parameters, as JSON<textarea name=\"parameters\" rows=\"3\""
			 " spellcheck=\"false\">\n%s</textarea></label><label>Results of steps, as JSON"
			 "<textarea name=\"stubs\" rows=\"3\" spellcheck=\"false\">\n%s</textarea></label>"
			 "<button name=\"action\" value=\"simulate\">Simulate</button></details>\n",
			 strcmp(action, "simulate") == 0 ? " open" : "", field_or(request, "parameters", "{}"),
			 field_or(request, "stubs", "{}"));
	html(out, "</form>\n");
	if (strcmp(action, "simulate") == 0 && can & 1u << CAN_SIMULATE)
		append_simulation(request, out, content, can);
	else if (can & 1u << CAN_DRAW)
		page_drawing(request, out, content, "{}");
	page_end(request, reply);
}

static const char editor_query[] =
	"SELECT c.content FROM noetl.catalog AS c WHERE c.path = $1"
	" AND ($2::int IS NULL OR c.version = $2::int) ORDER BY c.version DESC LIMIT 1";

/* GET /editor?path=…&version=… */
void
editor_page(Request *request, Reply *reply)
{
	PGresult   *rows = NULL;

	if (field_or(request, "path", NULL))
		rows = db_query(request, editor_query, 2,
						field(request, "path"), field_or(request, "version", NULL));
	append_editor(request, reply, db_value(rows, 0, 0) ? db_text(rows, 0, 0) : example, "");
	PQclear(rows);
}

/* Registers a playbook; returns its path, to be freed, or NULL. */
static char *
register_playbook(Request *request, const char *content)
{
	char	   *path = NULL;
	PGresult   *rows = NULL;

	if (db_begin(request))
		rows = db_query(request, "SELECT noetl.register($1)", 1, content);
	if (rows)
	{
		PGresult   *named = db_query(request, "SELECT c.path FROM noetl.catalog AS c WHERE c.catalog_id = $1::bigint",
									 1, db_text(rows, 0, 0));

		path = xstrdup(db_value(named, 0, 0));
		PQclear(named);
	}
	PQclear(rows);
	if (db_end(request, path != NULL) && path)
		return path;
	free(path);
	return NULL;
}

/* POST /editor: checks, simulates or registers. */
void
editor_post(Request *request, Reply *reply)
{
	const char *content = field_or(request, "content", "");
	const char *action = field_or(request, "action", "check");
	char	   *path = NULL;
	PQExpBufferData location;

	if (strcmp(action, "register") == 0 && options.readonly)
		page_error(request, reply, MHD_HTTP_FORBIDDEN, "This console only shows (--readonly)");
	else if (strcmp(action, "register") == 0 &&
			 (path = register_playbook(request, content)) != NULL)
	{
		initPQExpBuffer(&location);
		html(&location, "/playbook?path=%u", path);
		page_done(request, reply, location.data, "Registered.");
		termPQExpBuffer(&location);
		free(path);
	}
	else
		append_editor(request, reply, content, action);
}

/* POST /lint: what noetl.validate() says, as a part of a page. */
void
lint_post(Request *request, Reply *reply)
{
	append_lint(request, &reply->body, field_or(request, "content", ""));
}
