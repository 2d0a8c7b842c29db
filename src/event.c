/*
 * event.c
 *		The way of an event: normalised, stored, decided upon.
 *
 *		INSERT INTO noetl.event            noetl.complete() …
 *		  │ BEFORE ROW trigger               │ event_ingest
 *		  v                                  v
 *		prepare: lock the execution, ids, time, status, node   (prepare_event)
 *		  │ the row is stored
 *		  v AFTER ROW trigger, or BEFORE ROW of the next row of the statement
 *		decide: load state, broker_decide, write the decisions (decide_event)
 *
 * Many rows in one statement are as many statements: each is decided upon
 * before the next is prepared.  What the broker itself writes passes the
 * triggers untouched: only events that prepare_event has registered are
 * decided upon.
 */
#include "noetl.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif

#include "catalog_store.h"
#include "event.h"
#include "event_register.h"
#include "execution.h"
#include "ids.h"
#include "json.h"
#include "queue.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(noetl_event_before);
PG_FUNCTION_INFO_V1(noetl_event_after);

/* Ids above are for the events that follow */
#define LARGEST_CHOSEN_ID	(PG_INT64_MAX - (INT64CONST(1) << 48))

/* ---------------------------------------------------------------------------
 * The execution lock
 * ---------------------------------------------------------------------------
 */

/* The lock tag of an execution: nobody's table row, so nothing rots. */
static void
execution_lock_tag(LOCKTAG *tag, int64 execution_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (execution_id >> 32),
						 (uint32) execution_id, LOCK_CLASS_EXECUTION);
}

/* See event.h. */
void
execution_lock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* See event.h. */
bool
execution_trylock(int64 execution_id)
{
	LOCKTAG		tag;

	execution_lock_tag(&tag, execution_id);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* How many events this backend has prepared: is one still the newest? */
static uint64 prepared_events = 0;

/* ---------------------------------------------------------------------------
 * Decisions being written
 * ---------------------------------------------------------------------------
 */

/*
 * A user's BEFORE trigger may insert an event while the decisions on another
 * of the same execution are half written: it comes after all of these.
 */
typedef struct Writing
{
	int64		execution_id;
	TimestampTz time;			/* of the last event to be written */
	int64		last_event_id;
	bool		interrupted;	/* an event waits in noetl.pending */
	int			enqueued;		/* tasks, so far */
	struct Writing *outer;
} Writing;

static Writing *writing = NULL;

/* The decisions on an execution that are being written, or NULL. */
static Writing *
writing_on(int64 execution_id)
{
	Writing    *found = writing;

	while (found != NULL && found->execution_id != execution_id)
		found = found->outer;
	return found;
}

/* ---------------------------------------------------------------------------
 * Before: normalise
 * ---------------------------------------------------------------------------
 */

/* See event.h. */
Jsonb *
meta_text(const char *key, const char *text)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, key, text);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Which types a finished execution takes no notice of. */
static bool
has_effect(EventType type)
{
	switch (type)
	{
		case EVENT_EXECUTION_COMPLETE:
		case EVENT_EXECUTION_FAILED:
		case EVENT_EXECUTION_CANCELLED:
		case EVENT_ACTION_STARTED:
		case EVENT_ACTION_COMPLETED:
		case EVENT_ACTION_ERROR:
		case EVENT_STEP_RESULT:
		case EVENT_STEP_COMPLETED:
		case EVENT_STEP_FAILED:
		case EVENT_STEP_SKIPPED:
			return true;
		default:
			return false;
	}
}

/* Is an event marked as one without effect? */
static bool
is_ignored(const Event *event)
{
	JsonbValue	meta;
	JsonbValue	reason;

	if (event->meta == NULL)
		return false;
	json_from_jsonb(event->meta, &meta);
	return json_get(&meta, "ignored", &reason);
}

/* Types that give their step a value, be it null. */
static bool
sets_value(EventType type)
{
	return type == EVENT_ACTION_COMPLETED || type == EVENT_STEP_RESULT ||
		type == EVENT_STEP_COMPLETED || type == EVENT_STEP_SKIPPED;
}

/* Events about one step, whose node can be filled in from its queue row. */
static bool
is_run_event(EventType type)
{
	return type != EVENT_OTHER && type != EVENT_EXECUTION_START &&
		!event_type_is_terminal(type);
}

/*
 * Others must not decide on a state that our snapshot cannot see; and what we
 * cannot see we must not decide on either.
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
				 errdetail("Execution " INT64_FORMAT " went on after this transaction took its snapshot.",
						   execution_id),
				 errhint("Retry the transaction, or use READ COMMITTED.")));
}

/* created_at and event_id, strictly after everything the execution has. */
static void
assign_time(Store *store, Event *event, bool fresh)
{
	int64		last_id = 0;
	TimestampTz last_time = 0;
	Writing    *others = writing_on(event->execution_id);
	bool		own;

	event->created_at = GetCurrentTimestamp();
	if (!fresh && store_last_event(store, event->execution_id, &last_id, &last_time, &own))
	{
		check_snapshot(store, event->execution_id, last_id, own);
		event->created_at = Max(event->created_at, last_time + 1);
	}
	if (others != NULL)
	{
		event->created_at = Max(event->created_at, others->time + 1);
		last_id = Max(last_id, others->last_event_id);
	}
	if (event->event_id != 0)
		return;
	if (last_id == PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("execution " INT64_FORMAT " has used the largest event_id",
						event->execution_id)));
	event->event_id = Max(event_id_at(event->created_at), last_id + 1);
}

/* The columns every event can be given from its execution and its queue row. */
static void
fill_node(Store *store, Event *event)
{
	QueueRow	row;

	if (!is_run_event(event->type))
	{
		if (event->node_id == NULL &&
			(event->type != EVENT_OTHER || event->node_name == NULL))
			event->node_id = psprintf(INT64_FORMAT, event->execution_id);
		return;
	}
	if (event->node_name == NULL ||
		(event->node_id != NULL && event->node_type != NULL &&
		 event->parent_event_id != 0))
		return;
	if (!store_find_task(store, event->execution_id, event->node_name, &row))
		return;
	if (event->node_id == NULL)
		event->node_id = row.node_id;
	if (event->node_type == NULL)
		event->node_type = row.node_type;
	if (event->parent_event_id == 0 && strcmp(event->node_id, row.node_id) == 0)
		event->parent_event_id = row.event_id;
}

/* A start names its playbook; everything else belongs to an execution. */
static bool
find_execution(Store *store, Event *event, Execution *execution, bool *fresh)
{
	*fresh = false;
	if (event->type == EVENT_EXECUTION_START)
	{
		/* no lock: until we commit, nobody else can see the execution */
		if (event->execution_id == 0)
			event->execution_id = new_execution_id();
		*fresh = !store_get_execution(store, event->execution_id, execution);
		if (*fresh)
			execution_resolve(event);
		return *fresh;
	}
	if (event->execution_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("event \"%s\" names no execution", event->event_type),
				 errhint("Give execution_id; only execution_start gets a new one.")));
	execution_lock(event->execution_id);
	if (!store_get_execution(store, event->execution_id, execution))
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("execution " INT64_FORMAT " does not exist", event->execution_id),
				 errdetail("Event \"%s\" refers to it.", event->event_type),
				 errhint("Start it with noetl.execute() or an execution_start event.")));
	return true;
}

/* type and status, from the words the client used. */
static void
normalise_words(Event *event)
{
	bool		known;
	const char *given = event->status;

	if (event->event_type == NULL || event->event_type[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("an event needs an event_type")));
	event->status = status_normalise(given, event->event_type, &known);
	if (!known)
		ereport(WARNING,
				(errmsg("unknown event status \"%s\", stored as PENDING", given),
				 errhint("The words are STARTED, RUNNING, PAUSED, PENDING, FAILED, COMPLETED, CANCELLED.")));
	event->type = event_type_of(event->event_type, event->status);
}

static int	decide_pending(Store *store, int64 execution_id);

/*
 * The execution as this event finds it: what was stored while the broker was
 * off comes first, so that the order of the log is the order of decisions.
 */
static void
meet_execution(Store *store, Event *event, Execution *execution)
{
	bool		over;

	if (noetl_broker && has_effect(event->type) &&
		writing_on(event->execution_id) == NULL &&
		store_any_pending(store, event->execution_id))
	{
		(void) decide_pending(store, event->execution_id);
		if (!store_get_execution(store, event->execution_id, execution))
			elog(ERROR, "execution " INT64_FORMAT " has vanished", event->execution_id);
	}
	event->catalog_id = execution->catalog_id;
	event->parent_execution_id = execution->parent_execution_id;
	over = !execution->running;
	if (!over && event_type_is_terminal(event->type))
		over = store_pending_end(store, event->execution_id) != 0;
	if (over && has_effect(event->type))
		event->meta = meta_text("ignored", "the execution is over");
}

/*
 * Makes a client's event fit to be stored; takes the execution lock.  False
 * when it is stored already (same event_id).  has_result: result is not NULL,
 * although event->result need not be loaded.
 */
static bool
prepare_event(Store *store, Event *event, bool has_result)
{
	Execution	execution;
	bool		fresh;

	normalise_words(event);
	if (!find_execution(store, event, &execution, &fresh))
	{
		if (event->event_id != 0 &&
			store_event_exists(store, event->execution_id, event->event_id))
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("the execution has already started"),
				 errdetail("Execution " INT64_FORMAT ".", event->execution_id)));
	}
	if (event->event_id > LARGEST_CHOSEN_ID)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("event_id " INT64_FORMAT " is too large", event->event_id),
				 errdetail("The largest a client may choose is " INT64_FORMAT ": later events of the execution need larger ones.",
						   LARGEST_CHOSEN_ID)));
	if (!fresh)
	{
		if (event->event_id != 0 &&
			store_event_exists(store, event->execution_id, event->event_id))
			return false;
		meet_execution(store, event, &execution);
	}
	assign_time(store, event, fresh);
	prepared_events++;
	fill_node(store, event);
	if (!has_result && sets_value(event->type))
	{
		JsonbValue	null;

		json_null(&null);
		event->result = json_to_jsonb(&null);
	}
	return true;
}

/* One changed column of a trigger's row. */
static void
change_int64(Datum *values, bool *nulls, bool *replace, int attribute, int64 value)
{
	if (value == 0)
		return;
	values[attribute - 1] = Int64GetDatum(value);
	nulls[attribute - 1] = false;
	replace[attribute - 1] = true;
}

/* The same for text. */
static void
change_text(Datum *values, bool *nulls, bool *replace, int attribute, const char *value)
{
	if (value == NULL)
		return;
	values[attribute - 1] = CStringGetTextDatum(value);
	nulls[attribute - 1] = false;
	replace[attribute - 1] = true;
}

/* The row as prepared: only what prepare_event may have changed is replaced. */
static HeapTuple
prepared_tuple(TriggerData *trigger, const Event *event)
{
	Datum		values[EVENT_COLUMNS];
	bool		nulls[EVENT_COLUMNS];
	bool		replace[EVENT_COLUMNS];
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	memset(replace, 0, sizeof(replace));
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
	if (event->meta != NULL)
	{
		bool		isnull;
		Datum		old = slot_getattr(trigger->tg_trigslot, EVENT_COL_META, &isnull);
		Jsonb	   *old_meta = isnull ? NULL : DatumGetJsonbP(old);

		values[EVENT_COL_META - 1] = PointerGetDatum(event->meta);
		if (old_meta != NULL && JB_ROOT_IS_OBJECT(old_meta))
			values[EVENT_COL_META - 1] =
				DirectFunctionCall2(jsonb_concat, old, PointerGetDatum(event->meta));
		nulls[EVENT_COL_META - 1] = false;
		replace[EVENT_COL_META - 1] = true;
	}
	return heap_modify_tuple(trigger->tg_trigtuple, desc, values, nulls, replace);
}

/*
 * A row that already carries its event_id, created_at and catalog_id is
 * history: pg_restore and replication bring such rows back, as the tables'
 * owner.  It is stored as it is and nothing is decided.
 */
static bool
is_history(const Event *event)
{
	return event->event_id != 0 && event->created_at != 0 &&
		event->catalog_id != 0 && event->execution_id != 0 &&
		has_privs_of_role(GetUserId(), store_owner());
}

/* The trigger data of one of our own triggers, or an error. */
static TriggerData *
trigger_data(FunctionCallInfo fcinfo, TriggerEvent timing, const char *name)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		(trigger->tg_event & TRIGGER_EVENT_TIMINGMASK) != timing ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s() may only be a row trigger on INSERT INTO noetl.event", name)));
	return trigger;
}

/* The event of the broker's own making that is being written right now. */
static const Event *own_event = NULL;

/* Is it this row?  Users' triggers may insert others meanwhile. */
static bool
is_own_write(TupleTableSlot *slot)
{
	bool		isnull;

	return own_event != NULL &&
		DatumGetInt64(slot_getattr(slot, EVENT_COL_EXECUTION_ID, &isnull)) == own_event->execution_id &&
		DatumGetInt64(slot_getattr(slot, EVENT_COL_EVENT_ID, &isnull)) == own_event->event_id;
}

static void decide_registered(void);

/* BEFORE INSERT ON noetl.event FOR EACH ROW */
Datum
noetl_event_before(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, TRIGGER_EVENT_BEFORE,
										"noetl.event_before");
	Store	   *store;
	Event		event;
	bool		prepared;
	HeapTuple	tuple;

	if (is_own_write(trigger->tg_trigslot))
		return PointerGetDatum(trigger->tg_trigtuple);
	store_read_event_head(trigger->tg_trigslot, &event);
	if (is_history(&event))
		return PointerGetDatum(trigger->tg_trigtuple);
	if (event.type == EVENT_EXECUTION_START)
	{
		/* the context names the playbook; the rest stays as it is */
		store_read_event(trigger->tg_trigslot, &event);
		event.result = NULL;
		event.meta = NULL;
	}

	decide_registered();
	store = store_open(RelationGetRelid(trigger->tg_relation));
	prepared = prepare_event(store, &event,
							 !slot_attisnull(trigger->tg_trigslot, EVENT_COL_RESULT));
	store_close(store);
	if (!prepared)
		return PointerGetDatum(NULL);
	tuple = prepared_tuple(trigger, &event);
	registered_add(event.execution_id, event.event_id, prepared_events);
	return PointerGetDatum(tuple);
}

/* ---------------------------------------------------------------------------
 * After: decide
 * ---------------------------------------------------------------------------
 */

/* What the broker's questions about the past are answered from. */
typedef struct ValueContext
{
	Store	   *store;
	int64		execution_id;
	bool		catching_up;	/* newer events are stored but not decided on */
	bool		workload_known;
	bool		workload_exists;
	JsonbValue	workload;
} ValueContext;

/* ValueSource.step_value */
static void
load_step_value(void *arg, const char *step_name, StepValue *value)
{
	ValueContext *context = (ValueContext *) arg;

	store_step_value(context->store, context->execution_id, step_name,
					 context->catching_up, value);
}

/* ValueSource.workload */
static bool
load_workload(void *arg, JsonbValue *workload)
{
	ValueContext *context = (ValueContext *) arg;

	if (!context->workload_known)
	{
		context->workload_exists = store_get_workload(context->store,
													  context->execution_id,
													  &context->workload);
		context->workload_known = true;
	}
	*workload = context->workload;
	return context->workload_exists;
}

/* Uniform in [0, 1). */
static double
draw_luck(void)
{
#if PG_VERSION_NUM >= 150000
	return pg_prng_double(&pg_global_prng_state);
#else
	return (double) random() / ((double) MAX_RANDOM_VALUE + 1);
#endif
}

/* Appends an event of the broker's own making. */
static void
write_own_event(Store *store, const Event *event)
{
	const Event *outer = own_event;

	own_event = event;
	PG_TRY();
	{
		store_insert_event(store, event);
	}
	PG_FINALLY();
	{
		own_event = outer;
	}
	PG_END_TRY();
}

/* Writes one decision. */
static void
write_decision(Store *store, BrokerState *state, const Event *event,
			   const Decision *decision)
{
	switch (decision->kind)
	{
		case DECIDE_EMIT:
			write_own_event(store, decision->event);
			break;
		case DECIDE_WAIT:
			store_put_run(store, state->execution_id, decision->run,
						  state->playbook, state->time);
			break;
		case DECIDE_UNWAIT:
			store_delete_run(store, decision->run);
			break;
		case DECIDE_ENQUEUE:
			store_enqueue(store, state, decision->run);
			wake_at_commit(state->playbook->steps[decision->run->step].type);
			break;
		case DECIDE_LEASE:
			store_lease_task(store, decision->run,
							 decision->run->worker_id == NULL ? 0 :
							 event->created_at + DEFAULT_LEASE_US);
			break;
		case DECIDE_RETRY:
			store_retry_task(store, decision->run);
			wake_at_commit(state->playbook->steps[decision->run->step].type);
			break;
		case DECIDE_CLOSE:
			store_close_task(store, decision->run);
			break;
		case DECIDE_REVOKE:
			store_revoke_task(store, decision->run);
			break;
		case DECIDE_FINISH:
			store_finish_execution(store, state->execution_id, decision->status,
								   decision->error, decision->result, state->time);
			break;
		case DECIDE_IGNORE:
			store_annotate_event(store, state->execution_id, event->event_id,
								 meta_text("ignored", decision->reason));
			break;
		case DECIDE_LOCATE:
			store_locate_event(store, state->execution_id, event->event_id,
							   &state->playbook->steps[decision->run->step],
							   decision->run);
			break;
		case DECIDE_ANNOTATE:
			store_annotate_event(store, state->execution_id, event->event_id,
								 decision->meta);
			break;
	}
}

/* Everything the broker wants done, in its order. */
static int
write_decisions(Store *store, BrokerState *state, const Event *event)
{
	Writing		here;
	ListCell   *lc;

	here.execution_id = state->execution_id;
	here.time = state->time;
	here.last_event_id = state->last_event_id;
	here.interrupted = false;
	here.enqueued = 0;
	here.outer = writing;
	writing = &here;
	PG_TRY();
	{
		foreach(lc, state->decisions)
		{
			Decision   *decision = (Decision *) lfirst(lc);

			CHECK_FOR_INTERRUPTS();
			write_decision(store, state, event, decision);
			if (decision->kind == DECIDE_ENQUEUE)
				here.enqueued++;
		}
	}
	PG_FINALLY();
	{
		writing = here.outer;
	}
	PG_END_TRY();
	if (here.interrupted)
		here.enqueued += decide_pending(store, state->execution_id);
	return here.enqueued;
}

/*
 * An end that a client sent while the broker was off comes too late when the
 * execution ends by an earlier event.
 */
static void
ignore_pending_end(Store *store, int64 execution_id)
{
	int64		event_id = store_pending_end(store, execution_id);

	if (event_id != 0)
		store_annotate_event(store, execution_id, event_id,
							 meta_text("ignored", "the execution is over"));
}

/*
 * A task that was in flight when its execution ended is over when its worker
 * reports; the event itself is stored as ignored.
 */
static void
drop_late_task(Store *store, const Event *event)
{
	QueueRow	row;

	if ((event->type == EVENT_ACTION_COMPLETED || event->type == EVENT_ACTION_ERROR) &&
		event->node_name != NULL &&
		store_find_task(store, event->execution_id, event->node_name, &row) &&
		(event->worker_id == NULL || row.worker_id == NULL ||
		 strcmp(event->worker_id, row.worker_id) == 0))
		(void) store_delete_task(store, row.queue_id);
}

/*
 * Decides on a stored event under the execution lock; returns the number of
 * tasks it enqueued.  newest: no event of the execution is newer.
 */
static int
decide_event(Store *store, const Event *event, bool newest)
{
	BrokerState state;
	Execution	execution;
	ValueContext values;
	char	   *error = NULL;
	bool		own;

	if (event->type != EVENT_EXECUTION_START && !has_effect(event->type))
		return 0;
	if (!store_get_execution(store, event->execution_id, &execution))
		elog(ERROR, "execution " INT64_FORMAT " has vanished", event->execution_id);
	if (!execution.running)
	{
		if (event->type != EVENT_EXECUTION_START && !is_ignored(event))
			store_annotate_event(store, event->execution_id, event->event_id,
								 meta_text("ignored", "the execution is over"));
		drop_late_task(store, event);
		return 0;
	}
	if (is_ignored(event))
		return 0;

	memset(&values, 0, sizeof(values));
	values.store = store;
	values.execution_id = event->execution_id;
	values.catching_up = !newest;
	memset(&state, 0, sizeof(state));
	state.playbook = playbook_get(execution.catalog_id);
	state.execution_id = event->execution_id;
	state.parent_execution_id = execution.parent_execution_id;
	state.path = execution.path;
	state.version = execution.version;
	state.values.step_value = load_step_value;
	state.values.workload = load_workload;
	state.values.arg = &values;
	if (!newest)
	{
		(void) store_last_event(store, event->execution_id, &state.last_event_id,
								&state.time, &own);
		state.time = Max(state.time, GetCurrentTimestamp());
	}
	state.jitter = draw_luck();

	if (event->type == EVENT_EXECUTION_START)
		error = execution_make_workload(store, &state, event);
	else
		state.runs = store_load_runs(store, event->execution_id, state.playbook,
									 event->node_name);
	if (error != NULL)
		broker_refuse(&state, event, error);
	else
		broker_decide(&state, event);
	if (state.finished && !newest)
		ignore_pending_end(store, event->execution_id);
	return write_decisions(store, &state, event);
}

/* What follows the storing of an event, decided now or noted for later. */
static void
event_stored(Store *store, const Event *event, uint64 number)
{
	Writing    *others = writing_on(event->execution_id);

	if (event->type == EVENT_EXECUTION_START)
		execution_insert(store, event);
	if (noetl_broker && others == NULL)
		(void) decide_event(store, event, number == prepared_events);
	else if (event->type == EVENT_EXECUTION_START ||
			 (has_effect(event->type) &&
			  !(event_type_is_terminal(event->type) && is_ignored(event))))
	{
		store_insert_pending(store, event);
		if (noetl_broker)
			others->interrupted = true;
	}
}

/*
 * Decides on rows that are stored but whose AFTER trigger has not come yet.
 * What is neither stored nor in flight was suppressed by somebody's trigger.
 */
static void
decide_registered(void)
{
	Registered	entry;
	int			place = 0;

	while (registered_get(place, &entry))
	{
		Store	   *store = store_open(InvalidOid);
		Event		event;
		bool		stored = store_get_event(store, entry.execution_id,
											 entry.event_id, &event);

		if (stored || !registered_in_flight(&entry))
		{
			registered_remove(place);
			if (stored)
				event_stored(store, &event, entry.number);
			place = 0;
		}
		else
			place++;
		store_close(store);
	}
}

/* AFTER INSERT ON noetl.event FOR EACH ROW */
Datum
noetl_event_after(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, TRIGGER_EVENT_AFTER,
										"noetl.event_after");
	TupleTableSlot *slot = trigger->tg_trigslot;
	bool		isnull;
	Registered	entry;
	Event		event;
	Store	   *store;

	if (!registered_take(DatumGetInt64(slot_getattr(slot, EVENT_COL_EXECUTION_ID, &isnull)),
						 DatumGetInt64(slot_getattr(slot, EVENT_COL_EVENT_ID, &isnull)),
						 &entry))
		return PointerGetDatum(NULL);
	store_read_event(slot, &event);
	store = store_open(RelationGetRelid(trigger->tg_relation));
	event_stored(store, &event, entry.number);
	store_close(store);
	return PointerGetDatum(NULL);
}

/* See event.h. */
bool
event_ingest(Store *store, Event *event)
{
	Jsonb	   *meta = event->meta;
	uint64		number;

	event->meta = NULL;
	if (!prepare_event(store, event, event->result != NULL))
		return false;
	number = prepared_events;
	if (event->meta == NULL)
		event->meta = meta;
	else if (meta != NULL)
		event->meta = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
														 PointerGetDatum(meta),
														 PointerGetDatum(event->meta)));
	write_own_event(store, event);
	event_stored(store, event, number);
	return true;
}

/* Decides on the pending events of one execution, oldest first. */
static int
decide_pending(Store *store, int64 execution_id)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext,
												 "noetl pending event",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	int64		event_id;
	int			enqueued = 0;

	while (store_take_pending(store, execution_id, &event_id))
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		if (store_get_event(store, execution_id, event_id, &event))
			enqueued += decide_event(store, &event, false);
		CommandCounterIncrement();
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return enqueued;
}

/* The same for one execution, unless somebody else is at it. */
static int
catch_up_execution(int64 execution_id)
{
	Store	   *store;
	int			enqueued;

	if (!execution_trylock(execution_id))
		return 0;
	store = store_open(InvalidOid);
	enqueued = decide_pending(store, execution_id);
	store_close(store);
	return enqueued;
}

/* See event.h. */
int
event_catch_up(int64 execution_id)
{
	int64		next = PG_INT64_MIN;
	int			enqueued = 0;

	if (execution_id != 0)
	{
		execution_lock(execution_id);
		return catch_up_execution(execution_id);
	}
	for (;;)
	{
		Store	   *store = store_open(InvalidOid);
		bool		found = store_next_pending(store, &next);

		store_close(store);
		if (!found)
			break;
		enqueued += catch_up_execution(next);
	}
	return enqueued;
}
