/*
 * catalog/store.c
 *		Reads and writes of noetl.catalog through kept plans.
 *
 * Registering is rare and compiled playbooks are cached, so SPI is fast enough.  A
 * kept plan finds the table again, by name, after the extension was dropped and
 * created.
 */
#include "common/common.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "catalog/catalog.h"
#include "catalog/query.h"

static CatalogQuery read_content = {
	"SELECT content, xmin FROM noetl.catalog"
	" WHERE catalog_id OPERATOR(pg_catalog.=) $1",
	1, {INT8OID}, NULL
};

static CatalogQuery read_payload = {
	"SELECT payload FROM noetl.catalog"
	" WHERE catalog_id OPERATOR(pg_catalog.=) $1 AND digest OPERATOR(pg_catalog.=) $2",
	2, {INT8OID, BYTEAOID}, NULL
};

static CatalogQuery find_versions = {
	"SELECT (SELECT pg_catalog.max(version) FROM noetl.catalog"
	" WHERE path OPERATOR(pg_catalog.=) $1),"
	" (SELECT catalog_id FROM noetl.catalog"
	" WHERE path OPERATOR(pg_catalog.=) $1 AND digest OPERATOR(pg_catalog.=) $2"
	" ORDER BY version DESC LIMIT 1)",
	2, {TEXTOID, BYTEAOID}, NULL
};

static CatalogQuery insert_version = {
	"INSERT INTO noetl.catalog (path, version, kind, content, digest, payload)"
	" VALUES ($1, $2, $3, $4, $5, $6) RETURNING catalog_id",
	6, {TEXTOID, INT4OID, TEXTOID, TEXTOID, BYTEAOID, JSONBOID}, NULL
};

static CatalogQuery find_execution = {
	"SELECT 1 FROM noetl.execution"
	" WHERE catalog_id OPERATOR(pg_catalog.=) $1 LIMIT 1",
	1, {INT8OID}, NULL
};

static int64 look_up_versions(Datum *values, Snapshot snapshot, int *version);

/* Returns the OID of noetl.catalog; raises when the extension is not installed. */
Oid
catalog_relation(void)
{
	Oid			namespace = get_namespace_oid("noetl", true);
	Oid			relation = InvalidOid;

	if (OidIsValid(namespace))
		relation = get_relname_relid("catalog", namespace);
	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table noetl.catalog does not exist"),
				 errhint("Run CREATE EXTENSION noetl in this database.")));
	return relation;
}

/* Returns the owner of noetl.catalog. */
Oid
catalog_owner(void)
{
	Oid			relation = catalog_relation();
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Connects to SPI as the table's owner; *before: the user until now. */
void
catalog_begin_as_owner(OwnerSwitch *before)
{
	Oid			owner = catalog_owner();

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(owner, before->context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

/* Disconnects and returns to the user of before; an error does so by itself. */
void
catalog_end_as_owner(const OwnerSwitch *before)
{
	SetUserIdAndSecContext(before->user, before->context);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/* Runs a query, whose plan is kept for the session; raises on another result. */
void
catalog_run(CatalogQuery *query, Datum *values, Snapshot snapshot, int expected)
{
	int			result;

	if (query->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(query->text, query->nargs, query->types);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s",
				 SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI_keepplan failed");
		query->plan = plan;
	}
	result = SPI_execute_snapshot(query->plan, values, NULL, snapshot,
								  InvalidSnapshot, false, true, 0);
	if (result != expected)
		elog(ERROR, "SPI_execute_snapshot failed: %s",
			 SPI_result_code_string(result));
}

/* Reads the document of a catalog row; returns false when there is no such row. */
bool
catalog_read_content(int64 catalog_id, char **content, int *length, bool *own)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[1];
	OwnerSwitch before;
	bool		found;
	bool		isnull;

	values[0] = Int64GetDatum(catalog_id);
	catalog_begin_as_owner(&before);
	catalog_run(&read_content, values, InvalidSnapshot, SPI_OK_SELECT);
	found = SPI_processed > 0;
	if (found)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		Datum		datum = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext spi = MemoryContextSwitchTo(caller);
		text	   *document = DatumGetTextPP(datum);

		*length = VARSIZE_ANY_EXHDR(document);
		*content = pnstrdup(VARDATA_ANY(document), *length);
		MemoryContextSwitchTo(spi);
		datum = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
		*own = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(datum));
	}
	catalog_end_as_owner(&before);
	return found;
}

/* Returns the parsed document of a catalog row with a digest, or NULL. */
Jsonb *
catalog_read_payload(int64 catalog_id, bytea *digest)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[2];
	OwnerSwitch before;
	Jsonb	   *payload = NULL;
	bool		isnull;

	values[0] = Int64GetDatum(catalog_id);
	values[1] = PointerGetDatum(digest);
	catalog_begin_as_owner(&before);
	catalog_run(&read_payload, values, InvalidSnapshot, SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		Datum		datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
										  &isnull);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		payload = DatumGetJsonbPCopy(datum);
		MemoryContextSwitchTo(spi);
	}
	catalog_end_as_owner(&before);
	return payload;
}

/*
 * Returns the newest row of a path with a digest, or 0, as a snapshot shows it.
 * *version: the newest version of the path; 0: none.
 */
static int64
look_up_versions(Datum *values, Snapshot snapshot, int *version)
{
	HeapTuple	row;
	Datum		datum;
	bool		isnull;

	catalog_run(&find_versions, values, snapshot, SPI_OK_SELECT);
	row = SPI_tuptable->vals[0];
	datum = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull);
	*version = isnull ? 0 : DatumGetInt32(datum);
	datum = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
	return isnull ? 0 : DatumGetInt64(datum);
}

/* Waits for other transactions that register the same path; later ones wait for us. */
void
catalog_serialise_path(text *path)
{
	LOCKTAG		tag;
	uint64		hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(path),
										   VARSIZE_ANY_EXHDR(path), 0);

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, LOCK_CLASS_PATH);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Waits for other transactions that register the same path, and looks up the path.
 * Raises a serialization failure when this transaction's snapshot (REPEATABLE READ)
 * does not show what they have registered.
 */
int64
catalog_lock_path(text *path, bytea *digest, int *version)
{
	Datum		values[2];
	OwnerSwitch before;
	int64		catalog_id;

	catalog_serialise_path(path);
	values[0] = PointerGetDatum(path);
	values[1] = PointerGetDatum(digest);
	catalog_begin_as_owner(&before);
	catalog_id = look_up_versions(values, InvalidSnapshot, version);
	if (IsolationUsesXactSnapshot())
	{
		int			latest;

		look_up_versions(values, GetLatestSnapshot(), &latest);
		if (latest != *version)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent registration"),
					 errdetail("Another transaction registered playbook \"%s\".",
							   pnstrdup(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path))),
					 errhint("Retry the transaction.")));
	}
	catalog_end_as_owner(&before);
	return catalog_id;
}

/* Stores a version of a playbook; returns its catalog_id. */
int64
catalog_insert(text *path, int version, text *kind, text *content,
			   bytea *digest, Jsonb *payload)
{
	Datum		values[6];
	OwnerSwitch before;
	int64		catalog_id;
	bool		isnull;

	values[0] = PointerGetDatum(path);
	values[1] = Int32GetDatum(version);
	values[2] = PointerGetDatum(kind);
	values[3] = PointerGetDatum(content);
	values[4] = PointerGetDatum(digest);
	values[5] = JsonbPGetDatum(payload);
	catalog_begin_as_owner(&before);
	catalog_run(&insert_version, values, InvalidSnapshot, SPI_OK_INSERT_RETURNING);
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("a trigger or rule on noetl.catalog suppressed the registration")));
	catalog_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1, &isnull));
	catalog_end_as_owner(&before);
	return catalog_id;
}

/* Returns whether any execution refers to the row. */
bool
catalog_is_used(int64 catalog_id)
{
	Datum		values[1];
	OwnerSwitch before;
	bool		used;

	values[0] = Int64GetDatum(catalog_id);
	catalog_begin_as_owner(&before);
	catalog_run(&find_execution, values, InvalidSnapshot, SPI_OK_SELECT);
	used = SPI_processed > 0;
	catalog_end_as_owner(&before);
	return used;
}

/* Returns the newest version of a path that has the digest; 0: none. */
int64
catalog_find_content(text *path, bytea *digest)
{
	Datum		values[2];
	OwnerSwitch caller;
	int64		catalog_id;
	int			version;

	values[0] = PointerGetDatum(path);
	values[1] = PointerGetDatum(digest);
	catalog_begin_as_owner(&caller);
	catalog_id = look_up_versions(values, InvalidSnapshot, &version);
	catalog_end_as_owner(&caller);
	return catalog_id;
}

/*
 * Takes the lock by which starting an execution and deleting its playbook exclude
 * each other until commit.  It is no row lock, which would write to the row at each
 * start.
 */
void
catalog_lock_version(int64 catalog_id, bool to_delete)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (catalog_id >> 32),
						 (uint32) catalog_id, LOCK_CLASS_CATALOG);
	(void) LockAcquire(&tag, to_delete ? ExclusiveLock : ShareLock, false, false);
}
