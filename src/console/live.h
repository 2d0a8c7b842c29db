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

/*
 * What changes with an execution, as a column of a query: the page says which it has
 * shown.
 */
#define LIVE_MARK(x) \
	"(SELECT concat(max(e.event_id), " x ".status) FROM noetl.event AS e" \
	" WHERE e.execution_id = " x ".execution_id)"

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
