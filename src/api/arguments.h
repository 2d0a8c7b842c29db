/*
 * api/arguments.h
 *		Arguments of SQL-callable functions.
 */
#ifndef NOETL_API_ARGUMENTS_H
#define NOETL_API_ARGUMENTS_H

#include "fmgr.h"

/*
 * Reads a text[] argument into *strings, in CurrentMemoryContext, and returns how
 * many there are.  NULL elements are left out.  A NULL argument is an empty array.
 */
extern int	text_array_argument(FunctionCallInfo fcinfo, int argument, char ***strings);

#endif							/* NOETL_API_ARGUMENTS_H */
