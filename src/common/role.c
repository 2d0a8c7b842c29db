/*
 * common/role.c
 *		Rights of roles over what belongs to other roles.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/acl.h"

/* Returns whether a role has the rights of another one (common/role.h). */
bool
role_acts_for(Oid role, Oid owner)
{
	Oid			admin;

	if (role == owner || superuser_arg(role) || has_privs_of_role(role, owner))
		return true;
	admin = get_role_oid(ADMIN_ROLE, true);
	return OidIsValid(admin) && has_privs_of_role(role, admin);
}
