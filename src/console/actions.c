/*
 * actions.c
 *		What can be done to one execution.  Each action is an SQL function, called as
 *		the role that has logged in.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "execution.h"
#include "page.h"
#include "screens.h"

/* An action: for which statuses, what it asks for, and the function it calls. */
typedef struct Action
{
	const char *name;
	Can			can;
	const char *statuses;
	const char *title;
	const char *step;			/* label of a field for a step, or NULL */
	bool		needs_step;
	const char *json;			/* label of a field for JSON, or NULL */
	bool		reason;
	const char *call;			/* $1 execution, $2 step, $3 JSON, $4 reason */
} Action;

static const Action actions[] = {
	{"cancel", CAN_CANCEL, "RUNNING SCHEDULED", "Cancel", NULL, false, NULL, true,
	"SELECT noetl.cancel(execution_id => $1::bigint, reason => $4), $2::text, $3::text"},
	{"pause", CAN_PAUSE, "RUNNING", "Pause", NULL, false, NULL, true,
	"SELECT noetl.pause(execution_id => $1::bigint, reason => $4), $2::text, $3::text"},
	{"resume", CAN_RESUME, "RUNNING", "Resume", NULL, false, NULL, false,
	"SELECT noetl.resume(execution_id => $1::bigint), $2::text, $3::text, $4::text"},
	{"retry", CAN_RETRY, "RUNNING", "Retry held steps", "Step (empty: all that are held)", false,
		"Input, as JSON (empty: as it was)", true,
	"SELECT noetl.retry(execution_id => $1::bigint, step => $2, input => $3::jsonb, reason => $4)"},
	{"skip", CAN_SKIP, "RUNNING", "Skip a step", "Step", true, "Its value, as JSON", true,
	"SELECT noetl.skip(execution_id => $1::bigint, step => $2, value => $3::jsonb, reason => $4)"},
	{"signal", CAN_SIGNAL, "RUNNING", "Send a signal", "Name", true, "Data, as JSON", false,
	"SELECT noetl.signal(execution_id => $1::bigint, name => $2, data => $3::jsonb), $4::text"},
	{"redrive", CAN_REDRIVE, "FAILED CANCELLED", "Redrive", NULL, false,
		"Input of what has failed, as JSON (empty: as it was)", true,
	"SELECT noetl.redrive(execution_id => $1::bigint, input => $3::jsonb, reason => $4), $2::text"},
	{"fork", CAN_FORK, "RUNNING COMPLETED FAILED CANCELLED", "Fork", "From step", true,
		"Parameters, as JSON (empty: as they were)", false,
	"SELECT noetl.fork(execution_id => $1::bigint, from_step => $2, parameters => $3::jsonb), $4::text"},
};

/* Whether an action is for executions of a status. */
static bool
is_for(const Action *action, const char *status)
{
	const char *found = strstr(action->statuses, status);

	return status[0] && found != NULL;
}

/* Appends the form of one action. */
static void
append_action(Request *request, PQExpBuffer out, const Action *action, const char *id)
{
	html(out, "<details class=\"action\" name=\"action\"><summary>%s</summary>"
		 "<form class=\"card\" method=\"post\" action=\"/execution/%s/%s\">", action->title, id,
		 action->name);
	page_token(request, out);
	if (action->step)
		html(out, "<label>%s<input name=\"step\" list=\"steps\"%r></label>", action->step,
			 action->needs_step ? " required" : "");
	if (action->json)
		html(out, "<label>%s<textarea name=\"json\" rows=\"3\" spellcheck=\"false\"></textarea></label>",
			 action->json);
	if (action->reason)
		html(out, "<label>Reason<input name=\"reason\" maxlength=\"500\"></label>");
	html(out, "<button class=\"main\">%s</button></form></details>\n", action->title);
}

static const char steps_query[] =
	"SELECT s.value ->> 'step' FROM jsonb_array_elements(noetl.explain($1, 'json')::jsonb"
	" -> 'steps') AS s LIMIT 500";

/* Appends the names of the steps, which fields offer. */
static void
append_steps(Request *request, PQExpBuffer out, const char *id)
{
	PGresult   *rows = db_query(request, steps_query, 1, id);

	html(out, "<datalist id=\"steps\">");
	for (int i = 0; rows && i < PQntuples(rows); i++)
		html(out, "<option value=\"%s\">", db_text(rows, i, 0));
	html(out, "</datalist>\n");
	PQclear(rows);
}

/* Appends the forms of what the role may do (execution.h). */
void
append_actions(Request *request, PQExpBuffer out, const char *id, const char *status, bool paused)
{
	unsigned	can = page_can(request);
	bool		any = false;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
	{
		if (!(can & 1u << actions[i].can) || !is_for(&actions[i], status) ||
			actions[i].can == (paused ? CAN_PAUSE : CAN_RESUME))
			continue;
		if (!any)
			html(out, "<div class=\"actions\" role=\"group\" aria-label=\"actions\">\n");
		any = true;
		append_action(request, out, &actions[i], id);
	}
	if (can & 1u << CAN_MIGRATE && strcmp(status, "RUNNING") == 0)
	{
		html(out, any ? "" : "<div class=\"actions\" role=\"group\" aria-label=\"actions\">\n");
		html(out, "<details class=\"action\" name=\"action\"><summary>Migrate</summary>");
		append_migrate(request, out, id, false);
		html(out, "</details>\n");
		any = true;
	}
	if (any)
	{
		html(out, "</div>\n");
		append_steps(request, out, id);
	}
}

/* Calls the function of an action; returns whether it is done. */
static bool
call(Request *request, const Action *action, const char *id, char **forked)
{
	PGresult   *rows = NULL;

	if (db_begin(request))
		rows = db_query(request, action->call, 4, id, field_or(request, "step", NULL),
						field_or(request, "json", NULL), field_or(request, "reason", NULL));
	if (rows && action->can == CAN_FORK)
		*forked = xstrdup(db_text(rows, 0, 0));
	if (!db_end(request, rows != NULL))
	{
		PQclear(rows);
		return false;
	}
	PQclear(rows);
	return rows != NULL;
}

/* POST /execution/ID/ACTION */
void
execution_post(Request *request, Reply *reply)
{
	char	   *rest = request->path + strlen("/execution/");
	char	   *name = strchr(rest, '/');
	const Action *action = NULL;
	char		id[24];
	char	   *forked = NULL;
	char		location[60];
	char		message[120];

	if (name)
		*name++ = '\0';
	for (size_t i = 0; name && i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, name) == 0)
			action = &actions[i];
	if (name && strcmp(name, "migrate") == 0 && parse_id(rest, id))
	{
		migrate_post(request, reply, id);
		return;
	}
	if (action == NULL || !parse_id(rest, id))
	{
		page_error(request, reply, MHD_HTTP_NOT_FOUND, "There is no such action");
		return;
	}
	snprintf(location, sizeof(location), "/execution/%s", id);
	if (call(request, action, id, &forked))
	{
		if (forked)
			snprintf(location, sizeof(location), "/execution/%s", forked);
		snprintf(message, sizeof(message), "%s: done.", action->title);
		page_done(request, reply, location, message);
	}
	else
	{
		snprintf(message, sizeof(message), "%s: refused.", action->title);
		page_refused(request, reply, location, message);
	}
	free(forked);
}
