/*
 * save_params.h
 *		Parameters of a statement that are named.
 */
#ifndef NOETL_SAVE_PARAMS_H
#define NOETL_SAVE_PARAMS_H

#include "utils/jsonb.h"

/*
 * The statement with :name written as $1, $2, …, and the values of these, in
 * order.  Parameters that are a list are $1, $2, … already.  Raises for a name
 * without a value.
 */
extern char *save_number_params(const char *statement, const JsonbValue *params,
								int *nvalues, JsonbValue **values);

#endif							/* NOETL_SAVE_PARAMS_H */
