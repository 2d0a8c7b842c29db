/*
 * approvals.c
 *		The steps that wait for a signal, each with a form that sends it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "page.h"
#include "screens.h"

/*
 * The waits, newest last, each with the form of its step where the role may read
 * playbooks.
 */
static const char waits_query[] =
	"SELECT w.execution_id, w.path, w.step, w.visit, array_to_string(w.signals, chr(31)), w.key, "
	MOMENT("w.since") ", " MOMENT("w.until") ", %r"
	" FROM noetl.waiting AS w JOIN noetl.execution AS x USING (execution_id)"
	" WHERE w.signals IS NOT NULL"
	" AND (w.execution_id, w.step, w.visit) > ($1::bigint, $2, $3::integer)"
	" AND ($4::bigint IS NULL OR w.execution_id = $4::bigint)"
	" ORDER BY w.execution_id, w.step, w.visit LIMIT 51";

static const char form_column[] =
	"(SELECT s.value -> 'form' FROM noetl.catalog AS c CROSS JOIN LATERAL"
	" jsonb_array_elements(CASE jsonb_typeof(coalesce(c.payload -> 'workflow', c.payload -> 'steps'))"
	" WHEN 'array' THEN coalesce(c.payload -> 'workflow', c.payload -> 'steps') ELSE '[]' END) AS s"
	" WHERE c.catalog_id = x.catalog_id AND jsonb_typeof(s.value -> 'form') = 'object'"
	" AND coalesce(s.value ->> 'step', s.value ->> 'name') = w.step LIMIT 1)";

/* Appends the form that sends one of the signals that a wait asks for. */
static void
append_form(Request *request, PQExpBuffer out, const PGresult *rows, int i)
{
	char	   *names = xstrdup(db_text(rows, i, 4));
	char	   *rest = names;
	char	   *name;

	html(out, "<form class=\"card\" method=\"post\" action=\"/approvals\">");
	page_token(request, out);
	html(out, "<input type=\"hidden\" name=\"execution\" value=\"%s\"><input type=\"hidden\" name=\"step\" value=\"%s\">"
		 "<input type=\"hidden\" name=\"visit\" value=\"%s\">", db_text(rows, i, 0),
		 db_text(rows, i, 2), db_text(rows, i, 3));
	if (db_value(rows, i, 10) == NULL || form_of_schema(request, out, db_text(rows, i, 10)) == 0)
		html(
			out,
			"<label>Data, as JSON<textarea name=\"json\" rows=\"3\" spellcheck=\"false\"></textarea></label>");
	html(out, "<div class=\"actions\">");
	while ((name = strsep(&rest, "\x1f")) != NULL)
		html(out, "<button class=\"main\" name=\"signal\" value=\"%s\">%s</button>", name, name);
	html(out, "</div></form>\n");
	free(names);
}

/* Appends one wait. */
static void
append_wait(Request *request, PQExpBuffer out, const PGresult *rows, int i, bool may_signal)
{
	html(out, "<article class=\"card\"><h2><a href=\"/execution/%s\">%s</a> · %s",
		 db_text(rows, i, 0), db_text(rows, i, 1), db_text(rows, i, 2));
	if (atoi(db_text(rows, i, 3)) > 1)
		html(out, " (%s)", db_text(rows, i, 3));
	html(out, "</h2><p>Waits since ");
	page_time(out, rows, i, 6);
	if (db_value(rows, i, 8))
	{
		html(out, ", until ");
		page_time(out, rows, i, 8);
	}
	if (db_value(rows, i, 5))
		html(out, ", key <code>%s</code>", db_text(rows, i, 5));
	html(out, "</p>\n");
	if (may_signal)
		append_form(request, out, rows, i);
	else
	{
		html(out, "<p class=\"note\">It waits for ");
		for (const char *p = db_text(rows, i, 4); *p; p += strcspn(p, "\x1f"), p += *p != '\0')
		{
			html_text(out, p, strcspn(p, "\x1f"));
			html(out, p[strcspn(p, "\x1f")] ? ", " : "");
		}
		html(out, "; your role may not send signals.</p>");
	}
	html(out, "</article>\n");
}

/* Runs the query; without the forms where the role may not read playbooks. */
static PGresult *
query_waits(Request *request)
{
	PGresult   *right = db_query(request, "SELECT has_table_privilege('noetl.catalog', 'SELECT')",
								 0);
	PQExpBufferData sql;
	PGresult   *rows;
	char		after[24];
	char		visit[24];
	char		only[24];
	bool		one = parse_id(field(request, "execution"), only);

	initPQExpBuffer(&sql);
	if (!parse_id(field(request, "after"), after))
		strcpy(after, "0");
	if (!parse_id(field(request, "visit"), visit))
		strcpy(visit, "0");
	html(&sql, waits_query, db_true(right, 0, 0) ? form_column : "NULL");
	PQclear(right);
	rows = db_query(request, sql.data, 4, after, field_or(request, "step", ""), visit,
					one ? only : NULL);
	termPQExpBuffer(&sql);
	return rows;
}

/* GET /approvals */
void
approvals_page(Request *request, Reply *reply)
{
	PGresult   *rows;
	bool		may_signal = page_can(request) & 1u << CAN_SIGNAL;

	rows = query_waits(request);
	page_begin(request, reply, "Approvals", "");
	html(&reply->body, "<h1>Approvals</h1>\n<div data-refresh=\"waits\">\n");
	if (rows == NULL)
		page_failed(request, &reply->body);
	else if (PQntuples(rows) == 0)
		page_empty(&reply->body, "Nothing waits for a signal.",
				   "A step of <code>type: wait</code> with <code>signal: approved</code> appears here; with <code>form:</code>, a JSON schema, it has fields of its own.");
	html(&reply->body, "<div class=\"waits\">\n");
	for (int i = 0; rows && i < PQntuples(rows) && i < 50; i++)
		append_wait(request, &reply->body, rows, i, may_signal);
	html(&reply->body, "</div>\n");
	if (PQntuples(rows) > 50)
		html(&reply->body, "<p class=\"pages\"><a rel=\"next\" href=\"/approvals?after=%u&amp;step=%u&amp;visit=%u&amp;execution=%u\">"
			 "More</a></p>\n", db_text(rows, 49, 0), db_text(rows, 49, 2), db_text(rows, 49, 3),
			 field_or(request, "execution", ""));
	html(&reply->body, "</div>\n");
	PQclear(rows);
	page_end(request, reply);
}

/*
 * Sends a signal if a step still waits.  Of two who answer the same wait at the same time
 * the second finds the id of the first.
 */
static const char answer_query[] =
	"SELECT noetl.signal(execution_id => w.execution_id, name => $2, data => $3::jsonb,"
	" id => concat_ws(' ', 'console', w.visit, extract(epoch FROM w.since), md5(w.step)))"
	" FROM noetl.waiting AS w WHERE w.execution_id = $1::bigint AND w.step = $4 AND w.visit = $5::integer";

static const char still_query[] =
	"SELECT FROM noetl.waiting AS w WHERE w.execution_id = $1::bigint AND w.step = $2"
	" AND w.visit = $3::integer";

/*
 * Sends a signal that is for one wait.  Returns whether that has taken it; if not,
 * request->error says why, and the caller rolls back.
 */
static bool
answer_wait(Request *request, const char *id, const char *visit, const char *data)
{
	const char *step = field(request, "step");
	PGresult   *sent = db_query(request, answer_query, 5, id, field(request, "signal"), data, step,
								visit);
	PGresult   *still = sent ? db_query(request, still_query, 3, id, step, visit) : NULL;
	bool		taken = still && PQntuples(still) == 0 && db_true(sent, 0, 0);

	if (still && !taken)
		html(&request->error, PQntuples(still) == 0 ?
			 "<p><b>The step does not wait any more.</b></p><p>Somebody has answered it, or its time is over.</p>" :
			 "<p><b>The step has not taken it.</b></p><p>It does not accept this, or another step of the execution"
			 " has waited longer for the same signal: answer that one first.</p>");
	PQclear(sent);
	PQclear(still);
	return taken;
}

/* Sends a signal for whichever step takes it; *taken: one has.  Returns whether it is sent. */
static bool
send_signal(Request *request, const char *id, const char *data, bool *taken)
{
	PGresult   *rows = db_query(request, "SELECT noetl.signal(execution_id => $1::bigint, name => $2, data => $3::jsonb)",
								3, id, field(request, "signal"), data);
	bool		sent = rows != NULL;

	*taken = db_true(rows, 0, 0);
	PQclear(rows);
	return sent;
}

/* POST /approvals: sends a signal with what the form has, to the step that it names. */
void
approvals_post(Request *request, Reply *reply)
{
	char		id[24];
	char		visit[24];
	char	   *data = NULL;
	bool		to_step = field_or(request, "step", NULL) != NULL;
	bool		done = false;
	bool		taken = true;

	if (!parse_id(field(request, "execution"), id) || field_or(request, "signal", NULL) == NULL ||
		(to_step && !parse_id(field(request, "visit"), visit)))
	{
		page_error(request, reply, MHD_HTTP_BAD_REQUEST, "The form names no execution and signal");
		return;
	}
	if (db_begin(request))
	{
		/* an empty field for JSON is no data */
		if (field_or(request, "json", NULL) || field(request, "json") == NULL)
			data = form_value(request);
		if (data || request->error.len == 0)
			done = to_step ? answer_wait(request, id, visit, data) :
				send_signal(request, id, data, &taken);
		done = db_end(request, done) && done;
	}
	if (done)
		page_done(request, reply, "/approvals",
				  taken ? "The signal has ended the wait." :
						  "The signal is kept until a wait asks for it.");
	else
		page_refused(request, reply, "/approvals", "The signal is not sent.");
	free(data);
}
