/*
 * catalog/register.h
 *		Registering a playbook: its document is read, judged and stored.
 */
#ifndef NOETL_CATALOG_REGISTER_H
#define NOETL_CATALOG_REGISTER_H

#include "playbook/playbook.h"

/* A document that was read, and what there is to say about it. */
typedef struct Document
{
	YamlNode   *root;			/* NULL: not even YAML */
	char	   *path;			/* catalog path as the document says, or NULL */
	char	   *name;
	bool		valid;
	List	   *issues;			/* PlaybookIssue *, in document order */
} Document;

/*
 * Parses and compiles a document; "valid" says whether it may be stored.
 * needs_path: a document without a path is not valid.  Raises nothing for what
 * the document contains.
 */
extern void catalog_read_document(const text *content, bool needs_path,
								  Document *document);

/* Raises the first error of a document, or every warning when it has no error. */
extern void catalog_report_issues(const Document *document, const char *path);

/*
 * Stores a valid document as the next version of a path, unless a version with
 * the same content is there; returns its catalog_id.
 */
extern int64 catalog_store_document(const Document *document, text *content, text *path);

/*
 * Stores a document that is part of another playbook and returns its
 * catalog_id; "path" is its path, unless the document names one.  Returns 0 and
 * sets *error when the document is no valid playbook.
 */
extern int64 catalog_add(const char *content, const char *path, char **error);

/* The same for a document that should be stored already: nothing is stored. */
extern int64 catalog_look_up(const char *content, const char *path, char **error);

#endif							/* NOETL_CATALOG_REGISTER_H */
