/*
 * engine/row_json.c
 *		A row as a JSON object: what to_jsonb() makes of it.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"

#include "engine/row_json.h"

/* Prepares the conversion of rows (engine/row_json.h). */
void
row_json_prepare(RowJson *row, TupleDesc desc, MemoryContext memory)
{
	MemoryContext old = MemoryContextSwitchTo(memory);

	row->ncolumns = desc->natts;
	row->names = palloc0(sizeof(char *) * Max(desc->natts, 1));
	row->to_jsonb = palloc0(sizeof(FmgrInfo) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Node	   *argument;

		if (column->attisdropped)
			continue;
		argument = (Node *) makeNullConst(column->atttypid, column->atttypmod,
										  column->attcollation);
		row->names[i] = pstrdup(NameStr(column->attname));
		fmgr_info_cxt(F_TO_JSONB, &row->to_jsonb[i], memory);
		fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
												 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
						   &row->to_jsonb[i]);
	}
	MemoryContextSwitchTo(old);
}

/* Builds the object of a row (engine/row_json.h). */
void
row_json_build(RowJson *row, TupleTableSlot *slot, JsonbValue *object)
{
	JsonBuilder builder;
	JsonbValue	value;

	slot_getallattrs(slot);
	json_begin_object(&builder);
	for (int i = 0; i < row->ncolumns; i++)
	{
		if (row->names[i] == NULL)
			continue;
		json_null(&value);
		if (!slot->tts_isnull[i])
			json_from_jsonb(DatumGetJsonbP(FunctionCall1(&row->to_jsonb[i],
														 slot->tts_values[i])), &value);
		json_add(&builder, row->names[i], &value);
	}
	json_end_object(&builder, object);
}
