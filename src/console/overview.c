/*
 * overview.c
 *		The first screen: how much runs, what fails, what waits, who works.
 */
#include <stdio.h>
#include <stdlib.h>

#include "page.h"
#include "screens.h"

/* Of the newest executions so many are looked at, and of the newest failures. */
#define LOOKED_AT		"20000"
#define FAILURES		"500"

/* Appends a number with what it counts, as a link. */
static void
append_number(PQExpBuffer out, const char *href, const char *number, const char *what,
			  const char *class)
{
	html(out, "<a class=\"card number %r\" href=\"%r\"><b>%s</b><span>%s</span></a>\n", class, href,
		 number, what);
}

static const char numbers_query[] =
	"SELECT (SELECT count(*) FROM (SELECT FROM noetl.execution WHERE status = 'RUNNING' LIMIT 10000) AS r),"
	" count(*) FILTER (WHERE x.status = 'COMPLETED'), count(*) FILTER (WHERE x.status = 'FAILED'),"
	" count(*) FILTER (WHERE x.status = 'CANCELLED'), count(*) >= " LOOKED_AT
	" FROM (SELECT status FROM noetl.execution WHERE execution_id >= "
	ID_OF("(now() - interval '1 day')")
	" ORDER BY execution_id DESC LIMIT " LOOKED_AT ") AS x";

/* Appends what has happened within a day. */
static void
append_numbers(Request *request, PQExpBuffer out)
{
	PGresult   *rows = db_query(request, numbers_query, 0);

	if (rows == NULL)
	{
		page_failed(request, out);
		return;
	}
	html(out, "<div class=\"numbers\">\n");
	append_number(out, "/executions?status=RUNNING", db_text(rows, 0, 0), "running", "n-run");
	append_number(out, "/executions?status=COMPLETED", db_text(rows, 0, 1), "completed in 24 h",
				  "n-ok");
	append_number(out, "/executions?status=FAILED", db_text(rows, 0, 2), "failed in 24 h", "n-bad");
	append_number(out, "/executions?status=CANCELLED", db_text(rows, 0, 3), "cancelled in 24 h",
				  "");
	html(out, "</div>\n");
	if (db_true(rows, 0, 4))
		html(out, "<p class=\"note\">Of the newest " LOOKED_AT " executions.</p>\n");
	PQclear(rows);
}

static const char throughput_query[] =
	"WITH x AS (SELECT started_at, status FROM noetl.execution WHERE execution_id >= "
	ID_OF("(now() - interval '1 day')") " ORDER BY execution_id DESC LIMIT " LOOKED_AT "),"
	" h AS (SELECT floor(extract(epoch FROM now() - started_at) / 3600)::int AS hour,"
	" count(*) AS all, count(*) FILTER (WHERE status = 'FAILED') AS failed FROM x GROUP BY 1)"
	" SELECT g, coalesce(h.all, 0), coalesce(h.failed, 0),"
	" round(100.0 * coalesce(h.all, 0) / greatest(max(h.all) OVER (), 1)),"
	" round(100.0 * coalesce(h.failed, 0) / greatest(max(h.all) OVER (), 1))"
	" FROM generate_series(23, 0, -1) AS g LEFT JOIN h ON h.hour = g ORDER BY g DESC";

/* Appends a bar for each hour of a day: what was started, and how it ended. */
static void
append_throughput(Request *request, PQExpBuffer out)
{
	PGresult   *rows = db_query(request, throughput_query, 0);
	int			total = 0;

	for (int i = 0; rows && i < PQntuples(rows); i++)
		total += atoi(db_text(rows, i, 1));
	if (total > 0)
	{
		html(out,
			 "<section><h2>Started, by hour</h2>\n<svg class=\"bars\" viewBox=\"0 0 480 110\""
			 " role=\"img\" aria-label=\"executions started in each of the last 24 hours\">\n");
		for (int i = 0; i < PQntuples(rows); i++)
		{
			int			height = atoi(db_text(rows, i, 3));
			int			failed = atoi(db_text(rows, i, 4));

			html(out, "<g><rect class=\"b-all\" x=\"%d\" y=\"%d\" width=\"17\" height=\"%d\"/>"
				 "<rect class=\"b-failed\" x=\"%d\" y=\"%d\" width=\"17\" height=\"%d\"/>"
				 "<title>%s h ago: %s started, %s of them failed</title></g>\n",
				 i * 20, 105 - height, height, i * 20, 105 - failed, failed, db_text(rows, i, 0),
				 db_text(rows, i, 1), db_text(rows, i, 2));
		}
		html(
			out,
			"</svg>\n<p class=\"note\">24 hours, the newest at the right; the lower, darker part failed.</p></section>\n");
	}
	PQclear(rows);
}

static const char backlog_query[] =
	"SELECT b.type, b.path, b.priority, b.ready, b.leased, b.retry,"
	" floor(extract(epoch FROM b.oldest_age))"
	" FROM noetl.backlog AS b ORDER BY b.ready DESC, b.type, b.path LIMIT 50";

/* Appends what waits for workers. */
static void
append_backlog(Request *request, PQExpBuffer out)
{
	PGresult   *rows = db_query(request, backlog_query, 0);

	html(out, "<section><h2>Backlog</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		page_empty(out, "No task waits for a worker.",
				   "Start a <a href=\"/playbooks\">playbook</a> to make some.");
	else
	{
		html(
			out,
			"<div class=\"scroll\"><table data-sort><thead><tr><th>Type</th><th>Playbook</th>"
			"<th class=\"num\">Priority</th><th class=\"num\">Ready</th><th class=\"num\">In flight</th>"
			"<th class=\"num\">Retry</th><th class=\"num\">Oldest</th></tr></thead><tbody>\n");
		for (int i = 0; i < PQntuples(rows); i++)
		{
			html(out, "<tr><td>%s</td><td>%s</td><td class=\"num\">%s</td><td class=\"num\">%s</td>"
				 "<td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"num\" data-value=\"%s\">",
				 db_text(rows, i, 0), db_text(rows, i, 1), db_text(rows, i, 2), db_text(rows, i, 3),
				 db_text(rows, i, 4), db_text(rows, i, 5), db_text(rows, i, 6));
			if (db_value(rows, i, 6))
				page_span(out, atof(db_text(rows, i, 6)));
			html(out, "</td></tr>\n");
		}
		html(out, "</tbody></table></div>\n");
	}
	PQclear(rows);
	html(out, "</section>\n");
}

static const char failures_query[] =
	"SELECT f.path, f.step, f.fingerprint, count(*), max(f.execution_id), "
	MOMENT("max(f.ended_at)")
	" FROM (SELECT x.execution_id, x.path, x.ended_at, s.step,"
	" noetl.error_fingerprint(coalesce(s.error, x.error, '')) AS fingerprint"
	" FROM (SELECT * FROM noetl.execution WHERE status IN ('FAILED', 'CANCELLED') AND status = 'FAILED'"
	" ORDER BY execution_id DESC LIMIT " FAILURES ") AS x"
	" LEFT JOIN LATERAL (SELECT e.node_name AS step, e.error FROM noetl.event AS e"
	" WHERE e.execution_id = x.execution_id AND e.event_type = 'step_failed'"
	" AND (e.meta -> 'ignored') IS NULL ORDER BY e.event_id DESC LIMIT 1) AS s ON true) AS f"
	" GROUP BY 1, 2, 3 ORDER BY max(f.execution_id) DESC LIMIT 20";

/* Appends the failures of the newest failed executions, grouped by what they say. */
static void
append_failures(Request *request, PQExpBuffer out)
{
	PGresult   *rows = db_query(request, failures_query, 0);

	html(out, "<section><h2>Failures</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		page_empty(out, "Nothing has failed.", "Errors of executions are grouped here by what they have in common.");
	else
	{
		html(
			out,
			"<div class=\"scroll\"><table data-sort><thead><tr><th>Error</th><th>Playbook, step</th>"
			"<th class=\"num\">Count</th><th>Last</th></tr></thead><tbody>\n");
		for (int i = 0; i < PQntuples(rows); i++)
		{
			html(out, "<tr><td><a href=\"/execution/%s\">%s</a></td><td>%s<br><span class=\"note\">%s</span></td>"
				 "<td class=\"num\"><a href=\"/executions?status=FAILED&amp;path=%u\">%s</a></td><td data-value=\"-%s\">",
				 db_text(rows, i, 4), db_text(rows, i, 2)[0] ? db_text(rows, i, 2) : "(no message)",
				 db_text(rows, i, 0), db_text(rows, i, 1), db_text(rows, i, 0), db_text(rows, i, 3),
				 db_text(rows, i, 6));
			page_time(out, rows, i, 5);
			html(out, "</td></tr>\n");
		}
		html(out, "</tbody></table></div>\n");
	}
	PQclear(rows);
	html(out, "</section>\n");
}

static const char workers_query[] =
	"SELECT w.worker_id, array_to_string(w.types, ', '), w.host, w.version, w.in_flight, "
	MOMENT("w.seen") ", w.connected, w.seen < now() - interval '5 min'"
	" FROM noetl.worker AS w ORDER BY w.seen DESC LIMIT 50";

/* Appends who works. */
static void
append_workers(Request *request, PQExpBuffer out)
{
	PGresult   *rows = db_query(request, workers_query, 0);

	html(out, "<section><h2>Workers</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		page_empty(out, "No worker is to be seen.",
				   "Start one: <code>noetl-worker --connect …</code>. A role that is no administrator sees the workers that have tasks of its executions.");
	else
	{
		html(
			out,
			"<div class=\"scroll\"><table data-sort><thead><tr><th>Worker</th><th>Types</th><th>Host</th>"
			"<th>Version</th><th class=\"num\">In flight</th><th>Seen</th></tr></thead><tbody>\n");
		for (int i = 0; i < PQntuples(rows); i++)
		{
			html(out, "<tr><td>%s ", db_text(rows, i, 0));
			if (db_true(rows, i, 8))
				page_tag(out, "gone?");
			html(out, "</td><td>%s</td><td>%s</td><td>%s</td><td class=\"num\">%s</td><td data-value=\"%s\">",
				 db_text(rows, i, 1), db_text(rows, i, 2), db_text(rows, i, 3), db_text(rows, i, 4),
				 db_text(rows, i, 6));
			page_time(out, rows, i, 5);
			html(out, "</td></tr>\n");
		}
		html(out, "</tbody></table></div>\n");
	}
	PQclear(rows);
	html(out, "</section>\n");
}

/* GET / */
void
overview_page(Request *request, Reply *reply)
{
	page_begin(request, reply, "Overview", "");
	html(&reply->body, "<h1>Overview</h1>\n<div data-refresh=\"overview\">\n");
	append_numbers(request, &reply->body);
	append_throughput(request, &reply->body);
	append_backlog(request, &reply->body);
	append_failures(request, &reply->body);
	append_workers(request, &reply->body);
	html(&reply->body, "</div>\n");
	page_end(request, reply);
}
