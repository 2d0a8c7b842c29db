/*
 * store/change_rule.c
 *		What follows a change of a user's table: noetl.change_rule, and what of it has
 *		failed: noetl.change_failure.
 *
 * A rule is looked up once in each statement that changes its table: directly, in
 * the newest snapshot, because the trigger that asks is found in that one too.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/sql.h"
#include "store/store.h"

/* Columns of noetl.change_rule */
enum
{
	RULE_NAME = 1, RULE_TABLE, RULE_PATH, RULE_EVENTS, RULE_CONDITION, RULE_PARAMETERS,
	RULE_KEY, RULE_SIGNAL, RULE_MADE_BY, RULE_COLUMNS = RULE_MADE_BY
};

/* Returns a relation of the extension by its name; raises when it is missing. */
static Oid
rule_relation(const char *name)
{
	Oid			relid = get_relname_relid(name, get_namespace_oid("noetl", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation noetl.%s does not exist", name),
				 errhint("Run ALTER EXTENSION noetl UPDATE.")));
	return relid;
}

/* Returns a column of a rule as text, or NULL. */
static char *
rule_text(HeapTuple tuple, TupleDesc desc, int attribute)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attribute, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Reads a row of noetl.change_rule. */
static void
read_rule(HeapTuple tuple, TupleDesc desc, ChangeRule *rule)
{
	bool		isnull;
	Datum		value;

	rule->name = rule_text(tuple, desc, RULE_NAME);
	rule->table = DatumGetObjectId(heap_getattr(tuple, RULE_TABLE, desc, &isnull));
	rule->path = rule_text(tuple, desc, RULE_PATH);
	rule->events = rule_text(tuple, desc, RULE_EVENTS);
	rule->condition = rule_text(tuple, desc, RULE_CONDITION);
	value = heap_getattr(tuple, RULE_PARAMETERS, desc, &isnull);
	rule->parameters = isnull ? NULL : DatumGetJsonbPCopy(value);
	rule->key = rule_text(tuple, desc, RULE_KEY);
	rule->signal = rule_text(tuple, desc, RULE_SIGNAL);
	rule->made_by = DatumGetObjectId(heap_getattr(tuple, RULE_MADE_BY, desc, &isnull));
}

/* Reads the rule with a name, or all rules (NULL); returns them (ChangeRule *). */
static List *
read_rules(const char *name)
{
	Relation	relation = table_open(rule_relation("change_rule"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	List	   *rules = NIL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	/* the column and its index have the collation "C" */
	if (name != NULL)
		ScanKeyInit(&key, RULE_NAME, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(name));
	scan = systable_beginscan(relation, rule_relation("change_rule_pkey"), name != NULL,
							  snapshot, name != NULL ? 1 : 0, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		ChangeRule *rule = palloc0(sizeof(ChangeRule));

		read_rule(tuple, RelationGetDescr(relation), rule);
		rules = lappend(rules, rule);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	return rules;
}

/* Finds the rule with a name (store/change_rule.h). */
bool
store_find_rule(const char *name, ChangeRule *rule)
{
	List	   *rules = read_rules(name);

	if (rules == NIL)
		return false;
	*rule = *(ChangeRule *) linitial(rules);
	return true;
}

/* Returns all rules (store/change_rule.h). */
List *
store_rules(void)
{
	return read_rules(NULL);
}

/* Sets a jsonb parameter of a statement; NULL: it is null. */
static void
set_jsonb(Datum *values, char *nulls, int number, Jsonb *jsonb)
{
	nulls[number] = jsonb == NULL ? 'n' : ' ';
	values[number] = PointerGetDatum(jsonb);
}

/* Inserts a rule (store/change_rule.h). */
void
store_insert_rule(const ChangeRule *rule)
{
	Oid			types[RULE_COLUMNS] = {
		TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, OIDOID
	};
	Datum		values[RULE_COLUMNS];
	char		nulls[RULE_COLUMNS];

	sql_set_text(values, nulls, RULE_NAME - 1, rule->name);
	values[RULE_TABLE - 1] = ObjectIdGetDatum(rule->table);
	nulls[RULE_TABLE - 1] = ' ';
	sql_set_text(values, nulls, RULE_PATH - 1, rule->path);
	sql_set_text(values, nulls, RULE_EVENTS - 1, rule->events);
	sql_set_text(values, nulls, RULE_CONDITION - 1, rule->condition);
	set_jsonb(values, nulls, RULE_PARAMETERS - 1, rule->parameters);
	sql_set_text(values, nulls, RULE_KEY - 1, rule->key);
	sql_set_text(values, nulls, RULE_SIGNAL - 1, rule->signal);
	values[RULE_MADE_BY - 1] = ObjectIdGetDatum(rule->made_by);
	nulls[RULE_MADE_BY - 1] = ' ';
	(void) sql_execute("INSERT INTO noetl.change_rule (name, table_name, path, events,"
					   " condition, parameters, key, signal, made_by)"
					   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
					   RULE_COLUMNS, types, values, nulls, NULL, NULL);
}

/* Deletes the rule with a name. */
void
store_delete_rule(const char *name)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(name)};

	(void) sql_execute("DELETE FROM noetl.change_rule WHERE name OPERATOR(pg_catalog.=) $1",
					   1, types, values, NULL, NULL, NULL);
}

/* Inserts a row into noetl.change_failure. */
void
store_insert_change_failure(const ChangeFailure *failure)
{
	Oid			types[] = {TEXTOID, OIDOID, TEXTOID, TEXTOID, JSONBOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types)];

	sql_set_text(values, nulls, 0, failure->rule->name);
	values[1] = ObjectIdGetDatum(failure->rule->made_by);
	nulls[1] = ' ';
	sql_set_text(values, nulls, 2, failure->sqlstate);
	sql_set_text(values, nulls, 3, failure->error);
	set_jsonb(values, nulls, 4, failure->change);
	(void) sql_execute("INSERT INTO noetl.change_failure (rule, made_by, sqlstate, error, change)"
					   " VALUES ($1, $2, $3, $4, $5)",
					   lengthof(types), types, values, nulls, NULL, NULL);
}
