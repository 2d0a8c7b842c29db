/*
 * fuzz_alloc.h
 *		palloc and its kin for the fuzzed sources, one malloc each.
 *
 * PostgreSQL's allocator carves many chunks out of one block, so that the
 * sanitizer cannot see where a chunk ends.  Included before everything else.
 */
#ifndef FUZZ_ALLOC_H
#define FUZZ_ALLOC_H

#include "postgres.h"

extern void *fuzz_alloc(Size size);
extern void *fuzz_alloc0(Size size);
extern void *fuzz_realloc(void *p, Size size);
extern char *fuzz_strndup(const char *s, Size length);
extern void fuzz_free_all(void);

#define palloc(size) fuzz_alloc(size)
#define palloc0(size) fuzz_alloc0(size)
#define palloc_extended(size, flags) fuzz_alloc(size)
#define repalloc(p, size) fuzz_realloc(p, size)
#define repalloc_huge(p, size) fuzz_realloc(p, size)
#define pfree(p) ((void) (p))
#define pnstrdup(s, length) fuzz_strndup(s, length)

#endif							/* FUZZ_ALLOC_H */
