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
#include "store/predicate.h"
#include "store/table.h"

/* As many as a set of indexes can have. */
#define MOST_SIMPLE_INDEXES		((int) (sizeof(IndexSet) * BITS_PER_BYTE) - 1)

/* The keys of a row in one of its table's indexes. */
typedef struct IndexKeys
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
} IndexKeys;

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
	table->predicates = palloc0(sizeof(Predicate *) * Max(result_rel->ri_NumIndices, 1));
	table->keys = palloc(sizeof(IndexKeys) * Max(result_rel->ri_NumIndices, 1));
	table->simple_indexes = result_rel->ri_NumIndices <= MOST_SIMPLE_INDEXES;
	for (int i = 0; i < result_rel->ri_NumIndices; i++)
	{
		Relation	index = result_rel->ri_IndexRelationDescs[i];

		table->index_oids[i] = RelationGetRelid(index);
		if (result_rel->ri_IndexRelationInfo[i]->ii_Predicate != NIL)
			table->predicates[i] =
				predicate_compile(result_rel->ri_IndexRelationInfo[i]->ii_Predicate);
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

/* Returns whether the row in a slot belongs into an index. */
static bool
belongs_into(Store *store, StoreTable *table, int i, TupleTableSlot *slot)
{
	return table->result_rel->ri_IndexRelationInfo[i]->ii_ReadyForInserts &&
		(table->predicates[i] == NULL ||
		 predicate_holds(table->predicates[i], slot, GetPerTupleExprContext(store->estate)));
}

/* Finds the indexes that a row belongs into (store/index.h). */
IndexSet
index_find(Store *store, StoreTable *table, TupleTableSlot *slot)
{
	IndexSet	found = 0;

	if (!table->indexed)
		describe_indexes(store, table);
	for (int i = 0; table->simple_indexes && i < table->result_rel->ri_NumIndices; i++)
		if (belongs_into(store, table, i, slot))
			found |= (IndexSet) 1 << i;
	return found;
}

/* Forms the keys of a row that is going to be stored (store/index.h). */
void
index_form_keys(Store *store, StoreTable *table, TupleTableSlot *slot, IndexSet indexes)
{
	GetPerTupleExprContext(store->estate)->ecxt_scantuple = slot;
	for (int i = 0; indexes >> i != 0; i++)
		if ((indexes >> i & 1) != 0)
			FormIndexDatum(table->result_rel->ri_IndexRelationInfo[i], slot, store->estate,
						   table->keys[i].values, table->keys[i].isnull);
}

/* Makes entries by way of the executor; summarizing: only in indexes that summarize pages. */
static void
add_by_executor(Store *store, StoreTable *table, TupleTableSlot *slot, bool update,
				bool summarizing)
{
	store_open_indexes(store, table);
	if (table->result_rel->ri_NumIndices > 0)
		(void) ExecInsertIndexTuples(table->result_rel, slot, store->estate, update, false,
									 NULL, NIL
#if PG_VERSION_NUM >= 160000
									 ,summarizing
#endif
			);
}

/* Makes the entries of a row that has just been stored (store/index.h). */
void
index_add_row(Store *store, StoreTable *table, TupleTableSlot *slot, IndexSet indexes,
			  bool update)
{
	if (!table->simple_indexes)
		add_by_executor(store, table, slot, update, false);
	for (int i = 0; indexes >> i != 0; i++)
	{
		Relation	index;

		if ((indexes >> i & 1) == 0)
			continue;
		index = open_own(store, table, i);
		(void) index_insert(index, table->keys[i].values, table->keys[i].isnull,
							&slot->tts_tid, table->relation,
							index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
							update, table->result_rel->ri_IndexRelationInfo[i]);
	}
}

#if PG_VERSION_NUM >= 160000
/* Makes entries of a new version that no other index has to find (store/index.h). */
void
index_add_summaries(Store *store, StoreTable *table, TupleTableSlot *slot)
{
	add_by_executor(store, table, slot, true, true);
}
#endif
