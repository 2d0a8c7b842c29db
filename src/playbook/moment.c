/*
 * playbook/moment.c
 *		The text of a moment.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
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

/* Returns a time as text that does not depend on any zone: ISO 8601 in UTC. */
char *
moment_text(TimestampTz moment)
{
	char		buffer[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(buffer, TimestampTzGetDatum(moment), TIMESTAMPTZOID, &utc);
	return pstrdup(buffer);
}
