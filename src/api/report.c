/*
 * api/report.c
 *		noetl.report(): one HTML page about an execution.
 *
 * The page loads nothing and runs nothing; every value is escaped on the way
 * into it.  What is large is cut, with a note that says so.
 */
#include "common/common.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/graph.h"
#include "api/report_style.h"

PG_FUNCTION_INFO_V1(noetl_report_unchecked);

/* No more rows than these are shown. */
#define MAX_ROWS		"1000"

/* A value as text that fits the page: its first 4,000 characters, and its size. */
#define VALUE(column) \
	"CASE WHEN pg_column_size(" column ") > 1000000 THEN NULL" \
	" ELSE left(jsonb_pretty(" column "), 4000) END, " \
	"CASE WHEN pg_column_size(" column ") > 1000000" \
	" THEN pg_size_pretty(pg_column_size(" column ")::bigint)" \
	" WHEN length(jsonb_pretty(" column ")) > 4000" \
	" THEN length(jsonb_pretty(" column ")) || ' characters' END"

#define TIME(column) "to_char(" column ", 'YYYY-MM-DD HH24:MI:SS.MSOF')"

static const char execution_query[] =
	"SELECT x.path, x.version, x.status, " TIME("x.started_at") ", " TIME("x.ended_at") ","
	" CASE WHEN coalesce(x.ended_at, clock_timestamp()) - x.started_at < interval '2 min'"
	" THEN round(extract(epoch FROM coalesce(x.ended_at, clock_timestamp()) - x.started_at)::numeric, 3) || ' s'"
	" ELSE noetl.span(coalesce(x.ended_at, clock_timestamp()) - x.started_at) END, x.started_by::text,"
	" x.parent_execution_id, left(x.error, 4000), x.catalog_id,"
	VALUE("x.result") ", " VALUE("w.data")
	" FROM noetl.execution AS x LEFT JOIN noetl.workload AS w ON w.execution_id = x.execution_id"
	" WHERE x.execution_id = $1";

/* Appends a value that may have been cut, under a caption; nothing for null. */
static void
append_value(StringInfo out, const char *caption, const char *text, const char *size)
{
	if (text == NULL && size == NULL)
		return;
	appendStringInfo(out, "<div class=\"note\">%s</div>", caption);
	if (text)
	{
		appendStringInfoString(out, "<pre>");
		html_append(out, text);
		appendStringInfoString(out, "</pre>");
	}
	if (size)
	{
		appendStringInfoString(out, "<div class=\"note\">The value is cut: it has ");
		html_append(out, size);
		appendStringInfoString(out, ".</div>");
	}
	appendStringInfoChar(out, '\n');
}

/* Appends a line of a description list; nothing for null. */
static void
append_line(StringInfo out, const char *term, const char *text)
{
	if (text == NULL)
		return;
	appendStringInfo(out, "<dt>%s</dt><dd>", term);
	html_append(out, text);
	appendStringInfoString(out, "</dd>\n");
}

/* Appends a class name made of a prefix and the lower-case letters of a word. */
static void
append_class(StringInfo out, const char *prefix, const char *word)
{
	appendStringInfoString(out, prefix);
	for (; *word && *word != ','; word++)
		if ((*word >= 'a' && *word <= 'z') || (*word >= 'A' && *word <= 'Z'))
			appendStringInfoChar(out, pg_tolower(*word));
}

/* Appends a status as a coloured word. */
static void
append_tag(StringInfo out, const char *status)
{
	appendStringInfoString(out, "<span class=\"tag ");
	append_class(out, "t-", status);
	appendStringInfoString(out, "\">");
	html_append(out, status);
	appendStringInfoString(out, "</span>");
}

/* Says that a list goes on, when it is as long as it may be. */
static void
append_limit_note(StringInfo out)
{
	if (SPI_processed >= strtoul(MAX_ROWS, NULL, 10))
		appendStringInfoString(out, "<p class=\"note\">Only the first " MAX_ROWS
							   " are shown.</p>\n");
}

/* Appends the beginning of the page; the row of the execution is in SPI_tuptable. */
static void
append_head(StringInfo out, int64 execution_id)
{
	appendStringInfoString(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
						   "<meta charset=\"utf-8\">\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
						   "<meta http-equiv=\"Content-Security-Policy\""
						   " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>");
	html_append(out, graph_value(0, 1));
	appendStringInfo(out, " \xc2\xb7 " INT64_FORMAT "</title>\n", execution_id);
	appendStringInfo(out, "<style>\n%s</style>\n</head>\n<body>\n<h1>", report_style);
	html_append(out, graph_value(0, 1));
	appendStringInfoChar(out, ' ');
	append_tag(out, graph_value(0, 3));
	appendStringInfo(out, "</h1>\n<dl><dt>execution</dt><dd>" INT64_FORMAT "</dd>\n", execution_id);
	append_line(out, "version", graph_value(0, 2));
	append_line(out, "started", graph_value(0, 4));
	append_line(out, "ended", graph_value(0, 5));
	append_line(out, "took", graph_value(0, 6));
	append_line(out, "started by", graph_value(0, 7));
	append_line(out, "parent", graph_value(0, 8));
	appendStringInfoString(out, "</dl>\n");
	if (graph_value(0, 9))
	{
		appendStringInfoString(out, "<pre class=\"error\">");
		html_append(out, graph_value(0, 9));
		appendStringInfoString(out, "</pre>\n");
	}
}

/* Appends what a running execution waits for. */
static void
append_why(StringInfo out, int64 execution_id)
{
	graph_query("SELECT w.step, w.state, w.detail, w.hint FROM noetl.why_unchecked($1) AS w LIMIT 21",
				execution_id);
	appendStringInfoString(out, "<h2>What it waits for</h2>\n");
	for (uint64 row = 0; row < Min(SPI_processed, 20); row++)
	{
		appendStringInfoString(out, "<div class=\"why\">");
		append_tag(out, graph_value(row, 2));
		if (graph_value(row, 1))
		{
			appendStringInfoString(out, " <b>");
			html_append(out, graph_value(row, 1));
			appendStringInfoString(out, "</b>");
		}
		appendStringInfoString(out, "<br>");
		html_append(out, graph_value(row, 3));
		if (graph_value(row, 4))
		{
			appendStringInfoString(out, "<div class=\"note\">");
			html_append(out, graph_value(row, 4));
			appendStringInfoString(out, "</div>");
		}
		appendStringInfoString(out, "</div>\n");
	}
	if (SPI_processed > 20)
		appendStringInfoString(out, "<p class=\"note\">There is more: noetl.why() has all of it.</p>\n");
}

/* Appends the events that tell of errors. */
static void
append_errors(StringInfo out, int64 execution_id)
{
	graph_query("SELECT " TIME("e.created_at") ", e.event_type, e.node_name, e.current_index,"
				" left(e.error, 4000), left(e.stack_trace, 4000), e.meta ->> 'kind'"
				" FROM noetl.event AS e"
				" WHERE e.execution_id = $1 AND (e.error IS NOT NULL OR e.status = 'FAILED')"
				" ORDER BY e.event_id LIMIT " MAX_ROWS, execution_id);
	if (SPI_processed == 0)
		return;
	appendStringInfo(out, "<h2>Errors (" UINT64_FORMAT ")</h2>\n", (uint64) SPI_processed);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		appendStringInfoString(out, "<div class=\"error\"><b>");
		html_append(out, graph_value(row, 3) ? graph_value(row, 3) : "");
		if (graph_value(row, 4))
			appendStringInfo(out, "[%s]", graph_value(row, 4));
		appendStringInfoString(out, "</b> ");
		html_append(out, graph_value(row, 2));
		if (graph_value(row, 7))
		{
			appendStringInfoString(out, ", ");
			html_append(out, graph_value(row, 7));
		}
		appendStringInfoString(out, " <span class=\"note\">");
		html_append(out, graph_value(row, 1));
		appendStringInfoString(out, "</span>");
		append_value(out, "", graph_value(row, 5), NULL);
		append_value(out, "stack trace", graph_value(row, 6), NULL);
		appendStringInfoString(out, "</div>\n");
	}
	append_limit_note(out);
}

/* Appends the graph. */
static void
append_graph(StringInfo out, int64 catalog_id, int64 execution_id)
{
	Graph	   *graph = graph_build(catalog_id);

	appendStringInfo(out, "<h2>Graph (%d steps)</h2>\n", graph->nnodes);
	if (graph->nnodes > GRAPH_MAX_DRAWN)
	{
		appendStringInfo(out, "<p class=\"note\">Graphs of more than %d steps are not drawn.</p>\n",
						 GRAPH_MAX_DRAWN);
		return;
	}
	graph_load_progress(graph, execution_id);
	graph_lay_out(graph);
	appendStringInfoString(out, "<div class=\"graph\" tabindex=\"0\">");
	graph_append_svg(out, graph);
	appendStringInfoString(out, "</div>\n");
}

/* Appends a bar of the timeline, unless it has no place. */
static void
append_bar(StringInfo out, const char *class, const char *status, const char *left,
		   const char *width)
{
	if (left == NULL || width == NULL)
		return;
	appendStringInfoString(out, "<i class=\"");
	append_class(out, class, status);
	appendStringInfo(out, "\" style=\"left:%s%%;width:%s%%\"></i>", left, width);
}

#define SHARE(interval) \
	"round((100 * extract(epoch FROM " interval ") / s.seconds)::numeric, 3)"

/* Appends a row for each attempt, with a bar from its start to its end. */
static void
append_timeline(StringInfo out, int64 execution_id)
{
	graph_query("WITH t AS (SELECT * FROM noetl.timeline_unchecked($1) LIMIT " MAX_ROWS "),"
				" s AS (SELECT x.started_at AS zero, x.until, greatest(extract(epoch FROM"
				" x.until - x.started_at), 0.001) AS seconds"
				" FROM (SELECT e.started_at, coalesce(e.ended_at, clock_timestamp()) AS until"
				" FROM noetl.execution AS e WHERE e.execution_id = $1) AS x)"
				" SELECT t.step || CASE WHEN t.visit > 1 THEN ' (' || t.visit || ')' ELSE '' END"
				" || coalesce('[' || t.item || ']', '')"
				" || CASE WHEN t.attempt > 1 THEN ', attempt ' || t.attempt ELSE '' END,"
				" t.status, t.worker,"
				" round(extract(epoch FROM coalesce(t.ended_at, s.until)"
				" - coalesce(t.started_at, t.queued_at))::numeric, 3) || ' s',"
				" " SHARE("t.queued_at - s.zero") ","
				" " SHARE("coalesce(t.started_at, t.ended_at, s.until)"
						  " - t.queued_at") ","
				" " SHARE("coalesce(t.started_at, t.ended_at) - s.zero") ","
				" " SHARE("coalesce(t.ended_at, s.until)"
						  " - coalesce(t.started_at, t.ended_at)")
				" FROM t, s", execution_id);
	appendStringInfoString(out, "<h2>Timeline</h2>\n");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *status = graph_value(row, 2);

		CHECK_FOR_INTERRUPTS();
		appendStringInfoString(out, "<div class=\"row\"><div>");
		html_append(out, graph_value(row, 1));
		appendStringInfoString(out, "</div><div class=\"bar\">");
		append_bar(out, "b-wait b-", status, graph_value(row, 5), graph_value(row, 6));
		append_bar(out, "b-", status, graph_value(row, 7), graph_value(row, 8));
		appendStringInfoString(out, "</div><div>");
		append_tag(out, status);
		if (graph_value(row, 4))
		{
			appendStringInfoChar(out, ' ');
			html_append(out, graph_value(row, 4));
		}
		if (graph_value(row, 3))
		{
			appendStringInfoString(out, " <span class=\"note\">");
			html_append(out, graph_value(row, 3));
			appendStringInfoString(out, "</span>");
		}
		appendStringInfoString(out, "</div></div>\n");
	}
	append_limit_note(out);
}

/* Appends the events, each with what it carries folded. */
static void
append_events(StringInfo out, int64 execution_id)
{
	graph_query("SELECT " TIME("e.created_at") ", e.event_type, e.node_name, e.status,"
				" e.worker_id, left(e.error, 4000), e.current_index,"
				" " VALUE("e.context") ","
				" " VALUE("e.result") ","
				" " VALUE("e.meta")
				" FROM noetl.event AS e"
				" WHERE e.execution_id = $1 ORDER BY e.event_id LIMIT " MAX_ROWS, execution_id);
	appendStringInfoString(out, "<h2>Events</h2>\n");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfoString(out, "<details><summary><span class=\"at\">");
		html_append(out, graph_value(row, 1));
		appendStringInfoString(out, "</span> <b>");
		html_append(out, graph_value(row, 2));
		appendStringInfoString(out, "</b> ");
		html_append(out, graph_value(row, 3) ? graph_value(row, 3) : "");
		if (graph_value(row, 7))
			appendStringInfo(out, "[%s]", graph_value(row, 7));
		appendStringInfoChar(out, ' ');
		append_tag(out, graph_value(row, 4));
		appendStringInfoString(out, "</summary>\n");
		append_value(out, "worker", graph_value(row, 5), NULL);
		append_value(out, "error", graph_value(row, 6), NULL);
		append_value(out, "input", graph_value(row, 8), graph_value(row, 9));
		append_value(out, "result", graph_value(row, 10), graph_value(row, 11));
		append_value(out, "meta", graph_value(row, 12), graph_value(row, 13));
		appendStringInfoString(out, "</details>\n");
	}
	append_limit_note(out);
}

/* noetl.report(execution_id) */
Datum
noetl_report_unchecked(PG_FUNCTION_ARGS)
{
	int64		execution_id = PG_GETARG_INT64(0);
	StringInfoData out;
	int64		catalog_id;
	char	   *values[4];
	bool		running;

	initStringInfo(&out);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	graph_query(execution_query, execution_id);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " does not exist", execution_id)));
	append_head(&out, execution_id);
	running = strcmp(graph_value(0, 3), "RUNNING") == 0 ||
		strcmp(graph_value(0, 3), "SCHEDULED") == 0;
	catalog_id = strtoll(graph_value(0, 10), NULL, 10);
	for (int i = 0; i < 4; i++)
		values[i] = graph_value(0, 11 + i);
	append_errors(&out, execution_id);
	if (running)
		append_why(&out, execution_id);
	append_graph(&out, catalog_id, execution_id);
	append_timeline(&out, execution_id);
	appendStringInfoString(&out, "<h2>Values</h2>\n");
	append_value(&out, "workload", values[2], values[3]);
	append_value(&out, "result", values[0], values[1]);
	append_events(&out, execution_id);
	appendStringInfoString(&out, "</body>\n</html>\n");
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
