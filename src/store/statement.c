/*
 * store/statement.c
 *		Triggers of users that fire once for a statement, and transition tables.
 *
 * The executor's functions for simple relations fire row triggers only.  Here the
 * writes of a store count as one statement for each table and command:
 *
 *		first write ──> BEFORE STATEMENT triggers
 *		each write ───> BEFORE ROW, the row, transition tables, AFTER ROW
 *		store_close ──> AFTER ROW and AFTER STATEMENT triggers, once, with the
 *		                transition tables of all writes
 *
 * The server's own trigger queue sees to "once": a query level begins with the store.
 * Rows of noetl.event are stored in a partition; the statement is one on noetl.event.
 */
#include "common/common.h"

#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/snapmgr.h"

#include "store/statement.h"

/* The statement triggers of a table. */
typedef struct StatementTriggers
{
	Relation	root;			/* noetl.event itself, whose partition the table is;
								 * NULL: the triggers are the table's own */
	ResultRelInfo *target;		/* the table that the statement names */
	ResultRelInfo *rows;		/* the table that has the rows, with all its triggers;
								 * those of the table lack AFTER ROW */
} StatementTriggers;

/* Returns whether triggers fire for statements, or want transition tables. */
static bool
any_statement_trigger(const TriggerDesc *triggers)
{
	return triggers != NULL &&
		(triggers->trig_insert_before_statement || triggers->trig_insert_after_statement ||
		 triggers->trig_update_before_statement || triggers->trig_update_after_statement ||
		 triggers->trig_delete_before_statement || triggers->trig_delete_after_statement ||
		 triggers->trig_insert_new_table || triggers->trig_update_old_table ||
		 triggers->trig_update_new_table || triggers->trig_delete_old_table);
}

/* Takes the AFTER ROW triggers away from a table: statement_…() fires them. */
static void
drop_after_row(ResultRelInfo *result_rel)
{
	TriggerDesc *triggers = result_rel->ri_TrigDesc;

	if (triggers == NULL)
		return;
	triggers->trig_insert_after_row = false;
	triggers->trig_update_after_row = false;
	triggers->trig_delete_after_row = false;
}

/* Returns a description of a relation; root: the one that it is a partition of, or NULL. */
static ResultRelInfo *
make_result_rel(Relation relation, StoreRelation which, ResultRelInfo *root)
{
	ResultRelInfo *result_rel = makeNode(ResultRelInfo);

	InitResultRelInfo(result_rel, relation, which + 1, root, 0);
	return result_rel;
}

/* Describes the statement triggers of a table; NULL: it has none. */
StatementTriggers *
statement_describe(StoreTable *table, StoreRelation which)
{
	Relation	root = which != REL_EVENT ? NULL :
		table_open(store_relation(REL_EVENT), RowExclusiveLock);
	Relation	target = root != NULL ? root : table->relation;
	StatementTriggers *triggers;

	if (!any_statement_trigger(target->trigdesc))
	{
		if (root != NULL)
			table_close(root, NoLock);
		return NULL;
	}
	triggers = palloc0(sizeof(StatementTriggers));
	triggers->root = root;
	triggers->target = make_result_rel(target, which, NULL);
	triggers->rows = make_result_rel(table->relation, which,
									 root != NULL ? triggers->target : NULL);
	if (table->result_rel->ri_TrigDesc == NULL)
		triggers->rows->ri_TrigDesc = NULL;
	drop_after_row(table->result_rel);
	return triggers;
}

/* Closes what statement_describe() has opened. */
void
statement_close(StoreTable *table)
{
	if (table->statement != NULL && table->statement->root != NULL)
		table_close(table->statement->root, NoLock);
	table->statement = NULL;
}

/* Returns where rows of a command are collected for transition tables, or NULL. */
static TransitionCaptureState *
capture(const StatementTriggers *triggers, CmdType command)
{
	return MakeTransitionCaptureState(triggers->target->ri_TrigDesc,
									  RelationGetRelid(triggers->target->ri_RelationDesc),
									  command);
}

/* Inserts the row in the insert slot; a BEFORE ROW trigger may suppress that. */
void
statement_insert(Store *store, StoreTable *table)
{
	StatementTriggers *triggers = table->statement;
	EState	   *estate = store->estate;
	TransitionCaptureState *rows;

	ExecBSInsertTriggers(estate, triggers->target);
	rows = capture(triggers, CMD_INSERT);
	ItemPointerSetInvalid(&table->insert_slot->tts_tid);
	ExecSimpleRelationInsert(table->result_rel, estate, table->insert_slot);
	if (ItemPointerIsValid(&table->insert_slot->tts_tid))
		ExecARInsertTriggers(estate, triggers->rows, table->insert_slot, NIL, rows);
	ExecASInsertTriggers(estate, triggers->target, rows);
}

/* Replaces the row in "old" by the one in "new"; a BEFORE ROW trigger may suppress that. */
void
statement_update(Store *store, StoreTable *table, EPQState *epq, TupleTableSlot *old,
				 TupleTableSlot *new)
{
	StatementTriggers *triggers = table->statement;
	EState	   *estate = store->estate;
	ItemPointerData tid = old->tts_tid;
	TransitionCaptureState *rows;

	ExecBSUpdateTriggers(estate, triggers->target);
	rows = capture(triggers, CMD_UPDATE);
	ItemPointerSetInvalid(&new->tts_tid);
	ExecSimpleRelationUpdate(table->result_rel, estate, epq, old, new);
	if (ItemPointerIsValid(&new->tts_tid))
#if PG_VERSION_NUM >= 150000
		ExecARUpdateTriggers(estate, triggers->rows, NULL, NULL, &tid, NULL, new, NIL, rows,
							 false);
#else
		ExecARUpdateTriggers(estate, triggers->rows, &tid, NULL, new, NIL, rows);
#endif
	ExecASUpdateTriggers(estate, triggers->target, rows);
}

/* Returns whether a row is still there, because a BEFORE ROW trigger has kept it. */
static bool
is_there(const StoreTable *table, ItemPointer tid)
{
	TupleTableSlot *slot;
	bool		found;

	if (table->result_rel->ri_TrigDesc == NULL ||
		!table->result_rel->ri_TrigDesc->trig_delete_before_row)
		return false;
	slot = table_slot_create(table->relation, NULL);
	found = table_tuple_fetch_row_version(table->relation, tid, SnapshotSelf, slot);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/* Deletes the row in "old"; a BEFORE ROW trigger may suppress that. */
void
statement_delete(Store *store, StoreTable *table, EPQState *epq, TupleTableSlot *old)
{
	StatementTriggers *triggers = table->statement;
	EState	   *estate = store->estate;
	ItemPointerData tid = old->tts_tid;
	TransitionCaptureState *rows;

	ExecBSDeleteTriggers(estate, triggers->target);
	rows = capture(triggers, CMD_DELETE);
	ExecSimpleRelationDelete(table->result_rel, estate, epq, old);
	if (!is_there(table, &tid))
#if PG_VERSION_NUM >= 150000
		ExecARDeleteTriggers(estate, triggers->rows, &tid, NULL, rows, false);
#else
		ExecARDeleteTriggers(estate, triggers->rows, &tid, NULL, rows);
#endif
	ExecASDeleteTriggers(estate, triggers->target, rows);
}
