/*
 * store/pause.c
 *		What is paused, as this backend knows it, and tasks that are paused because of
 *		it (store/pause.h).
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/pause_row.h"
#include "store/queue_row.h"

/* Columns of noetl.pause_rule and noetl.pause_end that are read here */
#define RULE_PAUSE_ID		1
#define RULE_PATH			2
#define RULE_TYPE			3
#define RULE_UNTIL			7
#define END_PAUSE_ID		1
#define PAUSED_EXECUTION_ID	1
#define PAUSED_UNTIL		2

/* A rule. */
typedef struct PauseRule
{
	int64		pause_id;
	PauseKind	kind;
	TimestampTz until;			/* 0: for ever */
} PauseRule;

/* What this backend knows of pauses. */
static struct
{
	Oid			relid;			/* of noetl.pause_rule */
	uint64		changes;		/* how often it has changed */
	uint64		known;			/* after how many changes the rest was read */
	MemoryContext memory;		/* of the lists */
	bool		executions;		/* some are paused … */
	TimestampTz first_until;	/* … until then at least; 0: for ever */
	bool		paths;			/* a rule names a path */
	List	   *rules;			/* PauseRule * */
	List	   *ends;			/* int64 *: of which pauses tasks may be left … */
	bool		drained;		/* … but this backend has found none */
}			pauses = {InvalidOid, 1, 0, NULL, false, 0, false, NIL, NIL, false};

/*
 * Up to which task this session has made those of a pause ready.  Below lie index
 * entries of tasks that were paused once, perhaps many of them.
 */
static struct
{
	int64		pause_id;
	int64		queue_id;
}			reached;

/* ---------------------------------------------------------------------------
 * What is paused
 * ---------------------------------------------------------------------------
 */

/* Relcache callback: what is known is outdated.  It must not read catalogs. */
static void
rules_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == pauses.relid)
		pauses.changes++;
}

/* Called with each row of a table. */
typedef void (*ReadRow) (HeapTuple tuple, TupleDesc desc);

/* Reads all rows of a table, or, in the order of an index, those until *stop. */
static void
read_table(Oid table_id, Oid index_id, ReadRow read, const bool *stop)
{
	Relation	table = table_open(table_id, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan(table, index_id, OidIsValid(index_id), snapshot, 0,
										  NULL);
	HeapTuple	tuple;

	while (!(stop != NULL && *stop) && HeapTupleIsValid(tuple = systable_getnext(scan)))
		read(tuple, RelationGetDescr(table));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
}

/* Returns a column of a row; NULL is 0. */
static Datum
column(HeapTuple tuple, TupleDesc desc, int attribute)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attribute, desc, &isnull);

	return isnull ? (Datum) 0 : value;
}

/* ReadRow: notes a rule. */
static void
read_rule(HeapTuple tuple, TupleDesc desc)
{
	PauseRule  *rule = palloc(sizeof(PauseRule));
	Datum		path = column(tuple, desc, RULE_PATH);
	Datum		type = column(tuple, desc, RULE_TYPE);

	rule->pause_id = DatumGetInt64(column(tuple, desc, RULE_PAUSE_ID));
	rule->kind.path = path == 0 ? NULL : TextDatumGetCString(path);
	rule->kind.type = type == 0 ? NULL : TextDatumGetCString(type);
	rule->until = DatumGetTimestampTz(column(tuple, desc, RULE_UNTIL));
	pauses.rules = lappend(pauses.rules, rule);
	pauses.paths = pauses.paths || rule->kind.path != NULL;
}

/* ReadRow: notes a pause that is over. */
static void
read_end(HeapTuple tuple, TupleDesc desc)
{
	int64	   *id = palloc(sizeof(int64));

	*id = DatumGetInt64(column(tuple, desc, END_PAUSE_ID));
	pauses.ends = lappend(pauses.ends, id);
}

/* ReadRow: notes that executions are paused, and how long at least; for the first row. */
static void
read_execution(HeapTuple tuple, TupleDesc desc)
{
	pauses.executions = true;
	pauses.first_until = DatumGetTimestampTz(column(tuple, desc, PAUSED_UNTIL));
}

/* Reads what is paused. */
static void
read_pauses(Oid schema)
{
	MemoryContext old;

	if (pauses.memory == NULL)
		pauses.memory = AllocSetContextCreate(TopMemoryContext, "noetl pauses",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextReset(pauses.memory);
	pauses.executions = pauses.paths = pauses.drained = false;
	pauses.first_until = 0;
	pauses.rules = pauses.ends = NIL;
	old = MemoryContextSwitchTo(pauses.memory);
	read_table(pauses.relid, InvalidOid, read_rule, NULL);
	read_table(get_relname_relid("pause_end", schema), InvalidOid, read_end, NULL);
	read_table(get_relname_relid("paused", schema), get_relname_relid("paused_until_idx", schema),
			   read_execution, &pauses.executions);
	MemoryContextSwitchTo(old);
}

/* Finds until when an execution is noted as paused (store/pause.h). */
bool
store_find_pause(int64 execution_id, TimestampTz *until)
{
	Oid			schema = get_namespace_oid("noetl", false);
	Relation	table = table_open(get_relname_relid("paused", schema), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	CommandCounterIncrement();
	ScanKeyInit(&key, PAUSED_EXECUTION_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(execution_id));
	scan = systable_beginscan(table, get_relname_relid("paused_pkey", schema), true,
							  SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	*until = found ?
		DatumGetTimestampTz(column(tuple, RelationGetDescr(table), PAUSED_UNTIL)) : 0;
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return found;
}

/* Makes sure that what this backend has been told of is known. */
static inline void
know_pauses(void)
{
	static bool registered = false;

	while (unlikely(pauses.known != pauses.changes))
	{
		Oid			schema = get_namespace_oid("noetl", false);
		uint64		changes;

		if (!registered)
			CacheRegisterRelcacheCallback(rules_changed, (Datum) 0);
		registered = true;
		pauses.relid = get_relname_relid("pause_rule", schema);
		changes = pauses.changes;
		read_pauses(schema);
		pauses.known = changes;
	}
}

/* Learns of the pauses that other sessions have committed. */
void
store_refresh_pauses(void)
{
	AcceptInvalidationMessages();
	know_pauses();
}

/* Returns whether executions are paused, or tasks of a path. */
bool
store_any_pause(void)
{
	know_pauses();
	return pauses.executions || pauses.paths;
}

/* Returns whether nothing is paused (store/pause_row.h). */
bool
pause_none(void)
{
	know_pauses();
	return !pauses.executions && !pauses.paths && pauses.rules == NIL;
}

/* Returns whether a rule has not ended by time. */
static bool
in_force(const PauseRule *rule)
{
	return rule->until == 0 || rule->until > GetCurrentTimestamp();
}

/* Returns the rule without a path that names the type of a task; 0: none. */
static int64
find_type_rule(const char *type)
{
	ListCell   *lc;

	know_pauses();
	foreach(lc, pauses.rules)
	{
		const PauseRule *rule = (PauseRule *) lfirst(lc);

		if (rule->kind.path == NULL &&
			(rule->kind.type == NULL || strcmp(rule->kind.type, type) == 0) && in_force(rule))
			return rule->pause_id;
	}
	return 0;
}

/* Returns whether a rule without a path names the type of a task. */
bool
store_type_paused(const char *type)
{
	return find_type_rule(type) != 0;
}

/* Returns the rule for tasks of a path that a task falls under; 0: none. */
static int64
find_rule(const char *path, const char *type)
{
	ListCell   *lc;

	foreach(lc, pauses.rules)
	{
		const PauseRule *rule = (PauseRule *) lfirst(lc);

		if (rule->kind.path != NULL && strcmp(rule->kind.path, path) == 0 &&
			(rule->kind.type == NULL || strcmp(rule->kind.type, type) == 0) && in_force(rule))
			return rule->pause_id;
	}
	return 0;
}

/* Returns the pause that a task falls under, as far as this backend knows; 0: none. */
static int64
find_pause(Store *store, int64 execution_id, const char *type)
{
	Execution	execution;
	int64		rule;

	if (!store_get_execution(store, execution_id, &execution))
		return 0;
	rule = find_rule(execution.path, type);
	while (rule == 0 && pauses.executions)
	{
		if (execution.paused != 0)
			return execution.execution_id;
		if (execution.parent_execution_id == 0 ||
			!store_get_execution(store, execution.parent_execution_id, &execution))
			break;
	}
	return rule;
}

/* Returns the queue.paused_by of a ready task that is to be paused (store/pause.h). */
int64
store_pause_of(Store *store, int64 execution_id, const char *type)
{
	if (!store_any_pause() || find_pause(store, execution_id, type) == 0)
		return 0;
	(void) GetCurrentTransactionId();
	store_refresh_pauses();
	return find_pause(store, execution_id, type);
}

/* ---------------------------------------------------------------------------
 * Rows of the queue
 * ---------------------------------------------------------------------------
 */

/* Lets a task that is filled in as ready be paused, if it is to be (store/pause_row.h). */
bool
pause_row_if(Store *store, TupleTableSlot *new)
{
	int64		pause_id;

	if (!store_any_pause())
		return false;
	pause_id = store_pause_of(store,
							  DatumGetInt64(new->tts_values[QUEUE_COL_EXECUTION_ID - 1]),
							  TextDatumGetCString(new->tts_values[QUEUE_COL_NODE_TYPE - 1]));
	if (pause_id != 0)
		pause_row(new, pause_id);
	return pause_id != 0;
}

/*
 * Returns whether the new version of a row has never been leased.  The attempts do not
 * count the lease of a worker that has given the task back.
 */
static bool
is_new(TupleTableSlot *new)
{
	return new->tts_isnull[QUEUE_COL_LAST_HEARTBEAT - 1] &&
		DatumGetInt32(new->tts_values[QUEUE_COL_ATTEMPTS - 1]) == 0;
}

/* Makes the new version of a row paused.  The wait for its first lease stands still. */
void
pause_row(TupleTableSlot *new, int64 pause_id)
{
	slot_set_text(new, QUEUE_COL_STATUS, "paused");
	slot_set(new, QUEUE_COL_PAUSED_BY, Int64GetDatum(pause_id));
	slot_set_null(new, QUEUE_COL_AVAILABLE_AT);
	if (is_new(new))
	{
		slot_set_null(new, QUEUE_COL_DEADLINE);
		slot_set_null(new, QUEUE_COL_LEASE_UNTIL);
	}
}

/*
 * Has the wait of a task for its first lease, whose time has come, stand still if a pause
 * keeps the task back (store/pause.h).
 */
bool
store_keep_back(Store *store, const QueueRow *row)
{
	int64		pause_id = store_pause_of(store, row->execution_id, row->node_type);
	StoreTable *table = store_table(store, REL_QUEUE);
	TupleTableSlot *new;

	if (pause_id == 0 && store_type_paused(row->node_type))
	{
		(void) GetCurrentTransactionId();
		store_refresh_pauses();
		pause_id = find_type_rule(row->node_type);
	}
	if (pause_id == 0 || !queue_lock_row(store, row->queue_id))
		return false;
	new = queue_new_version(table);
	if (strcmp(row->status, "queued") == 0)
		pause_row(new, pause_id);
	else
	{
		/* it keeps its place among those that wait for a slot */
		TimestampTz until = GetCurrentTimestamp() + row->queue_timeout;

		queue_set_time(new, QUEUE_COL_DEADLINE, until);
		queue_set_time(new, QUEUE_COL_LEASE_UNTIL, until);
	}
	queue_write_version(store, table);
	return true;
}

/* Makes the new version of a paused row ready, or blocked, behind all ready rows. */
void
resume_row(TupleTableSlot *new)
{
	int64		wait;

	slot_set(new, QUEUE_COL_QUEUE_ID, Int64GetDatum(store_next_queue_id()));
	slot_set_text(new, QUEUE_COL_STATUS,
				  new->tts_isnull[QUEUE_COL_LIMITS - 1] ? "queued" : "blocked");
	slot_set_null(new, QUEUE_COL_PAUSED_BY);
	if (is_new(new) && !new->tts_isnull[QUEUE_COL_QUEUE_TIMEOUT - 1] &&
		timeout_of_interval(DatumGetIntervalP(new->tts_values[QUEUE_COL_QUEUE_TIMEOUT - 1]),
							&wait))
	{
		TimestampTz until = GetCurrentTimestamp() + wait;

		queue_set_time(new, QUEUE_COL_DEADLINE, until);
		queue_set_time(new, QUEUE_COL_LEASE_UNTIL, until);
	}
}

/* Pauses at most "limit" ready rows of a scan; returns how many. */
int
pause_rows(Store *store, QueueScan *scan, int64 pause_id, int limit)
{
	int			parked = 0;

	while (parked < limit && queue_scan_next(scan))
	{
		ItemPointerData tid = scan->slot->tts_tid;

		if (strcmp(slot_text(scan->slot, QUEUE_COL_STATUS), "queued") != 0 ||
			!store_lock_row(scan->table, &tid, scan->snapshot, true, NULL))
			continue;
		pause_row(queue_new_version(scan->table), pause_id);
		queue_write_version(store, scan->table);
		parked++;
	}
	return parked;
}

/* Pauses ready tasks of an execution (store/pause.h). */
int
store_park_execution(Store *store, int64 execution_id, int64 pause_id, int limit)
{
	QueueScan	scan;
	ScanKeyData key;
	int			parked;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(execution_id));
	queue_scan_open(&scan, store, REL_QUEUE_RUN_IDX, &key, 1);
	parked = pause_rows(store, &scan, pause_id, limit);
	queue_scan_close(&scan);
	return parked;
}

/*
 * Makes paused rows of a scan ready, or leaves them to another pause that they fall
 * under.  Returns how many rows were changed.
 */
static int
resume_rows(Store *store, QueueScan *scan, int64 pause_id, int limit,
			void (*ready) (const char *type))
{
	int			resumed = 0;

	while (resumed < limit && queue_scan_next(scan))
	{
		ItemPointerData tid = scan->slot->tts_tid;
		TupleTableSlot *new;
		const char *type;
		int64		other;

		if (limit_is_locked(scan->slot) ||
			!store_lock_row(scan->table, &tid, scan->snapshot, true, NULL))
			continue;
		new = queue_new_version(scan->table);
		type = TextDatumGetCString(new->tts_values[QUEUE_COL_NODE_TYPE - 1]);
		other = store_pause_of(store, DatumGetInt64(new->tts_values[QUEUE_COL_EXECUTION_ID - 1]),
							   type);
		if (other == pause_id)
			break;				/* it is paused once more */
		if (other != 0)
			pause_row(new, other);
		else
		{
			resume_row(new);
			ready(type);
		}
		reached.queue_id = DatumGetInt64(slot_column(scan->table->scan_slot, QUEUE_COL_QUEUE_ID));
		queue_write_version(store, scan->table);
		resumed++;
	}
	return resumed;
}

/* Does so with the tasks of a pause from a queue_id on. */
static int
resume_from(Store *store, int64 pause_id, int64 queue_id, int limit,
			void (*ready) (const char *type))
{
	QueueScan	scan;
	ScanKeyData keys[3];
	int			resumed;

	ScanKeyEntryInitialize(&keys[0], SK_ISNULL | SK_SEARCHNULL, 1, InvalidStrategy, InvalidOid,
						   InvalidOid, InvalidOid, (Datum) 0);
	store_key_int64(&keys[1], 2, pause_id);
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(queue_id));
	queue_scan_open(&scan, store, REL_QUEUE_RETRY_IDX, keys, 3);
	resumed = resume_rows(store, &scan, pause_id, limit, ready);
	queue_scan_close(&scan);
	return resumed;
}

/* Does so with the tasks of a pause: first those after the last one of the last call. */
static int
resume_pause(Store *store, int64 pause_id, int limit, void (*ready) (const char *type))
{
	int			resumed = 0;

	if (reached.pause_id == pause_id && reached.queue_id != PG_INT64_MIN)
		resumed = resume_from(store, pause_id, reached.queue_id, limit, ready);
	if (resumed == 0)
	{
		reached.pause_id = pause_id;
		reached.queue_id = PG_INT64_MIN;
		resumed = resume_from(store, pause_id, PG_INT64_MIN, limit, ready);
	}
	return resumed;
}

/* Returns whether the time of a rule has come. */
static bool
any_rule_due(void)
{
	ListCell   *lc;

	foreach(lc, pauses.rules)
		if (!in_force((PauseRule *) lfirst(lc)))
			return true;
	return false;
}

/* Returns whether something is to be done about pauses that are over. */
bool
store_resuming(void)
{
	know_pauses();
	return pauses.ends != NIL || any_rule_due();
}

/* Makes tasks ready whose pause is over (store/pause.h). */
int
store_resume_tasks(Store *store, int limit, void (*ready) (const char *type))
{
	List	   *ends = NIL;
	ListCell   *lc;
	int			resumed = 0;

	store_refresh_pauses();
	foreach(lc, pauses.ends)	/* the list may be read anew meanwhile */
	{
		int64	   *id = palloc(sizeof(int64));

		*id = *(int64 *) lfirst(lc);
		/* the one whose tasks were made ready last goes on where it is */
		ends = *id == reached.pause_id ? lcons(id, ends) : lappend(ends, id);
	}
	foreach(lc, ends)
	{
		int64		id = *(int64 *) lfirst(lc);
		int			before = resumed;

		if (resumed >= limit)
			break;
		resumed += resume_pause(store, id, limit - resumed, ready);
		if (resumed == before)
			pause_forget_end(id);
	}
	pauses.drained = resumed == 0;
	return resumed;
}

/* Returns whether the pause of an execution may end by itself now. */
bool
store_pause_may_end(void)
{
	know_pauses();
	return pauses.first_until != 0 && pauses.first_until <= GetCurrentTimestamp();
}

/* Finds when the next pause ends, or the next portion may be due (store/pause.h). */
bool
store_next_pause_end(TimestampTz *when)
{
	ListCell   *lc;

	*when = store_resuming() ?
		GetCurrentTimestamp() + (pauses.drained ? USECS_PER_SEC : 0) : DT_NOEND;
	if (pauses.first_until != 0)
		*when = Min(*when, pauses.first_until);
	foreach(lc, pauses.rules)
	{
		const PauseRule *rule = (PauseRule *) lfirst(lc);

		if (rule->until != 0)
			*when = Min(*when, rule->until);
	}
	return *when != DT_NOEND;
}

/* Tells all sessions that what is paused has changed, when this transaction commits. */
void
store_pauses_changed(void)
{
	CacheInvalidateRelcacheByRelid(get_relname_relid("pause_rule",
													 get_namespace_oid("noetl", false)));
	CommandCounterIncrement();
}
