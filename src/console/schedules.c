/*
 * schedules.c
 *		Playbooks that start by the clock.
 */
#include <stdio.h>
#include <string.h>

#include <microhttpd.h>

#include "page.h"
#include "screens.h"

/* Appends the form that makes or changes a schedule. */
static void
append_new(Request *request, PQExpBuffer out)
{
	html(out,
		 "<details class=\"action\"><summary>New schedule</summary>"
		 "<form class=\"card\" method=\"post\" action=\"/schedules\">");
	page_token(request, out);
	html(
		out,
		"<label>Name<input name=\"name\" required></label>"
		"<label>Path of the playbook<input name=\"path\" required></label>"
		"<label>When <span class=\"note\">cron, @daily or \"every 90 seconds\"</span>"
		"<input name=\"cron\" required placeholder=\"0 6 * * mon-fri\"></label>"
		"<label>Time zone<input name=\"time_zone\" placeholder=\"Europe/Berlin\"></label>"
		"<label>If the last one still runs<select name=\"overlap\"><option>skip</option><option>allow</option>"
		"<option>queue</option><option>cancel</option></select></label>"
		"<label>Parameters, as JSON<textarea name=\"json\" rows=\"3\" placeholder=\"{}\"></textarea></label>"
		"<button class=\"main\" name=\"action\" value=\"schedule\">Schedule</button></form></details>\n");
}

/* Appends the button that removes a schedule. */
static void
append_remove(Request *request, PQExpBuffer out, const char *name)
{
	html(out, "<form method=\"post\" action=\"/schedules\">");
	page_token(request, out);
	html(out, "<input type=\"hidden\" name=\"name\" value=\"%s\">"
		 "<button name=\"action\" value=\"unschedule\">Remove</button></form>", name);
}

static const char schedules_query[] =
	"SELECT s.name, s.path, s.cron, s.time_zone, s.enabled, " MOMENT("s.next_at") ", "
	MOMENT("s.last_at") ", s.last_execution_id, left(s.error, 500)"
	" FROM noetl.schedule AS s ORDER BY s.name LIMIT 500";

/* Appends one schedule: when it starts next, what it has started, and what is wrong. */
static void
append_schedule(Request *request, PQExpBuffer out, const PGresult *rows, int i, bool may_remove)
{
	html(out, "<tr><td>%s", db_text(rows, i, 0));
	if (db_value(rows, i, 10))
		html(out, "<br><span class=\"note error-line\">%s</span>", db_text(rows, i, 10));
	html(out, "</td><td><a href=\"/playbook?path=%u\">%s</a></td><td><code>%s</code> <span class=\"note\">%s"
		 "</span></td><td data-value=\"%s\">", db_text(rows, i, 1), db_text(rows, i, 1),
		 db_text(rows, i, 2), db_text(rows, i, 3), db_text(rows, i, 6));
	page_time(out, rows, i, 5);
	html(out, "</td><td data-value=\"%s\">", db_text(rows, i, 8));
	if (db_value(rows, i, 9))
		html(out, "<a href=\"/execution/%s\">%s</a> ", db_text(rows, i, 9), db_text(rows, i, 9));
	page_time(out, rows, i, 7);
	html(out, "</td><td>");
	page_tag(out, db_true(rows, i, 4) ? "scheduled" : "off");
	html(out, "</td><td>");
	if (may_remove)
		append_remove(request, out, db_text(rows, i, 0));
	html(out, "</td></tr>\n");
}

/* Appends the schedules. */
static void
append_schedules(Request *request, PQExpBuffer out, unsigned can)
{
	PGresult   *rows = db_query(request, schedules_query, 0);

	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		page_empty(out, "Nothing is scheduled.", "<code>SELECT noetl.schedule('nightly', 'path', '0 2 * * *')</code> starts a playbook every night.");
	else
	{
		html(
			out,
			"<div class=\"scroll\"><table data-sort><thead><tr><th>Name</th><th>Playbook</th><th>When</th><th>Next</th>"
			"<th>Last</th><th>State</th><td></td></tr></thead><tbody>\n");
		for (int i = 0; i < PQntuples(rows); i++)
			append_schedule(request, out, rows, i, can & 1u << CAN_UNSCHEDULE);
		html(out, "</tbody></table></div>\n");
	}
	PQclear(rows);
}

/* GET /schedules */
void
schedules_page(Request *request, Reply *reply)
{
	unsigned	can = page_can(request);

	page_begin(request, reply, "Schedules", NULL);
	html(&reply->body, "<h1>Schedules</h1>\n");
	if (can & 1u << CAN_SCHEDULE)
		append_new(request, &reply->body);
	append_schedules(request, &reply->body, can);
	page_end(request, reply);
}

/* POST /schedules */
void
schedules_post(Request *request, Reply *reply)
{
	const char *action = field_or(request, "action", "");
	PGresult   *rows = NULL;
	bool		begun = db_begin(request);

	if (begun && strcmp(action, "schedule") == 0)
		rows = db_query(request, "SELECT noetl.schedule(name => $1, path => $2, cron => $3, parameters => $4::jsonb,"
						" time_zone => $5, overlap => $6)", 6, field_or(request, "name", NULL),
						field_or(request, "path", NULL), field_or(request, "cron", NULL),
						field_or(request, "json", "{}"), field_or(request, "time_zone", NULL),
						field_or(request, "overlap", "skip"));
	else if (begun && strcmp(action, "unschedule") == 0)
		rows = db_query(request, "SELECT noetl.unschedule($1)", 1, field_or(request, "name", NULL));
	if (db_end(request, rows != NULL) && rows)
		page_done(request, reply, "/schedules",
				  strcmp(action, "schedule") == 0 ? "Scheduled." : "Removed.");
	else
		page_refused(request, reply, "/schedules", "The schedule is not changed.");
	PQclear(rows);
}
