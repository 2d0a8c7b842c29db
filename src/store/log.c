/*
 * store/log.c
 *		The event log of an execution, read as a whole.
 */
#include "common/common.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "utils/memutils.h"
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
	TimestampTz before = DT_NOBEGIN;
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
		sorted = sorted && place->created_at >= before;
		before = place->created_at;
		(*count)++;
	}
	store_scan_close(&scan);
	if (!sorted)
		qsort(places, *count, sizeof(LogPlace), compare_places);
	return places;
}

/* Begins a walk through the events of an execution (store/table.h). */
void
log_scan_open(LogScan *log, Store *store, int64 execution_id, ScanDirection direction)
{
	StoreTable *table = store_event_table(store, execution_id);
	ScanKeyData key;

	log->memory = AllocSetContextCreate(CurrentMemoryContext, "noetl event of a log",
										ALLOCSET_SMALL_SIZES);
	store_key_int64(&key, 1, execution_id);
	store_scan_open(&log->scan, store, table, REL_EVENT_PKEY, SnapshotSelf, 1, direction);
	index_rescan(log->scan.scan, &key, 1, NULL, 0);
}

/* Reads the next event without its large columns (store/table.h). */
bool
log_scan_next(LogScan *log, Event *event)
{
	MemoryContext old;

	if (!store_scan_next(&log->scan))
		return false;
	MemoryContextReset(log->memory);
	old = MemoryContextSwitchTo(log->memory);
	store_read_event_head(log->scan.slot, event);
	MemoryContextSwitchTo(old);
	return true;
}

/* Ends the walk; the slot keeps its row until the next scan of the table. */
void
log_scan_close(LogScan *log)
{
	store_scan_close(&log->scan);
	MemoryContextDelete(log->memory);
}

/* Reads the event at hand as a whole, into memory that lasts until the next one. */
static void
read_whole(LogScan *log, Event *event)
{
	MemoryContext old = MemoryContextSwitchTo(log->memory);

	store_read_event(log->scan.slot, event);
	MemoryContextSwitchTo(old);
}

/* Returns whether an event, read whole, skips a step with a value: as if it had been done. */
static bool
skips_with_value(const Event *event)
{
	JsonbValue	value;

	if (event->type != EVENT_STEP_SKIPPED || event->result == NULL)
		return false;
	json_from_jsonb(event->result, &value);
	return value.type != jbvNull;
}

/*
 * Returns the name of the last step that completed with an action, or was skipped with
 * a value; NULL: none did.
 */
char *
store_last_step(Store *store, int64 execution_id, const Playbook *playbook)
{
	LogScan		log;
	Event		event;
	char	   *name = NULL;

	log_scan_open(&log, store, execution_id, BackwardScanDirection);
	while (name == NULL && log_scan_next(&log, &event))
	{
		int			step;

		if ((event.type != EVENT_STEP_COMPLETED && event.type != EVENT_STEP_SKIPPED) ||
			event.node_name == NULL || event.catalog_id == 0)
			continue;
		read_whole(&log, &event);
		if (event.type == EVENT_STEP_SKIPPED && !skips_with_value(&event))
			continue;
		step = playbook_find_step(playbook, event.node_name, strlen(event.node_name));
		if (!event.ignored && step >= 0 && playbook->steps[step].kind != STEP_ROUTER &&
			playbook->steps[step].kind != STEP_NOOP)
			name = pstrdup(event.node_name);
	}
	log_scan_close(&log);
	return name;
}

/*
 * Reads meta.compensate of an event that completes a step which has a compensation.
 * Returns false for any other event.
 */
static bool
read_completion(LogScan *log, Event *event, const Playbook *playbook, StepCompletion *done)
{
	JsonbValue	meta;
	JsonbValue	compensate;

	if (event->type != EVENT_STEP_COMPLETED || event->node_name == NULL || event->catalog_id == 0)
		return false;
	memset(done, 0, sizeof(StepCompletion));
	done->step = playbook_find_step(playbook, event->node_name, strlen(event->node_name));
	if (done->step < 0 || playbook->steps[done->step].compensation < 0)
		return false;
	read_whole(log, event);
	if (event->ignored || event->meta == NULL)
		return false;
	json_from_jsonb(event->meta, &meta);
	if (!json_get(&meta, "compensate", &compensate))
		return false;
	json_copy(&compensate, &done->compensate);
	done->visit = Max(event->visit, 1);
	done->event_id = event->event_id;
	return true;
}

/*
 * Returns the completions (StepCompletion *) of steps that have a compensation, up to a
 * time, the newest first.
 */
List *
store_completions(Store *store, int64 execution_id, const Playbook *playbook, TimestampTz until)
{
	LogScan		log;
	Event		event;
	List	   *list = NIL;

	log_scan_open(&log, store, execution_id, BackwardScanDirection);
	while (log_scan_next(&log, &event))
	{
		StepCompletion found;

		if (event.created_at <= until && read_completion(&log, &event, playbook, &found))
		{
			StepCompletion *done = palloc(sizeof(StepCompletion));

			*done = found;
			list = lappend(list, done);
		}
	}
	log_scan_close(&log);
	return list;
}

/* Returns whether an event can be in the log of an execution that has done nothing. */
static bool
says_nothing_done(const Event *event)
{
	switch (event->type)
	{
		case EVENT_EXECUTION_START:
		case EVENT_EXECUTION_RESCHEDULED:
		case EVENT_EXECUTION_DUE:
		case EVENT_EXECUTION_PAUSED:
		case EVENT_EXECUTION_RESUMED:
		case EVENT_EXECUTION_FAILED:
		case EVENT_EXECUTION_CANCELLED:
			return true;
		default:
			return event->ignored;
	}
}

/*
 * Returns whether an execution could not be resumed at the time of an event (of any
 * log): it had begun to compensate, or it had ended before it did anything, because it
 * could not start or was cancelled while it waited for its beginning.
 */
bool
store_cannot_resume(Store *store, int64 execution_id, int64 before)
{
	LogScan		log;
	Event		event;
	bool		compensated = false;
	bool		any = false;
	bool		idle = true;

	log_scan_open(&log, store, execution_id, BackwardScanDirection);
	while (!compensated && log_scan_next(&log, &event))
	{
		if (event.event_id >= before)
			continue;
		any = true;
		compensated = event.type == EVENT_EXECUTION_COMPENSATING;
		idle = idle && says_nothing_done(&event);
	}
	log_scan_close(&log);
	return compensated || (any && idle);
}

/* Returns whether a list has a signal with this id (NULL: none has). */
static bool
is_repeated(const List *signals, const char *id)
{
	ListCell   *lc;

	foreach(lc, signals)
	{
		const SignalRow *row = (SignalRow *) lfirst(lc);

		if (id != NULL && row->id != NULL && strcmp(row->id, id) == 0)
			return true;
	}
	return false;
}

/* Adds a signal to a list of them, unless it has come before. */
static List *
add_signal(List *signals, const Event *event)
{
	SignalRow  *row;

	if (is_repeated(signals, event->signal_id))
		return signals;
	row = palloc0(sizeof(SignalRow));
	row->event_id = event->event_id;
	row->name = pstrdup(event->node_name);
	if (event->signal_id != NULL)
		row->id = pstrdup(event->signal_id);
	return lappend(signals, row);
}

/* Returns whether an event ends a wait: well, or because a transition raised. */
static bool
ends_wait(const Event *event)
{
	return event->type == EVENT_STEP_COMPLETED || event->type == EVENT_STEP_FAILED ||
		event->type == EVENT_STEP_HELD;
}

/* Takes a signal of a list: without an id nothing is left of it. */
static List *
take_signal(List *signals, int64 event_id)
{
	ListCell   *lc;

	foreach(lc, signals)
	{
		SignalRow  *row = (SignalRow *) lfirst(lc);

		if (row->event_id != event_id)
			continue;
		row->taken = true;
		return row->id != NULL ? signals : foreach_delete_current(signals, lc);
	}
	return signals;
}

/*
 * Returns the signals (SignalRow *) of the log, up to a time, that no wait has taken or
 * that have an id: what a wait takes is the parent of the event that ends it.
 */
List *
store_logged_signals(Store *store, int64 execution_id, TimestampTz until)
{
	int64		count;
	LogPlace   *places = store_list_log(store, execution_id, &count);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl event of a log",
												 ALLOCSET_SMALL_SIZES);
	List	   *signals = NIL;

	for (int64 i = 0; i < count && places[i].created_at <= until; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		Event		event;
		bool		counts;

		counts = store_get_event_head(store, execution_id, places[i].event_id, &event) &&
			(event.type == EVENT_SIGNAL || (signals != NIL && ends_wait(&event))) &&
			store_get_event(store, execution_id, places[i].event_id, &event) && !event.ignored;
		MemoryContextSwitchTo(old);
		if (counts && event.type == EVENT_SIGNAL)
			signals = add_signal(signals, &event);
		else if (counts)
			signals = take_signal(signals, event.parent_event_id);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
	pfree(places);
	return signals;
}
