/*
 * engine/save_session.c
 *		The session that a save happens in, which is some worker's or client's:
 *		its temporary objects are hidden, its settings replaced, its user
 *		changed; session locks that the save leaves behind are released.
 *
 * While temporary objects are hidden, pg_temp is a namespace that does not
 * exist.  It is not InvalidOid, because then a CREATE in pg_temp would take the
 * session's namespace for the leftover of a crash and empty it.
 *
 * A PL/pgSQL function looks up the types of its variables at its first call in
 * a session: that is beyond us.  SECURITY.md says what owners of tables do.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/elog.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/syscache.h"

#include "engine/save_session.h"

/* ---------------------------------------------------------------------------
 * Advisory locks
 * ---------------------------------------------------------------------------
 */

typedef struct LockedKey
{
	LOCKTAG		tag;
	LOCKMASK	modes;
} LockedKey;

typedef struct LockedKeys
{
	int			count;
	int			room;
	LockedKey  *keys;
} LockedKeys;

/* Adds a lock to the list, if it is an advisory one. */
static void
note_lock(LockedKeys *locks, const PROCLOCK *proclock)
{
	const LOCKTAG *tag = &proclock->tag.myLock->tag;

	if (tag->locktag_lockmethodid != USER_LOCKMETHOD || proclock->holdMask == 0)
		return;
	if (locks->count == locks->room)
	{
		locks->room *= 2;
		locks->keys = repalloc_huge(locks->keys, locks->room * sizeof(LockedKey));
	}
	locks->keys[locks->count].tag = *tag;
	locks->keys[locks->count++].modes = proclock->holdMask;
}

/*
 * The advisory locks that this backend holds.  Only the backend itself changes
 * which advisory locks are in its list, so no lock is needed to read it.
 */
static LockedKeys *
held_locks(void)
{
	LockedKeys *locks = palloc0(sizeof(LockedKeys));

	locks->room = 16;
	locks->keys = palloc(locks->room * sizeof(LockedKey));
	for (int i = 0; i < NUM_LOCK_PARTITIONS; i++)
	{
#if PG_VERSION_NUM >= 160000
		dlist_iter	iter;

		dlist_foreach(iter, &MyProc->myProcLocks[i])
			note_lock(locks, dlist_container(PROCLOCK, procLink, iter.cur));
#else
		SHM_QUEUE  *list = &MyProc->myProcLocks[i];
		PROCLOCK   *proclock = (PROCLOCK *) SHMQueueNext(list, list,
														 offsetof(PROCLOCK, procLink));

		for (; proclock != NULL;
			 proclock = (PROCLOCK *) SHMQueueNext(list, &proclock->procLink,
												  offsetof(PROCLOCK, procLink)))
			note_lock(locks, proclock);
#endif
	}
	return locks;
}

/* The modes in which a lock was held before. */
static LOCKMASK
held_before(const LockedKeys *locks, const LOCKTAG *tag)
{
	for (int i = 0; i < locks->count; i++)
		if (memcmp(&locks->keys[i].tag, tag, sizeof(LOCKTAG)) == 0)
			return locks->keys[i].modes;
	return 0;
}

/*
 * Releases what the session holds now and did not hold before.  Locks of the
 * transaction stay; LockRelease warns of each, as it cannot tell us before.
 */
static void
release_new_locks(const LockedKeys *before)
{
	LockedKeys *now = held_locks();
	int			to_client = client_min_messages;
	int			to_log = log_min_messages;

	for (int i = 0; i < now->count; i++)
	{
		LockedKey  *key = &now->keys[i];
		LOCKMASK	modes = key->modes & ~held_before(before, &key->tag);

		client_min_messages = log_min_messages = ERROR;
		for (LOCKMODE mode = 1; mode <= MaxLockMode; mode++)
			if ((modes & LOCKBIT_ON(mode)) != 0)
				while (LockRelease(&key->tag, mode, true))
					;
		client_min_messages = to_client;
		log_min_messages = to_log;
	}
}

/* ---------------------------------------------------------------------------
 * Temporary objects
 * ---------------------------------------------------------------------------
 */

/* Begins to read what depends on an object. */
static SysScanDesc
begin_dependents(Relation depend, Oid class, Oid object)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(class));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(object));
	return systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, keys);
}

/*
 * Has the relcache forget the relations of a namespace, their indexes and so on.  An entry
 * that was built while the temporary namespace was hidden seems another session's.
 */
static void
forget_relations(Relation depend, Oid class, Oid object)
{
	SysScanDesc scan = begin_dependents(depend, class, object);
	List	   *relations = NIL;
	List	   *constraints = NIL;	/* on which indexes depend */
	ListCell   *lc;
	HeapTuple	tuple;

	check_stack_depth();
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->classid == RelationRelationId && form->objid != object)
			relations = lappend_oid(relations, form->objid);
		else if (form->classid == ConstraintRelationId)
			constraints = lappend_oid(constraints, form->objid);
	}
	systable_endscan(scan);
	foreach(lc, relations)
	{
		RelationCacheInvalidateEntry(lfirst_oid(lc));
		forget_relations(depend, RelationRelationId, lfirst_oid(lc));
	}
	foreach(lc, constraints)
		forget_relations(depend, ConstraintRelationId, lfirst_oid(lc));
	list_free(relations);
	list_free(constraints);
}

/* Temporary objects can no longer be found, whoever names them. */
static void
hide_temporary(SaveSession *session)
{
	GetTempNamespaceState(&session->temp, &session->temp_toast);
	if (!OidIsValid(session->temp))
		return;
#ifdef USE_ASSERT_CHECKING
	/* SetTempNamespaceState asserts that the backend has none */
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a session with temporary objects cannot execute saves in a PostgreSQL with assertions")));
#endif
	session->nowhere = PG_UINT32_MAX;
	while (SearchSysCacheExists1(NAMESPACEOID, ObjectIdGetDatum(session->nowhere)))
		session->nowhere--;
	session->hidden = true;
	SetTempNamespaceState(session->nowhere, session->nowhere);
	ResetPlanCache();
}

/*
 * Makes temporary objects visible again, after success and after an error;
 * raises nothing.
 */
void
save_session_reveal(SaveSession *session)
{
	if (!session->hidden)
		return;
	session->hidden = false;
	SetTempNamespaceState(session->temp, session->temp_toast);
	ResetPlanCache();
}

/* Returns whether something has been created in a namespace. */
static bool
has_objects(Oid namespace)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	SysScanDesc scan = begin_dependents(depend, NamespaceRelationId, namespace);
	bool		found;

	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return found;
}

/* What a save creates in pg_temp would wait there for the session's owner. */
static void
refuse_temporary(const SaveSession *session)
{
	Oid			temp;
	Oid			toast;
	bool		created;

	CommandCounterIncrement();
	GetTempNamespaceState(&temp, &toast);
	if (OidIsValid(session->nowhere))
		created = has_objects(session->nowhere);
	else
		created = OidIsValid(temp);
	if (created)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a save cannot create temporary objects")));
}

/* ---------------------------------------------------------------------------
 * Coming and going
 * ---------------------------------------------------------------------------
 */

/* Notes what the session has; called outside of the save's subtransaction. */
void
save_session_note(SaveSession *session)
{
	memset(session, 0, sizeof(SaveSession));
	session->locks = held_locks();
}

/*
 * Becomes the role, as a security-restricted operation, with the settings that
 * a new session of the role has and without temporary objects.  Called inside
 * the subtransaction.
 */
void
save_session_enter(SaveSession *session, Oid role)
{
	GetUserIdAndSecContext(&session->user, &session->context);
	session->nesting = NewGUCNestLevel();
	save_settings_apply(role);
	hide_temporary(session);
	SetUserIdAndSecContext(role, session->context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

/* The save has succeeded: raises when it made temporary objects, and goes back. */
void
save_session_leave(SaveSession *session)
{
	refuse_temporary(session);
	AtEOXact_GUC(false, session->nesting);
	SetUserIdAndSecContext(session->user, session->context);
}

/*
 * Outside of the subtransaction again: releases locks that the save left behind, and gives
 * temporary objects back.  The temporary namespace of a save inside another one is empty.
 */
void
save_session_clean(SaveSession *session)
{
	Relation	depend;

	release_new_locks(session->locks);
	if (!OidIsValid(session->nowhere))
		return;
	depend = table_open(DependRelationId, AccessShareLock);
	forget_relations(depend, NamespaceRelationId, session->temp);
	table_close(depend, AccessShareLock);
}
