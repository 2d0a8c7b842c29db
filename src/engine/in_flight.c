/*
 * engine/in_flight.c
 *		Events between their two triggers: prepared, perhaps stored, not decided.
 *
 * The AFTER triggers of a statement run when all its rows are stored.  Here
 * those wait of which the decision is due, so that it need not be so late.
 */
#include "common/common.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/in_flight.h"

/* First in, first out; anything left at the end of a transaction is void. */
static struct
{
	Registered *entries;
	int			capacity;
	int			first;
	int			count;
	bool		callback;
}			registered;

/* Rows that never reached their AFTER trigger are forgotten. */
static void
forget_registered(XactEvent xact_event, void *arg)
{
	registered.first = registered.count = 0;
	if (registered.capacity > 1024)
	{
		pfree(registered.entries);
		registered.entries = NULL;
		registered.capacity = 0;
	}
}

/* See event_register.h. */
void
registered_add(int64 execution_id, int64 event_id, uint64 number)
{
	Registered *entry;

	if (!registered.callback)
	{
		RegisterXactCallback(forget_registered, NULL);
		registered.callback = true;
	}
	if (registered.first == registered.count)
		registered.first = registered.count = 0;
	if (registered.count == registered.capacity)
	{
		int			capacity = Max(64, registered.capacity * 2);

		registered.entries = registered.entries == NULL ?
			MemoryContextAlloc(TopMemoryContext, capacity * sizeof(Registered)) :
			repalloc(registered.entries, capacity * sizeof(Registered));
		registered.capacity = capacity;
	}
	entry = &registered.entries[registered.count++];
	entry->execution_id = execution_id;
	entry->event_id = event_id;
	entry->depth = DatumGetInt32(pg_trigger_depth(NULL));
	entry->number = number;
}

/* See event_register.h.  Those before the place move up. */
void
registered_remove(int place)
{
	memmove(&registered.entries[registered.first + 1],
			&registered.entries[registered.first],
			place * sizeof(Registered));
	registered.first++;
}

/* See event_register.h. */
bool
registered_get(int place, Registered *entry)
{
	if (registered.first + place >= registered.count)
		return false;
	*entry = registered.entries[registered.first + place];
	return true;
}

/* See event_register.h.  It is the first, unless triggers insert events. */
bool
registered_take(int64 execution_id, int64 event_id, Registered *entry)
{
	for (int place = 0; registered_get(place, entry); place++)
		if (entry->execution_id == execution_id && entry->event_id == event_id)
		{
			registered_remove(place);
			return true;
		}
	return false;
}

/* See event_register.h.  Only while we are in another trigger of it, deeper. */
bool
registered_in_flight(const Registered *entry)
{
	return entry->depth < DatumGetInt32(pg_trigger_depth(NULL));
}
