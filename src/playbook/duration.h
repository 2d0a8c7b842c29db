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
 * Reads a timeout, in microseconds; 0: none, for null and empty text.  False and
 * *error when the value is neither seconds nor an interval, or is out of range.
 */
extern bool timeout_parse(const JsonbValue *value, int64 *us, char **error);

/*
 * Reads the time span of a wait, in microseconds; below 0: none, for null and empty
 * text.  A span that is over before it begins is one of 0.
 */
extern bool wait_span_parse(const JsonbValue *value, int64 *us, char **error);

/*
 * Renders a timeout, in microseconds; 0: none, also where the template is left to
 * the worker because it has an unknown name.
 */
extern bool timeout_render(const TemplateDoc *doc, const TemplateScope *scope,
						   int64 *us, SourceError *error);

/* Converts an interval to microseconds; false unless positive and below a century. */
extern bool timeout_of_interval(const Interval *interval, int64 *us);

/* Returns microseconds as an interval, as noetl.queue keeps them. */
extern Interval *timeout_to_interval(int64 us);

/* Returns the message of a timeout: "timed out after 1.5 seconds". */
extern char *timeout_error(int64 us);

#endif							/* NOETL_PLAYBOOK_DURATION_H */
