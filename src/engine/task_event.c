/*
 * engine/task_event.c
 *		Events about tasks of the queue: the reaper's, and those of the functions
 *		that workers call.
 */
#include "common/common.h"

#include "engine/internal.h"

/*
 * Returns the meta of the event that takes back a lost lease: {attempt, lost, max_lost},
 * and that it was lost.
 */
static Jsonb *
lost_meta(Store *store, const QueueRow *row)
{
	JsonBuilder builder;
	JsonbValue	value;
	Execution	execution;

	execution_get(store, row->execution_id, &execution);
	json_begin_object(&builder);
	if (row->attempts > 0)
		json_add_int(&builder, "attempt", row->attempts);
	json_add_bool(&builder, REAPED_LEASE, true);
	json_add_int(&builder, "lost", row->lost + 1);
	json_add_int(&builder, "max_lost", execution.settings.max_lost_leases);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Stores an event about a task, as the task's row says, and decides on it. */
void
engine_ingest_task_event(Store *store, const QueueRow *row, EventType type,
						 Jsonb *result, const char *error, const char *flag)
{
	Event		event;

	memset(&event, 0, sizeof(event));
	event.event_type = event_type_name(type);
	event.execution_id = row->execution_id;
	event.node_id = row->node_id;
	event.node_name = row->node_name;
	event.node_type = row->node_type;
	event.parent_event_id = row->event_id;
	event.has_index = row->item >= 0;
	event.current_index = row->item;
	event.worker_id = row->worker_id;
	event.task_id = row->queue_id;
	event.result = result;
	event.error = error;
	event.meta = flag != NULL && strcmp(flag, REAPED_LEASE) == 0 ? lost_meta(store, row) :
		event_attempt_meta(row->attempts, flag);
	(void) engine_ingest(store, &event);
}
