/*
 * main.c
 *		noetl-console: web pages about what noetl does.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "layout.h"
#include "options.h"
#include "server.h"
#include "session.h"

int
main(int argc, char **argv)
{
	sigset_t	signals;
	struct timespec second = {1, 0};
	int			port;

#ifdef HAVE_GRAPHVIZ
	if (argc == 2 && strcmp(argv[1], LAYOUT_ARGUMENT) == 0)
		return layout_answer();
#endif
	read_options(argc, argv);
	/* threads inherit the mask: only this one takes the signals */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	sessions_init();
	port = server_start();
	if (port == 0)
		return 1;
	printf(strchr(options.address, ':') ? "http://[%s]:%d/\n" : "http://%s:%d/\n", options.address,
		   port);
	fflush(stdout);
	for (;;)
	{
		int			number = sigtimedwait(&signals, NULL, &second);

		if (number == SIGTERM || number == SIGINT)
			break;
		server_sweep();
		sessions_expire();
	}
	server_stop();
	return 0;
}
