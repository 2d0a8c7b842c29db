/*
 * engine/in_flight.c
 *		Rows of noetl.event between their BEFORE and their AFTER trigger, and events
 *		made inside the server while they are stored.
 *
 * The AFTER triggers of a statement fire when all rows of the statement are
 * stored.  The list below names the rows whose decision is due, so that a row can
 * be decided on before the next row of the statement is prepared.  An event that a trigger
 * of a user sends while another one of its execution is being stored waits in noetl.pending
 * until that one has been decided on.
 */
#include "common/common.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/in_flight.h"

/*
 * First in, first out; the end of a transaction empties the list.  A subtransaction that is
 * rolled back takes its rows along, and those come back that it has taken out.
 */
static struct
{
	RowInFlight *rows;
	int			capacity;
	int			first;
	int			count;			/* place after the last, counted as "first" is */
	bool		callback;		/* those below are registered */
}			in_flight;

/* XactCallback: forgets rows that never reached their AFTER trigger. */
static void
forget_rows(XactEvent xact_event, void *arg)
{
	in_flight.first = in_flight.count = 0;
	if (in_flight.capacity > 1024)
	{
		pfree(in_flight.rows);
		in_flight.rows = NULL;
		in_flight.capacity = 0;
	}
}

/* SubXactCallback: forgets the rows of a subtransaction, or hands them to its parent. */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int			kept = in_flight.first;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (int i = in_flight.first; i < in_flight.count; i++)
	{
		RowInFlight row = in_flight.rows[i];
		bool		added = row.subtransaction == id;

		if (added)
			row.subtransaction = parent;
		if (row.taken == id)
			row.taken = event == SUBXACT_EVENT_ABORT_SUB ? InvalidSubTransactionId : parent;
		if (!(added && event == SUBXACT_EVENT_ABORT_SUB) && row.taken != row.subtransaction)
			in_flight.rows[kept++] = row;
	}
	in_flight.count = kept;
}

/* Adds a row at the end of the list (engine/in_flight.h). */
void
in_flight_add(const Event *event, uint64 number)
{
	RowInFlight *row;

	if (!in_flight.callback)
	{
		RegisterXactCallback(forget_rows, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		in_flight.callback = true;
	}
	if (in_flight.first == in_flight.count)
		in_flight.first = in_flight.count = 0;
	if (in_flight.count == in_flight.capacity && in_flight.first > 0)
	{
		memmove(in_flight.rows, &in_flight.rows[in_flight.first],
				(in_flight.count - in_flight.first) * sizeof(RowInFlight));
		in_flight.count -= in_flight.first;
		in_flight.first = 0;
	}
	if (in_flight.count == in_flight.capacity)
	{
		int			capacity = Max(64, in_flight.capacity * 2);

		in_flight.rows = in_flight.rows == NULL ?
			MemoryContextAlloc(TopMemoryContext, capacity * sizeof(RowInFlight)) :
			repalloc(in_flight.rows, capacity * sizeof(RowInFlight));
		in_flight.capacity = capacity;
	}
	row = &in_flight.rows[in_flight.count++];
	row->execution_id = event->execution_id;
	row->event_id = event->event_id;
	row->created_at = event->created_at;
	row->interrupted = false;
	row->depth = DatumGetInt32(pg_trigger_depth(NULL));
	row->number = number;
	row->subtransaction = GetCurrentSubTransactionId();
	row->taken = InvalidSubTransactionId;
}

/* Returns the row at a place among those that have not been taken out, or NULL. */
static RowInFlight *
row_at(int place)
{
	for (int i = in_flight.first; i < in_flight.count; i++)
		if (in_flight.rows[i].taken == InvalidSubTransactionId && place-- == 0)
			return &in_flight.rows[i];
	return NULL;
}

/* Takes out the row at a place; the rows before it may move one place up. */
void
in_flight_remove(int place)
{
	RowInFlight *row = row_at(place);

	if (row->subtransaction != GetCurrentSubTransactionId())
	{
		row->taken = GetCurrentSubTransactionId();
		return;
	}
	memmove(&in_flight.rows[in_flight.first + 1], &in_flight.rows[in_flight.first],
			(char *) row - (char *) &in_flight.rows[in_flight.first]);
	in_flight.first++;
}

/* Copies the row at a place into *row; returns false when there are fewer rows. */
bool
in_flight_get(int place, RowInFlight *row)
{
	RowInFlight *found = row_at(place);

	if (found != NULL)
		*row = *found;
	return found != NULL;
}

/*
 * Takes a row out of the list; returns false when it is not there.  Unless
 * users' triggers insert events, it is the first one.
 */
bool
in_flight_take(int64 execution_id, int64 event_id, RowInFlight *row)
{
	for (int place = 0; in_flight_get(place, row); place++)
		if (row->execution_id == execution_id && row->event_id == event_id)
		{
			in_flight_remove(place);
			return true;
		}
	return false;
}

/*
 * Returns whether a row may still reach the table.  It may only while the
 * session is inside a trigger of the row's INSERT, which is as deep as the
 * row's own.
 */
bool
in_flight_may_arrive(const RowInFlight *row, int depth)
{
	return row->depth <= depth;
}

/* Returns the last row of an execution that may still be stored (engine/in_flight.h). */
RowInFlight *
in_flight_coming(int64 execution_id)
{
	int			depth = -1;

	for (int i = in_flight.count - 1; i >= in_flight.first; i--)
	{
		RowInFlight *row = &in_flight.rows[i];

		if (row->execution_id != execution_id || row->taken != InvalidSubTransactionId)
			continue;
		if (depth < 0)
			depth = DatumGetInt32(pg_trigger_depth(NULL));
		if (in_flight_may_arrive(row, depth))
			return row;
	}
	return NULL;
}

/* Returns whether any row of an execution is in flight. */
bool
in_flight_any(int64 execution_id)
{
	RowInFlight row;

	for (int place = 0; in_flight_get(place, &row); place++)
		if (row.execution_id == execution_id)
			return true;
	return false;
}
