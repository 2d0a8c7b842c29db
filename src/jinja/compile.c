/*
 * jinja/compile.c
 *		Compilation of a template: text, tokens, nodes, then names and scopes.
 */
#include "common/common.h"

#include "jinja/internal.h"

/* Returns whether the text contains any template tag. */
bool
template_has_tags(const char *text, int length)
{
	const char *end = text + length - 1;
	const char *brace = text;

	while (length > 1 && brace < end &&
		   (brace = memchr(brace, '{', end - brace)) != NULL)
	{
		if (brace[1] == '{' || brace[1] == '%' || brace[1] == '#')
			return true;
		brace++;
	}
	return false;
}

/*
 * Returns the expression of a template that is exactly one {{ expression }},
 * white space aside, or NULL.
 */
static TemplateNode *
find_native(const Template *t)
{
	Value		text = utext_make(t->source, t->length);
	TemplateNode *found = NULL;
	int			i;

	text = utext_strip(&text, NULL, true, true);
	if (text.length < 4 || memcmp(text.u.string, "{{", 2) != 0 ||
		memcmp(text.u.string + text.length - 2, "}}", 2) != 0)
		return NULL;
	for (i = 0; i < t->body.count; i++)
	{
		TemplateNode *node = t->body.items[i];

		if (node->type == NODE_DATA &&
			utext_strip(&node->value, NULL, true, true).length == 0)
			continue;
		if (node->type != NODE_PRINT || found != NULL)
			return NULL;
		found = node->left;
	}
	return found;
}

/* Parses an expression without delimiters. */
static void
parse_bare_expression(Parser *p)
{
	Token	   *token;

	p->template->native = jinja_parse_expression(p, true);
	token = jinja_token(p);
	if (token->type != TOK_EOF)
		jinja_syntax_error(token->pos, "unexpected \"%s\" after the expression",
						   jinja_describe_token(token));
}

/* Compiles a template.  Raises on errors. */
static void
compile(Template *t)
{
	Parser		p = {t};
	bool		expression = false;

	if (!template_has_tags(t->original, t->original_length))
	{
		Value		text = utext_make(t->original, t->original_length);

		t->verbatim = t->mode == TEMPLATE_TEXT ||
			utext_strip(&text, NULL, true, true).length == 0;
		if (t->verbatim)
			return;
		expression = true;
	}
	t->source = jinja_normalize_source(t->original, t->original_length, &t->length);
	jinja_scan(t->source, t->length, expression, &p.tokens);
	if (expression)
		parse_bare_expression(&p);
	else
	{
		jinja_parse_body(&p, &t->body);
		t->native = find_native(t);
	}
	jinja_check_names(t);
	jinja_analyse_scopes(t);
	if (p.tokens.tokens)
		pfree(p.tokens.tokens);
	name_table_free(&p.names);
}

/*
 * Fills *error from an error that was caught; pos is where in the source it
 * occurred, or -1.  too_deep is the message for an exhausted stack.
 */
void
jinja_describe_error(const Template *template, const ErrorData *edata, int pos,
					 const char *too_deep, SourceError *error)
{
	memset(error, 0, sizeof(SourceError));
	error->sqlerrcode = edata->sqlerrcode;
	error->message = edata->message;
	error->hint = edata->hint;
	if (edata->sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX)
	{
		error->message = pstrdup(too_deep);
		error->hint = NULL;
	}
	if (template->source && pos >= 0)
		jinja_locate(template->source, template->length, pos,
					 &error->line, &error->column);
}

/* Compiles a template; returns NULL and fills *error on a syntax error. */
Template *
template_compile(const char *text, int length, TemplateMode mode,
				 SourceError *error)
{
	MemoryContext context = CurrentMemoryContext;
	Template   *volatile t = palloc0(sizeof(Template));
	Bounds		bounds;
	char	   *copy = palloc(length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	t->original = copy;
	t->original_length = length;
	t->mode = mode;
	jinja_error_position = -1;
	bounds_begin(&bounds, "compilation of a template", context, true);
	PG_TRY();
	{
		compile(t);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		bounds_end(&bounds);
		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (!value_error_is_data(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		jinja_describe_error(t, edata, jinja_error_position,
							 "template nests too deeply", error);
		t = NULL;
	}
	PG_END_TRY();
	bounds_end(&bounds);
	return t;
}

/* Returns whether the template was compiled from this text. */
bool
template_has_source(const Template *template, const char *text, int length)
{
	return template->original_length == length &&
		memcmp(template->original, text, length) == 0;
}

/* Returns the error that every evaluation of a template is, or NULL. */
const SourceError *
template_fault(const Template *template)
{
	return template->fault;
}

/* Describes a name of a template by its number; false behind the last name. */
bool
template_name(const Template *template, int number, TemplateNameInfo *info)
{
	const TemplateName *name;

	if (number >= template->nnames)
		return false;
	name = &template->names[number];
	info->name = name->name;
	info->length = name->length;
	info->free = name->free && name->global == NULL;
	info->optional = name->optional;
	return true;
}

/* Finds where a free name of a template, by its number, is free first. */
void
template_locate_name(const Template *template, int number, int *line, int *column)
{
	jinja_locate(template->source, template->length, template->names[number].pos, line, column);
}

/* Returns the number of free names of a template and sets *names to them. */
int
template_roots(const Template *template, const char *const **names)
{
	*names = template->roots;
	return template->nroots;
}
