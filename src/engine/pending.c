/*
 * engine/pending.c
 *		Events that wait in noetl.pending for their decision.
 *
 * An event waits when noetl.broker was off while it was stored, or when it was
 * stored while the decisions on another event of its execution were being
 * written.  What others ask of an execution whose lock they did not get waits there, too:
 * that it is cancelled, or learns of the end of a child.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/internal.h"

/*
 * Decides on the end of a child that the child has left here.  A child that has been set
 * going again since then tells of its end once more.
 */
static int
hear_child(int64 execution_id, int64 child_id, TimestampTz ended_at)
{
	Store	   *store = store_open(InvalidOid);
	ExecutionEnd ended;
	ChildEnd	end;
	bool		over = store_get_end(store, child_id, &ended) && ended.ended_at == ended_at;

	store_close(store);
	if (!over)
		return 0;
	engine_describe_end(&ended.execution, ended.status, ended.result, ended.error, ended_at,
						&end);
	return evaluate_pending_child_end(execution_id, &end);
}

/*
 * Decides on the pending events of one execution, oldest first.  When a statement of the
 * execution asks for it, that is left to the frame whose decisions are not written yet; when a
 * trigger does, to the event that is being stored.
 */
int
evaluate_pending(Store *store, int64 execution_id)
{
	EvaluationFrame *frame = frame_find_writing(execution_id);
	RowInFlight *coming = frame == NULL ? in_flight_coming(execution_id) : NULL;
	MemoryContext memory;
	MemoryContext old;
	int64		event_id;
	TimestampTz created_at;
	int			enqueued = 0;

	if (frame != NULL)
		frame->interrupted = true;
	if (coming != NULL)
		coming->interrupted = true;
	if (frame != NULL || coming != NULL)
		return 0;
	memory = AllocSetContextCreate(CurrentMemoryContext, "noetl pending event",
								   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(memory);
	while (store_take_pending(store, execution_id, &event_id, &created_at))
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		if (event_id == 0)
			child_cancel(execution_id);
		else if (event_id < 0)
			enqueued += hear_child(execution_id, -event_id, created_at);
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
