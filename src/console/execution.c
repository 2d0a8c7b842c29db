/*
 * execution.c
 *		One execution: its graph, what it waits for, its timeline and its events.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "execution.h"
#include "live.h"
#include "page.h"
#include "screens.h"

#define EVENTS			100
/* Characters of a value that a page shows; the rest is there to download. */
#define SHOWN			"20000"

/*
 * A value that is to be shown, made once, as a row of a FROM list; nothing of what
 * takes more than a megabyte.
 */
#define PRETTY(column, name) \
	" CROSS JOIN LATERAL (SELECT CASE WHEN pg_column_size(" column ") < 1000000" \
	" THEN jsonb_pretty(" column ") END AS p, pg_column_size(" column ")::bigint AS stored" \
	" OFFSET 0) AS " name
/* Three columns: its beginning, what is missing, whether it is short. */
#define VALUE(name) \
	"left(" name ".p, " SHOWN "), CASE WHEN " name ".p IS NULL" \
	" THEN pg_size_pretty(" name ".stored) || ', stored' WHEN length(" name ".p) > " SHOWN \
	" THEN 'the first " SHOWN " of ' || length(" name ".p) || ' characters' END," \
	" length(" name ".p) <= 400"

/* Appends the three columns of VALUE(). */
static void
append_stored(PQExpBuffer out, const PGresult *rows, int row, int column, const char *caption,
			  const char *href, bool open)
{
	page_value(out, caption, db_value(rows, row, column), db_value(rows, row, column + 1), href,
			   open && db_true(rows, row, column + 2));
}

/* Appends a line of a description list; nothing for null. */
static void
append_term(PQExpBuffer out, const char *term, const char *value)
{
	if (value)
		html(out, "<dt>%s</dt><dd>%s</dd>", term, value);
}

/* Appends a line with a moment, whose two columns begin at that one; nothing for null. */
static void
append_moment(PQExpBuffer out, const char *term, const PGresult *rows, int column)
{
	if (db_value(rows, 0, column) == NULL)
		return;
	html(out, "<dt>%s</dt><dd>", term);
	page_time(out, rows, 0, column);
	html(out, " <span class=\"note\">%s</span></dd>", db_text(rows, 0, column));
}

/* Appends what the row of the execution says. */
static void
append_summary(PQExpBuffer out, const PGresult *rows)
{
	html(out, "<dl class=\"card\"><dt>execution</dt><dd><code>%s</code></dd>"
		 "<dt>playbook</dt><dd><a href=\"/playbook?path=%u&amp;version=%u\">%s</a>, version %s</dd>",
		 db_text(rows, 0, 0), db_text(rows, 0, 1), db_text(rows, 0, 2), db_text(rows, 0, 1),
		 db_text(rows, 0, 2));
	append_moment(out, "started", rows, 4);
	append_term(out, "by", db_value(rows, 0, 8));
	append_moment(out, "ended", rows, 6);
	append_term(out, db_value(rows, 0, 6) ? "took" : "age", db_value(rows, 0, 11));
	if (db_value(rows, 0, 9))
		html(out, "<dt>parent</dt><dd><a href=\"/execution/%s\">%s</a></dd>", db_text(rows, 0, 9),
			 db_text(rows, 0, 9));
	append_term(out, "labels", db_value(rows, 0, 12));
	append_moment(out, "scheduled for", rows, 15);
	append_moment(out, "deadline", rows, 17);
	html(out, "</dl>\n");
	if (db_value(rows, 0, 10))
		html(out, "<div class=\"alert bad\"><pre>%s</pre></div>\n", db_text(rows, 0, 10));
}

static const char why_query[] =
	"SELECT w.step, w.state, w.detail, w.hint, " MOMENT("w.since")
	" FROM noetl.why($1::bigint) AS w LIMIT 50";

/* Appends what a running execution waits for. */
static void
append_why(Request *request, PQExpBuffer out, const char *id)
{
	PGresult   *rows = db_query(request, why_query, 1, id);

	html(out, "<section><h2>What it waits for</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	for (int i = 0; rows && i < PQntuples(rows); i++)
	{
		html(out, "<div class=\"why\">");
		page_tag(out, db_text(rows, i, 1));
		html(out, " <b>%s</b> %s", db_text(rows, i, 0), db_text(rows, i, 2));
		if (db_value(rows, i, 3))
			html(out, "<p class=\"note\">%s</p>", db_text(rows, i, 3));
		if (strcmp(db_text(rows, i, 1), "awaiting") == 0)
			html(out, "<p><a href=\"/approvals?execution=%u\">Answer it</a></p>", id);
		html(out, "</div>\n");
	}
	PQclear(rows);
	html(out, "</section>\n");
}

/* No integer: of an execution that took no time, an attempt that did is a large multiple. */
#define SHARE(interval) "round(1000 * extract(epoch FROM " interval ") / s.seconds)"

static const char timeline_query[] =
	"WITH t AS (SELECT t.step, t.visit, t.item, t.attempt, t.worker, t.status, t.started_at, t.ended_at,"
	" coalesce(t.queued_at, t.started_at, t.ended_at) AS queued_at"
	" FROM noetl.timeline($1::bigint) AS t LIMIT 300),"
	" s AS (SELECT x.started_at AS zero, x.until, greatest(extract(epoch FROM"
	" x.until - x.started_at), 0.001) AS seconds"
	" FROM (SELECT e.started_at, coalesce(e.ended_at, clock_timestamp()) AS until"
	" FROM noetl.execution AS e WHERE e.execution_id = $1::bigint) AS x)"
	" SELECT t.step || CASE WHEN t.visit > 1 THEN ' (' || t.visit || ')' ELSE '' END"
	" || coalesce('[' || t.item || ']', '')"
	" || CASE WHEN t.attempt > 1 THEN ', attempt ' || t.attempt ELSE '' END,"
	" lower(t.status), t.worker, extract(epoch FROM coalesce(t.ended_at, s.until)"
	" - coalesce(t.started_at, t.queued_at)),"
	" " SHARE("t.queued_at - s.zero") ", greatest(" SHARE("coalesce(t.started_at, t.ended_at,"
	" s.until) - t.queued_at") ", 0),"
	" " SHARE("coalesce(t.started_at, t.ended_at) - s.zero") ", greatest("
	SHARE("coalesce(t.ended_at, s.until) - coalesce(t.started_at, t.ended_at)") ", 4)"
	" FROM t, s";

/* Appends a row for each attempt, with a bar from its start to its end. */
static void
append_timeline(Request *request, PQExpBuffer out, const char *id)
{
	PGresult   *rows = db_query(request, timeline_query, 1, id);

	html(out, "<section><h2>Timeline</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	else if (PQntuples(rows) == 0)
		page_empty(out, "No step has begun.", "Attempts appear here with their times.");
	for (int i = 0; rows && i < PQntuples(rows); i++)
	{
		html(out, "<div class=\"row\"><div>%s</div><svg class=\"bar\" viewBox=\"0 0 1000 14\""
			 " preserveAspectRatio=\"none\" aria-hidden=\"true\">", db_text(rows, i, 0));
		html(out, "<rect class=\"b-wait\" x=\"%s\" width=\"%s\" height=\"14\"/>",
			 db_text(rows, i, 4), db_text(rows, i, 5));
		if (db_value(rows, i, 6))
			html(out, "<rect class=\"b-%s\" x=\"%s\" width=\"%s\" height=\"14\"/>",
				 db_text(rows, i, 1), db_text(rows, i, 6), db_text(rows, i, 7));
		html(out, "</svg><div>");
		page_tag(out, db_text(rows, i, 1));
		html(out, " ");
		page_span(out, atof(db_text(rows, i, 3)));
		html(out, " <span class=\"note\">%s</span></div></div>\n", db_text(rows, i, 2));
	}
	if (PQntuples(rows) == 300)
		html(out, "<p class=\"note\">Only the first 300 are shown.</p>\n");
	PQclear(rows);
	html(out, "</section>\n");
}

/* What the executions below one are, each after its parent. */
static const char children_query[] =
	WITH_DESCENDANTS("$1::bigint")
	" SELECT x.execution_id, x.path, x.status, x.current_index, " MOMENT("x.started_at") ", f.depth"
	" FROM (SELECT * FROM t LIMIT " DESCENDANTS ") AS f"
	" JOIN noetl.execution AS x USING (execution_id) ORDER BY f.place";

/* Appends the executions that this one and its children have started, as a tree. */
static void
append_children(Request *request, PQExpBuffer out, const char *id)
{
	PGresult   *rows = db_query(request, children_query, 1, id);
	int			depth = 0;

	if (PQntuples(rows) == 0)
	{
		PQclear(rows);
		return;
	}
	html(out, "<section><h2>Children</h2>\n");
	for (int i = 0; i < PQntuples(rows); i++)
	{
		int			here = atoi(db_text(rows, i, 6));

		if (here <= depth)
			html(out, "</li>");
		for (; depth > here; depth--)
			html(out, "</ul></li>");
		for (; depth < here; depth++)
			html(out, "<ul class=\"tree\">\n");
		html(out, "<li>");
		page_tag(out, db_text(rows, i, 2));
		html(out, " <a href=\"/execution/%s\">%s</a> %s", db_text(rows, i, 0), db_text(rows, i, 0),
			 db_text(rows, i, 1));
		if (db_value(rows, i, 3))
			html(out, "[%s]", db_text(rows, i, 3));
		html(out, " ");
		page_time(out, rows, i, 4);
	}
	for (; depth > 0; depth--)
		html(out, "</li></ul>\n");
	html(out, "<p class=\"note\">At most " DESCENDANTS ", " CHILDREN " of each, " GENERATIONS
		 " generations.</p></section>\n");
	PQclear(rows);
}

/* Appends one event, with what it carries folded. */
static void
append_event(PQExpBuffer out, const PGresult *rows, int i, const char *id)
{
	static const char *const names[] = {"context", "result", "meta"};
	static const char *const captions[] = {"input", "result", "meta"};

	html(out, "<details class=\"event\" data-fold=\"e%s\"><summary><time datetime=\"%s\" title=\"%s\">%s</time>"
		 " <b>%s</b> %s", db_text(rows, i, 0), db_text(rows, i, 1), db_text(rows, i, 1),
		 db_text(rows, i, 2), db_text(rows, i, 3), db_text(rows, i, 4));
	if (db_value(rows, i, 5))
		html(out, "[%s]", db_text(rows, i, 5));
	html(out, " ");
	page_tag(out, db_text(rows, i, 6));
	html(out, "</summary>\n<div class=\"inside\">");
	if (db_value(rows, i, 7))
		html(out, "<p class=\"note\">worker %s</p>", db_text(rows, i, 7));
	if (db_value(rows, i, 8))
		html(out, "<pre class=\"error\">%s</pre>", db_text(rows, i, 8));
	for (int v = 0; v < 3; v++)
	{
		PQExpBufferData href;

		initPQExpBuffer(&href);
		html(&href, "/execution/%u/value/%u/%u", id, db_text(rows, i, 0), names[v]);
		append_stored(out, rows, i, 9 + 3 * v, captions[v], href.data, true);
		termPQExpBuffer(&href);
	}
	html(out, "</div></details>\n");
}

static const char events_query[] =
	"SELECT e.event_id, to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
	" to_char(e.created_at, 'HH24:MI:SS.MS'), e.event_type, e.node_name, e.current_index, e.status,"
	" e.worker_id,"
	" left(e.error, " SHOWN ") || coalesce(chr(10) || left(e.stack_trace, " SHOWN "), ''),"
	VALUE("c") "," VALUE("r") "," VALUE("m")
	" FROM (SELECT * FROM noetl.event AS e WHERE e.execution_id = $1::bigint"
	" AND e.event_id > $2::bigint ORDER BY e.event_id LIMIT 101) AS e"
	PRETTY("e.context", "c") PRETTY("e.result", "r") PRETTY("e.meta", "m")
	" ORDER BY e.event_id";

/* Appends a page of the events, oldest first. */
static void
append_events(Request *request, PQExpBuffer out, const char *id)
{
	char		after[24] = "0";
	PGresult   *rows;

	(void) parse_id(field(request, "after"), after);
	rows = db_query(request, events_query, 2, id, after);
	html(out, "<section id=\"events\"><h2>Events</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	else
	{
		for (int i = 0; i < PQntuples(rows) && i < EVENTS; i++)
			append_event(out, rows, i, id);
		html(out, "<p class=\"pages\">");
		if (strcmp(after, "0") != 0)
			html(out, "<a href=\"/execution/%s#events\">First</a> ", id);
		if (PQntuples(rows) > EVENTS)
			html(out, "<a rel=\"next\" href=\"/execution/%s?after=%s#events\">Later</a>", id,
				 db_text(rows, EVENTS - 1, 0));
		html(out, "</p>\n");
	}
	PQclear(rows);
	html(out, "</section>\n");
}

static const char values_query[] =
	"SELECT " VALUE("d") "," VALUE("r")
	" FROM noetl.execution AS x LEFT JOIN noetl.workload AS w USING (execution_id)"
	PRETTY("w.data", "d") PRETTY("x.result", "r")
	" WHERE x.execution_id = $1::bigint";

/* Appends workload and result. */
static void
append_values(Request *request, PQExpBuffer out, const char *id)
{
	PQExpBufferData href;
	PGresult   *rows = db_query(request, values_query, 1, id);

	if (db_value(rows, 0, 0) || db_value(rows, 0, 1) || db_value(rows, 0, 3) ||
		db_value(rows, 0, 4))
	{
		html(out, "<section><h2>Values</h2>\n");
		initPQExpBuffer(&href);
		html(&href, "/execution/%u/value/0/workload", id);
		append_stored(out, rows, 0, 0, "workload", href.data, true);
		resetPQExpBuffer(&href);
		html(&href, "/execution/%u/value/0/result", id);
		append_stored(out, rows, 0, 3, "result", href.data, true);
		termPQExpBuffer(&href);
		html(out, "</section>\n");
	}
	PQclear(rows);
}

/* Sends a whole value as a file. */
static void
value_page(Request *request, Reply *reply, const char *id, char *rest)
{
	static const struct
	{
		const char *name;
		bool		of_event;
		const char *query;
	}			values[] = {
		{"context", true, "SELECT e.context FROM noetl.event AS e WHERE e.execution_id = $1::bigint AND e.event_id = $2::bigint"},
		{"result", true, "SELECT e.result FROM noetl.event AS e WHERE e.execution_id = $1::bigint AND e.event_id = $2::bigint"},
		{"meta", true, "SELECT e.meta FROM noetl.event AS e WHERE e.execution_id = $1::bigint AND e.event_id = $2::bigint"},
		{"workload", false, "SELECT w.data FROM noetl.workload AS w WHERE w.execution_id = $1::bigint AND $2::bigint = 0"},
		{"result", false, "SELECT x.result FROM noetl.execution AS x WHERE x.execution_id = $1::bigint AND $2::bigint = 0"},
	};
	char		event[24];
	char	   *name = strchr(rest, '/');
	PGresult   *rows = NULL;

	if (name)
		*name++ = '\0';
	if (name && parse_id(rest, event))
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) && rows == NULL; i++)
			if (strcmp(values[i].name, name) == 0 &&
				values[i].of_event == (strcmp(event, "0") != 0))
				rows = db_query(request, values[i].query, 2, id, event);
	if (db_value(rows, 0, 0))
	{
		reply->type = "application/json";
		reply->file_name = "value.json";
		appendPQExpBufferStr(&reply->body, db_text(rows, 0, 0));
	}
	else
		page_error(request, reply, MHD_HTTP_NOT_FOUND, "There is no such value");
	PQclear(rows);
}

static const char execution_query[] =
	"SELECT x.execution_id, x.path, x.version, x.status, " MOMENT("x.started_at") ", "
	MOMENT("x.ended_at") ", x.started_by, x.parent_execution_id, left(x.error, " SHOWN "),"
	" noetl.span(coalesce(x.ended_at, clock_timestamp()) - x.started_at),"
	" (SELECT string_agg(l.key || '=' || l.value, ', ') FROM jsonb_each_text(x.labels) AS l),"
	" " LIVE_MARK("x") ", x.paused IS NOT NULL, " MOMENT("x.run_at") ", " MOMENT("x.deadline")
	" FROM noetl.execution AS x WHERE x.execution_id = $1::bigint";

/* GET /execution/ID, and /execution/ID/value/EVENT/NAME */
void
execution_page(Request *request, Reply *reply)
{
	char	   *rest = request->path + strlen("/execution/");
	char	   *slash = strchr(rest, '/');
	char		id[24];
	PGresult   *rows = NULL;
	const char *status;

	if (slash)
		*slash++ = '\0';
	if (parse_id(rest, id) && slash && strncmp(slash, "value/", 6) == 0)
	{
		value_page(request, reply, id, slash + 6);
		return;
	}
	if (parse_id(rest, id) && slash == NULL)
		rows = db_query(request, execution_query, 1, id);
	if (PQntuples(rows) == 0)
	{
		page_error(request, reply, MHD_HTTP_NOT_FOUND, "There is no such execution for your role");
		PQclear(rows);
		return;
	}
	status = db_text(rows, 0, 3);
	snprintf(request->mark, sizeof(request->mark), "%s", db_text(rows, 0, 13));
	page_begin(request, reply, db_text(rows, 0, 1), id);
	html(&reply->body, "<div data-refresh=\"head\"><h1>%s ", db_text(rows, 0, 1));
	page_tag(&reply->body, status);
	html(&reply->body, "</h1>\n");
	append_summary(&reply->body, rows);
	html(&reply->body, "</div>\n");
	append_actions(request, &reply->body, id, status, db_true(rows, 0, 14));
	html(&reply->body, "<div data-refresh=\"rest\">\n");
	if (strcmp(status, "RUNNING") == 0 || strcmp(status, "SCHEDULED") == 0)
		append_why(request, &reply->body, id);
	page_graph(request, &reply->body, id);
	append_timeline(request, &reply->body, id);
	append_children(request, &reply->body, id);
	append_values(request, &reply->body, id);
	append_events(request, &reply->body, id);
	html(&reply->body, "</div>\n");
	PQclear(rows);
	page_end(request, reply);
}
