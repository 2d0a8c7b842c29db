/*
 * helper.h
 *		Helper processes: they execute tasks, or the items of an iterator, at the
 *		same time.
 */
#ifndef HELPER_H
#define HELPER_H

#include <poll.h>

#include "outcome.h"

#define DEFAULT_CONCURRENCY 8	/* helper processes of an iterator that names no number */

typedef struct Helper Helper;

extern Helper *helper_at(int index);
extern bool helper_send(Helper *helper, Task *task);
extern struct pollfd helper_poll(const Helper *helper);
extern bool helper_receive(Helper *helper, Outcome *out);
extern void helper_abandon(Helper *helper);
extern bool helper_abandoned(Helper *helper);
extern void helpers_stop(bool only_busy);

#endif							/* HELPER_H */
