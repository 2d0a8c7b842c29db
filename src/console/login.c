/*
 * login.c
 *		Logging in and out.
 */
#include <stdio.h>
#include <string.h>

#include <microhttpd.h>

#include "options.h"
#include "page.h"
#include "screens.h"

/*
 * Appends the page.  The form has a token that a cookie has, too, so that no other
 * site can log a browser in.
 */
static void
append_login(Request *request, Reply *reply, const char *role, const char *message)
{
	PQExpBuffer out = &reply->body;
	char		token[TOKEN_SIZE] = ""; /* which no token is */

	/* several pages may be open: all have the token of the first */
	(void) request_cookie(request, "noetl_login", token, sizeof(token));
	if (!token_valid(token))
		random_token(token);
	reply_cookie(reply, "noetl_login", token, 3600);
	page_begin(request, reply, "Log in", NULL);
	html(out, "<form class=\"card login\" method=\"post\" action=\"/login\">\n"
		 "<input type=\"hidden\" name=\"csrf\" value=\"%s\">\n", token);
	if (message)
		html(out, "<div class=\"alert bad\" role=\"alert\">%s</div>\n", message);
	html(out, "<label>Role of the database<input name=\"role\" value=\"%s\" autocomplete=\"username\""
		 " required autofocus></label>\n"
		 "<label>Password<input name=\"password\" type=\"password\" autocomplete=\"current-password\"%r>"
		 "</label>\n<button class=\"main\">Log in</button>\n"
		 "<p class=\"note\">You see and do here what this role may see and do in the database."
		 " noetl.create_roles() makes roles to grant: noetl_reader sees, noetl_client starts and"
		 " acts, noetl_author registers playbooks.</p></form>\n", role,
		 options.ntrusted > 0 ? "" : " required");
	page_end(request, reply);
}

/* GET /login */
void
login_page(Request *request, Reply *reply)
{
	append_login(request, reply, "", NULL);
}

/* POST /login */
void
login_post(Request *request, Reply *reply)
{
	char		token[TOKEN_SIZE];
	char		old[TOKEN_SIZE];
	char		expected[TOKEN_SIZE] = "";	/* which no token is */
	char		message[300];

	(void) request_cookie(request, "noetl_login", expected, sizeof(expected));
	if (request->foreign || !token_equal(field(request, "csrf"), expected))
	{
		reply->status = MHD_HTTP_FORBIDDEN;
		append_login(request, reply, "", "This form is too old. Try again.");
		return;
	}
	reply->status = session_login(field_or(request, "role", ""), field_or(request, "password", ""),
								  token, message, sizeof(message));
	if (reply->status != 0)
	{
		append_login(request, reply, field_or(request, "role", ""), message);
		return;
	}
	/* the browser cannot log out of the session that it has had until now */
	if (request_cookie(request, "noetl_session", old, sizeof(old)))
		session_end_of(old);
	reply_redirect(reply, "/");
	reply_cookie(reply, "noetl_session", token, options.session_timeout);
	reply_cookie(reply, "noetl_login", "", 0);
}

/* POST /logout */
void
logout_post(Request *request, Reply *reply)
{
	session_end(request->session);
	reply_redirect(reply, "/login");
	reply_cookie(reply, "noetl_session", "", 0);
}
