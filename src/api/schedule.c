/*
 * api/schedule.c
 *		Schedules: noetl.schedule(), noetl.unschedule(), noetl.schedule_next().
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/arguments.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "wakeup/wakeup.h"

PG_FUNCTION_INFO_V1(noetl_schedule);
PG_FUNCTION_INFO_V1(noetl_unschedule);
PG_FUNCTION_INFO_V1(noetl_schedule_next);

/* Bytes: the name is part of a key */
#define LONGEST_NAME	200
/* The most times that schedule_next() returns */
#define MOST_TIMES		100000

static const char *const overlap_words[] = {"skip", "allow", "queue", "cancel", NULL};
static const char *const catch_up_words[] = {"skip", "one", "all", NULL};

/* Returns a text argument that must not be null. */
static char *
required_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* Returns an argument that is one of a list of words; null: the word "otherwise". */
static const char *
word_argument(FunctionCallInfo fcinfo, int argument, const char *const *words,
			  const char *otherwise, const char *name)
{
	char	   *word;

	if (PG_ARGISNULL(argument))
		return otherwise;
	word = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (!word_in(word, strlen(word), words))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown %s \"%s\"", name, word),
				 errhint("The words are %s, %s, %s%s%s.", words[0], words[1], words[2],
						 words[3] == NULL ? "" : ", ", words[3] == NULL ? "" : words[3])));
	return word;
}

/* Returns the zone of an argument; null: the session's. */
static const char *
zone_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return pg_get_timezone_name(session_timezone);
	return pg_get_timezone_name(cron_zone(text_to_cstring(PG_GETARG_TEXT_PP(argument))));
}

/* Returns the jitter in microseconds; raises when it is negative or very long. */
static int64
jitter_argument(FunctionCallInfo fcinfo, int argument)
{
	const Interval *jitter;

	if (PG_ARGISNULL(argument))
		return 0;
	jitter = PG_GETARG_INTERVAL_P(argument);
	if (jitter->month == 0 && jitter->day == 0 && jitter->time == 0)
		return 0;
	return span_argument(fcinfo, argument, "jitter");
}

/* Returns the parameters, an object; null: an empty one. */
static Jsonb *
parameters_argument(FunctionCallInfo fcinfo, int argument)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_end_object(&builder, &value);
	if (!PG_ARGISNULL(argument))
		json_from_jsonb(PG_GETARG_JSONB_P(argument), &value);
	if (!json_is_object(&value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the parameters of a schedule must be a JSON object")));
	return json_to_jsonb(&value);
}

/* Raises unless the current role may change a schedule of a role. */
static void
check_owner(const char *name, Oid owner)
{
	if (!engine_acts_for(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schedule \"%s\"", name),
				 errdetail("It belongs to another role.")));
}

/* Fills in a schedule from the arguments of noetl.schedule(); raises when they make no sense. */
static void
read_arguments(FunctionCallInfo fcinfo, Schedule *schedule)
{
	JsonbValue	value;
	int64		catalog_id;

	memset(schedule, 0, sizeof(Schedule));
	schedule->name = required_text(fcinfo, 0, "name");
	schedule->path = required_text(fcinfo, 1, "path");
	schedule->cron = required_text(fcinfo, 2, "cron");
	if (schedule->name[0] == '\0' || strlen(schedule->name) > LONGEST_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a schedule must have 1 to %d bytes", LONGEST_NAME)));
	if (!catalog_find(schedule->path, 0, DT_NOEND, &catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("playbook \"%s\" is not registered", schedule->path),
				 errhint("Register it with noetl.register().")));
	schedule->parameters = parameters_argument(fcinfo, 3);
	schedule->time_zone = zone_argument(fcinfo, 4);
	schedule->overlap = word_argument(fcinfo, 5, overlap_words, "skip", "overlap");
	schedule->catch_up = word_argument(fcinfo, 6, catch_up_words, "one", "catch_up");
	schedule->jitter = jitter_argument(fcinfo, 7);
	schedule->enabled = PG_ARGISNULL(8) || PG_GETARG_BOOL(8);
	if (!PG_ARGISNULL(9))
	{
		schedule->labels = PG_GETARG_JSONB_P(9);
		json_from_jsonb(schedule->labels, &value);
		labels_check(&value);
	}
}

/*
 * noetl.schedule(name, path, cron, parameters, time_zone, overlap, catch_up, jitter,
 * enabled, labels): makes a schedule, or changes the one that has the name.  Returns
 * the time of the next start.  One whose times are the same keeps its next time.
 */
Datum
noetl_schedule(PG_FUNCTION_ARGS)
{
	Schedule	schedule;
	Schedule	old;
	Cron		cron;
	bool		exists;

	read_arguments(fcinfo, &schedule);
	cron_parse(schedule.cron, &cron);
	exists = store_get_schedule(schedule.name, &old);
	if (exists)
		check_owner(schedule.name, old.owner);
	schedule.owner = exists ? old.owner : GetUserId();
	if (exists && old.enabled && old.next_at != 0 && strcmp(old.cron, schedule.cron) == 0 &&
		strcmp(old.time_zone, schedule.time_zone) == 0)
		schedule.next_at = old.next_at;
	else if (!cron_next(&cron, cron_zone(schedule.time_zone), GetCurrentTimestamp(),
						&schedule.next_at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cron expression \"%s\" is never due", schedule.cron)));
	store_put_schedule(&schedule);
	if (!schedule.enabled)
		PG_RETURN_NULL();
	wake_for_timer(schedule.next_at);
	PG_RETURN_TIMESTAMPTZ(schedule.next_at);
}

/* noetl.unschedule(name): deletes a schedule; returns false when there is none. */
Datum
noetl_unschedule(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "name");
	Schedule	schedule;

	if (!store_get_schedule(name, &schedule))
		PG_RETURN_BOOL(false);
	check_owner(name, schedule.owner);
	PG_RETURN_BOOL(store_delete_schedule(name));
}

/* noetl.schedule_next(cron, time_zone, after, n): returns the next n times. */
Datum
noetl_schedule_next(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = rows_begin(fcinfo);
	TimestampTz time = PG_ARGISNULL(2) ? GetCurrentTransactionStartTimestamp() :
		PG_GETARG_TIMESTAMPTZ(2);
	int			n = PG_ARGISNULL(3) ? 5 : PG_GETARG_INT32(3);
	pg_tz	   *zone = cron_zone(zone_argument(fcinfo, 1));
	Cron		cron;

	cron_parse(required_text(fcinfo, 0, "cron"), &cron);
	for (int i = 0; i < Min(n, MOST_TIMES) && cron_next(&cron, zone, time, &time); i++)
	{
		Datum		value = TimestampTzGetDatum(time);
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		tuplestore_putvalues(info->setResult, info->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}
