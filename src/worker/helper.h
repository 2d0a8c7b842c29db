/*
 * helper.h
 *		Processes that execute the items of an iterator side by side.
 */
#ifndef HELPER_H
#define HELPER_H

#include "worker.h"

typedef struct Helper Helper;

extern Helper *helper_at(int index);
extern bool helper_send(Helper *helper, const Task *task);
extern struct pollfd helper_poll(const Helper *helper);
extern bool helper_receive(Helper *helper, Outcome *out);
extern void helpers_stop(bool only_busy);

#endif							/* HELPER_H */
