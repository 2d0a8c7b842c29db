/*
 * engine/row_json.h
 *		A row as a JSON object: what to_jsonb() makes of it.
 */
#ifndef NOETL_ENGINE_ROW_JSON_H
#define NOETL_ENGINE_ROW_JSON_H

#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/jsonb.h"

/* How the columns of a row are converted. */
typedef struct RowJson
{
	int			ncolumns;
	char	  **names;			/* NULL: the column has been dropped */
	FmgrInfo   *to_jsonb;		/* by column */
} RowJson;

/* Prepares the conversion of rows; what it needs is in the memory context. */
extern void row_json_prepare(RowJson *row, TupleDesc desc, MemoryContext memory);
/*
 * Builds the object of a row.  Types with a cast to json have code of their own that
 * runs, as the current role.
 */
extern void row_json_build(RowJson *row, TupleTableSlot *slot, JsonbValue *object);

#endif							/* NOETL_ENGINE_ROW_JSON_H */
