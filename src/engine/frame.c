/*
 * engine/frame.c
 *		Evaluation frames: the decisions that this session is writing.
 *
 *		evaluate A ── frame A ── a user's trigger inserts an event of B
 *		                            └─ evaluate B ── frame B, outer: frame A
 *		                                  └─ the trigger inserts an event of A
 *		                                       └─ noted in frame A
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/internal.h"

/* The innermost frame, or NULL. */
static EvaluationFrame *current_frame = NULL;

/* Returns the innermost frame of an execution, or NULL. */
EvaluationFrame *
frame_find(int64 execution_id)
{
	EvaluationFrame *found = current_frame;

	while (found != NULL && found->execution_id != execution_id)
		found = found->outer;
	return found;
}

/* Returns the innermost frame of an execution if its decisions are being written. */
EvaluationFrame *
frame_find_writing(int64 execution_id)
{
	EvaluationFrame *found = frame_find(execution_id);

	return found != NULL && !found->draining ? found : NULL;
}

/* Adds the executions (int64 *) whose decisions are being written to a list. */
List *
frame_add_writing(List *executions)
{
	for (EvaluationFrame *frame = current_frame; frame != NULL; frame = frame->outer)
		if (!frame->draining)
			executions = lappend(executions, &frame->execution_id);
	return executions;
}

/* Makes *frame the innermost frame; its memory is CurrentMemoryContext. */
void
frame_push(EvaluationFrame *frame, const BrokerState *state)
{
	memset(frame, 0, sizeof(EvaluationFrame));
	frame->execution_id = state->execution_id;
	frame->state = state;
	frame->time = state->time;
	frame->last_event_id = state->last_event_id;
	frame->memory = CurrentMemoryContext;
	frame->outer = current_frame;
	current_frame = frame;
}

/* Removes a frame, and those that an error has left inside it. */
void
frame_pop(const EvaluationFrame *frame)
{
	current_frame = frame->outer;
}

/* Copies the end of a child into a frame. */
void
frame_add_child_end(EvaluationFrame *frame, const ChildEnd *end)
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
	frame->child_ends = lappend(frame->child_ends, copy);
	MemoryContextSwitchTo(old);
}

/*
 * Decides on what was noted in a frame, and on what is noted while that is done.
 * Returns the number of tasks that are enqueued.
 */
static int
drain(Store *store, EvaluationFrame *frame)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl child ends",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	int			enqueued = 0;
	int			next = 0;

	frame->draining = true;
	current_frame = frame;
	PG_TRY();
	{
		for (;;)
		{
			CHECK_FOR_INTERRUPTS();
			if (frame->interrupted)
			{
				frame->interrupted = false;
				enqueued += evaluate_pending(store, frame->execution_id);
			}
			else if (next < list_length(frame->child_ends))
				enqueued += engine_decide_child_end(frame->execution_id,
													list_nth(frame->child_ends, next++));
			else
				break;
			MemoryContextReset(memory);
		}
	}
	PG_FINALLY();
	{
		frame_pop(frame);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return enqueued;
}

/*
 * Does what was noted in a frame that has been popped.  One loop of the
 * execution's outermost frame does it all, so that a long chain of consequences
 * does not nest.
 */
int
frame_settle(Store *store, EvaluationFrame *frame)
{
	EvaluationFrame *outer = frame_find(frame->execution_id);
	ListCell   *lc;

	if (outer == NULL)
		return frame->interrupted || frame->child_ends != NIL ? drain(store, frame) : 0;
	outer->interrupted = outer->interrupted || frame->interrupted;
	foreach(lc, frame->child_ends)
		frame_add_child_end(outer, (ChildEnd *) lfirst(lc));
	return 0;
}
