/*
 * http.h
 *		Between the files of the http executor.
 */
#ifndef HTTP_H
#define HTTP_H

#include <curl/curl.h>

#include "outcome.h"

/* What is sent; curl keeps pointers into it until the request has ended */
typedef struct HttpRequest
{
	char	   *method;
	StringBuf	url;
	StringBuf	body;
	bool		has_body;
	struct curl_slist *headers;
	char	   *username;		/* basic authentication, or NULL */
	char	   *password;
	bool		verify;
	bool		follow;
} HttpRequest;

/* http_request.c: false means that the outcome is a failure already */
extern bool http_request_init(HttpRequest *request, const Task *task, Outcome *out);
extern void http_request_free(HttpRequest *request);
extern bool http_add_header(HttpRequest *request, const char *name,
							const char *value, Outcome *out);
extern const Field *http_field(const Task *task, const char *path, int depth);
extern const char *http_member(const Field *map, const Field *field);

/* http_auth.c */
extern bool http_add_auth(HttpRequest *request, const Task *task, Outcome *out);

#endif							/* HTTP_H */
