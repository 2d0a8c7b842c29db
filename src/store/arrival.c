/*
 * store/arrival.c
 *		Branches that have arrived at the step of a run: a part of noetl.run, and
 *		noetl.arrival.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/arrival.h"

/* Builds the object that an arrival is stored as. */
static void
write_arrival(const Arrival *arrival, const Playbook *playbook, JsonbValue *value)
{
	JsonBuilder entry;

	json_begin_object(&entry);
	if (arrival->from >= 0)
		json_add_text(&entry, "from", playbook->steps[arrival->from].name);
	if (arrival->visit > 1)
		json_add_int(&entry, "visit", arrival->visit);
	json_add_int(&entry, "event_id", arrival->event_id);
	if (arrival->has_data)
		json_add(&entry, "data", &arrival->data);
	lineage_write(playbook, arrival->lineage, &entry);
	json_end_object(&entry, value);
}

/* Returns an arrival that is stored as an object. */
static Arrival *
read_arrival(const JsonbValue *entry, const Playbook *playbook)
{
	Arrival    *arrival = palloc0(sizeof(Arrival));
	char	   *from = json_get_text(entry, "from");
	int64		visit;

	arrival->visit = json_get_int(entry, "visit", &visit) ? (int) visit : 1;
	arrival->from = from == NULL ? -1 : playbook_find_step(playbook, from, strlen(from));
	json_get_int(entry, "event_id", &arrival->event_id);
	arrival->has_data = json_get(entry, "data", &arrival->data);
	arrival->lineage = lineage_read(playbook, entry);
	return arrival;
}

/* Returns the first arrivals as noetl.run.arrivals stores them (store/arrival.h). */
Jsonb *
arrivals_write(const List *arrivals, const Playbook *playbook)
{
	JsonBuilder list;
	JsonbValue	value;

	json_begin_array(&list);
	for (int i = 0; i < Min(list_length(arrivals), ROW_ARRIVALS); i++)
	{
		write_arrival((Arrival *) list_nth(arrivals, i), playbook, &value);
		json_push(&list, &value);
	}
	json_end_array(&list, &value);
	return json_to_jsonb(&value);
}

/* Returns stored arrivals (store/arrival.h). */
List *
arrivals_read(const Jsonb *stored, const Playbook *playbook)
{
	List	   *arrivals = NIL;
	JsonbValue	list;
	int			n;

	json_from_jsonb(stored, &list);
	n = json_is_array(&list) ? JsonContainerSize(list.val.binary.data) : 0;
	for (int i = 0; i < n; i++)
		arrivals = lappend(arrivals,
						   read_arrival(getIthJsonbValueFromContainer(list.val.binary.data, i),
										playbook));
	return arrivals;
}

/* Fills in the row of an arrival; number: its place among all of the run, from 0. */
void
store_fill_arrival(TupleTableSlot *slot, int64 execution_id, const Run *run, int number,
				   const Arrival *arrival, const Playbook *playbook)
{
	JsonbValue	value;

	write_arrival(arrival, playbook, &value);
	slot_begin(slot);
	slot_set_id(slot, ARRIVAL_EXECUTION_ID, execution_id);
	slot_set_text(slot, ARRIVAL_STEP_NAME, playbook->steps[run->step].name);
	slot_set(slot, ARRIVAL_VISIT, Int32GetDatum(run->visit));
	slot_set(slot, ARRIVAL_NUMBER, Int32GetDatum(number));
	slot_set_jsonb(slot, ARRIVAL_ARRIVAL, json_to_jsonb(&value));
}

/* Opens a scan of the rows of a visit of a step. */
static void
scan_arrivals(StoreScan *scan, Store *store, int64 execution_id, const char *step_name,
			  int visit, ScanDirection direction)
{
	StoreTable *table = store_table(store, REL_ARRIVAL);
	ScanKeyData keys[3];

	store_scan_open(scan, store, table, REL_ARRIVAL_PKEY, SnapshotSelf, 3, direction);
	store_key_int64(&keys[0], 1, execution_id);
	store_key_text(&keys[1], 2, scan->index->rd_indcollation[1], step_name);
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(visit));
	index_rescan(scan->scan, keys, 3, NULL, 0);
}

/*
 * Returns the number of the newest arrival of a visit that has a row; else that of the last
 * one that the row of the run has room for.
 */
static int
last_number(Store *store, int64 execution_id, const char *step_name, int visit)
{
	StoreScan	scan;
	int			number = ROW_ARRIVALS - 1;

	scan_arrivals(&scan, store, execution_id, step_name, visit, BackwardScanDirection);
	if (store_scan_next(&scan))
		number = DatumGetInt32(slot_column(scan.slot, ARRIVAL_NUMBER));
	store_scan_close(&scan);
	return number;
}

/* Inserts arrivals that the row of a run has no room for (store/arrival.h). */
void
arrivals_add(Store *store, int64 execution_id, Run *run, const Playbook *playbook)
{
	int			count = list_length(run->arrivals);
	int			first = run->stored && !run->rewritten ?
		Max(run->stored_arrivals, ROW_ARRIVALS) : ROW_ARRIVALS;
	int			number = first;
	StoreTable *table;

	run->stored_arrivals = count;
	if (first >= count)
		return;
	if (run->more_arrivals)
		number = last_number(store, execution_id, playbook->steps[run->step].name,
							 run->visit) + 1;
	table = store_table(store, REL_ARRIVAL);
	for (int i = first; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		store_fill_arrival(table->insert_slot, execution_id, run, number++,
						   (Arrival *) list_nth(run->arrivals, i), playbook);
		store_write_insert(store, table);
	}
}

/* Returns the arrivals of a run that its row has no room for (store/store.h). */
List *
store_more_arrivals(Store *store, int64 execution_id, const Run *run, const Playbook *playbook)
{
	StoreScan	scan;
	List	   *arrivals = NIL;

	scan_arrivals(&scan, store, execution_id, playbook->steps[run->step].name, run->visit,
				  ForwardScanDirection);
	while (store_scan_next(&scan))
	{
		JsonbValue	value;

		CHECK_FOR_INTERRUPTS();
		json_from_jsonb(slot_jsonb(scan.slot, ARRIVAL_ARRIVAL), &value);
		arrivals = lappend(arrivals, read_arrival(&value, playbook));
	}
	store_scan_close(&scan);
	return arrivals;
}

/* Deletes the rows of a visit of a step (store/arrival.h). */
void
arrivals_delete(Store *store, int64 execution_id, const char *step_name, int visit)
{
	StoreTable *table = store_table(store, REL_ARRIVAL);
	StoreScan	scan;

	CommandCounterIncrement();
	scan_arrivals(&scan, store, execution_id, step_name, visit, ForwardScanDirection);
	while (store_scan_next(&scan))
	{
		CHECK_FOR_INTERRUPTS();
		store_write_delete(store, table, scan.slot);
	}
	store_scan_close(&scan);
}
