/*
 * catalog/catalog.h
 *		Every read and write of noetl.catalog; nothing else touches it.
 *
 * These functions run as the table's owner: a client needs the right to call an SQL
 * function, and no right on the table.
 */
#ifndef NOETL_CATALOG_CATALOG_H
#define NOETL_CATALOG_CATALOG_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "playbook/playbook.h"

/* Returns the OID of noetl.catalog; raises when the extension is not installed. */
extern Oid	catalog_relation(void);

/*
 * Reads the document of a catalog row, in CurrentMemoryContext.  Returns false when
 * there is no such row.  *own: this transaction inserted it.
 */
extern bool catalog_read_content(int64 catalog_id, char **content,
								 int *length, bool *own);

/*
 * Returns the parsed document of a catalog row, in CurrentMemoryContext; NULL when
 * there is no such row or its document has another digest.  A caller that knows
 * the digest has read the row, so it may see the document.
 */
extern Jsonb *catalog_read_payload(int64 catalog_id, bytea *digest);

/*
 * Makes this transaction the only one that registers versions of a path, until it
 * ends.  Returns the catalog_id of the newest row with the digest, or 0.  *version:
 * the newest version of the path; 0: none.
 */
extern int64 catalog_lock_path(text *path, bytea *digest, int *version);

/* Stores a version; returns its catalog_id. */
extern int64 catalog_insert(text *path, int version, text *kind, text *content,
							bytea *digest, Jsonb *payload);

/*
 * Finds a version of a path (0: the newest) among the rows that existed at a time
 * (DT_NOEND: now).  Returns false when there is none.
 */
extern bool catalog_find(const char *path, int version, TimestampTz before,
						 int64 *catalog_id);
/* Returns the newest version of a path that has the digest; 0: none. */
extern int64 catalog_find_content(text *path, bytea *digest);

/*
 * Reads path (in CurrentMemoryContext) and version of a row.  Returns false when
 * there is no such row.
 */
extern bool catalog_describe(int64 catalog_id, const char **path, int *version);

/*
 * Keeps a version from being deleted, or (to_delete) from being started, until the
 * end of the transaction.  The caller must read the row after it has the lock.
 */
extern void catalog_lock_version(int64 catalog_id, bool to_delete);

/* Returns whether any execution refers to the row. */
extern bool catalog_is_used(int64 catalog_id);

/* ---- rights.c ---- */

/* The message for a role without the right to start a playbook, with its path */
#define CATALOG_EXECUTE_REFUSED	"permission denied for playbook \"%s\""

/*
 * Returns whether a role may start a playbook; by the session's cache where the
 * rights are known.  One that does not exist is nobody's.
 */
extern bool catalog_may_execute(int64 catalog_id, Oid role);
/* Raises unless a role may start a playbook. */
extern void catalog_check_execute(int64 catalog_id, Oid role);

/*
 * Makes the current role the owner of a path that nobody has registered.  Raises
 * unless it may act for the owner of another one.  Makes this transaction the only
 * one that registers versions of the path.
 */
extern void catalog_claim_path(text *path);

/*
 * Lets a role (InvalidOid: PUBLIC) start the playbooks of a path, or not any more.
 * Returns whether that changes anything.
 */
extern bool catalog_grant_execute(text *path, Oid role, bool grant);

/*
 * Returns the compiled playbook of a catalog row, from the session's cache.  Raises
 * when there is no such row.  The playbook is valid until the end of the
 * transaction at least; the caller must not change it.
 */
extern Playbook *playbook_get(int64 catalog_id);

/* The same; returns NULL when the playbook does not compile, for who looks at many of them. */
extern Playbook *playbook_try(int64 catalog_id);

/* Returns whether the session's cache has a playbook, so that playbook_get() cannot fail. */
extern bool playbook_is_cached(int64 catalog_id);

/* The other parts of the door. */
#include "catalog/register.h"

#endif							/* NOETL_CATALOG_CATALOG_H */
