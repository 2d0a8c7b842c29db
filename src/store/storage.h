/*
 * store/storage.h
 *		The storage of a table, by which notes about its rows are kept.
 */
#ifndef NOETL_STORE_STORAGE_H
#define NOETL_STORE_STORAGE_H

#include "utils/rel.h"

/*
 * Returns the number of the file that holds a table.  It changes when the table
 * is truncated or made anew, which makes what is noted about its rows void.
 */
static inline Oid
relation_storage(Relation table)
{
#if PG_VERSION_NUM >= 160000
	return table->rd_locator.relNumber;
#else
	return table->rd_node.relNode;
#endif
}

#endif							/* NOETL_STORE_STORAGE_H */
