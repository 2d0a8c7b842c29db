/*
 * engine/child.c
 *		Child executions are started, cancelled, and tell their parents that
 *		they are over.
 *
 * Locks are taken from the child to the parent.  Where a parent has to lock a
 * child it does not wait: a child that is busy finds the request in
 * noetl.pending.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "engine/execution.h"

/* {path, version, workload, merge, literal}: what execute() would have written. */
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
	/* values are no templates, whatever they contain */
	json_add_bool(&builder, "literal", true);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* {started_by, timeout, attempt}: what the row of the child says beyond its playbook. */
static Jsonb *
start_meta(const ChildStart *start, const char *started_by)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_add_text(&builder, "started_by", started_by);
	if (start->timeout > 0)
		json_add_int(&builder, "timeout", start->timeout);
	if (start->attempt > 0)
		json_add_int(&builder, "attempt", start->attempt);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* See event_internal.h. */
int
child_start(const BrokerState *state, const ChildStart *start)
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
	/* the parent's events of this evaluation are a microsecond each apart */
	event.created_at = Max(GetCurrentTimestamp(), state->time);
	event.event_id = event_id_at(event.created_at);
	event.parent_execution_id = state->execution_id;
	event.parent_event_id = start->parent_event_id;
	event.catalog_id = start->catalog_id;
	event.node_id = psprintf(INT64_FORMAT, start->execution_id);
	event.node_name = path;
	event.node_type = "playbook";
	event.context = start_context(start, path, version);
	event.meta = start_meta(start, state->started_by);
	event.has_index = start->item >= 0;
	event.current_index = start->item;
	event.current_item = start->current_item;
	event_parse(&event);

	store = store_open(InvalidOid);
	write_own_event(store, &event);
	execution_insert(store, &event, state->started_by);
	enqueued = decide_event(store, &event, true);
	store_close(store);
	return enqueued;
}

/* Its log says from when on an execution has a parent. */
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
 * See event_internal.h.  Waiting for the child's lock while holding the
 * parent's is safe: before it is adopted it has nothing to tell the parent.
 */
void
adopt_child(const BrokerState *state, const ChildStart *child)
{
	Store	   *store;
	Execution	execution;

	if (child->execution_id == state->execution_id)
		return;
	execution_lock(child->execution_id);
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

/* See event_internal.h. */
void
cancel_child(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	Event		event;

	if (store_get_execution(store, execution_id, &execution) && execution.running)
	{
		memset(&event, 0, sizeof(event));
		event.execution_id = execution_id;
		event.event_type = event_type_name(EVENT_EXECUTION_CANCELLED);
		event.error = "the parent execution does not need it any more";
		(void) event_ingest(store, &event);
	}
	store_close(store);
}

/* A child that is busy will find this when it looks for its next event. */
static void
request_cancel(Store *store, int64 execution_id)
{
	Event		event;

	memset(&event, 0, sizeof(event));
	event.execution_id = execution_id;
	event.created_at = GetCurrentTimestamp();
	store_insert_pending(store, &event);
}

/* See event_internal.h. */
void
cancel_children(Store *store, int64 execution_id, int64 parent_event_id)
{
	List	   *children = store_running_children(store, execution_id, parent_event_id);
	ListCell   *lc;

	foreach(lc, children)
	{
		int64		child = *(int64 *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		check_stack_depth();
		if (execution_trylock(child))
			cancel_child(child);
		else
			request_cancel(store, child);
	}
}

/* See event_internal.h. */
void
add_message(Writing *frame, const ChildEnd *end)
{
	MemoryContext old = MemoryContextSwitchTo(frame->memory);
	ChildEnd   *copy = palloc(sizeof(ChildEnd));

	*copy = *end;
	if (end->result != NULL)
	{
		copy->result = palloc(VARSIZE(end->result));
		memcpy(copy->result, end->result, VARSIZE(end->result));
	}
	if (end->error != NULL)
		copy->error = pstrdup(end->error);
	frame->messages = lappend(frame->messages, copy);
	MemoryContextSwitchTo(old);
}

/* See event_internal.h. */
void
child_message(const Execution *execution, const char *status, Jsonb *result,
			  const char *error, TimestampTz time, ChildEnd *message)
{
	memset(message, 0, sizeof(ChildEnd));
	message->execution_id = execution->execution_id;
	message->parent_event_id = execution->parent_event_id;
	message->item = execution->item;
	message->completed = strcmp(status, "COMPLETED") == 0;
	message->result = result;
	message->error = error;
	message->time = time;
	if (!message->completed && error == NULL)
		message->error = strcmp(status, "CANCELLED") == 0 ?
			"the child execution was cancelled" : "the child execution failed";
}

/* See event_internal.h. */
int
tell_parent(const Execution *execution, const Decision *end, TimestampTz time)
{
	Writing    *frame = frame_of(execution->parent_execution_id);
	ChildEnd	message;

	child_message(execution, end->status, end->result, end->error, time, &message);
	if (frame != NULL)
	{
		add_message(frame, &message);
		return 0;
	}
	return decide_child_end(execution->parent_execution_id, &message);
}
