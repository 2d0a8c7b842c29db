/*
 * watch.h
 *		The one connection that waits for changes in the database.
 */
#ifndef CONSOLE_WATCH_H
#define CONSOLE_WATCH_H

#include <stdbool.h>

#include <libpq-fe.h>

/* Whether no connection waits: the next login is to bring one. */
extern bool watch_wanted(void);
/*
 * Takes over a connection that has just been made, and closes it when its role may not
 * wait or another came first.
 */
extern void watch_offer(PGconn *conn);

/*
 * The following are for the one thread of live.c.
 *
 * watch_begin() has the connection wait; false: there is none.  watch_poll() returns
 * after a time in milliseconds, when the bell (a file descriptor) rings, or when the
 * wait is over: only then it returns true.
 */
extern bool watch_begin(void);
extern bool watch_poll(int bell, int timeout);
/* Closes the connection. */
extern void watch_close(void);

#endif							/* CONSOLE_WATCH_H */
