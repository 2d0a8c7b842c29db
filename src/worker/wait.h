/*
 * wait.h
 *		Waiting for descriptors, time and signals in one place.
 *
 * Hooks are work that becomes due while something waits: renewing leases,
 * storing events.  task_wait() runs them.
 */
#ifndef WAIT_H
#define WAIT_H

#include <poll.h>
#include <stdbool.h>

#include "task.h"

/* Tasks, or items of an iterator, that a worker executes at the same time, at most */
#define MAX_CONCURRENCY 64
#define MAX_WAIT_FDS (MAX_CONCURRENCY + 104)

typedef struct WaitHook
{
	double		(*due) (void);	/* monotonic seconds; 0: nothing to do */
	void		(*run) (Task *task);	/* must move due() on */
	bool		with_task_only; /* not while the worker itself waits */
} WaitHook;

extern void wait_add_hook(const WaitHook *hook);
extern bool task_abandoned(Task *task);
extern bool task_wait(Task *task, struct pollfd *fds, int nfds, double until);
extern bool pause_for(double seconds);
extern double monotonic_now(void);
extern double sooner(double a, double b);

#endif							/* WAIT_H */
