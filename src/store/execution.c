/*
 * store/execution.c
 *		Executions and their workloads: noetl.execution, noetl.workload.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/place.h"
#include "store/table.h"

/*
 * Executions that this backend has read lately, by a hash of their id.  A row
 * version never changes, and whether it is still the newest one is seen by
 * visiting it.  So reading an execution again needs no index scan.
 */
#define KNOWN_EXECUTIONS	1024

typedef struct KnownExecution
{
	Oid			relid;
	TransactionId xmin;
	ItemPointerData place;
	Execution	execution;
} KnownExecution;

static KnownExecution known_executions[KNOWN_EXECUTIONS];

/* Returns the place for an execution. */
static KnownExecution *
known_execution(int64 execution_id)
{
	return &known_executions[hash_bytes_uint32((uint32) execution_id ^
											   (uint32) (execution_id >> 32)) % KNOWN_EXECUTIONS];
}

/* Returns the transaction that wrote the row in a slot. */
static TransactionId
slot_xmin(TupleTableSlot *slot)
{
	bool		free_tuple;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &free_tuple);
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);

	if (free_tuple)
		heap_freetuple(tuple);
	return xmin;
}

/*
 * Fetches the row of an execution into the scan slot from where this backend has seen it;
 * returns false when it is not there, or has a newer version.
 */
static bool
fetch_known(StoreTable *table, int64 execution_id)
{
	const KnownExecution *known = known_execution(execution_id);
	ItemPointerData tid = known->place;

	return known->relid == table->relid && known->execution.execution_id == execution_id &&
		place_exists(table, &tid) &&
		table_tuple_fetch_row_version(table->relation, &tid, SnapshotSelf, table->scan_slot) &&
		DatumGetInt64(slot_column(table->scan_slot, EXECUTION_ID)) == execution_id;
}

/*
 * Reads an execution from the backend's memory; returns false when it is not
 * there or its row has a newer version.
 */
static bool
recall_execution(StoreTable *table, int64 execution_id, Execution *execution)
{
	const KnownExecution *known = known_execution(execution_id);

	if (!fetch_known(table, execution_id) || slot_xmin(table->scan_slot) != known->xmin)
		return false;
	*execution = known->execution;
	execution->path = pstrdup(known->execution.path);
	if (known->execution.schedule != NULL)
		execution->schedule = pstrdup(known->execution.schedule);
	return true;
}

/* Keeps the execution whose row is in a slot in the backend's memory. */
static void
remember_execution(StoreTable *table, TupleTableSlot *slot, const Execution *execution)
{
	KnownExecution *known = known_execution(execution->execution_id);
	char	   *path = MemoryContextStrdup(TopMemoryContext, execution->path);
	char	   *schedule = execution->schedule == NULL ? NULL :
		MemoryContextStrdup(TopMemoryContext, execution->schedule);

	if (OidIsValid(known->relid))
		pfree(unconstify(char *, known->execution.path));
	if (OidIsValid(known->relid) && known->execution.schedule != NULL)
		pfree(unconstify(char *, known->execution.schedule));
	known->relid = table->relid;
	known->xmin = slot_xmin(slot);
	known->place = slot->tts_tid;
	known->execution = *execution;
	known->execution.path = path;
	known->execution.schedule = schedule;
}

/* Reads a row of noetl.execution; the texts are copied. */
void
store_read_execution(TupleTableSlot *slot, Execution *execution)
{
	char	   *status = slot_text(slot, EXECUTION_STATUS);

	execution->execution_id = DatumGetInt64(slot_column(slot, EXECUTION_ID));
	execution->catalog_id = DatumGetInt64(slot_column(slot, EXECUTION_CATALOG_ID));
	execution->parent_execution_id = DatumGetInt64(slot_column(slot, EXECUTION_PARENT_ID));
	execution->parent_event_id = DatumGetInt64(slot_column(slot, EXECUTION_PARENT_EVENT_ID));
	execution->path = slot_text(slot, EXECUTION_PATH);
	execution->version = DatumGetInt32(slot_column(slot, EXECUTION_VERSION));
	execution->scheduled = strcmp(status, "SCHEDULED") == 0;
	execution->running = execution->scheduled || strcmp(status, "RUNNING") == 0;
	execution->depth = DatumGetInt32(slot_column(slot, EXECUTION_DEPTH));
	execution->item = slot_attisnull(slot, EXECUTION_CURRENT_INDEX) ? -1 :
		DatumGetInt32(slot_column(slot, EXECUTION_CURRENT_INDEX));
	execution->started_by = DatumGetObjectId(slot_column(slot, EXECUTION_STARTED_BY));
	execution->started_at = DatumGetTimestampTz(slot_column(slot, EXECUTION_STARTED_AT));
	execution->deadline = DatumGetTimestampTz(slot_column(slot, EXECUTION_DEADLINE));
	execution->drive = DatumGetInt32(slot_column(slot, EXECUTION_DRIVE));
	execution->labels = NULL;
	execution->priority = DatumGetInt32(slot_column(slot, EXECUTION_PRIORITY));
	execution->run_at = DatumGetTimestampTz(slot_column(slot, EXECUTION_RUN_AT));
	execution->schedule = slot_text(slot, EXECUTION_SCHEDULE);
	execution->paused = DatumGetInt64(slot_column(slot, EXECUTION_PAUSED));
	execution->settings = default_settings;
	if (!slot_attisnull(slot, EXECUTION_SETTINGS))
	{
		JsonbValue	settings;

		json_from_jsonb(slot_jsonb(slot, EXECUTION_SETTINGS), &settings);
		execution->settings = settings_read(&settings);
	}
}

/* Reads an execution, from the backend's memory while its row is unchanged. */
bool
store_get_execution(Store *store, int64 execution_id, Execution *execution)
{
	StoreTable *table = store_table(store, REL_EXECUTION);

	if (recall_execution(table, execution_id, execution))
		return true;
	if (!store_fetch_by_id(store, table, REL_EXECUTION_PKEY, execution_id))
		return false;
	store_read_execution(table->scan_slot, execution);
	remember_execution(table, table->scan_slot, execution);
	return true;
}

/* Reads the labels of an execution (store/store.h). */
Jsonb *
store_get_labels(Store *store, int64 execution_id)
{
	StoreTable *table = store_table(store, REL_EXECUTION);

	if (!store_fetch_by_id(store, table, REL_EXECUTION_PKEY, execution_id) ||
		slot_attisnull(table->scan_slot, EXECUTION_LABELS))
		return NULL;
	return slot_jsonb(table->scan_slot, EXECUTION_LABELS);
}

/* ---------------------------------------------------------------------------
 * The row as a lock
 * ---------------------------------------------------------------------------
 */

/* Returns whether a multixact has this transaction as a member that locks FOR UPDATE. */
static bool
is_own_multixact(MultiXactId multi)
{
	MultiXactMember *members;
	int			count = GetMultiXactIdMembers(multi, &members, false, false);
	bool		own = false;

	for (int i = 0; i < count && !own; i++)
		own = members[i].status >= MultiXactStatusForUpdate &&
			TransactionIdIsCurrentTransactionId(members[i].xid);
	return own;
}

/* Returns who holds a row, as far as its header tells. */
static RowHolder
holder_of(HeapTupleHeader row)
{
	TransactionId xmax = HeapTupleHeaderGetRawXmax(row);
	bool		multi = (row->t_infomask & HEAP_XMAX_IS_MULTI) != 0;

	if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row)))
		return ROW_OWN;
	if ((row->t_infomask & HEAP_XMAX_INVALID) != 0 || !TransactionIdIsValid(xmax))
		return ROW_FREE;
	if (multi ? is_own_multixact(xmax) :
		(row->t_infomask2 & HEAP_KEYS_UPDATED) != 0 && TransactionIdIsCurrentTransactionId(xmax))
		return ROW_OWN;
	return ROW_DOUBTFUL;
}

/*
 * Reads the row of an execution as it is now; returns who holds it, and its place.
 * Needs no Store.
 */
static RowHolder
look_at_row(Relation table, int64 execution_id, ItemPointer place)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	RowHolder	holder = ROW_MISSING;

	ScanKeyInit(&key, EXECUTION_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	scan = systable_beginscan(table, store_relation(REL_EXECUTION_PKEY), true,
							  SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		holder = holder_of(tuple->t_data);
		*place = tuple->t_self;
	}
	systable_endscan(scan);
	return holder;
}

/* Returns who holds the row of an execution (store/store.h). */
RowHolder
store_row_holder(int64 execution_id)
{
	Relation	table = table_open(store_relation(REL_EXECUTION), AccessShareLock);
	ItemPointerData place;
	RowHolder	holder = look_at_row(table, execution_id, &place);

	table_close(table, AccessShareLock);
	return holder;
}

/* Locks the row of an execution FOR UPDATE (store/store.h). */
RowHolder
store_lock_row_of(int64 execution_id, bool wait)
{
	Relation	table = table_open(store_relation(REL_EXECUTION), RowShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	RowHolder	holder = ROW_DOUBTFUL;
	TM_Result	result = TM_Updated;

	/* again, when who held the row has written a newer version */
	while (result == TM_Updated || result == TM_Deleted)
	{
		ItemPointerData place;
		TM_FailureData failure;

		CHECK_FOR_INTERRUPTS();
		holder = look_at_row(table, execution_id, &place);
		if (holder == ROW_MISSING || holder == ROW_OWN)
			break;
		result = table_tuple_lock(table, &place, snapshot, slot, GetCurrentCommandId(false),
								  LockTupleExclusive, wait ? LockWaitBlock : LockWaitSkip,
								  0, &failure);
		holder = result == TM_Ok ? ROW_OWN : ROW_DOUBTFUL;
	}
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return holder;
}

/*
 * Reads a column of an execution that is never null; returns false when there is no
 * such execution.  Needs no Store, and works where nothing can be written.
 */
static bool
column_of(int64 execution_id, int column, Datum *value)
{
	Relation	table = table_open(store_relation(REL_EXECUTION), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, EXECUTION_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	scan = systable_beginscan(table, store_relation(REL_EXECUTION_PKEY), true,
							  SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		*value = datumCopy(heap_getattr(tuple, column, RelationGetDescr(table), &isnull),
						   TupleDescAttr(RelationGetDescr(table), column - 1)->attbyval,
						   TupleDescAttr(RelationGetDescr(table), column - 1)->attlen);
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/*
 * Finds the role that an execution runs for; returns false when there is no such
 * execution.  Needs no Store, and works where nothing can be written.
 */
bool
store_started_by(int64 execution_id, Oid *role)
{
	Datum		value;

	if (!column_of(execution_id, EXECUTION_STARTED_BY, &value))
		return false;
	*role = DatumGetObjectId(value);
	return true;
}

/* Finds whether an execution runs or is scheduled; like store_started_by(). */
bool
store_is_running(int64 execution_id, bool *running)
{
	Datum		value;
	char	   *status;

	if (!column_of(execution_id, EXECUTION_STATUS, &value))
		return false;
	status = TextDatumGetCString(value);
	*running = strcmp(status, "RUNNING") == 0 || strcmp(status, "SCHEDULED") == 0;
	return true;
}

/* Fills in the row of an execution that runs or is scheduled. */
void
store_fill_execution(TupleTableSlot *slot, const Execution *execution,
					 TimestampTz started_at)
{
	slot_begin(slot);
	slot_set_id(slot, EXECUTION_ID, execution->execution_id);
	slot_set_id(slot, EXECUTION_CATALOG_ID, execution->catalog_id);
	slot_set_id(slot, EXECUTION_PARENT_ID, execution->parent_execution_id);
	slot_set_id(slot, EXECUTION_PARENT_EVENT_ID, execution->parent_event_id);
	slot_set_text(slot, EXECUTION_PATH, execution->path);
	slot_set(slot, EXECUTION_VERSION, Int32GetDatum(execution->version));
	slot_set_text(slot, EXECUTION_STATUS, execution->scheduled ? "SCHEDULED" : "RUNNING");
	slot_set(slot, EXECUTION_STARTED_AT, TimestampTzGetDatum(started_at));
	slot_set(slot, EXECUTION_DEPTH, Int32GetDatum(execution->depth));
	if (execution->item >= 0)
		slot_set(slot, EXECUTION_CURRENT_INDEX, Int32GetDatum(execution->item));
	slot_set(slot, EXECUTION_STARTED_BY, ObjectIdGetDatum(execution->started_by));
	if (execution->deadline != 0)
		slot_set(slot, EXECUTION_DEADLINE, TimestampTzGetDatum(execution->deadline));
	slot_set(slot, EXECUTION_DRIVE, Int32GetDatum(Max(execution->drive, 1)));
	slot_set_jsonb(slot, EXECUTION_LABELS, execution->labels);
	slot_set(slot, EXECUTION_PRIORITY, Int32GetDatum(execution->priority));
	if (execution->run_at != 0)
		slot_set(slot, EXECUTION_RUN_AT, TimestampTzGetDatum(execution->run_at));
	slot_set_text(slot, EXECUTION_SCHEDULE, execution->schedule);
	slot_set_jsonb(slot, EXECUTION_SETTINGS, settings_describe(&execution->settings));
	slot_set_id(slot, EXECUTION_PAUSED, execution->paused);
}

/* Inserts an execution. */
void
store_insert_execution(Store *store, const Execution *execution,
					   TimestampTz started_at)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *slot = table->insert_slot;
	Execution	stored;

	store_fill_execution(slot, execution, started_at);
	store_set_defaults(store, table);
	ExecStoreVirtualTuple(slot);
	store_read_execution(slot, &stored);
	store_write_insert(store, table);
	/* a trigger of a user may have changed it */
	if (store_is_plain(table))
		remember_execution(table, slot, &stored);
}

/* Fills in what the end of an execution changes in its row. */
void
store_fill_end(TupleTableSlot *slot, const char *status, const char *error,
			   const Jsonb *result, TimestampTz ended_at)
{
	slot_set_text(slot, EXECUTION_STATUS, status);
	slot_set_text(slot, EXECUTION_ERROR, error);
	slot_set_jsonb(slot, EXECUTION_RESULT, result);
	slot_set(slot, EXECUTION_ENDED_AT, TimestampTzGetDatum(ended_at));
	slot_set_null(slot, EXECUTION_DEADLINE);
	slot_set_null(slot, EXECUTION_PAUSED);
}

/* Reads how an execution ended; false when it runs or has no row. */
bool
store_get_end(Store *store, int64 execution_id, ExecutionEnd *end)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *slot = table->scan_slot;

	if (!store_fetch_by_id(store, table, REL_EXECUTION_PKEY, execution_id))
		return false;
	store_read_execution(slot, &end->execution);
	if (end->execution.running)
		return false;
	end->status = slot_text(slot, EXECUTION_STATUS);
	end->result = slot_jsonb(slot, EXECUTION_RESULT);
	end->error = slot_text(slot, EXECUTION_ERROR);
	end->ended_at = DatumGetTimestampTz(slot_column(slot, EXECUTION_ENDED_AT));
	return true;
}

/* Returns a new version of the row of an execution, which must exist, to be changed. */
static TupleTableSlot *
begin_version(Store *store, StoreTable *table, int64 execution_id)
{
	CommandCounterIncrement();
	if (!fetch_known(table, execution_id) &&
		!store_fetch_by_id(store, table, REL_EXECUTION_PKEY, execution_id))
		store_row_missing(REL_EXECUTION, execution_id);
	slot_begin_version(table->insert_slot, table->scan_slot);
	return table->insert_slot;
}

/* Writes the new version of a row. */
static void
write_version(Store *store, StoreTable *table)
{
	ExecStoreVirtualTuple(table->insert_slot);
	store_write_update(store, table, table->scan_slot, table->insert_slot);
}

/* Writes the end of an execution into its row, which must exist. */
void
store_finish_execution(Store *store, int64 execution_id, const char *status,
					   const char *error, const Jsonb *result,
					   TimestampTz ended_at)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *new = begin_version(store, table, execution_id);
	bool		paused = !slot_attisnull(table->scan_slot, EXECUTION_PAUSED);

	store_fill_end(new, status, error, result, ended_at);
	write_version(store, table);
	if (paused)
		store_end_pause(execution_id);
}

/* Writes that an execution is paused, or (paused 0) is not any more. */
void
store_pause_execution(Store *store, int64 execution_id, int64 paused)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *new = begin_version(store, table, execution_id);

	slot_set_id(new, EXECUTION_PAUSED, paused);
	write_version(store, table);
	CommandCounterIncrement();
}

/* Writes that a scheduled execution begins. */
void
store_begin_execution(Store *store, int64 execution_id, TimestampTz started_at,
					  TimestampTz deadline)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *new = begin_version(store, table, execution_id);

	slot_set_text(new, EXECUTION_STATUS, "RUNNING");
	slot_set(new, EXECUTION_STARTED_AT, TimestampTzGetDatum(started_at));
	if (deadline != 0)
		slot_set(new, EXECUTION_DEADLINE, TimestampTzGetDatum(deadline));
	write_version(store, table);
}

/* Writes that a scheduled execution begins at another time. */
void
store_reschedule_execution(Store *store, int64 execution_id, TimestampTz run_at)
{
	StoreTable *table = store_table(store, REL_EXECUTION);

	slot_set(begin_version(store, table, execution_id), EXECUTION_RUN_AT,
			 TimestampTzGetDatum(run_at));
	write_version(store, table);
}

/* Has an execution go on with another version of its playbook. */
void
store_migrate_execution(Store *store, int64 execution_id, int64 catalog_id, int version)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *new = begin_version(store, table, execution_id);

	slot_set_id(new, EXECUTION_CATALOG_ID, catalog_id);
	slot_set(new, EXECUTION_VERSION, Int32GetDatum(version));
	write_version(store, table);
}

/* Has an execution run without a limit of time from now on. */
void
store_end_timeout(Store *store, int64 execution_id)
{
	StoreTable *table = store_table(store, REL_EXECUTION);

	slot_set_null(begin_version(store, table, execution_id), EXECUTION_DEADLINE);
	write_version(store, table);
}

/* Has an execution that is over run again; its row must exist. */
void
store_redrive_execution(Store *store, int64 execution_id, int drive, TimestampTz deadline)
{
	StoreTable *table = store_table(store, REL_EXECUTION);
	TupleTableSlot *new = begin_version(store, table, execution_id);

	slot_set_text(new, EXECUTION_STATUS, "RUNNING");
	slot_set_null(new, EXECUTION_ERROR);
	slot_set_null(new, EXECUTION_RESULT);
	slot_set_null(new, EXECUTION_ENDED_AT);
	slot_set(new, EXECUTION_DRIVE, Int32GetDatum(drive));
	if (deadline != 0)
		slot_set(new, EXECUTION_DEADLINE, TimestampTzGetDatum(deadline));
	ExecStoreVirtualTuple(new);
	store_write_update(store, table, table->scan_slot, new);
}

/* Reads the workload of an execution; returns false when it has no row. */
bool
store_get_workload(Store *store, int64 execution_id, JsonbValue *workload)
{
	StoreTable *table = store_table(store, REL_WORKLOAD);

	if (!place_fetch(table, execution_id))
	{
		if (!store_fetch_by_id(store, table, REL_WORKLOAD_PKEY, execution_id))
			return false;
		place_note(table, execution_id, execution_id, &table->scan_slot->tts_tid);
	}
	json_from_jsonb(slot_jsonb(table->scan_slot, WORKLOAD_DATA), workload);
	return true;
}

/* Fills in the row of a workload. */
void
store_fill_workload(TupleTableSlot *slot, int64 execution_id, TimestampTz created_at,
					const Jsonb *data)
{
	slot_begin(slot);
	slot_set_id(slot, WORKLOAD_EXECUTION_ID, execution_id);
	slot_set(slot, WORKLOAD_CREATED_AT, TimestampTzGetDatum(created_at));
	slot_set_jsonb(slot, WORKLOAD_DATA, data);
}

/* Inserts the workload of an execution. */
void
store_insert_workload(Store *store, int64 execution_id, TimestampTz created_at,
					  Jsonb *data)
{
	StoreTable *table = store_table(store, REL_WORKLOAD);

	store_fill_workload(table->insert_slot, execution_id, created_at, data);
	store_write_insert(store, table);
	place_note(table, execution_id, execution_id, &table->insert_slot->tts_tid);
}
