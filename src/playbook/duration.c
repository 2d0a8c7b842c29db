/*
 * playbook/duration.c
 *		What a timeout says: seconds, or the text of an interval.
 *
 * Counted in microseconds from then on: a day has 24 hours and a month 30 days,
 * so that a deadline does not depend on anybody's time zone.
 */
#include "common/common.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "playbook/duration.h"

static const char *const wrong =
"a timeout must be longer than zero and shorter than a century";

/* See timeout.h.  Each part is bounded, so that the sum cannot overflow. */
bool
timeout_of_interval(const Interval *interval, int64 *us)
{
	if (interval->month < -1200 || interval->month > 1200 ||
		interval->day < -36525 || interval->day > 36525 ||
		interval->time < -LONGEST_TIMEOUT || interval->time > LONGEST_TIMEOUT)
		return false;
	*us = interval->time + (interval->day + (int64) interval->month * DAYS_PER_MONTH) *
		USECS_PER_DAY;
	return *us > 0 && *us < LONGEST_TIMEOUT;
}

/* See timeout.h. */
Interval *
timeout_to_interval(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	return interval;
}

/* Reads the text of an interval; false when it is none. */
static bool
read_interval(char *text, Interval **interval)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		*interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
														  ObjectIdGetDatum(InvalidOid),
														  Int32GetDatum(-1)));
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

/* See timeout.h. */
bool
timeout_parse(const JsonbValue *value, int64 *us, char **error)
{
	double		seconds;
	Interval   *interval;
	char	   *text;

	*us = 0;
	if (value->type == jbvNull ||
		(value->type == jbvString && value->val.string.len == 0))
		return true;
	if ((value->type == jbvNumeric || value->type == jbvString) &&
		json_number(value, &seconds))
	{
		if (seconds > 0 && seconds < (double) LONGEST_TIMEOUT / USECS_PER_SEC)
			*us = Max((int64) rint(seconds * USECS_PER_SEC), 1);
		else
			*error = pstrdup(wrong);
		return *us > 0;
	}
	if (value->type != jbvString)
	{
		*error = pstrdup("a timeout must be seconds or an interval");
		return false;
	}
	text = pnstrdup(value->val.string.val, value->val.string.len);
	if (!read_interval(text, &interval))
		*error = psprintf("\"%s\" is neither seconds nor an interval", text);
	else if (!timeout_of_interval(interval, us))
		*error = pstrdup(wrong);
	else
		return true;
	*us = 0;
	return false;
}

/* See timeout.h. */
bool
timeout_render(const TemplateDoc *doc, const TemplateScope *scope, int64 *us,
			   SourceError *error)
{
	JsonbValue	value;
	char	   *message;

	*us = 0;
	if (doc == NULL)
		return true;
	if (!template_doc_render(doc, scope, &value, error))
		return false;
	if (value.type == jbvString &&
		template_has_tags(value.val.string.val, value.val.string.len))
		return true;
	if (timeout_parse(&value, us, &message))
		return true;
	error->message = message;
	error->line = doc->line;
	error->column = doc->column;
	return false;
}

/* See timeout.h. */
char *
timeout_error(int64 us)
{
	return psprintf("timed out after %.15g seconds", (double) us / USECS_PER_SEC);
}
