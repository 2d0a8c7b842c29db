/*
 * api/catalog.c
 *		noetl.register(), noetl.validate(), noetl.grant_execute() and
 *		noetl.revoke_execute().
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(noetl_register);
PG_FUNCTION_INFO_V1(noetl_validate);
PG_FUNCTION_INFO_V1(noetl_grant_execute);
PG_FUNCTION_INFO_V1(noetl_revoke_execute);

static text *choose_path(FunctionCallInfo fcinfo, const Document *document);
static void put_issues(ReturnSetInfo *result, const List *issues);

/* Returns the path argument, or the path that the document says. */
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
	catalog_read_document(content, PG_ARGISNULL(1), &document);
	path = choose_path(fcinfo, &document);
	catalog_report_issues(&document, path ? text_to_cstring(path) : document.name);
	PG_RETURN_INT64(catalog_store_document(&document, content, path));
}

/* noetl.validate(content): returns the issues of a document as rows. */
Datum
noetl_validate(PG_FUNCTION_ARGS)
{
	Document	document;
	ReturnSetInfo *result = rows_begin(fcinfo);

	catalog_read_document(PG_GETARG_TEXT_PP(0), true, &document);
	put_issues(result, document.issues);
	return (Datum) 0;
}

/*
 * Changes whether a role, or "public", may start the playbooks of a path; returns
 * whether that changes anything.
 */
static Datum
change_grant(FunctionCallInfo fcinfo, bool grant)
{
	const char *name = NameStr(*PG_GETARG_NAME(1));
	Oid			role = get_role_oid(name, true);

	PreventCommandIfReadOnly(grant ? "noetl.grant_execute()" : "noetl.revoke_execute()");
	PreventCommandIfParallelMode(grant ? "noetl.grant_execute()" : "noetl.revoke_execute()");
	if (!OidIsValid(role) && pg_strcasecmp(name, "public") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name),
				 errhint("The name PUBLIC stands for all roles.")));
	PG_RETURN_BOOL(catalog_grant_execute(PG_GETARG_TEXT_PP(0), role, grant));
}

/* noetl.grant_execute(path, role) */
Datum
noetl_grant_execute(PG_FUNCTION_ARGS)
{
	return change_grant(fcinfo, true);
}

/* noetl.revoke_execute(path, role) */
Datum
noetl_revoke_execute(PG_FUNCTION_ARGS)
{
	return change_grant(fcinfo, false);
}

/* Puts issues into the result set (severity, line, col, path, message, hint). */
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

PG_FUNCTION_INFO_V1(noetl_playbook_schema);

/* noetl.playbook_schema(): returns the JSON Schema of playbooks, for editors. */
Datum
noetl_playbook_schema(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(playbook_schema());
}
