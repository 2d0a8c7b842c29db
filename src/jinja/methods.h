/*
 * jinja/methods.h
 *		Methods that jinja/methods.c finds in other files.
 */
#ifndef NOETL_JINJA_METHODS_H
#define NOETL_JINJA_METHODS_H

#include "jinja/internal.h"

/* jinja/methods_string.c */
extern const Builtin *jinja_find_string_method(const Value *object, const char *name,
											   int length);

#endif							/* NOETL_JINJA_METHODS_H */
