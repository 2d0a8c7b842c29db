/*
 * common/cron.h
 *		When a cron expression is due.
 *
 *		second minute hour day-of-month month day-of-week		(second: 0 if left out)
 *		@yearly @annually @monthly @weekly @daily @midnight @hourly
 *		every 90 seconds
 *
 * Fields are matched against the local time of a zone.  A local time that the clocks
 * skip is due when the skipped time ends; one that comes twice is due the first time.
 */
#ifndef NOETL_COMMON_CRON_H
#define NOETL_COMMON_CRON_H

#include "datatype/timestamp.h"
#include "pgtime.h"

typedef struct Cron
{
	int64		every;			/* microseconds; 0: the fields count */
	uint64		seconds;		/* bit n: n is in the list; also below */
	uint64		minutes;
	uint64		hours;
	uint64		days;			/* 1 … 31 */
	uint64		months;			/* 1 … 12 */
	uint64		weekdays;		/* 0 … 6, 0: Sunday */
	bool		last_day;		/* the last day of the month is in the list */
	bool		any_day;		/* all days are */
	bool		any_weekday;
	uint8		nth[7];			/* of a weekday, bit n: the nth of the month is in the
								 * list; bit 6: the last */
} Cron;

/* Reads an expression; raises when it is none. */
extern void cron_parse(const char *text, Cron *cron);

/* Returns the zone of a name; raises when there is none. */
extern pg_tz *cron_zone(const char *name);

/* Finds the first time after "after"; returns false when there is none. */
extern bool cron_next(const Cron *cron, pg_tz *zone, TimestampTz after, TimestampTz *next);

/*
 * Returns the times that are due: "first", and those after it up to "until", of which
 * the newest "most".  *count: how many are returned.
 */
extern TimestampTz *cron_due(const Cron *cron, pg_tz *zone, TimestampTz first,
							 TimestampTz until, int most, int *count);

#endif							/* NOETL_COMMON_CRON_H */
