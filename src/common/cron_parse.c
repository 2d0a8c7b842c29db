/*
 * common/cron_parse.c
 *		Cron expressions are read.
 */
#include "common/common.h"

#include <ctype.h>

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "common/cron.h"

#define LONGEST_CRON	1000
#define MOST_FIELDS		6
/* No schedule is due more often, or less often */
#define SHORTEST_EVERY	USECS_PER_SEC
#define LONGEST_EVERY	(INT64CONST(36525) * USECS_PER_DAY)

typedef enum FieldKind
{
	FIELD_SECOND, FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY
} FieldKind;

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL
};
static const char *const weekday_names[] = {
	"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

/* A field: its bounds, and the names of its values. */
static const struct
{
	const char *name;
	int			first;
	int			last;
	int			last_written;	/* a weekday may be written as 7 */
	bool		circular;		/* a range may go past the last value */
	const char *const *names;	/* or NULL */
}			fields[] = {
	[FIELD_SECOND] = {"second", 0, 59, 59, false, NULL},
	[FIELD_MINUTE] = {"minute", 0, 59, 59, false, NULL},
	[FIELD_HOUR] = {"hour", 0, 23, 23, true, NULL},
	[FIELD_DAY] = {"day of month", 1, 31, 31, false, NULL},
	[FIELD_MONTH] = {"month", 1, 12, 12, true, month_names},
	[FIELD_WEEKDAY] = {"day of week", 0, 6, 7, true, weekday_names},
};

static const struct
{
	const char *word;
	const char *fields;
}			nicknames[] = {
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"},
};

static const struct
{
	const char *word;			/* and with an "s" */
	int64		us;
}			units[] = {
	{"s", USECS_PER_SEC}, {"sec", USECS_PER_SEC}, {"second", USECS_PER_SEC},
	{"m", USECS_PER_MINUTE}, {"min", USECS_PER_MINUTE}, {"minute", USECS_PER_MINUTE},
	{"h", USECS_PER_HOUR}, {"hour", USECS_PER_HOUR},
	{"d", USECS_PER_DAY}, {"day", USECS_PER_DAY},
	{"w", 7 * USECS_PER_DAY}, {"week", 7 * USECS_PER_DAY},
};

/* Raises: an expression is none. */
pg_noreturn static void
raise_bad(const char *text, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid cron expression \"%s\"", text),
			 errdetail_internal("%s", detail),
			 errhint("Write five fields (minute, hour, day of month, month, day of week), six with the second before them, @daily and the like, or \"every 90 seconds\".")));
}

/* A piece of an expression that is being read. */
typedef struct Reader
{
	const char *text;			/* the whole expression, as written */
	const char *at;				/* lower case */
	FieldKind	kind;
} Reader;

/* Raises: a field is not what it has to be. */
pg_noreturn static void
raise_bad_field(const Reader *reader, const char *fault)
{
	raise_bad(reader->text, psprintf("The field for the %s %s.", fields[reader->kind].name, fault));
}

/* Reads a number; returns -1 where there is none. */
static int
read_number(Reader *reader)
{
	int			number = 0;

	if (!isdigit((unsigned char) *reader->at))
		return -1;
	for (; isdigit((unsigned char) *reader->at); reader->at++)
		number = Min(number * 10 + (*reader->at - '0'), 100000);
	return number;
}

/* Reads a value of the field, a number or a name; returns -1 where there is none. */
static int
read_value(Reader *reader)
{
	int			value = read_number(reader);
	const char *const *names = fields[reader->kind].names;

	for (int i = 0; value < 0 && names != NULL && names[i] != NULL; i++)
		if (strncmp(reader->at, names[i], 3) == 0 && !isalpha((unsigned char) reader->at[3]))
		{
			value = i + fields[reader->kind].first;
			reader->at += 3;
		}
	if (value >= 0 &&
		(value < fields[reader->kind].first || value > fields[reader->kind].last_written))
		raise_bad_field(reader, psprintf("has a value outside of %d to %d",
										 fields[reader->kind].first, fields[reader->kind].last));
	return value;
}

/* Adds first, first + step … last to a set; a range may go past the last value. */
static void
add_range(const Reader *reader, int first, int last, int step, uint64 *bits)
{
	int			begin = fields[reader->kind].first;
	int			span = fields[reader->kind].last - begin + 1;

	if (last < first && !fields[reader->kind].circular)
		raise_bad_field(reader, "has a range whose end comes before its beginning");
	if (last < first)
		last += span;
	for (int value = first; value <= last; value += step)
		*bits |= UINT64CONST(1) << ((value - begin) % span + begin);
}

/* Reads what may follow a weekday, "#n" or "L", into the set of nth weekdays. */
static bool
read_nth(Reader *reader, int weekday, uint8 *nth)
{
	int			number;

	if (*reader->at == 'l')
	{
		reader->at++;
		nth[weekday % 7] |= 1 << 6;
		return true;
	}
	if (*reader->at != '#')
		return false;
	reader->at++;
	number = read_number(reader);
	if (number < 1 || number > 5)
		raise_bad_field(reader, "needs a number from 1 to 5 after \"#\"");
	nth[weekday % 7] |= 1 << number;
	return true;
}

/* Reads the special entries: "L" for the last day, "L5", "5L" and "5#2" for weekdays. */
static bool
read_special(Reader *reader, Cron *cron)
{
	Reader		ahead = *reader;
	int			value;

	if (*ahead.at == 'l' && (reader->kind == FIELD_DAY || reader->kind == FIELD_WEEKDAY))
	{
		ahead.at++;
		value = read_value(&ahead);
		if (reader->kind == FIELD_DAY && value < 0)
			cron->last_day = true;
		else if (reader->kind == FIELD_WEEKDAY && value >= 0)
			cron->nth[value % 7] |= 1 << 6;
		else
			raise_bad_field(reader, "has an \"L\" that means nothing here");
		reader->at = ahead.at;
		return true;
	}
	if (reader->kind != FIELD_WEEKDAY)
		return false;
	value = read_value(&ahead);
	/* a name that "L" follows, such as friL, is no name to read_value */
	for (int i = 0; value < 0 && weekday_names[i] != NULL; i++)
		if (strncmp(ahead.at, weekday_names[i], 3) == 0 && ahead.at[3] == 'l')
		{
			value = i;
			ahead.at += 3;
		}
	if (value < 0 || !read_nth(&ahead, value, cron->nth))
		return false;
	reader->at = ahead.at;
	return true;
}

/* Reads an entry of a list: *, a value or a range, with a step. */
static void
read_entry(Reader *reader, uint64 *bits)
{
	int			first = fields[reader->kind].first;
	int			last = fields[reader->kind].last;
	int			step = 1;
	bool		single = false;

	if (*reader->at == '*' ||
		(*reader->at == '?' && (reader->kind == FIELD_DAY || reader->kind == FIELD_WEEKDAY)))
		reader->at++;
	else
	{
		first = read_value(reader);
		if (first < 0)
			raise_bad_field(reader, "has an entry that is neither a number nor a name");
		single = *reader->at != '-';
		if (!single)
		{
			reader->at++;
			last = read_value(reader);
			if (last < 0)
				raise_bad_field(reader, "has a range without an end");
		}
	}
	if (*reader->at == '/')
	{
		reader->at++;
		step = read_number(reader);
		if (step < 1)
			raise_bad_field(reader, "needs a positive number after \"/\"");
		last = Max(first, last);
	}
	else if (single)
		last = first;
	add_range(reader, first, last, step, bits);
}

/* Reads a field: a list. */
static uint64
read_field(const char *text, char *field, FieldKind kind, Cron *cron)
{
	Reader		reader = {text, field, kind};
	uint64		bits = 0;

	for (;;)
	{
		if (!read_special(&reader, cron))
			read_entry(&reader, &bits);
		if (*reader.at == '\0')
			return bits;
		if (*reader.at != ',')
			raise_bad_field(&reader, psprintf("has a \"%.*s\" that means nothing",
											  pg_mblen(reader.at), reader.at));
		reader.at++;
	}
}

/* Returns whether a set has all values of a field. */
static bool
is_full(uint64 bits, FieldKind kind)
{
	for (int value = fields[kind].first; value <= fields[kind].last; value++)
		if ((bits >> value & 1) == 0)
			return false;
	return true;
}

/* Reads "every …": spans of time, added up. */
static void
read_every(const char *text, const char *at, Cron *cron)
{
	double		total = 0;

	do
	{
		double		number = 1;
		char	   *end;
		int			length = 0;
		int			unit;

		if (isdigit((unsigned char) *at))
		{
			number = strtod(at, &end);
			at = end;
		}
		at += strspn(at, " ");
		while (isalpha((unsigned char) at[length]))
			length++;
		for (unit = 0; unit < lengthof(units); unit++)
			if (strncmp(at, units[unit].word, length) == 0 &&
				(int) strlen(units[unit].word) == length)
				break;
			else if (length > 1 && at[length - 1] == 's' &&
					 (int) strlen(units[unit].word) == length - 1 &&
					 strncmp(at, units[unit].word, length - 1) == 0)
				break;
		if (unit == lengthof(units))
			raise_bad(text, "\"every\" wants a number of seconds, minutes, hours, days or weeks.");
		total += number * units[unit].us;
		at += length;
		at += strspn(at, " ");
	} while (*at != '\0');
	if (!(total >= SHORTEST_EVERY && total < LONGEST_EVERY))
		raise_bad(text, "\"every\" wants at least a second and less than a century.");
	cron->every = (int64) total;
}

/* Splits at blanks; returns the number of parts, at most one more than there is room for. */
static int
split(char *text, char **parts)
{
	int			count = 0;

	for (char *part = strtok(text, " "); part != NULL; part = strtok(NULL, " "))
	{
		if (count == MOST_FIELDS)
			return MOST_FIELDS + 1;
		parts[count++] = part;
	}
	return count;
}

/* Reads the fields of an expression. */
static void
read_fields(const char *text, char *lower, Cron *cron)
{
	char	   *parts[MOST_FIELDS];
	int			count = split(lower, parts);
	char	  **field = parts;

	if (count != MOST_FIELDS && count != MOST_FIELDS - 1)
		raise_bad(text, "It has neither five fields nor six.");
	cron->seconds = count == MOST_FIELDS ? read_field(text, *field++, FIELD_SECOND, cron) : 1;
	cron->minutes = read_field(text, *field++, FIELD_MINUTE, cron);
	cron->hours = read_field(text, *field++, FIELD_HOUR, cron);
	cron->days = read_field(text, *field++, FIELD_DAY, cron);
	cron->months = read_field(text, *field++, FIELD_MONTH, cron);
	cron->weekdays = read_field(text, *field, FIELD_WEEKDAY, cron);
	cron->any_day = is_full(cron->days, FIELD_DAY);
	cron->any_weekday = is_full(cron->weekdays, FIELD_WEEKDAY);
}

/* Reads an expression; raises when it is none. */
void
cron_parse(const char *text, Cron *cron)
{
	char	   *lower;

	memset(cron, 0, sizeof(Cron));
	if (strlen(text) > LONGEST_CRON)
		raise_bad(pnstrdup(text, 20), "It is longer than 1000 bytes.");
	lower = pstrdup(text);
	for (char *c = lower; *c != '\0'; c++)
		*c = isspace((unsigned char) *c) ? ' ' : pg_ascii_tolower((unsigned char) *c);
	lower += strspn(lower, " ");
	for (int length = strlen(lower); length > 0 && lower[length - 1] == ' '; length--)
		lower[length - 1] = '\0';
	if (strncmp(lower, "every ", 6) == 0)
	{
		read_every(text, lower + 6 + strspn(lower + 6, " "), cron);
		return;
	}
	for (int i = 0; i < lengthof(nicknames); i++)
		if (strcmp(lower, nicknames[i].word) == 0)
			lower = pstrdup(nicknames[i].fields);
	if (lower[0] == '@')
		raise_bad(text, "The words are @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly.");
	read_fields(text, lower, cron);
}
