/*
 * page.h
 *		What the pages have in common.
 */
#ifndef CONSOLE_PAGE_H
#define CONSOLE_PAGE_H

#include "db.h"
#include "http.h"

/* Two columns of a query that page_time() reads: a moment, and its age in seconds. */
#define MOMENT(column) \
	"to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')," \
	" floor(extract(epoch FROM clock_timestamp() - " column "))::bigint"

/* The smallest id that can be of this moment (noetl.next_id()). */
#define ID_OF(moment) \
	"(greatest(least(extract(epoch FROM " moment " - timestamptz '2024-01-01 00:00:00Z') * 1000," \
	" (1::bigint << 41) - 1), 0)::bigint << 22)"

/* The functions that a role may be allowed to call */
typedef enum Can
{
	CAN_CANCEL,
	CAN_PAUSE,
	CAN_RESUME,
	CAN_RETRY,
	CAN_REDRIVE,
	CAN_SKIP,
	CAN_FORK,
	CAN_SIGNAL,
	CAN_EXECUTE,
	CAN_REGISTER,
	CAN_VALIDATE,
	CAN_SIMULATE,
	CAN_SCHEDULE,
	CAN_UNSCHEDULE,
	CAN_MIGRATE,
	CAN_DRAW,
	CAN_COUNT
} Can;

/*
 * Returns a set of bits 1 << CAN_...: the functions that there are and that the role
 * may execute; with --readonly none that changes anything.
 */
extern unsigned page_can(Request *request);

/* The page up to its content; live: "" for lists, the id of an execution, NULL: not. */
extern void page_begin(Request *request, Reply *reply, const char *title, const char *live);
extern void page_end(Request *request, Reply *reply);
/* A page that says what is wrong. */
extern void page_error(Request *request, Reply *reply, int status, const char *title);
/* The message of the last failed query, in the place of what it would have brought. */
extern void page_failed(Request *request, PQExpBuffer out);

extern void page_empty(PQExpBuffer out, const char *title, const char *advice);
extern void page_tag(PQExpBuffer out, const char *status);
extern void page_time(PQExpBuffer out, const PGresult *rows, int row, int column);
extern void page_span(PQExpBuffer out, double seconds);
/* The hidden fields of a form that changes something. */
extern void page_token(Request *request, PQExpBuffer out);
/* A value, folded when it is long; href: where all of it is. */
extern void page_value(PQExpBuffer out, const char *caption, const char *value, const char *size,
					   const char *href, bool open);
/*
 * The graph of an execution (of: its id), with the state of each step, or of the newest
 * version of a playbook (of: its path).
 */
extern void page_graph(Request *request, PQExpBuffer out, const char *of);
/*
 * The graph of a text, with states of its steps as noetl.draw() takes them; nothing for
 * a text that does not compile.
 */
extern void page_drawing(Request *request, PQExpBuffer out, const char *content,
						 const char *states);
/* After a POST: back to a page, with a message of what was done or went wrong. */
extern void page_done(Request *request, Reply *reply, const char *location, const char *message);
extern void page_refused(Request *request, Reply *reply, const char *location, const char *title);

/*
 * Appends input fields for the members of a JSON object: of a JSON schema, or of
 * defaults whose types show; returns how many there are.
 */
extern int	form_of_schema(Request *request, PQExpBuffer out, const char *schema);
extern int	form_of_defaults(Request *request, PQExpBuffer out, const char *defaults);
/*
 * Returns the JSON that such a form, or its field "json", has; NULL with
 * request->error when it is none.  To be freed.
 */
extern char *form_value(Request *request);

#endif							/* CONSOLE_PAGE_H */
