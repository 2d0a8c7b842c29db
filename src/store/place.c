/*
 * store/place.c
 *		Where rows have lately been seen.
 */
#include "common/common.h"

#include "access/tableam.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/place.h"
#include "store/storage.h"

/* A later row with the same hash value takes the place of an earlier one. */
#define PLACES			256

typedef struct KnownPlace
{
	Oid			storage;		/* of the table; InvalidOid: nothing is known */
	int64		id;
	int64		execution_id;	/* that the row belongs to */
	ItemPointerData tid;
} KnownPlace;

static KnownPlace places[PLACES];

/* Returns the entry for a row. */
static KnownPlace *
entry_of(const StoreTable *table, int64 id)
{
	return &places[hash_bytes_uint32((uint32) id ^ (uint32) (id >> 32) ^ table->relid) % PLACES];
}

/* Remembers where a row is (store/place.h). */
void
place_note(const StoreTable *table, int64 id, int64 execution_id, const ItemPointerData *tid)
{
	KnownPlace *known = entry_of(table, id);

	known->storage = relation_storage(table->relation);
	known->id = id;
	known->execution_id = execution_id;
	known->tid = *tid;
}

/* Returns which execution a row is said to belong to (store/place.h). */
int64
place_execution(const StoreTable *table, int64 id)
{
	const KnownPlace *known = entry_of(table, id);

	return known->id == id && known->storage == relation_storage(table->relation) ?
		known->execution_id : 0;
}

/*
 * Returns whether a relation has a page.  What the storage manager remembers of the size of a
 * file is forgotten when somebody cuts the file off, which needs a lock that excludes ours.
 */
bool
place_has_page(Relation relation, BlockNumber block)
{
	if (relation->rd_smgr != NULL &&
		relation->rd_smgr->smgr_cached_nblocks[MAIN_FORKNUM] != InvalidBlockNumber &&
		block < relation->rd_smgr->smgr_cached_nblocks[MAIN_FORKNUM])
		return true;
	return block < RelationGetNumberOfBlocks(relation);
}

/* Returns whether a table has the page of a place (store/place.h). */
bool
place_exists(const StoreTable *table, const ItemPointerData *tid)
{
	return place_has_page(table->relation, ItemPointerGetBlockNumberNoCheck(tid));
}

/* Returns whether a table or an index has few pages (store/place.h). */
bool
place_few_pages(StoreRelation which, BlockNumber pages)
{
	Oid			relid = store_relation(which);
	Relation	relation;
	bool		few;

	LockRelationOid(relid, RowExclusiveLock);
	relation = RelationIdGetRelation(relid);
	if (!RelationIsValid(relation))
		return false;
	few = !place_has_page(relation, pages);
	RelationClose(relation);
	return few;
}

/* Fetches a row from where it was seen (store/place.h). */
bool
place_fetch(StoreTable *table, int64 id)
{
	const KnownPlace *known = entry_of(table, id);
	ItemPointerData tid = known->tid;

	return known->id == id && known->storage == relation_storage(table->relation) &&
		place_exists(table, &tid) &&
		table_tuple_fetch_row_version(table->relation, &tid, SnapshotSelf, table->scan_slot) &&
		DatumGetInt64(slot_column(table->scan_slot, 1)) == id;
}
