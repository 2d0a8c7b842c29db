/*
 * engine/pending.c
 *		Events that wait in noetl.pending for their decision.
 *
 * An event waits when noetl.broker was off while it was stored, or when it was
 * stored while the decisions on another event of its execution were being
 * written.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/internal.h"

/* Decides on the pending events of one execution, oldest first. */
int
evaluate_pending(Store *store, int64 execution_id)
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
		if (event_id == 0)
			child_cancel(execution_id);
		else if (store_get_event(store, execution_id, event_id, &event))
			enqueued += evaluate_event(store, &event, false);
		CommandCounterIncrement();
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return enqueued;
}

/*
 * Decides on the events of an execution that wait for their decision, such as
 * those stored while the broker was off.  Waits for the session that is busy with
 * the execution.  Returns the number of tasks that are enqueued.
 */
int
engine_catch_up(int64 execution_id)
{
	Store	   *store;
	int			enqueued;

	engine_lock(execution_id);
	store = store_open(InvalidOid);
	enqueued = evaluate_pending(store, execution_id);
	store_close(store);
	return enqueued;
}
