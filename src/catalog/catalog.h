/*
 * catalog/catalog.h
 *		Every read and write of noetl.catalog; nothing else touches it.
 *
 * All of it runs as the table's owner, so that a client needs the right to
 * call a function and none on the table.
 */
#ifndef NOETL_CATALOG_CATALOG_H
#define NOETL_CATALOG_CATALOG_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "playbook/playbook.h"

/* OID of noetl.catalog; raises when the extension is not there. */
extern Oid	catalog_relation(void);

/*
 * The document of a catalog row, in CurrentMemoryContext; false when there is
 * no such row.  *own: this transaction inserted it.
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
 * Makes this transaction the only one that registers versions of a path, and
 * looks: *version is the newest version (0: none); returns the newest row
 * with that digest, or 0.
 */
extern int64 catalog_lock_path(text *path, bytea *digest, int *version);

/* Stores a version; returns its catalog_id. */
extern int64 catalog_insert(text *path, int version, text *kind, text *content,
							bytea *digest, Jsonb *payload);

/*
 * The row of a version of a path (0: the newest) that was there at a time
 * (DT_NOEND: now); false when there is none.
 */
extern bool catalog_find(const char *path, int version, TimestampTz before,
						 int64 *catalog_id);
extern int64 catalog_find_content(text *path, bytea *digest);

/* Path (in CurrentMemoryContext) and version of a row; false: no such row. */
extern bool catalog_describe(int64 catalog_id, const char **path, int *version);

/*
 * Keeps a version from being deleted, or from being started, until the end of
 * the transaction.  Look (again) whether it exists once you hold the lock.
 */
extern void catalog_lock_version(int64 catalog_id, bool to_delete);

/* Does any execution refer to the row? */
extern bool catalog_is_used(int64 catalog_id);

/*
 * The compiled playbook of a catalog row, from the backend's cache.  Raises
 * when there is no such row.  Valid until the end of the transaction at least.
 */
extern Playbook *playbook_get(int64 catalog_id);

/* The other parts of the door. */
#include "catalog/register.h"

#endif							/* NOETL_CATALOG_CATALOG_H */
