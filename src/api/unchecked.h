/*
 * api/unchecked.h
 *		Functions that check rights, and then let another one do the work.
 */
#ifndef NOETL_API_UNCHECKED_H
#define NOETL_API_UNCHECKED_H

#include "fmgr.h"

/*
 * Calls the SQL function with the same schema and arguments whose name is that of
 * the called one and "_unchecked"; returns what it returns, rows included.  The
 * caller must have checked the right of the current role.
 */
extern Datum call_unchecked(FunctionCallInfo fcinfo);

#endif							/* NOETL_API_UNCHECKED_H */
