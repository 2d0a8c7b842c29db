/*
 * store/relation.c
 *		Which relation is which: names to OIDs, looked up once per backend.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#include "store/relation.h"
#include "store/store.h"

/* NULL: an index of noetl.event, which each partition has under a name of its own. */
static const char *const relation_names[REL_COUNT] = {
	"execution", "workload", "event", "run", "arrival", "item", "pending", "schedule", "queue",
	"signal", "message", "limit_pace", "start_key", "slot", "limit_rule",
	"execution_pkey", "execution_parent_idx", "execution_deadline_idx",
	"execution_run_at_idx",
	"workload_pkey", NULL, NULL,
	"run_pkey", "run_due_idx", "run_signal_idx", "arrival_pkey", "item_pkey", "pending_pkey",
	"schedule_next_idx", "schedule_queued_idx",
	"queue_pkey", "queue_ready_idx", "queue_fair_idx", "queue_fair_id_idx", "queue_run_idx",
	"queue_visit_idx", "queue_retry_idx", "queue_lease_idx",
	"signal_pkey", "signal_kept_idx", "signal_id_idx",
	"message_kept_idx", "message_id_idx", "message_expires_idx",
	"limit_pace_pkey",
	"limit_pace_due_idx",
	"start_key_pkey",
	"slot_pkey", "slot_held_idx", "slot_waiting_idx", "slot_execution_idx", "limit_rule_pkey",
	"id_seq", "queue_seq"
};

static Oid	relation_oids[REL_COUNT];
static Oid	owner_oid = InvalidOid; /* InvalidOid: unknown */
static bool relations_known = false;
static bool callback_registered = false;

/* The indexes of the event partition that was used last. */
static struct
{
	Oid			leaf;
	Oid			pkey;
	Oid			result_idx;
}			leaf_indexes;

/*
 * The partition that was looked up last, and the executions whose events it takes:
 * low <= id <= high.
 */
static struct
{
	Oid			leaf;			/* InvalidOid: none is known */
	int64		low;
	int64		high;
}			last_leaf;

/* Relcache callback: makes the OIDs unknown.  It must not read catalogs. */
static void
relations_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == relation_oids[REL_EVENT])
		last_leaf.leaf = InvalidOid;
	if (relid == InvalidOid)
		relations_known = false;
	for (int i = 0; i < REL_COUNT && relations_known; i++)
		if (relation_oids[i] == relid)
			relations_known = false;
	if (relid == InvalidOid || relid == leaf_indexes.leaf)
		leaf_indexes.leaf = InvalidOid;
}

/*
 * Raises an error when Citus distributes one of the tables: rows are written into the
 * tables of this database, and queries would look for them elsewhere.
 */
static void
refuse_distributed(void)
{
	Oid			catalog = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
	AttrNumber	column = InvalidAttrNumber;
	Relation	relation;

	if (OidIsValid(catalog))
		column = get_attnum(catalog, "logicalrelid");
	if (column == InvalidAttrNumber)
		return;
	relation = table_open(catalog, AccessShareLock);
	for (int i = 0; i < REL_COUNT; i++)
	{
		ScanKeyData key;
		SysScanDesc scan;

		if (relation_names[i] == NULL)
			continue;
		ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(relation_oids[i]));
		scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
		if (HeapTupleIsValid(systable_getnext(scan)))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("table noetl.%s is distributed by Citus", relation_names[i]),
					 errdetail("The triggers of noetl need all rows of an execution in one database."),
					 errhint("SELECT undistribute_table('noetl.%s');", relation_names[i])));
		systable_endscan(scan);
	}
	table_close(relation, AccessShareLock);
}

/* Looks up all relations by name, and the owner; raises an error when one is missing. */
static void
find_relations(void)
{
	Oid			schema = get_namespace_oid("noetl", true);

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(relations_changed, (Datum) 0);
		callback_registered = true;
	}
	release_check();
	for (int i = 0; i < REL_COUNT; i++)
	{
		if (relation_names[i] == NULL)
			continue;
		relation_oids[i] = OidIsValid(schema) ?
			get_relname_relid(relation_names[i], schema) : InvalidOid;
		if (!OidIsValid(relation_oids[i]))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("extension \"noetl\" is not installed in this database"),
					 errdetail("Relation noetl.%s does not exist.", relation_names[i]),
					 errhint("Run CREATE EXTENSION noetl.")));
	}
	leaf_indexes.leaf = last_leaf.leaf = InvalidOid;
	refuse_distributed();
	/* what changes from now on makes them unknown; the next lines may be interrupted */
	owner_oid = InvalidOid;
	relations_known = true;
	{
		Relation	execution = table_open(relation_oids[REL_EXECUTION], AccessShareLock);

		owner_oid = execution->rd_rel->relowner;
		table_close(execution, AccessShareLock);
	}
}

/* Returns the OID of a relation. */
Oid
store_relation(StoreRelation which)
{
	if (!relations_known)
		find_relations();
	return relation_oids[which];
}

/* Returns the role that owns the tables. */
Oid
store_owner(void)
{
	if (!relations_known || !OidIsValid(owner_oid))
		find_relations();
	return owner_oid;
}

/* Returns the bound of a range of executions; infinite: what stands for no bound. */
static int64
bound_value(const PartitionBoundInfo bounds, int which, int64 infinite)
{
	return which >= 0 && which < bounds->ndatums &&
		bounds->kind[which][0] == PARTITION_RANGE_DATUM_VALUE ?
		DatumGetInt64(bounds->datums[which][0]) : infinite;
}

/* Looks up the partition that holds an execution's events; InvalidOid: there is none. */
static Oid
find_leaf(int64 execution_id)
{
	Relation	event = table_open(store_relation(REL_EVENT), AccessShareLock);
	PartitionKey key = RelationGetPartitionKey(event);
	PartitionDesc desc = RelationGetPartitionDesc(event, true);
	Oid			leaf = InvalidOid;

	last_leaf.leaf = InvalidOid;
	last_leaf.low = PG_INT64_MIN;
	last_leaf.high = PG_INT64_MAX;
	if (desc->nparts == 1 && desc->boundinfo->default_index == 0)
		leaf = desc->oids[0];
	else if (desc->nparts > 0)
	{
		Datum		value = Int64GetDatum(execution_id);
		bool		equal;
		int			offset = partition_range_datum_bsearch(key->partsupfunc,
														   key->partcollation,
														   desc->boundinfo, 1,
														   &value, &equal);
		int			index = desc->boundinfo->indexes[offset + 1];

		if (index < 0)
			index = desc->boundinfo->default_index;
		if (index >= 0)
			leaf = desc->oids[index];
		last_leaf.low = bound_value(desc->boundinfo, offset, PG_INT64_MIN);
		last_leaf.high = bound_value(desc->boundinfo, offset + 1, PG_INT64_MAX);
		if (last_leaf.high != PG_INT64_MAX)
			last_leaf.high--;
	}
	last_leaf.leaf = leaf;
	table_close(event, AccessShareLock);
	return leaf;
}

/*
 * Returns the partition that was looked up last, locked, if it holds an execution's
 * events; InvalidOid: it does not.  A partition that is detached, or divided, is locked by
 * whoever does it; the lock brings the news.
 */
static Oid
recall_leaf(int64 execution_id)
{
	Oid			leaf = last_leaf.leaf;

	if (!OidIsValid(leaf) || execution_id < last_leaf.low || execution_id > last_leaf.high)
		return InvalidOid;
	LockRelationOid(leaf, RowExclusiveLock);
	if (last_leaf.leaf == leaf)
		return leaf;
	UnlockRelationOid(leaf, RowExclusiveLock);
	return InvalidOid;
}

/*
 * Returns the partition of noetl.event that holds an execution's events; raises an
 * error when there is none.
 */
Oid
store_event_leaf(int64 execution_id)
{
	Oid			leaf = recall_leaf(execution_id);

	if (!OidIsValid(leaf))
		leaf = find_leaf(execution_id);
	if (!OidIsValid(leaf))
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("no partition of noetl.event takes execution " INT64_FORMAT,
						execution_id),
				 errhint("noetl.maintain() makes the default partition.")));
	return leaf;
}

/* Raises an error when the columns of a partition have another order. */
static void
check_event_leaf(Relation leaf)
{
	static const char *const names[EVENT_COLUMNS] = {
		"execution_id", "event_id", "parent_event_id", "parent_execution_id",
		"catalog_id", "created_at", "event_type", "node_id", "node_name",
		"node_type", "status", "duration", "context", "result", "meta", "error",
		"current_index", "current_item", "worker_id", "stack_trace"
	};
	TupleDesc	desc = RelationGetDescr(leaf);

	for (int i = 0; i < EVENT_COLUMNS; i++)
		if (i >= desc->natts ||
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), names[i]) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("partition \"%s\" of noetl.event has its columns in another order",
							RelationGetRelationName(leaf)),
					 errhint("Create partitions with CREATE TABLE … PARTITION OF noetl.event.")));
}

/* Returns whether an index has exactly these first columns, in ascending order. */
static bool
has_columns(Relation index, const AttrNumber *columns, int ncolumns)
{
	if (index->rd_index->indnkeyatts < ncolumns)
		return false;
	for (int i = 0; i < ncolumns; i++)
		if (index->rd_index->indkey.values[i] != columns[i] || index->rd_indoption[i] != 0)
			return false;
	return true;
}

/* Returns whether an index holds the rows with a result, all of them and no others. */
static bool
has_all_results(Relation index)
{
	List	   *predicate = RelationGetIndexPredicate(index);
	NullTest   *test = predicate == NIL ? NULL : (NullTest *) linitial(predicate);

	return list_length(predicate) == 1 && IsA(test, NullTest) &&
		test->nulltesttype == IS_NOT_NULL && IsA(test->arg, Var) &&
		((Var *) test->arg)->varattno == EVENT_COL_RESULT;
}

/* Finds the indexes of a partition of noetl.event by their columns. */
static void
find_leaf_indexes(Relation leaf)
{
	static const AttrNumber pkey[] = {EVENT_COL_EXECUTION_ID, EVENT_COL_EVENT_ID};
	static const AttrNumber result[] = {
		EVENT_COL_EXECUTION_ID, EVENT_COL_NODE_NAME, EVENT_COL_CREATED_AT
	};
	ListCell   *lc;

	leaf_indexes.pkey = InvalidOid;
	leaf_indexes.result_idx = InvalidOid;
	foreach(lc, RelationGetIndexList(leaf))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (!index->rd_index->indisvalid)
			;
		else if (index->rd_index->indisprimary && has_columns(index, pkey, lengthof(pkey)))
			leaf_indexes.pkey = RelationGetRelid(index);
		else if (has_columns(index, result, lengthof(result)) && has_all_results(index))
			leaf_indexes.result_idx = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	if (!OidIsValid(leaf_indexes.pkey) || !OidIsValid(leaf_indexes.result_idx))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("partition \"%s\" of noetl.event lacks an index",
						RelationGetRelationName(leaf)),
				 errdetail("It needs a primary key (execution_id, event_id) and an index on (execution_id, node_name, created_at) WHERE result IS NOT NULL."),
				 errhint("noetl.make_partition() makes partitions with their indexes.")));
}

/* Makes store_index return the event indexes of a partition. */
void
store_use_event_leaf(Relation leaf)
{
	if (leaf_indexes.leaf == RelationGetRelid(leaf))
		return;
	check_event_leaf(leaf);
	leaf_indexes.leaf = InvalidOid; /* should the next line raise */
	find_leaf_indexes(leaf);
	leaf_indexes.leaf = RelationGetRelid(leaf);
}

/* Returns the index to scan: of noetl.event that of the partition in use. */
Oid
store_index(StoreRelation which)
{
	if (which == REL_EVENT_PKEY)
		return leaf_indexes.pkey;
	if (which == REL_EVENT_RESULT_IDX)
		return leaf_indexes.result_idx;
	return store_relation(which);
}
