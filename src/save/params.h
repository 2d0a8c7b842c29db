/*
 * save/params.h
 *		Named parameters in the text of a statement.
 */
#ifndef NOETL_SAVE_PARAMS_H
#define NOETL_SAVE_PARAMS_H

#include "lib/stringinfo.h"

/* Appends what stands for :name; false: it is no parameter and stays. */
typedef bool (*SaveParam) (void *arg, StringInfo sql, const char *name, int length);

/*
 * The statement with its parameters replaced.  What looks like one inside of
 * strings, quoted identifiers and comments is none, nor is the type in
 * value::type or the bound in a[1:n].
 */
extern char *save_replace_params(const char *statement, SaveParam replace, void *arg);

#endif							/* NOETL_SAVE_PARAMS_H */
