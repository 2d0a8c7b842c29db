/*
 * fuzz_alloc.h
 *		palloc and its kin for the fuzzed sources, one malloc each; and the
 *		collation that stands for all of them.
 *
 * PostgreSQL's allocator carves many chunks out of one block, so that the
 * sanitizer cannot see where a chunk ends.  Included before everything else.
 */
#ifndef FUZZ_ALLOC_H
#define FUZZ_ALLOC_H

#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "utils/memutils.h"

extern void *fuzz_alloc(MemoryContext context, Size size);
extern void *fuzz_alloc0(MemoryContext context, Size size);
extern void *fuzz_realloc(void *p, Size size);
extern char *fuzz_strndup(const char *s, Size length);
extern MemoryContext fuzz_context(void *p);
extern void fuzz_reset(MemoryContext context);
extern void fuzz_free_all(void);

#define palloc(size) fuzz_alloc(CurrentMemoryContext, size)
#define palloc0(size) fuzz_alloc0(CurrentMemoryContext, size)
#define palloc_extended(size, flags) MemoryContextAllocExtended(CurrentMemoryContext, size, flags)
#define MemoryContextAlloc(context, size) fuzz_alloc(context, size)
#define MemoryContextAllocHuge(context, size) fuzz_alloc(context, size)
#define MemoryContextAllocZero(context, size) fuzz_alloc0(context, size)
#define MemoryContextAllocExtended(context, size, flags) \
	(((flags) & MCXT_ALLOC_ZERO ? fuzz_alloc0 : fuzz_alloc) (context, size))
#define GetMemoryChunkContext(p) fuzz_context(p)
#define MemoryContextReset(context) (fuzz_reset(context), (MemoryContextReset) (context))
#define MemoryContextDelete(context) (fuzz_reset(context), (MemoryContextDelete) (context))
#define repalloc(p, size) fuzz_realloc(p, size)
#define repalloc_huge(p, size) fuzz_realloc(p, size)
#define pfree(p) ((void) (p))
#define pnstrdup(s, length) fuzz_strndup(s, length)

/* No database is open that has collations. */
#define get_collation_oid(name, missing_ok) C_COLLATION_OID

#endif							/* FUZZ_ALLOC_H */
