/*
 * catalog/register.c
 *		Registering a playbook: its document is read, checked and stored.
 */
#include "common/common.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "catalog/register.h"
#include "catalog/catalog.h"

static PlaybookIssue *yaml_issue(const SourceError *error);
static PlaybookIssue *path_issue(char *message, char *hint);

/* Parses and compiles a document, and returns the playbook (catalog/register.h). */
Playbook *
catalog_compile_document(const text *content, bool needs_path, Document *document)
{
	SourceError error = {0};
	Playbook   *playbook;

	memset(document, 0, sizeof(Document));
	document->root = yaml_parse_document(VARDATA_ANY(content),
										 VARSIZE_ANY_EXHDR(content), &error);
	if (document->root == NULL)
	{
		yaml_explain(VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content), &error);
		document->issues = list_make1(yaml_issue(&error));
		return NULL;
	}
	playbook = playbook_compile_document(document->root, CurrentMemoryContext,
										 &document->issues);
	playbook_document_names(document->root, &document->path, &document->name);
	document->valid = playbook != NULL;
	if (needs_path && document->path == NULL &&
		document->root->kind == YN_MAP)
	{
		document->valid = false;
		document->issues = lcons(path_issue("the playbook has no path",
											"Add metadata.path, or pass the path to noetl.register()."),
								 document->issues);
	}
	if (needs_path && document->path != NULL &&
		strchr(document->path, PLAYBOOK_INLINE_MARK) != NULL)
	{
		document->valid = false;
		document->issues = lcons(path_issue("a catalog path must not contain \"#\"",
											"Such paths name playbooks that are written in a step of another one."),
								 document->issues);
	}
	return playbook;
}

/* Parses and compiles a document; document->valid: it may be stored. */
void
catalog_read_document(const text *content, bool needs_path, Document *document)
{
	Playbook   *playbook = catalog_compile_document(content, needs_path, document);

	if (playbook != NULL)
		MemoryContextDelete(playbook->context);
}

/* Returns the issue of a document that is no YAML. */
static PlaybookIssue *
yaml_issue(const SourceError *error)
{
	PlaybookIssue *issue = palloc0(sizeof(PlaybookIssue));

	issue->severity = ISSUE_ERROR;
	issue->sqlerrcode = error->sqlerrcode;
	issue->line = error->line;
	issue->column = error->column;
	issue->path = "";
	issue->message = error->message;
	issue->hint = error->hint;
	return issue;
}

/* Returns the issue of a document without a path that it can have. */
static PlaybookIssue *
path_issue(char *message, char *hint)
{
	PlaybookIssue *issue = palloc0(sizeof(PlaybookIssue));

	issue->severity = ISSUE_ERROR;
	issue->sqlerrcode = ERRCODE_INVALID_OBJECT_DEFINITION;
	issue->path = "";
	issue->message = message;
	issue->hint = hint;
	return issue;
}

/* Returns the place of an issue, for DETAIL. */
static char *
issue_detail(const char *path, const PlaybookIssue *issue, int others)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (path != NULL)
		appendStringInfo(&detail, "Playbook \"%s\"", path);
	else
		appendStringInfoString(&detail, "Unnamed playbook");
	if (issue->path[0] != '\0')
		appendStringInfo(&detail, ", %s", issue->path);
	if (issue->line > 0)
		appendStringInfo(&detail, ", line %d, column %d",
						 issue->line, issue->column);
	if (others > 0)
		appendStringInfo(&detail, "; %d more %s", others,
						 others == 1 ? "error" : "errors");
	appendStringInfoChar(&detail, '.');
	return detail.data;
}

/* Raises the first error of a document; without errors emits every warning. */
void
catalog_report_issues(const Document *document, const char *path)
{
	PlaybookIssue *first = NULL;
	ListCell   *cell;
	int			errors = 0;

	foreach(cell, document->issues)
	{
		PlaybookIssue *issue = lfirst(cell);

		if (issue->severity != ISSUE_ERROR)
			continue;
		errors++;
		if (first == NULL)
			first = issue;
	}
	if (first != NULL)
		ereport(ERROR,
				(errcode(first->sqlerrcode),
				 errmsg("%s", first->message),
				 errdetail("%s", issue_detail(path, first, errors - 1)),
				 first->hint ? errhint("%s", first->hint) : 0));
	if (!document->valid)
		elog(ERROR, "playbook was refused without a reason");
	foreach(cell, document->issues)
	{
		PlaybookIssue *issue = lfirst(cell);

		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("%s", issue->message),
				 errdetail("%s", issue_detail(path, issue, 0)),
				 issue->hint ? errhint("%s", issue->hint) : 0));
	}
}

/* Returns the SHA-256 of a content. */
static bytea *
content_digest(text *content)
{
	return DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(content)));
}

/*
 * Stores a document as the next version of a path, unless a version with the
 * digest is there.  Returns the catalog_id.
 */
static int64
store_document(const Document *document, text *content, text *path, bytea *digest)
{
	JsonbValue	payload;
	int			version;
	int64		catalog_id = catalog_lock_path(path, digest, &version);

	if (catalog_id != 0)
		return catalog_id;
	yaml_to_json(document->root, &payload);
	return catalog_insert(path, version + 1, cstring_to_text("Playbook"), content,
						  digest, JsonbValueToJsonb(&payload));
}

/* Warns of a version that is not the newest: whoever registers it again expects that. */
static void
warn_of_older(const char *path, int64 catalog_id)
{
	int64		newest;
	const char *same_path;
	int			version;
	int			newest_version;

	if (!catalog_find(path, 0, DT_NOEND, &newest) || newest == catalog_id ||
		!catalog_describe(catalog_id, &same_path, &version) ||
		!catalog_describe(newest, &same_path, &newest_version))
		return;
	ereport(WARNING,
			(errmsg("this text is version %d of playbook \"%s\", not the newest", version, path),
			 errdetail("noetl.execute() starts version %d unless it is told another one.",
					   newest_version),
			 errhint("To make it the newest version, change it: a comment is enough.")));
}

/* Stores a valid document under a path of the current role's (catalog/register.h). */
int64
catalog_store_document(const Document *document, text *content, text *path)
{
	int64		catalog_id;

	catalog_claim_path(path);
	catalog_id = store_document(document, content, path, content_digest(content));
	warn_of_older(text_to_cstring(path), catalog_id);
	return catalog_id;
}

/* Returns the first error of a document as one line. */
static char *
first_error(const Document *document)
{
	ListCell   *cell;

	foreach(cell, document->issues)
	{
		PlaybookIssue *issue = lfirst(cell);

		if (issue->severity == ISSUE_ERROR)
			return issue->line > 0 ?
				psprintf("%s (line %d, column %d of the inline playbook)",
						 issue->message, issue->line, issue->column) :
				pstrdup(issue->message);
	}
	return pstrdup("the inline playbook is not valid");
}

/* Compiles a document that is part of another playbook (catalog/register.h). */
Playbook *
catalog_compile_inline(const char *content, char **error)
{
	Document	document;
	Playbook   *playbook = catalog_compile_document(cstring_to_text(content), false, &document);

	if (playbook == NULL)
		*error = first_error(&document);
	return playbook;
}

/* Stores a document that is part of another playbook; returns its catalog_id. */
int64
catalog_add(const char *content, const char *path, char **error)
{
	text	   *content_text = cstring_to_text(content);
	text	   *path_text = cstring_to_text(path);
	bytea	   *digest = content_digest(content_text);
	int64		catalog_id = catalog_find_content(path_text, digest);
	Document	document;

	if (catalog_id != 0)
		return catalog_id;
	catalog_read_document(content_text, false, &document);
	if (document.valid)
		return store_document(&document, content_text, path_text, digest);
	*error = first_error(&document);
	return 0;
}

/* Finds a document that is part of another playbook; returns its catalog_id. */
int64
catalog_look_up(const char *content, const char *path, char **error)
{
	text	   *content_text = cstring_to_text(content);
	int64		catalog_id = catalog_find_content(cstring_to_text(path),
												  content_digest(content_text));
	Document	document;

	if (catalog_id != 0)
		return catalog_id;
	catalog_read_document(content_text, false, &document);
	*error = document.valid ? pstrdup("the inline playbook is not registered") :
		first_error(&document);
	return 0;
}
