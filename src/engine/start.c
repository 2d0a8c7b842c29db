/*
 * engine/start.c
 *		What an execution_start asks for besides its playbook and its parameters:
 *		labels, a priority, a time to begin at, a business key.
 *
 *		execution_start, run_at ahead ──> SCHEDULED
 *		   │ execution_rescheduled: another run_at, other parameters (debounce)
 *		   v run_at has come, under the execution lock
 *		execution_due ──> RUNNING: what an execution_start without run_at does
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "engine/role.h"
#include "playbook/playbook.h"
#include "wakeup/wakeup.h"

#define LONGEST_KEY		1024	/* bytes */
/* How often the row of an execution follows while a delay passes, and at most */
#define STEPS_OF_DELAY		8
#define SHORTEST_STEP_US	USECS_PER_SEC

/* What becomes of a start whose key an execution has already. */
typedef enum OnConflict
{
	CONFLICT_RETURN,			/* nothing starts; that execution is returned */
	CONFLICT_ERROR,
	CONFLICT_RUNNING,			/* the same as RETURN while that one runs */
	CONFLICT_REPLACE,			/* that one is cancelled if it runs */
	CONFLICT_DEBOUNCE			/* that one is put off if it has not begun */
} OnConflict;

static const char *const conflict_words[] = {
	"return", "error", "running", "replace", "debounce"
};

/* Raises: a member of the context of a start is not what it has to be. */
pg_noreturn static void
raise_bad_term(const char *member, const char *must_be)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the %s of a start must be %s", member, must_be)));
}

/* Returns a member of the context of a start; false: it has none, or null. */
static bool
get_term(const JsonbValue *context, const char *member, JsonbValue *value)
{
	return json_get(context, member, value) && value->type != jbvNull;
}

/* Checks labels, priority, key and max_wait. */
static void
check_terms(const JsonbValue *context)
{
	JsonbValue	value;
	int64		priority;
	double		max_wait;

	if (get_term(context, "labels", &value))
		labels_check(&value);
	if (get_term(context, "priority", &value) &&
		(!json_get_int(context, "priority", &priority) ||
		 priority < -HIGHEST_PRIORITY || priority > HIGHEST_PRIORITY))
		raise_bad_term("priority", "an integer from -100 to 100");
	if (get_term(context, "key", &value) &&
		(value.type != jbvString || value.val.string.len == 0 ||
		 value.val.string.len > LONGEST_KEY))
		raise_bad_term("key", "text of 1 to 1024 bytes");
	if (get_term(context, "max_wait", &value) &&
		(!json_number(&value, &max_wait) || max_wait <= 0 ||
		 max_wait >= (double) LONGEST_TIMEOUT / USECS_PER_SEC))
		raise_bad_term("max_wait", "a number of seconds, more than zero and less than a century");
}

/* Reads run_at. */
static void
read_run_at(Event *event, const JsonbValue *context)
{
	JsonbValue	value;

	if (!get_term(context, "run_at", &value))
		return;
	if (value.type != jbvString)
		raise_bad_term("run_at", "text of a timestamp");
	event_terms(event)->run_at = time_from_text(json_get_text(context, "run_at"));
	if (TIMESTAMP_NOT_FINITE(event->terms->run_at))
		raise_bad_term("run_at", "finite");
}

/* Reads on_conflict. */
static OnConflict
read_on_conflict(const JsonbValue *context)
{
	JsonbValue	value;
	char	   *word;

	if (!get_term(context, "on_conflict", &value))
		return CONFLICT_RETURN;
	word = json_get_text(context, "on_conflict");
	for (int i = 0; word != NULL && i < lengthof(conflict_words); i++)
		if (strcmp(word, conflict_words[i]) == 0)
			return (OnConflict) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown on_conflict of a start"),
			 errhint("The words are return, error, running and replace.")));
}

/* ---------------------------------------------------------------------------
 * Keys
 * ---------------------------------------------------------------------------
 */

/* Returns the context of an execution_rescheduled: the parameters of a start. */
static Jsonb *
rescheduled_context(const Event *start)
{
	JsonBuilder builder;
	JsonbValue	context;
	JsonbValue	parameters;

	json_from_jsonb(start->context, &context);
	if (!json_get(&context, "workload", &parameters) &&
		!json_get(&context, "parameters", &parameters))
		json_null(&parameters);
	json_begin_object(&builder);
	json_add(&builder, "workload", &parameters);
	json_end_object(&builder, &context);
	return json_to_jsonb(&context);
}

/*
 * Returns what run_at of the row of a scheduled execution becomes by an
 * execution_rescheduled.  The row follows a time that is put off again and again in
 * steps only: each new version of the row makes it slower to find while a snapshot is
 * held.  When the row's time comes, the newest event says when the execution begins.
 */
TimestampTz
engine_follow_rescheduled(TimestampTz in_row, const Event *rescheduled)
{
	TimestampTz run_at = rescheduled->terms->run_at;
	TimestampTz left = in_row - rescheduled->created_at;

	return run_at < in_row || left <= 0 ||
		run_at - in_row > Max(left / STEPS_OF_DELAY, SHORTEST_STEP_US) ? run_at : in_row;
}

/* Fills in an event of the broker's own about an execution as a whole. */
static void
own_event(Event *event, EventType type, const Execution *execution)
{
	describe_execution(event, type, execution);
	event->type = type;
	event->status = event_type_status(type);
	event->catalog_id = execution->catalog_id;
	event->parent_execution_id = execution->parent_execution_id;
	event->node_id = psprintf(INT64_FORMAT, execution->execution_id);
}

/*
 * Writes the event that says when a scheduled execution begins instead, with the
 * parameters of another event, and what follows from it.
 */
static void
reschedule(Store *store, const Execution *execution, const Event *start, TimestampTz run_at)
{
	TimestampTz in_row;
	Event		event;

	own_event(&event, EVENT_EXECUTION_RESCHEDULED, execution);
	event.context = rescheduled_context(start);
	event.meta = json_text_object("run_at", time_to_text(run_at, "UTC"));
	event_terms(&event)->run_at = run_at;
	event_assign_time(store, &event);
	write_own_event(store, &event);
	in_row = engine_follow_rescheduled(execution->run_at, &event);
	if (in_row == execution->run_at)
		return;
	store_reschedule_execution(store, execution->execution_id, in_row);
	wake_for_timer(in_row);
}

/* Returns a time, or max_wait after the first call of a debounce if that comes before. */
static TimestampTz
within_max_wait(const JsonbValue *context, TimestampTz first, TimestampTz run_at)
{
	JsonbValue	value;
	double		max_wait;

	return get_term(context, "max_wait", &value) && json_number(&value, &max_wait) ?
		Min(run_at, first + (TimestampTz) (max_wait * USECS_PER_SEC)) : run_at;
}

/*
 * Puts the execution that has the key of a start off to the time of the start, with
 * its parameters, but not longer than max_wait (seconds) after it was asked for.
 * Returns false when that execution has begun.
 */
static bool
put_off(int64 execution_id, const Event *start, const JsonbValue *context)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz run_at = start->terms->run_at != 0 ? start->terms->run_at : now;
	Store	   *store;
	Execution	execution;
	bool		scheduled;

	engine_lock(execution_id);
	store = store_open(InvalidOid);
	scheduled = store_get_execution(store, execution_id, &execution) && execution.scheduled;
	if (scheduled)
	{
		run_at = Max(within_max_wait(context, execution.started_at, run_at), now);
		reschedule(store, &execution, start, run_at);
		/* it asks for slots when its time comes, by its new parameters */
		if (limit_of_executions(execution.catalog_id))
			limit_free_execution(execution_id);
	}
	store_close(store);
	return scheduled;
}

/* Returns whether an execution has a row, and whether it runs. */
static bool
look_up(int64 execution_id, bool *running)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	bool		found = store_get_execution(store, execution_id, &execution);

	*running = found && execution.running;
	store_close(store);
	return found;
}

/* Raises: the key of a start is another execution's. */
pg_noreturn static void
raise_key_taken(const StartKey *key, int64 execution_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("playbook \"%s\" has an execution with the key \"%s\" already",
					key->path, key->key),
			 errdetail("It is execution " INT64_FORMAT ".", execution_id)));
}

/*
 * Returns whether a start goes on although an execution has its key; what has to be
 * done to that one is done.  One that was deleted is no obstacle.
 */
static bool
resolve_conflict(const StartKey *key, OnConflict on_conflict, int64 existing,
				 const Event *start, const JsonbValue *context)
{
	bool		running;

	if (!look_up(existing, &running))
		return true;
	switch (on_conflict)
	{
		case CONFLICT_RETURN:
			return false;
		case CONFLICT_ERROR:
			raise_key_taken(key, existing);
		case CONFLICT_RUNNING:
			return !running;
		case CONFLICT_REPLACE:
			engine_lock(existing);
			execution_cancel(existing, psprintf("replaced by execution " INT64_FORMAT,
												start->execution_id));
			return true;
		case CONFLICT_DEBOUNCE:
			return !running || !put_off(existing, start, context);
	}
	return false;
}

/*
 * Takes the key of a start for its execution.  Returns false when nothing is to be
 * started; event->execution_id is then that of the execution that has the key.
 */
static bool
take_key(Event *event, const JsonbValue *context)
{
	OnConflict	on_conflict = read_on_conflict(context);
	StartKey	key;
	int			version;
	int64		existing;

	if (event->terms == NULL || event->terms->key == NULL)
	{
		if (on_conflict != CONFLICT_RETURN)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("on_conflict needs a key")));
		return true;
	}
	/* the playbook was found by the path, if there is one */
	key.path = json_get_text(context, "path");
	if (key.path == NULL && !catalog_describe(event->catalog_id, &key.path, &version))
		return true;			/* execution_insert() raises the error */
	key.key = event->terms->key;
	key.role = GetUserId();
	if (on_conflict == CONFLICT_DEBOUNCE && event->terms->run_at != 0)
		event->terms->run_at = within_max_wait(context, GetCurrentTimestamp(),
											   event->terms->run_at);
	while (!store_claim_key(&key, event->execution_id))
	{
		INJECTION("start-key");
		/* whoever only wants to know the execution needs no lock */
		if (on_conflict == CONFLICT_RETURN || on_conflict == CONFLICT_ERROR)
		{
			bool		running;

			existing = 0;
			(void) store_find_key(&key, false, &existing);
			if (look_up(existing, &running))
			{
				if (on_conflict == CONFLICT_ERROR)
					raise_key_taken(&key, existing);
				event->execution_id = existing;
				return false;
			}
		}
		if (!store_find_key(&key, true, &existing))
			continue;			/* a user has deleted the row meanwhile */
		if (!resolve_conflict(&key, on_conflict, existing, event, context))
		{
			event->execution_id = existing;
			return false;
		}
		store_give_key(&key, event->execution_id);
		return true;
	}
	return true;
}

/* Gives a start that asks for no priority that of its playbook. */
static void
take_priority(Event *event, const JsonbValue *context)
{
	JsonbValue	asked;
	int			priority;

	if (json_get(context, "priority", &asked) && asked.type != jbvNull)
		return;
	priority = start_priority(event->catalog_id, event);
	if (priority == 0)
		return;
	event_terms(event)->priority = priority;
	event->terms->own_priority = true;
}

/*
 * Checks what the context of an execution_start asks for besides its playbook, and
 * takes its key.  Raises when that makes no sense.  Returns false when another
 * execution has the key and nothing is to be started (event->execution_id).
 */
bool
start_prepare(Event *event)
{
	JsonbValue	context;

	if (event->context != NULL)
		json_from_jsonb(event->context, &context);
	else
		json_null(&context);
	check_terms(&context);
	read_run_at(event, &context);
	take_priority(event, &context);
	return take_key(event, &context);
}

/*
 * Has an execution with limits, which is not for a later time than that of its start,
 * wait for its slots: it begins when it has them.
 */
void
start_await_slots(Event *event)
{
	if (!event->forked && limit_of_executions(event->catalog_id) && !engine_is_scheduled(event))
		event_terms(event)->run_at = DT_NOEND;
}

/* Returns what the meta of an execution_start says of its role, settings and terms. */
Jsonb *
start_describe(const Event *event, Oid role)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	role_add(&builder, role);
	engine_add_settings(&builder, event->settings);
	if (event->terms != NULL && event->terms->run_at != 0)
		json_add_text(&builder, "run_at", time_to_text(event->terms->run_at, "UTC"));
	if (event->terms != NULL && event->terms->own_priority)
		json_add_int(&builder, "priority", event->terms->priority);
	if (event->attempt > 0)
		json_add_int(&builder, "attempt", 0);	/* only the broker starts items */
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* ---------------------------------------------------------------------------
 * The beginning
 * ---------------------------------------------------------------------------
 */

/* Fills in the terms of an execution from its execution_start. */
void
engine_fill_terms(Execution *execution, const Event *start)
{
	execution->labels = engine_labels(start);
	if (start->terms == NULL)
		return;
	execution->priority = start->terms->priority;
	execution->run_at = start->terms->run_at;
	execution->schedule = start->terms->schedule;
	execution->scheduled = engine_is_scheduled(start);
}

/* Returns whether an execution_start is for a later time. */
bool
engine_is_scheduled(const Event *start)
{
	return start->terms != NULL && start->terms->run_at > start->created_at;
}

/*
 * Fills in the event that is decided on when a scheduled execution begins: its
 * start, with the parameters of the newest execution_rescheduled (or NULL), at the
 * time and in the place of its execution_due.
 */
void
engine_begin_event(Event *begin, const Event *start, const Event *rescheduled, const Event *due)
{
	JsonBuilder builder;
	JsonbValue	below;
	JsonbValue	above;

	*begin = *start;
	begin->created_at = due->created_at;
	begin->event_id = due->event_id;
	if (rescheduled == NULL || rescheduled->context == NULL)
		return;
	json_from_jsonb(start->context, &below);
	json_from_jsonb(rescheduled->context, &above);
	json_begin_object(&builder);
	json_add_members(&builder, &below);
	json_add_members(&builder, &above);
	json_end_object(&builder, &below);
	begin->context = json_to_jsonb(&below);
}

/* Reads the newest execution_rescheduled of an execution; returns false when there is none. */
static bool
read_rescheduled(Store *store, int64 execution_id, Event *rescheduled)
{
	return store_last_rescheduled(store, execution_id, rescheduled) &&
		rescheduled->terms != NULL;
}

/* Reads an execution_start with the parameters that count (engine/internal.h). */
bool
start_read(Store *store, int64 execution_id, Event *start)
{
	Event		written;
	Event		rescheduled;

	if (!store_start_event(store, execution_id, &written))
		return false;
	engine_begin_event(start, &written,
					   read_rescheduled(store, execution_id, &rescheduled) ? &rescheduled : NULL,
					   &written);
	return true;
}

/* Returns whether an execution is to begin later than its row says; has the row say so. */
static bool
follow_put_off(Store *store, const Execution *execution, const Event *rescheduled)
{
	if (rescheduled->terms->run_at <= Max(execution->run_at, GetCurrentTimestamp()))
		return false;
	reschedule(store, execution, rescheduled, rescheduled->terms->run_at);
	return true;
}

/* Has an execution wait for its slots when its time has come (engine/internal.h). */
void
start_await_at_its_time(Store *store, const Execution *execution)
{
	Event		start;
	Event		rescheduled;

	if ((read_rescheduled(store, execution->execution_id, &rescheduled) &&
		 follow_put_off(store, execution, &rescheduled)) ||
		!start_read(store, execution->execution_id, &start))
		return;
	store_reschedule_execution(store, execution->execution_id, DT_NOEND);
	limit_await(execution, &start);
}

/*
 * Begins a scheduled execution, whose lock is held, unless it has been put off; returns
 * the number of tasks.
 */
int
start_begin(Store *store, const Execution *execution)
{
	Event		start;
	Event		due;
	Event		begin;
	Event		rescheduled;
	TimestampTz deadline;
	bool		put_off = read_rescheduled(store, execution->execution_id, &rescheduled);

	if (put_off && follow_put_off(store, execution, &rescheduled))
		return 0;
	if (!store_start_event(store, execution->execution_id, &start))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the execution_start of execution " INT64_FORMAT " has been deleted",
						execution->execution_id)));
	own_event(&due, EVENT_EXECUTION_DUE, execution);
	due.parent_event_id = start.event_id;
	event_assign_time(store, &due);
	write_own_event(store, &due);
	engine_begin_event(&begin, &start, put_off ? &rescheduled : NULL, &due);
	deadline = engine_deadline(&begin);
	store_begin_execution(store, execution->execution_id, begin.created_at, deadline);
	if (deadline != 0)
		wake_for_timer(deadline);
	return evaluate_event(store, &begin, false);
}
