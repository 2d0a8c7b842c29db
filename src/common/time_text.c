/*
 * common/time_text.c
 *		Points in time as text that means the same in every session.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "common/time_text.h"

/* Returns a time as ISO 8601 with the offset of a zone; NULL: of the session's. */
char *
time_to_text(TimestampTz time, const char *zone)
{
	pg_tz	   *tz = zone == NULL ? session_timezone : pg_tzset(zone);
	char	   *text = palloc(MAXDATELEN + 1);
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;
	const char *name;

	if (TIMESTAMP_NOT_FINITE(time))
	{
		EncodeSpecialTimestamp(time, text);
		return text;
	}
	if (tz == NULL ||
		timestamp2tm(time, &offset, &tm, &fsec, &name, tz) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	EncodeDateTime(&tm, fsec, true, offset, NULL, USE_XSD_DATES, text);
	return text;
}

/* Returns the time that a text names; raises when it names none. */
TimestampTz
time_from_text(const char *text)
{
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
}
