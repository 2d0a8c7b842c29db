/*
 * migrate.c
 *		A running execution goes on with another version of its playbook: what would be
 *		different is shown first.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "execution.h"
#include "page.h"
#include "screens.h"

/* Appends the form; the version and the map are those of the request. */
void
append_migrate(Request *request, PQExpBuffer out, const char *id, bool previewed)
{
	html(out, "<form class=\"card\" method=\"post\" action=\"/execution/%s/migrate\">", id);
	page_token(request, out);
	html(out, "<label>To version <span class=\"note\">empty: the newest</span>"
		 "<input name=\"version\" inputmode=\"numeric\" pattern=\"[0-9]*\" value=\"%s\"></label>"
		 "<label>Steps that have another name there, as JSON"
		 "<textarea name=\"json\" rows=\"3\" spellcheck=\"false\" placeholder=\"{&quot;old&quot;: &quot;new&quot;}\">\n%s</textarea></label>",
		 field_or(request, "version", ""), field_or(request, "json", ""));
	html(out, "<div class=\"actions\"><button%r name=\"action\" value=\"preview\">What would differ</button>",
		 previewed ? "" : " class=\"main\"");
	if (previewed)
		html(out, "<button class=\"main\" name=\"action\" value=\"migrate\">Migrate</button>"
			 " <a href=\"/execution/%s\">Leave it</a>", id);
	html(out, "</div></form>\n");
}

/* Appends what noetl.migrate() says; returns whether one row is an error. */
static bool
append_differences(PQExpBuffer out, const PGresult *rows)
{
	bool		errors = false;

	for (int i = 0; i < PQntuples(rows); i++)
	{
		html(out, "<div class=\"lint\">");
		page_tag(out, db_text(rows, i, 0));
		html(out, " <b>%s</b> %s</div>\n", db_text(rows, i, 1), db_text(rows, i, 2));
		errors = errors || strcmp(db_text(rows, i, 0), "error") == 0;
	}
	return errors;
}

/* Answers with the page that says what differs, and offers to go on unless it cannot. */
static void
preview(Request *request, Reply *reply, const char *id, const PGresult *rows)
{
	PQExpBuffer out = &reply->body;
	bool		possible = rows != NULL;

	page_begin(request, reply, "Migrate", NULL);
	html(out, "<h1>Migrate <a href=\"/execution/%s\">%s</a></h1>\n", id, id);
	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		html(out, "<p class=\"lint-ok\">✓ Nothing differs that matters.</p>\n");
	else
		possible = !append_differences(out, rows);
	if (rows && !possible)
		html(out, "<p>It cannot be migrated like this.</p>\n");
	append_migrate(request, out, id, possible);
	page_end(request, reply);
}

/* POST /execution/ID/migrate: shows what differs, or migrates. */
void
migrate_post(Request *request, Reply *reply, const char *id)
{
	bool		act = strcmp(field_or(request, "action", ""), "migrate") == 0;
	PGresult   *rows = NULL;
	char		location[60];
	bool		done;

	if (db_begin(request))
		rows = db_query(request, "SELECT m.severity, m.step, m.message FROM noetl.migrate(execution_id => $1::bigint,"
						" version => $2::integer, step_map => coalesce($3::jsonb, '{}'), dry_run => $4::boolean) AS m",
						4, id, field_or(request, "version", NULL), field_or(request, "json", NULL),
						act ? "false" : "true");
	done = act && rows;
	for (int i = 0; done && i < PQntuples(rows); i++)
		done = strcmp(db_text(rows, i, 0), "error") != 0;
	if (!db_end(request, done) && done)
	{
		/* what it has returned is undone: the page says why */
		PQclear(rows);
		rows = NULL;
		done = false;
	}
	if (done)
	{
		snprintf(location, sizeof(location), "/execution/%s", id);
		page_done(request, reply, location, "Migrated.");
	}
	else
		preview(request, reply, id, rows);
	PQclear(rows);
}
