/*
 * playbook/duration.c
 *		What a timeout says: seconds, or the text of an interval.
 *
 * Timeouts are kept in microseconds: a day has 24 hours and a month 30 days, so
 * that a deadline does not depend on a time zone.
 */
#include "common/common.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "playbook/duration.h"

static const char *const wrong =
"a timeout must be longer than zero and shorter than a century";

/*
 * Converts an interval to microseconds; false when it is a century or longer, or
 * goes back as far.  Each part is bounded, so that the sum cannot overflow.
 */
static bool
interval_us(const Interval *interval, int64 *us)
{
	if (interval->month < -1200 || interval->month > 1200 ||
		interval->day < -36525 || interval->day > 36525 ||
		interval->time < -LONGEST_TIMEOUT || interval->time > LONGEST_TIMEOUT)
		return false;
	*us = interval->time + (interval->day + (int64) interval->month * DAYS_PER_MONTH) *
		USECS_PER_DAY;
	return *us > -LONGEST_TIMEOUT && *us < LONGEST_TIMEOUT;
}

/* Converts an interval to microseconds; false unless it is positive and below a century. */
bool
timeout_of_interval(const Interval *interval, int64 *us)
{
	return interval_us(interval, us) && *us > 0;
}

/* Returns microseconds as an interval, as noetl.queue keeps them. */
Interval *
timeout_to_interval(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	return interval;
}

/*
 * Reads the text of an interval, whatever the IntervalStyle of the session; false: it is
 * not one.
 */
static bool
read_interval(char *text, Interval **interval)
{
	MemoryContext context = CurrentMemoryContext;
	int			style = IntervalStyle;
	volatile bool ok = true;

	PG_TRY();
	{
		IntervalStyle = INTSTYLE_POSTGRES;
		*interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
														  ObjectIdGetDatum(InvalidOid),
														  Int32GetDatum(-1)));
		IntervalStyle = style;
	}
	PG_CATCH();
	{
		IntervalStyle = style;
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

/*
 * Reads a time span, in microseconds: seconds, or the text of an interval.  One that goes
 * back is 0; *given is false for null and empty text.  False and *error when the value is
 * neither (what: it is named so), or is too long (too_long: the message then).
 */
static bool
read_span(const JsonbValue *value, const char *what, const char *too_long, int64 *us,
		  bool *given, char **error)
{
	double		seconds;
	Interval   *interval;
	char	   *text;

	*us = 0;
	*given = value->type != jbvNull &&
		(value->type != jbvString || value->val.string.len > 0);
	if (!*given)
		return true;
	if ((value->type == jbvNumeric || value->type == jbvString) &&
		json_number(value, &seconds))
	{
		if (seconds < (double) LONGEST_TIMEOUT / USECS_PER_SEC)
		{
			*us = seconds > 0 ? Max((int64) rint(seconds * USECS_PER_SEC), 1) : 0;
			return true;
		}
	}
	else if (value->type != jbvString)
	{
		*error = psprintf("%s must be seconds or an interval", what);
		return false;
	}
	else
	{
		text = pnstrdup(value->val.string.val, value->val.string.len);
		if (!read_interval(text, &interval))
		{
			*error = psprintf("\"%s\" is neither seconds nor an interval", text);
			return false;
		}
		if (interval_us(interval, us))
		{
			*us = Max(*us, 0);
			return true;
		}
	}
	*error = pstrdup(too_long);
	return false;
}

/*
 * Reads a timeout, in microseconds; 0: none, for null and empty text.  False
 * and *error when the value is neither seconds nor an interval, or is out of
 * range.
 */
bool
timeout_parse(const JsonbValue *value, int64 *us, char **error)
{
	bool		given;

	if (read_span(value, "a timeout", wrong, us, &given, error))
	{
		if (*us > 0 || !given)
			return true;
		*error = pstrdup(wrong);
	}
	*us = 0;
	return false;
}

/*
 * Reads the time span of a wait, in microseconds; below 0: none, for null and empty
 * text.  A span that is over before it begins is one of 0.  False and *error like
 * timeout_parse().
 */
bool
wait_span_parse(const JsonbValue *value, int64 *us, char **error)
{
	bool		given;
	bool		read = read_span(value, "the time span of a wait",
								 "a wait must be shorter than a century", us, &given, error);

	if (!read || !given)
		*us = -1;
	return read;
}

/*
 * Renders a timeout, in microseconds; 0: none, also where the template is left
 * to the worker because it has an unknown name.  False and *error like
 * timeout_parse().
 */
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

/* Returns the message of a timeout: "timed out after 1.5 seconds". */
char *
timeout_error(int64 us)
{
	return psprintf("timed out after %.15g seconds", (double) us / USECS_PER_SEC);
}
