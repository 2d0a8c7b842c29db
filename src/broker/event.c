/*
 * broker/event.c
 *		What an event says besides its columns.
 */
#include "common/common.h"

#include "broker/event.h"
#include "broker/node_id.h"

/* Returns the item that an event is about; -1: the step as a whole. */
int
event_item(const Event *event)
{
	int			item = node_id_item(event->node_id, event->execution_id, event->node_name);

	if (item < 0 && event->has_index && event->current_index >= 0)
		item = event->current_index;
	return item;
}

/* Returns the child execution that the context of an event names; 0: none. */
int64
event_child(const Event *event)
{
	JsonbValue	context;
	int64		child;

	if (event->context == NULL)
		return 0;
	json_from_jsonb(event->context, &context);
	return json_get_int(&context, "child_execution_id", &child) ? child : 0;
}
