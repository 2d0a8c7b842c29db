/*
 * playbook/moment.h
 *		A part of the door (playbook/playbook.h): the text of a moment, which the
 *		"until" of a wait is.
 */
#ifndef NOETL_PLAYBOOK_MOMENT_H
#define NOETL_PLAYBOOK_MOMENT_H

#include "datatype/timestamp.h"
#include "pgtime.h"

/*
 * Reads a time; without an offset it is one of a zone (NULL: of the session's).
 * False and *error when the text is no time.  "infinity" is DT_NOEND.
 */
extern bool moment_parse(char *text, pg_tz *zone, TimestampTz *moment, char **error);

/* The same; "now", "today", "tomorrow" and "yesterday" are those of a time. */
extern bool moment_parse_at(const char *text, pg_tz *zone, TimestampTz now, TimestampTz *moment,
							char **error);

/* Returns a time as text that does not depend on any zone: ISO 8601 in UTC. */
extern char *moment_text(TimestampTz moment);

#endif							/* NOETL_PLAYBOOK_MOMENT_H */
