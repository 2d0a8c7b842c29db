/*
 * jinja/methods.h
 *		Methods that live in several files.
 */
#ifndef NOETL_JINJA_METHODS_H
#define NOETL_JINJA_METHODS_H

#include "jinja/internal.h"

/* template_strings.c */
extern const Builtin *jinja_find_string_method(const Value *object, const char *name,
										 int length);

#endif							/* NOETL_JINJA_METHODS_H */
