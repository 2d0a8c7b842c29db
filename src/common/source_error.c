/*
 * common/source_error.c
 *		Errors in a piece of source text: YAML, a template, a value.
 */
#include "common/common.h"

#include "common/source_error.h"

/* Fills *error; returns false so that callers can return the result. */
bool
source_error_at(SourceError *error, int sqlerrcode, int line, int column,
				char *message, char *hint)
{
	error->sqlerrcode = sqlerrcode;
	error->line = line;
	error->column = column;
	error->message = message;
	error->hint = hint;
	return false;
}

/* Fills *error for a value whose place is not known; returns false. */
bool
source_error(SourceError *error, char *message, char *hint)
{
	return source_error_at(error, ERRCODE_INVALID_PARAMETER_VALUE, 0, 0, message, hint);
}
