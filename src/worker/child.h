/*
 * child.h
 *		Child processes with their output on pipes.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* The descriptor at which a child finds its message channel */
#define CHILD_CHANNEL_FD 3

typedef struct ChildSpec
{
	const char *const *argv;
	const char *const *env;		/* name, value, name, value, …, NULL; or NULL */
	bool		inherits_environment;	/* all of ours, for a helper process */
	const char *cwd;			/* or NULL */
	bool		channel;		/* with a socket at CHILD_CHANNEL_FD */
	bool		channel_is_stdin;	/* at stdin instead */
	bool		shares_output;	/* with ours, instead of pipes */
	long long	memory;			/* bytes that it may allocate; 0: no limit */
} ChildSpec;

typedef struct Child
{
	pid_t		pid;			/* 0: none, or already reaped */
	int			status;			/* as from waitpid, once reaped */
	int			out;
	int			err;
	int			channel;
} Child;

#define CHILD_INIT {0, 0, -1, -1, -1}

extern bool child_start(Child *child, const ChildSpec *spec);
extern bool child_reap(Child *child, bool block);
extern void child_kill(Child *child);
extern void child_close(Child *child);
extern const char *child_fate(const Child *child);

#endif							/* CHILD_H */
