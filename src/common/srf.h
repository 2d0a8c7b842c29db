/*
 * common/srf.h
 *		Functions that return a set of rows, all at once.
 */
#ifndef NOETL_COMMON_SRF_H
#define NOETL_COMMON_SRF_H

#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/tuplestore.h"

/*
 * Puts an empty set of rows into the caller's ReturnSetInfo, and returns that.
 */
extern ReturnSetInfo *rows_begin(FunctionCallInfo fcinfo);

/*
 * Does the same for a function that is declared to return rows of a table, and returns
 * where the caller puts slots of that table: the executor knows their type.
 */
extern Tuplestorestate *rows_begin_stored(FunctionCallInfo fcinfo);

#endif							/* NOETL_COMMON_SRF_H */
