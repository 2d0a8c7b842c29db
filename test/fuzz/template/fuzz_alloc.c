/*
 * fuzz_alloc.c
 *		Allocations that live until the end of an input.
 */
#include "fuzz_alloc.h"

#include <stdlib.h>
#include <string.h>

static void **chunks;
static size_t nchunks;
static size_t allocated;

/* Each chunk remembers its place in the list in front of it. */
typedef struct Header
{
	size_t		index;
	size_t		padding;
} Header;

/* palloc */
void *
fuzz_alloc(Size size)
{
	Header	   *h = malloc(sizeof(Header) + size);

	if (h == NULL)
		abort();
	if (nchunks == allocated)
	{
		allocated = allocated ? allocated * 2 : 1024;
		chunks = realloc(chunks, allocated * sizeof(void *));
	}
	h->index = nchunks;
	chunks[nchunks++] = h;
	return h + 1;
}

/* palloc0 */
void *
fuzz_alloc0(Size size)
{
	return memset(fuzz_alloc(size), 0, size);
}

/* repalloc; the old place is given back, so that stale pointers show */
void *
fuzz_realloc(void *p, Size size)
{
	Header	   *h = realloc((Header *) p - 1, sizeof(Header) + size);

	if (h == NULL)
		abort();
	chunks[h->index] = h;
	return h + 1;
}

/* pnstrdup */
char *
fuzz_strndup(const char *s, Size length)
{
	char	   *copy;

	length = strnlen(s, length);
	copy = fuzz_alloc(length + 1);
	memcpy(copy, s, length);
	copy[length] = '\0';
	return copy;
}

/* The end of an input. */
void
fuzz_free_all(void)
{
	while (nchunks > 0)
		free(chunks[--nchunks]);
}
