/*
 * catalog/find.c
 *		Which row of noetl.catalog a path and a version mean, and what a row is.  Every
 *		start asks that, so the indexes are read without SPI.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "catalog/query.h"

/* Columns of noetl.catalog */
enum
{
	CATALOG_ID = 1, CATALOG_PATH, CATALOG_VERSION, CATALOG_CREATED_AT = 9
};

/* The table and its indexes; InvalidOid: they are to be looked up by their names. */
static struct
{
	Oid			table;
	Oid			by_path;		/* the index on (path, version) */
	Oid			by_id;
}			known;

/* Relcache callback: forgets them when one has changed.  It must not read catalogs. */
static void
relation_changed(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == known.table || relation == known.by_path ||
		relation == known.by_id)
		known.table = InvalidOid;
}

/* Looks the table and its indexes up. */
static void
find_relations(void)
{
	static bool registered = false;
	Oid			table = catalog_relation();
	Oid			schema = get_rel_namespace(table);

	if (!registered)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	registered = true;
	known.by_path = get_relname_relid("catalog_path_version_key", schema);
	known.by_id = get_relname_relid("catalog_pkey", schema);
	known.table = table;
}

/* A scan of an index of the catalog, as a new statement of this transaction sees it. */
typedef struct CatalogScan
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	SysScanDesc scan;
} CatalogScan;

/* Begins a scan.  The first key, if it is text, gets the collation of the index. */
static void
begin_scan(CatalogScan *scan, bool by_path, ScanKey keys, int nkeys)
{
	CommandCounterIncrement();
	if (!OidIsValid(known.table))
		find_relations();
	scan->table = table_open(known.table, AccessShareLock);
	scan->index = index_open(by_path ? known.by_path : known.by_id, AccessShareLock);
	keys[0].sk_collation = scan->index->rd_indcollation[0];
	scan->snapshot = RegisterSnapshot(GetTransactionSnapshot());
	scan->scan = systable_beginscan_ordered(scan->table, scan->index, scan->snapshot,
											nkeys, keys);
}

/* Ends a scan.  The locks last until the transaction ends. */
static void
end_scan(CatalogScan *scan)
{
	systable_endscan_ordered(scan->scan);
	UnregisterSnapshot(scan->snapshot);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
}

/* Returns a column that is never null. */
static Datum
column(const CatalogScan *scan, HeapTuple row, int attribute)
{
	bool		isnull;

	return heap_getattr(row, attribute, RelationGetDescr(scan->table), &isnull);
}

/* Finds a version of a path (0: the newest); returns false when there is none. */
bool
catalog_find(const char *path, int version, TimestampTz before, int64 *catalog_id)
{
	CatalogScan scan;
	ScanKeyData keys[2];
	HeapTuple	row;
	bool		found = false;

	ScanKeyEntryInitialize(&keys[0], 0, CATALOG_PATH, BTEqualStrategyNumber, InvalidOid,
						   InvalidOid, F_TEXTEQ, CStringGetTextDatum(path));
	ScanKeyInit(&keys[1], CATALOG_VERSION, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(version));
	begin_scan(&scan, true, keys, version == 0 ? 1 : 2);
	while (!found && (row = systable_getnext_ordered(scan.scan, BackwardScanDirection)) != NULL)
	{
		if (DatumGetTimestampTz(column(&scan, row, CATALOG_CREATED_AT)) > before)
			continue;
		*catalog_id = DatumGetInt64(column(&scan, row, CATALOG_ID));
		found = true;
	}
	end_scan(&scan);
	return found;
}

/* Reads path and version of a row (catalog/query.h). */
bool
catalog_read_description(int64 catalog_id, const char **path, int *version)
{
	CatalogScan scan;
	ScanKeyData key;
	HeapTuple	row;

	ScanKeyInit(&key, CATALOG_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(catalog_id));
	begin_scan(&scan, false, &key, 1);
	row = systable_getnext_ordered(scan.scan, ForwardScanDirection);
	if (HeapTupleIsValid(row))
	{
		*path = TextDatumGetCString(column(&scan, row, CATALOG_PATH));
		*version = DatumGetInt32(column(&scan, row, CATALOG_VERSION));
	}
	end_scan(&scan);
	return HeapTupleIsValid(row);
}
