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
