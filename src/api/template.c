/*
 * api/template.c
 *		noetl.render() and noetl.evaluate(): templates from SQL.
 *
 * Compiled templates are kept in a small cache of the backend, keyed by their
 * text: the same few templates tend to be rendered over many rows.
 */
#include "common/common.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "jinja/internal.h"

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

/* Turns what is wrong with a template into an SQL error. */
void
template_raise(const SourceError *error)
{
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("%s", error->message),
			 error->line > 0 ? errdetail("Line %d, column %d of the template.",
										 error->line, error->column) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
}

/* Compiles, raising on errors. */
static Template *
compile_or_raise(const char *text, int length, TemplateMode mode)
{
	SourceError error;
	Template   *template = template_compile(text, length, mode, &error);

	if (template == NULL)
		template_raise(&error);
	return template;
}

/* A compiled template from the cache; a slot holds one, the newest wins. */
static Template *
cached_template(const char *text, int length, TemplateMode mode)
{
	uint32		hash = hash_bytes((const unsigned char *) text, length);
	CacheEntry *entry = &cache[hash % CACHE_SLOTS];
	MemoryContext context;
	MemoryContext old;
	Template   *template;

	if (entry->context != NULL && entry->hash == hash && entry->mode == mode &&
		entry->template->original_length == length &&
		memcmp(entry->template->original, text, length) == 0)
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

/* The members of the context object are the free names. */
static TemplateBinding
lookup_member(void *arg, const char *name, int length, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(arg, name, length, value) == NULL)
		return TEMPLATE_UNKNOWN;
	return TEMPLATE_VALUE;
}

/* The same where every member is taken for the value of a step. */
static TemplateBinding
lookup_step_value(void *arg, const char *name, int length, JsonbValue *value)
{
	TemplateBinding binding = lookup_member(arg, name, length, value);

	return binding == TEMPLATE_VALUE ? TEMPLATE_STEP_VALUE : binding;
}

/* In which envelope they came nobody knows any more. */
static TemplateBinding
no_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	return TEMPLATE_UNDEFINED;
}

/* A scope over a context object. */
TemplateScope
template_object_scope(Jsonb *context)
{
	TemplateScope scope;

	if (!JB_ROOT_IS_OBJECT(context))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("template context must be a JSON object")));
	memset(&scope, 0, sizeof(scope));
	scope.lookup = lookup_member;
	scope.arg = &context->root;
	scope.now = GetCurrentTransactionStartTimestamp();
	return scope;
}

/* Is a name that of a step, and what is left of the envelope it came in? */
static bool
find_step(JsonbContainer *context, const char *name, int length, JsonbValue *envelope)
{
	JsonbValue	steps;

	return getKeyJsonValueFromContainer(context, "_steps", strlen("_steps"), &steps) != NULL &&
		json_get_n(&steps, name, length, envelope);
}

/* The members of queue.context, of which some are values of steps. */
static TemplateBinding
lookup_context(void *arg, const char *name, int length, JsonbValue *value)
{
	TemplateBinding binding = lookup_member(arg, name, length, value);
	JsonbValue	envelope;

	return binding == TEMPLATE_VALUE && find_step(arg, name, length, &envelope) ?
		TEMPLATE_STEP_VALUE : binding;
}

/* The envelope, without the value itself. */
static TemplateBinding
context_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	return find_step(arg, name, length, value) && json_is_object(value) ?
		TEMPLATE_VALUE : TEMPLATE_UNDEFINED;
}

/* See template.h. */
TemplateScope
template_context_scope(Jsonb *context)
{
	TemplateScope scope = template_object_scope(context);

	scope.lookup = lookup_context;
	scope.envelope = context_envelope;
	return scope;
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
	TemplateScope scope = template_object_scope(PG_GETARG_JSONB_P(1));
	bool		step_values = PG_NARGS() > 2 && PG_GETARG_BOOL(2);
	JsonbValue	value;
	JsonbValue	result;
	TemplateDoc *doc;
	SourceError error;

	memset(&value, 0, sizeof(value));
	value.type = jbvBinary;
	value.val.binary.data = &document->root;
	value.val.binary.len = VARSIZE(document) - VARHDRSZ;
	if (step_values)
	{
		scope.lookup = lookup_step_value;
		scope.envelope = no_envelope;
	}
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
