/*
 * store/release.c
 *		Whether the library and the objects of the database are of one release.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "store/store.h"

#ifndef NOETL_VERSION
#error "NOETL_VERSION comes from the Makefile"
#endif

/* Returns the version of the extension in this database, or NULL. */
static char *
installed_version(void)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("noetl"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(extensions), &isnull);

		version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

/* Raises an error when the extension in this database is of another release. */
void
release_check(void)
{
	char	   *version = installed_version();

	if (version == NULL || strcmp(version, NOETL_VERSION) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the library of noetl is of version %s, the extension in this database of %s",
					NOETL_VERSION, version),
			 errhint("ALTER EXTENSION noetl UPDATE makes them one; a session that began before a package was replaced must begin again.")));
}
