/*
 * store/constraint.c
 *		The constraints of a table.
 */
#include "common/common.h"

#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"

#include "store/constraint.h"
#include "store/predicate.h"

struct Constraints
{
	bool		by_executor;	/* all of them */
	int			nnot_null;
	AttrNumber *not_null;
	int			nchecks;
	Predicate **checks;
};

/* Compiles a CHECK. */
static Predicate *
compile_check(const ConstrCheck *check)
{
	return predicate_compile(list_make1(expression_planner((Expr *) stringToNode(check->ccbin))));
}

/* Compiles the CHECKs of a table. */
static void
compile_checks(Constraints *constraints, const TupleConstr *constr)
{
	constraints->checks = palloc(sizeof(Predicate *) * Max(constr->num_check, 1));
	for (int i = 0; i < constr->num_check; i++)
	{
#if PG_VERSION_NUM >= 180000
		if (!constr->check[i].ccenforced)
			continue;
#endif
		constraints->checks[constraints->nchecks++] = compile_check(&constr->check[i]);
	}
}

/* Describes the constraints of an open table (store/constraint.h). */
Constraints *
constraint_describe(Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);
	Constraints *constraints = palloc0(sizeof(Constraints));

	if (desc->constr == NULL)
		return constraints;
	constraints->not_null = palloc(sizeof(AttrNumber) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attnotnull)
			constraints->not_null[constraints->nnot_null++] = i + 1;
#if PG_VERSION_NUM >= 180000
	constraints->by_executor = desc->constr->has_generated_virtual;
#endif
	if (!constraints->by_executor)
		compile_checks(constraints, desc->constr);
	return constraints;
}

/* Returns whether a row is known to violate no constraint. */
static bool
satisfies(Store *store, const Constraints *constraints, TupleTableSlot *slot)
{
	ExprContext *econtext = GetPerTupleExprContext(store->estate);

	if (constraints->by_executor)
		return false;
	for (int i = 0; i < constraints->nnot_null; i++)
		if (slot_attisnull(slot, constraints->not_null[i]))
			return false;
	for (int i = 0; i < constraints->nchecks; i++)
		if (predicate_fails(constraints->checks[i], slot, econtext))
			return false;
	return true;
}

/* Raises an error when a row violates a constraint (store/constraint.h). */
void
constraint_check(Store *store, StoreTable *table, TupleTableSlot *slot)
{
	if (table->relation->rd_att->constr != NULL &&
		!satisfies(store, table->constraints, slot))
		ExecConstraints(table->result_rel, slot, store->estate);
}
