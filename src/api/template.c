/*
 * api/template.c
 *		noetl.render() and noetl.evaluate(): templates from SQL.
 *
 * A statement often renders the same few templates for many rows.  The session
 * keeps compiled templates in a small cache, by their text.
 */
#include "common/common.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "jinja/jinja.h"

#define CACHE_SLOTS		256
#define CACHE_MAX_TEXT	(64 * 1024)

typedef struct CacheEntry
{
	MemoryContext context;		/* holds the template; NULL: slot is free */
	uint32		hash;
	TemplateMode mode;
	Template   *template;
} CacheEntry;

static CacheEntry cache[CACHE_SLOTS];

PG_FUNCTION_INFO_V1(noetl_render_text);
PG_FUNCTION_INFO_V1(noetl_render_jsonb);
PG_FUNCTION_INFO_V1(noetl_evaluate);

/* Compiles a template; raises when it has a syntax error. */
static Template *
compile_or_raise(const char *text, int length, TemplateMode mode)
{
	SourceError error;
	Template   *template = template_compile(text, length, mode, &error);

	if (template == NULL)
		template_raise(&error);
	return template;
}

/* Returns a compiled template from the cache.  A new one replaces that of its slot. */
static Template *
cached_template(const char *text, int length, TemplateMode mode)
{
	uint32		hash = hash_bytes((const unsigned char *) text, length);
	CacheEntry *entry = &cache[hash % CACHE_SLOTS];
	MemoryContext context;
	MemoryContext old;
	Template   *template;

	if (entry->context != NULL && entry->hash == hash && entry->mode == mode &&
		template_has_source(entry->template, text, length))
		return entry->template;
	if (length > CACHE_MAX_TEXT)
		return compile_or_raise(text, length, mode);

	context = AllocSetContextCreate(CurrentMemoryContext, "compiled template",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	template = compile_or_raise(text, length, mode);
	MemoryContextSwitchTo(old);
	if (entry->context != NULL)
		MemoryContextDelete(entry->context);
	MemoryContextSetParent(context, TopMemoryContext);
	entry->context = context;
	entry->hash = hash;
	entry->mode = mode;
	entry->template = template;
	return template;
}

/* noetl.render(template text, context jsonb) */
Datum
noetl_render_text(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	TemplateScope scope = template_object_scope(PG_GETARG_JSONB_P(1));
	Template   *template = cached_template(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
										   TEMPLATE_TEXT);
	JsonbValue	result;
	SourceError error;

	if (!template_render(template, &scope, &result, &error))
		template_raise(&error);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(&result));
}

/* noetl.render(template jsonb, context jsonb [, step_values boolean]) */
Datum
noetl_render_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb	   *document = PG_GETARG_JSONB_P(0);
	bool		step_values = PG_NARGS() > 2 && PG_GETARG_BOOL(2);
	TemplateScope scope = step_values ?
		template_steps_scope(PG_GETARG_JSONB_P(1)) :
		template_object_scope(PG_GETARG_JSONB_P(1));
	JsonbValue	value;
	JsonbValue	result;
	TemplateDoc *doc;
	SourceError error;

	json_from_jsonb(document, &value);
	doc = template_doc_compile(&value, &error);
	if (doc == NULL || !template_doc_render(doc, &scope, &result, &error))
		template_raise(&error);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(&result));
}

/* noetl.evaluate(condition text, context jsonb) */
Datum
noetl_evaluate(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	TemplateScope scope = template_object_scope(PG_GETARG_JSONB_P(1));
	Template   *template = cached_template(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
										   TEMPLATE_CONDITION);
	bool		result;
	SourceError error;

	if (!template_truth(template, &scope, &result, &error))
		template_raise(&error);
	PG_RETURN_BOOL(result);
}
