/*
 * common/shmem.h
 *		Small areas of shared memory, without preloading.
 *
 * The server keeps some room for areas that are requested after its start.
 * Other extensions may have used it up: callers must be able to work without
 * an area.
 */
#ifndef NOETL_COMMON_SHMEM_H
#define NOETL_COMMON_SHMEM_H

#include "utils/rel.h"

/*
 * Returns the area of that name, or NULL when there is no room. A new area is
 * all zeros and is passed to initialize.
 */
extern void *shared_area_attach(const char *name, Size size, void (*initialize) (void *area));

/*
 * Returns a number for the contents of a table, which changes when the table
 * is truncated or made anew.
 */
static inline Oid
shared_area_subject(Relation table)
{
#if PG_VERSION_NUM >= 160000
	return table->rd_locator.relNumber;
#else
	return table->rd_node.relNode;
#endif
}

#endif							/* NOETL_COMMON_SHMEM_H */
