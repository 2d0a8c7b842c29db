/*
 * store/index.c
 *		Indexes of a store's tables: opening them, and making entries.
 *
 * An index is opened once for a store, for scans and for writes alike, and only when it
 * is used: of a partial index, when a row belongs into it.
 */
#include "common/common.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "utils/rel.h"

#include "store/index.h"
#include "store/table.h"

/* Returns an index by its OID; it stays open as long as the store. */
static Relation
open_index(Store *store, Oid relid)
{
	for (int i = 0; i < store->nopened; i++)
		if (RelationGetRelid(store->opened[i]) == relid)
			return store->opened[i];
	if (store->nopened == store->most_opened)
	{
		store->most_opened = Max(2 * store->most_opened, 16);
		store->opened = store->opened == NULL ?
			MemoryContextAlloc(store->memory, store->most_opened * sizeof(Relation)) :
			repalloc(store->opened, store->most_opened * sizeof(Relation));
	}
	store->opened[store->nopened] = index_open(relid, RowExclusiveLock);
	return store->opened[store->nopened++];
}

/* Returns an index for scans (store/table.h). */
Relation
store_open_index(Store *store, StoreRelation which)
{
	/* another store may have used another partition meanwhile */
	if (which == REL_EVENT_PKEY || which == REL_EVENT_RESULT_IDX)
		store_use_event_leaf(store->tables[REL_EVENT].relation);
	return open_index(store, store_index(which));
}

/* Closes all indexes of a store. */
void
index_close_all(Store *store)
{
	while (store->nopened > 0)
		index_close(store->opened[--store->nopened], NoLock);
}

/* Returns whether entries may be made without the executor: nothing is checked later. */
static bool
is_simple(Relation index, const IndexInfo *info)
{
	return info->ii_ExclusionOps == NULL && index->rd_index->indimmediate;
}

/* Describes the indexes of an open table; the description is kept with the table's. */
static void
describe_indexes(Store *store, StoreTable *table)
{
	ResultRelInfo *result_rel = table->result_rel;
	MemoryContext old = MemoryContextSwitchTo(store->estate->es_query_cxt);

	ExecOpenIndices(result_rel, false);
	table->index_oids = palloc(sizeof(Oid) * Max(result_rel->ri_NumIndices, 1));
	table->simple_indexes = true;
	for (int i = 0; i < result_rel->ri_NumIndices; i++)
	{
		Relation	index = result_rel->ri_IndexRelationDescs[i];

		table->index_oids[i] = RelationGetRelid(index);
		table->simple_indexes = table->simple_indexes &&
			is_simple(index, result_rel->ri_IndexRelationInfo[i]);
		index_close(index, NoLock);
		result_rel->ri_IndexRelationDescs[i] = NULL;
	}
	MemoryContextSwitchTo(old);
	table->indexed = true;
}

/* Opens an index of a table, unless it is open. */
static Relation
open_own(Store *store, StoreTable *table, int i)
{
	Relation   *index = &table->result_rel->ri_IndexRelationDescs[i];

	if (*index == NULL)
		*index = open_index(store, table->index_oids[i]);
	return *index;
}

/* Opens all indexes of a table (store/table.h). */
void
store_open_indexes(Store *store, StoreTable *table)
{
	if (table->writable)
		return;
	if (!table->indexed)
		describe_indexes(store, table);
	for (int i = 0; i < table->result_rel->ri_NumIndices; i++)
		(void) open_own(store, table, i);
	table->writable = true;
}

/* Returns whether a row belongs into an index; "econtext" has the row. */
static bool
belongs_into(Store *store, IndexInfo *info, ExprContext *econtext)
{
	if (!info->ii_ReadyForInserts)
		return false;
	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, store->estate);
	return ExecQual(info->ii_PredicateState, econtext);
}

/* Opens the indexes that a row belongs into (store/index.h). */
void
index_open_for_row(Store *store, StoreTable *table, TupleTableSlot *slot)
{
	ExprContext *econtext = GetPerTupleExprContext(store->estate);

	if (table->writable)
		return;
	if (!table->indexed)
		describe_indexes(store, table);
	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < table->result_rel->ri_NumIndices; i++)
		if (table->result_rel->ri_IndexRelationDescs[i] == NULL &&
			belongs_into(store, table->result_rel->ri_IndexRelationInfo[i], econtext))
			(void) open_own(store, table, i);
}

/* Makes the entries of a row that has just been stored (store/index.h). */
void
index_add_row(Store *store, StoreTable *table, TupleTableSlot *slot)
{
	ResultRelInfo *result_rel = table->result_rel;
	ExprContext *econtext = GetPerTupleExprContext(store->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (!table->indexed)
		describe_indexes(store, table);
	if (!table->simple_indexes)
	{
		store_open_indexes(store, table);
		if (result_rel->ri_NumIndices > 0)
			(void) ExecInsertIndexTuples(result_rel, slot, store->estate, false, false, NULL, NIL
#if PG_VERSION_NUM >= 160000
										 ,false
#endif
				);
		return;
	}
	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < result_rel->ri_NumIndices; i++)
	{
		IndexInfo  *info = result_rel->ri_IndexRelationInfo[i];
		Relation	index;

		if (!belongs_into(store, info, econtext))
			continue;
		index = open_own(store, table, i);
		FormIndexDatum(info, slot, store->estate, values, isnull);
		(void) index_insert(index, values, isnull, &slot->tts_tid, table->relation,
							index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
							false, info);
	}
}
