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
 * Decides on the pending events of one execution, unless another session holds
 * its lock.  Returns the number of tasks that are enqueued.
 */
static int
catch_up_execution(int64 execution_id)
{
	Store	   *store;
	int			enqueued;

	if (!execution_trylock(execution_id))
		return 0;
	store = store_open(InvalidOid);
	enqueued = evaluate_pending(store, execution_id);
	store_close(store);
	return enqueued;
}

/* Decides on the pending events of one execution, or of all (0). */
int
engine_catch_up(int64 execution_id)
{
	int64		next = PG_INT64_MIN;
	int			enqueued = 0;

	if (execution_id != 0)
	{
		engine_lock(execution_id);
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
