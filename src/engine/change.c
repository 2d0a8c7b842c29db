/*
 * engine/change.c
 *		Rows of a user's table change: the trigger, and how its failures are kept.
 *
 * A statement trigger gets the rows of a statement from transition tables; a row
 * trigger, which partitions and logical replication need, gets one row at a time.
 *
 * The session belongs to whoever writes the table, and has no say: its temporary
 * objects, settings and user are put aside, as for a save.  Rows are converted as the
 * owner of the table, whose columns may have types with code of their own; all else
 * is done as the role that made the rule.
 *
 *		all rows, in one subtransaction
 *		  │ an error
 *		  v
 *		each row, in one of its own ── an error ──> noetl.change_failure
 *
 * So a rule never fails the statement.  What ends the transaction anyway, or a wait
 * for a lock that takes too long, does.
 */
#include "common/common.h"

#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

#include "engine/change_rule.h"
#include "engine/row_json.h"
#include "engine/save_session.h"

/* How deeply changes may lead to executions that change tables with rules. */
#define DEEPEST_CHANGE	16

PG_FUNCTION_INFO_V1(noetl_change_fired);

/* The rows of a statement: of its transition tables, or the one of a row trigger. */
typedef struct RowSource
{
	Tuplestorestate *store;		/* NULL: there are none, or it is a row trigger */
	int			pointer;
	TupleTableSlot *slot;		/* NULL: there are none */
} RowSource;

/* A trigger of a statement; it lasts as long as the statement. */
typedef struct Firing
{
	CompiledRule *compiled;		/* NULL: the rule of the trigger does not exist */
	Oid			table_owner;
	const char *event;			/* a row trigger may be for several */
	bool		updated;
	RowJson		columns;
	TupleDesc	desc;
	int			nwatched;		/* columns one of which an UPDATE must change; 0: any */
	const int16 *watched;
	MemoryContext memory;
	MemoryContext row_memory;	/* emptied after each row */
	RowSource	new_rows;
	RowSource	old_rows;
	bool		by_row;
	bool		at_end;			/* of a row trigger: the row has been taken */
	bool		checked;		/* the rule may do what it says */
	bool		row_known;
	ChangedRow	row;			/* of row_memory */
	SaveSession session;
	int			context;		/* the security context of the rule */
} Firing;

static int	depth = 0;

/* ---------------------------------------------------------------------------
 * Preparation
 * ---------------------------------------------------------------------------
 */

/* Returns the word for what a trigger was fired by. */
static const char *
event_word(TriggerEvent event)
{
	return TRIGGER_FIRED_BY_INSERT(event) ? "INSERT" :
		TRIGGER_FIRED_BY_UPDATE(event) ? "UPDATE" : "DELETE";
}

/* Returns whether a trigger carries out the same rule as another one of its table. */
static bool
is_of_same_rule(const Trigger *other, const Trigger *trigger)
{
	return other->tgfoid == trigger->tgfoid && other->tgnargs == 1 &&
		strcmp(other->tgargs[0], trigger->tgargs[0]) == 0;
}

/*
 * Returns whether statement triggers hear of the change that a row trigger was fired for.  It is
 * there for replicas, which fire no statement triggers, and fires in other sessions when somebody
 * has disabled and enabled all triggers of the table.
 */
static bool
is_heard_of(const TriggerData *data)
{
	const TriggerDesc *triggers = data->tg_relation->trigdesc;

	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) || data->tg_trigger->tgnargs != 1 ||
		SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
		if (!TRIGGER_FOR_ROW(triggers->triggers[i].tgtype) &&
			is_of_same_rule(&triggers->triggers[i], data->tg_trigger))
			return true;
	return false;
}

/*
 * Finds the columns that an UPDATE is about.  A trigger with transition tables cannot
 * have a list of columns; the row trigger of the same rule has it.
 */
static void
find_watched(Firing *firing, const TriggerData *data)
{
	const TriggerDesc *triggers = data->tg_relation->trigdesc;

	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *other = &triggers->triggers[i];

		if (other->tgnattr == 0 || !is_of_same_rule(other, data->tg_trigger))
			continue;
		firing->nwatched = other->tgnattr;
		firing->watched = memcpy(palloc(sizeof(int16) * other->tgnattr), other->tgattr,
								 sizeof(int16) * other->tgnattr);
		return;
	}
}

/* Returns whether the events of a rule name columns: no other word of them has OF. */
static bool
names_columns(const ChangeRule *rule)
{
	for (const char *p = rule->events; *p != '\0'; p++)
		if (pg_strncasecmp(p, "of", 2) == 0)
			return true;
	return false;
}

/* Returns whether a rule is about a table: it, or a table that it is a partition of. */
static bool
is_about(const ChangeRule *rule, Relation relation)
{
	return rule->table == RelationGetRelid(relation) ||
		(relation->rd_rel->relispartition &&
		 list_member_oid(get_partition_ancestors(RelationGetRelid(relation)), rule->table));
}

/* Returns what a trigger needs for all rows of a statement. */
static Firing *
prepare(FunctionCallInfo fcinfo, const TriggerData *data)
{
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	Firing	   *firing = palloc0(sizeof(Firing));
	ChangeRule	rule;

	if (data->tg_trigger->tgnargs == 1 && store_find_rule(data->tg_trigger->tgargs[0], &rule) &&
		is_about(&rule, data->tg_relation))
	{
		firing->desc = CreateTupleDescCopy(RelationGetDescr(data->tg_relation));
		firing->compiled = change_rule_compile(&rule, firing->desc);
		firing->table_owner = data->tg_relation->rd_rel->relowner;
		firing->by_row = TRIGGER_FIRED_FOR_ROW(data->tg_event);
		firing->memory = CurrentMemoryContext;
		firing->row_memory = AllocSetContextCreate(CurrentMemoryContext, "noetl changed row",
												   ALLOCSET_DEFAULT_SIZES);
		row_json_prepare(&firing->columns, firing->desc, CurrentMemoryContext);
		find_watched(firing, data);
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event) && firing->nwatched == 0 &&
			names_columns(&rule) && firing->compiled->fault == NULL)
			firing->compiled->fault = "the columns of UPDATE OF do not exist any more";
	}
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = firing;
	return firing;
}

/* Opens a transition table; NULL: there is none. */
static void
open_rows(Firing *firing, RowSource *rows, Tuplestorestate *store)
{
	MemoryContext old = MemoryContextSwitchTo(firing->memory);

	rows->store = store;
	if (store != NULL)
	{
		rows->pointer = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);
		if (rows->slot == NULL)
			rows->slot = MakeSingleTupleTableSlot(firing->desc, &TTSOpsMinimalTuple);
	}
	MemoryContextSwitchTo(old);
}

/* Takes over the rows that a trigger was called for. */
static void
take_rows(Firing *firing, const TriggerData *data)
{
	bool		deleted = TRIGGER_FIRED_BY_DELETE(data->tg_event);
	bool		updated = TRIGGER_FIRED_BY_UPDATE(data->tg_event);

	firing->event = event_word(data->tg_event);
	firing->updated = updated;
	if (!firing->by_row)
	{
		open_rows(firing, &firing->new_rows, data->tg_newtable);
		open_rows(firing, &firing->old_rows, data->tg_oldtable);
		return;
	}
	firing->old_rows.slot = deleted || updated ? data->tg_trigslot : NULL;
	firing->new_rows.slot = deleted ? NULL : updated ? data->tg_newslot : data->tg_trigslot;
}

/* ---------------------------------------------------------------------------
 * Rows
 * ---------------------------------------------------------------------------
 */

/* Goes back to the first row. */
static void
rewind_rows(Firing *firing)
{
	RowSource  *sources[] = {&firing->new_rows, &firing->old_rows};

	firing->at_end = false;
	for (int i = 0; i < lengthof(sources); i++)
		if (sources[i]->store != NULL)
		{
			tuplestore_select_read_pointer(sources[i]->store, sources[i]->pointer);
			tuplestore_rescan(sources[i]->store);
		}
}

/* Fetches the next row of a transition table; false behind the last. */
static bool
fetch(const RowSource *rows)
{
	tuplestore_select_read_pointer(rows->store, rows->pointer);
	return tuplestore_gettupleslot(rows->store, true, false, rows->slot);
}

/* Goes to the next row; false behind the last. */
static bool
next_row(Firing *firing)
{
	bool		found = true;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(firing->row_memory);
	firing->row_known = false;
	if (firing->by_row)
	{
		found = !firing->at_end;
		firing->at_end = true;
		return found;
	}
	if (firing->new_rows.store != NULL)
		found = fetch(&firing->new_rows);
	if (firing->old_rows.store != NULL)
		found = fetch(&firing->old_rows) && found;
	return found;
}

/* Returns whether a row has another value in one of the columns that are watched. */
static bool
is_changed(const Firing *firing)
{
	for (int i = 0; i < firing->nwatched; i++)
	{
		Form_pg_attribute column = TupleDescAttr(firing->desc, firing->watched[i] - 1);
		bool		new_null;
		bool		old_null;
		Datum		new_value = slot_getattr(firing->new_rows.slot, column->attnum, &new_null);
		Datum		old_value = slot_getattr(firing->old_rows.slot, column->attnum, &old_null);

		if (new_null != old_null ||
			(!new_null && !datum_image_eq(new_value, old_value, column->attbyval,
										  column->attlen)))
			return true;
	}
	return firing->nwatched == 0;
}

/* Reads the row at hand, as the owner of the table. */
static void
read_row(Firing *firing)
{
	SetUserIdAndSecContext(firing->table_owner, firing->context);
	firing->row.event = firing->event;
	json_null(&firing->row.new_row);
	json_null(&firing->row.old_row);
	if (firing->new_rows.slot != NULL)
		row_json_build(&firing->columns, firing->new_rows.slot, &firing->row.new_row);
	if (firing->old_rows.slot != NULL)
		row_json_build(&firing->columns, firing->old_rows.slot, &firing->row.old_row);
	firing->row_known = true;
	SetUserIdAndSecContext(firing->compiled->rule.made_by, firing->context);
}

/* Raises when the rule must not do anything; looks once in a subtransaction. */
static void
check_rule(Firing *firing)
{
	if (firing->checked)
		return;
	if (depth > DEEPEST_CHANGE)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("rules nest too deeply"),
				 errdetail("%d changes of tables have led to each other.", depth)));
	change_check_role(&firing->compiled->rule);
	firing->checked = true;
}

/* Does what the rule says of the row at hand. */
static void
handle_row(Firing *firing)
{
	MemoryContext old;
	ChangeOutcome outcome;

	if (firing->updated && !is_changed(firing))
		return;
	old = MemoryContextSwitchTo(firing->row_memory);
	read_row(firing);
	change_rule_evaluate(firing->compiled, &firing->row, &outcome);
	if (outcome.wanted)
	{
		check_rule(firing);
		change_act(firing->compiled, &firing->row, &outcome);
	}
	MemoryContextSwitchTo(old);
}

/* ---------------------------------------------------------------------------
 * Subtransactions
 * ---------------------------------------------------------------------------
 */

/* Does what the rule says of the row at hand, or (all) of all rows. */
static void
handle_rows(Firing *firing, bool all)
{
	Oid			user;

	firing->checked = false;
	save_session_enter(&firing->session, firing->compiled->rule.made_by);
	GetUserIdAndSecContext(&user, &firing->context);
	if (!all)
		handle_row(firing);
	else
		while (next_row(firing))
			handle_row(firing);
	save_session_leave(&firing->session);
}

/* Does the same in a subtransaction; returns the error that it raised, or NULL. */
static ErrorData *
attempt(Firing *firing, bool all)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	const Settings *settings = settings_in_force;
	ErrorData  *volatile error = NULL;

	save_session_note(&firing->session);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	depth++;
	settings_in_force = NULL;	/* those of an execution that writes the table do not count */
	PG_TRY();
	{
		handle_rows(firing, all);
		save_session_reveal(&firing->session);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		save_session_reveal(&firing->session);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	depth--;
	settings_in_force = settings;
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	save_session_clean(&firing->session);
	return error;
}

/* Does what the rule says of all rows. */
static void
fire(Firing *firing)
{
	ErrorData  *error;

	rewind_rows(firing);
	error = attempt(firing, true);
	if (error == NULL)
		return;
	if (error_is_passing(error->sqlerrcode))
		ReThrowError(error);
	rewind_rows(firing);
	while (next_row(firing))
	{
		error = attempt(firing, false);
		if (error == NULL)
			continue;
		if (error_is_passing(error->sqlerrcode))
			ReThrowError(error);
		change_record_failure(&firing->compiled->rule, firing->row_known ? &firing->row : NULL,
							  unpack_sql_state(error->sqlerrcode), error->message);
		FreeErrorData(error);
	}
}

/* The trigger of a table that has a rule. */
Datum
noetl_change_fired(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	MemoryContext memory;
	MemoryContext old;
	Firing	   *firing;

	/* a trigger of TRUNCATE is one of a statement, and has no transition tables */
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) ||
		(!TRIGGER_FIRED_FOR_ROW(data->tg_event) &&
		 data->tg_newtable == NULL && data->tg_oldtable == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("noetl.change_fired() may only be a trigger that noetl.on_change() has made")));
	if (is_heard_of(data))
		return PointerGetDatum(NULL);
	firing = (Firing *) fcinfo->flinfo->fn_extra;
	if (firing == NULL)
	{
		firing = prepare(fcinfo, data);
		if (firing->compiled == NULL)
			ereport(WARNING,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("nothing follows the change of table \"%s\": the rule of trigger \"%s\" does not exist",
							RelationGetRelationName(data->tg_relation), data->tg_trigger->tgname),
					 errhint("Make the rule again with noetl.on_change(), or drop the trigger.")));
	}
	if (firing->compiled == NULL)
		return PointerGetDatum(NULL);
	memory = AllocSetContextCreate(CurrentMemoryContext, "noetl change", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(memory);
	take_rows(firing, data);
	fire(firing);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return PointerGetDatum(NULL);
}
