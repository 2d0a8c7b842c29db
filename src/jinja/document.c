/*
 * jinja/document.c
 *		JSON documents with templates in their strings.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

static TemplateDoc *compile_value(const JsonbValue *value, int *strings, SourceError *error);

/* Compiles a string: a template if it has tags, otherwise a constant. */
static TemplateDoc *
compile_string(const JsonbValue *value, int *strings, SourceError *error)
{
	TemplateDoc *doc = palloc0(sizeof(TemplateDoc));

	doc->value = *value;
	if (!template_has_tags(value->val.string.val, value->val.string.len))
		return doc;
	doc->kind = DOC_TEMPLATE;
	doc->column = ++*strings;
	doc->template = template_compile(value->val.string.val, value->val.string.len,
									 TEMPLATE_TEXT, error);
	return doc->template ? doc : NULL;
}

/* Returns whether any string of a container has a template in it. */
static bool
container_has_tags(JsonbContainer *container)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		bounds_work(50);
		if ((token == WJB_VALUE || token == WJB_ELEM) && value.type == jbvString &&
			template_has_tags(value.val.string.val, value.val.string.len))
			return true;
	}
	return false;
}

/* Returns a constant. */
static TemplateDoc *
make_constant(const JsonbValue *value)
{
	TemplateDoc *doc = palloc0(sizeof(TemplateDoc));

	doc->value = *value;
	return doc;
}

/* Frees a document of constants. */
static void
free_constants(TemplateDoc *doc)
{
	int			i;

	for (i = 0; i < doc->count; i++)
		pfree(doc->children[i]);
	if (doc->keys)
		pfree(doc->keys);
	pfree(doc->children);
	pfree(doc);
}

/*
 * Compiles the members of a container; one without any template becomes a
 * constant.
 */
static TemplateDoc *
compile_container(const JsonbValue *whole, int *strings, SourceError *error)
{
	JsonbContainer *container = whole->val.binary.data;
	bool		object = JsonContainerIsObject(container);
	int			size = JsonContainerSize(container);
	TemplateDoc *doc = palloc0(sizeof(TemplateDoc));
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		constant = true;

	doc->kind = object ? DOC_OBJECT : DOC_ARRAY;
	doc->children = palloc((size + 1) * sizeof(TemplateDoc *));
	if (object)
		doc->keys = palloc((size + 1) * sizeof(JsonbValue));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		bounds_work(200);
		if (token == WJB_KEY)
			doc->keys[doc->count] = value;
		else if (token == WJB_VALUE || token == WJB_ELEM)
		{
			TemplateDoc *child = compile_value(&value, strings, error);

			if (child == NULL)
				return NULL;
			constant = constant && child->kind == DOC_CONSTANT;
			doc->children[doc->count++] = child;
		}
	}
	if (!constant)
		return doc;
	free_constants(doc);
	return make_constant(whole);
}

/* Compiles a value that has a template somewhere in it, or may have one. */
static TemplateDoc *
compile_value(const JsonbValue *value, int *strings, SourceError *error)
{
	check_stack_depth();
	if (value->type == jbvString)
		return compile_string(value, strings, error);
	if (value->type == jbvBinary)
		return compile_container(value, strings, error);
	return make_constant(value);
}

/*
 * Compiles every string of a JSON value; returns NULL and fills *error on a
 * syntax error.
 */
TemplateDoc *
template_doc_compile(const JsonbValue *value, SourceError *error)
{
	JsonbValue	whole = *value;
	int			strings = 0;

	if (value->type == jbvArray || value->type == jbvObject)
	{
		Jsonb	   *jsonb = JsonbValueToJsonb(unconstify(JsonbValue *, value));

		whole.type = jbvBinary;
		whole.val.binary.data = &jsonb->root;
		whole.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	}
	if (whole.type == jbvBinary)
	{
		JsonbContainer *container = whole.val.binary.data;

		if (JsonContainerIsScalar(container))
			return compile_value(getIthJsonbValueFromContainer(container, 0), &strings, error);
		if (!container_has_tags(container))
			return make_constant(&whole);
	}
	return compile_value(&whole, &strings, error);
}

/* Who can render a string, by its free names. */
typedef enum Renderer
{
	RENDERER_SCOPE,
	RENDERER_WORKER,
	RENDERER_NOBODY
} Renderer;

/*
 * Returns who can render a template; *unknown: the number of a name that is in
 * the way.
 */
static Renderer
find_renderer(const Template *template, const TemplateScope *scope, int *unknown)
{
	Renderer	renderer = RENDERER_SCOPE;
	int			i;

	for (i = 0; i < template->nnames; i++)
	{
		const TemplateName *name = &template->names[i];
		TemplateBinding binding;
		JsonbValue	value;

		if (!name->free || name->global != NULL)
			continue;
		binding = scope->lookup(scope->arg, name->name, name->length, &value);
		if (binding == TEMPLATE_LATER)
		{
			renderer = RENDERER_WORKER;
			*unknown = i;
		}
		else if (binding == TEMPLATE_UNKNOWN && !name->optional)
		{
			*unknown = i;
			return RENDERER_NOBODY;
		}
	}
	return renderer;
}

/* Fills in the error of a template with a name that nobody, or only the worker, has. */
static void
unknown_name(const Template *template, int number, bool worker, SourceError *error)
{
	TemplateNameInfo info;
	char	   *name;

	(void) template_name(template, number, &info);
	memset(error, 0, sizeof(SourceError));
	error->sqlerrcode = ERRCODE_UNDEFINED_OBJECT;
	name = value_clip_name(info.name, info.length);
	if (worker)
	{
		error->message = psprintf("only a worker knows the name \"%s\"", name);
		error->hint = "The broker renders this template itself; use the name in an action.";
	}
	else
	{
		error->message = psprintf("no step, workload key or other known name is called \"%s\"",
								  name);
		error->hint = psprintf("Give a start parameter a default in workload, or write: %s | default('').",
							   name);
	}
	template_locate_name(template, number, &error->line, &error->column);
}

/*
 * Returns whether a template needs a name that nobody has in its scope; then *error
 * tells which.
 */
bool
template_lacks_name(const Template *template, const TemplateScope *scope, SourceError *error)
{
	int			unknown = 0;

	if (find_renderer(template, scope, &unknown) != RENDERER_NOBODY)
		return false;
	unknown_name(template, unknown, false, error);
	return true;
}

/*
 * Turns the position of an error inside a string into one in the file around
 * it.
 */
static void
relocate(const TemplateDoc *doc, SourceError *error)
{
	if (doc->line == 0 || error->line == 0)
		return;
	if (error->line == 1 || doc->block)
	{
		error->line += doc->line - 1;
		error->column += doc->column - 1;
	}
	else
	{
		/* the folds of a quoted string are not known: take its beginning */
		error->line = doc->line;
		error->column = doc->column;
	}
}

/* Has an error quote the line of a string that it is in: its place in a file is not known. */
static void
quote_line(const Template *template, SourceError *error)
{
	const char *line = template->original;
	const char *end = line + template->original_length;
	int			length = 0;

	for (int i = 1; i < error->line; i++)
	{
		const char *next = memchr(line, '\n', end - line);

		if (next == NULL)
			break;
		line = next + 1;
	}
	while (line < end && isspace((unsigned char) *line))
		line++;
	while (line + length < end && line[length] != '\n' && line[length] != '\r')
		length++;
	error->message = psprintf("%s (in %s)", error->message, value_clip_name(line, length));
}

/* Renders one string of a document. */
static bool
render_string(const TemplateDoc *doc, const TemplateScope *scope,
			  JsonbValue *result, SourceError *error)
{
	Renderer	renderer = RENDERER_SCOPE;
	TemplateScope placed;
	int			unknown = 0;

	if (scope->needs != NEEDS_NOTHING)
		renderer = find_renderer(doc->template, scope, &unknown);
	if (renderer == RENDERER_WORKER && scope->needs == NEEDS_NAMES)
	{
		*result = doc->value;
		return true;
	}
	if (scope->left != NULL && template_refers_to_left(doc->template, scope, error))
	{
		relocate(doc, error);
		return false;
	}
	if (doc->template->identity[0] > 0)
	{
		placed = *scope;
		placed.line = doc->line;
		placed.column = doc->column;
		scope = &placed;
	}
	if (renderer == RENDERER_SCOPE &&
		template_render(doc->template, scope, result, error))
	{
		if (doc->read_json && result->type == jbvString)
			(void) json_from_text(result->val.string.val, result->val.string.len, result);
		return true;
	}
	if (renderer != RENDERER_SCOPE)
		unknown_name(doc->template, unknown, renderer == RENDERER_WORKER, error);
	relocate(doc, error);
	if (scope->quotes && doc->line == 0)
		quote_line(doc->template, error);
	return false;
}

/* Renders a document; false and *error when that fails. */
bool
template_doc_render(const TemplateDoc *doc, const TemplateScope *scope,
					JsonbValue *result, SourceError *error)
{
	JsonBuilder builder;

	check_stack_depth();
	bounds_work(100);
	if (doc->kind == DOC_CONSTANT)
	{
		*result = doc->value;
		return true;
	}
	if (doc->kind == DOC_TEMPLATE)
		return render_string(doc, scope, result, error);
	if (doc->kind == DOC_OBJECT)
		json_begin_object(&builder);
	else
		json_begin_array(&builder);
	for (int i = 0; i < doc->count; i++)
	{
		JsonbValue	member;

		if (!template_doc_render(doc->children[i], scope, &member, error))
			return false;
		if (doc->kind == DOC_OBJECT)
			json_add_n(&builder, doc->keys[i].val.string.val, doc->keys[i].val.string.len,
					   &member);
		else
			json_push(&builder, &member);
	}
	if (doc->kind == DOC_OBJECT)
		json_end_object(&builder, result);
	else
		json_end_array(&builder, result);
	return true;
}

/* Returns whether a template is one expression with tojson as its last filter. */
static bool
ends_in_tojson(const Template *template)
{
	const TemplateNode *node = template->native;

	return node != NULL && node->type == NODE_FILTER &&
		(word_is(node->value.u.string, node->value.length, "tojson") ||
		 word_is(node->value.u.string, node->value.length, "to_json"));
}

/*
 * Makes the strings of a document that are one expression with tojson as its last
 * filter yield the value instead of its text.
 */
void
template_doc_read_json(TemplateDoc *doc)
{
	check_stack_depth();
	if (doc->kind == DOC_TEMPLATE && doc->template != NULL)
		doc->read_json = ends_in_tojson(doc->template);
	else if (doc->kind == DOC_ARRAY || doc->kind == DOC_OBJECT)
		for (int i = 0; i < doc->count; i++)
			template_doc_read_json(doc->children[i]);
}

/* Compiles a JSON value as a document and renders it; false and *error if it fails. */
bool
template_render_value(const JsonbValue *value, const TemplateScope *scope,
					  JsonbValue *result, SourceError *error)
{
	TemplateDoc *doc = template_doc_compile(value, error);

	return doc != NULL && template_doc_render(doc, scope, result, error);
}
