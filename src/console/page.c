/*
 * page.c
 *		What the pages have in common.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "graph.h"
#include "options.h"
#include "page.h"

static const char *const function_names[CAN_COUNT] = {
	"cancel", "pause", "resume", "retry", "redrive", "skip", "fork", "signal", "execute",
	"register", "validate", "simulate", "schedule", "unschedule", "migrate", "draw"
};

static const char page_can_query[] =
	"SELECT DISTINCT p.proname FROM pg_proc AS p"
	" WHERE p.pronamespace = 'noetl'::regnamespace AND p.prokind = 'f'"
	" AND has_function_privilege(p.oid, 'EXECUTE')";

/* Returns the functions that the role may execute (page.h). */
unsigned
page_can(Request *request)
{
	unsigned	can = 0;
	PGresult   *rows = db_query(request, page_can_query, 0);

	for (int i = 0; rows && i < PQntuples(rows); i++)
		for (int f = 0; f < CAN_COUNT; f++)
			if (strcmp(db_text(rows, i, 0), function_names[f]) == 0)
				can |= 1u << f;
	PQclear(rows);
	if (options.readonly)
		can &= 1u << CAN_VALIDATE | 1u << CAN_SIMULATE | 1u << CAN_DRAW;
	return can;
}

/* Appends the links to the screens. */
static void
append_navigation(Request *request, PQExpBuffer out)
{
	static const struct
	{
		const char *path;
		const char *name;
		const char *key;
	}			screens[] = {
		{"/", "Overview", "o"},
		{"/executions", "Executions", "e"},
		{"/approvals", "Approvals", "a"},
		{"/playbooks", "Playbooks", "p"},
		{"/schedules", "Schedules", "s"},
	};

	html(out, "<nav aria-label=\"screens\">");
	for (size_t i = 0; i < sizeof(screens) / sizeof(screens[0]); i++)
		html(out, "<a href=\"%s\" data-key=\"%s\"%r>%s</a>", screens[i].path, screens[i].key,
			 strcmp(request->path, screens[i].path) == 0 ? " aria-current=\"page\"" : "",
			 screens[i].name);
	html(out, "</nav><form class=\"who\" method=\"post\" action=\"/logout\"><span title=\"role\">%s%r</span>",
		 request->session->role, options.readonly ? " (read only)" : "");
	page_token(request, out);
	html(out, "<button>Log out</button></form>");
}

/* Appends the page up to its content (page.h). */
void
page_begin(Request *request, Reply *reply, const char *title, const char *live)
{
	PQExpBuffer out = &reply->body;

	html(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		 "<title>%s · noetl</title>\n"
		 "<link rel=\"icon\" href=\"/assets/icon.svg\">\n"
		 "<link rel=\"stylesheet\" href=\"/assets/console.css?%s\">\n"
		 "<script defer src=\"/assets/console.js?%s\"></script>\n</head>\n<body",
		 title, NOETL_VERSION, NOETL_VERSION);
	if (live)
		html(out, " data-live=\"since=%d&amp;execution=%u&amp;mark=%u\"", request->since, live,
			 request->mark);
	html(out,
		 ">\n<a class=\"skip\" href=\"#main\">To the content</a>\n"
		 "<header><a class=\"brand\" href=\"/\">noetl</a>");
	if (request->session)
		append_navigation(request, out);
	html(out, "</header>\n<main id=\"main\">\n");
	if (request->session && request->session->flash && !request->refresh)
	{
		html(out, "<div class=\"alert %s\" role=\"%s\">%r</div>\n",
			 request->session->flash_is_error ? "bad" : "ok",
			 request->session->flash_is_error ? "alert" : "status", request->session->flash);
		free(request->session->flash);
		request->session->flash = NULL;
	}
}

/* Ends the page. */
void
page_end(Request *request, Reply *reply)
{
	html(&reply->body,
		 "</main>\n<footer class=\"note\"><span>noetl-console %s</span>"
		 "<span id=\"live\" aria-live=\"polite\"></span></footer>\n</body>\n</html>\n",
		 NOETL_VERSION);
}

/* A page that says what is wrong. */
void
page_error(Request *request, Reply *reply, int status, const char *title)
{
	reply->status = status;
	resetPQExpBuffer(&reply->body);
	page_begin(request, reply, title, NULL);
	html(&reply->body, "<h1>%s</h1>\n", title);
	if (request->error.len > 0)
		html(&reply->body, "<div class=\"alert bad\">%r</div>\n", request->error.data);
	html(&reply->body, "<p><a href=\"/\">To the overview</a></p>\n");
	page_end(request, reply);
}

/* Appends the message of the last failed query. */
void
page_failed(Request *request, PQExpBuffer out)
{
	if (request->denied)
		html(out, "<div class=\"empty\"><p>Your role may not see this.</p>%r</div>\n",
			 request->error.data);
	else
		html(out, "<div class=\"alert bad\">%r</div>\n", request->error.data);
}

/* Says that there is nothing, and what to do next. */
void
page_empty(PQExpBuffer out, const char *title, const char *advice)
{
	html(out, "<div class=\"empty\"><p><b>%s</b></p><p>%r</p></div>\n", title, advice);
}

/* A status as a word with a sign and a colour. */
void
page_tag(PQExpBuffer out, const char *status)
{
	static const struct
	{
		const char *states;
		const char *class;
		const char *sign;
	}			kinds[] = {
		{" completed started success connected ", "t-ok", "✓"},
		{" failed error held ", "t-bad", "✗"},
		{" running leased open ", "t-run", "▶"},
		{" retry pending waiting awaiting queued blocked scheduled warning paused ", "t-wait", "◷"},
	};
	char		word[40] = " ";
	size_t		length = strcspn(status, ",");

	if (length > sizeof(word) - 3)
		length = sizeof(word) - 3;
	for (size_t i = 0; i < length; i++)
		word[i + 1] = status[i] >= 'A' && status[i] <= 'Z' ? status[i] + 32 : status[i];
	word[length + 1] = ' ';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strstr(kinds[i].states, word))
		{
			html(out, "<span class=\"tag %s\"><i aria-hidden=\"true\">%s</i> %s</span>",
				 kinds[i].class, kinds[i].sign, status);
			return;
		}
	html(out, "<span class=\"tag\"><i aria-hidden=\"true\">–</i> %s</span>", status);
}

/* Appends a number of seconds in words, rounded down as noetl.span() does. */
void
page_span(PQExpBuffer out, double seconds)
{
	char		words[40];
	long long	whole = (long long) seconds;

	if (seconds < 10)
		snprintf(words, sizeof(words), "%.3g s", seconds > 0 ? seconds : 0);
	else if (whole < 120)
		snprintf(words, sizeof(words), "%lld s", whole);
	else if (whole < 7200)
		snprintf(words, sizeof(words), "%lld min", whole / 60);
	else if (whole < 172800)
		snprintf(words, sizeof(words), "%lld h", whole / 3600);
	else
		snprintf(words, sizeof(words), "%lld days", whole / 86400);
	appendPQExpBufferStr(out, words);
}

/* Appends the two columns of MOMENT() as a time ago, with the exact one on hover. */
void
page_time(PQExpBuffer out, const PGresult *rows, int row, int column)
{
	const char *moment = db_value(rows, row, column);
	long long	age = atoll(db_text(rows, row, column + 1));

	if (moment == NULL)
		return;
	html(out, "<time datetime=\"%s\" title=\"%s\" data-age=\"%s\">%r", moment, moment,
		 db_text(rows, row, column + 1), age < 0 ? "in " : "");
	page_span(out, (double) (age < 0 ? -age : age));
	html(out, "%r</time>", age < 0 ? "" : " ago");
}

/* The hidden field of a form that changes something. */
void
page_token(Request *request, PQExpBuffer out)
{
	html(out, "<input type=\"hidden\" name=\"csrf\" value=\"%s\">", request->session->csrf);
}

/* A value, folded when it is long. */
void
page_value(PQExpBuffer out, const char *caption, const char *value, const char *size,
		   const char *href, bool open)
{
	if (value == NULL && size == NULL)
		return;
	html(out, "<details class=\"value\" data-fold=\"%s\"%r%r><summary>%s <span class=\"note\">%s</span></summary>",
		 href, open ? " open" : "", size ? " data-cut" : "", caption,
		 size ? size : "");
	if (value)
		html(out, "<pre tabindex=\"0\">%s</pre>", value);
	html(out, "<p class=\"note\"><a href=\"%s\">Download</a></p></details>\n", href);
}

/* Appends the graph of an execution or of a playbook. */
void
page_graph(Request *request, PQExpBuffer out, const char *of)
{
	PGresult   *rows = db_query(request, "SELECT noetl.explain($1, 'svg')", 1, of);

	html(out, "<section><h2>Graph</h2>\n");
	if (rows == NULL)
		page_failed(request, out);
	else
		graph_append(out, db_text(rows, 0, 0));
	PQclear(rows);
	html(out, "</section>\n");
}

/* Appends the graph of a text (page.h). */
void
page_drawing(Request *request, PQExpBuffer out, const char *content, const char *states)
{
	PGresult   *rows = db_query(request, "SELECT noetl.draw($1, $2::jsonb)", 2, content, states);

	if (rows)
	{
		html(out, "<section><h2>Graph</h2>\n");
		graph_append(out, db_text(rows, 0, 0));
		html(out, "</section>\n");
	}
	PQclear(rows);
}

/* Back to a page, with a message of what was done. */
void
page_done(Request *request, Reply *reply, const char *location, const char *message)
{
	PQExpBufferData text;

	initPQExpBuffer(&text);
	html(&text, "%s", message);
	session_flash(request->session, false, text.data);
	termPQExpBuffer(&text);
	reply_redirect(reply, location);
}

/* Back to a page, with what went wrong. */
void
page_refused(Request *request, Reply *reply, const char *location, const char *title)
{
	PQExpBufferData text;

	initPQExpBuffer(&text);
	html(&text, "<p>%s</p>%r", title, request->error.len > 0 ? request->error.data : "");
	session_flash(request->session, true, text.data);
	termPQExpBuffer(&text);
	reply_redirect(reply, location);
}
