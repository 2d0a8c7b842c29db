/*
 * server_shim.c
 *		The few functions of the server that the YAML reader calls, so that it
 *		can be fuzzed and compared as an ordinary program.
 *
 * Memory is one arena of malloc'ed pieces, so that AddressSanitizer sees every
 * overrun; shim_reset() frees it.  A numeric is its text.  An error that the
 * server would raise ends the program: the reader must not raise for what a
 * text contains.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "server_shim.h"

#undef sprintf
#undef vsnprintf

typedef struct Piece
{
	struct Piece *next;
	struct Piece *previous;
} Piece;

static Piece arena = {&arena, &arena};

sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;
volatile sig_atomic_t InterruptPending = false;

/* Frees everything, between two documents. */
void
shim_reset(void)
{
	while (arena.next != &arena)
		pfree(arena.next + 1);
}

/* Enters a piece into the arena. */
static void *
link_piece(Piece *piece)
{
	if (piece == NULL)
		abort();
	piece->next = arena.next;
	piece->previous = &arena;
	arena.next->previous = piece;
	arena.next = piece;
	return piece + 1;
}

void *
palloc(Size size)
{
	if (size > MaxAllocSize)
		abort();
	return link_piece(malloc(sizeof(Piece) + size));
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void
pfree(void *pointer)
{
	Piece	   *piece = (Piece *) pointer - 1;

	piece->next->previous = piece->previous;
	piece->previous->next = piece->next;
	free(piece);
}

void *
repalloc(void *pointer, Size size)
{
	Piece	   *piece = (Piece *) pointer - 1;

	if (size > MaxAllocSize)
		abort();
	piece->next->previous = piece->previous;
	piece->previous->next = piece->next;
	return link_piece(realloc(piece, sizeof(Piece) + size));
}

char *
pnstrdup(const char *in, Size length)
{
	Size		n = strnlen(in, length);
	char	   *result = palloc(n + 1);

	memcpy(result, in, n);
	result[n] = '\0';
	return result;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}

char *
psprintf(const char *format, ...)
{
	char		buffer[1000];
	va_list		args;

	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	return pstrdup(buffer);
}

void
check_stack_depth(void)
{
}

void
ProcessInterrupts(void)
{
}

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

unsigned char
pg_ascii_tolower(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') ? c + ('a' - 'A') : c;
}

/* Only its address is used: see DirectFunctionCall3Coll. */
Datum
numeric_in(PG_FUNCTION_ARGS)
{
	abort();
}

/* numeric_in is the one function called this way: text stays text. */
Datum
DirectFunctionCall3Coll(PGFunction function, Oid collation, Datum arg1, Datum arg2, Datum arg3)
{
	if (function != numeric_in)
		abort();
	return CStringGetDatum(pstrdup(DatumGetCString(arg1)));
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

bool
errstart(int elevel, const char *domain)
{
	abort();
}

bool
errstart_cold(int elevel, const char *domain)
{
	abort();
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	abort();
}

void
pg_re_throw(void)
{
	abort();
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errmsg(const char *format, ...)
{
	return 0;
}

int
errmsg_internal(const char *format, ...)
{
	return 0;
}

int
errdetail(const char *format, ...)
{
	return 0;
}
