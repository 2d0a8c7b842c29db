/*
 * fuzz_alloc.c
 *		Allocations that live until the end of an input.
 *
 * The sanitizer is loaded with the module, too late to replace malloc, so the
 * red zones around each chunk are poisoned by hand.
 */
#include "fuzz_alloc.h"

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#define RED_ZONE 64

/* What stands in front of a chunk, before its red zone. */
typedef struct Header
{
	size_t		index;			/* place in the list */
	size_t		size;
	MemoryContext context;
} Header;

static Header **chunks;
static size_t nchunks;
static size_t allocated;

/* The header of a chunk. */
static Header *
header_of(void *p)
{
	return (Header *) ((char *) p - RED_ZONE - sizeof(Header));
}

/* The chunk behind a header. */
static void *
chunk_of(Header *h)
{
	return (char *) (h + 1) + RED_ZONE;
}

/* Makes the red zones of a chunk untouchable. */
static void
poison(Header *h)
{
	__asan_poison_memory_region(h + 1, RED_ZONE);
	__asan_poison_memory_region((char *) chunk_of(h) + h->size, RED_ZONE);
}

/* MemoryContextAlloc; the content is rubbish */
void *
fuzz_alloc(MemoryContext context, Size size)
{
	size_t		total = sizeof(Header) + RED_ZONE + size + RED_ZONE;
	Header	   *h = malloc(total + 16);

	if (h == NULL)
		abort();
	__asan_unpoison_memory_region(h, total);
	memset(h, 0xA5, total);
	if (nchunks == allocated)
	{
		allocated = allocated ? allocated * 2 : 1024;
		chunks = realloc(chunks, allocated * sizeof(void *));
	}
	h->index = nchunks;
	h->size = size;
	h->context = context;
	chunks[nchunks++] = h;
	poison(h);
	return chunk_of(h);
}

/* MemoryContextAllocZero */
void *
fuzz_alloc0(MemoryContext context, Size size)
{
	return memset(fuzz_alloc(context, size), 0, size);
}

/* repalloc; the old place stays poisoned, so that stale pointers show */
void *
fuzz_realloc(void *p, Size size)
{
	Header	   *old = header_of(p);
	void	   *new = fuzz_alloc(old->context, size);

	memcpy(new, p, old->size < size ? old->size : size);
	__asan_poison_memory_region(p, old->size);
	return new;
}

/* pnstrdup */
char *
fuzz_strndup(const char *s, Size length)
{
	char	   *copy;

	length = strnlen(s, length);
	copy = fuzz_alloc(CurrentMemoryContext, length + 1);
	memcpy(copy, s, length);
	copy[length] = '\0';
	return copy;
}

/* GetMemoryChunkContext */
MemoryContext
fuzz_context(void *p)
{
	return header_of(p)->context;
}

/* MemoryContextReset; the chunks stay poisoned, so that stale pointers show */
void
fuzz_reset(MemoryContext context)
{
	for (size_t i = nchunks; i > 0; i--)
	{
		Header	   *h = chunks[i - 1];

		if (h->context == context)
			__asan_poison_memory_region(chunk_of(h), h->size);
	}
}

/* The end of an input. */
void
fuzz_free_all(void)
{
	while (nchunks > 0)
	{
		Header	   *h = chunks[--nchunks];

		__asan_unpoison_memory_region(h, sizeof(Header) + RED_ZONE + h->size + RED_ZONE);
		free(h);
	}
}
