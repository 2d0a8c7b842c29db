/*
 * save/params.h
 *		Named parameters in the text of a statement.
 */
#ifndef NOETL_SAVE_PARAMS_H
#define NOETL_SAVE_PARAMS_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

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

/* The numbers that named parameters have got. */
typedef struct SaveNumbering
{
	List	   *names;			/* char *, by number; NULL: it has no name */
	List	   *replacements;	/* where names were replaced, in the order of the text */

	/* while the text is walked over: */
	const JsonbValue *params;
	void		(*add) (void *arg, int number, const JsonbValue *value);
	void	   *arg;
} SaveNumbering;

/*
 * Returns a statement in which $1, $2, … stand for its parameters: members of an
 * object by :name, elements of a list by the numbers that the statement has.  "add"
 * gets the value of each.
 */
extern char *save_number_params(SaveNumbering *numbering, const char *statement,
								const JsonbValue *params,
								void (*add) (void *arg, int number, const JsonbValue *value),
								void *arg);

/*
 * Returns the place in the statement as written, in bytes, of a place in the text
 * that save_number_params() has returned.
 */
extern int	save_place_of(const SaveNumbering *numbering, int place);

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
