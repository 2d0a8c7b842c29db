/*
 * http.h
 *		A request of an http task, between the files of the executor.
 */
#ifndef HTTP_H
#define HTTP_H

#include <curl/curl.h>

#include "outcome.h"

/* A request; curl keeps pointers into it until it has ended */
typedef struct HttpRequest
{
	char	   *method;
	StringBuf	url;
	StringBuf	body;
	bool		has_body;
	CURLU	   *parsed;			/* the url, without user and password */
	struct curl_slist *headers; /* that the task gives */
	struct curl_slist *auth_headers;	/* for the origin of the url only */
	struct curl_slist *sent;	/* both, while curl needs them */
	char	   *username;		/* basic authentication, or NULL */
	char	   *password;
	bool		adds_auth;		/* http_add_header() is called for auth */
	bool		verify;
	bool		follow;
	double		give_up;		/* without a timeout of the task */
} HttpRequest;

/* http_request.c: false means that the outcome is a failure already */
extern bool http_request_init(HttpRequest *request, const Task *task, Outcome *out);
extern void http_request_free(HttpRequest *request);
extern bool http_request_redirect(HttpRequest *request, const char *url, long status,
								  Outcome *out);
extern struct curl_slist *http_request_headers(HttpRequest *request);
extern bool http_add_header(HttpRequest *request, const char *name,
							const char *value, Outcome *out);
extern const Field *http_field(const Task *task, const char *path, int depth);
extern const char *http_member(const Field *map, const Field *field);

/* http_auth.c */
extern bool http_add_auth(HttpRequest *request, const Task *task, Outcome *out);

#endif							/* HTTP_H */
