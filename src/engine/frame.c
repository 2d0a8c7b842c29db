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

#include "access/xact.h"
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

/* The subtransaction after a rolled back or released one, or none: it is rolled back. */
static bool
hand_on(SubTransactionId *noted, SubTransactionId id, SubTransactionId heir)
{
	if (*noted == id)
		*noted = heir;
	return *noted != InvalidSubTransactionId;
}

/*
 * SubXactCallback: what a subtransaction has noted in frames is its parent's when it is
 * released, and forgotten when it is rolled back.
 */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	SubTransactionId heir = event == SUBXACT_EVENT_ABORT_SUB ? InvalidSubTransactionId : parent;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (EvaluationFrame *frame = current_frame; frame != NULL; frame = frame->outer)
	{
		ListCell   *lc;

		foreach(lc, frame->child_ends)
			if (!hand_on(&((NotedEnd *) lfirst(lc))->subtransaction, id, heir))
				frame->child_ends = foreach_delete_current(frame->child_ends, lc);
		foreach(lc, frame->claims)
		{
			Claim	   *claim = (Claim *) lfirst(lc);

			if (hand_on(&claim->subtransaction, id, heir))
				continue;
			claim->run->claimed = false;
			frame->claims = foreach_delete_current(frame->claims, lc);
		}
	}
}

/* Returns the subtransaction that notes something in a frame, whose end is heard of. */
static SubTransactionId
noting_subtransaction(void)
{
	static bool registered = false;

	if (!registered)
		RegisterSubXactCallback(subtransaction_ended, NULL);
	registered = true;
	return GetCurrentSubTransactionId();
}

/* Copies the end of a child into a frame. */
void
frame_add_child_end(EvaluationFrame *frame, const ChildEnd *end)
{
	MemoryContext old = MemoryContextSwitchTo(frame->memory);
	NotedEnd   *noted = palloc(sizeof(NotedEnd));
	ChildEnd   *copy = &noted->end;

	noted->subtransaction = noting_subtransaction();
	*copy = *end;
	if (end->result != NULL)
	{
		copy->result = palloc(VARSIZE(end->result));
		memcpy(copy->result, end->result, VARSIZE(end->result));
	}
	if (end->error != NULL)
		copy->error = pstrdup(end->error);
	frame->child_ends = lappend(frame->child_ends, noted);
	MemoryContextSwitchTo(old);
}

/* Notes that a signal will end a wait: it is not there for the next one. */
void
frame_claim(EvaluationFrame *frame, Run *run)
{
	MemoryContext old = MemoryContextSwitchTo(frame->memory);
	Claim	   *claim = palloc(sizeof(Claim));

	claim->run = run;
	claim->subtransaction = noting_subtransaction();
	run->claimed = true;
	frame->claims = lappend(frame->claims, claim);
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
			{
				NotedEnd   *noted = (NotedEnd *) list_nth(frame->child_ends, next++);

				enqueued += engine_decide_child_end(frame->execution_id, &noted->end);
			}
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
		frame_add_child_end(outer, &((NotedEnd *) lfirst(lc))->end);
	return 0;
}
