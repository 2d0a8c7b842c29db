/*
 * save/params.h
 *		Named parameters in the text of a statement.
 */
#ifndef NOETL_SAVE_PARAMS_H
#define NOETL_SAVE_PARAMS_H

#include "lib/stringinfo.h"

/*
 * Appends the replacement of :name; returns false when it is no parameter, and
 * the text stays.
 */
typedef bool (*SaveParam) (void *arg, StringInfo sql, const char *name, int length);

/*
 * Returns the statement with its parameters replaced. Text inside of strings,
 * quoted identifiers and comments holds no parameters; nor are the type in
 * value::type and the bound in a[1:n] parameters.
 */
extern char *save_replace_params(const char *statement, SaveParam replace, void *arg);

#endif							/* NOETL_SAVE_PARAMS_H */
