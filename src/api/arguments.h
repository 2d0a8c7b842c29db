/*
 * api/arguments.h
 *		Arguments of SQL-callable functions.
 */
#ifndef NOETL_API_ARGUMENTS_H
#define NOETL_API_ARGUMENTS_H

#include "fmgr.h"

/* Returns a text argument, or NULL. */
extern char *text_argument(FunctionCallInfo fcinfo, int argument);

/*
 * Reads a text[] argument into *strings, in CurrentMemoryContext, and returns how
 * many there are.  NULL elements are left out.  A NULL argument is an empty array.
 */
extern int	text_array_argument(FunctionCallInfo fcinfo, int argument, char ***strings);

/*
 * Returns an interval argument, which is not NULL, in microseconds.  Raises unless it
 * is positive and shorter than a century; name: what the error calls it.
 */
extern int64 span_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * Raises an error when a function is called by the SQL of another release, which
 * declares it with another number of arguments.
 */
extern void arguments_check(FunctionCallInfo fcinfo, int count);

#endif							/* NOETL_API_ARGUMENTS_H */
