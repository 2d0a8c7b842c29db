/*
 * server.h
 *		Connections of browsers, and the threads that answer them.
 */
#ifndef CONSOLE_SERVER_H
#define CONSOLE_SERVER_H

#include <stdbool.h>

/* Starts to serve; returns the port, or 0 with a message on stderr. */
extern int	server_start(void);
/* Ends slow and idle connections; called every second. */
extern void server_sweep(void);
/* Answers what is being worked on, and ends. */
extern void server_stop(void);

#endif							/* CONSOLE_SERVER_H */
