/*
 * catalog.c
 *		SQL functions over the catalog: register, validate, and the trigger
 *		that keeps registered playbooks as they are.
 */
#include "noetl.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "catalog_store.h"
#include "playbook.h"
#include "rows.h"

PG_FUNCTION_INFO_V1(noetl_register);
PG_FUNCTION_INFO_V1(noetl_validate);
PG_FUNCTION_INFO_V1(noetl_catalog_guard);

/* A document that was read, and what there is to say about it. */
typedef struct Document
{
	YamlNode   *root;			/* NULL: not even YAML */
	char	   *path;			/* catalog path as the document says, or NULL */
	char	   *name;
	bool		valid;
	List	   *issues;			/* PlaybookIssue *, in document order */
} Document;

static void read_document(const text *content, bool needs_path,
						  Document *document);
static PlaybookIssue *yaml_issue(const SourceError *error);
static PlaybookIssue *missing_path_issue(void);
static char *issue_detail(const char *path, const PlaybookIssue *issue,
						  int others);
static void report_issues(const Document *document, const char *path);
static text *choose_path(FunctionCallInfo fcinfo, const Document *document);
static void put_issues(ReturnSetInfo *result, const List *issues);
static bool same_definition(HeapTuple old, HeapTuple new, TupleDesc desc);

/* Parses and compiles a document; "valid" says whether it may be stored. */
static void
read_document(const text *content, bool needs_path, Document *document)
{
	SourceError error = {0};
	Playbook   *playbook;

	memset(document, 0, sizeof(Document));
	document->root = yaml_parse_document(VARDATA_ANY(content),
										 VARSIZE_ANY_EXHDR(content), &error);
	if (document->root == NULL)
	{
		document->issues = list_make1(yaml_issue(&error));
		return;
	}
	playbook = playbook_compile_document(document->root, CurrentMemoryContext,
										 &document->issues);
	playbook_document_names(document->root, &document->path, &document->name);
	document->valid = playbook != NULL;
	if (needs_path && document->path == NULL &&
		document->root->kind == YN_MAP)
	{
		document->valid = false;
		document->issues = lcons(missing_path_issue(), document->issues);
	}
	if (playbook != NULL)
		MemoryContextDelete(playbook->context);
}

/* What is wrong with a document that is not even YAML. */
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

/* What to say to a document that does not say what it is called. */
static PlaybookIssue *
missing_path_issue(void)
{
	PlaybookIssue *issue = palloc0(sizeof(PlaybookIssue));

	issue->severity = ISSUE_ERROR;
	issue->sqlerrcode = ERRCODE_INVALID_OBJECT_DEFINITION;
	issue->path = "";
	issue->message = "the playbook has no path";
	issue->hint = "Add metadata.path, or pass the path to noetl.register().";
	return issue;
}

/* Where an issue stands, for DETAIL. */
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

/* Raises the first error, or every warning when there is none. */
static void
report_issues(const Document *document, const char *path)
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

/* The path to register under: the argument, or what the document says. */
static text *
choose_path(FunctionCallInfo fcinfo, const Document *document)
{
	text	   *path;

	if (PG_ARGISNULL(1))
		return document->path ? cstring_to_text(document->path) : NULL;
	path = PG_GETARG_TEXT_PP(1);
	if (VARSIZE_ANY_EXHDR(path) == 0 ||
		VARSIZE_ANY_EXHDR(path) > PLAYBOOK_MAX_PATH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a catalog path must have between 1 and %d bytes",
						PLAYBOOK_MAX_PATH)));
	return path;
}

/* By what a content is known. */
static bytea *
content_digest(text *content)
{
	return DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(content)));
}

/* Stores a valid document as the next version of a path, unless it is there. */
static int64
store_document(const Document *document, text *content, text *path)
{
	bytea	   *digest = content_digest(content);
	JsonbValue	payload;
	int			version;
	int64		catalog_id = catalog_lock_path(path, digest, &version);

	if (catalog_id != 0)
		return catalog_id;
	yaml_to_json(document->root, &payload);
	return catalog_insert(path, version + 1, cstring_to_text("Playbook"), content,
						  digest, JsonbValueToJsonb(&payload));
}

/*
 * noetl.register(content, path): stores a playbook as the next version of its
 * path, unless a version with the same content is there.
 */
Datum
noetl_register(PG_FUNCTION_ARGS)
{
	Document	document;
	text	   *content;
	text	   *path;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the content of a playbook must not be null")));
	PreventCommandIfReadOnly("noetl.register()");
	PreventCommandIfParallelMode("noetl.register()");
	content = PG_GETARG_TEXT_PP(0);
	read_document(content, PG_ARGISNULL(1), &document);
	path = choose_path(fcinfo, &document);
	report_issues(&document, path ? text_to_cstring(path) : document.name);
	PG_RETURN_INT64(store_document(&document, content, path));
}

/* The first error of a document as one line. */
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

/* A document that is part of another one; false and *error when it is not valid. */
static bool
read_inline(text *content, const char *path, Document *document, text **path_text,
			char **error)
{
	read_document(content, false, document);
	if (!document->valid)
	{
		*error = first_error(document);
		return false;
	}
	*path_text = cstring_to_text(document->path != NULL ? document->path : path);
	return true;
}

/* See catalog_store.h. */
int64
catalog_add(const char *content, const char *path, char **error)
{
	text	   *content_text = cstring_to_text(content);
	text	   *path_text;
	Document	document;

	return read_inline(content_text, path, &document, &path_text, error) ?
		store_document(&document, content_text, path_text) : 0;
}

/* See catalog_store.h. */
int64
catalog_look_up(const char *content, const char *path, char **error)
{
	text	   *content_text = cstring_to_text(content);
	text	   *path_text;
	Document	document;
	int64		catalog_id;

	if (!read_inline(content_text, path, &document, &path_text, error))
		return 0;
	catalog_id = catalog_find_content(path_text, content_digest(content_text));
	if (catalog_id == 0)
		*error = pstrdup("the inline playbook is not registered");
	return catalog_id;
}

/* noetl.validate(content): every issue of a document, as rows. */
Datum
noetl_validate(PG_FUNCTION_ARGS)
{
	Document	document;
	ReturnSetInfo *result = rows_begin(fcinfo);

	read_document(PG_GETARG_TEXT_PP(0), true, &document);
	put_issues(result, document.issues);
	return (Datum) 0;
}

/* Turns issues into rows (severity, line, col, path, message, hint). */
static void
put_issues(ReturnSetInfo *result, const List *issues)
{
	ListCell   *cell;

	foreach(cell, issues)
	{
		PlaybookIssue *issue = lfirst(cell);
		Datum		values[6] = {0};
		bool		nulls[6] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = CStringGetTextDatum(issue->severity == ISSUE_ERROR ?
										"error" : "warning");
		values[1] = Int32GetDatum(issue->line);
		values[2] = Int32GetDatum(issue->column);
		nulls[1] = nulls[2] = issue->line == 0;
		values[3] = CStringGetTextDatum(issue->path);
		values[4] = CStringGetTextDatum(issue->message);
		if (issue->hint != NULL)
			values[5] = CStringGetTextDatum(issue->hint);
		else
			nulls[5] = true;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* Do two versions of a row define the same playbook?  "meta" is free. */
static bool
same_definition(HeapTuple old, HeapTuple new, TupleDesc desc)
{
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool		old_null;
		bool		new_null;
		Datum		old_value = heap_getattr(old, i + 1, desc, &old_null);
		Datum		new_value = heap_getattr(new, i + 1, desc, &new_null);

		if (attribute->attisdropped ||
			strcmp(NameStr(attribute->attname), "meta") == 0)
			continue;
		if (old_null != new_null ||
			(!old_null && !datum_image_eq(old_value, new_value,
										  attribute->attbyval,
										  attribute->attlen)))
			return false;
	}
	return true;
}

/*
 * Trigger of noetl.catalog: executions and compiled playbooks rely on a row
 * staying as it was registered.
 */
Datum
noetl_catalog_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	row;
	int64		catalog_id;
	bool		isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("noetl.catalog_guard() must be called as a row trigger before UPDATE or DELETE")));
	row = trigger->tg_trigtuple;
	desc = RelationGetDescr(trigger->tg_relation);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		if (!same_definition(row, trigger->tg_newtuple, desc))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a registered playbook cannot be changed"),
					 errdetail("Only column \"meta\" of noetl.catalog can be updated."),
					 errhint("Register the new text with noetl.register(): it becomes the next version.")));
		return PointerGetDatum(trigger->tg_newtuple);
	}
	catalog_id = DatumGetInt64(heap_getattr(row, SPI_fnumber(desc, "catalog_id"),
											desc, &isnull));
	catalog_lock_version(catalog_id, true);
	if (catalog_is_used(catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("playbook \"%s\" version %s cannot be deleted",
						SPI_getvalue(row, desc, SPI_fnumber(desc, "path")),
						SPI_getvalue(row, desc, SPI_fnumber(desc, "version"))),
				 errdetail("Executions of it exist."),
				 errhint("Delete its executions first.")));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(row);
}
