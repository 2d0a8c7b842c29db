/*
 * jinja/regex.h
 *		Regular expressions in Python's syntax, run by PostgreSQL's engine.
 */
#ifndef NOETL_JINJA_REGEX_H
#define NOETL_JINJA_REGEX_H

#include "jinja/internal.h"

#define REGEX_MAX_GROUPS	100

typedef struct RegexName
{
	const char *name;
	int			length;
	int			group;
} RegexName;

/* A pattern in the syntax of PostgreSQL. */
typedef struct RegexPattern
{
	StringInfoData text;
	int			flags;			/* of PostgreSQL's engine */
	int			ngroups;
	int			nnames;
	RegexName	names[REGEX_MAX_GROUPS];
} RegexPattern;

/* What of Python's flags a caller asks for. */
typedef struct RegexOptions
{
	bool		ignore_case;
	bool		multiline;
	bool		dot_all;
	bool		verbose;
	bool		at_start;		/* match at the beginning only */
	bool		at_end;			/* match up to the end */
} RegexOptions;

/* jinja/regex_pattern.c */
extern void jinja_translate_regex(const Value *source, RegexOptions options,
								  bool newline_at_end, RegexPattern *pattern);
extern int	jinja_regex_group(const RegexPattern *pattern, const char *name, int length);

#endif							/* NOETL_JINJA_REGEX_H */
