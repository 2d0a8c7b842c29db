/*
 * channel.h
 *		Requests and answers over the socket that a child process has: frames
 *		with a 4-byte length in network order.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "strbuf.h"

/* Of its length, at the front of a frame */
#define FRAME_HEADER 4

/* One request and its answer, as far as they have come */
typedef struct Exchange
{
	StringBuf	request;
	size_t		sent;
	StringBuf	answer;			/* with its length */
} Exchange;

extern void frame_begin(StringBuf *frame);
extern void frame_end(StringBuf *frame);
extern size_t frame_size(const StringBuf *frame);
extern bool frame_complete(const StringBuf *frame);
extern void frame_drop(StringBuf *frame);
extern bool frame_receive(int fd, StringBuf *frame);
extern bool frame_send(int fd, const StringBuf *frame, size_t *sent);
extern bool exchange_pump(int fd, Exchange *x);

#endif							/* CHANNEL_H */
