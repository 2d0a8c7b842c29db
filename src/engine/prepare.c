/*
 * engine/prepare.c
 *		A client's event is made fit to be stored: type and status are normalised,
 *		the execution is found and locked, ids, time and node are filled in.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "engine/internal.h"
#include "engine/role.h"

/* The largest event_id that a client may choose: later events need larger ones */
#define LARGEST_CHOSEN_ID	(PG_INT64_MAX - (INT64CONST(1) << 48))

/* How many events this session has prepared. */
uint64		prepared_events = 0;

/*
 * The execution of the event that was prepared last, for the broker itself, by which
 * command.
 */
static struct
{
	uint64		number;			/* of the event; 0: none */
	CommandId	command;
	Execution	execution;
}			met;

/* Remembers the execution of the event that has just been prepared. */
static void
remember_met(const Execution *execution)
{
	met.number = prepared_events;
	met.command = GetCurrentCommandId(false);
	met.execution = *execution;
}

/* Returns the execution of the event that is being ingested (engine/internal.h). */
bool
prepared_execution(int64 execution_id, Execution *execution)
{
	if (met.number != prepared_events || met.execution.execution_id != execution_id ||
		met.command != GetCurrentCommandId(false))
		return false;
	*execution = met.execution;
	met.number = 0;
	return true;
}

/*
 * Raises a serialization failure when the newest event of an execution is not the
 * newest that the transaction's snapshot shows: the transaction cannot decide on
 * rows that it does not see.
 */
static void
check_snapshot(Store *store, int64 execution_id, int64 last_event_id, bool own)
{
	if (!IsolationUsesXactSnapshot() || own)
		return;
	if (store_last_event_in_snapshot(store, execution_id) != last_event_id)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to an execution due to concurrent events"),
				 errdetail("Execution " INT64_FORMAT
						   " went on after this transaction took its snapshot.", execution_id),
				 errhint("Retry the transaction, or use READ COMMITTED.")));
}

/* Raises when other sessions went on with the execution since our snapshot. */
void
engine_check_snapshot(Store *store, int64 execution_id)
{
	int64		last_id = 0;
	TimestampTz last_time;
	bool		own;

	if (!IsolationUsesXactSnapshot())
		return;
	(void) store_last_event(store, execution_id, 0, &last_id, &last_time, &own);
	check_snapshot(store, execution_id, last_id, own);
}

/*
 * The last event of this session whose client has chosen an id that is not the newest of
 * its execution: the event with the newest id is older than it.
 */
static struct
{
	int64		execution_id;
	TimestampTz created_at;
}			out_of_order;

/*
 * Sets created_at and event_id, strictly after those of the execution's events, of the
 * decisions that are being written, and of an event that is being stored.  fresh: the
 * execution has no events.
 */
static void
assign_time(Store *store, Event *event, bool fresh)
{
	int64		last_id = 0;
	TimestampTz last_time = 0;
	EvaluationFrame *frame = frame_find_writing(event->execution_id);
	RowInFlight *coming = in_flight_coming(event->execution_id);
	bool		own;

	event->created_at = GetCurrentTimestamp();
	if (!fresh && store_last_event(store, event->execution_id, event->parent_event_id,
								   &last_id, &last_time, &own))
	{
		check_snapshot(store, event->execution_id, last_id, own);
		event->created_at = Max(event->created_at, last_time + 1);
	}
	if (frame != NULL)
	{
		event->created_at = Max(event->created_at, frame->time + 1);
		last_id = Max(last_id, frame->last_event_id);
	}
	if (coming != NULL)
	{
		event->created_at = Max(event->created_at, coming->created_at + 1);
		last_id = Max(last_id, coming->event_id);
	}
	if (out_of_order.execution_id == event->execution_id)
		event->created_at = Max(event->created_at, out_of_order.created_at + 1);
	if (event->event_id != 0)
	{
		if (event->event_id < last_id)
		{
			out_of_order.execution_id = event->execution_id;
			out_of_order.created_at = event->created_at;
		}
		return;
	}
	if (last_id == PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("execution " INT64_FORMAT " has used the largest event_id",
						event->execution_id)));
	event->event_id = Max(event_id_at(event->created_at), last_id + 1);
}

/* Sets created_at and event_id, later than those of the execution's events. */
void
event_assign_time(Store *store, Event *event)
{
	assign_time(store, event, false);
}

/* Marks an event as ignored before it is stored. */
static void
ignore(Event *event, const char *reason)
{
	event->annotation = json_text_object("ignored", reason);
	event->ignored = true;
}

/*
 * Is an event one of those that only record what a task does?  On these nothing is
 * decided, so that it has to be found out here whether they are about a live task.
 */
static bool
is_record(const Event *event)
{
	return event_type_is_about_run(event->type) && !event_type_has_effect(event->type) &&
		event_type_sent_by(event->type, SENT_BY_WORKER);
}

/* Returns what the end of an item is marked with: {"iterator_attempt": n}. */
static Jsonb *
attempt_note(int attempt)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_int(&builder, "iterator_attempt", attempt);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/*
 * Marks a record as ignored when its sender does not hold the lease of the task.  The
 * end of an item of a worker's iterator is marked with the attempt that it belongs to.
 */
static void
check_record(Event *event, const QueueRow *row)
{
	if (!is_record(event) || event->ignored)
		return;
	if (row->item < 0 && (event->type == EVENT_ITERATION_COMPLETED ||
						  event->type == EVENT_ITERATION_FAILED))
		event->annotation = attempt_note(Max(row->attempts - row->lost, 1));
	if (row->worker_id == NULL && row->attempts > 0 && event->worker_id != NULL)
		ignore(event, "the lease was lost");
	else if (row->worker_id != NULL && event->worker_id != NULL &&
			 strcmp(row->worker_id, event->worker_id) != 0)
		ignore(event, "another worker holds the lease");
	else if (event->attempt > 0 && event->attempt < row->attempts)
		ignore(event, "a later attempt is running");
}

/*
 * Fills in the node columns and parent_event_id from the execution and the queue
 * row of the step.
 */
static void
fill_node(Store *store, Event *event)
{
	TaskQuery	query = {event->node_name, event->visit, event->item, event->worker_id};
	QueueRow	row;
	const char *task_id;
	bool		is_complete = event->node_id != NULL && event->node_type != NULL &&
		event->parent_event_id != 0;

	if (!event_type_is_about_run(event->type))
	{
		if (event->node_id == NULL &&
			(event->type != EVENT_OTHER || event->node_name == NULL))
			event_set_node_id(event, psprintf(INT64_FORMAT, event->execution_id));
		return;
	}
	if (event->node_name == NULL || (is_complete && !is_record(event)))
	{
		if (is_record(event) && !event->ignored)
			ignore(event, "the playbook has no such step");
		return;
	}
	if (store_find_task(store, event->execution_id, &query, &row))
		task_id = row.node_id;
	else
	{
		/* a worker that goes through all items reports each of them */
		query.item = -1;
		if (event->item < 0 || !store_find_task(store, event->execution_id, &query, &row))
		{
			/* while decisions wait, the step may start before the event's turn comes */
			if (is_record(event) && !event->ignored && noetl_broker &&
				frame_find_writing(event->execution_id) == NULL)
				ignore(event, "the step is not running");
			return;
		}
		task_id = row.node_id;
		row.node_id = psprintf("%s[%d]", task_id, event->item);
	}
	check_record(event, &row);
	if (event->node_id == NULL)
		event_set_node_id(event, row.node_id);
	if (event->node_type == NULL)
		event->node_type = row.node_type;
	if (event->parent_event_id == 0 &&
		(strcmp(event->node_id, row.node_id) == 0 || strcmp(event->node_id, task_id) == 0))
		event->parent_event_id = row.event_id;
}

/*
 * Finds the execution of an event, and locks it.  An execution_start names a
 * playbook and gets a new execution (*fresh).  Returns false when the execution of
 * an execution_start has already started.
 */
static bool
find_execution(Store *store, Event *event, Execution *execution, bool *fresh)
{
	*fresh = false;
	if (event->type == EVENT_EXECUTION_START)
	{
		/* no lock: before this transaction commits, no other one sees the execution */
		*fresh = event->execution_id == 0 ||
			!store_get_execution(store, event->execution_id, execution);
		if (event->execution_id == 0)
			event->execution_id = new_execution_id();
		if (*fresh)
			execution_resolve(event);
		return *fresh;
	}
	if (event->execution_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("event \"%s\" names no execution", event->event_type),
				 errdetail("Its execution_id is null or 0."),
				 errhint("Give execution_id; only execution_start gets a new one.")));
	engine_lock(event->execution_id);
	if (!store_get_execution(store, event->execution_id, execution))
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("execution " INT64_FORMAT " does not exist", event->execution_id),
				 errdetail("Event \"%s\" refers to it.", event->event_type),
				 errhint("Start it with noetl.execute() or an execution_start event.")));
	return true;
}

/* Sets type and status from the words that the client used. */
static void
normalise_words(Event *event)
{
	bool		known;
	const char *given = event->status;

	if (event->event_type == NULL || event->event_type[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("an event needs an event_type"),
				 errdetail("It is null or empty."),
				 errhint("It says what has happened, such as action_completed.")));
	event->status = status_normalise(given, event->event_type, &known);
	if (!known)
		ereport(WARNING,
				(errmsg("unknown event status \"%s\", stored as PENDING", given),
				 errhint("The words are STARTED, RUNNING, PAUSED, PENDING, FAILED, COMPLETED, CANCELLED.")));
	event->type = event_type_of(event->event_type, event->status);
	event_parse(event);
}

/* Returns {"drive": number}: which drive of its execution an event ends. */
static Jsonb *
drive_meta(int drive)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_int(&builder, "drive", drive);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/*
 * Fills in the columns that the execution determines.  Decides on its pending
 * events first, so that decisions follow the order of the log.  Marks an event
 * that comes after the end of the execution as ignored.
 */
static void
meet_execution(Store *store, Event *event, Execution *execution)
{
	bool		over;

	if (noetl_broker && event_type_has_effect(event->type) &&
		frame_find_writing(event->execution_id) == NULL &&
		store_any_pending(store, event->execution_id))
	{
		(void) evaluate_pending(store, event->execution_id);
		execution_get(store, event->execution_id, execution);
	}
	event->catalog_id = execution->catalog_id;
	event->parent_execution_id = execution->parent_execution_id;
	over = !execution->running;
	if (!over && event_type_is_terminal(event->type))
		over = store_pending_end(store, event->execution_id) != 0;
	if (event->type == EVENT_OTHER)
		ignore(event, "unknown event type");
	if (over && (event_type_has_effect(event->type) || is_record(event)))
		ignore(event, "the execution is over");
	if (!event->ignored && event_type_is_terminal(event->type) &&
		(execution->drive > 1 || event->drive != 0))
		event->annotation = drive_meta(execution->drive);
}

/* Returns JSON's null, the result of an event that sets a value and has none. */
static Jsonb *
null_result(void)
{
	JsonbValue	null;

	json_null(&null);
	return json_to_jsonb(&null);
}

/*
 * Says in the meta of an execution_start, which has got its time, for whom it runs, by
 * which settings, and when it begins.
 */
static void
annotate_start(Event *event)
{
	Settings   *settings = palloc(sizeof(Settings));

	start_await_slots(event);
	*settings = settings_of_session();
	event->settings = settings;
	event->started_by = GetUserNameFromId(GetUserId(), false);
	event->started_by_oid = GetUserId();
	event->annotation = start_describe(event, GetUserId());
}

/*
 * Makes an event fit to be stored; takes the execution lock.  Returns false when
 * an event with this event_id is stored already, or when another execution has the
 * key of an execution_start (event->execution_id is then that execution).
 */
bool
prepare_event(Store *store, Event *event, bool has_result, bool by_client)
{
	Execution	execution;
	bool		fresh;

	normalise_words(event);
	if (!find_execution(store, event, &execution, &fresh))
	{
		if (store_event_exists(store, event->execution_id, event->event_id))
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("the execution has already started"),
				 errdetail("Execution " INT64_FORMAT ".", event->execution_id),
				 errhint("Leave execution_id out to start another one.")));
	}
	if (event->event_id > LARGEST_CHOSEN_ID)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("event_id " INT64_FORMAT " is too large", event->event_id),
				 errdetail("The largest a client may choose is " INT64_FORMAT
						   ": later events of the execution need larger ones.",
						   LARGEST_CHOSEN_ID),
				 errhint("Leave event_id out, or take it from noetl.next_id().")));
	if (!fresh && event->event_id != 0 &&
		store_event_exists(store, event->execution_id, event->event_id))
		return false;
	if (event->type == EVENT_SIGNAL)
		signal_check(event);
	if (by_client && event->forked)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("meta.forked is the broker's own"),
				 errhint("noetl.fork() starts an execution from the middle of another.")));
	if (by_client && noetl_isolation != ISOLATION_OFF)
		isolation_check_event(store, event, fresh ? NULL : &execution);
	if (!fresh)
		meet_execution(store, event, &execution);
	else if (!start_prepare(event))
		return false;
	assign_time(store, event, fresh);
	if (fresh)
		annotate_start(event);
	if (by_client &&
		(event->type == EVENT_EXECUTION_PAUSED || event->type == EVENT_EXECUTION_RESUMED))
		ignore(event, "only noetl.pause() and noetl.resume() do this");
	if (by_client && event->progress.found)
		ignore(event, "only the broker counts the items of an iterator");
	prepared_events++;
	if (event->type == EVENT_SIGNAL && !event->ignored)
		signal_annotate(event);
	fill_node(store, event);
	if (!has_result && event_type_defaults_to_null(event->type))
		event->result = null_result();
	met.number = 0;
	if (!by_client && !fresh)
		remember_met(&execution);
	return true;
}

/*
 * Makes an event fit that was stored while the triggers were off.  An execution that
 * such an event starts belongs to the current role, which must be one that may act for
 * the owner of the tables.
 */
bool
prepare_stored_event(Store *store, Event *event)
{
	Execution	execution;
	bool		known;

	normalise_words(event);
	if (event->type == EVENT_SIGNAL)
		signal_check(event);
	known = store_get_execution(store, event->execution_id, &execution);
	if (!known && (event->type != EVENT_EXECUTION_START || !engine_acts_for(store_owner())))
		return false;
	if (known)
		meet_execution(store, event, &execution);
	else
	{
		execution_resolve(event);
		if (!start_prepare(event))
			return false;		/* another execution has its key */
	}
	if (known && event->type == EVENT_EXECUTION_START)
	{
		event->annotation = json_text_object("ignored", "the execution has already started");
		event->ignored = true;
		event->type = EVENT_OTHER;
	}
	assign_time(store, event, false);
	if (!known)
		annotate_start(event);
	prepared_events++;
	if (event->type == EVENT_SIGNAL && !event->ignored)
		signal_annotate(event);
	fill_node(store, event);
	if (event->result == NULL && event_type_defaults_to_null(event->type))
		event->result = null_result();
	return true;
}

/* Replaces a bigint column of a trigger's row, unless the value is 0. */
static void
change_int64(Datum *values, bool *nulls, bool *replace, int attribute, int64 value)
{
	if (value == 0)
		return;
	values[attribute - 1] = Int64GetDatum(value);
	nulls[attribute - 1] = false;
	replace[attribute - 1] = true;
}

/* Replaces a text column of a trigger's row, unless the value is NULL. */
static void
change_text(Datum *values, bool *nulls, bool *replace, int attribute, const char *value)
{
	if (value == NULL)
		return;
	values[attribute - 1] = CStringGetTextDatum(value);
	nulls[attribute - 1] = false;
	replace[attribute - 1] = true;
}

/* Returns the row of a BEFORE trigger with what prepare_event() has changed. */
HeapTuple
prepared_tuple(TriggerData *trigger, const Event *event)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	/* users may have added columns */
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	bool	   *replace = palloc0(desc->natts * sizeof(bool));

	change_int64(values, nulls, replace, EVENT_COL_EXECUTION_ID, event->execution_id);
	change_int64(values, nulls, replace, EVENT_COL_EVENT_ID, event->event_id);
	change_int64(values, nulls, replace, EVENT_COL_PARENT_EVENT_ID, event->parent_event_id);
	change_int64(values, nulls, replace, EVENT_COL_PARENT_EXECUTION_ID, event->parent_execution_id);
	change_int64(values, nulls, replace, EVENT_COL_CATALOG_ID, event->catalog_id);
	change_int64(values, nulls, replace, EVENT_COL_CREATED_AT, event->created_at);
	change_text(values, nulls, replace, EVENT_COL_STATUS, event->status);
	change_text(values, nulls, replace, EVENT_COL_NODE_ID, event->node_id);
	change_text(values, nulls, replace, EVENT_COL_NODE_NAME, event->node_name);
	change_text(values, nulls, replace, EVENT_COL_NODE_TYPE, event->node_type);
	if (event->result != NULL)
	{
		values[EVENT_COL_RESULT - 1] = PointerGetDatum(event->result);
		nulls[EVENT_COL_RESULT - 1] = false;
		replace[EVENT_COL_RESULT - 1] = true;
	}
	if (event->annotation != NULL)
	{
		bool		isnull;
		Datum		old = slot_getattr(trigger->tg_trigslot, EVENT_COL_META, &isnull);
		Jsonb	   *old_meta = isnull ? NULL : DatumGetJsonbP(old);

		values[EVENT_COL_META - 1] = PointerGetDatum(event->annotation);
		/* what decides on an execution is not the client's to say */
		if (old_meta != NULL && JB_ROOT_IS_OBJECT(old_meta) && event->type == EVENT_EXECUTION_START)
			old = DirectFunctionCall2(jsonb_delete, old, CStringGetTextDatum("settings"));
		if (old_meta != NULL && JB_ROOT_IS_OBJECT(old_meta))
			values[EVENT_COL_META - 1] =
				DirectFunctionCall2(jsonb_concat, old, PointerGetDatum(event->annotation));
		nulls[EVENT_COL_META - 1] = false;
		replace[EVENT_COL_META - 1] = true;
	}
	return heap_modify_tuple(trigger->tg_trigtuple, desc, values, nulls, replace);
}

/*
 * Returns whether pg_restore or replication brings the row back; nothing is
 * decided on such a row.
 */
bool
event_is_history(const Event *event)
{
	return event->event_id != 0 && event->created_at != 0 &&
		event->catalog_id != 0 && event->execution_id != 0 &&
		has_privs_of_role(GetUserId(), store_owner());
}
