/*
 * engine/role.c
 *		The role on whose behalf an execution runs: its rights are those of the
 *		saves, and its oid, not its name, is what counts.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/syscache.h"

#include "engine/engine.h"
#include "engine/role.h"
#include "utils/acl.h"

/*
 * Adds what execution_start says of a role to an object: "started_by", its name,
 * and "started_by_oid", which stays when it is renamed.
 */
void
role_add(JsonBuilder *builder, Oid role)
{
	const char *name = GetUserNameFromId(role, true);

	if (name != NULL)
		json_add_text(builder, "started_by", name);
	json_add_int(builder, "started_by_oid", role);
}

/* Raises unless saves may act as the role. */
void
role_check_save(Oid role)
{
	const char *name = GetUserNameFromId(role, true);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that started the execution does not exist any more"),
				 errdetail("Its oid was %u.", role)));
	if (superuser_arg(role) && !noetl_superuser_saves)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("saves do not act as the superuser \"%s\"", name),
				 errhint("start executions as an ordinary role, or set noetl.superuser_saves in postgresql.conf")));
}

/* Returns whether an oid is that of a role. */
static bool
is_role(Oid oid)
{
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(oid));
}

/*
 * Returns the role that started an execution, by its execution_start.  The oid
 * and the name differ when the role was renamed, or the log restored in another
 * cluster, where the oid may be anybody's.  The name counts if the oid is no role;
 * when both are, or the name is none, the row of the execution decides (in_row, or
 * InvalidOid); raises when that does not say it.
 */
Oid
engine_started_by(const Event *start, Oid in_row)
{
	Oid			oid = (Oid) start->started_by_oid;
	Oid			named = InvalidOid;

	if (start->started_by != NULL)
		named = get_role_oid(start->started_by, true);
	if (!OidIsValid(oid) && !OidIsValid(named))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the log of execution " INT64_FORMAT " does not say who started it",
						start->execution_id),
				 errdetail("The meta of its execution_start event names no role.")));
	if (start->started_by == NULL || named == oid || (!OidIsValid(named) && !is_role(oid)))
		return oid;
	if (!OidIsValid(oid) || !is_role(oid))
		return named;
	if (in_row == oid || (OidIsValid(in_row) && (in_row == named || !OidIsValid(named))))
		return in_row;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the log of execution " INT64_FORMAT " does not say who started it",
					start->execution_id),
			 errdetail("Its execution_start event names the role \"%s\" and the oid of the role \"%s\".",
					   start->started_by, GetUserNameFromId(oid, true)),
			 errhint("Insert a row into noetl.execution that says it, and rebuild the execution.")));
}
