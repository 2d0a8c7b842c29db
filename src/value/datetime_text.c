/*
 * value/datetime_text.c
 *		Dates and times as text: isoformat, str, repr, strftime and strptime.
 *
 * Names of months and days are English, whatever the locale.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "value/value.h"

static const char *const month_names[] = {
	"January", "February", "March", "April", "May", "June", "July", "August", "September",
	"October", "November", "December"
};

static const char *const day_names[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
};

/* ------------------------------------------------------------------------
 * str and repr
 * ------------------------------------------------------------------------
 */

/* Appends an offset from UTC: +02:00, or +0200 when there is no colon. */
void
datetime_append_offset(StringInfo buf, int offset, const char *colon)
{
	int			size = abs(offset);

	appendStringInfo(buf, "%c%02d%s%02d", offset < 0 ? '-' : '+', size / 3600, colon,
					 size / 60 % 60);
	if (size % 60 != 0)
		appendStringInfo(buf, "%s%02d", colon, size % 60);
}

/* Appends HH:MM:SS[.ffffff]. */
static void
append_clock(StringInfo buf, const DatetimeParts *parts)
{
	appendStringInfo(buf, "%02d:%02d:%02d", parts->tm.tm_hour, parts->tm.tm_min,
					 parts->tm.tm_sec);
	if (parts->fsec != 0)
		appendStringInfo(buf, ".%06d", (int) parts->fsec);
}

/* Appends a timedelta as Python prints it: 1 day, 2:03:04.000005. */
static void
append_timedelta(StringInfo buf, int64 microseconds)
{
	int64		days = microseconds / USECS_PER_DAY - (microseconds % USECS_PER_DAY < 0 ? 1 : 0);
	int64		rest = microseconds - days * USECS_PER_DAY;

	if (days != 0)
		appendStringInfo(buf, INT64_FORMAT " day%s, ", days, days == 1 || days == -1 ? "" : "s");
	appendStringInfo(buf, "%d:%02d:%02d", (int) (rest / USECS_PER_HOUR),
					 (int) (rest / USECS_PER_MINUTE % 60), (int) (rest / USECS_PER_SEC % 60));
	if (rest % USECS_PER_SEC != 0)
		appendStringInfo(buf, ".%06d", (int) (rest % USECS_PER_SEC));
}

/* Appends a date or time in ISO 8601, a timedelta as Python prints it. */
void
datetime_append(StringInfo buf, const Value *value, char separator)
{
	DatetimeParts parts;

	if (value->kind == VAL_TIMEDELTA)
	{
		append_timedelta(buf, value->u.integer);
		return;
	}
	datetime_parts(value, &parts);
	if (value->kind != VAL_TIME)
		appendStringInfo(buf, "%04d-%02d-%02d", parts.tm.tm_year, parts.tm.tm_mon,
						 parts.tm.tm_mday);
	if (value->kind == VAL_DATETIME)
		appendStringInfoChar(buf, separator);
	if (value->kind != VAL_DATE)
		append_clock(buf, &parts);
	if (parts.has_zone)
		datetime_append_offset(buf, parts.offset, ":");
}

/* Appends the text of a date or time inside a list or dict: the text, quoted. */
void
datetime_repr(StringInfo buf, const Value *value)
{
	StringInfoData text;

	initStringInfo(&text);
	datetime_append(&text, value, 'T');
	value_repr_string(buf, text.data, text.len);
	pfree(text.data);
}

/* ------------------------------------------------------------------------
 * strftime
 * ------------------------------------------------------------------------
 */

/* Returns the number of the week; the first day of weeks is Sunday (0) or Monday (1). */
static int
week_number(const struct pg_tm *tm, int first)
{
	int			yday = date2j(tm->tm_year, tm->tm_mon, tm->tm_mday) - date2j(tm->tm_year, 1, 1);
	int			wday = (datetime_weekday(tm) + 1) % 7;

	return (yday + 7 - (wday - first + 7) % 7) / 7;
}

/* A number of strftime. */
typedef struct Field
{
	int			number;
	int			width;
	char		fill;
} Field;

/* Sets *field to the number of a directive; returns false when it is not a number. */
static bool
numeric_field(const DatetimeParts *parts, char directive, Field *field)
{
	const struct pg_tm *tm = &parts->tm;
	int			year = tm->tm_year;
	int			hour12 = tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12;
	int			yday = date2j(year, tm->tm_mon, tm->tm_mday) - date2j(year, 1, 1) + 1;
	int			wday = datetime_weekday(tm);
	int			isoyear = date2isoyear(year, tm->tm_mon, tm->tm_mday);
	const struct
	{
		char		directive;
		Field		field;
	}			fields[] = {
		{'C', {year / 100, 2, '0'}},
		{'d', {tm->tm_mday, 2, '0'}},
		{'e', {tm->tm_mday, 2, ' '}},
		{'f', {(int) parts->fsec, 6, '0'}},
		{'G', {isoyear, 4, '0'}},
		{'g', {isoyear % 100, 2, '0'}},
		{'H', {tm->tm_hour, 2, '0'}},
		{'I', {hour12, 2, '0'}},
		{'j', {yday, 3, '0'}},
		{'k', {tm->tm_hour, 2, ' '}},
		{'l', {hour12, 2, ' '}},
		{'M', {tm->tm_min, 2, '0'}},
		{'m', {tm->tm_mon, 2, '0'}},
		{'S', {tm->tm_sec, 2, '0'}},
		{'U', {week_number(tm, 0), 2, '0'}},
		{'u', {wday + 1, 1, '0'}},
		{'V', {date2isoweek(year, tm->tm_mon, tm->tm_mday), 2, '0'}},
		{'W', {week_number(tm, 1), 2, '0'}},
		{'w', {(wday + 1) % 7, 1, '0'}},
		{'Y', {year, 4, '0'}},
		{'y', {year % 100, 2, '0'}},
	};

	for (int i = 0; i < lengthof(fields); i++)
	{
		if (fields[i].directive != directive)
			continue;
		*field = fields[i].field;
		return true;
	}
	return false;
}

/* Appends a number; a flag of glibc (- _ 0) decides what it is filled with. */
static void
append_field(StringInfo buf, const Field *field, char flag)
{
	char		fill = flag == '_' ? ' ' : flag == '0' ? '0' : field->fill;

	if (flag == '-')
		appendStringInfo(buf, "%d", field->number);
	else if (fill == ' ')
		appendStringInfo(buf, "%*d", field->width, field->number);
	else
		appendStringInfo(buf, "%0*d", field->width, field->number);
}

/* Returns the directives that a directive stands for, or NULL. */
static const char *
expansion(char directive)
{
	switch (directive)
	{
		case 'c':
			return "%a %b %e %H:%M:%S %Y";
		case 'D':
		case 'x':
			return "%m/%d/%y";
		case 'F':
			return "%Y-%m-%d";
		case 'R':
			return "%H:%M";
		case 'r':
			return "%I:%M:%S %p";
		case 'T':
		case 'X':
			return "%H:%M:%S";
		default:
			return NULL;
	}
}

/* Appends a text; a flag asks for upper case. */
static void
append_word(StringInfo buf, const char *word, int length, char flag)
{
	for (int i = 0; i < length; i++)
		appendStringInfoChar(buf, flag == '^' ? pg_toupper((unsigned char) word[i]) : word[i]);
}

/* Appends the name of the zone: Python's name for one that is an offset. */
static void
append_zone(StringInfo buf, const DatetimeParts *parts)
{
	if (!parts->has_zone)
		return;
	if (parts->abbreviation != NULL)
	{
		appendStringInfoString(buf, parts->abbreviation);
		return;
	}
	appendStringInfoString(buf, "UTC");
	if (parts->offset != 0)
		datetime_append_offset(buf, parts->offset, ":");
}

static void append_format(StringInfo buf, const DatetimeParts *parts, const char *format,
						  int length);

/* Appends what one directive stands for; false when there is no such directive. */
static bool
append_directive(StringInfo buf, const DatetimeParts *parts, char directive, char flag)
{
	const struct pg_tm *tm = &parts->tm;
	const char *more = expansion(directive);
	Timestamp	local;
	Field		field;

	if (numeric_field(parts, directive, &field))
		append_field(buf, &field, flag);
	else if (more != NULL)
		append_format(buf, parts, more, strlen(more));
	else if (directive == 'A' || directive == 'a')
	{
		const char *name = day_names[(datetime_weekday(tm) + 1) % 7];

		append_word(buf, name, directive == 'A' ? strlen(name) : 3, flag);
	}
	else if (directive == 'B' || directive == 'b' || directive == 'h')
	{
		const char *name = month_names[tm->tm_mon - 1];

		append_word(buf, name, directive == 'B' ? strlen(name) : 3, flag);
	}
	else if (directive == 'p' || directive == 'P')
		appendStringInfoString(buf, directive == 'p' ? (tm->tm_hour < 12 ? "AM" : "PM") :
							   tm->tm_hour < 12 ? "am" : "pm");
	else if (directive == 's')
	{
		if (tm2timestamp(unconstify(struct pg_tm *, tm), 0, NULL, &local) != 0)
			value_fail("date value out of range");
		appendStringInfo(buf, INT64_FORMAT, local / USECS_PER_SEC - parts->offset +
						 ((int64) POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY);
	}
	else if (directive == 'z')
	{
		if (parts->has_zone)
			datetime_append_offset(buf, parts->offset, flag == ':' ? ":" : "");
	}
	else if (directive == 'Z')
		append_zone(buf, parts);
	else if (directive == 'n' || directive == 't' || directive == '%')
		appendStringInfoChar(buf, directive == 'n' ? '\n' : directive == 't' ? '\t' : '%');
	else
		return false;
	return true;
}

/* Appends a format with its directives replaced; unknown ones stay. */
static void
append_format(StringInfo buf, const DatetimeParts *parts, const char *format, int length)
{
	for (int i = 0; i < length; i++)
	{
		char		flag = 0;
		int			k = i + 1;

		bounds_work(100);
		if (format[i] != '%' || k >= length)
		{
			appendStringInfoChar(buf, format[i]);
			continue;
		}
		if (k + 1 < length && strchr("-_0^:", format[k]) != NULL)
			flag = format[k++];
		if (append_directive(buf, parts, format[k], flag))
			i = k;
		else
			appendStringInfoChar(buf, '%');
	}
	value_check_size(buf->len);
}

/* Returns Python's strftime() of the parts of a date or time. */
Value
datetime_strftime(const DatetimeParts *parts, const Value *format)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_format(&buf, parts, format->u.string, format->length);
	return utext_from_buffer(&buf);
}

/* ------------------------------------------------------------------------
 * strptime
 * ------------------------------------------------------------------------
 */
typedef struct Strptime
{
	const char *format;
	int			format_length;
	const char *text;
	int			length;
	int			end;			/* where the match ends */
	struct pg_tm tm;
	int			yday;			/* 0: not given */
	int			hour12;			/* -1: not given */
	int			pm;				/* -1: not given */
	bool		day_given;
	fsec_t		fsec;
	DatetimeZone	zone;
} Strptime;

/* A directive of strptime that is a number. */
typedef struct NumberRule
{
	char		directive;
	int			max_digits;
	int			min_digits;
	int			low;
	int			high;
} NumberRule;

static const NumberRule number_rules[] = {
	{'d', 2, 1, 1, 31}, {'f', 6, 1, 0, 999999}, {'H', 2, 1, 0, 23}, {'I', 2, 1, 1, 12},
	{'j', 3, 1, 1, 366}, {'m', 2, 1, 1, 12}, {'M', 2, 1, 0, 59}, {'S', 2, 1, 0, 61},
	{'w', 1, 1, 0, 6}, {'y', 2, 2, 0, 99}, {'Y', 4, 4, 0, 9999},
};

static bool match_format(Strptime *s, int format, int text);

/* Notes the number of a directive. */
static void
note_number(Strptime *s, char directive, int number, int digits)
{
	switch (directive)
	{
		case 'd':
			s->tm.tm_mday = number;
			s->day_given = true;
			break;
		case 'f':
			for (s->fsec = number; digits < 6; digits++)
				s->fsec *= 10;
			break;
		case 'H':
			s->tm.tm_hour = number;
			break;
		case 'I':
			s->hour12 = number;
			break;
		case 'j':
			s->yday = number;
			break;
		case 'm':
			s->tm.tm_mon = number;
			s->day_given = true;
			break;
		case 'M':
			s->tm.tm_min = number;
			break;
		case 'S':
			s->tm.tm_sec = number;
			break;
		case 'y':
			s->tm.tm_year = number + (number >= 69 ? 1900 : 2000);
			break;
		case 'Y':
			s->tm.tm_year = number;
			break;
	}
}

/* Matches a number, the longest first, and what follows. */
static bool
match_number(Strptime *s, const NumberRule *rule, int format, int text)
{
	int			blank = rule->directive == 'd' && text < s->length && s->text[text] == ' ' ? 1 : 0;

	for (int digits = blank ? 1 : rule->max_digits; digits >= rule->min_digits; digits--)
	{
		int			number = 0;
		int			i;
		Strptime	saved = *s;

		if (text + blank + digits > s->length)
			continue;
		for (i = 0; i < digits && isdigit((unsigned char) s->text[text + blank + i]); i++)
			number = number * 10 + (s->text[text + blank + i] - '0');
		if (i < digits || number < rule->low || number > rule->high)
			continue;
		note_number(s, rule->directive, number, digits);
		if (match_format(s, format, text + blank + digits))
			return true;
		*s = saved;
	}
	return false;
}

/* Returns the length of a name, its first so many letters (0: all), or 0 if it is not there. */
static int
match_name(const Strptime *s, int text, const char *name, int letters)
{
	if (letters == 0)
		letters = strlen(name);
	return s->length - text >= letters &&
		pg_strncasecmp(s->text + text, name, letters) == 0 ? letters : 0;
}

/* Matches the name of a month, a day, a half of the day or a zone, and what follows. */
static bool
match_word(Strptime *s, char directive, int format, int text)
{
	int			letters = isupper((unsigned char) directive) ? 0 : 3;
	int			used = 0;
	int			offset;

	if (directive == 'b' || directive == 'B')
		for (int i = 0; i < 12 && used == 0; i++)
		{
			used = match_name(s, text, month_names[i], letters);
			if (used > 0)
				note_number(s, 'm', i + 1, 0);
		}
	else if (directive == 'a' || directive == 'A')
		for (int i = 0; i < 7 && used == 0; i++)
			used = match_name(s, text, day_names[i], letters);
	else if (directive == 'p')
	{
		s->pm = match_name(s, text, "PM", 2) ? 1 : 0;
		used = s->pm ? 2 : match_name(s, text, "AM", 2);
	}
	else if (directive == 'Z')
	{
		used = match_name(s, text, "UTC", 3) ? 3 : match_name(s, text, "GMT", 3);
		if (used > 0)
			s->zone = DATETIME_UTC;
	}
	else if (datetime_parse_offset(s->text + text, s->length - text, &offset, &used))
	{
		if (used == 3)
			return false;
		s->zone.named = NULL;
		s->zone.offset = offset;
	}
	return used > 0 && match_format(s, format, text + used);
}

/* Matches a blank, which stands for one or more, and what follows. */
static bool
match_blank(Strptime *s, int format, int text)
{
	int			i = text;

	while (format < s->format_length && isspace((unsigned char) s->format[format]))
		format++;
	while (i < s->length && isspace((unsigned char) s->text[i]))
		i++;
	for (; i > text; i--)
		if (match_format(s, format, i))
			return true;
	return false;
}

/* Matches a directive and what follows.  Raises for one that does not exist. */
static bool
match_directive(Strptime *s, int format, int text)
{
	char		directive = format < s->format_length ? s->format[format] : '\0';

	for (int i = 0; i < lengthof(number_rules); i++)
		if (number_rules[i].directive == directive)
			return match_number(s, &number_rules[i], format + 1, text);
	if (directive != '\0' && strchr("aAbBpzZ", directive) != NULL)
		return match_word(s, directive, format + 1, text);
	if (directive != '%')
		value_fail("'%c' is a bad directive in a format of dates", directive ? directive : '%');
	return text < s->length && s->text[text] == '%' && match_format(s, format + 1, text + 1);
}

/* Matches the rest of the format with the rest of the text, as Python's pattern does. */
static bool
match_format(Strptime *s, int format, int text)
{
	check_stack_depth();
	bounds_work(200);
	if (format == s->format_length)
	{
		s->end = text;
		return true;
	}
	if (isspace((unsigned char) s->format[format]))
		return match_blank(s, format, text);
	if (s->format[format] == '%')
		return match_directive(s, format + 1, text);
	return text < s->length &&
		pg_tolower((unsigned char) s->text[text]) ==
		pg_tolower((unsigned char) s->format[format]) &&
		match_format(s, format + 1, text + 1);
}

/*
 * Sets *result to the datetime that a text says by a format of Python's strptime; a
 * text without an offset is in the zone.  Returns false when the text is not of that
 * format.
 */
bool
datetime_strptime(const Value *text, const Value *format, DatetimeZone zone, Value *result)
{
	Strptime	s;

	memset(&s, 0, sizeof(s));
	s.format = format->u.string;
	s.format_length = format->length;
	s.text = text->u.string;
	s.length = text->length;
	s.tm.tm_year = 1900;
	s.tm.tm_mon = s.tm.tm_mday = 1;
	s.hour12 = s.pm = -1;
	s.zone = zone;
	if (!match_format(&s, 0, 0) || s.end < s.length)
		return false;
	if (s.hour12 >= 0)
		s.tm.tm_hour = s.hour12 % 12 + (s.pm == 1 ? 12 : 0);
	if (s.yday > 0 && !s.day_given)
		j2date(date2j(s.tm.tm_year, 1, 1) + s.yday - 1, &s.tm.tm_year, &s.tm.tm_mon,
			   &s.tm.tm_mday);
	if (!datetime_valid_day(s.tm.tm_year, s.tm.tm_mon, s.tm.tm_mday) ||
		!datetime_valid_clock(s.tm.tm_hour, s.tm.tm_min, s.tm.tm_sec))
		return false;
	*result = datetime_from_parts(&s.tm, s.fsec, s.zone);
	return true;
}
