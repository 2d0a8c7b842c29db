/*
 * api/template.c
 *		noetl.render() and noetl.evaluate(): templates from SQL.
 *
 * A statement often renders the same few templates for many rows.  The session
 * keeps compiled templates in a small cache, by their text.
 */
#include "common/common.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api/template.h"

#define CACHE_SLOTS		256
#define CACHE_MAX_TEXT	(64 * 1024)

typedef struct CacheEntry
{
	MemoryContext context;		/* holds the template; NULL: slot is free */
	uint32		hash;
	TemplateMode mode;
	const char *text;			/* as it was compiled */
	int			length;
	Template   *template;
} CacheEntry;

static CacheEntry cache[CACHE_SLOTS];

PG_FUNCTION_INFO_V1(noetl_render_text);
PG_FUNCTION_INFO_V1(noetl_render_jsonb);
PG_FUNCTION_INFO_V1(noetl_evaluate);

/* Raises what is wrong with a template as an SQL error. */
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
	char	   *copy;
	Template   *template;

	if (entry->context != NULL && entry->hash == hash && entry->mode == mode &&
		entry->length == length && memcmp(entry->text, text, length) == 0)
		return entry->template;
	if (length > CACHE_MAX_TEXT)
		return compile_or_raise(text, length, mode);

	context = AllocSetContextCreate(CurrentMemoryContext, "compiled template",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	template = compile_or_raise(text, length, mode);
	copy = pnstrdup(text, length);
	MemoryContextSwitchTo(old);
	if (entry->context != NULL)
		MemoryContextDelete(entry->context);
	MemoryContextSetParent(context, TopMemoryContext);
	entry->context = context;
	entry->hash = hash;
	entry->mode = mode;
	entry->text = copy;
	entry->length = length;
	entry->template = template;
	return template;
}

/* TemplateScope.lookup: the members of an object are the free names. */
static TemplateBinding
lookup_member(void *arg, const char *name, int length, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(arg, name, length, value) == NULL)
		return TEMPLATE_UNKNOWN;
	return TEMPLATE_VALUE;
}

/* TemplateScope.lookup: every member is the value of a step. */
static TemplateBinding
lookup_step_value(void *arg, const char *name, int length, JsonbValue *value)
{
	TemplateBinding binding = lookup_member(arg, name, length, value);

	return binding == TEMPLATE_VALUE ? TEMPLATE_STEP_VALUE : binding;
}

/* TemplateScope.envelope: the envelopes of the values are not known. */
static TemplateBinding
no_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	return TEMPLATE_UNDEFINED;
}

/* Returns a scope over the members of an object; raises when it is none. */
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

/* Is a name that of a step?  *envelope: the rest of the envelope of its value. */
static bool
find_step(JsonbContainer *context, const char *name, int length, JsonbValue *envelope)
{
	JsonbValue	steps;

	return getKeyJsonValueFromContainer(context, "_steps", strlen("_steps"), &steps) != NULL &&
		json_get_n(&steps, name, length, envelope);
}

/* TemplateScope.lookup: the members of queue.context; some are values of steps. */
static TemplateBinding
lookup_context(void *arg, const char *name, int length, JsonbValue *value)
{
	TemplateBinding binding = lookup_member(arg, name, length, value);
	JsonbValue	envelope;

	return binding == TEMPLATE_VALUE && find_step(arg, name, length, &envelope) ?
		TEMPLATE_STEP_VALUE : binding;
}

/* TemplateScope.envelope: the envelope of a step's value, without the value. */
static TemplateBinding
context_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	return find_step(arg, name, length, value) && json_is_object(value) ?
		TEMPLATE_VALUE : TEMPLATE_UNDEFINED;
}

/* Returns a scope over a queue.context. */
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
