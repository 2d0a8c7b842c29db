/*
 * engine/role.h
 *		The role on whose behalf an execution runs.
 */
#ifndef NOETL_ENGINE_ROLE_H
#define NOETL_ENGINE_ROLE_H

/*
 * Adds what execution_start says of a role to an object: "started_by", its name,
 * and "started_by_oid", which stays when it is renamed.
 */
extern void role_add(JsonBuilder *builder, Oid role);
/* Raises unless saves may act as the role. */
extern void role_check_save(Oid role);

#endif							/* NOETL_ENGINE_ROLE_H */
