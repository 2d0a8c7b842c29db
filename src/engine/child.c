/*
 * engine/child.c
 *		Child executions: they are started, adopted and cancelled, and their
 *		parents are told of their end.
 *
 * A transaction takes the lock of a child before the lock of its parent.  Neither waits for
 * the other.  The request to cancel a child that is busy goes to noetl.pending, and so does
 * the end of a child whose parent is busy: thousands of children would else commit one after
 * the other.  Who holds the lock next decides on what is there.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "engine/role.h"
#include "wakeup/wakeup.h"

/* Children that one transaction cancels at once */
#define CANCELLED_AT_ONCE	200

/*
 * Returns the context of a child's execution_start: {path, version, workload,
 * merge, and priority if it is not 0}, as noetl.execute() writes it.
 */
static Jsonb *
start_context(const ChildStart *start, const char *path, int version)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "path", path);
	json_add_int(&builder, "version", version);
	json_from_jsonb(start->input, &value);
	json_add(&builder, "workload", &value);
	json_add_bool(&builder, "merge", true);
	if (start->priority != 0)
		json_add_int(&builder, "priority", start->priority);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/*
 * Returns the meta of a child's execution_start: who started it, the settings of
 * its parent, timeout, attempt, the priority that its playbook gives it, and why it
 * must not run, if it must not.
 */
static Jsonb *
start_meta(const ChildStart *start, const Event *event, Oid started_by, const char *refused)
{
	JsonBuilder builder;
	JsonbValue	value;
	int			priority = start->priority != 0 || refused != NULL ? 0 :
		start_priority(start->catalog_id, event);

	json_begin_object(&builder);
	role_add(&builder, started_by);
	engine_add_settings(&builder, settings_in_force);
	if (start->timeout > 0)
		json_add_int(&builder, "timeout", start->timeout);
	if (start->attempt > 0)
		json_add_int(&builder, "attempt", start->attempt);
	if (refused != NULL)
		json_add_text(&builder, "refused", refused);
	else if (limit_of_executions(start->catalog_id))
		json_add_text(&builder, "run_at", time_to_text(DT_NOEND, "UTC"));
	if (priority != 0)
		json_add_int(&builder, "priority", priority);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/*
 * Writes the execution_start of a child and its row, and decides on the start.  Returns the
 * number of tasks that are enqueued.
 */
static int
begin_child(const BrokerState *state, const ChildStart *start)
{
	Event		event;
	const char *path;
	int			version;
	Store	   *store;
	int			enqueued;

	check_stack_depth();
	catalog_lock_version(start->catalog_id, false);
	if (!catalog_describe(start->catalog_id, &path, &version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the playbook of a child execution has been deleted"),
				 errhint("Retry the transaction.")));
	memset(&event, 0, sizeof(event));
	event.type = EVENT_EXECUTION_START;
	event.event_type = event_type_name(EVENT_EXECUTION_START);
	event.status = "STARTED";
	event.execution_id = start->execution_id;
	/* later than the parent's events, which are a microsecond apart */
	event.created_at = Max(GetCurrentTimestamp(), state->time);
	event.event_id = event_id_at(event.created_at);
	event.parent_execution_id = state->execution_id;
	event.parent_event_id = start->parent_event_id;
	event.catalog_id = start->catalog_id;
	event.node_id = psprintf(INT64_FORMAT, start->execution_id);
	event.node_name = path;
	event.node_type = "playbook";
	event.context = start_context(start, path, version);
	store = store_open(InvalidOid);
	event.meta = start_meta(start, &event, state->started_by,
							family_refusal(store, state->execution_id, start->execution_id));
	event.has_index = start->item >= 0;
	event.current_index = start->item;
	event.current_item = start->current_item;
	event_parse(&event);
	write_own_event(store, &event);
	execution_insert(store, &event, state->started_by);
	if (engine_is_scheduled(&event))
	{
		limit_await_start(store, &event);
		enqueued = 0;
	}
	else
		enqueued = evaluate_event(store, &event, true);
	store_close(store);
	return enqueued;
}

/*
 * Starts a child execution.  Returns the number of tasks that are enqueued.  The memory that
 * the start takes is freed when it is done: one statement may start as many children, and
 * theirs, as noetl.max_family_live allows.
 */
int
child_start(const BrokerState *state, const ChildStart *start)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl child",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	int			enqueued = begin_child(state, start);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return enqueued;
}

/* Writes the event that says from when on an execution has a parent. */
static void
write_adoption(Store *store, const Execution *execution, const BrokerState *state,
			   const ChildStart *child)
{
	Event		event;

	memset(&event, 0, sizeof(event));
	event.type = EVENT_EXECUTION_ADOPTED;
	event.event_type = event_type_name(EVENT_EXECUTION_ADOPTED);
	event.status = "RUNNING";
	event.execution_id = child->execution_id;
	event.catalog_id = execution->catalog_id;
	event.parent_execution_id = state->execution_id;
	event.parent_event_id = child->parent_event_id;
	event.node_id = psprintf(INT64_FORMAT, child->execution_id);
	event.node_name = execution->path;
	event.node_type = "playbook";
	event.has_index = child->item >= 0;
	event.current_index = child->item;
	event_assign_time(store, &event);
	write_own_event(store, &event);
}

/*
 * Makes an execution that a worker has started a child of the step that the worker
 * works on.  An execution that is over, or has a parent, stays as it is.  This
 * function waits for the child's lock while the parent's is held.  That cannot
 * deadlock: an execution without a parent takes no parent's lock.
 */
void
child_adopt(const BrokerState *state, const ChildStart *child)
{
	Store	   *store;
	Execution	execution;

	if (child->execution_id == state->execution_id)
		return;
	INJECTION("adopt-child");
	engine_lock(child->execution_id);
	store = store_open(InvalidOid);
	if (store_get_execution(store, child->execution_id, &execution) && execution.running &&
		execution.parent_execution_id == 0)
	{
		write_adoption(store, &execution, state, child);
		store_adopt_execution(store, child->execution_id, state->execution_id,
							  child->parent_event_id, child->item);
	}
	store_close(store);
}

/* Cancels a child whose lock is held; one that is over stays as it is. */
void
child_cancel(int64 execution_id)
{
	execution_cancel(execution_id, "the parent execution does not need it any more");
}

/*
 * Asks for a child to be cancelled by the session that holds its lock, which looks
 * into noetl.pending before its next decision.
 */
static void
request_cancel(Store *store, int64 execution_id)
{
	Event		event;

	memset(&event, 0, sizeof(event));
	event.execution_id = execution_id;
	event.created_at = GetCurrentTimestamp();
	store_insert_pending(store, &event);
}

/*
 * Counts what this transaction has cancelled; returns false when it has cancelled
 * enough.  Each cancelled child costs a lock until the end of the transaction.
 */
static bool
may_cancel_another(void)
{
	static LocalTransactionId transaction = 0;
	static int	cancelled = 0;
	LocalTransactionId current = own_local_transaction();

	if (transaction != current)
		cancelled = 0;
	transaction = current;
	return cancelled++ < CANCELLED_AT_ONCE;
}

/*
 * Cancels the running children of an open run, without waiting for their locks.
 * Of a large family only the first are cancelled at once.  For the others requests
 * are left, which need no lock; the reaper fulfils them portion by portion.
 */
void
child_cancel_all(Store *store, int64 execution_id, int64 parent_event_id)
{
	List	   *children = store_running_children(store, execution_id, parent_event_id);
	bool		requested = false;
	ListCell   *lc;

	foreach(lc, children)
	{
		int64		child = *(int64 *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		check_stack_depth();
		if (may_cancel_another() && execution_trylock(child))
			child_cancel(child);
		else
		{
			request_cancel(store, child);
			requested = true;
		}
	}
	if (requested)
		wake_for_timer(GetCurrentTimestamp());
}

/* Fills in what the parent of an execution is told of the execution's end. */
void
engine_describe_end(const Execution *execution, const char *status, Jsonb *result,
					const char *error, TimestampTz time, ChildEnd *end)
{
	memset(end, 0, sizeof(ChildEnd));
	end->execution_id = execution->execution_id;
	end->parent_event_id = execution->parent_event_id;
	end->item = execution->item;
	end->completed = strcmp(status, "COMPLETED") == 0;
	end->result = result;
	end->error = error;
	end->time = time;
	if (!end->completed && error == NULL)
		end->error = strcmp(status, "CANCELLED") == 0 ?
			"the child execution was cancelled" : "the child execution failed";
}

/* Returns whether the parent of an execution is over; it is told nothing then. */
static bool
parent_is_over(const Execution *execution)
{
	Store	   *store = store_open(InvalidOid);
	bool		over = execution_is_over(store, execution->parent_execution_id);

	store_close(store);
	return over;
}

/*
 * Leaves the end of an execution in noetl.pending, as another session holds the parent's
 * lock.  Who decides on the parent next finds it, or somebody idle does.
 */
static void
leave_end(const Execution *execution)
{
	Store	   *store = store_open(InvalidOid);
	ExecutionEnd ended;
	Event		event;

	if (!store_get_end(store, execution->execution_id, &ended))
		elog(ERROR, "execution " INT64_FORMAT " is not over", execution->execution_id);
	memset(&event, 0, sizeof(event));
	event.execution_id = execution->parent_execution_id;
	event.event_id = -execution->execution_id;
	event.created_at = ended.ended_at;
	store_insert_pending(store, &event);
	store_close(store);
	wake_for_timer(GetCurrentTimestamp());
}

/*
 * Tells the parent of an execution that the execution is over.  A parent whose
 * decisions this session is writing is told when they are written; one that is busy,
 * or an event of which is being stored, learns of it later.  Returns the number of tasks
 * that are enqueued.
 */
int
child_tell_parent(const Execution *execution, const Decision *end, TimestampTz time)
{
	EvaluationFrame *frame = frame_find(execution->parent_execution_id);
	RowInFlight *coming;
	ChildEnd	child_end;

	if (frame == NULL && parent_is_over(execution))
		return 0;
	coming = frame == NULL ? in_flight_coming(execution->parent_execution_id) : NULL;
	if (coming != NULL)
		coming->interrupted = true;
	if (frame == NULL &&
		(coming != NULL || !execution_trylock(execution->parent_execution_id)))
	{
		INJECTION("leave-end");
		leave_end(execution);
		return 0;
	}
	engine_describe_end(execution, end->status, end->result, end->error, time, &child_end);
	if (frame != NULL)
	{
		frame_add_child_end(frame, &child_end);
		return 0;
	}
	return engine_decide_child_end(execution->parent_execution_id, &child_end);
}
