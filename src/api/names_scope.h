/*
 * api/names_scope.h
 *		A template scope of two layers: names over those of a queue.context.
 */
#ifndef NOETL_API_NAMES_SCOPE_H
#define NOETL_API_NAMES_SCOPE_H

#include "jinja/jinja.h"

/* The caller hands "template" to the template engine. */
typedef struct NamesScope
{
	TemplateScope template;
	TemplateScope above;
	TemplateScope below;
	const Jsonb *names;			/* the names of "above" */
	const Jsonb *context;		/* those of "below" */
	bool		has_result;		/* result, response and this are an action's result */
	bool		strict;			/* members that values of "names" lack are errors */
} NamesScope;

/* Fills in *scope; the two objects are not copied and must outlive it. */
extern void names_scope_init(NamesScope *scope, Jsonb *context, Jsonb *names,
							 bool has_result);

#endif							/* NOETL_API_NAMES_SCOPE_H */
