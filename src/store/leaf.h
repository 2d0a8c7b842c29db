/*
 * store/leaf.h
 *		Entries of an execution in a btree, read from the leaf page where they have lately
 *		been seen.
 *
 * A scan of an index begins at the root, and costs as much to set up as to do.  The last
 * entries of an execution are mostly where the last scan has found them, and the page
 * itself tells whether these are all: a leaf page holds all entries between its smallest
 * and its high key.  So the page is read, and counts only if the execution's entries end
 * before the high key (or there is no page to the right) and, where all of them are asked
 * for, if the page has a smaller entry, too.  Whether the rows are there, and visible, is
 * seen in the table, as with any entry of an index.
 *
 * Where the page does not tell, the caller scans the index.  So it does in serializable
 * transactions, which need the predicate locks that a scan takes.
 */
#ifndef NOETL_STORE_LEAF_H
#define NOETL_STORE_LEAF_H

#include "access/relscan.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

/* An entry: where the row is, and the last column of the index. */
typedef struct LeafEntry
{
	ItemPointerData tid;
	int64		id;
} LeafEntry;

/*
 * Remembers the leaf page on which a scan has just found an entry of an execution.  The
 * columns of the index are (execution_id, id) or (execution_id, an integer, id), ascending;
 * of any other index nothing is remembered.
 */
extern void leaf_note(IndexScanDesc scan, int64 execution_id);

/*
 * Finds the entry of an execution with the largest id.  Returns false when the page does
 * not tell.
 */
extern bool leaf_read_last(Relation index, int64 execution_id, LeafEntry *entry);

/*
 * Finds all entries of an execution that have no integer and whose id is at least "from",
 * the smallest id first.  Returns how many there are, or -1 when the page does not tell or
 * they are more than "most".
 */
extern int	leaf_read_all(Relation index, int64 execution_id, int64 from, LeafEntry *entries,
						  int most);

#endif							/* NOETL_STORE_LEAF_H */
