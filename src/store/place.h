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

/* Remembers where the row with a primary key is, its first column. */
extern void place_note(const StoreTable *table, int64 id, const ItemPointerData *tid);

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
 * Returns whether a table has no page at all, hence no row: neither of this nor of another
 * transaction that has committed.
 */
extern bool place_none(const StoreTable *table);

#endif							/* NOETL_STORE_PLACE_H */
