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
/* So many executions are counted as running, and of each type so many tasks. */
#define COUNTED			"10000"
#define TASKS			"2000"
/* A role that sees no more running executions than this gets the backlog by them. */
#define FEW_RUNNING		5000

/* Appends a number with what it counts, as a link. */
static void
append_number(PQExpBuffer out, const char *href, const char *number, const char *what,
			  const char *class)
{
	html(out, "<a class=\"card number %r\" href=\"%r\"><b>%s</b><span>%s</span></a>\n", class, href,
		 number, what);
}

/*
 * A row for each hour of a day, the oldest first: what was started in it, and in all
 * rows alike what the day and the moment have.  One pass over the newest executions.
 */
static const char day_query[] =
	"WITH x AS (SELECT started_at, status FROM noetl.execution WHERE execution_id >= "
	ID_OF("(now() - interval '1 day')") " ORDER BY execution_id DESC LIMIT " LOOKED_AT "),"
	" h AS (SELECT floor(extract(epoch FROM now() - started_at) / 3600)::int AS hour,"
	" count(*) AS all, count(*) FILTER (WHERE status = 'FAILED') AS failed,"
	" count(*) FILTER (WHERE status = 'COMPLETED') AS completed,"
	" count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled FROM x GROUP BY 1),"
	" t AS (SELECT coalesce(sum(h.all), 0) AS all, coalesce(sum(h.failed), 0) AS failed,"
	" coalesce(sum(h.completed), 0) AS completed, coalesce(sum(h.cancelled), 0) AS cancelled,"
	" coalesce(max(h.all), 0) AS most FROM h),"
	" r AS (SELECT count(*) AS running FROM (SELECT FROM noetl.execution"
	" WHERE status = 'RUNNING' LIMIT " COUNTED ") AS c)"
	" SELECT g, coalesce(h.all, 0), coalesce(h.failed, 0),"
	" round(100.0 * coalesce(h.all, 0) / greatest(t.most, 1)),"
	" round(100.0 * coalesce(h.failed, 0) / greatest(t.most, 1)),"
	" r.running, r.running >= " COUNTED ", t.completed, t.failed, t.cancelled, t.all,"
	" t.all >= " LOOKED_AT ", has_column_privilege('noetl.pause_rule', 'until', 'SELECT')"
	" FROM generate_series(23, 0, -1) AS g LEFT JOIN h ON h.hour = g CROSS JOIN t CROSS JOIN r"
	" ORDER BY g DESC";

/* Appends what runs, and what has happened within a day. */
static void
append_numbers(PQExpBuffer out, const PGresult *rows)
{
	char		running[24];

	snprintf(running, sizeof(running), "%s%s", db_text(rows, 0, 5), db_true(rows, 0, 6) ? "+" : "");
	html(out, "<div class=\"numbers\">\n");
	append_number(out, "/executions?status=RUNNING", running, "running", "n-run");
	append_number(out, "/executions?status=COMPLETED", db_text(rows, 0, 7), "completed in 24 h",
				  "n-ok");
	append_number(out, "/executions?status=FAILED", db_text(rows, 0, 8), "failed in 24 h", "n-bad");
	append_number(out, "/executions?status=CANCELLED", db_text(rows, 0, 9), "cancelled in 24 h",
				  "");
	html(out, "</div>\n");
	if (db_true(rows, 0, 11))
		html(out, "<p class=\"note\">Of the newest " LOOKED_AT " executions.</p>\n");
}

/* Appends a bar for each hour of a day: what was started, and how it ended. */
static void
append_throughput(PQExpBuffer out, const PGresult *rows)
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
		"</svg>\n<p class=\"note\">24 hours, the newest at the right; the lower part of a bar failed.</p></section>\n");
}

/* The tasks of running executions, for a role that sees few of these. */
static const char tasks_of_few[] =
	"SELECT q.node_type, x.path, q.priority, q.status, q.created_at, false AS more"
	" FROM noetl.execution AS x CROSS JOIN LATERAL (SELECT * FROM noetl.queue AS q"
	" WHERE q.execution_id = x.execution_id"
	" AND q.status IN ('queued', 'leased', 'retry', 'paused', 'blocked')"
	" ORDER BY q.execution_id, q.current_index, q.queue_id LIMIT " TASKS ") AS q"
	" WHERE x.status = 'RUNNING'";

/*
 * Of each type the tasks that come next, found by stepping from type to type through one
 * of the two indexes of what is ready: of tasks that have a key of fairness, or have none.
 */
#define READY(fair, order) \
	"(WITH RECURSIVE t AS ((SELECT q.node_type FROM noetl.queue AS q" \
	" WHERE q.status = 'queued' AND q.fair_key " fair " ORDER BY q.node_type LIMIT 1)" \
	" UNION ALL SELECT (SELECT q.node_type FROM noetl.queue AS q WHERE q.status = 'queued'" \
	" AND q.fair_key " fair " AND q.node_type > t.node_type ORDER BY q.node_type LIMIT 1)" \
	" FROM t WHERE t.node_type IS NOT NULL)" \
	" SELECT n.*, n.place = " TASKS " AS more FROM t CROSS JOIN LATERAL (SELECT q.node_type," \
	" q.execution_id, q.priority, q.status, q.created_at, row_number() OVER () AS place" \
	" FROM (SELECT * FROM noetl.queue AS q WHERE q.status = 'queued' AND q.fair_key " fair \
	" AND q.node_type = t.node_type ORDER BY " order " LIMIT " TASKS ") AS q) AS n)"

/* A bounded number of tasks, for a role that sees many executions. */
static const char tasks_of_many[] =
	"SELECT s.node_type, x.path, s.priority, s.status, s.created_at, s.more"
	" FROM (" READY("IS NULL", "q.priority DESC, q.queue_id")
	" UNION ALL " READY("IS NOT NULL", "q.priority DESC, left(q.fair_key, 200), q.queue_id")
	" UNION ALL (SELECT q.node_type, q.execution_id, q.priority, q.status, q.created_at, 0, false"
	" FROM noetl.queue AS q WHERE q.status = 'leased' ORDER BY q.lease_until LIMIT " TASKS ")"
	" UNION ALL (SELECT q.node_type, q.execution_id, q.priority, q.status, q.created_at, 0, false"
	" FROM noetl.queue AS q WHERE q.status = 'retry' ORDER BY q.available_at LIMIT " TASKS ")"
	" UNION ALL (SELECT q.node_type, q.execution_id, q.priority, q.status, q.created_at, 0, false"
	" FROM noetl.queue AS q WHERE q.status = 'paused' AND q.available_at IS NULL LIMIT " TASKS ")"
	" UNION ALL SELECT q.node_type, q.execution_id, q.priority, q.status, q.created_at, 0, false"
	" FROM (SELECT b.queue_id FROM noetl.slot AS b WHERE NOT b.held AND b.task"
	" ORDER BY b.name, b.key, b.queue_id LIMIT " TASKS ") AS b"
	" JOIN noetl.queue AS q ON q.queue_id = b.queue_id AND q.status = 'blocked') AS s"
	" CROSS JOIN LATERAL (SELECT x.path FROM noetl.execution AS x"
	" WHERE x.execution_id = s.execution_id OFFSET 0) AS x";

/* Are all tasks of a type paused, as noetl.type_paused() knows? */
static const char type_paused[] =
	"EXISTS (SELECT FROM noetl.pause_rule AS r WHERE r.path IS NULL"
	" AND (r.type IS NULL OR r.type = b.node_type)"
	" AND (r.until IS NULL OR r.until > clock_timestamp()))";

static const char backlog_query[] =
	"SELECT b.node_type, b.path, b.priority, count(*) FILTER (WHERE b.status = 'queued'),"
	" count(*) FILTER (WHERE b.status = 'leased'), count(*) FILTER (WHERE b.status = 'retry'),"
	" floor(extract(epoch FROM now() - min(b.created_at) FILTER (WHERE b.status = 'queued'))),"
	" bool_or(bool_or(b.more)) OVER (PARTITION BY b.node_type),"
	" count(*) FILTER (WHERE b.status = 'paused'), count(*) FILTER (WHERE b.status = 'blocked')"
	" FROM (SELECT b.node_type, b.path, b.priority, b.created_at, b.more,"
	" CASE WHEN b.status = 'queued' AND %r THEN 'paused' ELSE b.status END AS status"
	" FROM (%r) AS b) AS b GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2 LIMIT 50";

/* Appends one row of the backlog. */
static void
append_task_row(PQExpBuffer out, const PGresult *rows, int i)
{
	html(out, "<tr><td>%s</td><td>%s</td><td class=\"num\">%s</td><td class=\"num\" data-value=\"%s\">%s%r</td>"
		 "<td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"num\">%s</td>"
		 "<td class=\"num\">%s</td><td class=\"num\" data-value=\"%s\">",
		 db_text(rows, i, 0), db_text(rows, i, 1), db_text(rows, i, 2), db_text(rows, i, 3),
		 db_text(rows, i, 3), db_true(rows, i, 7) ? "+" : "", db_text(rows, i, 4),
		 db_text(rows, i, 5), db_text(rows, i, 8), db_text(rows, i, 9), db_text(rows, i, 6));
	if (db_value(rows, i, 6))
		page_span(out, atof(db_text(rows, i, 6)));
	html(out, "</td></tr>\n");
}

/*
 * Appends what waits for workers; many: the role sees more than FEW_RUNNING executions;
 * sees_pauses: it may read which types of tasks are paused.
 */
static void
append_backlog(Request *request, PQExpBuffer out, bool many, bool sees_pauses)
{
	PQExpBufferData sql;
	PGresult   *rows;
	bool		more = false;

	initPQExpBuffer(&sql);
	html(&sql, backlog_query, sees_pauses ? type_paused : "false",
		 many ? tasks_of_many : tasks_of_few);
	rows = db_query(request, sql.data, 0);
	termPQExpBuffer(&sql);
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
			"<th class=\"num\">Retry</th><th class=\"num\">Paused</th><th class=\"num\">Blocked</th><th class=\"num\">Oldest</th></tr></thead><tbody>\n");
		for (int i = 0; i < PQntuples(rows); i++)
		{
			append_task_row(out, rows, i);
			more = more || db_true(rows, i, 7);
		}
		html(out, "</tbody></table></div>\n");
	}
	if (more)
		html(out, "<p class=\"note\">Of each type the " TASKS " tasks that come next.</p>\n");
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
	" AND e.node_name = x.result ->> 'failed_step'"
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
	PQExpBuffer out = &reply->body;
	PGresult   *day = db_query(request, day_query, 0);

	page_begin(request, reply, "Overview", "");
	html(out, "<h1>Overview</h1>\n<div data-refresh=\"overview\">\n");
	if (day == NULL)
		page_failed(request, out);
	else
	{
		append_numbers(out, day);
		if (atoi(db_text(day, 0, 10)) > 0)
			append_throughput(out, day);
	}
	append_backlog(request, out, atoi(db_text(day, 0, 5)) > FEW_RUNNING, db_true(day, 0, 12));
	append_failures(request, out);
	append_workers(request, out);
	html(out, "</div>\n");
	PQclear(day);
	page_end(request, reply);
}
