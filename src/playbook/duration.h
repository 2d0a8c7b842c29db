/*
 * playbook/duration.h
 *		What a timeout says: seconds, or the text of an interval.
 */
#ifndef NOETL_PLAYBOOK_DURATION_H
#define NOETL_PLAYBOOK_DURATION_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "jinja/jinja.h"

/* A century, in microseconds: any timeout is shorter. */
#define LONGEST_TIMEOUT		(INT64CONST(36525) * USECS_PER_DAY)

/*
 * Microseconds; 0: none, for null and empty text.  False and *error when the
 * value is neither seconds nor an interval, or not a sensible time.
 */
extern bool timeout_parse(const JsonbValue *value, int64 *us, char **error);

/*
 * The same for a template.  What it leaves to the worker, because it does not
 * know a name, is none.
 */
extern bool timeout_render(const TemplateDoc *doc, const TemplateScope *scope,
						   int64 *us, SourceError *error);

/* Microseconds of an interval; false unless positive and less than a century. */
extern bool timeout_of_interval(const Interval *interval, int64 *us);

/* The same as noetl.queue keeps it. */
extern Interval *timeout_to_interval(int64 us);

/* "timed out after 1.5 seconds" */
extern char *timeout_error(int64 us);

#endif							/* NOETL_PLAYBOOK_DURATION_H */
