/*
 * common/srf.h
 *		Functions that return a set of rows, all at once.
 */
#ifndef NOETL_COMMON_SRF_H
#define NOETL_COMMON_SRF_H

#include "fmgr.h"
#include "nodes/execnodes.h"

/*
 * Puts an empty set of rows into the caller's ReturnSetInfo, and returns that.
 */
extern ReturnSetInfo *rows_begin(FunctionCallInfo fcinfo);

#endif							/* NOETL_COMMON_SRF_H */
