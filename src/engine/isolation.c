/*
 * engine/isolation.c
 *		From whom events about an execution are accepted, and who may read its rows
 *		(noetl.isolation).
 *
 * An execution belongs to the role that started it, or its topmost ancestor.  Who
 * is a member of that role, or of noetl_admin, speaks for the execution.  A worker
 * speaks for the task that its role has leased, under the worker_id of the lease,
 * as long as it holds the lease.  What the broker writes itself is not checked.
 */
#include "common/common.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "engine/internal.h"

/* The last answer of is_member(); user is InvalidOid when it may not hold any more. */
static struct
{
	Oid			user;
	Oid			role;
	bool		member;
}			last_answer;

/* Roles or memberships have changed: the last answer is forgotten. */
static void
roles_changed(Datum arg, int cache, uint32 hash)
{
	last_answer.user = InvalidOid;
}

/*
 * Returns whether the current role has the rights of a role or of noetl_admin.
 * The last answer is kept.
 */
static bool
is_member(Oid role)
{
	static bool registered = false;
	Oid			user = GetUserId();
	bool		member;

	if (OidIsValid(last_answer.user) && last_answer.user == user && last_answer.role == role)
		return last_answer.member;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(AUTHOID, roles_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_changed, (Datum) 0);
		registered = true;
	}
	member = role_acts_for(user, role);
	last_answer.role = role;
	last_answer.member = member;
	last_answer.user = user;
	return member;
}

/*
 * Returns whether the current role may act for the role of an execution: it is a
 * member of that role or of noetl_admin, or a superuser, or noetl.isolation is off.
 */
bool
engine_acts_for(Oid started_by)
{
	return GetUserId() == started_by || noetl_isolation == ISOLATION_OFF ||
		is_member(started_by);
}

/*
 * Returns whether a role, which need not exist any more, may act for the role of an
 * execution.
 */
bool
engine_role_acts_for(Oid role, Oid started_by)
{
	if (role == started_by || noetl_isolation == ISOLATION_OFF)
		return true;
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)) &&
		role_acts_for(role, started_by);
}

/*
 * Returns the roles for which the current role may act; NIL: for every role, or for
 * more than "limit".
 */
List *
engine_roles_acted_for(int limit)
{
	Oid			user = GetUserId();
	Oid			admin = get_role_oid(ADMIN_ROLE, true);
	List	   *roles = NIL;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (noetl_isolation == ISOLATION_OFF || superuser_arg(user) ||
		(OidIsValid(admin) && has_privs_of_role(user, admin)))
		return NIL;
	relation = table_open(AuthIdRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			role = ((Form_pg_authid) GETSTRUCT(tuple))->oid;

		if (has_privs_of_role(user, role))
			roles = lappend_oid(roles, role);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return list_length(roles) > limit ? NIL : roles;
}

/* Raises: an execution is not the current role's. */
pg_noreturn static void
raise_foreign(int64 execution_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for execution " INT64_FORMAT, execution_id),
			 errdetail("Role \"%s\" is not a member of the role that started the execution.",
					   GetUserNameFromId(GetUserId(), false)),
			 errhint("Members of %s may act for every execution.", ADMIN_ROLE)));
}

/* Raises unless the current role may act for the role of an execution. */
void
engine_check_owner(const Execution *execution)
{
	if (!engine_acts_for(execution->started_by))
		raise_foreign(execution->execution_id);
}

/* The same by the id of an execution; one that does not exist is nobody's. */
void
engine_check_owner_of(int64 execution_id)
{
	Oid			role;

	if (noetl_isolation != ISOLATION_OFF && store_started_by(execution_id, &role) &&
		!engine_acts_for(role))
		raise_foreign(execution_id);
}

/* Returns whether the current role has the rights of the one that leased a task. */
static bool
has_leased(const QueueRow *row)
{
	return OidIsValid(row->leased_by) &&
		(row->leased_by == GetUserId() || has_privs_of_role(GetUserId(), row->leased_by));
}

/* Raises unless the current role has leased the task, or may act for the execution's. */
void
engine_check_lease(Store *store, const QueueRow *row)
{
	Execution	execution;

	if (noetl_isolation == ISOLATION_OFF || has_leased(row))
		return;
	if (store_get_execution(store, row->execution_id, &execution) ?
		engine_acts_for(execution.started_by) : superuser())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for task " INT64_FORMAT, row->queue_id),
			 errdetail("Role \"%s\" has not leased the task.",
					   GetUserNameFromId(GetUserId(), false)),
			 errhint("A lease belongs to the role that called noetl.lease().")));
}

/*
 * Returns whether the current role may read the rows of an execution: it may act
 * for it, or this session is just storing an event of it.
 */
bool
engine_may_read(int64 execution_id)
{
	Oid			role;

	if (noetl_isolation == ISOLATION_OFF || in_flight_any(execution_id))
		return true;
	return store_started_by(execution_id, &role) ? engine_acts_for(role) : superuser();
}

/* Returns whether a task of an execution is leased by the current role for the event's worker. */
static bool
holds_lease(Store *store, const Event *event, int item, QueueRow *row)
{
	TaskQuery	query = {event->node_name, event->visit, item, event->worker_id};

	return store_find_task(store, event->execution_id, &query, row) &&
		row->worker_id != NULL && strcmp(row->worker_id, event->worker_id) == 0 &&
		(strcmp(row->status, "leased") == 0 || strcmp(row->status, "cancelled") == 0) &&
		has_leased(row);
}

/*
 * Returns whether an event about somebody else's execution comes from the worker
 * that holds the lease of the task that the event is about.  Such an event is about
 * the run that the lease is for, whatever it says.
 */
static bool
sent_by_lease_holder(Store *store, Event *event)
{
	QueueRow	row;

	if (!event_type_sent_by(event->type, SENT_BY_WORKER) ||
		event->node_name == NULL || event->worker_id == NULL)
		return false;
	if (!holds_lease(store, event, event->item, &row) &&
		!(event->item >= 0 && holds_lease(store, event, -1, &row)))
		return false;
	event->parent_event_id = row.event_id;
	return true;
}

/*
 * Raises unless an execution that an event names, as a child or a parent, is the
 * sender's.  One that does not exist could become somebody else's.
 */
static void
check_relative(Store *store, int64 execution_id)
{
	Execution	relative;

	if (execution_id == 0)
		return;
	if (store_get_execution(store, execution_id, &relative) ?
		!engine_acts_for(relative.started_by) : !superuser())
		raise_foreign(execution_id);
}

/*
 * Raises unless noetl.isolation lets the current role send an event.  execution: the
 * one that the event is about; NULL: the event starts one.
 */
void
isolation_check_event(Store *store, Event *event, const Execution *execution)
{
	if ((!event_type_sent_by(event->type, SENT_BY_CLIENT | SENT_BY_WORKER) ||
		 (event->type == EVENT_ACTION_RETRY && event->item < 0)) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("events of type \"%s\" are the broker's own", event->event_type),
				 errdetail("No client may insert them.")));
	if (execution == NULL)
	{
		check_relative(store, event->parent_execution_id);
		return;
	}
	if (!engine_acts_for(execution->started_by) && !sent_by_lease_holder(store, event))
		raise_foreign(event->execution_id);
	if (event->type == EVENT_CHILD_SPAWNED)
		check_relative(store, event->started_child);
}
