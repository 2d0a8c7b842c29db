/*
 * heartbeat.h
 *		Renewing the leases of tasks while they are executed.
 */
#ifndef HEARTBEAT_H
#define HEARTBEAT_H

#include "task.h"

extern void heartbeat_init(void);
extern double heartbeat_beat(void);
extern void heartbeat_set(TaskList *list);

#endif							/* HEARTBEAT_H */
