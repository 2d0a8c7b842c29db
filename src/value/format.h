/*
 * value/format.h
 *		What the two ways of formatting share: '%d' % x and '{:d}'.format(x).
 */
#ifndef NOETL_VALUE_FORMAT_H
#define NOETL_VALUE_FORMAT_H

#include "value/value.h"

/* The C library is asked for no more digits than this. */
#define MAX_PRECISION	340

/* What a conversion or format specification says. */
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

/* Digits of a non-negative integer in base 2, 8, 10 or 16. */
extern char *format_integer_digits(const Value *value, int base, bool upper);

/* Digits of a non-negative double by type e, f or g. */
extern char *format_double_digits(double d, char type, int64 precision, bool alternate);

/* Groups the digits before the point; pads with zeros to a width. */
extern char *format_group_digits(const char *digits, char separator, int group, int64 width);

/* Is an integer or double below zero (or minus zero)? */
extern bool number_is_negative(const Value *v);

/* format % args */
extern Value format_percent(Budget *budget, const Value *format, const Value *args);

/* %c */
extern void format_char(StringInfo buf, const FormatSpec *spec, const Value *value);

#endif							/* NOETL_VALUE_FORMAT_H */
