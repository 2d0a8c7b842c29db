/*
 * api/template.h
 *		What SQL-callable functions that render templates share.
 */
#ifndef NOETL_API_TEMPLATE_H
#define NOETL_API_TEMPLATE_H

#include "jinja/jinja.h"

/* Returns a scope over the members of an object; raises when it is none. */
extern TemplateScope template_object_scope(Jsonb *context);

/*
 * Returns a scope over a queue.context, in which templates mean what they mean in
 * the playbook.  The context's member "_steps" says which members are values of
 * steps, and what else was in the envelopes of these values.
 */
extern TemplateScope template_context_scope(Jsonb *context);

/* Raises a SourceError as an SQL error. */
pg_noreturn extern void template_raise(const SourceError *error);

#endif							/* NOETL_API_TEMPLATE_H */
