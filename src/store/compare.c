/*
 * store/compare.c
 *		Rows of a table, compared with expected ones and replaced by them.
 *
 * Each expected row is filled into the insert slot of its table by the functions
 * that fill new rows, and is compared, column by column, with the row in the scan
 * slot.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "store/table.h"

/* ---------------------------------------------------------------------------
 * Rows are found
 * ---------------------------------------------------------------------------
 */

/* Opens a table for comparison. */
void
store_rows_open(StoreRows *rows, Store *store, StoreRelation which, const int *columns)
{
	StoreTable *table = store_table(store, which);

	memset(rows, 0, sizeof(StoreRows));
	rows->store = store;
	rows->table = table;
	rows->columns = columns;
	rows->expected = table->insert_slot;
	rows->found = table->scan_slot;
}

/* Reads the row whose bigint primary key is "id"; returns false when there is none. */
bool
store_rows_find(const StoreRows *rows, StoreRelation index, int64 id)
{
	ScanKeyData key;

	store_key_int64(&key, 1, id);
	return store_fetch_first(rows->store, rows->table, index, SnapshotSelf, &key, 1,
							 ForwardScanDirection);
}

/* Starts a scan of the rows of an execution, under a snapshot of its own. */
void
store_rows_scan(StoreRows *rows, StoreRelation index, int64 execution_id)
{
	ScanKeyData key;

	store_key_int64(&key, 1, execution_id);
	rows->snapshot = RegisterSnapshot(GetLatestSnapshot());
	rows->scan = palloc(sizeof(StoreScan));
	store_scan_open(rows->scan, rows->store, rows->table, index, rows->snapshot, 1,
					ForwardScanDirection);
	index_rescan(rows->scan->scan, &key, 1, NULL, 0);
}

/* Reads the next row of the scan; returns false at the end. */
bool
store_rows_next(StoreRows *rows)
{
	return store_scan_next(rows->scan);
}

/* Ends the scan. */
void
store_rows_end_scan(StoreRows *rows)
{
	store_scan_close(rows->scan);
	pfree(rows->scan);
	UnregisterSnapshot(rows->snapshot);
	rows->scan = NULL;
	rows->snapshot = NULL;
}

/*
 * Locks the newest version of the row that the scan has found, and reads it.
 * Returns false when the row is gone.
 */
bool
store_rows_lock(StoreRows *rows)
{
	ItemPointerData tid = rows->found->tts_tid;

	return store_lock_row(rows->table, &tid, rows->snapshot, false, NULL);
}

/* ---------------------------------------------------------------------------
 * Rows are compared
 * ---------------------------------------------------------------------------
 */

/* Returns whether a column is equal in both slots; NULL equals NULL. */
static bool
same_column(Form_pg_attribute attribute, TupleTableSlot *expected, TupleTableSlot *found)
{
	int			i = attribute->attnum - 1;
	bool		isnull;
	Datum		value = slot_getattr(found, attribute->attnum, &isnull);
	TypeCacheEntry *type;

	if (isnull || expected->tts_isnull[i])
		return isnull == expected->tts_isnull[i];
	type = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR_FINFO);
	return DatumGetBool(FunctionCall2Coll(&type->eq_opr_finfo, attribute->attcollation,
										  expected->tts_values[i], value));
}

/* Returns whether the compared columns of the expected and the found row are equal. */
bool
store_rows_equal(const StoreRows *rows)
{
	TupleDesc	desc = RelationGetDescr(rows->table->relation);

	for (const int *column = rows->columns; *column != 0; column++)
		if (!same_column(TupleDescAttr(desc, *column - 1), rows->expected,
						 rows->found))
			return false;
	return true;
}

/* Adds a column to an object; NULL becomes null. */
static void
add_column(JsonBuilder *builder, Form_pg_attribute attribute, Datum value, bool isnull)
{
	char		buffer[MAXDATELEN + 1];
	JsonbValue	member;
	Oid			output;
	bool		varlena;

	if (isnull)
		json_null(&member);
	else
		switch (attribute->atttypid)
		{
			case INT4OID:
				json_int(&member, DatumGetInt32(value));
				break;
			case INT8OID:
				json_int(&member, DatumGetInt64(value));
				break;
			case JSONBOID:
				json_from_jsonb(DatumGetJsonbP(value), &member);
				break;
			case TIMESTAMPTZOID:
				JsonEncodeDateTime(buffer, value, TIMESTAMPTZOID, NULL);
				json_string(&member, pstrdup(buffer));
				break;
			default:
				getTypeOutputInfo(attribute->atttypid, &output, &varlena);
				json_string(&member, OidOutputFunctionCall(output, value));
				break;
		}
	json_add(builder, NameStr(attribute->attname), &member);
}

/*
 * Returns the compared columns of the expected row (found: of the found one) as an
 * object: all, or (different) those in which the two rows differ.
 */
Jsonb *
store_rows_describe(const StoreRows *rows, bool found, bool different)
{
	TupleDesc	desc = RelationGetDescr(rows->table->relation);
	TupleTableSlot *slot = found ? rows->found : rows->expected;
	JsonBuilder builder;
	JsonbValue	value;

	if (found)
		slot_getallattrs(slot);
	json_begin_object(&builder);
	for (const int *column = rows->columns; *column != 0; column++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, *column - 1);

		if (!different ||
			!same_column(attribute, rows->expected, rows->found))
			add_column(&builder, attribute, slot->tts_values[*column - 1],
					   slot->tts_isnull[*column - 1]);
	}
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* ---------------------------------------------------------------------------
 * Rows are written
 * ---------------------------------------------------------------------------
 */

/* Replaces the found row by the expected one. */
void
store_rows_update(const StoreRows *rows)
{
	ExecStoreVirtualTuple(rows->expected);
	store_write_update(rows->store, rows->table, rows->found, rows->expected);
}

/* Writes the expected row as a new one. */
void
store_rows_insert(const StoreRows *rows)
{
	store_write_insert(rows->store, rows->table);
}

/* Deletes the found row. */
void
store_rows_delete(const StoreRows *rows)
{
	store_write_delete(rows->store, rows->table, rows->found);
}
