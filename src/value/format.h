/*
 * value/format.h
 *		Shared parts of the two ways of formatting: '%d' % x and '{:d}'.format(x).
 */
#ifndef NOETL_VALUE_FORMAT_H
#define NOETL_VALUE_FORMAT_H

#include "value/value.h"

/* Precisions above this are refused. */
#define MAX_PRECISION	340

/* The contents of a conversion or format specification. */
typedef struct FormatSpec
{
	uint32		fill;			/* 0: not given */
	char		align;			/* < > = ^ or 0 */
	char		sign;			/* + - space or 0 */
	bool		alternate;		/* # */
	bool		zero;
	int64		width;			/* -1: not given */
	char		grouping;		/* , _ or 0 */
	int64		precision;		/* -1: not given */
	char		type;			/* 0: not given */
} FormatSpec;

/* Returns the digits of a non-negative integer in base 2, 8, 10 or 16. */
extern char *format_integer_digits(const Value *value, int base, bool upper);

/* Returns the digits of a non-negative double by type e, f or g. */
extern char *format_double_digits(double d, char type, int64 precision, bool alternate);

/*
 * Returns digits with a separator between groups, padded with zeros to a
 * width.
 */
extern char *format_group_digits(const char *digits, char separator, int group, int64 width);

/* Returns whether a number is below zero or is minus zero. */
extern bool number_is_negative(const Value *v);

/* Returns format % args. */
extern Value format_percent(Budget *budget, const Value *format, const Value *args);

/* Appends the result of %c. */
extern void format_char(StringInfo buf, const FormatSpec *spec, const Value *value);

#endif							/* NOETL_VALUE_FORMAT_H */
