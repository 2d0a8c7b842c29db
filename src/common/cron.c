/*
 * common/cron.c
 *		When a cron expression is due.
 *
 * The search goes over local times, which are days and seconds of the day.  A local
 * time becomes a point in time by the rules of the zone:
 *
 *		clocks skip 02:00 … 03:00:		02:30 ──> the moment at which they skip
 *		02:00 … 03:00 comes twice:		02:30 ──> the first of the two
 *
 * Later local times never become earlier points in time, so the first local time
 * whose point lies ahead is the next one.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "common/cron.h"

#define DAY_SECONDS		INT64CONST(86400)
/* Seconds between the epochs of Unix and of PostgreSQL */
#define EPOCH_SECONDS	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * DAY_SECONDS)
/* No match within so many days: there is none */
#define LONGEST_SEARCH	(40 * 366)

/* Returns the quotient, rounded down. */
static int64
floor_div(int64 number, int64 divisor)
{
	return number / divisor - (number % divisor < 0 ? 1 : 0);
}

/* Returns the zone of a name; raises when there is none. */
pg_tz *
cron_zone(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name)));
	return zone;
}

/* Returns the offset of a zone at a time, both in seconds (Unix). */
static int64
offset_at(pg_tz *zone, int64 time)
{
	pg_time_t	t = (pg_time_t) time;
	struct pg_tm *tm = pg_localtime(&t, zone);

	if (tm == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return tm->tm_gmtoff;
}

/* Returns the first time after "from", up to "to", at which the offset is not "before". */
static int64
find_transition(pg_tz *zone, int64 from, int64 to, int64 before)
{
	while (to - from > 1)
	{
		int64		middle = from + (to - from) / 2;

		if (offset_at(zone, middle) == before)
			from = middle;
		else
			to = middle;
	}
	return to;
}

/* Returns the point in time of a local time, both in seconds. */
static int64
local_to_time(pg_tz *zone, int64 local)
{
	int64		before = offset_at(zone, local - DAY_SECONDS);
	int64		after = offset_at(zone, local + DAY_SECONDS);
	bool		is_before = offset_at(zone, local - before) == before;
	bool		is_after = offset_at(zone, local - after) == after;

	if (is_before && is_after)
		return Min(local - before, local - after);
	if (is_before)
		return local - before;
	if (is_after)
		return local - after;
	return find_transition(zone, local - DAY_SECONDS, local + DAY_SECONDS, before);
}

/* Returns the first bit of a set from "from" on; -1: there is none. */
static int
next_bit(uint64 bits, int from)
{
	for (int bit = from; bit < 64; bit++)
		if ((bits >> bit & 1) != 0)
			return bit;
	return -1;
}

/* Returns whether a day is in the lists of days; both given: in either. */
static bool
day_matches(const Cron *cron, int julian, int day, int days_in_month)
{
	int			weekday = j2day(julian);
	bool		by_day = (cron->days >> day & 1) != 0 ||
		(cron->last_day && day == days_in_month);
	bool		by_weekday = (cron->weekdays >> weekday & 1) != 0 ||
		(cron->nth[weekday] >> ((day - 1) / 7 + 1) & 1) != 0 ||
		((cron->nth[weekday] >> 6 & 1) != 0 && day + 7 > days_in_month);

	if (cron->any_day && cron->any_weekday)
		return true;
	if (cron->any_day)
		return by_weekday;
	if (cron->any_weekday)
		return by_day;
	return by_day || by_weekday;
}

/* Returns the first second of a day, from "from" on, that matches; -1: there is none. */
static int
next_second(const Cron *cron, int from)
{
	int			hour = next_bit(cron->hours, from / 3600);
	int			minute;
	int			second;

	for (; hour >= 0; hour = next_bit(cron->hours, hour + 1))
	{
		bool		same_hour = hour == from / 3600;

		for (minute = next_bit(cron->minutes, same_hour ? from / 60 % 60 : 0); minute >= 0;
			 minute = next_bit(cron->minutes, minute + 1))
		{
			bool		same_minute = same_hour && minute == from / 60 % 60;

			second = next_bit(cron->seconds, same_minute ? from % 60 : 0);
			if (second >= 0)
				return (hour * 60 + minute) * 60 + second;
		}
	}
	return -1;
}

/* Finds the first local time, from *local on, that matches; returns false: there is none. */
static bool
next_local(const Cron *cron, int64 *local)
{
	int			julian = (int) floor_div(*local, DAY_SECONDS) + UNIX_EPOCH_JDATE;
	int			second = (int) (*local - floor_div(*local, DAY_SECONDS) * DAY_SECONDS);
	int			until = julian + LONGEST_SEARCH;

	while (julian < until)
	{
		int			year;
		int			month;
		int			day;
		int			days_in_month;

		j2date(julian, &year, &month, &day);
		days_in_month = day_tab[isleap(year)][month - 1];
		if ((cron->months >> month & 1) == 0)
		{
			julian += days_in_month - day + 1;
			second = 0;
			continue;
		}
		if (day_matches(cron, julian, day, days_in_month))
		{
			int			found = next_second(cron, second);

			if (found >= 0)
			{
				*local = (int64) (julian - UNIX_EPOCH_JDATE) * DAY_SECONDS + found;
				return true;
			}
		}
		julian++;
		second = 0;
	}
	return false;
}

/* Finds the first time after "after"; returns false when there is none. */
bool
cron_next(const Cron *cron, pg_tz *zone, TimestampTz after, TimestampTz *next)
{
	int64		time;
	int64		local;

	if (TIMESTAMP_NOT_FINITE(after) || after >= END_TIMESTAMP - LONGEST_SEARCH * USECS_PER_DAY)
		return false;
	if (cron->every > 0)
	{
		*next = after + cron->every;
		return true;
	}
	time = floor_div(after, USECS_PER_SEC) + EPOCH_SECONDS;
	local = time + offset_at(zone, time) + 1;
	for (; next_local(cron, &local); local++)
	{
		CHECK_FOR_INTERRUPTS();
		*next = (local_to_time(zone, local) - EPOCH_SECONDS) * USECS_PER_SEC;
		if (*next > after)
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------------------
 * Times that are due
 * ---------------------------------------------------------------------------
 */

/*
 * Lists the times after "from" up to "until", in a ring that keeps the newest.
 * Returns how many there are.
 */
static int64
list_due(const Cron *cron, pg_tz *zone, TimestampTz from, TimestampTz until,
		 TimestampTz *ring, int size)
{
	int64		count = 0;
	TimestampTz next;

	while (cron_next(cron, zone, from, &next) && next <= until)
	{
		ring[count++ % size] = next;
		from = next;
	}
	return count;
}

/* Returns the times of "every" that are due, of which the newest. */
static TimestampTz *
every_due(const Cron *cron, TimestampTz first, TimestampTz until, int most, int *count)
{
	int64		all = (until - first) / cron->every + 1;
	TimestampTz *due;

	*count = (int) Min(all, most);
	due = palloc(sizeof(TimestampTz) * *count);
	for (int i = 0; i < *count; i++)
		due[i] = first + (all - *count + i) * cron->every;
	return due;
}

/*
 * Returns the times that are due: "first", and those after it up to "until", of which
 * the newest "most".  It looks back from "until" over twice as long a span each time,
 * so that a long time without anybody who looks costs little.
 */
TimestampTz *
cron_due(const Cron *cron, pg_tz *zone, TimestampTz first, TimestampTz until, int most,
		 int *count)
{
	TimestampTz *ring;
	TimestampTz *due;
	int64		found;
	int			kept;

	if (cron->every > 0)
		return every_due(cron, first, until, most, count);
	ring = palloc(sizeof(TimestampTz) * most);
	for (int64 span = USECS_PER_SEC;; span *= 2)
	{
		TimestampTz from = Max(first, until - span);

		found = list_due(cron, zone, from, until, ring, most);
		if (found >= most || from == first)
			break;
	}
	kept = (int) Min(found, most);
	due = palloc(sizeof(TimestampTz) * (kept + 1));
	*count = 0;
	if (found < most)
		due[(*count)++] = first;
	for (int i = 0; i < kept; i++)
		due[(*count)++] = ring[(found - kept + i) % most];
	return due;
}
