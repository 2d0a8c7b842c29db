/*
 * common/time_text.h
 *		Points in time as text that means the same in every session.
 */
#ifndef NOETL_COMMON_TIME_TEXT_H
#define NOETL_COMMON_TIME_TEXT_H

#include "datatype/timestamp.h"

/* Returns a time as ISO 8601 with the offset of a zone; NULL: of the session's. */
extern char *time_to_text(TimestampTz time, const char *zone);

/* Returns the time that a text names; raises when it names none. */
extern TimestampTz time_from_text(const char *text);

#endif							/* NOETL_COMMON_TIME_TEXT_H */
