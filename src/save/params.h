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

/*
 * Finds the word that a statement begins with, behind comments and parentheses:
 * *word points into the text, *length is 0 when there is none.  *several says
 * whether a semicolon is followed by something else than comments.
 */
extern void save_outline_statement(const char *statement, const char **word, int *length,
								   bool *several);

/*
 * Returns whether a word begins a statement that the broker executes: SELECT,
 * INSERT, UPDATE, DELETE, MERGE, WITH, VALUES or TABLE.
 */
extern bool save_statement_is_allowed(const char *word, int length);

#endif							/* NOETL_SAVE_PARAMS_H */
