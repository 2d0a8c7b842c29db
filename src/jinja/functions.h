/*
 * jinja/functions.h
 *		Functions of several files, which jinja/functions.c puts into one table.
 */
#ifndef NOETL_JINJA_FUNCTIONS_H
#define NOETL_JINJA_FUNCTIONS_H

#include "jinja/internal.h"

#define FUNCTION(name) \
	extern Value jinja_function_##name(Eval *ev, const Value *argv, const CallArgs *call)

/* jinja/dates.c */
FUNCTION(date_time);
FUNCTION(now);
FUNCTION(timedelta);
FUNCTION(today);

#endif							/* NOETL_JINJA_FUNCTIONS_H */
