/*
 * api/id.c
 *		noetl.next_id(), noetl.next_queue_id(), noetl.id_time() and noetl.node_of().
 */
#include "common/common.h"

#include "utils/timestamp.h"

#include "store/store.h"

PG_FUNCTION_INFO_V1(noetl_next_id);
PG_FUNCTION_INFO_V1(noetl_next_queue_id);
PG_FUNCTION_INFO_V1(noetl_id_time);
PG_FUNCTION_INFO_V1(noetl_node_of);

/* noetl.next_id(): returns a new id; it is the default of event.execution_id. */
Datum
noetl_next_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(new_execution_id());
}

/* noetl.id_time(bigint): returns when an id was made, to the millisecond. */
Datum
noetl_id_time(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(id_time_ms(PG_GETARG_INT64(0)));
}

/* noetl.next_queue_id(): returns a new queue_id; it is the default of queue.queue_id. */
Datum
noetl_next_queue_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(store_next_queue_id());
}

/* noetl.node_of(bigint): returns the node number in an execution_id or a queue_id. */
Datum
noetl_node_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(id_node(PG_GETARG_INT64(0)));
}
