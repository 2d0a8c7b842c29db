/*
 * api/arguments.c
 *		Arguments of SQL-callable functions.
 */
#include "common/common.h"

#include "api/arguments.h"

/* Reads a text[] argument; returns how many strings there are. */
int
text_array_argument(FunctionCallInfo fcinfo, int argument, char ***strings)
{
	*strings = NULL;
	if (PG_ARGISNULL(argument))
		return 0;
	return text_array_read(PG_GETARG_ARRAYTYPE_P(argument), strings);
}
