/*
 * http.h
 *		A request, its answer, and what a page needs of both.
 */
#ifndef CONSOLE_HTTP_H
#define CONSOLE_HTTP_H

#include <stdbool.h>

#include "text.h"

struct Session;
struct Stream;

#define MAX_FIELDS		2000

typedef struct Field
{
	char	   *name;
	char	   *value;
} Field;

typedef struct Request
{
	bool		post;
	bool		head;			/* the answer has no body */
	bool		foreign;		/* the browser says that another site sends it */
	bool		refresh;		/* the page asks by itself: nobody has done anything */
	char	   *path;
	char	   *cookie;			/* the header, or NULL */
	Field	   *fields;			/* of the query string, or of the form */
	int			nfields;
	struct Session *session;	/* set by route() for pages that need a login */
	PQExpBufferData error;		/* what db_query() says of its last failure, as HTML */
	bool		denied;			/* that was a lack of rights */
	int			since;			/* live_since() before the page was made */
	char		mark[64];		/* of the execution that the page shows (live.h) */
} Request;

typedef struct Reply
{
	int			status;
	PQExpBufferData body;
	const char *type;			/* Content-Type; HTML unless set */
	const char *file_name;		/* to be saved under */
	bool		cacheable;
	char	   *location;		/* of a redirection */
	char	   *cookies[2];		/* Set-Cookie headers */
	int			ncookies;
	struct Stream *stream;		/* the answer goes on: see live.c */
} Reply;

/* Answers a request; works in a thread that may wait for the database (route.c). */
extern void route(Request *request, Reply *reply);

extern const char *field(const Request *request, const char *name);
extern const char *field_or(const Request *request, const char *name, const char *otherwise);
extern void reply_redirect(Reply *reply, const char *location);
extern void reply_cookie(Reply *reply, const char *name, const char *value, int max_age);
extern bool request_cookie(const Request *request, const char *name, char *value, size_t size);
extern bool host_allowed(const char *host);

#endif							/* CONSOLE_HTTP_H */
