/*
 * playbook/moment.c
 *		The text of a moment.
 */
#include "common/common.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "playbook/moment.h"

/*
 * Reads a time; without an offset it is one of a zone (NULL: of the session's).  Days and
 * months are in the order of the default DateStyle, whatever the session's is.
 */
bool
moment_parse(char *text, pg_tz *zone, TimestampTz *moment, char **error)
{
	MemoryContext context = CurrentMemoryContext;
	pg_tz	   *session = session_timezone;
	int			order = DateOrder;
	volatile bool ok = true;

	PG_TRY();
	{
		if (zone != NULL)
			session_timezone = zone;
		DateOrder = DATEORDER_MDY;
		*moment = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
														  ObjectIdGetDatum(InvalidOid),
														  Int32GetDatum(-1)));
		session_timezone = session;
		DateOrder = order;
	}
	PG_CATCH();
	{
		session_timezone = session;
		DateOrder = order;
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ok = false;
	}
	PG_END_TRY();
	if (!ok)
		*error = psprintf("\"%s\" is no time", text);
	return ok;
}

/* Appends the time that a word of so many bytes means at "now"; false: it is no such word. */
static bool
append_meaning(StringInfo out, const char *word, int length, pg_tz *zone, TimestampTz now)
{
	static const struct
	{
		const char *word;
		int			days;
	}			words[] = {{"now", 0}, {"yesterday", -1}, {"today", 0}, {"tomorrow", 1}};
	char		buffer[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		fraction;
	int			offset;
	int			i = 0;

	while (i < lengthof(words) && (strlen(words[i].word) != length ||
								   pg_strncasecmp(words[i].word, word, length) != 0))
		i++;
	if (i == lengthof(words) ||
		timestamp2tm(now, &offset, &tm, &fraction, NULL, zone) != 0)
		return false;
	if (i == 0)
		EncodeDateTime(&tm, fraction, true, offset, NULL, USE_ISO_DATES, buffer);
	else
	{
		j2date(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) + words[i].days,
			   &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, buffer);
	}
	/* the words may touch what is around them */
	appendStringInfo(out, " %s ", buffer);
	return true;
}

/* Reads a time whose words "today" and the like are those of "now" (playbook/moment.h). */
bool
moment_parse_at(const char *text, pg_tz *zone, TimestampTz now, TimestampTz *moment, char **error)
{
	StringInfoData out;
	int			length;

	initStringInfo(&out);
	for (const char *at = text; *at != '\0'; at += length)
	{
		length = 0;
		while (isalpha((unsigned char) at[length]))
			length++;
		if (length == 0 ||
			!append_meaning(&out, at, length, zone != NULL ? zone : session_timezone, now))
		{
			length = Max(length, 1);
			appendBinaryStringInfo(&out, at, length);
		}
	}
	if (moment_parse(out.data, zone, moment, error))
		return true;
	*error = psprintf("\"%s\" is no time", text);
	return false;
}

/* Returns a time as text that does not depend on any zone: ISO 8601 in UTC. */
char *
moment_text(TimestampTz moment)
{
	char		buffer[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(buffer, TimestampTzGetDatum(moment), TIMESTAMPTZOID, &utc);
	return pstrdup(buffer);
}
