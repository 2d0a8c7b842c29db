/*
 * live.h
 *		Pages that are open hear when what they show has changed.
 */
#ifndef CONSOLE_LIVE_H
#define CONSOLE_LIVE_H

#include <sys/types.h>

#include <microhttpd.h>

#include "http.h"

typedef struct Stream Stream;

/* So many descendants are shown, of each execution so many children, so deep. */
#define DESCENDANTS		"200"
#define CHILDREN		"100"
#define GENERATIONS		"8"

/*
 * A query begins with what the executions below one are: a LIMIT of DESCENDANTS on t ends
 * the search.
 */
#define WITH_DESCENDANTS(id) \
	"WITH RECURSIVE t AS ((SELECT d.execution_id, 1 AS depth, ARRAY[d.execution_id] AS place" \
	" FROM noetl.execution AS d WHERE d.parent_execution_id = " id \
	" ORDER BY d.execution_id LIMIT " CHILDREN ")" \
	" UNION ALL SELECT c.execution_id, t.depth + 1, t.place || c.execution_id FROM t" \
	" CROSS JOIN LATERAL (SELECT d.execution_id FROM noetl.execution AS d" \
	" WHERE d.parent_execution_id = t.execution_id" \
	" ORDER BY d.execution_id LIMIT " CHILDREN ") AS c" \
	" WHERE t.depth < " GENERATIONS ")"

/*
 * What changes with an execution and those below it, as a column of a query: the page
 * says which it has shown.
 */
#define LIVE_MARK(x) \
	"concat((SELECT max(e.event_id) FROM noetl.event AS e" \
	" WHERE e.execution_id = " x ".execution_id), " x ".status," \
	" (" WITH_DESCENDANTS(x ".execution_id") \
	" SELECT hashtext(string_agg(concat(b.execution_id, b.status), ',' ORDER BY b.execution_id))" \
	" FROM (SELECT t.execution_id FROM t LIMIT " DESCENDANTS ") AS f" \
	" JOIN noetl.execution AS b USING (execution_id)))"

/* Returns a number that a page has, by which a stream knows what the page has missed. */
extern int	live_since(void);
/* Answers GET /live. */
extern void live_page(Request *request, Reply *reply);
/* Makes the response of a stream; the stream then belongs to it. */
extern struct MHD_Response *live_response(Stream *stream, struct MHD_Connection *connection);
/* Frees a stream that no response has. */
extern void live_discard(Stream *stream);
/* Starts the thread that waits for changes and tells the streams of them. */
extern void live_start(void);
/* Ends that thread and all streams. */
extern void live_stop(void);

#endif							/* CONSOLE_LIVE_H */
