/*
 * store/partition.c
 *		Partitions of noetl.event: a proof that one has no events of a range of
 *		executions.
 *
 * PostgreSQL reads the whole default partition, while nobody can use it, when
 * another partition is attached, unless a CHECK says that it has no such rows; and
 * to add a CHECK it reads the table as well.  An index tells at once.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/heap.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/store.h"

/* Returns whether a locked partition has an event of an execution in the range. */
static bool
has_events_of(Relation leaf, int64 since, int64 until)
{
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot = table_slot_create(leaf, NULL);
	ScanKeyData keys[2];
	bool		found;

	store_use_event_leaf(leaf);
	index = index_open(store_index(REL_EVENT_PKEY), AccessShareLock);
	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(since));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_INT8LT, Int64GetDatum(until));
	scan = index_beginscan(leaf, index, SnapshotSelf,
#if PG_VERSION_NUM >= 180000
						   NULL,
#endif
						   2, 0);
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/* Returns the expression "execution_id <operator> bound". */
static Expr *
compare_id(int16 strategy, int64 bound)
{
	Oid			operator = get_opfamily_member(INTEGER_BTREE_FAM_OID, INT8OID, INT8OID, strategy);
	Expr	   *expr = make_opclause(operator, BOOLOID, false,
									 (Expr *) makeVar(1, EVENT_COL_EXECUTION_ID, INT8OID, -1,
													  InvalidOid, 0),
									 (Expr *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
														Int64GetDatum(bound), false,
														FLOAT8PASSBYVAL),
									 InvalidOid, InvalidOid);

	set_opfuncid((OpExpr *) expr);
	return expr;
}

/* Adds a CHECK that is known to hold. */
static void
add_check(Relation leaf, const char *name, Expr *expr)
{
	Constraint *check = makeNode(Constraint);

	check->contype = CONSTR_CHECK;
	check->conname = pstrdup(name);
	check->cooked_expr = nodeToString(expr);
	check->location = -1;
	check->skip_validation = true;
	check->initially_valid = true;
#if PG_VERSION_NUM >= 180000
	check->is_enforced = true;
#endif
	(void) AddRelationNewConstraints(leaf, NIL, list_make1(check), false, true, false, NULL);
}

/* Adds a CHECK that a partition has no events of a range (store/store.h). */
void
store_exclude_range(Oid partition, int64 since, int64 until, const char *name)
{
	Relation	leaf = try_relation_open(partition, AccessExclusiveLock);

	if (leaf == NULL || leaf->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation %u is not a partition of noetl.event", partition)));
	if (!superuser() && GetUserId() != leaf->rd_rel->relowner)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table \"%s\"", RelationGetRelationName(leaf))));
	if (has_events_of(leaf, since, until))
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("partition \"%s\" of noetl.event has events of executions that are to go to another one",
						RelationGetRelationName(leaf)),
				 errdetail("Their ids are between " INT64_FORMAT " and " INT64_FORMAT ".",
						   since, until),
				 errhint("Choose a time for which there are no executions yet.")));
	add_check(leaf, name,
			  makeBoolExpr(OR_EXPR,
						   list_make2(compare_id(BTLessStrategyNumber, since),
									  compare_id(BTGreaterEqualStrategyNumber, until)), -1));
	relation_close(leaf, NoLock);
}
