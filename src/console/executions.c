/*
 * executions.c
 *		The list of executions, and what is done to many of them.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "page.h"
#include "screens.h"

#define PAGE_ROWS		50
#define MAX_BULK		500

/* The fields of the filter, which links to other pages of the list repeat. */
static const char *const filters[] = {"path", "status", "label", "key", "since", "until"};
#define NFILTERS		(sizeof(filters) / sizeof(filters[0]))

/* A query for executions: its conditions and their parameters. */
typedef struct Filter
{
	PQExpBufferData where;
	const char *params[16];
	int			count;
	char	   *key;			/* of the label */
	char	   *ids;			/* the executions that have the label, if these are few */
	char		before[24];
} Filter;

/* Adds a condition whose "$?" becomes the number of its parameter. */
static void
add_condition(Filter *filter, const char *condition, const char *param)
{
	const char *mark = strstr(condition, "$?");

	filter->params[filter->count++] = param;
	html(&filter->where, " AND ");
	appendBinaryPQExpBuffer(&filter->where, condition, mark - condition);
	html(&filter->where, "$%d%r", filter->count, mark + 2);
}

static const char labelled_query[] =
	"SELECT CASE WHEN count(*) <= 1000 THEN coalesce(array_agg(x.execution_id), '{}') END"
	" FROM (SELECT execution_id FROM noetl.execution AS x"
	" WHERE x.labels @> jsonb_build_object($1::text, $2::text) LIMIT 1001) AS x";

/*
 * Ends the name of a label where its value begins, and returns that, or NULL.  A "=" of the
 * name is written as "\=".
 */
static char *
split_label(char *label)
{
	char	   *to = label;

	for (char *p = label; *p; p++)
	{
		if (*p == '=')
		{
			*to = '\0';
			return p + 1;
		}
		if (p[0] == '\\' && p[1] == '=')
			p++;
		*to++ = *p;
	}
	*to = '\0';
	return NULL;
}

/*
 * Adds the condition of a label, NAME=VALUE or NAME.  A value that few have is looked up
 * first: the planner cannot know that it is better found by its index than on the way
 * through the newest executions.
 */
static void
add_label(Request *request, Filter *filter, const char *label)
{
	char	   *value;
	PGresult   *rows;

	filter->key = xstrdup(label);
	value = split_label(filter->key);
	if (value == NULL)
	{
		add_condition(filter, "x.labels ? $?", filter->key);
		return;
	}
	rows = db_query(request, labelled_query, 2, filter->key, value);
	filter->ids = xstrdup(db_value(rows, 0, 0));
	PQclear(rows);
	if (filter->ids)
		add_condition(filter, "x.execution_id = ANY ($?::bigint[])", filter->ids);
	add_condition(filter, "x.labels @> jsonb_build_object($?::text,", filter->key);
	filter->params[filter->count++] = value;
	html(&filter->where, " $%d::text)", filter->count);
}

/* Frees what a filter has. */
static void
free_filter(Filter *filter)
{
	termPQExpBuffer(&filter->where);
	free(filter->key);
	free(filter->ids);
}

/*
 * The executions that have a key: the index of keys begins with the path, so that each
 * path that has keys is stepped to.
 */
static const char key_condition[] =
	"x.execution_id = ANY (ARRAY(WITH RECURSIVE p AS ("
	"SELECT (SELECT k.path FROM noetl.start_key AS k ORDER BY k.path LIMIT 1) AS path"
	" UNION ALL SELECT (SELECT k.path FROM noetl.start_key AS k WHERE k.path > p.path"
	" ORDER BY k.path LIMIT 1) FROM p WHERE p.path IS NOT NULL)"
	" SELECT k.execution_id FROM p CROSS JOIN LATERAL (SELECT k.execution_id FROM noetl.start_key AS k"
	" WHERE k.path = p.path AND k.key = $?) AS k))";

/* Reads the fields of the filter. */
static void
read_filter(Request *request, Filter *filter)
{
	const char *path = field_or(request, "path", NULL);
	const char *label = field_or(request, "label", NULL);

	memset(filter, 0, sizeof(*filter));
	initPQExpBuffer(&filter->where);
	html(&filter->where, " WHERE true");
	if (path && path[strlen(path) - 1] == '*')
		add_condition(filter, "x.path ^@ rtrim($?, '*')", path);
	else if (path)
		add_condition(filter, "x.path = $?", path);
	if (field_or(request, "status", NULL))
		add_condition(filter, "x.status = $?", field(request, "status"));
	if (label)
		add_label(request, filter, label);
	if (field_or(request, "key", NULL))
		add_condition(filter, key_condition, field(request, "key"));
	/* ids grow with time: a bound of time is one of the primary key */
	if (field_or(request, "since", NULL))
		add_condition(filter, "x.execution_id >= " ID_OF("$?::timestamptz"),
					  field(request, "since"));
	if (field_or(request, "until", NULL))
		add_condition(filter, "x.execution_id < " ID_OF("$?::timestamptz"),
					  field(request, "until"));
}

/* Appends the form of the filter. */
static void
append_filter(Request *request, PQExpBuffer out)
{
	static const char *const statuses[] = {"RUNNING", "SCHEDULED", "COMPLETED", "FAILED",
										   "CANCELLED"};
	const char *status = field_or(request, "status", "");

	html(out, "<form class=\"filter card\" method=\"get\" action=\"/executions\" role=\"search\">\n"
		 "<label>Playbook<input name=\"path\" value=\"%s\" placeholder=\"path, or begin*\" data-key=\"/\"></label>\n"
		 "<label>Status<select name=\"status\"><option value=\"\">any</option>",
		 field_or(request, "path", ""));
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		html(out, "<option%r>%s</option>", strcmp(status, statuses[i]) == 0 ? " selected" : "",
			 statuses[i]);
	html(
		out,
		"</select></label>\n<label>Label<input name=\"label\" value=\"%s\" placeholder=\"name=value\"></label>\n"
		"<label>Key<input name=\"key\" value=\"%s\" placeholder=\"key of its start\"></label>\n"
		"<label>Since<input name=\"since\" type=\"datetime-local\" value=\"%s\"></label>\n"
		"<label>Until<input name=\"until\" type=\"datetime-local\" value=\"%s\"></label>\n"
		"<button>Show</button> <a href=\"/executions\">all</a></form>\n",
		field_or(request, "label", ""), field_or(request, "key", ""),
		field_or(request, "since", ""), field_or(request, "until", ""));
}

/* Appends the filter as parts of a URL. */
static void
append_query(Request *request, PQExpBuffer out)
{
	for (size_t i = 0; i < NFILTERS; i++)
		if (field_or(request, filters[i], NULL))
			html(out, "&amp;%s=%u", filters[i], field(request, filters[i]));
}

#define COLUMNS \
	"x.execution_id, x.path, x.version, x.status, " MOMENT("coalesce(x.run_at, x.started_at)") "," \
	" round(extract(epoch FROM coalesce(x.ended_at, clock_timestamp()) - x.started_at)::numeric, 3)," \
	" left(x.error, 200), x.parent_execution_id IS NOT NULL," \
	" (SELECT string_agg(replace(l.key, '=', '\\=') || '=' || l.value, chr(31)) FROM jsonb_each_text(x.labels) AS l)"

/* Appends labels, each with a link to the executions that have it. */
static void
append_labels(PQExpBuffer out, const char *labels)
{
	char	   *copy = xstrdup(labels);
	char	   *rest = copy;
	char	   *label;

	while (rest && (label = strsep(&rest, "\x1f")) != NULL)
		html(out, " <a class=\"label\" href=\"/executions?label=%u\">%s</a>", label, label);
	free(copy);
}

/* Appends a row of the list; with a box to choose it. */
static void
append_row(PQExpBuffer out, const PGresult *rows, int i, bool choose)
{
	html(out, "<tr>");
	if (choose)
		html(out, "<td><input type=\"checkbox\" name=\"id\" value=\"%s\" aria-label=\"choose %s\"></td>",
			 db_text(rows, i, 0), db_text(rows, i, 0));
	html(out, "<td>");
	page_tag(out, db_text(rows, i, 3));
	html(out, "</td><td class=\"id\"><a href=\"/execution/%s\" data-row>%s</a>",
		 db_text(rows, i, 0), db_text(rows, i, 0));
	if (db_true(rows, i, 8))
		html(out, " <span class=\"note\">child</span>");
	html(out, "</td><td><a href=\"/playbook?path=%u\">%s</a> <span class=\"note\">v%s</span>",
		 db_text(rows, i, 1), db_text(rows, i, 1), db_text(rows, i, 2));
	append_labels(out, db_value(rows, i, 9));
	if (db_value(rows, i, 7))
		html(out, "<br><span class=\"note error-line\">%s</span>", db_text(rows, i, 7));
	html(out, "</td><td data-value=\"%s\">", db_text(rows, i, 5));
	page_time(out, rows, i, 4);
	html(out, "</td><td class=\"num\" data-value=\"%s\">", db_text(rows, i, 6));
	if (strcmp(db_text(rows, i, 3), "SCHEDULED") != 0)
		page_span(out, atof(db_text(rows, i, 6)));
	html(out, "</td></tr>\n");
}

/* Appends the buttons for what can be done to the chosen executions. */
static void
append_bulk_buttons(Request *request, PQExpBuffer out)
{
	unsigned	can = page_can(request);

	if (!(can & (1u << CAN_CANCEL | 1u << CAN_REDRIVE | 1u << CAN_RETRY)))
		return;
	html(
		out,
		"<div class=\"actions\"><span class=\"note\">The chosen ones, or all that the filter finds:</span>");
	if (can & 1u << CAN_CANCEL)
		html(out, "<button name=\"action\" value=\"cancel\">Cancel …</button>");
	if (can & 1u << CAN_REDRIVE)
		html(out, "<button name=\"action\" value=\"redrive\">Redrive …</button>");
	if (can & 1u << CAN_RETRY)
		html(out, "<button name=\"action\" value=\"retry\">Retry …</button>");
	html(out, "</div>\n");
}

/* Appends the list, and the links to what is newer and older. */
static void
append_list(Request *request, PQExpBuffer out, const PGresult *rows, const char *before)
{
	int			count = PQntuples(rows);

	html(out, "<form method=\"get\" action=\"/bulk\">");
	for (size_t i = 0; i < NFILTERS; i++)
		if (field_or(request, filters[i], NULL))
			html(out, "<input type=\"hidden\" name=\"%s\" value=\"%s\">", filters[i],
				 field(request, filters[i]));
	html(
		out,
		"<div class=\"scroll\" data-refresh=\"list\"><table class=\"list\" data-sort><thead><tr><td></td><th>Status</th>"
		"<th>Execution</th><th>Playbook</th><th>Started</th><th class=\"num\">Took</th></tr></thead><tbody>\n");
	for (int i = 0; i < count && i < PAGE_ROWS; i++)
		append_row(out, rows, i, true);
	html(out, "</tbody></table></div>\n");
	append_bulk_buttons(request, out);
	html(out, "</form>\n<p class=\"pages\">");
	if (before)
	{
		html(out, "<a href=\"/executions?");
		append_query(request, out);
		html(out, "\">Newest</a> ");
	}
	if (count > PAGE_ROWS)
	{
		html(out, "<a rel=\"next\" href=\"/executions?before=%s", db_text(rows, PAGE_ROWS - 1, 0));
		append_query(request, out);
		html(out, "\">Older</a>");
	}
	html(out, "</p>\n");
}

/* Runs the query of a filter. */
static PGresult *
query_filter(Request *request, Filter *filter, int limit)
{
	PQExpBufferData sql;
	PGresult   *rows;

	initPQExpBuffer(&sql);
	html(&sql, "SELECT " COLUMNS " FROM noetl.execution AS x%r ORDER BY x.execution_id DESC LIMIT %d",
		 filter->where.data, limit);
	rows = db_query_array(request, sql.data, filter->count, filter->params);
	termPQExpBuffer(&sql);
	return rows;
}

/* GET /executions */
void
executions_page(Request *request, Reply *reply)
{
	Filter		filter;
	PGresult   *rows;
	bool		older;

	read_filter(request, &filter);
	older = parse_id(field(request, "before"), filter.before);
	if (older)
		add_condition(&filter, "x.execution_id < $?", filter.before);
	rows = query_filter(request, &filter, PAGE_ROWS + 1);
	page_begin(request, reply, "Executions", older ? NULL : "");
	html(&reply->body, "<h1>Executions</h1>\n");
	append_filter(request, &reply->body);
	if (rows == NULL)
		page_failed(request, &reply->body);
	else if (PQntuples(rows) == 0)
		page_empty(&reply->body, "No execution is to be seen.",
				   "Start one from a <a href=\"/playbooks\">playbook</a>, or <a href=\"/executions\">remove the filter</a>. A role sees the executions of the roles that it is a member of.");
	else
		append_list(request, &reply->body, rows, older ? filter.before : NULL);
	PQclear(rows);
	free_filter(&filter);
	page_end(request, reply);
}

/* The actions on many executions: the status that each applies to. */
typedef struct Bulk
{
	const char *name;
	Can			can;
	const char *statuses;		/* a condition */
	const char *call;
	const char *title;
} Bulk;

static const Bulk bulks[] = {
	{"cancel", CAN_CANCEL, "x.status IN ('RUNNING', 'SCHEDULED')",
	"SELECT noetl.cancel(execution_id => $1::bigint, reason => $2)", "Cancel executions"},
	{"redrive", CAN_REDRIVE, "x.status IN ('FAILED', 'CANCELLED')",
	"SELECT noetl.redrive(execution_id => $1::bigint, reason => $2)", "Redrive executions"},
	{"retry", CAN_RETRY, "x.status = 'RUNNING'",
	"SELECT noetl.retry(execution_id => $1::bigint, reason => $2)", "Retry held steps"},
};

/* Returns the action that a request names. */
static const Bulk *
find_bulk(const Request *request)
{
	for (size_t i = 0; i < sizeof(bulks) / sizeof(bulks[0]); i++)
		if (strcmp(field_or(request, "action", ""), bulks[i].name) == 0)
			return &bulks[i];
	return NULL;
}

/* Makes an array of the chosen ids; returns whether there are any. */
static bool
chosen_ids(const Request *request, PQExpBuffer ids)
{
	char		id[24];

	html(ids, "{");
	for (int i = 0; i < request->nfields; i++)
		if (strcmp(request->fields[i].name, "id") == 0 && parse_id(request->fields[i].value, id))
			html(ids, ids->len > 1 ? ",%s" : "%s", id);
	html(ids, "}");
	return ids->len > 2;
}

/* Appends what will be touched, and the form that does it. */
static void
append_preview(Request *request, PQExpBuffer out, const Bulk *bulk, const PGresult *rows)
{
	int			count = PQntuples(rows) < MAX_BULK ? PQntuples(rows) : MAX_BULK;

	html(out, "<h1>%s</h1>\n<form method=\"post\" action=\"/bulk\">", bulk->title);
	page_token(request, out);
	html(out, "<input type=\"hidden\" name=\"action\" value=\"%s\">\n<p>This will touch %d executions%r.</p>\n"
		 "<label>Reason<input name=\"reason\" maxlength=\"500\"></label>\n"
		 "<div class=\"actions\"><button class=\"main\">%s</button> <a href=\"/executions\">Leave them</a></div>\n"
		 "<div class=\"scroll\"><table class=\"list\" data-sort><thead><tr><th>Status</th><th>Execution</th><th>Playbook</th>"
		 "<th>Started</th><th class=\"num\">Took</th></tr></thead><tbody>\n", bulk->name, count,
		 PQntuples(rows) > MAX_BULK ? ", the newest of more" : "", bulk->title);
	for (int i = 0; i < count; i++)
		append_row(out, rows, i, false);
	html(out, "</tbody></table></div>\n");
	for (int i = 0; i < count; i++)
		html(out, "<input type=\"hidden\" name=\"id\" value=\"%s\">", db_text(rows, i, 0));
	html(out, "</form>\n");
}

/* GET /bulk: what an action would touch. */
void
bulk_page(Request *request, Reply *reply)
{
	const Bulk *bulk = find_bulk(request);
	Filter		filter;
	PQExpBufferData ids;
	PGresult   *rows;

	if (bulk == NULL)
	{
		page_error(request, reply, MHD_HTTP_NOT_FOUND, "There is no such action");
		return;
	}
	if (!(page_can(request) & 1u << bulk->can))
	{
		page_error(request, reply, MHD_HTTP_FORBIDDEN, "This is not for your role, or not here");
		return;
	}
	read_filter(request, &filter);
	initPQExpBuffer(&ids);
	if (chosen_ids(request, &ids))
		add_condition(&filter, "x.execution_id = ANY ($?::bigint[])", ids.data);
	html(&filter.where, " AND %r", bulk->statuses);
	rows = query_filter(request, &filter, MAX_BULK + 1);
	page_begin(request, reply, bulk->title, NULL);
	if (rows == NULL)
		page_failed(request, &reply->body);
	else if (PQntuples(rows) == 0)
		page_empty(&reply->body, "There is nothing to do this to.",
				   "None of these executions has a status that the action is for. <a href=\"/executions\">Back to the list</a>");
	else
		append_preview(request, &reply->body, bulk, rows);
	PQclear(rows);
	free_filter(&filter);
	termPQExpBuffer(&ids);
	page_end(request, reply);
}

/* POST /bulk: each execution in a transaction of its own. */
void
bulk_post(Request *request, Reply *reply)
{
	const Bulk *bulk = find_bulk(request);
	int			done = 0;
	int			failed = 0;
	char		id[24];
	char		message[120];
	PQExpBufferData first;

	initPQExpBuffer(&first);
	for (int i = 0; bulk && i < request->nfields && done + failed < MAX_BULK; i++)
	{
		PGresult   *rows = NULL;

		if (strcmp(request->fields[i].name, "id") != 0 || !parse_id(request->fields[i].value, id))
			continue;
		if (db_begin(request))
			rows = db_query(request, bulk->call, 2, id, field_or(request, "reason", NULL));
		if (db_end(request, rows != NULL) && rows)
			done++;
		else if (failed++ == 0)
			appendBinaryPQExpBuffer(&first, request->error.data, request->error.len);
		PQclear(rows);
	}
	snprintf(message, sizeof(message), "%s: %d done, %d refused.", bulk ? bulk->name : "nothing",
			 done, failed);
	if (failed == 0)
		page_done(request, reply, "/executions", message);
	else
	{
		resetPQExpBuffer(&request->error);
		appendBinaryPQExpBuffer(&request->error, first.data, first.len);
		page_refused(request, reply, "/executions", message);
	}
	termPQExpBuffer(&first);
}
