/*
 * api/names_scope.h
 *		Names that lie over those of a queue.context.
 */
#ifndef NOETL_API_NAMES_SCOPE_H
#define NOETL_API_NAMES_SCOPE_H

#include "api/template.h"

/* Hand "template" to the engine. */
typedef struct NamesScope
{
	TemplateScope template;
	TemplateScope above;
	TemplateScope below;
	const Jsonb *names;			/* what "above" is made of */
	bool		has_result;		/* result, response, this: what an action gave */
} NamesScope;

/* A scope over two objects; they are not copied. */
extern void names_scope_init(NamesScope *scope, Jsonb *context, Jsonb *names,
							 bool has_result);

#endif							/* NOETL_API_NAMES_SCOPE_H */
