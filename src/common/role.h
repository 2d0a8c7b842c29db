/*
 * common/role.h
 *		Rights of roles over what belongs to other roles.
 */
#ifndef NOETL_COMMON_ROLE_H
#define NOETL_COMMON_ROLE_H

/* The role whose members act for every execution and every catalog path. */
#define ADMIN_ROLE	"noetl_admin"

/*
 * Returns whether a role has the rights of another one: it is a member of that
 * role or of noetl_admin, or a superuser.
 */
extern bool role_acts_for(Oid role, Oid owner);

#endif							/* NOETL_COMMON_ROLE_H */
