/*
 * store/undecided.c
 *		Events that were stored while the triggers of noetl.event were off.
 *
 * The BEFORE trigger gives every row a catalog_id, and whoever brings back a log
 * (pg_restore, replication) brings it with the row.  So a row without one has not
 * met the broker.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "store/sql.h"
#include "store/table.h"

/* Runs a query for one bigint column; returns the values (int64 *), in its order. */
static List *
query_ids(const char *query, int64 argument)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(argument)};
	List	   *ids = NIL;

	(void) sql_execute(query, 1, types, values, NULL, sql_add_id, &ids);
	return ids;
}

/* Returns executions (int64 *) that have such events, at most "limit". */
List *
store_undecided_executions(int limit)
{
	return query_ids("SELECT DISTINCT e.execution_id FROM noetl.event AS e"
					 " WHERE e.catalog_id IS NULL ORDER BY 1 LIMIT $1", limit);
}

/* Returns such events (int64 *) of an execution, in the order of their time. */
List *
store_undecided_events(int64 execution_id)
{
	return query_ids("SELECT e.event_id FROM noetl.event AS e"
					 " WHERE e.catalog_id IS NULL AND e.execution_id OPERATOR(pg_catalog.=) $1"
					 " ORDER BY e.created_at, e.event_id", execution_id);
}

/* Writes what has been filled in into such an event, which has met the broker then. */
void
store_take_up_event(Store *store, const Event *event)
{
	TupleTableSlot *new = store_begin_event_version(store, event->execution_id,
													event->event_id);

	slot_set_id(new, EVENT_COL_PARENT_EVENT_ID, event->parent_event_id);
	slot_set_id(new, EVENT_COL_PARENT_EXECUTION_ID, event->parent_execution_id);
	slot_set_id(new, EVENT_COL_CATALOG_ID, event->catalog_id);
	slot_set(new, EVENT_COL_CREATED_AT, TimestampTzGetDatum(event->created_at));
	slot_set_text(new, EVENT_COL_NODE_ID, event->node_id);
	slot_set_text(new, EVENT_COL_NODE_NAME, event->node_name);
	slot_set_text(new, EVENT_COL_NODE_TYPE, event->node_type);
	slot_set_text(new, EVENT_COL_STATUS, event->status);
	slot_set_jsonb(new, EVENT_COL_RESULT, event->result);
	slot_set_jsonb(new, EVENT_COL_META, event->meta);
	store_write_event_version(store);
}
