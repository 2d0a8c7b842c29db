/*
 * concurrency.h
 *		How many tasks a worker executes at the same time, of a type and of all.
 */
#ifndef CONCURRENCY_H
#define CONCURRENCY_H

#include "strbuf.h"

extern bool concurrency_init(StringBuf *error);
extern int	concurrency_of(const char *type);

#endif							/* CONCURRENCY_H */
