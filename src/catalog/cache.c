/*
 * catalog/cache.c
 *		Compiled playbooks of this backend, by catalog_id.
 *
 * A catalog row never changes, so an entry is valid until the row is gone: by
 * DELETE (the trigger sends a relcache invalidation), TRUNCATE, DROP EXTENSION, or
 * the rollback of the transaction that inserted the row.  Callbacks only mark the
 * cache as stale; the next look-up drops the entries.  A caller may use a playbook
 * until the end of the transaction.  A dropped playbook that this transaction has
 * used is therefore retired: its memory context is kept until then.
 */
#include "common/common.h"

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "broker/broker.h"
#include "catalog/catalog.h"
#include "catalog/query.h"
#include "playbook/playbook.h"

#define MAX_CACHED_PLAYBOOKS 128

typedef struct CacheEntry
{
	int64		catalog_id;		/* hash key */
	Playbook   *playbook;
	const char *path;			/* of the row, in the playbook's memory */
	int			version;
	bool		own;			/* row inserted by this transaction */
	uint64		transaction;	/* that used it last */
	uint64		used;			/* use_count when it was used last */
} CacheEntry;

static HTAB *cache = NULL;
static MemoryContext cache_context = NULL;
static List *retired_contexts = NIL;	/* of playbooks, until the transaction ends */
static Oid	cached_relation = InvalidOid;
static bool cache_stale = false;
static bool cache_has_own = false;
static uint64 transaction_count = 1;
static uint64 use_count = 0;

static void create_cache(void);
static void remember_description(CacheEntry *entry);
static Playbook *load_playbook(int64 catalog_id, bool *own, bool raise);
static void drop_entry(CacheEntry *entry);
static void drop_stale(void);
static void make_room(void);
static void relation_invalidated(Datum arg, Oid relation);
static void transaction_ended(XactEvent event, void *arg);
static void subtransaction_ended(SubXactEvent event, SubTransactionId id,
								 SubTransactionId parent, void *arg);

/*
 * Returns the compiled playbook of a catalog row; raises when there is no row.  When it does
 * not compile: raises, or returns NULL.
 */
static Playbook *
find_playbook(int64 catalog_id, bool raise)
{
	CacheEntry *entry;
	Playbook   *playbook;
	bool		own = false;

	if (cache == NULL)
		create_cache();
	if (cache_stale)
		drop_stale();
	entry = hash_search(cache, &catalog_id, HASH_FIND, NULL);
	if (entry == NULL)
	{
		playbook = load_playbook(catalog_id, &own, raise);
		if (playbook == NULL)
			return NULL;
		make_room();
		entry = hash_search(cache, &catalog_id, HASH_ENTER, NULL);
		MemoryContextSetParent(playbook->context, cache_context);
		entry->playbook = playbook;
		entry->own = own;
		remember_description(entry);
		cache_has_own = cache_has_own || own;
	}
	entry->transaction = transaction_count;
	entry->used = ++use_count;
	return entry->playbook;
}

/* Returns the compiled playbook of a catalog row (catalog/catalog.h). */
Playbook *
playbook_get(int64 catalog_id)
{
	return find_playbook(catalog_id, true);
}

/* The same; NULL when it does not compile (catalog/catalog.h). */
Playbook *
playbook_try(int64 catalog_id)
{
	return find_playbook(catalog_id, false);
}

/* Keeps path and version of a new entry's row. */
static void
remember_description(CacheEntry *entry)
{
	const char *path;

	entry->path = NULL;
	if (catalog_read_description(entry->catalog_id, &path, &entry->version))
		entry->path = MemoryContextStrdup(entry->playbook->context, path);
}

/* Creates the cache and, once in a session, registers its callbacks. */
static void
create_cache(void)
{
	HASHCTL		control = {0};

	if (cache_context == NULL)
	{
		cache_context = AllocSetContextCreate(CacheMemoryContext,
											  "noetl playbooks",
											  ALLOCSET_DEFAULT_SIZES);
		CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
	}
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(CacheEntry);
	control.hcxt = cache_context;
	cache = hash_create("noetl playbooks", MAX_CACHED_PLAYBOOKS, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Compiles the text of a catalog row as playbook_compile() does, without bounds of time
 * and memory: it was within those of the session that registered it, and those of the
 * session that happens to read it must not decide about somebody's execution.
 */
static Playbook *
compile_registered(const char *content, int length, MemoryContext parent, List **issues)
{
	const Settings *outer = settings_in_force;
	Settings	unbounded = default_settings;
	Playbook   *volatile playbook = NULL;

	unbounded.template_max_time = 0;
	unbounded.template_max_memory = MAX_KILOBYTES;
	settings_in_force = &unbounded;
	PG_TRY();
	{
		playbook = playbook_compile(content, length, parent, issues);
	}
	PG_FINALLY();
	{
		settings_in_force = outer;
	}
	PG_END_TRY();
	return playbook;
}

/*
 * Reads and compiles a catalog row; raises when it is missing.  When it does not compile:
 * raises, or returns NULL.
 */
static Playbook *
load_playbook(int64 catalog_id, bool *own, bool raise)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	Playbook   *playbook;
	PlaybookIssue *issue = NULL;
	List	   *issues = NIL;
	ListCell   *cell;
	char	   *content;
	int			length;

	cached_relation = catalog_relation();
	scratch = AllocSetContextCreate(caller, "noetl playbook load",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	if (!catalog_read_content(catalog_id, &content, &length, own))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("playbook with catalog_id " INT64_FORMAT " does not exist",
						catalog_id),
				 errhint("Restore the rows of noetl.catalog.")));
	playbook = compile_registered(content, length, caller, &issues);
	foreach(cell, issues)
		if (issue == NULL && ((PlaybookIssue *) lfirst(cell))->severity == ISSUE_ERROR)
			issue = lfirst(cell);
	if (playbook == NULL && raise)
		ereport(ERROR,
				(errcode(issue ? issue->sqlerrcode : ERRCODE_DATA_CORRUPTED),
				 errmsg("playbook with catalog_id " INT64_FORMAT " cannot be compiled",
						catalog_id),
				 issue ? errdetail("Line %d, column %d: %s.", issue->line,
								   issue->column, issue->message) : 0,
				 errhint("It was registered by another version of noetl; register a corrected one.")));
	if (playbook != NULL)
	{
		playbook->catalog_id = catalog_id;
		broker_prepare(playbook);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return playbook;
}

/* Removes an entry; retires the playbook if this transaction has used it. */
static void
drop_entry(CacheEntry *entry)
{
	MemoryContext context = entry->playbook->context;

	if (entry->transaction == transaction_count)
	{
		MemoryContext caller = MemoryContextSwitchTo(cache_context);

		retired_contexts = lappend(retired_contexts, context);
		MemoryContextSwitchTo(caller);
	}
	else
		MemoryContextDelete(context);
	hash_search(cache, &entry->catalog_id, HASH_REMOVE, NULL);
}

/* Removes all entries after an invalidation. */
static void
drop_stale(void)
{
	HASH_SEQ_STATUS scan;
	CacheEntry *entry;

	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
		drop_entry(entry);
	cache_stale = false;
	cache_has_own = false;
}

/* Removes the least recently used entry of an earlier transaction, if the cache is full. */
static void
make_room(void)
{
	HASH_SEQ_STATUS scan;
	CacheEntry *entry;
	CacheEntry *oldest = NULL;

	if (hash_get_num_entries(cache) < MAX_CACHED_PLAYBOOKS)
		return;
	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->transaction != transaction_count &&
			(oldest == NULL || entry->used < oldest->used))
			oldest = entry;
	if (oldest != NULL)
		drop_entry(oldest);
}

/* Relcache callback: marks the cache as stale when the catalog table has changed. */
static void
relation_invalidated(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cached_relation)
		cache_stale = true;
}

/*
 * XactCallback: frees retired playbooks.  Marks the cache as stale when the
 * transaction that inserted some of the rows has been rolled back.
 */
static void
transaction_ended(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS scan;
	CacheEntry *entry;
	ListCell   *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE && event != XACT_EVENT_PARALLEL_COMMIT &&
		event != XACT_EVENT_PARALLEL_ABORT)
		return;
	transaction_count++;
	foreach(cell, retired_contexts)
		MemoryContextDelete(lfirst(cell));
	list_free(retired_contexts);
	retired_contexts = NIL;
	if (cache_has_own)
	{
		if (event != XACT_EVENT_COMMIT)
			cache_stale = true;
		hash_seq_init(&scan, cache);
		while ((entry = hash_seq_search(&scan)) != NULL)
			entry->own = false;
		cache_has_own = false;
	}
	while (hash_get_num_entries(cache) > MAX_CACHED_PLAYBOOKS)
		make_room();
}

/* SubXactCallback: marks the cache as stale when rows may have been rolled back. */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId id,
					 SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && cache_has_own)
		cache_stale = true;
}

/* Returns whether the session's cache has a playbook (catalog/catalog.h). */
bool
playbook_is_cached(int64 catalog_id)
{
	return cache != NULL && !cache_stale &&
		hash_search(cache, &catalog_id, HASH_FIND, NULL) != NULL;
}

/* Reads path and version of a row (catalog/catalog.h). */
bool
catalog_describe(int64 catalog_id, const char **path, int *version)
{
	const CacheEntry *entry = cache == NULL || cache_stale ? NULL :
		hash_search(cache, &catalog_id, HASH_FIND, NULL);

	if (entry == NULL || entry->path == NULL)
		return catalog_read_description(catalog_id, path, version);
	*path = pstrdup(entry->path);
	*version = entry->version;
	return true;
}
