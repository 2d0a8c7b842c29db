/*
 * catalog/register.h
 *		Registering a playbook: its document is read, checked and stored.
 */
#ifndef NOETL_CATALOG_REGISTER_H
#define NOETL_CATALOG_REGISTER_H

#include "playbook/playbook.h"

/* A document that was read, and its issues. */
typedef struct Document
{
	YamlNode   *root;			/* NULL: it is no YAML */
	char	   *path;			/* catalog path as the document says, or NULL */
	char	   *name;
	bool		valid;
	List	   *issues;			/* PlaybookIssue *, in document order */
} Document;

/*
 * Parses and compiles a document; document->valid: it may be stored.  needs_path: a
 * document without a path is not valid.  Must not raise for what the document
 * contains.
 */
extern void catalog_read_document(const text *content, bool needs_path,
								  Document *document);

/*
 * The same, and returns the compiled playbook, whose memory context lies under
 * CurrentMemoryContext; NULL when the document does not compile.
 */
extern Playbook *catalog_compile_document(const text *content, bool needs_path,
										  Document *document);

/*
 * Compiles a document that is part of another playbook and stores nothing.  Returns
 * NULL and sets *error when it is not valid.
 */
extern Playbook *catalog_compile_inline(const char *content, char **error);

/*
 * Raises the first error of a document; without errors emits every warning.  path:
 * for DETAIL; NULL: the playbook has none.
 */
extern void catalog_report_issues(const Document *document, const char *path);

/*
 * Stores a valid document as the next version of a path, unless a version with
 * the same content is there; returns its catalog_id.  Raises unless the path is
 * the current role's, or nobody's until now.
 */
extern int64 catalog_store_document(const Document *document, text *content, text *path);

/*
 * Stores a document that is part of another playbook and returns its
 * catalog_id; "path" is its path, whatever the document says.  Returns 0 and
 * sets *error when the document is no valid playbook.  Checks no right: the path
 * must be one that PLAYBOOK_INLINE_MARK keeps from users.
 */
extern int64 catalog_add(const char *content, const char *path, char **error);

/*
 * Returns the catalog_id of such a document that is stored already.  Stores nothing:
 * returns 0 and sets *error when it is not stored.
 */
extern int64 catalog_look_up(const char *content, const char *path, char **error);

#endif							/* NOETL_CATALOG_REGISTER_H */
