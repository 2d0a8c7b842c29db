/*
 * value/datetime.h
 *		Dates and times: what Python's datetime module calls datetime, date,
 *		time and timedelta.
 *
 * A datetime is an instant that is shown in a zone; it always has one.  The
 * calendar and the zones are PostgreSQL's, the years those of Python: 1 to 9999.
 */
#ifndef NOETL_VALUE_DATETIME_H
#define NOETL_VALUE_DATETIME_H

#include "datatype/timestamp.h"
#include "pgtime.h"

#include "value/value.h"

/* A zone: one of PostgreSQL's, or a fixed distance from UTC. */
typedef struct DatetimeZone
{
	pg_tz	   *named;			/* or NULL */
	int			offset;			/* without a name: seconds east of UTC */
} DatetimeZone;

struct ValueDatetime
{
	TimestampTz at;
	DatetimeZone	zone;
};

/* The parts of a date or time, for text. */
typedef struct DatetimeParts
{
	struct pg_tm tm;			/* tm_year is the year, tm_mon counts from 1 */
	fsec_t		fsec;
	bool		has_zone;
	int			offset;			/* seconds east of UTC */
	const char *abbreviation;	/* of the zone; NULL: the offset says it */
} DatetimeParts;

#define DATETIME_UTC	((DatetimeZone) {NULL, 0})

/* value/datetime.c */
extern Value datetime_make(TimestampTz at, DatetimeZone zone);
extern Value datetime_make_date(int64 days);
extern Value datetime_make_time(int64 microseconds);
extern Value datetime_make_delta(int64 microseconds);
extern bool datetime_zone(const char *name, int length, DatetimeZone *zone);
extern bool datetime_parse_offset(const char *s, int length, int *offset, int *used);
extern bool datetime_valid_day(int64 year, int64 month, int64 day);
extern bool datetime_valid_clock(int64 hour, int64 minute, int64 second);
extern Value datetime_from_parts(struct pg_tm *tm, fsec_t fsec, DatetimeZone zone);
extern Value datetime_from_local(Timestamp local, DatetimeZone zone);
extern Timestamp datetime_local(const ValueDatetime *moment);
extern void datetime_parts(const Value *value, DatetimeParts *parts);
extern bool datetime_parse(const char *s, int length, DatetimeZone zone, Value *result);
extern bool value_is_datetime(const Value *value);
extern bool datetime_binary(ValueOperator op, const Value *a, const Value *b, Value *result);
extern bool datetime_order(const Value *a, const Value *b, int *c);
extern bool datetime_truth(const Value *value);
extern uint32 datetime_hash(const Value *value);
extern int	datetime_weekday(const struct pg_tm *tm);

/* value/datetime_text.c */
extern void datetime_append(StringInfo buf, const Value *value, char separator);
extern void datetime_append_offset(StringInfo buf, int offset, const char *colon);
extern void datetime_repr(StringInfo buf, const Value *value);
extern Value datetime_strftime(const DatetimeParts *parts, const Value *format);
extern bool datetime_strptime(const Value *text, const Value *format, DatetimeZone zone,
							Value *result);

#endif							/* NOETL_VALUE_DATETIME_H */
