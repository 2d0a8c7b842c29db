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

/* Answers GET /live. */
extern void live_page(Request *request, Reply *reply);
/* Makes the response of a stream; the stream then belongs to it. */
extern struct MHD_Response *live_response(Stream *stream, struct MHD_Connection *connection);
/* Frees a stream that no response has. */
extern void live_discard(Stream *stream);
/* Starts the thread that looks for changes once a second, and tells the streams of them. */
extern void live_start(void);
/* Ends that thread and all streams. */
extern void live_stop(void);

#endif							/* CONSOLE_LIVE_H */
