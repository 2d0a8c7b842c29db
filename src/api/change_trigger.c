/*
 * api/change_trigger.c
 *		The triggers of a rule on changes of a table.
 *
 *		a table      one statement trigger for each event, with transition tables,
 *		             and a row trigger that is enabled for replicas only: the apply
 *		             of logical replication fires no statement triggers
 *		partitions   one row trigger, always enabled: it is cloned to all partitions,
 *		             and fires for rows that are written to a partition directly
 *
 * The row trigger has the columns of UPDATE OF; a trigger with transition tables
 * cannot have any.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "api/change_trigger.h"

/* ---------------------------------------------------------------------------
 * Events
 * ---------------------------------------------------------------------------
 */

/* Raises: a text does not say what changes a rule is about. */
pg_noreturn static void
raise_bad_events(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" does not say what changes a rule is about", text),
			 errhint("Write INSERT, UPDATE, UPDATE OF column, … or DELETE, joined by OR.")));
}

/*
 * Reads the next word: an identifier, "quoted" or folded to lower case, or a comma.
 * NULL at the end.  *quoted: it is no keyword.
 */
static char *
next_word(const char **at, const char *text, bool *quoted)
{
	StringInfoData word;
	const char *p = *at;
	const char *start;

	while (scanner_isspace(*p))
		p++;
	start = p;
	*quoted = *p == '"';
	initStringInfo(&word);
	if (*quoted)
	{
		for (p++; *p != '"' || p[1] == '"'; p++)
		{
			if (*p == '\0')
				raise_bad_events(text);
			appendStringInfoChar(&word, *p);
			p += *p == '"';
		}
		*at = p + 1;
		return word.data;
	}
	while (*p != '\0' && *p != ',' && *p != '"' && !scanner_isspace(*p))
		p++;
	if (*p == ',' && p == start)
		p++;
	*at = p;
	return p == start ? NULL : downcase_truncate_identifier(start, p - start, false);
}

/* Reads the columns of UPDATE OF, up to the end or OR; returns whether OR was read. */
static bool
read_columns(const char **at, const char *text, ChangeEvents *events)
{
	bool		quoted;
	char	   *word;

	do
	{
		word = next_word(at, text, &quoted);
		if (word == NULL || (!quoted && (strcmp(word, ",") == 0 || strcmp(word, "or") == 0)))
			raise_bad_events(text);
		events->columns = lappend(events->columns, word);
		word = next_word(at, text, &quoted);
	} while (word != NULL && !quoted && strcmp(word, ",") == 0);
	if (word != NULL && (quoted || strcmp(word, "or") != 0))
		raise_bad_events(text);
	return word != NULL;
}

/* Reads what changes a rule is about (api/change_trigger.h). */
void
change_events_read(const char *text, ChangeEvents *events)
{
	const char *at = text;
	bool		more = true;
	bool		quoted;

	memset(events, 0, sizeof(ChangeEvents));
	while (more)
	{
		char	   *word = next_word(&at, text, &quoted);
		int16		type = 0;

		if (word != NULL && !quoted)
			type = strcmp(word, "insert") == 0 ? TRIGGER_TYPE_INSERT :
				strcmp(word, "update") == 0 ? TRIGGER_TYPE_UPDATE :
				strcmp(word, "delete") == 0 ? TRIGGER_TYPE_DELETE : 0;
		if (type == 0 || (events->types & type) != 0)
			raise_bad_events(text);
		events->types |= type;
		word = next_word(&at, text, &quoted);
		more = word != NULL;
		if (more && !quoted && type == TRIGGER_TYPE_UPDATE && strcmp(word, "of") == 0)
			more = read_columns(&at, text, events);
		else if (more && (quoted || strcmp(word, "or") != 0))
			raise_bad_events(text);
	}
}

/* ---------------------------------------------------------------------------
 * Triggers
 * ---------------------------------------------------------------------------
 */

/* Returns the name of a trigger; of a long rule's, the beginning and a hash. */
static char *
trigger_name(const char *rule, const char *suffix)
{
	char	   *name = psprintf("noetl_change_%s_%s", rule, suffix);
	int			room = NAMEDATALEN - 1 - strlen("noetl_change_") - strlen(suffix) - 10;

	if (strlen(name) < NAMEDATALEN)
		return name;
	return psprintf("noetl_change_%.*s_%08x_%s", pg_mbcliplen(rule, strlen(rule), room), rule,
					DatumGetUInt32(hash_any((const unsigned char *) rule, strlen(rule))), suffix);
}

/* Returns a transition table of a trigger. */
static TriggerTransition *
transition(char *name, bool is_new)
{
	TriggerTransition *table = makeNode(TriggerTransition);

	table->name = name;
	table->isNew = is_new;
	table->isTable = true;
	return table;
}

/* Creates one trigger, as the superuser: the caller's rights have been checked. */
static void
create_trigger(Relation table, const char *rule, const char *suffix, int16 types,
			   const List *columns, bool row, char fires)
{
	CreateTrigStmt *statement = makeNode(CreateTrigStmt);
	ListCell   *lc;
	Oid			user;
	int			context;

	statement->trigname = trigger_name(rule, suffix);
	statement->relation = NULL;
	statement->funcname = list_make2(makeString("noetl"), makeString("change_fired"));
	statement->args = list_make1(makeString(pstrdup(rule)));
	statement->row = row;
	statement->timing = TRIGGER_TYPE_AFTER;
	statement->events = types;
	foreach(lc, columns)
		statement->columns = lappend(statement->columns, makeString((char *) lfirst(lc)));
	if (!row && types != TRIGGER_TYPE_DELETE)
		statement->transitionRels = lappend(statement->transitionRels,
											transition("noetl_new", true));
	if (!row && types != TRIGGER_TYPE_INSERT)
		statement->transitionRels = lappend(statement->transitionRels,
											transition("noetl_old", false));
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	(void) CreateTriggerFiringOn(statement, NULL, RelationGetRelid(table), InvalidOid, InvalidOid,
								 InvalidOid, InvalidOid, InvalidOid, NULL, false, false, fires);
	SetUserIdAndSecContext(user, context);
	CommandCounterIncrement();
}

/* Returns whether rows of a table can be written under the name of another table. */
static bool
is_part_of_tree(Relation table)
{
	return table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
		table->rd_rel->relispartition || has_superclass(RelationGetRelid(table));
}

/* Creates the triggers of a rule (api/change_trigger.h). */
void
change_triggers_create(Relation table, const char *rule, const ChangeEvents *events)
{
	static const struct
	{
		int16		type;
		const char *suffix;
	}			kinds[] = {
		{TRIGGER_TYPE_INSERT, "insert"}, {TRIGGER_TYPE_UPDATE, "update"},
		{TRIGGER_TYPE_DELETE, "delete"}
	};

	if (is_part_of_tree(table))
	{
		create_trigger(table, rule, "row", events->types, events->columns, true,
					   TRIGGER_FIRES_ALWAYS);
		return;
	}
	for (int i = 0; i < lengthof(kinds); i++)
		if ((events->types & kinds[i].type) != 0)
			create_trigger(table, rule, kinds[i].suffix, kinds[i].type, NIL, false,
						   TRIGGER_FIRES_ON_ORIGIN);
	create_trigger(table, rule, "apply", events->types, events->columns, true,
				   TRIGGER_FIRES_ON_REPLICA);
}

/* Returns whether a row of pg_trigger is of a rule. */
static bool
is_of_rule(HeapTuple tuple, TupleDesc desc, Oid function, const char *rule)
{
	Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
	bool		isnull;
	Datum		args;

	if (trigger->tgfoid != function || trigger->tgnargs != 1)
		return false;
	args = heap_getattr(tuple, Anum_pg_trigger_tgargs, desc, &isnull);
	/* the argument ends with NUL */
	return !isnull && strcmp(VARDATA_ANY(DatumGetByteaPP(args)), rule) == 0;
}

/* Returns the oids of the triggers of a rule (api/change_trigger.h). */
List *
change_triggers_find(Oid table, const char *rule)
{
	Oid			function = LookupFuncName(list_make2(makeString("noetl"),
													 makeString("change_fired")),
										  0, NULL, false);
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	List	   *found = NIL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (is_of_rule(tuple, RelationGetDescr(triggers), function, rule))
			found = lappend_oid(found, ((Form_pg_trigger) GETSTRUCT(tuple))->oid);
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return found;
}

/* Drops the triggers of a rule (api/change_trigger.h). */
void
change_triggers_drop(Oid table, const char *rule)
{
	ListCell   *lc;

	foreach(lc, change_triggers_find(table, rule))
	{
		ObjectAddress trigger;

		ObjectAddressSet(trigger, TriggerRelationId, lfirst_oid(lc));
		performDeletion(&trigger, DROP_RESTRICT, 0);
	}
}
