/*
 * common/shmem.h
 *		Small areas of shared memory, without preloading.
 *
 * The server keeps some room for latecomers.  It may have been used up by others:
 * whoever asks must be able to do without.
 */
#ifndef NOETL_COMMON_SHMEM_H
#define NOETL_COMMON_SHMEM_H

#include "utils/rel.h"

/*
 * Finds or makes the area of that name; initialize is called for a new one, which
 * is all zeros.  NULL: there is no room.
 */
extern void *shared_area_attach(const char *name, Size size, void (*initialize) (void *area));

/* Whose contents a note is about: changes when the table is truncated or made anew. */
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
