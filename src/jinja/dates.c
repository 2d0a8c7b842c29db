/*
 * jinja/dates.c
 *		Dates and times in templates: functions, filters, methods and members.
 *
 * Names, arguments and results are those of Python's datetime module and of
 * Ansible's filters.  A datetime always has a zone; where none is given it is
 * UTC, whatever the session's zone.
 */
#include "common/common.h"

#include <math.h>

#include "common/int.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "jinja/filters.h"
#include "jinja/functions.h"
#include "jinja/internal.h"

#define UNIX_EPOCH	(((int64) UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------
 */

/* Returns the zone that an argument names, or the fallback when none was given. */
static DatetimeZone
zone_argument(const Value *argument, DatetimeZone fallback)
{
	DatetimeZone	zone;

	if (argument->kind == VAL_UNDEFINED)
		value_fail_undefined(argument);
	if (!value_given_not_none(argument))
		return fallback;
	if (argument->kind != VAL_STRING ||
		!datetime_zone(argument->u.string, argument->length, &zone))
		value_fail("%s is no time zone", value_quote(argument));
	return zone;
}

/* Returns the datetime of a number of seconds since 1970. */
static Value
from_seconds(const Value *seconds, DatetimeZone zone)
{
	double		whole;
	double		fraction;

	if (seconds->kind == VAL_INT && seconds->u.integer > -INT64CONST(1000000000000) &&
		seconds->u.integer < INT64CONST(1000000000000))
		return datetime_make(seconds->u.integer * USECS_PER_SEC + UNIX_EPOCH, zone);
	fraction = modf(number_to_double(seconds), &whole);
	if (!(fabs(whole) < 1e12))
		value_fail("date value out of range");
	return datetime_make((int64) whole * USECS_PER_SEC + (int64) rint(fraction * 1e6) +
						   UNIX_EPOCH, zone);
}

/*
 * Returns a value as a datetime: a date is its midnight, a text is read as ISO
 * 8601, a number as seconds since 1970.  Raises for any other value.
 */
static Value
as_datetime(const Value *value, DatetimeZone zone)
{
	Value		result;

	if (value->kind == VAL_UNDEFINED)
		value_fail_undefined(value);
	if (value->kind == VAL_DATETIME)
		return *value;
	if (value->kind == VAL_DATE)
		return datetime_from_local(value->u.integer * USECS_PER_DAY, zone);
	if (value_is_number(value) && value->kind != VAL_BOOL)
		return from_seconds(value, zone);
	if (value->kind == VAL_STRING)
	{
		Value		text = utext_strip(value, NULL, true, true);

		if (datetime_parse(text.u.string, text.length, zone, &result))
			return result;
		value_fail("%s is no date or time in ISO 8601", value_quote(value));
	}
	value_fail("%s is no date or time", value_type(value));
}

/* Returns a format argument.  Raises when it is no string. */
static Value
format_argument(const Value *argument)
{
	if (argument->kind == VAL_UNDEFINED)
		value_fail_undefined(argument);
	if (argument->kind != VAL_STRING)
		value_fail("format of dates must be str, not %s", value_type(argument));
	return *argument;
}

/* Returns strftime() of a date or time. */
static Value
format_moment(const Value *moment, const Value *format)
{
	DatetimeParts parts;
	Value		text = format_argument(format);

	if (moment->kind == VAL_TIMEDELTA)
		value_fail("'timedelta' object has no attribute 'strftime'");
	datetime_parts(moment, &parts);
	return datetime_strftime(&parts, &text);
}

/* ------------------------------------------------------------------------
 * Functions
 * ------------------------------------------------------------------------
 */

/*
 * The function now: the time of the evaluation in a zone, or as text of a format.
 * Ansible's now(utc, fmt) is understood too.
 */
Value
jinja_function_now(Eval *ev, const Value *argv, const CallArgs *call)
{
	bool		flag = argv[1].kind == VAL_BOOL;
	Value		none = value_none();
	DatetimeZone	zone = zone_argument(flag ? &none : &argv[1], DATETIME_UTC);
	Value		now = datetime_make(ev->scope->now, zone);

	if (value_given_not_none(&argv[3]))
		return format_moment(&now, &argv[3]);
	if (flag && value_given_not_none(&argv[2]))
		return format_moment(&now, &argv[2]);
	return now;
}

/* The function today: the date of the evaluation in a zone. */
Value
jinja_function_today(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		now = datetime_make(ev->scope->now, zone_argument(&argv[1], DATETIME_UTC));
	int64		local = datetime_local(now.u.datetime);

	return datetime_make_date(local / USECS_PER_DAY - (local % USECS_PER_DAY < 0 ? 1 : 0));
}

/* The function date_time: a text, number or date as a datetime. */
Value
jinja_function_date_time(Eval *ev, const Value *argv, const CallArgs *call)
{
	return as_datetime(&argv[1], zone_argument(&argv[2], DATETIME_UTC));
}

/* The function timedelta; the parameters are Python's. */
Value
jinja_function_timedelta(Eval *ev, const Value *argv, const CallArgs *call)
{
	static const int64 units[] = {
		USECS_PER_DAY, USECS_PER_SEC, 1, 1000, USECS_PER_MINUTE, USECS_PER_HOUR,
		7 * USECS_PER_DAY
	};
	Value		total = datetime_make_delta(0);

	for (int i = 0; i < lengthof(units); i++)
	{
		Value		unit = datetime_make_delta(units[i]);
		Value		part;

		if (!value_given(&argv[i + 1]))
			continue;
		if (argv[i + 1].kind == VAL_UNDEFINED)
			value_fail_undefined(&argv[i + 1]);
		if (!value_is_number(&argv[i + 1]))
			value_fail("unsupported type for a part of timedelta: %s", value_type(&argv[i + 1]));
		part = jinja_binary(ev, OP_MUL, &unit, &argv[i + 1]);
		total = jinja_binary(ev, OP_ADD, &total, &part);
	}
	return total;
}

/* ------------------------------------------------------------------------
 * Filters
 * ------------------------------------------------------------------------
 */

/*
 * The filter to_datetime: text by a format; without a format it is Ansible's default,
 * or ISO 8601.
 */
Value
jinja_filter_to_datetime(Eval *ev, const Value *argv, const CallArgs *call)
{
	DatetimeZone	zone = zone_argument(&argv[2], DATETIME_UTC);
	bool		given = value_given_not_none(&argv[1]);
	Value		format = given ? format_argument(&argv[1]) :
		utext_from_cstring("%Y-%m-%d %H:%M:%S");
	Value		result;

	if (argv[0].kind != VAL_STRING)
		return as_datetime(&argv[0], zone);
	if (datetime_strptime(&argv[0], &format, zone, &result))
		return result;
	if (!given)
		return as_datetime(&argv[0], zone);
	value_fail("time data %s does not match format %s", value_quote(&argv[0]),
			   value_quote(&format));
}

/*
 * The filter strftime, in Ansible's way of writing ('%Y' | strftime(seconds), the
 * present time without seconds) and in the other (moment | strftime('%Y')).
 */
Value
jinja_filter_strftime(Eval *ev, const Value *argv, const CallArgs *call)
{
	bool		ansible = argv[0].kind == VAL_STRING &&
		(argv[1].kind != VAL_STRING ||
		 memchr(argv[0].u.string, '%', argv[0].length) != NULL);
	const Value *subject = ansible ? &argv[1] : &argv[0];
	const Value *format = ansible ? &argv[0] : &argv[1];
	Value		moment;

	if (subject->kind == VAL_DATE || subject->kind == VAL_TIME)
		moment = *subject;
	else if (ansible && !value_given_not_none(subject))
		moment = datetime_make(ev->scope->now, DATETIME_UTC);
	else if (ansible && subject->kind == VAL_STRING)
	{
		double		seconds;

		moment = number_parse_float(subject->u.string, subject->length, &seconds) ?
			value_float(seconds) : *subject;
		moment = as_datetime(&moment, DATETIME_UTC);
	}
	else
		moment = as_datetime(subject, DATETIME_UTC);
	return format_moment(&moment, format);
}

/* Returns the seconds since 1970 of a datetime. */
static Value
seconds_of(const Value *datetime)
{
	Value		microseconds = value_int(datetime->u.datetime->at - UNIX_EPOCH);
	Value		million = value_int(USECS_PER_SEC);

	return number_binary(OP_DIV, &microseconds, &million);
}

/* The filter timestamp: seconds since 1970. */
Value
jinja_filter_timestamp(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		datetime = as_datetime(&argv[0], zone_argument(&argv[1], DATETIME_UTC));

	return seconds_of(&datetime);
}

/* The filter from_timestamp: the datetime of seconds since 1970. */
Value
jinja_filter_from_timestamp(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		number = argv[0];
	double		seconds;

	if (number.kind == VAL_UNDEFINED)
		value_fail_undefined(&number);
	if (number.kind == VAL_STRING &&
		number_parse_float(number.u.string, number.length, &seconds))
		number = value_float(seconds);
	if (!value_is_number(&number))
		value_fail("timestamp must be a number, not %s", value_type(&number));
	return from_seconds(&number, zone_argument(&argv[1], DATETIME_UTC));
}

/* Returns the interval that a text says; the session's IntervalStyle does not matter. */
static Interval *
parse_interval(const Value *text)
{
	int			style = IntervalStyle;
	Interval   *interval = NULL;

	PG_TRY();
	{
		IntervalStyle = INTSTYLE_POSTGRES;
		interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
														 CStringGetDatum(utext_cstring(text)),
														 ObjectIdGetDatum(InvalidOid),
														 Int32GetDatum(-1)));
	}
	PG_FINALLY();
	{
		IntervalStyle = style;
	}
	PG_END_TRY();
	return interval;
}

/* Returns a datetime plus an interval, as PostgreSQL adds it in the zone of the datetime. */
static Value
add_interval(const Value *datetime, const Interval *interval)
{
	Interval	calendar = *interval;
	Timestamp	local = datetime_local(datetime->u.datetime);
	Value		moved = *datetime;
	int64		at;

	calendar.time = 0;
	if (interval->month != 0 || interval->day != 0)
	{
		local = DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
													  TimestampGetDatum(local),
													  IntervalPGetDatum(&calendar)));
		moved = datetime_from_local(local, datetime->u.datetime->zone);
	}
	if (pg_add_s64_overflow(moved.u.datetime->at, interval->time, &at))
		value_fail("date value out of range");
	return datetime_make(at, moved.u.datetime->zone);
}

/* The filter date_add: a date or time plus an interval of PostgreSQL, or a timedelta. */
Value
jinja_filter_date_add(Eval *ev, const Value *argv, const CallArgs *call)
{
	Interval   *interval;
	Value		datetime;

	if (argv[1].kind == VAL_TIMEDELTA)
	{
		datetime = argv[0].kind == VAL_DATE ? argv[0] : as_datetime(&argv[0], DATETIME_UTC);
		return jinja_binary(ev, OP_ADD, &datetime, &argv[1]);
	}
	if (argv[1].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[1]);
	if (argv[1].kind != VAL_STRING)
		value_fail("interval must be str or timedelta, not %s", value_type(&argv[1]));
	datetime = as_datetime(&argv[0], DATETIME_UTC);
	interval = parse_interval(&argv[1]);
	datetime = add_interval(&datetime, interval);
	if (argv[0].kind == VAL_DATE && interval->time == 0)
		return datetime_make_date(datetime_local(datetime.u.datetime) / USECS_PER_DAY -
						   (datetime_local(datetime.u.datetime) % USECS_PER_DAY < 0 ? 1 : 0));
	return datetime;
}

/* The filter date_trunc: the beginning of a unit of PostgreSQL, in a zone. */
Value
jinja_filter_date_trunc(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		datetime = as_datetime(&argv[0], zone_argument(&argv[2], DATETIME_UTC));
	DatetimeZone	zone = zone_argument(&argv[2], datetime.u.datetime->zone);
	Timestamp	local;
	Timestamp	truncated;
	text	   *unit;

	if (argv[1].kind != VAL_STRING)
		value_fail("unit of date_trunc must be str, not %s", value_type(&argv[1]));
	datetime = datetime_make(datetime.u.datetime->at, zone);
	local = datetime_local(datetime.u.datetime);
	unit = cstring_to_text_with_len(argv[1].u.string, argv[1].length);
	truncated = DatumGetTimestamp(DirectFunctionCall2(timestamp_trunc, PointerGetDatum(unit),
													  TimestampGetDatum(local)));
	if (local - truncated < USECS_PER_HOUR)
		return datetime_make(datetime.u.datetime->at - (local - truncated), zone);
	if (argv[0].kind == VAL_DATE)
		return datetime_make_date(truncated / USECS_PER_DAY -
								  (truncated % USECS_PER_DAY < 0 ? 1 : 0));
	return datetime_from_local(truncated, zone);
}

/* ------------------------------------------------------------------------
 * Members
 * ------------------------------------------------------------------------
 */

/* Returns days, seconds and microseconds of a timedelta, as Python has them. */
static bool
delta_attribute(int64 delta, const Value *name, Value *result)
{
	int64		whole = delta / USECS_PER_DAY - (delta % USECS_PER_DAY < 0 ? 1 : 0);
	int64		rest = delta - whole * USECS_PER_DAY;

	if (utext_is(name, "days"))
		*result = value_int(whole);
	else if (utext_is(name, "seconds"))
		*result = value_int(rest / USECS_PER_SEC);
	else if (utext_is(name, "microseconds"))
		*result = value_int(rest % USECS_PER_SEC);
	else
		return false;
	return true;
}

/* Sets *result to a member of a date or time; returns false when it has none of that name. */
bool
jinja_date_attribute(const Value *object, const Value *name, Value *result)
{
	static const char *const names[] = {
		"year", "month", "day", "hour", "minute", "second", "microsecond"
	};
	int			first = object->kind == VAL_TIME ? 3 : 0;
	int			last = object->kind == VAL_DATE ? 2 : 6;
	DatetimeParts parts;

	if (object->kind == VAL_TIMEDELTA)
		return delta_attribute(object->u.integer, name, result);
	for (int i = first; i <= last; i++)
	{
		if (!utext_is(name, names[i]))
			continue;
		datetime_parts(object, &parts);
		*result = value_int(((int[])
							 {
							 parts.tm.tm_year, parts.tm.tm_mon, parts.tm.tm_mday, parts.tm.tm_hour,
							 parts.tm.tm_min, parts.tm.tm_sec, (int) parts.fsec
							 })[i]);
		return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Methods
 * ------------------------------------------------------------------------
 */

/* strftime() */
static Value
method_strftime(Eval *ev, const Value *argv, const CallArgs *call)
{
	return format_moment(&argv[0], &argv[1]);
}

/* Cuts the time of an ISO text to a timespec of Python, and appends it. */
static void
append_timespec(StringInfo buf, const DatetimeParts *parts, const Value *timespec)
{
	const struct pg_tm *tm = &parts->tm;

	appendStringInfo(buf, "%02d", tm->tm_hour);
	if (utext_is(timespec, "hours"))
		return;
	appendStringInfo(buf, ":%02d", tm->tm_min);
	if (utext_is(timespec, "minutes"))
		return;
	appendStringInfo(buf, ":%02d", tm->tm_sec);
	if (utext_is(timespec, "seconds"))
		return;
	if (utext_is(timespec, "milliseconds"))
		appendStringInfo(buf, ".%03d", (int) parts->fsec / 1000);
	else if (utext_is(timespec, "microseconds") || parts->fsec != 0)
		appendStringInfo(buf, ".%06d", (int) parts->fsec);
}

/* isoformat() of a datetime or time. */
static Value
isoformat(const Value *moment, const Value *separator, const Value *timespec)
{
	static const char *const timespecs[] = {
		"auto", "hours", "minutes", "seconds", "milliseconds", "microseconds"
	};
	StringInfoData buf;
	DatetimeParts parts;
	bool		known = !value_given(timespec);

	for (int i = 0; i < lengthof(timespecs); i++)
		known = known || utext_is(timespec, timespecs[i]);
	if (!known)
		value_fail("unknown timespec value");
	if (value_given(separator) &&
		(separator->kind != VAL_STRING ||
		 utext_chars(separator->u.string, separator->length) != 1))
		value_fail("separator must be one character");
	initStringInfo(&buf);
	datetime_parts(moment, &parts);
	if (moment->kind == VAL_DATETIME)
	{
		appendStringInfo(&buf, "%04d-%02d-%02d", parts.tm.tm_year, parts.tm.tm_mon,
						 parts.tm.tm_mday);
		if (value_given(separator))
			appendBinaryStringInfo(&buf, separator->u.string, separator->length);
		else
			appendStringInfoChar(&buf, 'T');
	}
	append_timespec(&buf, &parts, timespec);
	if (parts.has_zone)
		datetime_append_offset(&buf, parts.offset, ":");
	return utext_from_buffer(&buf);
}

/* datetime.isoformat() */
static Value
datetime_method_isoformat(Eval *ev, const Value *argv, const CallArgs *call)
{
	return isoformat(&argv[0], &argv[1], &argv[2]);
}

/* time.isoformat() */
static Value
time_method_isoformat(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		absent = {VAL_ABSENT};

	return isoformat(&argv[0], &absent, &argv[1]);
}

/* date.isoformat() */
static Value
date_method_isoformat(Eval *ev, const Value *argv, const CallArgs *call)
{
	return value_str(&ev->budget, &argv[0]);
}

/* Returns the clock of a datetime as days and microseconds of the day. */
static int64
split_local(const Value *datetime, int64 *microseconds)
{
	int64		local = datetime_local(datetime->u.datetime);
	int64		whole = local / USECS_PER_DAY - (local % USECS_PER_DAY < 0 ? 1 : 0);

	*microseconds = local - whole * USECS_PER_DAY;
	return whole;
}

/* datetime.date() */
static Value
datetime_method_date(Eval *ev, const Value *argv, const CallArgs *call)
{
	int64		rest;

	return datetime_make_date(split_local(&argv[0], &rest));
}

/* datetime.time() */
static Value
datetime_method_time(Eval *ev, const Value *argv, const CallArgs *call)
{
	int64		rest;

	(void) split_local(&argv[0], &rest);
	return datetime_make_time(rest);
}

/* datetime.timestamp() */
static Value
datetime_method_timestamp(Eval *ev, const Value *argv, const CallArgs *call)
{
	return seconds_of(&argv[0]);
}

/* datetime.astimezone(): the same instant in another zone. */
static Value
datetime_method_astimezone(Eval *ev, const Value *argv, const CallArgs *call)
{
	return datetime_make(argv[0].u.datetime->at, zone_argument(&argv[1], DATETIME_UTC));
}

/* datetime.utcoffset() */
static Value
datetime_method_utcoffset(Eval *ev, const Value *argv, const CallArgs *call)
{
	return datetime_make_delta(datetime_local(argv[0].u.datetime) - argv[0].u.datetime->at);
}

/* datetime.tzname() */
static Value
datetime_method_tzname(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		format = utext_from_cstring("%Z");

	return format_moment(&argv[0], &format);
}

/* weekday(): Monday is 0. */
static Value
method_weekday(Eval *ev, const Value *argv, const CallArgs *call)
{
	DatetimeParts parts;

	datetime_parts(&argv[0], &parts);
	return value_int(datetime_weekday(&parts.tm));
}

/* isoweekday(): Monday is 1. */
static Value
method_isoweekday(Eval *ev, const Value *argv, const CallArgs *call)
{
	DatetimeParts parts;

	datetime_parts(&argv[0], &parts);
	return value_int(datetime_weekday(&parts.tm) + 1);
}

/* isocalendar(): year, week and day. */
static Value
method_isocalendar(Eval *ev, const Value *argv, const CallArgs *call)
{
	DatetimeParts parts;
	Value	   *items = palloc(3 * sizeof(Value));

	datetime_parts(&argv[0], &parts);
	items[0] = value_int(date2isoyear(parts.tm.tm_year, parts.tm.tm_mon, parts.tm.tm_mday));
	items[1] = value_int(date2isoweek(parts.tm.tm_year, parts.tm.tm_mon, parts.tm.tm_mday));
	items[2] = value_int(datetime_weekday(&parts.tm) + 1);
	return value_tuple(3, items);
}

/* Replaces a part by an argument, when one was given. */
static void
replace_part(int *part, const Value *argument)
{
	int64		number;

	if (!value_given(argument))
		return;
	number = value_index(argument, "replace");
	*part = number < -1 || number > INT_MAX ? -1 : (int) number;
}

/* Replaces the date of parts by three arguments. */
static void
replace_date(DatetimeParts *parts, const Value *argv)
{
	replace_part(&parts->tm.tm_year, &argv[0]);
	replace_part(&parts->tm.tm_mon, &argv[1]);
	replace_part(&parts->tm.tm_mday, &argv[2]);
	if (!datetime_valid_day(parts->tm.tm_year, parts->tm.tm_mon, parts->tm.tm_mday))
		value_fail("day is out of range for month");
}

/* Replaces the time of parts by four arguments. */
static void
replace_clock(DatetimeParts *parts, const Value *argv)
{
	int			fsec = parts->fsec;

	replace_part(&parts->tm.tm_hour, &argv[0]);
	replace_part(&parts->tm.tm_min, &argv[1]);
	replace_part(&parts->tm.tm_sec, &argv[2]);
	replace_part(&fsec, &argv[3]);
	if (!datetime_valid_clock(parts->tm.tm_hour, parts->tm.tm_min, parts->tm.tm_sec) ||
		fsec < 0 || fsec > 999999)
		value_fail("hour, minute, second or microsecond is out of range");
	parts->fsec = fsec;
}

/* datetime.replace() */
static Value
datetime_method_replace(Eval *ev, const Value *argv, const CallArgs *call)
{
	DatetimeParts parts;

	datetime_parts(&argv[0], &parts);
	replace_date(&parts, &argv[1]);
	replace_clock(&parts, &argv[4]);
	return datetime_from_parts(&parts.tm, parts.fsec,
							 zone_argument(&argv[8], argv[0].u.datetime->zone));
}

/* date.replace() */
static Value
date_method_replace(Eval *ev, const Value *argv, const CallArgs *call)
{
	DatetimeParts parts;

	datetime_parts(&argv[0], &parts);
	replace_date(&parts, &argv[1]);
	return datetime_make_date(date2j(parts.tm.tm_year, parts.tm.tm_mon, parts.tm.tm_mday) -
					   POSTGRES_EPOCH_JDATE);
}

/* time.replace() */
static Value
time_method_replace(Eval *ev, const Value *argv, const CallArgs *call)
{
	DatetimeParts parts;

	datetime_parts(&argv[0], &parts);
	replace_clock(&parts, &argv[1]);
	return datetime_make_time(((parts.tm.tm_hour * 60 + parts.tm.tm_min) * 60 + parts.tm.tm_sec) *
					   USECS_PER_SEC + parts.fsec);
}

/* timedelta.total_seconds() */
static Value
delta_method_total_seconds(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		microseconds = value_int(argv[0].u.integer);
	Value		million = value_int(USECS_PER_SEC);

	return number_binary(OP_DIV, &microseconds, &million);
}

/* Sorted by name, as all tables are. */
static const Builtin datetime_methods[] = {
	{"astimezone", datetime_method_astimezone, 0, {"tz"}},
	{"date", datetime_method_date, 0},
	{"isocalendar", method_isocalendar, 0},
	{"isoformat", datetime_method_isoformat, 0, {"sep", "timespec"}},
	{"isoweekday", method_isoweekday, 0},
	{"replace",
	 datetime_method_replace,
	 0,
	 {"year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"}},
	{"strftime", method_strftime, 1, {"format"}},
	{"time", datetime_method_time, 0},
	{"timestamp", datetime_method_timestamp, 0},
	{"tzname", datetime_method_tzname, 0},
	{"utcoffset", datetime_method_utcoffset, 0},
	{"weekday", method_weekday, 0},
};

static const Builtin date_methods[] = {
	{"isocalendar", method_isocalendar, 0},
	{"isoformat", date_method_isoformat, 0},
	{"isoweekday", method_isoweekday, 0},
	{"replace", date_method_replace, 0, {"year", "month", "day"}},
	{"strftime", method_strftime, 1, {"format"}},
	{"weekday", method_weekday, 0},
};

static const Builtin time_methods[] = {
	{"isoformat", time_method_isoformat, 0, {"timespec"}},
	{"replace", time_method_replace, 0, {"hour", "minute", "second", "microsecond"}},
	{"strftime", method_strftime, 1, {"format"}},
};

static const Builtin delta_methods[] = {
	{"total_seconds", delta_method_total_seconds, 0},
};

#define FIND(table) jinja_find_builtin(table, lengthof(table), name, length)

/* Returns the method of a date or time, or NULL. */
const Builtin *
jinja_find_date_method(const Value *object, const char *name, int length)
{
	switch ((ValueKind) object->kind)
	{
		case VAL_DATETIME:
			return FIND(datetime_methods);
		case VAL_DATE:
			return FIND(date_methods);
		case VAL_TIME:
			return FIND(time_methods);
		default:
			return FIND(delta_methods);
	}
}
