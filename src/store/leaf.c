/*
 * store/leaf.c
 *		Entries of an execution, read from a leaf page that is known.
 */
#include "common/common.h"

#include "access/nbtree.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "store/leaf.h"
#include "store/place.h"
#include "store/storage.h"

#ifndef BTPageGetOpaque			/* before PostgreSQL 15 */
#define BTPageGetOpaque(page)	((BTPageOpaque) PageGetSpecialPointer(page))
#endif

/* Executions with the same hash value share a place; the last one has it. */
#define LEAVES			256

typedef struct KnownLeaf
{
	Oid			storage;		/* of the index; InvalidOid: nothing is known */
	int64		execution_id;
	BlockNumber block;
} KnownLeaf;

static KnownLeaf leaves[LEAVES];

/* The page that was noted last: a new execution mostly begins there. */
static KnownLeaf last_leaf[2];	/* of indexes with two and with three columns */

/* A leaf page that is being read. */
typedef struct Leaf
{
	Relation	index;
	Page		page;
	BTPageOpaque opaque;
} Leaf;

/* ---------------------------------------------------------------------------
 * Which page
 * ---------------------------------------------------------------------------
 */

/* Returns the entry for an execution. */
static KnownLeaf *
known_leaf(Oid storage, int64 execution_id)
{
	return &leaves[hash_bytes_uint32((uint32) execution_id ^ (uint32) (execution_id >> 32) ^
									 storage) % LEAVES];
}

/* Returns the entry for the page of an index that was noted last. */
static KnownLeaf *
last_of(Relation index)
{
	return &last_leaf[RelationGetNumberOfAttributes(index) == 2 ? 0 : 1];
}

/* Returns whether a column of an index is of a type, ascending, with nulls at the end. */
static bool
is_column(Relation index, int number, Oid type)
{
	return TupleDescAttr(RelationGetDescr(index), number)->atttypid == type &&
		index->rd_indoption[number] == 0;
}

/* Returns whether the entries of an index can be read here. */
static bool
is_readable(Relation index)
{
	int			natts = RelationGetNumberOfAttributes(index);

	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_index->indnkeyatts == natts && (natts == 2 || natts == 3) &&
		is_column(index, 0, INT8OID) && is_column(index, natts - 1, INT8OID) &&
		(natts == 2 || is_column(index, 1, INT4OID));
}

/* Remembers where an execution's entries are. */
static void
remember(Relation index, int64 execution_id, BlockNumber block)
{
	KnownLeaf  *known = known_leaf(relation_storage(index), execution_id);

	known->storage = relation_storage(index);
	known->execution_id = execution_id;
	known->block = block;
	*last_of(index) = *known;
}

/* Remembers the leaf page on which a scan has found an entry (store/leaf.h). */
void
leaf_note(IndexScanDesc scan, int64 execution_id)
{
	const BTScanOpaqueData *state = (BTScanOpaque) scan->opaque;

	if (is_readable(scan->indexRelation) && BTScanPosIsValid(state->currPos))
		remember(scan->indexRelation, execution_id, state->currPos.currPage);
}

/* Returns the page that is to be read; InvalidBlockNumber: none is known. */
static BlockNumber
block_of(Relation index, int64 execution_id)
{
	Oid			storage = relation_storage(index);
	const KnownLeaf *known = known_leaf(storage, execution_id);

	if (known->storage != storage || known->execution_id != execution_id)
		known = last_of(index);
	return known->storage == storage ? known->block : InvalidBlockNumber;
}

/* ---------------------------------------------------------------------------
 * Reading a page
 * ---------------------------------------------------------------------------
 */

/*
 * Locks and pins the page where an execution's entries may be.  Returns InvalidBuffer when
 * there is none.
 */
static Buffer
open_leaf(Leaf *leaf, Relation index, int64 execution_id)
{
	BlockNumber block = block_of(index, execution_id);
	Buffer		buffer;

	if (block == InvalidBlockNumber || IsolationIsSerializable() ||
		!place_has_page(index, block))
		return InvalidBuffer;
	buffer = ReadBuffer(index, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	leaf->index = index;
	leaf->page = BufferGetPage(buffer);
	if (!PageIsNew(leaf->page) &&
		PageGetSpecialSize(leaf->page) == MAXALIGN(sizeof(BTPageOpaqueData)))
	{
		leaf->opaque = BTPageGetOpaque(leaf->page);
		if (P_ISLEAF(leaf->opaque) && !P_IGNORE(leaf->opaque))
			return buffer;
	}
	UnlockReleaseBuffer(buffer);
	return InvalidBuffer;
}

/* Returns a tuple of the page. */
static IndexTuple
tuple_at(const Leaf *leaf, OffsetNumber offset)
{
	return (IndexTuple) PageGetItem(leaf->page, PageGetItemId(leaf->page, offset));
}

/* Returns a bigint of a tuple, whose first column is one and never null. */
static int64
int64_at(IndexTuple tuple, int number)
{
	return ((const int64 *) ((const char *) tuple +
							 IndexInfoFindDataOffset(tuple->t_info)))[number];
}

/* Returns whether no entry of an execution can be on a page to the right. */
static bool
ends_here(const Leaf *leaf, int64 execution_id)
{
	return P_RIGHTMOST(leaf->opaque) || int64_at(tuple_at(leaf, P_HIKEY), 0) > execution_id;
}

/* Returns the last offset whose entry is of an execution or a smaller one; 0: there is none. */
static OffsetNumber
find_last(const Leaf *leaf, int64 execution_id)
{
	OffsetNumber low = P_FIRSTDATAKEY(leaf->opaque);
	OffsetNumber high = PageGetMaxOffsetNumber(leaf->page) + 1;

	/* entries before "low" are not larger, those from "high" on are */
	while (low < high)
	{
		OffsetNumber middle = low + (high - low) / 2;

		if (int64_at(tuple_at(leaf, middle), 0) <= execution_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low > P_FIRSTDATAKEY(leaf->opaque) ? low - 1 : 0;
}

/* Returns whether an entry is marked as one whose row nobody sees any more. */
static bool
is_dead(const Leaf *leaf, OffsetNumber offset)
{
	return ItemIdIsDead(PageGetItemId(leaf->page, offset));
}

/* Finds the last entry of an execution on a page; false: the page does not tell. */
static bool
find_last_entry(const Leaf *leaf, int64 execution_id, LeafEntry *entry)
{
	if (!ends_here(leaf, execution_id))
		return false;
	for (OffsetNumber offset = find_last(leaf, execution_id);
		 offset >= P_FIRSTDATAKEY(leaf->opaque); offset--)
	{
		IndexTuple	tuple = tuple_at(leaf, offset);

		if (int64_at(tuple, 0) != execution_id || BTreeTupleIsPosting(tuple) ||
			IndexTupleHasNulls(tuple))
			return false;
		if (is_dead(leaf, offset))
			continue;
		entry->tid = tuple->t_tid;
		entry->id = int64_at(tuple, 1);
		return true;
	}
	return false;
}

/* Finds the last entry of an execution (store/leaf.h). */
bool
leaf_read_last(Relation index, int64 execution_id, LeafEntry *entry)
{
	Leaf		leaf;
	Buffer		buffer = open_leaf(&leaf, index, execution_id);
	bool		found;

	if (!BufferIsValid(buffer))
		return false;
	found = find_last_entry(&leaf, execution_id, entry);
	if (found)
		remember(index, execution_id, BufferGetBlockNumber(buffer));
	UnlockReleaseBuffer(buffer);
	return found;
}

/*
 * Finds the entries of an execution on a page, the last one first.  Returns how many, or
 * -1: the page does not tell.
 */
static int
find_entries(const Leaf *leaf, int64 execution_id, int64 from, LeafEntry *entries, int most)
{
	int			count = 0;

	if (!ends_here(leaf, execution_id))
		return -1;
	for (OffsetNumber offset = find_last(leaf, execution_id);
		 offset >= P_FIRSTDATAKEY(leaf->opaque); offset--)
	{
		IndexTuple	tuple = tuple_at(leaf, offset);

		if (BTreeTupleIsPosting(tuple))
			return -1;
		/* entries without an integer come after those with one */
		if (int64_at(tuple, 0) != execution_id || !IndexTupleHasNulls(tuple) ||
			int64_at(tuple, 1) < from)
			return count;
		if (is_dead(leaf, offset))
			continue;
		if (count == most)
			return -1;
		entries[count].tid = tuple->t_tid;
		entries[count].id = int64_at(tuple, 1);
		count++;
	}
	return P_LEFTMOST(leaf->opaque) ? count : -1;
}

/* Finds all entries of an execution from an id on (store/leaf.h). */
int
leaf_read_all(Relation index, int64 execution_id, int64 from, LeafEntry *entries, int most)
{
	Leaf		leaf;
	Buffer		buffer = open_leaf(&leaf, index, execution_id);
	int			count;

	if (!BufferIsValid(buffer))
		return -1;
	count = find_entries(&leaf, execution_id, from, entries, most);
	if (count > 0)
		remember(index, execution_id, BufferGetBlockNumber(buffer));
	UnlockReleaseBuffer(buffer);
	for (int i = 0; i < count / 2; i++)
	{
		LeafEntry	first = entries[i];

		entries[i] = entries[count - 1 - i];
		entries[count - 1 - i] = first;
	}
	return count;
}
