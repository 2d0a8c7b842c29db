/*
 * value/moment.h
 *		Dates and times: what Python's datetime module calls datetime, date,
 *		time and timedelta.
 *
 * A datetime is an instant that is shown in a zone; it always has one.  The
 * calendar and the zones are PostgreSQL's, the years those of Python: 1 to 9999.
 */
#ifndef NOETL_VALUE_MOMENT_H
#define NOETL_VALUE_MOMENT_H

#include "datatype/timestamp.h"
#include "pgtime.h"

#include "value/value.h"

/* A zone: one of PostgreSQL's, or a fixed distance from UTC. */
typedef struct MomentZone
{
	pg_tz	   *named;			/* or NULL */
	int			offset;			/* without a name: seconds east of UTC */
} MomentZone;

struct ValueMoment
{
	TimestampTz at;
	MomentZone	zone;
};

/* The parts of a date or time, for text. */
typedef struct MomentParts
{
	struct pg_tm tm;			/* tm_year is the year, tm_mon counts from 1 */
	fsec_t		fsec;
	bool		has_zone;
	int			offset;			/* seconds east of UTC */
	const char *abbreviation;	/* of the zone; NULL: the offset says it */
} MomentParts;

#define MOMENT_UTC	((MomentZone) {NULL, 0})

/* value/moment.c */
extern Value moment_datetime(TimestampTz at, MomentZone zone);
extern Value moment_date(int64 days);
extern Value moment_time(int64 microseconds);
extern Value moment_timedelta(int64 microseconds);
extern bool moment_zone(const char *name, int length, MomentZone *zone);
extern bool moment_parse_offset(const char *s, int length, int *offset, int *used);
extern bool moment_valid_day(int64 year, int64 month, int64 day);
extern bool moment_valid_clock(int64 hour, int64 minute, int64 second);
extern Value moment_from_parts(struct pg_tm *tm, fsec_t fsec, MomentZone zone);
extern Value moment_from_local(Timestamp local, MomentZone zone);
extern Timestamp moment_local(const ValueMoment *moment);
extern void moment_parts(const Value *value, MomentParts *parts);
extern bool moment_parse(const char *s, int length, MomentZone zone, Value *result);
extern bool value_is_moment(const Value *value);
extern bool moment_binary(ValueOperator op, const Value *a, const Value *b, Value *result);
extern bool moment_order(const Value *a, const Value *b, int *c);
extern bool moment_truth(const Value *value);
extern uint32 moment_hash(const Value *value);
extern int	moment_weekday(const struct pg_tm *tm);

/* value/moment_text.c */
extern void moment_append(StringInfo buf, const Value *value, char separator);
extern void moment_append_offset(StringInfo buf, int offset, const char *colon);
extern void moment_repr(StringInfo buf, const Value *value);
extern Value moment_strftime(const MomentParts *parts, const Value *format);
extern bool moment_strptime(const Value *text, const Value *format, MomentZone zone,
							Value *result);

#endif							/* NOETL_VALUE_MOMENT_H */
