/*
 * channel.c
 *		Requests and answers over the socket that a child process has.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"

#define MAX_FRAME (300u * 1024 * 1024)

/* Begins a frame: reserves the place of its length. */
void
frame_begin(StringBuf *frame)
{
	uint32_t	size = 0;

	sb_reset(frame);
	sb_add(frame, &size, sizeof(size));
}

/* Ends a frame: writes its length. */
void
frame_end(StringBuf *frame)
{
	uint32_t	size = htonl((uint32_t) (frame->len - FRAME_HEADER));

	memcpy(frame->data, &size, sizeof(size));
}

/* Returns the size of a frame with its length, 0 while the length is not there. */
size_t
frame_size(const StringBuf *frame)
{
	uint32_t	size;

	if (frame->len < sizeof(size))
		return 0;
	memcpy(&size, frame->data, sizeof(size));
	return (size_t) ntohl(size) + sizeof(size);
}

/* Tells whether a frame is complete. */
bool
frame_complete(const StringBuf *frame)
{
	return frame->len >= FRAME_HEADER && frame->len >= frame_size(frame);
}

/* Drops a complete frame; what has arrived of the next one stays. */
void
frame_drop(StringBuf *frame)
{
	size_t		size = frame_size(frame);

	memmove(frame->data, frame->data + size, frame->len - size);
	frame->len -= size;
	frame->data[frame->len] = '\0';
}

/*
 * Reads what has arrived of a frame, without blocking.  Returns false when the other
 * side is gone or the frame is too long.
 */
bool
frame_receive(int fd, StringBuf *frame)
{
	char		buffer[65536];

	while (!frame_complete(frame))
	{
		ssize_t		n = read(fd, buffer, sizeof(buffer));

		if (n == 0)
			return false;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		sb_add(frame, buffer, (size_t) n);
		if (frame_size(frame) > MAX_FRAME)
			return false;
	}
	return true;
}

/*
 * Sends what can be sent of a frame, without blocking.  Returns false when the other
 * side is gone.
 */
bool
frame_send(int fd, const StringBuf *frame, size_t *sent)
{
	ssize_t		n;

	if (*sent == frame->len)
		return true;
	n = send(fd, frame->data + *sent, frame->len - *sent, MSG_NOSIGNAL);
	if (n > 0)
		*sent += (size_t) n;
	return n > 0 || errno == EAGAIN || errno == EINTR;
}

/* Sends and receives without blocking; returns false when the channel is broken. */
bool
exchange_pump(int fd, Exchange *x)
{
	return frame_send(fd, &x->request, &x->sent) && frame_receive(fd, &x->answer);
}
