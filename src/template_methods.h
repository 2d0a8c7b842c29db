/*
 * template_methods.h
 *		Methods that live in several files.
 */
#ifndef NOETL_TEMPLATE_METHODS_H
#define NOETL_TEMPLATE_METHODS_H

#include "template_int.h"

/* template_strings.c */
extern const Builtin *find_string_method(const Value *object, const char *name,
										 int length);

#endif							/* NOETL_TEMPLATE_METHODS_H */
