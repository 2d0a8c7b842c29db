/*
 * store/table.c
 *		Stores: open tables, and writing to them.
 *
 * Describing a table to the executor (its indexes and their predicates, its
 * CHECKs) takes longer than writing a row.  So a store's descriptions are kept
 * for the next store, in a pool, until the definition of a table changes.  Only
 * the relations themselves are opened and locked anew:
 *
 *		store_open ── from the pool, or made ──> in_use ── store_close ──> pool
 *		                                           │
 *		                                           └─ after an error, or when triggers
 *		                                              of users have run: freed
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "store/constraint.h"
#include "store/deferred.h"
#include "store/fair.h"
#include "store/index.h"
#include "store/low_water.h"
#include "store/ready_news.h"
#include "store/statement.h"
#include "store/table.h"

/* Descriptions that are replaced are freed with the store; after so many it is. */
#define MOST_REDESCRIBED	16

/* The stores in use, the last one opened first, and those in the pool. */
static Store *in_use = NULL;
static Store *pool = NULL;

/* Counts the changes of the tables' definitions. */
static uint64 generation = 0;

/* ---------------------------------------------------------------------------
 * The pool
 * ---------------------------------------------------------------------------
 */

/* Returns whether a store of a list has described a relation. */
static bool
knows_relation(const Store *store, Oid relid)
{
	for (; store != NULL; store = store->next)
	{
		if (store->event_root == relid)
			return true;
		for (int i = 0; i < STORE_TABLES; i++)
			if (store->tables[i].relid == relid)
				return true;
	}
	return false;
}

/* Relcache callback: makes all descriptions outdated.  It must not read catalogs. */
static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || knows_relation(pool, relid) || knows_relation(in_use, relid))
		generation++;
}

/* Syscache callback: the same, as CHECKs and index predicates may call functions. */
static void
function_changed(Datum arg, int cache, uint32 hash)
{
	generation++;
}

/*
 * Frees the stores that a failed (sub)transaction has opened.  The server has
 * released their buffers and relations; only their memory is left.
 */
static void
drop_failed(int nest_level)
{
	while (in_use != NULL && in_use->nest_level >= nest_level)
	{
		Store	   *failed = in_use;

		in_use = failed->next;
		MemoryContextDelete(failed->memory);
	}
}

/* Transaction callback. */
static void
transaction_ends(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		drop_failed(0);
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		limit_forget();
}

/* Subtransaction callback. */
static void
subtransaction_ends(SubXactEvent event, SubTransactionId id,
					SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_failed(GetCurrentTransactionNestLevel());
	limit_end_subtransaction(event);
}

/* Registers the callbacks, once per backend. */
static void
register_callbacks(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, function_changed, (Datum) 0);
	RegisterXactCallback(transaction_ends, NULL);
	RegisterSubXactCallback(subtransaction_ends, NULL);
	registered = true;
}

/* ---------------------------------------------------------------------------
 * Stores
 * ---------------------------------------------------------------------------
 */

/* Gives the executor a range table of all tables.  None is opened yet. */
static void
init_range_table(EState *estate)
{
	List	   *range_table = NIL;
#if PG_VERSION_NUM >= 160000
	List	   *perminfos = NIL;
#endif

	for (int i = 0; i < STORE_TABLES; i++)
	{
		RangeTblEntry *rte = makeNode(RangeTblEntry);

		rte->rtekind = RTE_RELATION;
		rte->relid = store_relation(i);
		rte->relkind = RELKIND_RELATION;
		rte->rellockmode = RowExclusiveLock;
		range_table = lappend(range_table, rte);
#if PG_VERSION_NUM >= 160000
		addRTEPermissionInfo(&perminfos, rte);
#endif
	}
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, range_table, perminfos,
					   bms_add_range(NULL, 1, STORE_TABLES));
#elif PG_VERSION_NUM >= 160000
	ExecInitRangeTable(estate, range_table, perminfos);
#else
	ExecInitRangeTable(estate, range_table);
#endif
}

/* Makes a store. */
static Store *
make_store(void)
{
	MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "noetl store",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	Store	   *store = palloc0(sizeof(Store));

	store->memory = memory;
	store->generation = generation;
	store->event_root = store_relation(REL_EVENT);
	store->estate = CreateExecutorState();
	MemoryContextSwitchTo(store->estate->es_query_cxt);
	init_range_table(store->estate);
	MemoryContextSwitchTo(old);
	return store;
}

/*
 * Takes a store out of the pool: one that describes the partition of events, else
 * any.  Makes one when the pool is empty.
 */
static Store *
take_store(Oid event_leaf)
{
	Store	  **link = &pool;
	Store	   *store;

	for (Store **it = &pool; *it != NULL && OidIsValid(event_leaf); it = &(*it)->next)
		if ((*it)->tables[REL_EVENT].relid == event_leaf)
		{
			link = it;
			break;
		}
	store = *link;
	if (store == NULL)
		return make_store();
	*link = store->next;
	if (store->generation == generation)
		return store;
	MemoryContextDelete(store->memory);
	return take_store(event_leaf);
}

/* Opens a store (store/store.h): takes one from the pool or makes one. */
Store *
store_open(Oid event_leaf)
{
	Store	   *store;

	PreventCommandDuringRecovery("a function of noetl");
	PreventCommandIfReadOnly("a function of noetl");
	register_callbacks();
	(void) store_owner();		/* raises an error when the extension is missing */
	if (in_use != NULL && deferred_any(in_use))
	{
		/* a rollback of the subtransaction would remove them */
		if (GetCurrentTransactionNestLevel() > in_use->nest_level)
			elog(ERROR, "rows are kept back while a subtransaction runs");
		store_write_deferred(in_use);
	}
	store = take_store(event_leaf);
	store->event_leaf = event_leaf;
	store->deferred_memory = NULL;
	store->deferred_tasks = NIL;
	store->slots_taken = 0;
	ItemPointerSetInvalid(&store->locked_task);
	store->nest_level = GetCurrentTransactionNestLevel();
	store->next = in_use;
	in_use = store;
	AfterTriggerBeginQuery();
	return store;
}

/* Closes a table; returns false when its description must not be kept. */
static bool
close_table(StoreTable *table)
{
	ResultRelInfo *result_rel = table->result_rel;
	bool		clean = result_rel->ri_TrigDesc == NULL && table->statement == NULL;

	statement_close(table);
	if (!TTS_EMPTY(table->insert_slot))
		ExecClearTuple(table->insert_slot);
	if (!TTS_EMPTY(table->scan_slot))
		ExecClearTuple(table->scan_slot);
	table->nbatch = 0;
	for (int i = 0; table->indexed && i < result_rel->ri_NumIndices; i++)
	{
		if (result_rel->ri_IndexRelationDescs[i] == NULL)
			continue;
		if (result_rel->ri_IndexRelationInfo[i]->ii_AmCache != NULL)
		{
#if PG_VERSION_NUM >= 170000
			index_insert_cleanup(result_rel->ri_IndexRelationDescs[i],
								 result_rel->ri_IndexRelationInfo[i]);
#endif
			clean = false;
		}
		result_rel->ri_IndexRelationDescs[i] = NULL;
	}
	table_close(table->relation, NoLock);
	table->relation = NULL;
	table->writable = false;
	return clean;
}

/* Closes a store (store/store.h): puts it into the pool, or frees it. */
void
store_close(Store *store)
{
	EState	   *estate = store->estate;
	bool		clean;

	store_write_deferred(store);
	if (store->next == NULL && limit_any_touched())
		limit_forget_calm(store);
	AfterTriggerEndQuery(estate);
	Assert(in_use == store);
	clean = store->generation == generation && store->redescribed < MOST_REDESCRIBED &&
		estate->es_tupleTable == NIL && estate->es_trig_target_relations == NIL;
	list_free(estate->es_opened_result_relations);
	estate->es_opened_result_relations = NIL;
	ExecCloseResultRelations(estate);
	for (int i = 0; i < STORE_TABLES; i++)
		if (store->tables[i].relation != NULL && !close_table(&store->tables[i]))
			clean = false;
	index_close_all(store);
	in_use = store->next;
	if (clean)
	{
		store->next = pool;
		pool = store;
	}
	else
	{
		ExecResetTupleTable(estate->es_tupleTable, false);
		FreeExecutorState(estate);
		MemoryContextDelete(store->memory);
	}
	if (in_use == NULL && limit_any_touched() && limit_settle_hook != NULL)
		limit_settle_hook();
}

/* ---------------------------------------------------------------------------
 * Tables
 * ---------------------------------------------------------------------------
 */

/* Sets the relation of an entry of the range table. */
static void
set_relation(EState *estate, int index, Oid relid)
{
	RangeTblEntry *rte = exec_rt_fetch(index, estate);

#if PG_VERSION_NUM >= 160000
	getRTEPermissionInfo(estate->es_rteperminfos, rte)->relid = relid;
#endif
	rte->relid = relid;
}

/*
 * Returns whether a trigger is one of the extension's on noetl.event, which do
 * nothing for rows that the store writes.
 */
static bool
is_own_trigger(const Trigger *trigger)
{
	char	   *name = get_func_name(trigger->tgfoid);

	return name != NULL &&
		get_func_namespace(trigger->tgfoid) == get_namespace_oid("noetl", true) &&
		(strcmp(name, "event_before") == 0 || strcmp(name, "event_after") == 0);
}

/* Drops the extension's own triggers; when there are others too, all stay. */
static void
drop_own_triggers(ResultRelInfo *result_rel)
{
	TriggerDesc *triggers = result_rel->ri_TrigDesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (!is_own_trigger(&triggers->triggers[i]))
			return;
	result_rel->ri_TrigDesc = NULL;
}

/* The default of a column that a user has added. */
typedef struct ColumnDefault
{
	int			attribute;
	ExprState  *value;
} ColumnDefault;

/* Returns the number of columns that a table comes with; others are users'. */
static int
own_columns(StoreRelation which)
{
	return which == REL_EVENT ? EVENT_COLUMNS :
		which == REL_QUEUE ? QUEUE_COLUMNS : MaxAttrNumber;
}

/* Returns the defaults of the columns that users have added. */
static List *
find_defaults(Relation relation, int first)
{
	TupleDesc	desc = RelationGetDescr(relation);
	List	   *defaults = NIL;

	for (int i = first; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		ColumnDefault *column;
		Node	   *expression;

		if (attribute->attisdropped || attribute->attgenerated != '\0')
			continue;
		expression = build_column_default(relation, i + 1);
		if (expression == NULL)
			continue;
		column = palloc(sizeof(ColumnDefault));
		column->attribute = i + 1;
		column->value = ExecInitExpr(expression_planner((Expr *) expression), NULL);
		defaults = lappend(defaults, column);
	}
	return defaults;
}

/* Sets the columns that users have added to their defaults (store/table.h). */
void
store_set_defaults(Store *store, StoreTable *table)
{
	ListCell   *lc;

	foreach(lc, table->defaults)
	{
		const ColumnDefault *column = (ColumnDefault *) lfirst(lc);
		bool		isnull;
		Datum		value = ExecEvalExprSwitchContext(column->value,
													  GetPerTupleExprContext(store->estate),
													  &isnull);

		if (!isnull)
			slot_set(table->insert_slot, column->attribute, value);
	}
}

/*
 * Lets the updates of a table with triggers of users count as updates of all columns:
 * triggers for UPDATE OF a column fire, too.
 */
static void
update_all_columns(Store *store, StoreRelation which, int natts)
{
	RangeTblEntry *rte = exec_rt_fetch(which + 1, store->estate);
	Bitmapset  *columns = bms_add_range(NULL, 1 - FirstLowInvalidHeapAttributeNumber,
										natts - FirstLowInvalidHeapAttributeNumber);

#if PG_VERSION_NUM >= 160000
	getRTEPermissionInfo(store->estate->es_rteperminfos, rte)->updatedCols = columns;
#else
	rte->updatedCols = columns;
#endif
}

/* Describes an open table; the description is kept when the table is closed. */
static void
describe_table(Store *store, StoreRelation which)
{
	StoreTable *table = &store->tables[which];
	TupleDesc	desc = CreateTupleDescCopyConstr(RelationGetDescr(table->relation));
	const TupleTableSlotOps *ops = table_slot_callbacks(table->relation);

	if (OidIsValid(table->relid))
		store->redescribed++;
	table->described = generation;
	table->relid = RelationGetRelid(table->relation);
	set_relation(store->estate, which + 1, table->relid);
	table->result_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(table->result_rel, table->relation, which + 1, NULL, 0);
	if (which == REL_EVENT)
		drop_own_triggers(table->result_rel);
	table->statement = statement_describe(table, which);
	if (table->result_rel->ri_TrigDesc != NULL || table->statement != NULL)
		update_all_columns(store, which, RelationGetDescr(table->relation)->natts);
	table->insert_slot = MakeSingleTupleTableSlot(desc, ops);
	table->scan_slot = MakeSingleTupleTableSlot(desc, ops);
	table->constraints = constraint_describe(table->relation);
	table->defaults = find_defaults(table->relation, own_columns(which));
	table->indexed = false;
	table->batch = NULL;
	table->nbatch = 0;
}

/* Returns a table, opening it on first use. */
StoreTable *
store_table(Store *store, StoreRelation which)
{
	StoreTable *table = &store->tables[which];
	EState	   *estate = store->estate;
	MemoryContext old;
	Oid			relid;

	if (table->relation != NULL)
		return table;

	Assert(which != REL_EVENT || OidIsValid(store->event_leaf));
	relid = which == REL_EVENT ? store->event_leaf : store_relation(which);
	table->relation = table_open(relid, RowExclusiveLock);
	if (which == REL_EVENT)
		store_use_event_leaf(table->relation);
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	if (table->relid != relid || table->described != generation)
		describe_table(store, which);
	table->result_rel->ri_RelationDesc = table->relation;
	estate->es_opened_result_relations =
		lappend(estate->es_opened_result_relations, table->result_rel);
	MemoryContextSwitchTo(old);
	return table;
}

/* Returns the partition of noetl.event that holds an execution's events. */
StoreTable *
store_event_table(Store *store, int64 execution_id)
{
	if (!OidIsValid(store->event_leaf))
		store->event_leaf = store_event_leaf(execution_id);
	return store_table(store, REL_EVENT);
}

/* Raises the error that a row is missing (store/table.h). */
void
store_row_missing(StoreRelation which, int64 id)
{
	char	   *table = get_rel_name(store_relation(which));

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 id != 0 ? errmsg("row " INT64_FORMAT " of noetl.%s is missing", id, table) :
			 errmsg("a row of noetl.%s is missing", table),
			 errdetail("A statement other than the broker's has deleted it."),
			 which == REL_EVENT ?
			 errhint("Rows of noetl.event cannot be made anew; cancel the execution with noetl.cancel().") :
			 errhint("noetl.rebuild(execution_id) makes the row anew from the event log.")));
}

/* ---------------------------------------------------------------------------
 * Writing
 * ---------------------------------------------------------------------------
 */

/* Returns whether triggers of users may fire when a table is written. */
bool
store_has_triggers(const StoreTable *table)
{
	return table->result_rel->ri_TrigDesc != NULL || table->statement != NULL;
}

/*
 * Prepares the writing of a table.  A user's trigger may read any table, so what is
 * kept back is written before.
 */
static void
prepare_write(Store *store, StoreTable *table)
{
	if (store_has_triggers(table))
		store_write_deferred(store);
}

/* Returns whether rows of a table need nothing but their constraints and indexes. */
bool
store_is_plain(const StoreTable *table)
{
	const TupleConstr *constraints = RelationGetDescr(table->relation)->constr;

	return !store_has_triggers(table) &&
		(constraints == NULL || !constraints->has_generated_stored);
}

/* Does what the executor does for each row before it is stored (store/table.h). */
void
store_check_row(Store *store, StoreTable *table, TupleTableSlot *slot)
{
	constraint_check(store, table, slot);
	if (table->relation->rd_rel->relispartition)
		ExecPartitionCheck(table->result_rel, slot, store->estate, true);
}

/* Inserts the row in the insert slot as the executor does. */
static void
insert_row(Store *store, StoreTable *table)
{
	TupleTableSlot *slot = table->insert_slot;

	if (store_is_plain(table))
	{
		IndexSet	indexes = index_find(store, table, slot);

		store_check_row(store, table, slot);
		index_form_keys(store, table, slot, indexes);
		simple_table_tuple_insert(table->relation, slot);
		index_add_row(store, table, slot, indexes, false);
		return;
	}
	store_open_indexes(store, table);
	if (table->statement != NULL)
		statement_insert(store, table);
	else
		ExecSimpleRelationInsert(table->result_rel, store->estate, slot);
}

/* Returns whether the row of a task is ready. */
static bool
is_ready(TupleTableSlot *slot)
{
	text	   *status = DatumGetTextPP(slot_column(slot, QUEUE_COL_STATUS));

	return VARSIZE_ANY_EXHDR(status) == strlen("queued") &&
		memcmp(VARDATA_ANY(status), "queued", strlen("queued")) == 0;
}

/*
 * Reports what is going to be written to the queue: a row is inserted (old is NULL),
 * changed or removed (new is NULL).
 */
static void
note_change(Store *store, StoreTable *table, TupleTableSlot *old, TupleTableSlot *new)
{
	bool		ready;

	if (table != &store->tables[REL_QUEUE])
		return;
	if (old != NULL)
		low_water_hidden();
	ready = new != NULL && is_ready(new);
	if (ready || (old != NULL && is_ready(old)))
		ready_news_add(table->relation);
	if (ready && !slot_attisnull(new, QUEUE_COL_FAIR_KEY))
		fair_note_write();
}

/* Inserts the row in the insert slot. */
void
store_write_insert(Store *store, StoreTable *table)
{
	bool		limited;

	prepare_write(store, table);
	if (TTS_EMPTY(table->insert_slot))
	{
		store_set_defaults(store, table);
		ExecStoreVirtualTuple(table->insert_slot);
	}
	note_change(store, table, NULL, table->insert_slot);
	limited = table == &store->tables[REL_QUEUE] &&
		!slot_attisnull(table->insert_slot, QUEUE_COL_LIMITS);
	insert_row(store, table);
	ResetPerTupleExprContext(store->estate);
	if (limited)
		limit_task_written(store, NULL, table->insert_slot, store->slots_taken);
}

/* Prepares the description of a unique index for rows that may be there already. */
static void
prepare_unique(Store *store, ResultRelInfo *result_rel, Oid unique)
{
	for (int i = 0; i < result_rel->ri_NumIndices; i++)
	{
		Relation	index = result_rel->ri_IndexRelationDescs[i];
		IndexInfo  *info = result_rel->ri_IndexRelationInfo[i];
		MemoryContext old;

		if (RelationGetRelid(index) != unique || info->ii_UniqueOps != NULL)
			continue;
		old = MemoryContextSwitchTo(store->estate->es_query_cxt);
		BuildSpeculativeIndexInfo(index, info);
		MemoryContextSwitchTo(old);
	}
}

/* Returns whether no row that is there, or is being inserted, conflicts with a new one. */
static bool
is_new(Store *store, StoreTable *table, List *unique)
{
	ItemPointerData conflict;
#if PG_VERSION_NUM >= 180000
	ItemPointerData none;

	ItemPointerSetInvalid(&none);
	return ExecCheckIndexConstraints(table->result_rel, table->insert_slot, store->estate,
									 &conflict, &none, unique);
#else
	return ExecCheckIndexConstraints(table->result_rel, table->insert_slot, store->estate,
									 &conflict, unique);
#endif
}

/*
 * Inserts the row in the insert slot as INSERT … ON CONFLICT does; returns false when
 * another session was faster.
 */
static bool
insert_speculatively(Store *store, StoreTable *table, List *unique)
{
	TransactionId xid = GetCurrentTransactionId();
	uint32		token = SpeculativeInsertionLockAcquire(xid);
	bool		conflict = false;

	table_tuple_insert_speculative(table->relation, table->insert_slot,
								   GetCurrentCommandId(true), 0, NULL, token);
	list_free(ExecInsertIndexTuples(table->result_rel, table->insert_slot, store->estate,
									false, true, &conflict, unique
#if PG_VERSION_NUM >= 160000
									,false
#endif
									));
	table_tuple_complete_speculative(table->relation, table->insert_slot, token, !conflict);
	SpeculativeInsertionLockRelease(xid);
	return !conflict;
}

/* Inserts the row in the insert slot unless there is one like it (store/table.h). */
bool
store_write_new(Store *store, StoreTable *table, StoreRelation unique)
{
	Oid			index = store_index(unique);
	List	   *indexes = list_make1_oid(index);
	bool		inserted = false;

	prepare_write(store, table);
	store_open_indexes(store, table);
	prepare_unique(store, table->result_rel, index);
	ExecStoreVirtualTuple(table->insert_slot);
	if (table->relation->rd_att->constr != NULL)
		ExecConstraints(table->result_rel, table->insert_slot, store->estate);
	while (!inserted && is_new(store, table, indexes))
		inserted = insert_speculatively(store, table, indexes);
	list_free(indexes);
	ResetPerTupleExprContext(store->estate);
	return inserted;
}

/*
 * Replaces a row of a table that needs nothing but constraints and indexes, as the
 * executor does.
 */
static void
update_plain(Store *store, StoreTable *table, TupleTableSlot *old, TupleTableSlot *new)
{
	IndexSet	indexes;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes changed;
#else
	bool		changed;
#endif

	CheckCmdReplicaIdentity(table->relation, CMD_UPDATE);
	store_check_row(store, table, new);
	indexes = index_find(store, table, new);
	index_form_keys(store, table, new, indexes);
	simple_table_tuple_update(table->relation, &old->tts_tid, new, InvalidSnapshot, &changed);
#if PG_VERSION_NUM >= 160000
	if (changed == TU_Summarizing)
		index_add_summaries(store, table, new);
	else if (changed == TU_All)
#else
	if (changed)
#endif
		index_add_row(store, table, new, indexes, true);
}

/*
 * Locks the row that triggers of users are about to be shown before it is changed.  The
 * server does that, too, but with the command that the executor has begun with; and of a
 * row that has been changed meanwhile it takes the newest version, for which it asks a plan
 * that a store does not have.
 */
static void
lock_for_triggers(Store *store, StoreTable *table, ItemPointerData tid)
{
	EState	   *estate = store->estate;
	TupleTableSlot *slot = table_slot_create(table->relation, NULL);
	TM_FailureData failure;
	TM_Result	result;

	/* marked as used: what a trigger changes is changed by a later command */
	estate->es_output_cid = GetCurrentCommandId(true);
	result = table_tuple_lock(table->relation, &tid, SnapshotAny, slot,
							  estate->es_output_cid, LockTupleExclusive, LockWaitBlock, 0,
							  &failure);
	ExecDropSingleTupleTableSlot(slot);
	if (result != TM_Ok)
		elog(ERROR, "tuple concurrently %s", result == TM_Deleted ? "deleted" : "updated");
}

/* Replaces the row in "old" as the executor does, with all its triggers. */
static void
update_row(Store *store, StoreTable *table, TupleTableSlot *old, TupleTableSlot *new)
{
	const TriggerDesc *triggers = table->result_rel->ri_TrigDesc;
	EPQState	epq;

	if (triggers != NULL && triggers->trig_update_before_row)
		lock_for_triggers(store, table, old->tts_tid);
	store_open_indexes(store, table);
	EvalPlanQualInit(&epq, store->estate, NULL, NIL, -1
#if PG_VERSION_NUM >= 160000
					 ,NIL
#endif
		);
	if (table->statement != NULL)
		statement_update(store, table, &epq, old, new);
	else
		ExecSimpleRelationUpdate(table->result_rel, store->estate, &epq, old, new);
	EvalPlanQualEnd(&epq);
}

/* Replaces the row in "old" by the one in "new". */
void
store_write_update(Store *store, StoreTable *table, TupleTableSlot *old,
				   TupleTableSlot *new)
{
	note_change(store, table, old, new);
	prepare_write(store, table);
	if (store_is_plain(table))
		update_plain(store, table, old, new);
	else
		update_row(store, table, old, new);
	ResetPerTupleExprContext(store->estate);
	if (table == &store->tables[REL_QUEUE] && !slot_attisnull(new, QUEUE_COL_LIMITS))
		limit_task_written(store, old, new, 0);
}

/* Deletes the row in "old". */
void
store_write_delete(Store *store, StoreTable *table, TupleTableSlot *old)
{
	const TriggerDesc *triggers = table->result_rel->ri_TrigDesc;
	EPQState	epq;

	note_change(store, table, old, NULL);
	prepare_write(store, table);
	if (triggers != NULL && triggers->trig_delete_before_row)
		lock_for_triggers(store, table, old->tts_tid);
	EvalPlanQualInit(&epq, store->estate, NULL, NIL, -1
#if PG_VERSION_NUM >= 160000
					 ,NIL
#endif
		);
	if (table->statement != NULL)
		statement_delete(store, table, &epq, old);
	else
		ExecSimpleRelationDelete(table->result_rel, store->estate, &epq, old);
	EvalPlanQualEnd(&epq);
	ResetPerTupleExprContext(store->estate);
	if (table == &store->tables[REL_QUEUE] && !slot_attisnull(old, QUEUE_COL_LIMITS))
		limit_free(store, limit_slot_id(old));
}
