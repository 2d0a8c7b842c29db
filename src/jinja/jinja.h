/*
 * jinja/jinja.h
 *		Jinja2 3.1 over JSON values: compile once, evaluate many times.
 *
 * A template is compiled into the CurrentMemoryContext, is immutable from then
 * on, and may be evaluated any number of times, also recursively. The engine
 * knows nothing of playbooks or tables: the values of free names come from the
 * caller's TemplateScope, which is asked once for each name that is evaluated,
 * so that a name in a branch not taken costs nothing.
 *
 * The functions of the door begin with template_, those of the room with
 * jinja_.
 */
#ifndef NOETL_JINJA_JINJA_H
#define NOETL_JINJA_JINJA_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "common/common.h"

typedef struct Template Template;

/* The answer of a scope about a free name. */
typedef enum TemplateBinding
{
	TEMPLATE_UNKNOWN,			/* nothing has the name: undefined, or an error
								 * (TemplateNeeds) unless the template asks
								 * whether it is defined */
	TEMPLATE_LATER,				/* only the worker knows the name */
	TEMPLATE_UNDEFINED,			/* a known name without a value (yet) */
	TEMPLATE_VALUE,				/* *value is set */
	TEMPLATE_STEP_VALUE,		/* *value is set and is the value of a step:
								 * .data / .result fall back to it */
	TEMPLATE_STEP_VALUES,		/* *value is an object whose members are step
								 * values (the name "results") */
	TEMPLATE_STRICT_VALUE		/* *value is an object; to print a member that it
								 * lacks is an error */
} TemplateBinding;

typedef TemplateBinding (*TemplateLookup) (void *arg, const char *name,
										   int length, JsonbValue *value);

/* Which strings of a document must be rendered. */
typedef enum TemplateNeeds
{
	NEEDS_NOTHING,				/* plain Jinja2: what is unknown is undefined */
	NEEDS_NAMES,				/* a name that nothing has is an error; what only
								 * the worker can render stays verbatim */
	NEEDS_VALUES				/* so is a name that only the worker knows */
} TemplateNeeds;

/* What a name, or a member of its value, has that only a worker can render. */
typedef enum TemplateLeft
{
	LEFT_NOTHING,
	LEFT_NAME,					/* the name itself is one of the worker's */
	LEFT_VALUE					/* the value has templates with such names */
} TemplateLeft;

typedef struct TemplateScope
{
	TemplateLookup lookup;		/* returns values, scalars or jbvBinary, that
								 * live as long as the evaluation */
	TemplateLookup envelope;	/* returns the envelope, an object, that the
								 * value of a step came in, for x.status:
								 * TEMPLATE_VALUE or any other binding for
								 * none; NULL where templates are plain Jinja2 */
	void	   *arg;
	TimestampTz now;			/* the result of now(): fixed for an evaluation,
								 * so that a rendering can be repeated */
	TemplateNeeds needs;
	/*
	 * Appends what tells the execution and the step of a template from others, for
	 * uuid(); NULL: nothing does.
	 */
	void		(*identify) (void *arg, StringInfo buf);
	void	   *identify_arg;
	int			line;			/* of the template in its document, for uuid(); set */
	int			column;			/* while a document is rendered */
	/*
	 * Says what a name (member: NULL), or a member of its value, has that only a worker
	 * can render: an error where the broker renders it; NULL: nothing has.
	 */
	TemplateLeft (*left) (void *arg, const char *name, int length, const char *member,
						  int member_length);
	bool		refuse_missing; /* a lone expression that yields a member which
								 * does not exist is an error */
	bool		quotes;			/* errors quote the line of a string whose place in
								 * a file is not known */
} TemplateScope;

typedef enum TemplateMode
{
	TEMPLATE_TEXT,				/* text with {{ }}, {% %}, {# #} */
	TEMPLATE_CONDITION			/* the same, but text without any tag is one
								 * expression */
} TemplateMode;

/* Compiles a template; on a syntax error returns NULL and fills *error. */
extern Template *template_compile(const char *text, int length,
								  TemplateMode mode, SourceError *error);

/*
 * Returns the error that every evaluation of the template is, or NULL. An
 * unknown filter or test is no syntax error, but Jinja2 refuses such a
 * template before it runs.
 */
extern const SourceError *template_fault(const Template *template);

/* Returns whether the template was compiled from this text. */
extern bool template_has_source(const Template *template, const char *text, int length);

/* Returns whether the text contains a template tag: "{{", "{%" or "{#". */
extern bool template_has_tags(const char *text, int length);

/*
 * Returns whether a template refers to what only a worker can render, as its scope says;
 * then *error tells what.
 */
extern bool template_refers_to_left(const Template *template, const TemplateScope *scope,
									SourceError *error);

/*
 * Returns whether a template needs a name that nobody has in its scope; then *error
 * tells which.
 */
extern bool template_lacks_name(const Template *template, const TemplateScope *scope,
								SourceError *error);

/*
 * Sets *names to the free names of a template, each once, in order of
 * appearance, and returns their number. Names of global functions (range, now,
 * ...) that are only called are not among them.
 */
extern int	template_roots(const Template *template, const char *const **names);

/* A name of a template. */
typedef struct TemplateNameInfo
{
	const char *name;			/* ends with NUL */
	int			length;
	bool		free;			/* the scope gives its value; else the template
								 * binds it, or it is a global function */
	bool		optional;		/* the template asks whether it is defined or
								 * true: x | default(1), x is defined, x or y */
} TemplateNameInfo;

/*
 * Describes name number 0, 1, ... of a template; false behind the last. The
 * info points into the template.
 */
extern bool template_name(const Template *template, int number, TemplateNameInfo *info);

/* Finds where a free name of a template, by its number, is free first. */
extern void template_locate_name(const Template *template, int number, int *line, int *column);

/*
 * Returns the members (char *) of a free name that a template mentions, as name.member
 * or name['member'], in order of appearance.
 */
extern List *template_members(const Template *template, const char *name);

/*
 * Renders a template. Exactly one {{ expression }} gives its native value, any
 * other template gives text, coerced as noetl.template_coerce says. The result
 * is a scalar or jbvBinary in CurrentMemoryContext; undefined gives jbvNull.
 * Returns false and fills *error when evaluation fails; query cancel and out
 * of memory are raised.
 */
extern bool template_render(const Template *template,
							const TemplateScope *scope,
							JsonbValue *result, SourceError *error);

/*
 * Sets *result to the truth of a condition, by the rule of value_json_truth;
 * false and *error when evaluation fails.
 */
extern bool template_truth(const Template *template,
						   const TemplateScope *scope,
						   bool *result, SourceError *error);

/*
 * A JSON document with templates in its strings, compiled. The struct is open
 * so that the playbook compiler, which knows the position of each string, can
 * build one.
 */
typedef enum TemplateDocKind
{
	DOC_CONSTANT,				/* a value without templates, or one that is not
								 * rendered */
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
	int			column;			/* file; errors are relative to it.  Line 0: not
								 * known, column: number of the string */
	bool		block;
	bool		read_json;		/* DOC_TEMPLATE: text that it yields is JSON, and is
								 * read as such */
	int			count;			/* DOC_ARRAY, DOC_OBJECT */
	JsonbValue *keys;			/* DOC_OBJECT: jbvString, unique */
	TemplateDoc **children;
};

/*
 * Compiles every string of a JSON value; returns NULL and fills *error on a
 * syntax error. The document points into the value, which must live as long.
 */
extern TemplateDoc *template_doc_compile(const JsonbValue *value,
										 SourceError *error);

/*
 * Renders a document recursively (values, not keys); false and *error when a
 * template fails.
 */
extern bool template_doc_render(const TemplateDoc *doc,
								const TemplateScope *scope,
								JsonbValue *result, SourceError *error);

/*
 * Makes the strings of a document that are one expression with tojson as its last
 * filter yield the value instead of its text.
 */
extern void template_doc_read_json(TemplateDoc *doc);

/* Compiles a JSON value as a document and renders it once. */
extern bool template_render_value(const JsonbValue *value,
								  const TemplateScope *scope,
								  JsonbValue *result, SourceError *error);

/*
 * Returns a scope over the members of an object; raises an SQL error for any
 * other value.
 */
extern TemplateScope template_object_scope(Jsonb *context);

/*
 * Returns such a scope in which every member is the value of a step without an
 * envelope.
 */
extern TemplateScope template_steps_scope(Jsonb *context);

/*
 * Returns a scope over a queue.context, in which templates mean what they mean
 * in the playbook: its member "_steps" names the members that are values of
 * steps, and holds the rest of the envelopes that the values came in.
 */
extern TemplateScope template_context_scope(Jsonb *context);

/* Raises an error of a template as an SQL error. */
pg_noreturn extern void template_raise(const SourceError *error);

#endif							/* NOETL_JINJA_JINJA_H */
