/*
 * result_set.h
 *		Functions that return rows.
 */
#ifndef NOETL_RESULT_SET_H
#define NOETL_RESULT_SET_H

#include "nodes/execnodes.h"

/* Prepares setResult and setDesc for a function that puts all rows there. */
extern ReturnSetInfo *result_set_begin(FunctionCallInfo fcinfo);

#endif							/* NOETL_RESULT_SET_H */
