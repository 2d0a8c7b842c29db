/*
 * catalog/rights.c
 *		Who may register versions of a path, and who may start its playbooks.
 *
 * A path belongs to the role that registered it first (noetl.catalog_path): its
 * members register versions.  Grants say which roles may start them; at first it is
 * PUBLIC.  A path without a row, which has versions, belongs to the owner of the
 * table.  A playbook that is written in a step of another one has the path
 * "<path of the other>#<step>", and the rights of the other.
 */
#include "common/common.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog/catalog.h"
#include "catalog/query.h"

#define MAX_CACHED_RIGHTS	1000
#define PUBLIC_OID			InvalidOid	/* '-' in an array of regrole */

/* Rights on the path of a playbook; the last member is as long as is needed. */
typedef struct PathRights
{
	Oid			owner;
	bool		owned;			/* it has a row */
	bool		everybody;		/* may start it */
	int			nroles;
	Oid			roles[FLEXIBLE_ARRAY_MEMBER];	/* that may start it */
} PathRights;

typedef struct RightsEntry
{
	int64		catalog_id;		/* hash key */
	PathRights *rights;
} RightsEntry;

static CatalogQuery rights_of_version = {
	"SELECT p.owner, p.executors, c.path FROM noetl.catalog AS c LEFT JOIN noetl.catalog_path AS p"
	" ON p.path OPERATOR(pg_catalog.=) pg_catalog.split_part(c.path, '#', 1)"
	" WHERE c.catalog_id OPERATOR(pg_catalog.=) $1",
	1, {INT8OID}, NULL
};

static CatalogQuery rights_of_path = {
	"SELECT p.owner, p.executors, EXISTS (SELECT FROM noetl.catalog AS c"
	" WHERE c.path OPERATOR(pg_catalog.=) $1)"
	" FROM (SELECT $1) AS given (path) LEFT JOIN noetl.catalog_path AS p"
	" ON p.path OPERATOR(pg_catalog.=) given.path",
	1, {TEXTOID}, NULL
};

static CatalogQuery put_rights = {
	"INSERT INTO noetl.catalog_path AS p (path, owner, executors) VALUES ($1, $2, $3)"
	" ON CONFLICT (path) DO UPDATE SET executors = excluded.executors",
	3, {TEXTOID, OIDOID, REGROLEARRAYOID}, NULL
};

/* Rights by catalog_id, in a context of their own; NULL: none are known. */
static HTAB *cache = NULL;
static MemoryContext cache_context = NULL;
static Oid	cached_relation = InvalidOid;
static uint64 changes = 0;		/* of rights, as far as this session has heard */

/* Relcache callback: forgets all rights when noetl.catalog_path has changed. */
static void
relation_invalidated(Datum arg, Oid relation)
{
	if (relation != InvalidOid && relation != cached_relation)
		return;
	changes++;
	cache = NULL;
}

/* Makes an empty cache; registers its callback once in a session. */
static void
create_cache(void)
{
	HASHCTL		control = {0};

	if (cache_context == NULL)
	{
		cache_context = AllocSetContextCreate(CacheMemoryContext, "noetl catalog rights",
											  ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
	}
	cache = NULL;				/* should one of the next lines raise */
	MemoryContextReset(cache_context);
	cached_relation = get_relname_relid("catalog_path", get_namespace_oid("noetl", false));
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(RightsEntry);
	control.hcxt = cache_context;
	cache = hash_create("noetl catalog rights", 64, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Returns the rights in the first two columns of the row that a query has found. */
static PathRights *
read_rights(MemoryContext context)
{
	HeapTuple	row = SPI_tuptable->vals[0];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	PathRights *rights;
	ArrayType  *array;
	Datum	   *roles;
	Datum		owner;
	int			nroles;
	bool		isnull;

	owner = SPI_getbinval(row, desc, 1, &isnull);
	if (isnull)
	{
		rights = MemoryContextAllocZero(context, sizeof(PathRights));
		rights->owner = catalog_owner();
		rights->everybody = true;
		return rights;
	}
	array = DatumGetArrayTypeP(SPI_getbinval(row, desc, 2, &isnull));
	deconstruct_array(array, REGROLEOID, sizeof(Oid), true, TYPALIGN_INT, &roles, NULL, &nroles);
	rights = MemoryContextAllocZero(context, offsetof(PathRights, roles) + nroles * sizeof(Oid));
	rights->owner = DatumGetObjectId(owner);
	rights->owned = true;
	for (int i = 0; i < nroles; i++)
	{
		Oid			role = DatumGetObjectId(roles[i]);

		if (role == PUBLIC_OID)
			rights->everybody = true;
		else
			rights->roles[rights->nroles++] = role;
	}
	return rights;
}

/*
 * Reads the rights on a playbook, as they are now whatever the transaction's
 * snapshot shows.  Returns NULL when there is no such playbook; *path: its path.
 */
static PathRights *
load_rights(int64 catalog_id, char **path)
{
	MemoryContext caller = CurrentMemoryContext;
	PathRights *rights = NULL;
	OwnerSwitch before;
	Datum		values[1];

	values[0] = Int64GetDatum(catalog_id);
	catalog_begin_as_owner(&before);
	catalog_run(&rights_of_version, values, GetLatestSnapshot(), SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		rights = read_rights(caller);
		*path = MemoryContextStrdup(caller, SPI_getvalue(SPI_tuptable->vals[0],
														 SPI_tuptable->tupdesc, 3));
	}
	catalog_end_as_owner(&before);
	return rights;
}

/*
 * Keeps rights for the session, unless they may have changed since they were read;
 * known: how many changes the session had heard of then.
 */
static void
keep_rights(int64 catalog_id, const PathRights *rights, uint64 known)
{
	RightsEntry *entry;
	PathRights *copy;
	Size		size = offsetof(PathRights, roles) + rights->nroles * sizeof(Oid);

	if (known != changes || cache == NULL)
		return;
	if (hash_get_num_entries(cache) >= MAX_CACHED_RIGHTS)
		create_cache();
	copy = MemoryContextAlloc(cache_context, size);
	memcpy(copy, rights, size);
	entry = hash_search(cache, &catalog_id, HASH_ENTER, NULL);
	entry->rights = copy;
}

/* Returns the rights on a playbook, from the cache if they are there; or NULL. */
static const PathRights *
get_rights(int64 catalog_id)
{
	RightsEntry *entry;
	PathRights *rights;
	uint64		known;
	char	   *path;

	if (cache == NULL)
		create_cache();
	entry = hash_search(cache, &catalog_id, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->rights;
	known = changes;
	rights = load_rights(catalog_id, &path);
	if (rights != NULL)
		keep_rights(catalog_id, rights, known);
	return rights;
}

/* Returns whether rights let a role start playbooks. */
static bool
lets_execute(const PathRights *rights, Oid role)
{
	if (rights->everybody)
		return true;
	for (int i = 0; i < rights->nroles; i++)
		if (has_privs_of_role(role, rights->roles[i]))
			return true;
	return role_acts_for(role, rights->owner);
}

/* Returns whether a role may start a playbook; one that does not exist is nobody's. */
bool
catalog_may_execute(int64 catalog_id, Oid role)
{
	const PathRights *rights = get_rights(catalog_id);

	return rights == NULL || lets_execute(rights, role);
}

/* Returns the name of a role, or its number when it does not exist any more. */
static const char *
role_name(Oid role)
{
	const char *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}

/* Raises unless a role may start a playbook. */
void
catalog_check_execute(int64 catalog_id, Oid role)
{
	PathRights *rights;
	char	   *path;

	if (catalog_may_execute(catalog_id, role))
		return;
	rights = load_rights(catalog_id, &path);
	if (rights == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg(CATALOG_EXECUTE_REFUSED, path),
			 errdetail("Role \"%s\" may not execute it.", role_name(role)),
			 errhint("Its owner \"%s\" or a member of %s can grant that by noetl.grant_execute().",
					 role_name(rights->owner), ADMIN_ROLE)));
}

/* Returns the rights on a path; *exists: it has versions or a row. */
static PathRights *
path_rights(text *path, bool *exists)
{
	MemoryContext caller = CurrentMemoryContext;
	PathRights *rights;
	OwnerSwitch before;
	Datum		values[1];
	bool		isnull;

	values[0] = PointerGetDatum(path);
	catalog_begin_as_owner(&before);
	catalog_run(&rights_of_path, values, GetLatestSnapshot(), SPI_OK_SELECT);
	rights = read_rights(caller);
	*exists = rights->owned ||
		DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull));
	catalog_end_as_owner(&before);
	return rights;
}

/* Raises unless the current role may act for the owner of a path. */
static void
check_path_owner(const PathRights *rights, text *path)
{
	if (role_acts_for(GetUserId(), rights->owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for catalog path \"%s\"", text_to_cstring(path)),
			 errdetail("It belongs to role \"%s\", of which \"%s\" is not a member.",
					   role_name(rights->owner), role_name(GetUserId())),
			 errhint("Members of that role and of %s register its versions and grant rights on it.",
					 ADMIN_ROLE)));
}

/* Writes the owner of a path, if it has none, and the roles that may start its playbooks. */
static void
write_rights(text *path, Oid owner, Datum *executors, int nexecutors)
{
	OwnerSwitch before;
	Datum		values[3];

	values[0] = PointerGetDatum(path);
	values[1] = ObjectIdGetDatum(owner);
	values[2] = PointerGetDatum(construct_array(executors, nexecutors, REGROLEOID,
												sizeof(Oid), true, TYPALIGN_INT));
	catalog_begin_as_owner(&before);
	catalog_run(&put_rights, values, InvalidSnapshot, SPI_OK_INSERT);
	catalog_end_as_owner(&before);
}

/* Raises unless a path is one that users may give. */
static void
check_path_form(text *path)
{
	if (memchr(VARDATA_ANY(path), PLAYBOOK_INLINE_MARK, VARSIZE_ANY_EXHDR(path)) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a catalog path must not contain \"%c\"", PLAYBOOK_INLINE_MARK),
				 errdetail("The path is \"%s\".", text_to_cstring(path)),
				 errhint("Such paths name playbooks that are written in a step of another one.")));
}

/*
 * Makes the current role the owner of a path that nobody has registered; raises
 * unless it may act for the owner of another one.
 */
void
catalog_claim_path(text *path)
{
	PathRights *rights;
	Datum		everybody = ObjectIdGetDatum(PUBLIC_OID);
	bool		exists;

	check_path_form(path);
	catalog_serialise_path(path);
	rights = path_rights(path, &exists);
	if (exists)
		check_path_owner(rights, path);
	else
		write_rights(path, GetUserId(), &everybody, 1);
}

/*
 * Lets a role (InvalidOid: PUBLIC) start the playbooks of a path, or not any more.
 * Returns whether that changes anything.
 */
bool
catalog_grant_execute(text *path, Oid role, bool grant)
{
	PathRights *rights;
	Datum	   *executors;
	int			n = 0;
	bool		had = false;
	bool		exists;

	check_path_form(path);
	catalog_serialise_path(path);
	rights = path_rights(path, &exists);
	if (!exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("playbook \"%s\" is not registered", text_to_cstring(path)),
				 errhint("Register it with noetl.register().")));
	check_path_owner(rights, path);
	executors = palloc(sizeof(Datum) * (rights->nroles + 2));
	if (rights->everybody && role != PUBLIC_OID)
		executors[n++] = ObjectIdGetDatum(PUBLIC_OID);
	had = rights->everybody && role == PUBLIC_OID;
	for (int i = 0; i < rights->nroles; i++)
	{
		if (rights->roles[i] == role)
			had = true;
		else
			executors[n++] = ObjectIdGetDatum(rights->roles[i]);
	}
	if (grant)
		executors[n++] = ObjectIdGetDatum(role);
	if (had != grant)
		write_rights(path, rights->owner, executors, n);
	return had != grant;
}
