/*
 * jinja/jinja.h
 *		Jinja2 3.1 over JSON values: compile once, evaluate many times.
 *
 * A template is compiled into the CurrentMemoryContext, is immutable from
 * then on, and may be evaluated any number of times, also recursively.  The
 * engine knows nothing of playbooks or tables: the values of free names come
 * from the caller's TemplateScope, one call for each name that is really
 * evaluated, so that a name in an untaken branch costs nothing.
 */
#ifndef NOETL_JINJA_JINJA_H
#define NOETL_JINJA_JINJA_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "common/common.h"

typedef struct Template Template;

/* What the scope says of a free name. */
typedef enum TemplateBinding
{
	TEMPLATE_UNKNOWN,			/* nobody knows the name: undefined; and a
								 * document string that refers to it is left
								 * alone under keep_unknown */
	TEMPLATE_UNDEFINED,			/* a known name without a value (yet) */
	TEMPLATE_VALUE,				/* *value is set */
	TEMPLATE_STEP_VALUE,		/* *value is set and is the value of a step:
								 * .data / .result fall back to it */
	TEMPLATE_STEP_VALUES		/* *value is an object whose members are step
								 * values (the name "results") */
} TemplateBinding;

typedef TemplateBinding (*TemplateLookup) (void *arg, const char *name,
										   int length, JsonbValue *value);

typedef struct TemplateScope
{
	TemplateLookup lookup;		/* values handed out must live as long as the
								 * evaluation; scalars or jbvBinary */
	TemplateLookup envelope;	/* the envelope that the value of step x came
								 * in, an object: what x.status is.
								 * TEMPLATE_VALUE, or nothing; NULL where
								 * templates are plain Jinja2 */
	void	   *arg;
	TimestampTz now;			/* what now() says: fixed for an evaluation,
								 * so that it can be derived again */
	bool		keep_unknown;	/* documents: a string with a root name that
								 * is TEMPLATE_UNKNOWN stays verbatim */
} TemplateScope;

typedef enum TemplateMode
{
	TEMPLATE_TEXT,				/* text with {{ }}, {% %}, {# #} */
	TEMPLATE_CONDITION			/* the same, but text without any tag is one
								 * expression */
} TemplateMode;

/* Compiles; on a syntax error returns NULL and fills *error. */
extern Template *template_compile(const char *text, int length,
								  TemplateMode mode, SourceError *error);

/*
 * An unknown filter or test is no syntax error, but makes every evaluation
 * fail (as in Jinja2, which refuses such a template before it runs it).  This
 * is that error, or NULL.
 */
extern const SourceError *template_fault(const Template *template);

/* Does the text contain any template tag at all ("{{", "{%", "{#")? */
extern bool template_has_tags(const char *text, int length);

/*
 * The free names of a template, each once, in order of appearance.  Names of
 * global functions (range, now, ...) that are only called are not among them.
 */
extern int	template_roots(const Template *template, const char *const **names);

/*
 * Renders: exactly one {{ expression }} gives the native value, anything else
 * text, coerced as noetl.template_coerce says.  The result is a scalar or
 * jbvBinary in CurrentMemoryContext; undefined gives jbvNull.  False and
 * *error when evaluation fails; query cancel and out of memory are raised.
 */
extern bool template_render(const Template *template,
							const TemplateScope *scope,
							JsonbValue *result, SourceError *error);

/* Truth of a condition, by the rule of json_truth.  False: *error is set. */
extern bool template_truth(const Template *template,
						   const TemplateScope *scope,
						   bool *result, SourceError *error);

/*
 * Truth of a JSON value: Python's, and of strings (trimmed, in any case) those
 * are false that say so: "", false, 0, no, n, off, none, null, {}, [].
 */
extern bool json_truth(const JsonbValue *value);

/*
 * A JSON document with templates in it, compiled.  The struct is open so that
 * whoever knows where the pieces came from (playbook.c) can build it.
 */
typedef enum TemplateDocKind
{
	DOC_CONSTANT,				/* a value without templates, or to be left
								 * alone */
	DOC_TEMPLATE,				/* a string with tags */
	DOC_ARRAY,
	DOC_OBJECT
} TemplateDocKind;

typedef struct TemplateDoc TemplateDoc;
struct TemplateDoc
{
	TemplateDocKind kind;
	JsonbValue	value;			/* DOC_CONSTANT: scalar or jbvBinary;
								 * DOC_TEMPLATE: the string as written */
	Template   *template;		/* DOC_TEMPLATE */
	int			line;			/* DOC_TEMPLATE: position of the string in its */
	int			column;			/* file, 0 = unknown; errors are relative to it */
	bool		block;
	int			count;			/* DOC_ARRAY, DOC_OBJECT */
	JsonbValue *keys;			/* DOC_OBJECT: jbvString, unique */
	TemplateDoc **children;
};

/*
 * Compiles every string of a JSON value.  NULL and *error on a syntax error.
 * The document points into the value, which must live as long as it does.
 */
extern TemplateDoc *template_doc_compile(const JsonbValue *value,
										 SourceError *error);

/* Renders a document recursively (values, not keys). */
extern bool template_doc_render(const TemplateDoc *doc,
								const TemplateScope *scope,
								JsonbValue *result, SourceError *error);

#endif							/* NOETL_JINJA_JINJA_H */
