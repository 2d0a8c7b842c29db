/*
 * store/place.h
 *		Where rows with a bigint primary key have lately been seen.
 *
 * A row that this backend has written or read a moment ago is mostly found where it was,
 * without its index.  A place proves nothing: the row there is looked at, and counts only
 * if its key is the one that is looked for.  Primary keys are unique, so it is the row
 * that the index would lead to.
 */
#ifndef NOETL_STORE_PLACE_H
#define NOETL_STORE_PLACE_H

#include "store/table.h"

/*
 * Remembers where the row with a primary key is, its first column, and which execution it
 * belongs to.
 */
extern void place_note(const StoreTable *table, int64 id, int64 execution_id,
					   const ItemPointerData *tid);

/*
 * Returns which execution the row with a primary key belonged to when its place was noted;
 * 0: no place is known.
 */
extern int64 place_execution(const StoreTable *table, int64 id);

/*
 * Fetches the row with a primary key into the scan slot from where it was seen.  Returns
 * false when it is not there, or a newer version is elsewhere: the index tells then.
 */
extern bool place_fetch(StoreTable *table, int64 id);

/*
 * Returns whether a table has the page of a place.  The caller has locked the table; after
 * a vacuum has cut the table off, reading the page would raise an error.
 */
extern bool place_exists(const StoreTable *table, const ItemPointerData *tid);

/* Returns whether a relation that is locked has a page. */
extern bool place_has_page(Relation relation, BlockNumber block);

/*
 * Returns whether a table or an index has at most so many pages.  A table without a page
 * has no row: neither of this nor of another transaction that has committed.  Locks the
 * relation as a store does, but does not make it one of the store's, which takes longer.
 */
extern bool place_few_pages(StoreRelation which, BlockNumber pages);

#endif							/* NOETL_STORE_PLACE_H */
