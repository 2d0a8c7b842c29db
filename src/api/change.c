/*
 * api/change.c
 *		noetl.on_change() and noetl.off_change(): rules on changes of a table; and the
 *		event trigger that deletes the rules of tables that have been dropped.
 */
#include "common/common.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "api/arguments.h"
#include "api/change_trigger.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_on_change);
PG_FUNCTION_INFO_V1(noetl_off_change);
PG_FUNCTION_INFO_V1(noetl_change_dropped);

#define LONGEST_NAME	200		/* bytes */

/* Returns whether the current role is the owner of a table, or a member of the owner. */
static bool
owns(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return false;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return has_privs_of_role(GetUserId(), owner);
}

/* Raises unless the current role may put a trigger on a table. */
static void
check_right(Oid table)
{
	if (get_rel_name(table) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no table with the oid %u", table)));
	if (!owns(table) && pg_class_aclcheck(table, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table \"%s\"", get_rel_name(table)),
				 errhint("Who makes a rule owns the table, or has TRIGGER on it.")));
}

/* Raises unless a relation can have rules. */
static void
check_table(Relation table)
{
	const char *what = NULL;

	if (table->rd_rel->relkind != RELKIND_RELATION &&
		table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		what = "is no table";
	else if (table->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		what = "is temporary";
	else if (RelationGetRelid(table) < FirstNormalObjectId)
		what = "is a system catalog";
	else if (RelationGetNamespace(table) == get_namespace_oid("noetl", false))
		what = "belongs to noetl";
	if (what != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot have a rule: it %s", RelationGetRelationName(table), what)));
}

/* Raises unless a rule says what to do. */
static void
check_action(const ChangeRule *rule)
{
	int64		catalog_id;
	JsonbValue	parameters;

	if (rule->parameters != NULL)
	{
		json_from_jsonb(rule->parameters, &parameters);
		if (!json_is_object(&parameters) && rule->signal == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the parameters of a rule must be a JSON object")));
	}
	if (rule->signal != NULL)
	{
		if (rule->key == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a rule that sends a signal needs a key"),
					 errhint("The key says which waits the signal is for, as in noetl.send().")));
		return;
	}
	if (rule->path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a rule needs the path of a playbook, or a signal")));
	if (!catalog_find(rule->path, 0, DT_NOEND, &catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("playbook \"%s\" is not registered", rule->path),
				 errhint("Register it with noetl.register().")));
	catalog_check_execute(catalog_id, GetUserId());
}

/* Returns a name that no rule has: what is done, and the table. */
static char *
new_name(const ChangeRule *rule)
{
	char	   *base = psprintf("%s on %s", rule->signal != NULL ? rule->signal : rule->path,
								get_rel_name(rule->table));
	char	   *name;
	ChangeRule	other;

	base[pg_mbcliplen(base, strlen(base), LONGEST_NAME - 12)] = '\0';
	name = base;
	for (int i = 2; store_find_rule(name, &other); i++)
		name = psprintf("%s %d", base, i);
	return name;
}

/*
 * Removes the rule with a name, and its triggers.  Raises unless it is the current
 * role's.  Returns false when there is none.
 */
static bool
remove_rule(const char *name, bool by_owner_of_table)
{
	ChangeRule	rule;

	if (!store_find_rule(name, &rule))
		return false;
	if (!engine_acts_for(rule.made_by) && !(by_owner_of_table && owns(rule.table)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for rule \"%s\"", name),
				 errdetail("Role \"%s\" is not a member of the role that made the rule.",
						   GetUserNameFromId(GetUserId(), false))));
	change_triggers_drop(rule.table, name);
	store_delete_rule(name);
	return true;
}

/* Reads the arguments of noetl.on_change(). */
static void
read_rule(FunctionCallInfo fcinfo, ChangeRule *rule)
{
	memset(rule, 0, sizeof(ChangeRule));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table_name and events must not be null")));
	rule->table = PG_GETARG_OID(0);
	rule->path = text_argument(fcinfo, 1);
	rule->events = text_argument(fcinfo, 2);
	rule->condition = text_argument(fcinfo, 3);
	rule->parameters = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);
	rule->key = text_argument(fcinfo, 5);
	rule->signal = text_argument(fcinfo, 6);
	rule->name = text_argument(fcinfo, 7);
	rule->made_by = GetUserId();
	if (rule->name != NULL && (rule->name[0] == '\0' || strlen(rule->name) > LONGEST_NAME))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a rule has 1 to %d bytes", LONGEST_NAME)));
}

/*
 * noetl.on_change(table_name, path, events, condition, parameters, key, signal, name):
 * makes a rule, and the triggers that carry it out; returns its name.
 */
Datum
noetl_on_change(PG_FUNCTION_ARGS)
{
	ChangeRule	rule;
	ChangeEvents events;
	Relation	table;

	read_rule(fcinfo, &rule);
	change_events_read(rule.events, &events);
	check_right(rule.table);
	/* an old rule is replaced: its triggers are dropped */
	table = table_open(rule.table, rule.name != NULL ? AccessExclusiveLock : ShareRowExclusiveLock);
	check_right(rule.table);
	check_table(table);
	check_action(&rule);
	engine_check_rule(&rule, RelationGetDescr(table));
	if (rule.name == NULL)
		rule.name = new_name(&rule);
	else
		(void) remove_rule(rule.name, false);
	store_insert_rule(&rule);
	change_triggers_create(table, rule.name, &events);
	table_close(table, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(rule.name));
}

/* noetl.off_change(name): removes a rule; returns false when there is none. */
Datum
noetl_off_change(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(remove_rule(text_to_cstring(PG_GETARG_TEXT_PP(0)), true));
}

/*
 * Returns whether the command has dropped a trigger of a rule.  While a dump is being
 * restored, rules are there before their triggers, and other commands say nothing
 * about them.
 */
static bool
trigger_dropped(void)
{
	bool		dropped;

	SPI_connect();
	if (SPI_execute("SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() AS o"
					" WHERE o.object_type OPERATOR(pg_catalog.=) 'trigger'"
					" AND pg_catalog.starts_with(o.address_names[3], 'noetl_change_')",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read what has been dropped");
	dropped = SPI_processed > 0;
	SPI_finish();
	return dropped;
}

/*
 * Event trigger on sql_drop: deletes the rules whose table, or last trigger, does not
 * exist any more.
 */
Datum
noetl_change_dropped(PG_FUNCTION_ARGS)
{
	List	   *rules;
	ListCell   *lc;
	bool		look_for_triggers;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("noetl.change_dropped() may only be an event trigger")));
	/* the extension is being dropped, or replaced by an older version */
	if (!OidIsValid(get_relname_relid("change_rule", get_namespace_oid("noetl", true))))
		PG_RETURN_NULL();
	rules = store_rules();
	look_for_triggers = rules != NIL && trigger_dropped();
	foreach(lc, rules)
	{
		const ChangeRule *rule = (ChangeRule *) lfirst(lc);

		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(rule->table)) ||
			(look_for_triggers && change_triggers_find(rule->table, rule->name) == NIL))
			store_delete_rule(rule->name);
	}
	PG_RETURN_NULL();
}
