/*
 * common/source_error.h
 *		Errors in a piece of source text: YAML, a template, a value.
 */
#ifndef NOETL_COMMON_SOURCE_ERROR_H
#define NOETL_COMMON_SOURCE_ERROR_H

/* An error in a piece of source text, and its place. */
typedef struct SourceError
{
	int			sqlerrcode;		/* an ERRCODE_* */
	int			line;			/* 1-based; 0 = unknown */
	int			column;			/* 1-based; 0 = unknown */
	char	   *message;		/* lower case, no full stop */
	char	   *hint;			/* or NULL */
} SourceError;

/*
 * Fills *error: SQLSTATE, place (1-based, 0: unknown), message (lower case, no
 * full stop), hint (or NULL); the texts are not copied.  Always returns false.
 */
extern bool source_error_at(SourceError *error, int sqlerrcode, int line, int column,
							char *message, char *hint);

/* The same for a value whose place is not known (invalid_parameter_value). */
extern bool source_error(SourceError *error, char *message, char *hint);

#endif							/* NOETL_COMMON_SOURCE_ERROR_H */
