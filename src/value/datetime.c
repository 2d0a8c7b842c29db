/*
 * value/datetime.c
 *		Dates and times: zones, parts, arithmetic and order.
 *
 * Arithmetic is Python's: a datetime plus a timedelta moves the clock on the
 * wall of its zone, and the difference of two datetimes in one named zone is
 * that of their clocks.  Two datetimes are ordered by their instants.
 */
#include "common/common.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "value/value.h"

#define MAX_DELTA_DAYS	106751990	/* of a timedelta: what int64 holds */

/* ------------------------------------------------------------------------
 * Constructors
 * ------------------------------------------------------------------------
 */

/* Returns the days from 2000-01-01 to the first day of a year. */
static int64
year_begin(int year)
{
	return date2j(year, 1, 1) - POSTGRES_EPOCH_JDATE;
}

/* Returns a datetime.  Raises when its year is not 1 to 9999. */
Value
datetime_make(TimestampTz at, DatetimeZone zone)
{
	Value		v = {VAL_DATETIME};
	Timestamp	local;

	v.u.datetime = palloc(sizeof(ValueDatetime));
	v.u.datetime->at = at;
	v.u.datetime->zone = zone;
	if (at < year_begin(0) * USECS_PER_DAY || at > year_begin(10001) * USECS_PER_DAY)
		value_fail("date value out of range");
	local = datetime_local(v.u.datetime);
	if (local < year_begin(1) * USECS_PER_DAY || local >= year_begin(10000) * USECS_PER_DAY)
		value_fail("date value out of range");
	return v;
}

/* Returns a date from days since 2000-01-01.  Raises when its year is not 1 to 9999. */
Value
datetime_make_date(int64 days)
{
	Value		v = {VAL_DATE};

	if (days < year_begin(1) || days >= year_begin(10000))
		value_fail("date value out of range");
	v.u.integer = days;
	return v;
}

/* Returns a time of day from microseconds since midnight. */
Value
datetime_make_time(int64 microseconds)
{
	Value		v = {VAL_TIME};

	v.u.integer = microseconds;
	return v;
}

/* Returns a timedelta. */
Value
datetime_make_delta(int64 microseconds)
{
	Value		v = {VAL_TIMEDELTA};

	v.u.integer = microseconds;
	return v;
}

/* Returns whether the value is a datetime, date, time or timedelta. */
bool
value_is_datetime(const Value *value)
{
	return value->kind >= VAL_DATETIME && value->kind <= VAL_TIMEDELTA;
}

/* ------------------------------------------------------------------------
 * Zones
 * ------------------------------------------------------------------------
 */

/* Reads two digits; -1 when there are none. */
static int
two_digits(const char *s, int length)
{
	if (length < 2 || !isdigit((unsigned char) s[0]) || !isdigit((unsigned char) s[1]))
		return -1;
	return (s[0] - '0') * 10 + (s[1] - '0');
}

/*
 * Reads Z, +HH, +HHMM, +HH:MM or +HH:MM:SS at the beginning of a text: *offset in
 * seconds east of UTC, *used its bytes.  Returns false when there is none.
 */
bool
datetime_parse_offset(const char *s, int length, int *offset, int *used)
{
	int			parts[3] = {0, 0, 0};
	int			i = 1;
	int			n;

	if (length >= 1 && (s[0] == 'Z' || s[0] == 'z'))
	{
		*offset = 0;
		*used = 1;
		return true;
	}
	if (length < 3 || (s[0] != '+' && s[0] != '-'))
		return false;
	for (n = 0; n < 3; n++)
	{
		int			skip = n > 0 && i < length && s[i] == ':' ? 1 : 0;
		int			number = two_digits(s + i + skip, length - i - skip);

		if (number < 0 || number > (n == 0 ? 23 : 59))
			break;
		parts[n] = number;
		i += skip + 2;
	}
	if (n == 0)
		return false;
	*offset = (parts[0] * 60 + parts[1]) * 60 + parts[2];
	if (s[0] == '-')
		*offset = -*offset;
	*used = i;
	return true;
}

/*
 * Returns whether a text may be the name of a zone in the database of zones.
 * PostgreSQL would read any other as a POSIX zone, and keep each for ever.
 */
static bool
is_zone_name(const char *name)
{
	static const char *const with_digits[] = {
		"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "GMT0", "GMT+0", "GMT-0"
	};

	if (strcspn(name, "0123456789+,<:") == strlen(name))
		return true;
	if (strncmp(name, "Etc/GMT", 7) == 0)
		return strlen(name) <= 10;
	for (int i = 0; i < lengthof(with_digits); i++)
		if (strcmp(name, with_digits[i]) == 0)
			return true;
	return false;
}

/* Finds a zone by name or offset (Europe/Berlin, UTC, +02:00); false: there is none. */
bool
datetime_zone(const char *text, int length, DatetimeZone *zone)
{
	char		name[TZ_STRLEN_MAX + 1];
	int			used;

	zone->named = NULL;
	zone->offset = 0;
	if (datetime_parse_offset(text, length, &zone->offset, &used))
		return used == length;
	if (length == 0 || length > TZ_STRLEN_MAX)
		return false;
	memcpy(name, text, length);
	name[length] = '\0';
	if (pg_strcasecmp(name, "UTC") == 0)
		return true;
	if (!is_zone_name(name))
		return false;
	zone->named = pg_tzset(name);
	return zone->named != NULL && pg_tz_acceptable(zone->named);
}

/* ------------------------------------------------------------------------
 * Parts
 * ------------------------------------------------------------------------
 */

/* Returns whether the calendar has a day. */
bool
datetime_valid_day(int64 year, int64 month, int64 day)
{
	return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
		day <= day_tab[isleap((int) year)][month - 1];
}

/* Returns whether a day has the time. */
bool
datetime_valid_clock(int64 hour, int64 minute, int64 second)
{
	return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 &&
		second <= 59;
}

/*
 * Returns the datetime at which the clock of a zone shows the parts.  A time that
 * the clock skips or shows twice is what PostgreSQL takes it for.
 */
Value
datetime_from_parts(struct pg_tm *tm, fsec_t fsec, DatetimeZone zone)
{
	Timestamp	local;
	int			west = -zone.offset;

	if (zone.named != NULL)
		west = DetermineTimeZoneOffset(tm, zone.named);
	if (tm2timestamp(tm, fsec, NULL, &local) != 0)
		value_fail("date value out of range");
	return datetime_make(local + (int64) west * USECS_PER_SEC, zone);
}

/* Returns the datetime at which the clock of a zone shows a timestamp. */
Value
datetime_from_local(Timestamp local, DatetimeZone zone)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(local, NULL, &tm, &fsec, NULL, NULL) != 0)
		value_fail("date value out of range");
	return datetime_from_parts(&tm, fsec, zone);
}

/* Returns the timestamp that the clock of its zone shows. */
Timestamp
datetime_local(const ValueDatetime *moment)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			west;

	if (moment->zone.named == NULL)
		return moment->at + (int64) moment->zone.offset * USECS_PER_SEC;
	if (timestamp2tm(moment->at, &west, &tm, &fsec, NULL, moment->zone.named) != 0)
		value_fail("date value out of range");
	return moment->at - (int64) west * USECS_PER_SEC;
}

/* Sets *parts to the parts of a datetime, date or time. */
void
datetime_parts(const Value *value, DatetimeParts *parts)
{
	int64		time = value->u.integer;
	int			west = 0;

	memset(parts, 0, sizeof(DatetimeParts));
	if (value->kind == VAL_DATETIME)
	{
		const ValueDatetime *moment = value->u.datetime;
		pg_tz	   *named = moment->zone.named;

		parts->has_zone = true;
		parts->offset = moment->zone.offset;
		if (timestamp2tm(named ? moment->at : datetime_local(moment), named ? &west : NULL,
						 &parts->tm, &parts->fsec, named ? &parts->abbreviation : NULL,
						 named) != 0)
			value_fail("date value out of range");
		if (named != NULL)
			parts->offset = -west;
	}
	else if (value->kind == VAL_DATE)
		j2date((int) value->u.integer + POSTGRES_EPOCH_JDATE, &parts->tm.tm_year,
			   &parts->tm.tm_mon, &parts->tm.tm_mday);
	else
	{
		parts->tm.tm_year = 1900;
		parts->tm.tm_mon = parts->tm.tm_mday = 1;
		parts->tm.tm_hour = time / USECS_PER_HOUR;
		parts->tm.tm_min = time / USECS_PER_MINUTE % 60;
		parts->tm.tm_sec = time / USECS_PER_SEC % 60;
		parts->fsec = time % USECS_PER_SEC;
	}
}

/* Returns the day of the week; Monday is 0. */
int
datetime_weekday(const struct pg_tm *tm)
{
	return (j2day(date2j(tm->tm_year, tm->tm_mon, tm->tm_mday)) + 6) % 7;
}

/* Reads a number of exactly so many digits; -1 when there is none. */
static int
fixed_digits(const char *s, int length, int digits)
{
	int			number = 0;

	if (length < digits)
		return -1;
	for (int i = 0; i < digits; i++)
	{
		if (!isdigit((unsigned char) s[i]))
			return -1;
		number = number * 10 + (s[i] - '0');
	}
	return number;
}

/*
 * Reads HH:MM[:SS[.ffffff]] at the beginning of a text; returns its bytes, or -1
 * when there is no such time.
 */
static int
parse_clock(const char *s, int length, struct pg_tm *tm, fsec_t *fsec)
{
	int			i = 5;
	int			scale = 100000;

	tm->tm_hour = fixed_digits(s, length, 2);
	if (tm->tm_hour < 0 || length < 5 || s[2] != ':')
		return -1;
	tm->tm_min = fixed_digits(s + 3, length - 3, 2);
	if (length > 5 && s[5] == ':')
	{
		tm->tm_sec = fixed_digits(s + 6, length - 6, 2);
		i = 8;
		if (i < length && (s[i] == '.' || s[i] == ','))
			for (i++; i < length && isdigit((unsigned char) s[i]); i++, scale /= 10)
				*fsec += (s[i] - '0') * scale;
	}
	return datetime_valid_clock(tm->tm_hour, tm->tm_min, tm->tm_sec) ? i : -1;
}

/*
 * Reads a date, or a date and time, in ISO 8601's extended form: 2026-03-01,
 * 2026-03-01T12:30:00.5+01:00, 2026-03-01 12:30 Europe/Berlin.  Without a zone of
 * its own the text is in the zone given.  Returns false for any other text.
 */
bool
datetime_parse(const char *s, int length, DatetimeZone zone, Value *result)
{
	struct pg_tm tm;
	fsec_t		fsec = 0;
	int			used = 10;

	memset(&tm, 0, sizeof(tm));
	tm.tm_year = fixed_digits(s, length, 4);
	if (tm.tm_year < 0 || length < 10 || s[4] != '-' || s[7] != '-')
		return false;
	tm.tm_mon = fixed_digits(s + 5, length - 5, 2);
	tm.tm_mday = fixed_digits(s + 8, length - 8, 2);
	if (!datetime_valid_day(tm.tm_year, tm.tm_mon, tm.tm_mday))
		return false;
	if (length > 10 && (s[10] == 'T' || s[10] == 't' || s[10] == ' '))
	{
		used = parse_clock(s + 11, length - 11, &tm, &fsec);
		if (used < 0)
			return false;
		used += 11;
	}
	if (used < length && s[used] == ' ')
		used++;
	if (used < length && !datetime_zone(s + used, length - used, &zone))
		return false;
	*result = datetime_from_parts(&tm, fsec, zone);
	return true;
}

/* ------------------------------------------------------------------------
 * Arithmetic
 * ------------------------------------------------------------------------
 */

/* Returns a timedelta.  Raises when it does not fit. */
static Value
checked_timedelta(bool overflow, int64 microseconds)
{
	if (overflow || microseconds > MAX_DELTA_DAYS * USECS_PER_DAY ||
		microseconds < -MAX_DELTA_DAYS * USECS_PER_DAY)
		value_fail("timedelta has more than %d days", MAX_DELTA_DAYS);
	return datetime_make_delta(microseconds);
}

/* Returns the timedelta of a / b microseconds, integers, rounded half to even; b is not 0. */
static Value
rounded_ratio(const Value *a, const Value *b)
{
	Value		two = value_int(2);
	Value		one = value_int(1);
	Value		quotient = number_binary(OP_FLOORDIV, a, b);
	Value		rest = number_binary(OP_MOD, a, b);
	Value		twice = number_binary(OP_MUL, &rest, &two);
	Value		size = number_abs(b);
	Value		odd = number_binary(OP_MOD, &quotient, &two);
	bool		unordered;
	int			c;

	twice = number_abs(&twice);
	c = number_compare(&twice, &size, &unordered);
	if (c > 0 || (c == 0 && value_truth(NULL, &odd)))
		quotient = number_binary(OP_ADD, &quotient, &one);
	return checked_timedelta(quotient.kind != VAL_INT,
							 quotient.kind == VAL_INT ? quotient.u.integer : 0);
}

/* Returns a timedelta times or divided by a float, which is taken for the exact ratio it is. */
static Value
scale_by_float(bool divide, int64 a, double factor)
{
	Value		numerator = value_int(a);
	Value		denominator = value_int(1);
	Value		two = value_int(2);
	int			exponent;
	double		fraction;
	Value		whole;
	Value		power;

	if (!isfinite(factor))
		value_fail("timedelta is not finite");
	fraction = frexp(factor, &exponent);
	whole = number_from_double_trunc(ldexp(fraction, 53));
	exponent -= 53;
	power = value_int(abs(exponent));
	power = number_binary(OP_POW, &two, &power);
	if (divide)
		denominator = whole;
	else
		numerator = number_binary(OP_MUL, &numerator, &whole);
	if ((exponent > 0) != divide)
		numerator = number_binary(OP_MUL, &numerator, &power);
	else
		denominator = number_binary(OP_MUL, &denominator, &power);
	return rounded_ratio(&numerator, &denominator);
}

/* Returns a / b rounded half to even, of which b is not 0. */
static int64
divide_half_even(int64 a, int64 b)
{
	int64		q = a / b;
	int64		r = a % b;
	uint64		twice = 2 * (uint64) (r < 0 ? -r : r);
	uint64		size = (uint64) (b < 0 ? -b : b);

	if (twice > size || (twice == size && (q & 1)))
		q += (a < 0) == (b < 0) ? 1 : -1;
	return q;
}

/* Returns a datetime or date moved by a number of microseconds. */
static Value
shift(const Value *value, int64 microseconds)
{
	int64		sum;
	int64		days;

	if (value->kind == VAL_DATE)
	{
		days = microseconds / USECS_PER_DAY - (microseconds % USECS_PER_DAY < 0 ? 1 : 0);
		return datetime_make_date(value->u.integer + days);
	}
	if (pg_add_s64_overflow(datetime_local(value->u.datetime), microseconds, &sum) ||
		sum < year_begin(1) * USECS_PER_DAY || sum >= year_begin(10000) * USECS_PER_DAY)
		value_fail("date value out of range");
	return datetime_from_local(sum, value->u.datetime->zone);
}

/* Returns the difference of two datetimes. */
static Value
datetime_difference(const ValueDatetime *a, const ValueDatetime *b)
{
	if (a->zone.named != NULL && a->zone.named == b->zone.named)
		return datetime_make_delta(datetime_local(a) - datetime_local(b));
	return datetime_make_delta(a->at - b->at);
}

/* Sets *result to an operation on two timedeltas; false when there is none. */
static bool
delta_binary(ValueOperator op, int64 a, int64 b, Value *result)
{
	int64		x;
	bool		overflow;
	Value		numerator = value_int(a);
	Value		denominator = value_int(b);

	switch (op)
	{
		case OP_ADD:
			overflow = pg_add_s64_overflow(a, b, &x);
			*result = checked_timedelta(overflow, overflow ? 0 : x);
			return true;
		case OP_SUB:
			overflow = pg_sub_s64_overflow(a, b, &x);
			*result = checked_timedelta(overflow, overflow ? 0 : x);
			return true;
		case OP_DIV:
		case OP_FLOORDIV:
			*result = number_binary(op, &numerator, &denominator);
			return true;
		case OP_MOD:
			*result = number_binary(op, &numerator, &denominator);
			*result = datetime_make_delta(result->u.integer);
			return true;
		default:
			return false;
	}
}

/* Sets *result to a timedelta times or divided by a number; false: no such operation. */
static bool
delta_scale(ValueOperator op, int64 a, const Value *number, Value *result)
{
	Value		delta = value_int(a);
	int64		x = 0;

	if (op == OP_MUL && number->kind == VAL_FLOAT)
		*result = scale_by_float(false, a, number->u.real);
	else if (op == OP_MUL)
	{
		bool		overflow = number->kind == VAL_BIGINT ||
			pg_mul_s64_overflow(a, value_index(number, "*"), &x);

		*result = checked_timedelta(overflow, overflow ? 0 : x);
	}
	else if ((op != OP_DIV && op != OP_FLOORDIV) ||
			 (op == OP_FLOORDIV && number->kind == VAL_FLOAT))
		return false;
	else if (!value_truth(NULL, number))
		value_fail("division by zero");
	else if (number->kind == VAL_FLOAT)
		*result = scale_by_float(true, a, number->u.real);
	else if (op == OP_DIV)
		*result = datetime_make_delta(number->kind == VAL_BIGINT ? 0 :
								   divide_half_even(a, value_index(number, "/")));
	else
	{
		*result = number_binary(op, &delta, number);
		*result = datetime_make_delta(result->u.integer);
	}
	return true;
}

/*
 * Sets *result to the result of an operator of which one operand at least is a date or
 * time; returns false where Python knows no such operation.
 */
bool
datetime_binary(ValueOperator op, const Value *a, const Value *b, Value *result)
{
	bool		point = a->kind == VAL_DATETIME || a->kind == VAL_DATE;

	if (a->kind == VAL_TIMEDELTA && b->kind == VAL_TIMEDELTA)
		return delta_binary(op, a->u.integer, b->u.integer, result);
	if (a->kind == VAL_TIMEDELTA && value_is_number(b))
		return delta_scale(op, a->u.integer, b, result);
	if (b->kind == VAL_TIMEDELTA && value_is_number(a) && op == OP_MUL)
		return delta_scale(op, b->u.integer, a, result);
	if (a->kind == VAL_TIMEDELTA && op == OP_ADD &&
		(b->kind == VAL_DATETIME || b->kind == VAL_DATE))
		return datetime_binary(op, b, a, result);
	if (point && b->kind == VAL_TIMEDELTA && (op == OP_ADD || op == OP_SUB))
	{
		int64		change = b->u.integer;

		if (a->kind == VAL_DATE && op == OP_SUB)
		{
			/* Python takes the days of the timedelta, and then their negative */
			change = change / USECS_PER_DAY - (change % USECS_PER_DAY < 0 ? 1 : 0);
			change *= USECS_PER_DAY;
		}
		*result = shift(a, op == OP_SUB ? -change : change);
		return true;
	}
	if (op != OP_SUB || a->kind != b->kind || !point)
		return false;
	if (a->kind == VAL_DATE)
		*result = datetime_make_delta((a->u.integer - b->u.integer) * USECS_PER_DAY);
	else
		*result = datetime_difference(a->u.datetime, b->u.datetime);
	return true;
}

/* ------------------------------------------------------------------------
 * Order
 * ------------------------------------------------------------------------
 */

/* Returns the number by which values of one kind are ordered. */
static int64
position(const Value *value)
{
	return value->kind == VAL_DATETIME ? value->u.datetime->at : value->u.integer;
}

/* Sets *c to the order of two dates or times; returns false when they have none. */
bool
datetime_order(const Value *a, const Value *b, int *c)
{
	if (a->kind != b->kind || !value_is_datetime(a))
		return false;
	*c = (position(a) > position(b)) - (position(a) < position(b));
	return true;
}

/* Returns Python's bool(): only a timedelta can be false. */
bool
datetime_truth(const Value *value)
{
	return value->kind != VAL_TIMEDELTA || value->u.integer != 0;
}

/* Returns the hash of a date or time. */
uint32
datetime_hash(const Value *value)
{
	int64		number = position(value);

	return hash_combine(value->kind, hash_bytes((unsigned char *) &number, sizeof(number)));
}
