/*
 * store/log.c
 *		The event log of an execution, read as a whole.
 */
#include "common/common.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/table.h"

/* For qsort: by time, which increases strictly inside an execution. */
static int
compare_places(const void *a, const void *b)
{
	TimestampTz left = ((const LogPlace *) a)->created_at;
	TimestampTz right = ((const LogPlace *) b)->created_at;

	return left < right ? -1 : left > right;
}

/*
 * Returns where the events of an execution are, in the order in which they were
 * written.  Clients may choose event ids, so the order of the index is another
 * one.  The list holds the events' keys only and may be longer than 1 GB.
 */
LogPlace *
store_list_log(Store *store, int64 execution_id, int64 *count)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData key;
	int64		capacity = 64;
	LogPlace   *places = palloc(sizeof(LogPlace) * capacity);
	bool		sorted = true;

	*count = 0;
	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 1, ForwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
	{
		LogPlace   *place;

		if (*count == capacity)
		{
			capacity *= 2;
			places = repalloc_huge(places, sizeof(LogPlace) * capacity);
		}
		place = &places[*count];
		place->event_id = DatumGetInt64(slot_column(scan.slot, EVENT_COL_EVENT_ID));
		place->created_at = DatumGetTimestampTz(slot_column(scan.slot, EVENT_COL_CREATED_AT));
		place->recalled = false;
		place->undecided = slot_attisnull(scan.slot, EVENT_COL_CATALOG_ID);
		if (*count > 0 && place->created_at < place[-1].created_at)
			sorted = false;
		(*count)++;
	}
	store_scan_close(&scan);
	if (!sorted)
		qsort(places, *count, sizeof(LogPlace), compare_places);
	return places;
}

/* Returns the name of the last step that completed with an action; NULL: none did. */
char *
store_last_step(Store *store, int64 execution_id, const Playbook *playbook)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData key;
	char	   *name = NULL;

	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 1,
					BackwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (name == NULL && store_scan_next(&scan))
	{
		Event		event;
		int			step;

		CHECK_FOR_INTERRUPTS();
		store_read_event_head(scan.slot, &event);
		if (event.type != EVENT_STEP_COMPLETED || event.node_name == NULL || event.catalog_id == 0)
			continue;
		store_read_event(scan.slot, &event);
		step = playbook_find_step(playbook, event.node_name, strlen(event.node_name));
		if (!event.ignored && step >= 0 && playbook->steps[step].kind != STEP_ROUTER &&
			playbook->steps[step].kind != STEP_NOOP)
			name = pstrdup(event.node_name);
	}
	store_scan_close(&scan);
	return name;
}

/*
 * Reads meta.compensate of a completion of a step that has a compensation.  Returns false
 * for any other event.
 */
static bool
read_completion(StoreScan *scan, const Playbook *playbook, StepCompletion *done)
{
	Event		event;
	JsonbValue	meta;

	store_read_event_head(scan->slot, &event);
	if (event.type != EVENT_STEP_COMPLETED || event.node_name == NULL || event.catalog_id == 0)
		return false;
	done->step = playbook_find_step(playbook, event.node_name, strlen(event.node_name));
	if (done->step < 0 || playbook->steps[done->step].compensation < 0)
		return false;
	store_read_event(scan->slot, &event);
	if (event.ignored || event.meta == NULL)
		return false;
	json_from_jsonb(event.meta, &meta);
	done->visit = Max(event.visit, 1);
	done->event_id = event.event_id;
	return json_get(&meta, "compensate", &done->compensate);
}

/*
 * Returns the completions (StepCompletion *) of steps that have a compensation, up to a
 * time, the newest first.
 */
List *
store_completions(Store *store, int64 execution_id, const Playbook *playbook, TimestampTz until)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData key;
	List	   *list = NIL;

	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 1,
					BackwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (store_scan_next(&scan))
	{
		StepCompletion *done = palloc0(sizeof(StepCompletion));

		CHECK_FOR_INTERRUPTS();
		if (DatumGetTimestampTz(slot_column(scan.slot, EVENT_COL_CREATED_AT)) <= until &&
			read_completion(&scan, playbook, done))
			list = lappend(list, done);
	}
	store_scan_close(&scan);
	return list;
}

/* Returns whether an execution had begun to compensate before an event (of any log). */
bool
store_has_compensated(Store *store, int64 execution_id, int64 before)
{
	StoreTable *table = store_event_table(store, execution_id);
	StoreScan	scan;
	ScanKeyData key;
	bool		found = false;

	store_key_int64(&key, 1, execution_id);
	store_scan_open(&scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 1,
					BackwardScanDirection);
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (!found && store_scan_next(&scan))
	{
		Event		event;

		CHECK_FOR_INTERRUPTS();
		store_read_event_head(scan.slot, &event);
		found = event.type == EVENT_EXECUTION_COMPENSATING && event.event_id < before;
	}
	store_scan_close(&scan);
	return found;
}

/* Returns whether a list has a signal with the id of another, if that has one. */
static bool
is_repeated(const List *signals, const Event *event)
{
	ListCell   *lc;

	foreach(lc, signals)
	{
		const char *id = ((Event *) lfirst(lc))->signal_id;

		if (id != NULL && event->signal_id != NULL && strcmp(id, event->signal_id) == 0)
			return true;
	}
	return false;
}

/* Removes the signal that an event has taken from a list of them. */
static List *
without_taken(List *signals, int64 event_id)
{
	ListCell   *lc;

	foreach(lc, signals)
		if (((Event *) lfirst(lc))->event_id == event_id)
			return foreach_delete_current(signals, lc);
	return signals;
}

/*
 * Returns the signals (Event *) of the log, up to a time, that no wait has taken: what a
 * wait takes is the parent of its step_completed.
 */
List *
store_logged_signals(Store *store, int64 execution_id, TimestampTz until)
{
	int64		count;
	LogPlace   *places = store_list_log(store, execution_id, &count);
	List	   *signals = NIL;

	for (int64 i = 0; i < count && places[i].created_at <= until; i++)
	{
		Event	   *event = palloc(sizeof(Event));

		CHECK_FOR_INTERRUPTS();
		if (!store_get_event(store, execution_id, places[i].event_id, event))
			continue;
		if (event->type == EVENT_SIGNAL && !event->ignored && !is_repeated(signals, event))
			signals = lappend(signals, event);
		else if (event->type == EVENT_STEP_COMPLETED && signals != NIL)
			signals = without_taken(signals, event->parent_event_id);
	}
	return signals;
}
