/*
 * engine/save_settings.c
 *		The settings of a save: those that a new session of the role has.
 *
 * A setting that the session, its user or its connection has made gets back the
 * value of the configuration files; ALTER DATABASE and ALTER ROLE ... SET of the
 * save's role come next; what saves rely on is fixed last.  The caller opens the
 * level of settings that ends with the save.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 160000
#include "utils/conffiles.h"
#endif

#include "engine/save_session.h"

/* The connection's own: limits of its statements, what goes over the wire. */
static const char *const kept_settings[] = {
	"client_connection_check_interval", "client_encoding", "client_min_messages",
	"idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout",
	"log_min_messages", "statement_timeout", "temp_buffers", "transaction_timeout"
};

/* What a save does must not depend on anybody's taste. */
static const char *const fixed_settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"row_security", "on"},
	{"session_replication_role", "origin"},
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"}
};

/* Sets one until the save is over. */
static void
change(const char *name, const char *value, int elevel)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, elevel, false);
}

/* Returns whether a setting stays as it is during a save. */
static bool
is_kept(const char *name, int flags)
{
	if ((flags & GUC_NO_RESET_ALL) != 0)
		return true;
	for (int i = 0; i < lengthof(kept_settings); i++)
		if (pg_strcasecmp(name, kept_settings[i]) == 0)
			return true;
	return false;
}

/* The value that the server is built with. */
static const char *
built_in_value(const struct config_generic *setting)
{
	switch (setting->vartype)
	{
		case PGC_BOOL:
			return ((const struct config_bool *) setting)->boot_val ? "on" : "off";
		case PGC_INT:
			return psprintf("%d", ((const struct config_int *) setting)->boot_val);
		case PGC_REAL:
			return psprintf("%.17g", ((const struct config_real *) setting)->boot_val);
		case PGC_STRING:
			return ((const struct config_string *) setting)->boot_val;
		case PGC_ENUM:
			{
				struct config_generic *found = unconstify(struct config_generic *, setting);
				struct config_enum *choice = (struct config_enum *) found;

				return config_enum_lookup_by_value(choice, choice->boot_val);
			}
	}
	return NULL;
}

/* The configuration files, which are read at the first question after each reload. */
static ConfigVariable *
configuration(void)
{
	static MemoryContext memory = NULL;
	static ConfigVariable *head = NULL;
	static TimestampTz read_at = 0;
	ConfigVariable *tail = NULL;
	MemoryContext old;

	if (read_at == PgReloadTime)
		return head;
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "noetl configuration",
									   ALLOCSET_SMALL_SIZES);
	MemoryContextReset(memory);
	head = NULL;
	old = MemoryContextSwitchTo(memory);
	(void) ParseConfigFile(ConfigFileName, false, NULL, 0, 0, LOG, &head, &tail);
	(void) ParseConfigFile(PG_AUTOCONF_FILENAME, false, NULL, 0, 0, LOG, &head, &tail);
	MemoryContextSwitchTo(old);
	read_at = PgReloadTime;
	return head;
}

/* The value without the session, its user and its connection. */
static const char *
server_value(const struct config_generic *setting)
{
	const char *value = built_in_value(setting);

	/* the one string that the server fills in itself when nobody does */
	if (strcmp(setting->name, "timezone_abbreviations") == 0)
		value = "Default";
	for (ConfigVariable *item = configuration(); item != NULL; item = item->next)
		if (item->errmsg == NULL && pg_strcasecmp(item->name, setting->name) == 0)
			value = item->value;
	return value != NULL ? value : "";
}

/* One setting, if somebody has changed it. */
static void
forget_setting(const struct config_generic *setting)
{
	if (setting->source <= PGC_S_ARGV || setting->source == PGC_S_OVERRIDE ||
		(setting->context != PGC_USERSET && setting->context != PGC_SUSET) ||
		is_kept(setting->name, setting->flags))
		return;
	if (setting->reset_source > PGC_S_ARGV)
		change(setting->name, server_value(setting), ERROR);
	else
		change(setting->name, NULL, ERROR);
}

/*
 * Cuts "name=value" of the catalog after the name, and returns the value; NULL: there is
 * none.  ParseLongOption() does that in memory that nobody frees at an error.
 */
static char *
split_setting(char *text)
{
	char	   *value = strchr(text, '=');

	if (value == NULL)
		return NULL;
	*value = '\0';
	return value + 1;
}

/* What ALTER DATABASE or ALTER ROLE ... SET says, in one row of the catalog. */
static void
apply_row(Relation relation, HeapTuple tuple)
{
	bool		isnull;
	Datum		array = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
									 RelationGetDescr(relation), &isnull);
	Datum	   *texts;
	int			count;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &texts, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = TextDatumGetCString(texts[i]);
		char	   *value = split_setting(name);

		/* what is wrong does not keep anybody from connecting, either */
		if (value != NULL && !is_kept(name, GetConfigOptionFlags(name, true)))
			change(name, value, DEBUG1);
	}
}

/* The row of a database and a role, each of which may be all of them. */
static void
apply_settings_of(Relation relation, Oid database, Oid role)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(role));
	scan = systable_beginscan(relation, DbRoleSettingDatidRolidIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		apply_row(relation, tuple);
	systable_endscan(scan);
}

/* The value that one row of the catalog gives a setting; NULL: none. */
static const char *
row_value(Relation relation, HeapTuple tuple, const char *wanted)
{
	bool		isnull;
	Datum		array = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
									 RelationGetDescr(relation), &isnull);
	const char *found = NULL;
	Datum	   *texts;
	int			count;

	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &texts, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = TextDatumGetCString(texts[i]);
		char	   *value = split_setting(name);

		if (value != NULL && pg_strcasecmp(name, wanted) == 0)
			found = value;
	}
	return found;
}

/* Returns the value that a setting has in a new session of the role; NULL: unknown. */
const char *
save_settings_value(const char *name, Oid role)
{
	Oid			ids[4][2] = {{MyDatabaseId, role}, {InvalidOid, role},
	{MyDatabaseId, InvalidOid}, {InvalidOid, InvalidOid}};
	Relation	relation = table_open(DbRoleSettingRelationId, AccessShareLock);
	const char *found = NULL;

	for (int i = 0; i < lengthof(ids) && found == NULL; i++)
	{
		ScanKeyData keys[2];
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(ids[i][0]));
		ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(ids[i][1]));
		scan = systable_beginscan(relation, DbRoleSettingDatidRolidIndexId, true, NULL, 2, keys);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			found = row_value(relation, tuple, name);
		systable_endscan(scan);
	}
	table_close(relation, AccessShareLock);
	for (ConfigVariable *item = found == NULL ? configuration() : NULL; item != NULL;
		 item = item->next)
		if (item->errmsg == NULL && pg_strcasecmp(item->name, name) == 0)
			found = item->value;
	return found;
}

/* Gives all settings the values that they have in a new session of the role. */
void
save_settings_apply(Oid role)
{
	Relation	relation;
	struct config_generic **settings;
	int			count;

#if PG_VERSION_NUM >= 160000
	settings = get_guc_variables(&count);
#else
	settings = get_guc_variables();
	count = GetNumConfigOptions();
#endif
	for (int i = 0; i < count; i++)
		forget_setting(settings[i]);
	relation = table_open(DbRoleSettingRelationId, AccessShareLock);
	apply_settings_of(relation, InvalidOid, InvalidOid);
	apply_settings_of(relation, MyDatabaseId, InvalidOid);
	apply_settings_of(relation, InvalidOid, role);
	apply_settings_of(relation, MyDatabaseId, role);
	table_close(relation, AccessShareLock);
	for (int i = 0; i < lengthof(fixed_settings); i++)
		change(fixed_settings[i][0], fixed_settings[i][1], ERROR);
}
