/*
 * route.c
 *		Which function answers a request, and who may ask it.
 *
 * Nothing but a POST changes anything, and a POST needs the token that the forms of
 * its session have.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "live.h"
#include "options.h"
#include "page.h"
#include "screens.h"

static const char style_sheet[] =
#include "console_css.inc"
;
static const char script[] =
#include "console_js.inc"
;

static const char icon[] =
	"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\""
	" rx=\"3\" fill=\"#15529c\"/><path d=\"M4 12V4l8 8V4\" fill=\"none\" stroke=\"#fff\""
	" stroke-width=\"2\"/></svg>\n";

typedef struct Route
{
	const char *path;			/* ends in "/": a prefix */
	void		(*get) (Request *, Reply *);
	void		(*post) (Request *, Reply *);
	bool		reads;			/* its POST changes nothing */
} Route;

static const Route routes[] = {
	{"/", overview_page, NULL},
	{"/executions", executions_page, NULL},
	{"/bulk", bulk_page, bulk_post},
	{"/execution/", execution_page, execution_post},
	{"/approvals", approvals_page, approvals_post},
	{"/playbooks", playbooks_page, NULL},
	{"/playbook", playbook_page, NULL},
	{"/editor", editor_page, editor_post, true},
	{"/lint", NULL, lint_post, true},
	{"/start", NULL, start_post},
	{"/schedules", schedules_page, schedules_post},
	{"/live", live_page, NULL},
	{"/logout", NULL, logout_post, true},
	{NULL}
};

/* Returns the value of a field, NULL when there is none. */
const char *
field(const Request *request, const char *name)
{
	for (int i = 0; i < request->nfields; i++)
		if (strcmp(request->fields[i].name, name) == 0)
			return request->fields[i].value;
	return NULL;
}

/* Returns the value of a field that is not empty, else what is given. */
const char *
field_or(const Request *request, const char *name, const char *otherwise)
{
	const char *value = field(request, name);

	return value && value[0] ? value : otherwise;
}

/* Sends the browser to another page, by GET. */
void
reply_redirect(Reply *reply, const char *location)
{
	reply->status = MHD_HTTP_SEE_OTHER;
	free(reply->location);
	reply->location = xstrdup(location);
}

/*
 * Sets a cookie that no script can read and that no other site sends.  Browsers do not
 * tell the ports of a host apart, so the port is a part of the name.
 */
void
reply_cookie(Reply *reply, const char *name, const char *value, int max_age)
{
	char	   *cookie;

	if (asprintf(&cookie, "%s_%d=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s", name,
				 options.port, value, max_age, options.secure_cookie ? "; Secure" : "") < 0)
		abort();
	reply->cookies[reply->ncookies++] = cookie;
}

/* Copies the value of a cookie; returns false when there is none that fits. */
bool
request_cookie(const Request *request, const char *name, char *value, size_t size)
{
	char		full_name[64];
	size_t		name_length;

	name_length = (size_t) snprintf(full_name, sizeof(full_name), "%s_%d", name, options.port);
	for (const char *p = request->cookie; p && *p;)
	{
		size_t		length;

		p += strspn(p, "; ");
		length = strcspn(p, ";");
		if (strncmp(p, full_name, name_length) == 0 && p[name_length] == '=' &&
			length - name_length - 1 < size)
		{
			memcpy(value, p + name_length + 1, length - name_length - 1);
			value[length - name_length - 1] = '\0';
			return true;
		}
		p += length;
	}
	return false;
}

/*
 * Returns whether a Host header names this console: a name that somebody else has
 * pointed at this machine is none.
 */
bool
host_allowed(const char *host)
{
	static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
	const char *bracket = strchr(host, ']');
	size_t		length = bracket ? (size_t) (bracket - host) + 1 : strcspn(host, ":");

	if (!options.loopback && options.nhosts == 0)
		return true;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strlen(own[i]) == length && strncasecmp(host, own[i], length) == 0)
			return true;
	for (int i = 0; i < options.nhosts; i++)
		if (strlen(options.hosts[i]) == length && strncasecmp(host, options.hosts[i], length) == 0)
			return true;
	if (strncasecmp(host, options.address, length) == 0 && strlen(options.address) == length)
		return true;
	return false;
}

/* Answers what needs no login; returns false for all else. */
static bool
route_open(Request *request, Reply *reply)
{
	if (strcmp(request->path, "/login") == 0)
	{
		if (request->post)
			login_post(request, reply);
		else
			login_page(request, reply);
		return true;
	}
	if (request->post)
		return false;
	if (strcmp(request->path, "/assets/console.css") == 0)
	{
		reply->type = "text/css; charset=utf-8";
		appendPQExpBufferStr(&reply->body, style_sheet);
		reply->cacheable = true;
	}
	else if (strcmp(request->path, "/assets/console.js") == 0)
	{
		reply->type = "text/javascript; charset=utf-8";
		appendPQExpBufferStr(&reply->body, script);
		reply->cacheable = true;
	}
	else if (strcmp(request->path, "/assets/icon.svg") == 0)
	{
		reply->type = "image/svg+xml";
		appendPQExpBufferStr(&reply->body, icon);
		reply->cacheable = true;
	}
	else if (strcmp(request->path, "/healthz") == 0)
	{
		reply->type = "text/plain; charset=utf-8";
		html(&reply->body, "ok\n");
	}
	else
		return false;
	return true;
}

/* Returns the route of a path, NULL: there is none. */
static const Route *
find_route(const char *path)
{
	for (const Route *route = routes; route->path; route++)
	{
		size_t		length = strlen(route->path);

		if (strcmp(route->path, path) == 0 ||
			(length > 1 && route->path[length - 1] == '/' &&
			 strncmp(route->path, path, length) == 0))
			return route;
	}
	return NULL;
}

/* Answers as a session. */
static void
route_session(Request *request, Reply *reply)
{
	const Route *route = find_route(request->path);

	if (route == NULL || (request->post ? route->post : route->get) == NULL)
		page_error(request, reply, route ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
				   "There is no such page");
	else if (request->post &&
			 (request->foreign || !token_equal(field(request, "csrf"), request->session->csrf)))
		page_error(request, reply, MHD_HTTP_FORBIDDEN,
				   "This form is not of this session: load the page again");
	else if (request->post && options.readonly && !route->reads)
		page_error(request, reply, MHD_HTTP_FORBIDDEN, "This console only shows (--readonly)");
	else if (request->post)
		route->post(request, reply);
	else
		route->get(request, reply);
}

/* Answers a request (http.h). */
void
route(Request *request, Reply *reply)
{
	char		token[TOKEN_SIZE];
	bool		busy = false;
	bool		live = strcmp(request->path, "/live") == 0;

	if (route_open(request, reply))
		return;
	if (request_cookie(request, "noetl_session", token, sizeof(token)))
		request->session = session_acquire(token, !request->refresh && !live, true, &busy);
	if (request->session)
	{
		request->since = live_since();
		route_session(request, reply);
		session_release(request->session);
		request->session = NULL;
	}
	else if (busy)
	{
		reply->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		reply->type = "text/plain; charset=utf-8";
		html(&reply->body, "Too many requests of this session wait for the database.\n");
	}
	else if (request->post || live || request->refresh)
	{
		reply->status = MHD_HTTP_UNAUTHORIZED;
		reply->type = "text/plain; charset=utf-8";
		html(&reply->body, "The session is over: log in again.\n");
	}
	else if (find_route(request->path))
		reply_redirect(reply, "/login");
	else
	{
		reply->status = MHD_HTTP_NOT_FOUND;
		reply->type = "text/plain; charset=utf-8";
		html(&reply->body, "There is no such page.\n");
	}
}
