/*
 * mate.h
 *		Processes that execute the items of an iterator side by side.
 */
#ifndef MATE_H
#define MATE_H

#include "worker.h"

typedef struct Mate Mate;

extern Mate *mate_at(int index);
extern bool mate_send(Mate *mate, const Task *task);
extern struct pollfd mate_poll(const Mate *mate);
extern bool mate_receive(Mate *mate, Outcome *out);
extern void mates_stop(bool only_busy);

#endif							/* MATE_H */
