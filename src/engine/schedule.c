/*
 * engine/schedule.c
 *		Schedules whose time has come start executions.
 *
 * Whoever notices that a schedule is due locks its row, starts what is to be started
 * and moves next_at on, in one subtransaction of the reaper.  A session that finds
 * the row locked leaves it.  The time is part of the key of the start, so that no time
 * is served twice even when next_at is set back.
 *
 *		next_at ─ due ─> start as the owner ─> next_at: the time after it
 *		            └─ the last execution runs: overlap says what becomes of it
 */
#include "common/common.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "engine/internal.h"
#include "wakeup/wakeup.h"

/* The most times that "catch_up: all" makes up for */
#define MOST_CAUGHT_UP	1000
/* A time that is noticed later was missed */
#define PUNCTUAL_US		USECS_PER_MINUTE

/* A schedule that is due. */
typedef struct Firing
{
	Schedule	schedule;
	Cron		cron;
	pg_tz	   *zone;
	int			ready;			/* tasks that have become ready */
} Firing;

/* Returns a part of the jitter that depends on the key of a start only. */
static int64
jitter_of(const Schedule *schedule, const char *key)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) key, strlen(key), 0);

	return (int64) ((double) (hash >> 11) / (double) (UINT64CONST(1) << 53) * schedule->jitter);
}

/* Returns the context of the execution_start for a time. */
static Jsonb *
start_context(const Schedule *schedule, TimestampTz at)
{
	char	   *key = psprintf("schedule:%s:%s", schedule->name, time_to_text(at, "UTC"));
	JsonBuilder builder;
	JsonbValue	value;
	JsonbValue	parameters;

	json_begin_object(&builder);
	json_add_text(&builder, "name", schedule->name);
	json_add_text(&builder, "at", time_to_text(at, schedule->time_zone));
	json_end_object(&builder, &value);
	json_from_jsonb(schedule->parameters, &parameters);
	json_begin_object(&builder);
	json_add_members(&builder, &parameters);
	json_add(&builder, "schedule", &value);
	json_end_object(&builder, &parameters);

	json_begin_object(&builder);
	json_add_text(&builder, "path", schedule->path);
	json_add(&builder, "workload", &parameters);
	json_add_text(&builder, "key", key);
	if (schedule->labels != NULL)
	{
		json_from_jsonb(schedule->labels, &value);
		json_add(&builder, "labels", &value);
	}
	if (schedule->jitter > 0)
		json_add_text(&builder, "run_at", time_to_text(at + jitter_of(schedule, key), "UTC"));
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Starts the execution for a time, as the owner of the schedule. */
static void
start_execution(Firing *firing, TimestampTz at)
{
	Schedule   *schedule = &firing->schedule;
	Event		event;
	Store	   *store;
	Oid			user;
	int			context;
	int			enqueued = 0;

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(schedule->owner)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that made the schedule does not exist any more")));
	memset(&event, 0, sizeof(event));
	event.event_type = event_type_name(EVENT_EXECUTION_START);
	event.context = start_context(schedule, at);
	event.meta = json_text_object("schedule", schedule->name);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(schedule->owner, context | SECURITY_LOCAL_USERID_CHANGE);
	store = store_open(InvalidOid);
	(void) ingest_counting(store, &event, &enqueued);
	store_close(store);
	SetUserIdAndSecContext(user, context);
	firing->ready += enqueued;
	schedule->last_execution_id = event.execution_id;
	schedule->error = NULL;
}

/*
 * Starts the execution for a time in a subtransaction.  A start that fails because of
 * what it is, such as a playbook that is gone, is noted and not repeated.  Other errors
 * are raised: the reaper tries again.
 */
static void
try_start(Firing *firing, TimestampTz at)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		start_execution(firing, at);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return;
	if (error_is_passing(error->sqlerrcode))
		ReThrowError(error);
	firing->schedule.error = error->message;
}

/* Returns whether the last execution of a schedule runs. */
static bool
last_runs(const Schedule *schedule)
{
	Store	   *store;
	Execution	execution;
	bool		running;

	if (schedule->last_execution_id == 0)
		return false;
	store = store_open(InvalidOid);
	running = store_get_execution(store, schedule->last_execution_id, &execution) &&
		execution.running;
	store_close(store);
	return running;
}

/*
 * Serves a time that is due; returns false when that has to wait, because another
 * session is busy with the execution that is to be cancelled.
 */
static bool
serve(Firing *firing, TimestampTz at)
{
	Schedule   *schedule = &firing->schedule;

	if (strcmp(schedule->overlap, "allow") != 0 && last_runs(schedule))
	{
		if (strcmp(schedule->overlap, "queue") == 0 && schedule->queued_at == 0)
			schedule->queued_at = at;
		if (strcmp(schedule->overlap, "cancel") != 0)
			return true;
		if (!execution_trylock(schedule->last_execution_id))
			return false;
		execution_cancel(schedule->last_execution_id,
						 psprintf("schedule \"%s\" is due again", schedule->name));
	}
	try_start(firing, at);
	return true;
}

/*
 * Serves the times that are due, "most" at once; returns false when some are left to
 * the next call.  Moves next_at on.
 */
static bool
serve_due(Firing *firing, TimestampTz now, int most)
{
	Schedule   *schedule = &firing->schedule;
	bool		all = strcmp(schedule->catch_up, "all") == 0;
	int			count;
	TimestampTz *due = cron_due(&firing->cron, firing->zone, schedule->next_at, now,
								all ? MOST_CAUGHT_UP : 1, &count);
	bool		missed = strcmp(schedule->catch_up, "skip") == 0 &&
		now - due[count - 1] > PUNCTUAL_US;

	for (int i = 0; i < count && !missed; i++)
	{
		schedule->next_at = due[i];
		if (i == most || !serve(firing, due[i]))
			return i != most;
		schedule->last_at = due[i];
	}
	schedule->last_at = due[count - 1];
	if (!cron_next(&firing->cron, firing->zone, schedule->last_at, &schedule->next_at))
		schedule->next_at = 0;
	return true;
}

/* Starts the execution that has waited for the last one to end. */
static void
serve_queued(Firing *firing)
{
	TimestampTz at = firing->schedule.queued_at;

	firing->schedule.queued_at = 0;
	try_start(firing, at);
}

/* Returns whether something is to be done about a schedule. */
static bool
is_due(const Schedule *schedule, TimestampTz now)
{
	return schedule->enabled && schedule->next_at != 0 && schedule->next_at <= now;
}

/*
 * Does what is due of a schedule, if no other session does; most: so many starts at
 * once.  *more: something that is due is left.  Returns the number of tasks that become
 * ready.
 */
int
schedule_fire(int64 schedule_id, int most, bool *more)
{
	Firing		firing;
	Schedule   *schedule = &firing.schedule;
	TimestampTz now = GetCurrentTimestamp();
	bool		queued;

	memset(&firing, 0, sizeof(firing));
	if (!store_lock_schedule(schedule_id, schedule))
		return 0;
	queued = schedule->enabled && schedule->queued_at != 0 && !last_runs(schedule);
	if (!queued && !is_due(schedule, now))
		return 0;
	cron_parse(schedule->cron, &firing.cron);
	firing.zone = cron_zone(schedule->time_zone);
	if (queued)
		serve_queued(&firing);
	if (is_due(schedule, now) && !serve_due(&firing, now, most))
		*more = true;
	store_advance_schedule(schedule);
	if (schedule->next_at != 0)
		wake_for_timer(schedule->next_at);
	return firing.ready;
}

/* An execution of a schedule has ended: wakes the sessions that can start a tick that waited. */
void
schedule_ended(const Execution *execution)
{
	if (execution->schedule != NULL)
		wake_for_timer(GetCurrentTimestamp());
}
